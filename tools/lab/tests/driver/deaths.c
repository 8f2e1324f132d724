// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The physical function dies while its VFs are migrated: of a fatal error of
 * the firmware, by a reset behind mlx5_core's back, or because its driver is
 * loaded anew. Each round has a session on each of two VFs, in different
 * phases. Then every FD is dead, no memory is lost, and once the PF is back the
 * VFs can be migrated. KASAN and kmemleak see the rest.
 *
 * A few rounds, or as many as $ROUNDS says: each phase meets each death in 18.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "sweep.h"

enum {
    ROUNDS      = 6,
    VFS         = 2,
    DEATH_MS    = 60000,        /* mlx5_core looks every two seconds */
    PATIENCE    = 20000,
    DELAY_US    = 1000000,
};

/* ---- phases ---- */

struct victim {
    struct vf *v;
    const struct stream *stream;
    int fd;
    bool load;
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

static const struct phase {
    const char *name;
    void (*enter)(struct bench *b, struct victim *w);
} phases[] = {
    { "PRE_COPY", precopy }, { "a LOAD under way", loading }, { "PRE_COPY_P2P", precopy_p2p },
    { "RESUMING", resuming }, { "STOP_COPY", stop_copy }, { "a SAVE under way", saving },
};
enum { PHASES = sizeof(phases) / sizeof(*phases) };

/* ---- deaths ---- */

static void run(struct bench *b, const char *format)
{
    char command[160];

    snprintf(command, sizeof(command), format, b->pf);
    if (system(command))
        tap_bail("'%s' fails", command);
}

static void die_fatally(struct bench *b)
{
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_SET_ERROR);
}

static void die_of_reset(struct bench *b)
{
    run(b, "echo 1 > /sys/bus/pci/devices/%s/reset");
}

static void die_reloading(struct bench *b)
{
    run(b, "devlink dev reload pci/%s > /dev/null");
}

static const struct death {
    const char *name;
    void (*die)(struct bench *b);
    bool announced;             /* it is over when die() returns */
} deaths[] = {
    { "a fatal error", die_fatally, false },
    { "a reset of the PF", die_of_reset, false },
    { "devlink reload", die_reloading, true },
};
enum { DEATHS = sizeof(deaths) / sizeof(*deaths) };

static bool is_available(struct vf *v, const char *word)
{
    char text[4096], wanted[64];

    snprintf(wanted, sizeof(wanted), "availability %s\n", word);
    return strstr(ferry_show(v, "stats", text, sizeof(text)), wanted) != NULL;
}

static bool all_available(struct bench *b, const char *word)
{
    for (unsigned i = 0; i < VFS; i++)
        if (!is_available(&b->vf[i], word))
            return false;
    return true;
}

/* ---- rounds ---- */

/* As a VMM that starts its VM anew finds it */
static bool migrates(struct vf *from, struct vf *to)
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

static bool is_over(struct victim *w)
{
    int state = mig_get(&w->v->fn);
    int64_t lost = ferry_number(w->v, "stats", "leaked_bytes");
    bool dead = fd_is_dead(w->fd, w->load);

    if (state != VFIO_DEVICE_STATE_ERROR || lost)
        tap_diag("VF %s: state %s, %lld bytes are lost", w->v->bdf, mig_name(state), (long long)lost);
    return state == VFIO_DEVICE_STATE_ERROR && !lost && dead;
}

static void round_of(struct bench *b, unsigned n, const struct stream *s)
{
    const struct death *death = &deaths[(n + n / PHASES) % DEATHS];
    struct victim victims[VFS];
    bool over = true, back = true;

    for (unsigned i = 0; i < VFS; i++) {
        victims[i] = (struct victim){ .v = &b->vf[i], .stream = s, .fd = -1 };
        vf_reset(victims[i].v);
        phases[(n + i) % PHASES].enter(b, &victims[i]);
    }
    death->die(b);
    if (!death->announced && !wait_until(all_available(b, "down"), DEATH_MS))
        tap_bail("round %u: mlx5_core does not notice %s", n, death->name);
    back = wait_until(all_available(b, "up"), DEATH_MS);
    model_disarm(b);
    if (!back)
        tap_bail("round %u: the PF does not come back after %s", n, death->name);
    for (unsigned i = 0; i < VFS; i++)
        over &= is_over(&victims[i]);
    ok(over, "%s in %s and in %s: the sessions are over, no memory is lost", death->name,
       phases[n % PHASES].name, phases[(n + 1) % PHASES].name);
    ok(migrates(&b->vf[n % VFS], &b->vf[!(n % VFS)]), "then a VF migrates");
    for (unsigned i = 0; i < VFS; i++) {
        close(victims[i].fd);
        vf_reset(victims[i].v);
    }
}

/* ---- what changed meanwhile ---- */

/* It may be other firmware: ferry asks it again what it can, before it migrates. */
static void test_asked_again(struct bench *b, struct vf *v)
{
    char text[1024];
    int err, fd;

    die_reloading(b);
    model_arm(b, (struct fault){ .opcode = OP_QUERY_HCA_CAP, .vhca_id = VHCA_ID_PF, .action = FAULT_FAIL,
                                 .status = ST_BAD_PARAM, .syndrome = 0x99 });
    err = mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, &fd);
    model_disarm(b);
    ok(err == -EOPNOTSUPP && mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING,
       "a VF that the PF's new firmware does not migrate: PRE_COPY is refused (%d)", err);
    ok(strstr(ferry_show(v, "features", text, sizeof(text)), "no migration: ") != NULL, "and debugfs says why");
    ok(migrates(v, &b->vf[1]), "if it does after all, the VF migrates");
    ok(!strstr(ferry_show(v, "features", text, sizeof(text)), "no migration: "), "and debugfs says no more");
}

void test_deaths(struct bench *b)
{
    const char *rounds = getenv("ROUNDS");
    struct stream s;
    uint64_t sum;

    if (b->vfs < VFS || !b->vf[0].ferry)
        tap_bail("the tests of the PF's deaths need 2 VFs bound to ferry");
    /* mlx5_core would recover once in twenty minutes */
    run(b, "devlink health set pci/%s reporter fw_fatal grace_period 0 auto_recover true");
    for (unsigned i = 0; i < VFS; i++)
        vf_open(&b->vf[i]);
    s = vf_record(&b->vf[0], true, &sum);
    for (unsigned n = 0; n < (rounds ? (unsigned)atoi(rounds) : ROUNDS); n++)
        round_of(b, n, &s);
    test_asked_again(b, &b->vf[0]);
    for (unsigned i = 0; i < VFS; i++)
        vf_close(&b->vf[i]);
    stream_free(&s);
    bench_check_clean(b, "deaths of the PF");
}
