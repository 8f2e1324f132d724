// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state queue: phase, budget, images and their places. See queue.h.
 *
 * Called by everyone above it; takes its own lock unless said otherwise.
 * What is special about saves is in outlook.c.
 */
#include "queue.h"

void ferry_queue_init(struct ferry_queue *queue, enum ferry_phase phase,
		      u64 budget)
{
	spin_lock_init(&queue->lock);
	init_waitqueue_head(&queue->wait);
	INIT_LIST_HEAD(&queue->images);
	queue->phase = phase;
	queue->budget = budget;
	queue->arrival.lacking = "stream holds no image";
}

static bool fits(struct ferry_queue *queue, u64 bytes)
{
	lockdep_assert_held(&queue->lock);
	return bytes <= queue->budget &&
	       queue->charged <= queue->budget - bytes;
}

/**
 * ferry_queue_charge() - take bytes from the session's budget
 * @queue: the session's queue
 * @bytes: how many
 *
 * Return: false if they are not there.
 */
bool ferry_queue_charge(struct ferry_queue *queue, u64 bytes)
{
	guard(spinlock)(&queue->lock);
	if (!fits(queue, bytes))
		return false;
	queue->charged += bytes;
	return true;
}

/**
 * ferry_queue_uncharge() - give bytes back to the session's budget
 * @queue: the session's queue
 * @bytes: how many
 */
void ferry_queue_uncharge(struct ferry_queue *queue, u64 bytes)
{
	spin_lock(&queue->lock);
	queue->charged -= bytes;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_set_phase() - change what the session is for
 * @queue: the session's queue
 * @phase: the new phase; FERRY_PHASE_CLOSED is the last
 */
void ferry_queue_set_phase(struct ferry_queue *queue, enum ferry_phase phase)
{
	spin_lock(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED)
		queue->phase = phase;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_fail() - let the FD fail for ever
 * @queue: the session's queue
 * @error: negative errno; the first one stays
 */
void ferry_queue_fail(struct ferry_queue *queue, int error)
{
	spin_lock(&queue->lock);
	queue->error = queue->error ?: error;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/* Images and their places */

static const unsigned int moves[FERRY_NR_PLACES] = {
	[FERRY_IMAGE_HELD] = FERRY_AT(SPARE) | FERRY_AT(RESERVE) | FERRY_AT(PENDING) |
			     FERRY_AT(FIRMWARE) | FERRY_AT(GONE),
	[FERRY_IMAGE_SPARE] = FERRY_AT(HELD) | FERRY_AT(USER) | FERRY_AT(GONE),
	[FERRY_IMAGE_RESERVE] = FERRY_AT(HELD) | FERRY_AT(GONE),
	[FERRY_IMAGE_PENDING] = FERRY_AT(FIRMWARE) | FERRY_AT(SPARE),
	[FERRY_IMAGE_FIRMWARE] = FERRY_AT(READY) | FERRY_AT(SPARE) | FERRY_AT(LOST),
	[FERRY_IMAGE_READY] = FERRY_AT(USER) | FERRY_AT(HELD) | FERRY_AT(GONE),
	[FERRY_IMAGE_USER] = FERRY_AT(READY) | FERRY_AT(SPARE) | FERRY_AT(GONE),
	[FERRY_IMAGE_LOST] = FERRY_AT(GONE),
};

/**
 * ferry_image_may_move() - is there such a move?
 * @from: a place
 * @to: another
 *
 * Return: true if an image can go from the one to the other.
 */
bool ferry_image_may_move(enum ferry_image_place from,
			  enum ferry_image_place to)
{
	return moves[from] & 1U << to;
}

/* The only one who moves an image. */
static bool move(struct ferry_queue *queue, struct ferry_image *image,
		 enum ferry_image_place to)
{
	lockdep_assert_held(&queue->lock);
	if (WARN_ON_ONCE(!ferry_image_may_move(image->place, to)))
		return false;
	image->place = to;
	if (to == FERRY_IMAGE_SPARE)
		image->memory.length = 0;
	if (to == FERRY_IMAGE_GONE)
		list_del_init(&image->node);
	else
		list_move_tail(&image->node, &queue->images);
	return true;
}

/**
 * ferry_queue_add() - a new image for the session
 * @queue: the session's queue
 * @image: the image
 * @place: HELD, or USER for a writer
 *
 * Return: false if the session is closed.
 */
bool ferry_queue_add(struct ferry_queue *queue, struct ferry_image *image,
		     enum ferry_image_place place)
{
	guard(spinlock)(&queue->lock);
	if (queue->phase == FERRY_PHASE_CLOSED)
		return false;
	image->place = place;
	list_add_tail(&image->node, &queue->images);
	return true;
}

/**
 * ferry_queue_move_locked() - move an image, for who has the lock
 * @queue: the session's queue
 * @image: the image
 * @to: where it goes
 *
 * An image that is GONE already, because its session is over, stays so.
 */
void ferry_queue_move_locked(struct ferry_queue *queue,
			     struct ferry_image *image,
			     enum ferry_image_place to)
{
	if (image->place != FERRY_IMAGE_GONE)
		move(queue, image, to);
}

/**
 * ferry_queue_move() - move an image
 * @queue: the session's queue
 * @image: the image, with the caller
 * @to: where it goes
 *
 * Wakes who waits for images or memory.
 */
void ferry_queue_move(struct ferry_queue *queue, struct ferry_image *image,
		      enum ferry_image_place to)
{
	spin_lock(&queue->lock);
	ferry_queue_move_locked(queue, image, to);
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_first() - look for an image
 * @queue: the session's queue, locked
 * @places: bits of places
 *
 * Return: the first image that is in one of them, or NULL.
 */
struct ferry_image *ferry_queue_first(struct ferry_queue *queue,
				      unsigned int places)
{
	struct ferry_image *image;

	lockdep_assert_held(&queue->lock);
	list_for_each_entry(image, &queue->images, node)
		if (places & 1U << image->place)
			return image;
	return NULL;
}

/**
 * ferry_queue_count() - how many images are there?
 * @queue: the session's queue, locked
 * @places: bits of places
 *
 * Return: images in these places.
 */
unsigned int ferry_queue_count(struct ferry_queue *queue, unsigned int places)
{
	struct ferry_image *image;
	unsigned int count = 0;

	lockdep_assert_held(&queue->lock);
	list_for_each_entry(image, &queue->images, node)
		count += !!(places & 1U << image->place);
	return count;
}

/**
 * ferry_queue_take() - take the first image of a place
 * @queue: the session's queue
 * @from: the place
 * @to: where it goes
 *
 * Return: the image, or NULL if there is none or the session is over.
 */
struct ferry_image *ferry_queue_take(struct ferry_queue *queue,
				     enum ferry_image_place from,
				     enum ferry_image_place to)
{
	struct ferry_image *image;

	guard(spinlock)(&queue->lock);
	if (queue->phase == FERRY_PHASE_CLOSED)
		return NULL;
	image = ferry_queue_first(queue, BIT(from));
	if (image)
		move(queue, image, to);
	return image;
}

/* The smallest that is large enough, else the largest. */
static struct ferry_image *best_spare(struct ferry_queue *queue, u64 bytes)
{
	struct ferry_image *image, *best = NULL;
	u64 room, best_room = 0;

	list_for_each_entry(image, &queue->images, node) {
		room = image->memory.capacity;
		if (image->place != FERRY_IMAGE_SPARE)
			continue;
		if (!best || (best_room < bytes ? room > best_room :
			      room >= bytes && room < best_room)) {
			best = image;
			best_room = room;
		}
	}
	return best;
}

/**
 * ferry_queue_take_spare() - take the spare image that fits best
 * @queue: the session's queue
 * @bytes: room it should have
 * @to: HELD, or USER for a writer, who is given a reference
 *
 * Return: the smallest that is large enough, else the largest; NULL if there
 * is none or the session is over.
 */
struct ferry_image *ferry_queue_take_spare(struct ferry_queue *queue, u64 bytes,
					   enum ferry_image_place to)
{
	struct ferry_image *image;

	guard(spinlock)(&queue->lock);
	if (queue->phase == FERRY_PHASE_CLOSED)
		return NULL;
	image = best_spare(queue, bytes);
	if (image && move(queue, image, to) && to == FERRY_IMAGE_USER)
		kref_get(&image->ref);
	return image;
}

/* Resumes */

/* One that is HELD without data in it is not loaded but given back. */
static bool is_loading(struct ferry_queue *queue, bool initial)
{
	struct ferry_image *image;

	list_for_each_entry(image, &queue->images, node)
		if (FERRY_BEING_LOADED & 1U << image->place &&
		    image->memory.length &&
		    (!initial || image->kind == FERRY_IMAGE_INITIAL))
			return true;
	return false;
}

static int has_loaded(struct ferry_queue *queue, bool initial)
{
	if (queue->phase == FERRY_PHASE_CLOSED)
		return -ENODEV;
	if (!queue->error && is_loading(queue, initial))
		return -EAGAIN;
	return queue->error;
}

/**
 * ferry_queue_has_loaded() - did the firmware load what was handed to it?
 * @queue: the session's queue
 * @initial: only initial images count
 *
 * Return: 0 if it did, -EAGAIN if it has not yet, another negative errno if
 * the session failed or is over.
 */
int ferry_queue_has_loaded(struct ferry_queue *queue, bool initial)
{
	guard(spinlock)(&queue->lock);
	return has_loaded(queue, initial);
}

/* Why a writer can go on no more, 0 if it can. */
static int writer_error(struct ferry_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	if (queue->phase != FERRY_PHASE_RECEIVING)
		return -ENODEV;
	return queue->error;
}

/**
 * ferry_queue_add_received() - hand an image of a resume to the firmware
 * @queue: the session's queue
 * @image: a whole image, with the writer
 *
 * Return: 0, or why the session takes it no more.
 */
int ferry_queue_add_received(struct ferry_queue *queue,
			     struct ferry_image *image)
{
	int err;

	guard(spinlock)(&queue->lock);
	err = writer_error(queue);
	if (!err)
		move(queue, image, FERRY_IMAGE_READY);
	return err;
}

/*
 * All may come back but what the writer itself fills and what is lost: also
 * what an image had that is GONE and about to be freed.
 */
static int has_memory(struct ferry_queue *queue, u64 bytes)
{
	struct ferry_image *image;
	u64 kept = 0;
	int err;

	err = writer_error(queue);
	if (err || fits(queue, bytes))
		return err;
	list_for_each_entry(image, &queue->images, node)
		if (image->place == FERRY_IMAGE_USER ||
		    image->place == FERRY_IMAGE_LOST)
			kept += image->memory.capacity;
	return queue->charged > kept ? -EAGAIN : -ENOBUFS;
}

/**
 * ferry_queue_has_memory() - can a writer get memory?
 * @queue: the session's queue
 * @bytes: how much it wants
 *
 * Return: 0 if it can, -EAGAIN if it has to wait, -ENOBUFS if there is nothing
 * to wait for, another negative errno if the session failed or is over.
 */
int ferry_queue_has_memory(struct ferry_queue *queue, u64 bytes)
{
	guard(spinlock)(&queue->lock);
	return has_memory(queue, bytes);
}

static int has_turn(struct ferry_queue *queue)
{
	int err = writer_error(queue);

	if (err)
		return err;
	if (ferry_queue_first(queue, FERRY_AT(READY)))
		return -EAGAIN;
	return has_loaded(queue, true);
}

/**
 * ferry_queue_has_turn() - may a writer go on?
 * @queue: the session's queue
 *
 * Not while an initial image is loaded: that is when a function gets what it
 * needs, and a user who has written it may rely on that. Of the others one is
 * received while one is loaded, and no more, whatever the budget: the user is
 * to be told of a load that fails, and the last arc waits for all of them.
 *
 * Return: 0 if it may, -EAGAIN if it has to wait, another negative errno if
 * the session failed or is over.
 */
int ferry_queue_has_turn(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return has_turn(queue);
}

/**
 * ferry_queue_is_writable() - for poll
 * @queue: the session's queue
 *
 * Return: true if a write takes something, or fails.
 */
bool ferry_queue_is_writable(struct ferry_queue *queue)
{
	int err;

	guard(spinlock)(&queue->lock);
	err = has_turn(queue);
	if (!err && queue->arrival.last_byte_due)
		err = has_loaded(queue, false);
	if (!err)
		err = has_memory(queue, FERRY_WRITE_STEP_MIN);
	return err != -EAGAIN;
}
