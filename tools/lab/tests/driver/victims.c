// SPDX-License-Identifier: GPL-2.0-or-later
/* VFs in the phases of a migration in which their physical function may die. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "sweep.h"
#include "victims.h"

enum {
    PATIENCE    = 20000,
    DELAY_US    = 1000000,
};

/* A command of the VF that a death may fall into; it would not be answered otherwise. */
static void stall(struct bench *b, struct vf *v, unsigned opcode)
{
    model_arm(b, (struct fault){ .opcode = opcode, .vhca_id = v->id, .times = 1, .action = FAULT_DELAY,
                                 .delay_us = DELAY_US });
}

static void precopy(struct bench *b, struct victim *w)
{
    uint8_t some[100];

    (void)b;
    vf_fill(w->v, SEED);
    w->fd = vf_set(w->v, VFIO_DEVICE_STATE_PRE_COPY);
    if (read(w->fd, some, sizeof(some)) <= 0)
        tap_bail("VF %s gives no pre-copy data", w->v->bdf);
}

static void precopy_p2p(struct bench *b, struct victim *w)
{
    precopy(b, w);
    vf_set(w->v, VFIO_DEVICE_STATE_PRE_COPY_P2P);
}

static void stop_copy(struct bench *b, struct victim *w)
{
    precopy(b, w);
    vf_change(w->v, 20);
    vf_set(w->v, VFIO_DEVICE_STATE_STOP_COPY);
}

static void saving(struct bench *b, struct victim *w)
{
    uint64_t hits = model_hits(b);

    vf_fill(w->v, SEED);
    stall(b, w->v, OP_SAVE_VHCA_STATE);
    w->fd = vf_set(w->v, VFIO_DEVICE_STATE_PRE_COPY);
    if (!wait_until(model_hits(b) > hits, PATIENCE))
        tap_bail("VF %s does not save", w->v->bdf);
}

static void resume(struct victim *w, size_t bytes)
{
    w->load = true;
    w->fd = vf_set(w->v, VFIO_DEVICE_STATE_RESUMING);
    fcntl(w->fd, F_SETFL, O_NONBLOCK);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = write(w->fd, w->stream->data + at, bytes - at);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            tap_bail("VF %s takes no stream: %s", w->v->bdf, strerror(errno));
        at += n;
    }
}

static void resuming(struct bench *b, struct victim *w)
{
    (void)b;
    resume(w, w->stream->len / 3);
}

/* As much as it takes while the first LOAD goes on */
static void loading(struct bench *b, struct victim *w)
{
    uint64_t hits = model_hits(b);

    stall(b, w->v, OP_LOAD_VHCA_STATE);
    resume(w, w->stream->len);
    if (!wait_until(model_hits(b) > hits, PATIENCE))
        tap_bail("VF %s does not load", w->v->bdf);
}

const struct phase phases[PHASES] = {
    { "PRE_COPY", precopy }, { "a LOAD under way", loading }, { "PRE_COPY_P2P", precopy_p2p },
    { "RESUMING", resuming }, { "STOP_COPY", stop_copy }, { "a SAVE under way", saving },
};

void victim_open(struct vf *v, unsigned event)
{
    int err;

    vf_open(v);
    err = vfio_event_watch(&v->fn, event);
    if (err)
        tap_bail("VF %s: nobody tells of events: %s", v->bdf, strerror(-err));
}

struct victim victim_of(struct bench *b, struct vf *v, const struct phase *phase, const struct stream *s)
{
    struct victim w = { .v = v, .stream = s, .fd = -1 };
    struct dma_range all = { 0, 1ull << 30 };
    uint64_t page = PAGE;
    int err;

    vf_reset(v);
    err = mig_log_start(&v->fn, &all, 1, &page);
    if (err)
        tap_bail("VF %s: nobody tracks what it writes: %s", v->bdf, strerror(-err));
    phase->enter(b, &w);
    return w;
}

bool victim_is_over(struct victim *w)
{
    bool over = wait_until(mig_get(&w->v->fn) == VFIO_DEVICE_STATE_ERROR, PATIENCE);
    int64_t lost = ferry_number(w->v, "stats", "leaked_bytes");
    bool dead = fd_is_dead(w->fd, w->load);

    if (!over || lost)
        tap_diag("VF %s: state %s, %lld bytes are lost", w->v->bdf, mig_name(mig_get(&w->v->fn)), (long long)lost);
    return over && !lost && dead;
}

static bool is_available(struct vf *v, const char *word)
{
    char text[4096], wanted[64];

    snprintf(wanted, sizeof(wanted), "availability %s\n", word);
    return strstr(ferry_show(v, "stats", text, sizeof(text)), wanted) != NULL;
}

bool victims_available(struct bench *b, const char *word)
{
    for (unsigned i = 0; i < VICTIMS; i++)
        if (!is_available(&b->vf[i], word))
            return false;
    return true;
}

/* As a VMM that starts its VM anew finds it */
bool victims_migrate(struct vf *from, struct vf *to)
{
    struct stream s = { 0 };
    int out = -1, in = -1;
    uint64_t sum;
    bool whole, good;
    int err;

    vf_reset(from);
    vf_reset(to);
    vf_fill(from, SEED + 1);
    err = save_run(from, SAVE_PRECOPY, &s, &whole, &out);
    sum = wl_sum(from->wl);
    err = err ?: load_run(to, &s, &in);
    close(out);
    close(in);
    stream_free(&s);
    good = !err && wl_sum(to->wl) == sum && vf_alive(to);
    if (!good)
        tap_diag("a migration gives %d: %s", err, ferry_show(to, "failure", (char[512]){ 0 }, 512));
    return good;
}

void pf_command(struct bench *b, const char *format)
{
    char command[160];

    snprintf(command, sizeof(command), format, b->pf);
    if (system(command))
        tap_bail("'%s' fails", command);
}
