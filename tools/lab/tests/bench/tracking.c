// SPDX-License-Identifier: GPL-2.0-or-later
/* Dirty page tracking: what it costs to begin, to ask and to end, in one range of a GiB. */
#include <stdio.h>
#include <sys/mman.h>

#include "bench.h"

#define BASE    0x800000000ull
#define GIB     (1ull << 30)
#define CHUNK   (16ull << 20)   /* memory, mapped again and again */
enum { WRITTEN = 20000, APART = 7, FAST = 4000000, SLOW_MS = 60000 };

static void map_memory(struct vf *v)
{
    void *ram = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (ram == MAP_FAILED)
        tap_bail("no memory");
    for (uint64_t at = 0; at < GIB; at += CHUNK)
        if (io_map(&v->space, BASE + at, ram, CHUNK))
            tap_bail("memory cannot be mapped for VF %s", v->bdf);
    munmap(ram, CHUNK);
}

static void must(struct vf *v, int err, const char *what)
{
    if (err)
        tap_bail("VF %s: %s: %s", v->bdf, what, strerror(-err));
}

static uint64_t report(struct vf *v, unsigned expected)
{
    static uint64_t bitmap[GIB / PAGE / 64];
    uint64_t took;
    unsigned told = 0;

    memset(bitmap, 0, sizeof(bitmap));
    took = now_ns();
    must(v, mig_log_report(&v->fn, BASE, GIB, PAGE, bitmap), "a report");
    took = now_ns() - took;
    for (unsigned i = 0; i < GIB / PAGE / 64; i++)
        told += __builtin_popcountll(bitmap[i]);
    if (told != expected)
        tap_bail("VF %s: %u pages are reported, not %u", v->bdf, told, expected);
    return took;
}

/* What each of the pages costs that were written, one in so many, beyond a report of none. */
static double per_page(struct vf *v, unsigned step, uint64_t empty)
{
    wl_write(v->wl, WL_DMA_COUNT, 0);
    wl_dma(v->wl, BASE, (uint64_t)WRITTEN * step * PAGE, step * PAGE, FAST, WRITTEN);
    if (!wl_wait(v->wl, WL_DMA_COUNT, WRITTEN, SLOW_MS))
        tap_bail("VF %s does not write", v->bdf);
    return ((double)report(v, WRITTEN) - empty) / WRITTEN;
}

static void measure(struct bench *b, struct vf *v)
{
    struct dma_range all = { BASE, GIB };
    uint64_t page = PAGE, begin, empty;

    (void)b;
    vf_reset(v);
    map_memory(v);
    begin = now_ns();
    must(v, mig_log_start(&v->fn, &all, 1, &page), "tracking");
    figure(v, "log_start", 0, now_ns() - begin);
    empty = report(v, 0);
    figure(v, "log_report_per_gib", 0, empty);
    figure(v, "log_report_per_page", 0, per_page(v, APART, empty));
    figure(v, "log_report_per_neighbour", 0, per_page(v, 1, empty));
    begin = now_ns();
    must(v, mig_log_stop(&v->fn), "no more tracking");
    figure(v, "log_stop", 0, now_ns() - begin);
    for (uint64_t at = 0; at < GIB; at += CHUNK)
        io_unmap(&v->space, BASE + at, CHUNK);
}

void bench_tracking(struct bench *b)
{
    in_turn(b, measure);
}
