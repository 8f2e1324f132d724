// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../connectx/ifc.h"
#include "mlx5cmd.h"
#include "tap.h"

static bool debugfs_io(const char *bdf, const char *name, bool writing, void *data, size_t len)
{
    char path[128];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/sys/kernel/debug/mlx5/%s/cmd/%s", bdf, name);
    fd = open(path, writing ? O_WRONLY : O_RDONLY);
    if (fd < 0)
        tap_bail("%s: %s", path, strerror(errno));
    n = writing ? write(fd, data, len) : read(fd, data, len);
    close(fd);
    return n == (ssize_t)len;
}

bool mlx5_command(const char *bdf, const void *in, size_t inlen, void *out, size_t outlen)
{
    char len[16], run[] = "go";

    snprintf(len, sizeof(len), "%zu", outlen);
    if (!debugfs_io(bdf, "in", true, (void *)in, inlen) || !debugfs_io(bdf, "out_len", true, len, strlen(len)))
        tap_bail("mlx5_core's debugfs takes no command");
    return debugfs_io(bdf, "run", true, run, 2) && debugfs_io(bdf, "out", false, out, outlen) &&
           ifc_get(out, F_OUT_STATUS) == ST_OK;
}
