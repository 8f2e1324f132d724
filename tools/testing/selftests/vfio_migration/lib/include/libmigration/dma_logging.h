/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO_DEVICE_FEATURE_DMA_LOGGING_* */
#ifndef LIBMIGRATION_DMA_LOGGING_H
#define LIBMIGRATION_DMA_LOGGING_H

#include <linux/types.h>
#include <linux/vfio.h>

struct mig_device;

/* @page_size: the one wished for, then the one chosen. */
int __dma_logging_start(struct mig_device *device,
			const struct vfio_device_feature_dma_logging_range *ranges, u32 count,
			u64 *page_size);
int __dma_logging_stop(struct mig_device *device);
int __dma_logging_report(struct mig_device *device, u64 iova, u64 length, u64 page_size,
			 u64 *bitmap);

#endif /* LIBMIGRATION_DMA_LOGGING_H */
