// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the records: what the encoder writes, the decoder takes, in
 * pieces of any size; whatever is changed in it or missing, it refuses.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "../wire.c"

#define MAX_IMAGE	SZ_1M

/* A stream of three images, with every record that ferry writes */
static const u64 lengths[] = { 1000, 1, 333 };
static const u32 kinds[] = { VFIO_FERRY_IMAGE_INITIAL, VFIO_FERRY_IMAGE_MIDDLE,
			     VFIO_FERRY_IMAGE_FINAL };

#define SOURCE_BYTES	(FERRY_WIRE_IDENTITY_BYTES +			\
			 FERRY_WIRE_SHAPE_BYTES +			\
			 FERRY_WIRE_STOP_COPY_SIZE_BYTES +		\
			 3 * FERRY_WIRE_IMAGE_OVERHEAD +		\
			 1000 + 1 + 333 + FERRY_WIRE_END_BYTES)

static u8 image_byte(int image, u64 at)
{
	return image * 31 + at * 7 + (at >> 8);
}

static void make_identity(struct vfio_ferry_identity *identity)
{
	memset(identity, 0, sizeof(*identity));
	strscpy_pad(identity->family, "test", sizeof(identity->family));
	identity->vendor = cpu_to_le16(0x15b3);
	identity->device = cpu_to_le16(0x101e);
}

static void make_shape(struct vfio_ferry_shape *shape)
{
	memset(shape, 0, sizeof(*shape));
	shape->vectors = cpu_to_le32(32);
	shape->bar[0] = cpu_to_le64(SZ_1M);
	shape->capability[0] = cpu_to_le32(0x09c00011);
}

static u8 *make_stream_of(struct kunit *test, u16 mark)
{
	u8 *stream = kunit_kzalloc(test, SOURCE_BYTES, GFP_KERNEL);
	struct vfio_ferry_identity identity;
	struct vfio_ferry_shape shape;
	struct ferry_encoder encoder;
	size_t at = 0;

	KUNIT_ASSERT_NOT_NULL(test, stream);
	make_identity(&identity);
	identity.mark = cpu_to_le16(mark);
	make_shape(&shape);
	ferry_encoder_init(&encoder);
	at += ferry_encode_identity(&encoder, stream + at, &identity);
	at += ferry_encode_shape(&encoder, stream + at, &shape);
	at += ferry_encode_stop_copy_size(&encoder, stream + at, 4711);
	for (int i = 0; i < ARRAY_SIZE(lengths); i++) {
		at += ferry_encode_image(&encoder, stream + at, lengths[i]);
		for (u64 byte = 0; byte < lengths[i]; byte++)
			stream[at + byte] = image_byte(i, byte);
		ferry_encode_image_data(&encoder, stream + at, lengths[i]);
		at += lengths[i];
		at += ferry_encode_image_check(&encoder, stream + at,
					       kinds[i]);
	}
	at += ferry_encode_end(&encoder, stream + at);
	KUNIT_ASSERT_EQ(test, at, SOURCE_BYTES);
	return stream;
}

static u8 *make_stream(struct kunit *test)
{
	return make_stream_of(test, 0);
}

static unsigned int events[FERRY_EVENT_REFUSED + 1];

/* Feed a stream in pieces; returns the last event that means something. */
static enum ferry_decoder_event feed(struct ferry_decoder *decoder,
				     const u8 *from, size_t length,
				     size_t piece)
{
	enum ferry_decoder_event event, last = FERRY_EVENT_MORE;
	size_t at = 0, used, bytes;

	while (at < length && last != FERRY_EVENT_REFUSED) {
		bytes = min(piece, length - at);
		switch (decoder->state) {
		case FERRY_DECODE_IMAGE:
			used = min_t(u64, bytes, decoder->left);
			event = ferry_decode_image_data(decoder, from + at,
							used);
			break;
		case FERRY_DECODE_SKIP:
			used = min_t(u64, bytes, decoder->left);
			ferry_decode_skip(decoder, from + at, used);
			event = FERRY_EVENT_MORE;
			break;
		default:
			event = ferry_decode(decoder, from + at, bytes, &used);
			break;
		}
		at += used;
		events[event]++;
		if (event != FERRY_EVENT_MORE)
			last = event;
	}
	return last;
}

static void pieces_of_any_size(struct kunit *test)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 15, 16, 17, 63, 64, 65,
					 257, 1024, SOURCE_BYTES };
	u8 *stream = make_stream(test);
	struct ferry_decoder decoder;
	const char *reason;

	for (int i = 0; i < ARRAY_SIZE(pieces); i++) {
		ferry_decoder_init(&decoder, MAX_IMAGE);
		memset(events, 0, sizeof(events));
		KUNIT_EXPECT_EQ(test, (int)feed(&decoder, stream, SOURCE_BYTES,
						pieces[i]),
				(int)FERRY_EVENT_END);
		KUNIT_EXPECT_EQ(test, events[FERRY_EVENT_IDENTITY], 1);
		KUNIT_EXPECT_EQ(test, events[FERRY_EVENT_SHAPE], 1);
		KUNIT_EXPECT_GE(test, events[FERRY_EVENT_IMAGE], ARRAY_SIZE(lengths));
		KUNIT_EXPECT_EQ(test, events[FERRY_EVENT_SKIP], 0);
		KUNIT_EXPECT_EQ(test, events[FERRY_EVENT_IMAGE_WHOLE], ARRAY_SIZE(lengths));
		KUNIT_EXPECT_EQ(test, events[FERRY_EVENT_END], 1);
		KUNIT_EXPECT_TRUE(test, ferry_decoder_whole(&decoder, &reason));
		KUNIT_EXPECT_EQ(test, decoder.images, 3);
		KUNIT_EXPECT_EQ(test, decoder.bytes, 1334);
		KUNIT_EXPECT_EQ(test, decoder.stop_copy_size, 4711);
		KUNIT_EXPECT_EQ(test, decoder.kind, VFIO_FERRY_IMAGE_FINAL);
		KUNIT_EXPECT_STREQ(test, decoder.identity.family, "test");
		KUNIT_EXPECT_TRUE(test, decoder.shaped);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(decoder.shape.vectors), 32);
		KUNIT_EXPECT_EQ(test, le64_to_cpu(decoder.shape.bar[0]), SZ_1M);
	}
}

/*
 * Feed an identity, then a shape with a header and, of its last byte, bits of
 * our choice; twice if so. Behind an image if that has a length.
 */
static int feed_shape(struct kunit *test, u64 size, u32 flags, u8 flip,
		      bool twice, u64 image)
{
	u8 *stream = kunit_kzalloc(test, 1024, GFP_KERNEL);
	struct vfio_ferry_record header = {
		.size = cpu_to_le64(size),
		.flags = cpu_to_le32(flags),
		.tag = cpu_to_le32(VFIO_FERRY_TAG_SHAPE),
	};
	struct vfio_ferry_identity identity;
	struct vfio_ferry_shape shape;
	struct ferry_decoder decoder;
	struct ferry_encoder encoder;
	size_t at = 0, begin;

	KUNIT_ASSERT_NOT_NULL(test, stream);
	make_identity(&identity);
	make_shape(&shape);
	ferry_encoder_init(&encoder);
	at += ferry_encode_identity(&encoder, stream + at, &identity);
	if (image) {
		at += ferry_encode_image(&encoder, stream + at, image);
		ferry_encode_image_data(&encoder, stream + at, image);
		at += image;
		at += ferry_encode_image_check(&encoder, stream + at,
					       VFIO_FERRY_IMAGE_INITIAL);
	}
	begin = at;
	at += ferry_encode_shape(&encoder, stream + at, &shape);
	memcpy(stream + begin, &header, sizeof(header));
	stream[at - 1] ^= flip;
	if (twice) {
		memcpy(stream + at, stream + begin, at - begin);
		at += at - begin;
	}
	ferry_decoder_init(&decoder, MAX_IMAGE);
	feed(&decoder, stream, at, 50);
	KUNIT_EXPECT_EQ(test, decoder.shaped, !decoder.error || twice);
	kunit_kfree(test, stream);
	return decoder.error;
}

static void shapes(struct kunit *test)
{
	const u64 size = sizeof(struct vfio_ferry_shape);

	KUNIT_EXPECT_EQ(test, feed_shape(test, size, 1, 0, false, 0), 0);
	KUNIT_EXPECT_EQ(test, feed_shape(test, 0, 1, 0, false, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size - 1, 1, 0, false, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size + 1, 1, 0, false, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size | 1ULL << 32, 1, 0, false, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, U64_MAX, 1, 0, false, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size, 0, 0, false, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size, 3, 0, false, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size, 1, 1, false, 0), -EBADMSG);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size, 1, 0, true, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, feed_shape(test, size, 1, 0, false, 9), -EINVAL);
}

/* A record that a later version of ferry might add: known by its checksum. */
static void later_records(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, 1024, GFP_KERNEL);
	struct vfio_ferry_identity identity;
	struct ferry_decoder decoder;
	struct ferry_encoder encoder;
	size_t at = 0, body;
	u8 payload[77];
	u8 image = 5;

	KUNIT_ASSERT_NOT_NULL(test, stream);
	memset(payload, 0xa5, sizeof(payload));
	make_identity(&identity);
	ferry_encoder_init(&encoder);
	at += ferry_encode_identity(&encoder, stream + at, &identity);
	at += put_record(&encoder, stream + at, 4711, payload, sizeof(payload));
	body = at - 1;
	at += ferry_encode_image(&encoder, stream + at, 1);
	stream[at++] = image;
	ferry_encode_image_data(&encoder, &image, 1);
	at += ferry_encode_image_check(&encoder, stream + at,
				       VFIO_FERRY_IMAGE_FINAL);
	at += ferry_encode_end(&encoder, stream + at);

	ferry_decoder_init(&decoder, MAX_IMAGE);
	KUNIT_EXPECT_EQ(test, (int)feed(&decoder, stream, at, 13),
			(int)FERRY_EVENT_END);
	stream[body] ^= 1;
	ferry_decoder_init(&decoder, MAX_IMAGE);
	KUNIT_EXPECT_EQ(test, (int)feed(&decoder, stream, at, 13),
			(int)FERRY_EVENT_REFUSED);
	KUNIT_EXPECT_EQ(test, decoder.error, -EBADMSG);
}

static void every_cut_is_seen(struct kunit *test)
{
	u8 *stream = make_stream(test);
	struct ferry_decoder decoder;
	const char *reason;

	for (size_t cut = 0; cut < SOURCE_BYTES; cut++) {
		ferry_decoder_init(&decoder, MAX_IMAGE);
		feed(&decoder, stream, cut, SOURCE_BYTES);
		KUNIT_EXPECT_FALSE_MSG(test,
				       ferry_decoder_whole(&decoder, &reason),
				       "cut at %zu", cut);
		KUNIT_EXPECT_NOT_NULL(test, reason);
	}
}

/* Not one bit of the stream can change without it being refused. */
static void every_flip_is_seen(struct kunit *test)
{
	u8 *stream = make_stream(test);
	struct ferry_decoder decoder;
	const char *reason;

	for (size_t bit = 0; bit < SOURCE_BYTES * 8; bit++) {
		stream[bit / 8] ^= BIT(bit % 8);
		ferry_decoder_init(&decoder, MAX_IMAGE);
		feed(&decoder, stream, SOURCE_BYTES, SOURCE_BYTES);
		KUNIT_EXPECT_FALSE_MSG(test,
				       ferry_decoder_whole(&decoder, &reason),
				       "bit %zu of byte %zu", bit % 8, bit / 8);
		stream[bit / 8] ^= BIT(bit % 8);
	}
}

/* Is the byte one of an image's, in a stream of make_stream()'s? */
static bool is_image_byte(size_t at)
{
	size_t begin = FERRY_WIRE_IDENTITY_BYTES + FERRY_WIRE_SHAPE_BYTES +
		       FERRY_WIRE_STOP_COPY_SIZE_BYTES;

	for (int i = 0; i < ARRAY_SIZE(lengths); i++) {
		begin += FERRY_WIRE_HEADER_BYTES;
		if (at >= begin && at - begin < lengths[i])
			return true;
		begin += lengths[i] + FERRY_WIRE_CHECK_BYTES;
	}
	return false;
}

/* If images have no checksum, all else is looked at as with one. */
static void images_unchecked(struct kunit *test)
{
	u8 *stream = make_stream_of(test, 4711);
	struct ferry_decoder decoder;
	const char *reason;

	for (size_t at = 0; at < SOURCE_BYTES; at++) {
		stream[at] ^= 0x10;
		ferry_decoder_init(&decoder, MAX_IMAGE);
		feed(&decoder, stream, SOURCE_BYTES, SOURCE_BYTES);
		KUNIT_EXPECT_EQ_MSG(test,
				    ferry_decoder_whole(&decoder, &reason),
				    is_image_byte(at), "byte %zu", at);
		stream[at] ^= 0x10;
	}
}

/* The rest of another stream, whose records are the same but for the mark. */
static void images_of_another(struct kunit *test)
{
	u8 *stream = make_stream_of(test, 1);
	u8 *other = make_stream_of(test, 2);
	struct ferry_decoder decoder;
	const char *reason;

	for (size_t at = 1; at < SOURCE_BYTES; at++) {
		/* Where both say the same it is no other. */
		if (!memcmp(stream, other, at) ||
		    !memcmp(stream + at, other + at, SOURCE_BYTES - at))
			continue;
		ferry_decoder_init(&decoder, MAX_IMAGE);
		feed(&decoder, stream, at, SOURCE_BYTES);
		feed(&decoder, other + at, SOURCE_BYTES - at, SOURCE_BYTES);
		KUNIT_EXPECT_FALSE_MSG(test,
				       ferry_decoder_whole(&decoder, &reason),
				       "cut at %zu", at);
	}
}

static void refused_for_ever(struct kunit *test)
{
	u8 *stream = make_stream(test);
	struct ferry_decoder decoder;
	size_t used;

	/* Something behind the end */
	ferry_decoder_init(&decoder, MAX_IMAGE);
	feed(&decoder, stream, SOURCE_BYTES, SOURCE_BYTES);
	KUNIT_EXPECT_EQ(test, (int)ferry_decode(&decoder, stream, 1, &used),
			(int)FERRY_EVENT_REFUSED);
	KUNIT_EXPECT_EQ(test, decoder.error, -EINVAL);

	KUNIT_EXPECT_EQ(test, (int)feed(&decoder, stream, SOURCE_BYTES, 64),
			(int)FERRY_EVENT_REFUSED);
	ferry_decoder_refuse(&decoder, -EIO, "other");
	KUNIT_EXPECT_EQ(test, decoder.error, -EINVAL);
}

struct plain {
	u64 size;
	u32 flags;
	u32 tag;
	enum ferry_decoder_event event;
	int error;
};

static size_t put_plain(u8 *to, u64 size, u32 flags, u32 tag)
{
	struct vfio_ferry_record record = {
		.size = cpu_to_le64(size),
		.flags = cpu_to_le32(flags),
		.tag = cpu_to_le32(tag),
	};

	memcpy(to, &record, sizeof(record));
	return sizeof(record);
}

static void headers_alone(struct kunit *test)
{
	static const struct plain cases[] = {
		/* images */
		{ 0, 0, 0, FERRY_EVENT_REFUSED, -EINVAL },
		{ 1, 0, 0, FERRY_EVENT_IMAGE },
		{ MAX_IMAGE, 0, 0, FERRY_EVENT_IMAGE },
		{ MAX_IMAGE + 1, 0, 0, FERRY_EVENT_REFUSED, -EFBIG },
		{ U32_MAX, 0, 0, FERRY_EVENT_REFUSED, -EFBIG },
		{ 1ULL << 63, 0, 0, FERRY_EVENT_REFUSED, -EFBIG },
		{ U64_MAX, 0, 0, FERRY_EVENT_REFUSED, -EFBIG },
		/* the hint is of 8 bytes */
		{ 0, 1, 1, FERRY_EVENT_REFUSED, -EINVAL },
		{ 1, 1, 1, FERRY_EVENT_REFUSED, -EINVAL },
		{ 7, 1, 1, FERRY_EVENT_REFUSED, -EINVAL },
		{ 8, 1, 1, FERRY_EVENT_MORE },
		{ 9, 1, 1, FERRY_EVENT_REFUSED, -EINVAL },
		{ 1ULL << 63, 1, 1, FERRY_EVENT_REFUSED, -EINVAL },
		/* unknown ones */
		{ 5, 0, 2, FERRY_EVENT_REFUSED, -EOPNOTSUPP },
		{ 5, 1, 2, FERRY_EVENT_SKIP },
		{ U64_MAX, 1, 2, FERRY_EVENT_SKIP },
		{ 0, 1, 2, FERRY_EVENT_MORE },
		/* ferry's own, in a stream that is not ferry's */
		{ sizeof(struct vfio_ferry_image_check), 1,
		  VFIO_FERRY_TAG_IMAGE, FERRY_EVENT_REFUSED, -EINVAL },
		{ sizeof(struct vfio_ferry_end), 1, VFIO_FERRY_TAG_END,
		  FERRY_EVENT_REFUSED, -EINVAL },
		{ sizeof(struct vfio_ferry_identity) - 1, 1,
		  VFIO_FERRY_TAG_IDENTITY, FERRY_EVENT_REFUSED, -EINVAL },
		{ sizeof(struct vfio_ferry_shape), 1, VFIO_FERRY_TAG_SHAPE,
		  FERRY_EVENT_REFUSED, -EINVAL },
		/* what makes it one */
		{ sizeof(struct vfio_ferry_identity), 1,
		  VFIO_FERRY_TAG_IDENTITY, FERRY_EVENT_MORE },
		{ sizeof(struct vfio_ferry_identity), 0,
		  VFIO_FERRY_TAG_IDENTITY, FERRY_EVENT_REFUSED, -EINVAL },
		{ sizeof(struct vfio_ferry_identity), 3,
		  VFIO_FERRY_TAG_IDENTITY, FERRY_EVENT_REFUSED, -EINVAL },
	};
	struct ferry_decoder decoder;
	u8 header[16];
	size_t used;

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		put_plain(header, cases[i].size, cases[i].flags, cases[i].tag);
		ferry_decoder_init(&decoder, MAX_IMAGE);
		KUNIT_EXPECT_EQ_MSG(test, (int)ferry_decode(&decoder, header,
							    sizeof(header),
							    &used),
				    (int)cases[i].event, "case %d", i);
		KUNIT_EXPECT_EQ_MSG(test, decoder.error, cases[i].error,
				    "case %d", i);
		KUNIT_EXPECT_EQ(test, used, sizeof(header));
	}
}

/* However many records came before: an identity behind them is refused. */
static void identity_comes_first(struct kunit *test)
{
	struct ferry_decoder decoder;
	u8 header[16];
	size_t used;

	ferry_decoder_init(&decoder, MAX_IMAGE);
	put_plain(header, 0, VFIO_FERRY_RECORD_OPTIONAL, 2);
	ferry_decode(&decoder, header, sizeof(header), &used);
	KUNIT_ASSERT_EQ(test, decoder.records, 1);
	/* 64 GiB of the same */
	decoder.records = U32_MAX;
	KUNIT_EXPECT_EQ(test, (int)ferry_decode(&decoder, header,
						sizeof(header), &used),
			(int)FERRY_EVENT_MORE);
	put_plain(header, sizeof(struct vfio_ferry_identity),
		  VFIO_FERRY_RECORD_OPTIONAL, VFIO_FERRY_TAG_IDENTITY);
	KUNIT_EXPECT_EQ(test, (int)ferry_decode(&decoder, header,
						sizeof(header), &used),
			(int)FERRY_EVENT_REFUSED);
	KUNIT_EXPECT_EQ(test, decoder.error, -EINVAL);
}

/* A stream without identity: the plain rules, and a cut inside still shows. */
static void plain_stream(struct kunit *test)
{
	u8 *stream = kunit_kzalloc(test, 256, GFP_KERNEL);
	struct ferry_decoder decoder;
	size_t at = 0, first, second;
	const char *reason;
	bool whole;

	KUNIT_ASSERT_NOT_NULL(test, stream);
	at += put_plain(stream + at, 8, 1, 1) + 8;
	at += put_plain(stream + at, 20, 1, 99) + 20;
	at += put_plain(stream + at, 30, 0, 0) + 30;
	first = at;
	at += put_plain(stream + at, 10, 0, 0) + 10;
	second = at;

	for (size_t cut = 0; cut <= second; cut++) {
		ferry_decoder_init(&decoder, MAX_IMAGE);
		feed(&decoder, stream, cut, 5);
		whole = ferry_decoder_whole(&decoder, &reason);
		KUNIT_EXPECT_EQ_MSG(test, whole,
				    cut == first || cut == second,
				    "cut at %zu", cut);
		KUNIT_EXPECT_EQ_MSG(test, decoder.kind,
				    cut < first ? 0 :
				    cut < second ? VFIO_FERRY_IMAGE_INITIAL :
						   VFIO_FERRY_IMAGE_MIDDLE,
				    "cut at %zu", cut);
	}
	KUNIT_EXPECT_FALSE(test, decoder.identified);
	KUNIT_EXPECT_EQ(test, decoder.images, 2);
}

/* Any bytes at all: the decoder ends, and stays inside its scratch. */
static void noise(struct kunit *test)
{
	u8 *stream = kunit_kmalloc(test, 4096, GFP_KERNEL);
	struct ferry_decoder decoder;
	struct rnd_state random;

	KUNIT_ASSERT_NOT_NULL(test, stream);
	for (u32 seed = 1; seed <= 2000; seed++) {
		prandom_seed_state(&random, seed);
		prandom_bytes_state(&random, stream, 4096);
		/* Half of them with a header that goes somewhere */
		if (seed & 1)
			put_plain(stream, seed % 200, seed >> 1 & 1,
				  seed >> 2 & 3);
		ferry_decoder_init(&decoder, MAX_IMAGE);
		feed(&decoder, stream, 4096, 1 + seed % 97);
		KUNIT_EXPECT_LE_MSG(test, decoder.kept, sizeof(decoder.scratch),
				    "seed %u", seed);
	}
}

static struct kunit_case wire_cases[] = {
	KUNIT_CASE(pieces_of_any_size),
	KUNIT_CASE(shapes),
	KUNIT_CASE(later_records),
	KUNIT_CASE(every_cut_is_seen),
	KUNIT_CASE_SLOW(every_flip_is_seen),
	KUNIT_CASE(images_unchecked),
	KUNIT_CASE(images_of_another),
	KUNIT_CASE(refused_for_ever),
	KUNIT_CASE(headers_alone),
	KUNIT_CASE(identity_comes_first),
	KUNIT_CASE(plain_stream),
	KUNIT_CASE(noise),
	{}
};

static struct kunit_suite wire_suite = {
	.name = "ferry-wire",
	.test_cases = wire_cases,
};

kunit_test_suite(wire_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the ferry engine");
