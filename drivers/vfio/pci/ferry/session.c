// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: life, and the end of it. See session.h.
 *
 * Begun and closed by fsm.c under state_mutex; found by the worker, debugfs
 * and the region; held by the FD, which is made here.
 */
#include <linux/anon_inodes.h>
#include <linux/memcontrol.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "command.h"
#include "compat.h"
#include "session.h"
#include "shape.h"

/* Two of the longest images that there are, and room to round them up */
#define MAX_INFLIGHT_DEFAULT	(9ULL << 30)

/* What the user does next comes first: images are freed when it has had the time. */
#define FREE_DELAY		(HZ / 10)

static unsigned long long max_inflight_bytes = MAX_INFLIGHT_DEFAULT;
module_param(max_inflight_bytes, ullong, 0644);
MODULE_PARM_DESC(max_inflight_bytes,
		 "Most memory that one migration session may take, in bytes. A save needs twice its largest image, or three parts if the firmware saves in parts; a load needs its largest image. Default 9 GiB.");

/**
 * ferry_session_new() - begin a session
 * @vf: the function, which has none
 * @phase: what it is for
 *
 * May sleep: the backend may have to ask the firmware who the function is.
 *
 * Return: the session, with the function's reference, or an error pointer.
 */
struct ferry_session *ferry_session_new(struct ferry_vf *vf,
					enum ferry_phase phase)
{
	struct ferry_session *session;
	int err;

	lockdep_assert_held(&vf->state_mutex);
	if (ferry_fault_hit(&vf->fault, FERRY_FAULT_SESSION))
		return ERR_PTR(-ENOMEM);
	session = kzalloc_obj(*session, GFP_KERNEL_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	err = ferry_vf_identify(vf, &session->own);
	if (err) {
		kfree(session);
		return ERR_PTR(err);
	}
	ferry_shape_read(&session->shape, &vf->device->core);
	kref_init(&session->ref);
	ferry_vf_get(vf);
	session->vf = vf;
	session->protocol = vf->protocol;
	session->memcg = get_mem_cgroup_from_mm(current->mm);
	ferry_queue_init(&session->queue, phase, READ_ONCE(max_inflight_bytes));
	ferry_stream_init(&session->stream, &session->queue, vf->max_image);

	spin_lock(&vf->lock);
	WARN_ON_ONCE(vf->session);
	vf->session = session;
	spin_unlock(&vf->lock);
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
	WARN_ON_ONCE(!list_empty(&session->queue.images));
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

	guard(spinlock)(&vf->lock);
	session = vf->session;
	if (session)
		ferry_session_get(session);
	return session;
}

/**
 * ferry_session_close() - close the present session, if any
 * @vf: the function
 *
 * Wakes everyone who sleeps on the FD. Waits for nobody: what the firmware
 * still uses, the worker gives back later, and with it the function's
 * reference. So the session is left to it last. An image that it has not begun
 * to save is not saved any more.
 */
void ferry_session_close(struct ferry_vf *vf)
{
	struct ferry_session *session = vf->session;
	struct ferry_image *pending;

	lockdep_assert_held(&vf->state_mutex);
	if (!session)
		return;
	pending = ferry_queue_take(&session->queue, FERRY_IMAGE_PENDING,
				   FERRY_IMAGE_SPARE);
	ferry_queue_set_phase(&session->queue, FERRY_PHASE_CLOSED);
	ferry_stream_drop(&session->stream);
	WRITE_ONCE(vf->stats.window.open, false);
	if (pending)
		ferry_slot_give(vf);

	spin_lock(&vf->lock);
	session->free_at = jiffies + FREE_DELAY;
	vf->session = NULL;
	list_add_tail(&session->node, &vf->closed);
	spin_unlock(&vf->lock);
	ferry_worker_kick_later(vf, FREE_DELAY);
}

/**
 * ferry_session_kick() - let the worker look at the session
 * @session: the session, closed or not
 */
void ferry_session_kick(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;

	guard(spinlock)(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED)
		ferry_worker_kick(session->vf);
}

/**
 * ferry_session_free_later() - let the worker free what is of no use any more
 * @session: the session, closed or not
 *
 * Not at once: this CPU is wanted for what ends the stop window.
 */
void ferry_session_free_later(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;

	guard(spinlock)(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED)
		ferry_worker_kick_later(session->vf, FREE_DELAY);
}

/* What people see of it */

static const char * const phase_names[] = {
	[FERRY_PHASE_OPENED] = "opened",
	[FERRY_PHASE_PAUSED] = "paused",
	[FERRY_PHASE_PRECOPY] = "pre-copy",
	[FERRY_PHASE_FINAL] = "saving",
	[FERRY_PHASE_SAVED] = "saved",
	[FERRY_PHASE_RECEIVING] = "receiving",
	[FERRY_PHASE_SEALED] = "sealed",
	[FERRY_PHASE_CLOSED] = "closed",
};

/**
 * ferry_session_show() - print where a session stands
 * @session: the session
 * @to: where
 *
 * For fdinfo and debugfs.
 */
void ferry_session_show(struct ferry_session *session, struct seq_file *to)
{
	struct ferry_queue *queue = &session->queue;
	unsigned int images, ready, busy;
	struct ferry_queue now;

	spin_lock(&queue->lock);
	now = *queue;
	images = ferry_queue_count(queue, ~0U);
	ready = ferry_queue_count(queue, FERRY_AT(READY));
	busy = ferry_queue_count(queue, FERRY_BEING_SAVED);
	spin_unlock(&queue->lock);

	seq_printf(to, "ferry-device:\t%s\n", session->vf->name);
	seq_printf(to, "ferry-direction:\t%s\n",
		   session->stream.writes ? "resume" : "save");
	seq_printf(to, "ferry-protocol:\t%s\n",
		   session->protocol == FERRY_PROTOCOL_REGION ? "region" : "fd");
	seq_printf(to, "ferry-phase:\t%s\n", phase_names[now.phase]);
	seq_printf(to, "ferry-error:\t%d\n", now.error);
	seq_printf(to, "ferry-images:\t%u\n", images);
	seq_printf(to, "ferry-ready:\t%u\n", ready);
	seq_printf(to, "ferry-busy:\t%u\n", busy);
	seq_printf(to, "ferry-unread-initial:\t%llu\n", now.unread_initial);
	seq_printf(to, "ferry-unread-dirty:\t%llu\n", now.unread_dirty);
	seq_printf(to, "ferry-memory:\t%llu\n", now.charged);
	seq_printf(to, "ferry-budget:\t%llu\n", now.budget);
}

/* The FD */

void ferry_session_show_fdinfo(struct seq_file *to, struct file *file)
{
	ferry_session_show(file->private_data, to);
}

int ferry_session_release(struct inode *inode, struct file *file)
{
	ferry_session_put(file->private_data);
	return 0;
}

/**
 * ferry_session_file() - make the FD's file
 * @session: the session; the file holds a reference of its own
 * @fops: of its direction, with ferry_session_release() among them
 * @flags: O_RDONLY or O_WRONLY
 *
 * Return: the file or an error pointer.
 */
struct file *ferry_session_file(struct ferry_session *session,
				const struct file_operations *fops, int flags)
{
	struct file *file = anon_inode_getfile("vfio_ferry", fops, session,
					       flags);

	if (IS_ERR(file))
		return file;
	ferry_session_get(session);
	stream_open(file->f_inode, file);
	return file;
}
