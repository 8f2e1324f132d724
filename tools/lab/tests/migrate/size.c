// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Size and number: a state of nothing but noise, piped from VF to VF without
 * holding it; and all VFs in pairs at the same time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "migrate.h"

void test_size(struct setup *t)
{
    static struct user a, b;
    uint64_t size, sum;
    int from, to;
    double began, stopped;
    ssize_t n, rest;
    bool ended = false;

    user_open(&a, t->vf[0], t->backend);
    user_open(&b, t->vf[1], t->backend);
    user_start(&a);
    size = wl_read(a.wl, WL_STATE_SIZE);
    ok(wl_fill(a.wl, 0, size, 77), "%llu MiB of device memory are noise",
       (unsigned long long)size >> 20);
    to = go(&b, VFIO_DEVICE_STATE_RESUMING);
    began = now_ms();
    from = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    n = mig_pipe_precopy(from, to, size / 4096 + 100);
    ok(n >= (ssize_t)size, "pre-copy brings all of it: %zd bytes", n);
    /* a last change, which only the final images have */
    wl_fill(a.wl, size / 2, PAGE, 78);
    sum = wl_sum(a.wl);
    stopped = now_ms();
    go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    rest = mig_pipe(from, to, &ended);
    ok(rest > PAGE && ended, "STOP_COPY the rest: %zd bytes", rest);
    go(&b, VFIO_DEVICE_STATE_STOP);
    go(&a, VFIO_DEVICE_STATE_STOP);
    close(to);
    close(from);
    tap_diag("%.1f s, %.0f MB/s, %.0f ms of it stopped", (now_ms() - began) / 1e3,
             (n + rest) / (now_ms() - began) / 1e3, now_ms() - stopped);
    ok_eq(wl_sum(b.wl), sum, "the target has the source's device memory");
    user_move(&b, &a);
    go(&b, VFIO_DEVICE_STATE_RUNNING);
    ok(user_command_works(&b), "and goes on");
    user_close(&b);
    user_close(&a);
}

/* ---- many at once ---- */

enum { MANY_NOISE = 4 << 20 };

struct pair {
    struct setup *t;
    pthread_t thread;
    pthread_barrier_t *together;
    struct user a, b;
    unsigned number;
    bool good;
};

/* Both FDs of one pair; step is what failed. */
static bool move_pair(struct pair *p, const char **step)
{
    int to, from;
    uint64_t sum;
    bool ended = false;

    wl_fill(p->a.wl, 0, MANY_NOISE, 100 + p->number);
    wl_change(p->a.wl, MANY_NOISE, 16 * PAGE, 5000, 0);
    pthread_barrier_wait(p->together);
    *step = "RESUMING";
    if (mig_set(&p->b.fn, VFIO_DEVICE_STATE_RESUMING, &to))
        return false;
    *step = "PRE_COPY";
    if (mig_set(&p->a.fn, VFIO_DEVICE_STATE_PRE_COPY, &from))
        return false;
    *step = "reading in PRE_COPY";
    if (mig_pipe_precopy(from, to, 10) < MANY_NOISE)
        return false;
    *step = "STOP_COPY";
    if (mig_set(&p->a.fn, VFIO_DEVICE_STATE_STOP_COPY, NULL))
        return false;
    *step = "reading in STOP_COPY";
    if (mig_pipe(from, to, &ended) <= 0 || !ended)
        return false;
    *step = "STOP";
    if (mig_set(&p->a.fn, VFIO_DEVICE_STATE_STOP, NULL) ||
        mig_set(&p->b.fn, VFIO_DEVICE_STATE_STOP, NULL))
        return false;
    close(from);
    close(to);
    *step = "comparing device memory";
    sum = wl_sum(p->a.wl);
    if (wl_sum(p->b.wl) != sum)
        return false;
    *step = "RUNNING";
    user_move(&p->b, &p->a);
    if (mig_set(&p->b.fn, VFIO_DEVICE_STATE_RUNNING, NULL))
        return false;
    *step = "a command at the target";
    return user_command_works(&p->b);
}

static void *pair_thread(void *arg)
{
    struct pair *p = arg;
    const char *step = "";

    p->good = move_pair(p, &step);
    if (!p->good)
        tap_diag("pair %u: %s failed", p->number, step);
    return NULL;
}

void test_many(struct setup *t)
{
    unsigned n = t->nvfs / 2, good = 0;
    struct pair *pairs = calloc(n, sizeof(*pairs));
    pthread_barrier_t together;
    double began = now_ms();

    pthread_barrier_init(&together, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        pairs[i] = (struct pair){ .t = t, .together = &together, .number = i };
        user_open(&pairs[i].a, t->vf[2 * i], t->backend);
        user_open(&pairs[i].b, t->vf[2 * i + 1], t->backend);
        user_start(&pairs[i].a);
    }
    for (unsigned i = 0; i < n; i++)
        pthread_create(&pairs[i].thread, NULL, pair_thread, &pairs[i]);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(pairs[i].thread, NULL);
        good += pairs[i].good;
    }
    ok_eq(good, n, "%u VFs move to %u others at the same time", n, n);
    if (t->control.base)
        ok(ctl_counter(t->control, COUNTER_IMAGES_MAX) > 1,
           "up to %llu SAVEs and LOADs were under way together",
           (unsigned long long)ctl_counter(t->control, COUNTER_IMAGES_MAX));
    for (unsigned i = 0; i < n; i++) {
        user_close(&pairs[i].b);
        user_close(&pairs[i].a);
    }
    tap_diag("%.1f s", (now_ms() - began) / 1e3);
    free(pairs);
}
