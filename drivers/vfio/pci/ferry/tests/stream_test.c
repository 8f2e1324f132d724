// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of both directions of an FD: what is read from one is what the
 * other takes, whatever the pieces; who waits for what; and which source is
 * refused, and why. Queue, records and shapes are real; memory is one page at
 * a time, and the firmware loads at once.
 */
#include <kunit/test.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#define copy_to_user			flown_to_user
#define copy_from_user			flown_from_user
#define ferry_image_new			flown_new
#define ferry_image_grow		flown_grow
#define ferry_image_missing		flown_missing
#define ferry_image_put			flown_put
#define ferry_session_kick		flown_kick
#define ferry_session_free_later	flown_free_later
#define ferry_session_release		flown_release
#define ferry_session_show_fdinfo	flown_fdinfo
#define ferry_estimate_precopy		flown_precopy
#define ferry_vf_refuse			flown_refuse

static unsigned long flown_to_user(void __user *to, const void *from, size_t bytes);
static unsigned long flown_from_user(void *to, const void __user *from, size_t bytes);

#include "../stream.c"
#include "../reader.c"
#include "../writer.c"

#define MOST_IMAGES	8
#define MOST_BYTES	(16 * PAGE_SIZE)

struct fixture {
	struct ferry_vf vf;
	struct vfio_ferry_device device;
	struct ferry_session session;
	struct file file;
	struct ferry_image images[MOST_IMAGES];
	unsigned int nr_images, puts, kicks, later;
	bool loads;		/* what is received, when it is kicked */
	unsigned int nr_loaded;
	u64 loaded[MOST_IMAGES];
	enum ferry_image_kind kinds[MOST_IMAGES];
	bool wrong;		/* bytes of an image */
	int grow_err, grow_errs;	/* so often */
	int accept_err, precopy_err;
	const char *accept_why;
	char refusal[128];
	unsigned int refusals;
	struct kunit *test;
};

static size_t user_fails;

static unsigned long flown_to_user(void __user *to, const void *from, size_t bytes)
{
	if (!user_fails)
		memcpy((__force void *)to, from, bytes);
	return user_fails;
}

static unsigned long flown_from_user(void *to, const void __user *from, size_t bytes)
{
	if (user_fails != 1)
		memcpy(to, (__force const void *)from, bytes);
	return user_fails == 1;
}

static struct fixture *of_session(struct ferry_session *session)
{
	return container_of(session, struct fixture, session);
}

/* Byte AT of image NR */
static u8 byte_of(unsigned int nr, u64 at)
{
	return nr * 101 + at * 7 + at / 251;
}

static u8 *memory_at(struct ferry_image *image, u64 at)
{
	struct folio *folio;

	vfio_ferry_for_each_folio(folio, &image->memory) {
		if (at < PAGE_SIZE)
			return (u8 *)folio_address(folio) + at;
		at -= PAGE_SIZE;
	}
	return NULL;
}

static void add_pages(struct ferry_image *image, u64 bytes)
{
	while (image->memory.capacity < bytes) {
		struct folio *folio = folio_alloc(GFP_KERNEL | __GFP_ZERO, 0);

		KUNIT_ASSERT_NOT_NULL(of_session(image->session)->test, folio);
		list_add_tail(&folio->lru, &image->memory.folios);
		image->memory.capacity += PAGE_SIZE;
		image->memory.nr_folios++;
	}
}

struct ferry_image *flown_new(struct ferry_session *session, enum ferry_image_place place)
{
	struct fixture *f = of_session(session);
	struct ferry_image *image = &f->images[f->nr_images];

	if (f->nr_images == MOST_IMAGES)
		return NULL;
	INIT_LIST_HEAD(&image->memory.folios);
	kref_init(&image->ref);
	image->session = session;
	if (!ferry_queue_add(&session->queue, image, place))
		return NULL;
	f->nr_images++;
	return image;
}

u64 flown_missing(struct ferry_image *image, u64 bytes)
{
	return bytes > image->memory.capacity ? bytes - image->memory.capacity : 0;
}

int flown_grow(struct ferry_image *image, u64 bytes, enum ferry_effort effort)
{
	struct fixture *f = of_session(image->session);

	KUNIT_EXPECT_EQ(f->test, effort, FERRY_EFFORT_NEEDED);
	if (f->grow_errs && f->grow_errs--)
		return f->grow_err;
	add_pages(image, bytes);
	return 0;
}

void flown_put(struct ferry_image *image)
{
	of_session(image->session)->puts++;
}

/* The firmware loads what was received. */
void flown_kick(struct ferry_session *session)
{
	struct fixture *f = of_session(session);
	struct ferry_queue *queue = &session->queue;
	struct ferry_image *image;

	f->kicks++;
	while (f->loads && (image = ferry_queue_take(queue, FERRY_IMAGE_READY, FERRY_IMAGE_HELD))) {
		unsigned int nr = f->nr_loaded++ % MOST_IMAGES;

		f->loaded[nr] = image->memory.length;
		f->kinds[nr] = image->kind;
		for (u64 at = 0; at < image->memory.length; at++)
			f->wrong |= *memory_at(image, at) != byte_of(nr, at);
		ferry_queue_move(queue, image, FERRY_IMAGE_SPARE);
	}
}

void flown_free_later(struct ferry_session *session)
{
	of_session(session)->later++;
}

int flown_release(struct inode *inode, struct file *file)
{
	return 0;
}

void flown_fdinfo(struct seq_file *to, struct file *file)
{
}

int flown_precopy(struct ferry_session *session, struct vfio_precopy_info *info)
{
	info->initial_bytes = 5;
	info->dirty_bytes = 6;
	return of_session(session)->precopy_err;
}

void flown_refuse(struct ferry_vf *vf, const char *format, ...)
{
	struct fixture *f = container_of(vf, struct fixture, vf);
	va_list args;

	va_start(args, format);
	vsnprintf(f->refusal, sizeof(f->refusal), format, args);
	va_end(args);
	f->refusals++;
}

static int backend_accept(const struct vfio_ferry_identity *own,
			  const struct vfio_ferry_identity *source, char *why, size_t size)
{
	struct fixture *f = container_of(own, struct fixture, session.own);

	if (f->accept_why)
		snprintf(why, size, "%s", f->accept_why);
	return f->accept_err;
}

static const struct vfio_ferry_ops backend = { .accept = backend_accept };

static struct fixture *fixture_of(struct kunit *test, enum ferry_phase phase)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct ferry_session *session;

	KUNIT_ASSERT_NOT_NULL(test, f);
	session = &f->session;
	f->test = test;
	f->loads = true;
	f->device.ops = &backend;
	f->vf.device = &f->device;
	f->file.private_data = session;
	session->vf = &f->vf;
	strscpy(session->own.family, "mlx5");
	session->own.vendor = cpu_to_le16(0x15b3);
	session->own.device = cpu_to_le16(0x101e);
	session->own.subsystem_vendor = cpu_to_le16(0x1111);
	session->own.subsystem_device = cpu_to_le16(0x2222);
	session->shape.vectors = cpu_to_le32(32);
	ferry_queue_init(&session->queue, phase, SZ_1M);
	ferry_stream_init(&session->stream, &session->queue, SZ_1M);
	user_fails = 0;
	return f;
}

static void shut(struct fixture *f)
{
	ferry_queue_set_phase(&f->session.queue, FERRY_PHASE_CLOSED);
	ferry_stream_drop(&f->session.stream);
}

static void end(struct kunit *test, struct fixture *f)
{
	struct folio *folio, *next;

	shut(f);
	KUNIT_EXPECT_NULL(test, f->session.stream.image);
	ferry_stream_fini(&f->session.stream);
	for (unsigned int i = 0; i < f->nr_images; i++) {
		list_for_each_entry_safe(folio, next, &f->images[i].memory.folios, lru) {
			list_del(&folio->lru);
			folio_put(folio);
		}
	}
}

/* An image of so many bytes was saved. */
static void add_saved(struct fixture *f, enum ferry_image_kind kind, u64 bytes)
{
	struct ferry_queue *queue = &f->session.queue;
	unsigned int nr = f->nr_images;
	struct ferry_image *image = flown_new(&f->session, FERRY_IMAGE_HELD);

	add_pages(image, bytes);
	for (u64 at = 0; at < bytes; at++)
		*memory_at(image, at) = byte_of(nr, at);
	image->kind = kind;
	ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
	image->memory.length = bytes;
	ferry_queue_saved(queue, image, 0);
}

static ssize_t read_into_buffer(struct fixture *f, u8 *to, size_t bytes)
{
	struct kvec vec = { .iov_base = to, .iov_len = bytes };
	struct ferry_stream *stream = &f->session.stream;
	struct iov_iter iter;
	ssize_t done;

	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, bytes);
	KUNIT_EXPECT_EQ(f->test, ferry_stream_lock(stream, true), 0);
	KUNIT_EXPECT_EQ(f->test, ferry_stream_lock(stream, true), -EAGAIN);
	done = ferry_stream_read(&f->session, &iter, true);
	ferry_stream_unlock(stream);
	return done;
}

static ssize_t write_from_buffer(struct fixture *f, const u8 *from, size_t bytes)
{
	struct kvec vec = { .iov_base = (void *)from, .iov_len = bytes };
	struct iov_iter iter;
	ssize_t done;

	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, bytes);
	KUNIT_EXPECT_EQ(f->test, ferry_stream_lock(&f->session.stream, false), 0);
	done = ferry_stream_write(&f->session, &iter, true);
	ferry_stream_unlock(&f->session.stream);
	return done;
}

static bool at_end(struct fixture *f)
{
	guard(mutex)(&f->session.stream.mutex);
	return ferry_stream_at_end(&f->session);
}

/* Reads all there is, in pieces; what came instead of more. */
static ssize_t read_all(struct fixture *f, u8 *to, size_t *bytes, size_t piece)
{
	ssize_t done;

	while ((done = read_into_buffer(f, to + *bytes, min(piece, MOST_BYTES - *bytes))) > 0) {
		*bytes += done;
		piece = piece * 3 % 5000 + 1;
	}
	return done;
}

static const struct { enum ferry_image_kind kind; u64 bytes; } saved[] = {
	{ FERRY_IMAGE_INITIAL, PAGE_SIZE + 904 }, { FERRY_IMAGE_MIDDLE, 2 * PAGE_SIZE },
	{ FERRY_IMAGE_FINAL, 3 * PAGE_SIZE + 7 },
};

/* The stream of a whole save, in pieces of which the first is so long */
static size_t save_all(struct kunit *test, u8 *stream, size_t piece, bool mid_end)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_OPENED);
	struct ferry_queue *queue = &f->session.queue;
	size_t bytes = 0;

	KUNIT_EXPECT_EQ(test, read_into_buffer(f, stream, 1), -EAGAIN);
	ferry_queue_begin(queue, true, 12345);
	ferry_queue_set_phase(queue, FERRY_PHASE_PRECOPY);
	for (int i = 0; i < ARRAY_SIZE(saved); i++) {
		if (saved[i].kind == FERRY_IMAGE_FINAL)
			ferry_queue_set_phase(queue, FERRY_PHASE_FINAL);
		add_saved(f, saved[i].kind, saved[i].bytes);
		if (!mid_end || saved[i].kind == FERRY_IMAGE_FINAL)
			continue;
		KUNIT_EXPECT_EQ(test, read_all(f, stream, &bytes, piece), -ENOMSG);
		KUNIT_EXPECT_TRUE(test, queue->outlook.asked);
		KUNIT_EXPECT_EQ(test, queue->unread_initial, 0);
		KUNIT_EXPECT_EQ(test, queue->unread_dirty, 0);
		KUNIT_EXPECT_FALSE(test, at_end(f));
	}
	f->vf.stats.window.open = true;
	KUNIT_EXPECT_EQ(test, read_all(f, stream, &bytes, piece), 0);
	KUNIT_EXPECT_FALSE(test, f->vf.stats.window.open);
	KUNIT_EXPECT_EQ(test, f->later, 1);
	KUNIT_EXPECT_TRUE(test, at_end(f));
	KUNIT_EXPECT_EQ(test, read_into_buffer(f, stream, 1), 0);
	KUNIT_EXPECT_EQ(test, f->later, 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.bytes_read), bytes);
	KUNIT_EXPECT_EQ(test, queue->unread_initial + queue->unread_dirty, 0);
	KUNIT_EXPECT_EQ(test, f->puts, ARRAY_SIZE(saved));
	for (int i = 0; i < ARRAY_SIZE(saved); i++)
		KUNIT_EXPECT_EQ(test, f->images[i].place, FERRY_IMAGE_SPARE);
	shut(f);
	KUNIT_EXPECT_EQ(test, read_into_buffer(f, stream, 1), -ENODEV);
	end(test, f);
	return bytes;
}

static void what_is_read_can_be_written(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	static const size_t pieces[] = { 1, 13, 4096, MOST_BYTES };

	for (int i = 0; i < 2 * ARRAY_SIZE(pieces); i++) {
		size_t piece = pieces[i / 2], bytes, done = 0, now;
		struct fixture *f;

		image_checksums = i & 1;
		bytes = save_all(test, stream, piece, i & 2);
		f = fixture_of(test, FERRY_PHASE_RECEIVING);
		while (done < bytes) {
			now = min(piece, bytes - done);
			KUNIT_EXPECT_FALSE(test, f->session.queue.arrival.whole);
			KUNIT_EXPECT_EQ(test, f->session.queue.arrival.last_byte_due,
					done == bytes - 1);
			KUNIT_ASSERT_EQ(test, write_from_buffer(f, stream + done, now), now);
			done += now;
			piece = piece * 3 % 5000 + 1;
		}
		KUNIT_EXPECT_TRUE(test, f->session.queue.arrival.whole);
		KUNIT_EXPECT_EQ(test, f->session.queue.error, 0);
		KUNIT_EXPECT_EQ(test, f->nr_loaded, ARRAY_SIZE(saved));
		for (int k = 0; k < ARRAY_SIZE(saved); k++) {
			KUNIT_EXPECT_EQ(test, f->loaded[k], saved[k].bytes);
			KUNIT_EXPECT_EQ(test, f->kinds[k], saved[k].kind);
		}
		KUNIT_EXPECT_FALSE(test, f->wrong);
		/* one image's memory for all of them */
		KUNIT_EXPECT_EQ(test, f->nr_images, 1);
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.bytes_written), bytes);
		KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, 1), -EINVAL);
		end(test, f);
	}
	image_checksums = false;
}

/* Two saves of the same state are told apart by more than their images. */
static void each_save_has_a_mark(struct kunit *test)
{
	u16 first = new_mark(), second = new_mark();

	KUNIT_EXPECT_NE(test, first, 0);
	KUNIT_EXPECT_NE(test, second, 0);
	KUNIT_EXPECT_NE(test, first, second);
}

static void a_changed_byte_is_refused(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	unsigned int refused = 0;
	struct fixture *f;
	size_t bytes;
	ssize_t done;

	image_checksums = true;
	bytes = save_all(test, stream, 4096, false);
	image_checksums = false;
	for (size_t at = 3; at < bytes; at += 997) {
		f = fixture_of(test, FERRY_PHASE_RECEIVING);
		stream[at] ^= 0x10;
		done = write_from_buffer(f, stream, bytes);
		stream[at] ^= 0x10;
		KUNIT_EXPECT_FALSE_MSG(test, f->session.queue.arrival.whole, "byte %zu", at);
		if (done < 0) {
			refused++;
			KUNIT_EXPECT_EQ(test, f->session.queue.error, done);
			KUNIT_EXPECT_EQ(test, f->refusals, 1);
			KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, 1), done);
			KUNIT_EXPECT_EQ(test, f->refusals, 1);
		}
		end(test, f);
	}
	KUNIT_EXPECT_GT(test, refused, 10);
}

static void a_source_that_is_another_is_refused(struct kunit *test)
{
	static const struct { const char *why; int err; } others[] = {
		{ "the source is of family other", -EXDEV },
		{ "the source is a 15b3:101e, this is a 15b4:101e", -EXDEV },
		{ "the source is a 15b3:101e, this is a 15b3:101f", -EXDEV },
		{ "the source is of subsystem 1111:2222, this of 1112:2222", -EXDEV },
		{ "the source is of subsystem 1111:2222, this of 1111:2223", -EXDEV },
		{ "the backend says so", -EOPNOTSUPP },
		{ "the source has 32 MSI-X vectors, this has 31", -EXDEV },
	};
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false);

	for (int i = 0; i < ARRAY_SIZE(others); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
		struct vfio_ferry_identity *own = &f->session.own;

		own->vendor = cpu_to_le16(0x15b3 + (i == 1));
		own->device = cpu_to_le16(0x101e + (i == 2));
		own->subsystem_vendor = cpu_to_le16(0x1111 + (i == 3));
		own->subsystem_device = cpu_to_le16(0x2222 + (i == 4));
		f->accept_err = i == 5 ? -EOPNOTSUPP : 0;
		f->accept_why = i == 5 ? "the backend says so" : NULL;
		f->session.shape.vectors = cpu_to_le32(i == 6 ? 31 : 32);
		if (!i) {
			strscpy(own->family, "other");
			strscpy(f->refusal, "");
		}
		KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, bytes), others[i].err);
		if (i)
			KUNIT_EXPECT_STREQ(test, f->refusal, others[i].why);
		else
			KUNIT_EXPECT_STREQ(test, f->refusal, "the source is of family mlx5");
		KUNIT_EXPECT_EQ(test, f->session.queue.error, others[i].err);
		KUNIT_EXPECT_EQ(test, f->nr_images, 0);
		KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, 1), others[i].err);
		KUNIT_EXPECT_EQ(test, f->refusals, 1);
		end(test, f);
	}
}

/* The firmware is slow: what a writer waits for, and what not. */
static void a_writer_waits_for_the_firmware(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false), done = 0;
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	unsigned int waits = 0;
	ssize_t now;

	f->loads = false;
	while (done < bytes) {
		now = write_from_buffer(f, stream + done, bytes - done);
		if (now == -EAGAIN) {
			KUNIT_EXPECT_FALSE(test, ferry_write_poll(&f->file, NULL) & EPOLLOUT);
			waits++;
			f->loads = true;
			flown_kick(&f->session);
			f->loads = false;
			KUNIT_EXPECT_TRUE(test, ferry_write_poll(&f->file, NULL) & EPOLLOUT);
			continue;
		}
		KUNIT_ASSERT_GT(test, now, 0);
		done += now;
	}
	/* for the load of each image; at the last one for what the stream's last byte says */
	KUNIT_EXPECT_EQ(test, waits, ARRAY_SIZE(saved));
	KUNIT_EXPECT_FALSE(test, f->wrong);
	end(test, f);
}

/* And of the last byte alone, when nothing waits to be loaded but the last image is. */
static void the_last_byte_waits_for_the_last_load(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false);
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
	struct ferry_queue *queue = &f->session.queue;
	struct ferry_image *image;

	KUNIT_ASSERT_EQ(test, write_from_buffer(f, stream, bytes - 1), bytes - 1);
	image = ferry_queue_take(queue, FERRY_IMAGE_SPARE, FERRY_IMAGE_HELD);
	KUNIT_ASSERT_NOT_NULL(test, image);
	image->memory.length = 1;
	ferry_queue_move(queue, image, FERRY_IMAGE_FIRMWARE);
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream + bytes - 1, 1), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, queue->arrival.whole);
	ferry_queue_move(queue, image, FERRY_IMAGE_SPARE);
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream + bytes - 1, 1), 1);
	KUNIT_EXPECT_TRUE(test, queue->arrival.whole);
	end(test, f);
}

/* As read() and write() come, of no bytes, too. */
static ssize_t call(struct fixture *f, u8 *buffer, size_t bytes, bool writes)
{
	struct kvec vec = { .iov_base = buffer, .iov_len = bytes };
	struct kiocb iocb = { .ki_filp = &f->file };
	struct iov_iter iter;

	f->file.f_flags = O_NONBLOCK;
	iov_iter_kvec(&iter, writes ? ITER_SOURCE : ITER_DEST, &vec, 1, bytes);
	return writes ? ferry_write_iter(&iocb, &iter) : ferry_read_iter(&iocb, &iter);
}

static void what_the_kernel_calls(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false);
	u8 *buffer = kunit_kzalloc(test, bytes, GFP_KERNEL);

	for (int writes = 0; writes < 2; writes++) {
		struct fixture *f = fixture_of(test, writes ? FERRY_PHASE_RECEIVING :
							      FERRY_PHASE_FINAL);

		if (!writes) {
			ferry_queue_begin(&f->session.queue, false, 12345);
			add_saved(f, FERRY_IMAGE_FINAL, 10);
		}
		KUNIT_EXPECT_EQ(test, call(f, stream, 0, writes), 0);
		KUNIT_EXPECT_EQ(test, call(f, writes ? stream : buffer, 9, writes), 9);
		KUNIT_EXPECT_EQ(test, ferry_stream_lock(&f->session.stream, true), 0);
		KUNIT_EXPECT_EQ(test, call(f, stream, 9, writes), -EAGAIN);
		KUNIT_EXPECT_EQ(test, call(f, stream, 0, writes), 0);
		ferry_stream_unlock(&f->session.stream);
		shut(f);
		KUNIT_EXPECT_EQ(test, call(f, stream, 0, writes), -ENODEV);
		KUNIT_EXPECT_EQ(test, call(f, stream, 9, writes), -ENODEV);
		end(test, f);
	}
}

/* At the temporary end of a load that failed the user hears of it at once. */
static void a_load_that_fails_is_the_writers_error(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false);
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);

	ferry_queue_fail(&f->session.queue, -EIO);
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, bytes), -EIO);
	KUNIT_EXPECT_EQ(test, ferry_write_poll(&f->file, NULL), EPOLLOUT | EPOLLWRNORM | EPOLLERR);
	shut(f);
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, bytes), -ENODEV);
	KUNIT_EXPECT_EQ(test, ferry_write_poll(&f->file, NULL),
			EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
	end(test, f);
}

/* Less than wanted is tried; what comes back is waited for; else the image is too long. */
static void memory_for_what_comes(struct kunit *test)
{
	static const struct { int err, errs; bool charged; ssize_t got; } cases[] = {
		{ -ENOBUFS, 1, false, 0 },
		{ -ENOBUFS, 2, false, 0 },
		{ -ENOBUFS, 3, true, -EAGAIN },
		{ -ENOMEM, 1, false, -ENOMEM },
	};
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false);

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);
		struct ferry_queue *queue = &f->session.queue;
		ssize_t got = cases[i].got;
		size_t head = 0;

		while (f->session.stream.decoder.state != FERRY_DECODE_IMAGE)
			KUNIT_ASSERT_EQ(test, write_from_buffer(f, stream + head++, 1), 1);
		if (!got)
			got = bytes - head;
		f->grow_err = cases[i].err;
		f->grow_errs = cases[i].errs;
		if (cases[i].charged)
			queue->charged = queue->budget;
		f->kicks = 0;
		KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream + head, bytes - head), got);
		KUNIT_EXPECT_EQ(test, queue->arrival.starved, cases[i].got == -EAGAIN);
		f->grow_errs = 0;
		queue->charged = 0;
		if (cases[i].got)
			KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream + head, bytes - head),
					bytes - head);
		KUNIT_EXPECT_FALSE(test, f->wrong);
		end(test, f);
	}
}

static void memory_for_no_image_at_all(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false), head = 0;
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);

	while (f->session.stream.decoder.state != FERRY_DECODE_IMAGE)
		KUNIT_ASSERT_EQ(test, write_from_buffer(f, stream + head++, 1), 1);
	f->nr_images = MOST_IMAGES;
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream + head, bytes - head), -ENOMEM);
	f->nr_images = 0;
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream + head, bytes - head), bytes - head);
	KUNIT_EXPECT_FALSE(test, f->wrong);
	end(test, f);
}

/* Nobody gives anything back. */
static void an_image_that_is_too_long(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, MOST_BYTES, GFP_KERNEL);
	size_t bytes = save_all(test, stream, 4096, false);
	struct fixture *f = fixture_of(test, FERRY_PHASE_RECEIVING);

	f->session.queue.budget = 1;
	f->grow_err = -ENOBUFS;
	f->grow_errs = INT_MAX;
	KUNIT_EXPECT_EQ(test, write_from_buffer(f, stream, bytes), -ENOBUFS);
	KUNIT_EXPECT_STREQ(test, f->refusal, "image needs more memory than max_inflight_bytes");
	end(test, f);
}

static void what_poll_promises(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct ferry_queue *queue = &f->session.queue;

	KUNIT_EXPECT_EQ(test, ferry_read_poll(&f->file, NULL), 0);
	KUNIT_EXPECT_TRUE(test, queue->outlook.asked);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	add_saved(f, FERRY_IMAGE_MIDDLE, 10);
	KUNIT_EXPECT_EQ(test, ferry_read_poll(&f->file, NULL), EPOLLIN | EPOLLRDNORM);
	KUNIT_EXPECT_EQ(test, f->kicks, 1);
	ferry_queue_fail(queue, -EIO);
	KUNIT_EXPECT_EQ(test, ferry_read_poll(&f->file, NULL),
			EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLERR);
	shut(f);
	KUNIT_EXPECT_EQ(test, ferry_read_poll(&f->file, NULL),
			EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLHUP);
	end(test, f);
}

static void who_asks_for_sizes(struct kunit *test)
{
	struct fixture *f = fixture_of(test, FERRY_PHASE_PRECOPY);
	struct vfio_precopy_info info = {
		.argsz = offsetofend(struct vfio_precopy_info, dirty_bytes),
	};
	unsigned long arg = (unsigned long)&info;

	KUNIT_EXPECT_EQ(test, ferry_read_ioctl(&f->file, VFIO_MIG_GET_PRECOPY_INFO, arg), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 5);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 6);
	KUNIT_EXPECT_EQ(test, ferry_read_ioctl(&f->file, VFIO_MIG_GET_PRECOPY_INFO + 1, arg),
			-ENOTTY);
	f->precopy_err = -EINVAL;
	KUNIT_EXPECT_EQ(test, ferry_read_ioctl(&f->file, VFIO_MIG_GET_PRECOPY_INFO, arg), -EINVAL);
	f->precopy_err = 0;
	for (user_fails = 1; user_fails < 3; user_fails++)
		KUNIT_EXPECT_EQ(test, ferry_read_ioctl(&f->file, VFIO_MIG_GET_PRECOPY_INFO, arg),
				-EFAULT);
	user_fails = 0;
	info.argsz--;
	f->precopy_err = -EIO;
	KUNIT_EXPECT_EQ(test, ferry_read_ioctl(&f->file, VFIO_MIG_GET_PRECOPY_INFO, arg), -EINVAL);
	end(test, f);
}

static struct kunit_case stream_cases[] = {
	KUNIT_CASE(what_is_read_can_be_written),
	KUNIT_CASE(each_save_has_a_mark),
	KUNIT_CASE(a_changed_byte_is_refused),
	KUNIT_CASE(a_source_that_is_another_is_refused),
	KUNIT_CASE(a_writer_waits_for_the_firmware),
	KUNIT_CASE(the_last_byte_waits_for_the_last_load),
	KUNIT_CASE(what_the_kernel_calls),
	KUNIT_CASE(a_load_that_fails_is_the_writers_error),
	KUNIT_CASE(memory_for_what_comes),
	KUNIT_CASE(memory_for_no_image_at_all),
	KUNIT_CASE(an_image_that_is_too_long),
	KUNIT_CASE(what_poll_promises),
	KUNIT_CASE(who_asks_for_sizes),
	{}
};

static struct kunit_suite stream_suite = {
	.name = "ferry-stream",
	.test_cases = stream_cases,
};

kunit_test_suite(stream_suite);
