// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving: what the arcs begin and end. See save.h.
 *
 * Called by fsm.c under state_mutex. A query and the save that follows it have
 * the command slot in one piece, for the firmware measures the memory of a
 * save by the last query.
 */
#include <linux/sizes.h>

#include "measure.h"
#include "save.h"
#include "save_image.h"
#include "session.h"

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

	err = ferry_measure(session, false, &estimate);
	if (err)
		return ERR_PTR(err);
	bytes = ferry_tracked_bytes(vf, estimate.required);
	needed = bytes + ferry_reserve_bytes(vf) + SZ_128K;
	if (needed > queue->budget) {
		ferry_vf_refuse(vf, "pre-copy needs max_inflight_bytes of %llu or more",
				needed);
		return ERR_PTR(-ENOBUFS);
	}
	image = ferry_save_image_tracked(session, false, &estimate);
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
	err = ferry_reserve_release(queue);
	if (err)
		return err;
	image = ferry_save_image_lend(session,
				      ferry_final_bytes(vf, estimate.required));
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

	err = ferry_measure(session, *changes, &estimate);
	if (err == -ESTALE && *changes) {
		*changes = false;
		err = ferry_measure(session, false, &estimate);
	}
	if (err)
		return ERR_PTR(err);
	err = ferry_reserve_release(&session->queue);
	if (err)
		return ERR_PTR(err);
	bytes = ferry_final_bytes(vf, estimate.required);
	image = ferry_save_image_get(session, bytes, NULL);
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
		ferry_lose_track(vf, &session->queue);
	return err;
}
