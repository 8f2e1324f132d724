// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How often a pre-copy saves. A VMM reads what there is each time round while
 * it copies the VM's memory, and a busy function has always changed: saving that
 * each time costs the firmware's time, which other functions want, and brings
 * the same again and again. Who asks, or sleeps, is served at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "stand.h"

enum {
    ROUND_MS    = 50,           /* of a VMM */
    ROUNDS      = 100,
    PAGES       = 20,           /* that change in each */
    PAUSE_MS    = 500,          /* at least, between two images that nobody waits for */
    LONG_MS     = 2000,         /* less than it is by and by */
    SOON_MS     = 20000,
};

static uint64_t count(struct bench *b, unsigned opcode)
{
    return model_commands(b, opcode);
}

static int precopy_at_end(struct vf *v)
{
    struct stream s = { 0 };
    int fd;

    vf_reset(v);
    vf_fill(v, SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (mig_read_precopy(fd, &s, 1000) <= 0)
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    stream_free(&s);
    return fd;
}

/* A VMM that never asks how much there is, for its RAM is far from being copied. */
static void saves_of_busy(struct bench *b, struct vf *v, int fd)
{
    uint64_t saves = count(b, OP_SAVE_VHCA_STATE), queries = count(b, OP_QUERY_VHCA_MIGRATION_STATE), most;
    double began = now_ms(), ms;
    struct stream s = { 0 };
    ssize_t n = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        vf_change(v, PAGES);
        n = mig_read(fd, &s, NULL);
        if (n < 0 && n != -EAGAIN)
            tap_bail("a reader in pre-copy gets %zd", n);
        wait_until(now_ms() >= began + i * ROUND_MS, SOON_MS);
    }
    ms = now_ms() - began;
    saves = count(b, OP_SAVE_VHCA_STATE) - saves;
    queries = count(b, OP_QUERY_VHCA_MIGRATION_STATE) - queries;
    most = ms / PAUSE_MS + 1;
    ok(saves && saves <= most, "a busy VF is read %u times in %.0f ms: %llu SAVEs, not more than %llu", ROUNDS, ms,
       (unsigned long long)saves, (unsigned long long)most);
    ok(queries <= 2 * most, "and %llu QUERYs", (unsigned long long)queries);
    ok(saves && s.len, "which brought %zu bytes", s.len);
    stream_free(&s);
}

static bool becomes_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, SOON_MS) == 1 && p.revents == POLLIN;
}

static void drain(int fd)
{
    struct stream s = { 0 };

    if (!wait_until(mig_read(fd, &s, NULL) == 0, SOON_MS))
        tap_bail("pre-copy does not come to its temporary end");
    stream_free(&s);
}

/* After the above the pause is as long as it gets. */
static void test_asks(struct vf *v, int fd)
{
    struct vfio_precopy_info info;
    double began, asked, slept;
    bool told, woken;
    char byte;

    drain(fd);
    vf_change(v, PAGES);
    began = now_ms();
    told = !mig_precopy_info(fd, &info) && info.dirty_bytes;
    fcntl(fd, F_SETFL, 0);
    told &= read(fd, &byte, 1) == 1;
    asked = now_ms() - began;
    ok(told && asked < LONG_MS, "who asks with PRECOPY_INFO, and then reads, has what changed after %.0f ms", asked);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    drain(fd);
    vf_change(v, PAGES);
    began = now_ms();
    woken = becomes_readable(fd);
    slept = now_ms() - began;
    ok(woken && slept < LONG_MS, "who sleeps in poll is woken after %.0f ms", slept);
}

void test_pace(struct bench *b)
{
    struct vf *v = &b->vf[0];
    int fd;

    if (!b->vfs || !v->ferry)
        tap_bail("the tests of pre-copy's pace need a VF bound to ferry");
    vf_open(v);
    fd = precopy_at_end(v);
    saves_of_busy(b, v, fd);
    test_asks(v, fd);
    ok(!mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL) && vf_alive(v), "the VF goes on");
    close(fd);
    vf_close(v);
    bench_check_clean(b, "a busy pre-copy");
}
