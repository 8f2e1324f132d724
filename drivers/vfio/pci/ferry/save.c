// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving: from the firmware into the queue. See save.h.
 *
 * The begin and cancel functions are called by fsm.c under state_mutex,
 * ferry_save_work() by the session worker, vfio_ferry_saved() by the backend in
 * any context. Whoever runs commands
 * holds the lane; a query and the save that follows it hold it in one piece,
 * for the firmware measures the memory of a save by the last query.
 */
#include <linux/jiffies.h>
#include <linux/sizes.h>

#include "compat.h"
#include "save.h"
#include "session.h"
#include "trace.h"
#include "wire.h"

/* Looks for changes while a reader waits for some: first and longest pause */
#define POLL_DELAY_MIN		msecs_to_jiffies(4)
#define POLL_DELAY_MAX		msecs_to_jiffies(128)
/* A spare image this many times larger than the next one is not kept */
#define SPARE_EXCESS		4
#define SPARE_BYTES_MIN		SZ_1M
/* Images of a session whose firmware saves in parts: one is saved, one read */
#define PARTS_SPARE		2
#define PARTS_MAX		(PARTS_SPARE + 1)

static u64 part_bytes(struct ferry_vf *vf)
{
	return vf->device->ops->part_bytes(vf->device);
}

/* Memory for the next save. More than required only if parts are saved. */
static u64 image_bytes(struct ferry_vf *vf,
		       const struct vfio_ferry_estimate *estimate)
{
	u64 part = min(part_bytes(vf), estimate->total);

	return max3(estimate->required, part, (u64)PAGE_SIZE);
}

/* Memory for the final image, with room for what changes until then. */
static u64 reserve_bytes(struct ferry_vf *vf, u64 changed)
{
	u64 bytes = max(vf->full + vf->full / 10, changed + changed / 4);
	u64 part = part_bytes(vf);

	return part ? min(bytes, part) : min(bytes, vf->device->ops->max_image);
}

/**
 * ferry_save_query_full() - ask what a full save needs
 * @vf: the function; the caller holds the lane
 * @estimate: filled
 *
 * Return: 0 or negative errno.
 */
int ferry_save_query_full(struct ferry_vf *vf,
			  struct vfio_ferry_estimate *estimate)
{
	int err = ferry_command_query(vf, false, estimate);

	if (!err)
		WRITE_ONCE(vf->full, max(estimate->required, estimate->total));
	return err;
}

static void discard_spares(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *image;

	while ((image = ferry_queue_take_largest(queue)))
		ferry_image_discard(vf, image);
}

/*
 * An image with that much room, mapped: the best spare one, else the largest
 * of them made longer, else a new one.
 */
static struct ferry_image *get_image(struct ferry_vf *vf,
				     struct ferry_session *session, u64 bytes)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;
	int err;

	image = ferry_queue_take_spare(queue, bytes);
	if (!image)
		image = ferry_queue_take_largest(queue);
	if (!image)
		image = ferry_image_new(session, false);
	if (!image)
		return ERR_PTR(-ENOMEM);

	err = ferry_image_grow(image, bytes);
	if (err == -ENOBUFS) {
		discard_spares(vf, queue);
		err = ferry_image_grow(image, bytes);
	}
	if (!err)
		err = ferry_image_map(vf, image);
	if (!err)
		return image;
	ferry_image_discard(vf, image);
	return ERR_PTR(err);
}

/*
 * Issue a save of as many of the expected bytes as the image holds. The caller
 * holds the lane; if this succeeds the save does, and leaves it when its
 * outcome arrives.
 */
static int issue(struct ferry_vf *vf, struct ferry_image *image,
		 enum ferry_image_kind kind, unsigned int flags)
{
	struct ferry_queue *queue = &image->session->queue;
	int err = -ENODEV;
	u64 bytes;

	spin_lock_irq(&queue->lock);
	if (queue->phase != FERRY_PHASE_CLOSED) {
		image->kind = kind;
		bytes = min(queue->expected, image->memory.capacity);
		queue->expected -= bytes;
		queue->active = image;
		queue->active_bytes = bytes + FERRY_WIRE_IMAGE_OVERHEAD;
		err = 0;
	}
	spin_unlock_irq(&queue->lock);
	if (err)
		return err;
	/* Those who wait for the lane to ask a question need not any more. */
	wake_up_all(&vf->lane.wait);

	err = ferry_command_save(vf, image, flags);
	if (!err)
		return 0;
	spin_lock_irq(&queue->lock);
	queue->active = NULL;
	queue->active_bytes = 0;
	spin_unlock_irq(&queue->lock);
	if (err != -ETIMEDOUT)
		ferry_queue_add_spare(queue, image);
	return err;
}

/**
 * ferry_save_begin_precopy() - save the initial image
 * @vf: the function
 * @session: its session, paused
 *
 * Return: 0 once the save runs, or negative errno.
 */
int ferry_save_begin_precopy(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;
	u64 bytes, reserve;
	int err;

	lockdep_assert_held(&vf->state_mutex);
	err = ferry_lane_enter(&vf->lane);
	if (err)
		return err;
	err = ferry_save_query_full(vf, &estimate);
	if (err)
		goto leave;

	bytes = image_bytes(vf, &estimate);
	reserve = reserve_bytes(vf, 0);
	if (bytes + reserve + SZ_128K > queue->budget) {
		ferry_vf_refuse(vf, "pre-copy needs max_inflight_bytes of %llu or more",
				bytes + reserve + SZ_128K);
		err = -ENOBUFS;
		goto leave;
	}
	image = get_image(vf, session, bytes);
	err = PTR_ERR_OR_ZERO(image);
	if (err)
		goto leave;
	ferry_stream_begin_save(session, estimate.required);
	ferry_queue_expect(queue, &estimate, false);
	err = issue(vf, image, FERRY_IMAGE_INITIAL, VFIO_FERRY_SAVE_TRACK);
	if (!err)
		return 0;
leave:
	ferry_lane_leave(vf);
	return err;
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
	struct ferry_queue *queue = &session->queue;
	struct vfio_ferry_estimate estimate = {};
	struct ferry_image *image = NULL;
	u64 bytes;

	lockdep_assert_held(&vf->state_mutex);
	ferry_queue_set_phase(queue, FERRY_PHASE_PAUSED);
	flush_delayed_work(&vf->worker);
	if (ferry_lane_enter(&vf->lane)) {
		dev_warn(&vf->device->core.pdev->dev,
			 "cannot end change tracking, the firmware is busy\n");
		return;
	}
	if (!queue->untracked)
		ferry_command_query(vf, true, &estimate);
	if (estimate.required) {
		bytes = image_bytes(vf, &estimate);
		image = queue->reserve;
		if (!image || image->memory.capacity < bytes)
			image = get_image(vf, session, bytes);
	}
	if (!IS_ERR(image))
		ferry_command_stop_tracking(vf, image);
	else
		dev_warn(&vf->device->core.pdev->dev,
			 "cannot end change tracking, no memory: %pe\n", image);
	ferry_lane_leave(vf);
}

static void open_window(struct ferry_vf *vf)
{
	struct ferry_window *window = &vf->stats.window;

	atomic_set(&window->allocations, 0);
	atomic_set(&window->maps, 0);
	atomic_set(&window->unmaps, 0);
	atomic_set(&window->frees, 0);
	WRITE_ONCE(window->open, true);
}

/* The image set aside for the final state if it is large enough. */
static struct ferry_image *final_image(struct ferry_vf *vf,
				       struct ferry_session *session, u64 bytes)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	spin_lock_irq(&queue->lock);
	image = queue->reserve;
	queue->reserve = NULL;
	spin_unlock_irq(&queue->lock);
	if (image && image->memory.capacity >= bytes)
		return image;
	if (image)
		ferry_queue_add_spare(queue, image);
	return get_image(vf, session, bytes);
}

/*
 * Back to a paused pre-copy. The function will be resumed, and with that the
 * firmware may forget what changed: the next final image is a full one.
 */
static void lose_track(struct ferry_queue *queue)
{
	spin_lock_irq(&queue->lock);
	queue->untracked = true;
	spin_unlock_irq(&queue->lock);
	ferry_queue_set_phase(queue, FERRY_PHASE_PAUSED);
}

/**
 * ferry_save_begin_final() - save the final image, or its first part
 * @vf: the function, stopped
 * @session: its session
 *
 * Return: 0 once the save runs, or negative errno; the session is then as it
 * was, but for what changed: all of the state will come with the final image.
 */
int ferry_save_begin_final(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	bool precopy = queue->phase == FERRY_PHASE_PAUSED;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;
	bool changes;
	u64 bytes;
	int err;

	lockdep_assert_held(&vf->state_mutex);
	open_window(vf);
	ferry_queue_set_phase(queue, FERRY_PHASE_FINAL);
	if (precopy)
		flush_delayed_work(&vf->worker);
	else
		ferry_stream_begin_save(session, 0);

	err = ferry_lane_enter(&vf->lane);
	if (err)
		goto undo;
	changes = precopy && !queue->untracked;
	err = changes ? ferry_command_query(vf, true, &estimate) :
			ferry_save_query_full(vf, &estimate);
	if (err)
		goto leave;
	bytes = image_bytes(vf, &estimate);
	image = final_image(vf, session, bytes);
	err = PTR_ERR_OR_ZERO(image);
	if (err == -ENOBUFS)
		ferry_vf_refuse(vf, "the final image needs max_inflight_bytes of %llu or more",
				bytes);
	if (err)
		goto leave;

	ferry_queue_expect(queue, &estimate, false);
	err = issue(vf, image, FERRY_IMAGE_FINAL,
		    changes ? VFIO_FERRY_SAVE_INCREMENTAL : 0);
	if (!err)
		return 0;
leave:
	ferry_lane_leave(vf);
undo:
	WRITE_ONCE(vf->stats.window.open, false);
	if (precopy)
		lose_track(queue);
	return err;
}

/* The worker */

/* Keep an image for the final state, of the size that it may need by now. */
static void prepare_reserve(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *reserve;
	u64 bytes;

	spin_lock_irq(&queue->lock);
	bytes = queue->expected;
	reserve = queue->reserve;
	if (reserve)
		queue->reserve = NULL;
	spin_unlock_irq(&queue->lock);

	bytes = reserve_bytes(vf, bytes);
	if (!reserve || reserve->memory.capacity < bytes) {
		if (reserve)
			ferry_queue_add_spare(queue, reserve);
		reserve = get_image(vf, session, bytes);
	}
	/* Without one the final image allocates: slower, and counted. */
	if (IS_ERR(reserve))
		return;
	spin_lock_irq(&queue->lock);
	queue->reserve = reserve;
	spin_unlock_irq(&queue->lock);
}

/* Free the spare images that are too many or much too large. */
static void trim_spares(struct ferry_vf *vf, struct ferry_queue *queue)
{
	struct ferry_image *image, *next;
	u64 part = part_bytes(vf);
	unsigned int kept = 0;
	LIST_HEAD(excess);
	u64 limit;

	spin_lock_irq(&queue->lock);
	limit = SPARE_EXCESS * max_t(u64, queue->expected, SPARE_BYTES_MIN);
	list_for_each_entry_safe(image, next, &queue->spare, node) {
		if (part ? kept < PARTS_SPARE :
			   image->memory.capacity <= limit)
			kept++;
		else
			list_move(&image->node, &excess);
	}
	spin_unlock_irq(&queue->lock);

	list_for_each_entry_safe(image, next, &excess, node) {
		list_del_init(&image->node);
		ferry_image_discard(vf, image);
	}
}

/*
 * Shall the next middle image be saved now? If the reader waits for one: yes,
 * or, if nothing is known to have changed, when it is time to look. If not,
 * only the next part of what is known, while the last one is read.
 */
static bool wants_middle(struct ferry_vf *vf, struct ferry_queue *queue)
{
	u64 part = part_bytes(vf);
	unsigned long wait = 0;
	bool wanted;

	spin_lock_irq(&queue->lock);
	wanted = queue->phase == FERRY_PHASE_PRECOPY && !queue->active &&
		 !queue->untracked && !queue->error;
	if (list_empty(&queue->ready) && queue->demand) {
		if (!queue->expected && time_before(jiffies, queue->poll_next))
			wait = queue->poll_next - jiffies;
	} else {
		wanted = wanted && part && queue->expected >= part &&
			 (!list_empty(&queue->spare) ||
			  list_count_nodes(&queue->members) < PARTS_MAX);
	}
	spin_unlock_irq(&queue->lock);
	if (wanted && wait)
		ferry_worker_kick_later(vf, wait);
	return wanted && !wait;
}

/* Nothing changed, or nothing can be done about it now: look again later. */
static void look_again_later(struct ferry_vf *vf, struct ferry_queue *queue)
{
	unsigned long delay;

	spin_lock_irq(&queue->lock);
	queue->expected = 0;
	delay = clamp(queue->poll_delay * 2, POLL_DELAY_MIN, POLL_DELAY_MAX);
	queue->poll_delay = delay;
	queue->poll_next = jiffies + delay;
	spin_unlock_irq(&queue->lock);
	wake_up_all(&queue->wait);
	ferry_worker_kick_later(vf, delay);
}

static void save_middle(struct ferry_vf *vf, struct ferry_session *session)
{
	bool tell_reinit = ferry_precopy_info_v2(&vf->device->core.vdev);
	struct ferry_queue *queue = &session->queue;
	enum ferry_image_kind kind = FERRY_IMAGE_MIDDLE;
	struct vfio_ferry_estimate estimate;
	struct ferry_image *image;

	if (!wants_middle(vf, queue) || ferry_lane_want(&vf->lane))
		return;
	/* An arc that had the lane before may have paused the session. */
	if (!wants_middle(vf, queue) ||
	    ferry_command_query(vf, true, &estimate) ||
	    !ferry_queue_expect(queue, &estimate, tell_reinit))
		goto later;

	image = get_image(vf, session, image_bytes(vf, &estimate));
	if (IS_ERR(image))
		goto later;
	spin_lock_irq(&queue->lock);
	queue->poll_delay = 0;
	if (queue->reinit)
		kind = FERRY_IMAGE_INITIAL;
	spin_unlock_irq(&queue->lock);
	if (!issue(vf, image, kind,
		   VFIO_FERRY_SAVE_INCREMENTAL | VFIO_FERRY_SAVE_TRACK))
		return;
later:
	ferry_lane_leave(vf);
	look_again_later(vf, queue);
}

static unsigned int count_members(struct ferry_queue *queue)
{
	unsigned int count;

	spin_lock_irq(&queue->lock);
	count = list_count_nodes(&queue->members);
	spin_unlock_irq(&queue->lock);
	return count;
}

/* The next part of the final image, as soon as there is memory for it. */
static void save_next_part(struct ferry_vf *vf, struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;
	u64 required, bytes;
	int err;

	spin_lock_irq(&queue->lock);
	required = queue->active || queue->error ? 0 : queue->next_required;
	spin_unlock_irq(&queue->lock);
	if (!required)
		return;

	bytes = max3(required, part_bytes(vf), (u64)PAGE_SIZE);
	image = ferry_queue_take_spare(queue, required);
	if (!image && count_members(queue) >= PARTS_MAX)
		return;		/* a reader that gives one back kicks */
	if (!image)
		image = get_image(vf, session, bytes);
	if (IS_ERR(image)) {
		/* Rather wait for the reader than fail, if there is one. */
		if (count_members(queue) < 2)
			ferry_queue_fail(queue, PTR_ERR(image));
		return;
	}

	err = ferry_lane_want(&vf->lane);
	if (err) {
		ferry_queue_add_spare(queue, image);
		return;
	}
	spin_lock_irq(&queue->lock);
	queue->next_required = 0;
	queue->expected = max(queue->expected, required);
	spin_unlock_irq(&queue->lock);
	err = issue(vf, image, FERRY_IMAGE_FINAL, VFIO_FERRY_SAVE_INCREMENTAL);
	if (err) {
		ferry_lane_leave(vf);
		ferry_queue_fail(queue, -EIO);
	}
}

/**
 * ferry_save_work() - do what a save needs now
 * @session: the session; the caller is its worker
 */
void ferry_save_work(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;
	struct ferry_vf *vf = session->vf;

	switch (READ_ONCE(queue->phase)) {
	case FERRY_PHASE_PAUSED:
		prepare_reserve(vf, session);
		break;
	case FERRY_PHASE_PRECOPY:
		prepare_reserve(vf, session);
		save_middle(vf, session);
		trim_spares(vf, queue);
		break;
	case FERRY_PHASE_FINAL:
		save_next_part(vf, session);
		break;
	case FERRY_PHASE_SAVED:
		/* Freeing waits until the reader is through. */
		if (!READ_ONCE(vf->stats.window.open))
			discard_spares(vf, queue);
		break;
	default:
		break;
	}
}

/* The outcome of a save */

static void add_saved(struct ferry_queue *queue, struct ferry_image *image,
		      const struct vfio_ferry_saved *saved)
{
	u64 bytes = saved->length + FERRY_WIRE_IMAGE_OVERHEAD;

	lockdep_assert_held(&queue->lock);
	image->memory.length = saved->length;
	if (!saved->length) {
		list_add(&image->node, &queue->spare);
	} else {
		list_add_tail(&image->node, &queue->ready);
		queue->demand = false;
		if (image->kind == FERRY_IMAGE_INITIAL)
			queue->unread_initial += bytes;
		else
			queue->unread_dirty += bytes;
	}
	if (image->kind == FERRY_IMAGE_INITIAL)
		queue->reinit = false;
	if (image->kind != FERRY_IMAGE_FINAL)
		return;
	queue->next_required = saved->next_required;
	if (saved->next_required)
		return;
	queue->expected = 0;
	queue->phase = FERRY_PHASE_SAVED;
}

/*
 * A tracked save that fails costs only what it would have saved: the final
 * image will be a full one. The final save has nothing behind it.
 */
static void add_failure(struct ferry_queue *queue, struct ferry_image *image,
			int err)
{
	lockdep_assert_held(&queue->lock);
	queue->expected = 0;
	if (image->kind == FERRY_IMAGE_FINAL)
		queue->error = -EIO;
	else
		queue->untracked = true;
	/* After a timeout the firmware may still write: nobody uses it again. */
	if (err != -ETIMEDOUT)
		list_add(&image->node, &queue->spare);
}

/**
 * vfio_ferry_saved() - the outcome of a save that the save operation began
 * @device: the function
 * @memory: the image
 * @saved: the outcome
 *
 * In any context, once for each save that was begun.
 */
void vfio_ferry_saved(struct vfio_ferry_device *device,
		      struct vfio_ferry_image *memory,
		      const struct vfio_ferry_saved *saved)
{
	struct ferry_image *image = container_of(memory, struct ferry_image,
						 memory);
	struct ferry_queue *queue = &image->session->queue;
	struct ferry_vf *vf = device->vf;
	int err = saved->error;
	unsigned long flags;

	if (!err)
		err = ferry_command_inject(vf, FERRY_FAULT_SAVED);
	if (!err && saved->length > memory->capacity)
		err = -EIO;
	if (!err)
		atomic64_inc(&vf->stats.images_saved);
	trace_ferry_command(vf->name, "save", err,
			    ktime_to_ns(ktime_sub(ktime_get(), image->started)));
	trace_ferry_image(vf->name, "saved", ferry_image_kind_name(image->kind),
			  saved->length, memory->capacity);

	/* Once it is not active any more, a closed session may be gone. */
	spin_lock_irqsave(&queue->lock, flags);
	if (queue->phase != FERRY_PHASE_CLOSED) {
		if (err)
			add_failure(queue, image, err);
		else
			add_saved(queue, image, saved);
	}
	queue->active = NULL;
	queue->active_bytes = 0;
	wake_up_all(&queue->wait);
	spin_unlock_irqrestore(&queue->lock, flags);

	ferry_worker_kick(vf);
	ferry_lane_leave(vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_saved);
