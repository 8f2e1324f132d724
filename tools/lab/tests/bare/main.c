// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bare GROUP...: the model's firmware interface, with no mlx5_core.
 * Runs in a lab VM with a driver for VFs that leaves them alone (vfio-pci).
 */
#include "../lib/groups.h"
#include "bench.h"

static const struct group groups[] = {
    { "commands", test_commands },
    { "objects", test_objects },
    { "caps", test_caps },
    { "states", test_states },
    { "images", test_images },
    { "chunks", test_chunks },
    { "tracker", test_tracker },
    { "faults", test_faults },
    { "workload", test_workload },
    { "ethernet", test_ethernet },
    { "switching", test_switching },
    { "fuzz", test_fuzz },
    { "no-ethernet", test_no_ethernet },
    { "export", test_export },
    { "limited", test_limited },
    { "off", test_off },
    { "link", test_link },
    { "large", test_large },
    { "slow", test_slow },
    { "older", test_older },
    { "other-psid", test_other_psid },
    { }
};

int main(int argc, char **argv)
{
    static struct bench b;

    if (argc < 2)
        return groups_usage("bare", groups);
    bench_open(&b);
    groups_run(groups, &b, argv + 1);
    bench_close(&b);
    return tap_done();
}
