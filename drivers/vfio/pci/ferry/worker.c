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
		ferry_image_discard(vf, image);
	}
}

/*
 * The first closed session, if its time has come, and how long that takes if
 * not. Who lets nobody have the command slot may want to see all memory back.
 */
static struct ferry_session *take_closed(struct ferry_vf *vf, long *left)
{
	struct ferry_session *session;

	guard(spinlock)(&vf->lock);
	*left = 0;
	session = list_first_entry_or_null(&vf->closed, struct ferry_session,
					   node);
	if (!session)
		return NULL;
	*left = session->free_at - jiffies;
	if (*left > 0 && !READ_ONCE(vf->slot.bars))
		return NULL;
	list_del(&session->node);
	return session;
}

/*
 * Whatever the worker was kicked for: what the user does next comes first.
 * Returns how long the next one has.
 */
static long reap_closed(struct ferry_vf *vf)
{
	struct ferry_session *session;
	long left;

	while ((session = take_closed(vf, &left))) {
		reap(vf, session);
		ferry_session_put(session);
	}
	return left;
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
	long left;

	reap_closed(vf);
	session = ferry_session_current(vf);
	if (session) {
		if (session->stream.writes)
			ferry_load_work(session);
		else
			ferry_save_work(session);
		ferry_session_put(session);
	}
	/* Last, for of two delays the one that was asked for first stays. */
	left = reap_closed(vf);
	if (left > 0)
		ferry_worker_kick_later(vf, left);
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
