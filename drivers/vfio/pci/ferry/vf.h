/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct ferry_vf: what the engine knows about one function.
 *
 * It outlives the device: sessions hold a reference. What they may not do
 * once their gate is closed is to follow @device; see session.h.
 *
 * Owned by device.c; each member says which file writes it and under which
 * lock. The order of the locks, outermost first:
 *
 *	vfio core's memory_lock, device lock, the backend's notifiers
 *	  ferry_vf.state_mutex		arcs, reset, close, detach
 *	    the command lane		a token, waited for with a limit
 *	      ferry_queue.lock		spinlock, interrupts off
 *	        ferry_lane.lock		spinlock, interrupts off
 *
 *	ferry_stream.mutex		readers or writers of one FD, user copies
 *	  ferry_queue.lock
 *
 * No control path ever waits for ferry_stream.mutex, and nothing that a
 * control path waits for touches user memory.
 */
#ifndef FERRY_VF_H
#define FERRY_VF_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/vfio_ferry.h>
#include <linux/workqueue.h>

#include "command.h"
#include "fault.h"

struct ferry_session;

/* Whether the function can be migrated now */
enum ferry_link {
	FERRY_LINK_WITHHELD,	/* never: works as with vfio-pci */
	FERRY_LINK_UP,
	FERRY_LINK_RESETTING,	/* between reset_prepare and reset_done */
	FERRY_LINK_DOWN,	/* its physical function went away */
};

/* The two protocols through which a function can be migrated */
enum ferry_face {
	FERRY_FACE_FD,		/* VFIO_DEVICE_FEATURE and a data FD */
	FERRY_FACE_REGION,	/* the migration region, region.c */
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
 * @max_folio: longest piece of memory that can be mapped at once
 * @state_mutex: serialises everything that changes @state or @link
 * @state: of the migration protocol, written in fsm.c alone
 * @link: written in fsm.c alone
 * @face: protocol that wants the present arc
 * @file: FD of a session that an arc has just begun
 * @link_wait: woken when @link changes
 * @withheld: why the function cannot be migrated, NULL if it can
 * @lane: one command at a time, command.c
 * @worker: the firmware side of the sessions, session.c
 * @lock: protects @session and @dying
 * @session: of the present state, NULL if that needs none
 * @dying: closed sessions whose images are still mapped
 * @full: bytes a full save needed when last asked, 0 if never
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
	size_t max_folio;

	struct mutex state_mutex;	/* see above */
	enum vfio_device_mig_state state;
	enum ferry_link link;
	enum ferry_face face;
	struct file *file;
	wait_queue_head_t link_wait;
	const char *withheld;

	struct ferry_lane lane;

	struct delayed_work worker;
	spinlock_t lock;		/* see above */
	struct ferry_session *session;
	struct list_head dying;

	u64 full;

	struct ferry_stats stats;
	spinlock_t failure_lock;	/* see above */
	struct vfio_ferry_failure failure;
	char refusal[128];
	struct ferry_fault fault;
	struct dentry *debugfs;
};

/* Counts only in a stop window; @counter is one of that. */
static inline void ferry_window_count(struct ferry_vf *vf, atomic_t *counter)
{
	if (READ_ONCE(vf->stats.window.open))
		atomic_inc(counter);
}

void ferry_vf_get(struct ferry_vf *vf);
void ferry_vf_put(struct ferry_vf *vf);
u64 ferry_budget(void);
void ferry_vf_identify(struct ferry_vf *vf, struct vfio_ferry_identity *own);
__printf(2, 3) void ferry_vf_refuse(struct ferry_vf *vf, const char *format, ...);

#endif /* FERRY_VF_H */
