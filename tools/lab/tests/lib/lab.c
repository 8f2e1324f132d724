// SPDX-License-Identifier: GPL-2.0-or-later
/* What a program in a lab VM tells the lab, by way of the kernel's log and of files. */
#include <stdio.h>
#include <stdlib.h>

#include "lab.h"
#include "pci.h"
#include "tap.h"

void lab_expect(const char *regex)
{
    char line[256];

    snprintf(line, sizeof(line), "lab: expect %s\n", regex);
    if (sysfs_write("/dev/kmsg", line))
        tap_bail("cannot announce a kernel report");
}

FILE *lab_file(const char *folder, const char *name, const char *mode)
{
    const char *where = getenv(folder);
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", where ? where : ".", name);
    f = fopen(path, mode);
    if (!f)
        tap_bail("cannot open %s", path);
    return f;
}
