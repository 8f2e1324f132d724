/* SPDX-License-Identifier: GPL-2.0-only */
/* io_uring by its system calls alone: one read or write at a time. */
#ifndef LIBMIGRATION_URING_H
#define LIBMIGRATION_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct io_uring_cqe;
struct io_uring_sqe;

struct mig_uring {
	int fd;
	void *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int *sq_tail, *cq_head, *cq_tail;
	unsigned int sq_mask, cq_mask;
};

/* 0 or -errno; -ENOSYS and -EPERM where the kernel has none for us. */
int __mig_uring_open(struct mig_uring *ring);
void mig_uring_close(struct mig_uring *ring);
/* As read() and write(), but -errno where those fail. */
ssize_t mig_uring_move(struct mig_uring *ring, bool writes, int fd, void *data, size_t len);

#endif /* LIBMIGRATION_URING_H */
