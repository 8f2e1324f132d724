/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a save still has in store: the half of the queue that knows about
 * images to come.
 *
 * Whether a reader waits, what VFIO_MIG_GET_PRECOPY_INFO says and whether the
 * worker saves another image all follow from ferry_queue_prospect().
 */
#ifndef FERRY_OUTLOOK_H
#define FERRY_OUTLOOK_H

#include <linux/types.h>

#include "image.h"

struct ferry_queue;

/* What a save still has in store for a reader who has read all there is */
enum ferry_prospect {
	FERRY_PROSPECT_IMAGE,	/* one is on its way: wait */
	FERRY_PROSPECT_CHANGES,	/* one will be saved for whoever waits */
	FERRY_PROSPECT_UNKNOWN,	/* nothing is known to have changed by now */
	FERRY_PROSPECT_NONE,	/* none before the state changes */
	FERRY_PROSPECT_END,	/* the end of the stream */
};

/**
 * struct ferry_outlook - what a save knows of the images to come
 * @stop_copy_size: for the stream's first records, 0 for none
 * @untracked: the firmware lost track of what changes: no image before the
 *	final one, and that is a full one
 * @changed: bytes known to be to come beside the image that is being saved,
 *	0 if there are none or the firmware has to be asked
 * @due: of these, bytes that this round is to bring: all that the firmware
 *	knew of when it began. Its images, one unless the firmware saves in
 *	parts, follow one another without a pause
 * @told: total of the firmware's last answer
 * @ceiling: most that it had told when an image was saved; a total that is no
 *	less is not believed. 0: any is
 * @next_part: memory that the next part of the final image needs, 0: none
 * @asked: somebody found nothing to read, so look for changes
 * @reinit: the function was initialised anew, the next image is initial
 * @reinit_untold: and the user does not know yet
 * @look_next: not before then look for somebody who sleeps, in jiffies
 * @pause: between two rounds if nobody waits, in jiffies
 * @pause_end: not before then look for somebody who does not wait
 * @brought: bytes that this round has brought
 * @brought_before: and the one before it
 * @reserve: memory that was last asked for as reserve
 */
struct ferry_outlook {
	u64 stop_copy_size;
	bool untracked;
	u64 changed;
	u64 due;
	u64 told;
	u64 ceiling;
	u64 next_part;
	bool asked;
	bool reinit;
	bool reinit_untold;
	unsigned long look_next;
	unsigned long pause;
	unsigned long pause_end;
	u64 brought;
	u64 brought_before;
	u64 reserve;
};

void ferry_queue_begin(struct ferry_queue *queue, bool precopy,
		       u64 stop_copy_size);
bool ferry_queue_has_begun(struct ferry_queue *queue, u64 *stop_copy_size);
void ferry_queue_expect(struct ferry_queue *queue,
			const struct vfio_ferry_estimate *estimate,
			bool tell_reinit);
void ferry_queue_assign(struct ferry_queue *queue, struct ferry_image *image,
			enum ferry_image_place place);
void ferry_queue_saved(struct ferry_queue *queue, struct ferry_image *image,
		       u64 next_part);
void ferry_queue_save_failed(struct ferry_queue *queue,
			     struct ferry_image *image, int err);
bool ferry_queue_lose_track(struct ferry_queue *queue);
enum ferry_prospect ferry_queue_prospect(struct ferry_queue *queue);
struct ferry_image *ferry_queue_next(struct ferry_queue *queue, int *verdict);
void ferry_queue_read(struct ferry_queue *queue, enum ferry_image_kind kind,
		      u64 bytes);
bool ferry_queue_can_change(struct ferry_queue *queue);
bool ferry_queue_ask(struct ferry_queue *queue);
bool ferry_queue_wants_look(struct ferry_queue *queue, bool *sleeper);
void ferry_queue_look_later(struct ferry_queue *queue);
bool ferry_queue_reader_waits(struct ferry_queue *queue);
bool ferry_queue_is_readable(struct ferry_queue *queue);

#endif /* FERRY_OUTLOOK_H */
