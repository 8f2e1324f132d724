/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLS on a channel's socket. A channel reads and writes through it. TLS
 * itself knows the fields of a channel, and calls none of its functions.
 */
#ifndef FERRY_LIB_TLS_H
#define FERRY_LIB_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <ferry/channel.h>

struct tls;

/* Are its files fit for use, and its certificate valid today? */
int tls_check(const struct ferry_endpoint *endpoint, struct ferry_error *error);
/* Client or server; the handshake ends after the channel's timeout. */
int tls_start(struct ferry_channel *channel, const struct ferry_endpoint *endpoint, bool server,
	      const char *host, struct ferry_error *error);
/* The same, step by step, for who waits for others, too: 0 when it is done, -EAGAIN after setting what to wait for. */
int tls_begin(struct ferry_channel *channel, const struct ferry_endpoint *endpoint, bool server,
	      const char *host, struct ferry_error *error);
int tls_shake(struct ferry_channel *channel, short *events, struct ferry_error *error);
bool tls_shaken(const struct tls *tls);
/* Bytes are there that poll() does not see. */
bool tls_pending(struct tls *tls);
/* Like write() and read(): bytes or -errno, -EAGAIN after setting the events to wait for. */
ssize_t tls_write(struct tls *tls, const void *data, size_t size, short *events, struct ferry_error *error);
ssize_t tls_read(struct tls *tls, void *data, size_t size, short *events, struct ferry_error *error);
void tls_end(struct tls *tls);

#endif /* FERRY_LIB_TLS_H */
