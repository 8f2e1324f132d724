/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct ferry_vf: what the engine knows about one function.
 *
 * It outlives the device: sessions hold a reference. Who comes through a data
 * FD may follow @device only with the command slot taken, or with the queue's
 * lock held and the session found open; see session.h.
 *
 * Made and given back by vf.c; each member says which file writes it and
 * under which lock. The order of the locks, outermost first:
 *
 *	vfio core's memory_lock, device lock, the backend's notifiers
 *	  ferry_vf.state_mutex		arcs, reset, close, detach
 *	    the command slot		no lock; ferry_slot_bar() ends all waits
 *	      ferry_queue.lock		spinlock
 *	      ferry_slot.lock		spinlock
 *
 *	ferry_stream.mutex		readers or writers of one FD, user copies
 *	  ferry_queue.lock
 *
 * No control path ever waits for ferry_stream.mutex, and nothing that a
 * control path waits for touches user memory.
 */
#ifndef FERRY_VF_H
#define FERRY_VF_H

#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/vfio_ferry.h>
#include <linux/workqueue.h>

#include "command.h"
#include "compat.h"
#include "fault.h"

struct ferry_session;

/* The two protocols through which a function can be migrated */
enum ferry_protocol {
	FERRY_PROTOCOL_FD,	/* VFIO_DEVICE_FEATURE and a data FD */
	FERRY_PROTOCOL_REGION,	/* the migration region, region.c */
};

#define FERRY_NR_STATES	VFIO_DEVICE_STATE_NR

/**
 * struct ferry_window - work done between SET_STATE(STOP_COPY) and the end of
 *	the stream that should have been done before or could come after
 * @open: such a window is open
 * @allocations: images or parts of them that were allocated
 * @maps: mappings made
 * @unmaps: mappings removed
 * @frees: images freed
 */
struct ferry_window {
	bool open;
	atomic_t allocations;
	atomic_t maps;
	atomic_t unmaps;
	atomic_t frees;
};

/**
 * struct ferry_stats - what debugfs shows of a function
 * @bytes_read: stream bytes given to readers
 * @bytes_written: stream bytes taken from writers
 * @images_saved: images the firmware saved
 * @images_loaded: images the firmware loaded
 * @failures: commands that failed
 * @tracks_lost: pre-copies in which it was no longer known what changed
 * @leaked: bytes kept from reuse because the firmware may still write them
 * @time: nanoseconds spent in each state
 * @entered: when the present state was entered
 * @window: of the last stop
 */
struct ferry_stats {
	atomic64_t bytes_read;
	atomic64_t bytes_written;
	atomic64_t images_saved;
	atomic64_t images_loaded;
	atomic64_t failures;
	atomic64_t tracks_lost;
	atomic64_t leaked;
	u64 time[FERRY_NR_STATES];
	ktime_t entered;
	struct ferry_window window;
};

/**
 * struct ferry_vf - the engine's half of a function
 * @ref: the device's reference and one per session
 * @name: PCI address, for messages
 * @device: the backend's half
 * @max_image: longest image of the NIC family; the ops', without the device
 * @max_folio: longest piece of memory that can be mapped at once
 * @withheld: why the function cannot be migrated, NULL if it can
 * @state_mutex: serialises arcs, open, close, reset, detach, attach
 * @state: of the migration protocol, written in fsm.c alone
 * @protocol: the one that wants the present arc
 * @file: FD of a session that an arc has just begun
 * @slot: one command at a time, command.c
 * @worker: the firmware's side of the sessions, worker.c
 * @lock: protects @session and @closed
 * @session: of the present state, NULL if that needs none
 * @closed: sessions that are over, whose images are still mapped
 * @full_bytes: memory that a full save needed when last asked, 0 if never
 * @stats: counters
 * @failure_lock: protects @failure and @refusal
 * @failure: last command that failed
 * @refusal: last reason a stream or request was refused, for a person
 * @fault: injected failures, fault.c
 * @debugfs: this function's folder
 */
struct ferry_vf {
	struct kref ref;
	char name[32];
	struct vfio_ferry_device *device;
	u64 max_image;
	size_t max_folio;
	const char *withheld;

	struct mutex state_mutex;	/* see above */
	enum vfio_device_mig_state state;
	enum ferry_protocol protocol;
	struct file *file;

	struct ferry_slot slot;

	struct delayed_work worker;
	spinlock_t lock;		/* see above */
	struct ferry_session *session;
	struct list_head closed;

	u64 full_bytes;

	struct ferry_stats stats;
	spinlock_t failure_lock;	/* see above */
	struct vfio_ferry_failure failure;
	char refusal[128];
	struct ferry_fault fault;
	struct dentry *debugfs;
};

int ferry_vf_new(struct vfio_ferry_device *device,
		 const struct vfio_ferry_ops *ops, work_func_t worker);
void ferry_vf_get(struct ferry_vf *vf);
void ferry_vf_put(struct ferry_vf *vf);
int ferry_vf_identify(struct ferry_vf *vf, struct vfio_ferry_identity *own);
__printf(2, 3) void ferry_vf_refuse(struct ferry_vf *vf, const char *format, ...);

void ferry_window_open(struct ferry_vf *vf);

/* Counts only in a stop window; @counter is one of that. */
static inline void ferry_window_count(struct ferry_vf *vf, atomic_t *counter)
{
	if (READ_ONCE(vf->stats.window.open))
		atomic_inc(counter);
}

int ferry_worker_init(void);
void ferry_worker_exit(void);
void ferry_worker_kick(struct ferry_vf *vf);
void ferry_worker_kick_later(struct ferry_vf *vf, unsigned long delay);

#endif /* FERRY_VF_H */
