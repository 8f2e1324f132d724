/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A data FD's place in its stream: what reader.c and writer.c share.
 *
 * Its mutex keeps readers or writers from one another and is held while user
 * memory is copied; no control path waits for it.
 */
#ifndef FERRY_STREAM_H
#define FERRY_STREAM_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include "queue.h"
#include "wire.h"

/* Which records of a save come next */
enum ferry_read_stage {
	FERRY_READ_FIRST,	/* the first records */
	FERRY_READ_IMAGES,
	FERRY_READ_LAST,	/* the end record is in @control, or was read */
};

/**
 * struct ferry_stream - an FD's place in its stream
 * @mutex: protects everything here except @queue and @writes
 * @queue: between the FD and the firmware; constant
 * @writes: the session is a resume; constant
 * @image: image that is copied at present, with a reference, or NULL
 * @folio: where in it
 * @folio_at: and where in that
 * @stage: save: see above
 * @image_left: save: bytes of the image not yet read
 * @encoder: save: of the records
 * @control: save: records not yet read
 * @control_at: save: first byte in it not yet read
 * @control_end: save: behind the last one
 * @decoder: resume: of the records
 * @filled: resume: bytes of @image received
 */
struct ferry_stream {
	struct mutex mutex;	/* see above */
	struct ferry_queue *queue;
	bool writes;
	struct ferry_image *image;
	struct folio *folio;
	size_t folio_at;
	enum ferry_read_stage stage;
	u64 image_left;
	struct ferry_encoder encoder;
	u8 control[FERRY_WIRE_CONTROL_BYTES];
	size_t control_at;
	size_t control_end;
	struct ferry_decoder decoder;
	u64 filled;
};

void ferry_stream_init(struct ferry_stream *stream, struct ferry_queue *queue,
		       u64 max_image);
void ferry_stream_fini(struct ferry_stream *stream);
void ferry_stream_drop(struct ferry_stream *stream);
int ferry_stream_lock(struct ferry_stream *stream, bool nonblock);
void ferry_stream_unlock(struct ferry_stream *stream);
void ferry_stream_let_go(struct ferry_stream *stream);
void ferry_stream_advance(struct ferry_stream *stream, size_t bytes);

/* The stream's place in the image, and bytes from there to the folio's end */
static inline void *ferry_stream_at(struct ferry_stream *stream)
{
	return folio_address(stream->folio) + stream->folio_at;
}

static inline size_t ferry_stream_left(struct ferry_stream *stream)
{
	return folio_size(stream->folio) - stream->folio_at;
}

static inline bool ferry_is_nonblocking(struct kiocb *iocb)
{
	return iocb->ki_filp->f_flags & O_NONBLOCK ||
	       iocb->ki_flags & IOCB_NOWAIT;
}

#endif /* FERRY_STREAM_H */
