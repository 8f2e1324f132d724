/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for the DMA of a function that `ferry qualify` moves, and how much of it
 * was written during a migration, which a VMM would have to send again.
 */
#ifndef WRITTEN_H
#define WRITTEN_H

#include <stdbool.h>

#include <ferry/device.h>

/**
 * written_offer() - give both functions the same memory, and tell the workload where
 * @devices: both, open
 *
 * The environment of what is run from then on has
 *
 *	FERRY_DMA_IOVA, FERRY_DMA_SIZE	where it is for DMA, and bytes
 *	FERRY_DMA_FD			number of a file with it, inherited
 *
 * Where that cannot be had, for example because too little memory may be locked,
 * it has none of them.
 *
 * Return: 0, or a negative errno.
 */
int written_offer(struct ferry_device *const devices[2]);

/* From here on what the function writes is tracked, if its driver does that. */
bool written_begin(struct ferry_device *device);

/* Bytes, in whole pages, that it wrote since then. 0, or a negative errno. */
int written_end(struct ferry_device *device, uint64_t *bytes, struct ferry_error *error);

#endif /* WRITTEN_H */
