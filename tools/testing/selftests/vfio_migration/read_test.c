// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the data FD of a save. Any program may hold it, so it may read as
 * any program reads: in any sizes, by any system call, into bad buffers,
 * interrupted by signals. No byte is lost, doubled or invented, and nobody
 * waits for what cannot come.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

static bool is_readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) == 1;
}

/* The ways of reading, each against a plain read of the same state. */
FIXTURE(read_way) {
	struct mig_bench bench;
	struct mig_device *device;
};

FIXTURE_VARIANT(read_way) {
	enum mig_way way;
};

FIXTURE_VARIANT_ADD(read_way, bytes) { .way = MIG_WAY_BYTES };
FIXTURE_VARIANT_ADD(read_way, primes) { .way = MIG_WAY_PRIMES };
FIXTURE_VARIANT_ADD(read_way, huge) { .way = MIG_WAY_HUGE };
FIXTURE_VARIANT_ADD(read_way, readv) { .way = MIG_WAY_VECTOR };
FIXTURE_VARIANT_ADD(read_way, splice) { .way = MIG_WAY_SPLICE };
FIXTURE_VARIANT_ADD(read_way, io_uring) { .way = MIG_WAY_URING };
FIXTURE_VARIANT_ADD(read_way, nonblock) { .way = MIG_WAY_NONBLOCK };
FIXTURE_VARIANT_ADD(read_way, random) { .way = MIG_WAY_RANDOM };

FIXTURE_SETUP(read_way)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
}

FIXTURE_TEARDOWN(read_way)
{
	mig_bench_close(&self->bench);
}

/*
 * Items: 54 55. vfio.h: "the migration data will flow over the FD using
 * read()"; a stream is bytes, and how many come at once is the reader's choice.
 */
TEST_F(read_way, same_stream)
{
	struct mig_reference reference = mig_reference_save(self->device);
	int fd = mig_stopped_save_fd(self->device), ret;
	struct mig_stream stream = { };
	struct mig_mover mover;
	const char *missing;

	missing = mig_mover_open(&mover, variant->way, fd, false, reference.whole.len);
	if (missing)
		SKIP(return, "%s", missing);
	ret = __mig_mover_read(&mover, &stream);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the driver's FD does not know this call");
	ASSERT_EQ(MIG_STREAM_END, ret);
	EXPECT_EQ(reference.whole.len, stream.len);
	EXPECT_TRUE(mig_reference_matches(&self->bench, &reference, &stream));
	/* poll() says when a read is worth trying; it must not make the reader spin. */
	EXPECT_GT(1000, mover.again);
	mig_mover_close(&mover);
}

MIG_FIXTURE(read, VFIO_MIGRATION_STOP_COPY)

/*
 * Items: 22. vfio.h: the FD of a save is read; vfio_main.c's anon_inode is O_CLOEXEC and not
 * seekable.
 */
TEST_F(read, one_direction)
{
	int fd = mig_stopped_save_fd(self->device);
	char byte = 0;

	EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
}

/* Items: 54. read(2): with a count of zero it returns zero and has no other effect. */
TEST_F(read, nothing)
{
	struct mig_reference reference = mig_reference_save(self->device);
	int fd = mig_stopped_save_fd(self->device);
	struct mig_stream stream = { };
	u8 piece[10007];
	ssize_t got;

	do {
		ASSERT_EQ(0, read(fd, piece, 0));
		ASSERT_EQ(0, read(fd, NULL, 0));
		got = read(fd, piece, sizeof(piece));
		ASSERT_LE(0, got);
		mig_stream_append(&stream, piece, got);
	} while (got);
	EXPECT_TRUE(mig_reference_matches(&self->bench, &reference, &stream));
}

/*
 * Items: 50 51. vfio.h: "Once in STOP_COPY the migration data FD has a permanent end of stream
 * signaled in the usual way by read() always returning 0 and poll always returning readable."
 */
TEST_F(read, end_for_ever)
{
	int fd = mig_stopped_save_fd(self->device);
	struct mig_stream stream = { };
	char byte;

	mig_read_all(fd, &stream);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(0, read(fd, &byte, 1));
		EXPECT_TRUE(is_readable(fd));
	}
	/* Asking for the size, or for the state, begins nothing anew. */
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, mig_state_get(self->device));
	EXPECT_EQ(0, __mig_data_size(self->device, &(u64){ 0 }));
	EXPECT_EQ(0, read(fd, &byte, 1));
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_EQ(0, read(fd, &byte, 1));
}

/* Three pages, the last of which is not there. */
static u8 *bad_pages(size_t page)
{
	u8 *pages =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	VFIO_ASSERT_NE(pages, MAP_FAILED);
	VFIO_ASSERT_EQ(munmap(pages + 2 * page, page), 0);
	return pages;
}

/*
 * Items: 55. Faults: 10. read(2): what is not reported as read was not read. A buffer that ends
 * early gives what went into it, or EFAULT and then the same bytes again.
 */
TEST_F(read, bad_buffer)
{
	struct mig_reference reference = mig_reference_save(self->device);
	int fd = mig_stopped_save_fd(self->device), faults = 0;
	size_t page = getpagesize();
	u8 *end = bad_pages(page) + 2 * page;
	struct mig_stream stream = { };
	ssize_t got;

	do {
		/* More and more of it is there, then nothing. */
		size_t good = stream.len % (2 * page + 1);

		got = read(fd, end - good, good + page);
		if (got < 0) {
			ASSERT_EQ(EFAULT, errno);
			faults++;
			good = good ? good : 1;
			got = read(fd, end - good, good);
			ASSERT_LE(0, got) {
				TH_LOG("after EFAULT read() fails for good: %s", strerror(errno));
			}
		}
		ASSERT_GE(good, got);
		mig_stream_append(&stream, end - good, got);
	} while (got);
	EXPECT_LT(0, faults);
	EXPECT_EQ(reference.whole.len, stream.len);
	EXPECT_TRUE(mig_reference_matches(&self->bench, &reference, &stream));
}

static void nothing_to_do(int signal)
{
}

static void alarm_every(unsigned int us)
{
	struct sigaction action = { .sa_handler = nothing_to_do };
	struct itimerval timer = { .it_value.tv_usec = us, .it_interval.tv_usec = us };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/*
 * Items: 53. signal(7): a read that waits is ended by EINTR, one that has data gives that;
 * neither takes anything out of the stream that it does not report.
 */
TEST_F(read, signals)
{
	struct mig_reference reference = mig_reference_save(self->device);
	struct mig_stream stream = { };
	int fd, waited = 0, interrupted = 0;
	u8 piece[4093];
	ssize_t got;

	mig_slow(self->device, 1, 0);
	fd = mig_stopped_save_fd(self->device);
	do {
		bool must_wait = !is_readable(fd);

		/*
		 * Where there is something to read, or poll() does not know, one signal now and
		 * then will do.
		 */
		alarm_every(must_wait ? 3000 : 10000);
		got = read(fd, piece, sizeof(piece));
		alarm_every(0);
		waited += must_wait;
		if (got < 0) {
			ASSERT_EQ(EINTR, errno);
			interrupted++;
		} else {
			mig_stream_append(&stream, piece, got);
		}
	} while (got);
	mig_fast(self->device);
	TH_LOG("of %d reads that found nothing %d were interrupted", waited, interrupted);
	EXPECT_TRUE(!waited || interrupted);
	EXPECT_TRUE(mig_reference_matches(&self->bench, &reference, &stream));
}

/*
 * Items: 53. A process that waits in read() can be killed: the wait is no longer than the signal.
 */
TEST_F(read, killed)
{
	const struct workload *workload;
	int fd, status;
	pid_t reader;

	MIG_NEED_WORKLOAD(self->device, fault_arm);
	workload = self->device->workload;
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	workload->fault_arm(self->device, WORKLOAD_FAULT_SLOW, 1, 0);
	fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	reader = fork();
	ASSERT_LE(0, reader);
	if (!reader) {
		u8 piece[4096];

		while (read(fd, piece, sizeof(piece)) > 0)
			;
		_exit(0);
	}
	kill(reader, SIGKILL);
	EXPECT_TRUE(mig_wait_until(waitpid(reader, &status, WNOHANG) == reader, MIG_PATIENCE_MS));
	workload->fault_disarm(self->device);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	EXPECT_EQ(0, close(fd));
	mig_assert_usable(self->device);
}

/*
 * Items: 53. read(2): with O_NONBLOCK, EAGAIN rather than waiting. Where poll() says that
 * nothing is there, such a read must not give anything else, in particular not an end.
 */
TEST_F(read, nonblock_in_production)
{
	struct mig_reference reference = mig_reference_save(self->device);
	int fd, ret, absent = 0, again = 0;
	struct mig_stream stream = { };
	u8 byte;

	MIG_NEED_WORKLOAD(self->device, fault_arm);
	mig_slow(self->device, 1, 0);
	fd = mig_stopped_save_fd(self->device);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	do {
		bool readable = is_readable(fd);

		ret = read(fd, &byte, 1);
		if (ret < 0)
			ASSERT_EQ(EAGAIN, errno);
		/* Now and then it comes in between. */
		absent += !readable;
		again += ret < 0;
		if (ret > 0)
			mig_stream_append(&stream, &byte, 1);
	} while (ret && stream.len < 1000);
	mig_fast(self->device);
	TH_LOG("%d times nothing was there, EAGAIN %d times", absent, again);
	EXPECT_TRUE(!absent || again);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	mig_read_all(fd, &stream);
	EXPECT_TRUE(mig_reference_matches(&self->bench, &reference, &stream));
}

/*
 * Items: 57. A save that fails is an error of read(), never an end of the stream, and poll()
 * wakes who waits for it. vfio.h: "End of stream on the FD indicates the entire device state
 * has been transferred."
 */
TEST_F(read, failed_save)
{
	struct mig_reference reference = mig_reference_save(self->device);
	const struct workload *workload = self->device->workload;
	int fd, ret, failed = 0;
	u64 hits;
	bool hit;

	MIG_NEED_WORKLOAD(self->device, fault_arm);
	for (u32 nth = 1; nth < 20; nth++) {
		struct mig_stream stream = { };
		struct pollfd wait;

		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
		hits = workload->fault_hits(self->device);
		workload->fault_arm(self->device, WORKLOAD_FAULT_FAIL, nth, 1);
		ret = __mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY, &fd);
		if (!ret) {
			ret = __mig_read(fd, &stream, 65536);
			hit = workload->fault_hits(self->device) > hits;
			if (ret == MIG_STREAM_END) {
				EXPECT_EQ(reference.whole.len, stream.len);
			} else {
				EXPECT_GT(0, ret);
				EXPECT_NE(-ENOMSG, ret);
				EXPECT_GT(0, read(fd, &(char){ 0 }, 1));
				wait = (struct pollfd){ .fd = fd, .events = POLLIN };
				EXPECT_EQ(1, poll(&wait, 1, 0));
				failed++;
			}
			close(fd);
		} else {
			hit = true;
		}
		workload->fault_disarm(self->device);
		mig_stream_free(&stream);
		if (__mig_state_set(self->device, VFIO_DEVICE_STATE_STOP, NULL))
			mig_device_reset(self->device);
		if (!hit)
			break;
	}
	TH_LOG("read() told %d failed saves", failed);
	mig_assert_usable(self->device);
}

MIG_FIXTURE(read_precopy, MIG_PRE_COPY)

/* Reads until pre-copy has nothing more, and says so for both. */
static void drain(struct __test_metadata *_metadata, int fd)
{
	struct mig_stream stream = { };
	struct vfio_precopy_info info;

	ASSERT_TRUE(mig_wait_until((mig_read_precopy(fd, &stream),
				    mig_precopy_info_zeroed(fd, &info),
				    !info.initial_bytes && !info.dirty_bytes), MIG_PATIENCE_MS));
	mig_stream_free(&stream);
}

/*
 * Items: 49 52. vfio.h: "When read() is done on this temporary end of stream the kernel driver
 * should return ENOMSG from read(). Userspace can wait for more data (which may never come) by
 * using poll."
 */
TEST_F(read_precopy, temporary_end)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	char byte;

	drain(_metadata, fd);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-1, read(fd, &byte, 1));
		EXPECT_EQ(ENOMSG, errno);
	}
	EXPECT_EQ(0, read(fd, &byte, 0));
	EXPECT_FALSE(is_readable(fd)) {
		TH_LOG("poll() says readable where there is nothing to read");
	}
}

struct waiter {
	int fd;
	pid_t tid;
	bool woken;
	short events;
	pthread_t thread;
};

static void *wait_for_data(void *arg)
{
	struct waiter *waiter = arg;
	struct pollfd wait = { .fd = waiter->fd, .events = POLLIN };

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	poll(&wait, 1, MIG_PATIENCE_MS);
	waiter->events = wait.revents;
	__atomic_store_n(&waiter->woken, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_woken(struct waiter *waiter)
{
	return __atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE);
}

static bool is_asleep(struct waiter *waiter)
{
	pid_t tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);

	return tid && mig_thread_sleeps(tid);
}

/*
 * Whoever comes late finds what has changed, and needs nobody to wake him: so it has to sleep,
 * or be through.
 */
static void wait_begins(struct waiter *waiter, int fd)
{
	*waiter = (struct waiter){ .fd = fd };
	VFIO_ASSERT_EQ(pthread_create(&waiter->thread, NULL, wait_for_data, waiter), 0);
	VFIO_ASSERT_TRUE(mig_wait_until(is_asleep(waiter) || is_woken(waiter), MIG_PATIENCE_MS));
}

/* Items: 52. vfio.h: "Userspace can wait for more data (which may never come) by using poll." */
TEST_F(read_precopy, poll_wakes_for_changes)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info;
	struct mig_stream stream = { };
	struct waiter waiter;

	MIG_NEED_WORKLOAD(self->device, change);
	drain(_metadata, fd);
	wait_begins(&waiter, fd);
	mig_change(self->device, 20);
	/* A driver may look for changes only when it is asked how many there are. */
	EXPECT_TRUE(mig_wait_until((mig_precopy_info_zeroed(fd, &info), is_woken(&waiter)),
				   MIG_PATIENCE_MS));
	pthread_join(waiter.thread, NULL);
	EXPECT_TRUE(waiter.events & POLLIN);
	mig_read_precopy(fd, &stream);
	EXPECT_LT(0, stream.len);
}

/*
 * Items: 41 52. vfio.h: "Moving between these states alters what is streamed in session, but
 * does not terminate or otherwise affect the associated fd": who waits gets the final data, and
 * in the end "poll always returning readable".
 */
TEST_F(read_precopy, poll_wakes_for_stop)
{
	int fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	struct mig_stream stream = { };
	struct waiter waiter;

	drain(_metadata, fd);
	wait_begins(&waiter, fd);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_TRUE(mig_wait_until(is_woken(&waiter), MIG_PATIENCE_MS));
	pthread_join(waiter.thread, NULL);
	EXPECT_TRUE(waiter.events & POLLIN);
	mig_read_all(fd, &stream);
	EXPECT_TRUE(is_readable(fd));
}

/*
 * Items: 43 57. include/linux/vfio.h: once the session ends the driver must leave the FD "in an
 * error state"; who waits in poll() is told.
 */
TEST_F(read_precopy, poll_wakes_for_cancel)
{
	struct waiter waiter;
	int fd;

	for (int reset = 0; reset < 2; reset++) {
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
		drain(_metadata, fd);
		wait_begins(&waiter, fd);
		if (reset)
			mig_device_reset(self->device);
		else
			mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		EXPECT_TRUE(mig_wait_until(is_woken(&waiter), MIG_PATIENCE_MS));
		pthread_join(waiter.thread, NULL);
		EXPECT_NE(0, waiter.events);
		EXPECT_GE(0, read(fd, &(char){ 0 }, 1));
		close(fd);
	}
}

MIG_TEST_MAIN
