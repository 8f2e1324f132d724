/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that follow from a seed, which is not 0 (xorshift64). */
#ifndef LAB_RANDOM_H
#define LAB_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Less than BELOW; 0 if that is 0. */
static inline uint32_t random_below(uint64_t *state, uint32_t below)
{
    uint64_t next = random_next(state);

    return below ? (next >> 16) % below : 0;
}

#endif
