/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a saved file holds: either a driver's stream alone, or packets that carry
 * configuration spaces and the streams of one or more functions, as `ferry save`
 * writes them. Documentation/ferry-packets.rst explains the packets.
 *
 * As ferry/stream.h: bytes in pieces of any size, everything is told and checked,
 * memory does not grow with a file.
 */
#ifndef FERRY_SAVED_H
#define FERRY_SAVED_H

#include <ferry/packet.h>
#include <ferry/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_SAVED_DEVICES	64
#define FERRY_SAVED_HEAD	256

/* "device", "configuration" and so on; a constant. */
FERRY_API const char *ferry_packet_name(uint32_t type);
FERRY_API const char *ferry_packet_phase_name(uint32_t phase);

/**
 * struct ferry_saved_packet - one packet
 * @number: from 0
 * @offset: of its header in the file
 * @type: enum ferry_packet_type, or none of it
 * @size: bytes behind the header, as that claims
 * @present: how many of those have come
 * @device: number of the device that it is about
 * @known: @about or @phase is filled: it is of such a type, whole and of the right size
 * @about: of FERRY_PACKET_DEVICE and FERRY_PACKET_ACCEPT; strings are printable
 * @phase: of FERRY_PACKET_PHASE_END
 * @head: the first bytes behind the header
 * @head_length: how many of them there are
 */
struct ferry_saved_packet {
	uint64_t number;
	uint64_t offset;
	uint32_t type;
	uint32_t size;
	uint32_t present;
	uint32_t device;
	bool known;
	union {
		struct ferry_packet_device about;
		struct ferry_packet_phase phase;
	};
	size_t head_length;
	uint8_t head[FERRY_SAVED_HEAD];
};

/**
 * struct ferry_saved_events - whom to tell
 * @packet: a packet has passed, or ended with the file; one that carries a stream is
 *	told when it begins, before the records in it
 * @packet_finding: something is wrong with a packet that was told, or with the file
 * @record: as in struct ferry_stream_events, of the stream of a device; 0 where there are no packets
 * @finding: the same
 */
struct ferry_saved_events {
	void (*packet)(void *context, const struct ferry_saved_packet *packet);
	void (*packet_finding)(void *context, const struct ferry_finding *finding);
	void (*record)(void *context, uint32_t device, const struct ferry_record *record);
	void (*finding)(void *context, uint32_t device, const struct ferry_finding *finding);
};

/**
 * struct ferry_saved_device - one of the devices
 * @about: how it was described, in this machine's byte order; zeros where there are no packets
 * @config_bytes: of its configuration space
 * @ended: its last phase has ended
 * @stream: its stream
 */
struct ferry_saved_device {
	struct ferry_packet_device about;
	uint32_t config_bytes;
	bool ended;
	struct ferry_stream_summary stream;
};

/**
 * struct ferry_saved_summary - what a file was, all in all
 * @bytes: of the file
 * @packaged: it consists of packets
 * @version: of their format
 * @flags: FERRY_HEADER_*
 * @packets: how many
 * @findings: how much is wrong, with packets and streams
 * @devices: how many
 * @device: each
 * @sound: nothing is wrong, and a target takes each stream
 */
struct ferry_saved_summary {
	uint64_t bytes;
	bool packaged;
	uint32_t version;
	uint32_t flags;
	uint64_t packets;
	uint64_t findings;
	uint32_t devices;
	struct ferry_saved_device device[FERRY_SAVED_DEVICES];
	bool sound;
};

struct ferry_saved;

/* As ferry_stream_new() and its kin. */
FERRY_API struct ferry_saved *ferry_saved_new(const struct ferry_saved_events *events, void *context,
					      uint64_t max_image);
FERRY_API void ferry_saved_free(struct ferry_saved *saved);

/**
 * ferry_saved_feed() - the next bytes
 * @saved: the file
 * @data: the bytes
 * @length: how many
 * @error: may be NULL
 *
 * Return: 0 or -ENOMEM; what is wrong with the file is no error.
 */
FERRY_API int ferry_saved_feed(struct ferry_saved *saved, const void *data, size_t length,
			       struct ferry_error *error);

/* That was all. The summary is the file's own and goes with it. */
FERRY_API const struct ferry_saved_summary *ferry_saved_end(struct ferry_saved *saved);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_SAVED_H */
