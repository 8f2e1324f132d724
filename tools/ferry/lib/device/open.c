// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a function through VFIO, and saying why it does not open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/host.h>

#include "../base/sysfs.h"
#include "device.h"
#include "uapi.h"

#define SYSFS_MAX	160

/* "01:00.1" or "0000:01:00.1", to the latter; an mdev's UUID is its own name. */
static int name_of(const char *text, char *name, const char **bus, struct ferry_error *error)
{
	if (!ferry_address(name, text, NULL)) {
		*bus = "pci";
		return 0;
	}
	if (strlen(text) == 36 && strspn(text, "0123456789abcdefABCDEF-") == 36) {
		snprintf(name, FERRY_NAME_MAX, "%s", text);
		*bus = "mdev";
		return 0;
	}
	return ferry_fail(error, EINVAL, "'%.64s' is no PCI address like 0000:01:00.1, nor a mediated device's UUID",
			  text);
}

/* "vfioN" if the kernel made a character device for it. */
static bool cdev_of(const char *sysfs, char *path, size_t size)
{
	char folder[SYSFS_MAX + 16];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/vfio-dev", sysfs);
	dir = opendir(folder);
	while (dir && !found && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, size, "/dev/vfio/devices/%.32s", entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found && !access(path, F_OK) && !access("/dev/iommu", F_OK);
}

static int not_opened(struct ferry_device *d, const char *path, struct ferry_error *error)
{
	int code = errno;

	switch (code) {
	case EBUSY:
		return ferry_fail(error, code, "%s is in use: another program has it open; end that one, or have it lend the device (--device-fd)",
				  d->name);
	case EACCES:
	case EPERM:
		return ferry_fail(error, code, "%s: no permission to open %s; be root, or let its owner give it to you",
				  d->name, path);
	default:
		return ferry_fail(error, code, "%s: opening %s: %s; `ferry doctor %s` looks for the cause", d->name,
				  path, strerror(code), d->name);
	}
}

/* ---- by its character device ---- */

static int open_cdev(struct ferry_device *d, const char *path, struct ferry_error *error)
{
	struct ferry_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };

	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return not_opened(d, path, error);
	d->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (d->iommu < 0)
		return not_opened(d, "/dev/iommu", error);
	bind.iommufd = d->iommu;
	if (ioctl(d->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return not_opened(d, path, error);
	if (ioctl(d->iommu, IOMMU_IOAS_ALLOC, &alloc))
		return not_opened(d, "/dev/iommu", error);
	attach.pt_id = alloc.out_ioas_id;
	if (ioctl(d->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return not_opened(d, path, error);
	d->ioas = alloc.out_ioas_id;
	return 0;
}

/* ---- by its group ---- */

static int join_container(struct ferry_device *d, const char *path, struct ferry_error *error)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(d->group, VFIO_GROUP_GET_STATUS, &status))
		return not_opened(d, path, error);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return ferry_fail(error, EPERM, "%s shares its IOMMU group with functions that host drivers use; `ferry doctor %s` names them",
				  d->name, d->name);
	d->iommu = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (d->iommu < 0)
		return not_opened(d, "/dev/vfio/vfio", error);
	if (ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->iommu))
		return not_opened(d, path, error);
	if (ioctl(d->iommu, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return ferry_fail(error, errno, "%s: the kernel offers no type 1 IOMMU: %s; load vfio_iommu_type1",
				  d->name, strerror(errno));
	return 0;
}

static int open_group(struct ferry_device *d, const char *sysfs, struct ferry_error *error)
{
	char path[SYSFS_MAX + 16], number[16];
	int err;

	if (!ferry_sysfs_link(number, sizeof(number), "%s/iommu_group", sysfs))
		return ferry_fail(error, ENODEV, "%s is in no IOMMU group: the IOMMU is off; `ferry doctor %s` tells how to switch it on",
				  d->name, d->name);
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	if (access(path, F_OK))
		return ferry_fail(error, ENODEV, "%s has no %s, although a driver is bound to it; `ferry bind %s` binds one that migrates",
				  d->name, path, d->name);
	d->group = open(path, O_RDWR | O_CLOEXEC);
	if (d->group < 0)
		return not_opened(d, path, error);
	err = join_container(d, path, error);
	if (err)
		return err;
	d->fd = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, d->name);
	return d->fd < 0 ? not_opened(d, path, error) : 0;
}

/* ---- both ---- */

static struct ferry_device *new_device(const char *name)
{
	struct ferry_device *d = calloc(1, sizeof(*d));

	if (d) {
		snprintf(d->name, sizeof(d->name), "%s", name);
		d->fd = -1;
		d->group = -1;
		d->iommu = -1;
		d->request = -1;
	}
	return d;
}

static int open_somehow(struct ferry_device *d, const char *bus, struct ferry_error *error)
{
	char sysfs[SYSFS_MAX], path[SYSFS_MAX + 16];

	snprintf(sysfs, sizeof(sysfs), "/sys/bus/%s/devices/%s", bus, d->name);
	if (access(sysfs, F_OK))
		return ferry_fail(error, ENODEV, "there is no %s here; `ferry list` shows what there is", d->name);
	if (!ferry_sysfs_link(d->driver, sizeof(d->driver), "%s/driver", sysfs))
		return ferry_fail(error, ENODEV, "%s is bound to no driver; `ferry bind %s` binds one that migrates",
				  d->name, d->name);
	/*
	 * A function with a host driver has a group, too, whose file is there
	 * if another one of the group is VFIO's.
	 */
	snprintf(path, sizeof(path), "%s/vfio-dev", sysfs);
	if (access(path, F_OK))
		return ferry_fail(error, ENODEV, "%s is bound to %s, which is no VFIO driver; `ferry bind %s` binds one that migrates",
				  d->name, d->driver, d->name);
	if (cdev_of(sysfs, path, sizeof(path)))
		return open_cdev(d, path, error);
	return open_group(d, sysfs, error);
}

FERRY_API int ferry_device_open(struct ferry_device **device, const char *name, struct ferry_error *error)
{
	char full[FERRY_NAME_MAX];
	struct ferry_device *d;
	const char *bus;
	int err;

	*device = NULL;
	err = name_of(name, full, &bus, error);
	if (err)
		return err;
	d = new_device(full);
	if (!d)
		return ferry_fail(error, ENOMEM, "no memory");
	err = open_somehow(d, bus, error);
	if (!err)
		err = ferry_device_look(d, error);
	if (err) {
		ferry_device_close(d);
		return err;
	}
	*device = d;
	return 0;
}

FERRY_API int ferry_device_adopt(struct ferry_device **device, const char *name, int fd,
				 struct ferry_error *error)
{
	char full[FERRY_NAME_MAX];
	struct ferry_device *d;
	const char *bus;
	int err;

	*device = NULL;
	err = name_of(name, full, &bus, error);
	if (err)
		return err;
	d = new_device(full);
	if (!d)
		return ferry_fail(error, ENOMEM, "no memory");
	d->adopted = true;
	ferry_sysfs_link(d->driver, sizeof(d->driver), "/sys/bus/%s/devices/%s/driver", bus, d->name);
	d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (d->fd < 0)
		err = ferry_fail(error, errno, "file descriptor %d for %s: %s", fd, d->name, strerror(errno));
	else
		err = ferry_device_look(d, error);
	if (err) {
		ferry_device_close(d);
		return err;
	}
	*device = d;
	return 0;
}

FERRY_API void ferry_device_close(struct ferry_device *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	if (d->group >= 0)
		close(d->group);
	if (d->iommu >= 0)
		close(d->iommu);
	if (d->request >= 0)
		close(d->request);
	free(d);
}
