/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Images: the memory between the firmware and a stream.
 *
 * An image is folios, charged to the memory cgroup and the byte budget of its
 * session, mapped for the firmware at most once at a time. It is counted:
 * the session holds one reference until it parts with the image, a reader or
 * writer that copies holds another, so the memory outlives the session where
 * it must. The mapping does not: only the firmware's side, an arc or the
 * session's worker, makes it, removes it, and parts with images.
 */
#ifndef FERRY_IMAGE_H
#define FERRY_IMAGE_H

#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/vfio_ferry.h>

struct ferry_session;
struct ferry_vf;

enum ferry_image_kind {
	FERRY_IMAGE_INITIAL = VFIO_FERRY_IMAGE_INITIAL,
	FERRY_IMAGE_MIDDLE = VFIO_FERRY_IMAGE_MIDDLE,
	FERRY_IMAGE_FINAL = VFIO_FERRY_IMAGE_FINAL,
};

/**
 * struct ferry_image - one image of a session
 * @memory: what the backend sees
 * @ref: references
 * @node: in the queue's list of ready or spare images, under its lock
 * @member: in the queue's list of all images, under its lock; this is the
 *	session's reference
 * @session: whose it is
 * @kind: place in the stream
 * @mapped: bytes that memory.mapping covers
 * @started: when the running save or load was issued
 * @leaked: the firmware may still write the memory: never free it
 */
struct ferry_image {
	struct vfio_ferry_image memory;
	struct kref ref;
	struct list_head node;
	struct list_head member;
	struct ferry_session *session;
	enum ferry_image_kind kind;
	u64 mapped;
	ktime_t started;
	bool leaked;
};

const char *ferry_image_kind_name(enum ferry_image_kind kind);
struct ferry_image *ferry_image_new(struct ferry_session *session, bool pinned);
u64 ferry_image_missing(struct ferry_image *image, u64 bytes);
int ferry_image_grow(struct ferry_image *image, u64 bytes);
void ferry_image_put(struct ferry_image *image);
int ferry_image_map(struct ferry_vf *vf, struct ferry_image *image);
void ferry_image_unmap(struct ferry_vf *vf, struct ferry_image *image);
void ferry_image_discard(struct ferry_vf *vf, struct ferry_image *image);

#endif /* FERRY_IMAGE_H */
