/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands to the function's firmware: one at a time, timed and traced.
 *
 * The command slot is the right to command: to ask, to make and map images, to
 * save and load. An arc, the worker and PRECOPY_INFO take it for as long as
 * what they do must not be mixed with what others do: a query and the save
 * that it measures, for example. It is no lock, for an arc that begins a save
 * hands it to the worker.
 *
 * Reset, close and detach bar it, before they wait for anything: who waits
 * for it then leaves at once, and what remains is the command that runs.
 */
#ifndef FERRY_COMMAND_H
#define FERRY_COMMAND_H

#include <linux/spinlock.h>
#include <linux/vfio_ferry.h>
#include <linux/wait.h>

#include "fault.h"

struct ferry_image;
struct ferry_vf;

/* Why nobody may take the command slot */
enum ferry_bar {
	FERRY_BAR_CLOSED,	/* the device is not open */
	FERRY_BAR_RESET,	/* between reset_prepare and reset_done */
	FERRY_BAR_DETACHED,	/* the physical function went away */
};

/**
 * struct ferry_slot - the command slot of a function
 * @lock: protects the others
 * @bars: BIT(FERRY_BAR_*)
 * @taken: somebody has it
 * @wanted: the worker found it taken
 * @wait: woken when it is given back, and when a bar comes or goes
 */
struct ferry_slot {
	spinlock_t lock;	/* see above */
	unsigned int bars;
	bool taken;
	bool wanted;
	wait_queue_head_t wait;
};

void ferry_slot_bar(struct ferry_slot *slot, enum ferry_bar bar);
void ferry_slot_unbar(struct ferry_slot *slot, enum ferry_bar bar);
int ferry_slot_try(struct ferry_slot *slot);
int ferry_slot_take(struct ferry_slot *slot);
int ferry_slot_want(struct ferry_slot *slot);
void ferry_slot_give(struct ferry_vf *vf);
void ferry_slot_drain(struct ferry_vf *vf);

static inline bool ferry_slot_is_barred(struct ferry_slot *slot,
					enum ferry_bar bar)
{
	return READ_ONCE(slot->bars) & BIT(bar);
}

int ferry_command_suspend(struct ferry_vf *vf, enum vfio_ferry_side side);
int ferry_command_resume(struct ferry_vf *vf, enum vfio_ferry_side side);
int ferry_command_query(struct ferry_vf *vf, bool incremental,
			struct vfio_ferry_estimate *estimate);
int ferry_command_save(struct ferry_vf *vf, struct ferry_image *image,
		       u64 *next_part);
int ferry_command_load(struct ferry_vf *vf, struct ferry_image *image);
int ferry_command_stop_tracking(struct ferry_vf *vf,
				struct ferry_image *image);

#endif /* FERRY_COMMAND_H */
