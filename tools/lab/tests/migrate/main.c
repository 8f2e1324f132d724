// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * migrate [--iommufd] TEST...: moves VFs through VFIO's migration interface.
 * Runs in a lab VM with mlx5_core on the PF and a migration driver on the VFs
 * ($FERRY_PF, $FERRY_VFS); which driver does not matter.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate.h"

static const struct {
    const char *name;
    void (*run)(struct setup *t);
} tests[] = {
    { "path", test_path },
    { "direct", test_direct },
    { "cancel", test_cancel },
    { "reinit", test_reinit },
    { "size", test_size },
    { "many", test_many },
    { "dirty", test_dirty },
    { "absent", test_absent },
    { "first-only", test_first_only },
    { "no-logging", test_no_logging },
    { "send", test_send },
    { "receive", test_receive },
};
enum { TESTS = sizeof(tests) / sizeof(*tests) };

static void find_functions(struct setup *t)
{
    const char *pf = getenv("FERRY_PF"), *vfs = getenv("FERRY_VFS");
    char *list, *name, *rest;
    void *bar2;

    if (!pf || !vfs)
        tap_bail("FERRY_PF and FERRY_VFS are not set: run this in the lab");
    list = rest = strdup(vfs);
    while ((name = strsep(&rest, " ")) && t->nvfs < 64)
        if (*name)
            snprintf(t->vf[t->nvfs++], PCI_NAME, "%s", name);
    free(list);
    if (!t->nvfs)
        tap_bail("there are no VFs");
    bar2 = pci_map_bar(pf, 2, BAR2_SIZE);
    if (bar2)
        t->control = control_of(bar2);
}

static bool run_test(struct setup *t, const char *name)
{
    for (unsigned i = 0; i < TESTS; i++) {
        double began = now_ms();

        if (strcmp(tests[i].name, name))
            continue;
        tap_diag("%s%s", name, t->backend == IO_IOMMUFD ? ", through IOMMUFD" : "");
        tests[i].run(t);
        tap_diag("%s took %.0f ms", name, now_ms() - began);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    static struct setup t;

    if (argc < 2) {
        fprintf(stderr, "usage: migrate [--iommufd] TEST...\ntests:");
        for (unsigned i = 0; i < TESTS; i++)
            fprintf(stderr, " %s", tests[i].name);
        fputc('\n', stderr);
        return 2;
    }
    find_functions(&t);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--iommufd")) {
            if (!io_backend_available(IO_IOMMUFD))
                tap_bail("there is no /dev/iommu");
            t.backend = IO_IOMMUFD;
        } else if (!run_test(&t, argv[i])) {
            tap_bail("there is no test %s", argv[i]);
        }
    }
    return tap_done();
}
