// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages a ConnectX VF wrote: the vfio_log_ops, and a firmware object that
 * keeps the log.
 *
 * Independent of migration: it has its own locks, its own objects on the
 * physical function, and hears by itself of that one's going.
 *
 *	report_lock	START, STOP and REPORT, one at a time; only users wait
 *	  lock		the objects; taken by close and detach as well
 *
 * User memory is written with report_lock alone, which nobody but another user
 * of the same VF waits for: a bitmap behind userfaultfd or in the VF's own BAR
 * stalls nobody else. A reset takes neither lock.
 *
 * The firmware forgets a page when it has told it. So a report that does not
 * come to its end, for whatever reason, is an error, and so is all until STOP:
 * nobody knows any more what was written.
 */
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/maple_tree.h>
#include <linux/mlx5/device.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "../compat.h"
#include "channel.h"
#include "command.h"
#include "firmware.h"
#include "ranges.h"
#include "tracker.h"

/* Longest time without a message during a report, and how often it asks why */
#define SILENCE		(60 * HZ)
#define ASK_PERIOD	HZ

/* Longer messages are no faster, and take more memory. */
#define LOG_MESSAGE	16

/* MODIFY_GENERAL_OBJECT: the state, and the range to report */
#define MODIFY_STATE_AND_RANGE	3
#define TRACK_TYPE_DIRTY	1

/**
 * enum tracking - is it known what the VF writes?
 * @TRACKING_OFF: no
 * @TRACKING_ON: yes
 * @TRACKING_FAILED: no more; STOP ends that, or a reset
 * @TRACKING_ENDED: no more, by a reset or because the physical function went
 */
enum tracking {
	TRACKING_OFF,
	TRACKING_ON,
	TRACKING_FAILED,
	TRACKING_ENDED,
};

/**
 * struct mlx5_ferry_tracker - what a VF wrote
 * @nic: the VF
 * @set: iova_bitmap_set() of this kernel
 * @nb: tells when the physical function goes and comes
 * @wait: who waits for a message, or for the end of it all
 * @report_lock: protects @pages and @owed, and is held for a whole report
 * @pages: room for the longest message
 * @owed: addresses that the firmware told as written, but no user yet: the
 *	part of its page that was not in the range that the user asked for
 * @lock: protects what follows, and changes of @state but for those that a
 *	reset or a failing report makes
 * @state: see there
 * @detached: there is no physical function
 * @has_object: there is a firmware object
 * @object: its number
 * @log_page: log2 of the bytes of a page in the firmware's log
 * @channel: how the firmware reports
 */
struct mlx5_ferry_tracker {
	struct mlx5_ferry *nic;
	void (*set)(struct iova_bitmap *bitmap, unsigned long iova,
		    size_t length);
	struct notifier_block nb;
	wait_queue_head_t wait;
	struct mutex report_lock;	/* see above */
	__be64 *pages;
	struct maple_tree owed;
	struct mutex lock;		/* see above */
	enum tracking state;
	bool detached;
	bool has_object;
	u32 object;
	unsigned int log_page;
	struct mlx5_ferry_channel channel;
};

/* A capability of the physical function, which is there */
#define CAP(tracker, name) \
	MLX5_CAP_ADV_VIRTUALIZATION((tracker)->nic->mdev, pg_track_##name)

static struct mlx5_ferry_tracker *from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct mlx5_ferry, ferry.core.vdev)->tracker;
}

/* The firmware object */

static void *object_header(void *in, u16 opcode, u32 object)
{
	MLX5_SET(general_obj_in_cmd_hdr, in, opcode, opcode);
	MLX5_SET(general_obj_in_cmd_hdr, in, obj_type,
		 MLX5_OBJ_TYPE_PAGE_TRACK);
	MLX5_SET(general_obj_in_cmd_hdr, in, obj_id, object);
	return MLX5_ADDR_OF(create_page_track_obj_in, in, obj_context);
}

static int create_object(struct mlx5_ferry_tracker *tracker,
			 const struct mlx5_ferry_range *ranges, unsigned int nr,
			 unsigned int log_space)
{
	size_t bytes = MLX5_ST_SZ_BYTES(create_page_track_obj_in) +
		       nr * MLX5_ST_SZ_BYTES(page_track_range);
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	void *in = kzalloc(bytes, GFP_KERNEL);
	void *track, *range;
	int err;

	if (!in)
		return -ENOMEM;
	track = object_header(in, MLX5_CMD_OP_CREATE_GENERAL_OBJECT, 0);
	MLX5_SET(page_track, track, vhca_id, tracker->nic->vhca_id);
	MLX5_SET(page_track, track, track_type, TRACK_TYPE_DIRTY);
	MLX5_SET(page_track, track, log_addr_space_size, log_space);
	MLX5_SET(page_track, track, log_page_size, tracker->log_page);
	MLX5_SET(page_track, track, log_msg_size,
		 tracker->channel.log_message);
	MLX5_SET(page_track, track, reporting_qpn,
		 tracker->channel.firmware_qpn);
	MLX5_SET(page_track, track, num_ranges, nr);
	for (unsigned int i = 0; i < nr; i++) {
		range = MLX5_ADDR_OF(page_track, track, track_range) +
			i * MLX5_ST_SZ_BYTES(page_track_range);
		MLX5_SET64(page_track_range, range, start_address,
			   ranges[i].first);
		MLX5_SET64(page_track_range, range, length,
			   ranges[i].last - ranges[i].first + 1);
	}
	err = mlx5_ferry_command(tracker->nic, "CREATE_GENERAL_OBJECT of a page tracker",
				 in, bytes, out, sizeof(out));
	kfree(in);
	tracker->object = MLX5_GET(general_obj_out_cmd_hdr, out, obj_id);
	tracker->has_object = !err;
	/* If it was made nevertheless, it may go on to use the queues. */
	if (err == -ETIMEDOUT)
		mlx5_ferry_channel_lose(&tracker->channel);
	return err;
}

static void destroy_object(struct mlx5_ferry_tracker *tracker)
{
	u32 in[MLX5_ST_SZ_DW(general_obj_in_cmd_hdr)] = {};

	object_header(in, MLX5_CMD_OP_DESTROY_GENERAL_OBJECT, tracker->object);
	mlx5_ferry_channel_give_back(&tracker->channel,
				     "DESTROY_GENERAL_OBJECT of a page tracker",
				     in, sizeof(in));
	tracker->has_object = false;
}

/* Has it begin a report: messages from now on, the last of which says so */
static int begin_object_report(struct mlx5_ferry_tracker *tracker, u64 first,
			       u64 last)
{
	u32 in[MLX5_ST_SZ_DW(modify_page_track_obj_in)] = {};
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	u64 page = BIT_ULL(tracker->log_page), length;
	void *track;

	first = round_down(first, page);
	/* 2^64 cannot be said; nobody maps the last page of it. */
	length = (last | (page - 1)) - first + 1 ?: -page;
	track = object_header(in, MLX5_CMD_OP_MODIFY_GENERAL_OBJECT,
			      tracker->object);
	MLX5_SET64(page_track, track, modify_field_select,
		   MODIFY_STATE_AND_RANGE);
	MLX5_SET64(page_track, track, range_start_address, first);
	MLX5_SET64(page_track, track, length, length);
	MLX5_SET(page_track, track, state, MLX5_PAGE_TRACK_STATE_REPORTING);
	return mlx5_ferry_command(tracker->nic, "MODIFY_GENERAL_OBJECT of a page tracker",
				  in, sizeof(in), out, sizeof(out));
}

/* Why does no message come? */
static int ask_object(struct mlx5_ferry_tracker *tracker)
{
	u32 out[MLX5_ST_SZ_DW(query_page_track_obj_out)] = {};
	u32 in[MLX5_ST_SZ_DW(general_obj_in_cmd_hdr)] = {};
	int err;

	object_header(in, MLX5_CMD_OP_QUERY_GENERAL_OBJECT, tracker->object);
	err = mlx5_ferry_command(tracker->nic, "QUERY_GENERAL_OBJECT of a page tracker",
				 in, sizeof(in), out, sizeof(out));
	if (!err && MLX5_GET(query_page_track_obj_out, out,
			     obj_context.state) == MLX5_PAGE_TRACK_STATE_ERROR)
		err = -EIO;
	return err;
}

/* Start and end */

/* Gives everything back that there is. */
static void end(struct mlx5_ferry_tracker *tracker, enum tracking state)
{
	lockdep_assert_held(&tracker->lock);
	WRITE_ONCE(tracker->state, state);
	wake_up_all(&tracker->wait);
	if (tracker->has_object)
		destroy_object(tracker);
	mlx5_ferry_channel_close(&tracker->channel);
}

/* Memory for a message, and what it is told of with the firmware's limits */
static int prepare(struct mlx5_ferry_tracker *tracker, u64 page_size)
{
	unsigned int log_message = clamp_t(unsigned int, LOG_MESSAGE,
					   CAP(tracker, log_min_msg_size),
					   CAP(tracker, log_max_msg_size));

	tracker->log_page = clamp_t(unsigned int, ilog2(page_size),
				    CAP(tracker, log_min_page_size),
				    CAP(tracker, log_max_page_size));
	tracker->pages = kvmalloc(BIT(log_message), GFP_KERNEL_ACCOUNT);
	if (!tracker->pages)
		return -ENOMEM;
	return mlx5_ferry_channel_open(&tracker->channel, tracker->nic,
				       &tracker->wait, log_message);
}

static int begin(struct mlx5_ferry_tracker *tracker,
		 struct mlx5_ferry_range *ranges, unsigned int nr,
		 u64 *page_size)
{
	int log_space, err;

	lockdep_assert_held(&tracker->lock);
	err = mlx5_ferry_renew(tracker->nic);
	if (err)
		return err;
	err = prepare(tracker, *page_size);
	if (err)
		return err;
	nr = mlx5_ferry_ranges_fit(ranges, nr, CAP(tracker, max_num_range),
				   BIT_ULL(tracker->log_page));
	log_space = mlx5_ferry_ranges_space(ranges, nr,
					    CAP(tracker, log_min_addr_space),
					    CAP(tracker, log_max_addr_space));
	if (log_space < 0)
		return log_space;
	err = create_object(tracker, ranges, nr, log_space);
	if (err)
		return err;
	*page_size = BIT_ULL(tracker->log_page);
	WRITE_ONCE(tracker->state, TRACKING_ON);
	return 0;
}

/* With the report lock, which makes users wait for one another, killably. */
static int lock_both(struct mlx5_ferry_tracker *tracker)
{
	int err = mutex_lock_killable(&tracker->report_lock);

	if (err)
		return err;
	err = mutex_lock_killable(&tracker->lock);
	if (err)
		mutex_unlock(&tracker->report_lock);
	return err;
}

static void unlock_both(struct mlx5_ferry_tracker *tracker)
{
	mutex_unlock(&tracker->lock);
	mutex_unlock(&tracker->report_lock);
}

/* Nothing is on any more, and nothing owed. */
static void forget(struct mlx5_ferry_tracker *tracker)
{
	end(tracker, TRACKING_OFF);
	mtree_destroy(&tracker->owed);
	kvfree(tracker->pages);
	tracker->pages = NULL;
}

static int copy_ranges(struct mlx5_ferry_range *ranges, unsigned int nr,
		       struct rb_root_cached *root)
{
	struct interval_tree_node *node;
	struct rb_node *at = rb_first_cached(root);

	for (unsigned int i = 0; i < nr; i++, at = rb_next(at)) {
		if (!at)
			return -EINVAL;
		node = rb_entry(at, struct interval_tree_node, rb);
		ranges[i].first = node->start;
		ranges[i].last = node->last;
	}
	return mlx5_ferry_ranges_check(ranges, nr);
}

static int log_start(struct vfio_device *vdev, struct rb_root_cached *root,
		     u32 nr, u64 *page_size)
{
	struct mlx5_ferry_tracker *tracker = from_vdev(vdev);
	struct mlx5_ferry_range *ranges;
	int err;

	if (!is_power_of_2(*page_size))
		return -EINVAL;
	ranges = kcalloc(nr, sizeof(*ranges), GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return -ENOMEM;
	err = copy_ranges(ranges, nr, root);
	if (err)
		goto free;
	err = lock_both(tracker);
	if (err)
		goto free;
	if (tracker->detached) {
		err = -ENOTCONN;
	} else if (tracker->state == TRACKING_ON ||
		   tracker->state == TRACKING_FAILED) {
		err = -EINVAL;
	} else {
		forget(tracker);
		err = begin(tracker, ranges, nr, page_size);
		if (err)
			forget(tracker);
	}
	unlock_both(tracker);
free:
	kfree(ranges);
	return err;
}

static int log_stop(struct vfio_device *vdev)
{
	struct mlx5_ferry_tracker *tracker = from_vdev(vdev);
	int err = lock_both(tracker);

	if (err)
		return err;
	forget(tracker);
	unlock_both(tracker);
	return 0;
}

/* Reports */

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

/* What the user asked for is told, the rest owed. */
static int tell_range(struct mlx5_ferry_tracker *tracker, struct report *report,
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
static int tell_message(struct mlx5_ferry_tracker *tracker,
			struct report *report,
			const struct mlx5_ferry_message *message)
{
	u64 page = BIT_ULL(tracker->log_page), first, last;
	int err = 0;

	for (unsigned int i = 0; i < message->nr && !err; i++) {
		first = round_down(be64_to_cpu(message->pages[i]), page);
		last = first | (page - 1);
		while (i + 1 < message->nr &&
		       be64_to_cpu(message->pages[i + 1]) == last + 1) {
			last += page;
			i++;
		}
		err = tell_range(tracker, report, first, last);
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

	if (err || tracker->state == TRACKING_ON)
		return err;
	mutex_unlock(&tracker->lock);
	return tracker->state == TRACKING_OFF ? -EINVAL : -EIO;
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
	err = ask_object(tracker);
	mutex_unlock(&tracker->lock);
	return err;
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
						   READ_ONCE(tracker->channel.event) ||
						   READ_ONCE(tracker->state) != TRACKING_ON,
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
		if (fatal_signal_pending(current))
			return -EINTR;
		err = wait_message(tracker, &message);
		if (!err)
			err = tell_message(tracker, report, &message);
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
	err = begin_object_report(tracker, report->asked.first,
				  report->asked.last);
	mutex_unlock(&tracker->lock);
	return err;
}

/* What the firmware told is gone, for a user who got an error instead. */
static void fail(struct mlx5_ferry_tracker *tracker, int err)
{
	if (cmpxchg(&tracker->state, TRACKING_ON, TRACKING_FAILED) ==
	    TRACKING_ON)
		dev_warn(&tracker->nic->ferry.core.pdev->dev,
			 "no dirty page tracking until it is stopped and started again: a report failed, %pe\n",
			 ERR_PTR(err));
}

static int log_read_and_clear(struct vfio_device *vdev, unsigned long iova,
			      unsigned long length, struct iova_bitmap *bitmap)
{
	struct mlx5_ferry_tracker *tracker = from_vdev(vdev);
	struct report report = {
		.asked = { .first = iova, .last = iova + length - 1 },
		.bitmap = bitmap,
	};
	int err;

	err = mutex_lock_killable(&tracker->report_lock);
	if (err)
		return err;
	if (length) {
		err = begin_report(tracker, &report);
		if (!err)
			err = tell_owed(tracker, &report);
		if (!err)
			err = take_report(tracker, &report);
		if (err)
			fail(tracker, err);
	}
	mutex_unlock(&tracker->report_lock);
	return err;
}

static const struct vfio_log_ops log_ops = {
	.log_start = log_start,
	.log_stop = log_stop,
	.log_read_and_clear = log_read_and_clear,
};

/* Close, reset, the physical function's going and coming */

/**
 * mlx5_ferry_tracker_close() - the device will be closed
 * @nic: the VF; none of its users is in a call
 */
void mlx5_ferry_tracker_close(struct mlx5_ferry *nic)
{
	struct mlx5_ferry_tracker *tracker = nic->tracker;

	if (!tracker)
		return;
	mutex_lock(&tracker->lock);
	forget(tracker);
	mutex_unlock(&tracker->lock);
}

/**
 * mlx5_ferry_tracker_reset() - the VF will be reset: what it wrote is unknown
 * @nic: the VF
 *
 * Under the core's memory_lock, which may come after our locks. Takes none,
 * sends no command: what the firmware has is given back by STOP, START, close
 * or with the physical function.
 */
void mlx5_ferry_tracker_reset(struct mlx5_ferry *nic)
{
	struct mlx5_ferry_tracker *tracker = nic->tracker;

	if (!tracker)
		return;
	cmpxchg(&tracker->state, TRACKING_ON, TRACKING_ENDED);
	cmpxchg(&tracker->state, TRACKING_FAILED, TRACKING_ENDED);
	wake_up_all(&tracker->wait);
}

/* Under the physical function's blocking notifier chain */
static int notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct mlx5_ferry_tracker *tracker =
		container_of(nb, struct mlx5_ferry_tracker, nb);

	switch (event) {
	case MLX5_PF_NOTIFY_DISABLE_VF:
		/* So that a report does not sleep on, nor send a command. */
		mlx5_ferry_tracker_reset(tracker->nic);
		mutex_lock(&tracker->lock);
		tracker->detached = true;
		end(tracker, tracker->state);
		mutex_unlock(&tracker->lock);
		break;
	case MLX5_PF_NOTIFY_ENABLE_VF:
		mutex_lock(&tracker->lock);
		tracker->detached = false;
		mutex_unlock(&tracker->lock);
		break;
	}
	return NOTIFY_OK;
}

/* Life */

static void free_tracker(struct mlx5_ferry *nic)
{
	struct mlx5_ferry_tracker *tracker = nic->tracker;

	if (tracker->set)
		symbol_put(iova_bitmap_set);
	mutex_destroy(&tracker->report_lock);
	mutex_destroy(&tracker->lock);
	nic->tracker = NULL;
	kfree(tracker);
}

static int new_tracker(struct mlx5_ferry *nic)
{
	struct mlx5_ferry_tracker *tracker = kzalloc_obj(*tracker, GFP_KERNEL);

	if (!tracker)
		return -ENOMEM;
	tracker->nic = nic;
	tracker->nb.notifier_call = notify;
	init_waitqueue_head(&tracker->wait);
	mutex_init(&tracker->report_lock);
	mutex_init(&tracker->lock);
	mt_init(&tracker->owed);
	nic->tracker = tracker;
	return 0;
}

/*
 * Why not, or NULL.
 *
 * Can the kernel that runs put pages into users' bitmaps? vfio.ko does that by
 * iova_bitmap.c, which is there with CONFIG_IOMMUFD_DRIVER; without it START
 * is fine and each REPORT fails, and a VMM finds that out in the middle of a
 * migration. What this module was built with does not tell: a vfio.ko with it
 * can be given to a kernel whose configuration, and headers, are without. So
 * the function is looked for by name: where somebody has it, vfio.ko has it.
 */
static const char *set_up(struct mlx5_ferry *nic)
{
	if (!MLX5_CAP_GEN(nic->mdev, adv_virtualization) ||
	    !MLX5_CAP_ADV_VIRTUALIZATION(nic->mdev, pg_track_max_num_range))
		return "the firmware of the physical function cannot";
	if (new_tracker(nic))
		return "no memory";
	nic->tracker->set = symbol_get(iova_bitmap_set);
	if (!nic->tracker->set)
		return "this kernel's vfio cannot report pages (no CONFIG_IOMMUFD_DRIVER)";
	if (mlx5_sriov_blocking_notifier_register(nic->mdev, nic->vf_id,
						  &nic->tracker->nb))
		return "the physical function does not say when it goes";
	return NULL;
}

/**
 * mlx5_ferry_tracker_init() - offer to track what a VF writes, if that can be
 * @nic: the VF, examined, not registered yet
 */
void mlx5_ferry_tracker_init(struct mlx5_ferry *nic)
{
	if (!nic->mdev)
		return;
	nic->untracked = set_up(nic);
	if (!nic->untracked)
		nic->ferry.core.vdev.log_ops = &log_ops;
	else if (nic->tracker)
		free_tracker(nic);
}

/**
 * mlx5_ferry_tracker_forget() - the opposite of mlx5_ferry_tracker_init()
 * @nic: the VF, not registered any more or not at all
 */
void mlx5_ferry_tracker_forget(struct mlx5_ferry *nic)
{
	struct mlx5_ferry_tracker *tracker = nic->tracker;

	if (!tracker)
		return;
	mlx5_sriov_blocking_notifier_unregister(nic->mdev, nic->vf_id,
						&tracker->nb);
	free_tracker(nic);
}
