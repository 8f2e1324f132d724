// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine as a module, and the life of its functions.
 *
 * Each vfio_ferry_*() is called by the backend's callback of that name. The
 * record of a function, struct ferry_vf, is made and given back here.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "compat.h"
#include "debugfs.h"
#include "fsm.h"
#include "region.h"
#include "session.h"
#include "vf.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Two of the longest images that there are, and room to round them up */
#define MAX_INFLIGHT_DEFAULT	(9ULL << 30)

static unsigned long long max_inflight_bytes = MAX_INFLIGHT_DEFAULT;
module_param(max_inflight_bytes, ullong, 0644);
MODULE_PARM_DESC(max_inflight_bytes,
		 "Most memory that one migration session may take, in bytes. A save needs twice its largest image, or three parts if the firmware saves in parts; a load needs its largest image. Default 9 GiB.");

struct workqueue_struct *ferry_wq;

/**
 * ferry_budget() - memory that a new session may take
 *
 * Return: bytes.
 */
u64 ferry_budget(void)
{
	return READ_ONCE(max_inflight_bytes);
}

static void release_vf(struct kref *ref)
{
	kfree(container_of(ref, struct ferry_vf, ref));
}

void ferry_vf_get(struct ferry_vf *vf)
{
	kref_get(&vf->ref);
}

void ferry_vf_put(struct ferry_vf *vf)
{
	kref_put(&vf->ref, release_vf);
}

/**
 * ferry_vf_identify() - who the function is, for a stream
 * @vf: the function, attached
 * @own: filled
 */
void ferry_vf_identify(struct ferry_vf *vf, struct vfio_ferry_identity *own)
{
	struct pci_dev *pdev = vf->device->core.pdev;

	memset(own, 0, sizeof(*own));
	strscpy_pad(own->family, vf->device->ops->family, sizeof(own->family));
	/* A VF's own registers read as ones: its IDs are what the core says. */
	own->vendor = cpu_to_le16(pdev->vendor);
	own->device = cpu_to_le16(pdev->device);
	own->subsystem_vendor = cpu_to_le16(pdev->subsystem_vendor);
	own->subsystem_device = cpu_to_le16(pdev->subsystem_device);
	vf->device->ops->identify(vf->device, own);
}

/**
 * ferry_vf_refuse() - tell why a user's request or stream was refused
 * @vf: the function, its device there or not
 * @format: the reason, for a person
 */
void ferry_vf_refuse(struct ferry_vf *vf, const char *format, ...)
{
	char reason[sizeof(vf->refusal)];
	unsigned long flags;
	va_list args;

	va_start(args, format);
	vscnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	pr_info_ratelimited("vfio_ferry %s: refused: %s\n", vf->name, reason);
	spin_lock_irqsave(&vf->failure_lock, flags);
	memcpy(vf->refusal, reason, sizeof(reason));
	spin_unlock_irqrestore(&vf->failure_lock, flags);
}

/**
 * vfio_ferry_failed() - a command failed
 * @device: the function
 * @failure: how
 *
 * The one place that reports it.
 */
void vfio_ferry_failed(struct vfio_ferry_device *device,
		       const struct vfio_ferry_failure *failure)
{
	struct ferry_vf *vf = device->vf;
	unsigned long flags;

	dev_err_ratelimited(&device->core.pdev->dev,
			    "%s failed: error %d, status %#x, syndrome %#x\n",
			    failure->command, failure->error, failure->status,
			    failure->syndrome);
	atomic64_inc(&vf->stats.failures);
	spin_lock_irqsave(&vf->failure_lock, flags);
	vf->failure = *failure;
	spin_unlock_irqrestore(&vf->failure_lock, flags);
}
EXPORT_SYMBOL_GPL(vfio_ferry_failed);

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
	struct ferry_vf *vf;

	vf = kzalloc_obj(*vf, GFP_KERNEL);
	if (!vf)
		return -ENOMEM;
	kref_init(&vf->ref);
	strscpy(vf->name, pci_name(device->core.pdev), sizeof(vf->name));
	vf->device = device;
	mutex_init(&vf->state_mutex);
	vf->state = VFIO_DEVICE_STATE_RUNNING;
	vf->stats.entered = ktime_get();
	vf->link = FERRY_LINK_WITHHELD;
	vf->withheld = "not examined yet";
	init_waitqueue_head(&vf->link_wait);
	ferry_lane_init(&vf->lane);
	INIT_DELAYED_WORK(&vf->worker, ferry_worker);
	spin_lock_init(&vf->lock);
	INIT_LIST_HEAD(&vf->dying);
	spin_lock_init(&vf->failure_lock);
	device->ops = ops;
	device->vf = vf;
	return 0;
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
	struct ferry_vf *vf = device->vf;

	mutex_destroy(&vf->state_mutex);
	ferry_vf_put(vf);
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
	vf->link = FERRY_LINK_UP;
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
	ferry_lane_close(&vf->lane);
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
	int err;

	if (device->vf->withheld)
		return 0;
	err = ferry_region_add(device->vf);
	if (!err)
		ferry_fsm_open(device->vf);
	return err;
}
EXPORT_SYMBOL_GPL(vfio_ferry_open);

/**
 * vfio_ferry_close() - the device will be closed
 * @device: the function, still enabled
 *
 * Upon return the firmware uses no memory of any session.
 */
void vfio_ferry_close(struct vfio_ferry_device *device)
{
	if (!device->vf->withheld)
		ferry_fsm_close(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_close);

/**
 * vfio_ferry_reset_prepare() - the function will be reset
 * @device: the function
 */
void vfio_ferry_reset_prepare(struct vfio_ferry_device *device)
{
	if (!device->vf->withheld)
		ferry_fsm_reset_prepare(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_reset_prepare);

/**
 * vfio_ferry_reset_done() - the function was reset
 * @device: the function
 */
void vfio_ferry_reset_done(struct vfio_ferry_device *device)
{
	if (!device->vf->withheld)
		ferry_fsm_reset_done(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_reset_done);

/**
 * vfio_ferry_detach() - the physical function goes away
 * @device: the function
 *
 * Upon return the engine calls no operation until vfio_ferry_attach().
 */
void vfio_ferry_detach(struct vfio_ferry_device *device)
{
	if (!device->vf->withheld)
		ferry_fsm_detach(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_detach);

/**
 * vfio_ferry_attach() - the physical function is there again
 * @device: the function
 */
void vfio_ferry_attach(struct vfio_ferry_device *device)
{
	if (!device->vf->withheld)
		ferry_fsm_attach(device->vf);
}
EXPORT_SYMBOL_GPL(vfio_ferry_attach);

static int __init ferry_module_init(void)
{
	ferry_wq = alloc_workqueue("vfio_ferry", WQ_UNBOUND, 0);
	if (!ferry_wq)
		return -ENOMEM;
	ferry_debugfs_init();
	return 0;
}

static void __exit ferry_module_exit(void)
{
	ferry_debugfs_exit();
	destroy_workqueue(ferry_wq);
}

module_init(ferry_module_init);
module_exit(ferry_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("VFIO migration engine for NIC virtual functions");
MODULE_AUTHOR("vfio-ferry developers");
