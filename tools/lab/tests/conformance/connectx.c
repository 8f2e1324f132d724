// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The conformance suite's workloads for a VF of the lab's ConnectX model: BAR 2
 * of the VF, and the control block in BAR 2 of its PF, which sysfs maps. One
 * that has Ethernet also sends and receives, see traffic.c.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

#include "../lib/bar2.h"
#include "../lib/pci.h"
#include "../../connectx/ifc.h"
#include "traffic.h"

enum {
	CHANGE_RATE = 100000,	/* pages a second: at once, for a test */
	SYNDROME = 0x7ffe57,
	SLOW_US = 100000,
};

struct connectx {
	struct bar2 workload;
	struct bar2 control;
	void *map;
	struct traffic *traffic;
};

static struct connectx *of(struct mig_device *device)
{
	return device->private;
}

/* A file of the PF's in sysfs; false: there is none. */
static bool pf_path(const char *name, const char *file, char path[PATH_MAX])
{
	char link[PATH_MAX];

	snprintf_assert(link, sizeof(link), "/sys/bus/pci/devices/%s/physfn/%s", name, file);
	return realpath(link, path);
}

static void *map_control(const char *name)
{
	char pf[PATH_MAX];

	return pf_path(name, "", pf) ? pci_map_bar(strrchr(pf, '/') + 1, 2, BAR2_SIZE) : NULL;
}

/*
 * All functions of a NIC announce Ethernet, or none: then the PF's driver has made a netdev. To
 * ask the firmware would be a command in which a fault could be meant for another.
 */
static bool has_ethernet(const char *name)
{
	char netdevs[PATH_MAX];

	return pf_path(name, "net", netdevs);
}

static bool connectx_open(struct mig_device *device, bool ethernet)
{
	struct vfio_pci_bar *bar = &device->vfio->bars[2];
	struct connectx *connectx;

	if (!bar->vaddr || bar->info.size != BAR2_SIZE || *(volatile u64 *)bar->vaddr != WORKLOAD_MAGIC ||
	    has_ethernet(device->name) != ethernet)
		return false;
	connectx = calloc_assert(1, sizeof(*connectx));
	connectx->workload = workload_of(bar->vaddr);
	connectx->map = map_control(device->name);
	connectx->control = control_of(connectx->map);
	device->private = connectx;
	return true;
}

static bool connectx_probe(struct mig_device *device)
{
	return connectx_open(device, false);
}

static bool ethernet_probe(struct mig_device *device)
{
	return connectx_open(device, true);
}

static void connectx_remove(struct mig_device *device)
{
	munmap(of(device)->map, BAR2_SIZE);
	free(device->private);
}

static void connectx_fill(struct mig_device *device, u64 seed)
{
	struct bar2 b = of(device)->workload;

	VFIO_ASSERT_TRUE(wl_fill(b, 0, wl_read(b, WL_STATE_SIZE), seed), "%s: the memory is not filled", device->name);
}

static u64 connectx_sum(struct mig_device *device)
{
	return wl_sum(of(device)->workload);
}

static void connectx_change(struct mig_device *device, u64 count)
{
	struct bar2 b = of(device)->workload;
	u64 until = wl_read(b, WL_MEM_COUNT) + count;

	wl_change(b, 0, wl_read(b, WL_STATE_SIZE), CHANGE_RATE, until);
	VFIO_ASSERT_TRUE(wl_wait(b, WL_MEM_COUNT, until, MIG_PATIENCE_MS), "%s: the memory does not change", device->name);
	wl_change(b, 0, wl_read(b, WL_STATE_SIZE), 0, 0);
}

static void connectx_churn(struct mig_device *device, u64 rate)
{
	struct bar2 b = of(device)->workload;

	wl_change(b, 0, wl_read(b, WL_STATE_SIZE), rate, 0);
}

static u64 connectx_changes(struct mig_device *device)
{
	return wl_read(of(device)->workload, WL_MEM_COUNT);
}

static void connectx_reinit(struct mig_device *device)
{
	ctl_vhca_action(of(device)->control, wl_read(of(device)->workload, WL_VHCA_ID), VHCA_SET_REINIT);
}

static void *connectx_scratch(struct mig_device *device)
{
	return device->vfio->bars[2].vaddr + BAR2_WINDOW;
}

static void connectx_dma(struct mig_device *device, u64 iova, u64 len, u64 stride, u64 rate)
{
	wl_dma(of(device)->workload, iova, len, stride, rate, 0);
}

static u64 connectx_dma_count(struct mig_device *device)
{
	return wl_read(of(device)->workload, WL_DMA_COUNT);
}

static u64 connectx_window(struct mig_device *device, u32 *bar, u64 *offset)
{
	*bar = 2;
	*offset = BAR2_WINDOW;
	return BAR2_WINDOW_SIZE;
}

static void connectx_interrupt(struct mig_device *device, u32 vector, u64 rate)
{
	struct bar2 b = of(device)->workload;

	wl_write(b, WL_IRQ_RATE, 0);
	wl_write(b, WL_IRQ_VECTOR, vector);
	wl_write(b, WL_IRQ_LIMIT, 0);
	wl_write(b, WL_IRQ_RATE, rate);
}

static u64 connectx_interrupts(struct mig_device *device)
{
	return wl_read(of(device)->workload, WL_IRQ_COUNT);
}

static void connectx_fault_arm(struct mig_device *device, enum workload_fault fault, u32 nth, u32 times)
{
	static const struct fault faults[WORKLOAD_FAULTS] = {
		[WORKLOAD_FAULT_FAIL] = { .action = FAULT_FAIL, .status = ST_INTERNAL_ERR, .syndrome = SYNDROME },
		[WORKLOAD_FAULT_STATE] = { .action = FAULT_FAIL, .status = ST_BAD_RES_STATE, .syndrome = SYNDROME },
		[WORKLOAD_FAULT_RESOURCES] = { .action = FAULT_FAIL, .status = ST_NO_RESOURCES, .syndrome = SYNDROME },
		[WORKLOAD_FAULT_DMA] = { .action = FAULT_DMA },
		[WORKLOAD_FAULT_SLOW] = { .action = FAULT_DELAY, .delay_us = SLOW_US },
		[WORKLOAD_FAULT_NEVER] = { .action = FAULT_NEVER },
	};
	struct fault f = faults[fault];

	/* The PF sends the commands of a VF's migration. */
	f.vhca_id = VHCA_ID_PF;
	f.nth = nth;
	f.times = times;
	if (fault != WORKLOAD_FAULT_DMA) {
		ctl_arm(of(device)->control, f);
		return;
	}
	/* Others have no data, and one whose answer is lost is not one that failed. */
	f.opcode = OP_SAVE_VHCA_STATE;
	ctl_arm(of(device)->control, f);
	f.opcode = OP_LOAD_VHCA_STATE;
	ctl_arm(of(device)->control, f);
}

static u64 connectx_fault_hits(struct mig_device *device)
{
	return ctl_read(of(device)->control, CB_FAULT_HITS);
}

static void connectx_fault_disarm(struct mig_device *device)
{
	ctl_disarm(of(device)->control);
}

static void connectx_traffic(struct mig_device *device, const struct dma_region *region, bool fresh)
{
	of(device)->traffic = traffic_open(device->vfio->bars[0].vaddr, region->vaddr, region->iova,
					   region->size, fresh);
}

static u64 connectx_traffic_post(struct mig_device *device, u32 count)
{
	u32 state = mig_state_get(device);

	return traffic_post(of(device)->traffic, count,
			    state == VFIO_DEVICE_STATE_RUNNING ||
			    state == VFIO_DEVICE_STATE_PRE_COPY);
}

static u64 connectx_traffic_seen(struct mig_device *device)
{
	return traffic_seen(of(device)->traffic);
}

#define OPERATIONS								\
	.remove = connectx_remove,						\
	.fill = connectx_fill,							\
	.sum = connectx_sum,							\
	.change = connectx_change,						\
	.churn = connectx_churn,						\
	.changes = connectx_changes,						\
	.reinit = connectx_reinit,						\
	.scratch = connectx_scratch,						\
	.dma = connectx_dma,							\
	.dma_count = connectx_dma_count,					\
	.window = connectx_window,						\
	.interrupt = connectx_interrupt,					\
	.interrupts = connectx_interrupts,					\
	.fault_arm = connectx_fault_arm,					\
	.fault_hits = connectx_fault_hits,					\
	.fault_disarm = connectx_fault_disarm

static const struct workload connectx_workload = {
	.name = "the lab's ConnectX",
	.probe = connectx_probe,
	OPERATIONS,
};

static const struct workload ethernet_workload = {
	.name = "the lab's ConnectX with Ethernet",
	.probe = ethernet_probe,
	OPERATIONS,
	.traffic = connectx_traffic,
	.traffic_post = connectx_traffic_post,
	.traffic_seen = connectx_traffic_seen,
};

MIG_WORKLOAD(connectx_workload);
MIG_WORKLOAD(ethernet_workload);
