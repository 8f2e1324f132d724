// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device does in each state, and that a migration changes nothing about
 * it: its state, its DMA, its interrupts. With a workload all of that is
 * looked at; without, what can be seen through the VFIO interface alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/compiler.h>
#include <linux/sizes.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* What the device does a second. */
#define CHURN 2000
#define WRITES 2000
#define INTERRUPTS 500
/* Where it writes: a count to each of so many places. */
#define BUFFER SZ_64K
#define STRIDE 64UL
#define PLACES (BUFFER / STRIDE)
#define VECTOR 1
/* How long a device that must be quiet is watched; it would do a hundred things in this time. */
#define QUIET_US 50000
/*
 * An interrupt that was raised before the device stopped may still be on its way through the host.
 */
#define IN_FLIGHT_US 2000

MIG_FIXTURE(behaviour, VFIO_MIGRATION_STOP_COPY)

/* What can be seen of a device from outside. */
struct view {
	u64 changes;
	u64 writes;
	u64 interrupts;
	u64 events;
	u64 seen;
	u64 sum;
	u64 memory[PLACES];
};

struct work {
	struct mig_device *device;
	struct dma_region region;
	struct dma_region queues;
	u64 events;
	bool vectors;
};

/* The vectors up to the one that the workload uses, each with an eventfd. */
static void enable_vectors(struct work *work)
{
	struct vfio_pci_device *vfio = work->device->vfio;

	if (vfio->msix_info.count <= VECTOR || !MIG_HAS(work->device, interrupt))
		return;
	if (work->vectors) {
		vfio_pci_msix_reenable(vfio, 0, VECTOR + 1);
		return;
	}
	vfio_pci_msix_enable(vfio, 0, VECTOR + 1);
	for (int i = 0; i <= VECTOR; i++)
		fcntl_set_nonblock(vfio->msi_eventfds[i]);
	work->vectors = true;
}

static u64 events(struct work *work)
{
	u64 count;

	if (work->vectors &&
	    read(work->device->vfio->msi_eventfds[VECTOR], &count, sizeof(count)) == sizeof(count))
		work->events += count;
	return work->events;
}

static void begin_work(struct work *work, struct mig_device *device)
{
	*work = (struct work) { .device = device };
	mig_dma_map(device, &work->region, BUFFER);
	enable_vectors(work);
	mig_fill(device, 7);
	if (MIG_HAS(device, churn))
		device->workload->churn(device, CHURN);
	if (MIG_HAS(device, dma))
		device->workload->dma(device, work->region.iova, BUFFER, STRIDE, WRITES);
	if (work->vectors)
		device->workload->interrupt(device, VECTOR, INTERRUPTS);
	mig_traffic_begin(device, &work->queues);
}

/* The same memory and vectors on the device that a stream is loaded into. */
static void follow_work(struct work *to, const struct work *from, struct mig_device *device)
{
	if (device == from->device) {
		*to = *from;
	} else {
		*to = (struct work) { .device = device };
		mig_dma_map_too(device, &to->region, &from->region);
		if (from->queues.vaddr)
			mig_dma_map_too(device, &to->queues, &from->queues);
	}
	enable_vectors(to);
	mig_traffic_follow(device, &to->queues);
}

static u64 place(const struct work *work, u64 number)
{
	return READ_ONCE(*(u64 *)(work->region.vaddr + number * STRIDE));
}

static void look(struct work *work, struct view *view)
{
	const struct workload *workload = work->device->workload;

	memset(view, 0, sizeof(*view));
	if (MIG_HAS(work->device, changes))
		view->changes = workload->changes(work->device);
	if (MIG_HAS(work->device, dma_count))
		view->writes = workload->dma_count(work->device);
	if (MIG_HAS(work->device, interrupts))
		view->interrupts = workload->interrupts(work->device);
	view->events = events(work);
	if (work->queues.vaddr)
		view->seen = workload->traffic_seen(work->device);
	for (u64 i = 0; i < PLACES; i++)
		view->memory[i] = place(work, i);
}

/* Nothing that the device does goes on, and its state stays. */
static void expect_quiet(struct __test_metadata *_metadata, struct work *work, const char *where)
{
	static struct view before, after;

	if (work->queues.vaddr)
		mig_traffic_post(work->device);
	usleep(IN_FLIGHT_US);
	look(work, &before);
	before.sum = mig_sum(work->device);
	usleep(QUIET_US);
	look(work, &after);
	after.sum = mig_sum(work->device);
	EXPECT_EQ(before.changes, after.changes) {
		TH_LOG("changes of the state in %s", where);
	}
	EXPECT_EQ(before.writes, after.writes) {
		TH_LOG("DMA in %s", where);
	}
	EXPECT_EQ(before.interrupts, after.interrupts) {
		TH_LOG("interrupts counted in %s", where);
	}
	EXPECT_EQ(before.events, after.events) {
		TH_LOG("interrupts in %s", where);
	}
	EXPECT_EQ(before.seen, after.seen) {
		TH_LOG("messages in %s", where);
	}
	EXPECT_EQ(before.sum, after.sum) {
		TH_LOG("the state in %s", where);
	}
	EXPECT_EQ(0, memcmp(before.memory, after.memory, sizeof(before.memory))) {
		TH_LOG("the memory changed in %s", where);
	}
}

/* All of it goes on. */
static void expect_busy(struct __test_metadata *_metadata, struct work *work, const char *where)
{
	const struct workload *workload = work->device->workload;
	static struct view before;

	look(work, &before);
	if (MIG_HAS(work->device, changes)) {
		EXPECT_TRUE(mig_wait_until(workload->changes(work->device) > before.changes,
					   MIG_PATIENCE_MS)) {
			TH_LOG("the state does not change in %s", where);
		}
	}
	if (MIG_HAS(work->device, dma_count)) {
		EXPECT_TRUE(mig_wait_until(workload->dma_count(work->device) > before.writes,
					   MIG_PATIENCE_MS)) {
			TH_LOG("no DMA in %s", where);
		}
		EXPECT_TRUE(mig_wait_until(place(work, before.writes % PLACES) !=
						   before.memory[before.writes % PLACES],
					   MIG_PATIENCE_MS)) {
			TH_LOG("the memory does not change in %s", where);
		}
	}
	if (work->vectors) {
		EXPECT_TRUE(mig_wait_until(events(work) > before.events, MIG_PATIENCE_MS)) {
			TH_LOG("no interrupts in %s", where);
		}
	}
	mig_traffic_assert(work->device);
}

/*
 * In a stopped device's memory: of the writes that it counts each is where it
 * belongs, and there is none that it does not count.
 */
static void expect_exact(struct __test_metadata *_metadata, struct work *work)
{
	u64 writes, last;

	if (!MIG_HAS(work->device, dma_count))
		return;
	writes = work->device->workload->dma_count(work->device);
	for (u64 i = 0; i < PLACES; i++) {
		/* The n-th write, counted from 0, writes n + 1 to place n % PLACES. */
		last = i < writes ? i + (writes - 1 - i) / PLACES * PLACES + 1 : 0;
		EXPECT_EQ(last, place(work, i)) {
			TH_LOG("place %lu after %lu writes", i, writes);
			return;
		}
	}
}

/*
 * Items: 36. vfio.h on STOP: "The device must not generate interrupts, DMA, or
 * any other change to external state. It must not change its internal state";
 * "in the STOP_COPY state the device has the same behavior as STOP".
 */
TEST_F(behaviour, stopped_is_quiet)
{
	const u32 states[] = { VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY };
	struct work work;

	MIG_NEED_WORKLOAD(self->device, sum);
	begin_work(&work, self->device);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		expect_busy(_metadata, &work, "RUNNING");
		close(mig_state_enter(self->device, states[i]));
		expect_exact(_metadata, &work);
		expect_quiet(_metadata, &work, mig_state_name(states[i]));
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	}
	expect_busy(_metadata, &work, "RUNNING again");
	if (!(self->device->flags & VFIO_MIGRATION_PRE_COPY))
		return;
	close(mig_state_enter(self->device, VFIO_DEVICE_STATE_PRE_COPY));
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	expect_exact(_metadata, &work);
	expect_quiet(_metadata, &work, "STOP_COPY after PRE_COPY");
}

/* Items: 36. vfio.h: "RESUMING - The device is stopped and is loading a new internal state". */
TEST_F(behaviour, resuming_is_quiet)
{
	static struct view before, after;
	struct work work;

	MIG_NEED_WORKLOAD(self->device, dma);
	begin_work(&work, self->device);
	expect_busy(_metadata, &work, "RUNNING");
	close(mig_state_enter(self->device, VFIO_DEVICE_STATE_RESUMING));
	usleep(IN_FLIGHT_US);
	look(&work, &before);
	usleep(QUIET_US);
	look(&work, &after);
	EXPECT_EQ(before.events, after.events);
	EXPECT_EQ(0, memcmp(before.memory, after.memory, sizeof(before.memory)));
	mig_device_reset(self->device);
}

static bool is_stopped(u32 state)
{
	return state == VFIO_DEVICE_STATE_STOP || state == VFIO_DEVICE_STATE_STOP_COPY ||
	       state == VFIO_DEVICE_STATE_RESUMING;
}

/*
 * Items: 37. vfio.h: "When stopped the device and kernel migration driver must
 * accept and respond to interaction to support external subsystems in the STOP
 * state, for example PCI MSI-X and PCI config space".
 */
TEST_F(behaviour, stopped_answers)
{
	struct vfio_pci_device *vfio = self->device->vfio;
	u16 vendor = vfio_pci_config_readw(vfio, PCI_VENDOR_ID);
	u64 count;

	for (u32 state = 1; state < MIG_STATES; state++) {
		if (!mig_state_supported(self->device->flags, state) || !is_stopped(state))
			continue;
		close(mig_state_enter(self->device, state));
		EXPECT_EQ(vendor, vfio_pci_config_readw(vfio, PCI_VENDOR_ID));
		vfio_pci_cmd_clear(vfio, PCI_COMMAND_MASTER);
		if (mig_device_is_pci(self->device->name))
			EXPECT_EQ(0, vfio_pci_config_readw(vfio, PCI_COMMAND) & PCI_COMMAND_MASTER);
		vfio_pci_cmd_set(vfio, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
		if (mig_device_is_pci(self->device->name))
			EXPECT_EQ(PCI_COMMAND_MASTER,
				  vfio_pci_config_readw(vfio, PCI_COMMAND) & PCI_COMMAND_MASTER);
		if (vfio->msix_info.count) {
			vfio_pci_msix_enable(vfio, 0, 1);
			fcntl_set_nonblock(vfio->msi_eventfds[0]);
			vfio_pci_irq_trigger(vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0);
			EXPECT_EQ(sizeof(count),
				  read(vfio->msi_eventfds[0], &count, sizeof(count)));
			vfio_pci_msix_disable(vfio);
		}
		EXPECT_EQ(state, mig_state_get(self->device));
		mig_device_reset(self->device);
	}
	mig_assert_usable(self->device);
}

/* Reads a word of each page of each BAR that can be mapped. */
static void touch_bars(struct vfio_pci_device *vfio)
{
	for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		for (u64 at = 0; vfio->bars[bar].vaddr && at < vfio->bars[bar].info.size;
		     at += SZ_4K)
			(void)READ_ONCE(*(u32 *)(vfio->bars[bar].vaddr + at));
}

/*
 * Items: 38. vfio.h: "Failure by the user to restrict device access while in
 * STOP must not result in error conditions outside the user context".
 */
TEST_F(behaviour, touched_while_stopped)
{
	struct work work;

	for (u32 state = 1; state < MIG_STATES; state++) {
		if (!mig_state_supported(self->device->flags, state) || !is_stopped(state))
			continue;
		close(mig_state_enter(self->device, state));
		touch_bars(self->device->vfio);
		EXPECT_EQ(state, mig_state_get(self->device));
		mig_device_reset(self->device);
	}
	if (MIG_HAS(self->device, dma)) {
		/* To be told to work does not make a stopped device work. */
		work = (struct work) { .device = self->device };
		mig_dma_map(self->device, &work.region, BUFFER);
		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
		self->device->workload->dma(self->device, work.region.iova, BUFFER, STRIDE, WRITES);
		if (MIG_HAS(self->device, churn))
			self->device->workload->churn(self->device, CHURN);
		expect_quiet(_metadata, &work, "STOP, where it was told to work");
	}
	mig_device_reset(self->device);
	mig_assert_usable(self->device);
}

/*
 * Items: 40. vfio.h: "PRE_COPY - The device is running normally but tracking
 * internal state changes".
 */
TEST_F(behaviour, pre_copy_runs)
{
	struct mig_stream stream = { };
	struct work work;
	int data_fd;

	MIG_NEED(self->device, MIG_PRE_COPY);
	MIG_NEED_WORKLOAD(self->device, dma);
	begin_work(&work, self->device);
	data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	expect_busy(_metadata, &work, "PRE_COPY, before a read");
	ASSERT_LE(0, __mig_read(data_fd, &stream, 4096));
	expect_busy(_metadata, &work, "PRE_COPY, after all reads");
	touch_bars(self->device->vfio);
	EXPECT_EQ(VFIO_DEVICE_STATE_PRE_COPY, mig_state_get(self->device));
	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	expect_busy(_metadata, &work, "RUNNING after PRE_COPY");
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	expect_exact(_metadata, &work);
	close(data_fd);
	mig_stream_free(&stream);
}

/*
 * Items: 39. vfio.h: "must complete any such outstanding operations prior to
 * completing the FSM arc into a P2P state"; what is not peer-to-peer may go on.
 */
TEST_F(behaviour, p2p_loses_no_dma)
{
	const u32 states[] = { VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_PRE_COPY_P2P };
	struct work work;

	MIG_NEED(self->device, MIG_P2P);
	MIG_NEED_WORKLOAD(self->device, dma);
	begin_work(&work, self->device);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (!mig_state_supported(self->device->flags, states[i]))
			continue;
		expect_busy(_metadata, &work, "RUNNING");
		close(mig_state_enter(self->device, states[i]));
		EXPECT_EQ(states[i], mig_state_get(self->device));
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	}
	expect_busy(_metadata, &work, "RUNNING after P2P states");
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	expect_exact(_metadata, &work);
}

/* A stream that the device gave when it had @sum. */
static void expect_loads(struct __test_metadata *_metadata, struct mig_bench *bench,
			 struct mig_stream *stream, u64 sum)
{
	struct mig_device *target = mig_bench_target(bench);

	EXPECT_EQ(0, __mig_load(target, stream));
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(stream);
}

/*
 * Items: 41. vfio.h: "Moving between these states alters what is streamed in
 * session, but does not terminate or otherwise affect the associated fd".
 */
TEST_F(behaviour, saving_group_keeps_the_fd)
{
	const u32 moves[] = {
		VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_PRE_COPY,
		VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_PRE_COPY,
		VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_STOP_COPY,
	};
	struct mig_stream stream = { };
	struct vfio_precopy_info info;
	int data_fd;
	u64 sum;

	MIG_NEED(self->device, MIG_PRE_COPY);
	mig_fill(self->device, 9);
	data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		u8 piece[4099];
		ssize_t got;

		if (!mig_state_supported(self->device->flags, moves[i]))
			continue;
		/* In the middle of an image, and at its end. */
		got = read(data_fd, piece, sizeof(piece));
		ASSERT_TRUE(got >= 0 || errno == ENOMSG);
		mig_stream_append(&stream, piece, got > 0 ? got : 0);
		if (i == 2)
			ASSERT_LE(0, __mig_read(data_fd, &stream, sizeof(piece)));
		if (mig_state_get(self->device) == VFIO_DEVICE_STATE_PRE_COPY)
			mig_change(self->device, 5);
		mig_state_set(self->device, moves[i]);
		if (moves[i] != VFIO_DEVICE_STATE_STOP_COPY)
			EXPECT_EQ(0, __mig_precopy_info(data_fd, &info));
	}
	mig_read_all(data_fd, &stream);
	sum = mig_sum(self->device);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	close(data_fd);
	expect_loads(_metadata, &self->bench, &stream, sum);
}

/* As mig_save(), of a device that goes on with its work until it is stopped. */
static struct mig_stream save_working(struct mig_device *device, bool precopy)
{
	struct mig_stream stream = { };
	struct vfio_precopy_info info;
	int data_fd, ret;

	if (!precopy)
		return mig_save(device, false);
	data_fd = mig_state_enter(device, VFIO_DEVICE_STATE_PRE_COPY);
	for (int round = 0; round < 3; round++) {
		mig_precopy_info(data_fd, &info);
		/* It may well change its state faster than that is read. */
		for (int i = 0; i < 200; i++) {
			u8 piece[SZ_16K];

			ret = read(data_fd, piece, sizeof(piece));
			/* Which of both is the temporary end is not what is tested here. */
			VFIO_ASSERT_TRUE(ret >= 0 || errno == ENOMSG);
			if (ret <= 0)
				break;
			mig_stream_append(&stream, piece, ret);
		}
	}
	mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY);
	mig_read_all(data_fd, &stream);
	mig_state_set(device, VFIO_DEVICE_STATE_STOP);
	close(data_fd);

	return stream;
}

static void migrate(struct __test_metadata *_metadata, struct mig_bench *bench, bool precopy)
{
	static struct view before, after;
	struct mig_stream stream;
	struct mig_device *target;
	struct work from, to;

	begin_work(&from, bench->device);
	expect_busy(_metadata, &from, "RUNNING");
	mig_traffic_post(bench->device);
	stream = save_working(bench->device, precopy);
	/* The target has to send these. */
	mig_traffic_post(bench->device);
	usleep(IN_FLIGHT_US);
	look(&from, &before);
	before.sum = mig_sum(bench->device);
	expect_exact(_metadata, &from);

	target = mig_bench_target(bench);
	follow_work(&to, &from, target);
	ASSERT_EQ(0, __mig_load(target, &stream));
	expect_busy(_metadata, &to, "RUNNING on the target");
	mig_state_set(target, VFIO_DEVICE_STATE_STOP);
	usleep(IN_FLIGHT_US);
	look(&to, &after);
	EXPECT_LE(before.changes, after.changes);
	EXPECT_LE(before.writes, after.writes);
	EXPECT_LE(before.interrupts, after.interrupts);
	/* The target went on where the source stopped: no write is lost, none came twice. */
	expect_exact(_metadata, &to);
	mig_stream_free(&stream);
}

/*
 * Items: 19 33. vfio.h: "End of stream on the FD indicates the entire device state has been
 * transferred".
 */
TEST_F(behaviour, goes_on_after_stop_copy)
{
	migrate(_metadata, &self->bench, false);
}

/* Items: 40 41. The same, with images of a device that works while they are taken. */
TEST_F(behaviour, goes_on_after_pre_copy)
{
	MIG_NEED(self->device, MIG_PRE_COPY);
	migrate(_metadata, &self->bench, true);
}

MIG_TEST_MAIN
