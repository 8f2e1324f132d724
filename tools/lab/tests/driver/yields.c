// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What time would tell only of long images, or not at all, is counted: probes
 * on functions of the kernel, by who calls them.
 *
 * Whoever goes through an image, piece by piece, offers the processor at each:
 * an image may have a million, and a kernel that does not preempt would have
 * nobody else run meanwhile. And when a function stops of which nothing has
 * changed, nobody is woken, no lock taken and no worker run without need.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mount.h>

#include "sweep.h"

#define TRACING "/sys/kernel/tracing"
#define PROBES  TRACING "/events/kprobes/"
#define BY_CALLER "hist:keys=caller.sym:size=8192"

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
#define RESCHED "__cond_resched"

static const char *in_probe(const char *function, const char *file)
{
    static char path[128];

    snprintf(path, sizeof(path), PROBES "ferry_%s/%s", function, file);
    return path;
}

static void begin_counting(const char *function)
{
    char probe[128];

    snprintf(probe, sizeof(probe), "p:ferry_%s %s caller=+0($stack):x64", function, function);
    mount("tracefs", TRACING, "tracefs", 0, NULL);
    if (sysfs_write(TRACING "/kprobe_events", probe) || sysfs_write(in_probe(function, "trigger"), BY_CALLER))
        tap_bail("the calls of %s() cannot be counted", function);
}

static void end_counting(const char *function)
{
    char probe[128];

    snprintf(probe, sizeof(probe), "-:ferry_%s", function);
    sysfs_write(in_probe(function, "trigger"), "!" BY_CALLER);
    sysfs_write(TRACING "/kprobe_events", probe);
}

struct caller {
    char symbol[128], module[64];
    unsigned long calls;
};

/* { caller: [ffffffffc0a01234] function    [module]    } hitcount:    12 */
static bool next_caller(FILE *file, struct caller *c)
{
    char line[512];

    while (file && fgets(line, sizeof(line), file)) {
        const char *hitcount = strstr(line, "hitcount:");

        *c->module = 0;
        if (sscanf(line, "{ caller: [%*x] %127s [%63[^]]", c->symbol, c->module) >= 1 && hitcount &&
            sscanf(hitcount, "hitcount: %lu", &c->calls) == 1)
            return true;
    }
    return false;
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

static void count(unsigned long counts[LOOPS])
{
    FILE *file = fopen(in_probe(RESCHED, "hist"), "r");
    unsigned long all = 0;
    struct caller c;

    memset(counts, 0, LOOPS * sizeof(*counts));
    while (next_caller(file, &c)) {
        all += c.calls;
        for (unsigned i = 0; i < LOOPS; i++)
            counts[i] += is_in(&loops[i], c.symbol) ? c.calls : 0;
    }
    if (file)
        fclose(file);
    if (!all)
        tap_bail("nobody ever calls cond_resched(): is this a kernel that preempts?");
}

static void test_long(struct vf *from, struct vf *to)
{
    unsigned long counts[LOOPS], least;
    struct stream s;
    uint64_t sum;
    int fd = -1;

    begin_counting(RESCHED);
    s = vf_record(from, false, &sum);
    ok(!load_run(to, &s, &fd) && wl_sum(to->wl) == sum, "an image of %zu bytes moves", s.len);
    close(fd);
    vf_reset(to);
    count(counts);
    end_counting(RESCHED);
    least = s.len / PIECE_MAX;
    for (unsigned i = 0; i < LOOPS; i++)
        ok(counts[i] >= least, "%s: the processor is offered at each piece, %lu times for at least %lu", loops[i].what,
           counts[i], least);
    stream_free(&s);
}

/* ---- a stop window with nothing in it ---- */

/* What it needs, by the engine's calls; the worker is called by the workqueue. */
static const struct cost {
    const char *what, *function, *module;
    unsigned long most;
} costs[] = {
    { "runs of the worker", "ferry_worker", "", 1 },
    { "wake-ups of whoever waits", "__wake_up", "vfio_ferry", 8 },
    { "spinlocks taken", "_raw_spin_lock", "vfio_ferry", 40 },
};
enum { COSTS = sizeof(costs) / sizeof(*costs) };

static unsigned long calls_of(const struct cost *cost)
{
    FILE *file = fopen(in_probe(cost->function, "hist"), "r");
    unsigned long calls = 0;
    struct caller c;

    while (next_caller(file, &c))
        calls += strcmp(c.module, cost->module) ? 0 : c.calls;
    if (file)
        fclose(file);
    return calls;
}

/* From STOP_COPY to the end of the stream; ms. */
static double empty_window(struct vf *v, unsigned long calls[COSTS])
{
    int fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    struct stream s = { 0 };
    bool ended = false;
    double took;

    if (mig_read_precopy(fd, &s, 1000) < 0)
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    vf_set(v, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    for (unsigned i = 0; i < COSTS; i++)
        begin_counting(costs[i].function);
    took = now_ms();
    vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_read(fd, &s, &ended) < 0 || !ended)
        tap_bail("VF %s gives no final image", v->bdf);
    for (unsigned i = 0; i < COSTS; i++)
        calls[i] = calls_of(&costs[i]);
    took = now_ms() - took;
    for (unsigned i = 0; i < COSTS; i++)
        end_counting(costs[i].function);
    stream_free(&s);
    close(fd);
    vf_reset(v);
    return took;
}

/* Judged where it did not take so long that the worker came again, to free what is of no use any more. */
static void test_empty(struct vf *v)
{
    enum { SOON_MS = 80, ROUNDS = 40 };
    unsigned long calls[COSTS];
    unsigned round = 0;
    double took;

    vf_reset(v);
    do
        took = empty_window(v, calls);
    while (took > SOON_MS && ++round < ROUNDS);
    ok(took <= SOON_MS, "nothing has changed when the function stops (%.0f ms)", took);
    for (unsigned i = 0; i < COSTS; i++)
        ok(calls[i] && calls[i] <= costs[i].most, "%s: %lu of at most %lu", costs[i].what, calls[i], costs[i].most);
}

void test_yields(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the tests that count calls need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    test_long(from, to);
    test_empty(from);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "counting calls");
}
