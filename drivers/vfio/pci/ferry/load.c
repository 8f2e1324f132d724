// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading: from the queue into the firmware. See load.h.
 *
 * ferry_load_work() is called by the worker, ferry_load_finish() by fsm.c
 * under state_mutex. Who of them has the command slot loads the next image.
 */
#include "load.h"
#include "session.h"

static int load(struct ferry_vf *vf, struct ferry_image *image)
{
	int err = ferry_image_map(vf, image);

	if (err)
		return err;
	ferry_queue_move(&image->session->queue, image, FERRY_IMAGE_FIRMWARE);
	return ferry_command_load(vf, image);
}

/* Load the next image that was received. Returns false if there is none. */
static bool load_next(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *image = NULL;
	int err;

	if (!READ_ONCE(queue->error))
		image = ferry_queue_take(queue, FERRY_IMAGE_READY,
					 FERRY_IMAGE_HELD);
	if (!image)
		return false;
	wake_up_all(&queue->wait);	/* the next one may be received */
	err = load(vf, image);
	if (err)
		ferry_queue_fail(queue, err);
	/* Unanswered, the firmware may still read it. */
	ferry_queue_move(queue, image, err == -ETIMEDOUT ? FERRY_IMAGE_LOST :
							   FERRY_IMAGE_SPARE);
	return true;
}

/* A writer waits for memory, or no more is coming: one spare image will do. */
static void free_spares(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *keep = NULL, *image;
	bool starved;

	spin_lock(&queue->lock);
	starved = queue->arrival.starved;
	queue->arrival.starved = false;
	spin_unlock(&queue->lock);

	if (!starved)
		keep = ferry_queue_take_spare(queue, U64_MAX, FERRY_IMAGE_HELD);
	while ((image = ferry_queue_take(queue, FERRY_IMAGE_SPARE,
					 FERRY_IMAGE_HELD)))
		ferry_image_discard(vf, image);
	if (keep)
		ferry_queue_move(queue, keep, FERRY_IMAGE_SPARE);
}

/**
 * ferry_load_work() - load what was received
 * @session: the session; the caller is its worker
 */
void ferry_load_work(struct ferry_session *session)
{
	struct ferry_vf *vf = session->vf;
	bool more = true;

	while (more && !ferry_slot_want(&vf->slot)) {
		more = load_next(vf, &session->queue);
		ferry_slot_give(vf);
	}
	free_spares(vf, &session->queue);
}

static int seal(struct ferry_vf *vf, struct ferry_queue *queue)
{
	const char *lacking = NULL;
	int err;

	spin_lock(&queue->lock);
	err = queue->error;
	if (!err && !queue->arrival.whole) {
		lacking = queue->arrival.lacking;
		err = -EINVAL;
	}
	if (!err)
		queue->phase = FERRY_PHASE_SEALED;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
	if (lacking)
		ferry_vf_refuse(vf, "%s", lacking);
	return err;
}

/**
 * ferry_load_finish() - the user says that the stream has ended
 * @vf: the function
 * @session: its session
 *
 * Loads the few images that may still wait.
 *
 * Return: 0 if it was whole, sound, and is loaded; -EINVAL if something is
 * missing and may still come; -ERESTARTSYS or -ENOTCONN if it was not seen
 * through; another error if it was refused.
 */
int ferry_load_finish(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	bool more;
	int err;

	lockdep_assert_held(&vf->state_mutex);
	err = seal(vf, queue);
	if (err)
		return err;
	do {
		err = ferry_slot_take(&vf->slot);
		if (err)
			break;
		more = load_next(vf, queue);
		ferry_slot_give(vf);
	} while (more);
	if (err)
		ferry_queue_set_phase(queue, FERRY_PHASE_RECEIVING);
	return READ_ONCE(queue->error) ?: err;
}
