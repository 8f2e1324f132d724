// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wrong with a record: the rules of Documentation/stream.rst, each
 * looked at by itself, so that one fault does not hide another.
 */
#include <inttypes.h>

#include "stream.h"

static bool is_ferrys_own(enum ferry_meaning meaning)
{
	return meaning == FERRY_MEANS_IDENTITY || meaning == FERRY_MEANS_SHAPE ||
	       meaning == FERRY_MEANS_IMAGE_CHECK || meaning == FERRY_MEANS_END;
}

/* May a record with this tag come here? */
static void order(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;

	if (stream->summary.ended)
		stream_wrong(stream, "comes behind the end record");
	if (stream->check_due && record->meaning != FERRY_MEANS_IMAGE_CHECK)
		stream_wrong(stream, "comes where the check record of image %" PRIu64 " must be",
			     stream->images_seen - 1);
	if (!is_ferrys_own(record->meaning))
		return;
	if (!stream->summary.identified)
		stream_wrong(stream, "comes in a stream that does not begin with the identity");
	else if (record->meaning == FERRY_MEANS_IDENTITY && record->number)
		stream_wrong(stream, "is a second identity");
}

static void image_header(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;

	if (stream->summary.identified && record->flags)
		stream_wrong(stream, "has unknown flags: %#x", record->flags);
	if (!record->size)
		stream_wrong(stream, "is an empty image");
	if (record->size > stream->max_image)
		stream_wrong(stream, "is longer than the target loads: %" PRIu64 " of %" PRIu64 " bytes",
			     record->size, stream->max_image);
}

static void control_header(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;
	size_t size = record_kinds[record->meaning].size;

	if (record->size != size)
		stream_wrong(stream, "has %" PRIu64 " bytes, must have %zu", record->size, size);
	if (stream->summary.identified && record->flags != VFIO_FERRY_RECORD_OPTIONAL)
		stream_wrong(stream, "has unknown flags: %#x", record->flags);
}

void rules_header(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;

	order(stream);
	if (record->meaning == FERRY_MEANS_IMAGE)
		image_header(stream);
	else if (record->meaning != FERRY_MEANS_UNKNOWN)
		control_header(stream);
	else if (!(record->flags & VFIO_FERRY_RECORD_OPTIONAL))
		stream_wrong(stream, "is mandatory, and its tag is not known");
}

static void identity(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;

	if (record->identity.version != VFIO_FERRY_STREAM_VERSION)
		stream_wrong(stream, "is of version %u, known is %u", record->identity.version,
			     VFIO_FERRY_STREAM_VERSION);
	if (record->identity.crc32c != record->crc32c)
		stream_wrong(stream, "has the wrong CRC32C: %#010x, its bytes have %#010x",
			     record->identity.crc32c, record->crc32c);
}

static void shape(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;

	if (stream->summary.shaped)
		stream_wrong(stream, "is a second shape");
	if (stream->images_seen)
		stream_wrong(stream, "comes behind an image");
	if (record->shape.crc32c != record->crc32c)
		stream_wrong(stream, "has the wrong CRC32C: %#010x, its bytes have %#010x",
			     record->shape.crc32c, record->crc32c);
}

static void image_check(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;
	uint32_t kind = record->check.kind;

	if (!stream->check_due) {
		stream_wrong(stream, "has no image before it");
		return;
	}
	if (record->check.sequence != stream->images_seen - 1)
		stream_wrong(stream, "is of image %u, but that was image %" PRIu64,
			     record->check.sequence, stream->images_seen - 1);
	if (record->check.length != stream->image_length)
		stream_wrong(stream, "says %" PRIu64 " bytes, the image has %" PRIu64,
			     record->check.length, stream->image_length);
	if (record->check.mark && record->check.crc32c != record->check.mark)
		stream_wrong(stream, "has the mark %#x, the stream has %#x: of another stream",
			     record->check.crc32c, record->check.mark);
	else if (record->check.crc32c != record->crc32c)
		stream_wrong(stream, "says CRC32C %#010x, the image has %#010x",
			     record->check.crc32c, record->crc32c);
	if (kind < VFIO_FERRY_IMAGE_INITIAL || kind > VFIO_FERRY_IMAGE_FINAL)
		stream_wrong(stream, "says kind %u, which is not known", kind);
	else if (stream->final_seen && kind != VFIO_FERRY_IMAGE_FINAL)
		stream_wrong(stream, "says %s, but a final image came before",
			     ferry_image_kind_name(kind));
	if (record->check.reserved)
		stream_wrong(stream, "has %#x in a field that must be 0", record->check.reserved);
}

static void end(struct ferry_stream *stream)
{
	const struct ferry_record *record = &stream->record;

	if (!stream->final_seen)
		stream_wrong(stream, "comes without a final image before it");
	if (record->end.images != stream->images_seen)
		stream_wrong(stream, "says %u images, there were %" PRIu64, record->end.images,
			     stream->images_seen);
	if (record->end.bytes != stream->image_bytes)
		stream_wrong(stream, "says %" PRIu64 " bytes of images, there were %" PRIu64,
			     record->end.bytes, stream->image_bytes);
	if (record->end.crc32c != record->crc32c)
		stream_wrong(stream, "says CRC32C %#010x, the records have %#010x",
			     record->end.crc32c, record->crc32c);
}

void rules_control(struct ferry_stream *stream)
{
	static void (*const rules[])(struct ferry_stream *stream) = {
		[FERRY_MEANS_IDENTITY] = identity, [FERRY_MEANS_SHAPE] = shape,
		[FERRY_MEANS_IMAGE_CHECK] = image_check, [FERRY_MEANS_END] = end
	};

	if (rules[stream->record.meaning])
		rules[stream->record.meaning](stream);
}

void rules_end(struct ferry_stream *stream)
{
	if (!stream->summary.bytes)
		stream_wrong(stream, "the stream is empty");
	else if (!stream->images_seen)
		stream_wrong(stream, "the stream ends without an image");
	if (stream->check_due)
		stream_wrong(stream, "the stream ends before the check record of image %" PRIu64,
			     stream->images_seen - 1);
	if (stream->summary.identified && !stream->summary.ended)
		stream_wrong(stream, "the stream ends before its end record");
}
