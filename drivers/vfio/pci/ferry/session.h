/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: what a migration data FD holds instead of a device.
 *
 * A session begins with the arc that returns the FD and is closed by the arc
 * that ends it, by reset, by closing the device or when the physical function
 * goes away. Closing it is closing a gate: the queue's phase becomes
 * FERRY_PHASE_CLOSED, and from then on nobody who comes through the FD gets
 * at the device: the lane is entered and the worker is kicked only with the
 * queue's lock held and the gate found open.
 *
 * The worker is the firmware's side of all sessions of a function. It alone
 * unmaps images, so a closed session lives on in ferry_vf.dying until the
 * firmware has let go of its memory.
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
 * @vf: the function's record; its device only while the gate is open
 * @face: protocol that began it, and alone may end it; constant
 * @node: in ferry_vf.dying
 * @memcg: memory cgroup of the user who began the session
 * @own: identity of this function, at the begin of the session
 * @queue: between the firmware and the FD; holds the gate
 * @stream: the user's side
 * @chunk: the region's place in that, region.c, under the stream's mutex
 */
struct ferry_session {
	struct kref ref;
	struct ferry_vf *vf;
	enum ferry_face face;
	struct list_head node;
	struct mem_cgroup *memcg;
	struct vfio_ferry_identity own;
	struct ferry_queue queue;
	struct ferry_stream stream;
	struct ferry_chunk chunk;
};

struct ferry_session *ferry_session_new(struct ferry_vf *vf,
					enum ferry_phase phase);
void ferry_session_get(struct ferry_session *session);
void ferry_session_put(struct ferry_session *session);
struct ferry_session *ferry_session_current(struct ferry_vf *vf);
void ferry_session_close(struct ferry_vf *vf);
void ferry_session_kick(struct ferry_session *session);
int ferry_session_try_lane(struct ferry_session *session);
void ferry_sessions_drain(struct ferry_vf *vf);

/* For those who come through the FD: a hint until they hold the queue's lock */
static inline bool ferry_session_is_closed(struct ferry_session *session)
{
	return READ_ONCE(session->queue.phase) == FERRY_PHASE_CLOSED;
}

extern struct workqueue_struct *ferry_wq;

void ferry_worker(struct work_struct *work);
void ferry_worker_kick(struct ferry_vf *vf);
void ferry_worker_kick_later(struct ferry_vf *vf, unsigned long delay);

#endif /* FERRY_SESSION_H */
