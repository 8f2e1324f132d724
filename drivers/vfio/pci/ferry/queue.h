/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state queue: the only place where the firmware's side of a session and
 * the side of its FD meet.
 *
 * On a save the worker puts images in and a reader takes them out; on a
 * resume a writer puts them in and the worker takes them out. Everything in
 * it is under its spinlock; nobody copies, allocates or waits under that.
 */
#ifndef FERRY_QUEUE_H
#define FERRY_QUEUE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/vfio_ferry.h>
#include <linux/wait.h>

#include "image.h"

/* What the session is for at present. Written in fsm.c's steps and save.c. */
enum ferry_phase {
	FERRY_PHASE_PAUSED,	/* save: PRE_COPY_P2P, nothing new */
	FERRY_PHASE_PRECOPY,	/* save: middle images on demand */
	FERRY_PHASE_FINAL,	/* save: the final image, part by part */
	FERRY_PHASE_SAVED,	/* save: all of it is in the queue */
	FERRY_PHASE_RECEIVING,	/* resume: images come and are loaded */
	FERRY_PHASE_SEALED,	/* resume: the stream was whole, no more */
	FERRY_PHASE_CLOSED,	/* -ENODEV for ever */
};

/**
 * struct ferry_queue - images between the firmware and an FD
 * @lock: protects everything here
 * @wait: where readers, writers, pollers and the last arc of a load sleep
 * @phase: see above
 * @error: what FDs get when @ready is empty, 0 or negative errno, sticky
 * @whole: resume: the stream received so far may end here
 * @lacking: resume: why it may not
 * @last_byte_due: resume: only the stream's last byte is to come, which is
 *	taken when all images are loaded
 * @demand: save: a reader found nothing, save the next middle image; resume: a
 *	writer found no memory, free spare images
 * @untracked: save: the firmware lost track, so the final image is a full one
 * @reinit: save: the function was initialised anew, the next image is initial
 * @reinit_untold: save: and the user does not know yet
 * @poll_delay: save: jiffies between two looks for changes, while none come
 * @poll_next: save: when to look next
 * @budget: most bytes that images may take
 * @charged: bytes that they take
 * @members: all images of the session
 * @ready: images for the other side, oldest first
 * @spare: images that hold nothing
 * @reserve: save: image set aside for the final state, or NULL
 * @active: image that the firmware writes or reads now, or NULL
 * @active_bytes: most stream bytes that @active will become
 * @unread_initial: stream bytes of initial images not yet read
 * @unread_dirty: stream bytes of other images not yet read
 * @expected: save: bytes that the firmware is known to have beside @active,
 *	0 if there are none or it has to be asked
 * @next_required: save: memory that the next part of the final image needs
 */
struct ferry_queue {
	spinlock_t lock;	/* see above */
	wait_queue_head_t wait;
	enum ferry_phase phase;
	int error;
	bool whole;
	const char *lacking;
	bool last_byte_due;
	bool demand;
	bool untracked;
	bool reinit;
	bool reinit_untold;
	unsigned long poll_delay;
	unsigned long poll_next;
	u64 budget;
	u64 charged;
	struct list_head members;
	struct list_head ready;
	struct list_head spare;
	struct ferry_image *reserve;
	struct ferry_image *active;
	u64 active_bytes;
	u64 unread_initial;
	u64 unread_dirty;
	u64 expected;
	u64 next_required;
};

void ferry_queue_init(struct ferry_queue *queue, enum ferry_phase phase,
		      u64 budget);
bool ferry_queue_charge(struct ferry_queue *queue, u64 bytes);
void ferry_queue_uncharge(struct ferry_queue *queue, u64 bytes);

bool ferry_queue_set_phase(struct ferry_queue *queue, enum ferry_phase phase);
void ferry_queue_fail(struct ferry_queue *queue, int error);

struct ferry_image *ferry_queue_take_spare(struct ferry_queue *queue,
					   u64 bytes);
struct ferry_image *ferry_queue_take_largest(struct ferry_queue *queue);
struct ferry_image *ferry_queue_receive(struct ferry_queue *queue, u64 bytes);
u64 ferry_queue_expect(struct ferry_queue *queue,
		       const struct vfio_ferry_estimate *estimate,
		       bool tell_reinit);
void ferry_queue_add_spare(struct ferry_queue *queue,
			   struct ferry_image *image);

struct ferry_image *ferry_queue_next(struct ferry_queue *queue, int *verdict);
void ferry_queue_read(struct ferry_queue *queue, enum ferry_image_kind kind,
		      u64 bytes);
bool ferry_queue_sleeps(struct ferry_queue *queue);
bool ferry_queue_readable(struct ferry_queue *queue);

int ferry_queue_add_received(struct ferry_queue *queue,
			     struct ferry_image *image);
bool ferry_queue_loading(struct ferry_queue *queue);
int ferry_queue_room(struct ferry_queue *queue, u64 bytes);

#endif /* FERRY_QUEUE_H */
