/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shape of a function: what a guest sees of it as a PCI device and takes
 * for granted from then on. It moves with the guest, so the target's has to be
 * the same.
 */
#ifndef FERRY_SHAPE_H
#define FERRY_SHAPE_H

#include <linux/vfio_ferry.h>

void ferry_shape_from_config(struct vfio_ferry_shape *shape, const u8 *config,
			     bool extended);
void ferry_shape_read(struct vfio_ferry_shape *shape,
		      const struct vfio_pci_core_device *core);
bool ferry_shape_differs(const struct vfio_ferry_shape *own,
			 const struct vfio_ferry_shape *source,
			 char *why, size_t size);

#endif /* FERRY_SHAPE_H */
