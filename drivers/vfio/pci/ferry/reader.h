/* SPDX-License-Identifier: GPL-2.0-only */
/* The user's side of a save: the queue to the user. See reader.c. */
#ifndef FERRY_READER_H
#define FERRY_READER_H

#include <linux/fs.h>

struct ferry_session;
struct iov_iter;

ssize_t ferry_stream_read(struct ferry_session *session, struct iov_iter *to,
			  bool nonblock);
bool ferry_stream_at_end(struct ferry_session *session);

extern const struct file_operations ferry_reader_fops;

#endif /* FERRY_READER_H */
