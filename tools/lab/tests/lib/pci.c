// SPDX-License-Identifier: GPL-2.0-or-later
/* PCI functions as sysfs shows them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pci.h"

#define DEVICE "/sys/bus/pci/devices/%s/%s"

int sysfs_write(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, value, strlen(value)) < 0)
        err = -errno;
    close(fd);
    return err;
}

int sysfs_read(const char *path, char *value, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    value[0] = 0;
    if (fd < 0)
        return -errno;
    n = read(fd, value, size - 1);
    close(fd);
    if (n < 0)
        return -errno;
    value[n] = 0;
    value[strcspn(value, "\n")] = 0;
    return 0;
}

static int write_attribute(const char *bdf, const char *name, const char *value)
{
    char path[128];

    snprintf(path, sizeof(path), DEVICE, bdf, name);
    return sysfs_write(path, value);
}

/* Last component of what a link of the function points to. */
static int read_link(const char *bdf, const char *link, char *name, size_t size)
{
    char path[128], target[256];
    ssize_t n;

    snprintf(path, sizeof(path), DEVICE, bdf, link);
    n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    target[n] = 0;
    snprintf(name, size, "%s", strrchr(target, '/') + 1);
    return 0;
}

void pci_driver(const char *bdf, char *name, size_t size)
{
    if (read_link(bdf, "driver", name, size))
        name[0] = 0;
}

int pci_unbind(const char *bdf)
{
    int err = write_attribute(bdf, "driver/unbind", bdf);

    return err == -ENOENT ? 0 : err;
}

int pci_bind(const char *bdf, const char *driver)
{
    char bound[64];
    int err;

    err = pci_unbind(bdf);
    if (!err)
        err = write_attribute(bdf, "driver_override", driver);
    if (!err)
        err = sysfs_write("/sys/bus/pci/drivers_probe", bdf);
    if (err)
        return err;
    pci_driver(bdf, bound, sizeof(bound));
    return strcmp(bound, driver) ? -ENODEV : 0;
}

int pci_sriov(const char *pf, unsigned vfs, bool autoprobe)
{
    char number[16];
    int err;

    snprintf(number, sizeof(number), "%u", vfs);
    err = write_attribute(pf, "sriov_drivers_autoprobe", autoprobe ? "1" : "0");
    return err ? err : write_attribute(pf, "sriov_numvfs", number);
}

int pci_vf_name(const char *pf, unsigned vf, char name[PCI_NAME])
{
    char link[32];

    snprintf(link, sizeof(link), "virtfn%u", vf);
    return read_link(pf, link, name, PCI_NAME);
}

int pci_group(const char *bdf)
{
    char name[32];
    int err = read_link(bdf, "iommu_group", name, sizeof(name));

    return err ? err : atoi(name);
}

int pci_reset(const char *bdf)
{
    return write_attribute(bdf, "reset", "1");
}

void *pci_map_bar(const char *bdf, unsigned bar, size_t size)
{
    char path[128], name[16];
    void *map;
    int fd;

    snprintf(name, sizeof(name), "resource%u", bar);
    snprintf(path, sizeof(path), DEVICE, bdf, name);
    fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}
