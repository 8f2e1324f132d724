// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which pages a VF wrote: the bitmap is what the workload did, for patterns
 * that nobody chose, for each slot of the receive queue with a message that
 * fills it, for more pages than the queue has room for, for several VFs at
 * once. And each firmware command of it that fails is an error to the user,
 * leaves nothing behind, and does not keep tracking from starting again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "../lib/child.h"
#include "stand.h"

#define BASE        0x800000000ull
#define CHUNK       (16ull << 20)       /* memory, mapped again and again */
enum {
    CHUNKS      = 72,                   /* so many times: more than the queue's slots hold */
    PAGES       = CHUNKS * (16 << 20) / PAGE,
    SLOT_PAGES  = 65536 / 8,            /* in a message that fills its slot */
    SLOTS       = 32,
    BURSTS      = 4,
    BURST_PAGES = 3000,
    ROUNDS      = 100,
    FAST        = 4000000,
    AT_ONCE     = 2,                    /* trackers that the scenario's NIC has */
    HUGE_PAGES  = (2 << 20) / PAGE,
    WAIT        = 60000,
};

struct tracked {
    struct vf *v;
    unsigned chunks;
    uint64_t seed;
    uint8_t *want;
    uint64_t *bitmap;
    unsigned missing, extra, errors;
    pthread_t thread;
};

static void map_memory(struct tracked *t, struct vf *v, unsigned chunks)
{
    void *ram = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *t = (struct tracked){ .v = v, .chunks = chunks, .seed = v->number + 1 };
    t->want = calloc(PAGES, 1);
    t->bitmap = calloc(PAGES / 64, 8);
    if (ram == MAP_FAILED || !t->want || !t->bitmap)
        tap_bail("no memory");
    for (unsigned i = 0; i < chunks; i++)
        if (io_map(&v->space, BASE + i * CHUNK, ram, CHUNK))
            tap_bail("memory cannot be mapped for VF %s", v->bdf);
    munmap(ram, CHUNK);                 /* pinned: the VF has it */
}

static void free_memory(struct tracked *t)
{
    free(t->want);
    free(t->bitmap);
}

static int start(struct tracked *t, uint64_t page)
{
    struct dma_range all = { BASE, t->chunks * CHUNK };

    return mig_log_start(&t->v->fn, &all, 1, &page);
}

/* The VF writes to n pages from first on, every step-th. */
static void write_pages(struct tracked *t, unsigned first, unsigned n, unsigned step)
{
    wl_write(t->v->wl, WL_DMA_COUNT, 0);
    wl_dma(t->v->wl, BASE + first * (uint64_t)PAGE, (uint64_t)n * step * PAGE, step * PAGE, FAST, n);
    if (!wl_wait(t->v->wl, WL_DMA_COUNT, n, WAIT))
        tap_bail("VF %s does not write %u pages", t->v->bdf, n);
    wl_write(t->v->wl, WL_DMA_RATE, 0);
    for (unsigned i = 0; i < n; i++)
        t->want[first + i * step] = 1;
}

/* Asks for n pages from first on, which then count as clean, and compares. */
static void compare(struct tracked *t, unsigned first, unsigned n)
{
    int err;

    memset(t->bitmap, 0, n / 8 + 8);
    err = mig_log_report(&t->v->fn, BASE + first * (uint64_t)PAGE, (uint64_t)n * PAGE, PAGE, t->bitmap);
    t->errors += !!err;
    for (unsigned i = 0; i < n; i++) {
        bool bit = t->bitmap[i / 64] >> i % 64 & 1;

        t->missing += t->want[first + i] && !bit;
        t->extra += bit && !t->want[first + i];
    }
    memset(t->want + first, 0, n);
}

static void check(struct tracked *t, const char *what)
{
    ok(!t->errors && !t->missing && !t->extra, "VF %u, %s: %u reports failed, %u pages missing, %u too many",
       t->v->number, what, t->errors, t->missing, t->extra);
    t->errors = t->missing = t->extra = 0;
}

/* ---- patterns ---- */

static unsigned chosen(struct tracked *t, unsigned below)
{
    t->seed ^= t->seed << 13;
    t->seed ^= t->seed >> 7;
    t->seed ^= t->seed << 17;
    return t->seed % below;
}

static void write_somewhere(struct tracked *t)
{
    unsigned step = 1 + chosen(t, 7), n = 1 + chosen(t, BURST_PAGES);

    write_pages(t, chosen(t, t->chunks * (CHUNK / PAGE) - n * step), n, step);
}

/* Reports of the whole or of two parts, in any order. */
static void compare_somehow(struct tracked *t)
{
    unsigned all = t->chunks * (CHUNK / PAGE), cut = chosen(t, 2) ? 1 + chosen(t, all - 1) : 0;

    compare(t, cut, all - cut);
    if (cut)
        compare(t, 0, cut);
}

static void *patterns(void *arg)
{
    struct tracked *t = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned n = chosen(t, BURSTS + 1); n; n--)
            write_somewhere(t);
        compare_somehow(t);
    }
    return NULL;
}

static void test_patterns(struct bench *b)
{
    static struct tracked t[MAX_VFS];

    for (unsigned i = 0; i < AT_ONCE; i++) {
        vf_open(&b->vf[i]);
        map_memory(&t[i], &b->vf[i], 8);
        ok(!start(&t[i], PAGE), "VF %u is tracked", i);
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        pthread_create(&t[i].thread, NULL, patterns, &t[i]);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        pthread_join(t[i].thread, NULL);
        check(&t[i], "pages written at random, while the others are tracked");
    }
    /* The first ends with tracking on, as a VM that migrated away. */
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ok(!i || !mig_log_stop(&t[i].v->fn), "VF %u is not tracked any more", i);
        vf_close(&b->vf[i]);
        free_memory(&t[i]);
    }
    bench_check_clean(b, "patterns");
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_TRACKER), 0, "no tracker is left");
}

/* More VFs than the firmware has trackers for: one more when another ends. */
static void test_limit(struct bench *b)
{
    struct dma_range range = { BASE, CHUNK };
    uint64_t page = PAGE;

    for (unsigned i = 0; i < AT_ONCE; i++) {
        vf_open(&b->vf[i]);
        ok(!mig_log_start(&b->vf[i].fn, &range, 1, &page), "VF %u is tracked", i);
    }
    vf_open(&b->vf[AT_ONCE]);
    ok(mig_log_start(&b->vf[AT_ONCE].fn, &range, 1, &page) == -ENOMEM, "one VF too many is told");
    vf_close(&b->vf[0]);
    ok(!mig_log_start(&b->vf[AT_ONCE].fn, &range, 1, &page), "and tracked once another is closed");
    for (unsigned i = 1; i <= AT_ONCE; i++)
        vf_close(&b->vf[i]);
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_TRACKER), 0, "no tracker is left");
}

/* ---- queues ---- */

static void test_queue(struct tracked *t)
{
    ok(!start(t, PAGE), "tracking starts");
    /* Two slots each, so that in two laps each slot was full, the last one too. */
    for (unsigned i = 0; i < SLOTS; i++) {
        write_pages(t, 5 * i, 2 * SLOT_PAGES, 1);
        compare(t, 0, PAGES);
    }
    check(t, "messages that fill each slot");
    for (unsigned i = 0; i < SLOTS - 1; i++)
        compare(t, 0, 1);
    write_pages(t, 7, 3 * SLOT_PAGES + 1, 1);
    compare(t, 0, PAGES);
    check(t, "one that fills the last slot, and goes on");
    write_pages(t, 0, PAGES, 1);
    compare(t, 0, PAGES);
    check(t, "all pages, more than the queue has room for");
    compare(t, 0, PAGES);
    check(t, "and none after that");
    ok(!mig_log_stop(&t->v->fn), "tracking stops");
}

/* Larger pages, of which users ask for parts: each part is told, once. */
static void test_in_parts(struct tracked *t)
{
    unsigned told = 0, again = 0, all = 4 * HUGE_PAGES;

    ok(!start(t, 2 << 20), "tracking starts, in pages of 2 MiB");
    write_pages(t, HUGE_PAGES, 1, 1);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned at = 0; at < all; at += 100) {
            unsigned n = at + 100 > all ? all - at : 100;

            memset(t->bitmap, 0, 16);
            t->errors += !!mig_log_report(&t->v->fn, BASE + (uint64_t)at * PAGE, (uint64_t)n * PAGE, PAGE, t->bitmap);
            for (unsigned i = 0; i < n; i++)
                *(round ? &again : &told) += t->bitmap[i / 64] >> i % 64 & 1;
        }
    ok(!t->errors && told == HUGE_PAGES && !again,
       "a page of 2 MiB is told in parts: %u of it, %u again, %u errors", told, again, t->errors);
    memset(t->want, 0, PAGES);
    ok(!mig_log_stop(&t->v->fn), "tracking stops");
}

/* ---- what is refused ---- */

static void test_refusals(struct tracked *t)
{
    struct dma_range none = { 0, 0 }, twice[2] = { { BASE, PAGE }, { BASE, PAGE } }, good = { BASE, CHUNK };
    uint64_t page = 0, three = 3, one = PAGE;

    ok(mig_log_start(&t->v->fn, &none, 1, &page) == -EINVAL, "no page size");
    ok(mig_log_start(&t->v->fn, &none, 1, &three) == -EINVAL, "a page size of 3");
    ok(mig_log_start(&t->v->fn, &none, 1, &one) == -EINVAL, "no bytes");
    ok(mig_log_start(&t->v->fn, twice, 2, &one) == -EINVAL, "a range twice");
    ok(mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap) == -EINVAL, "a report while tracking is off");
    ok(!mig_log_start(&t->v->fn, &good, 1, &one) && one == PAGE, "tracking starts");
    ok(mig_log_start(&t->v->fn, &good, 1, &one) == -EINVAL, "a second start");
    vf_reset(t->v);
    ok(mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap) < 0, "a report after a reset");
    ok(!start(t, PAGE), "tracking starts again without a stop");
    ok(!mig_log_stop(&t->v->fn) && !mig_log_stop(&t->v->fn), "a second stop is harmless");
}

/* ---- firmware that fails ---- */

static const struct failing {
    const char *name;
    unsigned opcode, nth;
    enum { AT_START, AT_REPORT, AT_STOP } at;
} failing[] = {
    { "ALLOC_PD", OP_ALLOC_PD, 1, AT_START },
    { "CREATE_CQ", OP_CREATE_CQ, 1, AT_START },
    { "CREATE_MKEY", OP_CREATE_MKEY, 1, AT_START },
    { "CREATE_QP", OP_CREATE_QP, 1, AT_START },
    { "the second CREATE_QP", OP_CREATE_QP, 2, AT_START },
    { "RST2INIT_QP", OP_RST2INIT_QP, 1, AT_START },
    { "INIT2RTR_QP", OP_INIT2RTR_QP, 1, AT_START },
    { "the second RST2INIT_QP", OP_RST2INIT_QP, 2, AT_START },
    { "the second INIT2RTR_QP", OP_INIT2RTR_QP, 2, AT_START },
    { "RTR2RTS_QP", OP_RTR2RTS_QP, 1, AT_START },
    { "CREATE_GENERAL_OBJECT", OP_CREATE_GENERAL_OBJECT, 1, AT_START },
    { "MODIFY_GENERAL_OBJECT", OP_MODIFY_GENERAL_OBJECT, 1, AT_REPORT },
    { "DESTROY_GENERAL_OBJECT", OP_DESTROY_GENERAL_OBJECT, 1, AT_STOP },
    { "DESTROY_QP", OP_DESTROY_QP, 1, AT_STOP },
    { "the second DESTROY_QP", OP_DESTROY_QP, 2, AT_STOP },
    { "DESTROY_MKEY", OP_DESTROY_MKEY, 1, AT_STOP },
    { "DESTROY_CQ", OP_DESTROY_CQ, 1, AT_STOP },
    { "DEALLOC_PD", OP_DEALLOC_PD, 1, AT_STOP },
};

static const unsigned kinds[] = { OBJECT_PD, OBJECT_MKEY, OBJECT_CQ, OBJECT_QP, OBJECT_TRACKER };
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

static uint64_t objects(struct bench *b)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < KINDS; i++)
        all += model_objects(b, VHCA_ID_PF, kinds[i]);
    return all;
}

/* A report fails with an error that is final until tracking is stopped. */
static bool fails_for_good(struct tracked *t)
{
    int once = mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap);
    int again = mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap);

    return once < 0 && again == -EIO && start(t, PAGE) == -EINVAL && !mig_log_stop(&t->v->fn);
}

static void test_failing(struct bench *b, struct tracked *t, const struct failing *f)
{
    uint64_t before = objects(b), hits = model_hits(b);
    bool said = true;

    if (f->at != AT_START)
        said = !start(t, PAGE);
    model_arm(b, (struct fault){ .opcode = f->opcode, .nth = f->nth, .times = 1, .action = FAULT_FAIL,
              .status = ST_INTERNAL_ERR });
    if (f->at == AT_START)
        said = start(t, PAGE) < 0;
    else if (f->at == AT_REPORT)
        said &= fails_for_good(t);
    else
        mig_log_stop(&t->v->fn);
    ok(model_hits(b) == hits + 1 && said, "%s fails: %s", f->name,
       f->at == AT_START ? "an error to who starts" : f->at == AT_REPORT ? "an error to who asks, until a stop" :
       "tracking stops nevertheless");
    model_disarm(b);
    ok_eq(objects(b), before, "and leaves nothing behind");
    ok(!start(t, PAGE), "tracking starts again");
    write_pages(t, 11, 200, 3);
    compare(t, 0, CHUNK / PAGE);
    check(t, "and tells what was written");
    mig_log_stop(&t->v->fn);
}

/* ---- reports that do not come to their end ---- */

static int report_once(void *arg)
{
    struct tracked *t = arg;

    return mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap);
}

/* One that is in the middle, for a second: the firmware tells, but does not answer yet. */
static struct child reporting(struct bench *b, struct tracked *t)
{
    uint64_t before = model_commands(b, OP_MODIFY_GENERAL_OBJECT);
    struct child reporter;

    if (start(t, PAGE))
        tap_bail("tracking does not start");
    write_pages(t, 0, 500, 2);
    model_arm(b, (struct fault){ .opcode = OP_MODIFY_GENERAL_OBJECT, .times = 1, .action = FAULT_DELAY,
              .delay_us = 1000000 });
    reporter = child_start(report_once, t);
    ok(wait_until(model_commands(b, OP_MODIFY_GENERAL_OBJECT) > before && child_sleeps(&reporter), WAIT),
       "a report is under way");
    return reporter;
}

static void test_interrupted(struct bench *b, struct tracked *t)
{
    struct child reporter = reporting(b, t);

    kill(reporter.pid, SIGKILL);
    ok(wait_until(child_over(&reporter), WAIT) && child_result(&reporter) == -EINTR, "its process is killed");
    ok(fails_for_good(t), "nobody knows any more what was written, and who asks is told, until a stop");

    reporter = reporting(b, t);
    vf_reset(t->v);
    ok(wait_until(child_over(&reporter), WAIT) && child_result(&reporter) == -EIO,
       "the VF is reset in the middle of a report: %d", child_result(&reporter));
    memset(t->want, 0, PAGES);
    ok(!start(t, PAGE), "tracking starts again");
    write_pages(t, 11, 200, 3);
    compare(t, 0, CHUNK / PAGE);
    check(t, "and tells what was written");
    mig_log_stop(&t->v->fn);
    model_disarm(b);
}

/* ---- the physical function goes and comes ---- */

static void *report_on(void *arg)
{
    struct tracked *t = arg;

    while (!t->errors)
        t->errors = -mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap);
    return NULL;
}

/* In the middle of reports, which end; so does tracking. */
static void test_reload(struct bench *b, struct tracked *t)
{
    char command[128];

    snprintf(command, sizeof(command), "devlink dev reload pci/%s >/dev/null", b->pf);
    ok(!start(t, PAGE), "tracking starts");
    pthread_create(&t->thread, NULL, report_on, t);
    ok(!system(command), "the PF's driver goes and comes");
    pthread_join(t->thread, NULL);
    ok_eq(t->errors, EIO, "reports are told");
    t->errors = 0;
    vf_reset(t->v);
    ok(!start(t, PAGE), "tracking starts again");
    write_pages(t, 11, 200, 3);
    compare(t, 0, CHUNK / PAGE);
    check(t, "and tells what was written");
}

void test_tracking(struct bench *b)
{
    static struct tracked t;

    if (b->vfs <= AT_ONCE)
        tap_bail("this takes %u VFs", AT_ONCE + 1);
    test_patterns(b);
    test_limit(b);
    vf_open(&b->vf[0]);
    map_memory(&t, &b->vf[0], CHUNKS);
    test_refusals(&t);
    test_queue(&t);
    test_in_parts(&t);
    for (unsigned i = 0; i < sizeof(failing) / sizeof(*failing); i++)
        test_failing(b, &t, &failing[i]);
    test_interrupted(b, &t);
    test_reload(b, &t);
    vf_close(t.v);
    free_memory(&t);
    bench_check_clean(b, "tracking");
}
