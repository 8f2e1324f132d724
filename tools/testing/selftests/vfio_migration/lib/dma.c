// SPDX-License-Identifier: GPL-2.0-only
/* Memory that a device may write to. */
#include <sys/mman.h>

#include <linux/sizes.h>

#include <libvfio.h>
#include <libmigration.h>

/* A mediated device has no IOMMU that would forbid any IOVA, and type1 then tells no ranges. */
#define MDEV_IOVA SZ_1G

/*
 * Of each size the second that fits: the first may be at 0, which devices take
 * for none.
 */
static iova_t choose_iova(struct mig_device *device, u64 size)
{
	struct iova_allocator *allocator;
	iova_t iova;

	if (!mig_device_is_pci(device->name))
		return MDEV_IOVA + size;
	allocator = iova_allocator_init(device->iommu);
	iova_allocator_alloc(allocator, size);
	iova = iova_allocator_alloc(allocator, size);
	iova_allocator_cleanup(allocator);

	return iova;
}

iova_t mig_dma_free_iova(struct mig_device *device, u64 size)
{
	u64 used = size;
	struct dma_region *region;

	list_for_each_entry(region, &device->iommu->dma_regions, link)
		used = region->size > used ? region->size : used;
	/* Behind all that is mapped: every region begins at its own size. */
	return choose_iova(device, used * 2);
}

void mig_dma_map(struct mig_device *device, struct dma_region *region, u64 size)
{
	*region = (struct dma_region){
		.vaddr =
			mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
		.iova = mig_dma_free_iova(device, size),
		.size = size,
	};
	VFIO_ASSERT_NE(region->vaddr, MAP_FAILED);
	iommu_map(device->iommu, region);
}

void mig_dma_map_too(struct mig_device *device, struct dma_region *too,
		     const struct dma_region *region)
{
	*too = (struct dma_region){ .vaddr = region->vaddr,
				    .iova = region->iova,
				    .size = region->size };
	iommu_map(device->iommu, too);
}
