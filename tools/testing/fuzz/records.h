/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stream taken apart into records, to be changed and put together again.
 *
 * For the mutator and the seeds. No allocation: a script holds everything.
 */
#ifndef FUZZ_RECORDS_H
#define FUZZ_RECORDS_H

#include "wire.h"

#define MAX_RECORDS	64
#define MAX_BYTES	8192

/**
 * struct record - one record
 * @size: what its header claims
 * @flags: of the header
 * @tag: of the header
 * @length: bytes that are there
 * @at: where in the script's bytes they are
 */
struct record {
	u64 size;
	u32 flags;
	u32 tag;
	size_t length;
	size_t at;
};

/**
 * struct script - a stream in parts
 * @records: in order
 * @count: how many
 * @tail: bytes behind them that are no record, a header cut short
 * @tail_length: how many
 * @bytes: of all records, in no order
 * @used: how many of those are taken
 */
struct script {
	struct record records[MAX_RECORDS];
	size_t count;
	u8 tail[FERRY_WIRE_HEADER_BYTES];
	size_t tail_length;
	u8 bytes[MAX_BYTES];
	size_t used;
};

/* What script_seal() makes right */
enum seal {
	SEAL_VERSION = 1 << 0,
	SEAL_IDENTITY_CRC = 1 << 1,
	SEAL_CHECK_LENGTH = 1 << 2,
	SEAL_CHECK_SEQUENCE = 1 << 3,
	SEAL_CHECK_CRC = 1 << 4,
	SEAL_END_TOTALS = 1 << 5,
	SEAL_END_CRC = 1 << 6,
	SEAL_SHAPE_CRC = 1 << 7,
	SEAL_KINDS = 8,
	SEAL_ALL = (1 << SEAL_KINDS) - 1,
};

/* Take a stream apart; what finds no room is lost. */
void script_read(struct script *script, const u8 *stream, size_t length);
/* Put it together; returns the bytes written, at most @room. */
size_t script_write(const struct script *script, u8 *stream, size_t room);

/* Put a record in; NULL if there is no room. */
struct record *script_insert(struct script *script, size_t before, u32 flags,
			     u32 tag, size_t length);
void script_remove(struct script *script, size_t index);
/* Give a record other bytes; false if there is no room. */
bool script_resize(struct script *script, struct record *record, size_t length);

/* Make the totals and checksums what they must be for the rest. */
void script_seal(struct script *script, unsigned int what);

#endif /* FUZZ_RECORDS_H */
