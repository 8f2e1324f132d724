// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long one waits for an answer about a migration while its firmware is at
 * work, or an arc waits for that: a VMM asks many times a second, under locks
 * of its own. Each question has a SAVE or LOAD of its own, since one that
 * waits leaves none for the next.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "bench.h"

enum { SLOW_MS = 60000 };

/* What goes on meanwhile; the figures' `at`. */
enum phase { SAVE_IN_PRECOPY, ARC_WAITS, SAVE_STOPPED, LOAD, PHASES };

struct meanwhile {
    struct bench *b;
    struct vf *v;
    struct stream stream;       /* LOAD: to be written */
    int fd;
    pthread_t thread;
    volatile pid_t task;        /* the thread's */
    volatile bool over;         /* its arc is */
};

/* ---- what goes on ---- */

static void at_work(struct meanwhile *m, uint64_t before, unsigned opcode)
{
    if (!wait_until(model_commands(m->b, opcode) > before && model_busy(m->b), SLOW_MS))
        tap_bail("the firmware does not begin");
}

static void begin_save(struct meanwhile *m, int from, int state)
{
    uint64_t before = model_commands(m->b, OP_SAVE_VHCA_STATE);

    vf_set(m->v, from);
    m->fd = vf_set(m->v, state);
    at_work(m, before, OP_SAVE_VHCA_STATE);
}

static void *pause_it(void *arg)
{
    struct meanwhile *m = arg;

    m->task = gettid();
    vf_set(m->v, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    m->over = true;
    return NULL;
}

static void *write_it(void *arg)
{
    struct meanwhile *m = arg;
    int err = mig_write(m->fd, m->stream.data, m->stream.len);

    if (err)
        tap_bail("VF %s takes no stream: %s", m->v->bdf, strerror(-err));
    return NULL;
}

static void begin(struct meanwhile *m, enum phase phase)
{
    uint64_t before = model_commands(m->b, OP_LOAD_VHCA_STATE);

    if (phase == LOAD) {
        m->fd = vf_set(m->v, VFIO_DEVICE_STATE_RESUMING);
        pthread_create(&m->thread, NULL, write_it, m);
        at_work(m, before, OP_LOAD_VHCA_STATE);
    } else if (phase == SAVE_STOPPED) {
        begin_save(m, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY);
    } else {
        begin_save(m, VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_PRE_COPY);
    }
    if (phase == ARC_WAITS) {
        m->task = 0;
        m->over = false;
        pthread_create(&m->thread, NULL, pause_it, m);
        /* a driver that does not wait in it has nothing to be asked during */
        if (!wait_until(m->over || (m->task && task_waits_in(m->task, SYS_ioctl)), SLOW_MS))
            tap_bail("the arc neither ends nor waits");
    }
}

static void end(struct meanwhile *m, enum phase phase)
{
    if (phase == LOAD || phase == ARC_WAITS)
        pthread_join(m->thread, NULL);
    if (phase == LOAD)
        vf_reset(m->v);
    else
        vf_set(m->v, VFIO_DEVICE_STATE_RUNNING);
    close(m->fd);
}

/* ---- what is asked ---- */

static void get_state(struct meanwhile *m)
{
    mig_get(&m->v->fn);
}

static void data_size(struct meanwhile *m)
{
    mig_data_size(&m->v->fn);
}

static void precopy_info(struct meanwhile *m)
{
    struct vfio_precopy_info info;

    mig_precopy_info(m->fd, &info);
}

static void fdinfo(struct meanwhile *m)
{
    fd_number(m->fd, "pos");
}

static void debugfs(struct meanwhile *m)
{
    ferry_number(m->v, "stats", "bytes_read");
}

static const struct question {
    const char *name;
    void (*ask)(struct meanwhile *m);
    bool in_precopy, of_ferry;  /* only */
} questions[] = {
    { "ask_get_state", get_state, false, false },
    { "ask_data_size", data_size, false, false },
    { "ask_precopy_info", precopy_info, true, false },
    { "ask_fdinfo", fdinfo, false, false },
    { "ask_debugfs", debugfs, false, true },
};

static struct stream record(struct vf *v)
{
    struct stream s = { 0 };
    bool ended = false;
    int fd;

    vf_set(v, VFIO_DEVICE_STATE_STOP);
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_read(fd, &s, &ended) <= 0 || !ended)
        tap_bail("VF %s gives no state", v->bdf);
    run_again(v, fd);
    return s;
}

static void measure(struct bench *b, struct vf *v)
{
    struct meanwhile m = { .b = b, .v = v };

    vf_reset(v);
    vf_fill(v, SEED);
    m.stream = record(v);
    for (unsigned i = 0; i < sizeof(questions) / sizeof(*questions); i++)
        for (enum phase phase = 0; phase < PHASES; phase++) {
            const struct question *q = &questions[i];
            uint64_t asked;

            if ((q->in_precopy && phase != SAVE_IN_PRECOPY) || (q->of_ferry && !v->ferry))
                continue;
            begin(&m, phase);
            asked = now_ns();
            q->ask(&m);
            figure(v, q->name, phase, now_ns() - asked);
            end(&m, phase);
            if (phase == LOAD)
                vf_fill(v, SEED);
        }
    stream_free(&m.stream);
}

void bench_asking(struct bench *b)
{
    in_turn(b, measure);
}
