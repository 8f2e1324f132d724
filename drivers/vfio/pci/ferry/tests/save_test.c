// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what the arcs begin and end of a save: which image is saved
 * and how, what follows if that cannot be, and who has the command slot then.
 * The real queue; memory and firmware are made up.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#define ferry_slot_take			begun_take
#define ferry_slot_give			begun_give
#define ferry_worker_kick		begun_kick
#define ferry_vf_refuse			begun_refuse
#define ferry_window_open		begun_window
#define ferry_measure			begun_measure
#define ferry_final_bytes		begun_final_bytes
#define ferry_tracked_bytes		begun_tracked_bytes
#define ferry_reserve_bytes		begun_reserve_bytes
#define ferry_lose_track		begun_lose_track
#define ferry_save_image_get		begun_get
#define ferry_save_image_tracked	begun_tracked
#define ferry_save_image_lend		begun_lend
#define ferry_reserve_release		begun_release
#define ferry_command_query		begun_query
#define ferry_command_stop_tracking	begun_stop

#include "../save.c"

#define REQUIRED	SZ_64K
#define FINAL_EXTRA	1	/* what the made up sizes add */
#define TRACKED_EXTRA	2
#define RESERVE		SZ_32K

struct fixture {
	struct ferry_vf vf;
	struct ferry_session session;
	struct vfio_ferry_device device;
	struct pci_dev pdev;
	struct ferry_image image;
	int take_err, measure_err, measure_again_err, memory_err, release_err, stop_err;
	bool no_lend;
	unsigned int gives, kicks, measures, releases, stops, refusals, windows;
	u64 bytes;		/* of memory that was asked for */
	bool changes;		/* asked for first */
	bool query_incremental;
	enum ferry_image_place stopped_at;
};

static struct fixture *of_vf(struct ferry_vf *vf)
{
	return container_of(vf, struct fixture, vf);
}

static struct fixture *of_session(struct ferry_session *session)
{
	return container_of(session, struct fixture, session);
}

int begun_take(struct ferry_slot *slot)
{
	return container_of(slot, struct fixture, vf.slot)->take_err;
}

void begun_give(struct ferry_vf *vf)
{
	of_vf(vf)->gives++;
}

void begun_kick(struct ferry_vf *vf)
{
	of_vf(vf)->kicks++;
}

void begun_refuse(struct ferry_vf *vf, const char *format, ...)
{
	of_vf(vf)->refusals++;
}

void begun_window(struct ferry_vf *vf)
{
	of_vf(vf)->windows++;
	vf->stats.window.open = true;
}

int begun_measure(struct ferry_session *session, bool changes,
		  struct vfio_ferry_estimate *estimate)
{
	struct fixture *f = of_session(session);

	*estimate = (struct vfio_ferry_estimate){ .required = REQUIRED, .total = REQUIRED };
	if (!f->measures++)
		f->changes = changes;
	else if (changes)
		return -EINVAL;
	return f->measures == 1 ? f->measure_err : f->measure_again_err;
}

u64 begun_final_bytes(struct ferry_vf *vf, u64 required)
{
	return required + FINAL_EXTRA;
}

u64 begun_tracked_bytes(struct ferry_vf *vf, u64 required)
{
	return required + TRACKED_EXTRA;
}

u64 begun_reserve_bytes(struct ferry_vf *vf)
{
	return RESERVE;
}

void begun_lose_track(struct ferry_vf *vf, struct ferry_queue *queue)
{
	ferry_queue_lose_track(queue);
}

static struct ferry_image *held(struct fixture *f)
{
	kref_init(&f->image.ref);
	f->image.session = &f->session;
	f->image.memory.capacity = SZ_128K;
	ferry_queue_add(&f->session.queue, &f->image, FERRY_IMAGE_HELD);
	return &f->image;
}

struct ferry_image *begun_get(struct ferry_session *session, u64 bytes, bool *made)
{
	struct fixture *f = of_session(session);

	f->bytes = bytes;
	return f->memory_err ? ERR_PTR(f->memory_err) : held(f);
}

struct ferry_image *begun_tracked(struct ferry_session *session, bool changes,
				  struct vfio_ferry_estimate *estimate)
{
	struct fixture *f = of_session(session);

	f->bytes = estimate->required;
	f->changes |= changes;
	return f->memory_err ? ERR_PTR(f->memory_err) : held(f);
}

struct ferry_image *begun_lend(struct ferry_session *session, u64 bytes)
{
	struct fixture *f = of_session(session);

	f->bytes = bytes;
	return f->no_lend ? NULL : held(f);
}

int begun_release(struct ferry_queue *queue)
{
	struct fixture *f = container_of(queue, struct fixture, session.queue);

	f->releases++;
	return f->release_err;
}

int begun_query(struct ferry_vf *vf, bool incremental, struct vfio_ferry_estimate *estimate)
{
	of_vf(vf)->query_incremental = incremental;
	*estimate = (struct vfio_ferry_estimate){ .required = REQUIRED };
	return 0;
}

int begun_stop(struct ferry_vf *vf, struct ferry_image *image)
{
	struct fixture *f = of_vf(vf);

	f->stops++;
	f->stopped_at = image ? image->place : FERRY_NR_PLACES;
	return f->stop_err;
}

static struct fixture *fixture_of(struct kunit *test, enum ferry_phase phase)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->pdev.dev.init_name = "save_test";
	f->device.core.pdev = &f->pdev;
	f->vf.device = &f->device;
	f->vf.session = &f->session;
	mutex_init(&f->vf.state_mutex);
	init_waitqueue_head(&f->vf.slot.wait);
	f->session.vf = &f->vf;
	ferry_queue_init(&f->session.queue, phase, SZ_1M);
	return f;
}

/* The image waits for the worker, who has the slot now. */
static void expect_assigned(struct kunit *test, struct fixture *f, enum ferry_image_kind kind,
			    unsigned int flags)
{
	KUNIT_EXPECT_EQ(test, f->image.place, FERRY_IMAGE_PENDING);
	KUNIT_EXPECT_EQ(test, f->image.kind, kind);
	KUNIT_EXPECT_EQ(test, f->image.save_flags, flags);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	KUNIT_EXPECT_EQ(test, f->gives, 0);
}

static int begin(struct fixture *f, bool final)
{
	guard(mutex)(&f->vf.state_mutex);
	return final ? ferry_save_begin_final(&f->vf, &f->session) :
		       ferry_save_begin_precopy(&f->vf, &f->session);
}

static void a_precopy_begins_with_all_of_the_state(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_OPENED);
	struct ferry_queue *queue = &f->session.queue;

	KUNIT_EXPECT_EQ(test, begin(f, false), 0);
	expect_assigned(test, f, FERRY_IMAGE_INITIAL, VFIO_FERRY_SAVE_TRACK);
	KUNIT_EXPECT_FALSE(test, f->changes);
	KUNIT_EXPECT_EQ(test, queue->phase, FERRY_PHASE_PAUSED);
	KUNIT_EXPECT_EQ(test, queue->outlook.stop_copy_size, REQUIRED + TRACKED_EXTRA);
	KUNIT_EXPECT_EQ(test, queue->unread_initial, FERRY_WIRE_IDENTITY_BYTES +
			FERRY_WIRE_SHAPE_BYTES + FERRY_WIRE_STOP_COPY_SIZE_BYTES);
	KUNIT_EXPECT_EQ(test, f->windows, 0);
}

static void a_precopy_that_cannot_begin(struct kunit *test)
{
	static const struct {
		int take, measure, memory;
		u64 budget;
		int err;
		unsigned int gives;
	} failures[] = {
		{ -ENOTCONN, 0, 0, SZ_1M, -ENOTCONN, 0 },
		{ 0, -EIO, 0, SZ_1M, -EIO, 1 },
		{ 0, 0, -ENOMEM, SZ_1M, -ENOMEM, 1 },
		{ 0, 0, 0, REQUIRED + TRACKED_EXTRA + RESERVE + SZ_128K - 1, -ENOBUFS, 1 },
		{ 0, 0, 0, REQUIRED + TRACKED_EXTRA + RESERVE + SZ_128K, 0, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_OPENED);

		f->take_err = failures[i].take;
		f->measure_err = failures[i].measure;
		f->memory_err = failures[i].memory;
		f->session.queue.budget = failures[i].budget;
		KUNIT_EXPECT_EQ_MSG(test, begin(f, false), failures[i].err, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->gives, failures[i].gives, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->refusals, failures[i].err == -ENOBUFS, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->kicks, !failures[i].err, "%d", i);
	}
}

static void tracking_ends_with_a_precopy(struct kunit *test)
{
	static const struct { int stop; bool no_lend; enum ferry_image_place place; } ends[] = {
		{ 0, false, FERRY_IMAGE_SPARE },
		{ -EIO, false, FERRY_IMAGE_SPARE },
		{ -ETIMEDOUT, false, FERRY_IMAGE_LOST },
		{ 0, true, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(ends); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

		f->stop_err = ends[i].stop;
		f->no_lend = ends[i].no_lend;
		mutex_lock(&f->vf.state_mutex);
		ferry_save_cancel_precopy(&f->vf, &f->session);
		mutex_unlock(&f->vf.state_mutex);
		KUNIT_EXPECT_EQ(test, f->session.queue.phase, FERRY_PHASE_PAUSED);
		KUNIT_EXPECT_TRUE(test, f->query_incremental);
		KUNIT_EXPECT_EQ(test, f->releases, 1);
		KUNIT_EXPECT_EQ(test, f->bytes, REQUIRED + FINAL_EXTRA);
		KUNIT_EXPECT_EQ(test, f->stops, 1);
		KUNIT_EXPECT_EQ(test, f->stopped_at, f->no_lend ? FERRY_NR_PLACES :
				FERRY_IMAGE_FIRMWARE);
		KUNIT_EXPECT_EQ(test, f->image.place, ends[i].place);
		KUNIT_EXPECT_EQ(test, f->gives, 1);
	}
}

static void tracking_that_cannot_be_ended(struct kunit *test)
{
	for (int i = 0; i < 2; i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

		f->take_err = i ? 0 : -ENOTCONN;
		f->release_err = i ? -ERESTARTSYS : 0;
		mutex_lock(&f->vf.state_mutex);
		ferry_save_cancel_precopy(&f->vf, &f->session);
		mutex_unlock(&f->vf.state_mutex);
		KUNIT_EXPECT_EQ(test, f->session.queue.phase, FERRY_PHASE_PAUSED);
		KUNIT_EXPECT_EQ(test, f->stops, 0);
		KUNIT_EXPECT_EQ(test, f->gives, i);
	}
}

/* All of the state, or after a pre-copy what changed, if that is known. */
static void a_final_image_begins(struct kunit *test)
{
	static const struct {
		enum ferry_phase phase;
		bool untracked, lost;
		unsigned int flags;
	} images[] = {
		{ FERRY_PHASE_OPENED, false, false, 0 },
		{ FERRY_PHASE_PAUSED, false, false, VFIO_FERRY_SAVE_INCREMENTAL },
		{ FERRY_PHASE_PAUSED, true, false, 0 },
		{ FERRY_PHASE_PAUSED, false, true, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(images); i++) {
		struct fixture *f = fixture_of(test, images[i].phase);
		struct ferry_queue *queue = &f->session.queue;
		bool opened = images[i].phase == FERRY_PHASE_OPENED;

		queue->outlook.untracked = images[i].untracked;
		f->measure_err = images[i].lost ? -ESTALE : 0;
		KUNIT_EXPECT_EQ_MSG(test, begin(f, true), 0, "%d", i);
		expect_assigned(test, f, FERRY_IMAGE_FINAL, images[i].flags);
		KUNIT_EXPECT_EQ(test, f->changes, images[i].flags || images[i].lost);
		KUNIT_EXPECT_EQ(test, f->measures, images[i].lost ? 2 : 1);
		KUNIT_EXPECT_EQ(test, f->releases, 1);
		KUNIT_EXPECT_EQ(test, f->bytes, REQUIRED + FINAL_EXTRA);
		KUNIT_EXPECT_EQ(test, queue->phase, FERRY_PHASE_FINAL);
		KUNIT_EXPECT_EQ(test, queue->unread_initial, opened ? FERRY_WIRE_IDENTITY_BYTES +
				FERRY_WIRE_SHAPE_BYTES : 0);
		KUNIT_EXPECT_EQ(test, queue->outlook.stop_copy_size, 0);
		KUNIT_EXPECT_EQ(test, queue->outlook.untracked, images[i].untracked);
		KUNIT_EXPECT_TRUE(test, f->vf.stats.window.open);
	}
}

/* Of what changes then nobody knows, for the function runs again. */
static void a_final_image_that_cannot_begin(struct kunit *test)
{
	static const struct {
		int take, queue, measure, again, release, memory, err;
		unsigned int gives;
	} failures[] = {
		{ -ENOTCONN, 0, 0, 0, 0, 0, -ENOTCONN, 0 },
		{ 0, -EIO, 0, 0, 0, 0, -EIO, 1 },
		{ 0, 0, -EBUSY, 0, 0, 0, -EBUSY, 1 },
		{ 0, 0, -ESTALE, -EBUSY, 0, 0, -EBUSY, 1 },
		{ 0, 0, 0, 0, -ERESTARTSYS, 0, -ERESTARTSYS, 1 },
		{ 0, 0, 0, 0, 0, -ENOMEM, -ENOMEM, 1 },
		{ 0, 0, 0, 0, 0, -ENOBUFS, -ENOBUFS, 1 },
	};

	for (int i = 0; i < 2 * ARRAY_SIZE(failures); i++) {
		int k = i / 2;
		struct fixture *f = fixture_of(test, i % 2 ? FERRY_PHASE_PAUSED :
					       FERRY_PHASE_OPENED);
		struct ferry_queue *queue = &f->session.queue;

		if (failures[k].measure == -ESTALE && i % 2 == 0)
			continue;
		f->take_err = failures[k].take;
		queue->error = failures[k].queue;
		f->measure_err = failures[k].measure;
		f->measure_again_err = failures[k].again;
		f->release_err = failures[k].release;
		f->memory_err = failures[k].memory;
		KUNIT_EXPECT_EQ_MSG(test, begin(f, true), failures[k].err, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->gives, failures[k].gives, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->refusals, failures[k].err == -ENOBUFS, "%d", i);
		KUNIT_EXPECT_EQ(test, f->kicks, 0);
		KUNIT_EXPECT_EQ(test, f->windows, 1);
		KUNIT_EXPECT_FALSE(test, f->vf.stats.window.open);
		KUNIT_EXPECT_EQ_MSG(test, queue->outlook.untracked, i % 2, "%d", i);
		KUNIT_EXPECT_EQ(test, queue->phase, i % 2 ? FERRY_PHASE_PAUSED :
				FERRY_PHASE_OPENED);
	}
}

static struct kunit_case save_cases[] = {
	KUNIT_CASE(a_precopy_begins_with_all_of_the_state),
	KUNIT_CASE(a_precopy_that_cannot_begin),
	KUNIT_CASE(tracking_ends_with_a_precopy),
	KUNIT_CASE(tracking_that_cannot_be_ended),
	KUNIT_CASE(a_final_image_begins),
	KUNIT_CASE(a_final_image_that_cannot_begin),
	{}
};

static struct kunit_suite save_suite = {
	.name = "ferry-save",
	.test_cases = save_cases,
};

kunit_test_suite(save_suite);
