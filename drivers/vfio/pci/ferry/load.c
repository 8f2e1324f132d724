// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading: from the queue into the firmware. See load.h.
 *
 * ferry_load_work() is called by the session worker, ferry_load_finish() by
 * fsm.c under state_mutex.
 */
#include "load.h"
#include "session.h"
#include "trace.h"

static struct ferry_image *begin_load(struct ferry_queue *queue)
{
	struct ferry_image *image = NULL;

	spin_lock_irq(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED && !queue->error)
		image = list_first_entry_or_null(&queue->ready,
						 struct ferry_image, node);
	if (image) {
		list_del_init(&image->node);
		queue->active = image;
	}
	spin_unlock_irq(&queue->lock);
	return image;
}

static int load(struct ferry_vf *vf, struct ferry_image *image)
{
	int err;

	err = ferry_image_map(vf, image);
	if (err)
		return err;
	err = ferry_lane_enter(&vf->lane);
	if (err)
		return err;
	err = ferry_command_load(vf, image);
	ferry_lane_leave(vf);
	if (err)
		return err;
	atomic64_inc(&vf->stats.images_loaded);
	trace_ferry_image(vf->name, "loaded", "received", image->memory.length,
			  image->memory.capacity);
	return 0;
}

static void end_load(struct ferry_queue *queue, struct ferry_image *image,
		     int err)
{
	spin_lock_irq(&queue->lock);
	queue->active = NULL;
	if (err && !queue->error)
		queue->error = err;
	/* After a timeout the firmware may still read: nobody uses it again. */
	if (err != -ETIMEDOUT && queue->phase != FERRY_PHASE_CLOSED) {
		image->memory.length = 0;
		list_add(&image->node, &queue->spare);
	}
	spin_unlock_irq(&queue->lock);
	wake_up_all(&queue->wait);
}

/* A writer waits for memory, or no more is coming: one spare image will do. */
static void free_spares(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *keep, *image;
	bool starved;

	spin_lock_irq(&queue->lock);
	starved = queue->demand;
	queue->demand = false;
	spin_unlock_irq(&queue->lock);

	keep = starved ? NULL : ferry_queue_take_largest(queue);
	while ((image = ferry_queue_take_largest(queue)))
		ferry_image_discard(vf, image);
	if (keep)
		ferry_queue_add_spare(queue, keep);
	wake_up_all(&queue->wait);
}

/**
 * ferry_load_work() - load what was received
 * @session: the session; the caller is its worker
 */
void ferry_load_work(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;

	while ((image = begin_load(queue)))
		end_load(queue, image, load(vf, image));
	free_spares(vf, queue);
}

/**
 * ferry_load_finish() - the user says that the stream has ended
 * @vf: the function
 * @session: its session
 *
 * Return: 0 if it was whole, sound, and is loaded; -EINVAL if something is
 * missing and may still come; another error if it was refused.
 */
int ferry_load_finish(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	const char *lacking = NULL;
	int err;

	lockdep_assert_held(&vf->state_mutex);
	spin_lock_irq(&queue->lock);
	err = queue->error;
	if (!err && !queue->whole) {
		lacking = queue->lacking;
		err = -EINVAL;
	}
	if (!err)
		queue->phase = FERRY_PHASE_SEALED;
	spin_unlock_irq(&queue->lock);
	wake_up_all(&queue->wait);
	if (lacking)
		ferry_vf_refuse(vf, "%s", lacking);
	if (err)
		return err;

	/* Each round is one load, which the lane and the backend bound. */
	while (ferry_queue_loading(queue)) {
		ferry_worker_kick(vf);
		flush_delayed_work(&vf->worker);
	}
	return READ_ONCE(queue->error);
}
