// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of reports: what the firmware told is told to who asked for it,
 * once and whatever its pages, messages and questions are; and what is said
 * when a report comes to no end. The firmware's log and channel are made up.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "../mlx5/report.c"

#define UNITS	256
#define UNIT	SZ_4K
#define MOST	16

struct fixture {
	struct mlx5_ferry_tracker tracker;
	struct mlx5_ferry nic;
	struct pci_dev pdev;
	bool dirty[UNITS];	/* in the firmware's log, by the first of a page */
	bool want[UNITS];	/* written and not told yet */
	bool told[UNITS];	/* by the last report */
	unsigned int outside;	/* of what was asked for */
	struct mlx5_ferry_range asked;
	u64 at, end;		/* what is left to tell */
	unsigned int most;	/* pages in a message */
	unsigned int good;	/* messages before the tracker fails */
	unsigned int reports;
	int told_err, asked_err, received_err;	/* what the firmware's part gives */
	unsigned int late;	/* looks in vain before each message */
	unsigned int looks, arms, asks;
	bool ends;		/* the VF is reset while it reports */
	__be64 pages[MOST];
};

static u64 page_of(const struct fixture *f)
{
	return BIT_ULL(f->tracker.log_page);
}

int mlx5_ferry_log_tell(struct mlx5_ferry_tracker *tracker, u64 first, u64 last)
{
	struct fixture *f = container_of(tracker, struct fixture, tracker);

	f->at = round_down(first, page_of(f));
	f->end = round_up(last + 1, page_of(f));
	f->reports++;
	if (f->ends)
		tracker->state = MLX5_FERRY_TRACKING_ENDED;
	return f->told_err;
}

int mlx5_ferry_log_ask(struct mlx5_ferry_tracker *tracker)
{
	struct fixture *f = container_of(tracker, struct fixture, tracker);

	f->asks++;
	return f->asked_err;
}

/* The next message comes at once, where any does. */
void mlx5_ferry_channel_arm(struct mlx5_ferry_channel *channel)
{
	struct fixture *f = container_of(channel, struct fixture, tracker.channel);

	f->arms++;
	channel->event = f->late != UINT_MAX;
}

int mlx5_ferry_channel_receive(struct mlx5_ferry_channel *channel,
			       struct mlx5_ferry_message *message)
{
	struct fixture *f = container_of(channel, struct fixture, tracker.channel);

	if (f->looks++ < f->late)
		return 0;
	f->looks = 0;
	if (f->received_err)
		return f->received_err;
	message->nr = 0;
	for (; f->at < f->end && message->nr < f->most; f->at += page_of(f)) {
		if (!f->dirty[f->at / UNIT])
			continue;
		f->dirty[f->at / UNIT] = false;
		message->pages[message->nr++] = cpu_to_be64(f->at);
	}
	message->state = f->at < f->end ? MLX5_PAGE_TRACK_STATE_REPORTING :
			 MLX5_PAGE_TRACK_STATE_TRACKING;
	if (!f->good--)
		message->state = MLX5_PAGE_TRACK_STATE_ERROR;
	return 1;
}

static void record(struct iova_bitmap *bitmap, unsigned long iova, size_t length)
{
	struct fixture *f = (struct fixture *)bitmap;

	if (iova < f->asked.first || iova + length - 1 > f->asked.last || !length) {
		f->outside++;
		return;
	}
	for (u64 unit = iova / UNIT; unit <= (iova + length - 1) / UNIT; unit++)
		f->told[unit] = true;
}

static struct fixture *fixture_of(struct kunit *test, unsigned int log_page)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->pdev.dev.init_name = "report_test";
	f->nic.ferry.core.pdev = &f->pdev;
	f->tracker.nic = &f->nic;
	f->tracker.set = record;
	f->tracker.pages = f->pages;
	f->tracker.log_page = log_page;
	f->tracker.state = MLX5_FERRY_TRACKING_ON;
	init_waitqueue_head(&f->tracker.wait);
	mutex_init(&f->tracker.report_lock);
	mutex_init(&f->tracker.lock);
	mt_init(&f->tracker.owed);
	f->most = MOST;
	f->good = UINT_MAX;
	return f;
}

/* The VF writes to a unit, and so to all of the firmware's page. */
static void write_unit(struct fixture *f, unsigned int unit)
{
	unsigned int units = page_of(f) / UNIT, first = round_down(unit, units);

	f->dirty[first] = true;
	memset(f->want + first, true, units);
}

static int report(struct fixture *f, unsigned int first, unsigned int nr)
{
	int err;

	memset(f->told, 0, sizeof(f->told));
	f->asked.first = (u64)first * UNIT;
	f->asked.last = f->asked.first + (u64)nr * UNIT - 1;
	mutex_lock(&f->tracker.report_lock);
	err = mlx5_ferry_tracker_report(&f->tracker, &f->asked,
					(struct iova_bitmap *)f);
	mutex_unlock(&f->tracker.report_lock);
	return err;
}

static void expect_exact(struct kunit *test, struct fixture *f,
			 unsigned int first, unsigned int nr)
{
	KUNIT_ASSERT_EQ(test, 0, report(f, first, nr));
	KUNIT_ASSERT_EQ(test, 0, f->outside);
	for (unsigned int i = 0; i < UNITS; i++)
		KUNIT_ASSERT_EQ_MSG(test, f->told[i], i >= first &&
				    i < first + nr && f->want[i], "unit %u", i);
	memset(f->want + first, false, nr);
}

static void test_nothing_lost(struct kunit *test)
{
	struct rnd_state random;

	prandom_seed_state(&random, 16);
	for (unsigned int log_page = 12; log_page < 18; log_page++) {
		struct fixture *f = fixture_of(test, log_page);

		for (unsigned int round = 0; round < 500; round++) {
			unsigned int first = prandom_u32_state(&random) % UNITS;
			unsigned int nr = 1 + prandom_u32_state(&random) % (UNITS - first);

			f->most = 1 + prandom_u32_state(&random) % MOST;
			for (unsigned int n = prandom_u32_state(&random) % 40; n; n--)
				write_unit(f, prandom_u32_state(&random) % UNITS);
			expect_exact(test, f, first, nr);
		}
		expect_exact(test, f, 0, UNITS);
		expect_exact(test, f, 0, UNITS);
		mtree_destroy(&f->tracker.owed);
	}
}

/* A part of a unit is asked for, then the rest of it. */
static void test_parts_of_pages(struct kunit *test)
{
	struct fixture *f = fixture_of(test, 12);
	struct mlx5_ferry_range part = { .first = 5 * UNIT, .last = 5 * UNIT + 0x3cf };

	write_unit(f, 5);
	f->asked = part;
	mutex_lock(&f->tracker.report_lock);
	KUNIT_EXPECT_EQ(test, 0, mlx5_ferry_tracker_report(&f->tracker, &part,
							   (struct iova_bitmap *)f));
	mutex_unlock(&f->tracker.report_lock);
	KUNIT_EXPECT_TRUE(test, f->told[5]);
	KUNIT_EXPECT_EQ(test, 0, f->outside);
	/* Of the unit the rest is left, so whoever asks for it is told. */
	expect_exact(test, f, 4, 3);
	expect_exact(test, f, 0, UNITS);
}

static void test_errors(struct kunit *test)
{
	for (unsigned int good = 0; good < 3; good++) {
		struct fixture *f = fixture_of(test, 12);

		for (unsigned int i = 0; i < UNITS; i++)
			write_unit(f, i);
		f->good = good;
		KUNIT_EXPECT_EQ(test, -EIO, report(f, 0, UNITS));
		KUNIT_EXPECT_EQ(test, MLX5_FERRY_TRACKING_FAILED, f->tracker.state);
		/* It is final: the firmware is not even asked. */
		f->good = UINT_MAX;
		KUNIT_EXPECT_EQ(test, -EIO, report(f, 0, UNITS));
		KUNIT_EXPECT_EQ(test, 1, f->reports);
		mtree_destroy(&f->tracker.owed);
	}
}

/* Each that fails is the user's error, and all that follow are errors, too. */
static void test_failures(struct kunit *test)
{
	static const struct {
		int told, asked, received;
		unsigned int late;
		bool ends;
		int err;
	} failures[] = {
		{ -ETIMEDOUT, 0, 0, 0, false, -ETIMEDOUT },
		{ 0, 0, -EIO, 0, false, -EIO },
		{ 0, 0, -EIO, 3, false, -EIO },
		{ 0, -EBUSY, 0, UINT_MAX, false, -EBUSY },
		{ 0, 0, 0, 0, true, -EIO },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test, 12);

		f->told_err = failures[i].told;
		f->asked_err = failures[i].asked;
		f->received_err = failures[i].received;
		f->late = failures[i].late;
		f->ends = failures[i].ends;
		KUNIT_EXPECT_EQ(test, failures[i].err, report(f, 0, UNITS));
		KUNIT_EXPECT_EQ(test, f->asks, !!failures[i].asked);
		KUNIT_EXPECT_EQ(test, f->tracker.state, f->ends ? MLX5_FERRY_TRACKING_ENDED :
				MLX5_FERRY_TRACKING_FAILED);
		KUNIT_EXPECT_EQ(test, -EIO, report(f, 0, UNITS));
		KUNIT_EXPECT_EQ(test, 1, f->reports);
	}
}

/* Who finds no message has the next one wake him. */
static void test_late_messages(struct kunit *test)
{
	struct fixture *f = fixture_of(test, 12);

	for (unsigned int i = 0; i < UNITS; i += 3)
		write_unit(f, i);
	f->late = 2;
	expect_exact(test, f, 0, UNITS);
	KUNIT_EXPECT_EQ(test, 0, f->arms % 2);
	KUNIT_EXPECT_GT(test, f->arms, 2);
	KUNIT_EXPECT_EQ(test, 0, f->asks);
}

static void test_off(struct kunit *test)
{
	struct fixture *f = fixture_of(test, 12);

	f->tracker.state = MLX5_FERRY_TRACKING_OFF;
	KUNIT_EXPECT_EQ(test, -EINVAL, report(f, 0, UNITS));
	KUNIT_EXPECT_EQ(test, MLX5_FERRY_TRACKING_OFF, f->tracker.state);
	f->tracker.state = MLX5_FERRY_TRACKING_ENDED;
	KUNIT_EXPECT_EQ(test, -EIO, report(f, 0, UNITS));
	KUNIT_EXPECT_EQ(test, MLX5_FERRY_TRACKING_ENDED, f->tracker.state);
	KUNIT_EXPECT_EQ(test, 0, f->reports);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_nothing_lost),
	KUNIT_CASE(test_parts_of_pages),
	KUNIT_CASE(test_errors),
	KUNIT_CASE(test_failures),
	KUNIT_CASE(test_late_messages),
	KUNIT_CASE(test_off),
	{}
};

static struct kunit_suite suite = {
	.name = "ferry-report",
	.test_cases = cases,
};

kunit_test_suite(suite);
