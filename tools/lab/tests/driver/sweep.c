// SPDX-License-Identifier: GPL-2.0-or-later
/* Sweeps: the same migration, each time with something else failing. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "sweep.h"

enum { ROUNDS = 200, TRIES = 2, MAX_RUNS = 200 };

const char *const migration_names[MIGRATIONS] = {
    [SAVE_PRECOPY] = "pre-copy save",
    [SAVE_STOPPED] = "stopped save",
    [SAVE_CANCELLED] = "cancelled save",
    [SAVE_ABORTED] = "aborted save",
    [LOAD] = "load",
};

/* Until a middle image has come, or none will. */
static int read_middle(int fd, struct stream *s)
{
    size_t before = s->len;
    ssize_t n = 0;

    for (unsigned i = 0; i < ROUNDS && s->len == before && n >= 0; i++) {
        n = mig_read_precopy(fd, s, 1);
        relax();
    }
    return n < 0 ? n : 0;
}

static int save_precopy(struct vf *v, struct stream *s, int *fd)
{
    int err = mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, fd);
    ssize_t n;

    if (err)
        return err;
    n = mig_read_precopy(*fd, s, ROUNDS);
    if (n < 0)
        return n;
    vf_change(v, 20);
    return read_middle(*fd, s);
}

static int save_rest(struct vf *v, struct stream *s, bool *whole, int *fd, bool precopy)
{
    int final = -1, err;
    ssize_t n;

    if (precopy)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL);
    else
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    if (!err)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, precopy ? NULL : &final);
    if (err)
        return err;
    if (!precopy)
        *fd = final;
    n = mig_read(*fd, s, whole);
    return n < 0 ? n : mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
}

/* The VMM changes its mind in the stop window. */
static int save_and_abort(struct vf *v)
{
    int err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);

    return err ? err : mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
}

int save_run(struct vf *v, enum migration how, struct stream *s, bool *whole, int *fd)
{
    int err = 0;

    *whole = false;
    *fd = -1;
    /* a VMM asks this before it begins, and takes an error as no answer */
    mig_data_size(&v->fn);
    if (how != SAVE_STOPPED)
        err = save_precopy(v, s, fd);
    if (how == SAVE_CANCELLED)
        return err ? err : mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    if (how == SAVE_ABORTED)
        return err ? err : save_and_abort(v);
    return err ? err : save_rest(v, s, whole, fd, how == SAVE_PRECOPY);
}

int load_run(struct vf *v, const struct stream *s, int *fd)
{
    int err = mig_set(&v->fn, VFIO_DEVICE_STATE_RESUMING, fd);

    if (!err)
        err = mig_write(*fd, s->data, s->len);
    if (!err)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    return err ? err : mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
}

bool source_survives(struct bench *b, struct vf *v, uint64_t sum, bool may_lose)
{
    int err = 0, state = mig_get(&v->fn);

    if (state == VFIO_DEVICE_STATE_ERROR && may_lose) {
        vf_reset(v);
        return mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(v);
    }
    for (unsigned i = 0; i < TRIES && state != VFIO_DEVICE_STATE_RUNNING; i++) {
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
        state = mig_get(&v->fn);
    }
    if (state != VFIO_DEVICE_STATE_RUNNING)
        tap_diag("the source is in %s and cannot go to RUNNING: %d", mig_name(state), err);
    else if (model_state(b, v->id) != VHCA_STATE_RUNNING)
        tap_diag("the firmware says that the source is not running: %u",
                 model_state(b, v->id));
    else if (wl_sum(v->wl) != sum)
        tap_diag("the source's memory is not what it was");
    else if (!vf_alive(v))
        tap_diag("the source does not go on");
    else
        return true;
    return false;
}

/* A stream that was read to its end is the state of its source, whatever failed. */
static bool stream_is_true(struct vf *target, const struct stream *s, uint64_t sum)
{
    int fd = -1, err = load_run(target, s, &fd);
    bool good = !err && wl_sum(target->wl) == sum;

    if (!good)
        tap_diag("the stream ended well, but loading it gives %d%s", err,
                 err ? "" : " and other memory");
    close(fd);
    vf_reset(target);
    return good;
}

static bool session_is_over(int fd)
{
    char byte;
    ssize_t n;

    if (fd < 0)
        return true;
    n = read(fd, &byte, 1);
    if (n < 0 && errno == EBADF)
        n = write(fd, "", 1);
    if (n < 0 && errno == ENODEV)
        return true;
    tap_diag("the data FD of a session that is over gives %zd, %s", n,
             n < 0 ? strerror(errno) : "");
    return false;
}

/* true: the thing struck, so there may be another one behind it */
static bool save_once(struct bench *b, enum migration how, const struct injector *i,
                      unsigned nth)
{
    struct vf *v = &b->vf[0];
    struct stream s = { 0 };
    uint64_t sum;
    bool whole, struck, good;
    int fd, err;

    i->arm(b, v, i, nth);
    err = save_run(v, how, &s, &whole, &fd);
    struck = i->disarm(b, v, i);
    sum = wl_sum(v->wl);
    good = source_survives(b, v, sum, i->may_lose) & session_is_over(fd);
    if (whole)
        good &= stream_is_true(&b->vf[1], &s, sum);
    if (!struck && (err || (how <= SAVE_STOPPED && !whole))) {
        tap_diag("nothing failed, but the save did: %d", err);
        good = false;
    }
    if (!good && v->ferry)
        tap_diag("the save ended with %d; %s", err,
                 ferry_show(v, "failure", (char[512]){ 0 }, 512));
    if (struck)
        ok(good, "%s, %s number %u: the source goes on", migration_names[how], i->name, nth);
    else
        ok(good, "%s, %s, run %u: nothing fails, it succeeds", migration_names[how], i->name,
           nth);
    close(fd);
    stream_free(&s);
    if (!good)
        vf_reset(v), vf_fill(v, SEED);
    return struck;
}

static bool load_once(struct bench *b, const struct stream *s, uint64_t sum,
                      const struct injector *i, unsigned nth)
{
    struct vf *v = &b->vf[1];
    bool struck, good, back;
    int fd = -1, err, state;

    i->arm(b, v, i, nth);
    err = load_run(v, s, &fd);
    struck = i->disarm(b, v, i);
    state = mig_get(&v->fn);
    if (!err)
        good = wl_sum(v->wl) == sum && vf_alive(v);
    else    /* it stays what it was if it never came to loading */
        good = struck && (fd < 0 || state != VFIO_DEVICE_STATE_RUNNING);
    vf_reset(v);
    back = mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(v) && session_is_over(fd);
    if (!good || !back)
        tap_diag("the load gives %d, state %s; after a reset the target %s", err,
                 mig_name(state), back ? "works" : "does not work");
    if (struck)
        ok(good && back, "load, %s number %u: the target %s", i->name, nth,
           err ? "says so and recovers" : "loads nevertheless");
    else
        ok(good && back, "load, %s, run %u: nothing fails, it succeeds", i->name, nth);
    close(fd);
    return struck;
}

void sweep(struct bench *b, enum migration how, const struct injector *i)
{
    unsigned limit = i->runs ? i->runs : MAX_RUNS, nth, hits = 0;
    struct stream s = { 0 };
    uint64_t sum = 0;
    bool struck;

    if (how == LOAD) {
        s = vf_record(&b->vf[0], true, &sum);
    } else {
        vf_reset(&b->vf[0]);
        vf_fill(&b->vf[0], SEED);
    }
    for (nth = 1; nth <= limit; nth++) {
        struck = how == LOAD ? load_once(b, &s, sum, i, nth) : save_once(b, how, i, nth);
        hits += struck;
        if (!struck && !i->runs)
            break;
    }
    if (i->runs)
        ok(hits, "%s, %s: struck in %u of %u runs", migration_names[how], i->name, hits, limit);
    else
        ok(nth <= limit, "%s, %s: comes to an end", migration_names[how], i->name);
    stream_free(&s);
}
