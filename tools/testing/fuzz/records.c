// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream in parts. See records.h.
 */
#include <endian.h>
#include <string.h>

#include "judge.h"
#include "records.h"

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t reserve(struct script *script, size_t length)
{
	size_t at = script->used;

	script->used += length;
	return at;
}

static bool has_room(const struct script *script, size_t length)
{
	return length <= MAX_BYTES - script->used;
}

void script_read(struct script *script, const u8 *stream, size_t length)
{
	struct vfio_ferry_record header;
	struct record *record;
	size_t at = 0, bytes;

	script->count = 0;
	script->used = 0;
	while (length - at >= sizeof(header)) {
		memcpy(&header, stream + at, sizeof(header));
		at += sizeof(header);
		bytes = length - at;
		if (le64toh(header.size) < bytes)
			bytes = le64toh(header.size);
		record = script_insert(script, script->count,
				       le32toh(header.flags),
				       le32toh(header.tag), bytes);
		if (!record)
			break;
		record->size = le64toh(header.size);
		memcpy(script->bytes + record->at, stream + at, bytes);
		at += bytes;
	}
	script->tail_length = smaller(length - at, sizeof(script->tail) - 1);
	memcpy(script->tail, stream + at, script->tail_length);
}

static size_t append(u8 *to, size_t at, size_t room, const void *from,
		     size_t length)
{
	length = smaller(length, room - at);
	memcpy(to + at, from, length);
	return at + length;
}

static struct vfio_ferry_record header_of(const struct record *record)
{
	return (struct vfio_ferry_record) {
		.size = htole64(record->size),
		.flags = htole32(record->flags),
		.tag = htole32(record->tag),
	};
}

size_t script_write(const struct script *script, u8 *stream, size_t room)
{
	size_t at = 0;

	for (size_t i = 0; i < script->count; i++) {
		const struct record *record = &script->records[i];
		struct vfio_ferry_record header = header_of(record);

		at = append(stream, at, room, &header, sizeof(header));
		at = append(stream, at, room, script->bytes + record->at,
			    record->length);
	}
	return append(stream, at, room, script->tail, script->tail_length);
}

struct record *script_insert(struct script *script, size_t before, u32 flags,
			     u32 tag, size_t length)
{
	struct record *record;

	if (script->count == MAX_RECORDS || !has_room(script, length))
		return NULL;
	record = &script->records[before];
	memmove(record + 1, record,
		(script->count - before) * sizeof(*record));
	script->count++;
	*record = (struct record) {
		.size = length,
		.flags = flags,
		.tag = tag,
		.length = length,
		.at = reserve(script, length),
	};
	memset(script->bytes + record->at, 0, length);
	return record;
}

void script_remove(struct script *script, size_t index)
{
	struct record *record = &script->records[index];

	script->count--;
	memmove(record, record + 1,
		(script->count - index) * sizeof(*record));
}

bool script_resize(struct script *script, struct record *record, size_t length)
{
	size_t from = record->at;

	if (length > record->length) {
		if (!has_room(script, length))
			return false;
		record->at = reserve(script, length);
		memcpy(script->bytes + record->at, script->bytes + from,
		       record->length);
		memset(script->bytes + record->at + record->length, 0x5a,
		       length - record->length);
	}
	record->length = length;
	record->size = length;
	return true;
}

/**
 * struct sums - what the records so far amount to
 * @image: the image before, if it waits for its check
 * @images: checked images
 * @bytes: in those
 * @mark: what they have instead of a checksum, 0: one
 * @crc: of what belongs to no image
 */
struct sums {
	const struct record *image;
	u32 images;
	u64 bytes;
	u16 mark;
	u32 crc;
};

static void seal_identity(u8 *body, struct sums *sums, unsigned int what)
{
	struct vfio_ferry_identity identity;

	memcpy(&identity, body, sizeof(identity));
	if (what & SEAL_VERSION)
		identity.version = htole16(VFIO_FERRY_STREAM_VERSION);
	if (what & SEAL_IDENTITY_CRC) {
		identity.crc32c = 0;
		identity.crc32c = htole32(~judge_crc32c(~0U, &identity,
							sizeof(identity)));
	}
	memcpy(body, &identity, sizeof(identity));
	sums->mark = le16toh(identity.mark);
}

static void seal_shape(u8 *body, unsigned int what)
{
	struct vfio_ferry_shape shape;

	memcpy(&shape, body, sizeof(shape));
	if (what & SEAL_SHAPE_CRC)
		shape.crc32c = htole32(~judge_crc32c(~0U, &shape.vectors,
						     sizeof(shape) - 4));
	memcpy(body, &shape, sizeof(shape));
}

static void seal_check(const struct script *script, u8 *body,
		       struct sums *sums, unsigned int what)
{
	const struct record *image = sums->image;
	struct vfio_ferry_image_check check;

	if (!image)
		return;
	memcpy(&check, body, sizeof(check));
	if (what & SEAL_CHECK_LENGTH)
		check.length = htole64(image->size);
	if (what & SEAL_CHECK_SEQUENCE)
		check.sequence = htole32(sums->images);
	if (what & SEAL_CHECK_CRC)
		check.crc32c = htole32(sums->mark ? sums->mark :
				       ~judge_crc32c(~0U,
						     script->bytes + image->at,
						     image->length));
	memcpy(body, &check, sizeof(check));
	sums->images++;
	sums->bytes += image->size;
	sums->image = NULL;
}

static void seal_end(u8 *body, const struct sums *sums, unsigned int what)
{
	struct vfio_ferry_end end;

	memcpy(&end, body, sizeof(end));
	if (what & SEAL_END_TOTALS) {
		end.bytes = htole64(sums->bytes);
		end.images = htole32(sums->images);
	}
	if (what & SEAL_END_CRC)
		end.crc32c = htole32(~sums->crc);
	memcpy(body, &end, sizeof(end));
}

void script_seal(struct script *script, unsigned int what)
{
	struct sums sums = { .crc = ~0U };

	for (size_t i = 0; i < script->count; i++) {
		struct record *record = &script->records[i];
		struct vfio_ferry_record header = header_of(record);
		u8 *body = script->bytes + record->at;

		sums.crc = judge_crc32c(sums.crc, &header, sizeof(header));
		if (record->tag == VFIO_FERRY_TAG_FIRMWARE_DATA) {
			sums.image = record;
			continue;
		}
		if (record->tag == VFIO_FERRY_TAG_IDENTITY &&
		    record->length == sizeof(struct vfio_ferry_identity))
			seal_identity(body, &sums, what);
		else if (record->tag == VFIO_FERRY_TAG_SHAPE &&
			 record->length == sizeof(struct vfio_ferry_shape))
			seal_shape(body, what);
		else if (record->tag == VFIO_FERRY_TAG_IMAGE &&
			 record->length == sizeof(struct vfio_ferry_image_check))
			seal_check(script, body, &sums, what);
		else if (record->tag == VFIO_FERRY_TAG_END &&
			 record->length == sizeof(struct vfio_ferry_end))
			seal_end(body, &sums, what);
		sums.crc = judge_crc32c(sums.crc, body, record->length);
	}
}
