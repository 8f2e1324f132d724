/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices under test: a PCI function by its address (0000:01:00.1) or a
 * mediated device by its UUID, opened through a container or through IOMMUFD.
 */
#ifndef LIBMIGRATION_DEVICE_H
#define LIBMIGRATION_DEVICE_H

#include <stdbool.h>

#include <linux/types.h>

struct iommu;
struct vfio_pci_device;
struct workload;

/**
 * struct mig_device - a device that is open
 * @name: its address or UUID
 * @iommu: what its IOVAs belong to; its own unless it was opened with another's
 * @vfio: libvfio's view; a mediated device has no BARs mapped in it
 * @fd: the same as @vfio->fd
 * @flags: VFIO_MIGRATION_*, 0 if it cannot migrate
 * @first_state: its state when it was opened; any but RUNNING is a fault that
 *	the device was reset for, so that tests of other things can go on
 * @workload: what can be done with it besides migrating it, or NULL
 * @private: the workload's
 */
struct mig_device {
	const char *name;
	struct iommu *iommu;
	struct vfio_pci_device *vfio;
	int fd;
	u64 flags;
	u32 first_state;
	const struct workload *workload;
	void *private;
};

/*
 * The devices that the user named: the last words of the command line, or
 * $VFIO_MIGRATION_DEVICES; at least one, or the program ends with KSFT_SKIP.
 * With two, streams of the first are loaded into the second, with one into
 * that one again. More than two are for tests of many devices.
 */
void mig_devices_get(int *argc, char *argv[]);
unsigned int mig_devices_count(void);
const char *mig_devices_name(unsigned int number);

/*
 * The IOMMU mode that the user chose with $VFIO_MIGRATION_IOMMU; without, what
 * the kernel and the device have: IOMMUFD, else a container of type1v2.
 */
const char *mig_iommu_mode(const char *name);
/* Why a device cannot be opened in a mode; NULL if it can. */
const char *mig_iommu_mode_missing(const char *name, const char *mode);

/*
 * Opening leaves the device in RUNNING, with memory access and bus mastering
 * on. As a VMM does it resets a device that is in another state; a test of
 * what an open device is like takes it as it is. Faults of the workload's that
 * are still armed are not any more.
 */
struct mig_device *mig_device_open(const char *name);
struct mig_device *mig_device_open_as_is(const char *name);
struct mig_device *mig_device_open_mode(const char *name, const char *mode);
/* NULL is allowed. Closing the device ends its sessions; open data FDs stay. */
void mig_device_close(struct mig_device *device);
/* VFIO_DEVICE_RESET, and access as after opening. */
void mig_device_reset(struct mig_device *device);
/* Memory access and bus mastering, which a reset turns off. */
void mig_device_enable(struct mig_device *device);
/* Whether VFIO knows it by its PCI address, and sysfs has a driver to unbind. */
bool mig_device_is_pci(const char *name);

/* In mdev.c: opens a mediated device as vfio_pci_device_init() opens a PCI one. */
struct vfio_pci_device *mdev_device_init(const char *uuid, struct iommu *iommu);
/* Path of its character device; false if there is none. */
bool mdev_cdev_path(const char *uuid, char *path, size_t size);

#endif /* LIBMIGRATION_DEVICE_H */
