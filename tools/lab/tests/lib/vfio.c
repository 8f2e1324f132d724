// SPDX-License-Identifier: GPL-2.0-or-later
/* A PCI function opened through VFIO. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio.h"

static int check(int result)
{
    return result < 0 ? -errno : result;
}

/* ---- I/O address spaces ---- */

bool io_backend_available(enum io_backend backend)
{
    return !access(backend == IO_IOMMUFD ? "/dev/iommu" : "/dev/vfio/vfio", R_OK | W_OK);
}

int io_space_open(struct io_space *s, enum io_backend backend)
{
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    int err;

    *s = (struct io_space){ .backend = backend };
    s->fd = open(backend == IO_IOMMUFD ? "/dev/iommu" : "/dev/vfio/vfio",
                 O_RDWR | O_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    if (backend == IO_CONTAINER)
        return 0;
    err = check(ioctl(s->fd, IOMMU_IOAS_ALLOC, &alloc));
    s->ioas = alloc.out_ioas_id;
    return err;
}

void io_space_close(struct io_space *s)
{
    close(s->fd);
}

int io_map(struct io_space *s, uint64_t iova, void *va, uint64_t size)
{
    struct vfio_iommu_type1_dma_map type1 = {
        .argsz = sizeof(type1),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)va,
        .iova = iova,
        .size = size,
    };
    struct iommu_ioas_map ioas = {
        .size = sizeof(ioas),
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
                 IOMMU_IOAS_MAP_READABLE,
        .ioas_id = s->ioas,
        .user_va = (uintptr_t)va,
        .length = size,
        .iova = iova,
    };

    if (s->backend == IO_IOMMUFD)
        return check(ioctl(s->fd, IOMMU_IOAS_MAP, &ioas));
    return check(ioctl(s->fd, VFIO_IOMMU_MAP_DMA, &type1));
}

int io_unmap(struct io_space *s, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_unmap type1 = {
        .argsz = sizeof(type1), .iova = iova, .size = size,
    };
    struct iommu_ioas_unmap ioas = {
        .size = sizeof(ioas), .ioas_id = s->ioas, .iova = iova, .length = size,
    };

    if (s->backend == IO_IOMMUFD)
        return check(ioctl(s->fd, IOMMU_IOAS_UNMAP, &ioas));
    return check(ioctl(s->fd, VFIO_IOMMU_UNMAP_DMA, &type1));
}

/* ---- opening ---- */

static int join_container(struct vfio_function *f)
{
    struct io_space *s = f->space;
    int err = check(ioctl(f->group, VFIO_GROUP_SET_CONTAINER, &s->fd));

    if (err || s->ready)
        return err;
    err = check(ioctl(s->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
    s->ready = !err;
    return err;
}

static int open_by_group(struct vfio_function *f, const char *token)
{
    char path[64], name[128];
    int err;

    err = pci_group(f->bdf);
    if (err < 0)
        return err;
    snprintf(path, sizeof(path), "/dev/vfio/%d", err);
    f->group = open(path, O_RDWR | O_CLOEXEC);
    if (f->group < 0)
        return -errno;
    err = join_container(f);
    if (!err) {
        snprintf(name, sizeof(name), "%s%s%s", f->bdf,
                 token ? " vf_token=" : "", token ? token : "");
        f->fd = ioctl(f->group, VFIO_GROUP_GET_DEVICE_FD, name);
        err = f->fd < 0 ? -errno : 0;
    }
    if (err)
        close(f->group);
    return err;
}

static int open_cdev(const char *bdf)
{
    char path[128];
    struct dirent *e;
    DIR *d;
    int fd = -ENODEV;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, "vfio", 4))
            continue;
        snprintf(path, sizeof(path), "/dev/vfio/devices/%.32s", e->d_name);
        fd = check(open(path, O_RDWR | O_CLOEXEC));
        break;
    }
    if (d)
        closedir(d);
    return fd;
}

static int parse_uuid(const char *text, uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++) {
        unsigned byte;

        text += *text == '-';
        if (sscanf(text, "%2x", &byte) != 1)
            return -EINVAL;
        uuid[i] = byte;
        text += 2;
    }
    return 0;
}

static int open_by_cdev(struct vfio_function *f, const char *token)
{
    uint8_t uuid[16];
    struct vfio_device_bind_iommufd_token bind = {
        .argsz = token ? sizeof(bind) : 16,
        .flags = token ? VFIO_DEVICE_BIND_FLAG_TOKEN : 0,
        .iommufd = f->space->fd,
        .token_uuid_ptr = (uintptr_t)uuid,
    };
    struct vfio_device_attach_iommufd_pt attach = {
        .argsz = sizeof(attach), .pt_id = f->space->ioas,
    };
    int err;

    if (token && parse_uuid(token, uuid))
        return -EINVAL;
    f->fd = open_cdev(f->bdf);
    if (f->fd < 0)
        return f->fd;
    err = check(ioctl(f->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
    if (!err)
        err = check(ioctl(f->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
    if (err)
        close(f->fd);
    return err;
}

static int region_info(struct vfio_function *f, unsigned index,
                       struct vfio_region_info *info)
{
    *info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
    return check(ioctl(f->fd, VFIO_DEVICE_GET_REGION_INFO, info));
}

int vfio_open(struct vfio_function *f, struct io_space *s, const char *bdf,
              const char *token)
{
    struct vfio_region_info config;
    int err;

    *f = (struct vfio_function){ .space = s, .group = -1, .fd = -1, .event = -1 };
    snprintf(f->bdf, sizeof(f->bdf), "%s", bdf);
    err = s->backend == IO_IOMMUFD ? open_by_cdev(f, token) : open_by_group(f, token);
    if (err)
        return err;
    err = region_info(f, VFIO_PCI_CONFIG_REGION_INDEX, &config);
    f->config = config.offset;
    if (!err)
        err = vfio_enable(f, true);
    if (err)
        vfio_close(f);
    return err;
}

void vfio_close(struct vfio_function *f)
{
    for (unsigned i = 0; i < f->vectors; i++)
        close(f->irq[i]);
    for (unsigned i = 0; i < 6; i++)
        if (f->bar[i].at)
            munmap(f->bar[i].at, f->bar[i].size);
    memset(f->bar, 0, sizeof(f->bar));
    close(f->fd);
    if (f->group >= 0)
        close(f->group);
    f->fd = f->group = -1;
    f->vectors = 0;
    if (f->event >= 0)
        close(f->event);
    f->event = -1;
}

int vfio_reset(struct vfio_function *f)
{
    return check(ioctl(f->fd, VFIO_DEVICE_RESET));
}

/* ---- regions ---- */

void *vfio_map_bar(struct vfio_function *f, unsigned bar, size_t *size)
{
    struct vfio_region_info info;
    void *map;

    if (region_info(f, bar, &info) || !(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
        return NULL;
    map = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, info.offset);
    if (map == MAP_FAILED)
        return NULL;
    f->bar[bar] = (struct vfio_map){ map, info.size };
    if (size)
        *size = info.size;
    return map;
}

int vfio_config_read(struct vfio_function *f, unsigned offset, void *data, unsigned len)
{
    return pread(f->fd, data, len, f->config + offset) == (ssize_t)len ? 0 : -EIO;
}

int vfio_config_write(struct vfio_function *f, unsigned offset, const void *data, unsigned len)
{
    return pwrite(f->fd, data, len, f->config + offset) == (ssize_t)len ? 0 : -EIO;
}

int vfio_enable(struct vfio_function *f, bool on)
{
    const uint16_t memory_and_master = 0x6;
    uint16_t command;
    int err = vfio_config_read(f, 4, &command, sizeof(command));

    if (err)
        return err;
    command = on ? command | memory_and_master : command & ~memory_and_master;
    return vfio_config_write(f, 4, &command, sizeof(command));
}

/* ---- interrupts ---- */

int vfio_msix_enable(struct vfio_function *f, unsigned vectors)
{
    struct {
        struct vfio_irq_set set;
        int fds[VFIO_MAX_VECTORS];
    } irqs = {
        .set = {
            .argsz = sizeof(irqs.set) + vectors * sizeof(int),
            .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
            .index = VFIO_PCI_MSIX_IRQ_INDEX,
            .count = vectors,
        },
    };

    if (f->vectors || vectors > VFIO_MAX_VECTORS)
        return -EINVAL;
    for (unsigned i = 0; i < vectors; i++) {
        f->irq[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (f->irq[i] < 0)
            return -errno;
        irqs.fds[i] = f->irq[i];
        f->vectors = i + 1;
    }
    return check(ioctl(f->fd, VFIO_DEVICE_SET_IRQS, &irqs));
}

void vfio_msix_disable(struct vfio_function *f)
{
    struct vfio_irq_set set = {
        .argsz = sizeof(set),
        .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
    };

    ioctl(f->fd, VFIO_DEVICE_SET_IRQS, &set);
    for (unsigned i = 0; i < f->vectors; i++)
        close(f->irq[i]);
    f->vectors = 0;
}

uint64_t vfio_irq_wait(struct vfio_function *f, unsigned vector, int ms)
{
    struct pollfd p = { .fd = f->irq[vector], .events = POLLIN };
    uint64_t count = 0;

    if (poll(&p, 1, ms) == 1 && read(p.fd, &count, sizeof(count)) != sizeof(count))
        return 0;
    return count;
}

int vfio_event_watch(struct vfio_function *f, unsigned index)
{
    struct {
        struct vfio_irq_set set;
        int fd;
    } irq = {
        .set = {
            .argsz = sizeof(irq),
            .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
            .index = index,
            .count = 1,
        },
    };

    irq.fd = f->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return check(ioctl(f->fd, VFIO_DEVICE_SET_IRQS, &irq));
}

bool vfio_event_seen(struct vfio_function *f)
{
    uint64_t count;

    return read(f->event, &count, sizeof(count)) == sizeof(count);
}

/* ---- features ---- */

int vfio_feature(struct vfio_function *f, uint32_t flags, void *data, size_t len)
{
    struct {
        struct vfio_device_feature header;
        uint8_t data[64];
    } arg = { .header = { .argsz = sizeof(arg.header) + len, .flags = flags } };
    int err;

    if (len > sizeof(arg.data))
        return -E2BIG;
    if (len)
        memcpy(arg.data, data, len);
    err = check(ioctl(f->fd, VFIO_DEVICE_FEATURE, &arg));
    if (len)
        memcpy(data, arg.data, len);
    return err;
}
