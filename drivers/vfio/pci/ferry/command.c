// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command lane, and the backend's operations as timed, traced commands.
 *
 * Called by fsm.c and the session worker, which hold the lane; the outcome of
 * a save arrives in save.c, which leaves the lane.
 */
#include <linux/ktime.h>

#include "command.h"
#include "image.h"
#include "session.h"
#include "trace.h"
#include "vf.h"

void ferry_lane_init(struct ferry_lane *lane)
{
	spin_lock_init(&lane->lock);
	init_waitqueue_head(&lane->wait);
	lane->state = FERRY_LANE_CLOSED;
}

/**
 * ferry_lane_open() - let commands run
 * @lane: the lane, closed or closing
 */
void ferry_lane_open(struct ferry_lane *lane)
{
	unsigned long flags;

	spin_lock_irqsave(&lane->lock, flags);
	if (lane->state == FERRY_LANE_CLOSED)
		lane->state = FERRY_LANE_IDLE;
	else if (lane->state == FERRY_LANE_CLOSING)
		lane->state = FERRY_LANE_BUSY;
	spin_unlock_irqrestore(&lane->lock, flags);
	wake_up_all(&lane->wait);
}

/**
 * ferry_lane_close() - let no further command start
 * @lane: the lane
 *
 * Does not wait for the command that runs.
 */
void ferry_lane_close(struct ferry_lane *lane)
{
	unsigned long flags;

	spin_lock_irqsave(&lane->lock, flags);
	if (lane->state == FERRY_LANE_IDLE)
		lane->state = FERRY_LANE_CLOSED;
	else if (lane->state == FERRY_LANE_BUSY)
		lane->state = FERRY_LANE_CLOSING;
	spin_unlock_irqrestore(&lane->lock, flags);
	wake_up_all(&lane->wait);
}

/**
 * ferry_lane_drain() - wait until no command runs on a closed lane
 * @lane: the lane, closed
 *
 * Return: false if the command did not end in time.
 */
bool ferry_lane_drain(struct ferry_lane *lane)
{
	return wait_event_timeout(lane->wait,
				  READ_ONCE(lane->state) != FERRY_LANE_CLOSING,
				  FERRY_LANE_TIMEOUT);
}

static int take(struct ferry_lane *lane, bool wanted)
{
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&lane->lock, flags);
	switch (lane->state) {
	case FERRY_LANE_IDLE:
		lane->state = FERRY_LANE_BUSY;
		break;
	case FERRY_LANE_BUSY:
		lane->wanted |= wanted;
		err = -EBUSY;
		break;
	case FERRY_LANE_CLOSED:
	case FERRY_LANE_CLOSING:
		err = -ENOTCONN;
		break;
	}
	spin_unlock_irqrestore(&lane->lock, flags);
	return err;
}

static bool took(struct ferry_lane *lane, int *err)
{
	*err = take(lane, false);
	return *err != -EBUSY;
}

/**
 * ferry_lane_try_enter() - take the lane if it is free
 * @lane: the lane
 *
 * Callable with ferry_queue.lock held.
 *
 * Return: 0, -EBUSY, or -ENOTCONN if the lane is closed.
 */
int ferry_lane_try_enter(struct ferry_lane *lane)
{
	return take(lane, false);
}

/**
 * ferry_lane_want() - take the lane if it is free, else be kicked when it is
 * @lane: the lane; the caller is the session worker
 *
 * Return: 0, -EBUSY, or -ENOTCONN if the lane is closed.
 */
int ferry_lane_want(struct ferry_lane *lane)
{
	return take(lane, true);
}

/**
 * ferry_lane_enter() - take the lane, wait for it if need be
 * @lane: the lane
 *
 * Return: 0, -EBUSY if the running command does not end, or -ENOTCONN if the
 * lane is closed.
 */
int ferry_lane_enter(struct ferry_lane *lane)
{
	int err = -EBUSY;

	might_sleep();
	wait_event_timeout(lane->wait, took(lane, &err), FERRY_LANE_TIMEOUT);
	return err;
}

/**
 * ferry_lane_leave() - the command is over
 * @vf: the function
 *
 * In any context. The session worker does not wait for the lane; if it wanted
 * it, it runs again.
 */
void ferry_lane_leave(struct ferry_vf *vf)
{
	struct ferry_lane *lane = &vf->lane;
	unsigned long flags;

	spin_lock_irqsave(&lane->lock, flags);
	/* First: once the lane is seen closed, the worker may be gone. */
	if (lane->wanted)
		ferry_worker_kick(vf);
	lane->wanted = false;
	if (lane->state == FERRY_LANE_CLOSING)
		lane->state = FERRY_LANE_CLOSED;
	else
		lane->state = FERRY_LANE_IDLE;
	spin_unlock_irqrestore(&lane->lock, flags);
	wake_up_all(&lane->wait);
}

static void assert_lane(struct ferry_vf *vf)
{
	enum ferry_lane_state state = READ_ONCE(vf->lane.state);

	WARN_ON_ONCE(state != FERRY_LANE_BUSY && state != FERRY_LANE_CLOSING);
}

/**
 * ferry_command_inject() - fail here if a test asked for it
 * @vf: the function
 * @site: where
 *
 * Return: 0 or the negative errno to fail with, which was reported.
 */
int ferry_command_inject(struct ferry_vf *vf, enum ferry_fault_site site)
{
	struct vfio_ferry_failure failure = {
		.command = ferry_fault_name(site),
		.error = ferry_fault_hit(&vf->fault, site),
	};

	if (failure.error)
		vfio_ferry_failed(vf->device, &failure);
	return failure.error;
}

static int traced(struct ferry_vf *vf, const char *command, ktime_t start,
		  int err)
{
	trace_ferry_command(vf->name, command, err,
			    ktime_to_ns(ktime_sub(ktime_get(), start)));
	return err;
}

int ferry_command_suspend(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	ktime_t start = ktime_get();
	int err = ferry_command_inject(vf, FERRY_FAULT_SUSPEND);

	assert_lane(vf);
	if (!err)
		err = vf->device->ops->suspend(vf->device, side);
	return traced(vf, side == VFIO_FERRY_INITIATOR ? "suspend_initiator" :
		      "suspend_responder", start, err);
}

int ferry_command_resume(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	ktime_t start = ktime_get();
	int err = ferry_command_inject(vf, FERRY_FAULT_RESUME);

	assert_lane(vf);
	if (!err)
		err = vf->device->ops->resume(vf->device, side);
	return traced(vf, side == VFIO_FERRY_INITIATOR ? "resume_initiator" :
		      "resume_responder", start, err);
}

int ferry_command_query(struct ferry_vf *vf, bool incremental,
			struct vfio_ferry_estimate *estimate)
{
	ktime_t start = ktime_get();
	int err = ferry_command_inject(vf, FERRY_FAULT_QUERY);

	assert_lane(vf);
	memset(estimate, 0, sizeof(*estimate));
	if (!err)
		err = vf->device->ops->query(vf->device, incremental, estimate);
	return traced(vf, incremental ? "query_incremental" : "query_full",
		      start, err);
}

/* Traced when its outcome arrives, in save.c, unless it cannot be issued. */
int ferry_command_save(struct ferry_vf *vf, struct ferry_image *image,
		       unsigned int flags)
{
	int err = ferry_command_inject(vf, FERRY_FAULT_SAVE);

	assert_lane(vf);
	image->started = ktime_get();
	if (!err)
		err = vf->device->ops->save(vf->device, &image->memory, flags);
	return err ? traced(vf, "save", image->started, err) : 0;
}

int ferry_command_load(struct ferry_vf *vf, struct ferry_image *image)
{
	ktime_t start = ktime_get();
	int err = ferry_command_inject(vf, FERRY_FAULT_LOAD);

	assert_lane(vf);
	if (!err)
		err = vf->device->ops->load(vf->device, &image->memory);
	return traced(vf, "load", start, err);
}

int ferry_command_stop_tracking(struct ferry_vf *vf, struct ferry_image *image)
{
	ktime_t start = ktime_get();
	int err = ferry_command_inject(vf, FERRY_FAULT_STOP_TRACKING);

	assert_lane(vf);
	if (!err)
		err = vf->device->ops->stop_tracking(vf->device,
						     image ? &image->memory : NULL);
	return traced(vf, "stop_tracking", start, err);
}
