// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets over a channel. See link.h and Documentation/ferry-packets.rst.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "../stream/stream.h"
#include "link.h"

#define LAST_WORD_MS	1000
#define SMALL		256

void link_init(struct link *l, struct ferry_channel *channel, bool live, int stop_fd)
{
	*l = (struct link){ .channel = channel, .live = live, .stop_fd = stop_fd };
	pthread_mutex_init(&l->lock, NULL);
}

void link_end(struct link *l)
{
	pthread_mutex_destroy(&l->lock);
}

/* ---- the header ---- */

/* Who finds the link broken is told what broke it. */
static int breaks(struct link *l, const struct ferry_error *why, struct ferry_error *error)
{
	l->broken = *why;
	return ferry_fail(error, why->code, "%s", why->text);
}

static int send_header_locked(struct link *l, int stop_fd, struct ferry_error *error)
{
	struct ferry_header h = { .version = htole32(FERRY_PACKET_VERSION) };
	struct ferry_error why = {};
	int err;

	l->sends_checked = !l->channel->protected;
	memcpy(h.magic, FERRY_MAGIC, sizeof(h.magic));
	h.flags = htole32((l->sends_checked ? FERRY_HEADER_CHECKED : 0) | (l->live ? FERRY_HEADER_LIVE : 0));
	err = channel_write(l->channel, &h, sizeof(h), stop_fd, &why);
	l->header_sent = true;
	return err ? breaks(l, &why, error) : 0;
}

int link_send_header(struct link *l, struct ferry_error *error)
{
	int err;

	pthread_mutex_lock(&l->lock);
	err = send_header_locked(l, l->stop_fd, error);
	pthread_mutex_unlock(&l->lock);
	return err;
}

int link_receive_header(struct link *l, const void *start, size_t size, struct ferry_error *error)
{
	struct ferry_header h = { 0 };
	uint32_t flags;
	int err;

	memcpy(&h, start, size);
	err = channel_read(l->channel, (char *)&h + size, sizeof(h) - size, l->stop_fd, error);
	/* A TLS record: of a handshake, or an alert at what was sent, which is shorter than a header */
	if ((h.magic[0] == 0x16 || h.magic[0] == 0x15) && h.magic[1] == 3)
		return ferry_fail(error, EPROTO, "%s speaks TLS, and this side was given --plain-tcp", l->channel->peer);
	if (err)
		return err;
	if (memcmp(h.magic, FERRY_MAGIC, sizeof(h.magic)))
		return ferry_fail(error, EPROTO, "%s does not speak ferry's protocol", l->channel->peer);
	if (le32toh(h.version) != FERRY_PACKET_VERSION)
		return ferry_fail(error, EPROTONOSUPPORT, "%s has version %u of the packets, this ferry knows version %u",
				  l->channel->peer, le32toh(h.version), FERRY_PACKET_VERSION);
	flags = le32toh(h.flags);
	if (flags & ~(FERRY_HEADER_CHECKED | FERRY_HEADER_LIVE))
		return ferry_fail(error, EPROTONOSUPPORT, "%s has packets of a kind that this ferry does not know",
				  l->channel->peer);
	if (l->live && !(flags & FERRY_HEADER_LIVE))
		return ferry_fail(error, EPROTO, "%s sends a file: pipe that to `ferry load`", l->channel->peer);
	if (!l->live && (flags & FERRY_HEADER_LIVE))
		return ferry_fail(error, EPROTO, "%s is one side of a live migration, which `ferry receive` takes",
				  l->channel->peer);
	l->receives_checked = flags & FERRY_HEADER_CHECKED;
	return 0;
}

/* ---- packets ---- */

static uint32_t checksum(const struct ferry_packet *head, const void *payload, size_t size)
{
	struct ferry_packet h = *head;
	uint32_t crc;

	/* CRC32C, as in the driver's stream: processors have an instruction for it */
	h.crc32c = 0;
	crc = ferry_crc32c(~0U, &h, sizeof(h));
	return ~ferry_crc32c(crc, payload, size);
}

/* With the lock held. */
static int send_locked(struct link *l, const void *data, size_t size, int stop_fd, struct ferry_error *error)
{
	struct ferry_error why = {};

	if (l->broken.code)
		return ferry_fail(error, EPIPE, "%s", l->broken.text);
	return channel_write(l->channel, data, size, stop_fd, &why) ? breaks(l, &why, error) : 0;
}

static void fill_in(struct link *l, struct ferry_packet *head, const void *payload, uint32_t type, uint32_t device,
		    uint32_t size)
{
	*head = (struct ferry_packet){
		.type = htole32(type), .size = htole32(size), .device = htole32(device),
	};
	if (l->sends_checked)
		head->crc32c = htole32(checksum(head, payload, size));
}

int link_send(struct link *l, struct packet *p, enum ferry_packet_type type, uint32_t device, uint32_t size,
	      struct ferry_error *error)
{
	int err;

	fill_in(l, &p->head, p->data, type, device, size);
	pthread_mutex_lock(&l->lock);
	err = send_locked(l, p, sizeof(p->head) + size, l->stop_fd, error);
	pthread_mutex_unlock(&l->lock);
	return err;
}

int link_pass(struct link *l, struct packet *p, int from, uint32_t device, uint32_t size, struct ferry_error *error)
{
	struct ferry_error why = {};
	int err;

	fill_in(l, &p->head, p->data, FERRY_PACKET_DATA, device, size);
	pthread_mutex_lock(&l->lock);
	err = send_locked(l, &p->head, sizeof(p->head), l->stop_fd, error);
	if (!err && channel_pass(l->channel, from, size, l->stop_fd, &why))
		err = breaks(l, &why, error);
	pthread_mutex_unlock(&l->lock);
	return err;
}

static size_t assemble(struct link *l, uint8_t *whole, uint32_t type, uint32_t device, const void *payload,
		       uint32_t size)
{
	struct ferry_packet head;

	fill_in(l, &head, payload, type, device, size);
	memcpy(whole, &head, sizeof(head));
	if (size)
		memcpy(whole + sizeof(head), payload, size);
	return sizeof(head) + size;
}

int link_say(struct link *l, enum ferry_packet_type type, uint32_t device, const void *payload, uint32_t size,
	     struct ferry_error *error)
{
	uint8_t whole[sizeof(struct ferry_packet) + SMALL];
	size_t length = assemble(l, whole, type, device, payload, size);
	int err;

	pthread_mutex_lock(&l->lock);
	err = send_locked(l, whole, length, l->stop_fd, error);
	pthread_mutex_unlock(&l->lock);
	return err;
}

void link_say_alive(struct link *l)
{
	uint8_t whole[sizeof(struct ferry_packet)];
	struct pollfd p = { .fd = l->channel->fd, .events = POLLOUT };

	if (pthread_mutex_trylock(&l->lock))
		return;
	if (l->header_sent && poll(&p, 1, 0) == 1 && !(p.revents & (POLLERR | POLLHUP)))
		send_locked(l, whole, assemble(l, whole, FERRY_PACKET_ALIVE, 0, NULL, 0), l->stop_fd, NULL);
	pthread_mutex_unlock(&l->lock);
}

void link_say_failed(struct link *l, const char *why)
{
	uint8_t whole[sizeof(struct ferry_packet) + SMALL];
	size_t length = strnlen(why, 240);

	pthread_mutex_lock(&l->lock);
	channel_hurry(l->channel, LAST_WORD_MS);
	if (!l->header_sent)
		send_header_locked(l, -1, NULL);
	if (!send_locked(l, whole, assemble(l, whole, FERRY_PACKET_FAILED, 0, why, length), -1, NULL))
		channel_drain(l->channel);
	pthread_mutex_unlock(&l->lock);
}

void link_text(const struct packet *p, char *text, size_t size)
{
	size_t n;

	for (n = 0; n < p->head.size && n < size - 1; n++)
		text[n] = p->data[n] >= ' ' && p->data[n] < 127 ? p->data[n] : '?';
	text[n] = '\0';
}

int link_receive(struct link *l, struct packet *p, struct ferry_error *error)
{
	int err = channel_read(l->channel, &p->head, sizeof(p->head), l->stop_fd, error);
	uint32_t size, crc;

	if (err)
		return err;
	size = le32toh(p->head.size);
	if (size > FERRY_PACKET_MAX)
		return ferry_fail(error, EBADMSG, "%s is damaged: a packet of %u bytes", l->channel->peer, size);
	err = channel_read(l->channel, p->data, size, l->stop_fd, error);
	if (err == -ENODATA) {
		if (error)
			error->code = EBADMSG;
		err = -EBADMSG;
	}
	if (err)
		return err;
	crc = le32toh(p->head.crc32c);
	if (l->receives_checked && crc != checksum(&p->head, p->data, size))
		return ferry_fail(error, EBADMSG, "%s is damaged: the checksum of a packet is wrong", l->channel->peer);
	p->head.type = le32toh(p->head.type);
	p->head.size = size;
	p->head.device = le32toh(p->head.device);
	return 0;
}
