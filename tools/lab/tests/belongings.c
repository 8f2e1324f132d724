// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * belongings PF: prints what the PF has in the model, in a line: armed faults,
 * and its objects of each kind. What takes turns in a VM leaves it as it was.
 * mlx5_core makes EQs when they are first wanted, and keeps them.
 */
#include <stdio.h>

#include "lib/bar2.h"
#include "lib/pci.h"
#include "lib/tap.h"

int main(int argc, char **argv)
{
    struct bar2 control;

    if (argc != 2)
        tap_bail("usage: belongings PF");
    control = control_of(pci_map_bar(argv[1], 2, BAR2_SIZE));
    printf("%llu armed faults, objects", (unsigned long long)ctl_read(control, CB_FAULT_ARM));
    for (unsigned kind = OBJECT_UAR; kind < OBJECT_KINDS; kind++)
        if (kind != OBJECT_EQ)
            printf(" %llu", (unsigned long long)ctl_objects(control, VHCA_ID_PF, kind));
    printf("\n");
    return 0;
}
