// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A track that is lost: the firmware does not know any more what changed, and
 * does not say so unless it is asked the right thing. Whatever it was that cost
 * it, the target must be what the source was; the model has a wrong image for
 * whoever goes on as if nothing had been.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "../lib/fw.h"
#include "stand.h"

enum {
    SOON_MS     = 5000,
    TRIES       = 2,
    FIRST       = 40,           /* percent of a function's memory that is saved first, and that changes then */
    CHANGED     = 20,
    RAM         = 4 << 20,      /* of the guest's driver */
    IOVA        = 0x40000000,
};

/* Pre-copy with its first image read. */
static int begin(struct vf *v, struct stream *s)
{
    int fd;

    vf_reset(v);
    wl_fill(v->wl, 0, vf_percent(v, FIRST), SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (!wait_until((mig_read(fd, s, NULL), s->len > vf_percent(v, FIRST)), SOON_MS))
        tap_bail("no initial image comes");
    return fd;
}

static void change(struct vf *v)
{
    wl_fill(v->wl, vf_percent(v, FIRST), vf_percent(v, CHANGED), SEED + 1);
}

/* Stops the source, at the second try at the latest, and loads what came of it. */
static void finish(struct vf *from, struct vf *to, int fd, struct stream *s, const char *what)
{
    int target, err = -1;
    uint64_t sum;
    bool ended;

    for (unsigned i = 0; i < TRIES && err; i++)
        err = mig_set(&from->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    ok(!err, "%s: the source stops (%d)", what, err);
    sum = wl_sum(from->wl);
    fcntl(fd, F_SETFL, 0);
    ok(mig_read(fd, s, &ended) > 0 && ended, "%s: there is a final image", what);
    target = vf_set(to, VFIO_DEVICE_STATE_RESUMING);
    err = mig_write(target, s->data, s->len);
    if (!err)
        err = mig_set(&to->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    ok(!err && wl_sum(to->wl) == sum, "%s: the target is what the source was (%d)", what, err);
    close(target);
    close(fd);
    stream_free(s);
    vf_reset(to);
    vf_reset(from);
}

/* The stop fails once, and the function was stopped and resumed for it. */
static void test_failed_stop(struct bench *b, struct vf *from, struct vf *to)
{
    struct stream s = { 0 };
    int fd = begin(from, &s), err;

    /* where no middle image takes it */
    vf_set(from, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    change(from);
    model_arm(b, (struct fault){ .opcode = OP_QUERY_VHCA_MIGRATION_STATE, .vhca_id = from->id, .times = 1,
                                 .action = FAULT_FAIL, .status = ST_INTERNAL_ERR });
    err = mig_set(&from->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    model_disarm(b);
    ok(err < 0 && mig_get(&from->fn) == VFIO_DEVICE_STATE_PRE_COPY_P2P, "a stop fails (%d)", err);
    finish(from, to, fd, &s, "after a failed stop");
}

static void test_failed_save(struct bench *b, struct vf *from, struct vf *to)
{
    struct stream s = { 0 };
    int fd = begin(from, &s);
    uint64_t hits = model_hits(b);

    model_arm(b, (struct fault){ .opcode = OP_SAVE_VHCA_STATE, .vhca_id = from->id, .times = 1,
                                 .action = FAULT_FAIL, .status = ST_BAD_RES_STATE });
    change(from);
    if (!wait_until((mig_read(fd, &s, NULL), model_hits(b) > hits), SOON_MS))
        tap_bail("no middle image is saved");
    model_disarm(b);
    wl_fill(from->wl, 0, vf_percent(from, 1), SEED + 2);
    finish(from, to, fd, &s, "after a middle SAVE that failed");
}

/* The guest loads the VF's driver anew: it sets the function up from the start. */
static void test_reload(struct vf *from, struct vf *to)
{
    void *bar0 = vfio_map_bar(&from->fn, 0, NULL);
    void *ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct stream s = { 0 };
    struct fw fw;
    int fd;

    if (!bar0 || ram == MAP_FAILED || io_map(&from->space, IOVA, ram, RAM))
        tap_bail("no memory for the guest's driver");
    fd = begin(from, &s);
    change(from);
    fw_attach(&fw, bar0, ram, IOVA, RAM);
    ok(fw_start(&fw), "the guest's driver is loaded in pre-copy");
    wl_fill(from->wl, 0, vf_percent(from, 1), SEED + 2);
    finish(from, to, fd, &s, "after the guest loaded its driver anew");
}

void test_lost(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];

    if (b->vfs < 2)
        tap_bail("the tests of lost tracks need 2 VFs");
    vf_open(from);
    vf_open(to);
    test_failed_stop(b, from, to);
    test_failed_save(b, from, to);
    test_reload(from, to);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "lost tracks");
}
