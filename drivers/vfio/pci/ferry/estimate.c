// SPDX-License-Identifier: GPL-2.0-only
/*
 * What users ask about a save, hundreds of times a second: how much is to
 * come. Answered from the queue and, if it is not busy, by the firmware.
 *
 * ferry_estimate_precopy() is called through an FD, ferry_estimate_stop()
 * through the device's, neither under a lock.
 */
#include "compat.h"
#include "estimate.h"
#include "save.h"
#include "session.h"
#include "wire.h"

/* Can the firmware say something that the queue does not know? */
static bool is_worth_asking(struct ferry_queue *queue)
{
	bool worth;

	spin_lock_irq(&queue->lock);
	worth = queue->phase == FERRY_PHASE_PRECOPY && !queue->active &&
		!queue->untracked;
	spin_unlock_irq(&queue->lock);
	return worth;
}

static bool is_my_turn(struct ferry_session *session, int *err)
{
	if (is_worth_asking(&session->queue))
		*err = ferry_session_try_lane(session);
	else
		*err = -ENODATA;
	return *err != -EBUSY;
}

/*
 * Ask the firmware what changed. If it is busy with a question or an arc, wait
 * for that: they are short. A save is not waited for, it says enough itself.
 */
static void refresh_estimate(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate;
	struct ferry_vf *vf = session->vf;
	int err = -EBUSY;

	wait_event_timeout(vf->lane.wait, is_my_turn(session, &err),
			   FERRY_LANE_TIMEOUT);
	if (err)
		return;
	/* Who had the lane before may have changed the answer. */
	if (is_worth_asking(queue) &&
	    !ferry_command_query(vf, true, &estimate))
		ferry_queue_expect(queue, &estimate,
				   ferry_precopy_info_v2(&vf->device->core.vdev));
	ferry_lane_leave(vf);
}

/**
 * ferry_estimate_precopy() - what a reader can expect in pre-copy
 * @session: the session, through its FD
 * @info: filled: both numbers, and the flags in their second form
 *
 * A snapshot: moves no data and waits for no save. If it finds the reader at
 * the end of the data and the function changed, the worker will save that.
 *
 * Return: 0, -EINVAL outside of pre-copy, -ENODEV if the session is over.
 */
int ferry_estimate_precopy(struct ferry_session *session,
			   struct vfio_precopy_info *info)
{
	struct ferry_queue *queue = &session->queue;
	u64 initial, dirty, coming = 0;
	bool kick;
	int err = 0;

	refresh_estimate(session);
	spin_lock_irq(&queue->lock);
	if (queue->phase == FERRY_PHASE_CLOSED)
		err = -ENODEV;
	else if (queue->phase != FERRY_PHASE_PRECOPY &&
		 queue->phase != FERRY_PHASE_PAUSED)
		err = -EINVAL;
	if (err) {
		spin_unlock_irq(&queue->lock);
		return err;
	}

	initial = queue->unread_initial;
	dirty = queue->unread_dirty;
	if (queue->active)
		coming = queue->active_bytes;
	else if (queue->phase == FERRY_PHASE_PRECOPY && queue->expected)
		coming = queue->expected + FERRY_WIRE_IMAGE_OVERHEAD;
	if (queue->reinit ||
	    (queue->active && queue->active->kind == FERRY_IMAGE_INITIAL))
		initial += coming;
	else
		dirty += coming + (queue->active ? queue->expected : 0);
	if (ferry_precopy_info_v2(&session->vf->device->core.vdev))
		info->flags = queue->reinit_untold ? FERRY_PRECOPY_REINIT : 0;
	if (queue->reinit_untold) {
		/* From here on it counts as the user's first look. */
		initial += dirty;
		dirty = 0;
		queue->reinit_untold = false;
	}
	kick = coming && !queue->active && !queue->unread_initial &&
	       !queue->unread_dirty;
	queue->demand |= kick;
	spin_unlock_irq(&queue->lock);

	info->initial_bytes = initial;
	info->dirty_bytes = dirty;
	if (kick)
		ferry_session_kick(session);
	return 0;
}

/**
 * ferry_estimate_final() - what a reader can expect once the function stopped
 * @session: a session
 *
 * Asks nobody, takes the queue's lock.
 *
 * Return: bytes of a final image under way and what is before and behind it in
 * the stream, 0 in other phases.
 */
u64 ferry_estimate_final(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	u64 bytes = 0;

	spin_lock_irq(&queue->lock);
	if (queue->phase == FERRY_PHASE_FINAL ||
	    queue->phase == FERRY_PHASE_SAVED)
		bytes = queue->unread_initial + queue->unread_dirty +
			queue->active_bytes + queue->expected +
			FERRY_WIRE_END_BYTES;
	spin_unlock_irq(&queue->lock);
	return bytes;
}

static u64 final_bytes(struct ferry_vf *vf)
{
	struct ferry_session *session = ferry_session_current(vf);
	u64 bytes;

	if (!session)
		return 0;
	bytes = ferry_estimate_final(session);
	ferry_session_put(session);
	return bytes;
}

static bool is_loading(struct ferry_vf *vf)
{
	enum vfio_device_mig_state state = READ_ONCE(vf->state);

	return state == VFIO_DEVICE_STATE_RESUMING ||
	       state == VFIO_DEVICE_STATE_ERROR;
}

/**
 * ferry_estimate_stop() - bytes that a stop would still produce
 * @vf: the function, open
 * @bytes: set, never to 0
 *
 * Asks the firmware unless it is busy: then the last answer has to do.
 *
 * Return: 0 or negative errno.
 */
int ferry_estimate_stop(struct ferry_vf *vf, u64 *bytes)
{
	struct vfio_ferry_estimate estimate;
	int err;

	*bytes = final_bytes(vf);
	if (*bytes)
		return 0;
	err = READ_ONCE(vf->full) ? ferry_lane_try_enter(&vf->lane) :
				    ferry_lane_enter(&vf->lane);
	if (!err) {
		/* A function that is being loaded has no state to measure. */
		if (!is_loading(vf))
			err = ferry_save_query_full(vf, &estimate);
		ferry_lane_leave(vf);
	}
	if (err && !READ_ONCE(vf->full) && !is_loading(vf))
		return err;
	*bytes = READ_ONCE(vf->full) + FERRY_WIRE_IDENTITY_BYTES +
		 FERRY_WIRE_IMAGE_OVERHEAD + FERRY_WIRE_END_BYTES;
	return 0;
}
