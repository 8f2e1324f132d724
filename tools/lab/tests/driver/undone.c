// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Arcs that fail leave things as they were. A question or a mapping that the
 * firmware does not answer has changed nothing about the function, so it stays
 * what it is; only a suspend, a resume and a LOAD may have had an effect. And a
 * final image that could not be begun leaves a pre-copy that has nothing more
 * to give, and says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "../lib/child.h"
#include "stand.h"

enum {
    SOON_MS     = 5000,
    /* percent of a function's memory; what changes, behind it, is more than an eighth above what is saved first */
    FIRST       = 40,
    CHANGED     = 55,
};

static const struct unanswered {
    const char *site;
    int via, from, to;          /* via: where to go first, on the way to from */
    bool unknown;               /* its effect */
} unanswered[] = {
    { "query", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_PRE_COPY, false },
    { "map", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_PRE_COPY, false },
    { "query", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_PRE_COPY_P2P, false },
    { "query", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY, false },
    { "map", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY, false },
    { "query", VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_STOP_COPY, false },
    { "suspend", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P, true },
    { "suspend", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_STOP, true },
    { "resume", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING_P2P, true },
    { "resume", VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING, true },
};

static void test_unanswered(struct vf *v, const struct unanswered *u)
{
    int fd = -1, err, state;

    vf_reset(v);
    vf_fill(v, SEED);
    fd = vf_set(v, u->via);
    vf_set(v, u->from);
    if (ferry_fault(v, u->site, 1, ETIMEDOUT))
        tap_bail("the fault site %s cannot be armed", u->site);
    err = mig_set(&v->fn, u->to, NULL);
    state = mig_get(&v->fn);
    ok(err < 0 && state == (u->unknown ? VFIO_DEVICE_STATE_ERROR : u->from),
       "%s to %s without an answer to %s: %s (%d), the state is %s", mig_name(u->from), mig_name(u->to), u->site,
       err < 0 ? "it fails" : "it does not fail", err, mig_name(state));
    ferry_fault(v, u->site, 0, EIO);
    if (!u->unknown)
        ok(!mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL) && vf_alive(v), "and the VF goes on");
    close(fd);
}

static void test_unanswered_load(struct vf *from, struct vf *to)
{
    uint64_t sum;
    struct stream s = vf_record(from, false, &sum);
    int fd, err;

    vf_reset(to);
    fd = vf_set(to, VFIO_DEVICE_STATE_RESUMING);
    ferry_fault(to, "load", 1, ETIMEDOUT);
    mig_write(fd, s.data, s.len);
    err = mig_set(&to->fn, VFIO_DEVICE_STATE_STOP, NULL);
    ok(err < 0 && mig_get(&to->fn) == VFIO_DEVICE_STATE_ERROR,
       "RESUMING to STOP without an answer to load: it fails (%d), the state is %s", err,
       mig_name(mig_get(&to->fn)));
    ferry_fault(to, "load", 0, EIO);
    close(fd);
    vf_reset(to);
    stream_free(&s);
}

/* ---- a final image that could not be begun ---- */

static int read_once(void *arg)
{
    char byte;

    return read(*(int *)arg, &byte, 1) < 0 ? -errno : 0;
}

/* What a reader is told once it has read all there was. */
static void check_end(int fd, const char *site)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct vfio_precopy_info info;
    struct child reader;
    char byte;
    int err;

    ok(wait_until(read(fd, &byte, 1) < 0 && errno == ENOMSG, SOON_MS),
       "no %s for the final image: a reader is told that pre-copy has no more", site);
    err = mig_precopy_info(fd, &info);
    ok(!err && !info.initial_bytes && !info.dirty_bytes, "and so is who asks for sizes: %llu and %llu",
       (unsigned long long)info.initial_bytes, (unsigned long long)info.dirty_bytes);
    ok(!poll(&p, 1, 0), "nor does poll promise anything");
    fcntl(fd, F_SETFL, 0);
    reader = child_start(read_once, &fd);
    ok(wait_until(child_over(&reader), SOON_MS) && child_result(&reader) == -ENOMSG,
       "nor does a reader wait who is willing to");
    child_end(&reader);
}

/* All that the function is arrives nevertheless. */
static void finish(struct vf *from, struct vf *to, int fd, struct stream *s)
{
    uint64_t sum;
    bool ended;
    int target;

    vf_set(from, VFIO_DEVICE_STATE_STOP_COPY);
    sum = wl_sum(from->wl);
    ok(mig_read(fd, s, &ended) > 0 && ended, "at the second try there is a final image");
    vf_set(from, VFIO_DEVICE_STATE_RUNNING);
    target = vf_set(to, VFIO_DEVICE_STATE_RESUMING);
    ok(!mig_write(target, s->data, s->len) && !mig_set(&to->fn, VFIO_DEVICE_STATE_RUNNING, NULL) &&
       wl_sum(to->wl) == sum, "and the target is what the source was");
    close(target);
    vf_reset(to);
}

/* The site fails in the stop: a question, or the memory for what changed. */
static void test_not_begun(struct vf *from, struct vf *to, const char *site, int error)
{
    struct vfio_precopy_info info;
    struct stream s = { 0 };
    int fd, err;

    vf_reset(from);
    wl_fill(from->wl, 0, vf_percent(from, FIRST), SEED);
    fd = vf_set(from, VFIO_DEVICE_STATE_PRE_COPY);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (!wait_until(fd_number(fd, "ferry-ready") == 1, SOON_MS))
        tap_bail("no initial image comes");
    wl_fill(from->wl, vf_percent(from, FIRST), vf_percent(from, CHANGED), SEED + 1);
    err = mig_precopy_info(fd, &info);
    if (err || !info.dirty_bytes)
        tap_bail("nothing has changed");
    vf_set(from, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    /* Memory is set aside for what changed until now: so that it does not do, what was saved changes as well. */
    if (!wl_fill(from->wl, 0, vf_percent(from, FIRST), SEED + 2))
        tap_bail("the memory of VF %s cannot be filled", from->bdf);
    ferry_fault(from, site, 1, error);
    err = mig_set(&from->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    ok(err < 0 && mig_get(&from->fn) == VFIO_DEVICE_STATE_PRE_COPY_P2P,
       "no %s for the final image: STOP_COPY fails (%d), the state is %s", site, err, mig_name(mig_get(&from->fn)));
    ferry_fault(from, site, 0, error);
    vf_set(from, VFIO_DEVICE_STATE_PRE_COPY);
    mig_read(fd, &s, NULL);
    check_end(fd, site);
    finish(from, to, fd, &s);
    close(fd);
    stream_free(&s);
}

void test_undone(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the tests of arcs that fail need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    for (unsigned i = 0; i < sizeof(unanswered) / sizeof(*unanswered); i++)
        test_unanswered(from, &unanswered[i]);
    test_unanswered_load(from, to);
    test_not_begun(from, to, "query", EIO);
    test_not_begun(from, to, "alloc", ENOMEM);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "arcs that fail");
}
