// SPDX-License-Identifier: GPL-2.0-or-later
/* What a VF was made to write, and what reports say of it. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "../lib/random.h"
#include "tracked.h"

void tracked_open(struct tracked *t, struct vf *v, unsigned chunks)
{
    *t = (struct tracked){ .v = v, .pages = chunks * CHUNK_PAGES, .seed = v->number + 1 };
    t->ram = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    t->want = calloc(t->pages, 1);
    t->bitmap = mmap(NULL, t->pages / 8 + 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t->ram == MAP_FAILED || !t->want || t->bitmap == MAP_FAILED)
        tap_bail("no memory");
    for (unsigned i = 0; i < chunks; i++)
        if (io_map(&v->space, BASE + i * CHUNK, t->ram, CHUNK))
            tap_bail("memory cannot be mapped for VF %s", v->bdf);
}

void tracked_close(struct tracked *t)
{
    munmap(t->ram, CHUNK);
    munmap(t->bitmap, t->pages / 8 + 8);
    free(t->want);
}

int tracked_start(struct tracked *t, uint64_t page_size)
{
    struct dma_range all = { BASE, (uint64_t)t->pages * PAGE };

    memset(t->want, 0, t->pages);
    return mig_log_start(&t->v->fn, &all, 1, &page_size);
}

int tracked_stop(struct tracked *t)
{
    return mig_log_stop(&t->v->fn);
}

void tracked_write(struct tracked *t, unsigned first, unsigned n, unsigned step, uint64_t seed)
{
    wl_write(t->v->wl, WL_DMA_COUNT, 0);
    wl_write(t->v->wl, WL_DMA_SEED, seed);
    wl_dma(t->v->wl, BASE + first * (uint64_t)PAGE, (uint64_t)n * step * PAGE, step * PAGE, FAST, n);
    if (!wl_wait(t->v->wl, WL_DMA_COUNT, n, WAIT))
        tap_bail("VF %s does not write %u pages", t->v->bdf, n);
    wl_write(t->v->wl, WL_DMA_RATE, 0);
    for (unsigned i = 0; i < n; i++)
        t->want[first + dma_place(i, n, seed) * step] = 1;
}

bool tracked_bit(const struct tracked *t, uint64_t bit)
{
    return t->bitmap[bit / 64] >> bit % 64 & 1;
}

void tracked_compare(struct tracked *t, unsigned first, unsigned n)
{
    memset(t->bitmap, 0, n / 8 + 8);
    t->errors += !!mig_log_report(&t->v->fn, BASE + first * (uint64_t)PAGE, (uint64_t)n * PAGE, PAGE, t->bitmap);
    for (unsigned i = 0; i < n; i++) {
        bool bit = tracked_bit(t, i);

        t->missing += t->want[first + i] && !bit;
        t->extra += bit && !t->want[first + i];
    }
    memset(t->want + first, 0, n);
}

void tracked_check(struct tracked *t, const char *what)
{
    ok(!t->errors && !t->missing && !t->extra, "VF %u, %s: %u reports failed, %u pages missing, %u too many",
       t->v->number, what, t->errors, t->missing, t->extra);
    t->errors = t->missing = t->extra = 0;
}

void tracked_works(struct tracked *t, const char *what)
{
    tracked_write(t, 11, 200, 3, 0);
    tracked_compare(t, 0, CHUNK_PAGES);
    tracked_check(t, what);
}

unsigned tracked_chosen(struct tracked *t, unsigned below)
{
    return random_next(&t->seed) % below;
}

unsigned tracked_rounds(unsigned few)
{
    const char *rounds = getenv("ROUNDS");

    return rounds ? (unsigned)atoi(rounds) : few;
}
