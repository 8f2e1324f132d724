// SPDX-License-Identifier: GPL-2.0-only
/* Finding a device's workload among those that were linked in. */
#include <libvfio.h>
#include <libmigration.h>

const char *const workload_fault_names[WORKLOAD_FAULTS] = {
	[WORKLOAD_FAULT_FAIL] = "fails",
	[WORKLOAD_FAULT_STATE] = "is refused in this state",
	[WORKLOAD_FAULT_RESOURCES] = "finds no room",
	[WORKLOAD_FAULT_DMA] = "moves no data",
	[WORKLOAD_FAULT_SLOW] = "is slow",
	[WORKLOAD_FAULT_NEVER] = "never completes",
};

/* The linker's; weak, for there may be no workload at all. */
extern const struct workload *const __start_mig_workloads[] __attribute__((weak));
extern const struct workload *const __stop_mig_workloads[] __attribute__((weak));

const struct workload *workload_find(struct mig_device *device)
{
	const struct workload *const *at;

	for (at = __start_mig_workloads; at < __stop_mig_workloads; at++)
		if ((*at)->probe(device))
			return *at;
	return NULL;
}

void mig_fill(struct mig_device *device, u64 seed)
{
	if (device->workload && device->workload->fill)
		device->workload->fill(device, seed);
}

void mig_change(struct mig_device *device, u64 count)
{
	if (device->workload && device->workload->change)
		device->workload->change(device, count);
}

u64 mig_sum(struct mig_device *device)
{
	return device->workload && device->workload->sum ? device->workload->sum(device) : 0;
}

/* Twice as many, and those on their way, fit into the smallest queue. */
#define MESSAGES 4

void mig_traffic_begin(struct mig_device *device, struct dma_region *queues)
{
	if (!MIG_HAS(device, traffic))
		return;
	mig_dma_map(device, queues, MIG_TRAFFIC_SIZE);
	device->workload->traffic(device, queues, true);
}

void mig_traffic_follow(struct mig_device *device, const struct dma_region *queues)
{
	if (MIG_HAS(device, traffic))
		device->workload->traffic(device, queues, false);
}

u64 mig_traffic_post(struct mig_device *device)
{
	return MIG_HAS(device, traffic) ? device->workload->traffic_post(device, MESSAGES) : 0;
}

static void await_messages(struct mig_device *device, u32 more)
{
	u64 last = device->workload->traffic_post(device, more);

	VFIO_ASSERT_TRUE(mig_wait_until(device->workload->traffic_seen(device) == last,
					MIG_PATIENCE_MS),
			 "%s: messages do not come back", device->name);
}

/* Those of before first: what is posted now may tell a device of them that has forgotten them. */
void mig_traffic_assert(struct mig_device *device)
{
	if (!MIG_HAS(device, traffic))
		return;
	await_messages(device, 0);
	await_messages(device, MESSAGES);
}

void mig_slow(struct mig_device *device, u32 nth, u32 times)
{
	if (device->workload && device->workload->fault_arm)
		device->workload->fault_arm(device, WORKLOAD_FAULT_SLOW, nth, times);
}

void mig_fast(struct mig_device *device)
{
	if (device->workload && device->workload->fault_disarm)
		device->workload->fault_disarm(device);
}
