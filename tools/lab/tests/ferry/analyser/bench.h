/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The analyser of libferry on a stream in memory, and what it said of it; the
 * streams of the fuzz target's corpus; the fuzz target's reference.
 */
#ifndef ANALYSER_BENCH_H
#define ANALYSER_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/saved.h>

enum { MAX_SEEDS = 128, MAX_SEED = 4096 };

struct seed {
    char name[64];
    uint8_t input[MAX_SEED];        /* a plan, then the stream */
    size_t input_length;
    const uint8_t *stream;
    size_t length;
    uint64_t max_image;
    bool sound;                     /* says the reference */
};

struct bench {
    struct seed seeds[MAX_SEEDS];
    unsigned count;
};

/* What was told: as a sum, so that two runs compare, and the first finding. */
struct said {
    uint64_t sum;
    uint64_t records, findings, packets;
    struct ferry_finding first;
    struct ferry_stream_summary stream;     /* of device 0 */
    uint64_t all_findings, all_packets;
    bool sound;
};

void bench_load(struct bench *b, const char *corpus);
/* piece: bytes at once, 0 for all. */
struct said analyse(const void *data, size_t length, size_t piece, uint64_t max_image);
/* Is the stream whole and right, by the reference? */
bool reference(const void *data, size_t length, uint64_t max_image);
/* The longest image that the plan before a stream allows. */
uint64_t plan_max_image(const uint8_t *input);
/* The analyser and the reference agree; if not, says how. */
bool agrees(const struct said *said, bool sound, const char *name);

void test_corpus(struct bench *b);
void test_made(struct bench *b);
void test_cuts(struct bench *b);
void test_flips(struct bench *b);
void test_packets(struct bench *b);
void test_images(struct bench *b);
void test_large(struct bench *b);

#endif
