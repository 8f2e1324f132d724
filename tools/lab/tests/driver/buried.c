// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The physical function dies, or its administrator takes it away, and it does
 * not return: its driver is unbound, it is off the bus, or nobody recovers it.
 * Each round has a session on each of two VFs, in different phases. mlx5_core
 * lets a PF go when its VFs are closed; where it says before that the PF is
 * gone, every session is over then. After it every FD is dead, no memory is
 * lost, of which the kernel would tell by a DMA mapping that outlives the PF's
 * driver, and both modules can be unloaded. Another PF is put in, and its VFs
 * migrate.
 *
 * A few rounds, or as many as $ROUNDS says: each phase meets each end in 30.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "../lib/lab.h"
#include "victims.h"

enum {
    ROUNDS      = 5,
    GIVE_UP_MS  = 10000,        /* mlx5_core answers for a PF that is dead */
    WANTED_MS   = 60000,        /* until somebody wants the first VF back */
};

/* ---- ends ---- */

/* As mlx5_core is when it has recovered once in the last twenty minutes, but it stays loaded. */
static void die_for_good(struct bench *b)
{
    pf_command(b, "devlink health set pci/%s reporter fw_fatal auto_recover false");
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_SET_ERROR);
    pf_command(b, "for i in $(seq 100); do devlink health show pci/%s reporter fw_fatal | grep -q 'state error' && "
                  "exit; sleep 0.2; done; exit 1");
}

static void wait_for_down(struct bench *b, const char *what)
{
    if (!wait_until(victims_available(b, "down"), DEATH_MS))
        tap_bail("mlx5_core does not notice %s", what);
}

static void go_off_the_bus(struct bench *b)
{
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_SET_GONE);
    wait_for_down(b, "that the PF is off the bus");
}

/* A function without a driver cannot be told, so the kernel gives up all that are behind the port. */
static void fail_to_recover(struct bench *b)
{
    pci_unbind(b->vf[VICTIMS].bdf);
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_PCI_FATAL);
    wait_for_down(b, "a PCI error");
}

static void *unbinding(void *pf)
{
    sysfs_write("/sys/bus/pci/drivers/mlx5_core/unbind", pf);
    return NULL;
}

static void *removing(void *pf)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", (char *)pf);
    sysfs_write(path, "1");
    return NULL;
}

static const struct end {
    const char *name;
    void (*die)(struct bench *b);       /* before */
    void *(*bury)(void *pf);            /* waits for whoever has a VF open */
    bool told;                          /* ferry is, when it dies */
} ends[] = {
    { "unbinding the PF", NULL, unbinding, false },
    { "removing the PF", NULL, removing, false },
    { "a fatal error that nobody recovers from", die_for_good, unbinding, false },
    { "a PF that is off the bus", go_off_the_bus, removing, true },
    { "a PCI error that the PF does not survive", fail_to_recover, unbinding, true },
};
enum { ENDS = sizeof(ends) / sizeof(*ends) };

/* ---- rounds ---- */

/*
 * Of a PF that is dead, which ferry does not know until a command fails: a
 * source can cancel and a target be reset, and no memory is lost.
 */
static bool gives_up(struct victim *w)
{
    double begin = now_ms();
    int err = w->load ? vfio_reset(&w->v->fn) : mig_set(&w->v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    int64_t lost = ferry_number(w->v, "stats", "leaked_bytes");
    bool good = now_ms() - begin < GIVE_UP_MS && !lost && fd_is_dead(w->fd, w->load);

    if (!good)
        tap_diag("VF %s: giving up gives %d in %.0f ms, state %s, %lld bytes are lost", w->v->bdf, err,
                 now_ms() - begin, mig_name(mig_get(&w->v->fn)), (long long)lost);
    return good;
}

static void die(struct bench *b, const struct end *end, struct victim *victims, const char *when)
{
    bool over = true;

    end->die(b);
    for (unsigned i = 0; i < VICTIMS; i++)
        over &= end->told ? victim_is_over(&victims[i]) : gives_up(&victims[i]);
    ok(over, "%s in %s: the sessions are over, no memory is lost", end->name, when);
}

static void bury(struct bench *b, const struct end *end)
{
    pthread_t thread;

    /* mlx5_core removes VFs without the lock that kernels after 6.12 assert, whatever their driver */
    if (end->bury == unbinding)
        lab_expect("pci_stop_and_remove_bus_device\\+");
    pthread_create(&thread, NULL, end->bury, b->pf);
    if (!wait_until(vfio_event_seen(&b->vf[0].fn), WANTED_MS))
        tap_bail("%s: nobody asks for VF %s", end->name, b->vf[0].bdf);
    for (unsigned i = 0; i < VICTIMS; i++)
        vf_close(&b->vf[i]);
    pthread_join(thread, NULL);
}

static bool unloads(struct victim *victims)
{
    bool dead = true;

    for (unsigned i = 0; i < VICTIMS; i++) {
        dead &= fd_is_dead(victims[i].fd, victims[i].load);
        close(victims[i].fd);
    }
    return dead & !module_unload_soon("mlx5_ferry_vfio_pci") & !module_unload_soon("vfio_ferry");
}

/* What it takes to put in another. */
struct spare {
    char engine[256], backend[256];     /* the modules' files */
    char port[PATH_MAX];                /* above the PF, in sysfs */
};

static void spare_of(struct bench *b, struct spare *spare)
{
    char above[64];

    module_path("vfio_ferry.ko", spare->engine, sizeof(spare->engine));
    module_path("mlx5_ferry_vfio_pci.ko", spare->backend, sizeof(spare->backend));
    snprintf(above, sizeof(above), "/sys/bus/pci/devices/%s/..", b->pf);
    if (!realpath(above, spare->port))
        tap_bail("cannot find the port of %s", b->pf);
}

static int reset_behind(const char *port)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/reset_subordinate", port);
    return sysfs_write(path, "1");
}

/* It has nothing of the old one but its address. mlx5_core probes it at once, so it is alive before it is seen. */
static void put_in_another(struct bench *b, const struct spare *spare)
{
    int err;

    removing(b->pf);
    err = reset_behind(spare->port);
    err = err ?: sysfs_write("/sys/bus/pci/rescan", "1");
    b->control = control_of(pci_map_bar(b->pf, 2, BAR2_SIZE));
    model_disarm(b);
    b->pds = model_objects(b, VHCA_ID_PF, OBJECT_PD);
    b->mkeys = model_objects(b, VHCA_ID_PF, OBJECT_MKEY);
    err = err ?: module_load(spare->engine);
    err = err ?: module_load(spare->backend);
    err = err ?: pci_sriov(b->pf, b->vfs, false);
    err = err ?: bench_bind(b);
    if (err)
        tap_bail("no other PF can be put in: %s", strerror(-err));
    for (unsigned i = 0; i < VICTIMS; i++)
        victim_open(&b->vf[i], VFIO_PCI_REQ_IRQ_INDEX);
}

static void round_of(struct bench *b, unsigned n, const struct stream *s, const struct spare *spare)
{
    const struct end *end = &ends[n % ENDS];
    unsigned phase = n / ENDS + n % ENDS;
    struct victim victims[VICTIMS];
    char when[64];

    for (unsigned i = 0; i < VICTIMS; i++)
        victims[i] = victim_of(b, &b->vf[i], &phases[(phase + i) % PHASES], s);
    snprintf(when, sizeof(when), "%s and in %s", phases[phase % PHASES].name, phases[(phase + 1) % PHASES].name);
    if (end->die)
        die(b, end, victims, when);
    bury(b, end);
    ok(unloads(victims), "%s in %s: then the FDs are dead, and both modules can be unloaded", end->name, when);
    put_in_another(b, spare);
    ok(victims_migrate(&b->vf[n % VICTIMS], &b->vf[!(n % VICTIMS)]), "a VF of the next PF migrates");
}

void test_buried(struct bench *b)
{
    const char *rounds = getenv("ROUNDS");
    struct spare spare;
    struct stream s;
    uint64_t sum;

    if (b->vfs <= VICTIMS || !b->vf[0].ferry)
        tap_bail("the tests of PFs that do not return need 3 VFs bound to ferry");
    spare_of(b, &spare);
    for (unsigned i = 0; i < VICTIMS; i++)
        victim_open(&b->vf[i], VFIO_PCI_REQ_IRQ_INDEX);
    s = vf_record(&b->vf[0], true, &sum);
    for (unsigned n = 0; n < (rounds ? (unsigned)atoi(rounds) : ROUNDS); n++)
        round_of(b, n, &s, &spare);
    for (unsigned i = 0; i < VICTIMS; i++)
        vf_close(&b->vf[i]);
    stream_free(&s);
    bench_check_clean(b, "PFs that do not return");
}
