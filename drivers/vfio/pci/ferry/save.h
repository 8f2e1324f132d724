/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saving: from the firmware into the queue.
 *
 * The arcs begin the initial and the final image; the worker adds middle
 * images on demand, further parts of the final one, and keeps an image in
 * reserve so that the stop window needs no allocation.
 */
#ifndef FERRY_SAVE_H
#define FERRY_SAVE_H

#include <linux/vfio_ferry.h>

struct ferry_session;
struct ferry_vf;

int ferry_save_begin_precopy(struct ferry_vf *vf, struct ferry_session *session);
void ferry_save_cancel_precopy(struct ferry_vf *vf,
			       struct ferry_session *session);
int ferry_save_begin_final(struct ferry_vf *vf, struct ferry_session *session);
void ferry_save_work(struct ferry_session *session);
int ferry_save_query_full(struct ferry_vf *vf,
			  struct vfio_ferry_estimate *estimate);
int ferry_save_query_changes(struct ferry_session *session,
			     struct vfio_ferry_estimate *estimate);

#endif /* FERRY_SAVE_H */
