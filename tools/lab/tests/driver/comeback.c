// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PF's driver comes back while the user resets the VF. From then on there
 * is a firmware to talk to again, but not before the reset is over: an arc that
 * went in between would leave a function that does not run in a state that says
 * it does.
 *
 * A reset takes some 100 ms, nearly all of it between the moments when the
 * driver is told of it. So one reset after another is done while the PF's
 * driver reloads, and its return falls into one of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "../lib/child.h"
#include "stand.h"

enum {
    RELOADS     = 3,
    PATIENCE_MS = 60000,
};

/* Somebody who stops the VF again and again. */
struct stopper {
    struct vf *v;
    pthread_mutex_t turn;
    unsigned absent, went;      /* there was no firmware; it went */
    bool over;
    pthread_t thread;
};

static void *stop_and_stop(void *arg)
{
    struct stopper *s = arg;

    while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
        int err;

        pthread_mutex_lock(&s->turn);
        err = mig_set(&s->v->fn, VFIO_DEVICE_STATE_STOP, NULL);
        s->absent += err == -ENOTCONN;
        s->went += !err;
        pthread_mutex_unlock(&s->turn);
        relax();
    }
    return NULL;
}

/* What the driver says of the function is what the firmware does with it. */
static bool is_true(struct bench *b, struct vf *v)
{
    int state = mig_get(&v->fn);
    unsigned model = model_state(b, v->id);
    bool good = state == VFIO_DEVICE_STATE_ERROR ||
                (state == VFIO_DEVICE_STATE_RUNNING) == (model == VHCA_STATE_RUNNING);

    if (!good)
        tap_diag("the state is %s, the function's %u", mig_name(state), model);
    return good;
}

static int reload(void *pf)
{
    char command[96];

    snprintf(command, sizeof(command), "devlink dev reload pci/%s >/dev/null", (char *)pf);
    return system(command) ? -EIO : 0;
}

static void test_reload(struct bench *b, struct vf *v)
{
    struct stopper s = { .v = v, .turn = PTHREAD_MUTEX_INITIALIZER };
    struct child reloading = child_start(reload, b->pf);
    unsigned resets = 0, wrong = 0;
    double end = now_ms() + PATIENCE_MS;

    pthread_create(&s.thread, NULL, stop_and_stop, &s);
    while (!child_over(&reloading) && now_ms() < end) {
        if (vfio_reset(&v->fn))
            tap_bail("VF %s cannot be reset", v->bdf);
        pthread_mutex_lock(&s.turn);
        wrong += !is_true(b, v);
        pthread_mutex_unlock(&s.turn);
        resets++;
    }
    __atomic_store_n(&s.over, true, __ATOMIC_RELEASE);
    pthread_join(s.thread, NULL);
    ok(child_over(&reloading) && !child_result(&reloading) && s.absent && s.went,
       "the PF's driver reloads during %u resets of a VF, which is stopped %u times, and %u times cannot be",
       resets, s.went, s.absent);
    ok(!wrong, "after each of them the VF is what the driver says that it is");
    vf_reset(v);
    ok(mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(v), "and in the end it works");
}

static int reset(void *v)
{
    return vfio_reset(&((struct vf *)v)->fn);
}

/* From the reset's first moment on there is no session, not only from its last. */
static void test_ending(struct vf *v)
{
    int fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    struct child resetting = child_start(reset, v);
    bool first = false, good;
    char session[1024], stats[4096];

    while (!child_over(&resetting) && !first)
        first = !strcmp(ferry_show(v, "session", session, sizeof(session)), "none\n") &&
                strstr(ferry_show(v, "stats", stats, sizeof(stats)), "availability resetting");
    good = wait_until(child_over(&resetting), PATIENCE_MS) && !child_result(&resetting);
    child_end(&resetting);
    ok(first && good && fd_is_dead(fd, false), "a session is over while the reset still goes on");
    close(fd);
}

void test_comeback(struct bench *b)
{
    struct vf *v = &b->vf[0];

    if (!b->vfs || !v->ferry)
        tap_bail("the tests of the PF's return need a VF bound to ferry");
    vf_open(v);
    for (unsigned i = 0; i < RELOADS; i++)
        test_reload(b, v);
    test_ending(v);
    vf_close(v);
    bench_check_clean(b, "resets while the PF's driver reloads");
}
