/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pages a ConnectX VF wrote. See tracker.c, and below that report.c, log.c. */
#ifndef MLX5_FERRY_TRACKER_H
#define MLX5_FERRY_TRACKER_H

#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/vfio.h>
#include <linux/wait.h>

#include "channel.h"
#include "firmware.h"
#include "ranges.h"

struct iova_bitmap;

/**
 * enum mlx5_ferry_tracking - is it known what the VF writes?
 * @MLX5_FERRY_TRACKING_OFF: no
 * @MLX5_FERRY_TRACKING_ON: yes
 * @MLX5_FERRY_TRACKING_FAILED: no more; STOP ends that, or a reset
 * @MLX5_FERRY_TRACKING_ENDED: no more, by a reset or because the physical function went
 */
enum mlx5_ferry_tracking {
	MLX5_FERRY_TRACKING_OFF,
	MLX5_FERRY_TRACKING_ON,
	MLX5_FERRY_TRACKING_FAILED,
	MLX5_FERRY_TRACKING_ENDED,
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
	enum mlx5_ferry_tracking state;
	bool detached;
	bool has_object;
	u32 object;
	unsigned int log_page;
	struct mlx5_ferry_channel channel;
};

/* log.c */
int mlx5_ferry_log_create(struct mlx5_ferry_tracker *tracker,
			  const struct mlx5_ferry_range *ranges,
			  unsigned int nr, unsigned int log_space);
void mlx5_ferry_log_destroy(struct mlx5_ferry_tracker *tracker);
int mlx5_ferry_log_tell(struct mlx5_ferry_tracker *tracker, u64 first,
			u64 last);
int mlx5_ferry_log_ask(struct mlx5_ferry_tracker *tracker);

/* report.c */
int mlx5_ferry_tracker_report(struct mlx5_ferry_tracker *tracker,
			      const struct mlx5_ferry_range *asked,
			      struct iova_bitmap *bitmap);

/* tracker.c */
void mlx5_ferry_tracker_init(struct mlx5_ferry *nic);
void mlx5_ferry_tracker_forget(struct mlx5_ferry *nic);
void mlx5_ferry_tracker_close(struct mlx5_ferry *nic);
void mlx5_ferry_tracker_reset(struct mlx5_ferry *nic);

#endif /* MLX5_FERRY_TRACKER_H */
