/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the migration stream: encode, incremental decode, checksum.
 *
 * Pure functions over (buffer, length) and a small cursor. No allocation, no
 * lock, no device: the caller serialises. The same source is compiled into
 * the module, its tests, the command-line tool and the fuzzers.
 */
#ifndef FERRY_WIRE_H
#define FERRY_WIRE_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <uapi/linux/vfio_ferry.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/vfio_ferry.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
#endif

/* Bytes of the records around images; what a reader sees besides firmware data */
#define FERRY_WIRE_HEADER_BYTES		sizeof(struct vfio_ferry_record)
#define FERRY_WIRE_IDENTITY_BYTES \
	(FERRY_WIRE_HEADER_BYTES + sizeof(struct vfio_ferry_identity))
#define FERRY_WIRE_SHAPE_BYTES \
	(FERRY_WIRE_HEADER_BYTES + sizeof(struct vfio_ferry_shape))
#define FERRY_WIRE_STOP_COPY_SIZE_BYTES	(FERRY_WIRE_HEADER_BYTES + sizeof(__le64))
#define FERRY_WIRE_CHECK_BYTES \
	(FERRY_WIRE_HEADER_BYTES + sizeof(struct vfio_ferry_image_check))
#define FERRY_WIRE_END_BYTES \
	(FERRY_WIRE_HEADER_BYTES + sizeof(struct vfio_ferry_end))
/* What an image costs in the stream beyond its own bytes */
#define FERRY_WIRE_IMAGE_OVERHEAD \
	(FERRY_WIRE_HEADER_BYTES + FERRY_WIRE_CHECK_BYTES)
/* Room that holds any run of records the encoder writes at once */
#define FERRY_WIRE_CONTROL_BYTES	288

u32 ferry_crc32c(u32 crc, const void *data, size_t length);

/**
 * struct ferry_encoder - what the writer of a stream remembers
 * @bytes: sum of the lengths of the images so far
 * @length: bytes of the image being written so far
 * @images: images written so far
 * @mark: what images get instead of a checksum, 0: they get one
 * @control_crc: running checksum of everything that is no image
 * @image_crc: running checksum of the image being written
 */
struct ferry_encoder {
	u64 bytes;
	u64 length;
	u32 images;
	u16 mark;
	u32 control_crc;
	u32 image_crc;
};

void ferry_encoder_init(struct ferry_encoder *encoder);
size_t ferry_encode_identity(struct ferry_encoder *encoder, void *to,
			     const struct vfio_ferry_identity *identity);
size_t ferry_encode_shape(struct ferry_encoder *encoder, void *to,
			  const struct vfio_ferry_shape *shape);
size_t ferry_encode_stop_copy_size(struct ferry_encoder *encoder, void *to,
				   u64 size);
size_t ferry_encode_image(struct ferry_encoder *encoder, void *to, u64 length);
void ferry_encode_image_data(struct ferry_encoder *encoder, const void *data,
			     size_t length);
size_t ferry_encode_image_check(struct ferry_encoder *encoder, void *to,
				u32 kind);
size_t ferry_encode_end(struct ferry_encoder *encoder, void *to);

/* Where the decoder stands in the stream */
enum ferry_decoder_state {
	FERRY_DECODE_HEADER,	/* inside a record's header */
	FERRY_DECODE_CONTROL,	/* inside a record it keeps whole */
	FERRY_DECODE_IMAGE,	/* inside an image: the caller takes the bytes */
	FERRY_DECODE_SKIP,	/* inside an unknown optional record */
	FERRY_DECODE_ENDED,	/* behind the END record */
	FERRY_DECODE_REFUSED,	/* for ever */
};

/* What the caller of ferry_decode() has to do next */
enum ferry_decoder_event {
	FERRY_EVENT_MORE,	/* feed more bytes */
	FERRY_EVENT_IDENTITY,	/* judge ->identity */
	FERRY_EVENT_SHAPE,	/* judge ->shape */
	FERRY_EVENT_IMAGE,	/* take ->left bytes: ferry_decode_image_data() */
	FERRY_EVENT_SKIP,	/* drop ->left bytes: ferry_decode_skip() */
	FERRY_EVENT_IMAGE_WHOLE,	/* the image is complete and checked */
	FERRY_EVENT_END,	/* the stream is complete and checked */
	FERRY_EVENT_REFUSED,	/* ->error and ->reason say why */
};

/**
 * struct ferry_decoder - cursor of the reader of a stream
 * @state: where it stands
 * @identified: the stream began with ferry's identity: all rules apply
 * @mark: what its images have instead of a checksum, 0: they have one
 * @shaped: the source's shape has come
 * @check_due: an image of an identified stream waits for its check record
 * @final_seen: the final image has come, only END may follow or more of it
 * @error: why the stream was refused, negative errno
 * @reason: the same for a person
 * @max_image: longest image that the NIC family loads
 * @left: bytes of the current record still to come
 * @image_length: length of the current or last image
 * @kind: VFIO_FERRY_IMAGE_* of the last whole image; where no record tells,
 *	the first one counts as initial
 * @bytes: sum of the lengths of the images so far
 * @images: whole images so far
 * @records: headers so far; a stream of empty ones may have more than 32 bits
 * @tag: of the current record
 * @image_crc: running checksum of the current image
 * @control_crc: running checksum of everything that is no image
 * @stop_copy_size: the source's hint, 0 if none came
 * @identity: of the source, valid if @identified
 * @shape: of the source, valid if @shaped
 * @kept: bytes of a header or control record collected so far
 * @scratch: those bytes
 */
struct ferry_decoder {
	enum ferry_decoder_state state;
	bool identified;
	u16 mark;
	bool shaped;
	bool check_due;
	bool final_seen;
	int error;
	const char *reason;
	u64 max_image;
	u64 left;
	u64 image_length;
	u32 kind;
	u64 bytes;
	u32 images;
	u64 records;
	u32 tag;
	u32 image_crc;
	u32 control_crc;
	u64 stop_copy_size;
	struct vfio_ferry_identity identity;
	struct vfio_ferry_shape shape;
	u32 kept;
	u8 scratch[sizeof(struct vfio_ferry_shape)];
};

void ferry_decoder_init(struct ferry_decoder *decoder, u64 max_image);
enum ferry_decoder_event ferry_decode(struct ferry_decoder *decoder,
				      const void *from, size_t length,
				      size_t *used);
enum ferry_decoder_event
ferry_decode_image_data(struct ferry_decoder *decoder, const void *from,
			size_t length);
void ferry_decode_skip(struct ferry_decoder *decoder, const void *from,
		       size_t length);
enum ferry_decoder_event ferry_decoder_refuse(struct ferry_decoder *decoder,
					      int error, const char *reason);
bool ferry_decoder_at_end(const struct ferry_decoder *decoder);
bool ferry_decoder_whole(const struct ferry_decoder *decoder,
			 const char **reason);
size_t ferry_decoder_wants(const struct ferry_decoder *decoder);

#endif /* FERRY_WIRE_H */
