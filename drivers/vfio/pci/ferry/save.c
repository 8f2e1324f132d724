// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving: from the firmware into the queue. See save.h.
 *
 * The begin and cancel functions are called by fsm.c under state_mutex,
 * ferry_save_work() by the worker. A query and the save that follows it have
 * the command slot in one piece, for the firmware measures the memory of a
 * save by the last query.
 */
#include <linux/jiffies.h>
#include <linux/sizes.h>

#include "compat.h"
#include "save.h"
#include "session.h"
#include "wire.h"

/* How often to measure anew because memory for what was measured took its time */
#define MEASURES_MAX		3
/* Images of a session whose firmware saves in parts: one is saved, one read */
#define PARTS_SPARE		2
#define PARTS_MAX		(PARTS_SPARE + 1)

static u64 part_bytes(struct ferry_vf *vf)
{
	return vf->device->ops->part_bytes(vf->device);
}

/* Memory for a save of a function that stands still. */
static u64 image_bytes(struct ferry_vf *vf, u64 required)
{
	return max3(required, part_bytes(vf), (u64)PAGE_SIZE);
}

/* The function runs on, and its state may grow. */
static u64 with_slack(struct ferry_vf *vf, u64 bytes)
{
	return min(bytes + max_t(u64, bytes / 8, SZ_1M), vf->max_image);
}

/* Memory for a tracked save, for which too little of it loses the track. */
static u64 tracked_bytes(struct ferry_vf *vf, u64 required)
{
	return image_bytes(vf, with_slack(vf, required));
}

/* Memory for the final image, whatever changes until then. */
static u64 reserve_bytes(struct ferry_vf *vf)
{
	return part_bytes(vf) ?: with_slack(vf, READ_ONCE(vf->full_bytes));
}

/* All of the state takes no less than what changed of it. */
static void raise_full(struct ferry_session *session, u64 changes)
{
	struct ferry_vf *vf = session->vf;

	if (changes <= READ_ONCE(vf->full_bytes))
		return;
	WRITE_ONCE(vf->full_bytes, changes);
	/* The reserve follows, while there is time for it. */
	ferry_session_kick(session);
}

/**
 * ferry_save_query_full() - ask what a full save needs
 * @vf: the function; the caller has the command slot
 * @estimate: filled
 *
 * Return: 0 or negative errno.
 */
int ferry_save_query_full(struct ferry_vf *vf,
			  struct vfio_ferry_estimate *estimate)
{
	int err = ferry_command_query(vf, false, estimate);

	if (!err)
		WRITE_ONCE(vf->full_bytes, max(estimate->required,
					       estimate->total));
	return err;
}

static void lose_track(struct ferry_vf *vf, struct ferry_queue *queue)
{
	if (!ferry_queue_lose_track(queue))
		return;
	atomic64_inc(&vf->stats.tracks_lost);
	dev_info(&vf->device->core.pdev->dev,
		 "what changed in pre-copy is not known any more, the final image will be a full one\n");
}

/**
 * ferry_save_query_changes() - ask what changed since the last image
 * @session: the save; the caller has the command slot
 * @estimate: filled, or zeros
 *
 * Tells the queue, also if the firmware lost track of it.
 *
 * Return: 0 or negative errno, -ESTALE if it did.
 */
int ferry_save_query_changes(struct ferry_session *session,
			     struct vfio_ferry_estimate *estimate)
{
	struct ferry_vf *vf = session->vf;
	int err = ferry_command_query(vf, true, estimate);

	if (err == -ESTALE)
		lose_track(vf, &session->queue);
	if (err)
		return err;
	ferry_queue_expect(&session->queue, estimate,
			   ferry_precopy_info_v2(&vf->device->core.vdev));
	raise_full(session, estimate->required);
	return 0;
}

/* Ask what the next image needs; the queue is told. */
static int measure(struct ferry_session *session, bool changes,
		   struct vfio_ferry_estimate *estimate)
{
	int err;

	if (changes)
		return ferry_save_query_changes(session, estimate);
	err = ferry_save_query_full(session->vf, estimate);
	/* Before there is an image, that it was set up anew is no news. */
	if (!err)
		ferry_queue_expect(&session->queue, estimate, false);
	return err;
}

/* Images */

static void discard_spares(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *image;

	while ((image = ferry_queue_take(queue, FERRY_IMAGE_SPARE,
					 FERRY_IMAGE_HELD)))
		ferry_image_discard(vf, image);
}

/* A spare image, HELD, that may be written: nobody has its pages in a pipe. */
static struct ferry_image *take_spare(struct ferry_vf *vf,
				      struct ferry_queue *queue, u64 bytes)
{
	struct ferry_image *image;

	while ((image = ferry_queue_take_spare(queue, bytes,
					       FERRY_IMAGE_HELD)) &&
	       ferry_image_is_shared(image))
		ferry_image_discard(vf, image);
	return image;
}

/*
 * An image, HELD, with that much room, mapped: the best spare one or a new one.
 * *made, if not NULL: some of its memory had to be found.
 */
static struct ferry_image *get_image(struct ferry_vf *vf,
				     struct ferry_session *session, u64 bytes,
				     bool *made)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;
	int err;

	image = take_spare(vf, queue, bytes);
	if (!image)
		image = ferry_image_new(session, FERRY_IMAGE_HELD);
	if (!image)
		return ERR_PTR(-ENOMEM);

	if (made)
		*made = ferry_image_missing(image, bytes);
	err = ferry_image_grow(image, bytes, FERRY_EFFORT_NEEDED);
	if (err == -ENOBUFS) {
		discard_spares(vf, queue);
		err = ferry_image_grow(image, bytes, FERRY_EFFORT_NEEDED);
	}
	if (!err)
		err = ferry_image_map(vf, image);
	if (!err)
		return image;
	ferry_image_discard(vf, image);
	return ERR_PTR(err);
}

/*
 * An image for a tracked save of what was just measured. To find memory takes
 * its time, and the function runs on meanwhile: then it is measured again.
 */
static struct ferry_image *get_tracked(struct ferry_session *session,
				       bool changes,
				       struct vfio_ferry_estimate *estimate)
{
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;
	bool made;
	int err;

	for (int measured = 1;; measured++) {
		image = get_image(vf, session,
				  tracked_bytes(vf, estimate->required), &made);
		if (IS_ERR(image) || !made)
			return image;
		err = measure(session, changes, estimate);
		if (!err && (measured == MEASURES_MAX ||
			     estimate->required <= image->memory.capacity))
			return image;
		ferry_queue_move(&session->queue, image, FERRY_IMAGE_SPARE);
		if (err)
			return ERR_PTR(err);
	}
}

static bool is_made(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return !ferry_queue_first(queue, FERRY_AT(HELD));
}

/*
 * From here on the image that was set aside for the final state is a spare
 * one. If the worker is still making it, that is waited for, killably. The
 * caller has the command slot.
 */
static int release_reserve(struct ferry_queue *queue)
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

/*
 * The image to be set aside for the final state, HELD, if there is none or it
 * may turn out too small. Tried once for each size: without enough of it the
 * final image allocates, which is slower, and counted.
 */
static struct ferry_image *begin_reserve(struct ferry_vf *vf,
					 struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	u64 bytes = reserve_bytes(vf);
	struct ferry_image *image;

	if (bytes <= queue->outlook.reserve)
		return NULL;
	queue->outlook.reserve = bytes;
	image = ferry_queue_take(queue, FERRY_IMAGE_RESERVE, FERRY_IMAGE_HELD);
	return image ?: ferry_image_new(session, FERRY_IMAGE_HELD);
}

/* Give it its memory. Without the command slot: users go on asking meanwhile. */
static void make_reserve(struct ferry_vf *vf, struct ferry_image *image)
{
	struct ferry_queue *queue = &image->session->queue;

	ferry_image_grow(image, queue->outlook.reserve, FERRY_EFFORT_WELCOME);
	if (!image->memory.capacity || ferry_image_map(vf, image))
		ferry_image_discard(vf, image);
	else
		ferry_queue_move(queue, image, FERRY_IMAGE_RESERVE);
}

/* Arcs */

/* Hand an image and the command slot to the worker. */
static void assign(struct ferry_vf *vf, struct ferry_image *image,
		   enum ferry_image_kind kind, unsigned int flags)
{
	image->kind = kind;
	image->save_flags = flags;
	ferry_queue_assign(&image->session->queue, image, FERRY_IMAGE_PENDING);
	wake_up_all(&vf->slot.wait);	/* who wants to ask: need not now */
	ferry_worker_kick(vf);
}

static struct ferry_image *make_initial(struct ferry_vf *vf,
					struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;
	u64 bytes, needed;
	int err;

	err = measure(session, false, &estimate);
	if (err)
		return ERR_PTR(err);
	bytes = tracked_bytes(vf, estimate.required);
	needed = bytes + reserve_bytes(vf) + SZ_128K;
	if (needed > queue->budget) {
		ferry_vf_refuse(vf, "pre-copy needs max_inflight_bytes of %llu or more",
				needed);
		return ERR_PTR(-ENOBUFS);
	}
	image = get_tracked(session, false, &estimate);
	if (!IS_ERR(image))
		ferry_queue_begin(queue, true, bytes);
	return image;
}

/**
 * ferry_save_begin_precopy() - save the initial image
 * @vf: the function
 * @session: its session, just opened
 *
 * Return: 0 once the worker is to save it, or negative errno.
 */
int ferry_save_begin_precopy(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_image *image;
	int err;

	lockdep_assert_held(&vf->state_mutex);
	err = ferry_slot_take(&vf->slot);
	if (err)
		return err;
	image = make_initial(vf, session);
	if (IS_ERR(image)) {
		ferry_slot_give(vf);
		return PTR_ERR(image);
	}
	assign(vf, image, FERRY_IMAGE_INITIAL, VFIO_FERRY_SAVE_TRACK);
	return 0;
}

/*
 * An image to end the tracking with, HELD and mapped: the longest there is, and
 * longer if it needs to be and can. NULL if none can be had at all.
 */
static struct ferry_image *lend_image(struct ferry_vf *vf,
				      struct ferry_session *session, u64 bytes)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	while ((image = take_spare(vf, queue, U64_MAX))) {
		ferry_image_grow(image, bytes, FERRY_EFFORT_WELCOME);
		if (image->memory.capacity && !ferry_image_map(vf, image))
			return image;
		ferry_image_discard(vf, image);
	}
	image = get_image(vf, session, bytes, NULL);
	return IS_ERR(image) ? NULL : image;
}

/*
 * Let the firmware forget what changed. It is asked first, and given an image,
 * though it may have nothing to save: no driver is known that does without. The
 * caller has the command slot.
 */
static int stop_tracking(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;
	int err;

	ferry_command_query(vf, true, &estimate);
	err = release_reserve(queue);
	if (err)
		return err;
	image = lend_image(vf, session, image_bytes(vf, estimate.required));
	if (image)
		ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
	err = ferry_command_stop_tracking(vf, image);
	if (image)
		ferry_queue_move(queue, image, err == -ETIMEDOUT ?
				 FERRY_IMAGE_LOST : FERRY_IMAGE_SPARE);
	/* The command has said so itself. */
	return 0;
}

/**
 * ferry_save_cancel_precopy() - let the firmware forget about a pre-copy
 * @vf: the function, running
 * @session: its session
 *
 * Cannot fail: a function must not be lost because its migration was. What
 * goes wrong is reported, and the worst that stays is that the firmware
 * remembers changes that nobody will ask for.
 */
void ferry_save_cancel_precopy(struct ferry_vf *vf,
			       struct ferry_session *session)
{
	int err;

	lockdep_assert_held(&vf->state_mutex);
	ferry_queue_set_phase(&session->queue, FERRY_PHASE_PAUSED);
	err = ferry_slot_take(&vf->slot);
	if (!err) {
		err = stop_tracking(vf, session);
		ferry_slot_give(vf);
	}
	if (err)
		dev_warn(&vf->device->core.pdev->dev,
			 "cannot end change tracking: %pe\n", ERR_PTR(err));
}

static struct ferry_image *make_final(struct ferry_vf *vf,
				      struct ferry_session *session,
				      bool *changes)
{
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;
	u64 bytes;
	int err;

	err = measure(session, *changes, &estimate);
	if (err == -ESTALE && *changes) {
		*changes = false;
		err = measure(session, false, &estimate);
	}
	if (err)
		return ERR_PTR(err);
	err = release_reserve(&session->queue);
	if (err)
		return ERR_PTR(err);
	bytes = image_bytes(vf, estimate.required);
	image = get_image(vf, session, bytes, NULL);
	if (image == ERR_PTR(-ENOBUFS))
		ferry_vf_refuse(vf, "the final image needs max_inflight_bytes of %llu or more",
				bytes);
	return image;
}

/* The caller has the command slot, and keeps it if this fails. */
static int begin_final(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	bool precopy = queue->phase != FERRY_PHASE_OPENED;
	bool changes = precopy && !queue->outlook.untracked;
	struct ferry_image *image;

	if (READ_ONCE(queue->error))
		return queue->error;
	image = make_final(vf, session, &changes);
	if (IS_ERR(image))
		return PTR_ERR(image);
	if (precopy)
		ferry_queue_set_phase(queue, FERRY_PHASE_FINAL);
	else
		ferry_queue_begin(queue, false, 0);
	assign(vf, image, FERRY_IMAGE_FINAL,
	       changes ? VFIO_FERRY_SAVE_INCREMENTAL : 0);
	return 0;
}

/**
 * ferry_save_begin_final() - save the final image, or its first part
 * @vf: the function, stopped
 * @session: its session, just opened or a paused pre-copy
 *
 * Return: 0 once the worker is to save it, or negative errno; the session is
 * then as it was, but for what changed: all of the state will come with the
 * final image.
 */
int ferry_save_begin_final(struct ferry_vf *vf, struct ferry_session *session)
{
	int err;

	lockdep_assert_held(&vf->state_mutex);
	ferry_window_open(vf);
	err = ferry_slot_take(&vf->slot);
	if (!err) {
		err = begin_final(vf, session);
		if (err)
			ferry_slot_give(vf);
	}
	if (!err)
		return 0;
	WRITE_ONCE(vf->stats.window.open, false);
	/*
	 * The function will be resumed, and with that the firmware may forget
	 * what changed.
	 */
	if (session->queue.phase != FERRY_PHASE_OPENED)
		lose_track(vf, &session->queue);
	return err;
}

/* The worker */

/* A session whose firmware saves in parts has few images. */
static bool has_buffer(struct ferry_queue *queue)
{
	return ferry_queue_count(queue, ~FERRY_AT(SPARE)) < PARTS_MAX;
}

/*
 * Shall the next middle image be saved now? If somebody was told that there is
 * something, and has nothing left to read: yes. If nothing is known to have
 * changed, when it is time to look. Else only the next part of what is due,
 * while the last one is read.
 */
static bool wants_middle(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_outlook *outlook = &queue->outlook;
	u64 part = part_bytes(vf);
	bool sleeper;

	switch (ferry_queue_prospect(queue)) {
	case FERRY_PROSPECT_CHANGES:
		if (outlook->asked &&
		    !ferry_queue_first(queue, FERRY_AT(READY)))
			return true;
		return part && min(outlook->changed, outlook->due) >= part &&
		       has_buffer(queue);
	case FERRY_PROSPECT_UNKNOWN:
		return ferry_queue_wants_look(queue, &sleeper);
	default:
		return false;
	}
}

static bool wants_image(struct ferry_vf *vf, struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	if (queue->error)
		return false;
	switch (queue->phase) {
	case FERRY_PHASE_PRECOPY:
		return wants_middle(vf, queue);
	case FERRY_PHASE_FINAL:
		return queue->outlook.next_part && has_buffer(queue);
	default:
		return false;
	}
}

static struct ferry_image *make_middle(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;

	if (measure(session, true, &estimate) || !estimate.required)
		return NULL;
	image = get_tracked(session, true, &estimate);
	if (IS_ERR(image))
		return NULL;
	image->kind = queue->outlook.reinit ? FERRY_IMAGE_INITIAL :
					      FERRY_IMAGE_MIDDLE;
	image->save_flags = VFIO_FERRY_SAVE_INCREMENTAL | VFIO_FERRY_SAVE_TRACK;
	return image;
}

/* The next part of the final image. */
static struct ferry_image *make_part(struct ferry_vf *vf,
				     struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	u64 required = queue->outlook.next_part;
	struct ferry_image *image;

	image = get_image(vf, session, image_bytes(vf, required), NULL);
	spin_lock(&queue->lock);
	if (!IS_ERR(image)) {
		image->kind = FERRY_IMAGE_FINAL;
		image->save_flags = VFIO_FERRY_SAVE_INCREMENTAL;
		queue->outlook.changed = max(queue->outlook.changed, required);
		queue->outlook.next_part = 0;
	} else if (!ferry_queue_first(queue, FERRY_AT(READY) |
				      FERRY_AT(USER))) {
		/* There is no reader to wait for, who might give memory back. */
		queue->error = PTR_ERR(image);
	}
	spin_unlock(&queue->lock);
	return IS_ERR(image) ? NULL : image;
}

/* Make what is to be saved next. The caller has the command slot. */
static struct ferry_image *make_next(struct ferry_vf *vf,
				     struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	/* Who had the slot before may have changed everything. */
	if (!wants_image(vf, queue))
		return NULL;
	if (READ_ONCE(queue->phase) == FERRY_PHASE_FINAL) {
		image = make_part(vf, session);
	} else {
		image = make_middle(session);
		if (!image)
			ferry_queue_look_later(queue);
	}
	if (image) {
		ferry_queue_assign(queue, image, FERRY_IMAGE_FIRMWARE);
		wake_up_all(&vf->slot.wait);	/* as in assign() */
	}
	return image;
}

/* What is to be saved next, with the command slot; NULL without it. */
static struct ferry_image *next_image(struct ferry_vf *vf,
				      struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	image = ferry_queue_take(queue, FERRY_IMAGE_PENDING,
				 FERRY_IMAGE_FIRMWARE);
	if (image)
		return image;
	if (!wants_image(vf, queue) || ferry_slot_want(&vf->slot))
		return NULL;
	image = make_next(vf, session);
	if (!image)
		ferry_slot_give(vf);
	return image;
}

/* Save an image and give the command slot back. */
static void save(struct ferry_vf *vf, struct ferry_image *image)
{
	struct ferry_session *session = image->session;
	struct ferry_image *reserve = NULL;
	u64 next_part;
	int err;

	err = ferry_command_save(vf, image, &next_part);
	if (err == -ESTALE)
		lose_track(vf, &session->queue);
	if (err)
		ferry_queue_save_failed(&session->queue, image, err);
	else
		ferry_queue_saved(&session->queue, image, next_part);
	/* While the user reads it; an arc that comes now waits for that. */
	if (image->kind == FERRY_IMAGE_INITIAL)
		reserve = begin_reserve(vf, session);
	ferry_slot_give(vf);
	if (reserve)
		make_reserve(vf, reserve);
}

/* More spare images than there is use for */
static bool has_excess(struct ferry_vf *vf, struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return ferry_queue_count(queue, FERRY_AT(SPARE)) >
	       (part_bytes(vf) ? PARTS_SPARE : 1);
}

/* Who waits for changes is not there to kick the worker when it is time. */
static void look_again(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_outlook *outlook = &queue->outlook;
	unsigned long now = jiffies;
	bool sleeper = false;

	spin_lock(&queue->lock);
	if (ferry_queue_prospect(queue) == FERRY_PROSPECT_UNKNOWN)
		ferry_queue_wants_look(queue, &sleeper);
	spin_unlock(&queue->lock);
	if (sleeper)
		ferry_worker_kick_later(vf, time_before(now, outlook->look_next) ?
					outlook->look_next - now : 1);
}

/* Between two images of a pre-copy */
static void keep_house(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	/* The longest stays: what changes later finds room there. */
	while (has_excess(vf, queue) &&
	       (image = ferry_queue_take_spare(queue, 0, FERRY_IMAGE_HELD)))
		ferry_image_discard(vf, image);
	image = begin_reserve(vf, session);
	if (image)
		make_reserve(vf, image);
	look_again(vf, queue);
}

/**
 * ferry_save_work() - do what a save needs now
 * @session: the session; the caller is its worker
 */
void ferry_save_work(struct ferry_session *session)
{
	struct ferry_vf *vf = session->vf;
	struct ferry_image *image;

	while ((image = next_image(vf, session)))
		save(vf, image);

	switch (READ_ONCE(session->queue.phase)) {
	case FERRY_PHASE_PRECOPY:
		keep_house(vf, session);
		break;
	case FERRY_PHASE_SAVED:
		/* Freeing waits until the reader is through. */
		if (!READ_ONCE(vf->stats.window.open))
			discard_spares(vf, &session->queue);
		break;
	default:
		break;
	}
}
