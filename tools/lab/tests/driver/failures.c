// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Firmware commands that never complete. The conformance suite has those that
 * fail; it cannot know how long a PF's driver waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "sweep.h"

/* mlx5_core gives a command up after 60 s */
enum { BOUND_MS = 95000 };

static const struct command { unsigned opcode; const char *name; } commands[] = {
    { OP_SUSPEND_VHCA, "SUSPEND" },
    { OP_RESUME_VHCA, "RESUME" },
    { OP_QUERY_VHCA_MIGRATION_STATE, "QUERY" },
    { OP_SAVE_VHCA_STATE, "SAVE" },
    { OP_LOAD_VHCA_STATE, "LOAD" },
};

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
    enum { STUCK = sizeof(commands) / sizeof(*commands) };
    struct stuck stuck[STUCK];
    struct stream s;
    uint64_t sum;

    if (b->vfs < STUCK)
        tap_bail("the tests of commands that do not complete need %u VFs", STUCK);
    for (unsigned i = 0; i < STUCK; i++)
        vf_open(&b->vf[i]);
    s = vf_record(&b->vf[0], true, &sum);
    for (unsigned i = 0; i < STUCK; i++) {
        stuck[i] = (struct stuck){ .b = b, .v = &b->vf[i], .c = &commands[i],
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
