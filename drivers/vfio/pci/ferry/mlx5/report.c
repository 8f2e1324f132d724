// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of the pages that a VF wrote, from the firmware's messages to the
 * user's bitmap. Called by tracker.c, which says what the locks are for.
 */
#include <linux/jiffies.h>
#include <linux/mlx5/device.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "tracker.h"

/* Longest time without a message during a report, and how often it asks why */
#define SILENCE		(60 * HZ)
#define ASK_PERIOD	HZ

/* Pages that are told without giving others the CPU */
#define PAGES_AT_ONCE	1024L

/**
 * struct report - a report that a user asked for
 * @asked: the addresses
 * @bitmap: where to tell it
 */
struct report {
	struct mlx5_ferry_range asked;
	struct iova_bitmap *bitmap;
};

/* Remembers addresses that were written, for who asks for them. */
static int owe(struct mlx5_ferry_tracker *tracker, u64 first, u64 last)
{
	return mtree_store_range(&tracker->owed, first, last, xa_mk_value(1),
				 GFP_KERNEL_ACCOUNT);
}

/* What reaches beyond what the user asked for: that is told, the rest owed. */
static int tell_part(struct mlx5_ferry_tracker *tracker, struct report *report,
		     u64 first, u64 last)
{
	const struct mlx5_ferry_range *asked = &report->asked;
	u64 from = max(first, asked->first), to = min(last, asked->last);
	int err = 0;

	if (from <= to)
		tracker->set(report->bitmap, from, to - from + 1);
	if (first < asked->first)
		err = owe(tracker, first, min(last, asked->first - 1));
	if (!err && last > asked->last)
		err = owe(tracker, max(first, asked->last + 1), last);
	return err;
}

/* Pages mostly come in order: neighbours are told at once. */
static int tell_pages(struct mlx5_ferry_tracker *tracker, struct report *report,
		      const __be64 *at, const __be64 *end)
{
	u64 page = BIT_ULL(tracker->log_page), first, next;
	int err = 0;

	while (at < end && !err) {
		first = round_down(be64_to_cpu(*at), page);
		next = first + page;
		while (++at < end && be64_to_cpu(*at) == next)
			next += page;
		if (first >= report->asked.first &&
		    next - 1 <= report->asked.last)
			tracker->set(report->bitmap, first, next - first);
		else
			err = tell_part(tracker, report, first, next - 1);
	}
	return err;
}

static int tell_message(struct mlx5_ferry_tracker *tracker,
			struct report *report,
			const struct mlx5_ferry_message *message)
{
	const __be64 *at = message->pages, *end = at + message->nr;
	int err = 0;

	for (; at < end && !err; at += PAGES_AT_ONCE) {
		err = tell_pages(tracker, report, at,
				 at + min(end - at, PAGES_AT_ONCE));
		cond_resched();
	}
	return err;
}

/* The next piece of what is owed and asked for */
static bool find_owed(struct mlx5_ferry_tracker *tracker,
		      const struct mlx5_ferry_range *asked, u64 *first,
		      u64 *last)
{
	MA_STATE(mas, &tracker->owed, asked->first, asked->first);
	bool found;

	rcu_read_lock();
	found = mas_find(&mas, asked->last);
	*first = max_t(u64, mas.index, asked->first);
	*last = min_t(u64, mas.last, asked->last);
	rcu_read_unlock();
	return found;
}

static int tell_owed(struct mlx5_ferry_tracker *tracker, struct report *report)
{
	u64 first, last;
	int err = 0;

	while (!err && find_owed(tracker, &report->asked, &first, &last)) {
		tracker->set(report->bitmap, first, last - first + 1);
		err = mtree_store_range(&tracker->owed, first, last, NULL,
					GFP_KERNEL_ACCOUNT);
	}
	return err;
}

static int lock_on(struct mlx5_ferry_tracker *tracker)
{
	int err = mutex_lock_killable(&tracker->lock);

	if (err || tracker->state == MLX5_FERRY_TRACKING_ON)
		return err;
	mutex_unlock(&tracker->lock);
	return tracker->state == MLX5_FERRY_TRACKING_OFF ? -EINVAL : -EIO;
}

/* Takes a message, or has the next one wake who waits. 1, 0 or an error */
static int take_message(struct mlx5_ferry_tracker *tracker,
			struct mlx5_ferry_message *message)
{
	int err = lock_on(tracker);

	if (err)
		return err;
	err = mlx5_ferry_channel_receive(&tracker->channel, message);
	if (!err)
		mlx5_ferry_channel_arm(&tracker->channel);
	mutex_unlock(&tracker->lock);
	return err;
}

static int ask_why(struct mlx5_ferry_tracker *tracker, unsigned long deadline)
{
	int err;

	if (time_after(jiffies, deadline))
		return -ETIMEDOUT;
	err = lock_on(tracker);
	if (err)
		return err;
	err = mlx5_ferry_log_ask(tracker);
	mutex_unlock(&tracker->lock);
	return err;
}

/* There is a message, or there will be none. */
static bool may_go_on(struct mlx5_ferry_tracker *tracker)
{
	return READ_ONCE(tracker->channel.event) ||
	       READ_ONCE(tracker->state) != MLX5_FERRY_TRACKING_ON;
}

static int wait_message(struct mlx5_ferry_tracker *tracker,
			struct mlx5_ferry_message *message)
{
	unsigned long deadline = jiffies + SILENCE;
	long left;
	int err;

	for (;;) {
		err = take_message(tracker, message);
		if (err)
			return min(err, 0);
		left = wait_event_killable_timeout(tracker->wait,
						   may_go_on(tracker),
						   ASK_PERIOD);
		if (left < 0)
			return left;
		err = left ? 0 : ask_why(tracker, deadline);
		if (err)
			return err;
	}
}

static int take_report(struct mlx5_ferry_tracker *tracker,
		       struct report *report)
{
	struct mlx5_ferry_message message = { .pages = tracker->pages };
	int err;

	do {
		err = wait_message(tracker, &message);
		if (!err)
			err = tell_message(tracker, report, &message);
		/* The bitmap of who dies cannot be written, and nobody says so. */
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			return err;
	} while (message.state == MLX5_PAGE_TRACK_STATE_REPORTING);
	return message.state == MLX5_PAGE_TRACK_STATE_TRACKING ? 0 : -EIO;
}

static int begin_report(struct mlx5_ferry_tracker *tracker,
			const struct report *report)
{
	int err = lock_on(tracker);

	if (err)
		return err;
	err = mlx5_ferry_log_tell(tracker, report->asked.first,
				  report->asked.last);
	mutex_unlock(&tracker->lock);
	return err;
}

/* What the firmware told is gone, for a user who got an error instead. */
static void fail(struct mlx5_ferry_tracker *tracker, int err)
{
	if (cmpxchg(&tracker->state, MLX5_FERRY_TRACKING_ON, MLX5_FERRY_TRACKING_FAILED) ==
	    MLX5_FERRY_TRACKING_ON)
		dev_warn(&tracker->nic->ferry.core.pdev->dev,
			 "no dirty page tracking until it is stopped and started again: a report failed, %pe\n",
			 ERR_PTR(err));
}

/**
 * mlx5_ferry_tracker_report() - tell a user what the VF wrote
 * @tracker: of the VF, its report lock is held
 * @asked: the addresses that the user wants to know of
 * @bitmap: where to tell it
 *
 * May sleep, killably, but for a command.
 *
 * Return: 0; -EINVAL if tracking is off; another negative errno if nobody
 * knows any more what was written, and the next report will say so as well.
 */
int mlx5_ferry_tracker_report(struct mlx5_ferry_tracker *tracker,
			      const struct mlx5_ferry_range *asked,
			      struct iova_bitmap *bitmap)
{
	struct report report = { .asked = *asked, .bitmap = bitmap };
	int err;

	lockdep_assert_held(&tracker->report_lock);
	err = begin_report(tracker, &report);
	if (!err)
		err = tell_owed(tracker, &report);
	if (!err)
		err = take_report(tracker, &report);
	if (err)
		fail(tracker, err);
	return err;
}
