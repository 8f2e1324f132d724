/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets over a channel. Any thread sends, one receives.
 */
#ifndef FERRY_LIB_LINK_H
#define FERRY_LIB_LINK_H

#include <pthread.h>

#include <ferry/packet.h>

#include "channel.h"

/* A packet as it is on the wire; header fields in the machine's order while it is looked at. */
struct packet {
	struct ferry_packet head;
	union {
		uint8_t data[FERRY_PACKET_MAX];
		struct ferry_packet_device device;
		struct ferry_packet_phase phase;
	};
};

struct link {
	struct ferry_channel *channel;
	bool sends_checked, receives_checked;
	int stop_fd;
	pthread_mutex_t lock;		/* a packet at a time */
	struct ferry_error broken;	/* a packet was sent in part, and why: nothing can follow */
	bool live, header_sent;
};

void link_init(struct link *link, struct ferry_channel *channel, bool live, int stop_fd);
void link_end(struct link *link);

int link_send_header(struct link *link, struct ferry_error *error);
/* What @start holds was already read. */
int link_receive_header(struct link *link, const void *start, size_t size, struct ferry_error *error);

/* Fills in the header of @packet, whose payload is there, and sends it. */
int link_send(struct link *link, struct packet *packet, enum ferry_packet_type type, uint32_t device,
	      uint32_t size, struct ferry_error *error);
/* The same of data that is in the pipe @from, too, which goes on; @packet has it to be seen. */
int link_pass(struct link *link, struct packet *packet, int from, uint32_t device, uint32_t size,
	      struct ferry_error *error);
/* A packet with little or no payload. */
int link_say(struct link *link, enum ferry_packet_type type, uint32_t device, const void *payload, uint32_t size,
	     struct ferry_error *error);
/* A sign of life, if nobody is sending and it can be sent at once. */
void link_say_alive(struct link *link);
/*
 * Tells the other side why this one gives up, and waits until it has closed the
 * connection, so that the word is not lost with what it has sent meanwhile.  All
 * of it takes two seconds at most; whether it arrives does not matter.
 */
void link_say_failed(struct link *link, const char *why);
/* Text of a FAILED packet, as it may be shown. */
void link_text(const struct packet *packet, char *text, size_t size);
/* The next packet; its size is bounded, its checksum checked. -ENODATA: the end, between two packets. */
int link_receive(struct link *link, struct packet *packet, struct ferry_error *error);

#endif /* FERRY_LIB_LINK_H */
