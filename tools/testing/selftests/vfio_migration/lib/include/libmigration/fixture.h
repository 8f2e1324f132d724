/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture that most tests share: the first device, open and RUNNING, and
 * the second when a test asks for it.
 *
 * Each test runs in a process of its own, so what it leaves open ends with it.
 */
#ifndef LIBMIGRATION_FIXTURE_H
#define LIBMIGRATION_FIXTURE_H

#include <libmigration/device.h>
#include <libmigration/state.h>
#include <libmigration/workload.h>

struct mig_bench {
	struct mig_device *device;
	struct mig_device *second;
};

/*
 * Where a stream of the bench's device is to be loaded: the second device,
 * opened now if it is not, or the first, reset.
 */
struct mig_device *mig_bench_target(struct mig_bench *bench);
void mig_bench_close(struct mig_bench *bench);

/*
 * The kernel is about to report what a test asked for, in lines of which one
 * matches the regular expression @report. Runs $VFIO_MIGRATION_ANNOUNCE with
 * it, for those who watch the kernel's log for faults.
 */
void mig_announce(const char *report);

/* A fixture `self` with `self->bench`; @needs are VFIO_MIGRATION_* flags. */
#define MIG_FIXTURE(_name, _needs)						\
FIXTURE(_name) {								\
	struct mig_bench bench;							\
	struct mig_device *device;						\
};										\
FIXTURE_SETUP(_name)								\
{										\
	self->device = mig_device_open(mig_devices_name(0));			\
	self->bench.device = self->device;					\
	MIG_NEED(self->device, (_needs));					\
}										\
FIXTURE_TEARDOWN(_name)								\
{										\
	mig_bench_close(&self->bench);						\
}

/* Skips the test and says what the device does not offer. */
#define MIG_NEED(_device, _needs) do {						\
	u64 __lacks = (_needs) & ~(_device)->flags;				\
										\
	if (__lacks)								\
		SKIP(return, "the device does not offer %s",			\
		     __lacks & VFIO_MIGRATION_STOP_COPY ? "migration" :		\
		     __lacks & VFIO_MIGRATION_PRE_COPY ? "PRE_COPY" : "P2P");	\
} while (0)

/* Skips without a workload that has this operation. */
#define MIG_NEED_WORKLOAD(_device, _operation) do {				\
	if (!(_device)->workload || !(_device)->workload->_operation)		\
		SKIP(return, "no workload for the device that has '%s'",	\
		     #_operation);						\
} while (0)

#define MIG_NEED_DEVICES(_count) do {						\
	if (mig_devices_count() < (_count))					\
		SKIP(return, "needs %u devices, %u given", (_count),		\
		     mig_devices_count());					\
} while (0)

#define MIG_TEST_MAIN								\
int main(int argc, char *argv[])						\
{										\
	mig_devices_get(&argc, argv);						\
	return test_harness_run(argc, argv);					\
}

#endif /* LIBMIGRATION_FIXTURE_H */
