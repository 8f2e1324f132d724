// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stop window, from STOP_COPY to the end of the stream, after a pre-copy
 * that has read all there was: with more or less of the state changed since,
 * and with a state that has grown by a fifth. What comes before and after it
 * is measured as well, so that nothing is won by moving work.
 */
#include <stdio.h>

#include "bench.h"

enum { GROWN = 120 };           /* percent of what the state was; stands for the case in the figures */

/* DESTROY_MKEY is not among them: it may come right after the window, and its counter does not tell. */
static const unsigned opcodes[] = { OP_SUSPEND_VHCA, OP_QUERY_VHCA_MIGRATION_STATE, OP_SAVE_VHCA_STATE, OP_CREATE_MKEY };

static unsigned commands(struct bench *b)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++)
        sum += model_commands(b, opcodes[i]);
    return sum;
}

/* What ferry counts in it; the kernel's own driver counts nothing. */
static void counters(struct vf *v, unsigned at)
{
    static const char *const names[] = { "window_allocations", "window_maps", "window_unmaps", "window_frees" };

    for (unsigned i = 0; v->ferry && i < sizeof(names) / sizeof(*names); i++)
        figure(v, names[i], at, ferry_number(v, "stats", names[i]));
}

static void fill_part(struct vf *v, unsigned of, uint64_t seed)
{
    if (!wl_fill(v->wl, 0, state_size(v) * 100 / of / PAGE * PAGE, seed))
        tap_bail("the memory of VF %s cannot be filled", v->bdf);
}

/* The figures of one window, of a VF in pre-copy that has changed as it shall. */
static void one_window(struct bench *b, struct vf *v, int fd, unsigned at)
{
    uint64_t pause, paused, begin, set, end, bytes;
    unsigned before;

    /* as a VMM asks at its end, which tells a driver what to expect */
    mig_data_size(&v->fn);
    pause = now_ns();
    vf_set(v, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    paused = now_ns();
    before = commands(b);
    begin = now_ns();
    vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    set = now_ns();
    bytes = read_to_end(v, fd, PIECE);
    end = now_ns();
    figure(v, "pause", at, paused - pause);
    figure(v, "window", at, end - begin);
    figure(v, "window_set", at, set - begin);
    figure(v, "window_bytes", at, bytes);
    figure(v, "window_commands", at, commands(b) - before);
    counters(v, at);
    begin = now_ns();
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    set = now_ns();
    close(fd);
    vf_set(v, VFIO_DEVICE_STATE_RUNNING);
    end = now_ns();
    figure(v, "stop", at, set - begin);
    figure(v, "stop_and_run", at, end - begin);
}

static void measure_dirty(struct bench *b, struct vf *v)
{
    static const unsigned percents[] = { 0, 10, 50, 100 };

    for (unsigned i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
        uint64_t begin;
        int fd;

        vf_reset(v);
        vf_fill(v, SEED);
        begin = now_ns();
        fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
        figure(v, "set_precopy", percents[i], now_ns() - begin);
        if (mig_pipe_precopy(fd, nowhere(), 1000) < 0)
            tap_bail("VF %s gives no pre-copy data", v->bdf);
        if (percents[i])
            vf_change(v, vf_percent(v, percents[i]) / PAGE);
        one_window(b, v, fd, percents[i]);
    }
}

static void measure_grown(struct bench *b, struct vf *v)
{
    int fd;

    vf_reset(v);
    fill_part(v, GROWN, SEED);
    fd = precopy(v);
    fill_part(v, 100, SEED + 1);
    one_window(b, v, fd, GROWN);
}

static void measure(struct bench *b, struct vf *v)
{
    measure_dirty(b, v);
    measure_grown(b, v);
}

/* One copy of a MiB, the least that a reader costs: words of eight bytes, as this processor's kernel copies. */
static void copy_floor(void)
{
    void *from = malloc(PIECE), *to = piece();
    uint64_t least = UINT64_MAX;

    if (!from)
        tap_bail("no memory");
    memset(from, 2, PIECE);
    for (unsigned i = 0; i < 16; i++) {
        void *source = from, *target = to;
        size_t words = PIECE / 8;
        uint64_t took = now_ns();

        asm volatile("rep movsq" : "+S"(source), "+D"(target), "+c"(words) : : "memory");
        took = now_ns() - took;
        least = took < least ? took : least;
    }
    figure(NULL, "copy_per_mib", 0, least);
    free(from);
}

void bench_window(struct bench *b)
{
    copy_floor();
    in_turn(b, measure);
}
