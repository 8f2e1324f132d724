// SPDX-License-Identifier: GPL-2.0-only
/* Taking the driver from a PCI device and giving it back. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);

	return ret;
}

static int write_driver_file(const char *driver, const char *file, const char *device)
{
	char path[PATH_MAX];

	snprintf_assert(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, file);
	return write_file(path, device);
}

void mig_driver_name(const char *device, char *driver, size_t size)
{
	char link[PATH_MAX], target[PATH_MAX] = "";

	snprintf_assert(link, sizeof(link), "/sys/bus/pci/devices/%s/driver", device);
	VFIO_ASSERT_GT(readlink(link, target, sizeof(target) - 1), 0, "%s has no driver", device);
	snprintf_assert(driver, size, "%s", basename(target));
}

int __mig_driver_unbind(const char *device, const char *driver)
{
	return write_driver_file(driver, "unbind", device);
}

int __mig_driver_bind(const char *device, const char *driver)
{
	return write_driver_file(driver, "bind", device);
}

void mig_driver_rebind(const char *device)
{
	char driver[NAME_MAX];

	mig_driver_name(device, driver, sizeof(driver));
	VFIO_ASSERT_EQ(__mig_driver_unbind(device, driver), 0);
	VFIO_ASSERT_EQ(__mig_driver_bind(device, driver), 0);
}

int __mig_sysfs_reset(const char *device)
{
	char path[PATH_MAX];

	snprintf_assert(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", device);
	return write_file(path, "1");
}
