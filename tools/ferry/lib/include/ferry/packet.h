/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packets in which ferry save, load, send and receive carry functions.
 * Documentation/ferry-packets.rst explains them.
 *
 * All integers are little endian.  A file or a direction of a connection is a
 * header, then packets without padding.
 */
#ifndef FERRY_PACKET_H
#define FERRY_PACKET_H

#include <stdint.h>

#define FERRY_MAGIC		"FERRYPKT"
#define FERRY_PACKET_VERSION	1
/* Packets have their checksum. Without, the transport protects them. */
#define FERRY_HEADER_CHECKED	(1u << 0)
/* It is a connection: there is another direction, which answers. */
#define FERRY_HEADER_LIVE	(1u << 1)

struct ferry_header {
	char magic[8];
	uint32_t version;
	uint32_t flags;
};

/* Of a packet's payload. */
#define FERRY_PACKET_MAX	(1u << 20)

enum ferry_packet_type {
	/* from the source, also in files */
	FERRY_PACKET_DEVICE = 1,	/* struct ferry_packet_device */
	FERRY_PACKET_CONFIG = 2,	/* configuration space, up to 4096 bytes */
	FERRY_PACKET_DATA = 3,		/* the driver's stream goes on */
	FERRY_PACKET_PHASE_END = 4,	/* struct ferry_packet_phase */
	/* of a connection only; device is 0 unless said */
	FERRY_PACKET_ACCEPT = 16,	/* to source, for each device: struct ferry_packet_device */
	FERRY_PACKET_INITIAL_LOADED = 17, /* to source, for each device: answers its PHASE_END of initial */
	FERRY_PACKET_READY = 18,	/* to source: all devices are loaded and stopped */
	FERRY_PACKET_GO = 19,		/* to target: start; from here on the source cannot go back */
	FERRY_PACKET_STARTED = 20,	/* to source: all devices run */
	FERRY_PACKET_FAILED = 21,	/* both ways: text, up to 240 bytes; ends the migration */
	FERRY_PACKET_ALIVE = 22,	/* both ways: empty */
};

struct ferry_packet {
	uint32_t type;
	uint32_t size;		/* of the payload that follows */
	uint32_t device;	/* number of the device, from 0 */
	uint32_t crc32c;	/* of this header with 0 here, and of the payload; 0 if not checked */
};

/* The source's device was stopped by its user, and shall be on the target. */
#define FERRY_DEVICE_STOPPED	(1u << 0)

struct ferry_packet_device {
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint32_t revision;
	uint32_t features;	/* FERRY_CAN_* */
	uint32_t flags;		/* FERRY_DEVICE_* */
	uint32_t count;		/* of devices in all */
	char name[64];		/* ends with a 0 byte, as the next */
	char driver[32];
};

enum ferry_packet_phase_name {
	FERRY_PACKET_PHASE_INITIAL = 1,
	FERRY_PACKET_PHASE_DIRTY = 2,
	FERRY_PACKET_PHASE_STOP_COPY = 3,	/* and the end of the device */
};

struct ferry_packet_phase {
	uint32_t phase;
	uint32_t reserved;	/* 0 */
	uint64_t bytes;		/* of the driver's stream in this phase */
	uint64_t total;		/* of the driver's stream so far */
};

#endif /* FERRY_PACKET_H */
