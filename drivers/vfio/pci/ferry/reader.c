// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration data FD of a save: the queue to the user.
 *
 * File operations, called by users at any time, also long after the session
 * is over. The stream's mutex is held while they copy and while they wait.
 */
#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/once.h>
#include <linux/pipe_fs_i.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "estimate.h"
#include "reader.h"
#include "session.h"

/*
 * Off, as whoever carries the stream checks what it carries (TLS, the tool's
 * packets), and the firmware what it loads; a checksum here would be most of
 * the stop window's work.
 */
static bool image_checksums;
module_param(image_checksums, bool, 0644);
MODULE_PARM_DESC(image_checksums,
		 "Write a checksum for each image of a save, which the target verifies. Costs several times the copy. Default N.");

/* What tells the images of a stream from those of another, if no checksum does. */
static u16 new_mark(void)
{
	static atomic_t marks;
	static u32 first;

	get_random_once(&first, sizeof(first));
	return (first + (u32)atomic_inc_return(&marks)) % U16_MAX + 1;
}

/**
 * struct sink - where a reader wants the bytes
 * @to: there, or NULL:
 * @pipe: into this, whose lock the caller holds
 * @left: no more than so many bytes, for a pipe
 */
struct sink {
	struct iov_iter *to;
	struct pipe_inode_info *pipe;
	size_t left;
};

static size_t sink_room(struct sink *sink)
{
	struct pipe_inode_info *pipe = sink->pipe;

	if (sink->to)
		return iov_iter_count(sink->to);
	return pipe_full(pipe->head, pipe->tail, pipe->max_usage) ? 0 :
								    sink->left;
}

/* Put bytes of a page into a pipe that has room, and with them a reference. */
static void push(struct sink *sink, struct page *page, size_t at, size_t bytes)
{
	*pipe_head_buf(sink->pipe) = (struct pipe_buffer) {
		.ops = &nosteal_pipe_buf_ops,
		.page = page,
		.offset = at,
		.len = bytes,
	};
	sink->pipe->head++;
	sink->left -= bytes;
}

static ssize_t read_control(struct ferry_session *session, struct iov_iter *to)
{
	struct ferry_stream *stream = &session->stream;
	enum ferry_image_kind kind = stream->image ? stream->image->kind :
						     FERRY_IMAGE_INITIAL;
	size_t bytes;

	bytes = copy_to_iter(stream->control + stream->control_at,
			     stream->control_end - stream->control_at, to);
	stream->control_at += bytes;
	ferry_queue_read(&session->queue, kind, bytes);
	return bytes ?: -EFAULT;
}

static ssize_t splice_control(struct ferry_session *session, struct sink *sink)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT);
	struct bio_vec vec;
	struct iov_iter to;
	ssize_t bytes;

	if (!page)
		return -ENOMEM;
	bvec_set_page(&vec, page, min(sink->left, PAGE_SIZE), 0);
	iov_iter_bvec(&to, ITER_DEST, &vec, 1, vec.bv_len);
	bytes = read_control(session, &to);
	push(sink, page, 0, bytes);
	return bytes;
}

/*
 * Bytes of the image from here, for the sink: a copy, or to a pipe the page
 * itself. What is in a pipe must not change, so the image is marked.
 */
static size_t take_bytes(struct ferry_stream *stream, struct sink *sink)
{
	size_t bytes = min_t(u64, ferry_stream_left(stream), stream->image_left);
	struct page *page;
	size_t at;

	if (sink->to)
		return copy_to_iter(ferry_stream_at(stream), bytes, sink->to);
	page = folio_page(stream->folio, stream->folio_at / PAGE_SIZE);
	at = offset_in_page(stream->folio_at);
	bytes = min3(bytes, PAGE_SIZE - at, sink->left);
	stream->image->spliced = true;
	get_page(page);
	push(sink, page, at, bytes);
	return bytes;
}

static ssize_t read_image(struct ferry_session *session, struct sink *sink)
{
	struct ferry_stream *stream = &session->stream;
	void *from = ferry_stream_at(stream);
	size_t bytes = take_bytes(stream, sink);

	if (!bytes)
		return -EFAULT;
	ferry_encode_image_data(&stream->encoder, from, bytes);
	stream->image_left -= bytes;
	ferry_stream_advance(stream, bytes);
	ferry_queue_read(&session->queue, stream->image->kind, bytes);
	if (!stream->image_left) {
		stream->control_at = 0;
		stream->control_end =
			ferry_encode_image_check(&stream->encoder,
						 stream->control,
						 stream->image->kind);
	}
	return bytes;
}

static int begin_stream(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;
	struct vfio_ferry_identity identity = session->own;
	u64 stop_copy_size;

	if (!ferry_queue_has_begun(&session->queue, &stop_copy_size))
		return -EAGAIN;
	if (!READ_ONCE(image_checksums))
		identity.mark = cpu_to_le16(new_mark());
	stream->stage = FERRY_READ_IMAGES;
	stream->control_at = 0;
	stream->control_end = ferry_encode_identity(&stream->encoder,
						    stream->control,
						    &identity);
	stream->control_end += ferry_encode_shape(&stream->encoder,
						  stream->control +
						  stream->control_end,
						  &session->shape);
	if (stop_copy_size)
		stream->control_end +=
			ferry_encode_stop_copy_size(&stream->encoder,
						    stream->control +
						    stream->control_end,
						    stop_copy_size);
	return 1;
}

static void begin_image(struct ferry_stream *stream, struct ferry_image *image)
{
	stream->image = image;
	stream->folio = list_first_entry(&image->memory.folios, struct folio,
					 lru);
	stream->folio_at = 0;
	stream->image_left = image->memory.length;
	stream->control_at = 0;
	stream->control_end = ferry_encode_image(&stream->encoder,
						 stream->control,
						 stream->image_left);
}

/* All of the image was read: others may use its memory. */
static void end_image(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;

	ferry_queue_move(&session->queue, stream->image, FERRY_IMAGE_SPARE);
	ferry_stream_let_go(stream);
	/* In a stop window that has all, the worker would only take time. */
	if (READ_ONCE(session->queue.phase) != FERRY_PHASE_SAVED)
		ferry_session_kick(session);
}

/* The reader has got all there is: the stop is over for this device. */
static void end_save(struct ferry_session *session)
{
	struct ferry_window *window = &session->vf->stats.window;

	if (!READ_ONCE(window->open))
		return;
	WRITE_ONCE(window->open, false);
	ferry_session_free_later(session);
}

static void end_stream(struct ferry_stream *stream)
{
	stream->stage = FERRY_READ_LAST;
	stream->control_at = 0;
	stream->control_end = ferry_encode_end(&stream->encoder,
					       stream->control);
}

/*
 * Find something to read. Returns 1 if there is something now, else what
 * the reader gets: 0 at the end, -EAGAIN if it has to wait.
 */
static int next_to_read(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;
	struct ferry_image *image;
	int verdict;

	if (ferry_session_is_closed(session))
		return -ENODEV;
	if (stream->control_at < stream->control_end || stream->image_left)
		return 1;
	if (stream->image)
		end_image(session);
	if (stream->stage == FERRY_READ_FIRST)
		return begin_stream(session);

	image = ferry_queue_next(&session->queue, &verdict);
	if (image) {
		begin_image(stream, image);
		return 1;
	}
	if (verdict)
		return verdict;
	if (stream->stage == FERRY_READ_LAST) {
		end_save(session);
		return 0;
	}
	end_stream(stream);
	return 1;
}

/* Let the worker see whether there is something to save for the reader. */
static void ask(struct ferry_session *session)
{
	if (ferry_queue_ask(&session->queue))
		ferry_session_kick(session);
}

static ssize_t read_available(struct ferry_session *session, struct sink *sink)
{
	struct ferry_stream *stream = &session->stream;
	ssize_t done = 0;
	ssize_t bytes;
	int found;

	while (sink_room(sink)) {
		found = next_to_read(session);
		if (found <= 0)
			return done ?: found;
		if (stream->control_at == stream->control_end)
			bytes = read_image(session, sink);
		else if (sink->to)
			bytes = read_control(session, sink->to);
		else
			bytes = splice_control(session, sink);
		if (bytes < 0)
			return done ?: bytes;
		done += bytes;
		atomic64_add(bytes, &session->vf->stats.bytes_read);
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}

static ssize_t read_into(struct ferry_session *session, struct sink *sink,
			 bool nonblock)
{
	struct ferry_queue *queue = &session->queue;
	ssize_t done;

	lockdep_assert_held(&session->stream.mutex);
	for (;;) {
		done = read_available(session, sink);
		if (done == -ENOMSG || done == -EAGAIN)
			ask(session);
		if (done != -EAGAIN || nonblock)
			return done;
		if (wait_event_interruptible(queue->wait,
					     !ferry_queue_reader_waits(queue)))
			return -ERESTARTSYS;
	}
}

/**
 * ferry_stream_read() - read the next bytes of a save
 * @session: the save; the caller holds its stream's mutex
 * @to: where
 * @nonblock: rather fail with -EAGAIN than wait for the firmware
 *
 * For both protocols: the data FD and the migration region.
 *
 * Return: bytes read, fewer than asked for if there are no more now; 0 at the
 * end of the stream; -ENOMSG at its temporary end in pre-copy, -ENODEV if the
 * session is over, or another negative errno.
 */
ssize_t ferry_stream_read(struct ferry_session *session, struct iov_iter *to,
			  bool nonblock)
{
	struct sink sink = { .to = to };

	return read_into(session, &sink, nonblock);
}

/**
 * ferry_stream_at_end() - has all of a save been read?
 * @session: the save; the caller holds its stream's mutex
 *
 * Return: true if all that is left for readers is the end of the stream.
 */
bool ferry_stream_at_end(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;

	lockdep_assert_held(&stream->mutex);
	return stream->stage == FERRY_READ_LAST &&
	       stream->control_at == stream->control_end;
}

static ssize_t lock_and_read(struct ferry_session *session, struct sink *sink,
			     bool nonblock)
{
	ssize_t done;

	if (ferry_session_is_closed(session))
		return -ENODEV;
	if (!sink_room(sink))
		return 0;
	done = ferry_stream_lock(&session->stream, nonblock);
	if (done)
		return done;
	done = read_into(session, sink, nonblock);
	ferry_stream_unlock(&session->stream);
	return done;
}

static ssize_t ferry_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct sink sink = { .to = to };

	return lock_and_read(iocb->ki_filp->private_data, &sink,
			     ferry_is_nonblocking(iocb));
}

/*
 * As a read, but that the pages of images go into the pipe and not a copy.
 * SPLICE_F_NONBLOCK is about the pipe alone.
 */
static ssize_t ferry_splice_read(struct file *file, loff_t *at,
				 struct pipe_inode_info *pipe, size_t length,
				 unsigned int flags)
{
	struct sink sink = { .pipe = pipe, .left = length };

	return lock_and_read(file->private_data, &sink,
			     file->f_flags & O_NONBLOCK);
}

static __poll_t ferry_read_poll(struct file *file, poll_table *table)
{
	struct ferry_session *session = file->private_data;
	struct ferry_queue *queue = &session->queue;
	__poll_t events = 0;

	poll_wait(file, &queue->wait, table);
	if (ferry_queue_is_readable(queue))
		events |= EPOLLIN | EPOLLRDNORM;
	else
		ask(session);
	if (ferry_session_is_closed(session))
		events |= EPOLLRDHUP | EPOLLHUP;
	else if (READ_ONCE(queue->error))
		events |= EPOLLRDHUP | EPOLLERR;
	return events;
}

static long ferry_read_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	size_t size = offsetofend(struct vfio_precopy_info, dirty_bytes);
	void __user *user = (void __user *)arg;
	struct vfio_precopy_info info = {};
	int err;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, user, size))
		return -EFAULT;
	if (info.argsz < size)
		return -EINVAL;
	err = ferry_estimate_precopy(file->private_data, &info);
	if (err)
		return err;
	return copy_to_user(user, &info, size) ? -EFAULT : 0;
}

const struct file_operations ferry_reader_fops = {
	.owner = THIS_MODULE,
	.read_iter = ferry_read_iter,
	.splice_read = ferry_splice_read,
	.poll = ferry_read_poll,
	.unlocked_ioctl = ferry_read_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = ferry_session_show_fdinfo,
	.release = ferry_session_release,
};
