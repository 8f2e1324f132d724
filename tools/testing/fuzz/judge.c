// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a reader must make of a stream. See judge.h.
 */
#include <endian.h>
#include <string.h>

#include "judge.h"

/**
 * struct view - the stream while it is judged
 * @judgement: what is found
 * @stream: all bytes
 * @length: how many
 * @max_image: longest image that the target loads
 * @at: bytes judged so far
 * @control_crc: checksum of those that belong to no image
 * @image: the last image
 * @image_length: its length
 * @check_due: it waits for its check
 * @final_seen: the last check said that the image was a final one
 * @record: the current record's header, in the order of this machine
 */
struct view {
	struct judgement *judgement;
	const u8 *stream;
	size_t length;
	u64 max_image;
	size_t at;
	u32 control_crc;
	const u8 *image;
	u64 image_length;
	bool check_due;
	bool final_seen;
	struct {
		u64 size;
		u32 flags;
		u32 tag;
	} record;
};

u32 judge_crc32c(u32 crc, const void *data, size_t length)
{
	static u32 table[256];
	const u8 *byte = data;

	if (!table[1]) {
		for (u32 i = 0; i < 256; i++) {
			table[i] = i;
			for (int bit = 0; bit < 8; bit++)
				table[i] = table[i] >> 1 ^
					   (table[i] & 1 ? 0x82f63b78 : 0);
		}
		/* The check value that every table of checksums has */
		expect((u32)~judge_crc32c(~0U, "123456789", 9) == 0xe3069283,
		       "the reference's checksum is wrong");
	}
	while (length--)
		crc = crc >> 8 ^ table[(crc ^ *byte++) & 0xff];
	return crc;
}

static bool refuse(struct view *view, size_t at, unsigned int faults)
{
	trace_add(&view->judgement->trace, FERRY_EVENT_REFUSED, at, faults);
	return false;
}

static size_t size_of_known(u32 tag)
{
	switch (tag) {
	case VFIO_FERRY_TAG_STOP_COPY_SIZE:
		return 8;
	case VFIO_FERRY_TAG_IDENTITY:
		return 48;
	case VFIO_FERRY_TAG_SHAPE:
		return 184;
	case VFIO_FERRY_TAG_IMAGE:
		return 24;
	case VFIO_FERRY_TAG_END:
		return 16;
	}
	return 0;
}

/* What is wrong with a record can be told from its header, or is not yet. */
static unsigned int header_faults(const struct view *view)
{
	bool identified = view->judgement->identified;
	u32 tag = view->record.tag;
	u64 size = view->record.size;
	u32 flags = view->record.flags;
	unsigned int faults = 0;

	if (view->check_due && tag != VFIO_FERRY_TAG_IMAGE)
		faults |= FAULT_INVALID;
	if (!identified &&
	    (tag == VFIO_FERRY_TAG_IMAGE || tag == VFIO_FERRY_TAG_END ||
	     tag == VFIO_FERRY_TAG_SHAPE ||
	     (tag == VFIO_FERRY_TAG_IDENTITY && view->at)))
		faults |= FAULT_INVALID;
	if (tag == VFIO_FERRY_TAG_FIRMWARE_DATA) {
		if (!size || (identified && flags))
			faults |= FAULT_INVALID;
		if (size > view->max_image)
			faults |= FAULT_TOO_LONG;
	} else if (size_of_known(tag)) {
		bool ferry = identified || tag == VFIO_FERRY_TAG_IDENTITY;

		if (size != size_of_known(tag) || (ferry && flags != 1))
			faults |= FAULT_INVALID;
	} else if (!(flags & 1)) {
		faults |= FAULT_UNKNOWN;
	}
	return faults;
}

static unsigned int identity_faults(struct view *view, const u8 *body)
{
	struct judgement *judgement = view->judgement;
	struct vfio_ferry_identity identity;
	unsigned int faults = 0;
	u32 crc;

	memcpy(&identity, body, sizeof(identity));
	judgement->identity = judgement->identified ? judgement->identity :
						      identity;
	if (judgement->identified)
		faults |= FAULT_INVALID;
	if (le16toh(identity.version) != 1)
		faults |= FAULT_UNKNOWN;
	crc = le32toh(identity.crc32c);
	identity.crc32c = 0;
	if (crc != (u32)~judge_crc32c(~0U, &identity, sizeof(identity)))
		faults |= FAULT_CHECKSUM;
	return faults;
}

static unsigned int shape_faults(struct view *view, const u8 *body)
{
	struct judgement *judgement = view->judgement;
	struct vfio_ferry_shape shape;
	unsigned int faults = 0;

	memcpy(&shape, body, sizeof(shape));
	if (judgement->shaped || judgement->images)
		faults |= FAULT_INVALID;
	if (le32toh(shape.crc32c) != (u32)~judge_crc32c(~0U, body + 4, 180))
		faults |= FAULT_CHECKSUM;
	if (!faults)
		judgement->shape = shape;
	return faults;
}

static unsigned int check_faults(const struct view *view, const u8 *body)
{
	struct vfio_ferry_image_check check;
	unsigned int faults = 0;
	u32 expected;
	u32 kind;

	if (!view->check_due)
		return FAULT_INVALID;
	memcpy(&check, body, sizeof(check));
	kind = le32toh(check.kind);
	if (le64toh(check.length) != view->image_length ||
	    le32toh(check.sequence) != view->judgement->images ||
	    kind < 1 || kind > 3 || (view->final_seen && kind != 3) ||
	    check.reserved)
		faults |= FAULT_INVALID;
	expected = le16toh(view->judgement->identity.mark);
	if (!expected)
		expected = ~judge_crc32c(~0U, view->image, view->image_length);
	if (le32toh(check.crc32c) != expected)
		faults |= view->judgement->identity.mark ? FAULT_INVALID :
							   FAULT_CHECKSUM;
	return faults;
}

static unsigned int end_faults(const struct view *view, const u8 *body)
{
	struct vfio_ferry_end end;
	unsigned int faults = 0;

	memcpy(&end, body, sizeof(end));
	if (!view->final_seen ||
	    le64toh(end.bytes) != view->judgement->bytes ||
	    le32toh(end.images) != view->judgement->images)
		faults |= FAULT_INVALID;
	if (le32toh(end.crc32c) != (u32)~view->control_crc)
		faults |= FAULT_CHECKSUM;
	return faults;
}

static void count_image(struct view *view, size_t at)
{
	struct judgement *judgement = view->judgement;

	judgement->images++;
	judgement->bytes += view->image_length;
	trace_add(&judgement->trace, FERRY_EVENT_IMAGE_WHOLE, at,
		  view->image_length);
}

static bool judge_known(struct view *view, const u8 *body, size_t end)
{
	struct judgement *judgement = view->judgement;
	struct vfio_ferry_image_check check;
	unsigned int faults = 0;
	__le64 hint;

	switch (view->record.tag) {
	case VFIO_FERRY_TAG_IDENTITY:
		faults = identity_faults(view, body);
		if (faults)
			break;
		judgement->identified = true;
		trace_add(&judgement->trace, FERRY_EVENT_IDENTITY, end, 0);
		break;
	case VFIO_FERRY_TAG_SHAPE:
		faults = shape_faults(view, body);
		if (faults)
			break;
		judgement->shaped = true;
		trace_add(&judgement->trace, FERRY_EVENT_SHAPE, end, 0);
		break;
	case VFIO_FERRY_TAG_IMAGE:
		faults = check_faults(view, body);
		if (faults)
			break;
		memcpy(&check, body, sizeof(check));
		view->final_seen = le32toh(check.kind) == 3;
		view->check_due = false;
		count_image(view, end);
		break;
	case VFIO_FERRY_TAG_END:
		faults = end_faults(view, body);
		if (faults)
			break;
		trace_add(&judgement->trace, FERRY_EVENT_END, end, 0);
		judgement->whole_at[end] = true;
		if (end < view->length)
			refuse(view, end, FAULT_INVALID);
		return false;
	default:
		memcpy(&hint, body, sizeof(hint));
		judgement->stop_copy_size = le64toh(hint);
	}
	return faults ? refuse(view, end, faults) : true;
}

/* Returns whether there is more to judge. */
static bool judge_record(struct view *view)
{
	struct judgement *judgement = view->judgement;
	size_t body_at = view->at + FERRY_WIRE_HEADER_BYTES;
	struct vfio_ferry_record header;
	unsigned int faults;
	const u8 *body;
	bool there;

	if (view->length < body_at)
		return false;
	memcpy(&header, view->stream + view->at, sizeof(header));
	view->record.size = le64toh(header.size);
	view->record.flags = le32toh(header.flags);
	view->record.tag = le32toh(header.tag);
	faults = header_faults(view);
	if (faults)
		return refuse(view, body_at, faults);

	body = view->stream + body_at;
	there = view->length - body_at >= view->record.size;
	view->control_crc = judge_crc32c(view->control_crc, &header,
					 sizeof(header));
	if (view->record.tag == VFIO_FERRY_TAG_FIRMWARE_DATA) {
		trace_add(&judgement->trace, FERRY_EVENT_IMAGE, body_at,
			  view->record.size);
		if (!there)
			return false;
		view->at = body_at + view->record.size;
		view->image = body;
		view->image_length = view->record.size;
		view->check_due = judgement->identified;
		if (!judgement->identified)
			count_image(view, view->at);
		return true;
	}
	if (view->record.tag == VFIO_FERRY_TAG_END)
		judgement->end_at = body_at + view->record.size;
	else if (!size_of_known(view->record.tag) && view->record.size)
		trace_add(&judgement->trace, FERRY_EVENT_SKIP, body_at,
			  view->record.size);
	if (!there)
		return false;
	if (size_of_known(view->record.tag) &&
	    !judge_known(view, body, body_at + view->record.size))
		return false;
	view->control_crc = judge_crc32c(view->control_crc, body,
					 view->record.size);
	view->at = body_at + view->record.size;
	return true;
}

/**
 * judge() - see what is in a stream
 * @judgement: what is found; judgement_free() it
 * @stream: all its bytes
 * @length: how many
 * @max_image: longest image that the target loads
 */
void judge(struct judgement *judgement, const u8 *stream, size_t length,
	   u64 max_image)
{
	struct view view = {
		.judgement = judgement,
		.stream = stream,
		.length = length,
		.max_image = max_image,
		.control_crc = ~0U,
	};

	memset(judgement, 0, sizeof(*judgement));
	trace_init(&judgement->trace, length);
	judgement->whole_at = calloc(length + 1, sizeof(bool));
	expect(judgement->whole_at, "no memory");
	do {
		judgement->whole_at[view.at] = !judgement->identified &&
					       judgement->images;
	} while (judge_record(&view));
}

void judgement_free(struct judgement *judgement)
{
	trace_free(&judgement->trace);
	free(judgement->whole_at);
}
