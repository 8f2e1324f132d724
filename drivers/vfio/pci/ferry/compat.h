/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that ferry is built for, 6.12 and 7.x, and
 * between compiler and checker. The only file that tests for either.
 */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

#include <linux/cleanup.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

/*
 * 7.x: crc32c() has come to the other CRCs; struct vfio_device_ops has members
 * without the first two of which the core rejects the device or calls a NULL
 * pointer; users can opt in to a second form of VFIO_MIG_GET_PRECOPY_INFO.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)

#include <linux/crc32.h>

#define FERRY_NEW_DEVICE_OPS						\
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,		\
	.match_token_uuid = vfio_pci_core_match_token_uuid,		\
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,	\
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,

#define FERRY_PRECOPY_REINIT	VFIO_PRECOPY_INFO_REINIT

static inline bool ferry_precopy_info_v2(struct vfio_device *vdev)
{
	return vdev->precopy_info_v2;
}

#else

#include <linux/crc32c.h>

#define FERRY_NEW_DEVICE_OPS
#define FERRY_PRECOPY_REINIT	0

static inline bool ferry_precopy_info_v2(struct vfio_device *vdev)
{
	return false;
}

#endif

/*
 * Sparse does not know that a variable's end can unlock: to it a guard is a
 * lock that is never given back. Leave it those that are taken by hand.
 */
#ifdef __CHECKER__
#undef guard
#define guard(name)	ferry_unguarded_##name
#define ferry_unguarded_spinlock(lock)	((void)(lock))
#define ferry_unguarded_mutex(lock)	((void)(lock))
#endif

/* Older kernels of the 6.12 series lack it. */
#ifndef kzalloc_obj
#define kzalloc_obj(object, gfp)	kzalloc(sizeof(object), gfp)
#endif

#endif /* FERRY_COMPAT_H */
