// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that a migration holds at most, as the kernel charges it to its
 * user: a control group for each half of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bench.h"

#define ROOT "/sys/fs/cgroup"
#define GROUP ROOT "/bench"

enum { SLOW_MS = 10000 };

static void join(const char *group)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/cgroup.procs", group);
    if (sysfs_write(path, "0"))
        tap_bail("no control group %s", group);
}

static void enter(void)
{
    sysfs_write(ROOT "/cgroup.subtree_control", "+memory");
    if (mkdir(GROUP, 0755))
        tap_bail("no control group");
    join(GROUP);
}

/* The most that was charged in it. */
static void leave(struct vf *v, const char *measure)
{
    char peak[32];

    if (sysfs_read(GROUP "/memory.peak", peak, sizeof(peak)))
        tap_bail("this kernel does not tell the peak of a control group");
    figure(v, measure, 0, strtoull(peak, NULL, 0));
    join(ROOT);
    /* what is charged to it may go a moment later */
    if (!wait_until(!rmdir(GROUP), SLOW_MS))
        tap_bail("the control group stays");
}

static void save(struct vf *v, struct stream *s)
{
    bool ended = false;
    int fd;

    vf_reset(v);
    vf_fill(v, SEED);
    enter();
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (mig_read_precopy(fd, s, 1000) <= 0)
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    vf_change(v, vf_percent(v, 100) / PAGE);
    vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_read(fd, s, &ended) <= 0 || !ended)
        tap_bail("VF %s gives no final image", v->bdf);
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    run_again(v, fd);
    leave(v, "memory_source_bytes");
}

static void load(struct vf *v, const struct stream *s)
{
    int fd;

    vf_reset(v);
    enter();
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    if (mig_write(fd, s->data, s->len))
        tap_bail("VF %s takes no stream", v->bdf);
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    run_again(v, fd);
    leave(v, "memory_target_bytes");
}

static void measure(struct bench *b, struct vf *v)
{
    struct stream s = { .room = 2 * state_size(v) + (16 << 20) };

    (void)b;
    s.data = malloc(s.room);
    if (!s.data)
        tap_bail("no memory for a stream");
    /* the stream's own pages are there before and charged elsewhere */
    memset(s.data, 1, s.room);
    save(v, &s);
    load(v, &s);
    stream_free(&s);
}

void bench_memory(struct bench *b)
{
    in_turn(b, measure);
}
