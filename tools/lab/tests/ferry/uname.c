// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded: the kernel's release is what UNAME_RELEASE says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int uname(struct utsname *name)
{
    int err = syscall(SYS_uname, name);

    snprintf(name->release, sizeof(name->release), "%s", getenv("UNAME_RELEASE"));
    return err;
}
