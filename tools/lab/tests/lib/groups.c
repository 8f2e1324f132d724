// SPDX-License-Identifier: GPL-2.0-or-later
/* Groups of tests by name. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "tap.h"

int groups_usage(const char *program, const struct group *groups)
{
    fprintf(stderr, "usage: %s GROUP...\ngroups:", program);
    for (; groups->name; groups++)
        fprintf(stderr, " %s", groups->name);
    fputc('\n', stderr);
    return 2;
}

static bool run_group(const struct group *groups, struct bench *b, const char *name)
{
    for (; groups->name; groups++) {
        double began = now_ms();

        if (strcmp(groups->name, name))
            continue;
        tap_diag("%s", name);
        groups->run(b);
        tap_diag("%s took %.0f ms", name, now_ms() - began);
        return true;
    }
    return false;
}

void groups_run(const struct group *groups, struct bench *b, char *const names[])
{
    for (; *names; names++)
        if (!run_group(groups, b, *names))
            tap_bail("there is no group %s", *names);
}
