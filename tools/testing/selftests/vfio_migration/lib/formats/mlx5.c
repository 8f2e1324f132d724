// SPDX-License-Identifier: GPL-2.0-only
/*
 * The streams of mlx5 VFs since Linux 6.2: records that follow one another,
 * each of { le64 size, le32 flags, le32 tag } and a body of so many bytes. Bit
 * 0 of the flags: a reader that does not know the tag skips the record.
 *
 * The body of a record with tag 0 is firmware's and opaque. Writers that
 * protect the stream begin it with a record of identity, may tell the source's
 * shape in another, and follow each of firmware's with a check; a record at the
 * end has a checksum of all the others. A check has the checksum of its data, or
 * a number in which it agrees with the identity: then that is not 0.
 */
#include <endian.h>
#include <string.h>

#include <libvfio.h>
#include <libmigration.h>

#define MAY_SKIP 1

struct header {
	__le64 size;
	__le32 flags;
	__le32 tag;
};

struct kind {
	u32 tag;
	const char *name;
	size_t size;			/* of a body that is no opaque data */
	const struct stream_field *fields;
	unsigned int nr_fields;
};

static const struct stream_field header_fields[] = {
	{ "size", 0, 8 }, { "flags", 8, 4 }, { "tag", 12, 4 },
};

static const struct stream_field size_fields[] = {
	{ "expected size", 0, 8 },
};

static const struct stream_field identity_fields[] = {
	{ "version", 0, 2 },	       { "mark", 2, 2 },      { "checksum", 4, 4 },
	{ "family", 8, 16 },
	{ "vendor", 24, 2 },	       { "device", 26, 2 },   { "subsystem vendor", 28, 2 },
	{ "subsystem device", 30, 2 }, { "firmware", 32, 8 }, { "capabilities", 40, 8 },
};

static const struct stream_field shape_fields[] = {
	{ "checksum", 0, 4 }, { "vectors", 4, 4 }, { "BARs", 8, 48 }, { "capabilities", 56, 128 },
};

static const struct stream_field check_fields[] = {
	{ "length", 0, 8 },    { "sequence", 8, 4 },  { "kind", 12, 4 },
	{ "checksum", 16, 4 }, { "reserved", 20, 4 },
};

static const struct stream_field end_fields[] = {
	{ "bytes", 0, 8 }, { "images", 8, 4 }, { "checksum", 12, 4 },
};

#define KIND(_tag, _name, _size, _fields) \
	{ _tag, _name, _size, _fields, sizeof(_fields) / sizeof((_fields)[0]) }

enum { FIRMWARE_DATA, STOP_COPY_SIZE, IDENTITY, SHAPE, CHECK, END, KINDS };

static const struct kind kinds[KINDS] = {
	[FIRMWARE_DATA] = { 0, "firmware data" },
	[STOP_COPY_SIZE] = KIND(1, "stop-copy size", 8, size_fields),
	[IDENTITY] = KIND(0x46520001, "identity", 48, identity_fields),
	[SHAPE] = KIND(0x46520004, "shape", 184, shape_fields),
	[CHECK] = KIND(0x46520002, "checksum", 24, check_fields),
	[END] = KIND(0x46520003, "end", 16, end_fields),
};

/* Of no writer. */
#define UNKNOWN_TAG 0x7777

static const struct kind *kind_of(u32 tag)
{
	for (int i = 0; i < KINDS; i++)
		if (kinds[i].tag == tag)
			return &kinds[i];
	return NULL;
}

static void add_fields(struct stream_record *record, size_t at, const struct stream_field *fields,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		stream_field_add(record, fields[i].name, at + fields[i].at, fields[i].len);
}

static bool add_record(const struct mig_stream *stream, size_t at, struct stream_records *records)
{
	struct stream_record *record;
	const struct kind *kind;
	struct header header;
	u64 size;

	if (stream->len - at < sizeof(header))
		return false;
	memcpy(&header, stream->data + at, sizeof(header));
	size = le64toh(header.size);
	if (size > stream->len - at - sizeof(header))
		return false;
	kind = kind_of(le32toh(header.tag));
	if (kind && kind->size && size != kind->size)
		return false;
	if (!kind && !(le32toh(header.flags) & MAY_SKIP))
		return false;

	record = stream_records_add(records);
	record->name = kind ? kind->name : "other";
	record->at = at;
	record->header = sizeof(header);
	record->len = sizeof(header) + size;
	record->needed = kind == &kinds[FIRMWARE_DATA];
	add_fields(record, 0, header_fields, ARRAY_SIZE(header_fields));
	if (kind && kind->fields)
		add_fields(record, sizeof(header), kind->fields, kind->nr_fields);
	else if (size)
		stream_field_add(record, "body", sizeof(header), size);

	return true;
}

static bool split(const struct mig_stream *stream, struct stream_records *records)
{
	bool data = false;
	size_t at = 0;

	while (at < stream->len) {
		if (!add_record(stream, at, records))
			return false;
		data |= records->record[records->count - 1].needed;
		at += records->record[records->count - 1].len;
	}
	return data;
}

static enum stream_protection protection(const struct mig_stream *stream)
{
	struct header header;
	__le16 mark;

	if (stream->len < sizeof(header) + kinds[IDENTITY].size)
		return STREAM_PLAIN;
	memcpy(&header, stream->data, sizeof(header));
	memcpy(&mark, stream->data + sizeof(header) + 2, sizeof(mark));
	if (le32toh(header.tag) != kinds[IDENTITY].tag ||
	    le64toh(header.size) != kinds[IDENTITY].size)
		return STREAM_PLAIN;
	return mark ? STREAM_SEALED : STREAM_CHECKED;
}

static size_t header(u8 *to, u64 size, unsigned int kind, bool may_skip)
{
	struct header header = {
		.size = htole64(size),
		.flags = htole32(may_skip ? MAY_SKIP : 0),
		.tag = htole32(kind < KINDS ? kinds[kind].tag : UNKNOWN_TAG),
	};

	memcpy(to, &header, sizeof(header));
	return sizeof(header);
}

static const char *kind_name(unsigned int kind)
{
	return kind < KINDS ? kinds[kind].name : NULL;
}

static const struct stream_format mlx5 = {
	.name = "mlx5",
	.split = split,
	.protection = protection,
	.header = header,
	.kind_name = kind_name,
};

STREAM_FORMAT(mlx5);
