/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: what a migration data FD holds instead of a device.
 *
 * A session begins with the arc that returns the FD and is closed by the arc
 * that ends it, by reset, by closing the device or when the physical function
 * goes away. Closed means that its queue's phase is FERRY_PHASE_CLOSED: from
 * then on nobody who comes through the FD gets at the device, for the worker
 * is kicked only with the queue's lock held and the session found open, and
 * the command slot is taken only while nothing bars it, which closing and
 * detaching the device do before they wait for it.
 *
 * The worker alone parts with images of closed sessions, so these live on in
 * ferry_vf.closed until it has.
 */
#ifndef FERRY_SESSION_H
#define FERRY_SESSION_H

#include <linux/kref.h>

#include "queue.h"
#include "region.h"
#include "stream.h"
#include "vf.h"

struct mem_cgroup;

/**
 * struct ferry_session - one save or resume
 * @ref: the function's reference and the FD's
 * @vf: the function's record; its device only as told above
 * @protocol: the one that began it, and alone may end it; constant
 * @node: in ferry_vf.closed
 * @free_at: once it is there, not before then free its images, in jiffies
 * @memcg: memory cgroup of the user who began the session
 * @own: identity of this function, at the begin of the session
 * @shape: its shape
 * @queue: between the firmware and the FD
 * @stream: the user's side
 * @chunk: the region's place in that, region.c, under the stream's mutex
 */
struct ferry_session {
	struct kref ref;
	struct ferry_vf *vf;
	enum ferry_protocol protocol;
	struct list_head node;
	unsigned long free_at;
	struct mem_cgroup *memcg;
	struct vfio_ferry_identity own;
	struct vfio_ferry_shape shape;
	struct ferry_queue queue;
	struct ferry_stream stream;
	struct ferry_chunk chunk;
};

struct ferry_session *ferry_session_new(struct ferry_vf *vf,
					enum ferry_phase phase);
struct file *ferry_session_file(struct ferry_session *session,
				const struct file_operations *fops, int flags);
int ferry_session_release(struct inode *inode, struct file *file);
void ferry_session_get(struct ferry_session *session);
void ferry_session_put(struct ferry_session *session);
struct ferry_session *ferry_session_current(struct ferry_vf *vf);
void ferry_session_close(struct ferry_vf *vf);
void ferry_session_kick(struct ferry_session *session);
void ferry_session_free_later(struct ferry_session *session);
void ferry_session_show(struct ferry_session *session, struct seq_file *to);
void ferry_session_show_fdinfo(struct seq_file *to, struct file *file);

static inline bool ferry_session_is_closed(struct ferry_session *session)
{
	return ferry_queue_is_closed(&session->queue);
}

#endif /* FERRY_SESSION_H */
