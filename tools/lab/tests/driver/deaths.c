// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The physical function dies while its VFs are migrated, and returns: from a
 * fatal error of the firmware, from a reset behind mlx5_core's back, from its
 * driver's being loaded anew, or from an error of the PCI link (AER), fatal or
 * not, its own or a VF's: the kernel takes down all that is behind the port.
 * Each round has a session on each of two VFs, in different phases. Then every
 * FD is dead, no memory is lost, and once the PF is back the VFs can be
 * migrated. KASAN and kmemleak see the rest. buried.c is about PFs that do not
 * return.
 *
 * A few rounds, or as many as $ROUNDS says: each phase meets each death in 42.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "victims.h"

enum {
    ROUNDS      = 7,
};

/* ---- deaths ---- */

static void die_fatally(struct bench *b)
{
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_SET_ERROR);
}

static void die_of_reset(struct bench *b)
{
    pf_command(b, "echo 1 > /sys/bus/pci/devices/%s/reset");
}

static void die_reloading(struct bench *b)
{
    pf_command(b, "devlink dev reload pci/%s > /dev/null");
}

static void die_on_the_bus(struct bench *b)
{
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_PCI_FATAL);
}

static void stumble_on_the_bus(struct bench *b)
{
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_PCI_NONFATAL);
}

static void vf_dies_on_the_bus(struct bench *b)
{
    ctl_vhca_action(b->control, b->vf[0].id, VHCA_PCI_FATAL);
}

static void vf_stumbles_on_the_bus(struct bench *b)
{
    ctl_vhca_action(b->control, b->vf[0].id, VHCA_PCI_NONFATAL);
}

static const struct death {
    const char *name;
    void (*die)(struct bench *b);
    bool announced;             /* it is over when die() returns */
    bool told;                  /* the VFs' users are, by an eventfd */
} deaths[] = {
    { "a fatal error", die_fatally, false, false },
    { "a reset of the PF", die_of_reset, false, false },
    { "devlink reload", die_reloading, true, false },
    { "a fatal PCI error", die_on_the_bus, false, true },
    { "a PCI error", stumble_on_the_bus, false, true },
    { "a VF's fatal PCI error", vf_dies_on_the_bus, false, true },
    { "a VF's PCI error", vf_stumbles_on_the_bus, false, true },
};
enum { DEATHS = sizeof(deaths) / sizeof(*deaths) };

/* ---- rounds ---- */

/* A VMM stops its VM then. */
static bool is_told(struct vf *v, const struct death *death)
{
    bool told = vfio_event_seen(&v->fn);

    if (told != death->told)
        tap_diag("VF %s: its user is %stold of an error of the device", v->bdf, told ? "" : "not ");
    return told == death->told;
}

static void round_of(struct bench *b, unsigned n, const struct stream *s)
{
    const struct death *death = &deaths[n % DEATHS];
    unsigned phase = n / DEATHS + n % DEATHS;
    struct victim victims[VICTIMS];
    bool over = true, back = true;

    for (unsigned i = 0; i < VICTIMS; i++)
        victims[i] = victim_of(b, &b->vf[i], &phases[(phase + i) % PHASES], s);
    death->die(b);
    if (!death->announced && !wait_until(victims_available(b, "down"), DEATH_MS))
        tap_bail("round %u: mlx5_core does not notice %s", n, death->name);
    back = wait_until(victims_available(b, "up"), DEATH_MS);
    model_disarm(b);
    if (!back)
        tap_bail("round %u: the PF does not come back after %s", n, death->name);
    for (unsigned i = 0; i < VICTIMS; i++)
        over &= victim_is_over(&victims[i]) & is_told(victims[i].v, death);
    ok(over, "%s in %s and in %s: the sessions are over, no memory is lost", death->name,
       phases[phase % PHASES].name, phases[(phase + 1) % PHASES].name);
    ok(victims_migrate(&b->vf[n % VICTIMS], &b->vf[!(n % VICTIMS)]), "then a VF migrates");
    for (unsigned i = 0; i < VICTIMS; i++) {
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
    ok(victims_migrate(v, &b->vf[1]), "if it does after all, the VF migrates");
    ok(!strstr(ferry_show(v, "features", text, sizeof(text)), "no migration: "), "and debugfs says no more");
}

void test_deaths(struct bench *b)
{
    const char *rounds = getenv("ROUNDS");
    struct stream s;
    uint64_t sum;

    if (b->vfs < VICTIMS || !b->vf[0].ferry)
        tap_bail("the tests of the PF's deaths need 2 VFs bound to ferry");
    /* mlx5_core would recover once in twenty minutes */
    pf_command(b, "devlink health set pci/%s reporter fw_fatal grace_period 0 auto_recover true");
    for (unsigned i = 0; i < VICTIMS; i++)
        victim_open(&b->vf[i], VFIO_PCI_ERR_IRQ_INDEX);
    s = vf_record(&b->vf[0], true, &sum);
    for (unsigned n = 0; n < (rounds ? (unsigned)atoi(rounds) : ROUNDS); n++)
        round_of(b, n, &s);
    test_asked_again(b, &b->vf[0]);
    for (unsigned i = 0; i < VICTIMS; i++)
        vf_close(&b->vf[i]);
    stream_free(&s);
    bench_check_clean(b, "deaths of the PF");
}
