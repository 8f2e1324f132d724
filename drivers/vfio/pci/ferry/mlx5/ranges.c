// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ranges that a user wants tracked become those that the firmware takes:
 * whole pages, no more than it can, an address space that it knows.
 *
 * More than was asked for may be tracked, never less: what nobody asked for is
 * not reported either. Pure; called by tracker.c.
 */
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "ranges.h"

/**
 * mlx5_ferry_ranges_check() - are these ranges in order, and not empty?
 * @ranges: the ranges, by first address
 * @nr: how many
 *
 * The core lets empty ranges through, which have the one before the first byte
 * for the last; with page size 0 also those that overlap.
 *
 * Return: 0 or -EINVAL.
 */
int mlx5_ferry_ranges_check(const struct mlx5_ferry_range *ranges,
			    unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (ranges[i].last < ranges[i].first ||
		    ranges[i].last == U64_MAX)
			return -EINVAL;
		if (i && ranges[i].first <= ranges[i - 1].last)
			return -EINVAL;
	}
	return 0;
}

/* Of two neighbours, those with the least between them become one. */
static void join_nearest(struct mlx5_ferry_range *ranges, unsigned int nr)
{
	unsigned int best = 1;

	for (unsigned int i = 2; i < nr; i++)
		if (ranges[i].first - ranges[i - 1].last <
		    ranges[best].first - ranges[best - 1].last)
			best = i;
	ranges[best - 1].last = ranges[best].last;
	memmove(&ranges[best], &ranges[best + 1],
		(nr - best - 1) * sizeof(*ranges));
}

/**
 * mlx5_ferry_ranges_fit() - make whole pages and few enough ranges of them
 * @ranges: the ranges, checked; changed in place
 * @nr: how many
 * @max: how many there may be, at least 1
 * @page: bytes of a page, a power of two
 *
 * Return: how many there are now, in order, with gaps between them.
 */
unsigned int mlx5_ferry_ranges_fit(struct mlx5_ferry_range *ranges,
				   unsigned int nr, unsigned int max, u64 page)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < nr; i++) {
		u64 first = round_down(ranges[i].first, page);
		u64 last = ranges[i].last | (page - 1);

		if (kept && (!first || first - 1 <= ranges[kept - 1].last))
			ranges[kept - 1].last = last;
		else
			ranges[kept++] = (struct mlx5_ferry_range) {
				.first = first,
				.last = last,
			};
	}
	for (; kept > max; kept--)
		join_nearest(ranges, kept);
	return kept;
}

/**
 * mlx5_ferry_ranges_space() - the address space that ranges need
 * @ranges: the ranges, fitted; the last becomes longer if all are too small
 * @nr: how many
 * @min: log2 of the smallest space there may be
 * @max: log2 of the largest
 *
 * Return: log2 of the sum of their bytes, rounded up; -EOPNOTSUPP if that is
 * beyond @max.
 */
int mlx5_ferry_ranges_space(struct mlx5_ferry_range *ranges, unsigned int nr,
			    int min, int max)
{
	u64 before_last_byte = 0;
	int space;

	for (unsigned int i = 0; i < nr; i++)
		before_last_byte += ranges[i].last - ranges[i].first + !!i;
	space = before_last_byte ? ilog2(before_last_byte) + 1 : 0;
	if (space < min) {
		u64 more = (1ULL << min) - 1 - before_last_byte;

		if (more > U64_MAX - ranges[nr - 1].last)
			return -EOPNOTSUPP;
		ranges[nr - 1].last += more;
		space = min;
	}
	return space > max ? -EOPNOTSUPP : space;
}
