// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker: saves and loads for the session of the present state, and parts
 * with the images of those that are over.
 *
 * One work item a function, run by the workqueue when it was kicked (vf.c);
 * it sleeps while the firmware works. Drained by fsm.c under state_mutex.
 */
#include "load.h"
#include "save.h"
#include "session.h"
#include "worker.h"

/*
 * Part with all images of a closed session. No command names one: the worker
 * runs none now, and arcs are through with theirs when they close a session.
 */
static void reap(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	for (;;) {
		spin_lock(&queue->lock);
		image = ferry_queue_first(queue, ~0U);
		spin_unlock(&queue->lock);
		if (!image)
			return;
		/* An arc's hand-over that came too late */
		if (image->place == FERRY_IMAGE_PENDING) {
			ferry_queue_move(queue, image, FERRY_IMAGE_SPARE);
			ferry_slot_give(vf);
		}
		ferry_image_discard(vf, image);
	}
}

/* The worker alone takes sessions from there. */
static void reap_closed(struct ferry_vf *vf)
{
	struct ferry_session *session, *next;
	LIST_HEAD(closed);

	spin_lock(&vf->lock);
	list_splice_init(&vf->closed, &closed);
	spin_unlock(&vf->lock);

	list_for_each_entry_safe(session, next, &closed, node) {
		reap(vf, session);
		list_del(&session->node);
		ferry_session_put(session);
	}
}

/**
 * ferry_worker() - the firmware's side of a function's sessions
 * @work: ferry_vf.worker
 */
void ferry_worker(struct work_struct *work)
{
	struct ferry_vf *vf = container_of(to_delayed_work(work),
					   struct ferry_vf, worker);
	struct ferry_session *session;

	reap_closed(vf);
	session = ferry_session_current(vf);
	if (!session)
		return;
	if (session->stream.writes)
		ferry_load_work(session);
	else
		ferry_save_work(session);
	ferry_session_put(session);
}

/**
 * ferry_worker_drain() - wait until the firmware uses no image any more
 * @vf: the function, its session closed and its slot barred
 *
 * Uninterruptible: what the firmware reaches must not be freed. It lasts as
 * long as the command that runs.
 */
void ferry_worker_drain(struct ferry_vf *vf)
{
	bool empty;

	ferry_slot_drain(vf);
	ferry_worker_kick(vf);
	flush_delayed_work(&vf->worker);

	spin_lock(&vf->lock);
	empty = list_empty(&vf->closed);
	spin_unlock(&vf->lock);
	WARN_ON_ONCE(!empty);
	vf->device->ops->quiesce(vf->device);
}
