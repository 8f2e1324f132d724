// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * caps [NAME=VALUE...]: the NIC's capabilities are its defaults, except those
 * named, which have this value.  NAME is a property of the model.  Asks the
 * firmware through the command interface that mlx5_core has in debugfs, so
 * mlx5_core drives the PF as always.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../connectx/ifc.h"
#include "lib/mlx5cmd.h"
#include "lib/pci.h"
#include "lib/tap.h"

static struct cap {
    const char *name;
    unsigned group, bit, width;
    uint64_t value;
} caps[] = {
    { "migration", CAP_GENERAL, F_CAP_MIGRATION, 1 },
    { "adv-virtualization", CAP_GENERAL, F_CAP_ADV_VIRTUALIZATION, 1 },
    { "multi-load", CAP_GENERAL_2, F_CAP2_MULTI_LOAD, 1 },
    { "tracking-state", CAP_GENERAL_2, F_CAP2_TRACKING_STATE, 1 },
    { "in-chunks", CAP_GENERAL_2, F_CAP2_IN_CHUNKS, 1 },
    { "migration-state", CAP_GENERAL_2, F_CAP2_MIGRATION_STATE, 1 },
    { "pg-track-log-max-num", CAP_ADV_VIRT, F_AV_LOG_MAX_NUM, 6 },
    { "pg-track-max-num-range", CAP_ADV_VIRT, F_AV_MAX_NUM_RANGE, 16 },
    { "pg-track-log-min-addr-space", CAP_ADV_VIRT, F_AV_LOG_MIN_ADDR_SPACE, 12 },
    { "pg-track-log-max-addr-space", CAP_ADV_VIRT, F_AV_LOG_MAX_ADDR_SPACE, 52 },
    { "pg-track-log-min-msg-size", CAP_ADV_VIRT, F_AV_LOG_MIN_MSG_SIZE, 6 },
    { "pg-track-log-max-msg-size", CAP_ADV_VIRT, F_AV_LOG_MAX_MSG_SIZE, 16 },
    { "pg-track-log-min-page-size", CAP_ADV_VIRT, F_AV_LOG_MIN_PAGE_SIZE, 12 },
    { "pg-track-log-max-page-size", CAP_ADV_VIRT, F_AV_LOG_MAX_PAGE_SIZE, 21 },
};
enum { CAPS = sizeof(caps) / sizeof(*caps), OUT_LEN = CAP_OFFSET + CAP_SIZE };

static uint64_t migratable = ~0ull;     /* the VFs', a bit each */
static const char *pf;

/* ---- mlx5_core's own command interface ---- */

/* True if the firmware answers; out: of OUT_LEN bytes. */
static bool query_caps(unsigned group, bool current, int function, uint8_t *out)
{
    uint8_t in[16] = { 0 };

    ifc_set(in, F_IN_OPCODE, OP_QUERY_HCA_CAP);
    ifc_set(in, F_IN_OP_MOD, group << 1 | current);
    ifc_set(in, F_IN_OTHER_FUNCTION, function >= 0);
    ifc_set(in, F_IN_FUNCTION_ID, function < 0 ? 0 : function);
    return mlx5_command(pf, in, sizeof(in), out, OUT_LEN);
}

/* ---- what is expected ---- */

static void expect(const char *argument)
{
    const char *equals = strchr(argument, '=');
    uint64_t value = equals ? strtoull(equals + 1, NULL, 0) : 0;

    for (unsigned i = 0; equals && i < CAPS; i++)
        if (!strncmp(caps[i].name, argument, equals - argument) &&
            !caps[i].name[equals - argument]) {
            caps[i].value = value;
            return;
        }
    if (equals && !strncmp(argument, "migratable=", 11)) {
        migratable = value;
        return;
    }
    tap_bail("%s is not NAME=VALUE with the name of a capability", argument);
}

static uint64_t value_of(const char *name)
{
    for (unsigned i = 0; i < CAPS; i++)
        if (!strcmp(caps[i].name, name))
            return caps[i].value;
    return 0;
}

static void check_group(unsigned group)
{
    static uint8_t current[OUT_LEN], max[OUT_LEN];
    bool there = group != CAP_ADV_VIRT || value_of("adv-virtualization");

    if (!ok(query_caps(group, true, -1, current) == there &&
            query_caps(group, false, -1, max) == there, "capability group %#x is %s", group,
            there ? "there" : "not there") || !there)
        return;
    for (unsigned i = 0; i < CAPS; i++) {
        if (caps[i].group != group)
            continue;
        ok_eq(ifc_get(current + CAP_OFFSET, caps[i].bit, caps[i].width), caps[i].value,
              "%s is %llu", caps[i].name, (unsigned long long)caps[i].value);
        ok_eq(ifc_get(max + CAP_OFFSET, caps[i].bit, caps[i].width), caps[i].value,
              "and at most that");
    }
}

static void check_vfs(void)
{
    static uint8_t out[OUT_LEN];
    char name[PCI_NAME];

    for (unsigned vf = 0; vf < 64 && !pci_vf_name(pf, vf, name); vf++) {
        ok(query_caps(CAP_GENERAL_2, false, vf + 1, out), "VF %u has capabilities", vf);
        ok_eq(ifc_get(out + CAP_OFFSET, F_CAP2_MIGRATABLE), migratable >> vf & 1,
              "VF %u is %smigratable", vf, migratable >> vf & 1 ? "" : "not ");
    }
}

int main(int argc, char **argv)
{
    pf = getenv("FERRY_PF");
    if (!pf)
        tap_bail("FERRY_PF is not set: run this in the lab");
    for (int i = 1; i < argc; i++)
        expect(argv[i]);
    check_group(CAP_GENERAL);
    check_group(CAP_GENERAL_2);
    check_group(CAP_ADV_VIRT);
    check_vfs();
    return tap_done();
}
