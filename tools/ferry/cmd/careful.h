/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `ferry qualify --careful`: the first steps on hardware and firmware that nobody
 * has tried, in the order of what can go wrong. It ends at the first surprise.
 */
#ifndef CAREFUL_H
#define CAREFUL_H

#include <stdbool.h>

#include <ferry/host.h>

/**
 * struct careful - a walk
 * @device: addresses of the functions; the second may be NULL
 * @workload: command that uses the function, or NULL
 */
struct careful {
	const char *device[2];
	const char *workload;
};

/* Walks; what to exit with. */
int careful_walk(const struct careful *careful);

#endif /* CAREFUL_H */
