// SPDX-License-Identifier: GPL-2.0-only
/*
 * A data FD's place in its stream. See stream.h.
 *
 * Called by reader.c and writer.c, which hold the stream's mutex, and by
 * session.c, which begins and ends it.
 */
#include "stream.h"

/**
 * ferry_stream_init() - begin a stream
 * @stream: the stream
 * @queue: the session's, in its first phase
 * @max_image: longest image that may come
 */
void ferry_stream_init(struct ferry_stream *stream, struct ferry_queue *queue,
		       u64 max_image)
{
	mutex_init(&stream->mutex);
	stream->queue = queue;
	stream->writes = queue->phase == FERRY_PHASE_RECEIVING;
	ferry_encoder_init(&stream->encoder);
	ferry_decoder_init(&stream->decoder, max_image);
}

/**
 * ferry_stream_let_go() - part with the image that is copied
 * @stream: the stream
 */
void ferry_stream_let_go(struct ferry_stream *stream)
{
	if (stream->image)
		ferry_image_put(stream->image);
	stream->image = NULL;
	stream->folio = NULL;
}

void ferry_stream_fini(struct ferry_stream *stream)
{
	/* Whoever closed the session, or had the mutex then, has let go of it. */
	WARN_ON_ONCE(stream->image);
	mutex_destroy(&stream->mutex);
}

/**
 * ferry_stream_drop() - let go of the image that an idle FD holds
 * @stream: the stream, whose session was closed
 *
 * If a reader or writer is busy it does the same when it leaves.
 */
void ferry_stream_drop(struct ferry_stream *stream)
{
	if (!mutex_trylock(&stream->mutex))
		return;
	ferry_stream_let_go(stream);
	mutex_unlock(&stream->mutex);
}

/**
 * ferry_stream_lock() - be the one who reads or writes
 * @stream: the stream
 * @nonblock: rather give up
 *
 * Return: 0, -EAGAIN or -ERESTARTSYS.
 */
int ferry_stream_lock(struct ferry_stream *stream, bool nonblock)
{
	if (nonblock)
		return mutex_trylock(&stream->mutex) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&stream->mutex) ? -ERESTARTSYS : 0;
}

/*
 * With the queue's lock, under which a session is closed as well: if that has
 * not come yet, it comes after all that was done before this look.
 */
static bool was_closed(struct ferry_queue *queue)
{
	guard(spinlock)(&queue->lock);
	return queue->phase == FERRY_PHASE_CLOSED;
}

/**
 * ferry_stream_unlock() - let others read or write
 * @stream: the stream
 *
 * Whoever closed the session meanwhile could not get the mutex, and has left
 * the image to this. Whoever does so from now on finds the mutex free.
 */
void ferry_stream_unlock(struct ferry_stream *stream)
{
	mutex_unlock(&stream->mutex);
	if (was_closed(stream->queue))
		ferry_stream_drop(stream);
}

/**
 * ferry_stream_advance() - bytes at the stream's place were copied
 * @stream: the stream
 * @bytes: how many, at most what ferry_stream_left() says
 */
void ferry_stream_advance(struct ferry_stream *stream, size_t bytes)
{
	struct list_head *folios = &stream->image->memory.folios;

	lockdep_assert_held(&stream->mutex);
	stream->folio_at += bytes;
	if (stream->folio_at < folio_size(stream->folio))
		return;
	stream->folio_at = 0;
	stream->folio = list_is_last(&stream->folio->lru, folios) ? NULL :
			list_next_entry(stream->folio, lru);
}
