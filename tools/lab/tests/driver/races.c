// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the administrator of the PF can end a migration with, at each moment of
 * it. What users and administrators of any VFIO device can do is in the
 * conformance suite: lifetime_test, race_test, ending_test.
 *
 * The moment is a firmware command: the model delays the nth one, the act is
 * done when its counters show that command struck, and so it falls into the
 * command. The migration runs in a thread; it touches nothing but FDs, so the
 * mappings may go away under it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "../lib/lab.h"
#include "sweep.h"

enum {
    DELAY_US    = 150000,       /* longer than a reset takes to begin */
    MAX_MOMENTS = 60,
    CHANGE_RATE = 5000,
    PATIENCE    = 30000,        /* ms, for a migration to end after the act */
};

/* ---- a migration that may be ended at any time ---- */

struct racer {
    struct vf *v;
    bool load;
    const struct stream *stream;
    int fd;                     /* the first data FD, stays open */
    bool over;
    pthread_t thread;
};

static int race_save(struct racer *r)
{
    struct stream s = { 0 };
    int err = mig_set(&r->v->fn, VFIO_DEVICE_STATE_PRE_COPY, &r->fd);
    ssize_t n = err;

    if (!err)
        n = mig_read_precopy(r->fd, &s, 4);
    if (n >= 0)
        n = mig_set(&r->v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    if (n >= 0)
        n = mig_read(r->fd, &s, NULL);
    if (n >= 0)
        n = mig_set(&r->v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    stream_free(&s);
    return n;
}

static void *racer_run(void *arg)
{
    struct racer *r = arg;

    if (r->load)
        load_run(r->v, r->stream, &r->fd);
    else
        race_save(r);
    __atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
    return NULL;
}

static bool racer_over(struct racer *r)
{
    return __atomic_load_n(&r->over, __ATOMIC_ACQUIRE);
}

/* ---- acts ---- */

static void *disabling(void *pf)
{
    pci_sriov(pf, 0, false);
    return NULL;
}

static void act_no_vfs(struct bench *b, struct vf *v)
{
    pthread_t thread;

    pthread_create(&thread, NULL, disabling, b->pf);
    vf_close(v);
    pthread_join(thread, NULL);
}

static int vfs_again(struct bench *b, struct vf *v)
{
    int err = pci_sriov(b->pf, b->vfs, false);

    (void)v;
    return err ? err : bench_bind(b);
}

static void *unbinding_pf(void *pf)
{
    sysfs_write("/sys/bus/pci/drivers/mlx5_core/unbind", pf);
    return NULL;
}

static void act_unbind_pf(struct bench *b, struct vf *v)
{
    pthread_t thread;

    /* mlx5_core removes VFs without the lock that kernels after 6.12 assert, whatever their driver */
    if (strcmp(getenv("LAB_KERNEL") ?: "", "stock"))
        lab_expect("pci_stop_and_remove_bus_device\\+");
    pthread_create(&thread, NULL, unbinding_pf, b->pf);
    vf_close(v);
    pthread_join(thread, NULL);
}

static int pf_again(struct bench *b, struct vf *v)
{
    int err = sysfs_write("/sys/bus/pci/drivers/mlx5_core/bind", b->pf);

    /* its numbers start anew */
    b->pds = model_objects(b, VHCA_ID_PF, OBJECT_PD);
    b->mkeys = model_objects(b, VHCA_ID_PF, OBJECT_MKEY);
    return err ? err : vfs_again(b, v);
}

/* The firmware interface of the PF goes away and comes back under an open VF. */
static void act_reload_pf(struct bench *b, struct vf *v)
{
    char command[96];

    (void)v;
    snprintf(command, sizeof(command), "devlink dev reload pci/%s >/dev/null", b->pf);
    if (system(command))
        tap_bail("'%s' fails", command);
}

static const struct act {
    const char *name;
    void (*act)(struct bench *b, struct vf *v);
    int (*again)(struct bench *b, struct vf *v);        /* what makes it possible to open it */
    bool stays_open;
    unsigned step;              /* of the moments: costly acts are done at fewer */
} acts[] = {
    { "devlink reload of the PF", act_reload_pf, NULL, true, 6 },
    { "sriov_numvfs=0", act_no_vfs, vfs_again, false, 9 },
    { "unbinding the PF", act_unbind_pf, pf_again, false, 12 },
};

/* ---- races ---- */

static void begin(struct bench *b, struct vf *v, unsigned nth)
{
    vf_reset(v);
    vf_fill(v, SEED);
    wl_change(v->wl, 0, wl_read(v->wl, WL_STATE_SIZE) / 4, CHANGE_RATE, 0);
    model_arm(b, (struct fault){ .vhca_id = VHCA_ID_PF, .nth = nth, .times = 1,
                                 .action = FAULT_DELAY, .delay_us = DELAY_US });
}

/* The VF as its next user finds it. */
static bool usable(struct vf *v)
{
    bool good;

    vf_reset(v);
    good = mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING && vf_alive(v) &&
           !mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL) &&
           !mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    if (!good)
        tap_diag("the VF is not usable: state %s", mig_name(mig_get(&v->fn)));
    return good;
}

/* true: the command was there, so there may be a later one */
static bool race_once(struct bench *b, const struct act *act, struct racer *r, unsigned nth)
{
    uint64_t hits = model_hits(b);
    bool struck, ended, good, dead;
    struct vf *v = r->v;
    int err = 0;

    r->fd = -1;
    r->over = false;
    begin(b, v, nth);
    pthread_create(&r->thread, NULL, racer_run, r);
    if (!wait_until(model_hits(b) > hits || racer_over(r), PATIENCE))
        tap_bail("neither does command %u come, nor does the migration end", nth);
    struck = model_hits(b) > hits;
    if (struck)
        act->act(b, v);
    ended = wait_until(racer_over(r), PATIENCE);
    if (!ended)
        tap_bail("%s, command %u: the migration does not end", act->name, nth);
    pthread_join(r->thread, NULL);
    model_disarm(b);
    if (!struck)
        return false;           /* close(r->fd) below is the caller's: nothing was done */

    if (act->stays_open)
        vf_reset(v);            /* the thread may have gone on after the act */
    dead = fd_is_dead(r->fd, r->load);
    if (act->again)
        err = act->again(b, v);
    if (!err && !act->stays_open)
        err = vf_try_open(v);
    if (err)
        tap_bail("%s, command %u: the VF cannot be opened again: %s", act->name, nth,
                 strerror(-err));
    good = usable(v) & fd_is_dead(r->fd, r->load);
    close(r->fd);
    ok(dead && good, "%s in command %u of a %s is harmless", act->name, nth,
       r->load ? "load" : "save");
    return true;
}

static void race(struct bench *b, const struct act *act, bool load, const struct stream *s)
{
    struct racer r = { .v = &b->vf[0], .load = load, .stream = s };
    unsigned nth = 1;

    vf_open(r.v);
    while (nth < MAX_MOMENTS && race_once(b, act, &r, nth))
        nth += act->step;
    ok(nth > 1 && nth < MAX_MOMENTS, "%s: all moments of a %s were tried", act->name,
       load ? "load" : "save");
    close(r.fd);
    vf_reset(r.v);
    vf_close(r.v);
}

static struct stream race_stream(struct bench *b)
{
    struct stream s;
    uint64_t sum;

    if (b->vfs < 2)
        tap_bail("the tests of races need 2 VFs");
    vf_open(&b->vf[1]);
    s = vf_record(&b->vf[1], true, &sum);
    vf_close(&b->vf[1]);
    return s;
}

/* By the administrator of the PF. */
void test_removals(struct bench *b)
{
    struct stream s = race_stream(b);

    for (unsigned i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
        race(b, &acts[i], false, &s);
        race(b, &acts[i], true, &s);
        bench_check_clean(b, acts[i].name);
    }
    stream_free(&s);
}

/* ---- the modules ---- */

/* Leaves the VFs bound to the driver that was loaded again. */
void test_teardown(struct bench *b)
{
    char engine[256], backend[256];
    struct vf *v = &b->vf[0];
    int fd;

    if (!b->vfs || !v->ferry)
        tap_bail("the test of unloading needs VFs bound to ferry");
    module_path("vfio_ferry.ko", engine, sizeof(engine));
    module_path("mlx5_ferry_vfio_pci.ko", backend, sizeof(backend));
    vf_open(v);
    if (!ok(!mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, &fd), "a migration begins"))
        return;
    vf_close(v);
    for (unsigned i = 0; i < b->vfs; i++)
        pci_unbind(b->vf[i].bdf);
    ok(fd_is_dead(fd, false), "the data FD outlives the device, dead");
    ok(module_unload("vfio_ferry"), "the module stays while a data FD is open");
    close(fd);
    ok(!module_unload_soon("mlx5_ferry_vfio_pci"), "the NIC's module can be unloaded");
    ok(!module_unload_soon("vfio_ferry"), "the engine's module can be unloaded");
    ok(access(FERRY_DEBUGFS, F_OK), "its debugfs folder is gone");
    ok(!module_load(engine) && !module_load(backend), "both can be loaded again");
    ok(!bench_bind(b), "the VFs can be bound again");
    vf_open(v);
    ok(usable(v), "a VF works");
    vf_close(v);
    bench_check_clean(b, "loading the modules again");
}
