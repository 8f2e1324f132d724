// SPDX-License-Identifier: GPL-2.0-only
/*
 * A whole migration through every way in which VFIO lets a user map memory for
 * a device: what a device writes is where it belongs before and after.
 */
#include <unistd.h>

#include <linux/compiler.h>
#include <linux/sizes.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* A count to each of so many places, so often a second. */
#define BUFFER SZ_64K
#define STRIDE 64UL
#define PLACES (BUFFER / STRIDE)
#define WRITES 5000

FIXTURE(iommu_modes) {
	struct mig_device *device;
	struct mig_device *second;
	struct dma_region region;
	struct dma_region same;
};

FIXTURE_VARIANT(iommu_modes) {
	const char *mode;
};

#define FIXTURE_VARIANT_ADD_IOMMU_MODE(_mode)					\
FIXTURE_VARIANT_ADD(iommu_modes, _mode) {					\
	.mode = #_mode,								\
}

FIXTURE_VARIANT_ADD_ALL_IOMMU_MODES();

FIXTURE_SETUP(iommu_modes)
{
	for (unsigned int i = 0; i < mig_devices_count() && i < 2; i++) {
		const char *why = mig_iommu_mode_missing(mig_devices_name(i), variant->mode);

		if (why)
			SKIP(return, "%s", why);
	}
	self->device = mig_device_open_mode(mig_devices_name(0), variant->mode);
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	mig_dma_map(self->device, &self->region, BUFFER);
}

FIXTURE_TEARDOWN(iommu_modes)
{
	mig_device_close(self->second);
	mig_device_close(self->device);
}

static u64 place(const struct dma_region *region, u64 number)
{
	return READ_ONCE(*(u64 *)(region->vaddr + number * STRIDE));
}

static void expect_writing(struct __test_metadata *_metadata, struct mig_device *device)
{
	u64 before = device->workload->dma_count(device);

	EXPECT_TRUE(mig_wait_until(device->workload->dma_count(device) > before + 20,
				   MIG_PATIENCE_MS));
}

/* The n-th write, counted from 0, wrote n + 1 to place n % PLACES, and the device stopped. */
static void expect_written(struct __test_metadata *_metadata, struct mig_device *device,
			   const struct dma_region *region)
{
	u64 writes = device->workload->dma_count(device);

	for (u64 i = 0; i < PLACES; i++) {
		if (place(region, i) !=
		    (i < writes ? i + (writes - 1 - i) / PLACES * PLACES + 1 : 0)) {
			EXPECT_EQ(i, PLACES) {
				TH_LOG("place %lu has %lu after %lu writes", i, place(region, i),
				       writes);
			}
			return;
		}
	}
}

/*
 * Items: 18 31 41. The migration does not depend on how memory is mapped:
 * vfio.h, "VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE" knows of no IOMMU.
 */
TEST_F(iommu_modes, migration)
{
	bool precopy = self->device->flags & VFIO_MIGRATION_PRE_COPY,
	     dma = MIG_HAS(self->device, dma);
	struct mig_device *target = self->device;
	struct mig_stream stream;

	mig_fill(self->device, 41);
	if (dma) {
		self->device->workload->dma(self->device, self->region.iova, BUFFER, STRIDE,
					    WRITES);
		expect_writing(_metadata, self->device);
	}
	stream = mig_save(self->device, precopy);
	if (dma)
		expect_written(_metadata, self->device, &self->region);

	if (mig_devices_count() > 1) {
		self->second = mig_device_open_mode(mig_devices_name(1), variant->mode);
		mig_dma_map_too(self->second, &self->same, &self->region);
		target = self->second;
	} else {
		mig_device_reset(self->device);
	}
	mig_load(target, &stream);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(target));
	if (dma) {
		expect_writing(_metadata, target);
		mig_state_set(target, VFIO_DEVICE_STATE_STOP);
		expect_written(_metadata, target, &self->region);
	}
	mig_stream_free(&stream);
}

/*
 * Items: 30 36. Memory that is taken away from a stopped device is not missed
 * by it: vfio.h on STOP, "must not generate interrupts, DMA".
 */
TEST_F(iommu_modes, unmapped_while_stopped)
{
	u64 before;

	MIG_NEED_WORKLOAD(self->device, dma);
	self->device->workload->dma(self->device, self->region.iova, BUFFER, STRIDE, WRITES);
	expect_writing(_metadata, self->device);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	expect_written(_metadata, self->device, &self->region);
	iommu_unmap(self->device->iommu, &self->region);
	before = self->device->workload->dma_count(self->device);
	iommu_map(self->device->iommu, &self->region);
	EXPECT_EQ(before, self->device->workload->dma_count(self->device));
	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	expect_writing(_metadata, self->device);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	expect_written(_metadata, self->device, &self->region);
}

MIG_TEST_MAIN
