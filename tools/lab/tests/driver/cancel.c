// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pre-copy that is cancelled while its data is read. To end its tracking the
 * driver lends the firmware an image, which nobody else may touch until the
 * firmware gives it back: not the one that gives way to a longer one, as the
 * function has more state by now, and not the one that cannot become longer.
 *
 * That the memory stays is seen here. That its mkey stays is not, so the
 * scenario's trace of the firmware commands is looked at (keys.py).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "../lib/child.h"
#include "stand.h"

enum {
    LATE_MS     = 2500,         /* how long the firmware has the image */
    PATIENCE_MS = 20000,
    /* percent of a function's memory: what is saved first, what changes; an eighth more than the first is reserved */
    FIRST       = 40,
    CHANGED     = 42,
};

struct cancel {
    struct bench *b;
    struct vf *v;
    int fd;
    uint64_t changed;           /* bytes, of which the image that is lent has at least as many */
};

/* Pre-copy, its first image there and not read, and all of what changed since is new. */
static void begin(struct cancel *c)
{
    struct vfio_precopy_info info;

    vf_reset(c->v);
    wl_fill(c->v->wl, 0, vf_percent(c->v, FIRST), SEED);
    c->fd = vf_set(c->v, VFIO_DEVICE_STATE_PRE_COPY);
    if (!wait_until(fd_number(c->fd, "ferry-ready") == 1 && !fd_number(c->fd, "ferry-busy"), PATIENCE_MS))
        tap_bail("no initial image comes");
    wl_fill(c->v->wl, vf_percent(c->v, FIRST), vf_percent(c->v, CHANGED), SEED + 1);
    /* the driver learns that there is more of it; what changed fits in what it has set aside */
    if (mig_data_size(&c->v->fn) < 0 || mig_precopy_info(c->fd, &info))
        tap_bail("the sizes cannot be asked for");
    c->changed = vf_percent(c->v, CHANGED);
    if (info.dirty_bytes < c->changed)
        tap_bail("%llu bytes changed, not %llu", (unsigned long long)info.dirty_bytes,
                 (unsigned long long)c->changed);
}

static int cancel_precopy(void *arg)
{
    struct cancel *c = arg;

    return mig_set(&c->v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
}

/* Reads all there is and asks for more, as a VMM's thread that does not know of the cancel. */
static void read_on(struct cancel *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    struct vfio_precopy_info info;
    struct stream s = { 0 };

    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    mig_read(c->fd, &s, NULL);
    poll(&p, 1, 0);
    mig_precopy_info(c->fd, &info);
    stream_free(&s);
}

/* no_memory: an image cannot be made longer just now. */
static bool cancelled(struct cancel *c, bool no_memory)
{
    uint64_t hits = model_hits(c->b);
    struct child canceller;
    bool lent, shrank, good;
    double until;

    begin(c);
    until = now_ms() + LATE_MS;
    model_arm(c->b, (struct fault){ .opcode = OP_SAVE_VHCA_STATE, .vhca_id = c->v->id, .times = 1,
                                    .action = FAULT_DELAY, .delay_us = LATE_MS * 1000 });
    canceller = child_start(cancel_precopy, c);
    lent = wait_until(model_hits(c->b) > hits || now_ms() > until, PATIENCE_MS) && model_hits(c->b) > hits;
    ferry_fault(c->v, "alloc", no_memory, ENOMEM);
    read_on(c);
    shrank = wait_until(fd_number(c->fd, "ferry-memory") < (int64_t)c->changed && now_ms() < until,
                        until - now_ms());
    ferry_fault(c->v, "alloc", 0, ENOMEM);
    good = wait_until(child_over(&canceller), PATIENCE_MS) && !child_result(&canceller) &&
           mig_get(&c->v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(c->v) && fd_is_dead(c->fd, false);
    if (!lent || shrank || !good)
        tap_diag("%s: the firmware %s an image, %s, the cancel %s", no_memory ? "no memory" : "a longer reserve",
                 lent ? "got" : "did not get", shrank ? "which was freed under it" : "which stayed",
                 good ? "succeeded" : "failed");
    child_end(&canceller);
    model_disarm(c->b);
    close(c->fd);
    return lent && !shrank && good;
}

void test_cancel(struct bench *b)
{
    struct cancel c = { .b = b, .v = &b->vf[0] };
    double deadline = bench_deadline();
    bool longer = true, kept = true;
    unsigned rounds = 0;

    if (!c.v->ferry)
        tap_bail("the tests of cancelling need a VF bound to ferry");
    vf_open(c.v);
    do {
        longer &= cancelled(&c, false);
        kept &= cancelled(&c, true);
        rounds++;
    } while (now_ms() < deadline && longer && kept);
    ok(longer, "pre-copy is cancelled under a reader, %u times, when its reserve is too small", rounds);
    ok(kept, "and when there is no memory for a larger one: what the firmware has stays");
    vf_close(c.v);
    bench_check_clean(b, "cancelling");
}
