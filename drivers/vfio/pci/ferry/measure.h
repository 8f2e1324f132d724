/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the firmware says that a save would need, and what memory it is offered
 * for that.
 */
#ifndef FERRY_MEASURE_H
#define FERRY_MEASURE_H

#include <linux/vfio_ferry.h>

#include "vf.h"

struct ferry_queue;
struct ferry_session;

/* Bytes of memory for one part of an image, 0 if an image comes as a whole */
static inline u64 ferry_part_bytes(struct ferry_vf *vf)
{
	return vf->device->ops->part_bytes(vf->device);
}

u64 ferry_final_bytes(struct ferry_vf *vf, u64 required);
u64 ferry_tracked_bytes(struct ferry_vf *vf, u64 required);
u64 ferry_reserve_bytes(struct ferry_vf *vf);

int ferry_measure_full(struct ferry_vf *vf,
		       struct vfio_ferry_estimate *estimate);
int ferry_measure_changes(struct ferry_session *session,
			  struct vfio_ferry_estimate *estimate);
int ferry_measure(struct ferry_session *session, bool changes,
		  struct vfio_ferry_estimate *estimate);
void ferry_lose_track(struct ferry_vf *vf, struct ferry_queue *queue);

#endif /* FERRY_MEASURE_H */
