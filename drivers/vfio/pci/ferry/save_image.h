/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The images that a save is saved into: new ones, spare ones, and the one that
 * is kept in reserve so that the stop window needs no allocation.
 */
#ifndef FERRY_SAVE_IMAGE_H
#define FERRY_SAVE_IMAGE_H

#include <linux/vfio_ferry.h>

#include "image.h"

struct ferry_queue;

struct ferry_image *ferry_save_image_get(struct ferry_session *session,
					 u64 bytes, bool *made);
struct ferry_image *ferry_save_image_tracked(struct ferry_session *session,
					     bool changes,
					     struct vfio_ferry_estimate *estimate);
struct ferry_image *ferry_save_image_lend(struct ferry_session *session,
					  u64 bytes);
void ferry_spares_discard(struct ferry_vf *vf, struct ferry_queue *queue);
struct ferry_image *ferry_reserve_begin(struct ferry_session *session);
void ferry_reserve_make(struct ferry_image *image);
int ferry_reserve_settle(struct ferry_session *session);
int ferry_reserve_release(struct ferry_queue *queue);

#endif /* FERRY_SAVE_IMAGE_H */
