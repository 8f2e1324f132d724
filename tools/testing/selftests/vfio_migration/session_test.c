// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data transfer sessions: what ends one, what is left of it then, and what a
 * session that was cut short or failed does to the device.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* Commands of a save that are made to fail in turn, and how long to wait for one. */
#define FAULTS 5
#define FAULT_MS 300

MIG_FIXTURE(session, VFIO_MIGRATION_STOP_COPY)

/*
 * A session that is over: reads end or fail, nothing else is left to do with it, and poll()
 * does not wait.
 */
static void expect_over(struct __test_metadata *_metadata, int data_fd, bool saves, const char *how)
{
	struct pollfd poll_fd = { .fd = data_fd, .events = saves ? POLLIN : POLLOUT };
	struct vfio_precopy_info info;
	char byte = 0;
	ssize_t got;

	for (int i = 0; i < 2; i++) {
		if (saves) {
			got = read(data_fd, &byte, 1);
			EXPECT_TRUE(!got || (got < 0 && errno != ENOMSG && errno != EAGAIN)) {
				TH_LOG("%s: read() gives %zd, errno %d", how, got, errno);
			}
		} else {
			EXPECT_EQ(-1, write(data_fd, &byte, 1)) {
				TH_LOG("%s", how);
			}
		}
		EXPECT_GT(0, __mig_precopy_info(data_fd, &info)) {
			TH_LOG("%s", how);
		}
		EXPECT_EQ(1, poll(&poll_fd, 1, MIG_PATIENCE_MS)) {
			TH_LOG("%s: poll() waits", how);
		}
	}
}

/*
 * Items: 42 43. vfio.h: the arcs that "terminate a data transfer session";
 * struct vfio_migration_ops: "FD reaches end of stream or error whenever the
 * migration FSM leaves a data transfer state".
 */
TEST_F(session, sessions_end)
{
	static const struct {
		u32 from;
		u32 to;
	} arcs[] = {
		{ VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_STOP },
		{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_RUNNING },
		{ VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_RUNNING_P2P },
		{ VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_STOP },
	};
	struct mig_stream stream = mig_save(self->device, false);

	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	for (size_t i = 0; i < ARRAY_SIZE(arcs); i++) {
		bool saves = mig_state_saves(arcs[i].from);
		int data_fd, next;

		if (!mig_state_supported(self->device->flags, arcs[i].from))
			continue;
		data_fd = mig_state_enter(self->device, arcs[i].from);
		if (!saves)
			ASSERT_EQ(0, __mig_write(data_fd, stream.data, stream.len));
		mig_state_set(self->device, arcs[i].to);
		expect_over(_metadata, data_fd, saves, mig_state_name(arcs[i].from));

		/* A session that follows does not give life to one that is over. */
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		next = mig_state_enter(self->device, arcs[i].from);
		expect_over(_metadata, data_fd, saves, "a session of before");
		close(data_fd);
		mig_device_reset(self->device);
		expect_over(_metadata, next, saves, "after a reset");
		close(next);
	}
	mig_stream_free(&stream);
}

/*
 * Items: 44. vfio.h: "The STOP_COPY arc will terminate a data transfer
 * session": that asks for nobody to have read it.
 */
TEST_F(session, stop_copy_not_drained)
{
	char some[1000];
	int data_fd;
	u64 sum;

	mig_fill(self->device, 13);
	sum = mig_sum(self->device);
	for (int reads = 0; reads < 3; reads++) {
		data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_STOP_COPY);
		for (int i = 0; i < reads; i++)
			EXPECT_LE(0, read(data_fd, some, sizeof(some)));
		EXPECT_EQ(0, __mig_state_set(self->device, VFIO_DEVICE_STATE_STOP, NULL));
		EXPECT_EQ(VFIO_DEVICE_STATE_STOP, mig_state_get(self->device));
		EXPECT_EQ(0, __mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING, NULL));
		EXPECT_EQ(sum, mig_sum(self->device));
		close(data_fd);
	}
	mig_assert_usable(self->device);
}

/*
 * Items: 45. Faults: 13. vfio.h: "If the user provided data is found to be
 * incomplete, inconsistent, or otherwise invalid, the migration driver must
 * fail the SET_STATE ioctl".
 */
TEST_F(session, incomplete_stream)
{
	struct mig_device *target;
	struct mig_stream stream;
	u64 sum;

	mig_fill(self->device, 15);
	sum = mig_sum(self->device);
	stream = mig_save(self->device, false);
	target = mig_bench_target(&self->bench);
	for (int part = 0; part < 4; part++) {
		const size_t lengths[] = { 0, 1, stream.len / 2, stream.len - 1 };
		int data_fd = mig_state_enter(target, VFIO_DEVICE_STATE_RESUMING);

		ASSERT_EQ(0, __mig_write(data_fd, stream.data, lengths[part]));
		EXPECT_GT(0, __mig_state_set(target, VFIO_DEVICE_STATE_STOP, NULL)) {
			TH_LOG("%zu of %zu bytes", lengths[part], stream.len);
		}
		close(data_fd);
		mig_device_reset(target);
	}
	mig_load(target, &stream);
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(&stream);
}

/*
 * Items: 46 47. vfio.h: "To abort a RESUMING session the device must be
 * reset"; nothing of it is left in the next.
 */
TEST_F(session, aborted_resuming)
{
	struct mig_stream first, second;
	struct mig_device *target;
	int data_fd;
	u64 sum;

	mig_fill(self->device, 17);
	first = mig_save(self->device, false);
	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	mig_fill(self->device, 19);
	sum = mig_sum(self->device);
	second = mig_save(self->device, false);

	target = mig_bench_target(&self->bench);
	for (int part = 0; part < 4; part++) {
		const size_t lengths[] = { 1, 17, first.len / 2, first.len };

		data_fd = mig_state_enter(target, VFIO_DEVICE_STATE_RESUMING);
		ASSERT_EQ(0, __mig_write(data_fd, first.data, lengths[part]));
		mig_device_reset(target);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(target));
		expect_over(_metadata, data_fd, false, "aborted");
		close(data_fd);
	}
	mig_load(target, &second);
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(&first);
	mig_stream_free(&second);
}

/*
 * Uses a save in PRE_COPY until a command of it met the fault that was armed
 * when there had been @hits; false if none did. Commands may be sent in the
 * background.
 */
static bool meets_fault(struct mig_device *device, int data_fd, u64 hits)
{
	struct mig_stream stream = { };
	struct vfio_precopy_info info;
	bool met;

	met = mig_wait_until((mig_change(device, 1), __mig_precopy_info(data_fd, &info),
			      __mig_read(data_fd, &stream, 4096),
			      device->workload->fault_hits(device) != hits), FAULT_MS);
	/* And sees what came of it. */
	__mig_precopy_info(data_fd, &info);
	__mig_read(data_fd, &stream, 4096);
	mig_stream_free(&stream);

	return met;
}

/*
 * Items: 48. vfio.h: "If this function fails", the user can "attempt to return to [...]
 * RUNNING", and in PRE_COPY the device runs already: a save that failed does not keep it from
 * going there. A driver that cannot has to say so, by ERROR.
 */
TEST_F_TIMEOUT(session, pre_copy_ends_after_faults, 100)
{
	const enum workload_fault faults[] = {
		WORKLOAD_FAULT_FAIL,
		WORKLOAD_FAULT_STATE,
		WORKLOAD_FAULT_RESOURCES,
		WORKLOAD_FAULT_DMA,
	};
	int met = 0;

	MIG_NEED(self->device, MIG_PRE_COPY);
	MIG_NEED_WORKLOAD(self->device, fault_arm);
	for (u32 i = 0; i < ARRAY_SIZE(faults) * FAULTS; i++) {
		u64 hits = self->device->workload->fault_hits(self->device);
		enum workload_fault fault = faults[i / FAULTS];
		int data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_PRE_COPY);

		self->device->workload->fault_arm(self->device, fault, i % FAULTS + 1, 1);
		met += meets_fault(self->device, data_fd, hits);
		if (mig_state_get(self->device) != VFIO_DEVICE_STATE_ERROR) {
			EXPECT_EQ(0, __mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING,
						     NULL)) {
				TH_LOG("command %u %s", i % FAULTS + 1,
				       workload_fault_names[fault]);
			}
		}
		close(data_fd);
		self->device->workload->fault_disarm(self->device);
		if (mig_state_get(self->device) != VFIO_DEVICE_STATE_RUNNING)
			mig_device_reset(self->device);
		mig_change(self->device, 1);
	}
	EXPECT_LT(0, met);
	mig_assert_usable(self->device);
}

/*
 * Items: 47. A device that was there before is what the stream says, and nothing else of it is
 * left.
 */
TEST_F(session, target_was_used_before)
{
	struct mig_stream stream;
	struct mig_device *target;
	u64 sum;

	mig_fill(self->device, 21);
	sum = mig_sum(self->device);
	stream = mig_save(self->device, false);
	target = mig_bench_target(&self->bench);
	mig_fill(target, 23);
	mig_change(target, 50);
	mig_load(target, &stream);
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(&stream);
}

MIG_TEST_MAIN
