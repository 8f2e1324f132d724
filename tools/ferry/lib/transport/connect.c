// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels between hosts: connecting, listening, accepting.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ferry/packet.h>

#include "../base/wait.h"
#include "channel.h"
#include "tls.h"

#define UNIX	"unix:"
/* How IPv6 writes an IPv4 address. */
#define MAPPED	"::ffff:"

/* Who has come and did not say anything yet: nobody waits for one of them alone. */
#define GUESTS		16
#define LOOK_MS		100

struct guest {
	struct ferry_channel *channel;
	double until_ms;
	short events;		/* that it is waited for with; 0: it is looked at again soon */
};

struct ferry_listener {
	struct ferry_endpoint endpoint;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];	/* "" or a UNIX socket's, to remove */
	int fd;
	struct guest guests[GUESTS];	/* the first is there longest */
	unsigned int count;
};

/* ---- addresses ---- */

struct place {
	bool local;
	char host[256], port[32];	/* of TCP; host "" listens everywhere */
	struct sockaddr_un path;
};

static bool is_unix(const char *address)
{
	return !strncmp(address, UNIX, strlen(UNIX));
}

static int parse_tcp(struct place *p, const char *text, bool listening, struct ferry_error *error)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	uint64_t port;

	if (!colon && !listening)
		return ferry_fail(error, EINVAL, "'%.64s' has no port: HOST:PORT, [HOST]:PORT or unix:PATH", text);
	if (!ferry_number(colon ? colon + 1 : text, 1, 65535, &port))
		return ferry_fail(error, EINVAL, "'%.64s' does not end in a port, 1 to 65535", text);
	if (colon && !length && !listening)
		return ferry_fail(error, EINVAL, "'%.64s' names no host", text);
	if (length > 1 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return ferry_fail(error, EINVAL, "an IPv6 address goes in brackets: [HOST]:PORT");
	}
	if (length >= sizeof(p->host))
		return ferry_fail(error, ENAMETOOLONG, "the host's name is too long");
	snprintf(p->host, sizeof(p->host), "%.*s", (int)length, text);
	snprintf(p->port, sizeof(p->port), "%u", (unsigned int)port);
	return 0;
}

static int parse(struct place *p, const char *address, bool listening, struct ferry_error *error)
{
	const char *path = address + strlen(UNIX);

	*p = (struct place){ .local = is_unix(address), .path.sun_family = AF_UNIX };
	if (!p->local)
		return parse_tcp(p, address, listening, error);
	if (!*path || strlen(path) >= sizeof(p->path.sun_path))
		return ferry_fail(error, EINVAL, "a UNIX socket's path has 1 to %zu characters",
				  sizeof(p->path.sun_path) - 1);
	snprintf(p->path.sun_path, sizeof(p->path.sun_path), "%s", path);
	return 0;
}

static int check_security(const struct ferry_endpoint *e, struct ferry_error *error)
{
	unsigned int files = !!e->cert + !!e->key + !!e->ca;

	if (is_unix(e->address)) {
		if (files || e->plain)
			return ferry_fail(error, EINVAL, "a UNIX socket has no TLS: leave out --cert, --key, --ca and --plain-tcp");
		return 0;
	}
	if (e->plain && files)
		return ferry_fail(error, EINVAL, "plain TCP has no certificates: either --plain-tcp, or --cert, --key and --ca");
	if (!e->plain && files != 3)
		return ferry_fail(error, EINVAL, "give --cert, --key and --ca for TLS; or --plain-tcp, which anybody on the way can read and change");
	return 0;
}

static int look_up(const struct place *p, bool listening, struct addrinfo **list, struct ferry_error *error)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = (listening ? AI_PASSIVE : 0) | AI_NUMERICSERV,
	};
	int n = getaddrinfo(*p->host ? p->host : NULL, p->port, &hints, list);

	if (n)
		return ferry_fail(error, EHOSTUNREACH, "%s: %s", p->host, gai_strerror(n));
	return 0;
}

/* ---- connecting ---- */

static int connect_one(const struct sockaddr *address, socklen_t size, unsigned int timeout_ms, int cancel_fd)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(int);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, address, size)) {
		err = errno;
		if (err == EINPROGRESS)
			err = -fd_wait(fd, POLLOUT, cancel_fd, timeout_ms);
		if (!err)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length);
	}
	if (!err)
		return fd;
	close(fd);
	return -err;
}

static int connect_any(const struct place *p, unsigned int timeout_ms, int cancel_fd, struct ferry_error *error)
{
	struct addrinfo *list, *a;
	int fd = -EHOSTUNREACH, err;

	if (p->local)
		return connect_one((const struct sockaddr *)&p->path, sizeof(p->path), timeout_ms, cancel_fd);
	err = look_up(p, false, &list, error);
	if (err)
		return err;
	for (a = list; a && fd < 0 && fd != -ECANCELED; a = a->ai_next)
		fd = connect_one(a->ai_addr, a->ai_addrlen, timeout_ms, cancel_fd);
	freeaddrinfo(list);
	return fd;
}

FERRY_API int ferry_connect(struct ferry_channel **channel, const struct ferry_endpoint *e,
			    struct ferry_error *error)
{
	struct ferry_error lookup = { 0 };
	struct place place;
	int fd, err;

	*channel = NULL;
	err = parse(&place, e->address, false, error);
	if (!err)
		err = check_security(e, error);
	if (!err && !place.local && !e->plain)
		err = tls_check(e, error);
	if (err)
		return err;
	fd = connect_any(&place, e->timeout_ms ? e->timeout_ms : FERRY_TIMEOUT_MS, e->cancel_fd, &lookup);
	if (fd == -ECANCELED)
		return ferry_fail(error, ECANCELED, "cancelled");
	if (fd < 0)
		return ferry_fail(error, -fd, "cannot connect to %s: %s", e->address,
				  lookup.code ? lookup.text : strerror(-fd));
	err = ferry_channel_from_fd(channel, fd, e->timeout_ms, error);
	if (err)
		return err;
	snprintf((*channel)->peer, sizeof((*channel)->peer), "%s", e->address);
	(*channel)->protected = place.local;
	if (!place.local && !e->plain)
		err = tls_start(*channel, e, false, e->peer_name ? e->peer_name : place.host, error);
	if (err) {
		ferry_channel_close(*channel);
		*channel = NULL;
	}
	return err;
}

/* ---- listening ---- */

/* A socket's file that nobody listens at any more is in the way. */
static void remove_stale(const struct sockaddr_un *path)
{
	struct stat st;
	int fd;

	if (lstat(path->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = connect_one((const struct sockaddr *)path, sizeof(*path), 1000, -1);
	if (fd == -ECONNREFUSED)
		unlink(path->sun_path);
	else if (fd >= 0)
		close(fd);
}

static int listen_at(const struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	if (address->sa_family == AF_UNIX)
		fchmod(fd, 0600);	/* who may connect; Linux takes it over to the file */
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, address, size) && !listen(fd, 8))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int listen_any(const struct place *p, struct ferry_error *error)
{
	struct addrinfo *list, *a;
	int fd = -EADDRNOTAVAIL, err;

	if (p->local) {
		remove_stale(&p->path);
		return listen_at((const struct sockaddr *)&p->path, sizeof(p->path));
	}
	err = look_up(p, true, &list, error);
	if (err)
		return err;
	/* IPv6 first: with no host given its socket takes both */
	for (int v6 = 1; v6 >= 0 && fd < 0; v6--)
		for (a = list; a && fd < 0; a = a->ai_next)
			if ((a->ai_family == AF_INET6) == v6)
				fd = listen_at(a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	return fd;
}

FERRY_API int ferry_listen(struct ferry_listener **listener, const struct ferry_endpoint *e,
			   struct ferry_error *error)
{
	struct ferry_error lookup = { 0 };
	struct ferry_listener *l;
	struct place place;
	int fd, err;

	*listener = NULL;
	err = parse(&place, e->address, true, error);
	if (!err)
		err = check_security(e, error);
	/* better known now than when somebody comes */
	if (!err && !place.local && !e->plain)
		err = tls_check(e, error);
	if (err)
		return err;
	fd = listen_any(&place, &lookup);
	if (fd < 0)
		return ferry_fail(error, -fd, "cannot listen at %s: %s", e->address,
				  lookup.code ? lookup.text : strerror(-fd));
	l = calloc(1, sizeof(*l));
	if (!l) {
		close(fd);
		return ferry_fail(error, ENOMEM, "no memory");
	}
	l->endpoint = *e;
	l->fd = fd;
	if (place.local)
		snprintf(l->path, sizeof(l->path), "%s", place.path.sun_path);
	*listener = l;
	return 0;
}

static void name_peer(struct ferry_channel *c, const struct sockaddr *address, socklen_t size)
{
	char host[NI_MAXHOST];

	if (address->sa_family == AF_UNIX ||
	    getnameinfo(address, size, host, sizeof(host), NULL, 0, NI_NUMERICHOST))
		snprintf(c->peer, sizeof(c->peer), "the source");
	else
		snprintf(c->peer, sizeof(c->peer), "%.100s", host + (strncmp(host, MAPPED, strlen(MAPPED)) ?
			 0 : strlen(MAPPED)));
}

/* ---- guests ---- */

static struct ferry_channel *remove_guest(struct ferry_listener *l, unsigned int i)
{
	struct ferry_channel *channel = l->guests[i].channel;

	l->count--;
	memmove(&l->guests[i], &l->guests[i + 1], (l->count - i) * sizeof(*l->guests));
	return channel;
}

/* Always fails. What was not read would reset the connection, and who came not see why it ends. */
static int send_away(struct ferry_listener *l, unsigned int i, struct ferry_error *error)
{
	struct ferry_channel *c = remove_guest(l, i);
	char dropped[4096];

	shutdown(c->fd, SHUT_WR);
	while (recv(c->fd, dropped, sizeof(dropped), MSG_DONTWAIT) > 0)
		;
	ferry_channel_close(c);
	if (error)
		error->code = EPROTO;
	return -EPROTO;
}

static int silent(struct ferry_listener *l, unsigned int i, struct ferry_error *error)
{
	struct ferry_channel *c = l->guests[i].channel;

	ferry_fail(error, EPROTO, "%s has been silent for %u s", c->peer, c->timeout_ms / 1000);
	return send_away(l, i, error);
}

static int take_in(struct ferry_listener *l, struct ferry_error *error)
{
	const struct ferry_endpoint *e = &l->endpoint;
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	struct ferry_channel *c;
	int fd, err;

	fd = accept4(l->fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* who went away again, is not there */
	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return 0;
	if (fd < 0)
		return ferry_fail(error, errno, "accepting a connection: %s", strerror(errno));
	err = ferry_channel_from_fd(&c, fd, e->timeout_ms, error);
	if (err)
		return err;
	name_peer(c, (struct sockaddr *)&address, size);
	c->protected = *l->path;
	if (!*l->path && !e->plain)
		err = tls_begin(c, e, true, e->peer_name, error);
	if (err) {
		ferry_channel_close(c);
		return err;
	}
	l->guests[l->count++] = (struct guest){ c, clock_ms() + c->timeout_ms, POLLIN };
	if (l->count < GUESTS)
		return 0;
	ferry_fail(error, EPROTO, "%s said nothing, and others came", l->guests[0].channel->peer);
	return send_away(l, 0, error);
}

/* 1: it has begun to speak, as who has something to say; 0: not yet. */
static int look_at(struct guest *g, struct ferry_error *error)
{
	struct ferry_channel *c = g->channel;
	char start[sizeof(struct ferry_header)];
	int err = 0;
	ssize_t n;

	if (c->tls && !tls_shaken(c->tls))
		err = tls_shake(c, &g->events, error);
	if (err)
		return err == -EAGAIN ? 0 : err;
	if (c->tls && tls_pending(c->tls))
		return 1;
	n = recv(c->fd, start, sizeof(start), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return ferry_fail(error, EPROTO, "%s closed the connection", c->peer);
	g->events = c->tls || n == sizeof(start) ? POLLIN : 0;
	return !!g->events;
}

/* Until something happens; as fd_wait(). */
static int wait_for_guests(struct ferry_listener *l, double end)
{
	struct pollfd fds[GUESTS + 2] = {
		{ .fd = l->endpoint.cancel_fd, .events = POLLIN },
		{ .fd = l->fd, .events = POLLIN },
	};
	double left;

	for (unsigned int i = 0; i < l->count; i++) {
		const struct guest *g = &l->guests[i];
		double soon = g->events ? g->until_ms : clock_ms() + LOOK_MS;

		fds[i + 2] = (struct pollfd){ .fd = g->events ? g->channel->fd : -1, .events = g->events };
		end = end < 0 || soon < end ? soon : end;
	}
	left = end - clock_ms();
	if (poll(fds, l->count + 2, end < 0 ? -1 : left > 0 ? (int)left + 1 : 0) < 0 && errno != EINTR)
		return -errno;
	return fds[0].revents ? -ECANCELED : fds[1].revents ? 1 : 0;
}

FERRY_API int ferry_accept(struct ferry_listener *l, struct ferry_channel **channel, int wait_ms,
			   struct ferry_error *error)
{
	double end = wait_ms < 0 ? -1 : clock_ms() + wait_ms;
	int n;

	*channel = NULL;
	for (;;) {
		n = wait_for_guests(l, end);
		if (n == -ECANCELED)
			return ferry_fail(error, ECANCELED, "cancelled");
		if (n < 0)
			return ferry_fail(error, -n, "waiting for a connection: %s", strerror(-n));
		if (n > 0)
			n = take_in(l, error);
		if (n < 0)
			return n;
		for (unsigned int i = 0; i < l->count; i++) {
			n = look_at(&l->guests[i], error);
			if (n < 0)
				return send_away(l, i, error);
			if (n > 0) {
				*channel = remove_guest(l, i);
				return 0;
			}
			if (clock_ms() >= l->guests[i].until_ms)
				return silent(l, i, error);
		}
		if (end >= 0 && clock_ms() >= end)
			return ferry_fail(error, ETIMEDOUT, "nobody came within %d s", wait_ms / 1000);
	}
}

FERRY_API void ferry_listener_close(struct ferry_listener *l)
{
	if (!l)
		return;
	if (*l->path)
		unlink(l->path);
	while (l->count)
		ferry_channel_close(remove_guest(l, 0));
	close(l->fd);
	free(l);
}
