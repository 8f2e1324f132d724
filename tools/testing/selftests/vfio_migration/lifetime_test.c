// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data FDs that outlive their session, their device, its driver's hold of it,
 * and the process that began them. Whoever has one may go on using it: every
 * call gives an end or an error, and touches nothing that is gone.
 *
 * These tests open and close devices themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* The user leaves the state, which is no ending from outside. */
static void leave_state(struct mig_subject *subject)
{
	mig_state_set(subject->device, VFIO_DEVICE_STATE_STOP);
}

static void reset(struct mig_subject *subject)
{
	mig_device_reset(subject->device);
}

static const struct mig_ending leave = { "leaving the state", leave_state, reset };

/* How far a session is when it ends. */
enum progress {
	SAVE_PRECOPY,
	SAVE_PRECOPY_DRAINED,
	SAVE_STOPPED,
	SAVE_AT_END,
	SAVES,
	RESUME_EMPTY = SAVES,
	RESUME_PARTIAL,
	RESUME_WHOLE,
	PROGRESSES,
};

static const char *const progress_names[PROGRESSES] = {
	"PRE_COPY", "PRE_COPY, all read", "STOP_COPY, partly read", "STOP_COPY, at the end",
	"RESUMING, nothing written", "RESUMING, partly written", "RESUMING, all written",
};

static int begin(struct mig_device *device, enum progress progress, const struct mig_stream *image)
{
	struct mig_stream stream = { };
	int fd;

	switch (progress) {
	case SAVE_PRECOPY:
	case SAVE_PRECOPY_DRAINED:
		fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_PRE_COPY);
		if (progress == SAVE_PRECOPY_DRAINED)
			mig_read_precopy(fd, &stream);
		break;
	case SAVE_STOPPED:
	case SAVE_AT_END:
		fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_STOP_COPY);
		VFIO_ASSERT_EQ(read(fd, &(char){ 0 }, 1), 1);
		if (progress == SAVE_AT_END)
			mig_read_all(fd, &stream);
		break;
	default:
		fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_RESUMING);
		if (progress == RESUME_PARTIAL)
			VFIO_ASSERT_EQ(__mig_write(fd, image->data, image->len / 2), 0);
		if (progress == RESUME_WHOLE)
			VFIO_ASSERT_EQ(__mig_write(fd, image->data, image->len), 0);
	}
	mig_stream_free(&stream);

	return fd;
}

static int error_of(ssize_t ret)
{
	return ret < 0 ? -errno : ret;
}

/* NULL, or the call that is not done with the session as it should be. */
static const char *not_over(int fd, bool writes)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN | POLLOUT };
	struct vfio_precopy_info info;
	struct mig_uring ring;
	u8 data[4096] = { };
	struct iovec vector[2] = { { data, 100 }, { data + 100, 200 } };
	int pipes[2], moved;

	if (writes ? write(fd, data, sizeof(data)) >= 0 : read(fd, data, sizeof(data)) > 0)
		return writes ? "write()" : "read()";
	if (writes ? write(fd, data, 1) >= 0 : read(fd, data, 1) > 0)
		return "the next one";
	if (writes ? writev(fd, vector, 2) >= 0 : readv(fd, vector, 2) > 0)
		return writes ? "writev()" : "readv()";
	/* Of zero bytes both an error and 0 are right. */
	if ((writes ? write(fd, NULL, 0) : read(fd, NULL, 0)) > 0)
		return "a call for nothing";
	if (poll(&ready, 1, 0) != 1)
		return "poll()";
	if (!__mig_precopy_info(fd, &info))
		return "VFIO_MIG_GET_PRECOPY_INFO";
	if (!__mig_uring_open(&ring)) {
		moved = mig_uring_move(&ring, writes, fd, data, sizeof(data));
		mig_uring_close(&ring);
		if (writes ? moved >= 0 : moved > 0)
			return "io_uring";
	}
	VFIO_ASSERT_EQ(pipe(pipes), 0);
	VFIO_ASSERT_EQ(write(pipes[1], data, 8), 8);
	moved = error_of(writes ? splice(pipes[0], NULL, fd, NULL, 8, 0) :
				  splice(fd, NULL, pipes[1], NULL, 8, 0));
	close(pipes[0]);
	close(pipes[1]);
	if (writes ? moved >= 0 : moved > 0)
		return "splice()";
	return NULL;
}

/* It is over for all who have it. */
static const char *not_over_for_all(int fd, bool writes)
{
	const char *call = not_over(fd, writes);
	int copy = dup(fd);

	if (!call)
		call = not_over(copy, writes);
	VFIO_ASSERT_EQ(close(copy), 0);
	return call;
}

/* A session of its own, from its begin to its end. */
static bool can_migrate(struct mig_device *device, bool writes, const struct mig_stream *image,
			u64 sum)
{
	struct mig_stream stream = { };
	bool good;

	if (writes)
		return !__mig_load(device, image) && mig_sum(device) == sum;
	stream = mig_save(device, device->flags & VFIO_MIGRATION_PRE_COPY);
	good = stream.len;
	mig_stream_free(&stream);
	return good;
}

FIXTURE(lifetime) {
	struct mig_subject subject;
	struct mig_stream image;
	u64 sum;
};

FIXTURE_VARIANT(lifetime) {
	const struct mig_ending *ending;
};

FIXTURE_VARIANT_ADD(lifetime, leave) { .ending = &leave };
FIXTURE_VARIANT_ADD(lifetime, reset) { .ending = &mig_endings[MIG_ENDING_RESET] };
FIXTURE_VARIANT_ADD(lifetime, close) { .ending = &mig_endings[MIG_ENDING_CLOSE] };
FIXTURE_VARIANT_ADD(lifetime, unbind) { .ending = &mig_endings[MIG_ENDING_UNBIND] };
FIXTURE_VARIANT_ADD(lifetime, unbind_while_open) { .ending = &mig_endings[MIG_ENDING_UNBIND_OPEN] };

FIXTURE_SETUP(lifetime)
{
	struct mig_subject *subject = &self->subject;

	*subject = mig_subject_init(mig_devices_name(0));
	if (variant->ending->needs_pci && !mig_device_is_pci(subject->name))
		SKIP(return, "the device's driver cannot be unbound through the PCI bus");
	mig_subject_open(subject);
	MIG_NEED(subject->device, VFIO_MIGRATION_STOP_COPY);
	mig_fill(subject->device, 29);
	self->image = mig_save(subject->device, false);
	self->sum = mig_sum(subject->device);
	mig_device_reset(subject->device);
}

FIXTURE_TEARDOWN(lifetime)
{
	mig_subject_close(&self->subject);
}

static void try_progress(struct __test_metadata *_metadata, FIXTURE_DATA(lifetime) *self,
			 const struct mig_ending *ending, enum progress progress)
{
	struct mig_subject *subject = &self->subject;
	const struct mig_stream *image = &self->image;
	bool writes = progress >= SAVES;
	int fd, next;

	fd = begin(subject->device, progress, image);
	ending->end(subject);
	EXPECT_EQ(NULL, not_over_for_all(fd, writes)) {
		TH_LOG("%s: %s goes on after the session", progress_names[progress],
		       not_over(fd, writes));
	}
	ending->again(subject);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(subject->device));
	EXPECT_EQ(NULL, not_over_for_all(fd, writes)) {
		TH_LOG("%s: %s works again with the device", progress_names[progress],
		       not_over(fd, writes));
	}

	next = begin(subject->device, progress, image);
	EXPECT_NE(fd, next);
	EXPECT_EQ(NULL, not_over_for_all(fd, writes)) {
		TH_LOG("%s: %s takes part in another session", progress_names[progress],
		       not_over(fd, writes));
	}
	/* The other session is not disturbed by that, and neither by the end of the FD. */
	EXPECT_EQ(0, close(fd));
	if (progress == RESUME_WHOLE) {
		mig_state_set(subject->device, VFIO_DEVICE_STATE_RUNNING);
		EXPECT_EQ(self->sum, mig_sum(subject->device));
	} else if (progress == SAVE_STOPPED) {
		struct mig_stream rest = { };

		mig_read_all(next, &rest);
		mig_stream_free(&rest);
	}
	mig_device_reset(subject->device);
	close(next);
	EXPECT_TRUE(can_migrate(subject->device, writes, image, self->sum));
	mig_device_reset(subject->device);
}

/*
 * Items: 30 42 43 44. Faults: 1a 1b 1c N1. include/linux/vfio.h: "The driver is responsible to
 * ensure that FD reaches end of stream or error whenever the migration FSM leaves a data
 * transfer state or before close_device() returns."
 */
TEST_F_TIMEOUT(lifetime, save, 120)
{
	for (enum progress progress = 0; progress < SAVES; progress++) {
		if (progress < SAVE_STOPPED &&
		    !(self->subject.device->flags & VFIO_MIGRATION_PRE_COPY))
			continue;
		try_progress(_metadata, self, variant->ending, progress);
	}
}

/*
 * Items: 30 42 43 46. Faults: 1a. The same for the FD of a resume, that "the FD reaches end of
 * stream or error".
 */
TEST_F_TIMEOUT(lifetime, resume, 120)
{
	for (enum progress progress = SAVES; progress < PROGRESSES; progress++) {
		if (variant->ending == &leave && progress != RESUME_WHOLE)
			continue;
		try_progress(_metadata, self, variant->ending, progress);
	}
}

/* FDs in the hands of other processes. */
FIXTURE(elsewhere) {
	struct mig_subject subject;
};

FIXTURE_SETUP(elsewhere)
{
	self->subject = mig_subject_init(mig_devices_name(0));
	mig_subject_open(&self->subject);
	MIG_NEED(self->subject.device, VFIO_MIGRATION_STOP_COPY);
	mig_subject_close(&self->subject);
}

FIXTURE_TEARDOWN(elsewhere)
{
	mig_subject_close(&self->subject);
}

static void send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { };
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	VFIO_ASSERT_EQ(sendmsg(socket, &message, 0), 1);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	VFIO_ASSERT_EQ(recvmsg(socket, &message, 0), 1);
	VFIO_ASSERT_NOT_NULL(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Gets an FD, waits for a word, tries it; the answer is the exit status. */
static void use_received_fd(int socket, bool writes)
{
	int fd = receive_fd(socket);
	const char *call;
	char byte;

	VFIO_ASSERT_EQ(read(socket, &byte, 1), 1);
	call = not_over(fd, writes);
	if (call)
		printf("# in another process %s goes on after the session\n", call);
	_exit(call ? 1 : 0);
}

/*
 * Items: 43. Faults: 1a 1b. The FD was passed on by SCM_RIGHTS; the device is closed by the
 * process that opened it, which keeps no copy: for the other one it is over as well.
 */
TEST_F_TIMEOUT(elsewhere, used_after_close, 60)
{
	for (int writes = 0; writes < 2; writes++) {
		int sockets[2], fd, status;
		pid_t other;

		/* Forked first: a child has what its parent has open, and would keep the device. */
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
		other = fork();
		ASSERT_LE(0, other);
		if (!other)
			use_received_fd(sockets[1], writes);
		mig_subject_open(&self->subject);
		fd = mig_state_set_fd(self->subject.device, writes ? VFIO_DEVICE_STATE_RESUMING :
				      VFIO_DEVICE_STATE_STOP_COPY);
		send_fd(sockets[0], fd);
		close(fd);
		mig_subject_close(&self->subject);
		ASSERT_EQ(1, write(sockets[0], "", 1));
		ASSERT_EQ(other, waitpid(other, &status, 0));
		EXPECT_EQ(0, status);
		close(sockets[0]);
		close(sockets[1]);
	}
}

/* Opens the device, begins a session, passes its FD on and waits for its death. */
static void begin_and_wait(const char *name, int socket, bool writes)
{
	struct mig_device *device = mig_device_open(name);

	send_fd(socket, mig_state_set_fd(device, writes ? VFIO_DEVICE_STATE_RESUMING :
							  VFIO_DEVICE_STATE_STOP_COPY));
	for (;;)
		pause();
}

/* Items: 43. Faults: 1a 1b. The user of the device is killed; whoever has the FD then is told. */
TEST_F_TIMEOUT(elsewhere, owner_killed, 60)
{
	for (int writes = 0; writes < 2; writes++) {
		int sockets[2], fd, status;
		pid_t owner;

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
		owner = fork();
		ASSERT_LE(0, owner);
		if (!owner)
			begin_and_wait(self->subject.name, sockets[1], writes);
		fd = receive_fd(sockets[0]);
		kill(owner, SIGKILL);
		ASSERT_EQ(owner, waitpid(owner, &status, 0));
		EXPECT_EQ(NULL, not_over(fd, writes)) {
			TH_LOG("%s goes on after the owner of the device", not_over(fd, writes));
		}
		close(fd);
		close(sockets[0]);
		close(sockets[1]);
		mig_subject_open(&self->subject);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->subject.device));
		mig_assert_usable(self->subject.device);
		mig_subject_close(&self->subject);
	}
}

/* Items: 43. Faults: 1c. The only reference to the FD is a message that nobody receives. */
TEST_F(elsewhere, lost_message)
{
	int sockets[2], fd;

	mig_subject_open(&self->subject);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	fd = mig_state_set_fd(self->subject.device, VFIO_DEVICE_STATE_STOP_COPY);
	send_fd(sockets[0], fd);
	close(fd);
	mig_subject_close(&self->subject);
	if (mig_device_is_pci(self->subject.name))
		mig_driver_rebind(self->subject.name);
	close(sockets[0]);
	close(sockets[1]);
	mig_subject_open(&self->subject);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->subject.device));
	mig_assert_usable(self->subject.device);
}

/*
 * Items: 34 43. One stream comes out of one FD, whoever reads it: half of it in another
 * process, while it lives.
 */
TEST_F(elsewhere, read_in_turns)
{
	struct mig_bench bench = { };
	struct mig_reference reference;
	struct mig_stream stream = { };
	int sockets[2], pipes[2], fd;
	pid_t other;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, pipe(pipes));
	other = fork();
	ASSERT_LE(0, other);
	if (!other) {
		u8 piece[4096];
		ssize_t got = 0;

		fd = receive_fd(sockets[1]);
		for (int i = 0; i < 10; i++) {
			got = read(fd, piece, sizeof(piece));
			VFIO_ASSERT_GE(got, 0);
			VFIO_ASSERT_EQ(write(pipes[1], piece, got), got);
		}
		_exit(0);
	}
	close(pipes[1]);
	mig_subject_open(&self->subject);
	bench.device = self->subject.device;
	reference = mig_reference_save(self->subject.device);
	fd = mig_stopped_save_fd(self->subject.device);
	send_fd(sockets[0], fd);
	ASSERT_EQ(MIG_STREAM_END, __mig_read(pipes[0], &stream, 65536));
	ASSERT_EQ(other, waitpid(other, NULL, 0));
	/* The other process has ended; the session has not. */
	mig_read_all(fd, &stream);
	EXPECT_TRUE(mig_reference_matches(&bench, &reference, &stream));
	mig_device_close(bench.second);
}

MIG_TEST_MAIN
