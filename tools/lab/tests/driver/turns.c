// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Firmware does one command about a function at a time, and a SAVE is long. An
 * arc that waits for its turn must not keep anybody who ends it: the user's
 * reset, the PF's driver that goes away, a signal that kills the user.
 *
 * All is judged while the SAVE is under way: it ends no earlier than LATE_MS
 * after it was asked for, and what waited for it is not done by then; once that
 * is judged, it ends. To RUNNING the way back never fails, however early it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "../lib/child.h"
#include "stand.h"

enum {
    LATE_MS     = 20000,        /* nobody sits it out where all is well, however busy the host */
    PATIENCE_MS = 30000,
};

struct turn {
    struct bench *b;
    struct vf *v;
    int goal;                   /* where the arc shall go that waits */
    int fd;
    double until;               /* the SAVE takes */
    struct child waiter;
};

static int go(void *arg)
{
    struct turn *t = arg;

    return mig_set(&t->v->fn, t->goal, NULL);
}

static bool is_saving(struct turn *t)
{
    return now_ms() < t->until;
}

/* So that the next SAVE comes late. */
static void arm(struct turn *t)
{
    t->until = now_ms() + LATE_MS;
    model_arm(t->b, (struct fault){ .opcode = OP_SAVE_VHCA_STATE, .vhca_id = t->v->id, .times = 1,
                                    .action = FAULT_DELAY, .delay_us = LATE_MS * 1000 });
}

/* Pre-copy, its SAVE under way, and somebody who waits for the firmware to go elsewhere. */
static void begin(struct turn *t)
{
    uint64_t hits = model_hits(t->b);

    vf_reset(t->v);
    vf_fill(t->v, SEED);
    arm(t);
    t->fd = vf_set(t->v, VFIO_DEVICE_STATE_PRE_COPY);
    if (!wait_until(model_hits(t->b) > hits, LATE_MS))
        tap_bail("pre-copy begins without a SAVE");
    t->waiter = child_start(go, t);
    if (!wait_until(child_sleeps(&t->waiter), LATE_MS))
        tap_bail("nobody waits for the SAVE");
}

static void end(struct turn *t)
{
    model_soon(t->b);
    if (!wait_until(child_over(&t->waiter), PATIENCE_MS))
        tap_bail("%s never ends", mig_name(t->goal));
    close(t->fd);
    model_disarm(t->b);
    vf_reset(t->v);
    ok(mig_get(&t->v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(t->v),
       "%s: then a reset brings the VF back", mig_name(t->goal));
}

/* Value: the waiter came back while the SAVE was under way. */
static bool waiter_left(struct turn *t)
{
    return wait_until(child_over(&t->waiter) || !is_saving(t), PATIENCE_MS) && is_saving(t);
}

static void test_reset(struct bench *b, int goal)
{
    struct turn t = { .b = b, .v = &b->vf[0], .goal = goal };
    double began, ms;
    int err;

    begin(&t);
    began = now_ms();
    err = vfio_reset(&t.v->fn);
    ms = now_ms() - began;
    ok(!err && is_saving(&t), "a reset does not wait for %s, which waits for the firmware: %.0f ms",
       mig_name(goal), ms);
    ok(waiter_left(&t), "and %s ends with it", mig_name(goal));
    if (wait_until(child_over(&t.waiter), PATIENCE_MS))
        ok(goal == VFIO_DEVICE_STATE_RUNNING || child_result(&t.waiter) < 0,
           "%s says that it did not get there: %d", mig_name(goal), child_result(&t.waiter));
    end(&t);
}

static void test_signal(struct bench *b, int goal, int signal)
{
    struct turn t = { .b = b, .v = &b->vf[0], .goal = goal };

    begin(&t);
    kill(t.waiter.pid, signal);
    ok(waiter_left(&t), "%s that waits for the firmware can be ended by signal %d", mig_name(goal), signal);
    end(&t);
}

static int reload(void *arg)
{
    struct turn *t = arg;
    char command[96];

    snprintf(command, sizeof(command), "devlink dev reload pci/%s >/dev/null", t->b->pf);
    return system(command) ? -EIO : 0;
}

static void test_detach(struct bench *b, int goal)
{
    struct turn t = { .b = b, .v = &b->vf[0], .goal = goal };
    struct child reloading;

    begin(&t);
    reloading = child_start(reload, &t);
    ok(waiter_left(&t) && (goal == VFIO_DEVICE_STATE_RUNNING || child_result(&t.waiter) < 0),
       "%s that waits for the firmware is over as soon as the PF's driver goes", mig_name(goal));
    model_soon(b);
    ok(wait_until(child_over(&reloading), PATIENCE_MS) && !child_result(&reloading),
       "%s: which comes back", mig_name(goal));
    end(&t);
}

/* The device's only user. */
static int own_and_go(void *arg)
{
    struct turn *t = arg;
    int fd;

    vf_open(t->v);
    vf_fill(t->v, SEED);
    arm(t);
    fd = vf_set(t->v, VFIO_DEVICE_STATE_PRE_COPY);
    go(t);
    /* not reached: it is killed first, with all that it has open */
    close(fd);
    return 0;
}

static void test_exit(struct bench *b, int goal)
{
    struct turn t = { .b = b, .v = &b->vf[0], .goal = goal };
    uint64_t hits = model_hits(b);
    struct child user = child_start(own_and_go, &t);

    if (!wait_until(model_hits(b) > hits && child_sleeps(&user), PATIENCE_MS))
        tap_bail("the user of the VF does not wait for the SAVE");
    kill(user.pid, SIGKILL);
    model_soon(b);
    ok(wait_until(child_over(&user), PATIENCE_MS) && child_result(&user) == -EINTR,
       "a user who is killed in %s, waiting for the firmware, is gone when that is done", mig_name(goal));
    model_disarm(b);
    vf_open(t.v);
    ok(mig_get(&t.v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(t.v), "%s: the next one can use the VF",
       mig_name(goal));
    vf_close(t.v);
}

void test_turns(struct bench *b)
{
    static const int goals[] = { VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP_COPY };

    if (!b->vfs || !b->vf[0].ferry)
        tap_bail("the tests of waiting for the firmware need a VF bound to ferry");
    for (unsigned i = 0; i < 2; i++) {
        vf_open(&b->vf[0]);
        test_reset(b, goals[i]);
        test_signal(b, goals[i], SIGKILL);
        test_signal(b, goals[i], SIGTERM);
        test_detach(b, goals[i]);
        vf_close(&b->vf[0]);
        test_exit(b, goals[i]);
    }
    bench_check_clean(b, "waiting for the firmware");
}
