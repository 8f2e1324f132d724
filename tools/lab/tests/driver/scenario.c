// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Migrations for traces of two drivers to be compared (compare-traces): one
 * whose firmware commands do not depend on timing, where everything that
 * changes does so while nobody looks and a middle image is asked for until it
 * is there; and one of a busy VF, for how often a driver sends which.
 */
#include <errno.h>
#include <fcntl.h>

#include "sweep.h"

enum { BUSY_SECONDS = 3, PAGES_A_SECOND = 2000 };

static void load(struct bench *b, const struct stream *s, uint64_t sum)
{
    struct vf *to = &b->vf[1];
    int fd = -1, err = load_run(to, s, &fd);

    ok(!err && wl_sum(to->wl) == sum, "the target is what the source was");
    close(fd);
    vf_reset(to);
}

void test_scenario(struct bench *b)
{
    struct vf *from = &b->vf[0];
    struct stream s;
    uint64_t sum;
    bool whole;
    int fd;

    if (b->vfs < 2)
        tap_bail("the scenario needs 2 VFs");
    vf_open(from);
    vf_open(&b->vf[1]);
    s = vf_record(from, true, &sum);
    load(b, &s, sum);
    stream_free(&s);
    s = vf_record(from, false, &sum);
    load(b, &s, sum);
    stream_free(&s);
    ok(!save_run(from, SAVE_CANCELLED, &s, &whole, &fd), "a cancelled migration");
    close(fd);
    stream_free(&s);
    vf_close(from);
    vf_close(&b->vf[1]);
}

/* A VMM that copies memory meanwhile: it reads what there is now and then, and never asks for sizes. */
void test_busy(struct bench *b)
{
    struct vf *v = &b->vf[0];
    char buffer[64 * PAGE];
    double until;
    ssize_t n;
    int fd;

    vf_open(v);
    vf_fill(v, SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    wl_change(v->wl, 0, vf_percent(v, 50), PAGES_A_SECOND, 0);
    until = now_ms() + BUSY_SECONDS * 1000;
    do {
        n = read(fd, buffer, sizeof(buffer));
        if (n < 0)
            relax();
    } while ((n >= 0 || errno == EAGAIN || errno == ENOMSG) && now_ms() < until);
    ok(n >= 0 || errno == EAGAIN || errno == ENOMSG, "a busy VF in pre-copy for %u seconds: %s", BUSY_SECONDS,
       n < 0 ? strerror(errno) : "data");
    wl_write(v->wl, WL_MEM_RATE, 0);
    vf_set(v, VFIO_DEVICE_STATE_RUNNING);
    close(fd);
    vf_close(v);
}
