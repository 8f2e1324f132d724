// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: the state machine, seen from its
 * ioctl. Every transition that the device has, what is refused, what an error
 * leaves behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define STATE_GET (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)
#define STATE_SET (VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)

/* Parts of its state that the device changes a second while it is moved about. */
#define CHURN 2000
/* How long a device that changes its state is watched for changes that it must not make. */
#define QUIET_US 15000
/* More commands than the transition of any device takes. */
#define FAULTS 24

/* The ioctl's argument as it lies in memory. */
struct state_argument {
	u32 argsz;
	u32 flags;
	struct vfio_device_feature_mig_state state;
};

static struct state_argument set_argument(u32 state)
{
	return (struct state_argument) {
		.argsz = sizeof(struct state_argument),
		.flags = STATE_SET,
		.state = { .device_state = state, .data_fd = 0x5a5a },
	};
}

FIXTURE(state) {
	struct mig_bench bench;
	struct mig_device *device;
	struct mig_stream stream;
	u64 flags;
};

FIXTURE_SETUP(state)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	self->flags = self->device->flags;
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
}

FIXTURE_TEARDOWN(state)
{
	mig_stream_free(&self->stream);
	mig_bench_close(&self->bench);
}

/* Whether the device changes its state, if it has a workload that would tell. */
static bool changes(struct mig_device *device)
{
	u64 before = device->workload->changes(device);

	return mig_wait_until(device->workload->changes(device) != before, MIG_PATIENCE_MS);
}

static bool stays(struct mig_device *device)
{
	u64 before = device->workload->changes(device);

	usleep(QUIET_US);
	return device->workload->changes(device) == before;
}

static bool is_running(u32 state)
{
	return state == VFIO_DEVICE_STATE_RUNNING || state == VFIO_DEVICE_STATE_PRE_COPY;
}

static bool is_stopped(u32 state)
{
	return state == VFIO_DEVICE_STATE_STOP || state == VFIO_DEVICE_STATE_STOP_COPY;
}

/* A session that is over gives its end or an error, one that is not neither of both. */
static bool session_is_over(int data_fd)
{
	ssize_t got;
	char byte;

	got = read(data_fd, &byte, 1);
	return !got || (got < 0 && errno != ENOMSG && errno != EAGAIN);
}

static bool session_goes_on(int data_fd, u32 state)
{
	struct vfio_precopy_info info;
	char byte;

	if (state == VFIO_DEVICE_STATE_STOP_COPY)
		return read(data_fd, &byte, 1) >= 0;
	return !__mig_precopy_info(data_fd, &info);
}

static void begin_churn(struct mig_device *device)
{
	if (MIG_HAS(device, churn))
		device->workload->churn(device, CHURN);
}

/* From RUNNING; RESUMING with a whole stream written, so that it can be left. */
static int enter(struct mig_device *device, u32 state, const struct mig_stream *stream)
{
	int data_fd = mig_state_enter(device, state);

	if (state == VFIO_DEVICE_STATE_RESUMING)
		VFIO_ASSERT_EQ(__mig_write(data_fd, stream->data, stream->len), 0);
	return data_fd;
}

static void back_to_running(struct mig_device *device, int data_fd, const struct mig_stream *stream)
{
	u32 state = mig_state_get(device);

	/* The session may have been begun just now, or be left from before. */
	if (state == VFIO_DEVICE_STATE_RESUMING &&
	    (fcntl(data_fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
		VFIO_ASSERT_EQ(__mig_write(data_fd, stream->data, stream->len), 0);
	mig_state_set(device, VFIO_DEVICE_STATE_RUNNING);
}

/* What has to be true in @to, entered from @from whose session is @old. */
static const char *wrong(struct mig_device *device, u32 from, u32 to, int old, int new)
{
	bool opens = mig_path_opens(device->flags, from, to);
	bool came = new >= 0;

	if (mig_state_get(device) != to)
		return "GET tells another state";
	if (opens != came)
		return opens ? "no data FD came" : "a data FD came";
	if (mig_state_saves(from) && mig_state_saves(to) && !session_goes_on(old, to))
		return "the session does not go on";
	if (mig_state_saves(from) && !mig_state_saves(to) && !session_is_over(old))
		return "the session that was left still streams";
	if (MIG_HAS(device, changes) && is_running(to) && !changes(device))
		return "the device does not run";
	if (MIG_HAS(device, changes) && is_stopped(to) && !stays(device))
		return "the device is not stopped";
	if (mig_state_get(device) != to)
		return "the state changed by itself";
	return NULL;
}

struct way {
	u32 path[MIG_MAX_ARCS];
	int arcs;
};

/* One after the other; only the last may give an FD. */
static const char *walk(struct mig_device *device, const struct way *way, int *data_fd)
{
	int ret;

	*data_fd = -1;
	for (int i = 0; i < way->arcs; i++) {
		if (*data_fd >= 0)
			return "an arc before the last gave a data FD";
		ret = __mig_state_set(device, way->path[i], data_fd);
		if (ret)
			return strerror(-ret);
		if (mig_state_get(device) != way->path[i])
			return "GET tells another state on the way";
	}
	return NULL;
}

/*
 * Every pair of states that a transition is allowed between: at once, or arc
 * by arc. Returns how many of them went wrong.
 */
static int all_transitions(struct mig_device *device, const struct mig_stream *stream,
			   bool arc_by_arc)
{
	int failures = 0, pairs = 0;

	for (u32 pair = 0; pair < MIG_STATES * MIG_STATES; pair++) {
		u32 from = pair / MIG_STATES, to = pair % MIG_STATES;
		const char *why;
		struct way way;
		int old, new;

		way.arcs = mig_path(device->flags, from, to, way.path);
		if (way.arcs <= 0)
			continue;
		if (!arc_by_arc)
			way = (struct way) { .path = { to }, .arcs = 1 };
		pairs++;
		begin_churn(device);
		old = enter(device, from, stream);
		why = walk(device, &way, &new) ?: wrong(device, from, to, old, new);
		if (why) {
			failures++;
			ksft_print_msg("%s to %s: %s\n", mig_state_name(from), mig_state_name(to),
				       why);
			mig_device_reset(device);
		} else {
			back_to_running(device, new >= 0 ? new : old, stream);
		}
		close(old);
		close(new);
	}
	ksft_print_msg("%d transitions\n", pairs);

	return failures;
}

/* A stream that goes on changing the state of what it is loaded into. */
static struct mig_stream churning_stream(struct mig_device *device)
{
	struct mig_stream stream;

	mig_fill(device, 3);
	begin_churn(device);
	stream = mig_save(device, false);
	mig_state_set(device, VFIO_DEVICE_STATE_RUNNING);

	return stream;
}

/*
 * Items: 17 18. vfio.h: "get the current migration state of the VFIO device, data_fd will be -1".
 */
TEST_F(state, running_after_open)
{
	struct vfio_device_feature_mig_state data = { .device_state = 0x5a5a, .data_fd = 0x5a5a };

	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, self->device->first_state);
	ASSERT_EQ(0, __vfio_feature(self->device->fd, STATE_GET, &data, sizeof(data)));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, data.device_state);
	EXPECT_EQ(-1, data.data_fd);
}

/*
 * Items: 19 20 21 31 42. vfio.h: "must fully transition the device to the new
 * state value before the operation returns", "must not generate asynchronous
 * device state transitions".
 */
TEST_F_TIMEOUT(state, combination_arcs, 100)
{
	self->stream = churning_stream(self->device);
	EXPECT_EQ(0, all_transitions(self->device, &self->stream, false));
}

/*
 * Items: 19 21 31. vfio.h: "The remaining possible transitions are interpreted
 * as combinations of the above FSM arcs": arc by arc they lead to the same.
 */
TEST_F_TIMEOUT(state, single_arcs, 100)
{
	self->stream = churning_stream(self->device);
	EXPECT_EQ(0, all_transitions(self->device, &self->stream, true));
}

/*
 * Items: 17 23. vfio.h: "FSM arcs" lead from one state to another: to the one
 * that the device is in there is none to take.
 */
TEST_F(state, same_state_is_nothing)
{
	self->stream = churning_stream(self->device);

	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd, again;

		if (!mig_state_supported(self->flags, state))
			continue;
		data_fd = enter(self->device, state, &self->stream);
		EXPECT_EQ(0, __mig_state_set(self->device, state, &again));
		EXPECT_EQ(-1, again);
		EXPECT_EQ(state, mig_state_get(self->device));
		if (mig_state_saves(state))
			EXPECT_FALSE(session_is_over(data_fd));
		back_to_running(self->device, -1, &self->stream);
		close(data_fd);
	}
}

/*
 * Items: 24 25 32. vfio.h: "ERROR cannot be specified as a device state", and there are no more
 * than VFIO_DEVICE_STATE_NR. vfio_ioctl_device_feature_mig_device_state() copies data_fd back
 * with an error, too.
 */
TEST_F(state, refused_states)
{
	const u32 states[] = { VFIO_DEVICE_STATE_ERROR,
			       VFIO_DEVICE_STATE_NR,
			       VFIO_DEVICE_STATE_NR + 1,
			       0x7fffffff,
			       0x80000000,
			       0x80000002,
			       0xffffffff };

	for (u32 in = 1; in < MIG_STATES; in++) {
		int data_fd;

		if (!mig_state_supported(self->flags, in))
			continue;
		data_fd = mig_state_enter(self->device, in);
		for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
			struct state_argument argument = set_argument(states[i]);

			EXPECT_EQ(-EINVAL, __vfio_feature_raw(self->device->fd, &argument)) {
				TH_LOG("%#x from %s", states[i], mig_state_name(in));
			}
			EXPECT_EQ(-1, argument.state.data_fd);
			EXPECT_EQ(in, mig_state_get(self->device));
		}
		if (mig_state_saves(in))
			EXPECT_FALSE(session_is_over(data_fd));
		if (in == VFIO_DEVICE_STATE_RESUMING)
			mig_device_reset(self->device);
		else
			mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		close(data_fd);
	}
}

/*
 * Items: 26. vfio.h: "The optional states cannot be used with SET_STATE if the device does not
 * support them".
 */
TEST_F(state, unsupported_states)
{
	int tried = 0;

	for (u32 to = 1; to < MIG_STATES; to++) {
		if (mig_state_supported(self->flags, to))
			continue;
		for (u32 in = 1; in < MIG_STATES; in++) {
			if (!mig_state_supported(self->flags, in))
				continue;
			close(mig_state_enter(self->device, in));
			EXPECT_EQ(-EINVAL, __mig_state_set(self->device, to, NULL));
			EXPECT_EQ(in, mig_state_get(self->device));
			mig_device_reset(self->device);
			tried++;
		}
	}
	if (!tried)
		SKIP(return, "the device has all states");
}

/*
 * Items: 27. vfio.h on STOP_COPY -> PRE_COPY, PRE_COPY_P2P: "These arcs are not
 * permitted and return error if requested".
 */
TEST_F(state, no_way_back_to_pre_copy)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	int data_fd;
	u64 sum;

	MIG_NEED(self->device, MIG_PRE_COPY);
	mig_fill(self->device, 5);
	sum = mig_sum(self->device);
	data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_EQ(-EINVAL, __mig_state_set(self->device, VFIO_DEVICE_STATE_PRE_COPY, NULL));
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, mig_state_get(self->device));
	EXPECT_EQ(-EINVAL, __mig_state_set(self->device, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, mig_state_get(self->device));

	/* The session was not touched by that. */
	mig_read_all(data_fd, &stream);
	close(data_fd);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	target = mig_bench_target(&self->bench);
	mig_load(target, &stream);
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(&stream);
}

/* Items: 22. vfio_ioct_mig_return_fd(): "get_unused_fd_flags(O_CLOEXEC)". */
TEST_F(state, data_fd_is_close_on_exec)
{
	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd;

		if (!mig_state_supported(self->flags, state) || !mig_state_has_session(state))
			continue;
		data_fd = mig_state_enter(self->device, state);
		EXPECT_EQ(FD_CLOEXEC, fcntl(data_fd, F_GETFD));
		close(data_fd);
		mig_device_reset(self->device);
	}
}

/*
 * Items: 30. vfio.h: "To abort a RESUMING session the device must be reset",
 * "VFIO_DEVICE_RESET must be used to return the device_state back to RUNNING".
 */
TEST_F(state, reset_from_anywhere)
{
	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd;

		if (!mig_state_supported(self->flags, state))
			continue;
		data_fd = mig_state_enter(self->device, state);
		mig_device_reset(self->device);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device)) {
			TH_LOG("after a reset in %s", mig_state_name(state));
		}
		if (mig_state_saves(state))
			EXPECT_TRUE(session_is_over(data_fd));
		if (state == VFIO_DEVICE_STATE_RESUMING)
			EXPECT_EQ(-1, write(data_fd, "x", 1));
		close(data_fd);
	}
	mig_assert_usable(self->device);
}

/* Leaves RESUMING with a stream that was not saved like that. */
static bool refuse(struct mig_device *device, const void *data, size_t len)
{
	int data_fd = mig_state_enter(device, VFIO_DEVICE_STATE_RESUMING);

	__mig_write(data_fd, data, len);
	__mig_state_set(device, VFIO_DEVICE_STATE_STOP, NULL);
	close(data_fd);
	if (mig_state_get(device) == VFIO_DEVICE_STATE_ERROR)
		return true;
	mig_device_reset(device);
	return false;
}

/*
 * Into ERROR by data that is none, or by firmware that fails; false if the device does not go
 * there.
 */
static bool bring_into_error(struct mig_device *device)
{
	const u8 patterns[] = { 0x00, 0x5a, 0xff };
	struct mig_stream stream = mig_save(device, false);
	u8 noise[512];

	mig_state_set(device, VFIO_DEVICE_STATE_RUNNING);
	stream.data[stream.len / 2] ^= 0xff;
	if (refuse(device, stream.data, stream.len))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		memset(noise, patterns[i], sizeof(noise));
		if (refuse(device, noise, sizeof(noise)))
			return true;
	}
	for (u32 to = 1; MIG_HAS(device, fault_arm) && to < MIG_STATES; to++) {
		if (!mig_state_supported(device->flags, to))
			continue;
		for (u32 nth = 1; nth < 6; nth++) {
			device->workload->fault_arm(device, WORKLOAD_FAULT_FAIL, nth, 0);
			__mig_state_set(device, to, NULL);
			device->workload->fault_disarm(device);
			if (mig_state_get(device) == VFIO_DEVICE_STATE_ERROR)
				return true;
			mig_device_reset(device);
		}
	}
	return false;
}

/* Items: 29 30. vfio.h: "To recover from ERROR VFIO_DEVICE_RESET must be used". */
TEST_F(state, error_needs_reset)
{
	if (!bring_into_error(self->device))
		SKIP(return, "neither a bad stream nor a fault led to ERROR");

	for (int round = 0; round < 2; round++) {
		for (u32 to = 0; to <= VFIO_DEVICE_STATE_NR; to++) {
			EXPECT_GT(0, __mig_state_set(self->device, to, NULL));
			EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, mig_state_get(self->device)) {
				TH_LOG("after a SET of %s", mig_state_name(to));
			}
		}
	}
	mig_device_reset(self->device);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	mig_assert_usable(self->device);
}

static bool on_the_way(struct mig_device *device, u32 from, u32 to, u32 state)
{
	u32 path[MIG_MAX_ARCS];
	int arcs = mig_path(device->flags, from, to, path);

	if (state == from || state == VFIO_DEVICE_STATE_ERROR)
		return true;
	for (int i = 0; i < arcs; i++)
		if (path[i] == state)
			return true;
	return false;
}

/*
 * Items: 28. vfio.h: "If this function fails then current device_state may be
 * the original operating state or some other state along the combination
 * transition path".
 */
TEST_F_TIMEOUT(state, failed_transition, 100)
{
	int failed = 0;

	MIG_NEED_WORKLOAD(self->device, fault_arm);
	for (u32 to = 1; to < MIG_STATES; to++) {
		if (!mig_state_supported(self->flags, to) || to == VFIO_DEVICE_STATE_RUNNING)
			continue;
		for (u32 nth = 1; nth < FAULTS; nth++) {
			u64 hits = self->device->workload->fault_hits(self->device);
			struct state_argument argument = set_argument(to);
			u32 state;
			int ret;

			self->device->workload->fault_arm(self->device, WORKLOAD_FAULT_FAIL, nth,
							  1);
			ret = __vfio_feature_raw(self->device->fd, &argument);
			self->device->workload->fault_disarm(self->device);
			state = mig_state_get(self->device);
			if (ret) {
				failed++;
				EXPECT_EQ(-1, argument.state.data_fd);
				EXPECT_TRUE(on_the_way(self->device, VFIO_DEVICE_STATE_RUNNING, to,
						       state)) {
					TH_LOG("%s instead of %s", mig_state_name(state),
					       mig_state_name(to));
				}
			} else {
				EXPECT_EQ(to, state);
				close(argument.state.data_fd);
			}
			mig_device_reset(self->device);
			if (self->device->workload->fault_hits(self->device) == hits)
				break;
		}
	}
	EXPECT_LT(0, failed);
	mig_assert_usable(self->device);
}

/* An FD that the user did not get is of a session that can be ended as any other. */
static void expect_abortable(struct __test_metadata *_metadata, struct mig_device *device, u32 to)
{
	u32 state = mig_state_get(device);

	EXPECT_TRUE(on_the_way(device, VFIO_DEVICE_STATE_RUNNING, to, state)) {
		TH_LOG("%s instead of %s", mig_state_name(state), mig_state_name(to));
	}
	if (mig_state_saves(state)) {
		EXPECT_EQ(0, __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL)) {
			TH_LOG("from %s to RUNNING", mig_state_name(state));
		}
	} else {
		mig_device_reset(device);
	}
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(device));
}

/*
 * Items: 35. vfio_ioct_mig_return_fd() gives the file back when there is no
 * number left for it; the state machine goes on.
 */
TEST_F(state, no_fd_left)
{
	struct rlimit limit, none;
	int next;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	for (u32 state = 1; state < MIG_STATES; state++) {
		if (!mig_path_opens(self->flags, VFIO_DEVICE_STATE_RUNNING, state))
			continue;
		next = dup(self->device->fd);
		ASSERT_LE(0, next);
		close(next);
		none = (struct rlimit) { .rlim_cur = next, .rlim_max = limit.rlim_max };
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
		EXPECT_EQ(-EMFILE, __mig_state_set(self->device, state, NULL));
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		expect_abortable(_metadata, self->device, state);
	}
	mig_assert_usable(self->device);
}

/* Items: 8 35. vfio_ioct_mig_return_fd(): "if (copy_to_user(arg, mig, sizeof(*mig)))". */
TEST_F(state, argument_is_read_only)
{
	struct state_argument *argument = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int before = dup(self->device->fd), after;

	ASSERT_NE(MAP_FAILED, argument);
	close(before);
	for (u32 state = 1; state < MIG_STATES; state++) {
		if (!mig_path_opens(self->flags, VFIO_DEVICE_STATE_RUNNING, state))
			continue;
		*argument = set_argument(state);
		ASSERT_EQ(0, mprotect(argument, getpagesize(), PROT_READ));
		EXPECT_EQ(-EFAULT, __vfio_feature_raw(self->device->fd, argument));
		ASSERT_EQ(0, mprotect(argument, getpagesize(), PROT_READ | PROT_WRITE));
		expect_abortable(_metadata, self->device, state);
	}
	after = dup(self->device->fd);
	EXPECT_EQ(before, after) {
		TH_LOG("a data FD was left behind");
	}
	close(after);
	munmap(argument, getpagesize());
	mig_assert_usable(self->device);
}

/*
 * Items: 19 23. vfio.h: "The user is responsible to close this FD": whether
 * that was done does not matter to the state machine.
 */
TEST_F(state, without_the_data_fd)
{
	for (u32 state = 1; state < MIG_STATES; state++) {
		if (!mig_state_supported(self->flags, state) || !mig_state_saves(state))
			continue;
		close(mig_state_enter(self->device, state));
		EXPECT_EQ(state, mig_state_get(self->device));
		EXPECT_EQ(0, __mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING, NULL));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	}
	mig_assert_usable(self->device);
}

MIG_TEST_MAIN
