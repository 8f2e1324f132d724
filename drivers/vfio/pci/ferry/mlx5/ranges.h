/* SPDX-License-Identifier: GPL-2.0-only */
/* Ranges of bus addresses, as a page tracker takes them. See ranges.c. */
#ifndef MLX5_FERRY_RANGES_H
#define MLX5_FERRY_RANGES_H

#include <linux/types.h>

/**
 * struct mlx5_ferry_range - bus addresses
 * @first: the first byte
 * @last: the last one
 */
struct mlx5_ferry_range {
	u64 first;
	u64 last;
};

int mlx5_ferry_ranges_check(const struct mlx5_ferry_range *ranges,
			    unsigned int nr);
unsigned int mlx5_ferry_ranges_fit(struct mlx5_ferry_range *ranges,
				   unsigned int nr, unsigned int max, u64 page);
int mlx5_ferry_ranges_space(struct mlx5_ferry_range *ranges, unsigned int nr,
			    int min, int max);

#endif /* MLX5_FERRY_RANGES_H */
