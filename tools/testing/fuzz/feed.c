// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives the decoder. See feed.h.
 */
#include <string.h>

#include "feed.h"

static unsigned int fault_of(int error)
{
	switch (error) {
	case -EINVAL:
		return FAULT_INVALID;
	case -EBADMSG:
		return FAULT_CHECKSUM;
	case -EOPNOTSUPP:
		return FAULT_UNKNOWN;
	case -EFBIG:
		return FAULT_TOO_LONG;
	}
	return 0;
}

static u64 value_of(const struct ferry_decoder *decoder,
		    enum ferry_decoder_event event)
{
	switch (event) {
	case FERRY_EVENT_IMAGE:
	case FERRY_EVENT_SKIP:
		return decoder->left;
	case FERRY_EVENT_IMAGE_WHOLE:
		return decoder->image_length;
	case FERRY_EVENT_REFUSED:
		return fault_of(decoder->error);
	default:
		return 0;
	}
}

/* Does the event fit the state that the decoder is in now? */
static bool fits(const struct ferry_decoder *decoder,
		 enum ferry_decoder_event event)
{
	switch (event) {
	case FERRY_EVENT_MORE:
		return decoder->state == FERRY_DECODE_HEADER ||
		       decoder->state == FERRY_DECODE_CONTROL;
	case FERRY_EVENT_IDENTITY:
	case FERRY_EVENT_SHAPE:
	case FERRY_EVENT_IMAGE_WHOLE:
		return decoder->state == FERRY_DECODE_HEADER;
	case FERRY_EVENT_IMAGE:
		return decoder->state == FERRY_DECODE_IMAGE && decoder->left &&
		       decoder->left <= decoder->max_image;
	case FERRY_EVENT_SKIP:
		return decoder->state == FERRY_DECODE_SKIP && decoder->left;
	case FERRY_EVENT_END:
		return decoder->state == FERRY_DECODE_ENDED;
	case FERRY_EVENT_REFUSED:
		return decoder->state == FERRY_DECODE_REFUSED &&
		       decoder->error < 0 && decoder->reason;
	}
	return false;
}

static void expect_in_bounds(const struct ferry_decoder *decoder)
{
	size_t wants = ferry_decoder_wants(decoder);
	bool keeps = decoder->state == FERRY_DECODE_HEADER ||
		     decoder->state == FERRY_DECODE_CONTROL;

	expect(decoder->kept <= sizeof(decoder->scratch), "%u bytes kept",
	       decoder->kept);
	expect(!wants == !keeps, "wants %zu bytes in state %d", wants,
	       decoder->state);
	expect(!keeps || decoder->kept + wants <= sizeof(decoder->scratch),
	       "wants %zu bytes on top of %u", wants, decoder->kept);
}

/* Inside a record whose bytes the caller takes, the decoder takes none. */
static void expect_takes_nothing(struct ferry_decoder *decoder, const u8 *from,
				 size_t length, enum ferry_decoder_event due)
{
	struct ferry_decoder before = *decoder;
	size_t used = length + 1;

	expect(ferry_decode(decoder, from, length, &used) == due,
	       "ferry_decode() does not say %s again", event_name(due));
	expect(!used, "takes %zu bytes that are the caller's", used);
	expect_same_state(decoder, &before, "asked again");
}

static size_t take_image(struct ferry_decoder *decoder, const u8 *from,
			 size_t length, enum ferry_decoder_event *event)
{
	u64 left = decoder->left;

	expect_takes_nothing(decoder, from, length, FERRY_EVENT_IMAGE);
	if (length > left)
		length = left;
	*event = ferry_decode_image_data(decoder, from, length);
	if (length < left)
		expect(*event == FERRY_EVENT_IMAGE && decoder->left == left - length,
		       "event %s within an image", event_name(*event));
	else
		expect(*event == (decoder->identified ? FERRY_EVENT_MORE :
							FERRY_EVENT_IMAGE_WHOLE),
		       "event %s behind an image", event_name(*event));
	return length;
}

static size_t take_skipped(struct ferry_decoder *decoder, const u8 *from,
			   size_t length)
{
	u64 left = decoder->left;

	expect_takes_nothing(decoder, from, length, FERRY_EVENT_SKIP);
	if (length > left)
		length = left;
	ferry_decode_skip(decoder, decoder->identified ? from : NULL, length);
	if (length < left)
		expect(decoder->state == FERRY_DECODE_SKIP &&
		       decoder->left == left - length,
		       "state %d within a skipped record", decoder->state);
	else
		expect(decoder->state == FERRY_DECODE_HEADER,
		       "state %d behind a skipped record", decoder->state);
	return length;
}

static size_t take_control(struct ferry_decoder *decoder, const u8 *from,
			   size_t length, enum ferry_decoder_event *event)
{
	size_t wants = ferry_decoder_wants(decoder);
	size_t used = length + 1;

	*event = ferry_decode(decoder, from, length, &used);
	expect(used <= length, "used %zu of %zu bytes", used, length);
	expect(used <= wants, "used %zu bytes, wanted %zu", used, wants);
	expect(used == (length < wants ? length : wants),
	       "used %zu of %zu bytes, wanted %zu", used, length, wants);
	expect(used || *event == FERRY_EVENT_REFUSED,
	       "no progress: event %s in state %d", event_name(*event),
	       decoder->state);
	return used;
}

/* One call as the writer makes it; returns how many bytes went. */
static size_t step(struct ferry_decoder *decoder, const u8 *from, size_t length,
		   size_t at, struct trace *trace)
{
	enum ferry_decoder_event event = FERRY_EVENT_MORE;
	bool within = false;
	size_t used;

	switch (decoder->state) {
	case FERRY_DECODE_IMAGE:
		used = take_image(decoder, from, length, &event);
		within = event == FERRY_EVENT_IMAGE;
		break;
	case FERRY_DECODE_SKIP:
		used = take_skipped(decoder, from, length);
		within = decoder->state == FERRY_DECODE_SKIP;
		break;
	default:
		used = take_control(decoder, from, length, &event);
	}
	expect(within || fits(decoder, event), "event %s in state %d",
	       event_name(event), decoder->state);
	expect_in_bounds(decoder);
	if (event != FERRY_EVENT_MORE && !within)
		trace_add(trace, event, at + used, value_of(decoder, event));
	return used;
}

static void expect_standing(const struct ferry_decoder *decoder, size_t at,
			    const struct judgement *judgement)
{
	bool refused = decoder->state == FERRY_DECODE_REFUSED;
	const char *reason = "";
	bool whole = ferry_decoder_whole(decoder, &reason);
	bool at_end = ferry_decoder_at_end(decoder);

	expect(whole == !reason, "whole or not, but the reason is %s", reason);
	expect(whole == (!refused && judgement->whole_at[at]),
	       "after %zu bytes: %s", at, whole ? "whole" : reason);
	expect(at_end == (!refused && judgement->end_at == at + 1),
	       "after %zu bytes the last one %s to come", at,
	       at_end ? "is" : "is not");
}

/**
 * feed() - feed a stream, or what has come of it
 * @decoder: fresh
 * @stream: all its bytes
 * @length: how many
 * @pieces: how many the decoder gets at once, PIECES sizes in turn
 * @judgement: what the reference says about the stream
 * @trace: gets the events
 */
void feed(struct ferry_decoder *decoder, const u8 *stream, size_t length,
	  const u8 *pieces, const struct judgement *judgement,
	  struct trace *trace)
{
	size_t at = 0, piece, done;
	/* A piece ends where memory does, so that reading on is seen. */
	u8 *memory = malloc(length + 1);
	u8 *from;

	expect(memory, "no memory");
	expect_standing(decoder, 0, judgement);
	for (size_t turn = 0; at < length; turn++) {
		piece = pieces[turn % PIECES];
		if (!piece || piece > length - at)
			piece = length - at;
		from = memory + length + 1 - piece;
		memcpy(from, stream + at, piece);
		done = 0;
		while (done < piece) {
			done += step(decoder, from + done, piece - done,
				     at + done, trace);
			if (decoder->state == FERRY_DECODE_REFUSED)
				break;
			expect_standing(decoder, at + done, judgement);
		}
		at += done;
		if (decoder->state == FERRY_DECODE_REFUSED)
			break;
	}
	expect_standing(decoder, at, judgement);
	free(memory);
}

void expect_same_state(const struct ferry_decoder *one,
		       const struct ferry_decoder *other, const char *name)
{
#define SAME(member)							\
	expect(one->member == other->member, "%s: " #member " differs", name)

	SAME(state);
	SAME(identified);
	SAME(shaped);
	SAME(check_due);
	SAME(final_seen);
	SAME(error);
	SAME(reason);
	SAME(max_image);
	SAME(left);
	SAME(image_length);
	SAME(bytes);
	SAME(images);
	SAME(records);
	SAME(tag);
	SAME(image_crc);
	SAME(control_crc);
	SAME(stop_copy_size);
	SAME(kept);
#undef SAME
	expect(!memcmp(&one->identity, &other->identity,
		       sizeof(one->identity)), "%s: identity differs", name);
	expect(!memcmp(&one->shape, &other->shape, sizeof(one->shape)),
	       "%s: shape differs", name);
	expect(!memcmp(one->scratch, other->scratch, one->kept),
	       "%s: kept bytes differ", name);
}

void expect_refused_for_ever(struct ferry_decoder *decoder)
{
	struct ferry_decoder before = *decoder;
	static const u8 byte;
	const char *reason;

	expect_takes_nothing(decoder, &byte, 1, FERRY_EVENT_REFUSED);
	expect(ferry_decoder_refuse(decoder, -EIO, "another") ==
	       FERRY_EVENT_REFUSED, "a second refusal is none");
	expect_same_state(decoder, &before, "refused twice");
	expect(!ferry_decoder_whole(decoder, &reason), "refused and whole");
	expect(reason == before.reason, "refused for another reason: %s", reason);
	expect(!ferry_decoder_wants(decoder), "refused and wants more");
	expect(!ferry_decoder_at_end(decoder), "refused and at the end");
}

/**
 * feed_and_refuse() - refuse a stream in the middle, as its caller may
 * @stream: all its bytes
 * @length: how many
 * @max_image: longest image that the target loads
 * @event: number of the event at which the caller refuses
 */
void feed_and_refuse(const u8 *stream, size_t length, u64 max_image,
		     size_t event)
{
	struct ferry_decoder decoder;
	struct trace trace;
	size_t at = 0;

	ferry_decoder_init(&decoder, max_image);
	trace_init(&trace, length);
	while (at < length && decoder.state != FERRY_DECODE_REFUSED &&
	       trace.count < event)
		at += step(&decoder, stream + at, length - at, at, &trace);
	if (decoder.state != FERRY_DECODE_REFUSED) {
		ferry_decoder_refuse(&decoder, -EXDEV, "not from here");
		expect(decoder.error == -EXDEV, "error %d", decoder.error);
	}
	expect_refused_for_ever(&decoder);
	trace_free(&trace);
}
