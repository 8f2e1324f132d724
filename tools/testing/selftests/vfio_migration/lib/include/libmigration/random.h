/* SPDX-License-Identifier: GPL-2.0-only */
/* Random choices that come again: a small generator (splitmix64) and the seed of a run. */
#ifndef LIBMIGRATION_RANDOM_H
#define LIBMIGRATION_RANDOM_H

#include <stdio.h>
#include <stdlib.h>

#include <linux/types.h>

static inline u64 mig_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* 0 to @limit - 1 */
static inline u64 mig_random_below(u64 *state, u64 limit)
{
	return mig_random(state) % limit;
}

/* $VFIO_MIGRATION_SEED, or always the same; says which. */
static inline u64 mig_seed(void)
{
	const char *chosen = getenv("VFIO_MIGRATION_SEED");
	u64 seed = chosen ? strtoull(chosen, NULL, 0) : 20;

	printf("# VFIO_MIGRATION_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

#endif /* LIBMIGRATION_RANDOM_H */
