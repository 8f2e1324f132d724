// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mutator as AFL++ calls it: a shared object of its own, named in
 * AFL_CUSTOM_MUTATOR_LIBRARY.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct afl_mutator {
	u32 seed;
	u8 input[MAX_INPUT];
};

void *afl_custom_init(void *afl, unsigned int seed)
{
	struct afl_mutator *mutator = calloc(1, sizeof(*mutator));

	(void)afl;
	if (mutator)
		mutator->seed = seed;
	return mutator;
}

size_t afl_custom_fuzz(struct afl_mutator *mutator, u8 *data, size_t size,
		       u8 **out, u8 *other, size_t other_size, size_t max_size)
{
	size_t room = max_size < MAX_INPUT ? max_size : MAX_INPUT;
	u32 seed = mutator->seed = mutator->seed * 1664525 + 1013904223;
	size_t length;

	*out = mutator->input;
	if (other && seed >> 29 == 0) {
		length = cross_inputs(data, size, other, other_size,
				      mutator->input, room, seed);
		if (length)
			return length;
	}
	length = size < room ? size : room;
	memcpy(mutator->input, data, length);
	return mutate_input(mutator->input, length, room, seed, NULL);
}

void afl_custom_deinit(struct afl_mutator *mutator)
{
	free(mutator);
}
