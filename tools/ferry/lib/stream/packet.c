// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet of a saved file: what its numbers are called, the device that it is
 * about, and noting what is wrong with it. See ferry/saved.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "saved.h"

const char *ferry_packet_name(uint32_t type)
{
	switch (type) {
	case FERRY_PACKET_DEVICE:
		return "device";
	case FERRY_PACKET_CONFIG:
		return "configuration";
	case FERRY_PACKET_DATA:
		return "data";
	case FERRY_PACKET_PHASE_END:
		return "phase end";
	case FERRY_PACKET_ACCEPT:
		return "accept";
	case FERRY_PACKET_INITIAL_LOADED:
		return "initial loaded";
	case FERRY_PACKET_READY:
		return "ready";
	case FERRY_PACKET_GO:
		return "go";
	case FERRY_PACKET_STARTED:
		return "started";
	case FERRY_PACKET_FAILED:
		return "failed";
	case FERRY_PACKET_ALIVE:
		return "alive";
	default:
		return "unknown";
	}
}

const char *ferry_packet_phase_name(uint32_t phase)
{
	switch (phase) {
	case FERRY_PACKET_PHASE_INITIAL:
		return "initial";
	case FERRY_PACKET_PHASE_DIRTY:
		return "dirty";
	case FERRY_PACKET_PHASE_STOP_COPY:
		return "stop-copy";
	default:
		return "unknown";
	}
}

struct saved_device *saved_device_of(struct ferry_saved *saved)
{
	uint32_t number = saved->packet.device;

	return number < FERRY_SAVED_DEVICES ? &saved->devices[number] : NULL;
}

void saved_wrong(struct ferry_saved *saved, const char *format, ...)
{
	struct ferry_finding *finding = &saved->found[saved->found_count];
	va_list args;

	/* The rules cannot find so much in one packet. */
	if (saved->found_count == MAX_PACKET_FINDINGS)
		abort();
	saved->found_count++;
	finding->record = saved->packet.number;
	finding->offset = saved->packet.offset;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}
