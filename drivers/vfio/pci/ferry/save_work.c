// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving: the worker's part, what is saved next and for whom. See save.h.
 *
 * Called by the worker, which has the command slot while it measures and saves.
 */
#include <linux/jiffies.h>

#include "compat.h"
#include "measure.h"
#include "save.h"
#include "save_image.h"
#include "session.h"

/* Images of a session whose firmware saves in parts: one is saved, one read */
#define PARTS_SPARE		2
#define PARTS_MAX		(PARTS_SPARE + 1)

/* A session whose firmware saves in parts has few images. */
static bool has_buffer(struct ferry_queue *queue)
{
	return ferry_queue_count(queue, ~FERRY_AT(SPARE)) < PARTS_MAX;
}

/*
 * Shall the next middle image be saved now? If somebody was told that there is
 * something, and has nothing left to read: yes. If nothing is known to have
 * changed, when it is time to look. Else only the next part of what is due,
 * while the last one is read.
 */
static bool wants_middle(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_outlook *outlook = &queue->outlook;
	u64 part = ferry_part_bytes(vf);
	bool sleeper;

	switch (ferry_queue_prospect(queue)) {
	case FERRY_PROSPECT_CHANGES:
		if (outlook->asked &&
		    !ferry_queue_first(queue, FERRY_AT(READY)))
			return true;
		return part && min(outlook->changed, outlook->due) >= part &&
		       has_buffer(queue);
	case FERRY_PROSPECT_UNKNOWN:
		return ferry_queue_wants_look(queue, &sleeper);
	default:
		return false;
	}
}

static bool wants_image(struct ferry_vf *vf, struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	if (queue->error)
		return false;
	switch (queue->phase) {
	case FERRY_PHASE_PRECOPY:
		return wants_middle(vf, queue);
	case FERRY_PHASE_FINAL:
		return queue->outlook.next_part && has_buffer(queue);
	default:
		return false;
	}
}

static struct ferry_image *make_middle(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;

	if (ferry_measure(session, true, &estimate) || !estimate.required)
		return NULL;
	image = ferry_save_image_tracked(session, true, &estimate);
	if (IS_ERR(image))
		return NULL;
	image->kind = queue->outlook.reinit ? FERRY_IMAGE_INITIAL :
					      FERRY_IMAGE_MIDDLE;
	image->save_flags = VFIO_FERRY_SAVE_INCREMENTAL | VFIO_FERRY_SAVE_TRACK;
	return image;
}

/* The next part of the final image. */
static struct ferry_image *make_part(struct ferry_vf *vf,
				     struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	u64 required = queue->outlook.next_part;
	struct ferry_image *image;

	image = ferry_save_image_get(session, ferry_final_bytes(vf, required), NULL);
	spin_lock(&queue->lock);
	if (!IS_ERR(image)) {
		image->kind = FERRY_IMAGE_FINAL;
		image->save_flags = VFIO_FERRY_SAVE_INCREMENTAL;
		queue->outlook.changed = max(queue->outlook.changed, required);
		queue->outlook.next_part = 0;
	} else if (!ferry_queue_first(queue, FERRY_AT(READY) |
				      FERRY_AT(USER))) {
		/* There is no reader to wait for, who might give memory back. */
		queue->error = PTR_ERR(image);
	}
	spin_unlock(&queue->lock);
	return IS_ERR(image) ? NULL : image;
}

/* Make what is to be saved next. The caller has the command slot. */
static struct ferry_image *make_next(struct ferry_vf *vf,
				     struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	/* Who had the slot before may have changed everything. */
	if (!wants_image(vf, queue))
		return NULL;
	if (READ_ONCE(queue->phase) == FERRY_PHASE_FINAL) {
		image = make_part(vf, session);
	} else {
		image = make_middle(session);
		if (!image)
			ferry_queue_look_later(queue);
	}
	if (image) {
		ferry_queue_assign(queue, image, FERRY_IMAGE_FIRMWARE);
		wake_up_all(&vf->slot.wait);	/* as in save.c's assign() */
	}
	return image;
}

/* What is to be saved next, with the command slot; NULL without it. */
static struct ferry_image *next_image(struct ferry_vf *vf,
				      struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	image = ferry_queue_take(queue, FERRY_IMAGE_PENDING,
				 FERRY_IMAGE_FIRMWARE);
	if (image)
		return image;
	if (!wants_image(vf, queue) || ferry_slot_want(&vf->slot))
		return NULL;
	image = make_next(vf, session);
	if (!image)
		ferry_slot_give(vf);
	return image;
}

/* Save an image and give the command slot back. */
static void save(struct ferry_vf *vf, struct ferry_image *image)
{
	struct ferry_session *session = image->session;
	struct ferry_image *reserve = NULL;
	u64 next_part;
	int err;

	err = ferry_command_save(vf, image, &next_part);
	if (err == -ESTALE)
		ferry_lose_track(vf, &session->queue);
	if (err)
		ferry_queue_save_failed(&session->queue, image, err);
	else
		ferry_queue_saved(&session->queue, image, next_part);
	/* While the user reads it; an arc that comes now waits for that. */
	if (image->kind == FERRY_IMAGE_INITIAL)
		reserve = ferry_reserve_begin(session);
	ferry_slot_give(vf);
	if (reserve)
		ferry_reserve_make(reserve);
}

/* More spare images than there is use for */
static bool has_excess(struct ferry_vf *vf, struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return ferry_queue_count(queue, FERRY_AT(SPARE)) >
	       (ferry_part_bytes(vf) ? PARTS_SPARE : 1);
}

/* Who waits for changes is not there to kick the worker when it is time. */
static void look_again(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_outlook *outlook = &queue->outlook;
	unsigned long now = jiffies;
	bool sleeper = false;

	spin_lock(&queue->lock);
	if (ferry_queue_prospect(queue) == FERRY_PROSPECT_UNKNOWN)
		ferry_queue_wants_look(queue, &sleeper);
	spin_unlock(&queue->lock);
	if (sleeper)
		ferry_worker_kick_later(vf, time_before(now, outlook->look_next) ?
					outlook->look_next - now : 1);
}

static void keep_reserve(struct ferry_session *session)
{
	struct ferry_image *image = ferry_reserve_begin(session);

	if (image)
		ferry_reserve_make(image);
}

/* Between two images of a pre-copy */
static void keep_house(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	/* The longest stays: what changes later finds room there. */
	while (has_excess(vf, queue) &&
	       (image = ferry_queue_take_spare(queue, 0, FERRY_IMAGE_HELD)))
		ferry_image_discard(vf, image);
	keep_reserve(session);
	look_again(vf, queue);
}

/**
 * ferry_save_work() - do what a save needs now
 * @session: the session; the caller is its worker
 */
void ferry_save_work(struct ferry_session *session)
{
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;

	while ((image = next_image(vf, session)))
		save(vf, image);

	switch (READ_ONCE(session->queue.phase)) {
	case FERRY_PHASE_PRECOPY:
		keep_house(vf, session);
		break;
	case FERRY_PHASE_PAUSED:
		keep_reserve(session);
		break;
	case FERRY_PHASE_SAVED:
		/* Freeing waits until the reader is through. */
		if (!READ_ONCE(vf->stats.window.open))
			ferry_spares_discard(vf, &session->queue);
		break;
	default:
		break;
	}
}
