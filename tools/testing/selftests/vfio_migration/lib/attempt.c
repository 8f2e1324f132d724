// SPDX-License-Identifier: GPL-2.0-only
/* Migrations in which anything may fail. */
#include <errno.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

#define PIECE (1UL << 20)
/* State that changes in pre-copy. */
#define CHANGES 20
/* How often pre-copy is asked for more, until it has more. */
#define ROUNDS 200

bool mig_operation_needs_precopy(enum mig_operation operation)
{
	return operation == MIG_PRECOPY_SAVE || operation == MIG_CANCELLED_SAVE ||
	       operation == MIG_ABORTED_SAVE;
}

/* Until what changed since has come as data, or will not. */
static int read_next_round(int data_fd, struct mig_stream *stream)
{
	struct vfio_precopy_info info;
	size_t before = stream->len;
	int ret = 0;

	for (unsigned int i = 0; i < ROUNDS && stream->len == before; i++) {
		/* A VMM takes an error here as no answer. */
		__mig_precopy_info(data_fd, &info);
		ret = __mig_read(data_fd, stream, PIECE);
		if (ret != MIG_STREAM_TEMPORARY_END)
			return ret < 0 ? ret : -ENODATA;
		usleep(500);
	}
	return 0;
}

static int save_precopy(struct mig_device *device, struct mig_attempt *attempt)
{
	int ret = __mig_state_set(device, VFIO_DEVICE_STATE_PRE_COPY, &attempt->data_fd);

	if (ret)
		return ret;
	ret = __mig_read(attempt->data_fd, &attempt->stream, PIECE);
	if (ret != MIG_STREAM_TEMPORARY_END)
		return ret < 0 ? ret : -ENODATA;
	mig_change(device, CHANGES);
	ret = read_next_round(attempt->data_fd, &attempt->stream);
	if (!ret)
		mig_change(device, CHANGES);

	return ret;
}

static int save_rest(struct mig_device *device, struct mig_attempt *attempt)
{
	int data_fd, ret;

	ret = __mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY, &data_fd);
	if (ret)
		return ret;
	if (attempt->data_fd < 0)
		attempt->data_fd = data_fd;
	ret = __mig_read(attempt->data_fd, &attempt->stream, PIECE);
	if (ret != MIG_STREAM_END)
		return ret < 0 ? ret : -ENOMSG;
	attempt->whole = true;

	return __mig_state_set(device, VFIO_DEVICE_STATE_STOP, NULL);
}

static int save_abort(struct mig_device *device)
{
	int ret = __mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY, NULL);

	return ret ? ret : __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
}

static int save(struct mig_device *device, enum mig_operation operation,
		struct mig_attempt *attempt)
{
	u64 bytes;
	int ret;

	/* What a VMM asks before it begins, and takes an error as no answer. */
	__mig_data_size(device, &bytes);
	if (operation == MIG_STOPPED_SAVE)
		ret = __mig_state_set(device, VFIO_DEVICE_STATE_STOP, NULL);
	else
		ret = save_precopy(device, attempt);
	if (ret)
		return ret;
	if (operation == MIG_CANCELLED_SAVE)
		return __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
	if (operation == MIG_ABORTED_SAVE)
		return save_abort(device);
	return save_rest(device, attempt);
}

struct mig_attempt mig_try_save(struct mig_device *device, enum mig_operation operation)
{
	struct mig_attempt attempt = { .data_fd = -1 };

	attempt.error = save(device, operation, &attempt);
	return attempt;
}

struct mig_attempt mig_try_load(struct mig_device *device, const struct mig_stream *stream)
{
	struct mig_attempt attempt = { };

	attempt.error = __mig_state_set(device, VFIO_DEVICE_STATE_RESUMING, &attempt.data_fd);
	if (!attempt.error)
		attempt.error = __mig_write(attempt.data_fd, stream->data, stream->len);
	if (!attempt.error)
		attempt.error = __mig_state_set(device, VFIO_DEVICE_STATE_STOP, NULL);
	if (!attempt.error)
		attempt.error = __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
	return attempt;
}

void mig_attempt_free(struct mig_attempt *attempt)
{
	if (attempt->data_fd >= 0)
		close(attempt->data_fd);
	mig_stream_free(&attempt->stream);
	*attempt = (struct mig_attempt){ .data_fd = -1 };
}

/* vfio.h of the data FD: a session that is over is at its end or in error. */
static bool session_is_over(int data_fd)
{
	u8 byte = 0;

	return data_fd < 0 || read(data_fd, &byte, 1) <= 0;
}

static const char *go_to_running(struct mig_device *device)
{
	u32 state = mig_state_get(device);

	if (state != VFIO_DEVICE_STATE_RUNNING &&
	    __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL))
		return "does not get back to RUNNING, and is not in ERROR";
	if (mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
		return "is not in RUNNING when SET says so";
	return NULL;
}

const char *mig_source_fault(struct mig_device *device, const struct mig_attempt *attempt, u64 sum)
{
	const char *fault;

	if (mig_state_get(device) == VFIO_DEVICE_STATE_ERROR) {
		mig_device_reset(device);
		if (mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
			return "is not in RUNNING after a reset";
		mig_change(device, 1);
		return session_is_over(attempt->data_fd) ? NULL : "has a session in ERROR";
	}
	fault = go_to_running(device);
	if (fault)
		return fault;
	if (!session_is_over(attempt->data_fd))
		return "has a session in RUNNING";
	if (mig_sum(device) != sum)
		return "lost its state";
	mig_change(device, 1);
	return NULL;
}

const char *mig_target_fault(struct mig_device *device, const struct mig_attempt *attempt, u64 sum)
{
	const char *fault = NULL;

	/* It stays what it was if it never came to loading. */
	if (attempt->error && attempt->data_fd >= 0 &&
	    mig_state_get(device) == VFIO_DEVICE_STATE_RUNNING)
		fault = "runs, but the load failed";
	if (!attempt->error && mig_sum(device) != sum)
		fault = "says that it has loaded the state, and has another";
	mig_device_reset(device);
	if (mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
		return "is not in RUNNING after a reset";
	if (attempt->data_fd >= 0 && write(attempt->data_fd, "", 1) >= 0)
		return "has a session after a reset";
	mig_change(device, 1);
	return fault;
}
