// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the worker's two jobs: what it saves next, with which memory
 * and what becomes of that, and what it loads. The real queue; memory,
 * firmware and the command slot are made up.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#define ferry_slot_take		worked_take
#define ferry_slot_want		worked_want
#define ferry_slot_give		worked_give
#define ferry_worker_kick	worked_kick
#define ferry_worker_kick_later	worked_kick_later
#define ferry_vf_refuse		worked_refuse
#define ferry_command_query	worked_query
#define ferry_command_save	worked_save
#define ferry_command_load	worked_load
#define ferry_image_new		worked_new
#define ferry_image_missing	worked_missing
#define ferry_image_grow	worked_grow
#define ferry_image_is_shared	worked_shared
#define ferry_image_map		worked_map
#define ferry_image_discard	worked_discard

#include "../measure.c"
#include "../save_image.c"
#include "../save_work.c"
#include "../load.c"

#define MOST	8
#define PART	SZ_64K

struct saved {
	enum ferry_image_kind kind;
	unsigned int flags;
	u64 capacity;
};

struct fixture {
	struct ferry_vf vf;
	struct ferry_session session;
	struct vfio_ferry_device device;
	struct pci_dev pdev;
	struct ferry_image images[MOST];
	unsigned int nr_images, discarded;
	int want_err, take_err, grow_err, map_err, save_err, load_err;
	unsigned int fails_after;	/* so many that succeed */
	bool taken, given_without, shared;
	u64 part;			/* of a firmware that saves in parts */
	u64 required;			/* what it says of the next image */
	int query_err;
	bool incremental;
	u64 length;			/* of what it saves, the rest of it is behind that */
	u64 next_part;
	struct saved saves[MOST];
	unsigned int nr_saves, nr_loads, queries, maps, grows;
	u64 grown;
	enum ferry_effort effort;
	unsigned long later;
	unsigned int refusals, kicks;
};

static struct fixture *of_vf(struct ferry_vf *vf)
{
	return container_of(vf, struct fixture, vf);
}

static struct fixture *of_image(struct ferry_image *image)
{
	return container_of(image->session, struct fixture, session);
}

static int take(struct ferry_slot *slot, int err)
{
	struct fixture *f = container_of(slot, struct fixture, vf.slot);

	if (!err)
		f->taken = true;
	return err;
}

int worked_take(struct ferry_slot *slot)
{
	return take(slot, container_of(slot, struct fixture, vf.slot)->take_err);
}

int worked_want(struct ferry_slot *slot)
{
	return take(slot, container_of(slot, struct fixture, vf.slot)->want_err);
}

void worked_give(struct ferry_vf *vf)
{
	of_vf(vf)->given_without |= !of_vf(vf)->taken;
	of_vf(vf)->taken = false;
}

/* It works at once. */
void worked_kick(struct ferry_vf *vf)
{
	of_vf(vf)->kicks++;
	ferry_save_work(&of_vf(vf)->session);
}

void worked_kick_later(struct ferry_vf *vf, unsigned long delay)
{
	of_vf(vf)->later = delay;
}

void worked_refuse(struct ferry_vf *vf, const char *format, ...)
{
	of_vf(vf)->refusals++;
}

int worked_query(struct ferry_vf *vf, bool incremental, struct vfio_ferry_estimate *estimate)
{
	struct fixture *f = of_vf(vf);

	f->queries++;
	f->incremental = incremental;
	*estimate = (struct vfio_ferry_estimate){ .required = f->required, .total = f->required };
	return f->query_err;
}

int worked_save(struct ferry_vf *vf, struct ferry_image *image, u64 *next_part)
{
	struct fixture *f = of_vf(vf);

	f->saves[f->nr_saves++ % MOST] = (struct saved){ image->kind, image->save_flags,
							 image->memory.capacity };
	f->given_without |= !f->taken || image->place != FERRY_IMAGE_FIRMWARE;
	image->memory.length = f->length;
	*next_part = f->next_part;
	f->next_part = 0;
	return f->save_err;
}

int worked_load(struct ferry_vf *vf, struct ferry_image *image)
{
	struct fixture *f = of_vf(vf);

	f->nr_loads++;
	f->given_without |= !f->taken || image->place != FERRY_IMAGE_FIRMWARE;
	return f->load_err;
}

static struct ferry_image *image_of(struct fixture *f, u64 capacity)
{
	struct ferry_image *image = &f->images[f->nr_images++ % MOST];

	memset(image, 0, sizeof(*image));
	kref_init(&image->ref);
	image->session = &f->session;
	image->memory.capacity = capacity;
	image->kind = FERRY_IMAGE_MIDDLE;
	ferry_queue_add(&f->session.queue, image, FERRY_IMAGE_HELD);
	return image;
}

static struct ferry_image *spare_of(struct fixture *f, u64 capacity)
{
	struct ferry_image *image = image_of(f, capacity);

	ferry_queue_move(&f->session.queue, image, FERRY_IMAGE_SPARE);
	return image;
}

struct ferry_image *worked_new(struct ferry_session *session, enum ferry_image_place place)
{
	return image_of(container_of(session, struct fixture, session), 0);
}

u64 worked_missing(struct ferry_image *image, u64 bytes)
{
	return bytes > image->memory.capacity ? bytes - image->memory.capacity : 0;
}

int worked_grow(struct ferry_image *image, u64 bytes, enum ferry_effort effort)
{
	struct fixture *f = of_image(image);

	f->grows++;
	f->grown = bytes;
	f->effort = effort;
	if (f->grow_err && !f->fails_after)
		return f->grow_err;
	if (f->fails_after)
		f->fails_after--;
	image->memory.capacity = max(image->memory.capacity, bytes);
	return 0;
}

bool worked_shared(struct ferry_image *image)
{
	return of_image(image)->shared && image == &of_image(image)->images[0];
}

int worked_map(struct ferry_vf *vf, struct ferry_image *image)
{
	of_vf(vf)->maps++;
	return of_vf(vf)->map_err;
}

void worked_discard(struct ferry_vf *vf, struct ferry_image *image)
{
	of_vf(vf)->discarded++;
	ferry_queue_move(&image->session->queue, image, FERRY_IMAGE_GONE);
}

static u64 part_bytes(struct vfio_ferry_device *device)
{
	return container_of(device, struct fixture, device)->part;
}

static const struct vfio_ferry_ops backend = { .part_bytes = part_bytes };

static struct fixture *fixture_of(struct kunit *test, enum ferry_phase phase)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->pdev.dev.init_name = "work_test";
	f->device.ops = &backend;
	f->device.core.pdev = &f->pdev;
	f->vf.device = &f->device;
	f->vf.max_image = SZ_1G;
	mutex_init(&f->vf.state_mutex);
	init_waitqueue_head(&f->vf.slot.wait);
	f->session.vf = &f->vf;
	ferry_queue_init(&f->session.queue, phase, SZ_1G);
	f->length = SZ_4K;
	/* no reserve, but where a test wants one */
	f->session.queue.outlook.reserve = U64_MAX;
	return f;
}

static unsigned int at(struct fixture *f, unsigned int places)
{
	guard(spinlock)(&f->session.queue.lock);
	return ferry_queue_count(&f->session.queue, places);
}

static void expect_sound(struct kunit *test, struct fixture *f)
{
	KUNIT_EXPECT_FALSE(test, f->taken);
	KUNIT_EXPECT_FALSE(test, f->given_without);
}

/* Sizes */

static void room_for_what_may_come(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

	KUNIT_EXPECT_EQ(test, ferry_final_bytes(&f->vf, 1), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ferry_final_bytes(&f->vf, SZ_8K), SZ_8K);
	KUNIT_EXPECT_EQ(test, ferry_tracked_bytes(&f->vf, SZ_4K), SZ_4K + SZ_1M);
	KUNIT_EXPECT_EQ(test, ferry_tracked_bytes(&f->vf, SZ_64M), SZ_64M + SZ_8M);
	KUNIT_EXPECT_EQ(test, ferry_tracked_bytes(&f->vf, SZ_1G), SZ_1G);
	f->vf.full_bytes = SZ_16M;
	KUNIT_EXPECT_EQ(test, ferry_reserve_bytes(&f->vf), SZ_16M + SZ_2M);
	f->part = SZ_8M;
	KUNIT_EXPECT_EQ(test, ferry_final_bytes(&f->vf, SZ_4K), SZ_8M);
	KUNIT_EXPECT_EQ(test, ferry_final_bytes(&f->vf, SZ_16M), SZ_16M);
	KUNIT_EXPECT_EQ(test, ferry_reserve_bytes(&f->vf), SZ_8M);
}

static void what_the_firmware_says_is_kept(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_queue *queue = &f->session.queue;
	struct vfio_ferry_estimate estimate;

	f->required = SZ_8K;
	KUNIT_EXPECT_EQ(test, ferry_measure(&f->session, false, &estimate), 0);
	KUNIT_EXPECT_FALSE(test, f->incremental);
	KUNIT_EXPECT_EQ(test, f->vf.full_bytes, SZ_8K);
	KUNIT_EXPECT_EQ(test, queue->outlook.changed, SZ_8K);
	f->required = SZ_4K;
	KUNIT_EXPECT_EQ(test, ferry_measure(&f->session, true, &estimate), 0);
	KUNIT_EXPECT_TRUE(test, f->incremental);
	KUNIT_EXPECT_EQ(test, f->vf.full_bytes, SZ_8K);
	KUNIT_EXPECT_EQ(test, queue->outlook.changed, SZ_4K);
	f->required = SZ_16K;
	KUNIT_EXPECT_EQ(test, ferry_measure(&f->session, true, &estimate), 0);
	KUNIT_EXPECT_EQ(test, f->vf.full_bytes, SZ_16K);
	f->query_err = -EIO;
	f->required = SZ_64K;
	KUNIT_EXPECT_EQ(test, ferry_measure(&f->session, false, &estimate), -EIO);
	KUNIT_EXPECT_EQ(test, ferry_measure(&f->session, true, &estimate), -EIO);
	KUNIT_EXPECT_EQ(test, f->vf.full_bytes, SZ_16K);
	KUNIT_EXPECT_FALSE(test, queue->outlook.untracked);
	f->query_err = -ESTALE;
	for (int i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, ferry_measure(&f->session, true, &estimate), -ESTALE);
	KUNIT_EXPECT_TRUE(test, queue->outlook.untracked);
	KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.tracks_lost), 1);
}

/* Memory to save into */

static void the_best_memory_is_taken(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *shared = spare_of(f, SZ_64K), *image;
	struct ferry_image *small = spare_of(f, SZ_4K), *large = spare_of(f, SZ_1M);
	bool made = true;

	f->shared = true;
	image = ferry_save_image_get(&f->session, SZ_32K, &made);
	KUNIT_EXPECT_PTR_EQ(test, image, large);
	KUNIT_EXPECT_FALSE(test, made);
	KUNIT_EXPECT_EQ(test, shared->place, FERRY_IMAGE_GONE);
	KUNIT_EXPECT_EQ(test, f->maps, 1);
	image = ferry_save_image_get(&f->session, SZ_32K, &made);
	KUNIT_EXPECT_PTR_EQ(test, image, small);
	KUNIT_EXPECT_TRUE(test, made);
	KUNIT_EXPECT_EQ(test, image->memory.capacity, SZ_32K);
	KUNIT_EXPECT_EQ(test, f->effort, FERRY_EFFORT_NEEDED);
	image = ferry_save_image_get(&f->session, SZ_32K, NULL);
	KUNIT_EXPECT_PTR_EQ(test, image, &f->images[3]);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_HELD);
}

/* Where the budget ends, spare memory is given back for it. */
static void memory_that_is_not_there(struct kunit *test)
{
	static const struct {
		int grow, map;
		int err;
		unsigned int grows, discarded, spare;
	} failures[] = {
		{ -ENOMEM, 0, -ENOMEM, 1, 1, 1 },
		{ -ENOBUFS, 0, -ENOBUFS, 2, 2, 0 },
		{ 0, -EIO, -EIO, 1, 1, 1 },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

		spare_of(f, SZ_4K);
		spare_of(f, SZ_64K);
		f->grow_err = failures[i].grow;
		f->map_err = failures[i].map;
		KUNIT_EXPECT_EQ(test, PTR_ERR(ferry_save_image_get(&f->session, SZ_8K, NULL)),
				failures[i].err);
		KUNIT_EXPECT_EQ(test, f->grows, failures[i].grows);
		KUNIT_EXPECT_EQ(test, f->discarded, failures[i].discarded);
		KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(SPARE)), failures[i].spare);
		KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(HELD)), 0);
	}
}

/* While memory is looked for, the function goes on. */
static void what_takes_its_time_is_measured_again(struct kunit *test)
{
	static const struct { u64 first, later; int err; unsigned int queries, grows; } cases[] = {
		{ SZ_4K, SZ_4K, 0, 1, 1 },
		{ SZ_4K, SZ_8M, 0, 2, 2 },
		{ SZ_4K, SZ_4K, -EIO, 1, 1 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct vfio_ferry_estimate estimate = { .required = cases[i].first };
		struct ferry_image *image;

		f->required = cases[i].later;
		f->query_err = cases[i].err;
		image = ferry_save_image_tracked(&f->session, true, &estimate);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(image), cases[i].err);
		KUNIT_EXPECT_EQ(test, f->queries, cases[i].queries);
		KUNIT_EXPECT_EQ(test, f->grows, cases[i].grows);
		KUNIT_EXPECT_TRUE(test, f->incremental);
		KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(SPARE)), !!cases[i].err);
		if (!IS_ERR(image))
			KUNIT_EXPECT_EQ(test, image->memory.capacity,
					ferry_tracked_bytes(&f->vf, cases[i].later));
	}
}

static void tracking_ends_with_what_there_is(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PAUSED);
	struct ferry_image *longest;

	spare_of(f, SZ_4K);
	longest = spare_of(f, SZ_64K);
	f->grow_err = -ENOMEM;
	KUNIT_EXPECT_PTR_EQ(test, ferry_save_image_lend(&f->session, SZ_1M), longest);
	KUNIT_EXPECT_EQ(test, f->effort, FERRY_EFFORT_WELCOME);
	f->map_err = -EIO;
	KUNIT_EXPECT_NULL(test, ferry_save_image_lend(&f->session, SZ_1M));
	KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(SPARE)), 0);
	f->map_err = 0;
	f->grow_err = 0;
	KUNIT_EXPECT_EQ(test, ferry_save_image_lend(&f->session, SZ_1M)->memory.capacity, SZ_1M);
}

/* The reserve follows the state, is tried once for each size, and is spare in the end. */
static void a_reserve_is_set_aside(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_queue *queue = &f->session.queue;
	struct ferry_image *image;

	queue->outlook.reserve = 0;
	f->vf.full_bytes = SZ_4K;
	image = ferry_reserve_begin(&f->session);
	KUNIT_ASSERT_NOT_NULL(test, image);
	KUNIT_EXPECT_NULL(test, ferry_reserve_begin(&f->session));
	ferry_reserve_make(image);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_RESERVE);
	KUNIT_EXPECT_EQ(test, image->memory.capacity, SZ_4K + SZ_1M);
	KUNIT_EXPECT_EQ(test, f->effort, FERRY_EFFORT_WELCOME);
	KUNIT_EXPECT_EQ(test, f->maps, 1);
	f->vf.full_bytes = SZ_8K;
	KUNIT_EXPECT_PTR_EQ(test, ferry_reserve_begin(&f->session), image);
	ferry_reserve_make(image);
	KUNIT_EXPECT_EQ(test, image->memory.capacity, SZ_8K + SZ_1M);
	KUNIT_EXPECT_EQ(test, ferry_reserve_release(queue), 0);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_SPARE);
	KUNIT_EXPECT_EQ(test, ferry_reserve_release(queue), 0);
	for (int i = 0; i < 2; i++) {
		f->vf.full_bytes += SZ_4K;
		f->grow_err = i ? 0 : -ENOMEM;
		f->map_err = i ? -EIO : 0;
		ferry_reserve_make(ferry_reserve_begin(&f->session));
		KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(RESERVE) | FERRY_AT(HELD)), 0);
		KUNIT_EXPECT_EQ(test, f->discarded, i + 1);
	}
}

/* It is there, or known not to be had, when the function stops. */
static void a_reserve_is_settled(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PAUSED);
	struct ferry_queue *queue = &f->session.queue;

	queue->outlook.reserve = 0;
	for (int i = 1; i <= 3; i++) {
		f->vf.full_bytes = i * SZ_4K;
		f->grow_err = i == 3 ? -ENOMEM : 0;
		for (int again = 0; again < 2; again++)
			KUNIT_EXPECT_EQ(test, ferry_reserve_settle(&f->session), 0);
		KUNIT_EXPECT_EQ(test, f->kicks, i);
		KUNIT_EXPECT_EQ(test, f->grown, i * SZ_4K + SZ_1M);
		KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(RESERVE)), 1);
		KUNIT_EXPECT_EQ(test, f->maps, i);
	}
	KUNIT_EXPECT_EQ(test, f->nr_saves, 0);
}

/* The worker of a save */

static void expect_saved(struct kunit *test, struct fixture *f, unsigned int nr,
			 enum ferry_image_kind kind, unsigned int flags)
{
	KUNIT_EXPECT_EQ(test, f->nr_saves, nr);
	if (nr) {
		KUNIT_EXPECT_EQ(test, f->saves[nr - 1].kind, kind);
		KUNIT_EXPECT_EQ(test, f->saves[nr - 1].flags, flags);
	}
	expect_sound(test, f);
}

#define CHANGES	(VFIO_FERRY_SAVE_INCREMENTAL | VFIO_FERRY_SAVE_TRACK)

/* Who handed the image over has left the slot to the worker. */
static void what_is_pending_is_saved(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *image = image_of(f, SZ_64K);

	image->kind = FERRY_IMAGE_INITIAL;
	image->save_flags = VFIO_FERRY_SAVE_TRACK;
	ferry_queue_move(&f->session.queue, image, FERRY_IMAGE_PENDING);
	f->taken = true;
	f->session.queue.outlook.reserve = 0;
	f->vf.full_bytes = SZ_4K;
	ferry_save_work(&f->session);
	expect_saved(test, f, 1, FERRY_IMAGE_INITIAL, VFIO_FERRY_SAVE_TRACK);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_READY);
	KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(RESERVE)), 1);
}

static void a_save_that_fails(struct kunit *test)
{
	static const struct {
		int err, error;
		bool untracked;
		enum ferry_image_place place;
	} failures[] = {
		{ -ESTALE, 0, true, FERRY_IMAGE_SPARE },
		{ -EIO, -EIO, true, FERRY_IMAGE_SPARE },
		{ -ETIMEDOUT, -EIO, true, FERRY_IMAGE_LOST },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_queue *queue = &f->session.queue;
		struct ferry_image *image = image_of(f, SZ_64K);

		ferry_queue_move(queue, image, FERRY_IMAGE_PENDING);
		f->taken = true;
		f->save_err = failures[i].err;
		ferry_save_work(&f->session);
		KUNIT_EXPECT_EQ(test, image->place, failures[i].place);
		KUNIT_EXPECT_EQ(test, queue->error, failures[i].error);
		KUNIT_EXPECT_EQ(test, queue->outlook.untracked, failures[i].untracked);
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.tracks_lost),
				failures[i].err == -ESTALE);
		expect_saved(test, f, 1, FERRY_IMAGE_MIDDLE, 0);
	}
}

/* For who was told that there is something and has nothing left to read */
static void changes_are_saved_on_demand(struct kunit *test)
{
	static const struct {
		bool asked, ready, anew;
		int want;
		unsigned int saves;
	} demands[] = {
		{ true, false, false, 0, 1 },
		{ true, false, true, 0, 1 },
		{ false, false, false, 0, 0 },
		{ true, true, false, 0, 0 },
		{ true, false, false, -EBUSY, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(demands); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_queue *queue = &f->session.queue;

		f->required = SZ_4K;
		f->want_err = demands[i].want;
		queue->outlook.changed = SZ_4K;
		queue->outlook.asked = demands[i].asked;
		queue->outlook.reinit = demands[i].anew;
		if (demands[i].ready) {
			struct ferry_image *image = image_of(f, SZ_4K);

			ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
			ferry_queue_move(queue, image, FERRY_IMAGE_READY);
		}
		ferry_save_work(&f->session);
		expect_saved(test, f, demands[i].saves, demands[i].anew ? FERRY_IMAGE_INITIAL :
			     FERRY_IMAGE_MIDDLE, CHANGES);
		KUNIT_EXPECT_EQ(test, f->queries, 2 * demands[i].saves);
	}
}

/* Nothing changed, or there is no memory for it: later again */
static void there_may_be_nothing_to_save(struct kunit *test)
{
	for (int i = 0; i < 3; i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_outlook *outlook = &f->session.queue.outlook;

		outlook->changed = SZ_4K;
		outlook->asked = true;
		f->required = i ? SZ_4K : 0;
		f->query_err = i == 1 ? -EIO : 0;
		f->grow_err = i == 2 ? -ENOMEM : 0;
		ferry_save_work(&f->session);
		expect_saved(test, f, 0, 0, 0);
		KUNIT_EXPECT_EQ(test, outlook->changed, 0);
		KUNIT_EXPECT_FALSE(test, outlook->asked);
		KUNIT_EXPECT_EQ(test, f->session.queue.error, 0);
	}
}

static void an_error_ends_all_saving(struct kunit *test)
{
	for (int phase = 0; phase < FERRY_PHASE_RECEIVING; phase++) {
		struct fixture *f = fixture_of(test, phase);
		struct ferry_queue *queue = &f->session.queue;

		f->required = SZ_4K;
		queue->outlook.changed = SZ_4K;
		queue->outlook.asked = true;
		queue->outlook.next_part = SZ_4K;
		queue->error = -EIO;
		ferry_save_work(&f->session);
		KUNIT_EXPECT_EQ(test, f->nr_saves, 0);
		queue->error = 0;
		ferry_save_work(&f->session);
		KUNIT_EXPECT_EQ(test, f->nr_saves, phase == FERRY_PHASE_PRECOPY ||
				phase == FERRY_PHASE_FINAL);
		expect_sound(test, f);
	}
}

/* In parts the next one is saved while the last is read, and three have memory. */
static void parts_are_saved_ahead(struct kunit *test)
{
	for (int final = 0; final < 2; final++) {
		for (int images = 0; images < 4; images++) {
			struct fixture *f = fixture_of(test, final ? FERRY_PHASE_FINAL :
						       FERRY_PHASE_PRECOPY);
			struct ferry_queue *queue = &f->session.queue;

			f->part = PART;
			f->required = PART;
			f->length = PART;
			queue->outlook.changed = PART;
			queue->outlook.due = PART;
			queue->outlook.next_part = final ? PART : 0;
			for (int i = 0; i < images; i++) {
				struct ferry_image *image = image_of(f, PART);

				ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
				ferry_queue_move(queue, image, FERRY_IMAGE_READY);
			}
			spare_of(f, PART);
			ferry_save_work(&f->session);
			expect_saved(test, f, images < 3, final ? FERRY_IMAGE_FINAL :
				     FERRY_IMAGE_MIDDLE, final ? VFIO_FERRY_SAVE_INCREMENTAL :
				     CHANGES);
			if (final)
				KUNIT_EXPECT_EQ(test, queue->phase, images < 3 ?
						FERRY_PHASE_SAVED : FERRY_PHASE_FINAL);
		}
	}
}

static void less_than_a_part_waits_for_who_asks(struct kunit *test)
{
	static const struct { u64 changed, due; unsigned int saves; } cases[] = {
		{ PART, PART, 1 }, { PART - 1, PART, 0 }, { PART, PART - 1, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);

		f->part = PART;
		f->required = PART;
		f->session.queue.outlook.changed = cases[i].changed;
		f->session.queue.outlook.due = cases[i].due;
		ferry_save_work(&f->session);
		KUNIT_EXPECT_EQ(test, f->nr_saves, cases[i].saves);
	}
}

/* Each with the room that the firmware asked for, until there is no more. */
static void all_parts_of_a_final_image(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_FINAL);
	struct ferry_queue *queue = &f->session.queue;

	f->part = PART;
	f->length = 0;		/* so that none waits for a reader */
	queue->outlook.next_part = SZ_128K;
	f->next_part = SZ_256K;
	ferry_save_work(&f->session);
	expect_saved(test, f, 2, FERRY_IMAGE_FINAL, VFIO_FERRY_SAVE_INCREMENTAL);
	KUNIT_EXPECT_EQ(test, f->saves[0].capacity, SZ_128K);
	KUNIT_EXPECT_EQ(test, f->saves[1].capacity, SZ_256K);
	KUNIT_EXPECT_EQ(test, queue->phase, FERRY_PHASE_SAVED);
	KUNIT_EXPECT_EQ(test, queue->outlook.next_part, 0);
	KUNIT_EXPECT_EQ(test, queue->outlook.changed, 0);
}

/* A reader may give some back; without one it is an error. */
static void a_part_without_memory(struct kunit *test)
{
	static const struct { enum ferry_image_place place; int error; } cases[] = {
		{ FERRY_IMAGE_HELD, -ENOMEM }, { FERRY_IMAGE_READY, 0 }, { FERRY_IMAGE_USER, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_FINAL);
		struct ferry_queue *queue = &f->session.queue;
		struct ferry_image *image;

		f->part = PART;
		f->grow_err = -ENOMEM;
		queue->outlook.next_part = PART;
		if (cases[i].place != FERRY_IMAGE_HELD) {
			image = image_of(f, PART);
			ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
			ferry_queue_move(queue, image, FERRY_IMAGE_READY);
			if (cases[i].place == FERRY_IMAGE_USER)
				ferry_queue_move(queue, image, FERRY_IMAGE_USER);
		}
		ferry_save_work(&f->session);
		expect_saved(test, f, 0, 0, 0);
		KUNIT_EXPECT_EQ(test, queue->error, cases[i].error);
		KUNIT_EXPECT_EQ(test, queue->outlook.next_part, PART);
	}
}

/* One spare image stays, the longest, or two for parts; after the save none. */
static void the_house_is_kept(struct kunit *test)
{
	static const struct {
		enum ferry_phase phase;
		bool parts, window;
		unsigned int spare;
	} cases[] = {
		{ FERRY_PHASE_PRECOPY, false, false, 1 },
		{ FERRY_PHASE_PRECOPY, true, false, 2 },
		{ FERRY_PHASE_SAVED, false, false, 0 },
		{ FERRY_PHASE_SAVED, false, true, 4 },
		{ FERRY_PHASE_PAUSED, false, false, 4 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, cases[i].phase);
		struct ferry_image *longest;

		spare_of(f, SZ_4K);
		longest = spare_of(f, SZ_64K);
		spare_of(f, SZ_8K);
		spare_of(f, SZ_16K);
		f->part = PART * cases[i].parts;
		f->vf.stats.window.open = cases[i].window;
		ferry_save_work(&f->session);
		KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(SPARE)), cases[i].spare);
		KUNIT_EXPECT_EQ(test, f->discarded, 4 - cases[i].spare);
		if (cases[i].spare)
			KUNIT_EXPECT_EQ(test, longest->place, FERRY_IMAGE_SPARE);
		KUNIT_EXPECT_EQ(test, f->later, 0);
	}
}

/* Who waits for changes cannot kick the worker. */
static void a_sleeper_is_looked_for(struct kunit *test)
{
	for (int due = 0; due < 2; due++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_queue *queue = &f->session.queue;
		DEFINE_WAIT_FUNC(sleeper, default_wake_function);

		queue->outlook.asked = true;
		queue->outlook.look_next = jiffies + (due ? 0 : 1000 * HZ);
		add_wait_queue(&queue->wait, &sleeper);
		ferry_save_work(&f->session);
		remove_wait_queue(&queue->wait, &sleeper);
		KUNIT_EXPECT_EQ(test, f->queries, due);
		KUNIT_EXPECT_GT(test, f->later, due ? 0 : 900 * HZ);
		KUNIT_EXPECT_LE(test, f->later, due ? HZ : 1000 * HZ);
	}
}

/* The worker of a resume */

static struct ferry_image *received(struct fixture *f)
{
	struct ferry_image *image = image_of(f, SZ_64K);

	ferry_queue_move(&f->session.queue, image, FERRY_IMAGE_SPARE);
	ferry_queue_move(&f->session.queue, image, FERRY_IMAGE_USER);
	image->memory.length = SZ_4K;
	ferry_queue_move(&f->session.queue, image, FERRY_IMAGE_READY);
	return image;
}

static void what_was_received_is_loaded(struct kunit *test)
{
	static const struct {
		int map, load, want;
		unsigned int loads;
		enum ferry_image_place first;
		int error;
	} cases[] = {
		{ 0, 0, 0, 2, FERRY_IMAGE_SPARE, 0 },
		{ -ENOMEM, 0, 0, 0, FERRY_IMAGE_SPARE, -ENOMEM },
		{ 0, -EINVAL, 0, 1, FERRY_IMAGE_SPARE, -EINVAL },
		{ 0, -ETIMEDOUT, 0, 1, FERRY_IMAGE_LOST, -ETIMEDOUT },
		{ 0, 0, -EBUSY, 0, FERRY_IMAGE_READY, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
		struct ferry_image *first = received(f);

		received(f);
		f->map_err = cases[i].map;
		f->load_err = cases[i].load;
		f->want_err = cases[i].want;
		ferry_load_work(&f->session);
		KUNIT_EXPECT_EQ(test, f->nr_loads, cases[i].loads);
		KUNIT_EXPECT_EQ(test, f->session.queue.error, cases[i].error);
		if (cases[i].first == FERRY_IMAGE_SPARE)
			/* one stays for the next that comes */
			KUNIT_EXPECT_EQ(test, at(f, FERRY_AT(SPARE)), 1);
		else
			KUNIT_EXPECT_EQ(test, first->place, cases[i].first);
		expect_sound(test, f);
	}
}

static void who_lacks_memory_gets_what_is_spare(struct kunit *test)
{
	for (int starved = 0; starved < 2; starved++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
		struct ferry_image *longest;

		spare_of(f, SZ_4K);
		longest = spare_of(f, SZ_64K);
		f->session.queue.arrival.starved = starved;
		ferry_load_work(&f->session);
		KUNIT_EXPECT_EQ(test, f->discarded, starved ? 2 : 1);
		KUNIT_EXPECT_EQ(test, longest->place, starved ? FERRY_IMAGE_GONE :
				FERRY_IMAGE_SPARE);
		KUNIT_EXPECT_FALSE(test, f->session.queue.arrival.starved);
	}
}

static void a_resume_ends_when_all_is_loaded(struct kunit *test)
{
	static const struct {
		bool whole;
		int error, take, load, err;
		unsigned int loads, refusals;
		enum ferry_phase phase;
	} ends[] = {
		{ true, 0, 0, 0, 0, 2, 0, FERRY_PHASE_SEALED },
		{ false, 0, 0, 0, -EINVAL, 0, 1, FERRY_PHASE_RECEIVING },
		{ true, -EIO, 0, 0, -EIO, 0, 0, FERRY_PHASE_RECEIVING },
		{ true, 0, -ERESTARTSYS, 0, -ERESTARTSYS, 0, 0, FERRY_PHASE_RECEIVING },
		{ true, 0, 0, -EINVAL, -EINVAL, 1, 0, FERRY_PHASE_SEALED },
	};

	for (int i = 0; i < ARRAY_SIZE(ends); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
		struct ferry_queue *queue = &f->session.queue;

		received(f);
		received(f);
		queue->arrival.whole = ends[i].whole;
		queue->error = ends[i].error;
		f->take_err = ends[i].take;
		f->load_err = ends[i].load;
		mutex_lock(&f->vf.state_mutex);
		KUNIT_EXPECT_EQ(test, ferry_load_finish(&f->vf, &f->session), ends[i].err);
		mutex_unlock(&f->vf.state_mutex);
		KUNIT_EXPECT_EQ(test, f->nr_loads, ends[i].loads);
		KUNIT_EXPECT_EQ(test, f->refusals, ends[i].refusals);
		KUNIT_EXPECT_EQ(test, queue->phase, ends[i].phase);
		expect_sound(test, f);
	}
}

static struct kunit_case work_cases[] = {
	KUNIT_CASE(room_for_what_may_come),
	KUNIT_CASE(what_the_firmware_says_is_kept),
	KUNIT_CASE(the_best_memory_is_taken),
	KUNIT_CASE(memory_that_is_not_there),
	KUNIT_CASE(what_takes_its_time_is_measured_again),
	KUNIT_CASE(tracking_ends_with_what_there_is),
	KUNIT_CASE(a_reserve_is_set_aside),
	KUNIT_CASE(a_reserve_is_settled),
	KUNIT_CASE(what_is_pending_is_saved),
	KUNIT_CASE(a_save_that_fails),
	KUNIT_CASE(changes_are_saved_on_demand),
	KUNIT_CASE(there_may_be_nothing_to_save),
	KUNIT_CASE(an_error_ends_all_saving),
	KUNIT_CASE(parts_are_saved_ahead),
	KUNIT_CASE(less_than_a_part_waits_for_who_asks),
	KUNIT_CASE(all_parts_of_a_final_image),
	KUNIT_CASE(a_part_without_memory),
	KUNIT_CASE(the_house_is_kept),
	KUNIT_CASE(a_sleeper_is_looked_for),
	KUNIT_CASE(what_was_received_is_loaded),
	KUNIT_CASE(who_lacks_memory_gets_what_is_spare),
	KUNIT_CASE(a_resume_ends_when_all_is_loaded),
	{}
};

static struct kunit_suite work_suite = {
	.name = "ferry-work",
	.test_cases = work_cases,
};

kunit_test_suite(work_suite);
