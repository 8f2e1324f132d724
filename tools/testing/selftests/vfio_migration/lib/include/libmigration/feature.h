/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO_DEVICE_FEATURE, of which libvfio has the SET of one feature. */
#ifndef LIBMIGRATION_FEATURE_H
#define LIBMIGRATION_FEATURE_H

#include <stddef.h>

#include <linux/types.h>

/*
 * @flags: VFIO_DEVICE_FEATURE_GET, _SET or _PROBE, and the number of the
 * feature. @data, of @size bytes, is copied in and, unless the ioctl fails,
 * out. Returns 0 or -errno.
 */
int __vfio_feature(int device_fd, u32 flags, void *data, size_t size);
/* Asks only whether the feature and the methods in @flags exist. */
int __vfio_feature_probe(int device_fd, u32 flags);
/* With everything chosen by the caller; @argument may be any pointer. */
int __vfio_feature_raw(int device_fd, void *argument);

#endif /* LIBMIGRATION_FEATURE_H */
