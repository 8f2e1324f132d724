/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The analyser of a stream, inside: stream.c takes the stream apart,
 * record_rules.c says what is wrong with a record.
 */
#ifndef LIB_STREAM_H
#define LIB_STREAM_H

#include <ferry/stream.h>

#include "../../../../drivers/vfio/pci/ferry/wire.h"

/* More can not be wrong with one record or packet: see record_rules.c and packet_rules.c. */
#define MAX_FINDINGS 12

/* What is wrong with the current record or packet */
struct findings {
	struct ferry_finding found[MAX_FINDINGS];
	unsigned int count;
};

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
 * @findings: what is wrong with it
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
	struct findings findings;

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

/**
 * struct record_kind - what a tag stands for
 * @name: for people
 * @tag: of the record's header
 * @size: of its payload; 0: any
 */
struct record_kind {
	const char *name;
	uint32_t tag;
	size_t size;
};

/* By enum ferry_meaning */
extern const struct record_kind record_kinds[];
enum ferry_meaning record_meaning(uint32_t tag);

void finding_add(struct findings *findings, uint64_t record, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Something is wrong with the current record. */
#define stream_wrong(stream, ...) \
	finding_add(&(stream)->findings, (stream)->record.number, (stream)->record.offset, __VA_ARGS__)

/* ---- record_rules.c ---- */

/* What is wrong with the record's header. */
void rules_header(struct ferry_stream *stream);
/* What is wrong with a control record, which is whole and of the right size. */
void rules_control(struct ferry_stream *stream);
/* What is missing where the stream ends. */
void rules_end(struct ferry_stream *stream);

#endif /* LIB_STREAM_H */
