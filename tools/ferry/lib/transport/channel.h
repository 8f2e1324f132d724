/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes to and from the other side: a file, a pipe, a socket, TLS on a socket.
 *
 * One thread may write while another reads.  @stop_fd: an eventfd that ends a
 * wait once it is readable, or -1.
 */
#ifndef FERRY_LIB_CHANNEL_H
#define FERRY_LIB_CHANNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <ferry/channel.h>

struct tls;

struct ferry_channel {
	int fd;
	enum { CHANNEL_FILE, CHANNEL_PIPE, CHANNEL_SOCKET } kind;
	struct tls *tls;		/* or NULL */
	bool protected;			/* nobody else can change what is sent */
	unsigned int timeout_ms;	/* CHANNEL_SOCKET */
	bool waits;			/* CHANNEL_PIPE: its writes always may */
	bool takes_pages;		/* CHANNEL_PIPE: it is a pipe indeed */
	char peer[128];
};

/* Writes all of it. A socket that takes nothing is waited for as long as the other side is not silent. */
int channel_write(struct ferry_channel *channel, const void *data, size_t size, int stop_fd,
		  struct ferry_error *error);
/* The same, of what is in the pipe @from. Only to what takes pages. */
int channel_pass(struct ferry_channel *channel, int from, size_t size, int stop_fd, struct ferry_error *error);
/* What there is, at least a byte; 0 at the end. Silence of a socket gives -ETIMEDOUT. */
ssize_t channel_read_some(struct ferry_channel *channel, void *data, size_t size, int stop_fd,
			  struct ferry_error *error);
/* All of it. A file's end before the first byte gives -ENODATA, a later one -EBADMSG; a socket's -ECONNRESET. */
int channel_read(struct ferry_channel *channel, void *data, size_t size, int stop_fd,
		 struct ferry_error *error);
/* So that a packet costs one wait and not sixteen. Who may not have it does without. */
void pipe_enlarge(int fd);
/* A file or pipe, which stays the caller's and must stay open. */
void channel_of_file(struct ferry_channel *channel, int fd);
/* For a last word: writes end after so long, whatever the other side does. */
void channel_hurry(struct ferry_channel *channel, unsigned int timeout_ms);

/* Ends sending, then waits for the other side to close, at most for the timeout. */
void channel_drain(struct ferry_channel *channel);
/* Nothing goes through a socket any more: who waits for it in another thread ends at once. */
void channel_break(struct ferry_channel *channel);

#endif /* FERRY_LIB_CHANNEL_H */
