/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The analyser of a file, inside: saved.c takes it apart, packet_rules.c says
 * what is wrong with a packet.
 */
#ifndef LIB_SAVED_H
#define LIB_SAVED_H

#include <ferry/saved.h>

#include "stream.h"

enum saved_kind {
	SAVED_UNDECIDED,	/* fewer bytes than the magic has */
	SAVED_STREAM,
	SAVED_PACKETS,
	SAVED_STRANGE,		/* packets of a version that is not known: nothing is read on */
};

/**
 * struct saved_device - a device while its packets pass
 * @saved: its file
 * @number: of it
 * @stream: its analyser, NULL before it was described or had data
 * @over: its stream has ended
 * @described: its DEVICE packet has come
 * @configured: its configuration space has come
 * @phase: the last one that ended
 * @phase_bytes: of its stream since then
 * @bytes: of its stream
 */
struct saved_device {
	struct ferry_saved *saved;
	uint32_t number;
	struct ferry_stream *stream;
	bool over;
	bool described;
	bool configured;
	uint32_t phase;
	uint64_t phase_bytes;
	uint64_t bytes;
};

/**
 * struct ferry_saved - an analyser
 * @events: whom to tell
 * @context: for them
 * @max_image: longest image that the target loads
 * @kind: of file
 * @header: of the file, of a packet: its bytes so far
 * @header_length: how many
 * @started: the file's header has come
 * @packet: the current one
 * @crc: of it so far, without the inversion at its end
 * @crc_claimed: as its header says
 * @told: the packet was told
 * @failed: a packet said that the migration failed: nothing more is due
 * @findings: what is wrong with it
 * @devices: each
 * @summary: what is told at the end
 */
struct ferry_saved {
	struct ferry_saved_events events;
	void *context;
	uint64_t max_image;

	enum saved_kind kind;
	uint8_t header[sizeof(struct ferry_packet)];
	size_t header_length;
	bool started;

	struct ferry_saved_packet packet;
	uint32_t crc;
	uint32_t crc_claimed;
	bool told;
	bool failed;
	struct findings findings;

	struct saved_device devices[FERRY_SAVED_DEVICES];
	struct ferry_saved_summary summary;
};

/* ---- packet.c ---- */

/* Something is wrong with the current packet. */
#define saved_wrong(saved, ...) \
	finding_add(&(saved)->findings, (saved)->packet.number, (saved)->packet.offset, __VA_ARGS__)

/* The device of the current packet; NULL if its number is none. */
struct saved_device *saved_device_of(struct ferry_saved *saved);

/* ---- packet_rules.c ---- */

/* Payload that a packet of the type must have, 0 if any. */
size_t saved_rules_size(uint32_t type);

/* What is wrong with the packet's header. */
void saved_rules_header(struct ferry_saved *saved);
/* What is wrong with a packet that is whole; before the device takes it in. */
void saved_rules_packet(struct ferry_saved *saved);
/* What is missing where the file ends, in it and of one of its devices. */
void saved_rules_end(struct ferry_saved *saved);
void saved_rules_device_end(struct ferry_saved *saved, uint32_t number);

#endif /* LIB_SAVED_H */
