/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that a device may write to. */
#ifndef LIBMIGRATION_DMA_H
#define LIBMIGRATION_DMA_H

#include <linux/types.h>

#include <libvfio/iommu.h>

struct mig_device;

/* Maps @size bytes of new, zeroed memory, a power of two, at an IOVA that the device can use. */
void mig_dma_map(struct mig_device *device, struct dma_region *region, u64 size);
/* Maps what @region has for another device, at the same IOVA. */
void mig_dma_map_too(struct mig_device *device, struct dma_region *too,
		     const struct dma_region *region);
/* An IOVA where nothing of @size bytes, a power of two, is mapped by these functions. */
iova_t mig_dma_free_iova(struct mig_device *device, u64 size);

#endif /* LIBMIGRATION_DMA_H */
