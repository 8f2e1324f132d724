// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `ferry inspect` sees, for programs: one JSON object, written as the file
 * passes. "items" has packets, records and findings in the order of the file,
 * and says where some of those were folded.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "output.h"

static void begin(struct inspected *inspected)
{
	json_object *name = json_text(inspected->name);

	json_begin();
	printf("{\"file\":%s,\"items\":[", json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN));
	json_object_put(name);
}

static void item(struct inspected *inspected, json_object *object)
{
	puts(inspected->headed ? "," : "");
	inspected->headed = true;
	fputs(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
	      stdout);
	json_object_put(object);
}

static json_object *hex_text(const uint8_t *bytes, size_t length)
{
	char text[2 * FERRY_SAVED_HEAD + 1] = "";

	for (size_t i = 0; i < length; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	return json_text(text);
}

static void add_hex(const struct inspected *inspected, json_object *to, const uint8_t *bytes, size_t length)
{
	if (inspected->hex)
		json_object_object_add(to, "hex", hex_text(bytes, length));
}

/* Packets */

static void add_about(json_object *to, const struct ferry_packet_device *about)
{
	TEXT(to, "name", about->name);
	TEXT(to, "driver", *about->driver ? about->driver : NULL);
	NUMBER(to, "vendor", about->vendor);
	NUMBER(to, "device", about->device);
	NUMBER(to, "subsystem_vendor", about->subsystem_vendor);
	NUMBER(to, "subsystem_device", about->subsystem_device);
	NUMBER(to, "revision", about->revision);
	NUMBER(to, "features", about->features);
	TRUTH(to, "stopped", about->flags & FERRY_DEVICE_STOPPED);
	NUMBER(to, "devices", about->count);
}

static void add_phase(json_object *to, const struct ferry_packet_phase *phase)
{
	TEXT(to, "phase", ferry_packet_phase_name(phase->phase));
	NUMBER(to, "phase_bytes", phase->bytes);
	NUMBER(to, "total_bytes", phase->total);
}

static void packet_seen(void *context, const struct ferry_saved_packet *packet)
{
	json_object *object = json_object_new_object();

	TEXT(object, "item", "packet");
	NUMBER(object, "number", packet->number);
	NUMBER(object, "offset", packet->offset);
	NUMBER(object, "size_bytes", packet->size);
	NUMBER(object, "type", packet->type);
	TEXT(object, "meaning", ferry_packet_name(packet->type));
	NUMBER(object, "device_number", packet->device);
	if (packet->known && packet->type == FERRY_PACKET_PHASE_END)
		add_phase(object, &packet->phase);
	else if (packet->known)
		add_about(object, &packet->about);
	add_hex(context, object, packet->head, packet->head_length);
	item(context, object);
}

/* Records */

static json_object *firmware_text(const uint16_t firmware[4])
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%u.%u", firmware[0], firmware[1], firmware[2]);
	return json_text(text);
}

static void add_identity(json_object *to, const struct ferry_stream_identity *identity)
{
	NUMBER(to, "version", identity->version);
	TRUTH(to, "images_checked", !identity->mark);
	TEXT(to, "family", identity->family);
	NUMBER(to, "vendor", identity->vendor);
	NUMBER(to, "device", identity->device);
	NUMBER(to, "subsystem_vendor", identity->subsystem_vendor);
	NUMBER(to, "subsystem_device", identity->subsystem_device);
	json_object_object_add(to, "firmware", firmware_text(identity->firmware));
	NUMBER(to, "card", identity->firmware[3]);
	NUMBER(to, "capabilities", identity->capabilities);
}

static json_object *capability_object(uint32_t capability)
{
	json_object *object = json_object_new_object();

	NUMBER(object, "id", capability & 0xffff);
	NUMBER(object, "version", capability >> 16 & 0xf);
	NUMBER(object, "offset", capability >> 20);
	return object;
}

static void add_shape(json_object *to, const struct ferry_stream_shape *shape)
{
	json_object *bars = json_object_new_array(), *capabilities = json_object_new_array();

	NUMBER(to, "msix_vectors", shape->vectors);
	for (int i = 0; i < FERRY_SHAPE_BARS; i++)
		json_object_array_add(bars, json_object_new_uint64(shape->bar[i]));
	json_object_object_add(to, "bar_bytes", bars);
	for (int i = 0; i < FERRY_SHAPE_CAPABILITIES && shape->capability[i]; i++)
		json_object_array_add(capabilities, capability_object(shape->capability[i]));
	json_object_object_add(to, "pci_capabilities", capabilities);
}

static void add_fields(json_object *to, const struct ferry_record *record)
{
	switch (record->meaning) {
	case FERRY_MEANS_IDENTITY:
		add_identity(to, &record->identity);
		TRUTH(to, "crc32c_right", record->identity.crc32c == record->crc32c);
		break;
	case FERRY_MEANS_SHAPE:
		add_shape(to, &record->shape);
		TRUTH(to, "crc32c_right", record->shape.crc32c == record->crc32c);
		break;
	case FERRY_MEANS_STOP_COPY_SIZE:
		NUMBER(to, "stop_copy_bytes", record->stop_copy_size);
		break;
	case FERRY_MEANS_IMAGE_CHECK:
		NUMBER(to, "image", record->check.sequence);
		TEXT(to, "kind", ferry_image_kind_name(record->check.kind));
		NUMBER(to, "image_bytes", record->check.length);
		NUMBER(to, "crc32c", record->check.crc32c);
		TRUTH(to, "crc32c_right", record->check.crc32c == record->crc32c);
		break;
	case FERRY_MEANS_END:
		NUMBER(to, "images", record->end.images);
		NUMBER(to, "images_bytes", record->end.bytes);
		NUMBER(to, "crc32c", record->end.crc32c);
		TRUTH(to, "crc32c_right", record->end.crc32c == record->crc32c);
		break;
	default:
		break;
	}
}

static void record_seen(void *context, uint32_t device, const struct ferry_record *record)
{
	json_object *object = json_object_new_object();

	TEXT(object, "item", "record");
	NUMBER(object, "device_number", device);
	NUMBER(object, "number", record->number);
	NUMBER(object, "offset", record->offset);
	NUMBER(object, "size_bytes", record->size);
	NUMBER(object, "present_bytes", record->present);
	NUMBER(object, "flags", record->flags);
	NUMBER(object, "tag", record->tag);
	TEXT(object, "meaning", ferry_meaning_name(record->meaning));
	if (record->known)
		add_fields(object, record);
	else if (record->meaning == FERRY_MEANS_IMAGE && record->present == record->size)
		NUMBER(object, "crc32c", record->crc32c);
	add_hex(context, object, record->head, record->head_length);
	item(context, object);
}

/* Findings */

static json_object *finding_object(const struct ferry_finding *finding, const char *about)
{
	json_object *object = json_object_new_object();

	TEXT(object, "item", "finding");
	TEXT(object, "about", about);
	NUMBER(object, "number", finding->record);
	NUMBER(object, "offset", finding->offset);
	TEXT(object, "text", finding->text);
	return object;
}

static void packet_wrong(void *context, const struct ferry_finding *finding)
{
	item(context, finding_object(finding, "packet"));
}

static void record_wrong(void *context, uint32_t device, const struct ferry_finding *finding)
{
	json_object *object = finding_object(finding, "record");

	NUMBER(object, "device_number", device);
	item(context, object);
}

/* Folded: see inspect_fold.h */

static void repeated(struct inspected *inspected, uint64_t times, uint64_t offset)
{
	json_object *object = json_object_new_object();

	TEXT(object, "item", "repeated");
	NUMBER(object, "times", times);
	NUMBER(object, "last_offset", offset);
	item(inspected, object);
}

static void omitted(struct inspected *inspected, uint64_t count)
{
	json_object *object = json_object_new_object();

	TEXT(object, "item", "omitted");
	NUMBER(object, "count", count);
	item(inspected, object);
}

/* All in all */

static json_object *images_object(const struct ferry_stream_summary *stream)
{
	json_object *images = json_object_new_object();

	for (uint32_t kind = 0; kind < FERRY_KINDS; kind++) {
		json_object *one = json_object_new_object();

		NUMBER(one, "count", stream->images[kind].count);
		NUMBER(one, "bytes", stream->images[kind].bytes);
		json_object_object_add(images, ferry_image_kind_name(kind), one);
	}
	return images;
}

static json_object *identity_object(const struct ferry_stream_summary *stream)
{
	json_object *identity;

	if (!stream->identified)
		return NULL;
	identity = json_object_new_object();
	add_identity(identity, &stream->identity);
	return identity;
}

static json_object *shape_object(const struct ferry_stream_summary *stream)
{
	json_object *shape;

	if (!stream->shaped)
		return NULL;
	shape = json_object_new_object();
	add_shape(shape, &stream->shape);
	return shape;
}

static json_object *device_object(const struct ferry_saved_summary *summary, uint32_t number)
{
	const struct ferry_saved_device *device = &summary->device[number];
	const struct ferry_stream_summary *stream = &device->stream;
	json_object *object = json_object_new_object();

	TEXT(object, "name", *device->about.name ? device->about.name : NULL);
	NUMBER(object, "config_bytes", device->config_bytes);
	NUMBER(object, "stream_bytes", stream->bytes);
	NUMBER(object, "records", stream->records);
	NUMBER(object, "findings", stream->findings);
	TEXT(object, "format", stream->identified ? "ferry" : "plain");
	json_object_object_add(object, "identity", identity_object(stream));
	json_object_object_add(object, "shape", shape_object(stream));
	json_object_object_add(object, "expected_final_bytes",
			       stream->hinted ? json_object_new_uint64(stream->stop_copy_size) : NULL);
	json_object_object_add(object, "images", images_object(stream));
	TRUTH(object, "loads", stream->loads);
	TEXT(object, "refused_for", stream->reason);
	TEXT(object, "refused_error", stream->loads ? NULL : strerrorname_np(stream->error));
	json_object_object_add(object, "refused_at",
			       stream->loads ? NULL : json_object_new_uint64(stream->refused_at));
	return object;
}

static void end(struct inspected *inspected, const struct ferry_saved_summary *summary)
{
	json_object *object = json_object_new_object(), *devices = json_object_new_array();
	const char *text;

	for (uint32_t i = 0; i < summary->devices; i++)
		json_object_array_add(devices, device_object(summary, i));
	NUMBER(object, "bytes", summary->bytes);
	TRUTH(object, "packaged", summary->packaged);
	NUMBER(object, "packets", summary->packets);
	NUMBER(object, "findings", summary->findings);
	json_object_object_add(object, "devices", devices);
	TEXT(object, "stopped", inspected->stopped);
	json_object_object_add(object, "sound",
			       inspected->stopped ? NULL : json_object_new_boolean(summary->sound));
	/* It goes on in the object that begin() began. */
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	printf("\n],%s\n", text + 1);
	json_object_put(object);
}

const struct inspect_view inspect_json = {
	begin, { packet_seen, packet_wrong, record_seen, record_wrong }, repeated, omitted, end
};
