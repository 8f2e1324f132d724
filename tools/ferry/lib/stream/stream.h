/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The analyser of a stream, inside: stream.c takes the stream apart,
 * record_rules.c says what is wrong with a record.
 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

#include <ferry/stream.h>

#include "../../../../drivers/vfio/pci/ferry/wire.h"

/* More can not be wrong with one record: see record_rules.c. */
#define MAX_FINDINGS 12

/**
 * struct ferry_stream - an analyser
 * @events: whom to tell
 * @context: for them
 * @max_image: longest image that the target loads
 * @decoder: the driver's; stops where a target refuses
 * @decoded: bytes that it has taken
 * @header: of the record that begins
 * @header_length: bytes of it so far; sizeof(header) inside a payload
 * @record: the current one
 * @found: what is wrong with it
 * @found_count: how much that is
 * @control_crc: of every byte so far that belongs to no image
 * @crc_before: the same, before the current record's payload
 * @image_crc: of the current or last image
 * @image_length: of the last image
 * @images_seen: whole images so far
 * @image_bytes: in those
 * @check_due: the last image waits for its check record
 * @final_seen: the last check said that its image was a final one
 * @summary: what is told at the end
 */
struct ferry_stream {
	struct ferry_stream_events events;
	void *context;
	uint64_t max_image;

	struct ferry_decoder decoder;
	uint64_t decoded;

	uint8_t header[sizeof(struct vfio_ferry_record)];
	size_t header_length;
	struct ferry_record record;
	struct ferry_finding found[MAX_FINDINGS];
	unsigned int found_count;

	uint32_t control_crc;
	uint32_t crc_before;
	uint32_t image_crc;
	uint64_t image_length;
	uint64_t images_seen;
	uint64_t image_bytes;
	bool check_due;
	bool final_seen;

	struct ferry_stream_summary summary;
};

/* ---- record.c ---- */

/* Something is wrong with the current record. */
void stream_wrong(struct ferry_stream *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- record_rules.c ---- */

/* Payload that a record with this meaning must have, 0 if any. */
size_t rules_size(enum ferry_meaning meaning);

/* What is wrong with the record's header. */
void rules_header(struct ferry_stream *stream);
/* What is wrong with a control record, which is whole and of the right size. */
void rules_control(struct ferry_stream *stream);
/* What is missing where the stream ends. */
void rules_end(struct ferry_stream *stream);

#endif /* LIB_STREAM_H */
