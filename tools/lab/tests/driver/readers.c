// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ferry promises of its data FDs beyond the uAPI: estimates that do not
 * wait for a SAVE and are no less than what comes, streams that are refused if
 * several wrote them, fdinfo. What every driver must do is in the conformance
 * suite: read_test, write_test, precopy_test, race_test.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "sweep.h"

enum {
    LONG_US     = 400000,       /* a SAVE that others can observe */
    FOREVER_MS  = 20000,        /* nothing here takes so long */
    SEVERAL     = 4,
};

/* Source and target, and a stream of the source. */
struct readers {
    struct bench *b;
    struct vf *from, *to;
    struct stream whole;
};

struct scribbler {
    int fd;
    const struct stream *s;
    unsigned seed;
    pthread_t thread;
};

static void *scribble(void *arg)
{
    struct scribbler *w = arg;

    /* sizes differ, so the pieces never fit together */
    for (unsigned i = 0; i < 50; i++) {
        size_t at = rand_r(&w->seed) % (w->s->len / 2);
        size_t len = rand_r(&w->seed) % (w->s->len / 4) + 1;

        if (write(w->fd, w->s->data + at, len) < 0 && errno == ENODEV)
            break;
    }
    return NULL;
}

static void test_several_writers(struct readers *t)
{
    for (unsigned round = 0; round < 4; round++) {
        struct scribbler w[SEVERAL];
        int fd = vf_set(t->to, VFIO_DEVICE_STATE_RESUMING);

        /* a good begin, so that they meet inside an image */
        mig_write(fd, t->whole.data, t->whole.len / 3);
        for (unsigned i = 0; i < SEVERAL; i++) {
            w[i] = (struct scribbler){ .fd = fd, .s = &t->whole, .seed = round * 100 + i };
            pthread_create(&w[i].thread, NULL, scribble, &w[i]);
        }
        for (unsigned i = 0; i < SEVERAL; i++)
            pthread_join(w[i].thread, NULL);
        ok(mig_set(&t->to->fn, VFIO_DEVICE_STATE_STOP, NULL),
           "%u writers who do not agree, round %u: their stream is refused", SEVERAL, round);
        close(fd);
        vf_reset(t->to);
    }
}

/* While the initial SAVE is in flight. */
static void test_estimates(struct readers *t)
{
    struct vf *v = t->from;
    struct vfio_precopy_info info;
    struct stream s = { 0 };
    bool ended = true, seen;
    ssize_t n;
    int fd;

    vf_reset(v);
    vf_fill(v, SEED);
    model_arm(t->b, (struct fault){ .opcode = OP_SAVE_VHCA_STATE, .vhca_id = v->id, .times = 1,
                                    .action = FAULT_DELAY, .delay_us = LONG_US });
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (!wait_until(model_busy(t->b), FOREVER_MS))
        tap_bail("PRE_COPY begins without a SAVE");
    seen = !mig_precopy_info(fd, &info) && model_busy(t->b);
    ok(seen, "PRECOPY_INFO does not wait for the SAVE in flight");
    seen = mig_data_size(&v->fn) > 0 && model_busy(t->b);
    ok(seen, "MIG_DATA_SIZE does not wait for the SAVE in flight");
    n = mig_read(fd, &s, &ended);
    model_disarm(t->b);
    ok(n > 0 && !ended && (uint64_t)n <= info.initial_bytes,
       "initial_bytes was no less than what came: %llu, %zd", (unsigned long long)info.initial_bytes, n);
    close(fd);
    stream_free(&s);
    vf_reset(v);
    vf_fill(v, SEED);
}

static void test_fdinfo(struct readers *t)
{
    int fd = vf_set(t->from, VFIO_DEVICE_STATE_STOP_COPY);

    ok(fd_number(fd, "ferry-memory") > 0 && fd_number(fd, "ferry-budget") > 0,
       "fdinfo tells memory and budget");
    close(fd);
    vf_reset(t->from);
}

void test_readers(struct bench *b)
{
    struct readers t = { .b = b, .from = &b->vf[0], .to = &b->vf[1] };
    uint64_t sum;

    if (b->vfs < 2 || !b->vf[0].ferry)
        tap_bail("the tests of data FDs need 2 VFs bound to ferry");
    vf_open(t.from);
    vf_open(t.to);
    test_estimates(&t);
    test_fdinfo(&t);
    t.whole = vf_record(t.from, true, &sum);
    test_several_writers(&t);
    vf_close(t.from);
    vf_close(t.to);
    bench_check_clean(b, "data FDs");
    stream_free(&t.whole);
}
