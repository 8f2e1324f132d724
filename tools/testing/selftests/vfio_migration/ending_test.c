// SPDX-License-Identifier: GPL-2.0-only
/*
 * A session that is ended from outside while it is used: by a reset, by
 * closing the device, by taking its driver away, by killing its user. All
 * calls end, with an end or an error, and the next user finds a device in
 * RUNNING.
 *
 * Each test goes on for $VFIO_MIGRATION_SECONDS, a few by default. The moments
 * are those in a firmware command, where the workload can make that slow, in
 * the order that a seed gives.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* More than anybody asks for with $VFIO_MIGRATION_SECONDS. */
#define HOUR 3600
/* Parts of the state that change each second while a migration goes on. */
#define CHURN 5000

static void start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	VFIO_ASSERT_EQ(pthread_create(thread, NULL, run, arg), 0);
}

FIXTURE(ending) {
	struct mig_subject subject;
	struct mig_stream stream;
	struct mig_random random;
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
	self->random = mig_random_start();
	self->deadline = mig_deadline_ms();
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
		moved = user->writes ? write(user->fd, user->stream->data + at,
					     left < 10007 ? left : 10007) :
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
 * Items: 30 43. Faults: 1a 1b 1c N1 4. include/linux/vfio.h: the FD "reaches end of stream or
 * error whenever the migration FSM leaves a data transfer state or before close_device()
 * returns", with calls under way in other threads, too.
 */
TEST_F_TIMEOUT(ending, against_users, HOUR)
{
	struct mig_subject *subject = &self->subject;
	int rounds = 0;

	do {
		bool precopy = subject->device->flags & VFIO_MIGRATION_PRE_COPY,
		     writes = rounds % 2;
		u64 calls = 0, enough = mig_random_below(&self->random, 40);
		struct fd_user users[4];
		int fd;

		fd = mig_state_set_fd(subject->device, writes  ? VFIO_DEVICE_STATE_RESUMING :
						       precopy ? VFIO_DEVICE_STATE_PRE_COPY :
								 VFIO_DEVICE_STATE_STOP_COPY);
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

static void shuffle(u32 moments[MOMENTS], struct mig_random *random)
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
	mig_slow(subject->device, moment, 1);
	racer->device = *subject->device;
	racer->fd = -1;
	racer->over = false;
	start(&racer->thread, race, racer);
	EXPECT_TRUE(mig_wait_until(workload->fault_hits(subject->device) > hits || is_over(racer),
				   MIG_PATIENCE_MS));
	hit = workload->fault_hits(subject->device) > hits;
	mig_fast(subject->device);
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
		EXPECT_GE(0, racer->loads ? write(racer->fd, "", 1) :
					    read(racer->fd, &(char){ 0 }, 1));
	if (racer->fd >= 0)
		close(racer->fd);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(subject->device));
	mig_change(subject->device, 1);
	return hit;
}

static void race_all(struct __test_metadata *_metadata, FIXTURE_DATA(ending) *self,
		     const struct mig_ending *ending, bool loads)
{
	struct racer racer = { .loads = loads, .stream = &self->stream };
	struct mig_subject *subject = &self->subject;
	u32 moments[MOMENTS], end = MOMENTS + 1;
	int raced = 0;

	if (!subject->device->workload || !subject->device->workload->fault_arm)
		SKIP(return, "no workload for the device that has slow commands");
	shuffle(moments, &self->random);
	for (int i = 0; i < MOMENTS && (!raced || mig_now_ms() < self->deadline); i++) {
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
 * Items: 30 43. Faults: 1a 1b 1c N1 4. vfio.h: VFIO_DEVICE_RESET leads to RUNNING; the device
 * may be closed or lose its driver at any time, in each firmware command of a save.
 */
TEST_F_TIMEOUT(ending, in_a_save, HOUR)
{
	race_all(_metadata, self, variant->ending, false);
}

/* Items: 30 43 46. Faults: 1a 4. The same in each firmware command of a resume. */
TEST_F_TIMEOUT(ending, in_a_resume, HOUR)
{
	race_all(_metadata, self, variant->ending, true);
}

/* The user of the device is killed in a firmware command. */
FIXTURE(killed) {
	struct mig_subject subject;
	struct mig_stream stream;
	struct mig_random random;
};

FIXTURE_SETUP(killed)
{
	self->subject = mig_subject_init(mig_devices_name(0));
	mig_subject_open(&self->subject);
	MIG_NEED(self->subject.device, VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(self->subject.device, fault_arm);
	self->stream = mig_save(self->subject.device,
				self->subject.device->flags & VFIO_MIGRATION_PRE_COPY);
	mig_subject_close(&self->subject);
	self->random = mig_random_start();
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

	mig_slow(device, moment, 1);
	racer->device = *device;
	start(&racer->thread, race, racer);
	while (device->workload->fault_hits(device) == hits && !is_over(racer))
		usleep(500);
	VFIO_ASSERT_EQ(write(tell, device->workload->fault_hits(device) > hits ? "y" : "n", 1), 1);
	for (;;)
		pause();
}

/*
 * Items: 30 43. Faults: 1a 1b. Closing is also what happens when the user dies, in the middle
 * of a call.
 */
TEST_F_TIMEOUT(killed, in_each_direction, HOUR)
{
	double deadline = mig_deadline_ms();
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
			be_killed(self->subject.name, &racer,
				  1 + moments[i] % (racer.loads ? 4 : 12), pipes[1]);
		ASSERT_EQ(1, read(pipes[0], &hit, 1));
		kill(user, SIGKILL);
		ASSERT_TRUE(mig_wait_until(waitpid(user, NULL, WNOHANG) == user, MIG_PATIENCE_MS)) {
			TH_LOG("a killed process does not end");
		}
		close(pipes[0]);
		close(pipes[1]);
		mig_subject_open(&self->subject);
		mig_fast(self->subject.device);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->subject.device));
		mig_assert_usable(self->subject.device);
		mig_subject_close(&self->subject);
		killed += hit == 'y';
	}
	TH_LOG("killed %d times in a command", killed);
	EXPECT_LT(0, killed);
}

MIG_TEST_MAIN
