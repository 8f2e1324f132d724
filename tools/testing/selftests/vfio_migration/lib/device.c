// SPDX-License-Identifier: GPL-2.0-only
/* The devices under test. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uuid/uuid.h>

#include <libvfio.h>
#include <libmigration.h>

#include "kselftest.h"

#define MAX_DEVICES 64

static const char *names[MAX_DEVICES];
static unsigned int count;

static bool is_uuid(const char *name)
{
	uuid_t uuid;

	return !uuid_parse(name, uuid);
}

bool mig_device_is_pci(const char *name)
{
	unsigned int domain, bus, slot, function;
	int length = 0;

	return sscanf(name, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &length) == 4 &&
	       !name[length];
}

static bool is_device(const char *name)
{
	return mig_device_is_pci(name) || is_uuid(name);
}

static void usage(const char *program)
{
	fprintf(stderr,
		"No device named. One or two that are bound to the driver under test, by PCI\n"
		"address or, mediated devices, by UUID:\n\n"
		"    %s [options] 0000:01:00.1 0000:01:00.2\n\n"
		"or in the environment: VFIO_MIGRATION_DEVICES=\"0000:01:00.1 0000:01:00.2\".\n"
		"With two, streams of the first are loaded into the second.\n"
		"VFIO_MIGRATION_IOMMU chooses a mode: " MODE_IOMMUFD ", " MODE_VFIO_TYPE1V2_IOMMU
		", ...\n", program);
	exit(KSFT_SKIP);
}

static void add(const char *name)
{
	if (!is_device(name)) {
		fprintf(stderr, "%s is neither a PCI address (0000:01:00.1) nor a UUID\n", name);
		exit(KSFT_FAIL);
	}
	VFIO_ASSERT_LT(count, MAX_DEVICES);
	names[count++] = name;
}

void mig_devices_get(int *argc, char *argv[])
{
	char *list = getenv("VFIO_MIGRATION_DEVICES");
	int first = *argc;

	while (first > 1 && is_device(argv[first - 1]))
		first--;
	for (int i = first; i < *argc; i++)
		add(argv[i]);
	*argc = first;
	if (!count && list)
		for (char *name = strtok(strdup(list), " "); name; name = strtok(NULL, " "))
			add(name);
	/* Listing the tests takes no device. */
	if (!count && !(*argc > 1 && (!strcmp(argv[1], "-l") || !strcmp(argv[1], "-h"))))
		usage(argv[0]);
}

unsigned int mig_devices_count(void)
{
	return count;
}

const char *mig_devices_name(unsigned int number)
{
	VFIO_ASSERT_LT(number, count);
	return names[number];
}

static bool has_cdev(const char *name)
{
	char path[PATH_MAX];

	if (!mig_device_is_pci(name))
		return mdev_cdev_path(name, path, sizeof(path));
	snprintf_assert(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", name);
	return !access(path, F_OK) && !access("/dev/vfio/devices", F_OK);
}

const char *mig_iommu_mode_missing(const char *name, const char *mode)
{
	bool iommufd = !access("/dev/iommu", R_OK | W_OK);

	if (!strcmp(mode, MODE_IOMMUFD)) {
		if (!iommufd)
			return "the kernel has no /dev/iommu (CONFIG_IOMMUFD)";
		return has_cdev(name) ?
			       NULL :
			       "the device has no character device (CONFIG_VFIO_DEVICE_CDEV)";
	}
	if (!strncmp(mode, MODE_IOMMUFD, strlen(MODE_IOMMUFD)))
		return iommufd ? NULL : "the kernel has no /dev/iommu (CONFIG_IOMMUFD)";
	return access("/dev/vfio/vfio", R_OK | W_OK) ?
		       "the kernel has no /dev/vfio/vfio (CONFIG_VFIO_CONTAINER)" :
		       NULL;
}

const char *mig_iommu_mode(const char *name)
{
	const char *mode = getenv("VFIO_MIGRATION_IOMMU");

	if (mode)
		return mode;
	return mig_iommu_mode_missing(name, MODE_IOMMUFD) ? MODE_VFIO_TYPE1V2_IOMMU : MODE_IOMMUFD;
}

void mig_device_enable(struct mig_device *device)
{
	vfio_pci_cmd_set(device->vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static struct mig_device *device_open(const char *name, const char *mode)
{
	struct vfio_device_feature_migration migration = { };
	struct mig_device *device = calloc_assert(1, sizeof(*device));

	device->name = name;
	device->iommu = iommu_init(mode);
	device->vfio = mig_device_is_pci(name) ? vfio_pci_device_init(name, device->iommu) :
						 mdev_device_init(name, device->iommu);
	device->fd = device->vfio->fd;
	mig_device_enable(device);
	if (!__vfio_feature(device->fd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION,
			    &migration, sizeof(migration)))
		device->flags = migration.flags;
	if (device->flags) {
		device->first_state = mig_state_get(device);
		if (device->first_state != VFIO_DEVICE_STATE_RUNNING)
			mig_device_reset(device);
	}
	device->workload = workload_find(device);
	/* A test that failed may have left the firmware slow, or failing. */
	mig_fast(device);

	return device;
}

struct mig_device *mig_device_open_mode(const char *name, const char *mode)
{
	struct mig_device *device = device_open(name, mode);

	if (device->flags && mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
		mig_device_reset(device);
	return device;
}

struct mig_device *mig_device_open(const char *name)
{
	return mig_device_open_mode(name, mig_iommu_mode(name));
}

struct mig_device *mig_device_open_as_is(const char *name)
{
	return device_open(name, mig_iommu_mode(name));
}

void mig_device_close(struct mig_device *device)
{
	if (!device)
		return;
	if (device->workload && device->workload->remove)
		device->workload->remove(device);
	vfio_pci_device_cleanup(device->vfio);
	iommu_cleanup(device->iommu);
	free(device);
}

void mig_device_reset(struct mig_device *device)
{
	vfio_pci_device_reset(device->vfio);
	mig_device_enable(device);
}
