// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration state machine of a function. See fsm.h and arcs.h.
 *
 * Called by the vfio core for SET_STATE and its kin, by the backend's
 * callbacks for open, close, reset and the physical function's coming and
 * going. Everything is under state_mutex, which no user copy is made under.
 * Before they wait for that, close, reset and detach bar the command slot: an
 * arc that waits for the firmware then ends, but for the command that runs.
 */
#include <linux/export.h>
#include <linux/file.h>
#include <linux/sched/signal.h>

#include "arcs.h"
#include "compat.h"
#include "estimate.h"
#include "fsm.h"
#include "load.h"
#include "reader.h"
#include "save.h"
#include "save_image.h"
#include "session.h"
#include "trace.h"
#include "worker.h"
#include "writer.h"

/* Longest wait for a reset that another thread does */
#define RESET_TIMEOUT	(30 * HZ)

static struct ferry_vf *to_vf(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_ferry_device, core.vdev)->vf;
}

/* The steps; state_mutex is held. */

static int suspend(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	int err = ferry_slot_take(&vf->slot);

	if (err)
		return err;
	err = ferry_command_suspend(vf, side);
	ferry_slot_give(vf);
	return err;
}

static int resume(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	int err = ferry_slot_take(&vf->slot);

	if (err)
		return err;
	err = ferry_command_resume(vf, side);
	ferry_slot_give(vf);
	return err;
}

static struct file *make_file(struct ferry_session *session)
{
	if (session->stream.writes)
		return ferry_session_file(session, &ferry_writer_fops, O_WRONLY);
	return ferry_session_file(session, &ferry_reader_fops, O_RDONLY);
}

/* The session and its FD, if it is to have one; the user gets that when the arc is through. */
static int open_session(struct ferry_vf *vf, enum ferry_phase phase)
{
	struct ferry_session *session = ferry_session_new(vf, phase);
	struct file *file;

	if (IS_ERR(session))
		return PTR_ERR(session);
	if (session->protocol == FERRY_PROTOCOL_REGION)
		return 0;
	file = make_file(session);
	if (IS_ERR(file)) {
		ferry_session_close(vf);
		return PTR_ERR(file);
	}
	vf->file = file;
	return 0;
}

static int do_step(void *context, enum ferry_step step)
{
	struct ferry_vf *vf = context;

	lockdep_assert_held(&vf->state_mutex);
	switch (step) {
	case FERRY_STEP_SUSPEND_INITIATOR:
		return suspend(vf, VFIO_FERRY_INITIATOR);
	case FERRY_STEP_SUSPEND_RESPONDER:
		return suspend(vf, VFIO_FERRY_RESPONDER);
	case FERRY_STEP_RESUME_INITIATOR:
		return resume(vf, VFIO_FERRY_INITIATOR);
	case FERRY_STEP_RESUME_RESPONDER:
		return resume(vf, VFIO_FERRY_RESPONDER);
	case FERRY_STEP_OPEN_SAVE:
	case FERRY_STEP_OPEN_PRECOPY:
		return open_session(vf, FERRY_PHASE_OPENED);
	case FERRY_STEP_OPEN_RESUME:
		return open_session(vf, FERRY_PHASE_RECEIVING);
	case FERRY_STEP_BEGIN_PRECOPY:
		return ferry_save_begin_precopy(vf, vf->session);
	case FERRY_STEP_CONTINUE_PRECOPY:
		ferry_queue_set_phase(&vf->session->queue, FERRY_PHASE_PRECOPY);
		ferry_worker_kick(vf);
		return 0;
	case FERRY_STEP_PAUSE_PRECOPY:
		ferry_queue_set_phase(&vf->session->queue, FERRY_PHASE_PAUSED);
		return 0;
	case FERRY_STEP_SETTLE_RESERVE:
		return ferry_reserve_settle(vf->session);
	case FERRY_STEP_CANCEL_PRECOPY:
		ferry_save_cancel_precopy(vf, vf->session);
		return 0;
	case FERRY_STEP_BEGIN_FINAL:
		return ferry_save_begin_final(vf, vf->session);
	case FERRY_STEP_FINISH_LOAD:
		return ferry_load_finish(vf, vf->session);
	case FERRY_STEP_CLOSE:
		ferry_session_close(vf);
		return 0;
	case FERRY_STEP_NONE:
	case FERRY_NR_STEPS:
		break;
	}
	return -EINVAL;
}

/* States */

static void enter_state(struct ferry_vf *vf, enum vfio_device_mig_state state)
{
	ktime_t now = ktime_get();

	lockdep_assert_held(&vf->state_mutex);
	vf->stats.time[vf->state] +=
		ktime_to_ns(ktime_sub(now, vf->stats.entered));
	vf->stats.entered = now;
	WRITE_ONCE(vf->state, state);
}

static int go_along(struct ferry_vf *vf, const struct ferry_arc *arc)
{
	enum vfio_device_mig_state state = arc->from;
	ktime_t start = ktime_get();
	int err;

	err = ferry_arc_run(arc, do_step, vf, &state);
	/*
	 * A refused stream leaves a function that is neither what it was nor
	 * what it should have become.
	 */
	if (err && arc->from == VFIO_DEVICE_STATE_RESUMING &&
	    READ_ONCE(vf->session->queue.error))
		state = VFIO_DEVICE_STATE_ERROR;
	if (state == VFIO_DEVICE_STATE_ERROR)
		ferry_session_close(vf);
	if (err && vf->file) {
		fput(vf->file);
		vf->file = NULL;
	}
	if (state != arc->from)
		enter_state(vf, state);
	trace_ferry_arc(vf->name, ferry_state_name(arc->from),
			ferry_state_name(arc->to), err,
			ktime_to_ns(ktime_sub(ktime_get(), start)));
	return err;
}

/* Go to a state by the arcs that the core wants. */
static int go_to(struct ferry_vf *vf, enum vfio_device_mig_state goal,
		 struct file **file)
{
	struct vfio_device *vdev = &vf->device->core.vdev;
	enum vfio_device_mig_state next;
	const struct ferry_arc *arc;
	int err;

	while (vf->state != goal) {
		err = ferry_mig_get_next_state(vdev, vf->state, goal, &next);
		if (err)
			return err;
		arc = ferry_arc_find(vf->state, next);
		/* An arc that returns an FD is the last one. */
		if (WARN_ON_ONCE(!arc || vf->file))
			return -EINVAL;
		err = go_along(vf, arc);
		if (err)
			return err;
	}
	*file = vf->file;
	vf->file = NULL;
	return 0;
}

static bool is_resetting(struct ferry_vf *vf)
{
	return ferry_slot_is_barred(&vf->slot, FERRY_BAR_RESET);
}

/* Take state_mutex, but not in the middle of a reset. */
static int lock_state(struct ferry_vf *vf)
{
	long left = RESET_TIMEOUT;
	int err;

	err = mutex_lock_killable(&vf->state_mutex);
	while (!err && is_resetting(vf)) {
		mutex_unlock(&vf->state_mutex);
		left = wait_event_killable_timeout(vf->slot.wait,
						   !is_resetting(vf), left);
		if (left < 0)
			return left;
		if (!left)
			return -EBUSY;
		err = mutex_lock_killable(&vf->state_mutex);
	}
	return err;
}

/*
 * Go to a state in the name of one of the two protocols. A session belongs to
 * the one that began it; the other may look, not touch.
 */
static int go_as(struct ferry_vf *vf, enum ferry_protocol protocol,
		 enum vfio_device_mig_state goal, struct file **file)
{
	lockdep_assert_held(&vf->state_mutex);
	if (vf->state == VFIO_DEVICE_STATE_ERROR)
		return -EIO;
	if (READ_ONCE(vf->slot.bars))
		return -ENOTCONN;
	if (vf->session && vf->session->protocol != protocol)
		return -EBUSY;
	vf->protocol = protocol;
	return go_to(vf, goal, file);
}

static struct file *set_state(struct vfio_device *vdev,
			      enum vfio_device_mig_state goal)
{
	struct ferry_vf *vf = to_vf(vdev);
	struct file *file = NULL;
	int err;

	err = lock_state(vf);
	if (err)
		return ERR_PTR(err);
	err = go_as(vf, FERRY_PROTOCOL_FD, goal, &file);
	mutex_unlock(&vf->state_mutex);
	return err ? ERR_PTR(err) : file;
}

/*
 * A move failed on its way. Go back to where it began; if that cannot be had
 * back, because its session has ended or an arc fails, the state is ERROR.
 */
static void go_back(struct ferry_vf *vf, enum vfio_device_mig_state origin,
		    struct ferry_session *session)
{
	struct file *file;

	if (vf->state == origin || vf->state == VFIO_DEVICE_STATE_ERROR)
		return;
	if (vf->session == session && !go_to(vf, origin, &file))
		return;
	ferry_session_close(vf);
	enter_state(vf, VFIO_DEVICE_STATE_ERROR);
}

/**
 * ferry_fsm_move() - go to a state for the migration region
 * @vf: the function, open
 * @goal: the state
 *
 * All or nothing: the first protocol knows no states on the way. May sleep;
 * takes state_mutex.
 *
 * Return: 0; -EBUSY if a session of the other protocol is going on; another
 * negative errno if an arc failed: the state is the old one then, or ERROR.
 */
int ferry_fsm_move(struct ferry_vf *vf, enum vfio_device_mig_state goal)
{
	enum vfio_device_mig_state origin;
	struct ferry_session *session;
	struct file *file;
	int err;

	err = lock_state(vf);
	if (err)
		return err;
	origin = vf->state;
	session = vf->session;
	err = go_as(vf, FERRY_PROTOCOL_REGION, goal, &file);
	if (err)
		go_back(vf, origin, session);
	mutex_unlock(&vf->state_mutex);
	return err;
}

/**
 * ferry_fsm_state() - the state, between two arcs
 * @vf: the function
 *
 * May sleep; takes state_mutex.
 *
 * Return: the state.
 */
enum vfio_device_mig_state ferry_fsm_state(struct ferry_vf *vf)
{
	guard(mutex)(&vf->state_mutex);
	return vf->state;
}

/* Also in the middle of a move: who asks does not wait for the firmware. */
static int get_state(struct vfio_device *vdev,
		     enum vfio_device_mig_state *state)
{
	*state = READ_ONCE(to_vf(vdev)->state);
	return 0;
}

static int get_data_size(struct vfio_device *vdev, unsigned long *bytes)
{
	u64 size;
	int err;

	err = ferry_estimate_stop(to_vf(vdev), &size);
	if (!err)
		*bytes = size;
	return err;
}

const struct vfio_migration_ops ferry_migration_ops = {
	.migration_set_state = set_state,
	.migration_get_state = get_state,
	.migration_get_data_size = get_data_size,
};

/* Open, close, reset, detach, attach */

/**
 * ferry_fsm_open() - the device was opened: its function is fresh
 * @vf: the function
 */
void ferry_fsm_open(struct ferry_vf *vf)
{
	guard(mutex)(&vf->state_mutex);
	enter_state(vf, VFIO_DEVICE_STATE_RUNNING);
	WRITE_ONCE(vf->full_bytes, 0);
	ferry_slot_unbar(&vf->slot, FERRY_BAR_CLOSED);
}

/**
 * vfio_ferry_close() - the device will be closed
 * @device: the function, still enabled
 *
 * Upon return no command runs and none will, and the firmware uses no memory
 * of any session.
 */
void vfio_ferry_close(struct vfio_ferry_device *device)
{
	struct ferry_vf *vf = device->vf;

	ferry_slot_bar(&vf->slot, FERRY_BAR_CLOSED);
	guard(mutex)(&vf->state_mutex);
	ferry_session_close(vf);
	ferry_worker_drain(vf);
	/* The core resets the function when it closes and when it opens it. */
	enter_state(vf, VFIO_DEVICE_STATE_RUNNING);
}
EXPORT_SYMBOL_GPL(vfio_ferry_close);

/**
 * vfio_ferry_reset_prepare() - the function will be reset
 * @device: the function
 *
 * Called with the core's memory_lock held. Waits for the command that an arc
 * runs, not for what the worker does: the reset may be what ends that.
 */
void vfio_ferry_reset_prepare(struct vfio_ferry_device *device)
{
	struct ferry_vf *vf = device->vf;

	ferry_slot_bar(&vf->slot, FERRY_BAR_RESET);
	guard(mutex)(&vf->state_mutex);
	ferry_session_close(vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_reset_prepare);

/**
 * vfio_ferry_reset_done() - the function was reset: it is fresh
 * @device: the function
 */
void vfio_ferry_reset_done(struct vfio_ferry_device *device)
{
	struct ferry_vf *vf = device->vf;

	guard(mutex)(&vf->state_mutex);
	enter_state(vf, VFIO_DEVICE_STATE_RUNNING);
	ferry_slot_unbar(&vf->slot, FERRY_BAR_RESET);
}
EXPORT_SYMBOL_GPL(vfio_ferry_reset_done);

/**
 * vfio_ferry_detach() - the physical function goes away
 * @device: the function
 *
 * Upon return the engine calls no operation until vfio_ferry_attach(). What
 * the firmware knew about a migration is lost, so a function that was in one
 * is in ERROR.
 */
void vfio_ferry_detach(struct vfio_ferry_device *device)
{
	struct ferry_vf *vf = device->vf;

	ferry_slot_bar(&vf->slot, FERRY_BAR_DETACHED);
	guard(mutex)(&vf->state_mutex);
	ferry_session_close(vf);
	ferry_worker_drain(vf);
	if (vf->state != VFIO_DEVICE_STATE_RUNNING)
		enter_state(vf, VFIO_DEVICE_STATE_ERROR);
}
EXPORT_SYMBOL_GPL(vfio_ferry_detach);

/**
 * vfio_ferry_attach() - the physical function is there again
 * @device: the function
 */
void vfio_ferry_attach(struct vfio_ferry_device *device)
{
	ferry_slot_unbar(&device->vf->slot, FERRY_BAR_DETACHED);
}
EXPORT_SYMBOL_GPL(vfio_ferry_attach);
