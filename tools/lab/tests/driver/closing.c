// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions that end while their worker runs. Readers, pollers and those who ask
 * for sizes keep it running; then each closes its FD, and at the same time the
 * session is closed: by a state, by a reset, or by closing the device. Whatever
 * comes last has to free the session, and nobody may touch it after.
 *
 * Nothing is seen here but a function that is lost or memory that is not given
 * back: it is KASAN that sees the rest. The more rounds the better, so
 * $DRIVER_SECONDS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "stand.h"

enum {
    CROWD       = 3,
    MOMENTS     = 64,           /* how long the crowd goes on at most, in its steps */
    USED        = 5,            /* percent of the function's memory */
    CHANGE_RATE = 20000,
};

/* One of those who keep the worker running, with an FD of its own. */
struct user {
    int fd;
    void (*step)(int fd);
    const unsigned *moment;     /* nobody begins another step once this is 0 */
    unsigned steps;
    pthread_t thread;
};

/* To the end of what there is: that is where a reader asks for more. */
static void step_read(int fd)
{
    char piece[65536];

    while (read(fd, piece, sizeof(piece)) > 0)
        ;
}

static void step_poll(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    poll(&p, 1, 0);
}

static void step_ask(int fd)
{
    struct vfio_precopy_info info;

    mig_precopy_info(fd, &info);
}

static void (*const steps[CROWD])(int fd) = { step_read, step_poll, step_ask };

static void *use(void *arg)
{
    struct user *u = arg;

    while (__atomic_load_n(u->moment, __ATOMIC_ACQUIRE)) {
        u->step(u->fd);
        __atomic_add_fetch(&u->steps, 1, __ATOMIC_RELEASE);
    }
    close(u->fd);
    return NULL;
}

/* ---- ends of a session ---- */

static void end_running(struct vf *v)
{
    mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
}

static void end_stop(struct vf *v)
{
    mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
}

static void end_reset(struct vf *v)
{
    vfio_reset(&v->fn);
}

static void end_close(struct vf *v)
{
    vf_close(v);
    vf_open(v);
}

static const struct end {
    const char *name;
    void (*end)(struct vf *v);
} ends[] = {
    { "RUNNING", end_running }, { "STOP", end_stop }, { "a reset", end_reset },
    { "closing the device", end_close },
};
enum { ENDS = sizeof(ends) / sizeof(*ends) };

/* ---- rounds ---- */

/* Small images, so that each round has several, and always a next one. */
static void begin(struct vf *v)
{
    vf_reset(v);
    wl_fill(v->wl, 0, vf_percent(v, USED), SEED);
    wl_change(v->wl, 0, vf_percent(v, USED), CHANGE_RATE, 0);
}

static void gather(struct user crowd[CROWD], int fd, const unsigned *moment)
{
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = (struct user){ .fd = dup(fd), .step = steps[i], .moment = moment };
        if (crowd[i].fd < 0 || pthread_create(&crowd[i].thread, NULL, use, &crowd[i]))
            tap_bail("no crowd");
    }
}

static void scatter(struct user crowd[CROWD])
{
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(crowd[i].thread, NULL);
}

/*
 * At every other moment the crowd is gone before the session ends, so that the
 * worker, which was asked for more a moment ago, holds the last but one
 * reference. Value: the function is what it should be.
 */
static bool round_of(struct vf *v, const struct end *e, unsigned wait)
{
    int fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    struct user crowd[CROWD];
    unsigned moment = 1;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    gather(crowd, fd, &moment);
    while (__atomic_load_n(&crowd[0].steps, __ATOMIC_ACQUIRE) < wait)
        sched_yield();
    __atomic_store_n(&moment, 0, __ATOMIC_RELEASE);
    if (wait & 1)
        scatter(crowd);
    step_read(fd);
    close(fd);
    e->end(v);
    if (!(wait & 1))
        scatter(crowd);
    if (mig_get(&v->fn) == VFIO_DEVICE_STATE_STOP)
        mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    return mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING;
}

void test_closing(struct bench *b)
{
    struct vf *v = &b->vf[0];
    double deadline = bench_deadline();
    bool good[ENDS];
    unsigned rounds, seed = 1;

    if (!b->vfs || !v->ferry)
        tap_bail("the tests of closing need a VF bound to ferry");
    vf_open(v);
    memset(good, true, sizeof(good));
    for (rounds = 0; !rounds || now_ms() < deadline; rounds++) {
        begin(v);
        for (unsigned i = 0; i < ENDS; i++) {
            good[i] &= round_of(v, &ends[i], rand_r(&seed) % MOMENTS);
            if (ends[i].end == end_reset || ends[i].end == end_close)
                begin(v);
        }
    }
    for (unsigned i = 0; i < ENDS; i++)
        ok(good[i], "a session that is in use ends by %s, %u times", ends[i].name, rounds);
    begin(v);
    ok(vf_alive(v), "then the VF works");
    vf_close(v);
    bench_check_clean(b, "closing sessions");
}
