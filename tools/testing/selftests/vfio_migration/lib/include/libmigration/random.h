/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that look random and come again: splitmix64. */
#ifndef LIBMIGRATION_RANDOM_H
#define LIBMIGRATION_RANDOM_H

#include <stdio.h>
#include <stdlib.h>

#include <linux/types.h>

struct mig_random {
	u64 state;
};

/* From $VFIO_MIGRATION_SEED, or always the same; prints it, so that a failure can be repeated. */
static inline struct mig_random mig_random_start(void)
{
	const char *text = getenv("VFIO_MIGRATION_SEED");
	struct mig_random random = { .state = text ? strtoull(text, NULL, 0) : 1 };

	printf("# VFIO_MIGRATION_SEED=%llu\n", (unsigned long long)random.state);
	fflush(stdout);
	return random;
}

static inline u64 mig_random(struct mig_random *random)
{
	u64 z = random->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* From 0 to @bound - 1. */
static inline u64 mig_random_below(struct mig_random *random, u64 bound)
{
	return mig_random(random) % bound;
}

#endif /* LIBMIGRATION_RANDOM_H */
