// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet of a saved file: what its numbers are called, and the device that it is
 * about. See ferry/saved.h.
 */
#include "saved.h"

#define COUNT(names) (sizeof(names) / sizeof(*(names)))

const char *ferry_packet_name(uint32_t type)
{
	static const char *const names[] = {
		[FERRY_PACKET_DEVICE] = "device", [FERRY_PACKET_CONFIG] = "configuration", [FERRY_PACKET_DATA] = "data",
		[FERRY_PACKET_PHASE_END] = "phase end", [FERRY_PACKET_ACCEPT] = "accept",
		[FERRY_PACKET_INITIAL_LOADED] = "initial loaded", [FERRY_PACKET_READY] = "ready", [FERRY_PACKET_GO] = "go",
		[FERRY_PACKET_STARTED] = "started", [FERRY_PACKET_FAILED] = "failed", [FERRY_PACKET_ALIVE] = "alive"
	};

	return type < COUNT(names) && names[type] ? names[type] : "unknown";
}

const char *ferry_packet_phase_name(uint32_t phase)
{
	static const char *const names[] = { "unknown", "initial", "dirty", "stop-copy" };

	return names[phase < COUNT(names) ? phase : 0];
}

struct saved_device *saved_device_of(struct ferry_saved *saved)
{
	uint32_t number = saved->packet.device;

	return number < FERRY_SAVED_DEVICES ? &saved->devices[number] : NULL;
}
