// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of a function, what it says to people, and the kick of its
 * worker. See vf.h.
 *
 * Called by everyone above it, and by backends that report a failure.
 */
#include <linux/pci.h>
#include <linux/slab.h>

#include "compat.h"
#include "vf.h"

static struct workqueue_struct *workqueue;

/* Life */

/**
 * ferry_vf_new() - make the engine's record of a function
 * @device: the function, which gets the record
 * @ops: the backend's operations
 * @worker: the firmware's side of its sessions
 *
 * Return: 0 or -ENOMEM.
 */
int ferry_vf_new(struct vfio_ferry_device *device,
		 const struct vfio_ferry_ops *ops, work_func_t worker)
{
	struct ferry_vf *vf;

	vf = kzalloc_obj(*vf, GFP_KERNEL);
	if (!vf)
		return -ENOMEM;
	kref_init(&vf->ref);
	strscpy(vf->name, pci_name(device->core.pdev), sizeof(vf->name));
	vf->device = device;
	vf->max_image = ops->max_image;
	vf->withheld = "not examined yet";
	mutex_init(&vf->state_mutex);
	vf->state = VFIO_DEVICE_STATE_RUNNING;
	vf->stats.entered = ktime_get();
	spin_lock_init(&vf->slot.lock);
	init_waitqueue_head(&vf->slot.wait);
	vf->slot.bars = BIT(FERRY_BAR_CLOSED);
	INIT_DELAYED_WORK(&vf->worker, worker);
	spin_lock_init(&vf->lock);
	INIT_LIST_HEAD(&vf->closed);
	spin_lock_init(&vf->failure_lock);
	device->ops = ops;
	device->vf = vf;
	return 0;
}

static void release_vf(struct kref *ref)
{
	struct ferry_vf *vf = container_of(ref, struct ferry_vf, ref);

	mutex_destroy(&vf->state_mutex);
	kfree(vf);
}

void ferry_vf_get(struct ferry_vf *vf)
{
	kref_get(&vf->ref);
}

void ferry_vf_put(struct ferry_vf *vf)
{
	kref_put(&vf->ref, release_vf);
}

/* What it says */

/**
 * ferry_vf_identify() - who the function is, for a stream
 * @vf: the function, attached
 * @own: filled
 *
 * Return: 0 or negative errno.
 */
int ferry_vf_identify(struct ferry_vf *vf, struct vfio_ferry_identity *own)
{
	struct pci_dev *pdev = vf->device->core.pdev;

	memset(own, 0, sizeof(*own));
	strscpy_pad(own->family, vf->device->ops->family, sizeof(own->family));
	/* A VF's own registers read as ones: its IDs are what the core says. */
	own->vendor = cpu_to_le16(pdev->vendor);
	own->device = cpu_to_le16(pdev->device);
	own->subsystem_vendor = cpu_to_le16(pdev->subsystem_vendor);
	own->subsystem_device = cpu_to_le16(pdev->subsystem_device);
	return vf->device->ops->identify(vf->device, own);
}

/**
 * ferry_vf_refuse() - tell why a user's request or stream was refused
 * @vf: the function, its device there or not
 * @format: the reason, for a person
 */
void ferry_vf_refuse(struct ferry_vf *vf, const char *format, ...)
{
	char reason[sizeof(vf->refusal)];
	va_list args;

	va_start(args, format);
	vscnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	pr_info_ratelimited("vfio_ferry %s: refused: %s\n", vf->name, reason);
	guard(spinlock)(&vf->failure_lock);
	memcpy(vf->refusal, reason, sizeof(reason));
}

/**
 * vfio_ferry_failed() - a command failed
 * @device: the function
 * @failure: how
 *
 * The one place that reports it. In process context. A lost track, -ESTALE, is
 * the doing of the function's user and counts as no failure.
 */
void vfio_ferry_failed(struct vfio_ferry_device *device,
		       const struct vfio_ferry_failure *failure)
{
	struct ferry_vf *vf = device->vf;

	if (failure->error == -ESTALE) {
		dev_info_ratelimited(&device->core.pdev->dev,
				     "%s: the firmware has lost track of what changed, status %#x, syndrome %#x\n",
				     failure->command, failure->status,
				     failure->syndrome);
	} else {
		dev_err_ratelimited(&device->core.pdev->dev,
				    "%s failed: error %d, status %#x, syndrome %#x\n",
				    failure->command, failure->error,
				    failure->status, failure->syndrome);
		atomic64_inc(&vf->stats.failures);
	}
	guard(spinlock)(&vf->failure_lock);
	vf->failure = *failure;
}
EXPORT_SYMBOL_GPL(vfio_ferry_failed);

/**
 * ferry_window_open() - the function stops: count what delays its going on
 * @vf: the function
 */
void ferry_window_open(struct ferry_vf *vf)
{
	struct ferry_window *window = &vf->stats.window;

	atomic_set(&window->allocations, 0);
	atomic_set(&window->maps, 0);
	atomic_set(&window->unmaps, 0);
	atomic_set(&window->frees, 0);
	WRITE_ONCE(window->open, true);
}

/* The worker's queue */

/**
 * ferry_worker_init() - make the queue of all functions' workers
 *
 * A worker sleeps while the firmware saves or loads, and that of no function
 * is to wait for that of another. Not freezable: a physical function that is
 * suspended detaches its functions, and that waits for their workers.
 *
 * Return: 0 or -ENOMEM.
 */
int ferry_worker_init(void)
{
	workqueue = alloc_workqueue("vfio_ferry", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return workqueue ? 0 : -ENOMEM;
}

void ferry_worker_exit(void)
{
	destroy_workqueue(workqueue);
}

/**
 * ferry_worker_kick_later() - let the worker run after a while
 * @vf: the function, whose session the caller knows to be open
 * @delay: in jiffies; a run that is due earlier stays
 */
void ferry_worker_kick_later(struct ferry_vf *vf, unsigned long delay)
{
	queue_delayed_work(workqueue, &vf->worker, delay);
}

/**
 * ferry_worker_kick() - let the worker run now
 * @vf: the function, whose session the caller knows to be open or has closed
 *
 * Callable with a spinlock held.
 */
void ferry_worker_kick(struct ferry_vf *vf)
{
	mod_delayed_work(workqueue, &vf->worker, 0);
}
