/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of the format of a migration stream, for tests that change one
 * record or field of it. To the uAPI a stream is opaque: without a format such
 * tests change bytes blindly.
 *
 * A format is one file in lib/formats/: it defines its operations and says
 * STREAM_FORMAT(name).
 */
#ifndef LIBMIGRATION_FORMAT_H
#define LIBMIGRATION_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

struct mig_stream;

/* What in a stream shows that it was changed, each all that the one before it does */
enum stream_protection {
	STREAM_PLAIN,		/* little */
	STREAM_SEALED,		/* records: each bit of them, their order, and whose they are */
	STREAM_CHECKED,		/* opaque data, too */
};

#define STREAM_MAX_FIELDS 16
#define STREAM_MAX_HEADER 64

struct stream_field {
	const char *name;
	size_t at;		/* in its record */
	size_t len;
};

struct stream_record {
	const char *name;
	size_t at;		/* in the stream */
	size_t header;		/* bytes before its body */
	size_t len;		/* of header and body */
	bool needed;		/* a stream without it lacks state of the device; opaque */
	unsigned int fields;
	struct stream_field field[STREAM_MAX_FIELDS];
};

struct stream_records {
	struct stream_record *record;
	unsigned int count;
};

/**
 * struct stream_format - a format
 * @name: for messages
 * @split: takes a whole stream apart, with stream_records_add(); false if it
 *	is not of this format
 * @protection: what a reader may be asked to notice
 * @header: writes the header of a record with a body of @size bytes, of at
 *	most STREAM_MAX_HEADER bytes, and returns its length. @kind: one of
 *	those that the format has, or one more, which no reader knows
 *	@may_skip: says that a reader that does not know the kind may skip it
 * @kind_name: of those kinds; NULL behind the last one
 */
struct stream_format {
	const char *name;
	bool (*split)(const struct mig_stream *stream, struct stream_records *records);
	enum stream_protection (*protection)(const struct mig_stream *stream);
	size_t (*header)(u8 *to, u64 size, unsigned int kind, bool may_skip);
	const char *(*kind_name)(unsigned int kind);
};

#define STREAM_FORMAT(_format)							\
	static const struct stream_format *const __stream_##_format		\
	__attribute__((used, section("mig_stream_formats"))) = &(_format)

struct stream_record *stream_records_add(struct stream_records *records);
void stream_field_add(struct stream_record *record, const char *name, size_t at, size_t len);
void stream_records_free(struct stream_records *records);

/* The format of a whole stream, and its records; NULL if there is none. */
const struct stream_format *stream_format_find(const struct mig_stream *stream,
					       struct stream_records *records);

#endif /* LIBMIGRATION_FORMAT_H */
