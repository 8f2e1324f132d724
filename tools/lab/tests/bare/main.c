// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bare GROUP...: the model's firmware interface, with no mlx5_core.
 * Runs in a lab VM with a driver for VFs that leaves them alone (vfio-pci).
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct {
    const char *name;
    void (*run)(struct bench *b);
} groups[] = {
    { "commands", test_commands },
    { "objects", test_objects },
    { "caps", test_caps },
    { "states", test_states },
    { "images", test_images },
    { "chunks", test_chunks },
    { "tracker", test_tracker },
    { "faults", test_faults },
    { "workload", test_workload },
    { "export", test_export },
    { "limited", test_limited },
    { "off", test_off },
    { "large", test_large },
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
        fprintf(stderr, "usage: bare GROUP...\ngroups:");
        for (unsigned i = 0; i < GROUPS; i++)
            fprintf(stderr, " %s", groups[i].name);
        fputc('\n', stderr);
        return 2;
    }
    bench_open(&b);
    for (int i = 1; i < argc; i++)
        if (!run_group(&b, argv[i]))
            tap_bail("there is no group %s", argv[i]);
    bench_close(&b);
    return tap_done();
}
