/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an open device is made of: open.c makes it, device.c uses it.
 */
#ifndef FERRY_LIB_DEVICE_H
#define FERRY_LIB_DEVICE_H

#include <ferry/device.h>

struct ferry_device {
	char name[FERRY_NAME_MAX];
	char driver[32];
	bool adopted;
	int fd;
	int group;		/* -1: by its character device, or adopted */
	int iommu;		/* container or IOMMUFD; -1: adopted */
	uint32_t ioas;
	int request;		/* eventfd; -1: not asked for */
	uint32_t features;
	bool precopy_v2;
	uint64_t config_offset, config_size;
};

/* What can be known of the function at its FD: features, regions. */
int ferry_device_look(struct ferry_device *device, struct ferry_error *error);

#endif /* FERRY_LIB_DEVICE_H */
