// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: life, gate, worker. See session.h.
 *
 * Called by fsm.c's steps under state_mutex, by stream.c through the FD, and
 * by the workqueue.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "load.h"
#include "save.h"
#include "session.h"

/**
 * ferry_session_new() - begin a session
 * @vf: the function, which has none
 * @phase: what it is for
 *
 * Return: the session, with the function's reference, or an error pointer.
 */
struct ferry_session *ferry_session_new(struct ferry_vf *vf,
					enum ferry_phase phase)
{
	struct ferry_session *session;

	lockdep_assert_held(&vf->state_mutex);
	if (ferry_fault_hit(&vf->fault, FERRY_FAULT_SESSION))
		return ERR_PTR(-ENOMEM);
	session = kzalloc_obj(*session, GFP_KERNEL_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	kref_init(&session->ref);
	ferry_vf_get(vf);
	session->vf = vf;
	session->face = vf->face;
	session->memcg = get_mem_cgroup_from_mm(current->mm);
	ferry_vf_identify(vf, &session->own);
	ferry_queue_init(&session->queue, phase, ferry_budget());
	ferry_stream_init(session);

	spin_lock_irq(&vf->lock);
	WARN_ON_ONCE(vf->session);
	vf->session = session;
	spin_unlock_irq(&vf->lock);
	return session;
}

void ferry_session_get(struct ferry_session *session)
{
	kref_get(&session->ref);
}

static void release_session(struct kref *ref)
{
	struct ferry_session *session =
		container_of(ref, struct ferry_session, ref);

	ferry_stream_fini(&session->stream);
	WARN_ON_ONCE(!list_empty(&session->queue.members));
	mem_cgroup_put(session->memcg);
	ferry_vf_put(session->vf);
	kfree(session);
}

void ferry_session_put(struct ferry_session *session)
{
	kref_put(&session->ref, release_session);
}

/**
 * ferry_session_current() - the session of the present state
 * @vf: the function
 *
 * Return: the session, with a reference for the caller, or NULL.
 */
struct ferry_session *ferry_session_current(struct ferry_vf *vf)
{
	struct ferry_session *session;

	spin_lock_irq(&vf->lock);
	session = vf->session;
	if (session)
		ferry_session_get(session);
	spin_unlock_irq(&vf->lock);
	return session;
}

/**
 * ferry_session_close() - close the gate of the present session, if any
 * @vf: the function
 *
 * Wakes everyone who sleeps on the FD. Waits for nobody: what the firmware
 * still uses, the worker gives back later.
 */
void ferry_session_close(struct ferry_vf *vf)
{
	struct ferry_session *session;

	lockdep_assert_held(&vf->state_mutex);
	spin_lock_irq(&vf->lock);
	session = vf->session;
	vf->session = NULL;
	if (session)
		list_add_tail(&session->node, &vf->dying);
	spin_unlock_irq(&vf->lock);
	if (!session)
		return;

	ferry_queue_set_phase(&session->queue, FERRY_PHASE_CLOSED);
	ferry_stream_drop(session);
	WRITE_ONCE(vf->stats.window.open, false);
	ferry_worker_kick(vf);
}

/**
 * ferry_session_kick() - let the worker look at the session
 * @session: the session, its gate open or not
 */
void ferry_session_kick(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;

	spin_lock_irq(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED)
		ferry_worker_kick(session->vf);
	spin_unlock_irq(&queue->lock);
}

/**
 * ferry_session_try_lane() - pass the gate and take the command lane
 * @session: the session
 *
 * Who holds the lane keeps the device: closing and detaching it wait for the
 * lane to drain.
 *
 * Return: 0, -EBUSY, or -ENODEV if the gate is closed.
 */
int ferry_session_try_lane(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	int err = -ENODEV;

	spin_lock_irq(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED)
		err = ferry_lane_try_enter(&session->vf->lane);
	spin_unlock_irq(&queue->lock);
	return err == -ENOTCONN ? -ENODEV : err;
}

/* Part with all images of a closed session, unless the firmware uses one. */
static bool reap(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image, *next;
	LIST_HEAD(images);
	bool active;

	spin_lock_irq(&queue->lock);
	active = queue->active;
	if (!active) {
		INIT_LIST_HEAD(&queue->ready);
		INIT_LIST_HEAD(&queue->spare);
		queue->reserve = NULL;
		list_splice_init(&queue->members, &images);
	}
	spin_unlock_irq(&queue->lock);
	if (active)
		return false;

	list_for_each_entry_safe(image, next, &images, member)
		ferry_image_discard(vf, image);
	return true;
}

/* Called by the worker alone; others only append to the list. */
static void reap_all(struct ferry_vf *vf)
{
	struct ferry_session *session, *next;
	LIST_HEAD(closed);

	spin_lock_irq(&vf->lock);
	list_splice_init(&vf->dying, &closed);
	spin_unlock_irq(&vf->lock);

	list_for_each_entry_safe(session, next, &closed, node) {
		if (!reap(vf, session))
			continue;
		list_del_init(&session->node);
		ferry_session_put(session);
	}

	spin_lock_irq(&vf->lock);
	list_splice(&closed, &vf->dying);
	spin_unlock_irq(&vf->lock);
}

/**
 * ferry_sessions_drain() - wait until the firmware uses no image any more
 * @vf: the function, its session closed and its lane too
 *
 * The backend bounds each command in time, and so this wait.
 */
void ferry_sessions_drain(struct ferry_vf *vf)
{
	bool empty;

	if (!ferry_lane_drain(&vf->lane))
		dev_warn(&vf->device->core.pdev->dev,
			 "a command takes very long, still waiting\n");
	vf->device->ops->cancel(vf->device);
	ferry_worker_kick(vf);
	flush_delayed_work(&vf->worker);

	spin_lock_irq(&vf->lock);
	empty = list_empty(&vf->dying);
	spin_unlock_irq(&vf->lock);
	WARN_ON_ONCE(!empty);
	vf->device->ops->quiesce(vf->device);
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

	reap_all(vf);
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
 * ferry_worker_kick_later() - let the worker run after a while
 * @vf: the function, its gate open or held by the caller
 * @delay: in jiffies; a run that is due earlier stays
 *
 * In any context.
 */
void ferry_worker_kick_later(struct ferry_vf *vf, unsigned long delay)
{
	queue_delayed_work(ferry_wq, &vf->worker, delay);
}

/**
 * ferry_worker_kick() - let the worker run now
 * @vf: the function, its gate open or held by the caller
 *
 * In any context.
 */
void ferry_worker_kick(struct ferry_vf *vf)
{
	mod_delayed_work(ferry_wq, &vf->worker, 0);
}
