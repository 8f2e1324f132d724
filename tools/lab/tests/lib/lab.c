// SPDX-License-Identifier: GPL-2.0-or-later
/* What a program in a lab VM tells the lab, by way of the kernel's log. */
#include <stdio.h>

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
