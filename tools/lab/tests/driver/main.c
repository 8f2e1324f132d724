// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * driver GROUP...: what a variant driver's users, administrators and firmware
 * can do to it. Runs in a lab VM, VFs bound to the driver under test.
 *
 * Written for ferry. The kernel's own mlx5_vfio_pci fails some of these tests,
 * for reasons that are known; that is how one sees that the tests can fail.
 */
#include <stdio.h>

#include "bench.h"

static const struct {
    const char *name;
    void (*run)(struct bench *b);
} groups[] = {
    { "streams", test_streams },
    { "failures", test_failures },
    { "never", test_never },
    { "allocations", test_allocations },
    { "races", test_races },
    { "removals", test_removals },
    { "readers", test_readers },
    { "interop", test_interop },
    { "scenario", test_scenario },
    { "teardown", test_teardown },      /* loads the modules again: comes last */
};
enum { GROUPS = sizeof(groups) / sizeof(*groups) };

static bool run_group(struct bench *b, const char *name)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        if (strcmp(groups[i].name, name))
            continue;
        double began = now_ms();

        tap_diag("%s", name);
        groups[i].run(b);
        tap_diag("%s took %.0f ms", name, now_ms() - began);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    static struct bench b;

    if (argc < 2) {
        fprintf(stderr, "usage: driver GROUP...\ngroups:");
        for (unsigned i = 0; i < GROUPS; i++)
            fprintf(stderr, " %s", groups[i].name);
        fputc('\n', stderr);
        return 2;
    }
    bench_open(&b);
    for (int i = 1; i < argc; i++)
        if (!run_group(&b, argv[i]))
            tap_bail("there is no group %s", argv[i]);
    return tap_done();
}
