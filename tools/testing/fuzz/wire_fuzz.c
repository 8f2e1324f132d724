// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fuzz target of the stream's records, drivers/vfio/pci/ferry/wire.c.
 *
 * The engine (libFuzzer or AFL++) calls LLVMFuzzerTestOneInput() for each
 * input. The bytes behind the plan are used twice: as a stream that somebody
 * sends, and as the description of one that ferry itself would write. What
 * must hold is said by expect(), here and in feed.c.
 */
#include <endian.h>
#include <string.h>

#include "engine.h"
#include "plan.h"

#define MAX_IMAGES	6
#define MAX_IMAGE	96
#define MAX_OWN		(FERRY_WIRE_CONTROL_BYTES + FERRY_WIRE_END_BYTES + \
			 MAX_IMAGES * (FERRY_WIRE_IMAGE_OVERHEAD + MAX_IMAGE))

static const u8 in_one_piece[PIECES];

static u64 max_image(const struct plan *plan)
{
	if (!plan->limit)
		return ~0ULL;
	return plan->limit == 255 ? 1 << 20 : plan->limit;
}

/* The decoder knows at the end what the reference knows. */
static void expect_totals(const struct ferry_decoder *decoder,
			  const struct judgement *judgement)
{
	expect(decoder->identified == judgement->identified, "identified: %d",
	       decoder->identified);
	expect(decoder->images == judgement->images, "%u images, not %u",
	       decoder->images, judgement->images);
	expect(decoder->bytes == judgement->bytes, "%llu bytes, not %llu",
	       (unsigned long long)decoder->bytes,
	       (unsigned long long)judgement->bytes);
	expect(decoder->stop_copy_size == judgement->stop_copy_size,
	       "the hint is %llu, not %llu",
	       (unsigned long long)decoder->stop_copy_size,
	       (unsigned long long)judgement->stop_copy_size);
	expect(!decoder->identified ||
	       !memcmp(&decoder->identity, &judgement->identity,
		       sizeof(decoder->identity)), "identity differs");
	expect(decoder->shaped == judgement->shaped, "shaped: %d",
	       decoder->shaped);
	expect(!decoder->shaped ||
	       !memcmp(&decoder->shape, &judgement->shape,
		       sizeof(decoder->shape)), "shape differs");
}

/*
 * Any bytes at all: the decoder says what the reference says, in one piece and
 * in others. Returns whether all of it is one whole stream.
 */
static bool try_stream(const struct plan *plan, const u8 *stream, size_t length)
{
	struct ferry_decoder *once = malloc(sizeof(*once));
	struct ferry_decoder *pieces = malloc(sizeof(*pieces));
	struct trace once_trace, pieces_trace;
	struct judgement judgement;
	bool whole;

	expect(once && pieces, "no memory");
	judge(&judgement, stream, length, max_image(plan));
	trace_init(&once_trace, length);
	ferry_decoder_init(once, max_image(plan));
	feed(once, stream, length, in_one_piece, &judgement, &once_trace);
	trace_expect_same(&once_trace, &judgement.trace, "in one piece");
	expect_totals(once, &judgement);

	trace_init(&pieces_trace, length);
	ferry_decoder_init(pieces, max_image(plan));
	feed(pieces, stream, length, plan->pieces, &judgement, &pieces_trace);
	trace_expect_same(&pieces_trace, &judgement.trace, "in pieces");
	expect_same_state(pieces, once, "in pieces");

	whole = judgement.whole_at[length];
	if (once->state == FERRY_DECODE_REFUSED)
		expect_refused_for_ever(once);
	if (plan->refuse)
		feed_and_refuse(stream, length, max_image(plan), plan->refuse);
	trace_free(&pieces_trace);
	trace_free(&once_trace);
	judgement_free(&judgement);
	free(pieces);
	free(once);
	return whole;
}

/**
 * struct own - a stream that ferry writes
 * @identity: of its source
 * @shaped: a shape follows
 * @shape: that
 * @hint: expected size of the final image, 0 for none
 * @images: how many
 * @kinds: of each
 * @lengths: of each
 * @check_at: where in the stream each one's check is
 * @length: bytes of the stream
 * @stream: those
 */
struct own {
	struct vfio_ferry_identity identity;
	bool shaped;
	struct vfio_ferry_shape shape;
	u64 hint;
	u32 images;
	u32 kinds[MAX_IMAGES];
	size_t lengths[MAX_IMAGES];
	size_t check_at[MAX_IMAGES];
	size_t length;
	u8 stream[MAX_OWN];
};

/* Bytes of the input, zeros behind it */
struct source {
	const u8 *from;
	size_t left;
};

static void take(struct source *source, void *to, size_t length)
{
	size_t bytes = length < source->left ? length : source->left;

	memset(to, 0, length);
	if (bytes)
		memcpy(to, source->from, bytes);
	source->from += bytes;
	source->left -= bytes;
}

static u8 take_byte(struct source *source)
{
	u8 byte;

	take(source, &byte, sizeof(byte));
	return byte;
}

static void describe(struct own *own, struct source *source)
{
	u32 finals;

	memset(own, 0, sizeof(*own));
	own->images = 1 + take_byte(source) % MAX_IMAGES;
	finals = 1 + take_byte(source) % own->images;
	for (u32 i = 0; i < own->images; i++) {
		own->lengths[i] = 1 + take_byte(source) % MAX_IMAGE;
		own->kinds[i] = VFIO_FERRY_IMAGE_INITIAL +
				(take_byte(source) & 1);
		if (i + finals >= own->images)
			own->kinds[i] = VFIO_FERRY_IMAGE_FINAL;
	}
	if (take_byte(source) & 1)
		take(source, &own->hint, sizeof(own->hint));
	take(source, &own->identity, sizeof(own->identity));
	own->shaped = take_byte(source) & 1;
	if (own->shaped)
		take(source, &own->shape, sizeof(own->shape));
}

static void encode_image(struct own *own, u32 i, struct ferry_encoder *encoder,
			 struct source *source)
{
	size_t wrote, half;
	u8 *data;

	wrote = ferry_encode_image(encoder, own->stream + own->length,
				   own->lengths[i]);
	expect(wrote == FERRY_WIRE_HEADER_BYTES, "image header: %zu", wrote);
	own->length += wrote;
	data = own->stream + own->length;
	take(source, data, own->lengths[i]);
	/* The reader of a data FD sends an image in pieces, too. */
	half = own->lengths[i] / 2;
	ferry_encode_image_data(encoder, data, half);
	ferry_encode_image_data(encoder, data + half, own->lengths[i] - half);
	own->length += own->lengths[i];
	own->check_at[i] = own->length;
	wrote = ferry_encode_image_check(encoder, own->stream + own->length,
					 own->kinds[i]);
	expect(wrote == FERRY_WIRE_CHECK_BYTES, "check record: %zu", wrote);
	own->length += wrote;
}

static void encode(struct own *own, struct source *source)
{
	struct ferry_encoder encoder;
	size_t wrote;

	ferry_encoder_init(&encoder);
	wrote = ferry_encode_identity(&encoder, own->stream, &own->identity);
	expect(wrote == FERRY_WIRE_IDENTITY_BYTES, "identity record: %zu",
	       wrote);
	own->length = wrote;
	if (own->shaped) {
		wrote = ferry_encode_shape(&encoder, own->stream + own->length,
					   &own->shape);
		expect(wrote == FERRY_WIRE_SHAPE_BYTES, "shape record: %zu",
		       wrote);
		own->length += wrote;
	}
	if (own->hint) {
		wrote = ferry_encode_stop_copy_size(&encoder,
						    own->stream + own->length,
						    own->hint);
		expect(wrote == FERRY_WIRE_STOP_COPY_SIZE_BYTES,
		       "hint record: %zu", wrote);
		own->length += wrote;
	}
	expect(own->length <= FERRY_WIRE_CONTROL_BYTES,
	       "%zu bytes of records at once", own->length);
	for (u32 i = 0; i < own->images; i++)
		encode_image(own, i, &encoder, source);
	wrote = ferry_encode_end(&encoder, own->stream + own->length);
	expect(wrote == FERRY_WIRE_END_BYTES, "end record: %zu", wrote);
	own->length += wrote;
}

/* What came out is what went in. */
static void expect_own_decodes(const struct plan *plan, const struct own *own)
{
	struct vfio_ferry_identity sent = own->identity;
	struct vfio_ferry_image_check check;
	struct ferry_decoder decoder;
	struct judgement judgement;
	struct trace trace;
	size_t whole = 0;
	u64 bytes = 0;

	judge(&judgement, own->stream, own->length, ~0ULL);
	trace_init(&trace, own->length);
	ferry_decoder_init(&decoder, ~0ULL);
	feed(&decoder, own->stream, own->length, plan->pieces, &judgement,
	     &trace);
	expect(decoder.state == FERRY_DECODE_ENDED,
	       "own stream is refused: %s", decoder.reason);

	sent.version = decoder.identity.version;
	sent.crc32c = decoder.identity.crc32c;
	expect(!memcmp(&sent, &decoder.identity, sizeof(sent)),
	       "own identity differs");
	expect(decoder.shaped == own->shaped &&
	       !memcmp(&decoder.shape.vectors, &own->shape.vectors,
		       sizeof(own->shape) - sizeof(own->shape.crc32c)),
	       "own shape differs");
	expect(decoder.stop_copy_size == own->hint, "own hint differs");
	for (size_t i = 0; i < trace.count; i++) {
		if (trace.events[i].what != FERRY_EVENT_IMAGE_WHOLE)
			continue;
		expect(whole < own->images, "more images than sent");
		expect(trace.events[i].value == own->lengths[whole],
		       "own image %zu has another length", whole);
		memcpy(&check, own->stream + own->check_at[whole] +
		       FERRY_WIRE_HEADER_BYTES, sizeof(check));
		expect(le32toh(check.kind) == own->kinds[whole],
		       "own image %zu is of another kind", whole);
		bytes += own->lengths[whole++];
	}
	expect(whole == own->images && decoder.images == own->images,
	       "%zu own images whole, %u sent", whole, own->images);
	expect(decoder.bytes == bytes, "own total differs");
	trace_free(&trace);
	judgement_free(&judgement);
}

/* A byte that nothing protects: an image's, where images have no checksums. */
static bool may_change(const struct own *own, size_t at)
{
	for (u32 i = 0; i < own->images && own->identity.mark; i++)
		if (at < own->check_at[i] &&
		    at >= own->check_at[i] - own->lengths[i])
			return true;
	return false;
}

/* Not one byte of it can change, unless nothing protects it, be missing or come on top. */
static void expect_change_is_seen(const struct plan *plan, struct own *own)
{
	u8 flip = plan->flip ?: 0xff;
	size_t where = le32toh(plan->where) % own->length;
	size_t cut = le32toh(plan->cut) % own->length;
	u8 *longer;

	own->stream[where] ^= flip;
	expect(try_stream(plan, own->stream, own->length) ==
	       may_change(own, where),
	       "byte %zu changed by %#x: seen or not, and should not", where,
	       flip);
	own->stream[where] ^= flip;
	expect(!try_stream(plan, own->stream, cut),
	       "cut at %zu and nobody sees it", cut);

	longer = malloc(own->length + 1);
	expect(longer, "no memory");
	memcpy(longer, own->stream, own->length);
	longer[own->length] = flip;
	expect(!try_stream(plan, longer, own->length + 1),
	       "a byte behind the end and nobody sees it");
	free(longer);
}

static void try_own(const struct plan *plan, const u8 *from, size_t length)
{
	struct source source = { .from = from, .left = length };
	struct own *own = malloc(sizeof(*own));
	/* A limit might be what refuses a changed stream. */
	struct plan unlimited = *plan;

	expect(own, "no memory");
	unlimited.limit = 0;
	describe(own, &source);
	encode(own, &source);
	expect_own_decodes(&unlimited, own);
	expect_change_is_seen(&unlimited, own);
	free(own);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct plan plan;

	if (size < sizeof(plan))
		return 0;
	memcpy(&plan, data, sizeof(plan));
	data += sizeof(plan);
	size -= sizeof(plan);
	try_stream(&plan, data, size);
	try_own(&plan, data, size);
	return 0;
}
