// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VMM does: the calls of a migration in the order in which QEMU makes
 * them, on the source and on the target, and the ways in which one is given up.
 *
 * QEMU never reads the state back. So what it believes the state to be after
 * each call has to be true.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/compiler.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define MAIN_CHANNEL 32768	/* what arrives on a VMM's main channel, at most */
#define READ_AT_MOST (1UL << 20)
#define POLLS 300		/* of the sizes, while nothing changes */
#define VECTORS 2
#define GUEST_MEMORY (2UL << 20)
#define GUEST_IOVA (1UL << 30)

MIG_FIXTURE(vmm, VFIO_MIGRATION_STOP_COPY)

/* As QEMU chooses it: never more than a migration would bring. */
static size_t read_size(struct mig_device *device)
{
	u64 size = 0;

	VFIO_ASSERT_EQ(__mig_data_size(device, &size), 0);
	VFIO_ASSERT_GT(size, 0, "with an estimate of 0 a VMM allocates no buffer");
	return size < READ_AT_MOST ? size : READ_AT_MOST;
}

/* One read() on the source, and what a channel makes of it on the target. */
static int transfer(int from, int to, u8 *buffer, size_t size)
{
	static const size_t tails[] = { MAIN_CHANNEL, 26, 32742, 1, MAIN_CHANNEL };
	ssize_t got = read(from, buffer, size);
	unsigned int turn = 0;

	if (got <= 0)
		return got ? -errno : 0;
	for (size_t done = 0, piece; done < (size_t)got; done += piece) {
		piece = min((size_t)got - done, tails[turn++ % ARRAY_SIZE(tails)]);
		VFIO_ASSERT_EQ(__mig_write(to, buffer + done, piece), 0);
	}
	return got;
}

/* What pre-copy has, as long as it has something, with the questions of a VMM in between. */
static void transfer_precopy(struct mig_device *source, int from, int to, u8 *buffer, size_t size)
{
	struct vfio_precopy_info info;
	u64 bytes;
	int ret;

	do {
		VFIO_ASSERT_EQ(__mig_data_size(source, &bytes), 0);
		mig_precopy_info_zeroed(from, &info);
		ret = transfer(from, to, buffer, size);
	} while (ret > 0);
	VFIO_ASSERT_TRUE(ret == -ENOMSG || !ret, "pre-copy's temporary end: %d", ret);
}

static void transfer_rest(int from, int to, u8 *buffer, size_t size)
{
	int ret;

	do {
		ret = transfer(from, to, buffer, size);
	} while (ret > 0);
	VFIO_ASSERT_EQ(ret, 0, "the end of the stream");
}

/*
 * Config space comes after the device's data and while the target is RESUMING: command
 * register, then MSI-X.
 */
static void restore_config(struct mig_device *source, struct mig_device *target)
{
	u16 command = vfio_pci_config_readw(source->vfio, PCI_COMMAND);

	vfio_pci_config_writew(target->vfio, PCI_COMMAND, command | PCI_COMMAND_MASTER);
	if (target->vfio->msix_info.count >= VECTORS)
		vfio_pci_msix_enable(target->vfio, 0, VECTORS);
}

static void start_vm(struct mig_device *device)
{
	if (device->flags & VFIO_MIGRATION_P2P)
		mig_state_set(device, VFIO_DEVICE_STATE_RUNNING_P2P);
	mig_state_set(device, VFIO_DEVICE_STATE_RUNNING);
}

static void stop_vm(struct mig_device *device)
{
	if (device->flags & VFIO_MIGRATION_P2P)
		mig_state_set(device, VFIO_DEVICE_STATE_RUNNING_P2P);
	mig_state_set(device, VFIO_DEVICE_STATE_STOP);
}

/* From the end of pre-copy to the stream's end, or from STOP where there is no pre-copy. */
static int enter_stop_copy(struct mig_device *source, int from)
{
	if (from < 0) {
		stop_vm(source);
		return mig_state_set_fd(source, VFIO_DEVICE_STATE_STOP_COPY);
	}
	if (source->flags & VFIO_MIGRATION_P2P)
		mig_state_set(source, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	mig_state_set(source, VFIO_DEVICE_STATE_STOP_COPY);
	return from;
}

/* A whole live migration in QEMU's order. */
static void migrate(struct mig_device *source, struct mig_device *target)
{
	int to = mig_state_set_fd(target, VFIO_DEVICE_STATE_RESUMING);
	size_t size = read_size(source);
	u8 *buffer = malloc_assert(size);
	int from = -1;
	u64 sum;

	if (source->flags & VFIO_MIGRATION_PRE_COPY) {
		from = mig_state_set_fd(source, VFIO_DEVICE_STATE_PRE_COPY);
		transfer_precopy(source, from, to, buffer, size);
		mig_change(source, 10);
		transfer_precopy(source, from, to, buffer, size);
		mig_change(source, 10);
	}
	from = enter_stop_copy(source, from);
	transfer_rest(from, to, buffer, size);
	sum = mig_sum(source);
	restore_config(source, target);
	start_vm(target);
	VFIO_ASSERT_EQ(mig_sum(target), sum, "the target has another state than the source");
	/* The source is let go only now, and the target's data FD is closed after the VM runs. */
	mig_state_set(source, VFIO_DEVICE_STATE_STOP);
	VFIO_ASSERT_EQ(close(from), 0);
	VFIO_ASSERT_EQ(close(to), 0);
	free(buffer);
}

/*
 * Items: 40 41 42. vfio.h: "the migration FD"; QEMU: data before config space, the source is
 * let go last.
 */
TEST_F(vmm, migrates_running)
{
	MIG_NEED_DEVICES(2);
	mig_fill(self->device, 3);
	migrate(self->device, mig_bench_target(&self->bench));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->bench.second));
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP, mig_state_get(self->device));
	mig_change(self->bench.second, 1);
}

/*
 * Items: 37. QEMU restores MSI-X and bus mastering while RESUMING, before the last of the state
 * is applied.
 */
TEST_F(vmm, config_while_resuming)
{
	struct mig_stream stream;
	struct mig_device *target;
	int to;

	mig_fill(self->device, 4);
	stream = mig_save(self->device, false);
	target = mig_bench_target(&self->bench);
	if (target->vfio->msix_info.count < VECTORS)
		SKIP(return, "the device has no %u MSI-X vectors", VECTORS);
	MIG_NEED_WORKLOAD(target, interrupt);
	to = mig_state_set_fd(target, VFIO_DEVICE_STATE_RESUMING);
	ASSERT_EQ(0, __mig_write(to, stream.data, stream.len));
	vfio_pci_config_writew(target->vfio, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfio_pci_msix_enable(target->vfio, 0, VECTORS);
	start_vm(target);
	target->workload->interrupt(target, 1, 1000);
	fcntl_set_nonblock(target->vfio->msi_eventfds[1]);
	EXPECT_TRUE(mig_wait_until(read(target->vfio->msi_eventfds[1], &(u64){ 0 }, sizeof(u64)) ==
					   sizeof(u64),
				   MIG_PATIENCE_MS));
	target->workload->interrupt(target, 1, 0);
	mig_stream_free(&stream);
}

/*
 * Items: 23 39. A VM that starts and stops without migrating: two steps each, all devices take
 * the first one first.
 */
TEST_F(vmm, starts_and_stops)
{
	mig_fill(self->device, 5);
	for (int i = 0; i < 5; i++) {
		u64 sum;

		stop_vm(self->device);
		sum = mig_sum(self->device);
		stop_vm(self->device);
		start_vm(self->device);
		start_vm(self->device);
		ASSERT_EQ(sum, mig_sum(self->device));
	}
}

/* Items: 71. A paused VM: no pre-copy, the estimate is asked in STOP, the session starts there. */
TEST_F(vmm, paused_source)
{
	struct mig_device *target;
	struct mig_stream stream = { };
	int from, to;
	u64 sum;

	mig_fill(self->device, 6);
	stop_vm(self->device);
	for (int i = 0; i < POLLS; i++)
		read_size(self->device);
	from = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	ASSERT_EQ(MIG_STREAM_END, __mig_read(from, &stream, READ_AT_MOST));
	sum = mig_sum(self->device);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	close(from);
	EXPECT_EQ(sum, mig_sum(self->device));

	/* The target stays RESUMING until its VM is continued, which may be much later. */
	target = mig_bench_target(&self->bench);
	to = mig_state_set_fd(target, VFIO_DEVICE_STATE_RESUMING);
	ASSERT_EQ(0, __mig_write(to, stream.data, stream.len));
	EXPECT_EQ(VFIO_DEVICE_STATE_RESUMING, mig_state_get(target));
	start_vm(target);
	EXPECT_EQ(sum, mig_sum(target));
	close(to);
	mig_stream_free(&stream);
}

/*
 * Items: 31 41. A VM that was never started (-S): PRE_COPY, then STOP_COPY at once, the target
 * is never continued.
 */
TEST_F(vmm, prelaunch_source)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	int from, to;

	MIG_NEED(self->device, MIG_PRE_COPY);
	from = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_read_precopy(from, &stream);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	mig_read_all(from, &stream);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	close(from);

	target = mig_bench_target(&self->bench);
	to = mig_state_set_fd(target, VFIO_DEVICE_STATE_RESUMING);
	ASSERT_EQ(0, __mig_write(to, stream.data, stream.len));
	mig_bench_close(&self->bench);
	EXPECT_EQ(-1, write(to, stream.data, 1));
	EXPECT_EQ(ENODEV, errno);
	mig_stream_free(&stream);
}

/*
 * Items: 58 69 71. While nothing changes a VMM asks hundreds of times a second; this moves
 * nothing and never fails.
 */
TEST_F(vmm, polls_sizes)
{
	struct vfio_precopy_info info;
	struct mig_stream stream = { };
	int from;

	for (int i = 0; i < POLLS; i++)
		read_size(self->device);
	MIG_NEED(self->device, MIG_PRE_COPY);
	from = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_read_precopy(from, &stream);
	for (int i = 0; i < POLLS; i++) {
		read_size(self->device);
		mig_precopy_info_zeroed(from, &info);
		ASSERT_EQ(0, info.initial_bytes);
		ASSERT_LE(read(from, &(u8){ 0 }, 1), 0);
	}
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	mig_read_all(from, &stream);
	close(from);
	mig_stream_free(&stream);
}

/*
 * Items: 62. A VMM that waits for the target's word sends it once initial_bytes is 0, which has
 * to come.
 */
TEST_F(vmm, switchover_ack)
{
	struct vfio_precopy_info info;
	u8 *buffer;
	size_t size;
	int from;

	MIG_NEED(self->device, MIG_PRE_COPY);
	mig_fill(self->device, 7);
	size = read_size(self->device);
	buffer = malloc_assert(size);
	from = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_precopy_info_zeroed(from, &info);
	ASSERT_GT(info.initial_bytes, 0);
	while (info.initial_bytes) {
		ASSERT_GT(read(from, buffer, size), 0)
			TH_LOG("no data, and %llu initial bytes to come", info.initial_bytes);
		mig_precopy_info_zeroed(from, &info);
	}
	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	close(from);
	free(buffer);
}

enum phase { ENTERED, READING, DRAINED, P2P, STOPPED, STOP_COPY_READING, FINISHED, PHASES };

static const char *const phase_names[PHASES] = {
	[ENTERED] = "before the first read",
	[READING] = "in the middle of the first image",
	[DRAINED] = "at the temporary end",
	[P2P] = "in PRE_COPY_P2P",
	[STOPPED] = "at the start of STOP_COPY",
	[STOP_COPY_READING] = "in the middle of STOP_COPY's data",
	[FINISHED] = "after the end of the stream",
};

/* As far as @phase; false if the device has no such phase. */
static bool advance(struct mig_device *source, int *from, enum phase phase)
{
	bool precopy = source->flags & VFIO_MIGRATION_PRE_COPY;
	struct mig_stream stream = { };
	u8 some[100];

	if (phase <= P2P && !precopy)
		return false;
	if (phase == P2P && !(source->flags & VFIO_MIGRATION_P2P))
		return false;
	if (precopy) {
		*from = mig_state_set_fd(source, VFIO_DEVICE_STATE_PRE_COPY);
		if (phase == READING)
			VFIO_ASSERT_GT(read(*from, some, sizeof(some)), 0);
		if (phase >= DRAINED)
			mig_read_precopy(*from, &stream);
		if (phase == P2P)
			mig_state_set(source, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	}
	if (phase >= STOPPED)
		*from = enter_stop_copy(source, precopy ? *from : -1);
	if (phase == STOP_COPY_READING)
		VFIO_ASSERT_GT(read(*from, some, sizeof(some)), 0);
	if (phase == FINISHED)
		mig_read_all(*from, &stream);
	mig_stream_free(&stream);
	return true;
}

FIXTURE(cancel) {
	struct mig_bench bench;
	struct mig_device *device;
};

FIXTURE_VARIANT(cancel) {
	enum phase phase;
};

FIXTURE_VARIANT_ADD(cancel, entered) { .phase = ENTERED };
FIXTURE_VARIANT_ADD(cancel, reading) { .phase = READING };
FIXTURE_VARIANT_ADD(cancel, drained) { .phase = DRAINED };
FIXTURE_VARIANT_ADD(cancel, p2p) { .phase = P2P };
FIXTURE_VARIANT_ADD(cancel, stopped) { .phase = STOPPED };
FIXTURE_VARIANT_ADD(cancel, stop_copy_reading) { .phase = STOP_COPY_READING };
FIXTURE_VARIANT_ADD(cancel, finished) { .phase = FINISHED };

FIXTURE_SETUP(cancel)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
}

FIXTURE_TEARDOWN(cancel)
{
	mig_bench_close(&self->bench);
}

/*
 * Items: 42 44 48. vfio.h: "terminate the data transfer session"; the VM goes on, and can be
 * migrated later.
 */
TEST_F(cancel, goes_on)
{
	struct mig_stream stream;
	int from = -1;
	u64 sum;

	mig_fill(self->device, 8);
	sum = mig_sum(self->device);
	if (!advance(self->device, &from, variant->phase))
		SKIP(return, "the device has no phase '%s'", phase_names[variant->phase]);
	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(-1, read(from, &(u8){ 0 }, 1));
	EXPECT_EQ(ENODEV, errno);
	close(from);
	EXPECT_EQ(sum, mig_sum(self->device));

	mig_change(self->device, 3);
	sum = mig_sum(self->device);
	stream = mig_save(self->device, false);
	mig_load(mig_bench_target(&self->bench), &stream);
	EXPECT_EQ(sum, mig_sum(mig_bench_target(&self->bench)));
	mig_stream_free(&stream);
}

/*
 * Items: 30 43. vfio.h: "VFIO_DEVICE_RESET": a guest that resets itself in pre-copy; QEMU then
 * still says RUNNING.
 */
TEST_F(cancel, by_reset)
{
	int from = -1;

	if (!advance(self->device, &from, variant->phase))
		SKIP(return, "the device has no phase '%s'", phase_names[variant->phase]);
	mig_device_reset(self->device);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	EXPECT_EQ(-1, read(from, &(u8){ 0 }, 1));
	EXPECT_EQ(ENODEV, errno);
	mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
	close(from);
	mig_assert_usable(self->device);
}

/*
 * Items: 18 43. A VMM that dies closes everything in any phase and any order; who opens next
 * finds RUNNING.
 */
TEST_F(cancel, by_closing)
{
	int from = -1;

	if (!advance(self->device, &from, variant->phase))
		SKIP(return, "the device has no phase '%s'", phase_names[variant->phase]);
	if (variant->phase % 2)
		close(from);
	mig_bench_close(&self->bench);
	if (!(variant->phase % 2))
		close(from);
	self->device = mig_device_open_as_is(mig_devices_name(0));
	self->bench.device = self->device;
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
	mig_assert_usable(self->device);
}

struct channel {
	struct mig_device *source;
	struct mig_stream stream;
	int from;
	int end;
};

static void *read_in_thread(void *argument)
{
	struct channel *channel = argument;

	channel->end = __mig_read(channel->from, &channel->stream, MAIN_CHANNEL);
	return NULL;
}

/*
 * Items: 51. A channel of its own reads what STOP_COPY has, in another thread than the one that
 * set the state.
 */
TEST_F(vmm, reads_in_a_thread)
{
	struct channel channel = { .source = self->device };
	pthread_t thread;
	u64 sum, size;

	mig_fill(self->device, 9);
	channel.from = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_in_thread, &channel));
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, __mig_data_size(self->device, &size));
	sum = mig_sum(self->device);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(MIG_STREAM_END, channel.end);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	mig_load(mig_bench_target(&self->bench), &channel.stream);
	EXPECT_EQ(sum, mig_sum(mig_bench_target(&self->bench)));
	mig_stream_free(&channel.stream);
}

/*
 * Items: 39 41. Two devices of one VM: states and reads take turns, all are in the P2P state
 * before any is stopped.
 */
TEST_F(vmm, two_devices_in_step)
{
	struct mig_device *devices[2];
	struct mig_stream streams[2] = { };
	u64 sums[2];
	int from[2];

	MIG_NEED_DEVICES(2);
	MIG_NEED(self->device, MIG_PRE_COPY_P2P);
	devices[0] = self->device;
	devices[1] = mig_bench_target(&self->bench);
	for (int i = 0; i < 2; i++) {
		mig_fill(devices[i], 10 + i);
		from[i] = mig_state_set_fd(devices[i], VFIO_DEVICE_STATE_PRE_COPY);
	}
	for (int i = 0; i < 2; i++)
		mig_read_precopy(from[i], &streams[i]);
	for (int i = 0; i < 2; i++)
		mig_state_set(devices[i], VFIO_DEVICE_STATE_PRE_COPY_P2P);
	for (int i = 0; i < 2; i++)
		mig_state_set(devices[i], VFIO_DEVICE_STATE_STOP_COPY);
	for (int i = 0; i < 2; i++) {
		mig_read_all(from[i], &streams[i]);
		sums[i] = mig_sum(devices[i]);
	}
	for (int i = 0; i < 2; i++) {
		mig_state_set(devices[i], VFIO_DEVICE_STATE_STOP);
		close(from[i]);
		mig_device_reset(devices[i]);
	}
	/* They change places. */
	for (int i = 0; i < 2; i++) {
		mig_load(devices[i], &streams[1 - i]);
		EXPECT_EQ(sums[1 - i], mig_sum(devices[i]));
	}
	for (int i = 0; i < 2; i++)
		mig_stream_free(&streams[i]);
}

/* Items: 78 80. QEMU never stops DMA logging after a success: it closes the device with it on. */
TEST_F(vmm, closes_with_logging_on)
{
	struct vfio_device_feature_dma_logging_range range = { .iova = 0, .length = 1UL << 32 };
	u64 page_size = 4096;
	int ret;

	ret = __vfio_feature_probe(self->device->fd,
				   VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START);
	if (ret == -ENOTTY)
		SKIP(return, "the device does not offer DMA logging");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, __dma_logging_start(self->device, &range, 1, &page_size));
		mig_bench_close(&self->bench);
		self->device = mig_device_open(mig_devices_name(0));
		self->bench.device = self->device;
	}
	EXPECT_EQ(0, __dma_logging_start(self->device, &range, 1, &page_size));
	EXPECT_EQ(0, __dma_logging_stop(self->device));
}

/*
 * Items: 42. The VM's memory goes on being mapped and written by the source until the end, and
 * by the target after.
 */
TEST_F(vmm, dma_goes_on_at_the_target)
{
	struct dma_region region = { .iova = GUEST_IOVA, .size = GUEST_MEMORY };
	struct mig_device *target;
	struct mig_stream stream;
	u64 count, *writes;

	MIG_NEED_WORKLOAD(self->device, dma);
	region.vaddr =
		mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_SHARED, -1, 0);
	ASSERT_NE(MAP_FAILED, region.vaddr);
	writes = region.vaddr;
	iommu_map(self->device->iommu, &region);
	self->device->workload->dma(self->device, region.iova, region.size, 4096, 5000);
	ASSERT_TRUE(mig_wait_until(self->device->workload->dma_count(self->device) > 10,
				   MIG_PATIENCE_MS));
	stream = mig_save(self->device, self->device->flags & VFIO_MIGRATION_PRE_COPY);
	count = self->device->workload->dma_count(self->device);

	target = mig_bench_target(&self->bench);
	if (target != self->device) {
		struct dma_region same = region;

		iommu_map(target->iommu, &same);
		mig_load(target, &stream);
		EXPECT_TRUE(mig_wait_until(target->workload->dma_count(target) > count + 10,
					   MIG_PATIENCE_MS));
		target->workload->dma(target, region.iova, region.size, 4096, 0);
		/* The n-th write is of n + 1, wherever it was made. */
		EXPECT_LE(count, READ_ONCE(writes[(count - 1) % (GUEST_MEMORY / 4096) * 512]));
		iommu_unmap(target->iommu, &same);
	} else {
		mig_load(target, &stream);
		EXPECT_TRUE(mig_wait_until(target->workload->dma_count(target) > count + 10,
					   MIG_PATIENCE_MS));
		target->workload->dma(target, region.iova, region.size, 4096, 0);
	}
	iommu_unmap(self->device->iommu, &region);
	mig_stream_free(&stream);
}

MIG_TEST_MAIN
