// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several at once: readers, writers, changes of state, resets, closing and
 * unbinding. Nothing is lost where nobody does anything wrong; where somebody
 * does, it harms nobody but him, and the device can be used again after it.
 *
 * Each test goes on for $VFIO_MIGRATION_SECONDS, a few by default; the order
 * of what is tried comes from a seed. Races are made likely by slow firmware,
 * where the workload has that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* With $VFIO_MIGRATION_SECONDS this is what one may ask for. */
#define HOUR 3600
/* Parts of the state that change each second while a migration goes on. */
#define CHURN 5000

static double deadline_ms(void)
{
	const char *seconds = getenv("VFIO_MIGRATION_SECONDS");

	return mig_now_ms() + (seconds ? atof(seconds) : 3) * 1000;
}

static void slow(struct mig_device *device, u32 nth, u32 times)
{
	if (device->workload && device->workload->fault_arm)
		device->workload->fault_arm(device, WORKLOAD_FAULT_SLOW, nth, times);
}

static void fast(struct mig_device *device)
{
	if (device->workload && device->workload->fault_disarm)
		device->workload->fault_disarm(device);
}

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
		readers[i] = (struct reader){ .fd = fd, .piece = 1000 + 7777 * i };
		start(&readers[i].thread, read_share, &readers[i]);
	}
}

/*
 * Items: 56. Faults: 11. vfio.h: "End of stream on the FD indicates the entire device state has been
 * transferred": not to one reader while another still waits for data, and no byte twice.
 */
TEST_F_TIMEOUT(race, readers, HOUR)
{
	struct mig_reference reference = mig_reference_save(self->device);
	struct reader readers[SEVERAL];
	double deadline = deadline_ms();
	int rounds = 0;

	do {
		u64 bytes = 0, sum = 0;
		int fd;

		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
		slow(self->device, 1, 0);
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
		start_readers(readers, fd);
		for (int i = 0; i < SEVERAL; i++) {
			pthread_join(readers[i].thread, NULL);
			EXPECT_EQ(0, readers[i].error);
			bytes += readers[i].bytes;
			sum += readers[i].sum;
		}
		fast(self->device);
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
 * Items: 49 56. Faults: 11. vfio.h: in pre-copy the end is a temporary one and read() "should return
 * ENOMSG"; 0 is for the end of all, which is not before STOP_COPY.
 */
TEST_F_TIMEOUT(race, readers_in_precopy, HOUR)
{
	struct reader readers[SEVERAL];
	double deadline = deadline_ms();
	int rounds = 0;

	MIG_NEED(self->device, VFIO_MIGRATION_PRE_COPY);
	do {
		struct mig_stream rest = { };
		int fd;

		slow(self->device, 1, 0);
		fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
		start_readers(readers, fd);
		for (int i = 0; i < SEVERAL; i++) {
			pthread_join(readers[i].thread, NULL);
			EXPECT_EQ(0, readers[i].ends) {
				TH_LOG("in PRE_COPY read() returned 0 to reader %d, after %llu bytes", i,
				       (unsigned long long)readers[i].bytes);
			}
		}
		fast(self->device);
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
	u64 random;
	bool begins;
	pthread_t thread;
};

static void *write_anything(void *arg)
{
	struct writer *writer = arg;
	const struct mig_stream *stream = writer->stream;

	for (int i = 0; i < 40; i++) {
		/* The begin of the stream, where its first header is, or pieces that never fit together. */
		size_t at = writer->begins ? 0 : mig_random_below(&writer->random, stream->len / 2);
		size_t len = 1 + mig_random_below(&writer->random, writer->begins ? 100 : stream->len / 4);

		if (write(writer->fd, stream->data + at, len) < 0 && errno == ENODEV)
			break;
	}
	return NULL;
}

/*
 * Items: 38. Faults: 5. Writers who know nothing of each other make no stream, whatever the driver
 * finds out about that; vfio.h: misuse must not "result in error conditions outside the user context".
 */
TEST_F_TIMEOUT(race, writers, HOUR)
{
	double deadline = deadline_ms();
	struct mig_stream stream;
	u64 random = mig_seed();
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
				.random = mig_random(&random),
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
	u64 random;
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
		int fd = __atomic_load_n(&who->slots[mig_random_below(&who->random, SLOTS)], __ATOMIC_ACQUIRE);
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
			/* Unless there is something, a read would wait for others, who may have gone. */
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
	double deadline = deadline_ms();
	u64 random = mig_seed();
	u64 calls = 0;

	for (int i = 0; i < ANYBODIES; i++) {
		anybodies[i] = (struct anybody){
			.device = self->device,
			.slots = slots,
			.deadline = deadline,
			.random = mig_random(&random),
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
	pthread_t thread;
};

/* Until the session is over. */
static void *use_bar(void *arg)
{
	struct bar_user *user = arg;
	size_t page = getpagesize();
	ssize_t moved;

	do {
		moved = user->writes ? write(user->fd, user->bar, page) : read(user->fd, user->bar, page);
		__atomic_fetch_add(&user->calls, 1, __ATOMIC_RELEASE);
	} while (moved > 0 || (moved < 0 && (errno == EFAULT || errno == ENOMSG)));
	return NULL;
}

static void use_bar_while_reset(struct __test_metadata *_metadata, struct mig_device *device, bool writes)
{
	struct bar_user user = { .writes = writes, .bar = device->workload->scratch(device) };
	bool precopy = device->flags & VFIO_MIGRATION_PRE_COPY;
	double deadline = deadline_ms();
	u64 rounds = 0;

	do {
		user.calls = 0;
		user.fd = mig_state_set_fd(device, writes ? VFIO_DEVICE_STATE_RESUMING :
					   precopy ? VFIO_DEVICE_STATE_PRE_COPY : VFIO_DEVICE_STATE_STOP_COPY);
		start(&user.thread, use_bar, &user);
		ASSERT_TRUE(mig_wait_until(__atomic_load_n(&user.calls, __ATOMIC_ACQUIRE) > rounds % 4,
					   rounds ? 50 : MIG_PATIENCE_MS));
		mig_device_reset(device);
		pthread_join(user.thread, NULL);
		close(user.fd);
		rounds++;
	} while (mig_now_ms() < deadline);
	TH_LOG("%llu rounds", (unsigned long long)rounds);
	mig_assert_usable(device);
}

/*
 * Items: 30 38. Faults: 4. The buffer of read() is in the device's own BAR, whose mapping a reset
 * takes away: neither may wait for the other.
 */
TEST_F_TIMEOUT(race, read_into_bar, HOUR)
{
	MIG_NEED_WORKLOAD(self->device, scratch);
	use_bar_while_reset(_metadata, self->device, false);
}

/* Items: 30 38. Faults: 4. The buffer of write() is there. */
TEST_F_TIMEOUT(race, write_out_of_bar, HOUR)
{
	MIG_NEED_WORKLOAD(self->device, scratch);
	use_bar_while_reset(_metadata, self->device, true);
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
	pthread_t thread;
};

static void *stall(void *arg)
{
	struct stalled *stalled = arg;

	if (stalled->writes)
		write(stalled->fd, stalled->page.at, getpagesize());
	else
		read(stalled->fd, stalled->page.at, getpagesize());
	return NULL;
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
	static const char *const what[] = { "asking for the state", "MIG_DATA_SIZE", "a change of state", "a reset" };
	struct stalled stalled = { .writes = writes };
	struct bystander other = { .device = device, .leaves = !writes };
	struct mig_stream stream;

	if (!late_page_open(&stalled.page))
		SKIP(return, "the kernel has no userfaultfd, or not for us");
	stream = mig_save(device, false);
	mig_device_reset(device);
	stalled.fd = mig_state_set_fd(device, writes ? VFIO_DEVICE_STATE_RESUMING : VFIO_DEVICE_STATE_STOP_COPY);
	start(&stalled.thread, stall, &stalled);
	ASSERT_TRUE(somebody_waits(&stalled.page));
	start(&other.thread, go_on, &other);
	EXPECT_TRUE(mig_wait_until(__atomic_load_n(&other.done, __ATOMIC_ACQUIRE) == 4, MIG_PATIENCE_MS / 2)) {
		TH_LOG("%s waits for a page of a buffer of %s", what[other.done], writes ? "write()" : "read()");
	}
	let_go(&stalled.page, stream.data);
	pthread_join(stalled.thread, NULL);
	pthread_join(other.thread, NULL);
	close(stalled.fd);
	mig_device_reset(device);
	mig_assert_usable(device);
}

/*
 * Items: 30 38. Faults: 4. A page of the buffer does not come, for whoever should bring it (user
 * space may) does not: nobody else waits for it with the reader. vfio.h: no "error conditions
 * outside the user context".
 */
TEST_F_TIMEOUT(race, stalled_read, 60)
{
	stall_copy(_metadata, self->device, false);
}

/* Items: 30 38. Faults: 4. The same with the writer. */
TEST_F_TIMEOUT(race, stalled_write, 60)
{
	stall_copy(_metadata, self->device, true);
}

/* What ends a session from outside, against those who use its FD. */
FIXTURE(ending) {
	struct mig_subject subject;
	struct mig_stream stream;
	u64 random;
	double deadline;
};

FIXTURE_VARIANT(ending) {
	const struct mig_ending *ending;
};

FIXTURE_VARIANT_ADD(ending, reset) { .ending = &mig_endings[MIG_ENDING_RESET] };
FIXTURE_VARIANT_ADD(ending, sysfs_reset) { .ending = &mig_endings[MIG_ENDING_SYSFS_RESET] };
FIXTURE_VARIANT_ADD(ending, close) { .ending = &mig_endings[MIG_ENDING_CLOSE] };
FIXTURE_VARIANT_ADD(ending, unbind) { .ending = &mig_endings[MIG_ENDING_UNBIND] };
FIXTURE_VARIANT_ADD(ending, unbind_while_open) { .ending = &mig_endings[MIG_ENDING_UNBIND_OPEN] };

FIXTURE_SETUP(ending)
{
	struct mig_subject *subject = &self->subject;

	*subject = mig_subject_init(mig_devices_name(0));
	if (variant->ending->needs_pci && !mig_device_is_pci(subject->name))
		SKIP(return, "the device has no PCI address");
	mig_subject_open(subject);
	MIG_NEED(subject->device, VFIO_MIGRATION_STOP_COPY);
	mig_fill(subject->device, 37);
	self->stream = mig_save(subject->device, subject->device->flags & VFIO_MIGRATION_PRE_COPY);
	mig_device_reset(subject->device);
	self->random = mig_seed();
	self->deadline = deadline_ms();
}

FIXTURE_TEARDOWN(ending)
{
	mig_subject_close(&self->subject);
}

struct fd_user {
	int fd;
	bool writes;
	const struct mig_stream *stream;
	u64 *calls;
	pthread_t thread;
};

/* Each until its calls say that it is over. */
static void *move_data(void *arg)
{
	struct fd_user *user = arg;
	u8 piece[10007];
	size_t at = 0;
	ssize_t moved;

	do {
		size_t left = user->stream->len - at;

		if (user->writes && !left)
			break;
		moved = user->writes ? write(user->fd, user->stream->data + at, left < 10007 ? left : 10007) :
				       read(user->fd, piece, sizeof(piece));
		at += moved > 0 && user->writes ? moved : 0;
		__atomic_fetch_add(user->calls, 1, __ATOMIC_RELEASE);
	} while (moved > 0 || (moved < 0 && errno == ENOMSG));
	return NULL;
}

static void *ask_for_data(void *arg)
{
	struct fd_user *user = arg;
	struct pollfd ready = { .fd = user->fd, .events = POLLIN | POLLOUT };
	struct vfio_precopy_info info;
	ssize_t ret;

	do {
		poll(&ready, 1, 1);
		ret = user->writes ? write(user->fd, NULL, 0) : __mig_precopy_info(user->fd, &info);
		__atomic_fetch_add(user->calls, 1, __ATOMIC_RELEASE);
	} while (ret >= 0);
	return NULL;
}

/*
 * Items: 30 43. Faults: 1a 1b 1c N1 4. include/linux/vfio.h: the FD "reaches end of stream or error
 * whenever the migration FSM leaves a data transfer state or before close_device() returns", with
 * calls under way in other threads, too.
 */
TEST_F_TIMEOUT(ending, against_users, HOUR)
{
	struct mig_subject *subject = &self->subject;
	int rounds = 0;

	do {
		bool precopy = subject->device->flags & VFIO_MIGRATION_PRE_COPY, writes = rounds % 2;
		u64 calls = 0, enough = mig_random_below(&self->random, 40);
		struct fd_user users[4];
		int fd;

		fd = mig_state_set_fd(subject->device, writes ? VFIO_DEVICE_STATE_RESUMING :
				      precopy ? VFIO_DEVICE_STATE_PRE_COPY : VFIO_DEVICE_STATE_STOP_COPY);
		for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
			users[i] = (struct fd_user){
				.fd = fd,
				.writes = writes,
				.stream = &self->stream,
				.calls = &calls,
			};
			start(&users[i].thread, i % 2 ? ask_for_data : move_data, &users[i]);
		}
		/* They may all have come to an end, or wait. */
		mig_wait_until(__atomic_load_n(&calls, __ATOMIC_ACQUIRE) > enough, 20);
		variant->ending->end(subject);
		variant->ending->again(subject);
		for (size_t i = 0; i < ARRAY_SIZE(users); i++)
			pthread_join(users[i].thread, NULL);
		close(fd);
		ASSERT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(subject->device));
		rounds++;
	} while (mig_now_ms() < self->deadline);
	TH_LOG("%d rounds", rounds);
	mig_assert_usable(subject->device);
}

/* A migration that may be ended at any time; it has nothing of the device but the FD. */
struct racer {
	struct mig_device device;
	bool loads;
	const struct mig_stream *stream;
	int fd;
	bool over;
	pthread_t thread;
};

static int race_save(struct racer *racer)
{
	struct mig_stream stream = { };
	struct vfio_precopy_info info;
	int ret = 0;

	if (racer->device.flags & VFIO_MIGRATION_PRE_COPY) {
		ret = __mig_state_set(&racer->device, VFIO_DEVICE_STATE_PRE_COPY, &racer->fd);
		for (int round = 0; !ret && round < 3; round++) {
			ret = __mig_read(racer->fd, &stream, 65536);
			ret = ret < 0 ? ret : __mig_precopy_info(racer->fd, &info);
		}
		if (!ret)
			ret = __mig_state_set(&racer->device, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	} else {
		ret = __mig_state_set(&racer->device, VFIO_DEVICE_STATE_STOP_COPY, &racer->fd);
	}
	if (!ret)
		ret = __mig_read(racer->fd, &stream, 65536);
	if (ret == MIG_STREAM_END)
		ret = __mig_state_set(&racer->device, VFIO_DEVICE_STATE_STOP, NULL);
	mig_stream_free(&stream);
	return ret;
}

static int race_load(struct racer *racer)
{
	int ret = __mig_state_set(&racer->device, VFIO_DEVICE_STATE_RESUMING, &racer->fd);

	if (!ret)
		ret = __mig_write_pieces(racer->fd, racer->stream->data, racer->stream->len, 65536);
	return ret ? ret : __mig_state_set(&racer->device, VFIO_DEVICE_STATE_RUNNING, NULL);
}

static void *race(void *arg)
{
	struct racer *racer = arg;

	if (racer->loads)
		race_load(racer);
	else
		race_save(racer);
	__atomic_store_n(&racer->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_over(struct racer *racer)
{
	return __atomic_load_n(&racer->over, __ATOMIC_ACQUIRE);
}

enum { MOMENTS = 32 };

static void shuffle(u32 moments[MOMENTS], u64 *random)
{
	for (u32 i = 0; i < MOMENTS; i++) {
		u32 other = mig_random_below(random, i + 1);

		moments[i] = moments[other];
		moments[other] = i + 1;
	}
}

/* false: there is no such command in the migration */
static bool race_once(struct __test_metadata *_metadata, struct mig_subject *subject,
		      const struct mig_ending *ending, struct racer *racer, u32 moment)
{
	const struct workload *workload = subject->device->workload;
	u64 hits = workload->fault_hits(subject->device);
	bool hit;

	mig_fill(subject->device, 37);
	if (!racer->loads && workload->churn)
		workload->churn(subject->device, CHURN);
	slow(subject->device, moment, 1);
	racer->device = *subject->device;
	racer->fd = -1;
	racer->over = false;
	start(&racer->thread, race, racer);
	EXPECT_TRUE(mig_wait_until(workload->fault_hits(subject->device) > hits || is_over(racer), MIG_PATIENCE_MS));
	hit = workload->fault_hits(subject->device) > hits;
	fast(subject->device);
	if (hit)
		ending->end(subject);
	ASSERT_TRUE(mig_wait_until(is_over(racer), MIG_PATIENCE_MS)) {
		TH_LOG("%s in command %u: the migration does not end", ending->name, moment);
	}
	pthread_join(racer->thread, NULL);
	if (hit)
		ending->again(subject);
	else
		mig_device_reset(subject->device);
	if (hit && racer->fd >= 0)
		EXPECT_GE(0, racer->loads ? write(racer->fd, "", 1) : read(racer->fd, &(char){ 0 }, 1));
	if (racer->fd >= 0)
		close(racer->fd);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(subject->device));
	mig_change(subject->device, 1);
	return hit;
}

static void race_all(struct __test_metadata *_metadata, struct mig_subject *subject, const struct mig_ending *ending,
		     bool loads, const struct mig_stream *stream, u64 *random, double deadline)
{
	struct racer racer = { .loads = loads, .stream = stream };
	u32 moments[MOMENTS], end = MOMENTS + 1;
	int raced = 0;

	if (!subject->device->workload || !subject->device->workload->fault_arm)
		SKIP(return, "no workload for the device that has slow commands");
	shuffle(moments, random);
	for (int i = 0; i < MOMENTS && (!raced || mig_now_ms() < deadline); i++) {
		if (moments[i] >= end)
			continue;
		if (race_once(_metadata, subject, ending, &racer, moments[i]))
			raced++;
		else
			end = moments[i];
	}
	TH_LOG("%s at %d moments", ending->name, raced);
	EXPECT_LT(0, raced);
	mig_assert_usable(subject->device);
}

/*
 * Items: 30 43. Faults: 1a 1b 1c N1 4. vfio.h: VFIO_DEVICE_RESET leads to RUNNING; the device may be
 * closed or lose its driver at any time, in each firmware command of a save.
 */
TEST_F_TIMEOUT(ending, in_a_save, HOUR)
{
	race_all(_metadata, &self->subject, variant->ending, false, &self->stream, &self->random, self->deadline);
}

/* Items: 30 43 46. Faults: 1a 4. The same in each firmware command of a resume. */
TEST_F_TIMEOUT(ending, in_a_resume, HOUR)
{
	race_all(_metadata, &self->subject, variant->ending, true, &self->stream, &self->random, self->deadline);
}

/* The user of the device is killed in a firmware command. */
FIXTURE(killed) {
	struct mig_subject subject;
	struct mig_stream stream;
	u64 random;
};

FIXTURE_SETUP(killed)
{
	self->subject = mig_subject_init(mig_devices_name(0));
	mig_subject_open(&self->subject);
	MIG_NEED(self->subject.device, VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(self->subject.device, fault_arm);
	self->stream = mig_save(self->subject.device, self->subject.device->flags & VFIO_MIGRATION_PRE_COPY);
	mig_subject_close(&self->subject);
	self->random = mig_seed();
}

FIXTURE_TEARDOWN(killed)
{
	mig_subject_close(&self->subject);
}

/* Tells when the command was hit, or that there was none, and waits for its death. */
static void be_killed(const char *name, struct racer *racer, u32 moment, int tell)
{
	struct mig_device *device = mig_device_open(name);
	u64 hits = device->workload->fault_hits(device);

	slow(device, moment, 1);
	racer->device = *device;
	start(&racer->thread, race, racer);
	while (device->workload->fault_hits(device) == hits && !is_over(racer))
		usleep(500);
	VFIO_ASSERT_EQ(write(tell, device->workload->fault_hits(device) > hits ? "y" : "n", 1), 1);
	for (;;)
		pause();
}

/* Items: 30 43. Faults: 1a 1b. Closing is also what happens when the user dies, in the middle of a call. */
TEST_F_TIMEOUT(killed, in_each_direction, HOUR)
{
	double deadline = deadline_ms();
	u32 moments[MOMENTS];
	int killed = 0;

	shuffle(moments, &self->random);
	for (int i = 0; i < MOMENTS && (killed < 2 || mig_now_ms() < deadline); i++) {
		struct racer racer = { .loads = i % 2, .stream = &self->stream, .fd = -1 };
		int pipes[2];
		char hit;
		pid_t user;

		ASSERT_EQ(0, pipe(pipes));
		user = fork();
		ASSERT_LE(0, user);
		if (!user)
			be_killed(self->subject.name, &racer, 1 + moments[i] % (racer.loads ? 4 : 12), pipes[1]);
		ASSERT_EQ(1, read(pipes[0], &hit, 1));
		kill(user, SIGKILL);
		ASSERT_TRUE(mig_wait_until(waitpid(user, NULL, WNOHANG) == user, MIG_PATIENCE_MS)) {
			TH_LOG("a killed process does not end");
		}
		close(pipes[0]);
		close(pipes[1]);
		mig_subject_open(&self->subject);
		fast(self->subject.device);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->subject.device));
		mig_assert_usable(self->subject.device);
		mig_subject_close(&self->subject);
		killed += hit == 'y';
	}
	TH_LOG("killed %d times in a command", killed);
	EXPECT_LT(0, killed);
}

MIG_TEST_MAIN
