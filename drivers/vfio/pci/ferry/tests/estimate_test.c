// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what users are told is to come: that it adds up to what a
 * reader gets, when the firmware is asked for it, and when the worker. The real
 * queue; the command slot and the firmware are made up.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#define ferry_slot_try		told_try
#define ferry_slot_take		told_take
#define ferry_slot_give		told_give
#define ferry_measure_full	told_full
#define ferry_measure_changes	told_changes
#define ferry_session_current	told_current
#define ferry_session_put	told_put
#define ferry_session_kick	told_kick
#define ferry_worker_kick	told_worker_kick

#include "../estimate.c"

struct fixture {
	struct ferry_vf vf;
	struct ferry_session session;
	struct vfio_ferry_device device;
	struct ferry_image image;
	int slot;		/* what who wants it is told */
	int busy;		/* so often before */
	int measured;		/* what who asks the firmware is told */
	u64 changed, full;	/* and what it says */
	bool lost_meanwhile;	/* the track, while the slot was waited for */
	unsigned int tries, takes, gives, questions, kicks, worker_kicks, puts;
};

static struct fixture *of_vf(struct ferry_vf *vf)
{
	return container_of(vf, struct fixture, vf);
}

static struct fixture *of_session(struct ferry_session *session)
{
	return container_of(session, struct fixture, session);
}

int told_try(struct ferry_slot *slot)
{
	struct fixture *f = container_of(slot, struct fixture, vf.slot);

	f->tries++;
	if (f->lost_meanwhile)
		ferry_queue_lose_track(&f->session.queue);
	return f->busy && f->busy-- ? -EBUSY : f->slot;
}

int told_take(struct ferry_slot *slot)
{
	struct fixture *f = container_of(slot, struct fixture, vf.slot);

	f->takes++;
	return f->slot;
}

void told_give(struct ferry_vf *vf)
{
	of_vf(vf)->gives++;
}

int told_full(struct ferry_vf *vf, struct vfio_ferry_estimate *estimate)
{
	struct fixture *f = of_vf(vf);

	f->questions++;
	if (!f->measured)
		vf->full_bytes = f->full;
	return f->measured;
}

int told_changes(struct ferry_session *session, struct vfio_ferry_estimate *estimate)
{
	struct fixture *f = of_session(session);

	*estimate = (struct vfio_ferry_estimate){ .required = f->changed };
	f->questions++;
	if (!f->measured)
		ferry_queue_expect(&session->queue, estimate, true);
	if (f->full)
		f->vf.full_bytes = f->full;
	return f->measured;
}

struct ferry_session *told_current(struct ferry_vf *vf)
{
	return vf->session;
}

void told_put(struct ferry_session *session)
{
	of_session(session)->puts++;
}

void told_kick(struct ferry_session *session)
{
	of_session(session)->kicks++;
}

void told_worker_kick(struct ferry_vf *vf)
{
	of_vf(vf)->worker_kicks++;
}

static struct fixture *fixture_of(struct kunit *test, enum ferry_phase phase)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->vf.device = &f->device;
	f->vf.session = &f->session;
	f->vf.state = VFIO_DEVICE_STATE_RUNNING;
	f->session.vf = &f->vf;
	init_waitqueue_head(&f->vf.slot.wait);
	ferry_queue_init(&f->session.queue, phase, SZ_1M);
	kref_init(&f->image.ref);
	f->image.memory.capacity = SZ_64K;
	return f;
}

/* An image is at PLACE and brings so many bytes. */
static void add_image(struct fixture *f, enum ferry_image_place place,
		      enum ferry_image_kind kind, u64 coming)
{
	f->image.kind = kind;
	f->image.coming = coming;
	ferry_queue_add(&f->session.queue, &f->image, FERRY_IMAGE_HELD);
	ferry_queue_move(&f->session.queue, &f->image, place);
}

static void info_of(struct kunit *test, struct fixture *f, int err, u64 initial, u64 dirty)
{
	struct vfio_precopy_info info = {};

	KUNIT_EXPECT_EQ(test, ferry_estimate_precopy(&f->session, &info), err);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, initial);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, dirty);
}

/* Unread bytes, the image under way with what is around it, and what follows a middle one. */
static void it_adds_up(struct kunit *test)
{
	static const struct {
		bool image;
		enum ferry_image_kind kind;
		u64 initial, dirty;
	} sums[] = {
		{ false, 0, 100, 20 },
		{ true, FERRY_IMAGE_INITIAL, 100 + 4000 + FERRY_WIRE_IMAGE_OVERHEAD, 20 },
		{ true, FERRY_IMAGE_MIDDLE, 100, 20 + 4000 + FERRY_WIRE_IMAGE_OVERHEAD + 700 },
	};

	for (int paused = 0; paused < 2; paused++) {
		for (int place = FERRY_IMAGE_PENDING; place <= FERRY_IMAGE_FIRMWARE; place++) {
			for (int i = 0; i < ARRAY_SIZE(sums); i++) {
				struct fixture *f = fixture_of(test, paused ? FERRY_PHASE_PAUSED :
							       FERRY_PHASE_PRECOPY);
				struct ferry_queue *queue = &f->session.queue;

				queue->unread_initial = 100;
				queue->unread_dirty = 20;
				if (sums[i].image) {
					add_image(f, place, sums[i].kind, 4000);
					queue->outlook.changed = 700;
				}
				info_of(test, f, 0, sums[i].initial, sums[i].dirty);
				KUNIT_EXPECT_EQ(test, f->questions, !paused && !sums[i].image);
				KUNIT_EXPECT_EQ(test, f->kicks, 0);
				KUNIT_EXPECT_FALSE(test, queue->outlook.asked);
			}
		}
	}
}

/* One that somebody holds, for whatever, is not on its way to be saved. */
static void an_image_that_is_held_brings_nothing(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PAUSED);

	f->image.kind = FERRY_IMAGE_INITIAL;
	f->image.coming = 4000;
	ferry_queue_add(&f->session.queue, &f->image, FERRY_IMAGE_HELD);
	info_of(test, f, 0, 0, 0);
}

/* What has changed by now is said, and saved for who has read all there is. */
static void the_firmware_is_asked(struct kunit *test)
{
	static const struct { u64 changed, initial, dirty; bool kicked; } answers[] = {
		{ 0, 0, 0, false },
		{ 5000, 0, 0, true },
		{ 5000, 30, 0, false },
		{ 5000, 0, 30, false },
	};

	for (int i = 0; i < ARRAY_SIZE(answers); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_queue *queue = &f->session.queue;

		f->changed = answers[i].changed;
		queue->unread_initial = answers[i].initial;
		queue->unread_dirty = answers[i].dirty;
		f->busy = 2;
		info_of(test, f, 0, answers[i].initial, answers[i].dirty +
			(f->changed ? f->changed + FERRY_WIRE_IMAGE_OVERHEAD : 0));
		KUNIT_EXPECT_EQ(test, f->tries, 3);
		KUNIT_EXPECT_EQ(test, f->gives, 1);
		KUNIT_EXPECT_EQ(test, f->questions, 1);
		KUNIT_EXPECT_EQ(test, f->kicks, answers[i].kicked);
		KUNIT_EXPECT_EQ(test, queue->outlook.asked, answers[i].kicked);
		KUNIT_EXPECT_EQ(test, f->worker_kicks, 0);
	}
}

/* No more is asked, or it is no failure that there is no answer. */
static void the_firmware_is_left_alone(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

	f->slot = -ENOTCONN;
	info_of(test, f, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, f->questions, 0);
	f->slot = -ERESTARTSYS;
	info_of(test, f, -ERESTARTSYS, 0, 0);
	KUNIT_EXPECT_EQ(test, f->gives, 0);
	f->slot = 0;
	f->measured = -EIO;
	f->tries = 0;
	info_of(test, f, -EIO, 0, 0);
	KUNIT_EXPECT_EQ(test, f->gives, 1);
	f->measured = -ESTALE;
	info_of(test, f, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, f->gives, 2);
	f->questions = 0;
	f->lost_meanwhile = true;
	info_of(test, f, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, f->questions, 0);
	KUNIT_EXPECT_EQ(test, f->gives, 3);
	f->tries = 0;
	info_of(test, f, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, f->tries, 0);
	KUNIT_EXPECT_EQ(test, f->kicks, 0);
}

/* Who has the slot saves an image: that says enough, and is not waited for. */
static void a_save_is_not_waited_for(struct kunit *test)
{
	for (int saving = 0; saving < 2; saving++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

		if (saving)
			add_image(f, FERRY_IMAGE_FIRMWARE, FERRY_IMAGE_MIDDLE, 1);
		f->busy = 5;
		KUNIT_EXPECT_EQ(test, take_slot(&f->session), saving ? -EBUSY : 0);
		KUNIT_EXPECT_EQ(test, f->tries, saving ? 1 : 6);
	}
}

static void each_phase_has_its_answer(struct kunit *test)
{
	static const int answers[] = {
		[FERRY_PHASE_OPENED] = -EINVAL, [FERRY_PHASE_PAUSED] = 0,
		[FERRY_PHASE_PRECOPY] = 0, [FERRY_PHASE_FINAL] = -EINVAL,
		[FERRY_PHASE_SAVED] = -EINVAL, [FERRY_PHASE_RECEIVING] = -EINVAL,
		[FERRY_PHASE_SEALED] = -EINVAL, [FERRY_PHASE_CLOSED] = -ENODEV,
	};

	for (int phase = 0; phase <= FERRY_PHASE_CLOSED; phase++) {
		struct fixture *f = fixture_of(test, phase);
		struct vfio_precopy_info info = {};

		KUNIT_EXPECT_EQ(test, ferry_estimate_precopy(&f->session, &info), answers[phase]);
		f->session.queue.error = -EIO;
		KUNIT_EXPECT_EQ(test, ferry_estimate_precopy(&f->session, &info),
				answers[phase] ?: -EIO);
		KUNIT_EXPECT_EQ(test, f->kicks, 0);
	}
}

#ifdef FERRY_HAS_precopy_info_v2
/* All counts as the first look of who did not know. */
static void who_knows_is_told_of_a_new_beginning(struct kunit *test)
{
	for (int knows = 0; knows < 2; knows++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PAUSED);
		struct ferry_queue *queue = &f->session.queue;
		struct vfio_precopy_info info = {};

		f->device.core.vdev.precopy_info_v2 = knows;
		queue->unread_initial = 100;
		queue->unread_dirty = 20;
		KUNIT_EXPECT_EQ(test, ferry_estimate_precopy(&f->session, &info), 0);
		KUNIT_EXPECT_EQ(test, info.flags, 0);
		queue->outlook.reinit = knows;
		queue->outlook.reinit_untold = knows;
		for (int look = 0; look < 2; look++) {
			KUNIT_EXPECT_EQ(test, ferry_estimate_precopy(&f->session, &info), 0);
			KUNIT_EXPECT_EQ(test, info.flags,
					knows && !look ? FERRY_PRECOPY_REINIT : 0);
			KUNIT_EXPECT_EQ(test, info.initial_bytes, knows && !look ? 120 : 100);
			KUNIT_EXPECT_EQ(test, info.dirty_bytes, knows && !look ? 0 : 20);
		}
		/* and what comes then is its initial image */
		queue->phase = FERRY_PHASE_PRECOPY;
		f->changed = 1000;
		KUNIT_EXPECT_EQ(test, ferry_estimate_precopy(&f->session, &info), 0);
		KUNIT_EXPECT_EQ(test, info.initial_bytes,
				100 + (knows ? 1000 + FERRY_WIRE_IMAGE_OVERHEAD : 0));
	}
}
#endif

/* A reserve that is too small now follows while there is time. */
static void the_worker_hears_of_more_state(struct kunit *test)
{
	static const u64 full[] = { SZ_4K, SZ_4K + 1 };

	for (int i = 0; i < 2; i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		u64 bytes;

		f->vf.full_bytes = SZ_4K;
		f->full = full[i];
		info_of(test, f, 0, 0, 0);
		KUNIT_EXPECT_EQ(test, f->worker_kicks, i);
		f->vf.session = NULL;
		f->vf.full_bytes = SZ_4K;
		KUNIT_EXPECT_EQ(test, ferry_estimate_stop(&f->vf, &bytes), 0);
		KUNIT_EXPECT_EQ(test, f->worker_kicks, 2 * i);
	}
}

#define AROUND (FERRY_WIRE_IDENTITY_BYTES + FERRY_WIRE_SHAPE_BYTES + \
		FERRY_WIRE_IMAGE_OVERHEAD + FERRY_WIRE_END_BYTES)

static void a_stop_brings_all_of_the_state(struct kunit *test)
{
	static const struct {
		enum vfio_device_mig_state state;
		u64 known;		/* of its size */
		int slot, measured, err;
		u64 bytes;
		unsigned int tries, takes, questions, gives;
	} stops[] = {
		{ VFIO_DEVICE_STATE_RUNNING, 0, 0, 0, 0, 7000, 0, 1, 1, 1 },
		{ VFIO_DEVICE_STATE_RUNNING, 5000, 0, 0, 0, 7000, 1, 0, 1, 1 },
		{ VFIO_DEVICE_STATE_RUNNING, 5000, -EBUSY, 0, 0, 5000, 1, 0, 0, 0 },
		{ VFIO_DEVICE_STATE_RUNNING, 5000, 0, -EIO, 0, 5000, 1, 0, 1, 1 },
		{ VFIO_DEVICE_STATE_RUNNING, 0, 0, -EIO, -EIO, 0, 0, 1, 1, 1 },
		{ VFIO_DEVICE_STATE_RUNNING, 0, -ENOTCONN, 0, -ENOTCONN, 0, 0, 1, 0, 0 },
		{ VFIO_DEVICE_STATE_RESUMING, 0, 0, 0, 0, 0, 0, 1, 0, 1 },
		{ VFIO_DEVICE_STATE_RESUMING, 0, -ENOTCONN, 0, 0, 0, 0, 1, 0, 0 },
		{ VFIO_DEVICE_STATE_ERROR, 0, -ENOTCONN, 0, 0, 0, 0, 1, 0, 0 },
		{ VFIO_DEVICE_STATE_ERROR, 5000, 0, 0, 0, 5000, 1, 0, 0, 1 },
	};

	for (int i = 0; i < ARRAY_SIZE(stops); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		u64 bytes = 1;

		if (i & 1)
			f->vf.session = NULL;
		f->vf.state = stops[i].state;
		f->vf.full_bytes = stops[i].known;
		f->full = 7000;
		f->slot = stops[i].slot;
		f->measured = stops[i].measured;
		KUNIT_EXPECT_EQ_MSG(test, ferry_estimate_stop(&f->vf, &bytes), stops[i].err,
				    "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, bytes, stops[i].err ? 0 : stops[i].bytes + AROUND,
				    "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->tries, stops[i].tries, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->takes, stops[i].takes, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->questions, stops[i].questions, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->gives, stops[i].gives, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->puts, !(i & 1), "%d", i);
	}
}

static void a_final_image_says_what_is_left_of_it(struct kunit *test)
{
	for (int phase = 0; phase <= FERRY_PHASE_CLOSED; phase++) {
		struct fixture *f = fixture_of(test, phase);
		struct ferry_queue *queue = &f->session.queue;
		bool final = phase == FERRY_PHASE_FINAL || phase == FERRY_PHASE_SAVED;
		u64 bytes, sum = 100 + 20 + 700 + FERRY_WIRE_END_BYTES;

		queue->unread_initial = 100;
		queue->unread_dirty = 20;
		queue->outlook.changed = 700;
		KUNIT_EXPECT_EQ(test, ferry_estimate_final(&f->session), final ? sum : 0);
		if (phase == FERRY_PHASE_CLOSED)
			continue;
		add_image(f, FERRY_IMAGE_FIRMWARE, FERRY_IMAGE_FINAL, 4000);
		sum += 4000 + FERRY_WIRE_IMAGE_OVERHEAD;
		KUNIT_EXPECT_EQ(test, ferry_estimate_final(&f->session), final ? sum : 0);
		if (!final)
			continue;
		KUNIT_EXPECT_EQ(test, ferry_estimate_stop(&f->vf, &bytes), 0);
		KUNIT_EXPECT_EQ(test, bytes, sum);
		KUNIT_EXPECT_EQ(test, f->tries + f->takes, 0);
		KUNIT_EXPECT_EQ(test, f->puts, 1);
	}
}

static struct kunit_case estimate_cases[] = {
	KUNIT_CASE(it_adds_up),
	KUNIT_CASE(an_image_that_is_held_brings_nothing),
	KUNIT_CASE(the_firmware_is_asked),
	KUNIT_CASE(the_firmware_is_left_alone),
	KUNIT_CASE(a_save_is_not_waited_for),
	KUNIT_CASE(each_phase_has_its_answer),
#ifdef FERRY_HAS_precopy_info_v2
	KUNIT_CASE(who_knows_is_told_of_a_new_beginning),
#endif
	KUNIT_CASE(the_worker_hears_of_more_state),
	KUNIT_CASE(a_stop_brings_all_of_the_state),
	KUNIT_CASE(a_final_image_says_what_is_left_of_it),
	{}
};

static struct kunit_suite estimate_suite = {
	.name = "ferry-estimate",
	.test_cases = estimate_cases,
};

kunit_test_suite(estimate_suite);
