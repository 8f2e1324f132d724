// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine as a module, and the life of its functions.
 *
 * Each vfio_ferry_*() is called by the backend's callback of that name, and may
 * sleep. Those that end a migration are in fsm.c.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/utsname.h>

#include "debugfs.h"
#include "fsm.h"
#include "kernels.h"
#include "region.h"
#include "vf.h"
#include "worker.h"

/**
 * vfio_ferry_init() - make the engine's record of a function
 * @device: the function
 * @ops: the backend's operations
 *
 * From the init callback, after vfio_pci_core_init_dev(). Until
 * vfio_ferry_offer() the function cannot be migrated.
 *
 * Return: 0 or negative errno.
 */
int vfio_ferry_init(struct vfio_ferry_device *device,
		    const struct vfio_ferry_ops *ops)
{
	return ferry_vf_new(device, ops, ferry_worker);
}
EXPORT_SYMBOL_GPL(vfio_ferry_init);

/**
 * vfio_ferry_release() - give the record back
 * @device: the function
 *
 * From the release callback. Sessions that users still hold keep the record,
 * not the device.
 */
void vfio_ferry_release(struct vfio_ferry_device *device)
{
	ferry_vf_put(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_release);

/**
 * vfio_ferry_offer() - the function can be migrated
 * @device: the function, not registered yet
 */
void vfio_ferry_offer(struct vfio_ferry_device *device)
{
	struct vfio_device *vdev = &device->core.vdev;
	struct ferry_vf *vf = device->vf;

	vf->withheld = NULL;
	vf->max_folio = max_t(size_t, device->ops->max_folio(device),
			      PAGE_SIZE);
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				VFIO_MIGRATION_PRE_COPY;
	vdev->mig_ops = &ferry_migration_ops;
}
EXPORT_SYMBOL_GPL(vfio_ferry_offer);

/**
 * vfio_ferry_withhold() - the function works, but cannot be migrated
 * @device: the function, not registered yet
 * @reason: why, for a person; a constant string
 */
void vfio_ferry_withhold(struct vfio_ferry_device *device, const char *reason)
{
	device->vf->withheld = reason;
	dev_info(&device->core.pdev->dev, "no migration: %s\n", reason);
}
EXPORT_SYMBOL_GPL(vfio_ferry_withhold);

/**
 * vfio_ferry_register() - users can come from now on
 * @device: the function, just registered with the core
 */
void vfio_ferry_register(struct vfio_ferry_device *device)
{
	ferry_debugfs_add(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_register);

/**
 * vfio_ferry_unregister() - no users will come any more
 * @device: the function, just unregistered from the core
 *
 * The backend has silenced its notifiers.
 */
void vfio_ferry_unregister(struct vfio_ferry_device *device)
{
	struct ferry_vf *vf = device->vf;

	ferry_debugfs_remove(vf);
	cancel_delayed_work_sync(&vf->worker);
}
EXPORT_SYMBOL_GPL(vfio_ferry_unregister);

/**
 * vfio_ferry_open() - the device was opened
 * @device: the function, enabled by the core
 *
 * Return: 0 or -ENOMEM; the backend has to disable the function then.
 */
int vfio_ferry_open(struct vfio_ferry_device *device)
{
	int err = 0;

	if (!device->vf->withheld)
		err = ferry_region_add(device->vf);
	if (!err)
		ferry_fsm_open(device->vf);
	return err;
}
EXPORT_SYMBOL_GPL(vfio_ferry_open);

static int __init ferry_module_init(void)
{
	const char *release = init_utsname()->release;
	int err = ferry_worker_init();

	if (!ferry_kernel_tried(release))
		pr_notice("vfio_ferry: tried on Linux %s; nobody is known to have run it on %s\n",
			  FERRY_TRIED_KERNELS, release);
	if (!err)
		ferry_debugfs_init();
	return err;
}

static void __exit ferry_module_exit(void)
{
	ferry_debugfs_exit();
	ferry_worker_exit();
}

module_init(ferry_module_init);
module_exit(ferry_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("VFIO migration engine for NIC virtual functions");
MODULE_AUTHOR("vfio-ferry developers");
