/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of images, as a ConnectX reaches it: DMA mapping, PD, mkey. */
#ifndef MLX5_FERRY_MEMORY_H
#define MLX5_FERRY_MEMORY_H

#include <linux/vfio_ferry.h>

struct mlx5_ferry;

size_t mlx5_ferry_memory_max(struct vfio_ferry_device *device);
int mlx5_ferry_memory_map(struct vfio_ferry_device *device,
			  struct vfio_ferry_image *image);
int mlx5_ferry_memory_unmap(struct vfio_ferry_device *device,
			    struct vfio_ferry_image *image);
void mlx5_ferry_memory_quiesce(struct vfio_ferry_device *device);
u32 mlx5_ferry_memory_key(struct vfio_ferry_image *image);
void mlx5_ferry_memory_for_cpu(struct mlx5_ferry *nic,
			       struct vfio_ferry_image *image, u64 bytes);
void mlx5_ferry_memory_for_device(struct mlx5_ferry *nic,
				  struct vfio_ferry_image *image, u64 bytes);

#endif /* MLX5_FERRY_MEMORY_H */
