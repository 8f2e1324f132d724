/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Giving functions to VFIO and taking them back.
 *
 * Each of these does all of it or, when it fails, puts back what was. None lets
 * go of a function that somebody uses. For root.
 */
#ifndef FERRY_BIND_H
#define FERRY_BIND_H

#include <ferry/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is made and bound anew at each start of the machine: `ferry bind --persist`. */
#define FERRY_PERSIST_FILE "/etc/vfio-ferry.conf"

/**
 * struct ferry_binding - how a function was bound
 * @address: which function
 * @driver: its driver, "" if none
 * @override: its driver_override, "" if none
 * @port: of a VF, devlink's port where it was said anew whether it is
 *	migratable; "" if nothing was said
 * @migratable: what was said there before
 */
struct ferry_binding {
	char address[FERRY_ADDRESS_MAX];
	char driver[32];
	char override[32];
	char port[48];
	bool migratable;
};

/**
 * ferry_bind() - bind a function to a VFIO driver
 * @address: the function
 * @driver: the driver, or NULL for the one that can migrate it
 * @was: set to how it was bound; may be NULL
 * @error: filled
 *
 * Loads the driver if need be. The function stays with it: driver_override is
 * set, as it must be for a driver of VFIO's. A VF is made migratable before,
 * where devlink can do that, unless the driver is vfio-pci.
 *
 * Return: 0, also if it was bound to it already; -EINVAL: no such thing can be
 * done to this function, -ENODEV: no such function, -ENOENT: no such driver,
 * -EBUSY: somebody uses it, or what the kernel said.
 */
FERRY_API int ferry_bind(const char *address, const char *driver, struct ferry_binding *was,
			 struct ferry_error *error);

/**
 * ferry_unbind() - take a function from its VFIO driver
 * @address: the function
 * @to: the driver that gets it; NULL: the one that the kernel chooses by itself,
 *	for a VF none if its PF's sriov_drivers_autoprobe is 0
 * @was: set to how it was bound; may be NULL
 * @error: filled
 *
 * Clears driver_override. A VF that a driver had which migrates it is not
 * migratable any more, where devlink can say so: some of its features are
 * off while it is.
 *
 * Return: as ferry_bind().
 */
FERRY_API int ferry_unbind(const char *address, const char *to, struct ferry_binding *was,
			   struct ferry_error *error);

/* Binds it as it was. */
FERRY_API int ferry_binding_restore(const struct ferry_binding *was, struct ferry_error *error);

/**
 * ferry_vfs_create() - make virtual functions that no host driver takes
 * @address: the PF
 * @count: how many; it must have none, or just as many
 * @created: set to whether there were none before; may be NULL
 * @error: filled
 *
 * sriov_drivers_autoprobe is put back afterwards.
 *
 * Return: as ferry_bind().
 */
FERRY_API int ferry_vfs_create(const char *address, unsigned int count, bool *created, struct ferry_error *error);

/* Removes all virtual functions of a PF; -EBUSY if one of them is in use. */
FERRY_API int ferry_vfs_remove(const char *address, struct ferry_error *error);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_BIND_H */
