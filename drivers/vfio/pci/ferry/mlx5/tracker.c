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
#include <linux/mlx5/device.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat.h"
#include "tracker.h"

/* Longer messages are no faster, and take more memory. */
#define LOG_MESSAGE	16

/* A capability of the physical function, which is there */
#define CAP(tracker, name) \
	MLX5_CAP_ADV_VIRTUALIZATION((tracker)->nic->mdev, pg_track_##name)

static struct mlx5_ferry_tracker *from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct mlx5_ferry, ferry.core.vdev)->tracker;
}

/* Start and end */

static bool can_track(struct mlx5_core_dev *mdev)
{
	return MLX5_CAP_GEN(mdev, adv_virtualization) &&
	       MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_max_num_range);
}

/* Gives everything back that there is. */
static void end(struct mlx5_ferry_tracker *tracker, enum mlx5_ferry_tracking state)
{
	lockdep_assert_held(&tracker->lock);
	WRITE_ONCE(tracker->state, state);
	wake_up_all(&tracker->wait);
	if (tracker->has_object)
		mlx5_ferry_log_destroy(tracker);
	mlx5_ferry_channel_close(&tracker->channel);
}

/* Channel and log; what is there after an error is ended by the caller. */
static int make_log(struct mlx5_ferry_tracker *tracker,
		    const struct mlx5_ferry_range *ranges, unsigned int nr,
		    unsigned int log_space)
{
	unsigned int log_message = clamp_t(unsigned int, LOG_MESSAGE,
					   CAP(tracker, log_min_msg_size),
					   CAP(tracker, log_max_msg_size));
	int err;

	err = mlx5_ferry_renew(tracker->nic);
	if (err)
		return err;
	tracker->pages = kvmalloc(BIT(log_message), GFP_KERNEL_ACCOUNT);
	if (!tracker->pages)
		return -ENOMEM;
	err = mlx5_ferry_channel_open(&tracker->channel, tracker->nic,
				      &tracker->wait, log_message);
	return err ?: mlx5_ferry_log_create(tracker, ranges, nr, log_space);
}

static int begin(struct mlx5_ferry_tracker *tracker,
		 struct mlx5_ferry_range *ranges, unsigned int nr,
		 u64 *page_size)
{
	int log_space, err;

	lockdep_assert_held(&tracker->lock);
	/* It may have come back with other firmware. */
	if (!can_track(tracker->nic->mdev))
		return -EOPNOTSUPP;
	tracker->log_page = clamp_t(unsigned int, ilog2(*page_size),
				    CAP(tracker, log_min_page_size),
				    CAP(tracker, log_max_page_size));
	nr = mlx5_ferry_ranges_fit(ranges, nr, CAP(tracker, max_num_range),
				   BIT_ULL(tracker->log_page));
	log_space = mlx5_ferry_ranges_space(ranges, nr,
					    CAP(tracker, log_min_addr_space),
					    CAP(tracker, log_max_addr_space));
	if (log_space < 0)
		return log_space;
	err = make_log(tracker, ranges, nr, log_space);
	if (err)
		return err;
	*page_size = BIT_ULL(tracker->log_page);
	WRITE_ONCE(tracker->state, MLX5_FERRY_TRACKING_ON);
	return 0;
}

/* Users wait for one another, killably, and for close and detach. */
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
	end(tracker, MLX5_FERRY_TRACKING_OFF);
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
	} else if (tracker->state == MLX5_FERRY_TRACKING_ON ||
		   tracker->state == MLX5_FERRY_TRACKING_FAILED) {
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

static int log_read_and_clear(struct vfio_device *vdev, unsigned long iova,
			      unsigned long length, struct iova_bitmap *bitmap)
{
	struct mlx5_ferry_range asked = {
		.first = iova,
		.last = iova + length - 1,
	};
	struct mlx5_ferry_tracker *tracker = from_vdev(vdev);
	int err;

	err = mutex_lock_killable(&tracker->report_lock);
	if (err)
		return err;
	if (length)
		err = mlx5_ferry_tracker_report(tracker, &asked, bitmap);
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
	cmpxchg(&tracker->state, MLX5_FERRY_TRACKING_ON, MLX5_FERRY_TRACKING_ENDED);
	cmpxchg(&tracker->state, MLX5_FERRY_TRACKING_FAILED, MLX5_FERRY_TRACKING_ENDED);
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
	tracker->detached = true;
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
	if (!can_track(nic->mdev))
		return "the firmware of the physical function cannot";
	if (new_tracker(nic))
		return "no memory";
	nic->tracker->set = symbol_get(iova_bitmap_set);
	if (!nic->tracker->set)
		return "this kernel's vfio cannot report pages (no CONFIG_IOMMUFD_DRIVER)";
	if (mlx5_sriov_blocking_notifier_register(nic->mdev, nic->vf_id,
						  &nic->tracker->nb))
		return "the physical function does not say when it goes";
	/* From now on it does; until now it may have gone. */
	if (mlx5_vf_get_core_dev(nic->ferry.core.pdev)) {
		nic->tracker->detached = false;
		mlx5_vf_put_core_dev(nic->mdev);
	}
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
