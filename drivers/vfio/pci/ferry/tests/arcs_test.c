// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the arcs: every transition takes the path that the uAPI
 * wants, and every step that fails leaves the state that it should, with the
 * function as that state says.
 *
 * The steps are replaced by ones that keep a small image of a function: what
 * is suspended, which session there is. The table of arcs is the real one.
 */
#include <kunit/test.h>
#include <linux/vfio.h>

#include "../arcs.c"
#include "../compat.h"

#define NR_STATES	VFIO_DEVICE_STATE_NR
#define S(name)		VFIO_DEVICE_STATE_##name

enum session {
	SESSION_NONE,
	SESSION_SAVE,
	SESSION_PRECOPY,
	SESSION_RESUME,
};

/*
 * A function as the steps see it. Steps and undos are counted; number @fail
 * of them fails, and number @fail_too.
 */
struct function {
	bool initiator;		/* suspended */
	bool responder;		/* suspended */
	enum session session;
	bool tracking;
	bool middle;		/* images on demand */
	int calls;
	int fail;
	int fail_too;
	int error;
	int broken;		/* steps that no firmware would allow */
};

/* Would a function allow the step as it is? */
static bool is_allowed(const struct function *f, enum ferry_step step)
{
	switch (step) {
	case FERRY_STEP_SUSPEND_INITIATOR:
		return !f->initiator;
	case FERRY_STEP_RESUME_INITIATOR:
		return f->initiator && !f->responder;
	case FERRY_STEP_SUSPEND_RESPONDER:
		return f->initiator && !f->responder;
	case FERRY_STEP_RESUME_RESPONDER:
		return f->responder;
	case FERRY_STEP_OPEN_SAVE:
	case FERRY_STEP_OPEN_RESUME:
		return f->session == SESSION_NONE && f->responder;
	case FERRY_STEP_OPEN_PRECOPY:
		return f->session == SESSION_NONE && !f->responder;
	case FERRY_STEP_BEGIN_PRECOPY:
		return f->session == SESSION_PRECOPY && !f->tracking;
	case FERRY_STEP_CONTINUE_PRECOPY:
		return f->tracking && !f->initiator;
	case FERRY_STEP_PAUSE_PRECOPY:
		return f->session == SESSION_PRECOPY;
	case FERRY_STEP_SETTLE_RESERVE:
		return f->session == SESSION_PRECOPY && f->initiator && !f->middle;
	case FERRY_STEP_CANCEL_PRECOPY:
		return f->session == SESSION_PRECOPY && !f->responder;
	case FERRY_STEP_BEGIN_FINAL:
		return f->responder && !f->middle &&
		       (f->session == SESSION_SAVE ||
			f->session == SESSION_PRECOPY);
	case FERRY_STEP_FINISH_LOAD:
		return f->session == SESSION_RESUME && f->responder;
	case FERRY_STEP_CLOSE:
		return f->session != SESSION_NONE;
	default:
		return false;
	}
}

static void apply(struct function *f, enum ferry_step step)
{
	switch (step) {
	case FERRY_STEP_SUSPEND_INITIATOR:
	case FERRY_STEP_RESUME_INITIATOR:
		f->initiator = step == FERRY_STEP_SUSPEND_INITIATOR;
		break;
	case FERRY_STEP_SUSPEND_RESPONDER:
	case FERRY_STEP_RESUME_RESPONDER:
		f->responder = step == FERRY_STEP_SUSPEND_RESPONDER;
		break;
	case FERRY_STEP_OPEN_SAVE:
		f->session = SESSION_SAVE;
		break;
	case FERRY_STEP_OPEN_PRECOPY:
		f->session = SESSION_PRECOPY;
		break;
	case FERRY_STEP_OPEN_RESUME:
		f->session = SESSION_RESUME;
		break;
	case FERRY_STEP_BEGIN_PRECOPY:
		f->tracking = true;
		break;
	case FERRY_STEP_CONTINUE_PRECOPY:
	case FERRY_STEP_PAUSE_PRECOPY:
		f->middle = step == FERRY_STEP_CONTINUE_PRECOPY;
		break;
	case FERRY_STEP_CANCEL_PRECOPY:
		f->middle = false;
		f->tracking = false;
		break;
	case FERRY_STEP_BEGIN_FINAL:
		f->tracking = false;
		break;
	case FERRY_STEP_CLOSE:
		f->session = SESSION_NONE;
		break;
	default:
		break;
	}
}

static int fake_step(void *context, enum ferry_step step)
{
	struct function *f = context;
	int call = f->calls++;

	if (call == f->fail || call == f->fail_too)
		return f->error;
	if (!is_allowed(f, step))
		f->broken++;
	apply(f, step);
	return 0;
}

/* What a function is like in each state */
static const struct function in_state[NR_STATES] = {
	[S(STOP)] = { true, true },
	[S(RUNNING)] = {},
	[S(STOP_COPY)] = { true, true, SESSION_SAVE },
	[S(RESUMING)] = { true, true, SESSION_RESUME },
	[S(RUNNING_P2P)] = { true, false },
	[S(PRE_COPY)] = { false, false, SESSION_PRECOPY, true, true },
	[S(PRE_COPY_P2P)] = { true, false, SESSION_PRECOPY, true },
};

static bool like(const struct function *f, enum vfio_device_mig_state state)
{
	const struct function *want = &in_state[state];
	/* A save that came from pre-copy is a save all the same. */
	bool session = f->session == want->session ||
		       (state == S(STOP_COPY) &&
			f->session == SESSION_PRECOPY);

	return f->initiator == want->initiator &&
	       f->responder == want->responder && session &&
	       f->middle == want->middle && f->tracking == want->tracking;
}

static void reset_function(struct function *f,
			   enum vfio_device_mig_state state)
{
	*f = in_state[state];
	f->fail = -1;
	f->fail_too = -1;
	f->error = -EIO;
}

/* The paths that the uAPI wants, with all optional states; ERROR: none. */
struct transition {
	enum vfio_device_mig_state from, to;
	enum vfio_device_mig_state by[5];
	int arcs;
};

#define RUN	S(RUNNING)
#define RP	S(RUNNING_P2P)
#define STOP	S(STOP)
#define SC	S(STOP_COPY)
#define RS	S(RESUMING)
#define PC	S(PRE_COPY)
#define PP	S(PRE_COPY_P2P)

static const struct transition paths[] = {
	{ RUN, RP, { RP }, 1 },
	{ RUN, STOP, { RP, STOP }, 2 },
	{ RUN, SC, { RP, STOP, SC }, 3 },
	{ RUN, RS, { RP, STOP, RS }, 3 },
	{ RUN, PC, { PC }, 1 },
	{ RUN, PP, { RP, PP }, 2 },
	{ RP, RUN, { RUN }, 1 },
	{ RP, STOP, { STOP }, 1 },
	{ RP, SC, { STOP, SC }, 2 },
	{ RP, RS, { STOP, RS }, 2 },
	{ RP, PC, { RUN, PC }, 2 },
	{ RP, PP, { PP }, 1 },
	{ STOP, RUN, { RP, RUN }, 2 },
	{ STOP, RP, { RP }, 1 },
	{ STOP, SC, { SC }, 1 },
	{ STOP, RS, { RS }, 1 },
	{ STOP, PC, { RP, RUN, PC }, 3 },
	{ STOP, PP, { RP, PP }, 2 },
	{ SC, RUN, { STOP, RP, RUN }, 3 },
	{ SC, RP, { STOP, RP }, 2 },
	{ SC, STOP, { STOP }, 1 },
	{ SC, RS, { STOP, RS }, 2 },
	{ SC, PC, {}, 0 },
	{ SC, PP, {}, 0 },
	{ RS, RUN, { STOP, RP, RUN }, 3 },
	{ RS, RP, { STOP, RP }, 2 },
	{ RS, STOP, { STOP }, 1 },
	{ RS, SC, { STOP, SC }, 2 },
	{ RS, PC, { STOP, RP, RUN, PC }, 4 },
	{ RS, PP, { STOP, RP, PP }, 3 },
	{ PC, RUN, { RUN }, 1 },
	{ PC, RP, { RUN, RP }, 2 },
	{ PC, STOP, { RUN, RP, STOP }, 3 },
	{ PC, SC, { PP, SC }, 2 },
	{ PC, RS, { RUN, RP, STOP, RS }, 4 },
	{ PC, PP, { PP }, 1 },
	{ PP, RUN, { RP, RUN }, 2 },
	{ PP, RP, { RP }, 1 },
	{ PP, STOP, { RP, STOP }, 2 },
	{ PP, SC, { SC }, 1 },
	{ PP, RS, { RP, STOP, RS }, 3 },
	{ PP, PC, { PC }, 1 },
};

static struct vfio_device *fake_device(struct kunit *test)
{
	struct vfio_device *vdev = kunit_kzalloc(test, sizeof(*vdev),
						 GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vdev);
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				VFIO_MIGRATION_PRE_COPY;
	return vdev;
}

/*
 * Go along a path as fsm.c does. Returns the error and leaves the state;
 * @begun is the last state that an arc was begun from.
 */
static int walk(struct kunit *test, struct vfio_device *vdev,
		struct function *f, const struct transition *path,
		enum vfio_device_mig_state *state,
		enum vfio_device_mig_state *begun)
{
	enum vfio_device_mig_state next;
	const struct ferry_arc *arc;
	int err, arcs = 0;

	*state = path->from;
	while (*state != path->to) {
		*begun = *state;
		err = ferry_mig_get_next_state(vdev, *state, path->to, &next);
		if (err)
			return err;
		KUNIT_ASSERT_LT(test, arcs, path->arcs);
		KUNIT_EXPECT_EQ(test, (int)next, (int)path->by[arcs]);
		arcs++;
		arc = ferry_arc_find(*state, next);
		KUNIT_ASSERT_NOT_NULL(test, arc);
		err = ferry_arc_run(arc, fake_step, f, state);
		if (err)
			return err;
		KUNIT_EXPECT_EQ(test, (int)*state, (int)next);
		KUNIT_EXPECT_TRUE_MSG(test, like(f, *state),
				      "function is not as in %s",
				      ferry_state_name(*state));
	}
	KUNIT_EXPECT_EQ(test, arcs, path->arcs);
	return 0;
}

static void all_paths(struct kunit *test)
{
	struct vfio_device *vdev = fake_device(test);
	enum vfio_device_mig_state state, begun;
	struct function f;
	int err;

	KUNIT_EXPECT_EQ(test, (int)ARRAY_SIZE(paths), 42);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		reset_function(&f, paths[i].from);
		err = walk(test, vdev, &f, &paths[i], &state, &begun);
		KUNIT_EXPECT_EQ(test, err, paths[i].arcs ? 0 : -EINVAL);
		KUNIT_EXPECT_EQ(test, (int)state,
				(int)(paths[i].arcs ? paths[i].to :
						      paths[i].from));
		KUNIT_EXPECT_EQ_MSG(test, f.broken, 0, "%s to %s",
				    ferry_state_name(paths[i].from),
				    ferry_state_name(paths[i].to));
	}
}

/* What went before closing a session cannot be taken back. */
static bool may_end_in_error(struct vfio_device *vdev,
			     enum vfio_device_mig_state from,
			     enum vfio_device_mig_state to)
{
	enum vfio_device_mig_state next;

	if (ferry_mig_get_next_state(vdev, from, to, &next))
		return false;
	return ferry_arc_find(from, next)->steps[1] == FERRY_STEP_CLOSE;
}

/* Let each step of each path fail: the function is as before that arc. */
static void each_step_fails(struct kunit *test)
{
	struct vfio_device *vdev = fake_device(test);
	enum vfio_device_mig_state state, begun;
	struct function f;
	int err, fail;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		for (fail = 0; paths[i].arcs; fail++) {
			reset_function(&f, paths[i].from);
			f.fail = fail;
			err = walk(test, vdev, &f, &paths[i], &state, &begun);
			if (!err)
				break;	/* there are no more steps */
			KUNIT_EXPECT_EQ(test, err, -EIO);
			if (state == S(ERROR) &&
			    may_end_in_error(vdev, begun, paths[i].to))
				continue;
			KUNIT_EXPECT_EQ_MSG(test, (int)state, (int)begun,
					    "%s to %s, step %d",
					    ferry_state_name(paths[i].from),
					    ferry_state_name(paths[i].to),
					    fail);
			KUNIT_EXPECT_TRUE_MSG(test, like(&f, state),
					      "%s to %s, step %d: not as in %s",
					      ferry_state_name(paths[i].from),
					      ferry_state_name(paths[i].to),
					      fail, ferry_state_name(state));
			KUNIT_EXPECT_EQ(test, f.broken, 0);
		}
		if (paths[i].arcs)
			KUNIT_EXPECT_GT(test, fail, 0);
	}
}

/* Let each step fail and then each undo of it: ERROR, and nothing further. */
static void each_undo_fails(struct kunit *test)
{
	struct vfio_device *vdev = fake_device(test);
	enum vfio_device_mig_state state, begun;
	int err, fail, undo, calls, undone = 0;
	struct function f;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		for (fail = 0; paths[i].arcs; fail++) {
			reset_function(&f, paths[i].from);
			f.fail = fail;
			err = walk(test, vdev, &f, &paths[i], &state, &begun);
			if (!err)
				break;
			calls = f.calls;
			/* Calls behind the failed one are undos. */
			for (undo = fail + 1; undo < calls; undo++) {
				reset_function(&f, paths[i].from);
				f.fail = fail;
				f.fail_too = undo;
				err = walk(test, vdev, &f, &paths[i], &state,
					   &begun);
				KUNIT_EXPECT_EQ(test, err, -EIO);
				KUNIT_EXPECT_EQ(test, (int)state,
						(int)S(ERROR));
				KUNIT_EXPECT_EQ(test, f.calls, undo + 1);
				undone++;
			}
		}
	}
	/* Arcs of two steps and more must have had something to undo. */
	KUNIT_EXPECT_GT(test, undone, 10);
}

/* Nobody knows what a step did that timed out: ERROR, without an undo. */
static void each_step_times_out(struct kunit *test)
{
	struct vfio_device *vdev = fake_device(test);
	enum vfio_device_mig_state state, begun;
	struct function f;
	int err, fail;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		for (fail = 0; paths[i].arcs; fail++) {
			reset_function(&f, paths[i].from);
			f.fail = fail;
			f.error = -ETIMEDOUT;
			err = walk(test, vdev, &f, &paths[i], &state, &begun);
			if (!err)
				break;
			KUNIT_EXPECT_EQ(test, err, -ETIMEDOUT);
			KUNIT_EXPECT_EQ(test, (int)state, (int)S(ERROR));
			KUNIT_EXPECT_EQ(test, f.calls, fail + 1);
		}
	}
}

/* An arc for every pair of neighbours, and for no other. */
static void no_other_arcs(struct kunit *test)
{
	struct vfio_device *vdev = fake_device(test);
	bool wanted[NR_STATES][NR_STATES] = {};
	enum vfio_device_mig_state next;
	int from, to, arcs = 0;

	for (from = S(STOP); from < NR_STATES; from++)
		for (to = S(STOP); to < NR_STATES; to++)
			if (from != to &&
			    !ferry_mig_get_next_state(vdev, from, to, &next))
				wanted[from][next] = true;
	for (from = 0; from < NR_STATES; from++) {
		for (to = 0; to < NR_STATES; to++) {
			KUNIT_EXPECT_EQ_MSG(test, wanted[from][to],
					    !!ferry_arc_find(from, to),
					    "%s to %s", ferry_state_name(from),
					    ferry_state_name(to));
			arcs += wanted[from][to];
		}
	}
	KUNIT_EXPECT_EQ(test, arcs, 15);
}

static struct kunit_case arcs_cases[] = {
	KUNIT_CASE(all_paths),
	KUNIT_CASE(each_step_fails),
	KUNIT_CASE(each_undo_fails),
	KUNIT_CASE(each_step_times_out),
	KUNIT_CASE(no_other_arcs),
	{}
};

static struct kunit_suite arcs_suite = {
	.name = "ferry-arcs",
	.test_cases = arcs_cases,
};

kunit_test_suite(arcs_suite);
