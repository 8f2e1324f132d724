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
#include "measure.h"
#include "session.h"
#include "wire.h"

/* Is the command slot taken to save an image, which takes long? */
static bool is_saving(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return ferry_queue_first(queue, FERRY_BEING_SAVED);
}

/*
 * Take the command slot for a question. If it is taken for another one or by
 * an arc, wait for that: they are short. A save is not waited for: it says
 * enough itself.
 */
static int take_slot(struct ferry_session *session)
{
	struct ferry_slot *slot = &session->vf->slot;
	struct ferry_queue *queue = &session->queue;
	int err;

	while ((err = ferry_slot_try(slot)) == -EBUSY) {
		err = wait_event_killable(slot->wait, !READ_ONCE(slot->taken) ||
					  READ_ONCE(slot->bars) ||
					  is_saving(queue));
		if (err)
			return err;
		if (is_saving(queue))
			return -EBUSY;
	}
	return err;
}

/*
 * Give the slot back after a question. If there is more state than was known,
 * the reserve follows while there is time for it: the worker sees to that.
 */
static void give_slot(struct ferry_vf *vf, u64 known)
{
	if (READ_ONCE(vf->full_bytes) > known)
		ferry_worker_kick(vf);
	ferry_slot_give(vf);
}

/* Ask the firmware what changed, unless that takes long. */
static int refresh_estimate(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	u64 known = READ_ONCE(session->vf->full_bytes);
	struct vfio_ferry_estimate estimate;
	int err;

	if (!ferry_queue_can_change(queue))
		return 0;
	err = take_slot(session);
	if (err)
		return err == -ERESTARTSYS ? err : 0;
	/* Who had the slot before may have changed the answer. */
	if (ferry_queue_can_change(queue))
		err = ferry_measure_changes(session, &estimate);
	give_slot(session->vf, known);
	/* Without a track nothing is to come, and that is no failure. */
	return err == -ESTALE ? 0 : err;
}

/* What comes beside what is unread: the image that is saved, then the rest */
static u64 coming_bytes(struct ferry_queue *queue, bool *initial)
{
	struct ferry_outlook *outlook = &queue->outlook;
	struct ferry_image *image;

	image = ferry_queue_first(queue, FERRY_BEING_SAVED);
	*initial = outlook->reinit ||
		   (image && image->kind == FERRY_IMAGE_INITIAL);
	if (image)
		return image->coming + FERRY_WIRE_IMAGE_OVERHEAD;
	if (ferry_queue_prospect(queue) == FERRY_PROSPECT_CHANGES)
		return outlook->changed + FERRY_WIRE_IMAGE_OVERHEAD;
	return 0;
}

static void fill_info(struct ferry_session *session,
		      struct vfio_precopy_info *info)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_outlook *outlook = &queue->outlook;
	u64 coming, rest = 0;
	bool initial;

	coming = coming_bytes(queue, &initial);
	if (ferry_queue_prospect(queue) == FERRY_PROSPECT_IMAGE)
		rest = outlook->changed;
	info->initial_bytes = queue->unread_initial + (initial ? coming : 0);
	info->dirty_bytes = queue->unread_dirty +
			    (initial ? 0 : coming + rest);
	if (ferry_precopy_info_v2(&session->vf->device->core.vdev))
		info->flags = outlook->reinit_untold ? FERRY_PRECOPY_REINIT : 0;
	if (!outlook->reinit_untold)
		return;
	/* From here on it counts as the user's first look. */
	info->initial_bytes += info->dirty_bytes;
	info->dirty_bytes = 0;
	outlook->reinit_untold = false;
}

/**
 * ferry_estimate_precopy() - what a reader can expect in pre-copy
 * @session: the session, through its FD
 * @info: filled: both numbers, and the flags in their second form
 *
 * A snapshot: moves no data and waits for no save. If it finds the reader at
 * the end of the data and the function changed, the worker will save that. May
 * sleep, killably.
 *
 * Return: 0, -EINVAL outside of pre-copy, -ENODEV if the session is over,
 * -ERESTARTSYS, or why the firmware did not answer or did not save an image.
 */
int ferry_estimate_precopy(struct ferry_session *session,
			   struct vfio_precopy_info *info)
{
	struct ferry_queue *queue = &session->queue;
	bool kick;
	int err;

	err = refresh_estimate(session);
	if (err)
		return err;
	spin_lock(&queue->lock);
	if (queue->phase == FERRY_PHASE_CLOSED)
		err = -ENODEV;
	else if (queue->phase != FERRY_PHASE_PRECOPY &&
		 queue->phase != FERRY_PHASE_PAUSED)
		err = -EINVAL;
	else if (queue->error)
		err = queue->error;
	else
		fill_info(session, info);
	kick = !err && !queue->unread_initial && !queue->unread_dirty &&
	       ferry_queue_prospect(queue) == FERRY_PROSPECT_CHANGES;
	queue->outlook.asked |= kick;
	spin_unlock(&queue->lock);
	if (kick)
		ferry_session_kick(session);
	return err;
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
	bool initial;
	u64 bytes;

	guard(spinlock)(&queue->lock);
	if (queue->phase != FERRY_PHASE_FINAL &&
	    queue->phase != FERRY_PHASE_SAVED)
		return 0;
	bytes = coming_bytes(queue, &initial);
	return queue->unread_initial + queue->unread_dirty + bytes +
	       queue->outlook.changed + FERRY_WIRE_END_BYTES;
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
	u64 known = READ_ONCE(vf->full_bytes);
	struct vfio_ferry_estimate estimate;
	int err;

	*bytes = final_bytes(vf);
	if (*bytes)
		return 0;
	err = known ? ferry_slot_try(&vf->slot) : ferry_slot_take(&vf->slot);
	if (!err) {
		/* A function that is being loaded has no state to measure. */
		if (!is_loading(vf))
			err = ferry_measure_full(vf, &estimate);
		give_slot(vf, known);
	}
	if (err && !READ_ONCE(vf->full_bytes) && !is_loading(vf))
		return err;
	*bytes = READ_ONCE(vf->full_bytes) + FERRY_WIRE_IDENTITY_BYTES +
		 FERRY_WIRE_SHAPE_BYTES + FERRY_WIRE_IMAGE_OVERHEAD +
		 FERRY_WIRE_END_BYTES;
	return 0;
}
