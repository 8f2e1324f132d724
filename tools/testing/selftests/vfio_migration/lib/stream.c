// SPDX-License-Identifier: GPL-2.0-only
/* The data FDs, and streams in memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

/* What a VMM reads at once, at most. */
#define PIECE (1UL << 20)
/* State that the workload changes in a round of pre-copy. */
#define CHANGES 20

void mig_stream_append(struct mig_stream *stream, const void *data, size_t len)
{
	while (stream->room - stream->len < len) {
		stream->room = stream->room ? stream->room * 2 : PIECE;
		stream->data = realloc(stream->data, stream->room);
		VFIO_ASSERT_NOT_NULL(stream->data);
	}
	memcpy(stream->data + stream->len, data, len);
	stream->len += len;
}

void mig_stream_free(struct mig_stream *stream)
{
	free(stream->data);
	*stream = (struct mig_stream){ };
}

bool mig_stream_same(const struct mig_stream *a, const struct mig_stream *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

int __mig_read(int data_fd, struct mig_stream *stream, size_t piece)
{
	u8 *buffer = malloc_assert(piece);
	ssize_t got;
	int ret;

	while ((got = read(data_fd, buffer, piece)) > 0)
		mig_stream_append(stream, buffer, got);
	ret = got ? -errno : MIG_STREAM_END;
	free(buffer);

	return ret == -ENOMSG ? MIG_STREAM_TEMPORARY_END : ret;
}

void mig_read_all(int data_fd, struct mig_stream *stream)
{
	VFIO_ASSERT_EQ(__mig_read(data_fd, stream, PIECE), MIG_STREAM_END,
		       "the stream does not end");
}

void mig_read_precopy(int data_fd, struct mig_stream *stream)
{
	int ret = __mig_read(data_fd, stream, PIECE);

	/* ENOMSG is only recommended, so 0 will do for all but the test of it. */
	VFIO_ASSERT_TRUE(ret == MIG_STREAM_TEMPORARY_END || ret == MIG_STREAM_END,
			 "pre-copy has no temporary end: %d", ret);
}

int __mig_write_pieces(int data_fd, const void *data, size_t len, size_t piece)
{
	const u8 *from = data;
	ssize_t done;

	while (len) {
		done = write(data_fd, from, len < piece ? len : piece);
		if (done < 0)
			return -errno;
		VFIO_ASSERT_GT(done, 0, "write() took nothing and gave no error");
		from += done;
		len -= done;
	}
	return 0;
}

int __mig_write(int data_fd, const void *data, size_t len)
{
	return __mig_write_pieces(data_fd, data, len, PIECE);
}

/*
 * What changed after the first images comes as data of its own, at the latest when the estimate
 * is asked for.
 */
static void read_next_round(int data_fd, struct mig_stream *stream)
{
	struct vfio_precopy_info info;
	size_t before = stream->len;

	VFIO_ASSERT_TRUE(mig_wait_until((mig_precopy_info(data_fd, &info),
					 mig_read_precopy(data_fd, stream), stream->len > before),
					MIG_PATIENCE_MS),
			 "the device changed, and pre-copy has no more data");
}

static int save_precopy(struct mig_device *device, struct mig_stream *stream)
{
	int data_fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_PRE_COPY);

	mig_read_precopy(data_fd, stream);
	if (device->workload && device->workload->change) {
		mig_change(device, CHANGES);
		read_next_round(data_fd, stream);
		mig_change(device, CHANGES);
	}
	mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY);

	return data_fd;
}

struct mig_stream mig_save(struct mig_device *device, bool precopy)
{
	struct mig_stream stream = { };
	int data_fd;

	data_fd = precopy ? save_precopy(device, &stream) :
			    mig_state_set_fd(device, VFIO_DEVICE_STATE_STOP_COPY);
	mig_read_all(data_fd, &stream);
	mig_state_set(device, VFIO_DEVICE_STATE_STOP);
	VFIO_ASSERT_EQ(close(data_fd), 0);

	return stream;
}

int __mig_load(struct mig_device *device, const struct mig_stream *stream)
{
	int data_fd, ret;

	ret = __mig_state_set(device, VFIO_DEVICE_STATE_RESUMING, &data_fd);
	if (ret)
		return ret;
	ret = __mig_write(data_fd, stream->data, stream->len);
	if (!ret)
		ret = __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
	close(data_fd);

	return ret;
}

void mig_load(struct mig_device *device, const struct mig_stream *stream)
{
	VFIO_ASSERT_EQ(__mig_load(device, stream), 0, "%s: the stream is not loaded", device->name);
}

int mig_stopped_save_fd(struct mig_device *device)
{
	mig_state_set(device, VFIO_DEVICE_STATE_STOP);
	return mig_state_set_fd(device, VFIO_DEVICE_STATE_STOP_COPY);
}

static struct mig_stream save_stopped(struct mig_device *device)
{
	struct mig_stream stream = { };
	int data_fd = mig_stopped_save_fd(device);

	mig_read_all(data_fd, &stream);
	mig_state_set(device, VFIO_DEVICE_STATE_STOP);
	VFIO_ASSERT_EQ(close(data_fd), 0);

	return stream;
}

struct mig_reference mig_reference_save(struct mig_device *device)
{
	struct mig_reference reference = { };
	struct mig_stream again;

	mig_fill(device, 13);
	reference.whole = save_stopped(device);
	again = save_stopped(device);
	reference.sum = mig_sum(device);
	reference.repeats = mig_stream_same(&reference.whole, &again);
	mig_stream_free(&again);

	return reference;
}

bool mig_reference_matches(struct mig_bench *bench, const struct mig_reference *reference,
			   const struct mig_stream *stream)
{
	struct mig_device *target;

	if (reference->repeats)
		return mig_stream_same(&reference->whole, stream);
	target = mig_bench_target(bench);
	return !__mig_load(target, stream) && mig_sum(target) == reference->sum;
}

void mig_assert_usable(struct mig_device *device)
{
	struct dma_region queues = { };
	struct mig_stream stream;
	u64 sum;

	if (mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
		mig_device_reset(device);
	mig_fill(device, 11);
	sum = mig_sum(device);
	mig_traffic_begin(device, &queues);
	mig_traffic_assert(device);
	stream = mig_save(device, false);
	/* These go out when it runs again. */
	mig_traffic_post(device);
	mig_device_reset(device);
	mig_load(device, &stream);
	mig_stream_free(&stream);
	VFIO_ASSERT_EQ(mig_sum(device), sum, "%s: not the state that was saved", device->name);
	mig_change(device, 1);
	mig_traffic_follow(device, &queues);
	mig_traffic_assert(device);
	if (queues.vaddr) {
		iommu_unmap(device->iommu, &queues);
		munmap(queues.vaddr, queues.size);
	}
}
