// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a mediated device, which libvfio cannot: it has no PCI address, but
 * a UUID, a group and, on kernels with IOMMUFD, a character device of its own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <libvfio.h>
#include <libmigration.h>

bool mdev_cdev_path(const char *uuid, char *path, size_t size)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf_assert(folder, sizeof(folder), "/sys/bus/mdev/devices/%s/vfio-dev", uuid);
	dir = opendir(folder);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, "vfio", 4);
		if (found)
			snprintf_assert(path, size, "/dev/vfio/devices/%s", entry->d_name);
	}
	closedir(dir);

	return found && !access(path, F_OK);
}

static void open_cdev(struct vfio_pci_device *device)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = device->iommu->ioas_id,
	};
	char path[PATH_MAX];

	VFIO_ASSERT_TRUE(mdev_cdev_path(device->bdf, path, sizeof(path)));
	device->fd = open(path, O_RDWR);
	VFIO_ASSERT_GE(device->fd, 0, "open(%s) failed\n", path);
	VFIO_ASSERT_EQ(__vfio_device_bind_iommufd(device->fd, device->iommu->iommufd, NULL), 0);
	ioctl_assert(device->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

static void open_group(struct vfio_pci_device *device)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char link[PATH_MAX], target[PATH_MAX] = "", path[PATH_MAX];

	snprintf_assert(link, sizeof(link), "/sys/bus/mdev/devices/%s/iommu_group", device->bdf);
	VFIO_ASSERT_GT(readlink(link, target, sizeof(target) - 1), 0, "%s has no group\n",
		       device->bdf);
	snprintf_assert(path, sizeof(path), "/dev/vfio/%s", basename(target));

	device->group_fd = open(path, O_RDWR);
	VFIO_ASSERT_GE(device->group_fd, 0, "open(%s) failed\n", path);
	ioctl_assert(device->group_fd, VFIO_GROUP_GET_STATUS, &status);
	VFIO_ASSERT_TRUE(status.flags & VFIO_GROUP_FLAGS_VIABLE);
	ioctl_assert(device->group_fd, VFIO_GROUP_SET_CONTAINER, &device->iommu->container_fd);
	vfio_container_set_iommu(device);
	__vfio_pci_group_get_device_fd(device, device->bdf, NULL);
	VFIO_ASSERT_GE(device->fd, 0);
}

struct vfio_pci_device *mdev_device_init(const char *uuid, struct iommu *iommu)
{
	struct vfio_pci_device *device = vfio_pci_device_alloc(uuid, iommu);
	struct vfio_region_info *config = &device->config_space;

	if (iommu->mode->container_path)
		open_group(device);
	else
		open_cdev(device);

	device->info.argsz = sizeof(device->info);
	ioctl_assert(device->fd, VFIO_DEVICE_GET_INFO, &device->info);
	config->argsz = sizeof(*config);
	config->index = VFIO_PCI_CONFIG_REGION_INDEX;
	ioctl_assert(device->fd, VFIO_DEVICE_GET_REGION_INFO, config);
	for (int i = 0; i < PCI_STD_NUM_BARS; i++) {
		struct vfio_region_info *bar = &device->bars[i].info;

		bar->argsz = sizeof(*bar);
		bar->index = i;
		ioctl_assert(device->fd, VFIO_DEVICE_GET_REGION_INFO, bar);
	}
	for (int i = 0; i < (int)ARRAY_SIZE(device->msi_eventfds); i++)
		device->msi_eventfds[i] = -1;

	return device;
}
