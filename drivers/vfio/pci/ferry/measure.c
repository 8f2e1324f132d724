// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking the firmware what a save would need. See measure.h.
 *
 * Called by the arcs and the worker of a save and for users who ask how much
 * is to come. Who asks the firmware has the command slot; the sizes may be
 * computed by anybody.
 */
#include <linux/sizes.h>

#include "compat.h"
#include "measure.h"
#include "session.h"

/**
 * ferry_final_bytes() - memory for a save of a function that stands still
 * @vf: the function
 * @required: bytes that the firmware asks for
 *
 * Return: bytes.
 */
u64 ferry_final_bytes(struct ferry_vf *vf, u64 required)
{
	return max3(required, ferry_part_bytes(vf), (u64)PAGE_SIZE);
}

/* The function runs on, and its state may grow. */
static u64 with_slack(struct ferry_vf *vf, u64 bytes)
{
	return min(bytes + max_t(u64, bytes / 8, SZ_1M), vf->max_image);
}

/**
 * ferry_tracked_bytes() - memory for a save of a function that runs on
 * @vf: the function
 * @required: bytes that the firmware asks for
 *
 * Too little of it loses the track.
 *
 * Return: bytes.
 */
u64 ferry_tracked_bytes(struct ferry_vf *vf, u64 required)
{
	return ferry_final_bytes(vf, with_slack(vf, required));
}

/**
 * ferry_reserve_bytes() - memory for the final image, set aside before it
 * @vf: the function
 *
 * Return: bytes.
 */
u64 ferry_reserve_bytes(struct ferry_vf *vf)
{
	return ferry_part_bytes(vf) ?:
	       with_slack(vf, READ_ONCE(vf->full_bytes));
}

/**
 * ferry_measure_full() - ask what a full save needs
 * @vf: the function; the caller has the command slot
 * @estimate: filled
 *
 * Return: 0 or negative errno.
 */
int ferry_measure_full(struct ferry_vf *vf,
		       struct vfio_ferry_estimate *estimate)
{
	int err = ferry_command_query(vf, false, estimate);

	if (!err)
		WRITE_ONCE(vf->full_bytes, max(estimate->required,
					       estimate->total));
	return err;
}

/**
 * ferry_lose_track() - what changed in pre-copy is not known any more
 * @vf: the function
 * @queue: the queue of its save
 *
 * The final image will be a full one.
 */
void ferry_lose_track(struct ferry_vf *vf, struct ferry_queue *queue)
{
	if (!ferry_queue_lose_track(queue))
		return;
	atomic64_inc(&vf->stats.tracks_lost);
	dev_info(&vf->device->core.pdev->dev,
		 "what changed in pre-copy is not known any more, the final image will be a full one\n");
}

/**
 * ferry_measure_changes() - ask what changed since the last image
 * @session: the save; the caller has the command slot
 * @estimate: filled, or zeros
 *
 * Tells the queue, also if the firmware lost track of it.
 *
 * Return: 0 or negative errno, -ESTALE if it did.
 */
int ferry_measure_changes(struct ferry_session *session,
			  struct vfio_ferry_estimate *estimate)
{
	struct ferry_vf *vf = session->vf;
	int err = ferry_command_query(vf, true, estimate);

	if (err == -ESTALE)
		ferry_lose_track(vf, &session->queue);
	if (err)
		return err;
	ferry_queue_expect(&session->queue, estimate,
			   ferry_precopy_info_v2(&vf->device->core.vdev));
	/* All of the state takes no less than what changed of it. */
	if (estimate->required > READ_ONCE(vf->full_bytes))
		WRITE_ONCE(vf->full_bytes, estimate->required);
	return 0;
}

/**
 * ferry_measure() - ask what the next image of a save needs
 * @session: the save; the caller has the command slot
 * @changes: an image of what changed, else a full one
 * @estimate: filled, or zeros
 *
 * Tells the queue.
 *
 * Return: 0 or negative errno, as ferry_measure_changes().
 */
int ferry_measure(struct ferry_session *session, bool changes,
		  struct vfio_ferry_estimate *estimate)
{
	int err;

	if (changes)
		return ferry_measure_changes(session, estimate);
	err = ferry_measure_full(session->vf, estimate);
	/* Before there is an image, that it was set up anew is no news. */
	if (!err)
		ferry_queue_expect(&session->queue, estimate, false);
	return err;
}
