/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting images in a driver's stream as it passes.
 */
#ifndef FERRY_LIB_IMAGES_H
#define FERRY_LIB_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct images {
	int64_t count;
	bool unknown;		/* the stream is not made of mlx5 VFs' records */
	uint8_t header[16];
	unsigned int have;
	uint64_t left;		/* of the record's payload */
};

void images_count(struct images *images, const uint8_t *data, size_t size);
/* -1 if they cannot be counted. */
int64_t images_so_far(const struct images *images);

#endif /* FERRY_LIB_IMAGES_H */
