/* SPDX-License-Identifier: GPL-2.0-only */
/* The user's side of a resume: the user to the queue. See writer.c. */
#ifndef FERRY_WRITER_H
#define FERRY_WRITER_H

#include <linux/fs.h>

struct ferry_session;
struct iov_iter;

ssize_t ferry_stream_write(struct ferry_session *session,
			   struct iov_iter *from, bool nonblock);

extern const struct file_operations ferry_writer_fops;

#endif /* FERRY_WRITER_H */
