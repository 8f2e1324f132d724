/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pages a ConnectX VF wrote. See tracker.c. */
#ifndef MLX5_FERRY_TRACKER_H
#define MLX5_FERRY_TRACKER_H

struct mlx5_ferry;

void mlx5_ferry_tracker_init(struct mlx5_ferry *nic);
void mlx5_ferry_tracker_forget(struct mlx5_ferry *nic);
void mlx5_ferry_tracker_close(struct mlx5_ferry *nic);
void mlx5_ferry_tracker_reset(struct mlx5_ferry *nic);

#endif /* MLX5_FERRY_TRACKER_H */
