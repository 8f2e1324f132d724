/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that ferry is built for: 6.12 and 7.x.
 * The only file that tests a version.
 */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

#include <linux/version.h>
#include <linux/vfio_pci_core.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#include <linux/crc32c.h>
#else
#include <linux/crc32.h>
#endif

/* Users that opted in to the second form of VFIO_MIG_GET_PRECOPY_INFO */
#ifdef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define FERRY_PRECOPY_REINIT	VFIO_PRECOPY_INFO_REINIT

static inline bool ferry_precopy_info_v2(struct vfio_device *vdev)
{
	return vdev->precopy_info_v2;
}
#else
#define FERRY_PRECOPY_REINIT	0

static inline bool ferry_precopy_info_v2(struct vfio_device *vdev)
{
	return false;
}
#endif

/*
 * Members of struct vfio_device_ops that came after 6.12. Without the first
 * two the core of 7.x rejects the device or calls a NULL pointer.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define FERRY_NEW_DEVICE_OPS						\
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,		\
	.match_token_uuid = vfio_pci_core_match_token_uuid,		\
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,	\
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#else
#define FERRY_NEW_DEVICE_OPS
#endif

#endif /* FERRY_COMPAT_H */
