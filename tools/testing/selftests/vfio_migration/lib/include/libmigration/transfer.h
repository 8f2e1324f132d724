/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways in which a program may move a stream through a data FD. Whatever
 * way it takes, the stream is the same: "The user is not required to preserve
 * buffer segmentation when writing the data stream".
 */
#ifndef LIBMIGRATION_TRANSFER_H
#define LIBMIGRATION_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <libmigration/random.h>
#include <libmigration/stream.h>
#include <libmigration/uring.h>

enum mig_way {
	MIG_WAY_BYTES, /* single bytes at both ends and here and there, for all would take long */
	MIG_WAY_PRIMES, /* sizes that divide nothing */
	MIG_WAY_HUGE, /* more at once than there is */
	MIG_WAY_VECTOR, /* readv(), writev() with odd and empty parts */
	MIG_WAY_SPLICE, /* through a pipe */
	MIG_WAY_URING, /* io_uring */
	MIG_WAY_NONBLOCK, /* O_NONBLOCK, with poll() to wait */
	MIG_WAY_RANDOM, /* any size each time */
};

/**
 * struct mig_mover - a stream on its way
 * @fd: the data FD
 * @writes: into it rather than out of it
 * @way: how
 * @at: bytes moved
 * @whole: how many there are to be, or 0 if that is not known
 * @calls: that were made
 * @again: of them, those that said EAGAIN
 * @random: for the sizes
 * @pipe: for splice
 * @ring: for io_uring
 */
struct mig_mover {
	int fd;
	bool writes;
	enum mig_way way;
	size_t at;
	size_t whole;
	u64 calls;
	u64 again;
	struct mig_random random;
	int pipe[2];
	struct mig_uring ring;
};

/* NULL, or why this way cannot be taken on this machine. */
const char *mig_mover_open(struct mig_mover *mover, enum mig_way way, int fd, bool writes,
			   size_t whole);
void mig_mover_close(struct mig_mover *mover);
/*
 * To an end of the stream: an enum mig_stream_end or -errno. -EOPNOTSUPP: the FD does not know
 * this way.
 */
int __mig_mover_read(struct mig_mover *mover, struct mig_stream *stream);
/* Everything: 0 or -errno. */
int __mig_mover_write(struct mig_mover *mover, const struct mig_stream *stream);

#endif /* LIBMIGRATION_TRANSFER_H */
