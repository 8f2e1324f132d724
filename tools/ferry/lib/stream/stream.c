// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream, taken apart record by record. See ferry/stream.h.
 *
 * Two read along. The analyser here believes headers' sizes and nothing else,
 * so it goes on where something is wrong. The driver's decoder stops where a
 * target would, and its word is the verdict.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"
#include "stream.h"

struct ferry_stream *ferry_stream_new(const struct ferry_stream_events *events, void *context,
				      uint64_t max_image)
{
	struct ferry_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->events = *events;
	stream->context = context;
	stream->max_image = max_image ? max_image : UINT64_MAX;
	stream->control_crc = ~0U;
	ferry_decoder_init(&stream->decoder, stream->max_image);
	return stream;
}

void ferry_stream_free(struct ferry_stream *stream)
{
	free(stream);
}

/* Telling */

static void tell_findings(struct ferry_stream *stream)
{
	for (unsigned int i = 0; i < stream->findings.count; i++)
		if (stream->events.finding)
			stream->events.finding(stream->context, &stream->findings.found[i]);
	stream->summary.findings += stream->findings.count;
	stream->findings.count = 0;
}

static void tell_record(struct ferry_stream *stream)
{
	if (stream->events.record)
		stream->events.record(stream->context, &stream->record);
	tell_findings(stream);
}

/* Fields of control records */

static void read_identity(struct ferry_stream *stream)
{
	struct ferry_stream_identity *identity = &stream->record.identity;
	struct vfio_ferry_identity wire;

	memcpy(&wire, stream->record.head, sizeof(wire));
	identity->version = le16toh(wire.version);
	identity->mark = le16toh(wire.mark);
	identity->crc32c = le32toh(wire.crc32c);
	memcpy(identity->family, wire.family, sizeof(wire.family));
	ferry_make_printable(identity->family);
	identity->vendor = le16toh(wire.vendor);
	identity->device = le16toh(wire.device);
	identity->subsystem_vendor = le16toh(wire.subsystem_vendor);
	identity->subsystem_device = le16toh(wire.subsystem_device);
	for (int i = 0; i < 4; i++)
		identity->firmware[i] = le16toh(wire.firmware[i]);
	identity->capabilities = le64toh(wire.capabilities);
	wire.crc32c = 0;
	stream->record.crc32c = ~ferry_crc32c(~0U, &wire, sizeof(wire));
	if (!stream->record.number)
		stream->summary.identity = *identity;
}

static void read_shape(struct ferry_stream *stream)
{
	struct ferry_stream_shape *shape = &stream->record.shape;
	struct vfio_ferry_shape wire;

	memcpy(&wire, stream->record.head, sizeof(wire));
	shape->crc32c = le32toh(wire.crc32c);
	shape->vectors = le32toh(wire.vectors);
	for (int i = 0; i < FERRY_SHAPE_BARS; i++)
		shape->bar[i] = le64toh(wire.bar[i]);
	for (int i = 0; i < FERRY_SHAPE_CAPABILITIES; i++)
		shape->capability[i] = le32toh(wire.capability[i]);
	stream->record.crc32c = ~ferry_crc32c(~0U, &wire.vectors,
					      sizeof(wire) - sizeof(wire.crc32c));
}

static void read_stop_copy_size(struct ferry_stream *stream)
{
	__le64 wire;

	memcpy(&wire, stream->record.head, sizeof(wire));
	stream->record.stop_copy_size = le64toh(wire);
	stream->summary.hinted = true;
	stream->summary.stop_copy_size = stream->record.stop_copy_size;
}

static void read_check(struct ferry_stream *stream)
{
	struct ferry_record *record = &stream->record;
	struct vfio_ferry_image_check wire;

	memcpy(&wire, record->head, sizeof(wire));
	record->check.length = le64toh(wire.length);
	record->check.sequence = le32toh(wire.sequence);
	record->check.kind = le32toh(wire.kind);
	record->check.crc32c = le32toh(wire.crc32c);
	record->check.reserved = le32toh(wire.reserved);
	record->check.mark = stream->summary.identity.mark;
	record->crc32c = record->check.mark ? record->check.mark : ~stream->image_crc;
}

static void read_end(struct ferry_stream *stream)
{
	struct ferry_record *record = &stream->record;
	struct vfio_ferry_end wire;

	memcpy(&wire, record->head, sizeof(wire));
	record->end.bytes = le64toh(wire.bytes);
	record->end.images = le32toh(wire.images);
	record->end.crc32c = le32toh(wire.crc32c);
	record->crc32c = ~stream->crc_before;
}

static void read_control(struct ferry_stream *stream)
{
	static void (*const readers[])(struct ferry_stream *stream) = {
		[FERRY_MEANS_STOP_COPY_SIZE] = read_stop_copy_size, [FERRY_MEANS_IDENTITY] = read_identity,
		[FERRY_MEANS_SHAPE] = read_shape, [FERRY_MEANS_IMAGE_CHECK] = read_check, [FERRY_MEANS_END] = read_end
	};

	readers[stream->record.meaning](stream);
}

/* Records */

static void count_image(struct ferry_stream *stream, uint32_t kind)
{
	if (kind >= FERRY_KINDS)
		kind = FERRY_KIND_UNKNOWN;
	stream->summary.images[kind].count++;
	stream->summary.images[kind].bytes += stream->image_length;
}

static void begin_record(struct ferry_stream *stream)
{
	struct ferry_record *record = &stream->record;
	struct vfio_ferry_record wire;

	memcpy(&wire, stream->header, sizeof(wire));
	record->size = le64toh(wire.size);
	record->flags = le32toh(wire.flags);
	record->tag = le32toh(wire.tag);
	record->meaning = record_meaning(record->tag);
	stream->summary.records++;
	stream->control_crc = ferry_crc32c(stream->control_crc, stream->header, sizeof(wire));
	stream->crc_before = stream->control_crc;
	if (!record->number && record->meaning == FERRY_MEANS_IDENTITY)
		stream->summary.identified = true;
	rules_header(stream);
	if (stream->check_due && record->meaning != FERRY_MEANS_IMAGE_CHECK) {
		stream->check_due = false;
		count_image(stream, FERRY_KIND_UNKNOWN);
	}
	if (record->meaning == FERRY_MEANS_IMAGE)
		stream->image_crc = ~0U;
}

static void end_image(struct ferry_stream *stream)
{
	struct ferry_record *record = &stream->record;

	record->crc32c = ~stream->image_crc;
	stream->image_length = record->size;
	stream->images_seen++;
	stream->image_bytes += record->size;
	if (stream->summary.identified)
		stream->check_due = true;
	else
		count_image(stream, FERRY_KIND_UNKNOWN);
}

static void end_control(struct ferry_stream *stream)
{
	struct ferry_record *record = &stream->record;

	record->known = true;
	read_control(stream);
	rules_control(stream);
	if (record->meaning == FERRY_MEANS_END)
		stream->summary.ended = true;
	if (record->meaning == FERRY_MEANS_SHAPE && stream->summary.identified &&
	    !stream->summary.shaped) {
		stream->summary.shaped = true;
		stream->summary.shape = record->shape;
	}
	if (record->meaning != FERRY_MEANS_IMAGE_CHECK)
		return;
	if (stream->check_due)
		count_image(stream, record->check.kind);
	stream->check_due = false;
	stream->final_seen |= record->check.kind == VFIO_FERRY_IMAGE_FINAL;
}

static void next_record(struct ferry_stream *stream)
{
	uint64_t number = stream->record.number + 1;

	memset(&stream->record, 0, sizeof(stream->record));
	stream->record.number = number;
	stream->record.offset = stream->summary.bytes;
	stream->header_length = 0;
}

static void end_record(struct ferry_stream *stream)
{
	struct ferry_record *record = &stream->record;

	if (record->meaning == FERRY_MEANS_IMAGE)
		end_image(stream);
	else if (record->size && record->size == record_kinds[record->meaning].size)
		end_control(stream);
	tell_record(stream);
	next_record(stream);
}

/* Bytes */

static size_t smaller(uint64_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t take_header(struct ferry_stream *stream, const uint8_t *from, size_t length)
{
	size_t take = smaller(sizeof(stream->header) - stream->header_length, length);

	memcpy(stream->header + stream->header_length, from, take);
	stream->header_length += take;
	stream->summary.bytes += take;
	if (stream->header_length < sizeof(stream->header))
		return take;
	begin_record(stream);
	if (!stream->record.size)
		end_record(stream);
	return take;
}

static size_t take_payload(struct ferry_stream *stream, const uint8_t *from, size_t length)
{
	struct ferry_record *record = &stream->record;
	size_t take = smaller(record->size - record->present, length);
	size_t keep = smaller(sizeof(record->head) - record->head_length, take);
	uint32_t *crc = record->meaning == FERRY_MEANS_IMAGE ? &stream->image_crc :
							       &stream->control_crc;

	memcpy(record->head + record->head_length, from, keep);
	record->head_length += keep;
	*crc = ferry_crc32c(*crc, from, take);
	record->present += take;
	stream->summary.bytes += take;
	if (record->present == record->size)
		end_record(stream);
	return take;
}

static void analyse(struct ferry_stream *stream, const uint8_t *from, size_t length)
{
	size_t took;

	for (; length; from += took, length -= took) {
		if (stream->header_length < sizeof(stream->header))
			took = take_header(stream, from, length);
		else
			took = take_payload(stream, from, length);
	}
}

/* As the target's writer does, until the decoder refuses. */
static void decode(struct ferry_stream *stream, const uint8_t *from, size_t length)
{
	struct ferry_decoder *decoder = &stream->decoder;
	size_t took;

	for (; length && decoder->state != FERRY_DECODE_REFUSED; from += took, length -= took) {
		switch (decoder->state) {
		case FERRY_DECODE_IMAGE:
			took = smaller(decoder->left, length);
			ferry_decode_image_data(decoder, from, took);
			break;
		case FERRY_DECODE_SKIP:
			took = smaller(decoder->left, length);
			ferry_decode_skip(decoder, from, took);
			break;
		default:
			ferry_decode(decoder, from, length, &took);
		}
		stream->decoded += took;
	}
}

void ferry_stream_feed(struct ferry_stream *stream, const void *data, size_t length)
{
	decode(stream, data, length);
	analyse(stream, data, length);
}

static void judge(struct ferry_stream *stream)
{
	struct ferry_stream_summary *summary = &stream->summary;
	struct ferry_decoder *decoder = &stream->decoder;

	summary->loads = ferry_decoder_whole(decoder, &summary->reason);
	summary->refused_at = stream->decoded;
	if (summary->loads)
		summary->error = 0;
	else
		summary->error = decoder->error ? -decoder->error : EINVAL;
}

void ferry_stream_end(struct ferry_stream *stream, struct ferry_stream_summary *summary)
{
	struct ferry_record *record = &stream->record;

	if (stream->header_length == sizeof(stream->header)) {
		stream_wrong(stream, "is cut short: the last %llu of its %llu bytes are missing",
			     (unsigned long long)(record->size - record->present),
			     (unsigned long long)record->size);
		tell_record(stream);
		next_record(stream);
	} else if (stream->header_length) {
		stream_wrong(stream, "the stream ends inside a record's header, %zu of its %zu bytes are there",
			     stream->header_length, sizeof(stream->header));
	}
	rules_end(stream);
	tell_findings(stream);
	if (stream->check_due)
		count_image(stream, FERRY_KIND_UNKNOWN);
	judge(stream);
	*summary = stream->summary;
}
