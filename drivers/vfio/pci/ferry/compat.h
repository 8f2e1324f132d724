/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that ferry is built for, by what their
 * headers have and not by their version: distributions bring members of later
 * kernels to older ones. The Makefile looks into the headers for what a
 * preprocessor cannot see, and says FERRY_HAS_. And what differs between
 * compiler and checker.
 */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

#include <linux/cleanup.h>
#include <linux/crc32c.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

/*
 * Of struct vfio_device_ops. Without the first the core calls a NULL pointer,
 * without the second it describes no region, where it knows them.
 */
#ifdef FERRY_HAS_match_token_uuid
#define FERRY_MATCH_TOKEN_UUID						\
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#else
#define FERRY_MATCH_TOKEN_UUID
#endif

#ifdef FERRY_HAS_get_region_info_caps
#define FERRY_GET_REGION_INFO_CAPS					\
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,
#else
#define FERRY_GET_REGION_INFO_CAPS
#endif

#ifdef FERRY_HAS_pasid_attach_ioas
#define FERRY_PASID_IOAS						\
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,	\
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#else
#define FERRY_PASID_IOAS
#endif

/* Users can opt in to a second form of VFIO_MIG_GET_PRECOPY_INFO. */
#ifdef FERRY_HAS_precopy_info_v2

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
 * There is no way from STOP_COPY to a pre-copy state. Some kernels, 6.18.26 for
 * one, look for it for ever.
 */
static inline int ferry_mig_get_next_state(struct vfio_device *vdev,
					   enum vfio_device_mig_state from,
					   enum vfio_device_mig_state to,
					   enum vfio_device_mig_state *next)
{
	if (from == VFIO_DEVICE_STATE_STOP_COPY &&
	    (to == VFIO_DEVICE_STATE_PRE_COPY ||
	     to == VFIO_DEVICE_STATE_PRE_COPY_P2P))
		return -EINVAL;
	return vfio_mig_get_next_state(vdev, from, to, next);
}

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

/* 7.0 and some later kernels of older series have it. */
#ifndef kzalloc_obj
#define kzalloc_obj(object, gfp)	kzalloc(sizeof(object), gfp)
#endif

#endif /* FERRY_COMPAT_H */
