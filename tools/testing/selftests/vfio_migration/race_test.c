// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several at once: readers, writers, changes of state, resets. Nothing is lost
 * where nobody does anything wrong; where somebody does, it harms nobody but
 * him, and the device can be used again after it.
 *
 * Each test goes on for $VFIO_MIGRATION_SECONDS, a few by default; the order
 * of what is tried comes from a seed. Races are made likely by slow firmware,
 * where the workload has that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* More than anybody asks for with $VFIO_MIGRATION_SECONDS. */
#define HOUR 3600

static void start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	VFIO_ASSERT_EQ(pthread_create(thread, NULL, run, arg), 0);
}

MIG_FIXTURE(race, VFIO_MIGRATION_STOP_COPY)

enum { SEVERAL = 4 };

struct reader {
	int fd;
	size_t piece;
	u64 bytes;
	u64 sum;
	u64 ends;
	int error;
	pthread_t thread;
};

/* Of bytes in any order. */
static u64 sum_of(const u8 *data, size_t len)
{
	u64 sum = 0;

	while (len--)
		sum += *data++ * 2654435761u + 1;
	return sum;
}

static void *read_share(void *arg)
{
	struct reader *reader = arg;
	u8 *piece = malloc_assert(reader->piece);
	ssize_t got;

	while ((got = read(reader->fd, piece, reader->piece)) > 0) {
		reader->bytes += got;
		reader->sum += sum_of(piece, got);
	}
	reader->ends = !got;
	reader->error = got ? errno : 0;
	free(piece);
	return NULL;
}

static void start_readers(struct reader readers[SEVERAL], int fd)
{
	for (int i = 0; i < SEVERAL; i++) {
		/* Some take all there is, some a little of it. */
		readers[i] =
			(struct reader){ .fd = fd, .piece = i % 2 ? 1000 + 7777 * i : 16 << 20 };
		start(&readers[i].thread, read_share, &readers[i]);
	}
}

/*
 * Items: 56. Faults: 11. vfio.h: "End of stream on the FD indicates the entire device state has
 * been transferred": not to one reader while another still waits for data, and no byte twice.
 */
TEST_F_TIMEOUT(race, readers, HOUR)
{
	struct mig_reference reference = mig_reference_save(self->device);
	struct reader readers[SEVERAL];
	double deadline = mig_deadline_ms();
	int rounds = 0;

	do {
		u64 bytes = 0, sum = 0;
		int fd;

		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
		mig_slow(self->device, 1, 0);
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
		start_readers(readers, fd);
		for (int i = 0; i < SEVERAL; i++) {
			pthread_join(readers[i].thread, NULL);
			EXPECT_EQ(0, readers[i].error);
			bytes += readers[i].bytes;
			sum += readers[i].sum;
		}
		mig_fast(self->device);
		if (reference.repeats) {
			EXPECT_EQ(reference.whole.len, bytes);
			EXPECT_EQ(sum_of(reference.whole.data, reference.whole.len), sum);
		}
		/* Nobody was told of an end before it. */
		EXPECT_EQ(0, read(fd, &(char){ 0 }, 1));
		close(fd);
		rounds++;
	} while (mig_now_ms() < deadline && __test_passed(_metadata));
	TH_LOG("%d rounds", rounds);
}

/*
 * Items: 49 56. Faults: 11. vfio.h: in pre-copy the end is a temporary one and read() "should
 * return ENOMSG"; 0 is for the end of all, which is not before STOP_COPY.
 */
TEST_F_TIMEOUT(race, readers_in_precopy, HOUR)
{
	struct reader readers[SEVERAL];
	double deadline = mig_deadline_ms();
	int rounds = 0;

	MIG_NEED(self->device, VFIO_MIGRATION_PRE_COPY);
	do {
		struct mig_stream rest = { };
		int fd;

		mig_slow(self->device, 1, 0);
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
		start_readers(readers, fd);
		for (int i = 0; i < SEVERAL; i++) {
			pthread_join(readers[i].thread, NULL);
			EXPECT_EQ(0, readers[i].ends) {
				TH_LOG("in PRE_COPY reader %d got 0, after %llu bytes",
				       i, (unsigned long long)readers[i].bytes);
			}
		}
		mig_fast(self->device);
		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
		start_readers(readers, fd);
		for (int i = 0; i < SEVERAL; i++) {
			pthread_join(readers[i].thread, NULL);
			EXPECT_EQ(0, readers[i].error);
		}
		mig_read_all(fd, &rest);
		EXPECT_EQ(0, rest.len);
		close(fd);
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		rounds++;
	} while (mig_now_ms() < deadline && __test_passed(_metadata));
	TH_LOG("%d rounds", rounds);
}

struct writer {
	int fd;
	const struct mig_stream *stream;
	struct mig_random random;
	bool begins;
	pthread_t thread;
};

static void *write_anything(void *arg)
{
	struct writer *writer = arg;
	const struct mig_stream *stream = writer->stream;

	for (int i = 0; i < 40; i++) {
		/*
		 * The begin of the stream, where its first header is, or pieces that never fit
		 * together.
		 */
		size_t at = writer->begins ? 0 : mig_random_below(&writer->random, stream->len / 2);
		size_t len = 1 + mig_random_below(&writer->random,
						  writer->begins ? 100 : stream->len / 4);

		if (write(writer->fd, stream->data + at, len) < 0 && errno == ENODEV)
			break;
	}
	return NULL;
}

/*
 * Items: 38. Faults: 5. Writers who know nothing of each other make no stream, whatever the
 * driver finds out about that; vfio.h: misuse must not "result in error conditions outside the
 * user context".
 */
TEST_F_TIMEOUT(race, writers, HOUR)
{
	double deadline = mig_deadline_ms();
	struct mig_stream stream;
	struct mig_random random = mig_random_start();
	int rounds = 0;

	mig_fill(self->device, 31);
	stream = mig_save(self->device, self->device->flags & VFIO_MIGRATION_PRE_COPY);
	do {
		struct writer writers[SEVERAL];
		int fd;

		mig_device_reset(self->device);
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_RESUMING);
		/* A good begin now and then, so that they meet inside of an image. */
		if (rounds % 2)
			ASSERT_EQ(0, __mig_write(fd, stream.data, stream.len / 3));
		for (int i = 0; i < SEVERAL; i++) {
			writers[i] = (struct writer){
				.fd = fd,
				.stream = &stream,
				.random.state = mig_random(&random),
				.begins = rounds % 2 == 0 && i % 2,
			};
			start(&writers[i].thread, write_anything, &writers[i]);
		}
		for (int i = 0; i < SEVERAL; i++)
			pthread_join(writers[i].thread, NULL);
		__mig_state_set(self->device, VFIO_DEVICE_STATE_STOP, NULL);
		close(fd);
		rounds++;
	} while (mig_now_ms() < deadline);
	TH_LOG("%d rounds", rounds);
	mig_device_reset(self->device);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	mig_assert_usable(self->device);
}

/* Threads that do anything with a device and the last data FDs that it gave. */
enum { SLOTS = 3, ANYBODIES = 5 };

struct anybody {
	struct mig_device *device;
	int *slots;
	double deadline;
	struct mig_random random;
	u64 calls;
	pthread_t thread;
};

static void change_state(struct anybody *who)
{
	int fd, *slot = &who->slots[mig_random_below(&who->random, SLOTS)];

	if (__mig_state_set(who->device, mig_random_below(&who->random, MIG_STATES), &fd) || fd < 0)
		return;
	fd = __atomic_exchange_n(slot, fd, __ATOMIC_ACQ_REL);
	if (fd >= 0)
		close(fd);
}

static void *do_anything(void *arg)
{
	struct anybody *who = arg;
	struct vfio_precopy_info info;
	static u8 data[65536];
	u64 size;
	u32 state;

	while (mig_now_ms() < who->deadline) {
		int fd = __atomic_load_n(&who->slots[mig_random_below(&who->random, SLOTS)],
					 __ATOMIC_ACQUIRE);
		struct pollfd ready = { .fd = fd, .events = POLLIN | POLLOUT };
		size_t len = mig_random_below(&who->random, sizeof(data));

		switch (mig_random_below(&who->random, 16)) {
		case 0 ... 3:
			change_state(who);
			break;
		case 4:
			__vfio_pci_device_reset(who->device->vfio);
			break;
		case 5:
			__mig_state_get(who->device, &state);
			break;
		case 6:
			__mig_data_size(who->device, &size);
			break;
		case 7:
			poll(&ready, 1, 2);
			break;
		case 8 ... 9:
			__mig_precopy_info(fd, &info);
			break;
		case 10 ... 11:
			/*
			 * Unless there is something, a read would wait for others, who may have
			 * gone.
			 */
			if (poll(&ready, 1, 0) == 1)
				write(fd, data, len);
			break;
		default:
			fcntl(fd, F_SETFL, O_NONBLOCK);
			read(fd, data, len);
		}
		who->calls++;
	}
	return NULL;
}

/*
 * Items: 19 30 38 43. Faults: 1a 1b 4 5. Everything at the same time. vfio.h: user space may do
 * so, and no "error conditions outside the user context" result; a reset leads to RUNNING.
 */
TEST_F_TIMEOUT(race, anything, HOUR)
{
	int slots[SLOTS] = { -1, -1, -1 };
	struct anybody anybodies[ANYBODIES];
	double deadline = mig_deadline_ms();
	struct mig_random random = mig_random_start();
	u64 calls = 0;

	for (int i = 0; i < ANYBODIES; i++) {
		anybodies[i] = (struct anybody){
			.device = self->device,
			.slots = slots,
			.deadline = deadline,
			.random.state = mig_random(&random),
		};
		start(&anybodies[i].thread, do_anything, &anybodies[i]);
	}
	for (int i = 0; i < ANYBODIES; i++) {
		pthread_join(anybodies[i].thread, NULL);
		calls += anybodies[i].calls;
	}
	TH_LOG("%llu calls", (unsigned long long)calls);
	mig_device_reset(self->device);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	for (int i = 0; i < SLOTS; i++)
		if (slots[i] >= 0)
			close(slots[i]);
	mig_assert_usable(self->device);
}

struct bar_user {
	int fd;
	bool writes;
	void *bar;
	u64 calls;
	bool over;
	pthread_t thread;
};

/* Until the session is over, or what is in the BAR makes no stream. */
static void *use_bar(void *arg)
{
	struct bar_user *user = arg;
	size_t page = getpagesize();
	ssize_t moved;

	do {
		moved = user->writes ? write(user->fd, user->bar, page) :
				       read(user->fd, user->bar, page);
		__atomic_fetch_add(&user->calls, 1, __ATOMIC_RELEASE);
	} while (moved > 0 || (moved < 0 && (errno == EFAULT || errno == ENOMSG)));
	__atomic_store_n(&user->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void use_bar_while_reset(struct mig_device *device, bool writes)
{
	struct bar_user user = { .writes = writes, .bar = device->workload->scratch(device) };
	bool precopy = device->flags & VFIO_MIGRATION_PRE_COPY;
	double deadline = mig_deadline_ms();
	u64 rounds = 0;

	do {
		user.calls = 0;
		user.over = false;
		user.fd = mig_state_set_fd(device, writes  ? VFIO_DEVICE_STATE_RESUMING :
						   precopy ? VFIO_DEVICE_STATE_PRE_COPY :
							     VFIO_DEVICE_STATE_STOP_COPY);
		start(&user.thread, use_bar, &user);
		/* At once, after a call or a few; less may come. */
		mig_wait_until(__atomic_load_n(&user.calls, __ATOMIC_ACQUIRE) >= rounds % 4 ||
			       __atomic_load_n(&user.over, __ATOMIC_ACQUIRE), 50);
		mig_device_reset(device);
		pthread_join(user.thread, NULL);
		close(user.fd);
		rounds++;
	} while (mig_now_ms() < deadline);
	mig_assert_usable(device);
}

/*
 * Items: 30 38. Faults: 4. The buffer of read() is in the device's own BAR, whose mapping a
 * reset takes away: neither may wait for the other.
 */
TEST_F_TIMEOUT(race, read_into_bar, HOUR)
{
	MIG_NEED_WORKLOAD(self->device, scratch);
	use_bar_while_reset(self->device, false);
}

/* Items: 30 38. Faults: 4. The buffer of write() is there. */
TEST_F_TIMEOUT(race, write_out_of_bar, HOUR)
{
	MIG_NEED_WORKLOAD(self->device, scratch);
	use_bar_while_reset(self->device, true);
}

/* Memory whose first use waits until the test lets it go on. */
struct late_page {
	int uffd;
	void *at;
};

static bool late_page_open(struct late_page *page)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	size_t size = getpagesize();

	page->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (page->uffd < 0)
		return false;
	page->at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	VFIO_ASSERT_NE(page->at, MAP_FAILED);
	range.range.start = (u64)page->at;
	range.range.len = size;
	return !ioctl(page->uffd, UFFDIO_API, &api) && !ioctl(page->uffd, UFFDIO_REGISTER, &range);
}

static bool somebody_waits(struct late_page *page)
{
	struct pollfd fault = { .fd = page->uffd, .events = POLLIN };

	return poll(&fault, 1, MIG_PATIENCE_MS) == 1;
}

static void let_go(struct late_page *page, const void *with)
{
	struct uffdio_copy copy = { .dst = (u64)page->at, .src = (u64)with, .len = getpagesize() };

	VFIO_ASSERT_EQ(ioctl(page->uffd, UFFDIO_COPY, &copy), 0);
}

struct stalled {
	int fd;
	bool writes;
	struct late_page page;
	pid_t tid;
	pthread_t thread;
};

static void *stall(void *arg)
{
	struct stalled *stalled = arg;

	__atomic_store_n(&stalled->tid, gettid(), __ATOMIC_RELEASE);
	if (stalled->writes)
		write(stalled->fd, stalled->page.at, getpagesize());
	else
		read(stalled->fd, stalled->page.at, getpagesize());
	return NULL;
}

/*
 * Items: 38. Faults: 5. One writer waits for a page of its buffer in the first bytes of the
 * stream, the others come while it does, and all go on at once: whatever they make of the
 * stream, it is made of memory that is theirs.
 */
TEST_F_TIMEOUT(race, writers_meet, 120)
{
	size_t page = getpagesize();
	struct mig_stream stream;

	mig_fill(self->device, 41);
	stream = mig_save(self->device, false);
	if (stream.len < 4 * page)
		SKIP(return, "the stream of the device is too short to meet in");
	for (int round = 0; round < 4; round++) {
		struct stalled first = { .writes = true }, others[SEVERAL];

		mig_device_reset(self->device);
		if (!late_page_open(&first.page))
			SKIP(return, "the kernel has no userfaultfd, or not for us");
		first.fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_RESUMING);
		/* In later rounds the page is one in the middle of the data. */
		if (round > 1)
			ASSERT_EQ(0, __mig_write(first.fd, stream.data, (round - 1) * page));
		start(&first.thread, stall, &first);
		ASSERT_TRUE(somebody_waits(&first.page));
		for (int i = 0; i < SEVERAL; i++) {
			others[i] = (struct stalled){ .fd = first.fd,
						      .writes = true,
						      .page.at = stream.data };
			start(&others[i].thread, stall, &others[i]);
			/* A driver may also let it through. */
			mig_wait_until(__atomic_load_n(&others[i].tid, __ATOMIC_ACQUIRE) &&
				       mig_thread_sleeps(others[i].tid), 200);
		}
		let_go(&first.page, stream.data + (round > 1 ? (round - 1) * page : 0));
		pthread_join(first.thread, NULL);
		for (int i = 0; i < SEVERAL; i++)
			pthread_join(others[i].thread, NULL);
		close(first.fd);
		close(first.page.uffd);
	}
	mig_device_reset(self->device);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	mig_assert_usable(self->device);
}

struct bystander {
	struct mig_device *device;
	bool leaves;
	int done;
	pthread_t thread;
};

static void *go_on(void *arg)
{
	struct bystander *other = arg;
	u64 size;

	mig_state_get(other->device);
	__atomic_store_n(&other->done, 1, __ATOMIC_RELEASE);
	__mig_data_size(other->device, &size);
	__atomic_store_n(&other->done, 2, __ATOMIC_RELEASE);
	if (other->leaves)
		__mig_state_set(other->device, VFIO_DEVICE_STATE_STOP, NULL);
	__atomic_store_n(&other->done, 3, __ATOMIC_RELEASE);
	__vfio_pci_device_reset(other->device->vfio);
	__atomic_store_n(&other->done, 4, __ATOMIC_RELEASE);
	return NULL;
}

static void stall_copy(struct __test_metadata *_metadata, struct mig_device *device, bool writes)
{
	static const char *const what[] = { "asking for the state", "MIG_DATA_SIZE",
					    "a change of state", "a reset" };
	struct stalled stalled = { .writes = writes };
	struct bystander other = { .device = device, .leaves = !writes };
	struct mig_stream stream;

	if (!late_page_open(&stalled.page))
		SKIP(return, "the kernel has no userfaultfd, or not for us");
	mig_fill(device, 43);
	stream = mig_save(device, false);
	mig_device_reset(device);
	stalled.fd = mig_state_set_fd(device, writes ? VFIO_DEVICE_STATE_RESUMING :
						       VFIO_DEVICE_STATE_STOP_COPY);
	start(&stalled.thread, stall, &stalled);
	ASSERT_TRUE(somebody_waits(&stalled.page));
	start(&other.thread, go_on, &other);
	EXPECT_TRUE(mig_wait_until(__atomic_load_n(&other.done, __ATOMIC_ACQUIRE) == 4,
				   MIG_PATIENCE_MS / 2)) {
		TH_LOG("%s waits for a page of a buffer of %s", what[other.done],
		       writes ? "write()" : "read()");
	}
	let_go(&stalled.page, stream.data);
	pthread_join(stalled.thread, NULL);
	pthread_join(other.thread, NULL);
	close(stalled.fd);
	mig_device_reset(device);
	mig_assert_usable(device);
}

/*
 * Faults: 4b. A page of the buffer does not come, for whoever should bring it (user space may)
 * does not. The uAPI does not say who may wait then; but where asking for the state does, so does
 * whoever else takes that lock, an administrator among them.
 */
TEST_F_TIMEOUT(race, stalled_read, 60)
{
	stall_copy(_metadata, self->device, false);
}

/* Faults: 4b. The same with the writer. */
TEST_F_TIMEOUT(race, stalled_write, 60)
{
	stall_copy(_metadata, self->device, true);
}

MIG_TEST_MAIN
