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

/**
 * struct mlx5_ferry_save - the save that runs, at most one
 * @work: mlx5_core's
 * @image: where the state goes
 * @in: the command
 * @out: its answer
 */
struct mlx5_ferry_save {
	struct mlx5_async_work work;
	struct vfio_ferry_image *image;
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)];
	u32 out[MLX5_ST_SZ_DW(save_vhca_state_out)];
};

/**
 * struct mlx5_ferry - a ConnectX VF
 * @ferry: the engine's part, the first member
 * @mdev: the physical function
 * @vf_id: number of the VF on it
 * @vhca_id: number of the function in the device, firmware commands want it
 * @chunks: the firmware saves in parts
 * @tells_reinit: the firmware tells if the function was initialised anew
 * @renewed: the physical function came back: ask for @vhca_id again
 * @nb: tells when the physical function goes and comes
 * @async: mlx5_core's, for @save
 * @save: the save that runs
 * @pd_lock: protects @pdn and @has_pd
 * @pdn: protection domain of the images' keys
 * @has_pd: there is one
 */
struct mlx5_ferry {
	struct vfio_ferry_device ferry;
	struct mlx5_core_dev *mdev;
	int vf_id;
	u16 vhca_id;
	/* Set on setup only: a bitfield is fine. */
	bool chunks:1;
	bool tells_reinit:1;
	/* Changes at runtime */
	bool renewed;
	struct notifier_block nb;
	struct mlx5_async_ctx async;
	struct mlx5_ferry_save save;
	struct mutex pd_lock;	/* see above */
	u32 pdn;
	bool has_pd;
};

static inline struct mlx5_ferry *to_mlx5_ferry(struct vfio_ferry_device *device)
{
	return container_of(device, struct mlx5_ferry, ferry);
}

extern const struct vfio_ferry_ops mlx5_ferry_ops;

void mlx5_ferry_examine(struct mlx5_ferry *nic);
void mlx5_ferry_forget(struct mlx5_ferry *nic);
int mlx5_ferry_command(struct mlx5_ferry *nic, const char *name, void *in,
		       int in_bytes, void *out, int out_bytes);
int mlx5_ferry_give_back(struct mlx5_ferry *nic, const char *name, void *in,
			 int in_bytes, void *out, int out_bytes);

#define MLX5_FERRY_COMMAND(nic, name, ifc, in, out)		\
	mlx5_ferry_command(nic, name, in, MLX5_ST_SZ_BYTES(ifc##_in), \
			   out, MLX5_ST_SZ_BYTES(ifc##_out))
#define MLX5_FERRY_GIVE_BACK(nic, name, ifc, in, out)		\
	mlx5_ferry_give_back(nic, name, in, MLX5_ST_SZ_BYTES(ifc##_in), \
			     out, MLX5_ST_SZ_BYTES(ifc##_out))

#endif /* MLX5_FERRY_FIRMWARE_H */
