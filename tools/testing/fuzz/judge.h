/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reference: what a reader must make of a stream, known from the start.
 *
 * Written from Documentation/stream.rst and not from wire.c, with a checksum of
 * its own, so that one checks the other. It sees the whole stream at once and
 * has no cursor.
 */
#ifndef FUZZ_JUDGE_H
#define FUZZ_JUDGE_H

#include "trace.h"

/**
 * struct judgement - of a stream
 * @trace: the events, the last one a refusal or the end if there is one
 * @whole_at: for each number of bytes: may the stream end there?
 * @end_at: bytes up to and with the end record, 0 if its header never came
 * @identified: the stream began with a sound identity
 * @identity: that, as it came
 * @shaped: a sound shape came
 * @shape: that, as it came
 * @stop_copy_size: the last hint
 * @images: whole images
 * @bytes: in those
 */
struct judgement {
	struct trace trace;
	bool *whole_at;
	size_t end_at;
	bool identified;
	struct vfio_ferry_identity identity;
	bool shaped;
	struct vfio_ferry_shape shape;
	u64 stop_copy_size;
	u32 images;
	u64 bytes;
};

void judge(struct judgement *judgement, const u8 *stream, size_t length,
	   u64 max_image);
void judgement_free(struct judgement *judgement);

/* CRC32C without the inversions at both ends: those are the caller's. */
u32 judge_crc32c(u32 crc, const void *data, size_t length);

#endif /* FUZZ_JUDGE_H */
