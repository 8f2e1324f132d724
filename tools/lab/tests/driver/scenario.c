// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Migrations whose firmware commands do not depend on timing, for traces of
 * two drivers to be compared (compare-traces). Everything that changes does so
 * while nobody looks; a middle image is asked for until it is there.
 */
#include "sweep.h"

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
