/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Images: the memory between the firmware and a stream.
 *
 * An image is folios, charged to the memory cgroup and the byte budget of its
 * session, mapped for the firmware at most once at a time. It is counted:
 * the session holds one reference until it parts with the image, a reader or
 * writer that copies holds another, so the memory outlives the session where
 * it must. The mapping does not: only the firmware's side, whoever has the
 * command slot, makes it, removes it, and parts with images.
 */
#ifndef FERRY_IMAGE_H
#define FERRY_IMAGE_H

#include <linux/kref.h>
#include <linux/math.h>
#include <linux/sizes.h>
#include <linux/vfio_ferry.h>

struct ferry_session;
struct ferry_vf;

enum ferry_image_kind {
	FERRY_IMAGE_INITIAL = VFIO_FERRY_IMAGE_INITIAL,
	FERRY_IMAGE_MIDDLE = VFIO_FERRY_IMAGE_MIDDLE,
	FERRY_IMAGE_FINAL = VFIO_FERRY_IMAGE_FINAL,
};

/**
 * enum ferry_image_place - where an image is, and so who may use it
 * @FERRY_IMAGE_HELD: with who makes it longer or maps it: the owner of the
 *	command slot
 * @FERRY_IMAGE_SPARE: with nobody; holds nothing
 * @FERRY_IMAGE_RESERVE: with nobody; set aside for the final image
 * @FERRY_IMAGE_PENDING: an arc hands it and the command slot to the worker,
 *	which is to save into it
 * @FERRY_IMAGE_FIRMWARE: a command names it
 * @FERRY_IMAGE_READY: whole, waits for the other side: the reader of a save,
 *	the worker of a resume
 * @FERRY_IMAGE_USER: with the reader or writer, who copies
 * @FERRY_IMAGE_LOST: a command that named it was not answered; nobody uses it
 *	again
 * @FERRY_IMAGE_GONE: parted with; only a reader or writer may still hold it
 * @FERRY_NR_PLACES: how many there are
 *
 * Changed by queue.c alone, under the queue's lock; the table there has the
 * moves that there are.
 */
enum ferry_image_place {
	FERRY_IMAGE_HELD,
	FERRY_IMAGE_SPARE,
	FERRY_IMAGE_RESERVE,
	FERRY_IMAGE_PENDING,
	FERRY_IMAGE_FIRMWARE,
	FERRY_IMAGE_READY,
	FERRY_IMAGE_USER,
	FERRY_IMAGE_LOST,
	FERRY_IMAGE_GONE,
	FERRY_NR_PLACES,
};

/* A set of places, by their last names */
#define FERRY_AT(place)		(1U << FERRY_IMAGE_##place)
/* Where an image of a save is from its arc or worker to its SAVE's end */
#define FERRY_BEING_SAVED	(FERRY_AT(PENDING) | FERRY_AT(FIRMWARE))
/* Where an image of a resume is from its hand-over to its LOAD's end */
#define FERRY_BEING_LOADED	(FERRY_AT(READY) | FERRY_AT(HELD) | FERRY_AT(FIRMWARE))

/**
 * struct ferry_image - one image of a session
 * @memory: what the backend sees
 * @ref: references
 * @node: in the queue's list of images, under its lock, unless it is GONE;
 *	this is the session's reference
 * @place: where it is, under the queue's lock
 * @session: whose it is
 * @kind: its place in the stream; of a resume, once it is whole
 * @save_flags: of the save that fills it, VFIO_FERRY_SAVE_*
 * @coming: bytes that the save is expected to bring
 * @mapped: bytes that memory.mapping covers, if there is one
 * @spliced: pages of it went into a pipe, where they must not change
 * @leaked: the firmware may still write the memory: never free it
 */
struct ferry_image {
	struct vfio_ferry_image memory;
	struct kref ref;
	struct list_head node;
	enum ferry_image_place place;
	struct ferry_session *session;
	enum ferry_image_kind kind;
	unsigned int save_flags;
	u64 coming;
	u64 mapped;
	bool spliced;
	bool leaked;
};

/**
 * ferry_image_room() - memory that an image of some length gets
 * @bytes: the length
 * @max: longest image of the NIC family, whole pages
 *
 * Rounded up to whole pages, and from 64 KiB on to that, so that the pages of
 * its mapping can be larger than a CPU's.
 *
 * Return: bytes, never more than @max.
 */
static inline u64 ferry_image_room(u64 bytes, u64 max)
{
	u64 unit = bytes < SZ_64K ? PAGE_SIZE : SZ_64K;

	return bytes < max ? min(round_up(bytes, unit), max) : max;
}

/* How hard to look for an image's memory */
enum ferry_effort {
	FERRY_EFFORT_NEEDED,	/* reclaim; fail before anybody is killed for it */
	FERRY_EFFORT_WELCOME,	/* take what there is */
};

const char *ferry_image_kind_name(enum ferry_image_kind kind);
struct ferry_image *ferry_image_new(struct ferry_session *session,
				    enum ferry_image_place place);
u64 ferry_image_missing(struct ferry_image *image, u64 bytes);
int ferry_image_grow(struct ferry_image *image, u64 bytes,
		     enum ferry_effort effort);
bool ferry_image_is_shared(struct ferry_image *image);
void ferry_image_put(struct ferry_image *image);
int ferry_image_map(struct ferry_vf *vf, struct ferry_image *image);
void ferry_image_discard(struct ferry_vf *vf, struct ferry_image *image);

#endif /* FERRY_IMAGE_H */
