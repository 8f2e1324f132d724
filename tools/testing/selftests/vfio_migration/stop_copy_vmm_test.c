// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that knows no pre-copy, as cloud-hypervisor is one: the device's state
 * moves while the VM is paused, and until then the VMM asks the device which
 * of all of the VM's memory it wrote. Each of its moves is one SET, whose arcs
 * the kernel finds. It closes a data FD as soon as it has moved the data.
 *
 * Where a SET fails it tries a state that it knows to be good, and resets the
 * device as the last resort; then the VM goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/compiler.h>
#include <linux/sizes.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define PAGE SZ_4K
#define BANKS 2			/* of the VM's memory, which has a hole; no two of one size */
#define RATE 5000
#define ROUNDS 4		/* over the memory */
#define VECTORS 2
#define MAX_COMMANDS 60		/* more than a move takes */

static const u64 bank_sizes[BANKS] = { SZ_4M, SZ_8M };

struct memory {
	struct dma_region banks[BANKS];
	u8 *arrived[BANKS];	/* the target's */
};

/* @logs: the device tells what it wrote */
struct vm {
	struct mig_bench bench;
	struct mig_device *device;
	struct memory memory;
	bool logs;
};

static void start_vm(struct vm *vm)
{
	vm->device = mig_device_open(mig_devices_name(0));
	vm->bench.device = vm->device;
	vm->logs = !__vfio_feature_probe(vm->device->fd,
					 VFIO_DEVICE_FEATURE_SET |
						 VFIO_DEVICE_FEATURE_DMA_LOGGING_START);
	for (int i = 0; i < BANKS; i++) {
		mig_dma_map(vm->device, &vm->memory.banks[i], bank_sizes[i]);
		vm->memory.arrived[i] = mmap(NULL, bank_sizes[i], PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		VFIO_ASSERT_NE(vm->memory.arrived[i], MAP_FAILED);
	}
}

/* ---- the VM's memory ---- */

/* All of it, before any is copied. */
static int start_log(struct mig_device *device, const struct memory *memory)
{
	struct vfio_device_feature_dma_logging_range ranges[BANKS];
	u64 page_size = PAGE;

	for (int i = 0; i < BANKS; i++)
		ranges[i] = (struct vfio_device_feature_dma_logging_range) {
			.iova = memory->banks[i].iova,
			.length = memory->banks[i].size,
		};
	return __dma_logging_start(device, ranges, BANKS, &page_size);
}

static void copy_all(const struct memory *memory)
{
	for (int i = 0; i < BANKS; i++)
		memcpy(memory->arrived[i], memory->banks[i].vaddr, bank_sizes[i]);
}

/* What was written since it was asked last. Returns how many pages. */
static u32 copy_written(struct mig_device *device, const struct memory *memory)
{
	u32 copied = 0;

	for (int i = 0; i < BANKS; i++) {
		u64 bitmap[SZ_8M / PAGE / 64] = { };

		VFIO_ASSERT_EQ(__dma_logging_report(device, memory->banks[i].iova, bank_sizes[i],
						    PAGE, bitmap),
			       0);
		for (u32 page = 0; page < bank_sizes[i] / PAGE; page++) {
			if (!(bitmap[page / 64] >> page % 64 & 1))
				continue;
			memcpy(memory->arrived[i] + page * PAGE,
			       memory->banks[i].vaddr + page * PAGE, PAGE);
			copied++;
		}
	}
	return copied;
}

static bool all_arrived(const struct memory *memory)
{
	for (int i = 0; i < BANKS; i++)
		if (memcmp(memory->arrived[i], memory->banks[i].vaddr, bank_sizes[i]))
			return false;
	return true;
}

/* The device writes here and there in the second bank, and goes on. */
static void write_memory(struct mig_device *device, const struct memory *memory)
{
	device->workload->dma(device, memory->banks[1].iova, bank_sizes[1], 3 * PAGE, RATE);
}

static void wait_for_writes(struct mig_device *device, u64 count)
{
	u64 until = device->workload->dma_count(device) + count;

	VFIO_ASSERT_TRUE(mig_wait_until(device->workload->dma_count(device) >= until,
					MIG_PATIENCE_MS),
			 "the device does not write");
}

static void copy_while_it_runs(struct mig_device *device, const struct memory *memory)
{
	VFIO_ASSERT_EQ(start_log(device, memory), 0);
	copy_all(memory);
	for (int i = 0; i < ROUNDS; i++) {
		wait_for_writes(device, 50);
		VFIO_ASSERT_GT(copy_written(device, memory), 0);
	}
}

/* Memory as it arrived becomes that of the target's VM. */
static void map_arrived(struct mig_device *target, const struct memory *memory)
{
	for (int i = 0; i < BANKS; i++) {
		struct dma_region *bank = calloc_assert(1, sizeof(*bank));

		*bank = (struct dma_region) {
			.vaddr = memory->arrived[i],
			.iova = memory->banks[i].iova,
			.size = bank_sizes[i],
		};
		iommu_map(target->iommu, bank);
	}
}

/* ---- the device's state ---- */

static int pause_vm(struct mig_device *device)
{
	return __mig_state_set(device, VFIO_DEVICE_STATE_STOP, NULL);
}

static int resume_vm(struct mig_device *device)
{
	return __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
}

/* As Rust's read_to_end(): little at first, and twice as much each time. */
static int read_to_end(int data_fd, struct mig_stream *stream)
{
	ssize_t got;

	for (size_t size = 32;; size *= 2) {
		u8 *some = malloc_assert(size);

		got = read(data_fd, some, size);
		if (got > 0)
			mig_stream_append(stream, some, got);
		free(some);
		if (got <= 0)
			return got ? -errno : 0;
	}
}

/* Of a VM that is paused. */
static int save(struct mig_device *device, struct mig_stream *stream)
{
	int data_fd, ret, ended;

	ret = __mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY, &data_fd);
	if (ret)
		return ret;
	ret = read_to_end(data_fd, stream);
	close(data_fd);
	ended = __mig_state_set(device, VFIO_DEVICE_STATE_STOP, NULL);

	return ret ?: ended;
}

/* What a device lacks that was reset or loaded: PCI_COMMAND, and interrupts. */
static void restore_config(struct mig_device *device)
{
	mig_device_enable(device);
	if (device->vfio->msix_info.count < VECTORS)
		return;
	if (device->vfio->msi_eventfds[0] < 0)
		vfio_pci_msix_enable(device->vfio, 0, VECTORS);
	else
		vfio_pci_irq_reenable(device->vfio, VFIO_PCI_MSIX_IRQ_INDEX, 0, VECTORS);
}

static int load(struct mig_device *device, const struct mig_stream *stream)
{
	int data_fd, ret = __mig_state_set(device, VFIO_DEVICE_STATE_RESUMING, &data_fd);

	if (ret)
		return ret;
	ret = __mig_write(data_fd, stream->data, stream->len);
	close(data_fd);
	if (!ret)
		restore_config(device);

	return ret;
}

static bool interrupts_come(struct mig_device *device)
{
	int eventfd = device->vfio->msi_eventfds[1];
	bool came;
	u64 count;

	if (eventfd < 0 || !MIG_HAS(device, interrupt))
		return true;
	fcntl_set_nonblock(eventfd);
	device->workload->interrupt(device, 1, 1000);
	came = mig_wait_until(read(eventfd, &count, sizeof(count)) == sizeof(count),
			      MIG_PATIENCE_MS);
	device->workload->interrupt(device, 1, 0);

	return came;
}

/* ---- tests ---- */

FIXTURE(stop_copy_vmm) {
	struct vm vm;
	struct mig_device *device;
	struct memory *memory;
};

FIXTURE_SETUP(stop_copy_vmm)
{
	start_vm(&self->vm);
	self->device = self->vm.device;
	self->memory = &self->vm.memory;
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
}

FIXTURE_TEARDOWN(stop_copy_vmm)
{
	mig_bench_close(&self->vm.bench);
}

#define NEED_LOGS(_vm) do {							\
	if (!(_vm)->logs)							\
		SKIP(return, "the device does not offer DMA logging");		\
	MIG_NEED_WORKLOAD((_vm)->device, dma);					\
} while (0)

/*
 * Items: 31 42 44. A snapshot of a paused VM, which then goes on; it is restored elsewhere, from
 * RUNNING to RUNNING, and its data FD was closed before.
 */
TEST_F(stop_copy_vmm, snapshot)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	u64 sum;

	mig_fill(self->device, 21);
	ASSERT_EQ(0, pause_vm(self->device));
	sum = mig_sum(self->device);
	ASSERT_EQ(0, save(self->device, &stream));
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP, mig_state_get(self->device));
	ASSERT_EQ(0, resume_vm(self->device));
	EXPECT_EQ(sum, mig_sum(self->device));
	mig_change(self->device, 3);

	target = mig_bench_target(&self->vm.bench);
	ASSERT_EQ(0, load(target, &stream));
	EXPECT_EQ(VFIO_DEVICE_STATE_RESUMING, mig_state_get(target));
	ASSERT_EQ(0, resume_vm(target));
	EXPECT_EQ(sum, mig_sum(target));
	EXPECT_TRUE(interrupts_come(target));
	mig_stream_free(&stream);
}

/*
 * Items: 31 79 80. A live migration: memory while the VM runs, by what the device says it wrote,
 * and in the pause what it wrote last, and the device. All of the memory is what it was.
 */
TEST_F(stop_copy_vmm, migrates)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	u64 sum;

	MIG_NEED_DEVICES(2);
	NEED_LOGS(&self->vm);
	mig_fill(self->device, 22);
	write_memory(self->device, self->memory);
	copy_while_it_runs(self->device, self->memory);
	wait_for_writes(self->device, 50);
	ASSERT_EQ(0, pause_vm(self->device));
	EXPECT_FALSE(all_arrived(self->memory));
	copy_written(self->device, self->memory);
	EXPECT_TRUE(all_arrived(self->memory));
	ASSERT_EQ(0, save(self->device, &stream));
	EXPECT_TRUE(all_arrived(self->memory));
	sum = mig_sum(self->device);

	target = mig_bench_target(&self->vm.bench);
	map_arrived(target, self->memory);
	ASSERT_EQ(0, load(target, &stream));
	EXPECT_EQ(sum, mig_sum(target));
	ASSERT_EQ(0, resume_vm(target));
	/* Only now that it runs there is the source let go. */
	EXPECT_EQ(0, __dma_logging_stop(self->device));
	wait_for_writes(target, 50);
	EXPECT_FALSE(all_arrived(self->memory)) {
		TH_LOG("what the target writes is not in its own memory");
	}
	EXPECT_TRUE(interrupts_come(target));
	mig_stream_free(&stream);
}

/*
 * Items: 77 78 80. Given up while memory is copied: the device never stopped, and it can begin
 * anew.
 */
TEST_F(stop_copy_vmm, given_up_while_copying)
{
	NEED_LOGS(&self->vm);
	write_memory(self->device, self->memory);
	for (int i = 0; i < 3; i++) {
		copy_while_it_runs(self->device, self->memory);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
		EXPECT_EQ(0, __dma_logging_stop(self->device));
	}
	wait_for_writes(self->device, 50);
}

/* Items: 45 42. The target got half of the state, and says so; the source's VM goes on. */
TEST_F(stop_copy_vmm, refused_by_the_target)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	u64 sum;

	MIG_NEED_DEVICES(2);
	mig_fill(self->device, 23);
	if (self->vm.logs)
		ASSERT_EQ(0, start_log(self->device, self->memory));
	ASSERT_EQ(0, pause_vm(self->device));
	sum = mig_sum(self->device);
	ASSERT_EQ(0, save(self->device, &stream));
	stream.len /= 2;
	target = mig_bench_target(&self->vm.bench);
	EXPECT_NE(0, load(target, &stream) ?: resume_vm(target));
	mig_device_reset(target);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(target));
	ASSERT_EQ(0, resume_vm(self->device));
	EXPECT_EQ(sum, mig_sum(self->device));
	if (self->vm.logs)
		EXPECT_EQ(0, __dma_logging_stop(self->device));
	mig_assert_usable(self->device);
	mig_stream_free(&stream);
}

enum move { PAUSE, SAVE, LOAD };

FIXTURE(move) {
	struct vm vm;
	struct mig_stream whole;
};

/* @times: 1, or 0 where commands fail until the device was reset */
FIXTURE_VARIANT(move) {
	enum move move;
	u32 times;
};

FIXTURE_VARIANT_ADD(move, pause) { .move = PAUSE, .times = 1 };
FIXTURE_VARIANT_ADD(move, pause_from_then_on) { .move = PAUSE };
FIXTURE_VARIANT_ADD(move, save) { .move = SAVE, .times = 1 };
FIXTURE_VARIANT_ADD(move, save_from_then_on) { .move = SAVE };
FIXTURE_VARIANT_ADD(move, load) { .move = LOAD, .times = 1 };
FIXTURE_VARIANT_ADD(move, load_from_then_on) { .move = LOAD };

FIXTURE_SETUP(move)
{
	start_vm(&self->vm);
	MIG_NEED(self->vm.device, VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(self->vm.device, fault_arm);
	MIG_NEED_DEVICES(2);
	mig_fill(self->vm.device, 24);
	VFIO_ASSERT_EQ(pause_vm(self->vm.device) ?: save(self->vm.device, &self->whole), 0);
	VFIO_ASSERT_EQ(resume_vm(self->vm.device), 0);
	restore_config(self->vm.device);
}

FIXTURE_TEARDOWN(move)
{
	mig_stream_free(&self->whole);
	mig_bench_close(&self->vm.bench);
}

static int attempt(struct mig_device *device, enum move move, const struct mig_stream *whole)
{
	struct mig_stream stream = { };
	int ret;

	if (move == PAUSE)
		return pause_vm(device);
	if (move == LOAD)
		return load(device, whole) ?: resume_vm(device);
	ret = save(device, &stream);
	mig_stream_free(&stream);

	return ret;
}

/* Whether it took the last resort. */
static bool recover(struct mig_device *device, enum move move)
{
	u32 good = move == PAUSE ? VFIO_DEVICE_STATE_RUNNING : VFIO_DEVICE_STATE_STOP;

	if (!__mig_state_set(device, good, NULL))
		return false;
	mig_device_reset(device);
	restore_config(device);

	return true;
}

/*
 * Items: 28 29 30 81. Each command of a move fails once, or all from it on, while the device
 * logs: a state that is known to be good, or else a reset, and the VM has a device that works.
 */
TEST_F(move, fails)
{
	struct mig_device *source = self->vm.device, *device = source;
	u32 nth = 0;
	bool struck;

	if (variant->move == LOAD)
		device = mig_bench_target(&self->vm.bench);
	do {
		bool was_reset = false;
		u64 sum, hits;
		int ret;

		ASSERT_LT(nth, MAX_COMMANDS);
		if (self->vm.logs)
			ASSERT_EQ(0, start_log(source, &self->vm.memory));
		if (variant->move == SAVE)
			ASSERT_EQ(0, pause_vm(device));
		sum = mig_sum(device);
		hits = device->workload->fault_hits(device);
		device->workload->fault_arm(device, WORKLOAD_FAULT_FAIL, ++nth, variant->times);
		ret = attempt(device, variant->move, &self->whole);
		if (ret)
			was_reset = recover(device, variant->move);
		struck = device->workload->fault_hits(device) > hits;
		device->workload->fault_disarm(device);
		ASSERT_TRUE(struck || !ret) {
			TH_LOG("command %u: fails, but nothing failed", nth);
		}
		ASSERT_EQ(0, resume_vm(device)) {
			TH_LOG("command %u: the VM does not go on", nth);
		}
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(device));
		if (!was_reset && variant->move != LOAD)
			EXPECT_EQ(sum, mig_sum(device));
		EXPECT_TRUE(interrupts_come(device));
		if (self->vm.logs)
			EXPECT_TRUE(!__dma_logging_stop(source) || was_reset);
	} while (struck);
	EXPECT_GT(nth, 1);
	mig_assert_usable(device);
}

MIG_TEST_MAIN
