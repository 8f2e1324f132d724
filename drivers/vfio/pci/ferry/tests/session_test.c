// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of a session's life and of what is shown of it; of the command
 * slot, which one has at a time; and of what the engine makes of the backend's
 * answers. Queue and stream are real; the backend is made up.
 */
#include <kunit/test.h>
#include <linux/seq_file.h>

#define FERRY_TRACE_H
#define anon_inode_getfile	lived_getfile
#define stream_open		lived_stream_open
#define ferry_vf_identify	lived_identify
#define ferry_vf_get		lived_vf_get
#define ferry_vf_put		lived_vf_put
#define ferry_worker_kick	lived_kick
#define ferry_worker_kick_later	lived_kick_later
#define ferry_shape_read	lived_shape
#define ferry_image_kind_name	lived_kind
#define vfio_ferry_failed	lived_failed
#ifdef CONFIG_VFIO_FERRY_FAULTS
#define ferry_fault_hit		lived_session_fault
#endif

#include <linux/types.h>

struct file;
struct file_operations;
struct inode;

static struct file *lived_getfile(const char *name, const struct file_operations *fops, void *priv,
				  int flags);
static int lived_stream_open(struct inode *inode, struct file *file);

static inline void trace_ferry_image(const char *vf, const char *what, const char *kind,
				     u64 length, u64 capacity)
{
}

static inline void trace_ferry_command(const char *vf, const char *command, int err, u64 ns)
{
}

#include "../session.c"
#include "../command.c"

struct fixture {
	struct ferry_vf vf;
	struct vfio_ferry_device device;
	struct file file;
	struct ferry_image image;
	struct seq_file to;
	char text[1024];
	int identify_err, file_err, fault, op_err;
	bool opened;
	unsigned int refs, kicks;
	unsigned long later;
	void *priv;
	int flags;
	char op;		/* the backend's, that was called */
	int side;
	bool incremental;
	unsigned int save_flags;
	struct vfio_ferry_image *memory;
	struct vfio_ferry_failure failure;
	u64 length, part;
};

static struct fixture *the_fixture;

static struct file *lived_getfile(const char *name, const struct file_operations *fops, void *priv,
				  int flags)
{
	struct fixture *f = the_fixture;

	f->priv = priv;
	f->flags = flags;
	f->file.private_data = priv;
	return f->file_err ? ERR_PTR(f->file_err) : &f->file;
}

static int lived_stream_open(struct inode *inode, struct file *file)
{
	the_fixture->opened = file == &the_fixture->file;
	return 0;
}

int lived_identify(struct ferry_vf *vf, struct vfio_ferry_identity *own)
{
	own->vendor = cpu_to_le16(0x15b3);
	return the_fixture->identify_err;
}

void lived_vf_get(struct ferry_vf *vf)
{
	the_fixture->refs++;
}

void lived_vf_put(struct ferry_vf *vf)
{
	the_fixture->refs--;
}

void lived_kick(struct ferry_vf *vf)
{
	the_fixture->kicks++;
}

void lived_kick_later(struct ferry_vf *vf, unsigned long delay)
{
	the_fixture->later = delay;
}

void lived_shape(struct vfio_ferry_shape *shape, const struct vfio_pci_core_device *core)
{
	shape->vectors = cpu_to_le32(7);
}

const char *lived_kind(enum ferry_image_kind kind)
{
	return "";
}

void lived_failed(struct vfio_ferry_device *device, const struct vfio_ferry_failure *failure)
{
	the_fixture->failure = *failure;
}

#ifdef CONFIG_VFIO_FERRY_FAULTS
int lived_session_fault(struct ferry_fault *fault, enum ferry_fault_site site)
{
	return site == the_fixture->fault ? -ENOSPC : 0;
}
#endif

static int called(char op)
{
	the_fixture->op = op;
	return the_fixture->op_err;
}

static int backend_suspend(struct vfio_ferry_device *device, enum vfio_ferry_side side)
{
	the_fixture->side = side;
	return called('s');
}

static int backend_resume(struct vfio_ferry_device *device, enum vfio_ferry_side side)
{
	the_fixture->side = side;
	return called('r');
}

static int backend_query(struct vfio_ferry_device *device, bool incremental,
			 struct vfio_ferry_estimate *estimate)
{
	the_fixture->incremental = incremental;
	estimate->required = 5;
	return called('q');
}

static int backend_save(struct vfio_ferry_device *device, struct vfio_ferry_image *image,
			unsigned int flags, u64 *next_part)
{
	image->length = the_fixture->length;
	the_fixture->memory = image;
	the_fixture->save_flags = flags;
	*next_part += the_fixture->part;
	return called('S');
}

static int backend_load(struct vfio_ferry_device *device, struct vfio_ferry_image *image)
{
	the_fixture->memory = image;
	return called('l');
}

static int backend_stop(struct vfio_ferry_device *device, struct vfio_ferry_image *image)
{
	the_fixture->memory = image;
	return called('t');
}

static const struct vfio_ferry_ops backend = {
	.suspend = backend_suspend, .resume = backend_resume, .query = backend_query,
	.save = backend_save, .load = backend_load, .stop_tracking = backend_stop,
};

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	the_fixture = f;
	f->device.ops = &backend;
	f->vf.device = &f->device;
	strscpy(f->vf.name, "0000:01:00.1");
	f->vf.max_image = SZ_1M;
	mutex_init(&f->vf.state_mutex);
	spin_lock_init(&f->vf.lock);
	spin_lock_init(&f->vf.slot.lock);
	init_waitqueue_head(&f->vf.slot.wait);
	INIT_LIST_HEAD(&f->vf.closed);
	f->fault = -1;
	return f;
}

static struct ferry_session *begin(struct fixture *f, enum ferry_phase phase)
{
	guard(mutex)(&f->vf.state_mutex);
	return ferry_session_new(&f->vf, phase);
}

static void close(struct fixture *f)
{
	guard(mutex)(&f->vf.state_mutex);
	ferry_session_close(&f->vf);
}

/* What the worker does with a session that was closed */
static void reap(struct kunit *test, struct fixture *f)
{
	struct ferry_session *session = list_first_entry_or_null(&f->vf.closed,
								 struct ferry_session, node);

	KUNIT_ASSERT_NOT_NULL(test, session);
	list_del(&session->node);
	ferry_session_put(session);
}

static void a_session_lives_as_long_as_somebody_has_it(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	static const struct file_operations fops;
	struct ferry_session *session;

	KUNIT_EXPECT_NULL(test, ferry_session_current(&f->vf));
	f->vf.protocol = FERRY_PROTOCOL_REGION;
	session = begin(f, FERRY_PHASE_RECEIVING);
	KUNIT_ASSERT_FALSE(test, IS_ERR(session));
	KUNIT_EXPECT_PTR_EQ(test, f->vf.session, session);
	KUNIT_EXPECT_PTR_EQ(test, session->vf, &f->vf);
	KUNIT_EXPECT_EQ(test, session->protocol, FERRY_PROTOCOL_REGION);
	KUNIT_EXPECT_EQ(test, session->queue.phase, FERRY_PHASE_RECEIVING);
	KUNIT_EXPECT_EQ(test, session->queue.budget, max_inflight_bytes);
	KUNIT_EXPECT_TRUE(test, session->stream.writes);
	KUNIT_EXPECT_EQ(test, session->stream.decoder.max_image, SZ_1M);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(session->own.vendor), 0x15b3);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(session->shape.vectors), 7);
	KUNIT_EXPECT_EQ(test, f->refs, 1);
	KUNIT_EXPECT_PTR_EQ(test, ferry_session_file(session, &fops, O_WRONLY), &f->file);
	KUNIT_EXPECT_PTR_EQ(test, f->priv, session);
	KUNIT_EXPECT_EQ(test, f->flags, O_WRONLY);
	KUNIT_EXPECT_TRUE(test, f->opened);
	KUNIT_EXPECT_PTR_EQ(test, ferry_session_current(&f->vf), session);
	KUNIT_EXPECT_EQ(test, kref_read(&session->ref), 3);
	ferry_session_kick(session);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	ferry_session_free_later(session);
	KUNIT_EXPECT_GT(test, f->later, 0);
	f->later = 0;
	f->vf.stats.window.open = true;
	close(f);
	KUNIT_EXPECT_GT(test, f->later, 0);
	KUNIT_EXPECT_FALSE(test, f->vf.stats.window.open);
	KUNIT_EXPECT_NULL(test, f->vf.session);
	KUNIT_EXPECT_TRUE(test, ferry_session_is_closed(session));
	/* It may be the last that there is of the function. */
	f->later = 0;
	ferry_session_kick(session);
	ferry_session_free_later(session);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	KUNIT_EXPECT_EQ(test, f->later, 0);
	close(f);
	KUNIT_EXPECT_EQ(test, f->later, 0);
	reap(test, f);
	KUNIT_EXPECT_EQ(test, f->refs, 1);
	ferry_session_release(NULL, &f->file);
	KUNIT_EXPECT_EQ(test, f->refs, 1);
	ferry_session_put(session);
	KUNIT_EXPECT_EQ(test, f->refs, 0);
}

/* What an arc handed over to a worker that did not come in time */
static void what_is_not_begun_ends_with_the_session(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct ferry_session *session = begin(f, FERRY_PHASE_OPENED);

	KUNIT_ASSERT_FALSE(test, IS_ERR(session));
	KUNIT_ASSERT_EQ(test, ferry_slot_try(&f->vf.slot), 0);
	ferry_queue_add(&session->queue, &f->image, FERRY_IMAGE_HELD);
	ferry_queue_move(&session->queue, &f->image, FERRY_IMAGE_PENDING);
	close(f);
	KUNIT_EXPECT_EQ(test, f->image.place, FERRY_IMAGE_SPARE);
	KUNIT_EXPECT_EQ(test, ferry_slot_try(&f->vf.slot), 0);
	KUNIT_EXPECT_TRUE(test, time_after(session->free_at, jiffies));
	ferry_queue_move(&session->queue, &f->image, FERRY_IMAGE_GONE);
	reap(test, f);
}

static void a_session_that_cannot_begin(struct kunit *test)
{
	static const struct file_operations fops;
	struct fixture *f = fixture_of(test);
	struct ferry_session *session;

	f->identify_err = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, PTR_ERR(begin(f, FERRY_PHASE_OPENED)), -EOPNOTSUPP);
	f->identify_err = 0;
	if (IS_ENABLED(CONFIG_VFIO_FERRY_FAULTS)) {
		f->fault = FERRY_FAULT_SESSION;
		KUNIT_EXPECT_EQ(test, PTR_ERR(begin(f, FERRY_PHASE_OPENED)), -ENOMEM);
		f->fault = -1;
	}
	KUNIT_EXPECT_NULL(test, f->vf.session);
	KUNIT_EXPECT_EQ(test, f->refs, 0);
	session = begin(f, FERRY_PHASE_OPENED);
	KUNIT_EXPECT_FALSE(test, session->stream.writes);
	f->file_err = -ENFILE;
	KUNIT_EXPECT_EQ(test, PTR_ERR(ferry_session_file(session, &fops, O_RDONLY)), -ENFILE);
	KUNIT_EXPECT_EQ(test, kref_read(&session->ref), 1);
	close(f);
	reap(test, f);
	KUNIT_EXPECT_EQ(test, f->refs, 0);
}

static void a_session_is_shown(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct ferry_session *session = begin(f, FERRY_PHASE_PRECOPY);
	struct ferry_queue *queue = &session->queue;

	f->to.buf = f->text;
	f->to.size = sizeof(f->text);
	ferry_queue_add(queue, &f->image, FERRY_IMAGE_FIRMWARE);
	queue->error = -5;
	queue->unread_initial = 11;
	queue->unread_dirty = 12;
	queue->charged = 13;
	queue->budget = 14;
	ferry_session_show_fdinfo(&f->to, &(struct file){ .private_data = session });
	KUNIT_EXPECT_STREQ(test, f->text,
			   "ferry-device:\t0000:01:00.1\nferry-direction:\tsave\n"
			   "ferry-protocol:\tfd\nferry-phase:\tpre-copy\nferry-error:\t-5\n"
			   "ferry-images:\t1\nferry-ready:\t0\nferry-busy:\t1\n"
			   "ferry-unread-initial:\t11\nferry-unread-dirty:\t12\n"
			   "ferry-memory:\t13\nferry-budget:\t14\n");
	f->image.place = FERRY_IMAGE_READY;
	session->stream.writes = true;
	session->protocol = FERRY_PROTOCOL_REGION;
	f->to.count = 0;
	memset(f->text, 0, sizeof(f->text));
	ferry_session_show(session, &f->to);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->text, "ferry-direction:\tresume\n"
					   "ferry-protocol:\tregion\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->text, "ferry-images:\t1\nferry-ready:\t1\n"
					   "ferry-busy:\t0\n"));
	for (int phase = 0; phase <= FERRY_PHASE_CLOSED; phase++) {
		static const char *const names[] = { "opened", "paused", "pre-copy", "saving",
						     "saved", "receiving", "sealed", "closed" };

		KUNIT_EXPECT_STREQ(test, phase_names[phase], names[phase]);
	}
	ferry_queue_move(queue, &f->image, FERRY_IMAGE_GONE);
	close(f);
	reap(test, f);
}

/* The slot */

static void one_has_the_slot(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct ferry_slot *slot = &f->vf.slot;

	KUNIT_EXPECT_EQ(test, ferry_slot_try(slot), 0);
	KUNIT_EXPECT_EQ(test, ferry_slot_try(slot), -EBUSY);
	ferry_slot_give(&f->vf);
	KUNIT_EXPECT_EQ(test, f->kicks, 0);
	KUNIT_EXPECT_EQ(test, ferry_slot_want(slot), 0);
	KUNIT_EXPECT_EQ(test, ferry_slot_want(slot), -EBUSY);
	/* The worker comes when it is free, and once. */
	ferry_slot_give(&f->vf);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	KUNIT_EXPECT_EQ(test, ferry_slot_take(slot), 0);
	ferry_slot_give(&f->vf);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	ferry_slot_drain(&f->vf);
}

static void a_barred_slot_is_nobodys(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct ferry_slot *slot = &f->vf.slot;

	for (int bar = FERRY_BAR_CLOSED; bar <= FERRY_BAR_DETACHED; bar++)
		ferry_slot_bar(slot, bar);
	for (int bar = FERRY_BAR_CLOSED; bar <= FERRY_BAR_DETACHED; bar++) {
		KUNIT_EXPECT_TRUE(test, ferry_slot_is_barred(slot, bar));
		KUNIT_EXPECT_EQ(test, ferry_slot_try(slot), -ENOTCONN);
		KUNIT_EXPECT_EQ(test, ferry_slot_take(slot), -ENOTCONN);
		KUNIT_EXPECT_EQ(test, ferry_slot_want(slot), -ENOTCONN);
		ferry_slot_unbar(slot, bar);
		KUNIT_EXPECT_FALSE(test, ferry_slot_is_barred(slot, bar));
	}
	KUNIT_EXPECT_EQ(test, ferry_slot_try(slot), 0);
	ferry_slot_bar(slot, FERRY_BAR_RESET);
	ferry_slot_give(&f->vf);
	KUNIT_EXPECT_FALSE(test, slot->taken);
	KUNIT_EXPECT_EQ(test, f->kicks, 0);
}

/* Commands */

static int run(struct fixture *f, char op)
{
	struct vfio_ferry_estimate estimate = { .required = 1 };
	u64 part = 77;
	int err;

	switch (op) {
	case 's':
		return ferry_command_suspend(&f->vf, VFIO_FERRY_RESPONDER);
	case 'r':
		return ferry_command_resume(&f->vf, VFIO_FERRY_RESPONDER);
	case 'q':
		err = ferry_command_query(&f->vf, true, &estimate);
		f->part = estimate.required;
		return err;
	case 'S':
		err = ferry_command_save(&f->vf, &f->image, &part);
		f->part = part;
		return err;
	case 'l':
		return ferry_command_load(&f->vf, &f->image);
	}
	return ferry_command_stop_tracking(&f->vf, &f->image);
}

static void each_command_is_the_backends(struct kunit *test)
{
	static const struct { char op; enum ferry_fault_site site; int unanswered; } commands[] = {
		{ 's', FERRY_FAULT_SUSPEND, -ETIMEDOUT }, { 'r', FERRY_FAULT_RESUME, -ETIMEDOUT },
		{ 'q', FERRY_FAULT_QUERY, -EIO }, { 'S', FERRY_FAULT_SAVE, -ETIMEDOUT },
		{ 'l', FERRY_FAULT_LOAD, -ETIMEDOUT },
		{ 't', FERRY_FAULT_STOP_TRACKING, -ETIMEDOUT },
	};

	for (int i = 0; i < ARRAY_SIZE(commands); i++) {
		struct fixture *f = fixture_of(test);
		char op = commands[i].op;

		f->vf.slot.taken = true;
		f->image.memory.capacity = SZ_4K;
		f->image.save_flags = VFIO_FERRY_SAVE_TRACK;
		f->length = SZ_4K;
		f->part = 9;
		KUNIT_EXPECT_EQ(test, run(f, op), 0);
		KUNIT_EXPECT_EQ(test, f->op, op);
		KUNIT_EXPECT_EQ(test, f->side, op == 's' || op == 'r' ? VFIO_FERRY_RESPONDER : 0);
		KUNIT_EXPECT_EQ(test, f->incremental, op == 'q');
		KUNIT_EXPECT_EQ(test, f->save_flags, op == 'S' ? VFIO_FERRY_SAVE_TRACK : 0);
		KUNIT_EXPECT_EQ(test, f->part, op == 'q' ? 5 : 9);
		KUNIT_EXPECT_PTR_EQ(test, f->memory, op == 'S' || op == 'l' || op == 't' ?
				    &f->image.memory : NULL);
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.images_saved), op == 'S');
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.images_loaded), op == 'l');
		f->op_err = -EBUSY;
		KUNIT_EXPECT_EQ(test, run(f, op), -EBUSY);
		f->op_err = -ETIMEDOUT;
		KUNIT_EXPECT_EQ(test, run(f, op), commands[i].unanswered);
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.images_saved), op == 'S');
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.images_loaded), op == 'l');
		if (!IS_ENABLED(CONFIG_VFIO_FERRY_FAULTS))
			continue;
		f->op_err = 0;
		f->op = 0;
		f->fault = commands[i].site;
		KUNIT_EXPECT_EQ(test, run(f, op), -ENOSPC);
		KUNIT_EXPECT_EQ(test, f->op, 0);
		KUNIT_EXPECT_EQ(test, f->failure.error, -ENOSPC);
		if (op == 'q')
			KUNIT_EXPECT_EQ(test, f->part, 0);
	}
}

static void a_save_is_as_long_as_its_memory_at_most(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	u64 part;

	f->vf.slot.taken = true;
	f->image.memory.capacity = SZ_4K;
	f->length = SZ_4K + 1;
	KUNIT_EXPECT_EQ(test, ferry_command_save(&f->vf, &f->image, &part), -EIO);
	KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.images_saved), 0);
	if (IS_ENABLED(CONFIG_VFIO_FERRY_FAULTS)) {
		f->length = SZ_4K;
		f->fault = FERRY_FAULT_SAVED;
		KUNIT_EXPECT_EQ(test, ferry_command_save(&f->vf, &f->image, &part), -ENOSPC);
		KUNIT_EXPECT_EQ(test, f->op, 'S');
	}
	KUNIT_EXPECT_EQ(test, ferry_command_stop_tracking(&f->vf, NULL), 0);
	KUNIT_EXPECT_NULL(test, f->memory);
}

static struct kunit_case session_cases[] = {
	KUNIT_CASE(a_session_lives_as_long_as_somebody_has_it),
	KUNIT_CASE(what_is_not_begun_ends_with_the_session),
	KUNIT_CASE(a_session_that_cannot_begin),
	KUNIT_CASE(a_session_is_shown),
	KUNIT_CASE(one_has_the_slot),
	KUNIT_CASE(a_barred_slot_is_nobodys),
	KUNIT_CASE(each_command_is_the_backends),
	KUNIT_CASE(a_save_is_as_long_as_its_memory_at_most),
	{}
};

static struct kunit_suite session_suite = {
	.name = "ferry-session",
	.test_cases = session_cases,
};

kunit_test_suite(session_suite);
