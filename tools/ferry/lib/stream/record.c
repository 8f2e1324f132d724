// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record of a stream: what its numbers are called, and noting what is wrong
 * with it. See ferry/stream.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream.h"

const char *ferry_meaning_name(enum ferry_meaning meaning)
{
	switch (meaning) {
	case FERRY_MEANS_IMAGE:
		return "image";
	case FERRY_MEANS_STOP_COPY_SIZE:
		return "stop-copy size";
	case FERRY_MEANS_IDENTITY:
		return "identity";
	case FERRY_MEANS_SHAPE:
		return "shape";
	case FERRY_MEANS_IMAGE_CHECK:
		return "image check";
	case FERRY_MEANS_END:
		return "end";
	default:
		return "unknown";
	}
}

const char *ferry_image_kind_name(uint32_t kind)
{
	switch (kind) {
	case FERRY_KIND_INITIAL:
		return "initial";
	case FERRY_KIND_MIDDLE:
		return "middle";
	case FERRY_KIND_FINAL:
		return "final";
	default:
		return "unknown";
	}
}

void stream_wrong(struct ferry_stream *stream, const char *format, ...)
{
	struct ferry_finding *finding = &stream->found[stream->found_count];
	va_list args;

	/* The rules cannot find so much in one record. */
	if (stream->found_count == MAX_FINDINGS)
		abort();
	stream->found_count++;
	finding->record = stream->record.number;
	finding->offset = stream->record.offset;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}
