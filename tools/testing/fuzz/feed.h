/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drives the decoder as the writer of a data FD does, and holds each of its
 * answers against what its documentation says.
 */
#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H

#include "judge.h"

/* Sizes of pieces in turn, 0 is for all that is left */
#define PIECES		4

/* Ends the program where the decoder breaks its word. */
void feed(struct ferry_decoder *decoder, const u8 *stream, size_t length,
	  const u8 *pieces, const struct judgement *judgement,
	  struct trace *trace);

/* Feed until that event, the caller refuses, and nothing changes any more. */
void feed_and_refuse(const u8 *stream, size_t length, u64 max_image,
		     size_t event);

/* Whatever comes after a refusal changes nothing. */
void expect_refused_for_ever(struct ferry_decoder *decoder);

/* Are both at the same point of the same stream? */
void expect_same_state(const struct ferry_decoder *one,
		       const struct ferry_decoder *other, const char *name);

#endif /* FUZZ_FEED_H */
