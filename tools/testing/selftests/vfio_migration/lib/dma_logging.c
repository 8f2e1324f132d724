// SPDX-License-Identifier: GPL-2.0-only
/* VFIO_DEVICE_FEATURE_DMA_LOGGING_* */
#include <libvfio.h>
#include <libmigration.h>

int __dma_logging_start(struct mig_device *device,
			const struct vfio_device_feature_dma_logging_range *ranges, u32 count,
			u64 *page_size)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = *page_size,
		.num_ranges = count,
		.ranges = (u64)ranges,
	};
	int ret = __vfio_feature(device->fd,
				 VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
				 &control, sizeof(control));

	if (!ret)
		*page_size = control.page_size;
	return ret;
}

int __dma_logging_stop(struct mig_device *device)
{
	return __vfio_feature(device->fd,
			      VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL,
			      0);
}

int __dma_logging_report(struct mig_device *device, u64 iova, u64 length, u64 page_size,
			 u64 *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.bitmap = (u64)bitmap,
	};

	return __vfio_feature(device->fd,
			      VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
			      &report, sizeof(report));
}
