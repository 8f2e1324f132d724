// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images to save into. See save_image.h.
 *
 * Called by the arcs and the worker of a save, with the command slot except
 * where it says otherwise. May sleep.
 */
#include "measure.h"
#include "save_image.h"
#include "session.h"

/* How often to measure anew because memory for what was measured took its time */
#define MEASURES_MAX		3

/**
 * ferry_spares_discard() - part with all spare images
 * @vf: the function
 * @queue: the queue of its save
 */
void ferry_spares_discard(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *image;

	while ((image = ferry_queue_take(queue, FERRY_IMAGE_SPARE,
					 FERRY_IMAGE_HELD)))
		ferry_image_discard(vf, image);
}

/* A spare image, HELD, that may be written: nobody has its pages in a pipe. */
static struct ferry_image *take_spare(struct ferry_session *session, u64 bytes)
{
	struct ferry_image *image;

	while ((image = ferry_queue_take_spare(&session->queue, bytes,
					       FERRY_IMAGE_HELD)) &&
	       ferry_image_is_shared(image))
		ferry_image_discard(session->vf, image);
	return image;
}

/**
 * ferry_save_image_get() - get an image with room
 * @session: the save
 * @bytes: how much room
 * @made: if not NULL set: some of the memory had to be found
 *
 * The best spare image or a new one.
 *
 * Return: the image, HELD and mapped, or an error pointer.
 */
struct ferry_image *ferry_save_image_get(struct ferry_session *session,
					 u64 bytes, bool *made)
{
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;
	int err;

	image = take_spare(session, bytes);
	if (!image)
		image = ferry_image_new(session, FERRY_IMAGE_HELD);
	if (!image)
		return ERR_PTR(-ENOMEM);

	if (made)
		*made = ferry_image_missing(image, bytes);
	err = ferry_image_grow(image, bytes, FERRY_EFFORT_NEEDED);
	if (err == -ENOBUFS) {
		ferry_spares_discard(vf, &session->queue);
		err = ferry_image_grow(image, bytes, FERRY_EFFORT_NEEDED);
	}
	if (!err)
		err = ferry_image_map(vf, image);
	if (!err)
		return image;
	ferry_image_discard(vf, image);
	return ERR_PTR(err);
}

/**
 * ferry_save_image_tracked() - get an image for a tracked save
 * @session: the save
 * @changes: of what changed, else a full one
 * @estimate: of what was just measured; updated
 *
 * To find memory takes its time, and the function runs on meanwhile: then it is
 * measured again.
 *
 * Return: the image, HELD and mapped, or an error pointer.
 */
struct ferry_image *ferry_save_image_tracked(struct ferry_session *session,
					     bool changes,
					     struct vfio_ferry_estimate *estimate)
{
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;
	bool made;
	int err;

	for (int measured = 1;; measured++) {
		image = ferry_save_image_get(session,
					     ferry_tracked_bytes(vf, estimate->required),
					     &made);
		if (IS_ERR(image) || !made)
			return image;
		err = ferry_measure(session, changes, estimate);
		if (!err && (measured == MEASURES_MAX ||
			     estimate->required <= image->memory.capacity))
			return image;
		ferry_queue_move(&session->queue, image, FERRY_IMAGE_SPARE);
		if (err)
			return ERR_PTR(err);
	}
}

/**
 * ferry_save_image_lend() - get an image to end the tracking with
 * @session: the save
 * @bytes: room it should have
 *
 * The longest spare one, and longer if it needs to be and can.
 *
 * Return: the image, HELD and mapped, or NULL if none can be had at all.
 */
struct ferry_image *ferry_save_image_lend(struct ferry_session *session,
					  u64 bytes)
{
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;

	while ((image = take_spare(session, U64_MAX))) {
		ferry_image_grow(image, bytes, FERRY_EFFORT_WELCOME);
		if (image->memory.capacity && !ferry_image_map(vf, image))
			return image;
		ferry_image_discard(vf, image);
	}
	image = ferry_save_image_get(session, bytes, NULL);
	return IS_ERR(image) ? NULL : image;
}

/* The reserve */

/**
 * ferry_reserve_begin() - the image to be set aside for the final state
 * @session: the save; the caller is its worker, with or without the slot
 *
 * Tried once for each size: without enough of it the final image allocates,
 * which is slower, and counted.
 *
 * Return: the image, HELD, if there is none or it may turn out too small, else
 * NULL.
 */
struct ferry_image *ferry_reserve_begin(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	u64 bytes = ferry_reserve_bytes(session->vf);
	struct ferry_image *image;

	if (bytes <= queue->outlook.reserve)
		return NULL;
	image = ferry_queue_take(queue, FERRY_IMAGE_RESERVE, FERRY_IMAGE_HELD) ?:
		ferry_image_new(session, FERRY_IMAGE_HELD);
	/* Who sees that it was tried sees the image as well, if there is one. */
	WRITE_ONCE(queue->outlook.reserve, bytes);
	wake_up_all(&queue->wait);
	return image;
}

/**
 * ferry_reserve_make() - give the reserve its memory
 * @image: what ferry_reserve_begin() returned
 *
 * Without the command slot: users go on asking meanwhile.
 */
void ferry_reserve_make(struct ferry_image *image)
{
	struct ferry_queue *queue = &image->session->queue;
	struct ferry_vf *vf = image->session->vf;

	ferry_image_grow(image, queue->outlook.reserve, FERRY_EFFORT_WELCOME);
	if (!image->memory.capacity || ferry_image_map(vf, image))
		ferry_image_discard(vf, image);
	else
		ferry_queue_move(queue, image, FERRY_IMAGE_RESERVE);
}

static bool is_made(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return !ferry_queue_first(queue, FERRY_AT(HELD));
}

static bool is_settled(struct ferry_session *session)
{
	return ferry_reserve_bytes(session->vf) <=
	       READ_ONCE(session->queue.outlook.reserve) &&
	       is_made(&session->queue);
}

/**
 * ferry_reserve_settle() - have the reserve as long as it is to be
 * @session: the save, paused; the caller is an arc, and no image is saved
 *
 * So that it is there, and mapped, when the function stops. Waits for the
 * worker, killably, who may find no memory: then it is shorter.
 *
 * Return: 0 or -ERESTARTSYS.
 */
int ferry_reserve_settle(struct ferry_session *session)
{
	if (!is_settled(session))
		ferry_worker_kick(session->vf);
	return wait_event_killable(session->queue.wait, is_settled(session));
}

/**
 * ferry_reserve_release() - the time for the reserve has come
 * @queue: the queue of a save
 *
 * From here on it is a spare image. If the worker is still making it, that is
 * waited for, killably.
 *
 * Return: 0 or -ERESTARTSYS.
 */
int ferry_reserve_release(struct ferry_queue *queue)
{
	struct ferry_image *image;
	int err;

	err = wait_event_killable(queue->wait, is_made(queue));
	if (err)
		return err;
	image = ferry_queue_take(queue, FERRY_IMAGE_RESERVE, FERRY_IMAGE_HELD);
	if (image)
		ferry_queue_move(queue, image, FERRY_IMAGE_SPARE);
	return 0;
}
