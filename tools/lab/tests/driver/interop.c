// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams between drivers: from a VF of each driver to one of each, its own
 * included. Bind the VFs to several drivers before; with one it is a test of
 * that driver alone.
 */
#include <stdio.h>

#include "sweep.h"

static struct vf *other_vf(struct bench *b, const struct vf *not, const char *driver)
{
    for (unsigned i = 0; i < b->vfs; i++)
        if (&b->vf[i] != not && !strcmp(b->vf[i].driver, driver))
            return &b->vf[i];
    return NULL;
}

static void move(struct vf *from, struct vf *to, bool precopy)
{
    uint64_t sum = 0;
    struct stream s;
    int fd = -1, err;

    vf_open(from);
    vf_open(to);
    s = vf_record(from, precopy, &sum);
    err = load_run(to, &s, &fd);
    ok(!err && wl_sum(to->wl) == sum && vf_alive(to), "%s to %s, %s: the VF arrives (%d, %zu bytes)",
       from->driver, to->driver, precopy ? "with pre-copy" : "stopped", err, s.len);
    close(fd);
    stream_free(&s);
    vf_close(from);
    vf_close(to);
}

void test_interop(struct bench *b)
{
    for (unsigned i = 0; i < b->vfs; i++) {
        bool first = other_vf(b, NULL, b->vf[i].driver) == &b->vf[i];

        for (unsigned j = 0; first && j < b->vfs; j++) {
            struct vf *to = other_vf(b, &b->vf[i], b->vf[j].driver);

            if (other_vf(b, NULL, b->vf[j].driver) != &b->vf[j])
                continue;
            if (!to) {
                tap_skip(b->vf[j].driver, "only one VF is bound to it");
                continue;
            }
            move(&b->vf[i], to, true);
            move(&b->vf[i], to, false);
        }
    }
    bench_check_clean(b, "moves between drivers");
}
