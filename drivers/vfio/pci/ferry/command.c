// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command slot, and the backend's operations as timed, traced commands.
 *
 * Called by the arcs, the worker and, through the FD, estimate.c. The commands
 * want the slot taken. All of it may sleep, except where it says otherwise.
 */
#include <linux/ktime.h>

#include "command.h"
#include "image.h"
#include "trace.h"
#include "vf.h"

/* How often to say that the last command is still running */
#define DRAIN_WARNING	(90 * HZ)

/**
 * ferry_slot_bar() - let nobody take the slot any more
 * @slot: the slot
 * @bar: why
 *
 * Does not wait for who has it. Callable without any lock, and to be called
 * before any is waited for.
 */
void ferry_slot_bar(struct ferry_slot *slot, enum ferry_bar bar)
{
	spin_lock(&slot->lock);
	WRITE_ONCE(slot->bars, slot->bars | BIT(bar));
	spin_unlock(&slot->lock);
	wake_up_all(&slot->wait);
}

/**
 * ferry_slot_unbar() - that reason is over
 * @slot: the slot
 * @bar: which; others stay
 */
void ferry_slot_unbar(struct ferry_slot *slot, enum ferry_bar bar)
{
	spin_lock(&slot->lock);
	WRITE_ONCE(slot->bars, slot->bars & ~BIT(bar));
	spin_unlock(&slot->lock);
	wake_up_all(&slot->wait);
}

static int try(struct ferry_slot *slot)
{
	lockdep_assert_held(&slot->lock);
	if (slot->bars)
		return -ENOTCONN;
	if (slot->taken)
		return -EBUSY;
	WRITE_ONCE(slot->taken, true);
	return 0;
}

/**
 * ferry_slot_try() - take the slot if it is free
 * @slot: the slot
 *
 * Return: 0, -EBUSY, or -ENOTCONN if it is barred.
 */
int ferry_slot_try(struct ferry_slot *slot)
{
	guard(spinlock)(&slot->lock);
	return try(slot);
}

/**
 * ferry_slot_take() - take the slot, wait for it if need be
 * @slot: the slot
 *
 * As long as the command takes that runs, which the backend bounds. A fatal
 * signal ends the wait.
 *
 * Return: 0, -ENOTCONN if it is barred, or -ERESTARTSYS.
 */
int ferry_slot_take(struct ferry_slot *slot)
{
	int err;

	while ((err = ferry_slot_try(slot)) == -EBUSY) {
		err = wait_event_killable(slot->wait,
					  !READ_ONCE(slot->taken) ||
					  READ_ONCE(slot->bars));
		if (err)
			break;
	}
	return err;
}

/**
 * ferry_slot_want() - take the slot if it is free, else be kicked when it is
 * @slot: the slot; the caller is the worker
 *
 * The worker does not wait: an arc may have the slot to hand it over, and
 * closed sessions want to be parted with.
 *
 * Return: 0, -EBUSY, or -ENOTCONN if it is barred.
 */
int ferry_slot_want(struct ferry_slot *slot)
{
	int err;

	guard(spinlock)(&slot->lock);
	err = try(slot);
	slot->wanted |= err == -EBUSY;
	return err;
}

/**
 * ferry_slot_give() - give the slot back
 * @vf: the function, whose slot the caller took or was handed
 */
void ferry_slot_give(struct ferry_vf *vf)
{
	struct ferry_slot *slot = &vf->slot;

	/* Once it is seen free, who drains it may let the device go. */
	guard(spinlock)(&slot->lock);
	WARN_ON_ONCE(!slot->taken);
	WRITE_ONCE(slot->taken, false);
	if (slot->wanted)
		ferry_worker_kick(vf);
	slot->wanted = false;
	wake_up_all(&slot->wait);
}

static bool is_free(struct ferry_slot *slot)
{
	guard(spinlock)(&slot->lock);
	return !slot->taken;
}

/**
 * ferry_slot_drain() - wait until nobody has the slot
 * @vf: the function, whose slot is barred
 *
 * However long that takes: the device and its memory go away then. mlx5_core
 * gives a command up after 185 seconds at the worst (a slot of its own, the
 * firmware's taking notice, the answer, each up to 60, and the event queue's
 * recovery), and an owner may need several commands.
 */
void ferry_slot_drain(struct ferry_vf *vf)
{
	while (!wait_event_timeout(vf->slot.wait, is_free(&vf->slot),
				   DRAIN_WARNING))
		dev_warn(&vf->device->core.pdev->dev,
			 "a firmware command takes very long, still waiting\n");
}

/* Commands */

static int inject(struct ferry_vf *vf, enum ferry_fault_site site)
{
	struct vfio_ferry_failure failure = {
		.command = ferry_fault_name(site),
		.error = ferry_fault_hit(&vf->fault, site),
	};

	WARN_ON_ONCE(!READ_ONCE(vf->slot.taken));
	if (failure.error)
		vfio_ferry_failed(vf->device, &failure);
	return failure.error;
}

static int traced(struct ferry_vf *vf, const char *command, ktime_t start,
		  int err)
{
	trace_ferry_command(vf->name, command, err,
			    ktime_to_ns(ktime_sub(ktime_get(), start)));
	return err;
}

/**
 * ferry_command_suspend() - stop one side of the function
 * @vf: the function
 * @side: which
 *
 * Return: 0 or negative errno, -ETIMEDOUT if the effect is unknown.
 */
int ferry_command_suspend(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	ktime_t start = ktime_get();
	int err = inject(vf, FERRY_FAULT_SUSPEND);

	if (!err)
		err = vf->device->ops->suspend(vf->device, side);
	return traced(vf, side == VFIO_FERRY_INITIATOR ? "suspend_initiator" :
		      "suspend_responder", start, err);
}

/**
 * ferry_command_resume() - let one side of the function run again
 * @vf: the function
 * @side: which
 *
 * Return: 0 or negative errno, -ETIMEDOUT if the effect is unknown.
 */
int ferry_command_resume(struct ferry_vf *vf, enum vfio_ferry_side side)
{
	ktime_t start = ktime_get();
	int err = inject(vf, FERRY_FAULT_RESUME);

	if (!err)
		err = vf->device->ops->resume(vf->device, side);
	return traced(vf, side == VFIO_FERRY_INITIATOR ? "resume_initiator" :
		      "resume_responder", start, err);
}

/**
 * ferry_command_query() - ask what a save would bring
 * @vf: the function
 * @incremental: one of what changed
 * @estimate: filled, or zeros
 *
 * Return: 0 or negative errno, -ESTALE if the firmware lost track of what
 * changed. Has no effect, so it never is -ETIMEDOUT: what was not answered cost
 * nothing but the answer.
 */
int ferry_command_query(struct ferry_vf *vf, bool incremental,
			struct vfio_ferry_estimate *estimate)
{
	ktime_t start = ktime_get();
	int err = inject(vf, FERRY_FAULT_QUERY);

	memset(estimate, 0, sizeof(*estimate));
	if (!err)
		err = vf->device->ops->query(vf->device, incremental, estimate);
	traced(vf, incremental ? "query_incremental" : "query_full", start,
	       err);
	return err == -ETIMEDOUT ? -EIO : err;
}

/**
 * ferry_command_save() - save an image
 * @vf: the function
 * @image: mapped, with room for the last estimate, at the FIRMWARE
 * @next_part: set to the memory that the next part needs, 0 if there is none
 *
 * Return: 0 and the image has its length; or negative errno, -ETIMEDOUT if the
 * function may still write it, -ESTALE if the firmware lost track of what
 * changed.
 */
int ferry_command_save(struct ferry_vf *vf, struct ferry_image *image,
		       u64 *next_part)
{
	struct vfio_ferry_image *memory = &image->memory;
	ktime_t start = ktime_get();
	int err = inject(vf, FERRY_FAULT_SAVE);

	*next_part = 0;
	if (!err)
		err = vf->device->ops->save(vf->device, memory,
					    image->save_flags, next_part);
	if (!err)
		err = inject(vf, FERRY_FAULT_SAVED);
	if (!err && memory->length > memory->capacity)
		err = -EIO;
	if (!err)
		atomic64_inc(&vf->stats.images_saved);
	trace_ferry_image(vf->name, "saved", ferry_image_kind_name(image->kind),
			  err ? 0 : memory->length, memory->capacity);
	return traced(vf, "save", start, err);
}

/**
 * ferry_command_load() - load an image
 * @vf: the function
 * @image: mapped, whole, at the FIRMWARE
 *
 * Return: 0 or negative errno, -ETIMEDOUT if the effect is unknown.
 */
int ferry_command_load(struct ferry_vf *vf, struct ferry_image *image)
{
	struct vfio_ferry_image *memory = &image->memory;
	ktime_t start = ktime_get();
	int err = inject(vf, FERRY_FAULT_LOAD);

	if (!err)
		err = vf->device->ops->load(vf->device, memory);
	if (!err) {
		atomic64_inc(&vf->stats.images_loaded);
		trace_ferry_image(vf->name, "loaded", "received",
				  memory->length, memory->capacity);
	}
	return traced(vf, "load", start, err);
}

/**
 * ferry_command_stop_tracking() - end what a tracked save began
 * @vf: the function, running
 * @image: mapped, at the FIRMWARE, or NULL if there was no memory
 *
 * Return: 0 or negative errno, -ETIMEDOUT if the function may still write the
 * image.
 */
int ferry_command_stop_tracking(struct ferry_vf *vf, struct ferry_image *image)
{
	ktime_t start = ktime_get();
	int err = inject(vf, FERRY_FAULT_STOP_TRACKING);

	if (!err)
		err = vf->device->ops->stop_tracking(vf->device,
						     image ? &image->memory : NULL);
	return traced(vf, "stop_tracking", start, err);
}
