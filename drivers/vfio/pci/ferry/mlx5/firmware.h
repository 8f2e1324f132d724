/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ConnectX VF and the firmware commands that move it.
 *
 * The commands go through the physical function's mlx5_core, which exists for
 * as long as the engine calls us: between mlx5_ferry_examine() or an ENABLE_VF
 * notification and the DISABLE_VF notification or mlx5_ferry_forget().
 */
#ifndef MLX5_FERRY_FIRMWARE_H
#define MLX5_FERRY_FIRMWARE_H

#include <linux/mlx5/driver.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/vfio_ferry.h>

struct mlx5_ferry_tracker;

/**
 * struct mlx5_ferry - a ConnectX VF
 * @ferry: the engine's part, the first member
 * @mdev: the physical function
 * @vf_id: number of the VF on it
 * @vhca_id: number of the function in the device, firmware commands want it
 * @chunks: the firmware saves in parts
 * @tells_reinit: the firmware tells if the function was initialised anew
 * @renewed: the physical function came back: ask for all of the above again
 * @lost: why it can be migrated no more since then, NULL if it can
 * @nb: tells when the physical function goes and comes
 * @pd_lock: protects @pdn and @has_pd
 * @pdn: protection domain of the images' keys
 * @has_pd: there is one
 * @tracker: knows what the VF wrote, tracker.c; NULL if that cannot be
 * @untracked: why not, for a person
 */
struct mlx5_ferry {
	struct vfio_ferry_device ferry;
	struct mlx5_core_dev *mdev;
	int vf_id;
	u16 vhca_id;
	bool chunks;
	bool tells_reinit;
	bool renewed;
	const char *lost;
	struct notifier_block nb;
	struct mutex pd_lock;	/* see above */
	u32 pdn;
	bool has_pd;
	struct mlx5_ferry_tracker *tracker;
	const char *untracked;
};

static inline struct mlx5_ferry *to_mlx5_ferry(struct vfio_ferry_device *device)
{
	return container_of(device, struct mlx5_ferry, ferry);
}

extern const struct vfio_ferry_ops mlx5_ferry_ops;

int mlx5_ferry_renew(struct mlx5_ferry *nic);
void mlx5_ferry_examine(struct mlx5_ferry *nic);
void mlx5_ferry_forget(struct mlx5_ferry *nic);

#endif /* MLX5_FERRY_FIRMWARE_H */
