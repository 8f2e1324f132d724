// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_MIG_GET_PRECOPY_INFO and VFIO_DEVICE_FEATURE_MIG_DATA_SIZE: what a user
 * is told about the data that is to come.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* More than any device has; an errno or all ones taken for a number of bytes is beyond it. */
#define PLAUSIBLE 1000000000000ULL

MIG_FIXTURE(precopy, MIG_PRE_COPY)

/* The rest of the stream comes, and all of it together is the state of the device. */
static void expect_arrives(struct __test_metadata *_metadata, struct mig_bench *bench, int fd,
			   struct mig_stream *stream)
{
	struct mig_device *target;
	u64 sum;

	mig_state_set(bench->device, VFIO_DEVICE_STATE_STOP_COPY);
	mig_read_all(fd, stream);
	sum = mig_sum(bench->device);
	target = mig_bench_target(bench);
	mig_load(target, stream);
	EXPECT_EQ(sum, mig_sum(target));
}

static int info_raw(int fd, void *info)
{
	return ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, info) ? -errno : 0;
}

static bool is_end(const struct vfio_precopy_info *info)
{
	return !info->initial_bytes && !info->dirty_bytes;
}

/* To the temporary end, and until both numbers say so. */
static void drain(struct __test_metadata *_metadata, int fd, struct mig_stream *stream)
{
	struct vfio_precopy_info info;

	ASSERT_TRUE(mig_wait_until((mig_read_precopy(fd, stream),
				    mig_precopy_info_zeroed(fd, &info), is_end(&info)),
				   MIG_PATIENCE_MS)) {
		TH_LOG("nothing is left to read, and initial_bytes is %llu, dirty_bytes %llu",
		       info.initial_bytes, info.dirty_bytes);
	}
}

/*
 * Items: 58 62 63 65. Faults: 65. vfio.h: "Support for this ioctl is mandatory", initial_bytes
 * "should have a non-zero initial value", dirty_bytes "starts at zero"; both are outputs,
 * whatever the caller had there.
 */
TEST_F(precopy, on_entry)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info;

	/* Fills the struct with ones first. */
	ASSERT_EQ(0, __mig_precopy_info(fd, &info));
	EXPECT_LT(0, info.initial_bytes);
	EXPECT_GT(PLAUSIBLE, info.initial_bytes);
	EXPECT_EQ(0, info.dirty_bytes);
	EXPECT_EQ(sizeof(info), info.argsz);
}

/*
 * Items: 65. Faults: 65. Both numbers are written at the temporary end, too, where they are zero.
 */
TEST_F(precopy, at_temporary_end)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info;
	struct mig_stream stream = { };

	mig_read_precopy(fd, &stream);
	/* The device may have changed something by itself: that has to be read, too. */
	ASSERT_TRUE(mig_wait_until((mig_read_precopy(fd, &stream), mig_precopy_info(fd, &info),
				    is_end(&info)),
				   MIG_PATIENCE_MS)) {
		TH_LOG("initial_bytes %#llx, dirty_bytes %#llx", info.initial_bytes,
		       info.dirty_bytes);
	}
}

/*
 * Items: 62 64. vfio.h: initial_bytes should "decrease as migration data is read from the
 * device"; the temporary end "is reached when both initial_bytes and dirty_byte are zero".
 */
TEST_F(precopy, decreases)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info, before;
	u8 piece[50021];
	ssize_t got;

	mig_precopy_info_zeroed(fd, &before);
	while ((got = read(fd, piece, sizeof(piece))) > 0) {
		mig_precopy_info_zeroed(fd, &info);
		EXPECT_GE(before.initial_bytes, info.initial_bytes);
		before = info;
	}
	ASSERT_EQ(-1, got);
	ASSERT_EQ(ENOMSG, errno);
	EXPECT_EQ(0, before.initial_bytes);
}

/*
 * Items: 63 64. vfio.h: dirty_bytes "may increase as the internal device state is modified or
 * decrease as that modified state is read". As long as a number is not zero, this is no end.
 */
TEST_F(precopy, dirty)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info;
	struct mig_stream stream = { };
	char byte;

	MIG_NEED_WORKLOAD(self->device, change);
	for (int round = 0; round < 3; round++) {
		drain(_metadata, fd, &stream);
		mig_change(self->device, 30);
		/* Long enough to be met while it is prepared. */
		mig_slow(self->device, 1, 0);
		ASSERT_TRUE(mig_wait_until((mig_precopy_info_zeroed(fd, &info), !is_end(&info)),
					   MIG_PATIENCE_MS));
		EXPECT_EQ(0, info.initial_bytes);
		EXPECT_LT(0, info.dirty_bytes);
		EXPECT_GT(PLAUSIBLE, info.dirty_bytes);
		EXPECT_EQ(1, read(fd, &byte, 1)) {
			TH_LOG("%llu dirty bytes, and read() says %s", info.dirty_bytes,
			       strerror(errno));
		}
		mig_fast(self->device);
	}
	drain(_metadata, fd, &stream);
}

/* Items: 60. include/linux/vfio.h, vfio_check_precopy_ioctl(). */
TEST_F(precopy, bad_calls)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct {
		struct vfio_precopy_info info;
		u64 future[4];
	} longer = { .info.argsz = sizeof(longer) };
	struct vfio_precopy_info info = { };

	for (info.argsz = 0; info.argsz < sizeof(info); info.argsz++)
		EXPECT_EQ(-EINVAL, info_raw(fd, &info));
	EXPECT_EQ(-EFAULT, info_raw(fd, NULL));
	EXPECT_EQ(-EFAULT, info_raw(fd, (void *)16));
	EXPECT_EQ(-1, ioctl(fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(fd, VFIO_DEVICE_FEATURE, &info));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(0, info_raw(fd, &longer));
	EXPECT_EQ(0, longer.future[0]);
	/* The refused calls took nothing. */
	ASSERT_EQ(0, __mig_precopy_info_zeroed(fd, &info));
	EXPECT_LT(0, info.initial_bytes);
}

/*
 * Items: 59. vfio.h: "This ioctl is valid only in PRE_COPY states and kernel driver should
 * return -EINVAL from any other migration state."
 */
TEST_F(precopy, other_states)
{
	struct vfio_precopy_info info;
	struct mig_stream stream = { };
	int fd;

	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_EQ(-EINVAL, __mig_precopy_info_zeroed(fd, &info));
	mig_read_all(fd, &stream);
	EXPECT_EQ(-EINVAL, __mig_precopy_info_zeroed(fd, &info));
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	close(fd);

	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_EQ(-EINVAL, __mig_precopy_info_zeroed(fd, &info));
	mig_stream_free(&stream);
	mig_read_all(fd, &stream);
	EXPECT_LT(0, stream.len);
}

/* Items: 41 59. vfio.h: PRE_COPY_P2P "continues all the behaviors of PRE_COPY". */
TEST_F(precopy, in_p2p)
{
	struct vfio_precopy_info info;
	struct mig_stream stream = { };
	int fd;

	MIG_NEED(self->device, VFIO_MIGRATION_P2P);
	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_state_set(self->device, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	ASSERT_EQ(0, __mig_precopy_info_zeroed(fd, &info));
	EXPECT_LT(0, info.initial_bytes);
	drain(_metadata, fd, &stream);
	mig_state_set(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	ASSERT_EQ(0, __mig_precopy_info_zeroed(fd, &info));
	EXPECT_EQ(0, info.initial_bytes);
}

/*
 * Items: 61. The session of the FD is over: neither does its device answer, nor that of a later
 * session.
 */
TEST_F(precopy, session_over)
{
	int first = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY), second, ret;
	struct vfio_precopy_info info;

	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	ret = __mig_precopy_info_zeroed(first, &info);
	EXPECT_TRUE(ret == -ENODEV || ret == -EINVAL) {
		TH_LOG("in RUNNING: %s", strerror(-ret));
	}
	second = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	ret = __mig_precopy_info_zeroed(first, &info);
	EXPECT_TRUE(ret == -ENODEV || ret == -EINVAL) {
		TH_LOG("in the next session: %s", strerror(-ret));
	}
	EXPECT_EQ(0, __mig_precopy_info_zeroed(second, &info));
}

/*
 * Items: 69. A question changes nothing: asked again with nothing read, nothing changed, it has
 * the same answer.
 */
TEST_F(precopy, idempotent)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info, again;

	/* Estimates become better while the device prepares its data. */
	ASSERT_TRUE(mig_wait_until((mig_precopy_info_zeroed(fd, &info), usleep(20000),
				    mig_precopy_info_zeroed(fd, &again),
				    !memcmp(&info, &again, sizeof(info))),
				   MIG_PATIENCE_MS));
	for (int i = 0; i < 50; i++) {
		mig_precopy_info_zeroed(fd, &again);
		EXPECT_EQ(info.initial_bytes, again.initial_bytes);
		EXPECT_EQ(info.dirty_bytes, again.dirty_bytes);
	}
}

/*
 * Items: 66. vfio.h: flags has VFIO_PRECOPY_INFO_REINIT or nothing once the user has opted in;
 * an output.
 */
TEST_F(precopy, flags)
{
	struct vfio_precopy_info info;
	int fd;

	if (__mig_precopy_info_v2(self->device))
		SKIP(return, "the kernel has no VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2");
	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	for (int i = 0; i < 5; i++) {
		mig_precopy_info(fd, &info);
		EXPECT_EQ(0, info.flags);
	}
}

/*
 * Items: 67. Faults: 67. vfio.h: "initial_bytes may report a non-zero value irrespective of any
 * previously reported values [...]. dirty_bytes is also reset to zero"
 */
TEST_F(precopy, reinit)
{
	struct vfio_precopy_info info;
	struct mig_stream stream = { };
	int fd;

	MIG_NEED_WORKLOAD(self->device, reinit);
	if (__mig_precopy_info_v2(self->device))
		SKIP(return, "the kernel has no VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2");
	mig_fill(self->device, 23);
	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	drain(_metadata, fd, &stream);
	self->device->workload->reinit(self->device);
	mig_change(self->device, 10);
	ASSERT_TRUE(mig_wait_until((mig_precopy_info_zeroed(fd, &info), !is_end(&info)),
				   MIG_PATIENCE_MS));
	EXPECT_EQ(VFIO_PRECOPY_INFO_REINIT, info.flags);
	EXPECT_LT(0, info.initial_bytes);
	EXPECT_GT(PLAUSIBLE, info.initial_bytes);
	EXPECT_EQ(0, info.dirty_bytes);
	drain(_metadata, fd, &stream);

	expect_arrives(_metadata, &self->bench, fd, &stream);
}

/* Items: 67. vfio.h: REINIT "can be reported only after userspace opts in". */
TEST_F(precopy, reinit_without_opt_in)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };
	struct mig_stream stream = { };
	int fd;

	MIG_NEED_WORKLOAD(self->device, reinit);
	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	drain(_metadata, fd, &stream);
	self->device->workload->reinit(self->device);
	mig_change(self->device, 10);
	/* The flags may be an echo, of nothing. */
	ASSERT_TRUE(mig_wait_until(!info_raw(fd, &info) && !is_end(&info), MIG_PATIENCE_MS));
	EXPECT_EQ(0, info.flags & VFIO_PRECOPY_INFO_REINIT);
	EXPECT_GT(PLAUSIBLE, info.initial_bytes);
	EXPECT_GT(PLAUSIBLE, info.dirty_bytes);
}

struct asker {
	int fd;
	bool stop;
	u64 asked;
	u64 wrong;
	pthread_t thread;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	struct vfio_precopy_info info;

	while (!__atomic_load_n(&asker->stop, __ATOMIC_ACQUIRE)) {
		if (__mig_precopy_info_zeroed(asker->fd, &info) ||
		    info.initial_bytes >= PLAUSIBLE || info.dirty_bytes >= PLAUSIBLE)
			asker->wrong++;
		asker->asked++;
	}
	return NULL;
}

/*
 * Items: 58 69. Asked all the time by another thread, it changes neither the stream nor its own
 * answers.
 */
TEST_F(precopy, asked_meanwhile)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct asker asker = { .fd = fd };
	struct mig_stream stream = { };

	ASSERT_EQ(0, pthread_create(&asker.thread, NULL, ask, &asker));
	for (int round = 0; round < 3; round++) {
		mig_read_precopy(fd, &stream);
		mig_change(self->device, 20);
	}
	ASSERT_TRUE(mig_wait_until(__atomic_load_n(&asker.asked, __ATOMIC_RELAXED) > 3,
				   MIG_PATIENCE_MS));
	__atomic_store_n(&asker.stop, true, __ATOMIC_RELEASE);
	pthread_join(asker.thread, NULL);
	EXPECT_EQ(0, asker.wrong);

	expect_arrives(_metadata, &self->bench, fd, &stream);
}

/*
 * Items: 48. vfio.h: the user "may attempt to return to the original state": PRE_COPY is left
 * at any moment.
 */
TEST_F(precopy, cancelled)
{
	struct mig_stream stream = { };
	int fd;

	for (int moment = 0; moment < 4; moment++) {
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
		if (moment == 1)
			ASSERT_EQ(1, read(fd, &(char){ 0 }, 1));
		if (moment == 2)
			drain(_metadata, fd, &stream);
		if (moment == 3)
			close(fd);
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		if (moment < 3)
			close(fd);
	}
	mig_assert_usable(self->device);
}

MIG_FIXTURE(data_size, VFIO_MIGRATION_STOP_COPY)

/*
 * Items: 71 72. vfio.h: "data length that will be required to complete stop copy. Note: Can be
 * called on each device state." An estimate, but of bytes, and of a device that has some.
 */
TEST_F(data_size, in_each_state)
{
	for (u32 state = 0; state < MIG_STATES; state++) {
		u64 bytes = PLAUSIBLE;

		if (!mig_state_supported(self->device->flags, state))
			continue;
		mig_state_enter(self->device, state);
		for (int i = 0; i < 10; i++) {
			EXPECT_EQ(0, __mig_data_size(self->device, &bytes)) {
				TH_LOG("in %s", mig_state_name(state));
			}
			EXPECT_GT(PLAUSIBLE, bytes);
			/* What RESUMING has is not there yet. */
			if (state != VFIO_DEVICE_STATE_RESUMING)
				EXPECT_LT(0, bytes);
		}
		EXPECT_EQ(state, mig_state_get(self->device));
		mig_device_reset(self->device);
	}
}

/*
 * The end of the stream is at most here, if an estimate that was made at @at is one. Of how good
 * it has to be vfio.h says nothing; but who is told of less than half of what is to come, or of
 * less than a page where there is more, plans for a stop that takes twice as long.
 */
static u64 end_at_most(u64 at, u64 estimate)
{
	return at + 2 * estimate + getpagesize();
}

/*
 * Items: 68 71. vfio.h: "the estimated data length that will be required to complete stop copy",
 * in STOP_COPY, too, where that is what nobody has read yet. Asking does not disturb the stream.
 */
TEST_F(data_size, while_reading)
{
	struct mig_reference reference = mig_reference_save(self->device);
	int fd = mig_stopped_save_fd(self->device);
	struct mig_stream stream = { };
	u64 left, end = -1, at = 0;
	u8 piece[100003];
	ssize_t got;

	do {
		ASSERT_EQ(0, __mig_data_size(self->device, &left));
		EXPECT_GT(PLAUSIBLE, left);
		if (end_at_most(stream.len, left) < end) {
			at = stream.len;
			end = end_at_most(at, left);
		}
		got = read(fd, piece, sizeof(piece));
		ASSERT_LE(0, got);
		mig_stream_append(&stream, piece, got);
	} while (got);
	EXPECT_LE(stream.len, end) {
		TH_LOG("after %llu of %zu bytes the estimate was far too low",
		       (unsigned long long)at, stream.len);
	}
	EXPECT_TRUE(mig_reference_matches(&self->bench, &reference, &stream));
}

/*
 * Items: 68 71. The same after pre-copy, of which nothing was read: all of it is still to come,
 * and so part of what is left.
 */
TEST_F(data_size, after_precopy)
{
	struct mig_stream stream = { };
	u64 left;
	int fd;

	MIG_NEED(self->device, VFIO_MIGRATION_PRE_COPY);
	mig_fill(self->device, 25);
	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	ASSERT_EQ(0, __mig_data_size(self->device, &left));
	mig_read_all(fd, &stream);
	EXPECT_LE(stream.len, end_at_most(0, left)) {
		TH_LOG("an estimate of %llu bytes, and %zu came", (unsigned long long)left,
		       stream.len);
	}
	mig_stream_free(&stream);
}

/*
 * Items: 72. When the device cannot say, that is an error or an estimate, never an errno for a
 * number.
 */
TEST_F(data_size, failing)
{
	const struct workload *workload = self->device->workload;
	u64 bytes;

	MIG_NEED_WORKLOAD(self->device, fault_arm);
	for (int fault = 0; fault < WORKLOAD_FAULT_SLOW; fault++) {
		workload->fault_arm(self->device, fault, 1, 1);
		if (!__mig_data_size(self->device, &bytes))
			EXPECT_GT(PLAUSIBLE, bytes);
		workload->fault_disarm(self->device);
		EXPECT_EQ(0, __mig_data_size(self->device, &bytes));
		EXPECT_GT(PLAUSIBLE, bytes);
	}
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	mig_assert_usable(self->device);
}

MIG_TEST_MAIN
