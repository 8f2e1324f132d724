/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arcs of the migration state machine, as data.
 *
 * An arc is one move between neighbouring states that the core's
 * vfio_mig_get_next_state() asks for. It consists of steps, each with the step
 * that undoes it. A failed step ends the arc: the steps before it are undone
 * and the state is the old one, or, if an undo fails, ERROR. Pure: what a step
 * does is the caller's.
 */
#ifndef FERRY_ARCS_H
#define FERRY_ARCS_H

#include <linux/types.h>
#include <linux/vfio.h>

enum ferry_step {
	FERRY_STEP_NONE,		/* ends an arc's list */
	FERRY_STEP_SUSPEND_INITIATOR,
	FERRY_STEP_SUSPEND_RESPONDER,
	FERRY_STEP_RESUME_INITIATOR,
	FERRY_STEP_RESUME_RESPONDER,
	FERRY_STEP_OPEN_SAVE,		/* a session that saves a stopped function */
	FERRY_STEP_OPEN_PRECOPY,	/* a session that saves a running one */
	FERRY_STEP_OPEN_RESUME,
	FERRY_STEP_BEGIN_PRECOPY,	/* initial image */
	FERRY_STEP_CONTINUE_PRECOPY,	/* middle images from now on */
	FERRY_STEP_PAUSE_PRECOPY,	/* none from now on */
	FERRY_STEP_SETTLE_RESERVE,	/* what the final image needs is there */
	FERRY_STEP_CANCEL_PRECOPY,
	FERRY_STEP_BEGIN_FINAL,		/* final image */
	FERRY_STEP_FINISH_LOAD,		/* the stream was whole and is loaded */
	FERRY_STEP_CLOSE,		/* the session */
	FERRY_NR_STEPS,
};

#define FERRY_ARC_STEPS	3

/**
 * struct ferry_arc - one arc
 * @from: state it leaves
 * @to: state it enters
 * @steps: what is done, in this order, until FERRY_STEP_NONE
 */
struct ferry_arc {
	enum vfio_device_mig_state from;
	enum vfio_device_mig_state to;
	enum ferry_step steps[FERRY_ARC_STEPS + 1];
};

/*
 * Does a step. -ETIMEDOUT means that its effect is unknown, any other error
 * that it had none.
 */
typedef int (*ferry_step_fn)(void *context, enum ferry_step step);

const struct ferry_arc *ferry_arc_find(enum vfio_device_mig_state from,
				       enum vfio_device_mig_state to);
int ferry_arc_run(const struct ferry_arc *arc, ferry_step_fn do_step,
		  void *context, enum vfio_device_mig_state *state);
const char *ferry_state_name(enum vfio_device_mig_state state);

#endif /* FERRY_ARCS_H */
