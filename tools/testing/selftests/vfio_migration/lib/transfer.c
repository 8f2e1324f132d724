// SPDX-License-Identifier: GPL-2.0-only
/* The ways in which a program may move a stream through a data FD. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

#define HUGE_PIECE (16UL << 20)
/* What a pipe holds. */
#define PIPE_PIECE 65536
/* At both ends of the stream, this many bytes go one by one. */
#define SINGLE_BYTES 700

static const size_t primes[] = { 3, 4093, 13, 65521, 8191, 2, 131071, 1009, 17, 257 };

static void add_flag(int fd, int flag)
{
	VFIO_ASSERT_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | flag), 0);
}

const char *mig_mover_open(struct mig_mover *mover, enum mig_way way, int fd, bool writes,
			   size_t whole)
{
	*mover = (struct mig_mover){ .fd = fd, .writes = writes, .way = way, .whole = whole };
	switch (way) {
	case MIG_WAY_SPLICE:
		VFIO_ASSERT_EQ(pipe(mover->pipe), 0);
		/*
		 * A way that the FD does not know shall fail at once, not wait for a reader of
		 * the pipe.
		 */
		add_flag(mover->pipe[0], O_NONBLOCK);
		add_flag(mover->pipe[1], O_NONBLOCK);
		break;
	case MIG_WAY_URING:
		if (__mig_uring_open(&mover->ring))
			return "the kernel has no io_uring, or not for us";
		break;
	case MIG_WAY_NONBLOCK:
		add_flag(fd, O_NONBLOCK);
		break;
	case MIG_WAY_RANDOM:
		mover->random = mig_random_start();
		break;
	default:
		break;
	}
	return NULL;
}

void mig_mover_close(struct mig_mover *mover)
{
	if (mover->way == MIG_WAY_SPLICE) {
		close(mover->pipe[0]);
		close(mover->pipe[1]);
	} else if (mover->way == MIG_WAY_URING) {
		mig_uring_close(&mover->ring);
	}
}

/* How much to ask for in the next call. */
static size_t next_size(struct mig_mover *mover)
{
	switch (mover->way) {
	case MIG_WAY_BYTES:
		if (mover->at < SINGLE_BYTES || mover->at + SINGLE_BYTES > mover->whole)
			return 1;
		/* Up to the last bytes, and every other time a single byte again. */
		return mover->calls % 2 ? 1 : mover->whole - SINGLE_BYTES - mover->at < 8191 ?
			mover->whole - SINGLE_BYTES - mover->at + 1 : 8191;
	case MIG_WAY_PRIMES:
		return primes[mover->calls % ARRAY_SIZE(primes)];
	case MIG_WAY_RANDOM:
		return 1 + mig_random_below(&mover->random,
					    1ULL << mig_random_below(&mover->random, 20));
	case MIG_WAY_SPLICE:
		return PIPE_PIECE - mover->calls % 3 * 1000;
	case MIG_WAY_VECTOR:
	case MIG_WAY_NONBLOCK:
		return 50021;
	default:
		return HUGE_PIECE;
	}
}

static ssize_t move_vector(struct mig_mover *mover, u8 *data, size_t len)
{
	static const size_t parts[] = { 1, 0, 4095, 3, 8192, 0, 30000 };
	struct iovec vector[ARRAY_SIZE(parts) + 1];
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(vector); i++) {
		size_t part = i < ARRAY_SIZE(parts) && parts[i] < len - at ? parts[i] : 0;

		if (i == ARRAY_SIZE(parts))
			part = len - at;
		vector[i] = (struct iovec){ data + at, part };
		at += part;
	}
	return mover->writes ? writev(mover->fd, vector, ARRAY_SIZE(vector)) :
			       readv(mover->fd, vector, ARRAY_SIZE(vector));
}

static ssize_t splice_out(struct mig_mover *mover, u8 *data, size_t len)
{
	ssize_t moved = splice(mover->fd, NULL, mover->pipe[1], NULL, len, 0);

	if (moved > 0)
		VFIO_ASSERT_EQ(read(mover->pipe[0], data, moved), moved);
	return moved;
}

/* What the FD does not take stays in the pipe for the next call. */
static ssize_t splice_in(struct mig_mover *mover, u8 *data, size_t len)
{
	size_t left = write(mover->pipe[1], data, len), at = 0;
	ssize_t moved;

	VFIO_ASSERT_LE(left, len, "write() to the pipe failed");
	while (at < left) {
		moved = splice(mover->pipe[0], NULL, mover->fd, NULL, left - at, 0);
		if (moved <= 0)
			return moved;
		at += moved;
	}
	return at;
}

static ssize_t move_once(struct mig_mover *mover, u8 *data, size_t len)
{
	switch (mover->way) {
	case MIG_WAY_VECTOR:
		return move_vector(mover, data, len);
	case MIG_WAY_SPLICE:
		return mover->writes ? splice_in(mover, data, len) : splice_out(mover, data, len);
	case MIG_WAY_URING: {
		ssize_t moved = mig_uring_move(&mover->ring, mover->writes, mover->fd, data, len);

		if (moved >= 0)
			return moved;
		errno = -moved;
		return -1;
	}
	default:
		return mover->writes ? write(mover->fd, data, len) : read(mover->fd, data, len);
	}
}

/* One call, and those that it takes to wait for it; bytes or -errno. */
static ssize_t move(struct mig_mover *mover, u8 *data, size_t len)
{
	struct pollfd wait = { .fd = mover->fd, .events = mover->writes ? POLLOUT : POLLIN };
	ssize_t moved;

	for (;;) {
		moved = move_once(mover, data, len);
		mover->calls++;
		if (moved >= 0 || errno != EAGAIN || mover->way != MIG_WAY_NONBLOCK)
			break;
		mover->again++;
		VFIO_ASSERT_EQ(poll(&wait, 1, MIG_PATIENCE_MS), 1,
			       "EAGAIN, and poll() waits for ever");
	}
	if (moved >= 0) {
		mover->at += moved;
		return moved;
	}
	/* splice() of a file that has none says so. */
	return errno == EINVAL && mover->way == MIG_WAY_SPLICE && !mover->at ? -EOPNOTSUPP : -errno;
}

int __mig_mover_read(struct mig_mover *mover, struct mig_stream *stream)
{
	u8 *buffer = malloc_assert(HUGE_PIECE);
	ssize_t moved;

	while ((moved = move(mover, buffer, next_size(mover))) > 0)
		mig_stream_append(stream, buffer, moved);
	free(buffer);

	if (moved == -ENOMSG)
		return MIG_STREAM_TEMPORARY_END;
	return moved ? moved : MIG_STREAM_END;
}

int __mig_mover_write(struct mig_mover *mover, const struct mig_stream *stream)
{
	while (mover->at < stream->len) {
		size_t len = next_size(mover), left = stream->len - mover->at;
		ssize_t moved = move(mover, stream->data + mover->at, len < left ? len : left);

		if (moved < 0)
			return moved;
		VFIO_ASSERT_GT(moved, 0, "a call took nothing and gave no error");
	}
	return 0;
}
