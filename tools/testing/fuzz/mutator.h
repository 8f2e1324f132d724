/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes an input as somebody would who knows the format: records are
 * repeated, dropped, moved, made longer, lied about; then totals and checksums
 * are made right again, mostly. Without it no input gets beyond a checksum.
 *
 * Called by the engine through engine_libfuzzer.c or engine_afl.c.
 */
#ifndef FUZZ_MUTATOR_H
#define FUZZ_MUTATOR_H

#include "wire.h"

/* The longest input that the mutator makes */
#define MAX_INPUT	4096

/* An engine's own way to change bytes, @length of them stay @length. */
typedef void (*mutate_bytes_fn)(u8 *bytes, size_t length, u32 random);

/* Changes @input in place; returns its new length, at most @room. */
size_t mutate_input(u8 *input, size_t length, size_t room, u32 seed,
		    mutate_bytes_fn mutate_bytes);
/* The first records of one input, then the last ones of another. */
size_t cross_inputs(const u8 *one, size_t one_length, const u8 *other,
		    size_t other_length, u8 *to, size_t room, u32 seed);

#endif /* FUZZ_MUTATOR_H */
