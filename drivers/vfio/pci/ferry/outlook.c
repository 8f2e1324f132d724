// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a save still has in store. See outlook.h.
 *
 * Called by measure.c and the files of a save, which have the command slot when
 * they tell what the firmware said, by estimate.c, and by reader.c through the
 * FD. Takes the queue's lock unless said otherwise.
 */
#include <linux/jiffies.h>

#include "queue.h"
#include "wire.h"

/* Between two looks for changes on behalf of somebody who sleeps until then */
#define LOOK_DELAY	msecs_to_jiffies(100)
/* Between two rounds of middle images for who only passes by: first, longest */
#define PAUSE_MIN	msecs_to_jiffies(500)
#define PAUSE_MAX	msecs_to_jiffies(4000)

/**
 * ferry_queue_begin() - a save begins
 * @queue: the session's queue, OPENED
 * @precopy: of a function that runs, else its final image is next
 * @stop_copy_size: expected bytes of the final image for the first records, 0
 *	for no such record
 */
void ferry_queue_begin(struct ferry_queue *queue, bool precopy,
		       u64 stop_copy_size)
{
	spin_lock(&queue->lock);
	queue->outlook.stop_copy_size = stop_copy_size;
	queue->unread_initial += FERRY_WIRE_IDENTITY_BYTES +
				 FERRY_WIRE_SHAPE_BYTES;
	if (stop_copy_size)
		queue->unread_initial += FERRY_WIRE_STOP_COPY_SIZE_BYTES;
	spin_unlock(&queue->lock);
	ferry_queue_set_phase(queue, precopy ? FERRY_PHASE_PAUSED :
					       FERRY_PHASE_FINAL);
}

/**
 * ferry_queue_has_begun() - what do the stream's first records say?
 * @queue: the session's queue
 * @stop_copy_size: set to the hint, 0 for no such record
 *
 * Return: false as long as the arc that begins the save is under way.
 */
bool ferry_queue_has_begun(struct ferry_queue *queue, u64 *stop_copy_size)
{
	guard(spinlock)(&queue->lock);
	*stop_copy_size = queue->outlook.stop_copy_size;
	return queue->phase != FERRY_PHASE_OPENED;
}

/*
 * If nothing is required there is nothing to save, whatever the total says. A
 * total that is no less than it was before the last image may not be one of
 * changes: then what is required is all that is sure. A function that was
 * initialised anew begins anew.
 */
static u64 believed(struct ferry_outlook *outlook,
		    const struct vfio_ferry_estimate *estimate)
{
	outlook->told = estimate->total;
	if (estimate->reinit)
		outlook->ceiling = 0;
	if (!estimate->required)
		return 0;
	if (outlook->ceiling && estimate->total >= outlook->ceiling)
		return estimate->required;
	return max(estimate->required, estimate->total);
}

/**
 * ferry_queue_expect() - the firmware said what is to come
 * @queue: the session's queue
 * @estimate: what it said
 * @tell_reinit: the user wants to know if the function was initialised anew
 */
void ferry_queue_expect(struct ferry_queue *queue,
			const struct vfio_ferry_estimate *estimate,
			bool tell_reinit)
{
	struct ferry_outlook *outlook = &queue->outlook;

	guard(spinlock)(&queue->lock);
	outlook->changed = believed(outlook, estimate);
	if (estimate->reinit && tell_reinit && !outlook->reinit) {
		outlook->reinit = true;
		outlook->reinit_untold = true;
	}
}

/**
 * ferry_queue_assign() - an image is about to be saved
 * @queue: the session's queue
 * @image: mapped, HELD by the caller, who has the command slot
 * @place: PENDING for the worker, or FIRMWARE
 *
 * It will bring as many of the bytes to come as it has room for. If none was
 * due a round begins: all that is known to have changed is due.
 */
void ferry_queue_assign(struct ferry_queue *queue, struct ferry_image *image,
			enum ferry_image_place place)
{
	struct ferry_outlook *outlook = &queue->outlook;

	spin_lock(&queue->lock);
	outlook->due = outlook->due ? min(outlook->due, outlook->changed) :
				      outlook->changed;
	image->coming = min(outlook->changed, image->memory.capacity);
	outlook->changed -= image->coming;
	outlook->due -= min(outlook->due, image->coming);
	ferry_queue_move_locked(queue, image, place);
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

static void add_unread(struct ferry_queue *queue, struct ferry_image *image)
{
	u64 bytes = image->memory.length + FERRY_WIRE_IMAGE_OVERHEAD;

	if (image->kind == FERRY_IMAGE_INITIAL)
		queue->unread_initial += bytes;
	else
		queue->unread_dirty += bytes;
}

/*
 * What was due is saved. If it is no less than the last time, then what the
 * function changes is the same again and again, and most of it will have to
 * come once more: the longer is the pause.
 */
static void end_round(struct ferry_outlook *outlook)
{
	bool pays = outlook->brought < outlook->brought_before / 4 * 3;

	outlook->pause = pays ? PAUSE_MIN : clamp(outlook->pause * 2, PAUSE_MIN,
						  PAUSE_MAX);
	outlook->brought_before = outlook->brought;
	outlook->brought = 0;
	outlook->pause_end = jiffies + outlook->pause;
	outlook->look_next = jiffies + LOOK_DELAY;
	/* What changed since is for the next round, which asks the firmware. */
	outlook->changed = 0;
	outlook->due = 0;
}

static void image_came(struct ferry_outlook *outlook, u64 bytes)
{
	outlook->brought += bytes;
	outlook->ceiling = max(outlook->ceiling, outlook->told);
	if (!outlook->due || !bytes)
		end_round(outlook);
}

/**
 * ferry_queue_saved() - the firmware saved an image
 * @queue: the session's queue
 * @image: the image, whose length is set
 * @next_part: memory that the next part of a final image needs, 0 if this was
 *	the last one
 */
void ferry_queue_saved(struct ferry_queue *queue, struct ferry_image *image,
		       u64 next_part)
{
	struct ferry_outlook *outlook = &queue->outlook;

	spin_lock(&queue->lock);
	if (image->memory.length) {
		add_unread(queue, image);
		outlook->asked = false;
		ferry_queue_move_locked(queue, image, FERRY_IMAGE_READY);
	} else {
		ferry_queue_move_locked(queue, image, FERRY_IMAGE_SPARE);
	}
	if (image->kind == FERRY_IMAGE_INITIAL)
		outlook->reinit = false;
	if (image->kind == FERRY_IMAGE_FINAL) {
		outlook->next_part = next_part;
		if (!next_part && queue->phase == FERRY_PHASE_FINAL)
			queue->phase = FERRY_PHASE_SAVED;
		if (!next_part)
			outlook->changed = 0;
	} else {
		image_came(outlook, image->memory.length);
	}
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

static void lose_track(struct ferry_queue *queue)
{
	queue->outlook.untracked = true;
	queue->outlook.changed = 0;
	queue->outlook.due = 0;
	queue->outlook.ceiling = 0;
}

/**
 * ferry_queue_lose_track() - the firmware may not know any more what changed
 * @queue: the session's queue
 *
 * From now on nothing comes but a final image, of all of the state.
 *
 * Return: true if that is new.
 */
bool ferry_queue_lose_track(struct ferry_queue *queue)
{
	bool had;

	spin_lock(&queue->lock);
	had = !queue->outlook.untracked;
	lose_track(queue);
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
	return had;
}

/**
 * ferry_queue_save_failed() - the firmware did not save an image
 * @queue: the session's queue
 * @image: the image, with the firmware
 * @err: why; -ETIMEDOUT: the firmware may still write it
 *
 * If only the track is lost, -ESTALE, that costs what it would have saved: the
 * final image will be a full one. After anything else there is none.
 */
void ferry_queue_save_failed(struct ferry_queue *queue,
			     struct ferry_image *image, int err)
{
	spin_lock(&queue->lock);
	if (image->kind == FERRY_IMAGE_FINAL || err != -ESTALE)
		queue->error = queue->error ?: -EIO;
	lose_track(queue);
	ferry_queue_move_locked(queue, image, err == -ETIMEDOUT ?
				FERRY_IMAGE_LOST : FERRY_IMAGE_SPARE);
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_prospect() - what can still come?
 * @queue: the session's queue, a save's, locked
 *
 * Return: what a reader has to expect who has read all that is READY.
 */
enum ferry_prospect ferry_queue_prospect(struct ferry_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	if (ferry_queue_first(queue, FERRY_BEING_SAVED))
		return FERRY_PROSPECT_IMAGE;
	switch (queue->phase) {
	case FERRY_PHASE_OPENED:
	case FERRY_PHASE_FINAL:
		return FERRY_PROSPECT_IMAGE;
	case FERRY_PHASE_SAVED:
		return FERRY_PROSPECT_END;
	case FERRY_PHASE_PRECOPY:
		if (queue->outlook.untracked)
			return FERRY_PROSPECT_NONE;
		return queue->outlook.changed ? FERRY_PROSPECT_CHANGES :
						FERRY_PROSPECT_UNKNOWN;
	default:
		return FERRY_PROSPECT_NONE;
	}
}

static bool can_change(struct ferry_queue *queue)
{
	enum ferry_prospect prospect = ferry_queue_prospect(queue);

	return prospect == FERRY_PROSPECT_CHANGES ||
	       prospect == FERRY_PROSPECT_UNKNOWN;
}

/**
 * ferry_queue_can_change() - can the firmware say what the queue does not know?
 * @queue: the session's queue
 *
 * Return: true if another middle image may come of asking it.
 */
bool ferry_queue_can_change(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return can_change(queue);
}

/* What a reader gets that finds no image: -EAGAIN is "wait". */
static int verdict_without_image(struct ferry_queue *queue)
{
	if (queue->phase == FERRY_PHASE_CLOSED)
		return -ENODEV;
	if (queue->error)
		return queue->error;
	switch (ferry_queue_prospect(queue)) {
	case FERRY_PROSPECT_IMAGE:
	case FERRY_PROSPECT_CHANGES:
		return -EAGAIN;
	case FERRY_PROSPECT_UNKNOWN:
	case FERRY_PROSPECT_NONE:
		return -ENOMSG;
	case FERRY_PROSPECT_END:
		break;
	}
	return 0;
}

/**
 * ferry_queue_next() - take the next image of a save
 * @queue: the session's queue
 * @verdict: if there is none, why: 0 at the end of the stream, -EAGAIN if the
 *	reader has to wait, -ENOMSG at a temporary end, or an error
 *
 * Return: the image, with a reference for the reader, or NULL.
 */
struct ferry_image *ferry_queue_next(struct ferry_queue *queue, int *verdict)
{
	struct ferry_image *image = NULL;

	guard(spinlock)(&queue->lock);
	*verdict = verdict_without_image(queue);
	if (*verdict != -ENODEV)
		image = ferry_queue_first(queue, FERRY_AT(READY));
	if (!image)
		return NULL;
	ferry_queue_move_locked(queue, image, FERRY_IMAGE_USER);
	kref_get(&image->ref);
	return image;
}

/**
 * ferry_queue_read() - account for bytes that the user has got
 * @queue: the session's queue
 * @kind: of the image they belong to
 * @bytes: how many
 */
void ferry_queue_read(struct ferry_queue *queue, enum ferry_image_kind kind,
		      u64 bytes)
{
	u64 *unread = kind == FERRY_IMAGE_INITIAL ? &queue->unread_initial :
						    &queue->unread_dirty;

	guard(spinlock)(&queue->lock);
	*unread -= min(*unread, bytes);
}

/**
 * ferry_queue_ask() - somebody found nothing to read
 * @queue: the session's queue
 *
 * Return: true if it is for the worker, once kicked, to look for changes;
 * false if an image is on its way or nothing can come.
 */
bool ferry_queue_ask(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	queue->outlook.asked = true;
	return can_change(queue);
}

/**
 * ferry_queue_wants_look() - shall the worker look for changes now?
 * @queue: the session's queue, a save's, locked, nothing known to have changed
 * @sleeper: set: if not now, then at outlook.look_next, since somebody sleeps
 *	until something has changed
 *
 * Who sleeps gets what there is soon. Who found nothing and went on, as a VMM
 * that copies memory meanwhile, gets it after a pause.
 *
 * Return: true if it shall.
 */
bool ferry_queue_wants_look(struct ferry_queue *queue, bool *sleeper)
{
	struct ferry_outlook *outlook = &queue->outlook;

	lockdep_assert_held(&queue->lock);
	*sleeper = false;
	if (!outlook->asked || ferry_queue_first(queue, FERRY_AT(READY)))
		return false;
	*sleeper = wq_has_sleeper(&queue->wait);
	return time_after_eq(jiffies, *sleeper ? outlook->look_next :
						 outlook->pause_end);
}

/**
 * ferry_queue_look_later() - nothing changed, or nothing can be done about it
 * @queue: the session's queue
 *
 * Looks again later, if somebody sleeps then. A reader who comes back asks
 * again.
 */
void ferry_queue_look_later(struct ferry_queue *queue)
{
	struct ferry_outlook *outlook = &queue->outlook;

	spin_lock(&queue->lock);
	outlook->changed = 0;
	outlook->due = 0;
	outlook->look_next = jiffies + LOOK_DELAY;
	outlook->pause_end = jiffies + PAUSE_MIN;
	outlook->asked = wq_has_sleeper(&queue->wait);
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_reader_waits() - does a reader that found nothing have to wait?
 * @queue: the session's queue
 *
 * Return: false once a read would return something: data, an end, an error.
 */
bool ferry_queue_reader_waits(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return !ferry_queue_first(queue, FERRY_AT(READY)) &&
	       verdict_without_image(queue) == -EAGAIN;
}

/**
 * ferry_queue_is_readable() - for poll
 * @queue: the session's queue
 *
 * Return: true if there is data, the end of the stream, or an error. At a
 * temporary end there is not.
 */
bool ferry_queue_is_readable(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return queue->phase == FERRY_PHASE_CLOSED || queue->error ||
	       queue->phase == FERRY_PHASE_SAVED || queue->unread_initial ||
	       queue->unread_dirty;
}
