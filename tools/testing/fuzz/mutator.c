// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes an input as somebody would who knows the format. See mutator.h.
 */
#include <endian.h>
#include <string.h>

#include "mutator.h"
#include "plan.h"
#include "records.h"

static u32 state;

static u32 any(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static u32 below(u32 bound)
{
	return any() % bound;
}

static void seed_random(u32 seed)
{
	/* The generator never leaves 0. */
	state = seed * 2654435761U ?: 1;
	any();
}

static const u32 tags[] = {
	VFIO_FERRY_TAG_FIRMWARE_DATA, VFIO_FERRY_TAG_STOP_COPY_SIZE,
	VFIO_FERRY_TAG_IDENTITY, VFIO_FERRY_TAG_IMAGE, VFIO_FERRY_TAG_END,
	VFIO_FERRY_TAG_SHAPE, 2, VFIO_FERRY_TAG_IDENTITY - 1,
	VFIO_FERRY_TAG_SHAPE + 1, ~0U,
};

static const u64 sizes[] = {
	0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 47, 48, 49, 63, 64, 65, 183,
	184, 185, 254, 255, 256, 1 << 20, (1 << 20) + 1, ~0U, 1ULL << 32, 1ULL << 63, ~0ULL,
	~0ULL - 15,
};

#define ONE_OF(list)	((list)[below(sizeof(list) / sizeof(*(list)))])

static struct record *one_of(struct script *script)
{
	return script->count ? &script->records[below(script->count)] : NULL;
}

static void copy_record(struct script *script, size_t before,
			const struct script *from, const struct record *record)
{
	/* Inserting moves the records that are in the same script. */
	struct record old = *record;
	struct record *new = script_insert(script, before, old.flags, old.tag,
					   old.length);

	if (!new)
		return;
	new->size = old.size;
	memcpy(script->bytes + new->at, from->bytes + old.at, old.length);
}

static void repeat(struct script *script)
{
	struct record *record = one_of(script);

	if (record)
		copy_record(script, below(script->count + 1), script, record);
}

static void drop(struct script *script)
{
	if (script->count)
		script_remove(script, below(script->count));
}

static void swap(struct script *script)
{
	struct record *one = one_of(script), *other = one_of(script);
	struct record kept;

	if (!one)
		return;
	kept = *one;
	*one = *other;
	*other = kept;
}

static void resize(struct script *script)
{
	struct record *record = one_of(script);

	if (record)
		script_resize(script, record, below(2) ? below(80) : below(400));
}

static void lie_about_size(struct script *script)
{
	struct record *record = one_of(script);

	if (record)
		record->size = below(2) ? ONE_OF(sizes) :
					  record->size + below(5) - 2;
}

static void change_flags(struct script *script)
{
	struct record *record = one_of(script);

	if (record)
		record->flags = below(2) ? record->flags ^ 1 :
					   record->flags ^ 1U << below(32);
}

static void change_tag(struct script *script)
{
	struct record *record = one_of(script);

	if (record)
		record->tag = ONE_OF(tags);
}

static void fill(u8 *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = any();
}

static void set_kind(struct script *script, const struct record *record,
		     u32 kind)
{
	struct vfio_ferry_image_check check;

	if (record->length != sizeof(check))
		return;
	memcpy(&check, script->bytes + record->at, sizeof(check));
	check.kind = htole32(kind);
	if (!below(8))
		check.reserved = below(2);
	memcpy(script->bytes + record->at, &check, sizeof(check));
}

static void change_kind(struct script *script)
{
	struct record *record = one_of(script);

	if (record && record->tag == VFIO_FERRY_TAG_IMAGE)
		set_kind(script, record, below(5));
}

/* An image with its check, as ferry's streams have it */
static void insert_image(struct script *script)
{
	size_t before = below(script->count + 1);
	struct record *record;

	record = script_insert(script, before, 0, VFIO_FERRY_TAG_FIRMWARE_DATA,
			       1 + below(64));
	if (!record)
		return;
	fill(script->bytes + record->at, record->length);
	record = script_insert(script, before + 1, 1, VFIO_FERRY_TAG_IMAGE,
			       sizeof(struct vfio_ferry_image_check));
	if (record)
		set_kind(script, record, 1 + below(3));
}

static void insert_one(struct script *script)
{
	static const u32 lengths[] = { 0, 1, 8, 16, 24, 48, 64, 184 };
	struct record *record;

	record = script_insert(script, below(script->count + 1), below(8) > 0,
			       ONE_OF(tags), ONE_OF(lengths));
	if (record)
		fill(script->bytes + record->at, record->length);
}

static void frame(struct script *script)
{
	script_insert(script, 0, 1, VFIO_FERRY_TAG_IDENTITY,
		      sizeof(struct vfio_ferry_identity));
	script_insert(script, script->count, 1, VFIO_FERRY_TAG_END,
		      sizeof(struct vfio_ferry_end));
}

static void cut(struct script *script)
{
	if (!script->count)
		return;
	script->count = 1 + below(script->count);
	script->tail_length = 0;
	if (below(2))
		script->records[script->count - 1].length =
			below(script->records[script->count - 1].length + 1);
}

static void change_tail(struct script *script)
{
	script->tail_length = below(sizeof(script->tail));
	fill(script->tail, script->tail_length);
}

static void change_bytes(struct script *script, mutate_bytes_fn mutate_bytes)
{
	struct record *record = one_of(script);
	u8 *bytes;

	if (!record || !record->length)
		return;
	bytes = script->bytes + record->at;
	if (mutate_bytes && below(2))
		mutate_bytes(bytes, record->length, any());
	else
		bytes[below(record->length)] ^= 1 + below(255);
}

static void change_records(struct script *script, mutate_bytes_fn mutate_bytes)
{
	static void (*const ways[])(struct script *script) = {
		repeat, drop, swap, resize, lie_about_size, change_flags,
		change_tag, change_kind, insert_image, insert_image,
		insert_one, frame, cut, change_tail,
	};

	if (!below(4))
		change_bytes(script, mutate_bytes);
	else
		ONE_OF(ways)(script);
}

static void seal(struct script *script)
{
	if (below(8))
		script_seal(script, SEAL_ALL);
	else if (below(2))
		script_seal(script, SEAL_ALL & ~(1U << below(SEAL_KINDS)));
}

static void change_plan(u8 *plan)
{
	static const u8 pieces[] = { 0, 1, 2, 15, 16, 17, 63, 64, 65, 255 };

	if (below(2))
		plan[below(sizeof(struct plan))] = any();
	else
		plan[below(PIECES)] = ONE_OF(pieces);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t mutate_input(u8 *input, size_t length, size_t room, u32 seed,
		    mutate_bytes_fn mutate_bytes)
{
	static struct script script;
	const size_t plan = sizeof(struct plan);

	seed_random(seed);
	room = smaller(room, MAX_INPUT);
	if (room < plan)
		return length;
	if (length < plan) {
		memset(input + length, 0, plan - length);
		length = plan;
	}
	if (!below(4))
		change_plan(input);
	script_read(&script, input + plan, smaller(length, MAX_INPUT) - plan);
	for (u32 left = 1 + below(4); left; left--)
		change_records(&script, mutate_bytes);
	seal(&script);
	return plan + script_write(&script, input + plan, room - plan);
}

size_t cross_inputs(const u8 *one, size_t one_length, const u8 *other,
		    size_t other_length, u8 *to, size_t room, u32 seed)
{
	static struct script first, second;
	const size_t plan = sizeof(struct plan);
	size_t from;

	seed_random(seed);
	room = smaller(room, MAX_INPUT);
	if (one_length < plan || other_length < plan || room < plan)
		return 0;
	script_read(&first, one + plan, smaller(one_length, MAX_INPUT) - plan);
	script_read(&second, other + plan,
		    smaller(other_length, MAX_INPUT) - plan);
	first.count = below(first.count + 1);
	first.tail_length = 0;
	from = below(second.count + 1);
	for (size_t i = from; i < second.count; i++)
		copy_record(&first, first.count, &second, &second.records[i]);
	seal(&first);
	memcpy(to, one, plan);
	return plan + script_write(&first, to + plan, room - plan);
}
