// SPDX-License-Identifier: GPL-2.0-or-later
/* Streams of the corpus, changed ones, cut ones: the analyser and the reference agree. */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "mutator.h"
#include "plan.h"

#include "../../lib/tap.h"
#include "bench.h"

enum { MADE = 30000, GENERATIONS = 8, SEED = 20261127 };

static const size_t pieces[] = { 1, 2, 7, 16, 17, 61 };

/* The same is told whatever the pieces. */
static bool same_in_pieces(const uint8_t *stream, size_t length, uint64_t max_image,
                           const struct said *whole, const char *name)
{
    for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct said said = analyse(stream, length, pieces[i], max_image);

        if (said.sum == whole->sum && said.sound == whole->sound &&
            said.stream.refused_at == whole->stream.refused_at)
            continue;
        tap_diag("%s in pieces of %zu: another story, first finding: %s", name, pieces[i],
                 said.first.text);
        return false;
    }
    return true;
}

void test_corpus(struct bench *b)
{
    unsigned sound = 0;

    for (unsigned i = 0; i < b->count; i++) {
        const struct seed *seed = &b->seeds[i];
        struct said said = analyse(seed->stream, seed->length, 0, seed->max_image);

        sound += seed->sound;
        ok(agrees(&said, seed->sound, seed->name), "%s is %s", seed->name,
           seed->sound ? "sound" : "wrong");
        ok(same_in_pieces(seed->stream, seed->length, seed->max_image, &said, seed->name),
           "%s in pieces", seed->name);
    }
    ok(sound >= 5 && sound < b->count / 2, "%u of %u streams of the corpus are sound", sound,
       b->count);
}

/* A seed, changed a few times as somebody would who knows the format */
static size_t make(const struct bench *b, unsigned n, uint8_t *input)
{
    const struct seed *seed = &b->seeds[n % b->count];
    size_t length = seed->input_length;

    memcpy(input, seed->input, length);
    for (unsigned i = 0; i <= n / b->count % GENERATIONS; i++)
        length = mutate_input(input, length, MAX_INPUT, SEED + n * GENERATIONS + i, NULL);
    return length;
}

void test_made(struct bench *b)
{
    static uint8_t input[MAX_INPUT];
    unsigned agreed = 0, same = 0, sound = 0;
    char name[64];

    tap_diag("seed %d", SEED);
    for (unsigned n = 0; n < MADE; n++) {
        size_t length = make(b, n, input) - sizeof(struct plan);
        const uint8_t *stream = input + sizeof(struct plan);
        uint64_t max_image = plan_max_image(input);
        bool expected = reference(stream, length, max_image);
        struct said said = analyse(stream, length, 0, max_image);

        snprintf(name, sizeof(name), "stream %u, of %s", n, b->seeds[n % b->count].name);
        sound += expected;
        agreed += agrees(&said, expected, name);
        same += same_in_pieces(stream, length, max_image, &said, name);
    }
    ok_eq(agreed, MADE, "made streams: the analyser says what the reference says");
    ok_eq(same, MADE, "made streams: the same in pieces");
    ok(sound > MADE / 100 && sound < MADE, "%u of %d made streams are sound", sound, MADE);
}

/* Where records begin, from the headers of a sound stream */
static size_t next_boundary(const struct seed *seed, size_t at)
{
    struct vfio_ferry_record header;

    memcpy(&header, seed->stream + at, sizeof(header));
    return at + sizeof(header) + le64toh(header.size);
}

void test_cuts(struct bench *b)
{
    unsigned cuts = 0, agreed = 0;
    char name[96];

    for (unsigned i = 0; i < b->count; i++) {
        const struct seed *seed = &b->seeds[i];

        if (!seed->sound)
            continue;
        for (size_t at = 0; at < seed->length; at = next_boundary(seed, at))
            for (size_t cut = at ? at - 1 : 0; cut <= at + 1; cut++) {
                struct said said = analyse(seed->stream, cut, 0, seed->max_image);

                snprintf(name, sizeof(name), "%s cut after %zu bytes", seed->name, cut);
                agreed += agrees(&said, reference(seed->stream, cut, seed->max_image), name);
                cuts++;
            }
    }
    ok(cuts > 50, "%u cuts at and beside the boundaries of records", cuts);
    ok_eq(agreed, cuts, "cut streams: the analyser says what the reference says");
}

/* Does this stream of ferry's say that the bytes of its images have no checksum? */
static bool has_mark(const struct seed *seed)
{
    return memcmp(seed->stream + 16 + 2, "\0\0", 2);
}

void test_flips(struct bench *b)
{
    static uint8_t copy[MAX_SEED];
    unsigned flips = 0, found = 0;

    for (unsigned i = 0; i < b->count; i++) {
        const struct seed *seed = &b->seeds[i];

        if (!seed->sound || seed->length < 20 || memcmp(seed->stream + 12, "\1\0\x52\x46", 4) ||
            has_mark(seed))
            continue;
        for (size_t bit = 0; bit < seed->length * 8; bit++) {
            struct said said;

            memcpy(copy, seed->stream, seed->length);
            copy[bit / 8] ^= 1 << bit % 8;
            said = analyse(copy, seed->length, 0, seed->max_image);
            flips++;
            if (!said.sound && said.findings)
                found++;
            else
                tap_diag("%s: bit %zu changed unseen", seed->name, bit);
        }
    }
    ok(flips > 1000, "%u changed bits of streams with checksums", flips);
    ok_eq(found, flips, "every changed bit is found");
}
