// SPDX-License-Identifier: GPL-2.0-only
/* VFIO_DEVICE_FEATURE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#include <libvfio/assert.h>
#include <libmigration/feature.h>

int __vfio_feature_raw(int device_fd, void *argument)
{
	return ioctl(device_fd, VFIO_DEVICE_FEATURE, argument) ? -errno : 0;
}

int __vfio_feature(int device_fd, u32 flags, void *data, size_t size)
{
	struct vfio_device_feature *feature;
	int ret;

	feature = calloc_assert(1, sizeof(*feature) + size);
	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	if (size)
		memcpy(feature->data, data, size);
	ret = __vfio_feature_raw(device_fd, feature);
	if (!ret && size)
		memcpy(data, feature->data, size);
	free(feature);

	return ret;
}

int __vfio_feature_probe(int device_fd, u32 flags)
{
	return __vfio_feature(device_fd, flags | VFIO_DEVICE_FEATURE_PROBE, NULL, 0);
}
