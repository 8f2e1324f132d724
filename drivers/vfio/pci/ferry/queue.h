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

#include "compat.h"
#include "image.h"
#include "outlook.h"

/* Least memory that a writer asks for at once */
#define FERRY_WRITE_STEP_MIN	SZ_64K

/* What the session is for at present. Written in fsm.c's steps, by saves and loads. */
enum ferry_phase {
	FERRY_PHASE_OPENED,	/* save: the arc that opens it is under way */
	FERRY_PHASE_PAUSED,	/* save: PRE_COPY_P2P, nothing new */
	FERRY_PHASE_PRECOPY,	/* save: middle images on demand */
	FERRY_PHASE_FINAL,	/* save: the final image, part by part */
	FERRY_PHASE_SAVED,	/* save: all of it is in the queue */
	FERRY_PHASE_RECEIVING,	/* resume: images come and are loaded */
	FERRY_PHASE_SEALED,	/* resume: the stream was whole, no more */
	FERRY_PHASE_CLOSED,	/* -ENODEV for ever */
};

/**
 * struct ferry_arrival - what others than the writer know of a resume
 * @whole: the stream received so far may end here
 * @lacking: why it may not
 * @last_byte_due: only the stream's last byte is to come, which is taken when
 *	all images are loaded
 * @starved: a writer waits for memory: free spare images
 */
struct ferry_arrival {
	bool whole;
	const char *lacking;
	bool last_byte_due;
	bool starved;
};

/**
 * struct ferry_queue - images between the firmware and an FD
 * @lock: protects everything here
 * @wait: where readers, writers and pollers sleep
 * @phase: see above
 * @error: what FDs get when there is no image for them, 0 or negative errno,
 *	sticky
 * @budget: most bytes that images may take
 * @charged: bytes that they take
 * @images: all of the session, those that are READY in the stream's order
 * @unread_initial: save: stream bytes of initial images not yet read
 * @unread_dirty: save: stream bytes of other images not yet read
 * @outlook: save, outlook.c
 * @arrival: resume
 */
struct ferry_queue {
	spinlock_t lock;	/* see above */
	wait_queue_head_t wait;
	enum ferry_phase phase;
	int error;
	u64 budget;
	u64 charged;
	struct list_head images;
	u64 unread_initial;
	u64 unread_dirty;
	struct ferry_outlook outlook;
	struct ferry_arrival arrival;
};

/* For those who do not hold the lock: a hint, except that it stays so */
static inline bool ferry_queue_is_closed(struct ferry_queue *queue)
{
	return READ_ONCE(queue->phase) == FERRY_PHASE_CLOSED;
}

void ferry_queue_init(struct ferry_queue *queue, enum ferry_phase phase,
		      u64 budget);
bool ferry_queue_charge(struct ferry_queue *queue, u64 bytes);
void ferry_queue_uncharge(struct ferry_queue *queue, u64 bytes);
void ferry_queue_set_phase(struct ferry_queue *queue, enum ferry_phase phase);
void ferry_queue_fail(struct ferry_queue *queue, int error);

/* Images and their places */
bool ferry_image_may_move(enum ferry_image_place from,
			  enum ferry_image_place to);
bool ferry_queue_add(struct ferry_queue *queue, struct ferry_image *image,
		     enum ferry_image_place place);
void ferry_queue_move(struct ferry_queue *queue, struct ferry_image *image,
		      enum ferry_image_place to);
void ferry_queue_move_locked(struct ferry_queue *queue,
			     struct ferry_image *image,
			     enum ferry_image_place to);
struct ferry_image *ferry_queue_first(struct ferry_queue *queue,
				      unsigned int places);
unsigned int ferry_queue_count(struct ferry_queue *queue, unsigned int places);
struct ferry_image *ferry_queue_take(struct ferry_queue *queue,
				     enum ferry_image_place from,
				     enum ferry_image_place to);
struct ferry_image *ferry_queue_take_spare(struct ferry_queue *queue, u64 bytes,
					   enum ferry_image_place to);

/* Resumes */
int ferry_queue_add_received(struct ferry_queue *queue,
			     struct ferry_image *image);
int ferry_queue_has_loaded(struct ferry_queue *queue, bool initial);
int ferry_queue_has_memory(struct ferry_queue *queue, u64 bytes);
int ferry_queue_has_turn(struct ferry_queue *queue);
bool ferry_queue_is_writable(struct ferry_queue *queue);

#endif /* FERRY_QUEUE_H */
