/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VF whose writes are tracked: which pages it was made to write, and whether
 * reports say the same. One thread for each.
 */
#ifndef DRIVER_TRACKED_H
#define DRIVER_TRACKED_H

#include <pthread.h>

#include "stand.h"

#define BASE        0x800000000ull
#define CHUNK       (16ull << 20)       /* memory, mapped again and again */
enum {
    CHUNK_PAGES = CHUNK / PAGE,
    HUGE_PAGES  = (2 << 20) / PAGE,
    FAST        = 4000000,              /* writes a second */
    WAIT        = 60000,                /* ms, for what has to come */
};

struct tracked {
    struct vf *v;
    uint8_t *ram;                       /* what is mapped at BASE, and so on */
    unsigned pages;
    uint64_t seed;
    uint8_t *want;                      /* pages written and not reported yet */
    uint64_t *bitmap;                   /* of the last report; shared with children */
    unsigned missing, extra, errors;
    pthread_t thread;
};

/* Maps one chunk so many times, one behind the other; the VF is open. */
void tracked_open(struct tracked *t, struct vf *v, unsigned chunks);
void tracked_close(struct tracked *t);

/* Of all that is mapped. */
int tracked_start(struct tracked *t, uint64_t page_size);
int tracked_stop(struct tracked *t);
/* The VF writes to n pages from first on, every step-th; with a seed to some of them, and to some again. */
void tracked_write(struct tracked *t, unsigned first, unsigned n, unsigned step, uint64_t seed);
/* Asks for n pages from first on, which then count as clean, and compares. */
void tracked_compare(struct tracked *t, unsigned first, unsigned n);
bool tracked_bit(const struct tracked *t, uint64_t bit);
/* A test point: all reports since the last one were what was written. */
void tracked_check(struct tracked *t, const char *what);
/* The same, of some writes that are made for it: does it work? */
void tracked_works(struct tracked *t, const char *what);
/* A number below one, of a sequence of its own. */
unsigned tracked_chosen(struct tracked *t, unsigned below);
/* How often something is done: $ROUNDS, or as often as make test has time for. */
unsigned tracked_rounds(unsigned few);

#endif
