// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state queue. See queue.h.
 *
 * Called by stream.c for the FD's side, by save.c and load.c for the
 * firmware's side and by fsm.c's steps for the phase.
 */
#include "queue.h"
#include "wire.h"

void ferry_queue_init(struct ferry_queue *queue, enum ferry_phase phase,
		      u64 budget)
{
	spin_lock_init(&queue->lock);
	init_waitqueue_head(&queue->wait);
	INIT_LIST_HEAD(&queue->members);
	INIT_LIST_HEAD(&queue->ready);
	INIT_LIST_HEAD(&queue->spare);
	queue->phase = phase;
	queue->budget = budget;
	queue->lacking = "stream holds no image";
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
	bool fits;

	spin_lock_irq(&queue->lock);
	fits = bytes <= queue->budget &&
	       queue->charged <= queue->budget - bytes;
	if (fits)
		queue->charged += bytes;
	spin_unlock_irq(&queue->lock);
	return fits;
}

/**
 * ferry_queue_uncharge() - give bytes back to the session's budget
 * @queue: the session's queue
 * @bytes: how many
 */
void ferry_queue_uncharge(struct ferry_queue *queue, u64 bytes)
{
	spin_lock_irq(&queue->lock);
	queue->charged -= bytes;
	spin_unlock_irq(&queue->lock);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_set_phase() - change what the session is for
 * @queue: the session's queue
 * @phase: the new phase
 *
 * Return: false if the gate is closed; it stays so.
 */
bool ferry_queue_set_phase(struct ferry_queue *queue, enum ferry_phase phase)
{
	bool open;

	spin_lock_irq(&queue->lock);
	open = queue->phase != FERRY_PHASE_CLOSED;
	if (open)
		queue->phase = phase;
	spin_unlock_irq(&queue->lock);
	wake_up_all(&queue->wait);
	return open;
}

/**
 * ferry_queue_fail() - let the FD fail for ever
 * @queue: the session's queue
 * @error: negative errno; the first one stays
 */
void ferry_queue_fail(struct ferry_queue *queue, int error)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (!queue->error)
		queue->error = error;
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up_all(&queue->wait);
}

static struct ferry_image *smallest_spare(struct ferry_queue *queue, u64 bytes)
{
	struct ferry_image *image, *best = NULL;

	lockdep_assert_held(&queue->lock);
	list_for_each_entry(image, &queue->spare, node)
		if (image->memory.capacity >= bytes &&
		    (!best || image->memory.capacity < best->memory.capacity))
			best = image;
	return best;
}

static struct ferry_image *largest_spare(struct ferry_queue *queue)
{
	struct ferry_image *image, *best = NULL;

	lockdep_assert_held(&queue->lock);
	list_for_each_entry(image, &queue->spare, node)
		if (!best || image->memory.capacity > best->memory.capacity)
			best = image;
	return best;
}

/**
 * ferry_queue_take_spare() - take the smallest spare image that is big enough
 * @queue: the session's queue
 * @bytes: room it must have
 *
 * Return: the image or NULL.
 */
struct ferry_image *ferry_queue_take_spare(struct ferry_queue *queue, u64 bytes)
{
	struct ferry_image *image;

	spin_lock_irq(&queue->lock);
	image = smallest_spare(queue, bytes);
	if (image)
		list_del_init(&image->node);
	spin_unlock_irq(&queue->lock);
	return image;
}

/**
 * ferry_queue_take_largest() - take the largest spare image
 * @queue: the session's queue
 *
 * Return: the image or NULL.
 */
struct ferry_image *ferry_queue_take_largest(struct ferry_queue *queue)
{
	struct ferry_image *image;

	spin_lock_irq(&queue->lock);
	image = largest_spare(queue);
	if (image)
		list_del_init(&image->node);
	spin_unlock_irq(&queue->lock);
	return image;
}

/**
 * ferry_queue_receive() - take a spare image for a writer
 * @queue: the session's queue
 * @bytes: room it would like to have
 *
 * Return: the image, with a reference for the writer, or NULL.
 */
struct ferry_image *ferry_queue_receive(struct ferry_queue *queue, u64 bytes)
{
	struct ferry_image *image = NULL;

	spin_lock_irq(&queue->lock);
	if (queue->phase == FERRY_PHASE_RECEIVING)
		image = smallest_spare(queue, bytes) ?: largest_spare(queue);
	if (image) {
		list_del_init(&image->node);
		kref_get(&image->ref);
	}
	spin_unlock_irq(&queue->lock);
	return image;
}

/**
 * ferry_queue_add_spare() - give an image to the spare ones
 * @queue: the session's queue
 * @image: an image that holds nothing any more
 *
 * Does nothing if the gate is closed: the session's reference is all there is.
 */
void ferry_queue_add_spare(struct ferry_queue *queue, struct ferry_image *image)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->phase != FERRY_PHASE_CLOSED) {
		image->memory.length = 0;
		list_add(&image->node, &queue->spare);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up_all(&queue->wait);
}

/**
 * ferry_queue_expect() - the firmware said what is to come
 * @queue: the session's queue
 * @estimate: what it said
 * @tell_reinit: the user wants to know if the function was initialised anew
 *
 * Return: bytes that are to come.
 */
u64 ferry_queue_expect(struct ferry_queue *queue,
		       const struct vfio_ferry_estimate *estimate,
		       bool tell_reinit)
{
	u64 bytes = max(estimate->required, estimate->total);

	spin_lock_irq(&queue->lock);
	queue->expected = bytes;
	if (estimate->reinit && tell_reinit && !queue->reinit) {
		queue->reinit = true;
		queue->reinit_untold = true;
	}
	spin_unlock_irq(&queue->lock);
	return bytes;
}

/* What a reader gets that finds no image: -EAGAIN is "wait". */
static int verdict_without_image(struct ferry_queue *queue)
{
	lockdep_assert_held(&queue->lock);

	if (queue->phase == FERRY_PHASE_CLOSED)
		return -ENODEV;
	if (queue->error)
		return queue->error;
	switch (queue->phase) {
	case FERRY_PHASE_SAVED:
		return 0;
	case FERRY_PHASE_FINAL:
		return -EAGAIN;
	case FERRY_PHASE_PRECOPY:
		if (queue->active || queue->expected)
			return -EAGAIN;
		return -ENOMSG;
	case FERRY_PHASE_PAUSED:
		return queue->active ? -EAGAIN : -ENOMSG;
	default:
		return -ENODEV;
	}
}

/**
 * ferry_queue_next() - take the next image of a save
 * @queue: the session's queue
 * @verdict: if there is none, why: 0 at the end of the stream, -EAGAIN if the
 *	reader has to wait, -ENOMSG at a temporary end, or an error
 *
 * A reader that finds nothing in pre-copy asks for a middle image by that.
 *
 * Return: the image, with a reference for the reader, or NULL.
 */
struct ferry_image *ferry_queue_next(struct ferry_queue *queue, int *verdict)
{
	struct ferry_image *image = NULL;

	spin_lock_irq(&queue->lock);
	*verdict = -ENODEV;
	if (queue->phase != FERRY_PHASE_CLOSED)
		image = list_first_entry_or_null(&queue->ready,
						 struct ferry_image, node);
	if (image) {
		list_del_init(&image->node);
		kref_get(&image->ref);
	} else {
		*verdict = verdict_without_image(queue);
		queue->demand = true;
	}
	spin_unlock_irq(&queue->lock);
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

	spin_lock_irq(&queue->lock);
	*unread -= min(*unread, bytes);
	spin_unlock_irq(&queue->lock);
}

/**
 * ferry_queue_sleeps() - does a reader that found nothing have to wait?
 * @queue: the session's queue
 *
 * Return: false once a read would return something: data, an end, an error.
 */
bool ferry_queue_sleeps(struct ferry_queue *queue)
{
	bool sleeps;

	spin_lock_irq(&queue->lock);
	sleeps = list_empty(&queue->ready) &&
		 verdict_without_image(queue) == -EAGAIN;
	spin_unlock_irq(&queue->lock);
	return sleeps;
}

/**
 * ferry_queue_readable() - for poll
 * @queue: the session's queue
 *
 * Return: true if there is data, the end of the stream, or an error. At a
 * temporary end there is not, and the poller asks for more by that.
 */
bool ferry_queue_readable(struct ferry_queue *queue)
{
	bool readable;

	spin_lock_irq(&queue->lock);
	readable = queue->phase == FERRY_PHASE_CLOSED || queue->error ||
		   queue->phase == FERRY_PHASE_SAVED ||
		   queue->unread_initial || queue->unread_dirty;
	if (!readable)
		queue->demand = true;
	spin_unlock_irq(&queue->lock);
	return readable;
}

/**
 * ferry_queue_add_received() - hand an image of a resume to the firmware
 * @queue: the session's queue
 * @image: a whole image
 *
 * Return: 0, or why the session takes it no more.
 */
int ferry_queue_add_received(struct ferry_queue *queue,
			     struct ferry_image *image)
{
	int err = 0;

	spin_lock_irq(&queue->lock);
	if (queue->phase != FERRY_PHASE_RECEIVING)
		err = -ENODEV;
	else if (queue->error)
		err = queue->error;
	else
		list_add_tail(&image->node, &queue->ready);
	spin_unlock_irq(&queue->lock);
	return err;
}

/**
 * ferry_queue_loading() - are images on their way to the firmware?
 * @queue: the session's queue
 *
 * Return: false also if the session failed or was closed.
 */
bool ferry_queue_loading(struct ferry_queue *queue)
{
	bool loading;

	spin_lock_irq(&queue->lock);
	loading = queue->phase != FERRY_PHASE_CLOSED && !queue->error &&
		  (queue->active || !list_empty(&queue->ready));
	spin_unlock_irq(&queue->lock);
	return loading;
}

/**
 * ferry_queue_room() - can a writer get memory?
 * @queue: the session's queue
 * @bytes: how much it wants
 *
 * A writer that has to wait asks the worker by that to free spare images.
 *
 * Return: 0 if it can, or shall look for an error; -EAGAIN if it has to wait;
 * -ENOBUFS if there is nothing to wait for.
 */
int ferry_queue_room(struct ferry_queue *queue, u64 bytes)
{
	int err = 0;

	spin_lock_irq(&queue->lock);
	if (queue->phase == FERRY_PHASE_RECEIVING && !queue->error &&
	    queue->charged + bytes > queue->budget) {
		err = queue->active || !list_empty(&queue->ready) ||
		      !list_empty(&queue->spare) ? -EAGAIN : -ENOBUFS;
		queue->demand = true;
	}
	spin_unlock_irq(&queue->lock);
	return err;
}
