// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of the migration stream. See wire.h for who may call this, and
 * Documentation/stream.rst for the format.
 */
#include "wire.h"

#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/string.h>
#include "compat.h"
#else
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define cpu_to_le16	htole16
#define cpu_to_le32	htole32
#define cpu_to_le64	htole64
#define le16_to_cpu	le16toh
#define le32_to_cpu	le32toh
#define le64_to_cpu	le64toh
#endif

#define CRC_START	(~0U)

#ifdef __KERNEL__
u32 ferry_crc32c(u32 crc, const void *data, size_t length)
{
	return crc32c(crc, data, length);
}
#elif !defined(FERRY_OWN_CRC32C) /* a program may bring a faster one */
u32 ferry_crc32c(u32 crc, const void *data, size_t length)
{
	const u8 *byte = data;

	while (length--) {
		crc ^= *byte++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}
#endif

static_assert(sizeof(struct vfio_ferry_record) == 16);
static_assert(sizeof(struct vfio_ferry_identity) == 48);
static_assert(sizeof(struct vfio_ferry_shape) == 184);
static_assert(sizeof(struct vfio_ferry_image_check) == 24);
static_assert(sizeof(struct vfio_ferry_end) == 16);

/* Writing */

void ferry_encoder_init(struct ferry_encoder *encoder)
{
	memset(encoder, 0, sizeof(*encoder));
	encoder->control_crc = CRC_START;
}

static size_t put(struct ferry_encoder *encoder, void *to, const void *from,
		  size_t length)
{
	memcpy(to, from, length);
	encoder->control_crc = ferry_crc32c(encoder->control_crc, from, length);
	return length;
}

static size_t put_header(struct ferry_encoder *encoder, void *to, u64 size,
			 u32 flags, u32 tag)
{
	struct vfio_ferry_record record = {
		.size = cpu_to_le64(size),
		.flags = cpu_to_le32(flags),
		.tag = cpu_to_le32(tag),
	};

	return put(encoder, to, &record, sizeof(record));
}

static size_t put_record(struct ferry_encoder *encoder, void *to, u32 tag,
			 const void *payload, size_t size)
{
	size_t header = put_header(encoder, to, size,
				   VFIO_FERRY_RECORD_OPTIONAL, tag);

	return header + put(encoder, (u8 *)to + header, payload, size);
}

static u32 identity_crc(struct vfio_ferry_identity identity)
{
	identity.crc32c = 0;
	return ~ferry_crc32c(CRC_START, &identity, sizeof(identity));
}

/**
 * ferry_encode_identity() - write the identity record
 * @encoder: the stream's encoder, fresh
 * @to: room for FERRY_WIRE_IDENTITY_BYTES
 * @identity: of the source; its version and checksum are filled in here
 *
 * Return: bytes written.
 */
size_t ferry_encode_identity(struct ferry_encoder *encoder, void *to,
			     const struct vfio_ferry_identity *identity)
{
	struct vfio_ferry_identity copy = *identity;

	encoder->mark = le16_to_cpu(copy.mark);
	copy.version = cpu_to_le16(VFIO_FERRY_STREAM_VERSION);
	copy.crc32c = cpu_to_le32(identity_crc(copy));
	return put_record(encoder, to, VFIO_FERRY_TAG_IDENTITY, &copy,
			  sizeof(copy));
}

static u32 shape_crc(const struct vfio_ferry_shape *shape)
{
	const size_t covered = offsetof(struct vfio_ferry_shape, vectors);

	return ~ferry_crc32c(CRC_START, (const u8 *)shape + covered,
			     sizeof(*shape) - covered);
}

/**
 * ferry_encode_shape() - write the record that tells the source's shape
 * @encoder: the stream's encoder, before the first image
 * @to: room for FERRY_WIRE_SHAPE_BYTES
 * @shape: of the source; its checksum is filled in here
 *
 * Return: bytes written.
 */
size_t ferry_encode_shape(struct ferry_encoder *encoder, void *to,
			  const struct vfio_ferry_shape *shape)
{
	struct vfio_ferry_shape copy = *shape;

	copy.crc32c = cpu_to_le32(shape_crc(&copy));
	return put_record(encoder, to, VFIO_FERRY_TAG_SHAPE, &copy,
			  sizeof(copy));
}

/**
 * ferry_encode_stop_copy_size() - write the hint for the final image's size
 * @encoder: the stream's encoder
 * @to: room for FERRY_WIRE_STOP_COPY_SIZE_BYTES
 * @size: bytes
 *
 * Return: bytes written.
 */
size_t ferry_encode_stop_copy_size(struct ferry_encoder *encoder, void *to,
				   u64 size)
{
	__le64 payload = cpu_to_le64(size);

	return put_record(encoder, to, VFIO_FERRY_TAG_STOP_COPY_SIZE, &payload,
			  sizeof(payload));
}

/**
 * ferry_encode_image() - write the header of an image
 * @encoder: the stream's encoder
 * @to: room for FERRY_WIRE_HEADER_BYTES
 * @length: bytes of the image, which the caller sends next
 *
 * Return: bytes written.
 */
size_t ferry_encode_image(struct ferry_encoder *encoder, void *to, u64 length)
{
	encoder->length = 0;
	encoder->image_crc = CRC_START;
	return put_header(encoder, to, length, 0,
			  VFIO_FERRY_TAG_FIRMWARE_DATA);
}

/**
 * ferry_encode_image_data() - account for bytes of the image that were sent
 * @encoder: the stream's encoder
 * @data: the bytes, in order
 * @length: how many
 */
void ferry_encode_image_data(struct ferry_encoder *encoder, const void *data,
			     size_t length)
{
	if (!encoder->mark)
		encoder->image_crc = ferry_crc32c(encoder->image_crc, data,
						  length);
	encoder->length += length;
}

/**
 * ferry_encode_image_check() - write the record that follows an image
 * @encoder: the stream's encoder
 * @to: room for FERRY_WIRE_CHECK_BYTES
 * @kind: VFIO_FERRY_IMAGE_*
 *
 * Return: bytes written.
 */
size_t ferry_encode_image_check(struct ferry_encoder *encoder, void *to,
				u32 kind)
{
	struct vfio_ferry_image_check check = {
		.length = cpu_to_le64(encoder->length),
		.sequence = cpu_to_le32(encoder->images),
		.kind = cpu_to_le32(kind),
		.crc32c = cpu_to_le32(encoder->mark ?: ~encoder->image_crc),
	};

	encoder->bytes += encoder->length;
	encoder->images++;
	return put_record(encoder, to, VFIO_FERRY_TAG_IMAGE, &check,
			  sizeof(check));
}

/**
 * ferry_encode_end() - write the last record
 * @encoder: the stream's encoder
 * @to: room for FERRY_WIRE_END_BYTES
 *
 * Return: bytes written.
 */
size_t ferry_encode_end(struct ferry_encoder *encoder, void *to)
{
	size_t header = put_header(encoder, to, sizeof(struct vfio_ferry_end),
				   VFIO_FERRY_RECORD_OPTIONAL,
				   VFIO_FERRY_TAG_END);
	struct vfio_ferry_end end = {
		.bytes = cpu_to_le64(encoder->bytes),
		.images = cpu_to_le32(encoder->images),
		.crc32c = cpu_to_le32(~encoder->control_crc),
	};

	memcpy((u8 *)to + header, &end, sizeof(end));
	return header + sizeof(end);
}

/* Reading */

/**
 * ferry_decoder_init() - start at the first byte of a stream
 * @decoder: the cursor
 * @max_image: longest image that the NIC family loads
 */
void ferry_decoder_init(struct ferry_decoder *decoder, u64 max_image)
{
	memset(decoder, 0, sizeof(*decoder));
	decoder->max_image = max_image;
	decoder->control_crc = CRC_START;
}

/**
 * ferry_decoder_refuse() - refuse the stream for ever
 * @decoder: the cursor
 * @error: negative errno that writers get
 * @reason: for the log, a constant string
 *
 * Return: FERRY_EVENT_REFUSED.
 */
enum ferry_decoder_event ferry_decoder_refuse(struct ferry_decoder *decoder,
					      int error, const char *reason)
{
	if (decoder->state != FERRY_DECODE_REFUSED) {
		decoder->state = FERRY_DECODE_REFUSED;
		decoder->error = error;
		decoder->reason = reason;
	}
	return FERRY_EVENT_REFUSED;
}

static enum ferry_decoder_event refuse_bad(struct ferry_decoder *decoder,
					   const char *reason)
{
	return ferry_decoder_refuse(decoder, -EINVAL, reason);
}

static enum ferry_decoder_event next_record(struct ferry_decoder *decoder,
					    enum ferry_decoder_event event)
{
	decoder->state = FERRY_DECODE_HEADER;
	decoder->kept = 0;
	return event;
}

/* Bytes that the record the decoder keeps must have, 0 if it keeps it not. */
static size_t control_size(u32 tag)
{
	switch (tag) {
	case VFIO_FERRY_TAG_STOP_COPY_SIZE:
		return sizeof(__le64);
	case VFIO_FERRY_TAG_IDENTITY:
		return sizeof(struct vfio_ferry_identity);
	case VFIO_FERRY_TAG_SHAPE:
		return sizeof(struct vfio_ferry_shape);
	case VFIO_FERRY_TAG_IMAGE:
		return sizeof(struct vfio_ferry_image_check);
	case VFIO_FERRY_TAG_END:
		return sizeof(struct vfio_ferry_end);
	default:
		return 0;
	}
}

static bool is_ferry_tag(u32 tag)
{
	return tag == VFIO_FERRY_TAG_IDENTITY || tag == VFIO_FERRY_TAG_SHAPE ||
	       tag == VFIO_FERRY_TAG_IMAGE || tag == VFIO_FERRY_TAG_END;
}

static enum ferry_decoder_event begin_image(struct ferry_decoder *decoder,
					    u32 flags, u64 size)
{
	if (decoder->identified && flags)
		return refuse_bad(decoder, "unknown flags of an image");
	if (!size)
		return refuse_bad(decoder, "empty image");
	if (size > decoder->max_image)
		return ferry_decoder_refuse(decoder, -EFBIG,
					    "image longer than the device loads");
	decoder->state = FERRY_DECODE_IMAGE;
	decoder->left = size;
	decoder->image_length = size;
	decoder->image_crc = CRC_START;
	return FERRY_EVENT_IMAGE;
}

static enum ferry_decoder_event begin_control(struct ferry_decoder *decoder,
					      u32 flags, u64 size)
{
	bool strict = decoder->identified || is_ferry_tag(decoder->tag);

	if (strict && flags != VFIO_FERRY_RECORD_OPTIONAL)
		return refuse_bad(decoder, "unknown flags of a record");
	if (size != control_size(decoder->tag))
		return refuse_bad(decoder, "record of wrong size");
	decoder->state = FERRY_DECODE_CONTROL;
	decoder->left = size;
	decoder->kept = 0;
	return FERRY_EVENT_MORE;
}

/* A header is complete: decide what its record is. */
static enum ferry_decoder_event begin_record(struct ferry_decoder *decoder)
{
	bool first = !decoder->records++;
	struct vfio_ferry_record record;
	u32 flags;
	u64 size;

	memcpy(&record, decoder->scratch, sizeof(record));
	size = le64_to_cpu(record.size);
	flags = le32_to_cpu(record.flags);
	decoder->tag = le32_to_cpu(record.tag);

	if (decoder->check_due && decoder->tag != VFIO_FERRY_TAG_IMAGE)
		return refuse_bad(decoder, "image without its check record");
	if (is_ferry_tag(decoder->tag) && !decoder->identified &&
	    !(first && decoder->tag == VFIO_FERRY_TAG_IDENTITY))
		return refuse_bad(decoder, "identity record is not the first");
	if (decoder->tag == VFIO_FERRY_TAG_FIRMWARE_DATA)
		return begin_image(decoder, flags, size);
	if (control_size(decoder->tag))
		return begin_control(decoder, flags, size);
	if (!(flags & VFIO_FERRY_RECORD_OPTIONAL))
		return ferry_decoder_refuse(decoder, -EOPNOTSUPP,
					    "unknown mandatory record");
	if (!size)
		return next_record(decoder, FERRY_EVENT_MORE);
	decoder->state = FERRY_DECODE_SKIP;
	decoder->left = size;
	return FERRY_EVENT_SKIP;
}

static enum ferry_decoder_event take_identity(struct ferry_decoder *decoder)
{
	struct vfio_ferry_identity *identity = &decoder->identity;

	if (decoder->identified)
		return refuse_bad(decoder, "second identity record");
	memcpy(identity, decoder->scratch, sizeof(*identity));
	if (le16_to_cpu(identity->version) != VFIO_FERRY_STREAM_VERSION)
		return ferry_decoder_refuse(decoder, -EOPNOTSUPP,
					    "unknown version of the stream");
	if (le32_to_cpu(identity->crc32c) != identity_crc(*identity))
		return ferry_decoder_refuse(decoder, -EBADMSG,
					    "checksum of the identity record");
	decoder->identified = true;
	decoder->mark = le16_to_cpu(identity->mark);
	return next_record(decoder, FERRY_EVENT_IDENTITY);
}

static enum ferry_decoder_event take_shape(struct ferry_decoder *decoder)
{
	struct vfio_ferry_shape *shape = &decoder->shape;

	if (decoder->shaped)
		return refuse_bad(decoder, "second shape record");
	if (decoder->images)
		return refuse_bad(decoder, "shape record behind an image");
	memcpy(shape, decoder->scratch, sizeof(*shape));
	if (le32_to_cpu(shape->crc32c) != shape_crc(shape))
		return ferry_decoder_refuse(decoder, -EBADMSG,
					    "checksum of the shape record");
	decoder->shaped = true;
	return next_record(decoder, FERRY_EVENT_SHAPE);
}

static enum ferry_decoder_event take_check(struct ferry_decoder *decoder)
{
	struct vfio_ferry_image_check check;
	u32 kind, crc;

	if (!decoder->check_due)
		return refuse_bad(decoder, "check record without an image");
	memcpy(&check, decoder->scratch, sizeof(check));
	kind = le32_to_cpu(check.kind);
	crc = le32_to_cpu(check.crc32c);
	if (le32_to_cpu(check.sequence) != decoder->images)
		return refuse_bad(decoder, "image out of order");
	if (le64_to_cpu(check.length) != decoder->image_length)
		return refuse_bad(decoder, "image of wrong length");
	if (decoder->mark && crc != decoder->mark)
		return refuse_bad(decoder, "image of another stream");
	if (!decoder->mark && crc != ~decoder->image_crc)
		return ferry_decoder_refuse(decoder, -EBADMSG,
					    "checksum of an image");
	if (kind < VFIO_FERRY_IMAGE_INITIAL || kind > VFIO_FERRY_IMAGE_FINAL ||
	    check.reserved)
		return refuse_bad(decoder, "unknown kind of image");
	if (decoder->final_seen && kind != VFIO_FERRY_IMAGE_FINAL)
		return refuse_bad(decoder, "image behind the final one");
	decoder->final_seen = kind == VFIO_FERRY_IMAGE_FINAL;
	decoder->kind = kind;
	decoder->check_due = false;
	decoder->bytes += decoder->image_length;
	decoder->images++;
	return next_record(decoder, FERRY_EVENT_IMAGE_WHOLE);
}

static enum ferry_decoder_event take_end(struct ferry_decoder *decoder,
					 u32 control_crc)
{
	struct vfio_ferry_end end;

	memcpy(&end, decoder->scratch, sizeof(end));
	if (!decoder->final_seen)
		return refuse_bad(decoder, "end without a final image");
	if (le64_to_cpu(end.bytes) != decoder->bytes ||
	    le32_to_cpu(end.images) != decoder->images)
		return refuse_bad(decoder, "totals at the end");
	if (le32_to_cpu(end.crc32c) != ~control_crc)
		return ferry_decoder_refuse(decoder, -EBADMSG,
					    "checksum of the records");
	decoder->state = FERRY_DECODE_ENDED;
	return FERRY_EVENT_END;
}

static enum ferry_decoder_event take_control(struct ferry_decoder *decoder,
					     u32 control_crc)
{
	__le64 size;

	switch (decoder->tag) {
	case VFIO_FERRY_TAG_IDENTITY:
		return take_identity(decoder);
	case VFIO_FERRY_TAG_SHAPE:
		return take_shape(decoder);
	case VFIO_FERRY_TAG_IMAGE:
		return take_check(decoder);
	case VFIO_FERRY_TAG_END:
		return take_end(decoder, control_crc);
	default:
		memcpy(&size, decoder->scratch, sizeof(size));
		decoder->stop_copy_size = le64_to_cpu(size);
		return next_record(decoder, FERRY_EVENT_MORE);
	}
}

/**
 * ferry_decoder_wants() - bytes that the next ferry_decode() can use
 * @decoder: the cursor
 *
 * Return: how many bytes are missing in the header or control record that the
 * stream is in, 0 if it is elsewhere.
 */
size_t ferry_decoder_wants(const struct ferry_decoder *decoder)
{
	if (decoder->state == FERRY_DECODE_HEADER)
		return sizeof(struct vfio_ferry_record) - decoder->kept;
	if (decoder->state == FERRY_DECODE_CONTROL)
		return decoder->left;
	return 0;
}

/**
 * ferry_decode() - feed bytes of headers and control records
 * @decoder: the cursor
 * @from: bytes of the stream
 * @length: how many there are, at least one
 * @used: set to how many were used, never more than ferry_decoder_wants()
 *
 * Return: what the caller has to do next.
 */
enum ferry_decoder_event ferry_decode(struct ferry_decoder *decoder,
				      const void *from, size_t length,
				      size_t *used)
{
	size_t wants = ferry_decoder_wants(decoder);
	size_t take = length;
	u32 crc_before = decoder->control_crc;

	if (take > wants)
		take = wants;
	*used = take;
	switch (decoder->state) {
	case FERRY_DECODE_IMAGE:
		return FERRY_EVENT_IMAGE;
	case FERRY_DECODE_SKIP:
		return FERRY_EVENT_SKIP;
	case FERRY_DECODE_REFUSED:
		return FERRY_EVENT_REFUSED;
	case FERRY_DECODE_ENDED:
		return refuse_bad(decoder, "data behind the end");
	case FERRY_DECODE_HEADER:
		memcpy(decoder->scratch + decoder->kept, from, take);
		decoder->kept += take;
		if (decoder->kept < sizeof(struct vfio_ferry_record))
			return FERRY_EVENT_MORE;
		decoder->control_crc = ferry_crc32c(crc_before,
						    decoder->scratch,
						    decoder->kept);
		return begin_record(decoder);
	case FERRY_DECODE_CONTROL:
		memcpy(decoder->scratch + decoder->kept, from, take);
		decoder->kept += take;
		decoder->left -= take;
		if (decoder->left)
			return FERRY_EVENT_MORE;
		decoder->control_crc = ferry_crc32c(crc_before,
						    decoder->scratch,
						    decoder->kept);
		return take_control(decoder, crc_before);
	}
	return FERRY_EVENT_REFUSED;
}

/**
 * ferry_decode_image_data() - account for bytes of the image that were taken
 * @decoder: the cursor, inside an image
 * @from: the bytes, in order
 * @length: how many, at most ->left
 *
 * Return: FERRY_EVENT_IMAGE while bytes are missing. Then, in a stream without
 * identity, FERRY_EVENT_IMAGE_WHOLE; in one with it FERRY_EVENT_MORE, since
 * the image's check record comes first.
 */
enum ferry_decoder_event
ferry_decode_image_data(struct ferry_decoder *decoder, const void *from,
			size_t length)
{
	if (decoder->identified && !decoder->mark)
		decoder->image_crc = ferry_crc32c(decoder->image_crc, from,
						  length);
	decoder->left -= length;
	if (decoder->left)
		return FERRY_EVENT_IMAGE;
	if (decoder->identified) {
		decoder->check_due = true;
		return next_record(decoder, FERRY_EVENT_MORE);
	}
	decoder->kind = decoder->images ? VFIO_FERRY_IMAGE_MIDDLE :
					  VFIO_FERRY_IMAGE_INITIAL;
	decoder->bytes += decoder->image_length;
	decoder->images++;
	return next_record(decoder, FERRY_EVENT_IMAGE_WHOLE);
}

/**
 * ferry_decode_skip() - account for bytes of an optional record
 * @decoder: the cursor, inside such a record
 * @from: the bytes; NULL will do in a stream without identity
 * @length: how many, at most ->left
 */
void ferry_decode_skip(struct ferry_decoder *decoder, const void *from,
		       size_t length)
{
	if (decoder->identified)
		decoder->control_crc = ferry_crc32c(decoder->control_crc, from,
						    length);
	decoder->left -= length;
	if (!decoder->left)
		next_record(decoder, FERRY_EVENT_MORE);
}

/**
 * ferry_decoder_at_end() - is there only the stream's last byte to come?
 * @decoder: the cursor
 *
 * Return: true if the next byte will complete the end record.
 */
bool ferry_decoder_at_end(const struct ferry_decoder *decoder)
{
	return decoder->state == FERRY_DECODE_CONTROL &&
	       decoder->tag == VFIO_FERRY_TAG_END && decoder->left == 1;
}

/**
 * ferry_decoder_whole() - may the stream end here?
 * @decoder: the cursor
 * @reason: set to why not, a constant string
 *
 * Return: true behind END; in a stream without identity also between records,
 * once an image has come.
 */
bool ferry_decoder_whole(const struct ferry_decoder *decoder,
			 const char **reason)
{
	*reason = NULL;
	if (decoder->state == FERRY_DECODE_ENDED)
		return true;
	if (decoder->state == FERRY_DECODE_REFUSED)
		*reason = decoder->reason;
	else if (decoder->state != FERRY_DECODE_HEADER || decoder->kept)
		*reason = "stream ends inside a record";
	else if (!decoder->images)
		*reason = "stream holds no image";
	else if (decoder->identified)
		*reason = "stream ends before its end record";
	return !*reason;
}
