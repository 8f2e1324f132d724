// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `ferry inspect` sees, for people: a line for each packet and record, below
 * it what is wrong with it, at the end what all of it is.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "output.h"

#include "../lib/base/printable.h"

#define HEX_LINE 16

static void begin(struct inspected *inspected)
{
	printf("%12s %12s  %-10s %-5s  %-15s %s\n", "offset", "size", "tag", "flags", "record", "says");
}

static void hex(const struct inspected *inspected, const uint8_t *bytes, size_t length)
{
	if (!inspected->hex)
		return;
	for (size_t at = 0; at < length; at += HEX_LINE) {
		printf("%26s |", "");
		for (size_t i = at; i < at + HEX_LINE; i++)
			i < length ? printf(" %02x", bytes[i]) : printf("   ");
		printf("  ");
		for (size_t i = at; i < at + HEX_LINE && i < length; i++)
			putchar(isascii(bytes[i]) && isprint(bytes[i]) ? bytes[i] : '.');
		putchar('\n');
	}
}

static void wrong(void *context, const struct ferry_finding *finding)
{
	printf("%26s ^ WRONG: %s\n", "", finding->text);
}

/* Packets */

static void says_about(const struct ferry_packet_device *about)
{
	printf("%s, %04x:%04x, driver %s, %s\n", about->name, about->vendor, about->device,
	       *about->driver ? about->driver : "unknown",
	       about->flags & FERRY_DEVICE_STOPPED ? "was stopped" : "was running");
}

static void says_phase(const struct ferry_packet_phase *phase)
{
	printf("%s over, %" PRIu64 " bytes in it, %" PRIu64 " so far\n",
	       ferry_packet_phase_name(phase->phase), (uint64_t)phase->bytes, (uint64_t)phase->total);
}

/* The IDs that a configuration space begins with */
static void says_config(const struct ferry_saved_packet *packet)
{
	if (packet->head_length < 4)
		puts("too short for IDs");
	else
		printf("configuration space of a %04x:%04x\n", packet->head[0] | packet->head[1] << 8,
		       packet->head[2] | packet->head[3] << 8);
}

static void says_text(const struct ferry_saved_packet *packet)
{
	putchar('"');
	for (size_t i = 0; i < packet->head_length; i++)
		putchar(ferry_printable(packet->head[i]));
	puts("\"");
}

static void packet_seen(void *context, const struct ferry_saved_packet *packet)
{
	char name[32];

	snprintf(name, sizeof(name), "%u", packet->device);
	printf("%12" PRIu64 " %12" PRIu32 "  packet %-3" PRIu32 " dev %-3s %-14s ", packet->offset,
	       packet->size, packet->type, name, ferry_packet_name(packet->type));
	if (packet->known && packet->type == FERRY_PACKET_PHASE_END)
		says_phase(&packet->phase);
	else if (packet->known)
		says_about(&packet->about);
	else if (packet->type == FERRY_PACKET_CONFIG)
		says_config(packet);
	else if (packet->type == FERRY_PACKET_FAILED)
		says_text(packet);
	else if (packet->type == FERRY_PACKET_DATA)
		puts("the stream goes on");
	else
		puts("-");
	hex(context, packet->head, packet->head_length);
}

/* Records */

/* What is 0 is not known. */
static void says_identity(const struct ferry_stream_identity *identity)
{
	printf("family %s, %04x:%04x, ", identity->family, identity->vendor, identity->device);
	if (identity->subsystem_vendor)
		printf("subsystem %04x:%04x, ", identity->subsystem_vendor, identity->subsystem_device);
	printf("firmware %u.%u.%u, ", identity->firmware[0], identity->firmware[1], identity->firmware[2]);
	if (identity->firmware[3])
		printf("card %#x, ", identity->firmware[3]);
	printf("needs capabilities %#" PRIx64 "%s\n", identity->capabilities,
	       identity->mark ? ", images without checksums" : "");
}

static void says_shape(const struct ferry_stream_shape *shape)
{
	printf("%u MSI-X vectors; BARs", shape->vectors);
	for (int i = 0; i < FERRY_SHAPE_BARS; i++)
		if (shape->bar[i])
			printf(" %d: %#" PRIx64, i, shape->bar[i]);
	printf("; capabilities");
	for (int i = 0; i < FERRY_SHAPE_CAPABILITIES && shape->capability[i]; i++) {
		uint32_t capability = shape->capability[i];

		printf(" %#x", capability & 0xffff);
		if (capability >> 16 & 0xf)
			printf("v%u", capability >> 16 & 0xf);
		printf("@%#x", capability >> 20);
	}
	putchar('\n');
}

static const char *right(bool is)
{
	return is ? "right" : "WRONG";
}

static void says(const struct ferry_record *record)
{
	switch (record->known ? record->meaning : FERRY_MEANS_UNKNOWN) {
	case FERRY_MEANS_IDENTITY:
		says_identity(&record->identity);
		break;
	case FERRY_MEANS_SHAPE:
		says_shape(&record->shape);
		break;
	case FERRY_MEANS_STOP_COPY_SIZE:
		printf("%" PRIu64 " bytes of the final image were expected\n", record->stop_copy_size);
		break;
	case FERRY_MEANS_IMAGE_CHECK:
		printf("image %u, %s, %" PRIu64 " bytes, ", record->check.sequence,
		       ferry_image_kind_name(record->check.kind), record->check.length);
		printf("%s %#010x %s\n", record->check.mark ? "mark" : "CRC32C", record->check.crc32c,
		       right(record->check.crc32c == record->crc32c));
		break;
	case FERRY_MEANS_END:
		printf("%u images, %" PRIu64 " bytes in them, CRC32C %#010x %s\n", record->end.images,
		       record->end.bytes, record->end.crc32c,
		       right(record->end.crc32c == record->crc32c));
		break;
	default:
		if (record->meaning == FERRY_MEANS_IMAGE && record->present == record->size)
			printf("CRC32C %#010x\n", record->crc32c);
		else
			puts("-");
	}
}

static const char *flags_of(const struct ferry_record *record, char text[12])
{
	if (record->flags > 1)
		snprintf(text, 12, "%#x", record->flags);
	else
		strcpy(text, record->flags ? "opt" : "-");
	return text;
}

static void record_seen(void *context, uint32_t device, const struct ferry_record *record)
{
	char flags[12];

	printf("%12" PRIu64 " %12" PRIu64 "  0x%08x %-5s  %-15s ", record->offset, record->size, record->tag,
	       flags_of(record, flags), ferry_meaning_name(record->meaning));
	says(record);
	hex(context, record->head, record->head_length);
}

static void record_wrong(void *context, uint32_t device, const struct ferry_finding *finding)
{
	wrong(context, finding);
}

/* Folded: see inspect_fold.h */

static void repeated(struct inspected *inspected, uint64_t times, uint64_t offset)
{
	printf("%12" PRIu64 " %12s  the same is wrong %" PRIu64 " times more, up to here\n", offset, "...", times);
}

static void omitted(struct inspected *inspected, uint64_t count)
{
	printf("%12s %12s  %" PRIu64 " more that are wrong are not shown\n", "", "...", count);
}

/* All in all */

static void sum_images(const struct ferry_stream_summary *stream)
{
	static const enum ferry_image_kind kinds[] = {
		FERRY_KIND_INITIAL, FERRY_KIND_MIDDLE, FERRY_KIND_FINAL, FERRY_KIND_UNKNOWN
	};
	const char *before = "";
	char bytes[HUMAN_SIZE];

	printf("images    ");
	for (int i = 0; i < FERRY_KINDS; i++) {
		if (!stream->images[kinds[i]].count)
			continue;
		printf("%s%" PRIu64 " %s (%s)", before, stream->images[kinds[i]].count,
		       kinds[i] == FERRY_KIND_UNKNOWN ? "of a kind that is not told" :
							ferry_image_kind_name(kinds[i]),
		       human_bytes(bytes, stream->images[kinds[i]].bytes));
		before = ", ";
	}
	puts(*before ? "" : "none");
}

static void sum_identity(const struct ferry_stream_summary *stream)
{
	printf("identity  ");
	if (!stream->identified)
		puts("none: a plain stream, as the kernel's own mlx5 driver writes it; it has no checksums");
	else
		says_identity(&stream->identity);
	if (stream->shaped) {
		printf("shape     ");
		says_shape(&stream->shape);
	}
}

static void sum_stream(const struct ferry_saved_summary *summary, uint32_t device)
{
	const struct ferry_stream_summary *stream = &summary->device[device].stream;

	if (summary->packaged)
		printf("\ndevice %u  %s, %u bytes of configuration space\n", device,
		       summary->device[device].about.name, summary->device[device].config_bytes);
	else
		putchar('\n');
	printf("stream    %" PRIu64 " bytes, %" PRIu64 " records\n", stream->bytes, stream->records);
	sum_identity(stream);
	sum_images(stream);
	if (stream->loads)
		puts("target    one of the same kind loads it");
	else
		printf("target    refuses it after %" PRIu64 " bytes: %s (%s)\n", stream->refused_at,
		       stream->reason, strerrorname_np(stream->error));
}

static void end(struct inspected *inspected, const struct ferry_saved_summary *summary)
{
	char bytes[HUMAN_SIZE];

	for (uint32_t i = 0; i < summary->devices; i++)
		sum_stream(summary, i);
	putchar('\n');
	if (inspected->stopped)
		printf("%s: not all of it was read: %s\n", inspected->name, inspected->stopped);
	else if (summary->sound)
		printf("%s: sound, %s\n", inspected->name, human_bytes(bytes, summary->bytes));
	else
		printf("%s: WRONG, %" PRIu64 " finding%s\n", inspected->name, summary->findings,
		       summary->findings == 1 ? "" : "s");
}

const struct inspect_view inspect_text = {
	begin, { packet_seen, wrong, record_seen, record_wrong }, repeated, omitted, end
};
