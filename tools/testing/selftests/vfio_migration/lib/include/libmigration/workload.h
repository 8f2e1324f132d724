/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test can do with a device besides migrating it: change its state and
 * compare it, make it write to memory and interrupt, make its firmware fail.
 *
 * A workload is one file: it defines its operations and says
 * MIG_WORKLOAD(name). Operations that a device does not have are NULL; a test
 * that needs one skips itself without it.
 */
#ifndef LIBMIGRATION_WORKLOAD_H
#define LIBMIGRATION_WORKLOAD_H

#include <stdbool.h>

#include <linux/types.h>

struct dma_region;
struct mig_device;

/* Bytes that the driver of @traffic needs. */
#define MIG_TRAFFIC_SIZE (4UL << 20)

enum workload_fault {
	WORKLOAD_FAULT_FAIL,		/* a command fails: the firmware's own fault */
	WORKLOAD_FAULT_STATE,		/* a command fails: not in this state */
	WORKLOAD_FAULT_RESOURCES,	/* a command fails: no room for it */
	WORKLOAD_FAULT_DMA,		/* an image does not arrive */
	WORKLOAD_FAULT_SLOW,		/* a command takes a tenth of a second longer */
	WORKLOAD_FAULT_NEVER,		/* a command never completes */
	WORKLOAD_FAULTS,
};

extern const char *const workload_fault_names[WORKLOAD_FAULTS];

/**
 * struct workload - operations on a device
 * @name: for messages
 * @probe: whether it is for this device, which is open and was just reset
 * @remove: the device is about to be closed
 * @fill: changes all of the state, as a number that is no zero tells
 * @sum: a checksum of the state; may be asked in RUNNING and in every state
 *	where the device is stopped
 * @change: changes @count parts of the state and returns when that is done;
 *	only where the device runs
 * @churn: changes @rate parts a second from now on, in the background; 0 ends
 *	it. Goes on where the device does after a migration.
 * @changes: parts changed so far; part of the state
 * @reinit: what changes next counts as a new beginning, so that pre-copy has
 *	initial data again; only where the device is in PRE_COPY
 * @scratch: a page of a mapped BAR that may be written with anything and read
 *	back; part of the state
 * @dma: writes a count of 64 bits to (count * stride) % len behind @iova, from
 *	now on, @rate times a second; 0 ends it
 * @dma_count: such writes so far; part of the state
 * @window: where in a BAR peers may write without harm; returns its length
 * @interrupt: raises an MSI-X vector @rate times a second; 0 ends it
 * @interrupts: those raised so far; part of the state
 * @traffic: a driver of the device's own queues, in @region, which is mapped for
 *	the device and for nothing else: with @fresh it begins, and else it goes
 *	on with what was left in @region on another device, or this one, whose
 *	state was loaded
 * @traffic_post: posts @count messages, 8 at most, from the device to itself;
 *	returns the number of the last one, the first being 1. May be asked in
 *	every state: a stopped device sends them when it runs.
 * @traffic_seen: the number of the last one that came back, 0 for none. Each
 *	comes back once, in order, as it was sent, with the indices that follow
 *	in its queues, or the test ends. Only those that were on their way when
 *	the device stopped may be missing.
 * @fault_arm: the @nth firmware command from now on, of those that this
 *	device's migration takes part in, meets @fault, and so do the @times - 1
 *	after it; @times 0: for ever. WORKLOAD_FAULT_DMA counts only those that
 *	move an image.
 * @fault_hits: commands that met a fault since the start
 * @fault_disarm: no more of them; this and @fault_hits also between the closing
 *	of the device and @remove
 */
struct workload {
	const char *name;
	bool (*probe)(struct mig_device *device);
	void (*remove)(struct mig_device *device);
	void (*fill)(struct mig_device *device, u64 seed);
	u64 (*sum)(struct mig_device *device);
	void (*change)(struct mig_device *device, u64 count);
	void (*churn)(struct mig_device *device, u64 rate);
	u64 (*changes)(struct mig_device *device);
	void (*reinit)(struct mig_device *device);
	void *(*scratch)(struct mig_device *device);
	void (*dma)(struct mig_device *device, u64 iova, u64 len, u64 stride, u64 rate);
	u64 (*dma_count)(struct mig_device *device);
	u64 (*window)(struct mig_device *device, u32 *bar, u64 *offset);
	void (*interrupt)(struct mig_device *device, u32 vector, u64 rate);
	u64 (*interrupts)(struct mig_device *device);
	void (*traffic)(struct mig_device *device, const struct dma_region *region, bool fresh);
	u64 (*traffic_post)(struct mig_device *device, u32 count);
	u64 (*traffic_seen)(struct mig_device *device);
	void (*fault_arm)(struct mig_device *device, enum workload_fault fault, u32 nth, u32 times);
	u64 (*fault_hits)(struct mig_device *device);
	void (*fault_disarm)(struct mig_device *device);
};

#define MIG_WORKLOAD(_workload)							\
	static const struct workload *const __workload_##_workload		\
	__attribute__((used, section("mig_workloads"))) = &(_workload)

/* The first whose probe says yes, or NULL. */
const struct workload *workload_find(struct mig_device *device);

/* Whether the device has a workload that has this operation. */
#define MIG_HAS(_device, _operation) ({						\
	const struct workload *__workload = (_device)->workload;		\
										\
	__workload && __workload->_operation;					\
})

/* Shorthands that do nothing, or return 0, without a workload. */
void mig_fill(struct mig_device *device, u64 seed);
void mig_change(struct mig_device *device, u64 count);
u64 mig_sum(struct mig_device *device);
/*
 * Traffic, for who has a place for @queues: maps them and begins; goes on where they are mapped,
 * too; posts a few messages, and returns the last one's number; asserts that all that was posted
 * comes back, then posts more, and asserts it of those.
 */
void mig_traffic_begin(struct mig_device *device, struct dma_region *queues);
void mig_traffic_follow(struct mig_device *device, const struct dma_region *queues);
u64 mig_traffic_post(struct mig_device *device);
void mig_traffic_assert(struct mig_device *device);
/* WORKLOAD_FAULT_SLOW, and no fault any more. */
void mig_slow(struct mig_device *device, u32 nth, u32 times);
void mig_fast(struct mig_device *device);

#endif /* LIBMIGRATION_WORKLOAD_H */
