// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded: VFIO without a kernel that has it. A device is a file whose only
 * byte is its state, as a digit, so that a test reads it; in /dev/vfio/devices,
 * under its name, if it is not lent but opened through its group. It offers
 * STOP_COPY or what FAKE_OFFERS says, VFIO_MIGRATION_*, and what it saves is the
 * file FAKE_STATE. Where there is FAKE_TRACKS it tells what it wrote to, with
 * FAKE_BYTES how many bytes its state has, and into the state FAKE_REFUSES it does
 * not go. SIGUSR1 is the host that wants it back.
 *
 * And of the rest of a made-up machine: debugfs is mounted where ferry's folder is
 * in it, FAKE_UID asks, who may lock FAKE_MEMLOCK bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Newer than Debian 12's headers */
#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE 9
#endif
#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#endif
#define IOMMU_IOAS_ALLOC _IO(';', 0x81)

static int wanted = -1;

static void want_back(int number)
{
    uint64_t one = 1;

    (void)number;
    if (wanted >= 0 && write(wanted, &one, sizeof(one)) < 0)
        abort();
}

__attribute__((constructor)) static void listen_for_the_host(void)
{
    signal(SIGUSR1, want_back);
}

static int number_of(const char *name, int otherwise)
{
    const char *text = getenv(name);

    return text ? atoi(text) : otherwise;
}

static int state_of(int fd)
{
    char digit = '2';

    return pread(fd, &digit, 1, 0) == 1 ? digit - '0' : VFIO_DEVICE_STATE_ERROR;
}

static void set_state(int fd, int state)
{
    char digit = '0' + state;

    if (pwrite(fd, &digit, 1, 0) != 1)
        abort();
}

static int change_state(int fd, struct vfio_device_feature_mig_state *state)
{
    state->data_fd = -1;
    if ((int)state->device_state == number_of("FAKE_REFUSES", -1)) {
        errno = EIO;
        return -1;
    }
    if (state->device_state == VFIO_DEVICE_STATE_STOP_COPY)
        state->data_fd = open(getenv("FAKE_STATE"), O_RDONLY | O_CLOEXEC);
    if (state->device_state == VFIO_DEVICE_STATE_RESUMING)
        state->data_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    set_state(fd, state->device_state);
    return 0;
}

static int feature(int fd, struct vfio_device_feature *f)
{
    struct vfio_device_feature_migration migration = { .flags = number_of("FAKE_OFFERS", VFIO_MIGRATION_STOP_COPY) };
    struct vfio_device_feature_mig_state *state = (void *)f->data;
    uint64_t bytes = number_of("FAKE_BYTES", 0);

    switch (f->flags & VFIO_DEVICE_FEATURE_MASK) {
    case VFIO_DEVICE_FEATURE_MIGRATION:
        memcpy(f->data, &migration, sizeof(migration));
        return 0;
    case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
        if (f->flags & VFIO_DEVICE_FEATURE_SET)
            return change_state(fd, state);
        state->device_state = state_of(fd);
        return 0;
    case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE:
        memcpy(f->data, &bytes, sizeof(bytes));
        if (bytes)
            return 0;
        break;
    case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
        if (getenv("FAKE_TRACKS"))
            return 0;
        break;
    }
    errno = ENOTTY;
    return -1;
}

/* Is there a file of this name, with something behind it? */
static int beside(const char *path, const char *end)
{
    char other[512];

    snprintf(other, sizeof(other), "%s%s", path, end);
    return !syscall(SYS_faccessat, AT_FDCWD, other, F_OK);
}

/*
 * What is beneath /dev/vfio and has a FIFO of its name with ".stuck" waits as in a driver that waits for its firmware; with
 * ".busy" somebody has it, with ".denied" it is not for who asks.
 */
int open(const char *path, int flags, ...)
{
    char stuck[512];
    va_list arguments;
    int mode, fd;

    va_start(arguments, flags);
    mode = va_arg(arguments, int);
    va_end(arguments);
    snprintf(stuck, sizeof(stuck), "%s.stuck", path);
    fd = strncmp(path, "/dev/vfio/", 10) ? -1 : syscall(SYS_openat, AT_FDCWD, stuck, O_RDONLY);
    if (fd >= 0)
        close(fd);
    if (!strncmp(path, "/dev/vfio/", 10) && beside(path, ".busy")) {
        errno = EBUSY;
        return -1;
    }
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int access(const char *path, int mode)
{
    if (!strncmp(path, "/dev/", 5) && mode != F_OK && beside(path, ".denied")) {
        errno = EACCES;
        return -1;
    }
    return syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

uid_t geteuid(void)
{
    return number_of("FAKE_UID", syscall(SYS_geteuid));
}

int getrlimit(__rlimit_resource_t what, struct rlimit *limit)
{
    int err = syscall(SYS_prlimit64, 0, what, NULL, limit);

    if (!err && what == RLIMIT_MEMLOCK)
        limit->rlim_cur = number_of("FAKE_MEMLOCK", limit->rlim_cur);
    return err;
}

int statfs(const char *path, struct statfs *fs)
{
    int err = syscall(SYS_statfs, path, fs);

    if (!err && !strcmp(path, "/sys/kernel/debug") && beside(path, "/vfio_ferry"))
        fs->f_type = DEBUGFS_MAGIC;
    return err;
}

static int open_device(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
    return open(path, O_RDWR | O_CLOEXEC);
}

static int request_irq(struct vfio_irq_set *set)
{
    int fd;

    memcpy(&fd, set->data, sizeof(fd));
    if (set->index != VFIO_PCI_REQ_IRQ_INDEX)
        abort();
    wanted = fd < 0 ? fd : dup(fd);
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    switch (request) {
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
    case VFIO_SET_IOMMU:
    case VFIO_DEVICE_BIND_IOMMUFD:
    case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
    case IOMMU_IOAS_ALLOC:
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return open_device(argument);
    case VFIO_DEVICE_GET_INFO:
        ((struct vfio_device_info *)argument)->flags = VFIO_DEVICE_FLAGS_RESET;
        return 0;
    case VFIO_DEVICE_FEATURE:
        return feature(fd, argument);
    case VFIO_DEVICE_SET_IRQS:
        return request_irq(argument);
    case VFIO_DEVICE_RESET:
        set_state(fd, VFIO_DEVICE_STATE_RUNNING);
        return 0;
    }
    return syscall(SYS_ioctl, fd, request, argument);
}
