// SPDX-License-Identifier: GPL-2.0-only
/*
 * Back and forth: pairs of devices, all at the same time, each with a workload
 * that goes on, migrate to each other again and again.
 *
 * $VFIO_MIGRATION_ROUNDS says how often; the pairs are all that were named.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define ROUNDS 2
#define CHURN 2000		/* parts of the state a second */
#define PRE_COPY_ROUNDS 3
#define MAX_PAIRS 32
#define TIME_LIMIT 3600

struct pair {
	struct mig_device *devices[2];
	struct dma_region queues[2];	/* the same memory, for each */
	pthread_t thread;
	unsigned int number;
	unsigned int rounds;
	unsigned int done;
};

static int begin(struct mig_device *source, struct mig_stream *stream)
{
	int from;

	if (!(source->flags & VFIO_MIGRATION_PRE_COPY))
		return mig_state_set_fd(source, VFIO_DEVICE_STATE_STOP_COPY);
	from = mig_state_set_fd(source, VFIO_DEVICE_STATE_PRE_COPY);
	for (int i = 0; i < PRE_COPY_ROUNDS; i++) {
		struct vfio_precopy_info info;

		mig_read_precopy(from, stream);
		mig_precopy_info_zeroed(from, &info);
	}
	mig_state_set(source, VFIO_DEVICE_STATE_STOP_COPY);
	return from;
}

/* Live, compared while both are stopped, and the source's device is as new after. */
static void migrate(struct pair *pair, struct mig_device *source, struct mig_device *target)
{
	struct mig_stream stream = { };
	int from = begin(source, &stream), to;
	u64 sum, changes = 0;

	mig_read_all(from, &stream);
	mig_traffic_post(source);
	sum = mig_sum(source);
	if (source->workload && source->workload->changes)
		changes = source->workload->changes(source);
	to = mig_state_set_fd(target, VFIO_DEVICE_STATE_RESUMING);
	VFIO_ASSERT_EQ(__mig_write(to, stream.data, stream.len), 0);
	mig_state_set(target, VFIO_DEVICE_STATE_STOP);
	VFIO_ASSERT_EQ(mig_sum(target), sum, "pair %u, migration %u: the target has another state",
		       pair->number, pair->done);
	mig_state_set(target, VFIO_DEVICE_STATE_RUNNING);
	mig_state_set(source, VFIO_DEVICE_STATE_STOP);
	close(from);
	close(to);
	mig_stream_free(&stream);
	mig_device_reset(source);
	mig_traffic_follow(target, &pair->queues[0]);
	mig_traffic_assert(target);
	mig_traffic_post(target);
	if (changes)
		VFIO_ASSERT_TRUE(mig_wait_until(target->workload->changes(target) > changes,
						MIG_PATIENCE_MS),
				 "pair %u: the workload does not go on", pair->number);
}

static void *back_and_forth(void *argument)
{
	struct pair *pair = argument;
	struct mig_device *first = pair->devices[0];

	mig_fill(first, 100 + pair->number);
	if (first->workload && first->workload->churn)
		first->workload->churn(first, CHURN);
	mig_traffic_begin(first, &pair->queues[0]);
	if (pair->queues[0].vaddr)
		mig_dma_map_too(pair->devices[1], &pair->queues[1], &pair->queues[0]);
	mig_traffic_post(first);
	for (pair->done = 0; pair->done < 2 * pair->rounds; pair->done++)
		migrate(pair, pair->devices[pair->done % 2], pair->devices[1 - pair->done % 2]);
	return NULL;
}

FIXTURE(endurance) {
	struct pair pairs[MAX_PAIRS];
	unsigned int count;
};

FIXTURE_SETUP(endurance)
{
	const char *rounds = getenv("VFIO_MIGRATION_ROUNDS");

	MIG_NEED_DEVICES(2);
	self->count = min(mig_devices_count() / 2, (unsigned int)MAX_PAIRS);
	for (unsigned int i = 0; i < self->count; i++) {
		struct pair *pair = &self->pairs[i];

		pair->number = i;
		pair->rounds = rounds ? strtoul(rounds, NULL, 0) : ROUNDS;
		pair->devices[0] = mig_device_open(mig_devices_name(2 * i));
		pair->devices[1] = mig_device_open(mig_devices_name(2 * i + 1));
		MIG_NEED(pair->devices[0], VFIO_MIGRATION_STOP_COPY);
	}
}

FIXTURE_TEARDOWN(endurance)
{
	for (unsigned int i = 0; i < self->count; i++) {
		mig_device_close(self->pairs[i].devices[0]);
		mig_device_close(self->pairs[i].devices[1]);
	}
}

/*
 * Items: 33 40 41. vfio.h: the state machine has to hold not once but always, whatever other
 * devices do.
 */
TEST_F_TIMEOUT(endurance, back_and_forth, TIME_LIMIT)
{
	for (unsigned int i = 0; i < self->count; i++)
		ASSERT_EQ(0, pthread_create(&self->pairs[i].thread, NULL, back_and_forth,
					    &self->pairs[i]));
	for (unsigned int i = 0; i < self->count; i++) {
		ASSERT_EQ(0, pthread_join(self->pairs[i].thread, NULL));
		EXPECT_EQ(2 * self->pairs[i].rounds, self->pairs[i].done);
	}
	TH_LOG("%u pairs, %u migrations each", self->count, 2 * self->pairs[0].rounds);
}

MIG_TEST_MAIN
