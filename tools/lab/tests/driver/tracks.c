// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the firmware says when it has lost track of what changed, and what it
 * says when something is wrong. The one costs a pre-copy no more than what it
 * would have saved: the final image has all of the state, at the first try. The
 * other is a failure, of which the user hears while the VM runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "stand.h"

enum {
    SOON_MS     = 5000,
    PAGES       = 20,           /* that change */
    SYNDROME    = 0x77a4,
};

struct tracks {
    struct bench *b;
    struct vf *from, *to;
    struct stream s;
    int fd;
};

/* Pre-copy of a function that is full, all of it read. */
static void begin(struct tracks *t)
{
    vf_reset(t->from);
    vf_fill(t->from, SEED);
    t->s = (struct stream){ 0 };
    t->fd = vf_set(t->from, VFIO_DEVICE_STATE_PRE_COPY);
    if (mig_read_precopy(t->fd, &t->s, 1000) <= 0)
        tap_bail("VF %s gives no pre-copy data", t->from->bdf);
    fcntl(t->fd, F_SETFL, O_NONBLOCK);
}

static void end(struct tracks *t)
{
    close(t->fd);
    stream_free(&t->s);
    vf_reset(t->from);
}

static int read_byte(int fd)
{
    char byte;

    return read(fd, &byte, 1) < 0 ? -errno : 0;
}

static void strike(struct tracks *t, unsigned opcode, unsigned status)
{
    model_arm(t->b, (struct fault){ .opcode = opcode, .vhca_id = t->from->id, .times = 1, .action = FAULT_FAIL,
                                    .status = status, .syndrome = SYNDROME });
}

/* Something changed, somebody asks how much, and the SAVE or QUERY that comes of it strikes. */
static void strike_in_precopy(struct tracks *t, unsigned opcode, unsigned status)
{
    uint64_t hits = model_hits(t->b);
    struct vfio_precopy_info info;

    vf_change(t->from, PAGES);
    strike(t, opcode, status);
    if (!wait_until((mig_precopy_info(t->fd, &info), model_hits(t->b) > hits), SOON_MS))
        tap_bail("PRECOPY_INFO asks for nothing and saves nothing");
    model_disarm(t->b);
}

/* ---- the track is lost ---- */

static const struct loss {
    const char *when;
    unsigned opcode;
    bool in_stop;
} losses[] = {
    { "in a middle SAVE", OP_SAVE_VHCA_STATE, false },
    { "in the QUERY of PRECOPY_INFO", OP_QUERY_VHCA_MIGRATION_STATE, false },
    { "in the QUERY of the stop", OP_QUERY_VHCA_MIGRATION_STATE, true },
};

/* Who asks learns that no more is to come, also of what changes now, and the firmware is left alone. */
static void check_nothing_more(struct tracks *t, const struct loss *l)
{
    struct vfio_precopy_info info = { .dirty_bytes = 1 };
    uint64_t queries;
    int err, got;

    if (!wait_until((got = read_byte(t->fd)) == -ENOMSG, SOON_MS))
        tap_diag("a reader gets %d", got);
    queries = model_commands(t->b, OP_QUERY_VHCA_MIGRATION_STATE);
    vf_change(t->from, PAGES);
    err = mig_precopy_info(t->fd, &info);
    ok(got == -ENOMSG && !err && !info.initial_bytes && !info.dirty_bytes,
       "a lost track %s: pre-copy has no more (%d, %d: %llu bytes)", l->when, got, err,
       (unsigned long long)(info.initial_bytes + info.dirty_bytes));
    ok_eq(model_commands(t->b, OP_QUERY_VHCA_MIGRATION_STATE), queries, "a lost track %s: nobody asks for it again",
          l->when);
}

static void lose(struct tracks *t, const struct loss *l)
{
    int64_t lost, failures, all = wl_read(t->from->wl, WL_STATE_SIZE);
    bool ended = false;
    uint64_t sum;
    ssize_t n;
    int err, target;

    begin(t);
    lost = ferry_number(t->from, "stats", "tracks_lost");
    failures = ferry_number(t->from, "stats", "failures");
    if (l->in_stop) {
        vf_change(t->from, PAGES);
        strike(t, l->opcode, ST_BAD_RES_STATE);
    } else {
        strike_in_precopy(t, l->opcode, ST_BAD_RES_STATE);
        check_nothing_more(t, l);
    }
    err = mig_set(&t->from->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    model_disarm(t->b);
    ok(!err, "a lost track %s: the source stops at the first try (%d)", l->when, err);
    sum = wl_sum(t->from->wl);
    fcntl(t->fd, F_SETFL, 0);
    n = err ? -1 : mig_read(t->fd, &t->s, &ended);
    ok(ended && n >= all, "a lost track %s: the final image is a full one, %zd bytes for %lld", l->when, n,
       (long long)all);
    ok(lost >= 0 && ferry_number(t->from, "stats", "tracks_lost") == lost + 1 &&
       ferry_number(t->from, "stats", "failures") == failures, "a lost track %s: it is counted, once, and as no failure",
       l->when);
    target = vf_set(t->to, VFIO_DEVICE_STATE_RESUMING);
    err = mig_write(target, t->s.data, t->s.len);
    if (!err)
        err = mig_set(&t->to->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    ok(!err && wl_sum(t->to->wl) == sum, "a lost track %s: the target is what the source was (%d)", l->when, err);
    close(target);
    vf_reset(t->to);
    end(t);
}

/* ---- something is wrong ---- */

/* The session fails, and only that. */
static void test_failed_save(struct tracks *t, unsigned status)
{
    struct pollfd p = { .events = POLLIN };
    struct vfio_precopy_info info;
    int got, asked, stop;

    begin(t);
    strike_in_precopy(t, OP_SAVE_VHCA_STATE, status);
    p.fd = t->fd;
    if (!wait_until((got = read_byte(t->fd)) == -EIO, SOON_MS))
        tap_diag("a reader gets %d", got);
    asked = mig_precopy_info(t->fd, &info);
    ok(got == -EIO && asked == -EIO && poll(&p, 1, 0) == 1 && (p.revents & POLLERR),
       "a middle SAVE fails with status %#x: reader (%d), PRECOPY_INFO (%d) and poll (%#x) are told", status, got, asked,
       p.revents);
    stop = mig_set(&t->from->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    ok(stop == -EIO && mig_get(&t->from->fn) == VFIO_DEVICE_STATE_PRE_COPY_P2P,
       "a middle SAVE failed with status %#x: there is no final image (%d), the state is %s", status, stop,
       mig_name(mig_get(&t->from->fn)));
    ok(!mig_set(&t->from->fn, VFIO_DEVICE_STATE_RUNNING, NULL) && vf_alive(t->from),
       "a middle SAVE failed with status %#x: the source goes on", status);
    end(t);
}

/* A question that failed has no answer, and cost nothing else. */
static void test_failed_query(struct tracks *t)
{
    struct vfio_precopy_info info;
    int first, second;

    begin(t);
    vf_change(t->from, PAGES);
    strike(t, OP_QUERY_VHCA_MIGRATION_STATE, ST_INTERNAL_ERR);
    first = mig_precopy_info(t->fd, &info);
    model_disarm(t->b);
    second = mig_precopy_info(t->fd, &info);
    ok(first == -EIO && !second && info.dirty_bytes >= PAGES * PAGE,
       "a QUERY fails: PRECOPY_INFO says so (%d), and the next one (%d) has %llu bytes", first, second,
       (unsigned long long)info.dirty_bytes);
    end(t);
}

void test_tracks(struct bench *b)
{
    struct tracks t = { .b = b, .from = &b->vf[0], .to = &b->vf[1] };

    if (b->vfs < 2 || !t.from->ferry || !t.to->ferry)
        tap_bail("the tests of tracks need 2 VFs bound to ferry");
    vf_open(t.from);
    vf_open(t.to);
    for (unsigned i = 0; i < sizeof(losses) / sizeof(*losses); i++)
        lose(&t, &losses[i]);
    test_failed_save(&t, ST_INTERNAL_ERR);
    test_failed_save(&t, ST_NO_RESOURCES);
    test_failed_query(&t);
    vf_close(t.from);
    vf_close(t.to);
    bench_check_clean(b, "tracks");
}
