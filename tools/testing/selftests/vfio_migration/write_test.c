// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing the data FD of a resume: in any sizes, by any system call, out of
 * bad buffers, interrupted by signals. The state that is loaded is the one
 * that was saved, or the load says that it failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* A stream of the first device, with all kinds of data that it knows, and where it is to go. */
struct load {
	struct mig_bench bench;
	struct mig_device *device;
	struct mig_device *target;
	struct mig_stream stream;
	u64 sum;
	int fd;
};

static void load_begin(struct load *load, struct mig_device *device)
{
	load->bench.device = device;
	load->device = device;
	mig_fill(device, 17);
	load->stream = mig_save(device, device->flags & VFIO_MIGRATION_PRE_COPY);
	load->sum = mig_sum(device);
	load->target = mig_bench_target(&load->bench);
	load->fd = mig_state_set_fd(load->target, VFIO_DEVICE_STATE_RESUMING);
}

/* All was written. */
static bool load_arrives(struct load *load)
{
	int ret = __mig_state_set(load->target, VFIO_DEVICE_STATE_RUNNING, NULL);

	close(load->fd);
	return !ret && mig_sum(load->target) == load->sum;
}

FIXTURE(write_way) {
	struct load load;
};

FIXTURE_VARIANT(write_way) {
	enum mig_way way;
};

FIXTURE_VARIANT_ADD(write_way, bytes) { .way = MIG_WAY_BYTES };
FIXTURE_VARIANT_ADD(write_way, primes) { .way = MIG_WAY_PRIMES };
FIXTURE_VARIANT_ADD(write_way, huge) { .way = MIG_WAY_HUGE };
FIXTURE_VARIANT_ADD(write_way, writev) { .way = MIG_WAY_VECTOR };
FIXTURE_VARIANT_ADD(write_way, splice) { .way = MIG_WAY_SPLICE };
FIXTURE_VARIANT_ADD(write_way, io_uring) { .way = MIG_WAY_URING };
FIXTURE_VARIANT_ADD(write_way, nonblock) { .way = MIG_WAY_NONBLOCK };
FIXTURE_VARIANT_ADD(write_way, random) { .way = MIG_WAY_RANDOM };

FIXTURE_SETUP(write_way)
{
	self->load.bench.device = mig_device_open(mig_devices_name(0));
	MIG_NEED(self->load.bench.device, VFIO_MIGRATION_STOP_COPY);
	load_begin(&self->load, self->load.bench.device);
}

FIXTURE_TEARDOWN(write_way)
{
	mig_bench_close(&self->load.bench);
}

/*
 * Items: 33. vfio.h: "must preserve the byte order of the stream. The user is not required to
 * preserve buffer segmentation when writing the data stream during the RESUMING operation."
 */
TEST_F(write_way, same_state)
{
	struct load *load = &self->load;
	struct mig_mover mover;
	const char *missing;
	int ret;

	missing = mig_mover_open(&mover, variant->way, load->fd, true, load->stream.len);
	if (missing)
		SKIP(return, "%s", missing);
	ret = __mig_mover_write(&mover, &load->stream);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the driver's FD does not know this call");
	ASSERT_EQ(0, ret);
	EXPECT_TRUE(load_arrives(load));
	/* poll() says when a write is worth trying; it must not make the writer spin. */
	EXPECT_GT(1000, mover.again);
	mig_mover_close(&mover);
}

FIXTURE(write) {
	struct load load;
};

FIXTURE_SETUP(write)
{
	self->load.bench.device = mig_device_open(mig_devices_name(0));
	MIG_NEED(self->load.bench.device, VFIO_MIGRATION_STOP_COPY);
	load_begin(&self->load, self->load.bench.device);
}

FIXTURE_TEARDOWN(write)
{
	mig_bench_close(&self->load.bench);
}

/*
 * Items: 22 61. vfio.h: the FD of a resume is written, and VFIO_MIG_GET_PRECOPY_INFO is "used
 * on the migration data FD in the precopy phase"; vfio_main.c's anon_inode is O_CLOEXEC, not
 * seekable.
 */
TEST_F(write, one_direction)
{
	struct load *load = &self->load;
	struct vfio_precopy_info info;
	char byte = 0;

	EXPECT_TRUE(fcntl(load->fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(-1, read(load->fd, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, pwrite(load->fd, &byte, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pread(load->fd, &byte, 1, 0));
	EXPECT_EQ(-1, lseek(load->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-ENOTTY, __mig_precopy_info(load->fd, &info));
	EXPECT_EQ(-1, ioctl(load->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(ENOTTY, errno);

	/* Nothing of that counts as part of the stream. */
	ASSERT_EQ(0, __mig_write(load->fd, load->stream.data, load->stream.len));
	EXPECT_TRUE(load_arrives(load));
}

/* Items: 33. write(2): zero bytes are no data, wherever in the stream they come. */
TEST_F(write, nothing)
{
	struct load *load = &self->load;
	size_t at = 0;

	while (at < load->stream.len) {
		size_t left = load->stream.len - at, len = left < 10007 ? left : 10007;
		ssize_t done;

		ASSERT_EQ(0, write(load->fd, load->stream.data, 0));
		ASSERT_EQ(0, write(load->fd, NULL, 0));
		done = write(load->fd, load->stream.data + at, len);
		ASSERT_LT(0, done);
		at += done;
	}
	EXPECT_EQ(0, write(load->fd, NULL, 0));
	EXPECT_TRUE(load_arrives(load));
}

/*
 * Items: 33 55. Faults: 10. write(2): what is not reported as written was not written. Out of a
 * buffer that ends early comes what is there, or EFAULT: then the same bytes go a second time,
 * or the session is over and says so for good.
 */
TEST_F(write, bad_buffer)
{
	struct load *load = &self->load;
	const struct mig_stream *stream = &load->stream;
	size_t page = getpagesize(), at = 0;
	int faults = 0, refused = 0;
	u8 *pages, *end;

	pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	end = pages + 2 * page;
	ASSERT_EQ(0, munmap(end, page));
	while (at < stream->len && !refused) {
		size_t left = stream->len - at, good = at % (2 * page + 1);
		ssize_t done;

		/*
		 * The last bytes alone: behind them a missing page would be a missing part of a
		 * longer stream.
		 */
		good = good < left ? good : left;
		memcpy(end - good, stream->data + at, good);
		done = write(load->fd, end - good, good < left ? good + page : good);
		if (done < 0) {
			ASSERT_EQ(EFAULT, errno);
			faults++;
			good = good ? good : 1;
			memcpy(end - good, stream->data + at, good);
			done = write(load->fd, end - good, good);
		}
		ASSERT_GE((ssize_t)good, done);
		refused = done < 0;
		at += refused ? 0 : done;
	}
	EXPECT_LT(0, faults);
	if (!refused) {
		EXPECT_TRUE(load_arrives(load));
		return;
	}
	TH_LOG("after EFAULT the session is over: %s", strerror(errno));
	EXPECT_EQ(-1, write(load->fd, stream->data + at, 1));
	EXPECT_NE(0, __mig_state_set(load->target, VFIO_DEVICE_STATE_STOP, NULL)) {
		TH_LOG("the rest of the stream was refused, and the load is said to be complete");
	}
	mig_assert_usable(load->target);
}

static void nothing_to_do(int signal)
{
}

/*
 * Items: 33 53. signal(7): a write that waits is ended by EINTR or by a count of what it took;
 * no byte is taken twice or lost.
 */
TEST_F(write, signals)
{
	struct sigaction action = { .sa_handler = nothing_to_do };
	struct itimerval often = { .it_value.tv_usec = 3000, .it_interval.tv_usec = 3000 };
	struct itimerval never = { };
	struct load *load = &self->load;
	int interrupted = 0;
	size_t at = 0;

	sigaction(SIGALRM, &action, NULL);
	mig_slow(load->target, 1, 0);
	while (at < load->stream.len) {
		size_t left = load->stream.len - at, len = left < 4093 ? left : 4093;
		ssize_t done;

		setitimer(ITIMER_REAL, &often, NULL);
		done = write(load->fd, load->stream.data + at, len);
		setitimer(ITIMER_REAL, &never, NULL);
		if (done < 0) {
			ASSERT_EQ(EINTR, errno);
			interrupted++;
		} else {
			ASSERT_LT(0, done);
			at += done;
		}
	}
	mig_fast(load->target);
	TH_LOG("%d writes were interrupted", interrupted);
	EXPECT_TRUE(load_arrives(load));
}

/*
 * Items: 33. write(2): with O_NONBLOCK, EAGAIN rather than waiting, and nothing of the stream
 * is taken with it; poll() tells when to go on. While the device loads, that is.
 */
TEST_F(write, nonblock_while_loading)
{
	struct load *load = &self->load;
	struct mig_mover mover;

	mig_slow(load->target, 1, 0);
	ASSERT_EQ(NULL, mig_mover_open(&mover, MIG_WAY_NONBLOCK, load->fd, true, load->stream.len));
	ASSERT_EQ(0, __mig_mover_write(&mover, &load->stream));
	mig_fast(load->target);
	TH_LOG("EAGAIN %llu times", (unsigned long long)mover.again);
	EXPECT_GT(1000, mover.again);
	EXPECT_TRUE(load_arrives(load));
}

/*
 * Items: 33. A writer may be killed while the device loads; it can be ended, and the device reset.
 */
TEST_F(write, killed)
{
	struct load *load = &self->load;
	int status;
	pid_t writer;

	mig_slow(load->target, 1, 0);
	writer = fork();
	ASSERT_LE(0, writer);
	if (!writer) {
		__mig_write(load->fd, load->stream.data, load->stream.len);
		_exit(0);
	}
	kill(writer, SIGKILL);
	EXPECT_TRUE(mig_wait_until(waitpid(writer, &status, WNOHANG) == writer, MIG_PATIENCE_MS));
	mig_fast(load->target);
	close(load->fd);
	mig_device_reset(load->target);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(load->target));
	mig_assert_usable(load->target);
}

/*
 * Items: 33. Two processes may take turns, each with a copy of the FD: one stream, in their order.
 */
TEST_F(write, in_turns)
{
	struct load *load = &self->load;
	const struct mig_stream *stream = &load->stream;
	size_t half = stream->len / 2;
	int status, copy;
	pid_t writer;

	writer = fork();
	ASSERT_LE(0, writer);
	if (!writer)
		_exit(__mig_write_pieces(load->fd, stream->data, half, 5003) ? 1 : 0);
	ASSERT_EQ(writer, waitpid(writer, &status, 0));
	ASSERT_EQ(0, status);
	copy = dup(load->fd);
	ASSERT_EQ(0, __mig_write(copy, stream->data + half, stream->len - half));
	close(copy);
	EXPECT_TRUE(load_arrives(load));
}

/* Items: 33 57. The FD can be waited for: writable when the session begins. */
TEST_F(write, poll_writable)
{
	struct load *load = &self->load;
	struct pollfd wait = { .fd = load->fd, .events = POLLOUT };

	EXPECT_EQ(1, poll(&wait, 1, MIG_PATIENCE_MS));
	EXPECT_EQ(POLLOUT, wait.revents & (POLLOUT | POLLERR | POLLHUP));
	ASSERT_EQ(0, __mig_write(load->fd, load->stream.data, load->stream.len));
	EXPECT_TRUE(load_arrives(load));
}

MIG_TEST_MAIN
