// SPDX-License-Identifier: GPL-2.0-only
/*
 * The P2P states, of a device that writes to another one. What it writes to
 * memory may go on in them, and is looked at by behaviour_test.c.
 */
#include <unistd.h>

#include <linux/compiler.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* Writes a second, and how long there must be none. */
#define WRITES 2000
#define QUIET_US 50000

/*
 * Two devices of one container, so that one can reach the other; IOMMUFD maps no BARs by their
 * address.
 */
FIXTURE(peer) {
	struct mig_device *device;
	struct mig_device *peer;
	struct dma_region region;
	u64 *window;
};

FIXTURE_SETUP(peer)
{
	const char *mode = MODE_VFIO_TYPE1V2_IOMMU;
	u32 bar;
	u64 offset, len;

	MIG_NEED_DEVICES(2U);
	if (mig_iommu_mode_missing(mig_devices_name(0), mode))
		SKIP(return, "%s", mig_iommu_mode_missing(mig_devices_name(0), mode));
	self->device = mig_device_open_mode(mig_devices_name(0), mode);
	self->peer = mig_device_open_mode(mig_devices_name(1), mode);
	MIG_NEED(self->device, MIG_P2P);
	MIG_NEED_WORKLOAD(self->device, dma);
	MIG_NEED_WORKLOAD(self->peer, window);
	len = self->peer->workload->window(self->peer, &bar, &offset);
	self->window = self->peer->vfio->bars[bar].vaddr + offset;
	self->region = (struct dma_region) {
		.vaddr = self->window,
		.iova = mig_dma_free_iova(self->device, len),
		.size = len,
	};
	iommu_map(self->device->iommu, &self->region);
}

FIXTURE_TEARDOWN(peer)
{
	mig_device_close(self->device);
	mig_device_close(self->peer);
}

/*
 * Items: 39. vfio.h: "The RUNNING_P2P and PRE_COPY_P2P states must prevent the
 * device from initiating any new P2P DMA transactions".
 */
TEST_F(peer, p2p_starts_no_dma)
{
	const u32 states[] = { VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_PRE_COPY_P2P };
	const struct workload *workload = self->device->workload;
	u64 before, count;

	workload->dma(self->device, self->region.iova, sizeof(u64), sizeof(u64), WRITES);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (!mig_state_supported(self->device->flags, states[i]))
			continue;
		before = READ_ONCE(*self->window);
		ASSERT_TRUE(mig_wait_until(READ_ONCE(*self->window) != before, MIG_PATIENCE_MS));
		close(mig_state_enter(self->device, states[i]));
		before = READ_ONCE(*self->window);
		count = workload->dma_count(self->device);
		usleep(QUIET_US);
		EXPECT_EQ(before, READ_ONCE(*self->window));
		EXPECT_EQ(count, workload->dma_count(self->device)) {
			TH_LOG("DMA in %s", mig_state_name(states[i]));
		}
		/* What was begun before is complete. */
		EXPECT_EQ(count, before);
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		ASSERT_TRUE(mig_wait_until(READ_ONCE(*self->window) != before, MIG_PATIENCE_MS));
	}
}

MIG_TEST_MAIN
