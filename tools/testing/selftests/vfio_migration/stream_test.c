// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad streams: what a device saved is changed in one place and loaded. What
 * lacks state or contradicts itself has to be refused, nothing may harm the
 * kernel, and a reset brings the device back.
 *
 * To the uAPI a stream is opaque, so only what a known format (lib/formats/)
 * says of a change allows a test to demand that it is noticed; without one the
 * same changes are made blindly.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* Devices that load at the same time. */
#define MAX_DEVICES 4
/* Of a test whose cases are chosen at random. */
#define RANDOM_CASES 40
/* What a driver may hold for a stream besides what it received. */
#define MEMORY_SLACK (48UL << 20)

FIXTURE(stream) {
	struct mig_device *devices[MAX_DEVICES];
	unsigned int count;
	struct mig_stream saved;
	const struct stream_format *format;
	struct stream_records records;
	enum stream_protection protection;
	struct mutations all;
};

static struct mig_stream save(struct mig_device *device, u64 seed, u64 *sum)
{
	struct mig_stream stream;

	mig_fill(device, seed);
	stream = mig_save(device, device->flags & VFIO_MIGRATION_PRE_COPY);
	*sum = mig_sum(device);
	mig_device_reset(device);

	return stream;
}

FIXTURE_SETUP(stream)
{
	self->devices[self->count++] = mig_device_open(mig_devices_name(0));
	MIG_NEED(self->devices[0], VFIO_MIGRATION_STOP_COPY);
	while (self->count < mig_devices_count() && self->count < MAX_DEVICES) {
		self->devices[self->count] = mig_device_open(mig_devices_name(self->count));
		self->count++;
	}
	self->saved = save(self->devices[0], 7, &self->all.sum);
	self->format = stream_format_find(&self->saved, &self->records);
	self->protection = self->format ? self->format->protection(&self->saved) : STREAM_PLAIN;
	printf("# a stream of %zu bytes, %u records%s%s%s\n", self->saved.len, self->records.count,
	       self->format ? " of format " : ", no known format",
	       self->format ? self->format->name : "",
	       self->protection == STREAM_CHECKED ? ", with checksums" :
	       self->protection == STREAM_SEALED ? ", with checksums of records" : "");
}

FIXTURE_TEARDOWN(stream)
{
	mutations_free(&self->all);
	stream_records_free(&self->records);
	mig_stream_free(&self->saved);
	for (unsigned int i = 0; i < self->count; i++)
		mig_device_close(self->devices[i]);
}

/* For a change that a reader sees only by its checksums, in a record or in opaque data. */
#define IF_SEALED (self->protection >= STREAM_SEALED ? MUTATION_REFUSED : MUTATION_EITHER)
#define IF_CHECKED (self->protection >= STREAM_CHECKED ? MUTATION_REFUSED : MUTATION_EITHER)

#define NEED_FORMAT() do {							\
	if (!self->format)							\
		SKIP(return, "no format is known of the device's streams");	\
} while (0)

#define RUN_ALL() do {								\
	EXPECT_EQ(0, mutations_run(&self->all, self->devices, self->count));	\
	for (unsigned int __i = 0; __i < self->count; __i++)			\
		mig_assert_usable(self->devices[__i]);				\
} while (0)

static size_t end_of(const struct stream_record *record)
{
	return record->at + record->len;
}

static void add_cut(struct mutations *all, const struct mig_stream *stream, size_t len,
		    const char *where)
{
	mutation_edit(mutation_add(all, stream, MUTATION_REFUSED, "cut to %zu bytes, %s", len,
				   where),
		      len, stream->len - len, NULL, 0);
}

/*
 * Items: 45. Faults: 13. vfio.h: "If the user provided data is found to be incomplete ... must
 * fail the SET_STATE".
 */
TEST_F_TIMEOUT(stream, truncated, 120)
{
	size_t len = self->saved.len, last = 0;

	add_cut(&self->all, &self->saved, 0, "nothing at all");
	for (unsigned int i = 0; i < self->records.count; i++) {
		const struct stream_record *r = &self->records.record[i];
		const size_t cuts[] = { r->at - 1,
					r->at,
					r->at + 1,
					r->at + r->header / 2 - 1,
					r->at + r->header - 1,
					r->at + r->header,
					r->at + r->header + 1,
					end_of(r) - 1 };

		for (unsigned int j = i ? 0 : 2; j < ARRAY_SIZE(cuts); j++) {
			if (cuts[j] <= last || cuts[j] >= len)
				continue;
			last = cuts[j];
			add_cut(&self->all, &self->saved, last, r->name);
		}
	}
	if (!self->format)
		add_cut(&self->all, &self->saved, 1, "a byte");
	add_cut(&self->all, &self->saved, len / 2, "half of it");
	if (last != len - 1)
		add_cut(&self->all, &self->saved, len - 1, "all but a byte");
	RUN_ALL();
}

/* Items: 45. Faults: 13. A migration that was cancelled in pre-copy: "incomplete". */
TEST_F(stream, precopy_part_only)
{
	struct mig_device *device = self->devices[0];
	struct mig_stream part = { };
	int data_fd;

	MIG_NEED(device, VFIO_MIGRATION_PRE_COPY);
	data_fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_read_precopy(data_fd, &part);
	mig_state_set(device, VFIO_DEVICE_STATE_RUNNING);
	close(data_fd);
	mutation_add(&self->all, &part, MUTATION_REFUSED, "the %zu bytes of pre-copy", part.len);
	RUN_ALL();
	mig_stream_free(&part);
}

/*
 * Items: 46 47. vfio.h: "To abort a RESUMING session the device must be reset", and a new one
 * is a new stream.
 */
TEST_F(stream, nothing_is_left_of_an_aborted_one)
{
	size_t half = self->saved.len / 2;

	/* One device, so that they come in this order. */
	add_cut(&self->all, &self->saved, half, "then the rest in another session");
	mutation_edit(mutation_add(&self->all, &self->saved, MUTATION_REFUSED, "the rest alone"), 0,
		      half, NULL, 0);
	mutation_add(&self->all, &self->saved, MUTATION_LOADED, "the whole stream");
	EXPECT_EQ(0, mutations_run(&self->all, self->devices, 1));
}

/* Items: 45. A record that has state is missing: "incomplete". */
TEST_F(stream, records_dropped)
{
	NEED_FORMAT();
	for (unsigned int i = 0; i < self->records.count; i++) {
		const struct stream_record *r = &self->records.record[i];

		mutation_edit(mutation_add(&self->all, &self->saved,
					   r->needed ? MUTATION_REFUSED : IF_SEALED,
					   "without record %u (%s)", i, r->name),
			      r->at, r->len, NULL, 0);
	}
	RUN_ALL();
}

/* Items: 45. "inconsistent", where the format lets that be seen. */
TEST_F(stream, records_duplicated)
{
	NEED_FORMAT();
	for (unsigned int i = 0; i < self->records.count; i++) {
		const struct stream_record *r = &self->records.record[i];

		mutation_edit(mutation_add(&self->all, &self->saved, IF_SEALED,
					   "record %u (%s) twice", i, r->name),
			      end_of(r), 0, self->saved.data + r->at, r->len);
		mutation_edit(mutation_add(&self->all, &self->saved, IF_SEALED,
					   "record %u (%s) at the end, too", i, r->name),
			      self->saved.len, 0, self->saved.data + r->at, r->len);
	}
	RUN_ALL();
}

static void add_swapped(struct mutations *all, const struct mig_stream *stream,
			enum mutation_verdict verdict, const struct stream_record *a,
			const struct stream_record *b)
{
	struct mutation *mutation = mutation_add(all, stream, verdict,
						 "%s at %zu, %s at %zu swapped", a->name, a->at,
						 b->name, b->at);

	mutation_edit(mutation, a->at, a->len, stream->data + b->at, b->len);
	mutation_edit(mutation, b->at, b->len, stream->data + a->at, a->len);
}

/* Items: 45. "inconsistent", where the format lets that be seen. */
TEST_F(stream, records_reordered)
{
	unsigned int count = self->records.count;

	NEED_FORMAT();
	for (unsigned int i = 0; i < count; i++) {
		const struct stream_record *r = &self->records.record[i];

		if (i + 1 < count)
			add_swapped(&self->all, &self->saved, IF_SEALED, r, r + 1);
		if (i + 2 < count)
			add_swapped(&self->all, &self->saved, IF_SEALED, r, r + 2);
	}
	RUN_ALL();
}

/* Items: 34. vfio.h: data "should be taken from the data transfer output of a single FD". */
TEST_F(stream, spliced_together)
{
	struct stream_records others = { };
	struct mig_stream other;
	unsigned int common;
	u64 sum;

	other = save(self->devices[0], 8, &sum);
	if (stream_format_find(&other, &others) != self->format)
		SKIP(return, "two streams of the device are of different formats");
	if (!self->format) {
		size_t half = self->saved.len / 2 < other.len ? self->saved.len / 2 : other.len;

		mutation_edit(mutation_add(&self->all, &self->saved, MUTATION_EITHER, "two halves"),
			      half, self->saved.len - half, other.data + half, other.len - half);
	}
	common = self->records.count < others.count ? self->records.count : others.count;
	for (unsigned int i = 0; i < common; i++) {
		size_t from = self->records.record[i].at, to = others.record[i].at;

		/* Where both say the same, it is no splice. */
		if (from == to &&
		    (!memcmp(self->saved.data, other.data, from) ||
		     (self->saved.len == other.len &&
		      !memcmp(self->saved.data + from, other.data + from, other.len - from))))
			continue;
		mutation_edit(mutation_add(&self->all, &self->saved, IF_SEALED,
					   "another save from record %u", i),
			      from, self->saved.len - from, other.data + to, other.len - to);
	}
	RUN_ALL();
	stream_records_free(&others);
	mig_stream_free(&other);
}

/* Items: 45. "otherwise invalid": the state of another kind of device. */
TEST_F(stream, foreign)
{
	static const char text[] =
		"The quick brown fox jumps over the lazy dog, again and again.\n";
	struct mig_random random = mig_random_start();
	/* Where no format is known, noise may be what a device has as state. */
	enum mutation_verdict verdict = self->format ? MUTATION_REFUSED : MUTATION_EITHER;
	const size_t lengths[] = { 16, 17, 4096, self->saved.len };
	u8 *noise = calloc_assert(1, self->saved.len + 4096);

	mutation_edit(mutation_add(&self->all, &self->saved, MUTATION_REFUSED, "a text"), 0,
		      self->saved.len, text, sizeof(text));
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++)
		mutation_edit(mutation_add(&self->all, &self->saved, verdict, "%zu zeros",
					   lengths[i]),
			      0, self->saved.len, noise, lengths[i]);
	for (size_t i = 0; i < self->saved.len + 4096; i++)
		noise[i] = mig_random(&random);
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++)
		mutation_edit(mutation_add(&self->all, &self->saved, verdict, "%zu bytes of noise",
					   lengths[i]),
			      0, self->saved.len, noise, lengths[i]);
	memset(noise, 0xff, self->saved.len);
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++)
		mutation_edit(mutation_add(&self->all, &self->saved, verdict, "%zu ones",
					   lengths[i]),
			      0, self->saved.len, noise, lengths[i]);
	RUN_ALL();
	free(noise);
}

/*
 * Items: 45. Bytes behind the end: a record that is not whole is "inconsistent", anything else
 * where it can be seen.
 */
TEST_F(stream, garbage_appended)
{
	const size_t lengths[] = { 1, 7, 8, 15, 16, 17, 4096 };
	enum mutation_verdict partial = self->format ? MUTATION_REFUSED : MUTATION_EITHER;
	struct mig_random random = mig_random_start();
	u8 header[STREAM_MAX_HEADER], noise[4096];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = mig_random(&random) | 0x80;
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++)
		mutation_edit(mutation_add(&self->all, &self->saved, partial, "and %zu bytes",
					   lengths[i]),
			      self->saved.len, 0, noise, lengths[i]);
	if (self->format) {
		size_t len = self->format->header(header, sizeof(noise), -1, true);
		struct mutation *mutation =
			mutation_add(&self->all, &self->saved, IF_SEALED, "and a record");

		mutation_edit(mutation, self->saved.len, 0, header, len);
		mutation_edit(mutation, self->saved.len, 0, noise, sizeof(noise));
	}
	RUN_ALL();
}

static void add_flipped(struct mutations *all, const struct mig_stream *stream,
			enum mutation_verdict verdict, size_t at, unsigned int bit,
			const char *where)
{
	u8 changed = stream->data[at] ^ (1 << bit);

	mutation_edit(mutation_add(all, stream, verdict, "bit %u of byte %zu flipped, %s", bit, at,
				   where),
		      at, 1, &changed, 1);
}

/* Is this byte of the stream one that means something to the device alone? */
static bool is_opaque(const struct stream_records *records, size_t at)
{
	for (unsigned int i = 0; i < records->count; i++) {
		const struct stream_record *r = &records->record[i];

		if (r->needed && at >= r->at + r->header && at < r->at + r->len)
			return true;
	}
	return false;
}

/* Items: 45. "inconsistent": only a stream with checksums shows every flipped bit. */
TEST_F_TIMEOUT(stream, bits_flipped, 120)
{
	struct mig_random random = mig_random_start();

	for (unsigned int i = 0; i < RANDOM_CASES; i++) {
		size_t at = mig_random_below(&random, self->saved.len);

		add_flipped(&self->all, &self->saved,
			    is_opaque(&self->records, at) ? IF_CHECKED : IF_SEALED, at,
			    mig_random_below(&random, 8), "anywhere");
	}
	RUN_ALL();
}

/* A little endian number made another, at the edges of what it can be. */
static void add_changed_field(struct mutations *all, const struct mig_stream *stream,
			      enum mutation_verdict verdict, const struct stream_record *record,
			      const struct stream_field *field, unsigned int how)
{
	static const char *const names[] = { "0", "ones", "one more", "one less",
					     "the other byte order" };
	const u8 *old = stream->data + record->at + field->at;
	size_t len = field->len < 64 ? field->len : 64;
	u8 new[64];
	u64 number = 0;

	memset(new, how == 1 ? 0xff : 0, len);
	if (how >= 2 && len <= sizeof(number)) {
		memcpy(&number, old, len);
		number += how == 2 ? 1 : how == 3 ? -1 : 0;
		memcpy(new, &number, len);
	}
	if (how == 4)
		for (size_t i = 0; i < len; i++)
			new[i] = old[len - 1 - i];
	if (!memcmp(new, old, len))
		return;
	mutation_edit(mutation_add(all, stream, verdict, "%s of %s at %zu: %s", field->name,
				   record->name, record->at, names[how]),
		      record->at + field->at, len, new, len);
}

/* Items: 45. "inconsistent": every field of every record, header or body. */
TEST_F_TIMEOUT(stream, fields_changed, 120)
{
	struct mig_random random = mig_random_start();

	NEED_FORMAT();
	for (unsigned int i = 0; i < self->records.count; i++) {
		const struct stream_record *r = &self->records.record[i];

		for (unsigned int j = 0; j < r->fields; j++) {
			const struct stream_field *f = &r->field[j];
			enum mutation_verdict verdict =
				is_opaque(&self->records, r->at + f->at) ? IF_CHECKED : IF_SEALED;

			add_flipped(&self->all, &self->saved, verdict,
				    r->at + f->at + mig_random_below(&random, f->len),
				    mig_random_below(&random, 8), f->name);
			add_changed_field(&self->all, &self->saved, verdict, r, f,
					  mig_random_below(&random, 5));
		}
	}
	RUN_ALL();
}

/* Faults: 12. A record of a size that its kind cannot have, and then no more: "incomplete". */
TEST_F_TIMEOUT(stream, sizes, 120)
{
	static const u64 sizes[] = { 0, 1, 7, 8, 9, 12, 1ull << 63, ~0ull };
	u8 bytes[STREAM_MAX_HEADER + 12];
	struct mutation *mutation;
	const char *name;

	NEED_FORMAT();
	for (unsigned int kind = 0; !kind || self->format->kind_name(kind - 1); kind++) {
		for (unsigned int i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
			u64 size = sizes[i / 2];
			bool may_skip = i % 2;
			size_t at = (i + kind) % 2 ? end_of(&self->records.record[0]) : 0;
			size_t header = self->format->header(bytes, size, kind, may_skip);
			size_t body = size < 12 ? size : 12;

			name = self->format->kind_name(kind);
			memset(bytes + header, 0x5a, 12);
			mutation = mutation_add(&self->all, &self->saved, MUTATION_REFUSED,
						"%s%s of %#llx bytes at %zu",
						name ? name : "unknown",
						may_skip ? "" : " (mandatory)",
						(unsigned long long)size, at);
			mutation_edit(mutation, at, self->saved.len - at, bytes, header + body);
		}
	}
	RUN_ALL();
}

static size_t memory_available(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	VFIO_ASSERT_NOT_NULL(file);
	while (fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %lu", &kib) != 1)
		;
	fclose(file);

	return kib << 10;
}

/* Bytes that the kernel took when a record came that claims @claim bytes and has @len. */
static size_t memory_taken(struct mig_device *device, const struct stream_format *format,
			   unsigned int kind, u64 claim, const u8 *body, size_t len)
{
	int data_fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_RESUMING);
	size_t before, after;
	u8 header[STREAM_MAX_HEADER];

	before = memory_available();
	if (!__mig_write(data_fd, header, format->header(header, claim, kind, true)))
		__mig_write(data_fd, body, len);
	after = memory_available();
	mig_device_reset(device);
	close(data_fd);

	return before > after ? before - after : 0;
}

/*
 * Faults: huge 6. What a stream claims is the word of a stranger, perhaps of
 * another host: it must not decide what the kernel allocates. The claims grow,
 * and none is made after one that was believed, for the next takes all memory.
 */
TEST_F_TIMEOUT(stream, memory, 120)
{
	static const u64 claims[] = { 64 << 20, 256 << 20, 0xffffffff };
	const size_t received = 1 << 20;
	u8 *body = calloc_assert(1, received);
	const char *name;
	size_t taken;

	NEED_FORMAT();
	for (unsigned int i = 0; i < ARRAY_SIZE(claims); i++) {
		for (unsigned int kind = 0; !kind || self->format->kind_name(kind - 1); kind++) {
			name = self->format->kind_name(kind);
			taken = memory_taken(self->devices[0], self->format, kind, claims[i], body,
					     received);
			ASSERT_LE(taken, received + MEMORY_SLACK) {
				TH_LOG("%s of %#llx bytes took %zu MiB",
				       name ? name : "unknown record",
				       (unsigned long long)claims[i], taken >> 20);
			}
		}
	}
	mig_assert_usable(self->devices[0]);
	free(body);
}

static void add_unknown(struct mutations *all, const struct mig_stream *stream,
			enum mutation_verdict verdict, const struct stream_format *format,
			const struct stream_record *before, bool may_skip)
{
	const size_t size = 4099;
	u8 bytes[STREAM_MAX_HEADER + size];
	size_t header = format->header(bytes, size, -1, may_skip);

	memset(bytes + header, 0xa5, size);
	mutation_edit(mutation_add(all, stream, verdict, "%s record before %s at %zu",
				   may_skip ? "an unknown" : "a mandatory unknown", before->name,
				   before->at),
		      before->at, 0, bytes, header + size);
}

/*
 * Items: 45. A record that its writer thought necessary and the reader does not know:
 * "otherwise invalid".
 */
TEST_F(stream, unknown_mandatory)
{
	NEED_FORMAT();
	for (unsigned int i = 0; i < self->records.count; i++)
		add_unknown(&self->all, &self->saved, MUTATION_REFUSED, self->format,
			    &self->records.record[i], false);
	RUN_ALL();
}

/* Items: 33. A record that a newer writer may have added; checksums of the rest do not know it. */
TEST_F(stream, unknown_optional)
{
	NEED_FORMAT();
	for (unsigned int i = 0; i < self->records.count; i++)
		add_unknown(&self->all, &self->saved,
			    self->protection >= STREAM_SEALED ? MUTATION_REFUSED : MUTATION_LOADED,
			    self->format,
			    &self->records.record[i], true);
	RUN_ALL();
}

/* A cut, a copy, a hole, or noise: each somewhere. The edits of a mutation must not overlap. */
static void edit_anyhow(struct mutation *mutation, const struct mig_stream *stream,
			struct mig_random *random, size_t from, size_t to)
{
	size_t at = from + mig_random_below(random, to - from);
	size_t len = mig_random_below(random, to - at < 300 ? to - at : 300) + 1;
	u8 noise[300];

	switch (mig_random_below(random, 4)) {
	case 0:
		mutation_edit(mutation, at, len, NULL, 0);
		break;
	case 1:
		mutation_edit(mutation, at, 0, stream->data + at, len);
		break;
	case 2:
		mutation_edit(mutation, at, 0,
			      stream->data + mig_random_below(random, stream->len - len), len);
		break;
	default:
		for (size_t i = 0; i < len; i++)
			noise[i] = mig_random(random);
		mutation_edit(mutation, at, len, noise, len);
	}
}

/* Items: 45. Several changes at a time, half of them near the beginning of a record. */
TEST_F_TIMEOUT(stream, random_edits, 120)
{
	struct mig_random random = mig_random_start();
	const struct mig_stream *saved = &self->saved;
	struct mig_stream result;

	for (unsigned int i = 0; i < RANDOM_CASES; i++) {
		struct mutation *mutation =
			mutation_add(&self->all, saved, MUTATION_EITHER, "random edits %u", i);
		unsigned int edits = 1 + mig_random_below(&random, MUTATION_MAX_EDITS);

		for (unsigned int j = 0; j < edits; j++) {
			size_t from = saved->len * j / edits, to = saved->len * (j + 1) / edits;
			const struct stream_record *r = NULL;

			if (self->records.count)
				r = self->records.record +
				    mig_random_below(&random, self->records.count);

			if (r && i % 2 && r->at >= from && r->at + r->header < to)
				from = r->at, to = r->at + r->header;
			edit_anyhow(mutation, saved, &random, from, to);
		}
		result = mutation_build(mutation);
		if (self->protection == STREAM_CHECKED &&
		    self->format->protection(&result) == STREAM_CHECKED &&
		    !mig_stream_same(&result, saved))
			mutation->verdict = MUTATION_REFUSED;
		mig_stream_free(&result);
	}
	RUN_ALL();
}

MIG_TEST_MAIN
