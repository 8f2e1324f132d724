/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to the function's firmware: one at a time, timed and traced.
 *
 * The lane is the token for that: whoever runs a command holds it. A save
 * holds it from its issue to its outcome, so no other command can overlap it.
 */
#ifndef FERRY_COMMAND_H
#define FERRY_COMMAND_H

#include <linux/spinlock.h>
#include <linux/vfio_ferry.h>
#include <linux/wait.h>

#include "fault.h"

struct ferry_image;
struct ferry_vf;

/*
 * Longest wait for the lane. Backends bound their commands at 60 seconds or
 * so; this is that with room for the queue.
 */
#define FERRY_LANE_TIMEOUT	(90 * HZ)

enum ferry_lane_state {
	FERRY_LANE_CLOSED,	/* no command may start */
	FERRY_LANE_IDLE,
	FERRY_LANE_BUSY,
	FERRY_LANE_CLOSING,	/* busy; closed when that ends */
};

/**
 * struct ferry_lane - who may command the function's firmware
 * @lock: protects @state and @wanted
 * @state: see above
 * @wanted: the session worker found the lane busy
 * @wait: woken when @state becomes idle or closed
 */
struct ferry_lane {
	spinlock_t lock;	/* see above */
	enum ferry_lane_state state;
	bool wanted;
	wait_queue_head_t wait;
};

void ferry_lane_init(struct ferry_lane *lane);
void ferry_lane_open(struct ferry_lane *lane);
void ferry_lane_close(struct ferry_lane *lane);
bool ferry_lane_drain(struct ferry_lane *lane);
int ferry_lane_try_enter(struct ferry_lane *lane);
int ferry_lane_want(struct ferry_lane *lane);
int ferry_lane_enter(struct ferry_lane *lane);
void ferry_lane_leave(struct ferry_vf *vf);

int ferry_command_inject(struct ferry_vf *vf, enum ferry_fault_site site);
int ferry_command_suspend(struct ferry_vf *vf, enum vfio_ferry_side side);
int ferry_command_resume(struct ferry_vf *vf, enum vfio_ferry_side side);
int ferry_command_query(struct ferry_vf *vf, bool incremental,
			struct vfio_ferry_estimate *estimate);
int ferry_command_save(struct ferry_vf *vf, struct ferry_image *image,
		       unsigned int flags);
int ferry_command_load(struct ferry_vf *vf, struct ferry_image *image);
int ferry_command_stop_tracking(struct ferry_vf *vf,
				struct ferry_image *image);

#endif /* FERRY_COMMAND_H */
