/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a migration stream holds, record by record, as a protocol analyser shows
 * it: every record is shown and checked, also behind one that is wrong.
 *
 * For the streams of ferry and, since the layout is the same, of the kernel's
 * own mlx5 driver: Documentation/stream.rst. The caller feeds bytes in pieces of
 * any size and is called back for each record and each thing that is wrong with
 * it. Beside that the driver's own decoder reads along and says where a target
 * would refuse the stream. Memory does not grow, whatever a stream claims.
 */
#ifndef FERRY_STREAM_H
#define FERRY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a record's tag says that it is */
enum ferry_meaning {
	FERRY_MEANS_UNKNOWN,
	FERRY_MEANS_IMAGE,
	FERRY_MEANS_STOP_COPY_SIZE,
	FERRY_MEANS_IDENTITY,
	FERRY_MEANS_SHAPE,
	FERRY_MEANS_IMAGE_CHECK,
	FERRY_MEANS_END,
};

/* "image", "image check" and so on; a constant. */
FERRY_API const char *ferry_meaning_name(enum ferry_meaning meaning);

/* Kinds of image, as an image check names them; a plain stream tells none. */
enum ferry_image_kind {
	FERRY_KIND_UNKNOWN,
	FERRY_KIND_INITIAL,
	FERRY_KIND_MIDDLE,
	FERRY_KIND_FINAL,
	FERRY_KINDS,
};

/* "initial" and so on; a constant. */
FERRY_API const char *ferry_image_kind_name(uint32_t kind);

/**
 * struct ferry_stream_identity - who saved a stream
 * @version: of the format
 * @mark: what image checks have instead of a checksum, 0: they have one
 * @crc32c: of this record, as it says
 * @family: name of the NIC family
 * @vendor: PCI vendor ID; @device and those of the subsystem likewise
 * @firmware: major, minor and patch version, then 0
 * @capabilities: that the target's firmware needs; the bits are the family's
 */
struct ferry_stream_identity {
	uint16_t version;
	uint16_t mark;
	uint32_t crc32c;
	char family[17];
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem_device;
	uint16_t firmware[4];
	uint64_t capabilities;
};

#define FERRY_SHAPE_BARS 6
#define FERRY_SHAPE_CAPABILITIES 32

/**
 * struct ferry_stream_shape - what a guest saw of the VF, which the target's has to be like
 * @crc32c: of the rest of this record, as it says
 * @vectors: MSI-X vectors
 * @bar: bytes of each BAR, 0 for none
 * @capability: in the order of the VF's lists, up to the first 0: ID, from bit
 *	16 on the version of an extended one, from bit 20 on its place in
 *	configuration space
 */
struct ferry_stream_shape {
	uint32_t crc32c;
	uint32_t vectors;
	uint64_t bar[FERRY_SHAPE_BARS];
	uint32_t capability[FERRY_SHAPE_CAPABILITIES];
};

/* The longest control record; a record that is not one is shown as far. */
#define FERRY_RECORD_HEAD 184

/**
 * struct ferry_record - one record
 * @number: from 0
 * @offset: of its header in the stream
 * @size: bytes behind the header, as that claims
 * @present: how many of those there are; less than @size where the stream ends
 * @flags: of the header
 * @tag: of the header
 * @meaning: what the tag says that it is
 * @known: its fields below are filled: it is a control record, whole and of the right size
 * @identity: of FERRY_MEANS_IDENTITY
 * @shape: of FERRY_MEANS_SHAPE
 * @stop_copy_size: of FERRY_MEANS_STOP_COPY_SIZE
 * @check: of FERRY_MEANS_IMAGE_CHECK; its @mark: the identity's
 * @end: of FERRY_MEANS_END
 * @crc32c: what is true: of an image, its own; of an image check, of the image
 *	before it, or the mark; of the identity and the shape, its own; of the
 *	end, of all records so far
 * @head: the first bytes behind the header
 * @head_length: how many of them there are
 */
struct ferry_record {
	uint64_t number;
	uint64_t offset;
	uint64_t size;
	uint64_t present;
	uint32_t flags;
	uint32_t tag;
	enum ferry_meaning meaning;
	bool known;
	union {
		struct ferry_stream_identity identity;
		struct ferry_stream_shape shape;
		uint64_t stop_copy_size;
		struct {
			uint64_t length;
			uint32_t sequence;
			uint32_t kind;
			uint32_t crc32c;
			uint32_t reserved;
			uint16_t mark;
		} check;
		struct {
			uint64_t bytes;
			uint32_t images;
			uint32_t crc32c;
		} end;
	};
	uint32_t crc32c;
	size_t head_length;
	uint8_t head[FERRY_RECORD_HEAD];
};

/**
 * struct ferry_finding - something that is wrong
 * @offset: in the stream: of the record, or of the end where something is missing
 * @record: number of the record that it is about
 * @text: one line, no full stop at its end
 */
struct ferry_finding {
	uint64_t offset;
	uint64_t record;
	char text[160];
};

/**
 * struct ferry_stream_events - whom to tell
 * @record: a record has passed, or ended with the stream
 * @finding: something is wrong with the record that was told last, or missing at the end
 */
struct ferry_stream_events {
	void (*record)(void *context, const struct ferry_record *record);
	void (*finding)(void *context, const struct ferry_finding *finding);
};

/**
 * struct ferry_stream_summary - what a stream was, all in all
 * @bytes: of the stream
 * @records: in it, one that is cut short included
 * @findings: how much is wrong
 * @identified: it begins with ferry's identity, sound or not; else it is a plain one
 * @identity: that record, if it is whole
 * @shaped: the source told its shape; earlier versions of ferry do not
 * @shape: that, if so
 * @hinted: the source told the size it expected of the final image
 * @stop_copy_size: that size
 * @images: number and bytes of the whole images of each kind
 * @ended: the end record has come
 * @loads: a target takes it to its end, provided that it is of the right kind of device
 * @error: positive errno that a target gives if it does not
 * @reason: why, a constant
 * @refused_at: bytes that it has taken then
 */
struct ferry_stream_summary {
	uint64_t bytes;
	uint64_t records;
	uint64_t findings;
	bool identified;
	struct ferry_stream_identity identity;
	bool shaped;
	struct ferry_stream_shape shape;
	bool hinted;
	uint64_t stop_copy_size;
	struct {
		uint64_t count;
		uint64_t bytes;
	} images[FERRY_KINDS];
	bool ended;
	bool loads;
	int error;
	const char *reason;
	uint64_t refused_at;
};

struct ferry_stream;

/**
 * ferry_stream_new() - begin to look into a stream
 * @events: whom to tell; a callback may be NULL
 * @context: for the callbacks
 * @max_image: longest image that the target loads, 0 if that is not known
 *
 * Return: the analyser, to be given back with ferry_stream_free(), or NULL
 * without memory.
 */
FERRY_API struct ferry_stream *ferry_stream_new(const struct ferry_stream_events *events,
						void *context, uint64_t max_image);
FERRY_API void ferry_stream_free(struct ferry_stream *stream);

/* The next bytes, in pieces of any size. */
FERRY_API void ferry_stream_feed(struct ferry_stream *stream, const void *data, size_t length);

/* That was all: tells what is missing, and then everything. */
FERRY_API void ferry_stream_end(struct ferry_stream *stream, struct ferry_stream_summary *summary);

/* Nothing is wrong with it, and a target takes it. */
static inline bool ferry_stream_sound(const struct ferry_stream_summary *summary)
{
	return summary->loads && !summary->findings;
}

#ifdef __cplusplus
}
#endif

#endif /* FERRY_STREAM_H */
