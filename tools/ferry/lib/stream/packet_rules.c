// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wrong with a packet: the rules of Documentation/ferry-packets.rst,
 * each looked at by itself.
 */
#include <inttypes.h>
#include <string.h>

#include "saved.h"

#define CONFIG_MAX 4096

size_t saved_rules_size(uint32_t type)
{
	switch (type) {
	case FERRY_PACKET_DEVICE:
	case FERRY_PACKET_ACCEPT:
		return sizeof(struct ferry_packet_device);
	case FERRY_PACKET_PHASE_END:
		return sizeof(struct ferry_packet_phase);
	default:
		return 0;
	}
}

static bool is_of_source(uint32_t type)
{
	return type >= FERRY_PACKET_DEVICE && type <= FERRY_PACKET_PHASE_END;
}

static bool is_of_connection(uint32_t type)
{
	return type >= FERRY_PACKET_ACCEPT && type <= FERRY_PACKET_ALIVE;
}

/* Packets that are about a device whose description has come */
static void device_header(struct ferry_saved *saved)
{
	const struct ferry_saved_packet *packet = &saved->packet;
	struct saved_device *device = saved_device_of(saved);

	if (!device) {
		saved_wrong(saved, "is of device %u, there can be %u", packet->device,
			    FERRY_SAVED_DEVICES);
		return;
	}
	if (packet->type == FERRY_PACKET_DEVICE)
		return;
	if (!device->described)
		saved_wrong(saved, "is of device %u, which was not described", packet->device);
	if (device->phase == FERRY_PACKET_PHASE_STOP_COPY)
		saved_wrong(saved, "comes behind the last phase of device %u", packet->device);
}

void saved_rules_header(struct ferry_saved *saved)
{
	const struct ferry_saved_packet *packet = &saved->packet;
	size_t size = saved_rules_size(packet->type);

	if (saved->failed)
		saved_wrong(saved, "comes behind the packet that says that it failed");
	if (!is_of_source(packet->type) && !is_of_connection(packet->type))
		saved_wrong(saved, "has a type that is not known");
	else if (is_of_connection(packet->type) && !(saved->summary.flags & FERRY_HEADER_LIVE))
		saved_wrong(saved, "has a type that only a connection has");
	if (packet->size > FERRY_PACKET_MAX)
		saved_wrong(saved, "is longer than a packet may be: %u bytes", packet->size);
	else if (size && packet->size != size)
		saved_wrong(saved, "has %u bytes, must have %zu", packet->size, size);
	else if (packet->type == FERRY_PACKET_CONFIG && packet->size > CONFIG_MAX)
		saved_wrong(saved, "has more than a configuration space: %u bytes", packet->size);
	if (is_of_source(packet->type))
		device_header(saved);
}

static void describes(struct ferry_saved *saved)
{
	const struct ferry_packet_device *about = &saved->packet.about;
	const struct saved_device *device = saved_device_of(saved);

	if (!about->count || about->count > FERRY_SAVED_DEVICES)
		saved_wrong(saved, "says %u devices, there can be %u", about->count,
			    FERRY_SAVED_DEVICES);
	else if (saved->packet.device >= about->count)
		saved_wrong(saved, "is of device %u and says that there are %u",
			    saved->packet.device, about->count);
	else if (saved->summary.devices && saved->summary.devices != about->count)
		saved_wrong(saved, "says %u devices, before it were %u", about->count,
			    saved->summary.devices);
	if (about->flags & ~FERRY_DEVICE_STOPPED)
		saved_wrong(saved, "has unknown flags: %#x", about->flags);
	if (device && device->described)
		saved_wrong(saved, "describes device %u again", device->number);
}

static void phase_ends(struct ferry_saved *saved)
{
	const struct ferry_packet_phase *phase = &saved->packet.phase;
	const struct saved_device *device = saved_device_of(saved);

	if (phase->phase < FERRY_PACKET_PHASE_INITIAL || phase->phase > FERRY_PACKET_PHASE_STOP_COPY)
		saved_wrong(saved, "ends phase %u, which is not known", phase->phase);
	else if (phase->phase == FERRY_PACKET_PHASE_STOP_COPY && device && !device->configured)
		saved_wrong(saved, "ends stop-copy without a configuration space before it");
	else if (phase->phase != FERRY_PACKET_PHASE_STOP_COPY && device && device->configured)
		saved_wrong(saved, "ends %s data behind the configuration space, which is stop-copy's",
			    ferry_packet_phase_name(phase->phase));
	if (phase->reserved)
		saved_wrong(saved, "has %#x in a field that must be 0", phase->reserved);
	if (device && phase->bytes != device->phase_bytes)
		saved_wrong(saved, "says %" PRIu64 " bytes in this phase, there were %" PRIu64,
			    (uint64_t)phase->bytes, device->phase_bytes);
	if (device && phase->total != device->bytes)
		saved_wrong(saved, "says %" PRIu64 " bytes so far, there were %" PRIu64,
			    (uint64_t)phase->total, device->bytes);
}

static void checksum(struct ferry_saved *saved)
{
	bool checked = saved->summary.flags & FERRY_HEADER_CHECKED;

	if (checked && saved->crc_claimed != ~saved->crc)
		saved_wrong(saved, "has the wrong CRC32C: %#010x, its bytes have %#010x",
			    saved->crc_claimed, ~saved->crc);
	else if (!checked && saved->crc_claimed)
		saved_wrong(saved, "has a CRC32C, although the header says that there is none");
}

void saved_rules_packet(struct ferry_saved *saved)
{
	const struct ferry_saved_packet *packet = &saved->packet;
	const struct saved_device *device = saved_device_of(saved);

	checksum(saved);
	if (packet->type == FERRY_PACKET_CONFIG && device && device->configured)
		saved_wrong(saved, "is a second configuration space of device %u", device->number);
	else if (packet->type == FERRY_PACKET_CONFIG && device && device->phase_bytes)
		saved_wrong(saved, "comes in the middle of a phase");
	if (!packet->known)
		return;
	if (packet->type == FERRY_PACKET_DEVICE)
		describes(saved);
	else if (packet->type == FERRY_PACKET_PHASE_END)
		phase_ends(saved);
}

void saved_rules_end(struct ferry_saved *saved)
{
	if (!saved->started)
		saved_wrong(saved, "the file ends inside its header");
	else if (!saved->summary.devices && !(saved->summary.flags & FERRY_HEADER_LIVE))
		saved_wrong(saved, "the file has no device");
}

/* What was sent over a connection ends wherever that did. */
void saved_rules_device_end(struct ferry_saved *saved, uint32_t number)
{
	const struct saved_device *device = &saved->devices[number];

	if (saved->summary.flags & FERRY_HEADER_LIVE)
		return;
	if (!device->described)
		saved_wrong(saved, "the file ends without device %u", number);
	else if (device->phase != FERRY_PACKET_PHASE_STOP_COPY)
		saved_wrong(saved, "the file ends before the last phase of device %u", number);
}
