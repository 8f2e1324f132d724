// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Firmware that fails: each command of a save and of a load, one after the
 * other, with several statuses, with data that does not arrive, and not
 * completing at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "sweep.h"

enum {
    SYNDROME        = 0x7ffe57,
    /* mlx5_core gives a command up after 60 s */
    BOUND_MS        = 95000,
};

struct firmware_fault {
    struct fault f;
    uint64_t before;
};

static void firmware_arm(struct bench *b, struct vf *v, const struct injector *i, unsigned nth)
{
    struct firmware_fault *how = (void *)i->how;

    (void)v;
    how->before = model_hits(b);
    how->f.nth = nth;
    model_arm(b, how->f);
}

static bool firmware_disarm(struct bench *b, struct vf *v, const struct injector *i)
{
    const struct firmware_fault *how = i->how;

    (void)v;
    model_disarm(b);
    return model_hits(b) > how->before;
}

static const struct command { unsigned opcode; const char *name; bool save, load; } commands[] = {
    /* once for as long as a VF is open, so it comes first */
    { OP_ALLOC_PD, "ALLOC_PD", true, true },
    { OP_SUSPEND_VHCA, "SUSPEND", true, true },
    { OP_RESUME_VHCA, "RESUME", true, true },
    { OP_QUERY_VHCA_MIGRATION_STATE, "QUERY", true, false },
    { OP_SAVE_VHCA_STATE, "SAVE", true, false },
    { OP_LOAD_VHCA_STATE, "LOAD", false, true },
    { OP_CREATE_MKEY, "CREATE_MKEY", true, true },
};
enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void sweep_command(struct bench *b, const struct command *c, unsigned action,
                          unsigned status)
{
    struct firmware_fault how = { .f = {
        .opcode = c->opcode, .vhca_id = VHCA_ID_PF, .times = 1, .action = action,
        .status = status, .syndrome = status ? SYNDROME : 0,
    } };
    struct injector i = { .how = &how, .arm = firmware_arm, .disarm = firmware_disarm };

    if (action == FAULT_DMA)
        snprintf(i.name, sizeof(i.name), "failed DMA of %s", c->name);
    else
        snprintf(i.name, sizeof(i.name), "status %#x of %s", status, c->name);
    for (enum migration m = 0; m < MIGRATIONS; m++)
        if (m == LOAD ? c->load : c->save)
            sweep(b, m, &i);
}

/* The firmware refuses a command from some moment on, also on the way back. */
static void lasting(struct bench *b, const struct command *c)
{
    struct vf *v = &b->vf[0];
    struct stream s = { 0 };
    uint64_t sum;
    bool whole;
    int fd;

    vf_reset(v);
    vf_fill(v, SEED);
    model_arm(b, (struct fault){ .opcode = c->opcode, .vhca_id = v->id,
                                 .action = FAULT_FAIL, .status = ST_INTERNAL_ERR });
    save_run(v, SAVE_PRECOPY, &s, &whole, &fd);
    mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    model_disarm(b);
    sum = wl_sum(v->wl);
    ok(source_survives(b, v, sum, true), "%s fails for a while, also on the way back: "
       "the source goes on afterwards", c->name);
    close(fd);
    stream_free(&s);
}

void test_failures(struct bench *b)
{
    if (b->vfs < 2)
        tap_bail("the tests of failures need 2 VFs");
    vf_open(&b->vf[0]);
    vf_open(&b->vf[1]);
    for (unsigned i = 0; i < COMMANDS; i++) {
        sweep_command(b, &commands[i], FAULT_FAIL, ST_INTERNAL_ERR);
        sweep_command(b, &commands[i], FAULT_FAIL, ST_BAD_RES_STATE);
        if (commands[i].opcode == OP_SAVE_VHCA_STATE || commands[i].opcode == OP_LOAD_VHCA_STATE)
            sweep_command(b, &commands[i], FAULT_DMA, 0);
        else if (commands[i].opcode >= OP_CREATE_MKEY)
            sweep_command(b, &commands[i], FAULT_FAIL, ST_NO_RESOURCES);
    }
    for (unsigned i = 0; i < COMMANDS; i++)
        if (commands[i].save && commands[i].opcode < OP_CREATE_MKEY)
            lasting(b, &commands[i]);
    vf_close(&b->vf[0]);
    vf_close(&b->vf[1]);
    bench_check_clean(b, "failing commands");
}

/* ---- commands that never complete ---- */

struct stuck {
    struct bench *b;
    struct vf *v;
    const struct command *c;
    const struct stream *stream;
    pthread_t thread;
    double ms;
    bool back;
};

static void *stick(void *arg)
{
    struct stuck *s = arg;
    struct stream got = { 0 };
    double began = now_ms();
    bool whole;
    int fd = -1;

    if (s->c->opcode == OP_LOAD_VHCA_STATE)
        load_run(s->v, s->stream, &fd);
    else
        save_run(s->v, SAVE_PRECOPY, &got, &whole, &fd);
    if (mig_get(&s->v->fn) != VFIO_DEVICE_STATE_ERROR)
        mig_set(&s->v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    s->ms = now_ms() - began;
    vf_reset(s->v);
    s->back = mig_get(&s->v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(s->v);
    close(fd);
    stream_free(&got);
    return NULL;
}

/* All at the same time, a VF each: mlx5_core's timeout is long. */
void test_never(struct bench *b)
{
    static const unsigned which[] = { 1, 2, 3, 4, 5 };
    enum { STUCK = sizeof(which) / sizeof(*which) };
    struct stuck stuck[STUCK];
    struct stream s;
    uint64_t sum;

    if (b->vfs < STUCK)
        tap_bail("the tests of commands that do not complete need %u VFs", STUCK);
    for (unsigned i = 0; i < STUCK; i++)
        vf_open(&b->vf[i]);
    s = vf_record(&b->vf[0], true, &sum);
    for (unsigned i = 0; i < STUCK; i++) {
        stuck[i] = (struct stuck){ .b = b, .v = &b->vf[i], .c = &commands[which[i]],
                                   .stream = &s };
        model_arm(b, (struct fault){ .opcode = stuck[i].c->opcode, .vhca_id = stuck[i].v->id,
                                     .times = 1, .action = FAULT_NEVER });
        pthread_create(&stuck[i].thread, NULL, stick, &stuck[i]);
    }
    for (unsigned i = 0; i < STUCK; i++) {
        pthread_join(stuck[i].thread, NULL);
        ok(stuck[i].ms < BOUND_MS, "%s that never completes is given up after %.0f s",
           stuck[i].c->name, stuck[i].ms / 1000);
        ok(stuck[i].back, "%s that never completes: a reset brings the VF back",
           stuck[i].c->name);
    }
    model_disarm(b);
    for (unsigned i = 0; i < STUCK; i++)
        vf_close(&b->vf[i]);
    stream_free(&s);
    for (unsigned i = 0; i < STUCK; i++)
        ok(!vf_try_open(stuck[i].v), "%s that never completed: the VF can be opened again",
           stuck[i].c->name);
    for (unsigned i = 0; i < STUCK; i++)
        vf_close(stuck[i].v);
}
