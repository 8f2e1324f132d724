// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * driver GROUP...: what a variant driver's users, administrators and firmware
 * can do to it. Runs in a lab VM, VFs bound to the driver under test.
 *
 * Written for ferry. The kernel's own mlx5_vfio_pci fails some of these tests,
 * for reasons that are known; that is how one sees that the tests can fail.
 */
#include "../lib/groups.h"
#include "stand.h"

static const struct group groups[] = {
    { "streams", test_streams },
    { "shapes", test_shapes },
    { "other-shape", test_other_shape },
    { "never", test_never },
    { "allocations", test_allocations },
    { "removals", test_removals },
    { "deaths", test_deaths },
    { "buried", test_buried },
    { "readers", test_readers },
    { "interop", test_interop },
    { "region", test_region },
    { "memory", test_memory },
    { "longest", test_longest },
    { "backlog", test_backlog },
    { "initial", test_initial },
    { "waits", test_waits },
    { "log", test_log },
    { "shown", test_shown },
    { "pressure", test_pressure },
    { "cancel", test_cancel },
    { "closing", test_closing },
    { "turns", test_turns },
    { "undone", test_undone },
    { "tracks", test_tracks },
    { "pace", test_pace },
    { "lost", test_lost },
    { "comeback", test_comeback },
    { "parts", test_parts },
    { "splice", test_splice },
    { "yields", test_yields },
    { "tracking", test_tracking },
    { "many-tracked", test_many_tracked },
    { "shadow", test_shadow },
    { "coarse", test_coarse },
    { "reports", test_reports },
    { "tracked-unanswered", test_tracked_unanswered },
    { "scenario", test_scenario },
    { "busy", test_busy },
    { "teardown", test_teardown },      /* loads the modules again: comes last */
    { }
};

int main(int argc, char **argv)
{
    static struct bench b;

    if (argc < 2)
        return groups_usage("driver", groups);
    bench_open(&b);
    groups_run(groups, &b, argv + 1);
    return tap_done();
}
