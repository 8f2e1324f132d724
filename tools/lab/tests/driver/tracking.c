// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which pages a VF wrote: the bitmap is what the workload did, for patterns
 * that nobody chose, for each slot of the receive queue with a message that
 * fills it, for more pages than the queue has room for, for a guest as large as
 * any; and what a start refuses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "tracked.h"

enum {
    CHUNKS      = 72,                   /* so many times: more than the queue's slots hold */
    SLOT_PAGES  = 65536 / 8,            /* in a message that fills its slot */
    SLOTS       = 32,
    BURSTS      = 4,
    BURST_PAGES = 3000,
    ROUNDS      = 150,
    ROUNDS_OF_MANY = 15,                /* for each of many VFs */
    AT_ONCE     = 2,                    /* trackers that the scenario's NIC has */
};

/* ---- patterns ---- */

/* In turn, every so manieth, at random, or the first and the last of something. */
static void write_somewhere(struct tracked *t)
{
    unsigned step = 1, n = 1 + tracked_chosen(t, BURST_PAGES), edge = 1 << (1 + tracked_chosen(t, 9));
    uint64_t seed = 0;

    switch (tracked_chosen(t, 4)) {
    case 1:
        step += tracked_chosen(t, 7);
        n = 1 + tracked_chosen(t, t->pages / step < BURST_PAGES ? t->pages / step : BURST_PAGES);
        break;
    case 2:
        seed = 1 + tracked_chosen(t, 1 << 20);
        break;
    case 3:
        n = t->pages / edge;
        tracked_write(t, edge - 1, n, edge, 0);
        tracked_write(t, 0, n, edge, 0);
        return;
    }
    tracked_write(t, tracked_chosen(t, t->pages - n * step + 1), n, step, seed);
}

/* Reports of the whole or of two parts, in any order. */
static void compare_somehow(struct tracked *t)
{
    unsigned cut = tracked_chosen(t, 2) ? 1 + tracked_chosen(t, t->pages - 1) : 0;

    tracked_compare(t, cut, t->pages - cut);
    if (cut)
        tracked_compare(t, 0, cut);
}

static unsigned rounds;

static void *patterns(void *arg)
{
    struct tracked *t = arg;

    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned n = tracked_chosen(t, BURSTS + 1); n; n--)
            write_somewhere(t);
        compare_somehow(t);
    }
    return NULL;
}

static void test_patterns(struct bench *b, unsigned vfs, unsigned chunks)
{
    static struct tracked t[MAX_VFS];

    for (unsigned i = 0; i < vfs; i++) {
        vf_open(&b->vf[i]);
        tracked_open(&t[i], &b->vf[i], chunks);
        ok(!tracked_start(&t[i], PAGE), "VF %u is tracked", i);
    }
    for (unsigned i = 0; i < vfs; i++)
        pthread_create(&t[i].thread, NULL, patterns, &t[i]);
    for (unsigned i = 0; i < vfs; i++) {
        pthread_join(t[i].thread, NULL);
        tracked_check(&t[i], "patterns of pages, while the others are tracked");
    }
    /* Some end with tracking on, as a VM that migrated away. */
    for (unsigned i = 0; i < vfs; i++) {
        ok(i % 2 == 0 || !tracked_stop(&t[i]), "VF %u is not tracked any more", i);
        vf_close(&b->vf[i]);
        tracked_close(&t[i]);
    }
    bench_check_clean(b, "patterns");
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_TRACKER), 0, "no tracker is left");
}

/* More VFs than the firmware has trackers for: one more when another ends. */
static void test_limit(struct bench *b)
{
    struct dma_range range = { BASE, CHUNK };
    uint64_t page = PAGE;
    char text[1024];

    for (unsigned i = 0; i < AT_ONCE; i++) {
        vf_open(&b->vf[i]);
        ok(!mig_log_start(&b->vf[i].fn, &range, 1, &page), "VF %u is tracked", i);
    }
    vf_open(&b->vf[AT_ONCE]);
    ok(mig_log_start(&b->vf[AT_ONCE].fn, &range, 1, &page) == -ENOMEM, "one VF too many is told");
    ok(strstr(ferry_show(&b->vf[AT_ONCE], "failure", text, sizeof(text)), "CREATE_GENERAL_OBJECT of a page tracker"),
       "and debugfs says what there are too many of");
    vf_close(&b->vf[0]);
    ok(!mig_log_start(&b->vf[AT_ONCE].fn, &range, 1, &page), "and tracked once another is closed");
    for (unsigned i = 1; i <= AT_ONCE; i++)
        vf_close(&b->vf[i]);
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_TRACKER), 0, "no tracker is left");
}

/* ---- queues ---- */

static void test_queue(struct bench *b, struct tracked *t)
{
    uint64_t waits;

    ok(!tracked_start(t, PAGE), "tracking starts");
    /* Two slots each, so that in two laps each slot was full, the last one too. */
    for (unsigned i = 0; i < SLOTS; i++) {
        tracked_write(t, 5 * i, 2 * SLOT_PAGES, 1, 0);
        tracked_compare(t, 0, t->pages);
    }
    tracked_check(t, "messages that fill each slot");
    for (unsigned i = 0; i < SLOTS - 1; i++)
        tracked_compare(t, 0, 1);
    tracked_write(t, 7, SLOT_PAGES, 1, 0);
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "one that fills the last slot, and ends the report");
    for (unsigned i = 0; i < SLOTS - 1; i++)
        tracked_compare(t, 0, 1);
    tracked_write(t, 7, 3 * SLOT_PAGES + 1, 1, 0);
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "one that fills the last slot, and goes on");
    waits = model_counter(b, COUNTER_TRACKER_WAITS);
    tracked_write(t, 0, t->pages, 1, 0);
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "all pages, more than the queue has room for");
    ok(model_counter(b, COUNTER_TRACKER_WAITS) > waits, "the firmware waited for room");
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "and none after that");
}

/* What a report has of a page that was written twice, of one that was written before a restart. */
static void test_restarted(struct tracked *t)
{
    tracked_write(t, 40, 100, 2, 0);
    tracked_write(t, 40, 100, 2, 0);
    tracked_write(t, 40, 50, 1, 0);
    tracked_compare(t, 0, t->pages);
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "pages that are written twice are told once");
    tracked_write(t, 1000, 700, 1, 0);
    ok(!tracked_stop(t) && !tracked_start(t, PAGE), "tracking starts anew");
    tracked_write(t, 1500, 300, 2, 0);
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "what was written since it started anew");
}

/* A VMM asks for sections of memory as they are, and for those of other devices. */
static void test_odd_reports(struct tracked *t)
{
    const unsigned cut = 0x3d0;
    unsigned first = 0, rest = 0;

    tracked_write(t, 0, 6, 1, 0);
    memset(t->bitmap, 0, 16);
    t->errors += !!mig_log_report(&t->v->fn, BASE, 5 * PAGE + cut, PAGE, t->bitmap);
    for (unsigned i = 0; i < 64; i++)
        first += tracked_bit(t, i);
    memset(t->bitmap, 0, 16);
    t->errors += !!mig_log_report(&t->v->fn, BASE + 5 * PAGE + cut, 5 * PAGE - cut, PAGE, t->bitmap);
    for (unsigned i = 0; i < 64; i++)
        rest += tracked_bit(t, i);
    memset(t->want, 0, 6);
    ok(!t->errors && first == 6 && rest == 1,
       "a report that ends inside of a page, and one that begins there: %u and %u pages, %u errors", first, rest,
       t->errors);
    t->errors = 0;
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "and none after that");

    tracked_write(t, 0, 3, 1, 0);
    memset(t->bitmap, 0, 16);
    t->errors = !!mig_log_report(&t->v->fn, 0xe0000000, 0x3fd0, PAGE, t->bitmap);
    ok(!t->errors && !t->bitmap[0] && !mig_log_report(&t->v->fn, BASE, 0, PAGE, t->bitmap) && !t->bitmap[0],
       "reports of what is no memory, and of nothing, are empty");
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "and take nothing away");
    ok(!tracked_stop(t), "tracking stops");
}

/* Larger pages, of which users ask for parts: each part is told, once. */
static void test_in_parts(struct tracked *t)
{
    unsigned told = 0, again = 0, all = 4 * HUGE_PAGES;

    ok(!tracked_start(t, 2 << 20), "tracking starts, in pages of 2 MiB");
    tracked_write(t, HUGE_PAGES, 1, 1, 0);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned at = 0; at < all; at += 100) {
            unsigned n = at + 100 > all ? all - at : 100;

            memset(t->bitmap, 0, 16);
            t->errors += !!mig_log_report(&t->v->fn, BASE + (uint64_t)at * PAGE, (uint64_t)n * PAGE, PAGE, t->bitmap);
            for (unsigned i = 0; i < n; i++)
                *(round ? &again : &told) += tracked_bit(t, i);
        }
    ok(!t->errors && told == HUGE_PAGES && !again,
       "a page of 2 MiB is told in parts: %u of it, %u again, %u errors", told, again, t->errors);
    tracked_write(t, HUGE_PAGES, 1, 1, 0);
    tracked_compare(t, HUGE_PAGES + 1, 1);
    memset(t->want, 0, t->pages);
    t->missing = t->extra = 0;
    ok(!tracked_stop(t) && !tracked_start(t, 2 << 20), "tracking starts anew");
    tracked_compare(t, 0, t->pages);
    tracked_check(t, "and nothing is left of the part that nobody asked for");
    ok(!tracked_stop(t), "tracking stops");
}

/* ---- a large guest ---- */

#define TIB         (1ull << 40)
#define STRETCH     (64ull << 30)
enum { PLACES = TIB / STRETCH };        /* of memory, the last of which ends where it ends */

static uint64_t place(unsigned i)
{
    return i < PLACES - 1 ? (i + 1) * STRETCH + 7 * CHUNK : TIB - CHUNK;
}

/* Bits that are set but for those of pages that were written. */
static unsigned unexpected(const uint64_t *bitmap, unsigned expected)
{
    unsigned set = 0;

    for (uint64_t i = 0; i < TIB / PAGE / 64; i++)
        if (bitmap[i])
            set += __builtin_popcountll(bitmap[i]);
    return set - expected;
}

static void test_large(struct tracked *t)
{
    struct dma_range all = { 0, TIB };
    uint64_t page = PAGE, cut = TIB / 3;
    uint64_t *bitmap = calloc(TIB / PAGE / 64, 8);
    unsigned missing = 0;
    int err;

    if (!bitmap)
        tap_bail("no memory");
    for (unsigned i = 0; i < PLACES; i++)
        if (io_map(&t->v->space, place(i), t->ram, CHUNK))
            tap_bail("memory cannot be mapped at %#llx", (unsigned long long)place(i));
    err = mig_log_start(&t->v->fn, &all, 1, &page);
    for (unsigned i = 0; i < PLACES && !err; i++) {
        wl_write(t->v->wl, WL_DMA_COUNT, 0);
        wl_dma(t->v->wl, place(i), CHUNK, PAGE, FAST, CHUNK_PAGES);
        if (!wl_wait(t->v->wl, WL_DMA_COUNT, CHUNK_PAGES, WAIT))
            tap_bail("VF %s does not write", t->v->bdf);
        /* before the count is set back, with which it would go on where it was */
        wl_write(t->v->wl, WL_DMA_RATE, 0);
    }
    /* In two parts, of which neither is whole pages. */
    err = err ?: mig_log_report(&t->v->fn, 0, cut, PAGE, bitmap);
    cut &= ~(64ull * PAGE - 1);
    err = err ?: mig_log_report(&t->v->fn, cut, TIB - cut, PAGE, bitmap + cut / PAGE / 64);
    for (unsigned i = 0; i < PLACES; i++)
        for (uint64_t at = place(i) / PAGE; at < (place(i) + CHUNK) / PAGE; at++)
            missing += !(bitmap[at / 64] >> at % 64 & 1);
    ok(!err && !missing && !unexpected(bitmap, PLACES * CHUNK_PAGES),
       "1 TiB of addresses: %d, %u pages missing, %u too many", err, missing,
       unexpected(bitmap, PLACES * CHUNK_PAGES) + missing);
    ok(!tracked_stop(t), "tracking stops");
    for (unsigned i = 0; i < PLACES; i++)
        io_unmap(&t->v->space, place(i), CHUNK);
    free(bitmap);
}

/* ---- what is refused ---- */

static void test_refusals(struct tracked *t)
{
    struct dma_range none = { 0, 0 }, twice[2] = { { BASE, PAGE }, { BASE, PAGE } }, good = { BASE, CHUNK };
    struct dma_range within[2] = { { BASE, 4 * PAGE }, { BASE + PAGE, PAGE } }, beyond = { -PAGE, 2 * PAGE };
    struct dma_range empty[2] = { { BASE, PAGE }, { BASE + CHUNK, 0 } }, no_memory = { 0xe0000000, CHUNK };
    struct dma_range good_for_large = { BASE, 1 << 30 };
    uint64_t page = 0, three = 3, one = PAGE, large = 1 << 30, medium = 1 << 16;

    ok(mig_log_start(&t->v->fn, &none, 1, &page) == -EINVAL, "no page size");
    ok(mig_log_start(&t->v->fn, twice, 2, &page) == -EINVAL, "no page size, and a range");
    ok(mig_log_start(&t->v->fn, &none, 1, &three) == -EINVAL, "a page size of 3");
    ok(mig_log_start(&t->v->fn, &none, 1, &one) == -EINVAL, "no bytes");
    ok(mig_log_start(&t->v->fn, empty, 2, &one) == -EINVAL, "no bytes of one");
    ok(mig_log_start(&t->v->fn, twice, 2, &one) == -EINVAL, "a range twice");
    ok(mig_log_start(&t->v->fn, within, 2, &one) == -EINVAL, "one within another");
    ok(mig_log_start(&t->v->fn, &beyond, 1, &one) == -EOVERFLOW, "one beyond the end");
    ok(mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap) == -EINVAL, "a report while tracking is off");
    ok(!mig_log_start(&t->v->fn, &no_memory, 1, &medium) && medium == 1 << 16 && !tracked_stop(t),
       "tracking starts, of what is no memory, in pages of 64 KiB");
    ok(!mig_log_start(&t->v->fn, &good_for_large, 1, &large) && large == 2 << 20 && !tracked_stop(t),
       "and in the largest pages there are");
    ok(!mig_log_start(&t->v->fn, &good, 1, &one) && one == PAGE, "tracking starts");
    ok(mig_log_start(&t->v->fn, &good, 1, &one) == -EINVAL, "a second start");
    vf_reset(t->v);
    ok(mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap) < 0, "a report after a reset");
    ok(!tracked_start(t, PAGE), "tracking starts again without a stop");
    ok(!tracked_stop(t) && !tracked_stop(t), "a second stop is harmless");
}

void test_tracking(struct bench *b)
{
    static struct tracked t;

    if (b->vfs <= AT_ONCE)
        tap_bail("this takes %u VFs", AT_ONCE + 1);
    rounds = tracked_rounds(ROUNDS);
    test_patterns(b, AT_ONCE, 8);
    test_limit(b);
    vf_open(&b->vf[0]);
    tracked_open(&t, &b->vf[0], CHUNKS);
    test_refusals(&t);
    test_queue(b, &t);
    test_restarted(&t);
    test_odd_reports(&t);
    test_in_parts(&t);
    test_large(&t);
    vf_close(t.v);
    tracked_close(&t);
    bench_check_clean(b, "tracking");
}

void test_many_tracked(struct bench *b)
{
    rounds = tracked_rounds(ROUNDS_OF_MANY);
    test_patterns(b, b->vfs, 1);
}
