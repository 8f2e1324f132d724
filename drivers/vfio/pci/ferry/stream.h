/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration data FD: read, splice, write, poll, ioctl, fdinfo.
 * reader.c is the one of a save, writer.c that of a resume.
 *
 * It holds a session and nothing else. Its mutex keeps readers or writers
 * from one another and is held while user memory is copied; no control path
 * waits for it.
 */
#ifndef FERRY_STREAM_H
#define FERRY_STREAM_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include "wire.h"

struct ferry_image;
struct ferry_session;
struct iov_iter;
struct seq_file;

/**
 * struct ferry_stream - an FD's place in its stream
 * @mutex: protects everything here except @writes
 * @writes: the session is a resume; constant
 * @image: image that is copied at present, with a reference, or NULL
 * @folio: where in it
 * @folio_at: and where in that
 * @image_left: save: bytes of it not yet read
 * @ended: save: the end record has been written to @control
 * @encoder: save: of the records
 * @control: save: records not yet read
 * @control_at: save: first byte in it not yet read
 * @control_end: save: behind the last one
 * @decoder: resume: of the records
 * @filled: resume: bytes of @image received
 */
struct ferry_stream {
	struct mutex mutex;	/* see above */
	bool writes;
	struct ferry_image *image;
	struct folio *folio;
	size_t folio_at;
	u64 image_left;
	bool ended;
	struct ferry_encoder encoder;
	u8 control[FERRY_WIRE_CONTROL_BYTES];
	size_t control_at;
	size_t control_end;
	struct ferry_decoder decoder;
	u64 filled;
};

void ferry_stream_init(struct ferry_session *session);
void ferry_stream_fini(struct ferry_stream *stream);
void ferry_stream_drop(struct ferry_session *session);
int ferry_stream_lock(struct ferry_stream *stream, bool nonblock);
void ferry_stream_unlock(struct ferry_session *session);
void ferry_stream_let_go(struct ferry_stream *stream);
void ferry_stream_advance(struct ferry_stream *stream, size_t bytes);
void ferry_stream_begin_save(struct ferry_session *session, u64 stop_copy_size);
ssize_t ferry_stream_read(struct ferry_session *session, struct iov_iter *to,
			  bool nonblock);
bool ferry_stream_at_end(struct ferry_session *session);
ssize_t ferry_stream_write(struct ferry_session *session,
			   struct iov_iter *from, bool nonblock);
void ferry_stream_show(struct ferry_session *session, struct seq_file *to);
void ferry_stream_show_fdinfo(struct seq_file *to, struct file *file);
int ferry_stream_release(struct inode *inode, struct file *file);
struct file *ferry_stream_file(struct ferry_session *session);

extern const struct file_operations ferry_reader_fops;
extern const struct file_operations ferry_writer_fops;

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
