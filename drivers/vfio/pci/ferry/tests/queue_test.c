// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the queue: every move of an image that there is, and none
 * that there is not; what a reader, PRECOPY_INFO and the worker are told of
 * the images to come; when a writer has to wait. The real queue, with images
 * that have no memory.
 */
#include <kunit/test.h>

#include "../outlook.c"
#include "../queue.c"

#define BUDGET	SZ_1M

struct fixture {
	struct ferry_queue queue;
	struct ferry_image images[8];
	unsigned int used;
};

static struct fixture *fixture_of(struct kunit *test, enum ferry_phase phase)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	ferry_queue_init(&f->queue, phase, BUDGET);
	return f;
}

static struct ferry_image *new_image(struct fixture *f, u64 capacity)
{
	struct ferry_image *image = &f->images[f->used++];

	kref_init(&image->ref);
	image->memory.capacity = capacity;
	image->kind = FERRY_IMAGE_MIDDLE;
	ferry_queue_add(&f->queue, image, FERRY_IMAGE_HELD);
	return image;
}

/* An image by the shortest way from HELD. */
static struct ferry_image *image_at(struct fixture *f,
				    enum ferry_image_place place)
{
	static const enum ferry_image_place before[FERRY_NR_PLACES] = {
		[FERRY_IMAGE_SPARE] = FERRY_IMAGE_HELD,
		[FERRY_IMAGE_RESERVE] = FERRY_IMAGE_HELD,
		[FERRY_IMAGE_PENDING] = FERRY_IMAGE_HELD,
		[FERRY_IMAGE_FIRMWARE] = FERRY_IMAGE_PENDING,
		[FERRY_IMAGE_READY] = FERRY_IMAGE_FIRMWARE,
		[FERRY_IMAGE_USER] = FERRY_IMAGE_READY,
		[FERRY_IMAGE_LOST] = FERRY_IMAGE_FIRMWARE,
		[FERRY_IMAGE_GONE] = FERRY_IMAGE_SPARE,
	};
	struct ferry_image *image;

	if (place == FERRY_IMAGE_HELD)
		return new_image(f, SZ_64K);
	image = image_at(f, before[place]);
	ferry_queue_move(&f->queue, image, place);
	return image;
}

/* A row for each place that is left, a column for each that is entered. */
static const char * const may[FERRY_NR_PLACES] = {
					   /* HSRPFRULG */
	[FERRY_IMAGE_HELD] =		     "-xxxx---x",
	[FERRY_IMAGE_SPARE] =		     "x-----x-x",
	[FERRY_IMAGE_RESERVE] =		     "x-------x",
	[FERRY_IMAGE_PENDING] =		     "-x--x----",
	[FERRY_IMAGE_FIRMWARE] =	     "-x---x-x-",
	[FERRY_IMAGE_READY] =		     "x-----x-x",
	[FERRY_IMAGE_USER] =		     "-x---x--x",
	[FERRY_IMAGE_LOST] =		     "--------x",
	[FERRY_IMAGE_GONE] =		     "---------",
};

static void moves_are_those_of_the_table(struct kunit *test)
{
	for (int from = 0; from < FERRY_NR_PLACES; from++)
		for (int to = 0; to < FERRY_NR_PLACES; to++)
			KUNIT_EXPECT_EQ_MSG(test,
					    ferry_image_may_move(from, to),
					    may[from][to] == 'x',
					    "from %d to %d", from, to);
}

static void every_move_moves(struct kunit *test)
{
	for (int from = 0; from < FERRY_NR_PLACES; from++) {
		for (int to = 0; to < FERRY_NR_PLACES; to++) {
			struct fixture *f = fixture_of(test, FERRY_PHASE_FINAL);
			struct ferry_image *image = image_at(f, from);

			if (may[from][to] != 'x')
				continue;
			KUNIT_EXPECT_EQ(test, image->place, from);
			ferry_queue_move(&f->queue, image, to);
			KUNIT_EXPECT_EQ(test, image->place, to);
			KUNIT_EXPECT_EQ(test, list_empty(&f->queue.images),
					to == FERRY_IMAGE_GONE);
		}
	}
}

static void nobody_moves_what_is_gone(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_SAVED);
	struct ferry_image *image = image_at(f, FERRY_IMAGE_USER);

	ferry_queue_move(&f->queue, image, FERRY_IMAGE_GONE);
	ferry_queue_move(&f->queue, image, FERRY_IMAGE_SPARE);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_GONE);
	KUNIT_EXPECT_TRUE(test, list_empty(&f->queue.images));
}

static void closed_gives_and_takes_nothing(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_SAVED);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image more = {};
	int verdict;

	image_at(f, FERRY_IMAGE_READY);
	image_at(f, FERRY_IMAGE_SPARE);
	ferry_queue_set_phase(queue, FERRY_PHASE_CLOSED);
	ferry_queue_set_phase(queue, FERRY_PHASE_PRECOPY);
	KUNIT_EXPECT_EQ(test, queue->phase, FERRY_PHASE_CLOSED);
	KUNIT_EXPECT_FALSE(test, ferry_queue_add(queue, &more, FERRY_IMAGE_HELD));
	KUNIT_EXPECT_NULL(test, ferry_queue_next(queue, &verdict));
	KUNIT_EXPECT_EQ(test, verdict, -ENODEV);
	KUNIT_EXPECT_NULL(test, ferry_queue_take(queue, FERRY_IMAGE_SPARE,
						 FERRY_IMAGE_HELD));
	KUNIT_EXPECT_NULL(test, ferry_queue_take_spare(queue, 1,
						       FERRY_IMAGE_HELD));
}

static void ready_images_keep_their_order(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_FINAL);
	struct ferry_image *first = image_at(f, FERRY_IMAGE_FIRMWARE);
	struct ferry_image *second = image_at(f, FERRY_IMAGE_READY);
	int verdict;

	ferry_queue_move(&f->queue, first, FERRY_IMAGE_READY);
	KUNIT_EXPECT_PTR_EQ(test, ferry_queue_next(&f->queue, &verdict), second);
	KUNIT_EXPECT_PTR_EQ(test, ferry_queue_next(&f->queue, &verdict), first);
	KUNIT_EXPECT_NULL(test, ferry_queue_next(&f->queue, &verdict));
	KUNIT_EXPECT_EQ(test, kref_read(&first->ref), 2);
}

static void the_best_spare_image_is_taken(struct kunit *test)
{
	static const struct { u64 wanted, got; } cases[] = {
		{ 1, SZ_4K }, { SZ_4K, SZ_4K }, { SZ_4K + 1, SZ_16K }, { SZ_64K, SZ_64K },
		{ SZ_64K + 1, SZ_64K }, { U64_MAX, SZ_64K },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_image *image;
		u64 sizes[] = { SZ_16K, SZ_64K, SZ_4K };

		for (int k = 0; k < ARRAY_SIZE(sizes); k++)
			ferry_queue_move(&f->queue, new_image(f, sizes[k]),
					 FERRY_IMAGE_SPARE);
		image = ferry_queue_take_spare(&f->queue, cases[i].wanted,
					       FERRY_IMAGE_HELD);
		KUNIT_ASSERT_NOT_NULL(test, image);
		KUNIT_EXPECT_EQ(test, image->memory.capacity, cases[i].got);
	}
}

static void budget_is_kept(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	struct ferry_queue *queue = &f->queue;

	KUNIT_EXPECT_TRUE(test, ferry_queue_charge(queue, BUDGET - 1));
	KUNIT_EXPECT_FALSE(test, ferry_queue_charge(queue, 2));
	KUNIT_EXPECT_FALSE(test, ferry_queue_charge(queue, U64_MAX));
	KUNIT_EXPECT_TRUE(test, ferry_queue_charge(queue, 1));
	ferry_queue_uncharge(queue, BUDGET);
	KUNIT_EXPECT_TRUE(test, ferry_queue_charge(queue, BUDGET));
}

static unsigned int woken;

static int wake(struct wait_queue_entry *entry, unsigned int mode, int flags,
		void *key)
{
	woken++;
	return 0;
}

/* Whatever somebody may wait for, by whoever does it. */
static void who_waits_is_woken(struct kunit *test)
{
	static const struct vfio_ferry_estimate none = {};
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *lost = image_at(f, FERRY_IMAGE_FIRMWARE);
	struct ferry_image *image = new_image(f, SZ_64K);
	struct ferry_queue *queue = &f->queue;
	DEFINE_WAIT_FUNC(sleeper, wake);

	woken = 0;
	add_wait_queue(&queue->wait, &sleeper);
	ferry_queue_expect(queue, &none, false);
	ferry_queue_charge(queue, 1);
	KUNIT_EXPECT_EQ(test, woken, 0);
	ferry_queue_uncharge(queue, 1);
	KUNIT_EXPECT_EQ(test, woken, 1);
	ferry_queue_assign(queue, image, FERRY_IMAGE_PENDING);
	KUNIT_EXPECT_EQ(test, woken, 2);
	ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
	KUNIT_EXPECT_EQ(test, woken, 3);
	ferry_queue_saved(queue, image, 0);
	KUNIT_EXPECT_EQ(test, woken, 4);
	ferry_queue_look_later(queue);
	KUNIT_EXPECT_EQ(test, woken, 5);
	ferry_queue_lose_track(queue);
	KUNIT_EXPECT_EQ(test, woken, 6);
	ferry_queue_save_failed(queue, lost, -ESTALE);
	KUNIT_EXPECT_EQ(test, woken, 7);
	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_EQ(test, woken, 8);
	ferry_queue_set_phase(queue, FERRY_PHASE_CLOSED);
	KUNIT_EXPECT_EQ(test, woken, 9);
	remove_wait_queue(&queue->wait, &sleeper);
}

/* Saves */

static void expect(struct ferry_queue *queue, u64 bytes)
{
	struct vfio_ferry_estimate estimate = { .required = bytes };

	ferry_queue_expect(queue, &estimate, true);
}

static enum ferry_prospect prospect(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return ferry_queue_prospect(queue);
}

/* What a reader gets who finds no image says the same as the prospect. */
static void expect_prospect(struct kunit *test, struct ferry_queue *queue,
			    enum ferry_prospect wanted, int verdict)
{
	int said;

	KUNIT_EXPECT_EQ(test, prospect(queue), wanted);
	KUNIT_EXPECT_NULL(test, ferry_queue_next(queue, &said));
	KUNIT_EXPECT_EQ(test, said, verdict);
	KUNIT_EXPECT_EQ(test, ferry_queue_reader_waits(queue),
			verdict == -EAGAIN);
}

static void prospects_of_a_precopy(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_OPENED);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = new_image(f, SZ_64K);

	expect_prospect(test, queue, FERRY_PROSPECT_IMAGE, -EAGAIN);
	ferry_queue_begin(queue, true, SZ_64K);
	expect_prospect(test, queue, FERRY_PROSPECT_NONE, -ENOMSG);
	expect(queue, SZ_64K);
	ferry_queue_assign(queue, image, FERRY_IMAGE_PENDING);
	expect_prospect(test, queue, FERRY_PROSPECT_IMAGE, -EAGAIN);
	ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
	ferry_queue_set_phase(queue, FERRY_PHASE_PRECOPY);
	expect_prospect(test, queue, FERRY_PROSPECT_IMAGE, -EAGAIN);
	ferry_queue_saved(queue, image, 0);	/* of no bytes */
	expect_prospect(test, queue, FERRY_PROSPECT_UNKNOWN, -ENOMSG);
	expect(queue, SZ_4K);
	expect_prospect(test, queue, FERRY_PROSPECT_CHANGES, -EAGAIN);
	ferry_queue_lose_track(queue);
	expect_prospect(test, queue, FERRY_PROSPECT_NONE, -ENOMSG);
	ferry_queue_set_phase(queue, FERRY_PHASE_FINAL);
	expect_prospect(test, queue, FERRY_PROSPECT_IMAGE, -EAGAIN);
	ferry_queue_set_phase(queue, FERRY_PHASE_SAVED);
	expect_prospect(test, queue, FERRY_PROSPECT_END, 0);
}

static void a_save_that_fails(struct kunit *test)
{
	static const struct {
		enum ferry_image_kind kind;
		int err;
		enum ferry_image_place place;
		int error;
	} failures[] = {
		{ FERRY_IMAGE_MIDDLE, -ESTALE, FERRY_IMAGE_SPARE, 0 },
		{ FERRY_IMAGE_INITIAL, -ESTALE, FERRY_IMAGE_SPARE, 0 },
		{ FERRY_IMAGE_FINAL, -ESTALE, FERRY_IMAGE_SPARE, -EIO },
		{ FERRY_IMAGE_MIDDLE, -ENOMEM, FERRY_IMAGE_SPARE, -EIO },
		{ FERRY_IMAGE_INITIAL, -EIO, FERRY_IMAGE_SPARE, -EIO },
		{ FERRY_IMAGE_MIDDLE, -ETIMEDOUT, FERRY_IMAGE_LOST, -EIO },
		{ FERRY_IMAGE_FINAL, -ETIMEDOUT, FERRY_IMAGE_LOST, -EIO },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
		struct ferry_queue *queue = &f->queue;
		struct ferry_image *image = image_at(f, FERRY_IMAGE_FIRMWARE);

		image->kind = failures[i].kind;
		expect(queue, SZ_4K);
		ferry_queue_save_failed(queue, image, failures[i].err);
		KUNIT_EXPECT_EQ(test, image->place, failures[i].place);
		KUNIT_EXPECT_EQ(test, queue->error, failures[i].error);
		expect_prospect(test, queue, FERRY_PROSPECT_NONE,
				failures[i].error ?: -ENOMSG);
		KUNIT_EXPECT_FALSE(test, ferry_queue_lose_track(queue));
	}
}

/* What the firmware says, and what of that is believed. */
static void expect_belief(struct kunit *test, struct ferry_queue *queue,
			  u64 required, u64 total, u64 bytes)
{
	struct vfio_ferry_estimate estimate = { .required = required,
						.total = total };

	ferry_queue_expect(queue, &estimate, true);
	KUNIT_EXPECT_EQ(test, queue->outlook.changed, bytes);
}

/* An image of these bytes is saved, has been read, and is HELD again. */
static void save_bytes(struct ferry_queue *queue, struct ferry_image *image,
		       u64 bytes)
{
	ferry_queue_assign(queue, image, FERRY_IMAGE_FIRMWARE);
	image->memory.length = bytes;
	ferry_queue_saved(queue, image, 0);
	ferry_queue_move(queue, image, FERRY_IMAGE_HELD);
}

static void a_total_is_believed_while_it_shrinks(struct kunit *test)
{
	static const struct vfio_ferry_estimate anew = {
		.required = SZ_4K, .total = SZ_512K, .reinit = true,
	};
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *image = new_image(f, SZ_64K);
	struct ferry_queue *queue = &f->queue;

	expect_belief(test, queue, SZ_4K, SZ_256K, SZ_256K);
	expect_belief(test, queue, SZ_4K, SZ_512K, SZ_512K);
	expect_belief(test, queue, SZ_4K, SZ_256K, SZ_256K);
	save_bytes(queue, image, SZ_64K);
	expect_belief(test, queue, SZ_4K, SZ_256K, SZ_4K);
	expect_belief(test, queue, SZ_4K, SZ_128K, SZ_128K);
	ferry_queue_expect(queue, &anew, false);
	KUNIT_EXPECT_EQ(test, queue->outlook.changed, SZ_512K);
	expect_belief(test, queue, 0, SZ_128K, 0);
	KUNIT_EXPECT_EQ(test, prospect(queue), FERRY_PROSPECT_UNKNOWN);
	ferry_queue_lose_track(queue);
	expect_belief(test, queue, SZ_4K, SZ_512K, SZ_512K);
}

/* The user is told once of each time, until the initial image of it came. */
static void a_function_begins_anew(struct kunit *test)
{
	static const struct vfio_ferry_estimate anew = {
		.required = SZ_4K, .total = SZ_512K, .reinit = true,
	};
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *image = new_image(f, SZ_64K);
	struct ferry_queue *queue = &f->queue;

	ferry_queue_expect(queue, &anew, false);
	KUNIT_EXPECT_FALSE(test, queue->outlook.reinit_untold);
	for (int times = 0; times < 2; times++) {
		ferry_queue_expect(queue, &anew, true);
		KUNIT_EXPECT_TRUE(test, queue->outlook.reinit);
		KUNIT_EXPECT_TRUE(test, queue->outlook.reinit_untold);
		queue->outlook.reinit_untold = false;
		ferry_queue_expect(queue, &anew, true);
		KUNIT_EXPECT_FALSE(test, queue->outlook.reinit_untold);
		image->kind = FERRY_IMAGE_MIDDLE;
		save_bytes(queue, image, SZ_64K);
		KUNIT_EXPECT_TRUE(test, queue->outlook.reinit);
		image->kind = FERRY_IMAGE_INITIAL;
		save_bytes(queue, image, SZ_64K);
		KUNIT_EXPECT_FALSE(test, queue->outlook.reinit);
	}
}

/* A busy function changes as fast as it is saved: a round ends nevertheless. */
static void a_round_brings_what_was_due(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *image = new_image(f, SZ_64K);
	struct ferry_queue *queue = &f->queue;

	for (int parts = 0; parts < 4; parts++) {
		expect(queue, SZ_256K);
		save_bytes(queue, image, SZ_64K);
		KUNIT_EXPECT_EQ(test, prospect(queue), parts < 3 ?
				FERRY_PROSPECT_CHANGES :
				FERRY_PROSPECT_UNKNOWN);
	}
}

static void the_same_again_is_saved_less_often(struct kunit *test)
{
	static const struct { u64 bytes; unsigned int ms; } rounds[] = {
		{ SZ_64K, 500 }, { SZ_64K, 1000 }, { SZ_64K - 1, 2000 },
		{ SZ_64K, 4000 }, { SZ_64K, 4000 }, { SZ_32K, 500 },
		{ SZ_64K, 1000 }, { SZ_4K, 500 },
	};
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_image *image = new_image(f, SZ_64K);
	struct ferry_queue *queue = &f->queue;

	for (int i = 0; i < ARRAY_SIZE(rounds); i++) {
		expect(queue, rounds[i].bytes);
		save_bytes(queue, image, rounds[i].bytes);
		KUNIT_EXPECT_EQ_MSG(test, queue->outlook.pause,
				    msecs_to_jiffies(rounds[i].ms),
				    "round %d", i);
	}
}

static bool wants_look(struct ferry_queue *queue, bool *sleeper)
{
	guard(spinlock)(&queue->lock);
	return ferry_queue_wants_look(queue, sleeper);
}

static void who_sleeps_is_looked_for_sooner(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_queue *queue = &f->queue;
	struct ferry_outlook *outlook = &queue->outlook;
	DEFINE_WAIT_FUNC(poller, default_wake_function);
	unsigned long now;
	bool sleeper;

	outlook->look_next = jiffies - 1;
	outlook->pause_end = jiffies + 3600 * HZ;
	KUNIT_EXPECT_FALSE(test, wants_look(queue, &sleeper));
	ferry_queue_ask(queue);
	KUNIT_EXPECT_FALSE(test, wants_look(queue, &sleeper));
	KUNIT_EXPECT_FALSE(test, sleeper);
	add_wait_queue(&queue->wait, &poller);
	KUNIT_EXPECT_TRUE(test, wants_look(queue, &sleeper));
	KUNIT_EXPECT_TRUE(test, sleeper);
	image_at(f, FERRY_IMAGE_READY);
	KUNIT_EXPECT_FALSE(test, wants_look(queue, &sleeper));
	remove_wait_queue(&queue->wait, &poller);
	/* Whoever it was has gone, and nothing is left of his wish. */
	do {
		now = jiffies;
		ferry_queue_look_later(queue);
	} while (time_after(jiffies, now));
	KUNIT_EXPECT_FALSE(test, outlook->asked);
	KUNIT_EXPECT_EQ(test, outlook->look_next, now + LOOK_DELAY);
	KUNIT_EXPECT_EQ(test, outlook->pause_end, now + PAUSE_MIN);
}

static void parts_of_a_final_image(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_FINAL);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = image_at(f, FERRY_IMAGE_FIRMWARE);
	struct ferry_image *last = image_at(f, FERRY_IMAGE_FIRMWARE);
	int verdict;

	image->kind = FERRY_IMAGE_FINAL;
	image->memory.length = 1;
	last->kind = FERRY_IMAGE_FINAL;
	last->memory.length = 2;
	ferry_queue_saved(queue, image, SZ_4K);
	KUNIT_EXPECT_EQ(test, queue->outlook.next_part, SZ_4K);
	KUNIT_EXPECT_EQ(test, queue->phase, FERRY_PHASE_FINAL);
	ferry_queue_saved(queue, last, 0);
	KUNIT_EXPECT_EQ(test, queue->phase, FERRY_PHASE_SAVED);
	KUNIT_EXPECT_EQ(test, queue->unread_dirty,
			3 + 2 * FERRY_WIRE_IMAGE_OVERHEAD);
	KUNIT_EXPECT_PTR_EQ(test, ferry_queue_next(queue, &verdict), image);
	KUNIT_EXPECT_PTR_EQ(test, ferry_queue_next(queue, &verdict), last);
	expect_prospect(test, queue, FERRY_PROSPECT_END, 0);
}

/* poll() promises that a read does not wait, and brings more than ENOMSG. */
static void poll_says_what_a_read_gets(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = new_image(f, SZ_64K);

	image_at(f, FERRY_IMAGE_FIRMWARE);
	KUNIT_EXPECT_FALSE(test, ferry_queue_is_readable(queue));
	save_bytes(queue, image, 1);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_readable(queue));
	ferry_queue_read(queue, FERRY_IMAGE_MIDDLE, FERRY_WIRE_IMAGE_OVERHEAD);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_readable(queue));
	ferry_queue_read(queue, FERRY_IMAGE_INITIAL, 1);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_readable(queue));
	ferry_queue_read(queue, FERRY_IMAGE_MIDDLE, 1);
	KUNIT_EXPECT_FALSE(test, ferry_queue_is_readable(queue));
	image->kind = FERRY_IMAGE_INITIAL;
	save_bytes(queue, image, 1);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_readable(queue));
	ferry_queue_read(queue, FERRY_IMAGE_INITIAL,
			 FERRY_WIRE_IMAGE_OVERHEAD + 2);
	for (int phase = 0; phase < FERRY_PHASE_CLOSED; phase++) {
		queue->phase = phase;
		KUNIT_EXPECT_EQ(test, ferry_queue_is_readable(queue),
				phase == FERRY_PHASE_SAVED);
	}
	queue->phase = FERRY_PHASE_FINAL;
	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_readable(queue));
	queue->error = 0;
	ferry_queue_set_phase(queue, FERRY_PHASE_CLOSED);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_readable(queue));
}

/* Resumes */

static void a_writer_waits_for_its_turn(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = image_at(f, FERRY_IMAGE_READY);

	/* One that waits, however many are loaded */
	KUNIT_EXPECT_EQ(test, ferry_queue_has_turn(queue), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, ferry_queue_is_writable(queue));
	ferry_queue_move(queue, image, FERRY_IMAGE_HELD);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_turn(queue), 0);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_writable(queue));
	image_at(f, FERRY_IMAGE_READY);
	ferry_queue_fail(queue, -EINVAL);
	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_turn(queue), -EINVAL);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_writable(queue));
}

/* At every place on its way, and no longer */
static void a_writer_waits_for_an_initial_image(struct kunit *test)
{
	static const enum ferry_image_place way[] = {
		FERRY_IMAGE_READY, FERRY_IMAGE_HELD, FERRY_IMAGE_FIRMWARE,
	};
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = image_at(f, FERRY_IMAGE_USER);

	image->memory.length = 1;
	KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, false), 0);
	for (int i = 0; i < ARRAY_SIZE(way); i++) {
		ferry_queue_move(queue, image, way[i]);
		image->kind = FERRY_IMAGE_MIDDLE;
		KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, false), -EAGAIN);
		KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, true), 0);
		/* The last byte of all waits for any image. */
		KUNIT_EXPECT_EQ(test, ferry_queue_is_writable(queue),
				way[i] != FERRY_IMAGE_READY);
		queue->arrival.last_byte_due = true;
		KUNIT_EXPECT_FALSE(test, ferry_queue_is_writable(queue));
		queue->arrival.last_byte_due = false;
		image->kind = FERRY_IMAGE_INITIAL;
		KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, true), -EAGAIN);
		KUNIT_EXPECT_EQ(test, ferry_queue_has_turn(queue), -EAGAIN);
		KUNIT_EXPECT_FALSE(test, ferry_queue_is_writable(queue));
	}
	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, true), -EIO);
	queue->error = 0;
	ferry_queue_move(queue, image, FERRY_IMAGE_SPARE);
	/* Held to be given back */
	ferry_queue_move(queue, image, FERRY_IMAGE_HELD);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, false), 0);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_writable(queue));
	ferry_queue_set_phase(queue, FERRY_PHASE_CLOSED);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_loaded(queue, true), -ENODEV);
}

static void a_writer_waits_for_memory(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = image_at(f, FERRY_IMAGE_FIRMWARE);
	struct ferry_image *own = image_at(f, FERRY_IMAGE_USER);

	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, BUDGET), 0);
	own->memory.capacity = BUDGET / 2;
	image->memory.capacity = BUDGET / 2 - SZ_4K;
	ferry_queue_charge(queue, BUDGET - SZ_4K);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, SZ_4K), 0);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, SZ_8K), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, ferry_queue_is_writable(queue));
	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, SZ_8K), -EIO);
	queue->error = 0;
	/* On its way back, though in no place any more */
	image->memory.capacity -= SZ_4K;
	ferry_queue_move(queue, image, FERRY_IMAGE_LOST);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, SZ_8K), -EAGAIN);
	image->memory.capacity += SZ_4K;
	/* A load that was not answered gives nothing back. */
	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, SZ_8K), -ENOBUFS);
	KUNIT_EXPECT_TRUE(test, ferry_queue_is_writable(queue));
	ferry_queue_set_phase(queue, FERRY_PHASE_CLOSED);
	KUNIT_EXPECT_EQ(test, ferry_queue_has_memory(queue, SZ_8K), -ENODEV);
}

static void a_session_takes_what_it_still_can(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	struct ferry_queue *queue = &f->queue;
	struct ferry_image *image = image_at(f, FERRY_IMAGE_USER);

	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_EQ(test, ferry_queue_add_received(queue, image), -EIO);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_USER);
	queue->error = 0;
	KUNIT_EXPECT_EQ(test, ferry_queue_add_received(queue, image), 0);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_READY);
	image = image_at(f, FERRY_IMAGE_USER);
	ferry_queue_set_phase(queue, FERRY_PHASE_CLOSED);
	KUNIT_EXPECT_EQ(test, ferry_queue_add_received(queue, image), -ENODEV);
	KUNIT_EXPECT_EQ(test, image->place, FERRY_IMAGE_USER);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(moves_are_those_of_the_table),
	KUNIT_CASE(every_move_moves),
	KUNIT_CASE(nobody_moves_what_is_gone),
	KUNIT_CASE(closed_gives_and_takes_nothing),
	KUNIT_CASE(ready_images_keep_their_order),
	KUNIT_CASE(the_best_spare_image_is_taken),
	KUNIT_CASE(budget_is_kept),
	KUNIT_CASE(who_waits_is_woken),
	KUNIT_CASE(prospects_of_a_precopy),
	KUNIT_CASE(a_save_that_fails),
	KUNIT_CASE(a_total_is_believed_while_it_shrinks),
	KUNIT_CASE(a_function_begins_anew),
	KUNIT_CASE(a_round_brings_what_was_due),
	KUNIT_CASE(the_same_again_is_saved_less_often),
	KUNIT_CASE(who_sleeps_is_looked_for_sooner),
	KUNIT_CASE(parts_of_a_final_image),
	KUNIT_CASE(poll_says_what_a_read_gets),
	KUNIT_CASE(a_writer_waits_for_its_turn),
	KUNIT_CASE(a_writer_waits_for_an_initial_image),
	KUNIT_CASE(a_writer_waits_for_memory),
	KUNIT_CASE(a_session_takes_what_it_still_can),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "ferry-queue",
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);
