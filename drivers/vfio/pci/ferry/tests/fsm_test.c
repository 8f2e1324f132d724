// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the state machine: what each step does, to whom a session
 * belongs, what a failed move leaves, and how open, close, reset and the
 * physical function's going and coming end all that is under way. Sessions,
 * saves and loads are made up; the arcs and the command slot's bars are real.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#define FERRY_TRACE_H
#define fput				stepped_fput
#define ferry_slot_take			stepped_take
#define ferry_slot_give			stepped_give
#define ferry_slot_bar			stepped_bar
#define ferry_slot_unbar		stepped_unbar
#define ferry_command_suspend		stepped_suspend
#define ferry_command_resume		stepped_resume
#define ferry_session_new		stepped_new
#define ferry_session_file		stepped_file
#define ferry_session_close		stepped_close
#define ferry_session_release		stepped_release
#define ferry_save_begin_precopy	stepped_precopy
#define ferry_save_cancel_precopy	stepped_cancel
#define ferry_save_begin_final		stepped_final
#define ferry_reserve_settle		stepped_settle
#define ferry_load_finish		stepped_finish
#define ferry_worker_kick		stepped_kick
#define ferry_worker_drain		stepped_drain
#define ferry_estimate_stop		stepped_estimate
#define ferry_reader_fops		stepped_reader
#define ferry_writer_fops		stepped_writer

#define vfio_ferry_close		stepped_vf_close
#define vfio_ferry_reset_prepare	stepped_reset_prepare
#define vfio_ferry_reset_done		stepped_reset_done
#define vfio_ferry_detach		stepped_detach
#define vfio_ferry_attach		stepped_attach
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(name)

static inline void trace_ferry_arc(const char *vf, const char *from, const char *to, int err,
				   u64 ns)
{
}

static void stepped_fput(struct file *file);

#include "../fsm.c"

#define S(name)		VFIO_DEVICE_STATE_##name
#define MOST		64

struct fixture {
	struct ferry_vf vf;
	struct vfio_ferry_device device;
	struct ferry_session session;
	struct file file;
	char done[MOST];	/* a letter for each thing that was done */
	unsigned int nr;
	char failing;		/* what fails, and how */
	int error;
	bool session_fails;	/* its stream, too */
	int flags;
	const struct file_operations *fops;
	enum ferry_phase phase;	/* of the last session when it was begun */
	u64 size;
};

static struct fixture *of_vf(struct ferry_vf *vf)
{
	return container_of(vf, struct fixture, vf);
}

static int did(struct fixture *f, char what)
{
	if (f->nr < MOST - 1)
		f->done[f->nr++] = what;
	return what == f->failing ? f->error : 0;
}

const struct file_operations stepped_reader, stepped_writer;

static struct fixture *of_file;

static void stepped_fput(struct file *file)
{
	did(of_file, file == &of_file->file ? 'p' : '!');
}

int stepped_take(struct ferry_slot *slot)
{
	return did(container_of(slot, struct fixture, vf.slot), '(');
}

void stepped_give(struct ferry_vf *vf)
{
	did(of_vf(vf), ')');
}

void stepped_bar(struct ferry_slot *slot, enum ferry_bar bar)
{
	slot->bars |= BIT(bar);
	wake_up_all(&slot->wait);
}

void stepped_unbar(struct ferry_slot *slot, enum ferry_bar bar)
{
	slot->bars &= ~BIT(bar);
	wake_up_all(&slot->wait);
}

int stepped_suspend(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	return did(of_vf(vf), side == VFIO_FERRY_INITIATOR ? 'i' : 'r');
}

int stepped_resume(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	return did(of_vf(vf), side == VFIO_FERRY_INITIATOR ? 'I' : 'R');
}

struct ferry_session *stepped_new(struct ferry_vf *vf, enum ferry_phase phase)
{
	struct fixture *f = of_vf(vf);
	int err = did(f, 'n');

	lockdep_assert_held(&vf->state_mutex);
	if (err)
		return ERR_PTR(err);
	f->phase = phase;
	memset(&f->session, 0, sizeof(f->session));
	ferry_queue_init(&f->session.queue, phase, 0);
	f->session.protocol = vf->protocol;
	f->session.stream.writes = phase == FERRY_PHASE_RECEIVING;
	vf->session = &f->session;
	return vf->session;
}

struct file *stepped_file(struct ferry_session *session, const struct file_operations *fops,
			  int flags)
{
	struct fixture *f = container_of(session, struct fixture, session);
	int err = did(f, 'f');

	f->fops = fops;
	f->flags = flags;
	return err ? ERR_PTR(err) : &f->file;
}

void stepped_close(struct ferry_vf *vf)
{
	lockdep_assert_held(&vf->state_mutex);
	if (vf->session)
		did(of_vf(vf), 'c');
	vf->session = NULL;
}

int stepped_release(struct inode *inode, struct file *file)
{
	return 0;
}

int stepped_precopy(struct ferry_vf *vf, struct ferry_session *session)
{
	return did(of_vf(vf), session == vf->session ? 'b' : '!');
}

void stepped_cancel(struct ferry_vf *vf, struct ferry_session *session)
{
	did(of_vf(vf), session == vf->session ? 'x' : '!');
}

int stepped_final(struct ferry_vf *vf, struct ferry_session *session)
{
	return did(of_vf(vf), session == vf->session ? 's' : '!');
}

int stepped_settle(struct ferry_session *session)
{
	return did(container_of(session, struct fixture, session), 'w');
}

int stepped_finish(struct ferry_vf *vf, struct ferry_session *session)
{
	struct fixture *f = of_vf(vf);

	if (f->session_fails)
		session->queue.error = -EIO;
	return did(f, session == vf->session ? 'l' : '!');
}

void stepped_kick(struct ferry_vf *vf)
{
	did(of_vf(vf), 'k');
}

void stepped_drain(struct ferry_vf *vf)
{
	lockdep_assert_held(&vf->state_mutex);
	did(of_vf(vf), 'd');
}

int stepped_estimate(struct ferry_vf *vf, u64 *bytes)
{
	*bytes = of_vf(vf)->size;
	return did(of_vf(vf), 'e');
}

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->device.vf = &f->vf;
	f->device.core.vdev.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
					      VFIO_MIGRATION_PRE_COPY;
	f->vf.device = &f->device;
	f->vf.state = S(RUNNING);
	mutex_init(&f->vf.state_mutex);
	spin_lock_init(&f->vf.slot.lock);
	init_waitqueue_head(&f->vf.slot.wait);
	f->error = -EBUSY;
	of_file = f;
	return f;
}

static long set(struct fixture *f, enum vfio_device_mig_state goal, struct file **file)
{
	f->nr = 0;
	memset(f->done, 0, sizeof(f->done));
	*file = ferry_migration_ops.migration_set_state(&f->device.core.vdev, goal);
	return PTR_ERR_OR_ZERO(*file);
}

static enum vfio_device_mig_state state(struct fixture *f)
{
	enum vfio_device_mig_state got = VFIO_DEVICE_STATE_NR;

	ferry_migration_ops.migration_get_state(&f->device.core.vdev, &got);
	return got == ferry_fsm_state(&f->vf) ? got : VFIO_DEVICE_STATE_NR;
}

struct move {
	enum vfio_device_mig_state goal;
	const char *done;
	int file;		/* an FD comes, that reads (1) or writes (2) */
	enum ferry_phase phase;	/* of the session behind it */
};

static void expect_moves(struct kunit *test, struct fixture *f, const struct move *moves,
			 unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct file *file;

		KUNIT_EXPECT_EQ(test, set(f, moves[i].goal, &file), 0);
		KUNIT_EXPECT_STREQ(test, f->done, moves[i].done);
		KUNIT_EXPECT_EQ(test, state(f), moves[i].goal);
		KUNIT_EXPECT_PTR_EQ(test, file, moves[i].file ? &f->file : NULL);
		KUNIT_EXPECT_NULL(test, f->vf.file);
		if (f->vf.session)
			KUNIT_EXPECT_EQ(test, f->session.queue.phase, moves[i].phase);
		if (!moves[i].file)
			continue;
		KUNIT_EXPECT_PTR_EQ(test, f->fops, moves[i].file == 1 ? &stepped_reader :
				    &stepped_writer);
		KUNIT_EXPECT_EQ(test, f->flags, moves[i].file == 1 ? O_RDONLY : O_WRONLY);
	}
}

static void each_move_does_its_steps(struct kunit *test)
{
	static const struct move moves[] = {
		{ S(RUNNING_P2P), "(i)" },
		{ S(STOP), "(r)" },
		{ S(STOP_COPY), "nfs", 1, FERRY_PHASE_OPENED },
		{ S(STOP), "c" },
		{ S(RESUMING), "nf", 2, FERRY_PHASE_RECEIVING },
		{ S(STOP), "lc" },
		{ S(RUNNING), "(R)(I)" },
		{ S(PRE_COPY), "nfbk", 1, FERRY_PHASE_PRECOPY },
		{ S(PRE_COPY_P2P), "(i)w", 0, FERRY_PHASE_PAUSED },
		{ S(PRE_COPY), "(I)k", 0, FERRY_PHASE_PRECOPY },
		{ S(STOP_COPY), "(i)w(r)s", 0, FERRY_PHASE_PAUSED },
		{ S(RUNNING), "c(R)(I)" },
		{ S(PRE_COPY), "nfbk", 1, FERRY_PHASE_PRECOPY },
		{ S(RUNNING), "xc" },
		{ S(RUNNING), "" },
		{ S(PRE_COPY_P2P), "(i)nfb", 1, FERRY_PHASE_OPENED },
		{ S(RUNNING_P2P), "xc" },
		{ S(RUNNING), "(I)" },
	};

	expect_moves(test, fixture_of(test), moves, ARRAY_SIZE(moves));
}

/* A step that fails on the way from a state to another: what was done then, and the state */
struct failure {
	enum vfio_device_mig_state from, to;
	char failing;
	int error;
	const char *done;
	enum vfio_device_mig_state state;
};

static void a_step_that_fails_leaves_the_state(struct kunit *test)
{
	static const struct failure failures[] = {
		{ S(RUNNING), S(RUNNING_P2P), '(', -ENOTCONN, "(", S(RUNNING) },
		{ S(RUNNING), S(RUNNING_P2P), 'i', -EBUSY, "(i)", S(RUNNING) },
		{ S(RUNNING), S(RUNNING_P2P), 'i', -ETIMEDOUT, "(i)", S(ERROR) },
		{ S(RUNNING_P2P), S(RUNNING), 'I', -EBUSY, "(I)", S(RUNNING_P2P) },
		{ S(RUNNING_P2P), S(RUNNING), '(', -ERESTARTSYS, "(", S(RUNNING_P2P) },
		{ S(RUNNING), S(STOP), 'r', -EBUSY, "(i)(r)", S(RUNNING_P2P) },
		{ S(STOP), S(STOP_COPY), 'n', -ENOMEM, "n", S(STOP) },
		{ S(STOP), S(STOP_COPY), 'f', -EMFILE, "nfc", S(STOP) },
		{ S(STOP), S(STOP_COPY), 's', -EIO, "nfscp", S(STOP) },
		{ S(RUNNING), S(PRE_COPY), 'b', -EIO, "nfbcp", S(RUNNING) },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test);
		struct file *file;

		KUNIT_ASSERT_EQ(test, set(f, failures[i].from, &file), 0);
		f->failing = failures[i].failing;
		f->error = failures[i].error;
		KUNIT_EXPECT_EQ_MSG(test, set(f, failures[i].to, &file), failures[i].error,
				    "%d", i);
		KUNIT_EXPECT_STREQ(test, f->done, failures[i].done);
		KUNIT_EXPECT_EQ_MSG(test, state(f), failures[i].state, "%d", i);
		KUNIT_EXPECT_NULL(test, f->vf.file);
		KUNIT_EXPECT_NULL(test, f->vf.session);
		if (failures[i].state != S(ERROR))
			continue;
		f->failing = 0;
		KUNIT_EXPECT_EQ(test, set(f, S(RUNNING), &file), -EIO);
		KUNIT_EXPECT_STREQ(test, f->done, "");
	}
}

/* What was refused is neither what it was nor what it should be. */
static void a_load_that_fails(struct kunit *test)
{
	for (int refused = 0; refused < 2; refused++) {
		struct fixture *f = fixture_of(test);
		struct file *file;

		KUNIT_ASSERT_EQ(test, set(f, S(RESUMING), &file), 0);
		f->failing = 'l';
		f->session_fails = refused;
		KUNIT_EXPECT_EQ(test, set(f, S(STOP), &file), -EBUSY);
		KUNIT_EXPECT_STREQ(test, f->done, refused ? "lc" : "l");
		KUNIT_EXPECT_EQ(test, state(f), refused ? S(ERROR) : S(RESUMING));
		f->failing = 0;
		KUNIT_EXPECT_EQ(test, set(f, S(STOP), &file), refused ? -EIO : 0);
	}
}

static void sizes_are_passed_on(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct vfio_device *vdev = &f->device.core.vdev;
	unsigned long bytes = 1;

	f->size = 0x123456789;
	KUNIT_EXPECT_EQ(test, get_data_size(vdev, &bytes), 0);
	KUNIT_EXPECT_EQ(test, bytes, 0x123456789);
	f->failing = 'e';
	KUNIT_EXPECT_EQ(test, get_data_size(vdev, &bytes), -EBUSY);
	KUNIT_EXPECT_TRUE(test, ferry_migration_ops.migration_get_data_size == get_data_size);
}

/* A session has no FD, and the other protocol does not touch it. */
static void the_region_moves_as_well(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct file *file;

	KUNIT_EXPECT_EQ(test, ferry_fsm_move(&f->vf, S(PRE_COPY)), 0);
	KUNIT_EXPECT_STREQ(test, f->done, "nbk");
	KUNIT_EXPECT_EQ(test, state(f), S(PRE_COPY));
	KUNIT_EXPECT_EQ(test, set(f, S(RUNNING), &file), -EBUSY);
	KUNIT_EXPECT_STREQ(test, f->done, "");
	KUNIT_EXPECT_EQ(test, ferry_fsm_move(&f->vf, S(RUNNING)), 0);
	KUNIT_EXPECT_STREQ(test, f->done, "xc");
	KUNIT_EXPECT_EQ(test, set(f, S(PRE_COPY), &file), 0);
	KUNIT_EXPECT_EQ(test, ferry_fsm_move(&f->vf, S(RUNNING)), -EBUSY);
	KUNIT_EXPECT_EQ(test, state(f), S(PRE_COPY));
}

/* To it there are no states on the way. */
static void the_region_goes_all_the_way_or_back(struct kunit *test)
{
	static const struct failure moves[] = {
		{ S(RUNNING), S(STOP), 'r', -EBUSY, "(i)(r)(I)", S(RUNNING) },
		{ S(RUNNING), S(STOP), 'i', -EBUSY, "(i)", S(RUNNING) },
		{ S(RUNNING), S(STOP), 'r', -ETIMEDOUT, "(i)(r)", S(ERROR) },
		{ S(PRE_COPY), S(STOP_COPY), 's', -EIO, "(i)w(r)s(R)(I)k", S(PRE_COPY) },
		{ S(PRE_COPY), S(PRE_COPY_P2P), 'w', -ERESTARTSYS, "(i)w(I)k", S(PRE_COPY) },
		{ S(STOP_COPY), S(RUNNING), 'R', -EBUSY, "c(R)", S(ERROR) },
	};

	for (int i = 0; i < ARRAY_SIZE(moves); i++) {
		struct fixture *f = fixture_of(test);

		KUNIT_ASSERT_EQ(test, ferry_fsm_move(&f->vf, moves[i].from), 0);
		f->nr = 0;
		memset(f->done, 0, sizeof(f->done));
		f->failing = moves[i].failing;
		f->error = moves[i].error;
		KUNIT_EXPECT_EQ(test, ferry_fsm_move(&f->vf, moves[i].to), moves[i].error);
		KUNIT_EXPECT_STREQ(test, f->done, moves[i].done);
		KUNIT_EXPECT_EQ_MSG(test, state(f), moves[i].state, "%d", i);
	}
}

/* Whoever ends it: no session stays, and no state that would want one. */
static void all_ends(struct kunit *test)
{
	static const enum vfio_device_mig_state states[] = { S(RUNNING), S(STOP), S(PRE_COPY) };

	for (int i = 0; i < 3 * ARRAY_SIZE(states); i++) {
		struct fixture *f = fixture_of(test);
		bool session = states[i / 3] == S(PRE_COPY);
		struct file *file;

		f->vf.full_bytes = 7;
		KUNIT_ASSERT_EQ(test, set(f, states[i / 3], &file), 0);
		f->nr = 0;
		memset(f->done, 0, sizeof(f->done));
		switch (i % 3) {
		case 0:
			stepped_vf_close(&f->device);
			KUNIT_EXPECT_STREQ(test, f->done, session ? "cd" : "d");
			KUNIT_EXPECT_EQ(test, state(f), S(RUNNING));
			KUNIT_EXPECT_EQ(test, set(f, S(STOP), &file), -ENOTCONN);
			ferry_fsm_open(&f->vf);
			KUNIT_EXPECT_EQ(test, f->vf.full_bytes, 0);
			break;
		case 1:
			stepped_reset_prepare(&f->device);
			KUNIT_EXPECT_STREQ(test, f->done, session ? "c" : "");
			KUNIT_EXPECT_TRUE(test, is_resetting(&f->vf));
			stepped_reset_done(&f->device);
			KUNIT_EXPECT_EQ(test, state(f), S(RUNNING));
			break;
		case 2:
			stepped_detach(&f->device);
			KUNIT_EXPECT_STREQ(test, f->done, session ? "cd" : "d");
			KUNIT_EXPECT_EQ(test, state(f), i / 3 ? S(ERROR) : S(RUNNING));
			KUNIT_EXPECT_EQ(test, set(f, S(STOP), &file), i / 3 ? -EIO : -ENOTCONN);
			stepped_attach(&f->device);
			KUNIT_EXPECT_EQ(test, state(f), i / 3 ? S(ERROR) : S(RUNNING));
			f->vf.state = S(RUNNING);
			break;
		}
		KUNIT_EXPECT_EQ(test, f->vf.slot.bars, 0);
		KUNIT_EXPECT_EQ(test, set(f, S(STOP), &file), 0);
	}
}

static void an_opened_function_is_fresh(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	f->vf.state = S(ERROR);
	stepped_bar(&f->vf.slot, FERRY_BAR_CLOSED);
	stepped_bar(&f->vf.slot, FERRY_BAR_DETACHED);
	ferry_fsm_open(&f->vf);
	KUNIT_EXPECT_EQ(test, state(f), S(RUNNING));
	KUNIT_EXPECT_EQ(test, f->vf.slot.bars, BIT(FERRY_BAR_DETACHED));
}

/* Someone who wants another state while the function is reset */
struct other {
	struct fixture *f;
	bool region;
	struct completion begun, ended;
	long err;
};

static int move_meanwhile(void *arg)
{
	struct other *other = arg;
	struct file *file;

	allow_signal(SIGKILL);
	complete(&other->begun);
	other->err = other->region ? ferry_fsm_move(&other->f->vf, S(STOP)) :
		     set(other->f, S(STOP), &file);
	complete(&other->ended);
	return 0;
}

static void nobody_moves_in_a_reset(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct other other = { .f = f };

	init_completion(&other.begun);
	init_completion(&other.ended);
	stepped_reset_prepare(&f->device);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(move_meanwhile, &other, "ferry-fsm-test")));
	wait_for_completion(&other.begun);
	KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&other.ended, HZ / 10), 0);
	KUNIT_EXPECT_STREQ(test, f->done, "");
	stepped_reset_done(&f->device);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&other.ended, 10 * HZ), 0);
	KUNIT_EXPECT_EQ(test, other.err, 0);
	KUNIT_EXPECT_EQ(test, state(f), S(STOP));
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&f->vf.state_mutex));
}

/* And who is killed while he waits for the end of a reset, or for who moves it */
static void who_is_killed_has_not_moved(struct kunit *test)
{
	for (int i = 0; i < 4; i++) {
		struct fixture *f = fixture_of(test);
		struct other other = { .f = f, .region = i & 1 };
		struct task_struct *task;

		init_completion(&other.begun);
		init_completion(&other.ended);
		if (i & 2)
			stepped_reset_prepare(&f->device);
		else
			mutex_lock(&f->vf.state_mutex);
		task = kthread_run(move_meanwhile, &other, "ferry-fsm-test");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&other.ended, HZ / 20), 0);
		send_sig(SIGKILL, task, 1);
		KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&other.ended, 10 * HZ), 0);
		KUNIT_EXPECT_EQ(test, other.err, i & 2 ? -ERESTARTSYS : -EINTR);
		if (i & 2)
			stepped_reset_done(&f->device);
		else
			mutex_unlock(&f->vf.state_mutex);
		KUNIT_EXPECT_EQ(test, state(f), S(RUNNING));
		KUNIT_EXPECT_STREQ(test, f->done, "");
	}
}

static struct kunit_case fsm_cases[] = {
	KUNIT_CASE(each_move_does_its_steps),
	KUNIT_CASE(a_step_that_fails_leaves_the_state),
	KUNIT_CASE(a_load_that_fails),
	KUNIT_CASE(sizes_are_passed_on),
	KUNIT_CASE(the_region_moves_as_well),
	KUNIT_CASE(the_region_goes_all_the_way_or_back),
	KUNIT_CASE(all_ends),
	KUNIT_CASE(an_opened_function_is_fresh),
	KUNIT_CASE(nobody_moves_in_a_reset),
	KUNIT_CASE(who_is_killed_has_not_moved),
	{}
};

static struct kunit_suite fsm_suite = {
	.name = "ferry-fsm",
	.test_cases = fsm_cases,
};

kunit_test_suite(fsm_suite);
