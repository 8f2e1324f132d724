// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole downtime of a machine with several VFs, all of whose state has
 * changed: from the first suspend to the last target that runs, each VF's
 * stream through a socket of its own, two threads a VF, as a VMM does it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bench.h"

enum { SLOW_MS = 60000 };

struct pair {
    struct vf *from, *to;
    int sockets[2];
    pthread_t source, target;
    pthread_barrier_t *barrier;
    atomic_long taken;          /* bytes, by the target */
    uint64_t running;           /* when the target did */
};

/* Three times together with all others, and with who looks at the clock: pre-copy is through, go, all are paused. */
static void *source(void *arg)
{
    struct pair *p = arg;
    int fd = vf_set(p->from, VFIO_DEVICE_STATE_PRE_COPY);
    bool ended = false;
    ssize_t sent = mig_pipe_precopy(fd, p->sockets[0], 1000);

    if (sent < 0)
        tap_bail("VF %s gives no pre-copy data", p->from->bdf);
    if (!wait_until(p->taken == sent, SLOW_MS))
        tap_bail("VF %s does not take pre-copy data", p->to->bdf);
    vf_change(p->from, vf_percent(p->from, 100) / PAGE);
    pthread_barrier_wait(p->barrier);
    pthread_barrier_wait(p->barrier);
    vf_set(p->from, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    pthread_barrier_wait(p->barrier);
    vf_set(p->from, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_pipe(fd, p->sockets[0], &ended) <= 0 || !ended)
        tap_bail("VF %s gives no final image", p->from->bdf);
    shutdown(p->sockets[0], SHUT_WR);
    vf_set(p->from, VFIO_DEVICE_STATE_STOP);
    close(fd);
    return NULL;
}

static void *target(void *arg)
{
    struct pair *p = arg;
    int fd = vf_set(p->to, VFIO_DEVICE_STATE_RESUMING);
    void *buffer = malloc(PIECE);
    ssize_t n;

    if (!buffer)
        tap_bail("no memory");
    while ((n = read(p->sockets[1], buffer, PIECE)) > 0) {
        if (mig_write(fd, buffer, n))
            tap_bail("VF %s takes no stream", p->to->bdf);
        p->taken += n;
    }
    if (n)
        tap_bail("the socket of VF %s: %s", p->to->bdf, strerror(errno));
    vf_set(p->to, VFIO_DEVICE_STATE_STOP);
    vf_set(p->to, VFIO_DEVICE_STATE_RUNNING);
    p->running = now_ns();
    free(buffer);
    close(fd);
    return NULL;
}

static void prepare(struct pair *p, pthread_barrier_t *barrier)
{
    p->barrier = barrier;
    vf_reset(p->from);
    vf_reset(p->to);
    vf_fill(p->from, SEED);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->sockets))
        tap_bail("no socket");
}

static uint64_t finish(struct pair *p)
{
    pthread_join(p->source, NULL);
    pthread_join(p->target, NULL);
    close(p->sockets[0]);
    close(p->sockets[1]);
    if (wl_sum(p->from->wl) != wl_sum(p->to->wl))
        tap_bail("VF %s is not what VF %s was", p->to->bdf, p->from->bdf);
    return p->running;
}

static void measure(struct side *s, unsigned pairs)
{
    static struct pair p[MAX_VFS / 2];
    pthread_barrier_t barrier;
    uint64_t begin, last = 0;

    pthread_barrier_init(&barrier, NULL, pairs + 1);
    for (unsigned i = 0; i < pairs; i++) {
        p[i] = (struct pair){ .from = s->vf[2 * i], .to = s->vf[2 * i + 1] };
        prepare(&p[i], &barrier);
        pthread_create(&p[i].target, NULL, target, &p[i]);
        pthread_create(&p[i].source, NULL, source, &p[i]);
    }
    pthread_barrier_wait(&barrier);
    begin = now_ns();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < pairs; i++) {
        uint64_t running = finish(&p[i]);

        last = running > last ? running : last;
    }
    figure(s->vf[0], "downtime", pairs, last - begin);
    pthread_barrier_destroy(&barrier);
}

void bench_downtime(struct bench *b)
{
    struct sides all = sides_of(b);

    for (unsigned i = 0; i < b->vfs; i++)
        vf_open(&b->vf[i]);
    for (unsigned pairs = 1; all.n && 2 * pairs <= all.side[0].vfs; pairs *= 2)
        in_rounds(&all, pairs, measure);
    for (unsigned i = 0; i < b->vfs; i++)
        vf_close(&b->vf[i]);
}
