// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration data FD of a resume: the user to the queue.
 *
 * File operations, called by users at any time, also long after the session
 * is over. The stream's mutex is held while they copy and while they wait.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "session.h"
#include "shape.h"
#include "writer.h"

/* The whole stream is refused, for ever, for a reason a person can act on. */
static int refuse(struct ferry_session *session)
{
	struct ferry_decoder *decoder = &session->stream.decoder;

	if (!READ_ONCE(session->queue.error))
		ferry_vf_refuse(session->vf, "%s", decoder->reason);
	ferry_queue_fail(&session->queue, decoder->error);
	return decoder->error;
}

static int compare_ids(const struct vfio_ferry_identity *own,
		       const struct vfio_ferry_identity *source,
		       char *why, size_t size)
{
	if (memcmp(own->family, source->family, sizeof(own->family)))
		/* Another host's bytes, on their way to the log */
		snprintf(why, size, "the source is of family %*pE",
			 (int)strnlen(source->family, sizeof(source->family)),
			 source->family);
	else if (own->vendor != source->vendor ||
		 own->device != source->device)
		snprintf(why, size,
			 "the source is a %04x:%04x, this is a %04x:%04x",
			 le16_to_cpu(source->vendor),
			 le16_to_cpu(source->device),
			 le16_to_cpu(own->vendor), le16_to_cpu(own->device));
	else if (own->subsystem_vendor != source->subsystem_vendor ||
		 own->subsystem_device != source->subsystem_device)
		snprintf(why, size,
			 "the source is of subsystem %04x:%04x, this of %04x:%04x",
			 le16_to_cpu(source->subsystem_vendor),
			 le16_to_cpu(source->subsystem_device),
			 le16_to_cpu(own->subsystem_vendor),
			 le16_to_cpu(own->subsystem_device));
	else
		return 0;
	return -EXDEV;
}

/* What that source saves cannot be loaded here, and never will. */
static int refuse_source(struct ferry_session *session, int err,
			 const char *why)
{
	ferry_vf_refuse(session->vf, "%s", why);
	ferry_queue_fail(&session->queue, err);
	ferry_decoder_refuse(&session->stream.decoder, err,
			     "source that cannot be loaded here");
	return err;
}

/* Can this function load what that source saves? */
static int judge_identity(struct ferry_session *session)
{
	const struct vfio_ferry_identity *source =
		&session->stream.decoder.identity;
	const struct vfio_ferry_identity *own = &session->own;
	struct ferry_queue *queue = &session->queue;
	char why[sizeof(session->vf->refusal)] = "";
	int err = compare_ids(own, source, why, sizeof(why));

	if (!err) {
		spin_lock(&queue->lock);
		if (queue->phase != FERRY_PHASE_CLOSED)
			err = session->vf->device->ops->accept(own, source, why,
							       sizeof(why));
		spin_unlock(&queue->lock);
	}
	if (!err) {
		if (*why)
			pr_info_ratelimited("vfio_ferry %s: untried: %s\n",
					    session->vf->name, why);
		return 0;
	}
	return refuse_source(session, err, why);
}

/* Would its guest find here what it had there? */
static int judge_shape(struct ferry_session *session)
{
	char why[sizeof(session->vf->refusal)];

	if (!ferry_shape_differs(&session->shape,
				 &session->stream.decoder.shape, why,
				 sizeof(why)))
		return 0;
	return refuse_source(session, -EXDEV, why);
}

/* The image goes to the worker, the next one gets memory of its own. */
static int hand_over(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;
	int err;

	stream->image->memory.length = stream->filled;
	stream->image->kind = stream->decoder.kind;
	err = ferry_queue_add_received(&session->queue, stream->image);
	ferry_stream_let_go(stream);
	stream->filled = 0;
	if (!err)
		ferry_session_kick(session);
	return err;
}

static int handle(struct ferry_session *session,
		  enum ferry_decoder_event event)
{
	switch (event) {
	case FERRY_EVENT_IDENTITY:
		return judge_identity(session);
	case FERRY_EVENT_SHAPE:
		return judge_shape(session);
	case FERRY_EVENT_IMAGE_WHOLE:
		return hand_over(session);
	case FERRY_EVENT_REFUSED:
		return refuse(session);
	default:
		return 0;
	}
}

/*
 * Sleep until nothing, or no initial image, is on its way to the firmware; then
 * it may have failed. The user takes the end of an initial image's write for
 * the end of its load, so no signal but a fatal one comes between.
 */
static int wait_for_loads(struct ferry_session *session, bool initial,
			  bool nonblock)
{
	unsigned int state = initial ? TASK_KILLABLE : TASK_INTERRUPTIBLE;
	struct ferry_queue *queue = &session->queue;
	int err;

	if (nonblock)
		return ferry_queue_has_loaded(queue, initial);
	return wait_event_state(queue->wait,
				(err = ferry_queue_has_loaded(queue, initial)) !=
				-EAGAIN, state) ?: err;
}

/* Headers and small records pass through the decoder. */
static ssize_t write_control(struct ferry_session *session,
			     struct iov_iter *from, bool nonblock)
{
	struct ferry_decoder *decoder = &session->stream.decoder;
	size_t bytes, used, wanted = ferry_decoder_wants(decoder);
	u8 buffer[sizeof(decoder->scratch)];
	int err;

	/*
	 * The stream's last byte says that all went well, so it is taken only
	 * when all did: the user will not come back with another write.
	 */
	if (ferry_decoder_at_end(decoder)) {
		err = wait_for_loads(session, false, nonblock);
		if (err)
			return err;
	} else if (decoder->state == FERRY_DECODE_CONTROL &&
		   decoder->tag == VFIO_FERRY_TAG_END) {
		wanted--;
	}
	bytes = copy_from_iter(buffer, min(wanted, sizeof(buffer)), from);
	if (!bytes)
		return -EFAULT;
	err = handle(session, ferry_decode(decoder, buffer, bytes, &used));
	return err ?: bytes;
}

/* A writer that waits for memory wants what spare images have. */
static void starve(struct ferry_session *session)
{
	struct ferry_queue *queue = &session->queue;

	spin_lock(&queue->lock);
	queue->arrival.starved = true;
	spin_unlock(&queue->lock);
	ferry_session_kick(session);
}

/* Wait for memory that others give back. 0: try again. */
static int wait_for_memory(struct ferry_session *session, u64 bytes,
			   bool nonblock)
{
	struct ferry_queue *queue = &session->queue;
	int err = ferry_queue_has_memory(queue, bytes);

	if (err == -EAGAIN) {
		starve(session);
		if (!nonblock)
			err = wait_event_interruptible(queue->wait,
						       ferry_queue_has_memory(queue, bytes) !=
						       -EAGAIN);
	}
	if (err != -ENOBUFS)
		return err;
	ferry_decoder_refuse(&session->stream.decoder, err,
			     "image needs more memory than max_inflight_bytes");
	return refuse(session);
}

/*
 * Make the image longer: rather a little now than much later, for poll has
 * promised no more.
 */
static int grow(struct ferry_session *session, u64 bytes, bool nonblock)
{
	struct ferry_stream *stream = &session->stream;
	struct ferry_image *image = stream->image;
	u64 least = stream->filled + min_t(u64, bytes, FERRY_WRITE_STEP_MIN);
	int err;

	err = ferry_image_grow(image, stream->filled + bytes,
			       FERRY_EFFORT_NEEDED);
	if (err != -ENOBUFS)
		return err;
	for (;;) {
		err = ferry_image_grow(image, least, FERRY_EFFORT_NEEDED);
		if (err != -ENOBUFS)
			return err;
		err = wait_for_memory(session,
				      ferry_image_missing(image, least),
				      nonblock);
		if (err)
			return err;
	}
}

/*
 * Memory for the next bytes of an image that is full: never much more than
 * has come, whatever its header claims.
 */
static int make_room(struct ferry_session *session, bool nonblock)
{
	struct ferry_stream *stream = &session->stream;
	struct list_head *folios = &stream->image->memory.folios;
	struct list_head *last = folios->prev;
	u64 step = clamp_t(u64, stream->filled, FERRY_WRITE_STEP_MIN, SZ_2M);
	int err;

	err = grow(session, min(step, stream->decoder.left), nonblock);
	if (list_is_last(last, folios))
		return err;
	/* Less than wanted will do. */
	stream->folio = list_entry(last->next, struct folio, lru);
	stream->folio_at = 0;
	return 0;
}

/* Sleep until the firmware is near enough. */
static int wait_for_turn(struct ferry_session *session, bool nonblock)
{
	struct ferry_queue *queue = &session->queue;
	int err;

	if (nonblock)
		return ferry_queue_has_turn(queue);
	return wait_event_interruptible(queue->wait,
					(err = ferry_queue_has_turn(queue)) !=
					-EAGAIN) ?: err;
}

/* Begin an image in spare memory if there is some. */
static int begin_receiving(struct ferry_session *session)
{
	struct ferry_stream *stream = &session->stream;
	struct ferry_image *image;

	image = ferry_queue_take_spare(&session->queue, stream->decoder.left,
				       FERRY_IMAGE_USER);
	if (!image)
		image = ferry_image_new(session, FERRY_IMAGE_USER);
	if (!image)
		return ferry_session_is_closed(session) ? -ENODEV : -ENOMEM;
	stream->image = image;
	stream->folio = list_first_entry_or_null(&image->memory.folios,
						 struct folio, lru);
	stream->folio_at = 0;
	stream->filled = 0;
	return 0;
}

static ssize_t write_image(struct ferry_session *session,
			   struct iov_iter *from, bool nonblock)
{
	struct ferry_stream *stream = &session->stream;
	struct ferry_decoder *decoder = &stream->decoder;
	size_t bytes;
	void *to;
	int err;

	if (!stream->image) {
		err = begin_receiving(session);
		if (err)
			return err;
	}
	if (stream->filled == stream->image->memory.capacity) {
		err = make_room(session, nonblock);
		if (err)
			return err;
	}

	to = ferry_stream_at(stream);
	bytes = min_t(u64, ferry_stream_left(stream), decoder->left);
	bytes = copy_from_iter(to, bytes, from);
	if (!bytes)
		return -EFAULT;
	stream->filled += bytes;
	ferry_stream_advance(stream, bytes);
	err = handle(session, ferry_decode_image_data(decoder, to, bytes));
	return err ?: bytes;
}

static ssize_t write_skipped(struct ferry_session *session,
			     struct iov_iter *from)
{
	struct ferry_decoder *decoder = &session->stream.decoder;
	size_t bytes = min_t(u64, decoder->left, iov_iter_count(from));
	u8 buffer[256];

	if (decoder->identified) {
		/* Its checksum counts. */
		bytes = copy_from_iter(buffer, min(bytes, sizeof(buffer)), from);
		if (!bytes)
			return -EFAULT;
	} else {
		iov_iter_advance(from, bytes);
	}
	ferry_decode_skip(decoder, buffer, bytes);
	return bytes;
}

static ssize_t write_some(struct ferry_session *session, struct iov_iter *from,
			  bool nonblock)
{
	struct ferry_decoder *decoder = &session->stream.decoder;
	int err = wait_for_turn(session, nonblock);

	if (err)
		return err;
	switch (decoder->state) {
	case FERRY_DECODE_HEADER:
	case FERRY_DECODE_CONTROL:
		return write_control(session, from, nonblock);
	case FERRY_DECODE_IMAGE:
		return write_image(session, from, nonblock);
	case FERRY_DECODE_SKIP:
		return write_skipped(session, from);
	case FERRY_DECODE_ENDED:
		ferry_decoder_refuse(decoder, -EINVAL, "data behind the end");
		fallthrough;
	default:
		return refuse(session);
	}
}

/* Errors that the user can do something about; all others end the session. */
static bool is_passing(int err)
{
	return err == -EAGAIN || err == -EFAULT || err == -ENOMEM ||
	       err == -ERESTARTSYS;
}

/*
 * See an initial image's load through before the user is told that its bytes
 * were taken. A stream without ferry's records does not say where it ends: if
 * it could be here, the same for the last load, for the user may not come back.
 */
static ssize_t settle(struct ferry_session *session, ssize_t done,
		      bool nonblock)
{
	struct ferry_decoder *decoder = &session->stream.decoder;
	int err;

	err = wait_for_loads(session, true, nonblock);
	if (!err && !decoder->identified && !decoder->kept &&
	    decoder->state == FERRY_DECODE_HEADER)
		err = wait_for_loads(session, false, nonblock);
	return err && !is_passing(err) ? err : done;
}

/* Those who do not hold the stream's mutex look at the queue. */
static void tell_progress(struct ferry_session *session)
{
	struct ferry_decoder *decoder = &session->stream.decoder;
	struct ferry_queue *queue = &session->queue;
	const char *lacking;
	bool whole = ferry_decoder_whole(decoder, &lacking);

	spin_lock(&queue->lock);
	queue->arrival.whole = whole;
	queue->arrival.lacking = lacking;
	queue->arrival.last_byte_due = ferry_decoder_at_end(decoder);
	spin_unlock(&queue->lock);
}

/**
 * ferry_stream_write() - take the next bytes of a resume
 * @session: the resume; the caller holds its stream's mutex
 * @from: the bytes, at least one
 * @nonblock: rather fail with -EAGAIN than wait for memory or the firmware
 *
 * For both protocols: the data FD and the migration region.
 *
 * Unless @nonblock, an initial image that ends in these bytes is loaded when
 * it returns, or the error is that of the load.
 *
 * Return: bytes taken, fewer than given if the rest can be given again later;
 * -EAGAIN, -EFAULT, -ENOMEM or -ERESTARTSYS if none was taken now; another
 * negative errno if the stream is refused for ever or the session is over.
 */
ssize_t ferry_stream_write(struct ferry_session *session,
			   struct iov_iter *from, bool nonblock)
{
	ssize_t done = 0;
	ssize_t bytes;

	lockdep_assert_held(&session->stream.mutex);
	do {
		bytes = write_some(session, from, nonblock);
		if (bytes < 0)
			break;
		done += bytes;
		tell_progress(session);
		cond_resched();
	} while (iov_iter_count(from) && !fatal_signal_pending(current));
	atomic64_add(done, &session->vf->stats.bytes_written);

	if (bytes < 0 && !(done && is_passing(bytes)))
		return bytes;
	return settle(session, done, nonblock);
}

static ssize_t ferry_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct ferry_session *session = iocb->ki_filp->private_data;
	bool nonblock = ferry_is_nonblocking(iocb);
	ssize_t done;

	if (ferry_session_is_closed(session))
		return -ENODEV;
	if (!iov_iter_count(from))
		return 0;
	done = ferry_stream_lock(&session->stream, nonblock);
	if (done)
		return done;
	done = ferry_stream_write(session, from, nonblock);
	ferry_stream_unlock(&session->stream);
	return done;
}

static __poll_t ferry_write_poll(struct file *file, poll_table *table)
{
	struct ferry_session *session = file->private_data;
	struct ferry_queue *queue = &session->queue;
	__poll_t events = 0;

	poll_wait(file, &queue->wait, table);
	if (ferry_queue_is_writable(queue))
		events |= EPOLLOUT | EPOLLWRNORM;
	else if (ferry_queue_has_memory(queue, FERRY_WRITE_STEP_MIN) == -EAGAIN)
		starve(session);
	if (ferry_session_is_closed(session))
		events |= EPOLLHUP;
	if (ferry_session_is_closed(session) || READ_ONCE(queue->error))
		events |= EPOLLERR;
	return events;
}

const struct file_operations ferry_writer_fops = {
	.owner = THIS_MODULE,
	.write_iter = ferry_write_iter,
	.splice_write = iter_file_splice_write,
	.poll = ferry_write_poll,
	.show_fdinfo = ferry_session_show_fdinfo,
	.release = ferry_session_release,
};
