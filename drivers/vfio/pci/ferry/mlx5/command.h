/* SPDX-License-Identifier: GPL-2.0-only */
/* Firmware commands on behalf of a VF. See command.c. */
#ifndef MLX5_FERRY_COMMAND_H
#define MLX5_FERRY_COMMAND_H

#include "firmware.h"

int mlx5_ferry_report(struct mlx5_ferry *nic, const char *name, int err,
		      void *out);
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

#endif /* MLX5_FERRY_COMMAND_H */
