// SPDX-License-Identifier: GPL-2.0-only
/* VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: the state machine, seen from its ioctl. */
#include <errno.h>

#include <libmigration.h>

#include "kselftest_harness.h"

MIG_FIXTURE(state, VFIO_MIGRATION_STOP_COPY)

/* Items: 17 18. U: "The kernel migration driver must fully transition". */
TEST_F(state, running_after_open)
{
	struct vfio_device_feature_mig_state data = { .device_state = 0x5a5a, .data_fd = 0x5a5a };

	ASSERT_EQ(0, __vfio_feature(self->device->fd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
				    &data, sizeof(data)));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, data.device_state);
	EXPECT_EQ(-1, data.data_fd);
}

TEST_F(state, usable)
{
	mig_assert_usable(self->device);
}

MIG_TEST_MAIN
