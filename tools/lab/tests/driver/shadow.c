// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a VMM does with reports: it copies the pages that they tell, while the
 * VF goes on writing. In the end, when the VF writes no more, one more report
 * has to make the copy what the memory is. A page that was lost on the way is
 * one that differs.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "tracked.h"

enum {
    EPOCHS      = 60,
    MIGRATIONS  = 5,
    MOST_WRITES = 3000,                 /* few enough for most pages to be written once */
    RATE        = 100000,
    RANGES      = 60,
};

struct shadow {
    struct tracked t;
    uint64_t copy[CHUNK_PAGES];         /* of each page's first word, which is what the VF writes */
    unsigned reports, errors, copied;
};

static uint64_t word(const struct shadow *s, unsigned page)
{
    return *(volatile uint64_t *)(s->t.ram + (size_t)page * PAGE);
}

static void copy_pages(struct shadow *s, unsigned first, unsigned n)
{
    struct tracked *t = &s->t;

    memset(t->bitmap, 0, n / 8 + 8);
    s->errors += !!mig_log_report(&t->v->fn, BASE + first * (uint64_t)PAGE, (uint64_t)n * PAGE, PAGE, t->bitmap);
    s->reports++;
    for (unsigned i = 0; i < n; i++)
        if (tracked_bit(t, i)) {
            s->copy[first + i] = word(s, first + i);
            s->copied++;
        }
}

/* All of the memory, in pieces that have nothing to do with the log's pages. */
static void copy_all(struct shadow *s)
{
    for (unsigned at = 0, n; at < CHUNK_PAGES; at += n) {
        n = 1 + tracked_chosen(&s->t, CHUNK_PAGES);
        if (n > CHUNK_PAGES - at)
            n = CHUNK_PAGES - at;
        copy_pages(s, at, n);
    }
}

static uint64_t begin_writing(struct shadow *s, unsigned writes)
{
    struct bar2 wl = s->t.v->wl;
    uint64_t end = wl_read(wl, WL_DMA_COUNT) + writes;

    wl_write(wl, WL_DMA_SEED, 1 + tracked_chosen(&s->t, 1 << 20));
    wl_dma(wl, BASE, CHUNK, PAGE, RATE, end);
    return end;
}

static unsigned differences(struct shadow *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        n += s->copy[i] != word(s, i);
    return n;
}

static void shadow_open(struct shadow *s, struct vf *v)
{
    *s = (struct shadow){ 0 };
    tracked_open(&s->t, v, 1);
}

static void test_epochs(struct shadow *s, unsigned epochs, unsigned most)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < epochs; i++) {
        uint64_t end = begin_writing(s, 1 + tracked_chosen(&s->t, most));

        do
            copy_all(s);
        while (wl_read(s->t.v->wl, WL_DMA_COUNT) < end);
        copy_all(s);
        lost += differences(s);
    }
    ok(!lost && !s->errors && s->copied, "%u times a VF writes while %u reports are made: %u pages are lost, %u copied",
       epochs, s->reports, lost, s->copied);
}

/* The VF writes until STOP_COPY, and what it wrote last is in the report after that. */
static void test_until_stopped(struct shadow *s)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < MIGRATIONS; i++) {
        int fd;

        begin_writing(s, 1 << 30);
        fd = vf_set(s->t.v, VFIO_DEVICE_STATE_PRE_COPY);
        copy_all(s);
        vf_set(s->t.v, VFIO_DEVICE_STATE_PRE_COPY_P2P);
        vf_set(s->t.v, VFIO_DEVICE_STATE_STOP_COPY);
        copy_all(s);
        lost += differences(s);
        close(fd);
        vf_set(s->t.v, VFIO_DEVICE_STATE_RUNNING);
        wl_write(s->t.v->wl, WL_DMA_RATE, 0);
        copy_all(s);
        lost += differences(s);
    }
    ok(!lost && !s->errors, "a VF that writes until it is stopped: %u pages are lost, %u errors", lost, s->errors);
}

void test_shadow(struct bench *b)
{
    static struct shadow s;

    vf_open(&b->vf[0]);
    shadow_open(&s, &b->vf[0]);
    ok(!tracked_start(&s.t, PAGE), "tracking starts");
    test_epochs(&s, tracked_rounds(EPOCHS), MOST_WRITES);
    test_until_stopped(&s);
    vf_close(s.t.v);
    tracked_close(&s.t);
    bench_check_clean(b, "shadow");
}

/* ---- firmware that knows few ranges, and large pages only ---- */

static void test_ranges(struct shadow *s)
{
    struct dma_range ranges[RANGES], page_of_two = { BASE + 511 * PAGE, 2 * PAGE }, huge = { 0, 1ull << 41 };
    uint64_t page = PAGE;
    unsigned missing = 0;
    int err;

    for (unsigned i = 0; i < RANGES; i++)
        ranges[i] = (struct dma_range){ BASE + i * 65 * PAGE, (1 + i % 3) * PAGE };
    err = mig_log_start(&s->t.v->fn, ranges, RANGES, &page);
    ok(!err && page == 2 << 20, "ranges that begin and end inside of the firmware's pages: %d", err);
    for (unsigned i = 0; i < RANGES; i++)
        tracked_write(&s->t, i * 65, 1 + i % 3, 1, 0);
    for (unsigned i = 0; i < RANGES; i++) {
        s->t.bitmap[0] = 0;
        s->errors += !!mig_log_report(&s->t.v->fn, ranges[i].iova, ranges[i].length, PAGE, s->t.bitmap);
        missing += s->t.bitmap[0] != (2u << i % 3) - 1;
    }
    ok(!missing && !s->errors, "each is told: %u are not, %u errors", missing, s->errors);
    ok(!tracked_stop(&s->t), "tracking stops");

    page = PAGE;
    ok(!mig_log_start(&s->t.v->fn, &page_of_two, 1, &page), "a range smaller than the firmware's address space");
    tracked_write(&s->t, 511, 2, 1, 0);
    s->t.bitmap[0] = 0;
    err = mig_log_report(&s->t.v->fn, page_of_two.iova, page_of_two.length, PAGE, s->t.bitmap);
    ok(!err && s->t.bitmap[0] == 3, "of two pages of the firmware both are told: %d, %#llx", err,
       (unsigned long long)s->t.bitmap[0]);
    ok(!tracked_stop(&s->t), "tracking stops");
    page = PAGE;
    ok(mig_log_start(&s->t.v->fn, &huge, 1, &page) == -EOPNOTSUPP, "one larger than that is refused");
}

void test_coarse(struct bench *b)
{
    static struct shadow s;

    vf_open(&b->vf[0]);
    shadow_open(&s, &b->vf[0]);
    test_ranges(&s);
    ok(!tracked_start(&s.t, PAGE), "tracking starts");
    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        s.copy[i] = word(&s, i);
    /* Few writes: another one to the same large page would tell what was lost of it. */
    test_epochs(&s, tracked_rounds(EPOCHS), 4);
    vf_close(s.t.v);
    tracked_close(&s.t);
    bench_check_clean(b, "coarse");
}
