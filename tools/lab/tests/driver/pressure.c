// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A writer that waits for memory which the firmware has, and does not get it:
 * the LOAD it waits for is refused, or is never answered, or the writer is
 * killed. Each time it has to come back, and the memory with it.
 *
 * The stream is in the kernel's own format: an initial image that can be loaded,
 * since its writer waits for that, and two of zeros. The first of these is small
 * and cannot be loaded, which the firmware says late; the second is larger than
 * the budget, so meanwhile its writer has to wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "../lib/child.h"
#include "stand.h"
#include "records.h"

enum {
    BUDGET      = 6 << 20,
    FIRST       = 2560 << 10,   /* more than the initial image ever gets, so that a memory key is made for it */
    SECOND      = 12 << 20,
    LATE_MS     = 2000,         /* the firmware's answer */
    PATIENCE_MS = 10000,        /* nothing here takes so long once that has come */
};

enum end { REFUSED, UNANSWERED, KILLED, ENDS };
static const char *const end_names[ENDS] = {
    [REFUSED] = "a LOAD that is refused", [UNANSWERED] = "a LOAD without an answer",
    [KILLED] = "SIGKILL",
};

struct pressure {
    struct bench *b;
    struct vf *v;
    struct stream s;
    int fd;
};

/* Of a stream of the VF's own */
static void add_initial(struct stream *s, struct vf *v)
{
    uint64_t sum;
    struct stream whole = vf_record(v, true, &sum), plain = stream_plain(&whole);
    struct records all = records_of(&plain);
    const struct record *r = record_find(&all, VFIO_FERRY_TAG_FIRMWARE_DATA, 0);

    if (!r || record_end(r) > FIRST)
        tap_bail("the recorded stream has no initial image of less than %u bytes", FIRST);
    stream_append(s, plain.data, record_end(r));
    stream_free(&plain);
    stream_free(&whole);
}

static void add_image(struct stream *s, size_t size)
{
    struct vfio_ferry_record h = record_header(size, 0, VFIO_FERRY_TAG_FIRMWARE_DATA);
    void *zeros = calloc(1, size);

    if (!zeros)
        tap_bail("no memory for an image");
    stream_append(s, &h, sizeof(h));
    stream_append(s, zeros, size);
    free(zeros);
}

static int write_all(void *arg)
{
    struct pressure *p = arg;

    return mig_write(p->fd, p->s.data, p->s.len);
}

/* mlx5_core's own timeout is a minute, so ferry says that there was one; the delay is of what comes before. */
static void arm(struct pressure *p, enum end how)
{
    model_arm(p->b, (struct fault){
        .opcode = how == UNANSWERED ? OP_CREATE_MKEY : OP_LOAD_VHCA_STATE, .vhca_id = VHCA_ID_PF,
        .nth = 2, .times = 1, .action = FAULT_DELAY, .delay_us = LATE_MS * 1000 });
    if (how == UNANSWERED && ferry_fault(p->v, "load", 2, ETIMEDOUT))
        tap_bail("the fault site load cannot be armed");
}

static void disarm(struct pressure *p)
{
    model_disarm(p->b);
    ferry_fault(p->v, "load", 0, EIO);
}

/* It has filled most of the budget and sleeps, and the firmware is at work. */
static bool waits(struct pressure *p, const struct child *writer)
{
    return fd_number(p->fd, "ferry-memory") > BUDGET / 2 && model_busy(p->b) && child_sleeps(writer);
}

static bool came_back(struct pressure *p, struct child *writer, enum end how)
{
    if (how == KILLED)
        kill(writer->pid, SIGKILL);
    if (!wait_until(child_over(writer), LATE_MS + PATIENCE_MS)) {
        kill(writer->pid, SIGKILL);
        tap_diag("%s: the writer does not come back, and %s be killed", end_names[how],
                 wait_until(child_over(writer), PATIENCE_MS) ? "can" : "cannot");
        return false;
    }
    if (how == KILLED ? model_busy(p->b) : child_result(writer) < 0 && child_result(writer) != -EINTR)
        return true;
    tap_diag("%s: the writer came back %s with %d", end_names[how],
             model_busy(p->b) ? "early" : "late", child_result(writer));
    return false;
}

/* The stream has failed, and a reset is what helps. */
static bool is_over(struct pressure *p, enum end how)
{
    bool failed, error, given_back;

    failed = wait_until(fd_number(p->fd, "ferry-error") < 0 && !model_busy(p->b), PATIENCE_MS);
    error = mig_set(&p->v->fn, VFIO_DEVICE_STATE_STOP, NULL) < 0 &&
            mig_get(&p->v->fn) == VFIO_DEVICE_STATE_ERROR;
    vf_reset(p->v);
    given_back = wait_until(!fd_number(p->fd, "ferry-memory"), PATIENCE_MS);
    if (failed && error && given_back)
        return true;
    tap_diag("%s: the stream %s, the state %s, the memory %s", end_names[how],
             failed ? "failed" : "did not fail", error ? "was ERROR" : "was wrong",
             given_back ? "was given back" : "was kept");
    return false;
}

static bool press(struct pressure *p, enum end how)
{
    struct child writer;
    bool good;

    p->fd = vf_set(p->v, VFIO_DEVICE_STATE_RESUMING);
    arm(p, how);
    writer = child_start(write_all, p);
    good = wait_until(waits(p, &writer), PATIENCE_MS);
    if (!good)
        tap_diag("%s: the writer does not wait for memory", end_names[how]);
    good = came_back(p, &writer, how) && good;
    good = is_over(p, how) && good;
    child_end(&writer);         /* the reset ended it in any case */
    disarm(p);
    close(p->fd);
    return good;
}

void test_pressure(struct bench *b)
{
    struct pressure p = { .b = b, .v = &b->vf[0] };
    double deadline = bench_deadline();
    uint64_t before;
    bool good[ENDS] = { true, true, true };
    unsigned rounds = 0;

    if (!p.v->ferry)
        tap_bail("the tests of memory pressure need a VF bound to ferry");
    vf_open(p.v);
    add_initial(&p.s, p.v);
    add_image(&p.s, FIRST);
    add_image(&p.s, SECOND);
    before = ferry_budget(BUDGET);
    do {
        for (enum end how = 0; how < ENDS; how++)
            good[how] &= press(&p, how);
        rounds++;
    } while (now_ms() < deadline && good[REFUSED] && good[UNANSWERED] && good[KILLED]);
    for (enum end how = 0; how < ENDS; how++)
        ok(good[how], "%s ends a writer that waits for memory, %u times", end_names[how], rounds);
    ok(vf_alive(p.v), "then the VF works");
    vf_close(p.v);
    ferry_budget(before);
    stream_free(&p.s);
    bench_check_clean(b, "memory pressure");
}
