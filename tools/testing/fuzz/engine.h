/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engines call, by the names that they have chosen, and what
 * libFuzzer offers.
 */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include "mutator.h"

struct afl_mutator;

/* wire_fuzz.c: one input, for both */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* engine_libfuzzer.c */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const u8 *data1, size_t size1,
				 const u8 *data2, size_t size2, u8 *out,
				 size_t max_out_size, unsigned int seed);
/* libFuzzer's own */
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);

/* engine_afl.c */
void *afl_custom_init(void *afl, unsigned int seed);
size_t afl_custom_fuzz(struct afl_mutator *mutator, u8 *data, size_t size,
		       u8 **out, u8 *other, size_t other_size, size_t max_size);
void afl_custom_deinit(struct afl_mutator *mutator);

#endif /* FUZZ_ENGINE_H */
