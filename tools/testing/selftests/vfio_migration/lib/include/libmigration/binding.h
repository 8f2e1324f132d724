/* SPDX-License-Identifier: GPL-2.0-only */
/* Taking the driver from a PCI device and giving it back, as an administrator does. */
#ifndef LIBMIGRATION_BINDING_H
#define LIBMIGRATION_BINDING_H

#include <stddef.h>

/* The name of the driver that a device has. */
void mig_driver_name(const char *device, char *driver, size_t size);
/* Waits until the device is closed. 0 or -errno. */
int __mig_driver_unbind(const char *device, const char *driver);
int __mig_driver_bind(const char *device, const char *driver);
/* Both. */
void mig_driver_rebind(const char *device);
/* The function-level reset that sysfs offers; 0 or -errno. */
int __mig_sysfs_reset(const char *device);

#endif /* LIBMIGRATION_BINDING_H */
