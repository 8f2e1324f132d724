// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who waits for ferry can be interrupted, and who does not wait costs nothing:
 * a signal between two readers, SIGKILL while the firmware is busy, and the
 * QUERYs that look for changes on behalf of a poller. Nor does anybody wait for
 * what the other has got for him, or for somebody to come once the firmware is
 * free. What a stop needs is waited for before it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../lib/child.h"
#include "stand.h"

enum {
    SLOW_US     = 4000000,      /* a command that others can observe, and that ends when they have */
    FOREVER_MS  = 20000,
    AT_ONCE_MS  = 1500,         /* much less than a slow command takes */
    IDLE_MS     = 1000,
    IDLE_QUERIES = 2,           /* in that time, with nobody who waits */
    MOST_QUERIES = 12,          /* with somebody: one every 100 ms, and those at either end */
};

static void slow(struct bench *b, struct vf *v, unsigned opcode)
{
    model_arm(b, (struct fault){ .opcode = opcode, .vhca_id = v->id, .times = 1, .action = FAULT_DELAY,
                                 .delay_us = SLOW_US });
}

static int begin_precopy(struct vf *v)
{
    int fd = -1, err;

    vf_reset(v);
    vf_fill(v, SEED);
    err = mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, &fd);
    if (err)
        tap_bail("VF %s does not go to PRE_COPY: %s", v->bdf, strerror(-err));
    return fd;
}

/* Pre-copy at its temporary end: nothing to read, nothing known to have changed. */
static int precopy_at_end(struct vf *v)
{
    struct stream s = { 0 };
    int fd = begin_precopy(v);

    if (mig_read_precopy(fd, &s, 1000) <= 0)
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    stream_free(&s);
    return fd;
}

/* ---- signals ---- */

enum { READERS = 2, BITE = 4096 };

struct reader {
    int fd;
    pid_t tid;
    ssize_t got;                /* or -errno */
    bool over;
    pthread_t thread;
};

static unsigned signals;

static void count_signal(int number)
{
    (void)number;
    __atomic_fetch_add(&signals, 1, __ATOMIC_RELEASE);
}

static void *read_bite(void *arg)
{
    struct reader *r = arg;
    uint8_t bite[BITE];

    __atomic_store_n(&r->tid, gettid(), __ATOMIC_RELEASE);
    r->got = read(r->fd, bite, sizeof(bite));
    if (r->got < 0)
        r->got = -errno;
    __atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
    return NULL;
}

static bool waits(struct reader *r)
{
    pid_t tid = __atomic_load_n(&r->tid, __ATOMIC_ACQUIRE);

    return tid && task_waits_in(tid, SYS_read);
}

static bool is_over(struct reader *r)
{
    return __atomic_load_n(&r->over, __ATOMIC_ACQUIRE);
}

/* What comes before the first image does not wait for it. */
static void read_control(int fd)
{
    uint8_t bite[BITE];

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (read(fd, bite, sizeof(bite)) > 0)
        ;
    if (errno != EAGAIN)
        tap_bail("there is something to read before the SAVE is over");
    fcntl(fd, F_SETFL, 0);
}

static void start_reader(struct reader *r, int fd)
{
    *r = (struct reader){ .fd = fd };
    pthread_create(&r->thread, NULL, read_bite, r);
    if (!wait_until(waits(r), FOREVER_MS))
        tap_bail("a reader does not wait for the SAVE");
}

/* It has handled the signal; true: it waits again. */
static bool stays(struct reader *r)
{
    unsigned before = __atomic_load_n(&signals, __ATOMIC_ACQUIRE);

    pthread_kill(r->thread, SIGUSR1);
    wait_until(__atomic_load_n(&signals, __ATOMIC_ACQUIRE) > before, FOREVER_MS);
    return wait_until(waits(r) || is_over(r), FOREVER_MS) && !is_over(r);
}

/* One of them waits for the firmware, the other one for its turn, and is the first to be disturbed. */
static void test_signal(struct bench *b, struct vf *v)
{
    struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
    struct reader r[READERS];
    bool busy, stayed;
    int fd;

    sigaction(SIGUSR1, &action, NULL);
    slow(b, v, OP_SAVE_VHCA_STATE);
    fd = begin_precopy(v);
    read_control(fd);
    for (unsigned i = 0; i < READERS; i++)
        start_reader(&r[i], fd);
    stayed = stays(&r[1]) && stays(&r[0]);
    busy = model_busy(b);
    model_soon(b);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(r[i].thread, NULL);
    model_disarm(b);
    ok(stayed && busy, "a signal with SA_RESTART: two readers, who wait for a SAVE, go on waiting");
    ok(r[0].got == BITE && r[1].got == BITE, "and both get data: %zd and %zd", r[0].got, r[1].got);
    close(fd);
    vf_reset(v);
}

/* ---- SIGKILL ---- */

struct asker {
    struct vf *v;
    int fd;
};

static int ask(void *arg)
{
    struct asker *a = arg;
    struct vfio_precopy_info info;

    return mig_precopy_info(a->fd, &info);
}

static int move(void *arg)
{
    struct asker *a = arg;

    return mig_set(&a->v->fn, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL);
}

static const struct victim {
    const char *name;
    int (*call)(void *asker);
} victims[] = {
    { "VFIO_MIG_GET_PRECOPY_INFO", ask },
    { "SET_STATE(PRE_COPY_P2P)", move },
};

static void *ask_in_thread(void *asker)
{
    ask(asker);
    return NULL;
}

/* Somebody's QUERY takes long, and another one, who waits behind it, is killed. */
static void test_killed(struct bench *b, struct vf *v, const struct victim *victim)
{
    struct asker a = { .v = v, .fd = precopy_at_end(v) };
    uint64_t hits = model_hits(b);
    bool asleep, dead, busy;
    pthread_t thread;
    pid_t pid;

    slow(b, v, OP_QUERY_VHCA_MIGRATION_STATE);
    pthread_create(&thread, NULL, ask_in_thread, &a);
    if (!wait_until(model_hits(b) > hits, FOREVER_MS))
        tap_bail("PRECOPY_INFO asks the firmware nothing");
    fflush(NULL);
    pid = fork();
    if (!pid)
        _exit(-victim->call(&a));
    asleep = wait_until(task_waits_in(pid, SYS_ioctl), AT_ONCE_MS);
    kill(pid, SIGKILL);
    dead = wait_until(waitpid(pid, NULL, WNOHANG) == pid, AT_ONCE_MS);
    busy = model_busy(b);
    model_soon(b);
    if (!dead)
        waitpid(pid, NULL, 0);
    pthread_join(thread, NULL);
    model_disarm(b);
    if (!asleep || !busy)
        tap_diag("it %s, the firmware is %s", asleep ? "waits" : "does not wait", busy ? "busy" : "not busy any more");
    ok(asleep && dead && busy, "%s while the firmware is busy: who is killed in it dies", victim->name);
    ok(mig_get(&v->fn) == VFIO_DEVICE_STATE_PRE_COPY && !ask(&a), "%s: the pre-copy goes on", victim->name);
    close(a.fd);
    vf_reset(v);
}

/* ---- the state ---- */

/* An arc waits for a SAVE; who only asks where the function is does not wait for the arc. */
static void test_state(struct bench *b, struct vf *v)
{
    struct asker a = { .v = v };
    uint64_t hits = model_hits(b);
    enum vfio_device_mig_state state;
    struct child mover;
    bool busy;
    int fd;

    slow(b, v, OP_SAVE_VHCA_STATE);
    fd = begin_precopy(v);
    if (!wait_until(model_hits(b) > hits, FOREVER_MS))
        tap_bail("nothing is saved");
    mover = child_start(move, &a);
    if (!wait_until(task_waits_in(mover.pid, SYS_ioctl), FOREVER_MS))
        tap_bail("PRE_COPY_P2P does not wait for the SAVE");
    state = mig_get(&v->fn);
    busy = model_busy(b);
    model_soon(b);
    if (!wait_until(child_over(&mover), FOREVER_MS))
        tap_bail("PRE_COPY_P2P does not end with the SAVE");
    model_disarm(b);
    ok(busy && state == VFIO_DEVICE_STATE_PRE_COPY, "the state is told while an arc waits for a SAVE: %d", state);
    ok(!child_result(&mover) && mig_get(&v->fn) == VFIO_DEVICE_STATE_PRE_COPY_P2P, "and the new one when it is through");
    close(fd);
    vf_reset(v);
}

/* ---- poll ---- */

static bool becomes_readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

static void *poll_in_thread(void *fd)
{
    return (void *)(intptr_t)becomes_readable(*(int *)fd, FOREVER_MS);
}

static uint64_t queries_during(struct bench *b, double ms)
{
    uint64_t before = model_commands(b, OP_QUERY_VHCA_MIGRATION_STATE);
    double end = now_ms() + ms;

    while (now_ms() < end)
        relax();
    return model_commands(b, OP_QUERY_VHCA_MIGRATION_STATE) - before;
}

/* Looking for changes is for those who wait for some. */
static void test_idle(struct bench *b, struct vf *v)
{
    int fd = precopy_at_end(v);
    uint64_t idle, busy;
    pthread_t thread;
    void *seen;

    if (becomes_readable(fd, 100))
        tap_bail("VF %s has more pre-copy data", v->bdf);
    idle = queries_during(b, IDLE_MS);
    ok(idle <= IDLE_QUERIES, "a poller came and went: %llu QUERYs in %u ms",
       (unsigned long long)idle, IDLE_MS);
    pthread_create(&thread, NULL, poll_in_thread, &fd);
    busy = queries_during(b, IDLE_MS);
    ok(busy > IDLE_QUERIES && busy <= MOST_QUERIES, "a poller waits: %llu QUERYs in %u ms", (unsigned long long)busy, IDLE_MS);
    vf_change(v, 1);
    pthread_join(thread, &seen);
    ok(seen != NULL, "and is woken when something changed");
    close(fd);
    vf_reset(v);
}

/* ---- a worker that found the firmware busy ---- */

static void *ask_size(void *v)
{
    mig_data_size(&((struct vf *)v)->fn);
    return NULL;
}

/* During somebody's slow question another one finds nothing to read, and goes away: what changed is saved all the same. */
static void test_given(struct bench *b, struct vf *v)
{
    int fd = precopy_at_end(v);
    uint64_t hits = model_hits(b);
    double until = now_ms() + SLOW_US / 2000;
    pthread_t asking;
    bool busy, empty;
    char byte;

    vf_change(v, 1);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    slow(b, v, OP_QUERY_VHCA_MIGRATION_STATE);
    pthread_create(&asking, NULL, ask_size, v);
    if (!wait_until(model_hits(b) > hits, FOREVER_MS))
        tap_bail("MIG_DATA_SIZE asks the firmware nothing");
    while ((empty = read(fd, &byte, 1) < 0) && now_ms() < until)
        relax();
    busy = model_busy(b);
    model_soon(b);
    pthread_join(asking, NULL);
    model_disarm(b);
    ok(empty && busy && wait_until(fd_number(fd, "ferry-ready") == 1, FOREVER_MS),
       "what a reader asked for while the firmware was busy is saved when it is free, though nobody comes again");
    close(fd);
    vf_reset(v);
}

/* ---- the reserve ---- */

/* The state grew, and the function is to stop at once: it does not before what is set aside for it is as long, and mapped. */
static void test_settled(struct bench *b, struct vf *v)
{
    enum { LONG_US = 500000 };
    uint64_t size = wl_read(v->wl, WL_STATE_SIZE), hits = model_hits(b);
    struct asker a = { .v = v };
    struct stream s = { 0 };
    struct child mover;
    bool busy, whole;

    vf_reset(v);
    wl_fill(v->wl, 0, size / 2, SEED);
    a.fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (mig_read_precopy(a.fd, &s, 1000) <= 0 || !wait_until(fd_number(a.fd, "ferry-images") == 2 && !model_busy(b), FOREVER_MS))
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    wl_fill(v->wl, 0, size, SEED + 1);
    model_arm(b, (struct fault){ .opcode = OP_CREATE_MKEY, .vhca_id = VHCA_ID_PF, .times = 1, .action = FAULT_DELAY,
                                 .delay_us = LONG_US });
    mig_data_size(&v->fn);
    mover = child_start(move, &a);
    if (!wait_until(child_over(&mover), FOREVER_MS) || child_result(&mover))
        tap_bail("VF %s does not go to PRE_COPY_P2P", v->bdf);
    busy = model_busy(b);
    ok(!busy && model_hits(b) == hits + 1, "PRE_COPY_P2P waits until what is set aside for a state that grew is mapped");
    model_disarm(b);
    vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    whole = mig_read(a.fd, &s, &busy) >= 0;
    ok(whole && !ferry_number(v, "stats", "window_allocations") && !ferry_number(v, "stats", "window_maps"),
       "so that nothing is allocated or mapped when it has stopped");
    stream_free(&s);
    close(a.fd);
    vf_reset(v);
}

/* ---- handing over ---- */

enum { ROUNDS = 10, SHORT_US = 200000 };

static void *ask_and_ask(void *asker)
{
    struct asker *a = asker;

    while (!ask(a))
        relax();
    return NULL;
}

static void *stop_and_copy(void *asker)
{
    struct asker *a = asker;

    return (void *)(intptr_t)mig_set(&a->v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
}

static bool ends(int fd)
{
    struct stream s = { 0 };
    bool ended = false;
    ssize_t n;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = mig_read(fd, &s, &ended)) == -EAGAIN && becomes_readable(fd, FOREVER_MS))
        ;
    stream_free(&s);
    return n >= 0 && ended;
}

/*
 * Behind a question that takes long, the worker wants to look for changes on
 * behalf of a poller, and an arc wants to stop the function: it gets what the
 * worker wants, and then keeps it for the worker. Who sleeps for it never
 * looks.
 */
static bool handed_over(struct bench *b, struct vf *v)
{
    struct asker a = { .v = v, .fd = precopy_at_end(v) };
    uint64_t hits = model_hits(b);
    pthread_t asking, polling, stopping;
    void *err, *seen;
    bool good;

    model_arm(b, (struct fault){ .opcode = OP_QUERY_VHCA_MIGRATION_STATE, .vhca_id = v->id, .times = 0,
                                 .action = FAULT_DELAY, .delay_us = SHORT_US });
    pthread_create(&asking, NULL, ask_and_ask, &a);
    if (!wait_until(model_hits(b) > hits, FOREVER_MS))
        tap_bail("PRECOPY_INFO asks the firmware nothing");
    pthread_create(&polling, NULL, poll_in_thread, &a.fd);
    pthread_create(&stopping, NULL, stop_and_copy, &a);
    pthread_join(stopping, &err);
    good = ends(a.fd);
    pthread_join(asking, NULL);
    pthread_join(polling, &seen);
    model_disarm(b);
    close(a.fd);
    vf_reset(v);
    return good && !err;
}

static void test_handed_over(struct bench *b, struct vf *v)
{
    unsigned good = 0, round;

    for (round = 0; round < ROUNDS && good == round; round++)
        good += handed_over(b, v);
    ok(good == ROUNDS, "whoever wants to ask, a final image that an arc begins is saved: %u of %u times", good, round);
}

void test_waits(struct bench *b)
{
    struct vf *v = &b->vf[0];

    if (!b->vfs || !v->ferry)
        tap_bail("the tests of waiting need a VF bound to ferry");
    vf_open(v);
    test_signal(b, v);
    for (unsigned i = 0; i < sizeof(victims) / sizeof(*victims); i++)
        test_killed(b, v, &victims[i]);
    test_state(b, v);
    test_idle(b, v);
    test_given(b, v);
    test_settled(b, v);
    test_handed_over(b, v);
    vf_close(v);
    bench_check_clean(b, "waiting");
}
