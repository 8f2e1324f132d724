// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arcs of the migration state machine, as data. See arcs.h.
 *
 * Called by fsm.c under state_mutex, and by the tests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>

#include "arcs.h"

#define STATE(name)	VFIO_DEVICE_STATE_##name

/*
 * All arcs of a device with STOP_COPY, P2P and PRE_COPY. STOP is entered from
 * the saving and resuming states without a command: the function is stopped
 * in them too.
 */
static const struct ferry_arc arcs[] = {
	{ STATE(RUNNING), STATE(RUNNING_P2P),
	  { FERRY_STEP_SUSPEND_INITIATOR } },
	{ STATE(RUNNING_P2P), STATE(RUNNING),
	  { FERRY_STEP_RESUME_INITIATOR } },
	{ STATE(RUNNING_P2P), STATE(STOP),
	  { FERRY_STEP_SUSPEND_RESPONDER } },
	{ STATE(STOP), STATE(RUNNING_P2P),
	  { FERRY_STEP_RESUME_RESPONDER } },

	{ STATE(STOP), STATE(STOP_COPY),
	  { FERRY_STEP_OPEN_SAVE, FERRY_STEP_BEGIN_FINAL } },
	{ STATE(STOP_COPY), STATE(STOP),
	  { FERRY_STEP_CLOSE } },

	{ STATE(STOP), STATE(RESUMING),
	  { FERRY_STEP_OPEN_RESUME } },
	{ STATE(RESUMING), STATE(STOP),
	  { FERRY_STEP_FINISH_LOAD, FERRY_STEP_CLOSE } },

	{ STATE(RUNNING), STATE(PRE_COPY),
	  { FERRY_STEP_OPEN_PRECOPY, FERRY_STEP_BEGIN_PRECOPY,
	    FERRY_STEP_CONTINUE_PRECOPY } },
	{ STATE(PRE_COPY), STATE(RUNNING),
	  { FERRY_STEP_CANCEL_PRECOPY, FERRY_STEP_CLOSE } },
	{ STATE(RUNNING_P2P), STATE(PRE_COPY_P2P),
	  { FERRY_STEP_OPEN_PRECOPY, FERRY_STEP_BEGIN_PRECOPY } },
	{ STATE(PRE_COPY_P2P), STATE(RUNNING_P2P),
	  { FERRY_STEP_CANCEL_PRECOPY, FERRY_STEP_CLOSE } },

	{ STATE(PRE_COPY), STATE(PRE_COPY_P2P),
	  { FERRY_STEP_PAUSE_PRECOPY, FERRY_STEP_SUSPEND_INITIATOR,
	    FERRY_STEP_SETTLE_RESERVE } },
	{ STATE(PRE_COPY_P2P), STATE(PRE_COPY),
	  { FERRY_STEP_RESUME_INITIATOR, FERRY_STEP_CONTINUE_PRECOPY } },
	{ STATE(PRE_COPY_P2P), STATE(STOP_COPY),
	  { FERRY_STEP_SUSPEND_RESPONDER, FERRY_STEP_BEGIN_FINAL } },
};

/* What takes a step's effect back; those that are not here cannot be. */
static const enum ferry_step undo_of[FERRY_NR_STEPS] = {
	[FERRY_STEP_SUSPEND_INITIATOR] = FERRY_STEP_RESUME_INITIATOR,
	[FERRY_STEP_SUSPEND_RESPONDER] = FERRY_STEP_RESUME_RESPONDER,
	[FERRY_STEP_RESUME_INITIATOR] = FERRY_STEP_SUSPEND_INITIATOR,
	[FERRY_STEP_RESUME_RESPONDER] = FERRY_STEP_SUSPEND_RESPONDER,
	[FERRY_STEP_OPEN_SAVE] = FERRY_STEP_CLOSE,
	[FERRY_STEP_OPEN_PRECOPY] = FERRY_STEP_CLOSE,
	[FERRY_STEP_OPEN_RESUME] = FERRY_STEP_CLOSE,
	[FERRY_STEP_BEGIN_PRECOPY] = FERRY_STEP_CANCEL_PRECOPY,
	[FERRY_STEP_CONTINUE_PRECOPY] = FERRY_STEP_PAUSE_PRECOPY,
	[FERRY_STEP_PAUSE_PRECOPY] = FERRY_STEP_CONTINUE_PRECOPY,
};

static const char * const state_names[VFIO_DEVICE_STATE_NR] = {
	[VFIO_DEVICE_STATE_ERROR] = "ERROR",
	[VFIO_DEVICE_STATE_STOP] = "STOP",
	[VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
	[VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
	[VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
	[VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
	[VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
};

/**
 * ferry_state_name() - name of a state, as in the uAPI
 * @state: the state
 *
 * Return: a constant string.
 */
const char *ferry_state_name(enum vfio_device_mig_state state)
{
	return state < VFIO_DEVICE_STATE_NR ? state_names[state] : "?";
}

/**
 * ferry_arc_find() - the arc between two states
 * @from: state it leaves
 * @to: state it enters
 *
 * Return: the arc, or NULL if they are no neighbours.
 */
const struct ferry_arc *ferry_arc_find(enum vfio_device_mig_state from,
				       enum vfio_device_mig_state to)
{
	for (size_t i = 0; i < ARRAY_SIZE(arcs); i++)
		if (arcs[i].from == from && arcs[i].to == to)
			return &arcs[i];
	return NULL;
}

/* Take back the steps before the one that failed, last first. */
static int undo(const struct ferry_arc *arc, ferry_step_fn do_step,
		void *context, int failed)
{
	enum ferry_step step;
	int err;

	while (failed--) {
		step = undo_of[arc->steps[failed]];
		err = step == FERRY_STEP_NONE ? -EIO : do_step(context, step);
		if (err)
			return err;
	}
	return 0;
}

/**
 * ferry_arc_run() - go along an arc
 * @arc: the arc
 * @do_step: does its steps
 * @context: for that
 * @state: the present state, changed to the new one
 *
 * Return: 0 and @state is the arc's end; or the error of the step that failed,
 * and @state is the arc's begin if that could be restored, else ERROR.
 */
int ferry_arc_run(const struct ferry_arc *arc, ferry_step_fn do_step,
		  void *context, enum vfio_device_mig_state *state)
{
	int err;

	for (int i = 0; arc->steps[i] != FERRY_STEP_NONE; i++) {
		err = do_step(context, arc->steps[i]);
		if (!err)
			continue;
		/* A step of unknown effect cannot be taken back. */
		if (err == -ETIMEDOUT || undo(arc, do_step, context, i))
			*state = VFIO_DEVICE_STATE_ERROR;
		return err;
	}
	*state = arc->to;
	return 0;
}
