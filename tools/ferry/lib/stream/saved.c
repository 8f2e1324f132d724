// SPDX-License-Identifier: GPL-2.0-only
/*
 * A saved file, taken apart. See ferry/saved.h.
 *
 * A file that begins with the packets' magic consists of packets, any other is
 * a driver's stream. What DATA packets carry goes on to the analyser of their
 * device's stream.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"
#include "saved.h"

#define MAGIC_LENGTH 8

struct ferry_saved *ferry_saved_new(const struct ferry_saved_events *events, void *context,
				    uint64_t max_image)
{
	struct ferry_saved *saved = calloc(1, sizeof(*saved));

	if (!saved)
		return NULL;
	saved->events = *events;
	saved->context = context;
	saved->max_image = max_image;
	for (uint32_t i = 0; i < FERRY_SAVED_DEVICES; i++) {
		saved->devices[i].saved = saved;
		saved->devices[i].number = i;
	}
	return saved;
}

void ferry_saved_free(struct ferry_saved *saved)
{
	if (!saved)
		return;
	for (uint32_t i = 0; i < FERRY_SAVED_DEVICES; i++)
		ferry_stream_free(saved->devices[i].stream);
	free(saved);
}

static int no_memory(struct ferry_error *error)
{
	return ferry_fail(error, ENOMEM, "no memory");
}

/* Telling */

static void tell_findings(struct ferry_saved *saved)
{
	for (unsigned int i = 0; i < saved->findings.count; i++)
		if (saved->events.packet_finding)
			saved->events.packet_finding(saved->context, &saved->findings.found[i]);
	saved->summary.findings += saved->findings.count;
	saved->findings.count = 0;
}

static void tell_packet(struct ferry_saved *saved)
{
	if (!saved->told && saved->events.packet)
		saved->events.packet(saved->context, &saved->packet);
	saved->told = true;
	tell_findings(saved);
}

static void pass_record(void *context, const struct ferry_record *record)
{
	struct saved_device *device = context;

	if (device->saved->events.record)
		device->saved->events.record(device->saved->context, device->number, record);
}

static void pass_finding(void *context, const struct ferry_finding *finding)
{
	struct saved_device *device = context;

	if (device->saved->events.finding)
		device->saved->events.finding(device->saved->context, device->number, finding);
}

/* Devices */

static int feed_device(struct saved_device *device, const void *data, size_t length,
		       struct ferry_error *error)
{
	static const struct ferry_stream_events events = { pass_record, pass_finding };

	if (!device->stream)
		device->stream = ferry_stream_new(&events, device, device->saved->max_image);
	if (!device->stream)
		return no_memory(error);
	ferry_stream_feed(device->stream, data, length);
	device->phase_bytes += length;
	device->bytes += length;
	return 0;
}

static void end_device(struct saved_device *device)
{
	struct ferry_saved_summary *summary = &device->saved->summary;
	struct ferry_saved_device *told = &summary->device[device->number];

	/* One without data is an empty stream. Without memory it stays unsound. */
	if (device->over || (!device->stream && feed_device(device, "", 0, NULL)))
		return;
	device->over = true;
	ferry_stream_end(device->stream, &told->stream);
	summary->findings += told->stream.findings;
	ferry_stream_free(device->stream);
	device->stream = NULL;
}

/* Payloads of packets */

static void read_about(struct ferry_saved_packet *packet)
{
	struct ferry_packet_device *about = &packet->about;

	memcpy(about, packet->head, sizeof(*about));
	about->vendor = le16toh(about->vendor);
	about->device = le16toh(about->device);
	about->subsystem_vendor = le16toh(about->subsystem_vendor);
	about->subsystem_device = le16toh(about->subsystem_device);
	about->revision = le32toh(about->revision);
	about->features = le32toh(about->features);
	about->flags = le32toh(about->flags);
	about->count = le32toh(about->count);
	about->name[sizeof(about->name) - 1] = '\0';
	about->driver[sizeof(about->driver) - 1] = '\0';
	ferry_make_printable(about->name);
	ferry_make_printable(about->driver);
}

static void read_phase(struct ferry_saved_packet *packet)
{
	struct ferry_packet_phase *phase = &packet->phase;

	memcpy(phase, packet->head, sizeof(*phase));
	phase->phase = le32toh(phase->phase);
	phase->reserved = le32toh(phase->reserved);
	phase->bytes = le64toh(phase->bytes);
	phase->total = le64toh(phase->total);
}

static void read_packet(struct ferry_saved_packet *packet)
{
	packet->known = saved_rules_size(packet->type) && packet->size == saved_rules_size(packet->type);
	if (!packet->known)
		return;
	if (packet->type == FERRY_PACKET_PHASE_END)
		read_phase(packet);
	else
		read_about(packet);
}

static void describe(struct ferry_saved *saved, struct saved_device *device)
{
	const struct ferry_packet_device *about = &saved->packet.about;

	device->described = true;
	saved->summary.device[device->number].about = *about;
	if (!saved->summary.devices && about->count <= FERRY_SAVED_DEVICES)
		saved->summary.devices = about->count;
}

static void end_phase(struct ferry_saved *saved, struct saved_device *device)
{
	uint32_t phase = saved->packet.phase.phase;

	device->phase_bytes = 0;
	device->phase = phase;
	if (phase != FERRY_PACKET_PHASE_STOP_COPY)
		return;
	saved->summary.device[device->number].ended = true;
	end_device(device);
}

/* What a sound or unsound packet does to what comes behind it */
static void take_in(struct ferry_saved *saved)
{
	const struct ferry_saved_packet *packet = &saved->packet;
	struct saved_device *device = saved_device_of(saved);

	if (packet->type == FERRY_PACKET_FAILED)
		saved->failed = true;
	if (!device)
		return;
	if (packet->type == FERRY_PACKET_CONFIG) {
		device->configured = true;
		saved->summary.device[device->number].config_bytes = packet->size;
	} else if (packet->type == FERRY_PACKET_DEVICE && packet->known) {
		describe(saved, device);
	} else if (packet->type == FERRY_PACKET_PHASE_END && packet->known) {
		end_phase(saved, device);
	}
}

/* Packets */

static void next_packet(struct ferry_saved *saved)
{
	uint64_t number = saved->packet.number + 1;

	memset(&saved->packet, 0, sizeof(saved->packet));
	saved->packet.number = number;
	saved->packet.offset = saved->summary.bytes;
	saved->header_length = 0;
	saved->told = false;
}

static void end_packet(struct ferry_saved *saved)
{
	read_packet(&saved->packet);
	saved_rules_packet(saved);
	tell_packet(saved);
	take_in(saved);
	next_packet(saved);
}

static void begin_packet(struct ferry_saved *saved)
{
	struct ferry_saved_packet *packet = &saved->packet;
	struct ferry_packet wire;

	memcpy(&wire, saved->header, sizeof(wire));
	packet->type = le32toh(wire.type);
	packet->size = le32toh(wire.size);
	packet->device = le32toh(wire.device);
	saved->crc_claimed = le32toh(wire.crc32c);
	wire.crc32c = 0;
	saved->crc = ferry_crc32c(~0U, &wire, sizeof(wire));
	saved->summary.packets++;
	saved_rules_header(saved);
	if (packet->type == FERRY_PACKET_DATA)
		tell_packet(saved);
	if (!packet->size)
		end_packet(saved);
}

static void begin_file(struct ferry_saved *saved)
{
	struct ferry_saved_summary *summary = &saved->summary;
	struct ferry_header wire;

	memcpy(&wire, saved->header, sizeof(wire));
	summary->version = le32toh(wire.version);
	summary->flags = le32toh(wire.flags);
	saved->started = true;
	saved->header_length = 0;
	saved->packet.offset = summary->bytes;
	if (summary->version != FERRY_PACKET_VERSION) {
		saved->kind = SAVED_STRANGE;
		saved_wrong(saved, "the packets are of version %u, known is %u", summary->version,
			    FERRY_PACKET_VERSION);
	}
	if (summary->flags & ~(FERRY_HEADER_CHECKED | FERRY_HEADER_LIVE))
		saved_wrong(saved, "the file's header has unknown flags: %#x", summary->flags);
	else if (summary->flags & FERRY_HEADER_LIVE)
		saved_wrong(saved, "it is one side of a live migration, which ferry load does not take");
	tell_findings(saved);
}

/* Bytes */

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t take_header(struct ferry_saved *saved, const uint8_t *from, size_t length)
{
	size_t whole = saved->started ? sizeof(struct ferry_packet) : sizeof(struct ferry_header);
	size_t take = smaller(whole - saved->header_length, length);

	memcpy(saved->header + saved->header_length, from, take);
	saved->header_length += take;
	saved->summary.bytes += take;
	if (saved->header_length < whole)
		return take;
	if (saved->started)
		begin_packet(saved);
	else
		begin_file(saved);
	return take;
}

static int take_payload(struct ferry_saved *saved, const uint8_t *from, size_t take,
			struct ferry_error *error)
{
	struct ferry_saved_packet *packet = &saved->packet;
	struct saved_device *device = saved_device_of(saved);
	size_t keep = smaller(sizeof(packet->head) - packet->head_length, take);
	int err = 0;

	memcpy(packet->head + packet->head_length, from, keep);
	packet->head_length += keep;
	saved->crc = ferry_crc32c(saved->crc, from, take);
	if (packet->type == FERRY_PACKET_DATA && device && !device->over)
		err = feed_device(device, from, take, error);
	packet->present += take;
	saved->summary.bytes += take;
	if (packet->present == packet->size)
		end_packet(saved);
	return err;
}

static int feed_packets(struct ferry_saved *saved, const uint8_t *from, size_t length,
			struct ferry_error *error)
{
	size_t took;
	int err;

	for (; length; from += took, length -= took) {
		if (!saved->started || saved->header_length < sizeof(saved->header)) {
			took = take_header(saved, from, length);
			if (saved->kind == SAVED_STRANGE)
				return 0;
			continue;
		}
		took = smaller(saved->packet.size - saved->packet.present, length);
		err = take_payload(saved, from, took, error);
		if (err)
			return err;
	}
	return 0;
}

static int feed_stream(struct ferry_saved *saved, const void *from, size_t length,
		       struct ferry_error *error)
{
	saved->summary.bytes += length;
	return feed_device(&saved->devices[0], from, length, error);
}

/* The first bytes tell what it is. They are kept until then. */
static int decide(struct ferry_saved *saved, const uint8_t **from, size_t *length,
		  struct ferry_error *error)
{
	size_t take = smaller(MAGIC_LENGTH - saved->header_length, *length);

	memcpy(saved->header + saved->header_length, *from, take);
	saved->header_length += take;
	*from += take;
	*length -= take;
	if (memcmp(saved->header, FERRY_MAGIC, saved->header_length)) {
		saved->kind = SAVED_STREAM;
		return feed_stream(saved, saved->header, saved->header_length, error);
	}
	if (saved->header_length == MAGIC_LENGTH) {
		saved->kind = SAVED_PACKETS;
		saved->summary.packaged = true;
		saved->summary.bytes = MAGIC_LENGTH;
	}
	return 0;
}

int ferry_saved_feed(struct ferry_saved *saved, const void *data, size_t length,
		     struct ferry_error *error)
{
	const uint8_t *from = data;
	int err = 0;

	if (saved->kind == SAVED_UNDECIDED && length)
		err = decide(saved, &from, &length, error);
	if (err || !length)
		return err;
	if (saved->kind == SAVED_STREAM)
		return feed_stream(saved, from, length, error);
	if (saved->kind == SAVED_PACKETS)
		return feed_packets(saved, from, length, error);
	saved->summary.bytes += length;
	return 0;
}

/* The end */

static void end_packets(struct ferry_saved *saved)
{
	const struct ferry_saved_packet *packet = &saved->packet;

	if (saved->started && saved->header_length == sizeof(saved->header)) {
		saved_wrong(saved, "is cut short: the last %u of its %u bytes are missing",
			    packet->size - packet->present, packet->size);
		tell_packet(saved);
		next_packet(saved);
	} else if (saved->started && saved->header_length) {
		saved_wrong(saved, "the file ends inside a packet's header, %zu of its %zu bytes are there",
			    saved->header_length, sizeof(saved->header));
	}
	saved_rules_end(saved);
	tell_findings(saved);
	for (uint32_t i = 0; i < FERRY_SAVED_DEVICES; i++) {
		if (saved->devices[i].stream || i < saved->summary.devices)
			end_device(&saved->devices[i]);
		if (i >= saved->summary.devices)
			continue;
		saved_rules_device_end(saved, i);
		tell_findings(saved);
	}
}

static void end_stream(struct ferry_saved *saved)
{
	saved->summary.devices = 1;
	saved->summary.device[0].ended = true;
	end_device(&saved->devices[0]);
}

const struct ferry_saved_summary *ferry_saved_end(struct ferry_saved *saved)
{
	struct ferry_saved_summary *summary = &saved->summary;

	if (saved->kind == SAVED_UNDECIDED) {
		/* Less than the magic, which is no whole header either */
		saved->kind = SAVED_STREAM;
		summary->bytes = saved->header_length;
		if (saved->header_length)
			feed_device(&saved->devices[0], saved->header, saved->header_length, NULL);
	}
	if (summary->packaged && saved->kind != SAVED_STRANGE)
		end_packets(saved);
	else if (!summary->packaged)
		end_stream(saved);
	summary->sound = !summary->findings;
	for (uint32_t i = 0; i < summary->devices; i++)
		if (!ferry_stream_sound(&summary->device[i].stream))
			summary->sound = false;
	return summary;
}
