// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The load of the initial image: what a VMM waits for before it lets the
 * source stop. It is over when its write() returns, or when poll() says that
 * there can be another one, and who writes it is told if it failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "../lib/child.h"
#include "../lib/region.h"
#include "records.h"
#include "sweep.h"

enum {
    SLOW_US     = 2000000,      /* a LOAD that others can observe */
    AT_ONCE_MS  = 1000,
    FOREVER_MS  = 20000,
};

static void slow_load(struct bench *b, struct vf *v)
{
    model_arm(b, (struct fault){ .opcode = OP_LOAD_VHCA_STATE, .vhca_id = v->id, .times = 1, .action = FAULT_DELAY,
                                 .delay_us = SLOW_US });
}

static void bad_load(struct bench *b, struct vf *v)
{
    model_arm(b, (struct fault){ .opcode = OP_LOAD_VHCA_STATE, .vhca_id = v->id, .times = 1, .action = FAULT_FAIL,
                                 .status = ST_BAD_PARAM, .syndrome = 0x99 });
}

/* To where the initial image is whole. */
static struct stream begin_of(const struct stream *s)
{
    struct records all = records_of(s);
    const struct record *r = record_find(&all, VFIO_FERRY_TAG_IMAGE, 0);

    r = r ? r : record_find(&all, VFIO_FERRY_TAG_FIRMWARE_DATA, 0);
    if (!r)
        tap_bail("the recorded stream has no image");
    return (struct stream){ s->data, record_end(r), 0 };
}

static int64_t loaded(struct vf *v)
{
    return ferry_number(v, "stats", "images_loaded");
}

static bool says_writable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, ms) == 1 && p.revents & POLLOUT;
}

static bool arrives(struct vf *v, int fd, const struct stream *s, size_t at, uint64_t sum)
{
    int err;

    fcntl(fd, F_SETFL, 0);
    err = mig_write(fd, s->data + at, s->len - at);
    if (!err)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    if (!err)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    close(fd);
    return !err && wl_sum(v->wl) == sum && vf_alive(v);
}

static void test_write(struct bench *b, struct vf *v, const struct stream *s, uint64_t sum, const char *whose)
{
    struct stream first = begin_of(s);
    int64_t before = loaded(v);
    int fd;

    slow_load(b, v);
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    ok(!mig_write(fd, first.data, first.len) && loaded(v) == before + 1,
       "%s stream: the initial image is loaded when its write() returns", whose);
    ok(arrives(v, fd, s, first.len, sum), "%s stream: the rest makes it whole", whose);
    vf_reset(v);
}

static void test_nonblock(struct bench *b, struct vf *v, const struct stream *s, uint64_t sum, const char *whose)
{
    struct stream first = begin_of(s);
    uint64_t hits = model_hits(b);
    int64_t before = loaded(v);
    bool busy, again, writable;
    int fd;

    slow_load(b, v);
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ok(!mig_write(fd, first.data, first.len) && wait_until(model_hits(b) > hits, FOREVER_MS),
       "%s stream, O_NONBLOCK: the initial image is taken", whose);
    again = write(fd, s->data + first.len, 1) < 0 && errno == EAGAIN;
    writable = says_writable(fd, 0);
    busy = model_busy(b);
    model_soon(b);
    ok(again && !writable && busy, "while it is loaded nothing is, and poll() says so");
    ok(says_writable(fd, FOREVER_MS) && loaded(v) == before + 1, "and when that is over");
    ok(arrives(v, fd, s, first.len, sum), "%s stream, O_NONBLOCK: the rest makes it whole", whose);
    vf_reset(v);
}

/* ---- failures ---- */

/* The source's user learns of it while the source runs. */
static void test_refused(struct bench *b, struct vf *from, struct vf *to)
{
    struct stream s = { 0 };
    int out, in, err;
    uint64_t sum;

    vf_reset(from);
    vf_fill(from, SEED);
    sum = wl_sum(from->wl);
    out = vf_set(from, VFIO_DEVICE_STATE_PRE_COPY);
    if (mig_read_precopy(out, &s, 1000) <= 0)
        tap_bail("VF %s gives no pre-copy data", from->bdf);
    bad_load(b, to);
    in = vf_set(to, VFIO_DEVICE_STATE_RESUMING);
    err = mig_write(in, s.data, s.len);
    ok(err == -EINVAL && mig_get(&from->fn) == VFIO_DEVICE_STATE_PRE_COPY,
       "an initial image that the firmware refuses: write() fails in pre-copy (%d)", err);
    ok(write(in, s.data, 1) < 0 && errno == EINVAL, "and goes on failing");
    ok(!mig_set(&from->fn, VFIO_DEVICE_STATE_RUNNING, NULL) && source_survives(b, from, sum, false),
       "the source goes on");
    close(in);
    close(out);
    stream_free(&s);
    vf_reset(to);
}

static void test_refused_nonblock(struct bench *b, struct vf *v, const struct stream *s)
{
    struct stream first = begin_of(s);
    int fd, err;

    bad_load(b, v);
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    err = mig_write(fd, first.data, first.len);
    ok((!err || err == -EINVAL) && says_writable(fd, FOREVER_MS) &&
       write(fd, s->data + first.len, 1) < 0 && errno == EINVAL,
       "the same with O_NONBLOCK: the next write() fails, if not that one (%d)", err);
    close(fd);
    vf_reset(v);
}

/* ---- ends of the wait ---- */

struct writer {
    struct vf *v;
    struct stream first;
    int fd;
    int64_t loads;              /* of the VF that had ended before this one */
};

/* The firmware refuses one whose function was reset meanwhile. */
static int64_t loads_ended(struct vf *v)
{
    return loaded(v) + ferry_number(v, "stats", "failures");
}

static int write_first(void *arg)
{
    struct writer *w = arg;

    return mig_write(w->fd, w->first.data, w->first.len);
}

static struct child begin_writing(struct bench *b, struct writer *w)
{
    uint64_t hits = model_hits(b);
    struct child c;

    w->loads = loads_ended(w->v);
    slow_load(b, w->v);
    w->fd = vf_set(w->v, VFIO_DEVICE_STATE_RESUMING);
    c = child_start(write_first, w);
    if (!wait_until(model_hits(b) > hits && child_sleeps(&c), FOREVER_MS))
        tap_bail("who writes the initial image does not wait for its LOAD");
    return c;
}

/* The LOAD outlives its writer; what comes next starts when the driver has seen its end. */
static void end_writing(struct writer *w, struct child *c)
{
    child_end(c);
    close(w->fd);
    if (!wait_until(loads_ended(w->v) == w->loads + 1, FOREVER_MS))
        tap_bail("the driver does not see the end of a LOAD");
}

static void test_killed(struct bench *b, struct vf *v, const struct stream *s)
{
    struct writer w = { .v = v, .first = begin_of(s) };
    struct child c = begin_writing(b, &w);
    bool dead;

    kill(c.pid, SIGKILL);
    dead = wait_until(child_over(&c), AT_ONCE_MS);
    ok(dead && model_busy(b), "who is killed while the initial image is loaded dies at once");
    model_soon(b);
    end_writing(&w, &c);
    vf_reset(v);
}

static void test_reset(struct bench *b, struct vf *v, const struct stream *s)
{
    struct writer w = { .v = v, .first = begin_of(s) };
    struct child c = begin_writing(b, &w);
    bool over;

    vf_reset(v);
    over = wait_until(child_over(&c), AT_ONCE_MS);
    ok(over && child_result(&c) == -ENODEV, "a reset ends that wait, and the write() fails (%d)", child_result(&c));
    model_soon(b);
    end_writing(&w, &c);
}

/* ---- the other protocol ---- */

static void test_region_load(struct bench *b, struct vf *v, const struct stream *s)
{
    struct stream first = begin_of(s);
    int64_t before = loaded(v);
    struct region r;
    size_t at = 0;

    if (region_open(&r, &v->fn))
        tap_bail("VF %s has no migration region", v->bdf);
    slow_load(b, v);
    ok(!region_set_state(&r, R_RESUMING) && !region_load(&r, &first, &at, 1 << 20) && loaded(v) == before + 1,
       "the region: the initial image is loaded when its data_size was written (%lld before, %lld now)",
       (long long)before, (long long)loaded(v));
    vf_reset(v);
    bad_load(b, v);
    at = 0;
    ok(!region_set_state(&r, R_RESUMING) && region_load(&r, &first, &at, 1 << 20) == -EINVAL,
       "the region: that write fails if the load does");
    vf_reset(v);
}

void test_initial(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    struct stream s, plain;
    uint64_t sum;

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the tests of the initial image need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    s = vf_record(from, true, &sum);
    plain = stream_plain(&s);
    test_write(b, to, &s, sum, "ferry's");
    test_write(b, to, &plain, sum, "another driver's");
    test_nonblock(b, to, &s, sum, "ferry's");
    test_nonblock(b, to, &plain, sum, "another driver's");
    test_refused(b, from, to);
    test_refused_nonblock(b, to, &s);
    test_refused_nonblock(b, to, &plain);
    test_killed(b, to, &s);
    test_reset(b, to, &s);
    test_region_load(b, to, &s);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "initial images");
    stream_free(&s);
    stream_free(&plain);
}
