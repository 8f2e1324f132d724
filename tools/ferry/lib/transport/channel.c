// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and writing a channel, with an end to every wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../base/wait.h"
#include "channel.h"
#include "tls.h"

#define REST_MS		1000
#define PIPE_BYTES	(1024 * 1024)

void pipe_enlarge(int fd)
{
	if (fcntl(fd, F_GETPIPE_SZ) < PIPE_BYTES)
		fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

void channel_of_file(struct ferry_channel *channel, int fd)
{
	struct stat st;

	*channel = (struct ferry_channel){ .fd = fd, .kind = CHANNEL_FILE };
	if (!fstat(fd, &st) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		channel->kind = CHANNEL_PIPE;
	channel->takes_pages = channel->kind == CHANNEL_PIPE && S_ISFIFO(st.st_mode);
	if (channel->takes_pages)
		pipe_enlarge(fd);
	snprintf(channel->peer, sizeof(channel->peer), "the file");
}

void channel_hurry(struct ferry_channel *channel, unsigned int timeout_ms)
{
	if (timeout_ms < channel->timeout_ms)
		channel->timeout_ms = timeout_ms;
}

/* ---- write ---- */

/*
 * A pipe's flags are shared with whoever else has it, so it stays blocking, and
 * each write says that it does not wait. Pipes of older kernels, FIFOs and
 * terminals know no such writes: what poll() says is writable takes PIPE_BUF
 * bytes without a wait.
 */
static ssize_t write_pipe(struct ferry_channel *c, const void *data, size_t size)
{
	const struct iovec piece = { .iov_base = (void *)data, .iov_len = size };
	ssize_t n;

	if (!c->waits) {
		n = pwritev2(c->fd, &piece, 1, -1, RWF_NOWAIT);
		if (n >= 0 || errno != EOPNOTSUPP)
			return n;
		c->waits = true;
	}
	return write(c->fd, data, size > PIPE_BUF ? PIPE_BUF : size);
}

static int write_failed(struct ferry_channel *c, struct ferry_error *error)
{
	if (errno == EPIPE || errno == ECONNRESET)
		return ferry_fail(error, errno, "%s has gone", c->peer);
	return ferry_fail(error, errno, "writing to %s: %s", c->peer, strerror(errno));
}

static ssize_t write_once(struct ferry_channel *c, const void *data, size_t size, short *events,
			  struct ferry_error *error)
{
	ssize_t n;

	*events = POLLOUT;
	if (c->tls)
		return tls_write(c->tls, data, size, events, error);
	if (c->kind == CHANNEL_SOCKET)
		n = send(c->fd, data, size, MSG_NOSIGNAL);
	else if (c->kind == CHANNEL_PIPE)
		n = write_pipe(c, data, size);
	else
		n = write(c->fd, data, size);
	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EWOULDBLOCK)
		return -EAGAIN;
	return write_failed(c, error);
}

static int wait_failed(struct ferry_channel *c, int err, struct ferry_error *error)
{
	if (err == -ETIMEDOUT)
		return ferry_fail(error, ETIMEDOUT, "%s has been silent for %u s", c->peer, c->timeout_ms / 1000);
	if (err == -ECANCELED)
		return ferry_fail(error, ECANCELED, "cancelled");
	return ferry_fail(error, -err, "waiting for %s: %s", c->peer, strerror(-err));
}

int channel_write(struct ferry_channel *c, const void *data, size_t size, int stop_fd, struct ferry_error *error)
{
	/*
	 * A socket is full while the other side loads, which may take long and
	 * is no silence: whoever reads notices that, and stops the writer.
	 */
	int timeout = c->kind == CHANNEL_SOCKET && stop_fd < 0 ? (int)c->timeout_ms : -1;
	const char *p = data;
	short events = POLLOUT;
	int err;

	/*
	 * Half a packet would keep the other side from hearing why this one
	 * stops, so a socket that goes on taking bytes may have the rest of it.
	 */
	while (size) {
		ssize_t n = 0;

		err = c->kind == CHANNEL_PIPE ? fd_wait(c->fd, POLLOUT, stop_fd, -1) : 0;
		if (!err)
			n = write_once(c, p, size, &events, error);
		if (n > 0) {
			p += n;
			size -= n;
			continue;
		}
		if (n < 0 && n != -EAGAIN)
			return n;
		if (!err && c->kind == CHANNEL_SOCKET)
			err = fd_wait(c->fd, events, stop_fd, timeout);
		if (err == -ECANCELED && c->kind == CHANNEL_SOCKET) {
			stop_fd = -1;
			timeout = REST_MS;
			err = 0;
		}
		if (err)
			return wait_failed(c, err, error);
	}
	return 0;
}

int channel_pass(struct ferry_channel *c, int from, size_t size, int stop_fd, struct ferry_error *error)
{
	while (size) {
		int err = fd_wait(c->fd, POLLOUT, stop_fd, -1);
		ssize_t n = err ? 0 : splice(from, NULL, c->fd, NULL, size, SPLICE_F_NONBLOCK);

		if (err)
			return wait_failed(c, err, error);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return write_failed(c, error);
		size -= n > 0 ? n : 0;
	}
	return 0;
}

/* ---- read ---- */

static ssize_t read_once(struct ferry_channel *c, void *data, size_t size, short *events, struct ferry_error *error)
{
	ssize_t n;

	*events = POLLIN;
	if (c->tls)
		return tls_read(c->tls, data, size, events, error);
	n = read(c->fd, data, size);
	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EWOULDBLOCK)
		return -EAGAIN;
	if (errno == ECONNRESET)
		return ferry_fail(error, errno, "%s has gone", c->peer);
	return ferry_fail(error, errno, "reading from %s: %s", c->peer, strerror(errno));
}

ssize_t channel_read_some(struct ferry_channel *c, void *data, size_t size, int stop_fd, struct ferry_error *error)
{
	int timeout = c->kind == CHANNEL_SOCKET ? (int)c->timeout_ms : -1;
	short events = POLLIN;

	for (;;) {
		ssize_t n;
		int err = c->kind == CHANNEL_SOCKET ? 0 : fd_wait(c->fd, POLLIN, stop_fd, -1);

		if (err)
			return wait_failed(c, err, error);
		n = read_once(c, data, size, &events, error);
		if (n != -EAGAIN)
			return n;
		if (c->kind == CHANNEL_SOCKET) {
			err = fd_wait(c->fd, events, stop_fd, timeout);
			if (err)
				return wait_failed(c, err, error);
		}
	}
}

int channel_read(struct ferry_channel *c, void *data, size_t size, int stop_fd, struct ferry_error *error)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = channel_read_some(c, (char *)data + done, size - done, stop_fd, error);

		if (n < 0)
			return n;
		if (!n && c->kind == CHANNEL_SOCKET)
			return ferry_fail(error, ECONNRESET, "%s closed the connection", c->peer);
		if (!n)
			return ferry_fail(error, done ? EBADMSG : ENODATA, "%s ends early", c->peer);
		done += n;
	}
	return 0;
}

/* ---- made of a socket ---- */

static void set(int fd, int level, int option, int value)
{
	/* of a UNIX socket these fail, and are not needed */
	setsockopt(fd, level, option, &value, sizeof(value));
}

FERRY_API int ferry_channel_from_fd(struct ferry_channel **channel, int fd, unsigned int timeout_ms,
				    struct ferry_error *error)
{
	struct ferry_channel *c = calloc(1, sizeof(*c));
	int flags = fcntl(fd, F_GETFL);

	*channel = NULL;
	if (!c || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
		int code = c ? errno : ENOMEM;

		free(c);
		close(fd);
		return ferry_fail(error, code, "the connection: %s", strerror(code));
	}
	c->fd = fd;
	c->kind = CHANNEL_SOCKET;
	c->timeout_ms = timeout_ms ? timeout_ms : FERRY_TIMEOUT_MS;
	snprintf(c->peer, sizeof(c->peer), "the other side");
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, c->timeout_ms);
	*channel = c;
	return 0;
}

void channel_drain(struct ferry_channel *c)
{
	char dropped[4096];

	if (c->kind != CHANNEL_SOCKET || shutdown(c->fd, SHUT_WR))
		return;
	while (!fd_wait(c->fd, POLLIN, -1, c->timeout_ms) && read(c->fd, dropped, sizeof(dropped)) > 0)
		;
}

void channel_break(struct ferry_channel *c)
{
	if (c->kind == CHANNEL_SOCKET)
		shutdown(c->fd, SHUT_RDWR);
}

FERRY_API const char *ferry_channel_peer(const struct ferry_channel *c)
{
	return c->peer;
}

FERRY_API void ferry_channel_close(struct ferry_channel *c)
{
	if (!c)
		return;
	tls_end(c->tls);
	close(c->fd);
	free(c);
}
