// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration data FD: what both directions share. See stream.h.
 *
 * Called by session.c for the life of the FD's side, and by reader.c and
 * writer.c, which hold the stream's mutex.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>

#include "session.h"
#include "stream.h"

void ferry_stream_init(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;

	mutex_init(&stream->mutex);
	stream->writes = session->queue.phase == FERRY_PHASE_RECEIVING;
	ferry_encoder_init(&stream->encoder);
	ferry_decoder_init(&stream->decoder,
			   session->vf->device->ops->max_image);
}

/**
 * ferry_stream_let_go() - part with the image that is copied
 * @stream: the FD's side
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
	ferry_stream_let_go(stream);
	mutex_destroy(&stream->mutex);
}

/**
 * ferry_stream_drop() - let go of the image that an idle FD holds
 * @session: a session that was closed
 *
 * If a reader or writer is busy it does the same when it leaves.
 */
void ferry_stream_drop(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;

	if (!mutex_trylock(&stream->mutex))
		return;
	ferry_stream_let_go(stream);
	mutex_unlock(&stream->mutex);
}

/**
 * ferry_stream_lock() - be the one who reads or writes
 * @stream: the FD's side
 * @nonblock: rather give up
 *
 * Return: 0, -EAGAIN or -EINTR.
 */
int ferry_stream_lock(struct ferry_stream *stream, bool nonblock)
{
	if (nonblock)
		return mutex_trylock(&stream->mutex) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&stream->mutex);
}

/**
 * ferry_stream_unlock() - let others read or write
 * @session: the session
 */
void ferry_stream_unlock(struct ferry_session *session)
{
	mutex_unlock(&session->stream.mutex);
	/* Whoever closed the session meanwhile could not get the mutex. */
	if (ferry_session_is_closed(session))
		ferry_stream_drop(session);
}

/**
 * ferry_stream_advance() - bytes at the stream's place were copied
 * @stream: the FD's side
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

static const char * const phase_names[] = {
	[FERRY_PHASE_PAUSED] = "paused",
	[FERRY_PHASE_PRECOPY] = "pre-copy",
	[FERRY_PHASE_FINAL] = "saving",
	[FERRY_PHASE_SAVED] = "saved",
	[FERRY_PHASE_RECEIVING] = "receiving",
	[FERRY_PHASE_SEALED] = "sealed",
	[FERRY_PHASE_CLOSED] = "closed",
};

/**
 * ferry_stream_show() - print where a session stands
 * @session: the session
 * @to: where
 *
 * For fdinfo and debugfs.
 */
void ferry_stream_show(struct ferry_session *session, struct seq_file *to)
{
	struct ferry_queue *queue = &session->queue;
	size_t ready, members;
	struct ferry_queue now;

	spin_lock_irq(&queue->lock);
	now = *queue;
	ready = list_count_nodes(&queue->ready);
	members = list_count_nodes(&queue->members);
	spin_unlock_irq(&queue->lock);

	seq_printf(to, "ferry-device:\t%s\n", session->vf->name);
	seq_printf(to, "ferry-direction:\t%s\n",
		   session->stream.writes ? "resume" : "save");
	seq_printf(to, "ferry-face:\t%s\n",
		   session->face == FERRY_FACE_REGION ? "region" : "fd");
	seq_printf(to, "ferry-phase:\t%s\n", phase_names[now.phase]);
	seq_printf(to, "ferry-error:\t%d\n", now.error);
	seq_printf(to, "ferry-images:\t%zu\n", members);
	seq_printf(to, "ferry-ready:\t%zu\n", ready);
	seq_printf(to, "ferry-busy:\t%d\n", !!now.active);
	seq_printf(to, "ferry-unread-initial:\t%llu\n", now.unread_initial);
	seq_printf(to, "ferry-unread-dirty:\t%llu\n", now.unread_dirty);
	seq_printf(to, "ferry-memory:\t%llu\n", now.charged);
	seq_printf(to, "ferry-budget:\t%llu\n", now.budget);
}

/* File operations of both directions */

void ferry_stream_show_fdinfo(struct seq_file *to, struct file *file)
{
	ferry_stream_show(file->private_data, to);
}

int ferry_stream_release(struct inode *inode, struct file *file)
{
	ferry_session_put(file->private_data);
	return 0;
}

/**
 * ferry_stream_file() - the FD of a session
 * @session: the session; the file holds a reference of its own
 *
 * Return: the file or an error pointer.
 */
struct file *ferry_stream_file(struct ferry_session *session)
{
	bool writes = session->stream.writes;
	struct file *file;

	file = anon_inode_getfile("vfio_ferry",
				  writes ? &ferry_writer_fops : &ferry_reader_fops,
				  session, writes ? O_WRONLY : O_RDONLY);
	if (IS_ERR(file))
		return file;
	ferry_session_get(session);
	stream_open(file->f_inode, file);
	return file;
}
