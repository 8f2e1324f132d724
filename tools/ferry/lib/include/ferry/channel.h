/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection between two hosts that migrate: TLS with certificates on both
 * sides, a UNIX socket, plain TCP, or any connected stream socket.
 *
 * No wait is without an end: connecting, TLS's handshake and a write that the
 * other side does not take end after the channel's timeout.
 */
#ifndef FERRY_CHANNEL_H
#define FERRY_CHANNEL_H

#include <ferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_TIMEOUT_MS	5000

/**
 * struct ferry_endpoint - where and how
 * @address: "HOST:PORT", "[HOST]:PORT" or "unix:PATH"; to listen also "PORT"
 * @cert, @key, @ca: PEM files; own certificate, its key, and who signs the
 *	other side's.  All or none; none only with @plain or a UNIX socket
 * @peer_name: who the other side's certificate must be for; NULL: the host of
 *	@address when connecting, anybody whom the CA signed when listening
 * @plain: plain TCP: nobody is kept from reading or changing what is sent
 * @timeout_ms: silence that ends the connection; 0: FERRY_TIMEOUT_MS
 * @cancel_fd: becomes readable to give up, or -1
 */
struct ferry_endpoint {
	const char *address;
	const char *cert, *key, *ca;
	const char *peer_name;
	int plain;
	unsigned int timeout_ms;
	int cancel_fd;
};

struct ferry_channel;
struct ferry_listener;

FERRY_API int ferry_connect(struct ferry_channel **channel, const struct ferry_endpoint *endpoint,
			    struct ferry_error *error);

FERRY_API int ferry_listen(struct ferry_listener **listener, const struct ferry_endpoint *endpoint,
			   struct ferry_error *error);
/**
 * ferry_accept() - wait for a connection
 * @listener: may be used again, whatever this call gives
 * @channel: set on success
 * @wait_ms: at most so long, negative: for ever
 * @error: filled
 *
 * Return: 0; -ETIMEDOUT, -ECANCELED; -EPROTO: somebody came and could not show
 * who they are.
 */
FERRY_API int ferry_accept(struct ferry_listener *listener, struct ferry_channel **channel, int wait_ms,
			   struct ferry_error *error);
FERRY_API void ferry_listener_close(struct ferry_listener *listener);

/* Takes over a connected stream socket; also on an error. */
FERRY_API int ferry_channel_from_fd(struct ferry_channel **channel, int fd, unsigned int timeout_ms,
				    struct ferry_error *error);
/* Who is at the other end, for messages. */
FERRY_API const char *ferry_channel_peer(const struct ferry_channel *channel);
FERRY_API void ferry_channel_close(struct ferry_channel *channel);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CHANNEL_H */
