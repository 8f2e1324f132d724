// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whoever goes through an image, piece by piece, offers the processor at each:
 * an image may have a million, and a kernel that does not preempt would have
 * nobody else run meanwhile. Counted, for time would tell only of long images:
 * a probe on what cond_resched() is there, by who calls it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mount.h>

#include "sweep.h"

#define TRACING "/sys/kernel/tracing"
#define PROBE   TRACING "/events/kprobes/ferry_yields"

enum { PIECE_MAX = 2 << 20 };   /* the longest that an image is made of */

/* A loop, and the functions of which the compiler may have made one with it. */
static const struct loop {
    const char *what, *in[3];
} loops[] = {
    { "memory is allocated", { "ferry_image_grow" } },
    { "memory is freed", { "drop_folios", "release_image", "ferry_image_put" } },
    { "memory is mapped", { "map_pieces", "mlx5_ferry_memory_map" } },
    { "memory is unmapped", { "unmap_pieces", "mlx5_ferry_memory_unmap" } },
    { "memory goes to the device", { "mlx5_ferry_memory_for_device", "mlx5_ferry_save", "mlx5_ferry_load" } },
    { "memory comes from the device", { "mlx5_ferry_memory_for_cpu", "mlx5_ferry_save" } },
    { "a reader copies", { "read_available", "ferry_stream_read" } },
    { "a writer copies", { "ferry_stream_write" } },
};
enum { LOOPS = sizeof(loops) / sizeof(*loops) };

static void begin_counting(void)
{
    mount("tracefs", TRACING, "tracefs", 0, NULL);
    if (sysfs_write(TRACING "/kprobe_events", "p:ferry_yields __cond_resched caller=+0($stack):x64") ||
        sysfs_write(PROBE "/trigger", "hist:keys=caller.sym:size=8192"))
        tap_bail("the calls of cond_resched() cannot be counted");
}

static void end_counting(void)
{
    sysfs_write(PROBE "/trigger", "!hist:keys=caller.sym:size=8192");
    sysfs_write(TRACING "/kprobe_events", "-:ferry_yields");
}

/* Without what the compiler appends to the name of a function that it changed. */
static bool is_in(const struct loop *l, const char *symbol)
{
    size_t len = strcspn(symbol, ".");

    for (unsigned i = 0; i < sizeof(l->in) / sizeof(*l->in) && l->in[i]; i++)
        if (strlen(l->in[i]) == len && !strncmp(l->in[i], symbol, len))
            return true;
    return false;
}

/* { caller: [ffffffffc0a01234] function    [module]    } hitcount:    12 */
static void count(unsigned long counts[LOOPS])
{
    FILE *file = fopen(PROBE "/hist", "r");
    char line[512], symbol[128];
    unsigned long hits, all = 0;

    memset(counts, 0, LOOPS * sizeof(*counts));
    while (file && fgets(line, sizeof(line), file)) {
        const char *hitcount = strstr(line, "hitcount:");

        if (sscanf(line, "{ caller: [%*x] %127s", symbol) != 1 || !hitcount ||
            sscanf(hitcount, "hitcount: %lu", &hits) != 1)
            continue;
        all += hits;
        for (unsigned i = 0; i < LOOPS; i++)
            counts[i] += is_in(&loops[i], symbol) ? hits : 0;
    }
    if (file)
        fclose(file);
    if (!all)
        tap_bail("nobody ever calls cond_resched(): is this a kernel that preempts?");
}

void test_yields(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    unsigned long counts[LOOPS], least;
    struct stream s;
    uint64_t sum;
    int fd = -1;

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the tests of long images need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    begin_counting();
    s = vf_record(from, false, &sum);
    ok(!load_run(to, &s, &fd) && wl_sum(to->wl) == sum, "an image of %zu bytes moves", s.len);
    close(fd);
    vf_close(from);
    vf_close(to);
    count(counts);
    end_counting();
    least = s.len / PIECE_MAX;
    for (unsigned i = 0; i < LOOPS; i++)
        ok(counts[i] >= least, "%s: the processor is offered at each piece, %lu times for at least %lu", loops[i].what,
           counts[i], least);
    stream_free(&s);
    bench_check_clean(b, "a long image");
}
