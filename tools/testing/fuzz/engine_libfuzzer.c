// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mutator as libFuzzer calls it.
 */
#include "engine.h"

static void mutate_bytes(u8 *bytes, size_t length, u32 random)
{
	(void)random;
	LLVMFuzzerMutate(bytes, length, length);
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	/* Now and then without any knowledge of the format */
	if (seed % 8 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	return mutate_input(data, size, max_size, seed, mutate_bytes);
}

size_t LLVMFuzzerCustomCrossOver(const u8 *data1, size_t size1,
				 const u8 *data2, size_t size2, u8 *out,
				 size_t max_out_size, unsigned int seed)
{
	return cross_inputs(data1, size1, data2, size2, out, max_out_size,
			    seed);
}
