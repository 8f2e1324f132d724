// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not there: in each operation the first allocation fails, then
 * the second, ... until there is none to fail, as iommufd_fail_nth.c does it.
 *
 * /proc/self/task/<tid>/fail-nth counts what the calling task allocates. What
 * a driver's worker or another kernel thread allocates on its behalf is not
 * reached; a memory cgroup (memcg_test) may.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/sizes.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define DEBUGFS "/sys/kernel/debug/"
/* More allocations than any operation makes. */
#define MAX_ALLOCATIONS 1000
#define PIECE (1UL << 20)
#define PAGE SZ_4K
#define LOGGED SZ_16M

/* Every allocation may fail, and the kernel does not report each. */
static struct setting {
	const char *file;
	const char *value;
	char before[32];
} settings[] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "failslab/verbose", "0" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "fail_page_alloc/min-order", "0" },
	{ DEBUGFS "fail_page_alloc/verbose", "0" },
};

static void write_setting(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);

	if (fd >= 0)
		VFIO_ASSERT_EQ(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

static void settings_make(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++) {
		int fd = open(settings[i].file, O_RDONLY);

		/* A kernel may have one kind of injection and not the other. */
		if (fd < 0)
			continue;
		VFIO_ASSERT_GT(read(fd, settings[i].before, sizeof(settings[i].before) - 1), 0);
		close(fd);
		write_setting(settings[i].file, settings[i].value);
	}
}

static void settings_restore(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i].before[0])
			write_setting(settings[i].file, settings[i].before);
		settings[i].before[0] = '\0';
	}
}

FIXTURE(fail_nth) {
	struct mig_bench bench;
	struct mig_device *device;
	int fail_nth;
	u64 sum;
};

/* Why allocations cannot be made to fail, or NULL. */
static const char *injection_missing(int *fail_nth)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", gettid());
	*fail_nth = open(path, O_RDWR);
	if (*fail_nth < 0)
		return "the kernel has no fail-nth (CONFIG_FAULT_INJECTION)";
	if (access(DEBUGFS "failslab", R_OK))
		return "the kernel has no failslab (CONFIG_FAILSLAB, its debugfs files)";
	return NULL;
}

FIXTURE_SETUP(fail_nth)
{
	const char *missing = injection_missing(&self->fail_nth);

	if (missing)
		SKIP(return, "%s", missing);
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	mig_fill(self->device, 7);
	self->sum = mig_sum(self->device);
	/* An assertion ends the process without the teardown. */
	atexit(settings_restore);
	settings_make();
}

FIXTURE_TEARDOWN(fail_nth)
{
	settings_restore();
	mig_bench_close(&self->bench);
}

static void arm(int fail_nth, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	VFIO_ASSERT_EQ(pwrite(fail_nth, text, len, 0), len);
}

/*
 * Whether an allocation has failed. Reading and ending it can themselves be what fails; then
 * nothing else has.
 */
static bool disarm(int fail_nth)
{
	char left[16] = "";
	bool struck = pread(fail_nth, left, sizeof(left) - 1, 0) > 0 && !strcmp(left, "0\n");

	while (pwrite(fail_nth, "0", 1, 0) != 1)
		VFIO_ASSERT_EQ(errno, EFAULT);
	return struck;
}

/* Back to RUNNING, from wherever the last attempt left it. */
static const char *back_to_running(struct mig_device *device)
{
	u32 state = mig_state_get(device);

	if (state == VFIO_DEVICE_STATE_ERROR || state == VFIO_DEVICE_STATE_RESUMING) {
		mig_device_reset(device);
		mig_fill(device, 7);
	} else if (__mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL)) {
		mig_device_reset(device);
		mig_fill(device, 7);
		return "does not get back to RUNNING, and is not in ERROR";
	}
	return mig_state_get(device) == VFIO_DEVICE_STATE_RUNNING ?
		       NULL :
		       "is not in RUNNING when SET says so";
}

struct operation {
	const char *name;
	u32 from;
	u32 to;
	const struct mig_stream *stream;
	/* Of the state that the device has at the end. */
	u64 sum;
	/* Where nothing fails by itself. */
	void (*prepare)(struct operation *operation, struct mig_device *device);
	int (*run)(struct operation *operation, struct mig_device *device);
	/* What is wrong afterwards, or NULL. */
	const char *(*fault)(struct operation *operation, struct mig_device *device, int ret);
	int data_fd;
};

static void enter_from(struct operation *operation, struct mig_device *device)
{
	operation->data_fd = mig_state_enter(device, operation->from);
}

static unsigned int sweep(struct mig_device *device, int fail_nth, struct operation *operation)
{
	unsigned int nth, failed = 0, wrong = 0;
	bool struck = true;

	for (nth = 1; nth <= MAX_ALLOCATIONS && struck; nth++) {
		const char *fault, *stuck;
		int ret;

		operation->data_fd = -1;
		operation->prepare(operation, device);
		arm(fail_nth, nth);
		ret = operation->run(operation, device);
		struck = disarm(fail_nth);
		failed += ret != 0;
		fault = !struck && ret ? "fails, but nothing failed" :
					 operation->fault(operation, device, ret);
		stuck = back_to_running(device);
		if (operation->data_fd >= 0)
			close(operation->data_fd);
		if (!fault)
			fault = stuck;
		if (!fault && mig_sum(device) != operation->sum)
			fault = "lost its state";
		if (!fault)
			continue;
		wrong++;
		printf("# %s, allocation %u fails: the device %s (error %d)\n", operation->name,
		       nth, fault, ret);
	}
	printf("# %s: %u allocations, %u errors\n", operation->name, nth - 2, failed);
	fflush(stdout);

	return wrong + struck;
}

static int run_arc(struct operation *operation, struct mig_device *device)
{
	int data_fd, ret;

	ret = __mig_state_set(device, operation->to, &data_fd);
	if (data_fd >= 0)
		operation->data_fd = data_fd;
	return ret;
}

/*
 * An arc that gives a data FD can be complete when there is no memory for the
 * FD; the file is released then, and the device is in the new state.
 */
static const char *arc_fault(struct operation *operation, struct mig_device *device, int ret)
{
	u32 state = mig_state_get(device);

	if (!ret)
		return state == operation->to ? NULL : "is not in the state that it was set to";
	if (state == operation->to &&
	    !mig_path_opens(device->flags, operation->from, operation->to))
		return "says that it is not in the new state, and is";
	return state == operation->from || state == operation->to ||
			       state == VFIO_DEVICE_STATE_ERROR ?
		       NULL :
		       "is in a state that is not on the path";
}

/* Items: 28 35 48. Faults: 3 9. vfio.h: the state after an error is one of the path or ERROR. */
TEST_F_TIMEOUT(fail_nth, arcs, 200)
{
	u32 path[MIG_MAX_ARCS];
	char name[64];

	for (u32 from = VFIO_DEVICE_STATE_STOP; from < MIG_STATES; from++) {
		for (u32 to = VFIO_DEVICE_STATE_STOP; to < MIG_STATES; to++) {
			struct operation arc = {
				.name = name, .from = from, .to = to, .sum = self->sum,
				.prepare = enter_from, .run = run_arc, .fault = arc_fault,
			};

			/* RESUMING is left with a stream: see 'load'. */
			if (from == VFIO_DEVICE_STATE_RESUMING ||
			    mig_path(self->device->flags, from, to, path) != 1)
				continue;
			snprintf(name, sizeof(name), "%s to %s", mig_state_name(from),
				 mig_state_name(to));
			EXPECT_EQ(0, sweep(self->device, self->fail_nth, &arc));
		}
	}
	mig_assert_usable(self->device);
}

/* All of the first round was read, and the device has changed since: asking may begin another. */
static void enter_with_more(struct operation *operation, struct mig_device *device)
{
	struct mig_stream first = { };

	enter_from(operation, device);
	mig_read_precopy(operation->data_fd, &first);
	mig_stream_free(&first);
	mig_change(device, 3);
	operation->sum = mig_sum(device);
}

static int run_info(struct operation *operation, struct mig_device *device)
{
	struct vfio_precopy_info info;

	return __mig_precopy_info(operation->data_fd, &info);
}

static const char *same_state(struct operation *operation, struct mig_device *device, int ret)
{
	return mig_state_get(device) == operation->from ? NULL : "is in another state";
}

/*
 * Items: 20 48. Faults: 3. vfio.h: no state changes but by SET_STATE and reset; the device runs
 * and can go on.
 */
TEST_F_TIMEOUT(fail_nth, precopy_info, 120)
{
	struct operation info = {
		.name = "VFIO_MIG_GET_PRECOPY_INFO", .from = VFIO_DEVICE_STATE_PRE_COPY,
		.prepare = enter_with_more, .run = run_info, .fault = same_state,
	};

	MIG_NEED(self->device, MIG_PRE_COPY);
	EXPECT_EQ(0, sweep(self->device, self->fail_nth, &info));
}

static int run_read(struct operation *operation, struct mig_device *device)
{
	static u8 buffer[PIECE];
	ssize_t got;

	do {
		got = read(operation->data_fd, buffer, sizeof(buffer));
	} while (got > 0);

	return !got || errno == ENOMSG ? 0 : -errno;
}

/* Items: 20 44 48. What read() cannot give ends the migration, not the device. */
TEST_F_TIMEOUT(fail_nth, read, 120)
{
	static const u32 states[] = { VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_STOP_COPY };

	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++) {
		struct operation read = {
			.name = i ? "read() in STOP_COPY" : "read() in PRE_COPY",
			.from = states[i],
			.sum = self->sum,
			.prepare = enter_from,
			.run = run_read,
			.fault = same_state,
		};

		if (mig_state_supported(self->device->flags, states[i]))
			EXPECT_EQ(0, sweep(self->device, self->fail_nth, &read));
	}
}

static int run_load(struct operation *operation, struct mig_device *device)
{
	int ret = __mig_write(operation->data_fd, operation->stream->data, operation->stream->len);

	return ret ? ret : __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
}

static const char *load_fault(struct operation *operation, struct mig_device *device, int ret)
{
	u32 state = mig_state_get(device);

	if (ret && state == VFIO_DEVICE_STATE_RUNNING)
		return "runs, but the load failed";
	/* What was loaded cannot be told now; what comes next is another load. */
	if (ret)
		mig_device_reset(device);
	if (ret)
		mig_fill(device, 7);
	return NULL;
}

/* Items: 28 45 46. A load that failed is told, and after a reset there can be another. */
TEST_F_TIMEOUT(fail_nth, load, 120)
{
	struct operation load = {
		.name = "write() and leaving RESUMING",
		.from = VFIO_DEVICE_STATE_RESUMING,
		.sum = self->sum,
		.prepare = enter_from,
		.run = run_load,
		.fault = load_fault,
	};
	struct mig_stream stream = mig_save(self->device, false);

	mig_device_reset(self->device);
	load.stream = &stream;
	EXPECT_EQ(0, sweep(self->device, self->fail_nth, &load));
	mig_stream_free(&stream);
}

static int run_reset(struct operation *operation, struct mig_device *device)
{
	return __vfio_pci_device_reset(device->vfio);
}

/*
 * The core may need memory before it comes to the device: then it is what it was, and the next
 * reset works.
 */
static const char *reset_fault(struct operation *operation, struct mig_device *device, int ret)
{
	if (!ret && mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
		return "is not in RUNNING after a reset";
	mig_device_reset(device);
	if (mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
		return "is not in RUNNING after another reset";
	mig_fill(device, 7);
	return NULL;
}

/* Items: 30. vfio.h: "VFIO_DEVICE_RESET ... back to RUNNING". */
TEST_F_TIMEOUT(fail_nth, reset, 120)
{
	struct operation reset = {
		.name = "VFIO_DEVICE_RESET", .from = VFIO_DEVICE_STATE_STOP_COPY, .sum = self->sum,
		.prepare = enter_from, .run = run_reset, .fault = reset_fault,
	};

	EXPECT_EQ(0, sweep(self->device, self->fail_nth, &reset));
}

static int run_logging(struct operation *operation, struct mig_device *device)
{
	struct vfio_device_feature_dma_logging_range range = { .length = LOGGED };
	u64 page_size = PAGE;

	return __dma_logging_start(device, &range, 1, &page_size);
}

static const char *logging_fault(struct operation *operation, struct mig_device *device, int ret)
{
	/* Whether it began or not, it is off now. */
	if (!ret && __dma_logging_stop(device))
		return "says that DMA logging began, and it did not";
	return same_state(operation, device, ret);
}

/*
 * vfio_ioctl_device_feature_logging_start(): what began can be stopped; what
 * did not begin leaves nothing, and the next one begins.
 */
TEST_F_TIMEOUT(fail_nth, logging, 200)
{
	struct operation start = {
		.name = "VFIO_DEVICE_FEATURE_DMA_LOGGING_START",
		.from = VFIO_DEVICE_STATE_RUNNING, .sum = self->sum,
		.prepare = enter_from, .run = run_logging, .fault = logging_fault,
	};

	if (__vfio_feature_probe(self->device->fd,
				 VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START))
		SKIP(return, "the device does not offer DMA logging");
	EXPECT_EQ(0, sweep(self->device, self->fail_nth, &start));
}

FIXTURE(fail_nth_open) {
	int fail_nth;
};

FIXTURE_SETUP(fail_nth_open)
{
	const char *missing = injection_missing(&self->fail_nth);

	if (missing)
		SKIP(return, "%s", missing);
	if (!mig_device_is_pci(mig_devices_name(0)))
		SKIP(return, "a mediated device is opened in another way");
	atexit(settings_restore);
	settings_make();
}

FIXTURE_TEARDOWN(fail_nth_open)
{
	settings_restore();
}

/* The call that makes the driver open the device, and no other, is what memory fails for. */
static int open_once(int fail_nth, unsigned int nth, bool *struck)
{
	const char *name = mig_devices_name(0);
	struct iommu *iommu = iommu_init(mig_iommu_mode(name));
	struct vfio_pci_device *device = vfio_pci_device_alloc(name, iommu);
	int ret;

	if (iommu->mode->container_path) {
		vfio_pci_group_setup(device, name);
		vfio_container_set_iommu(device);
		arm(fail_nth, nth);
		__vfio_pci_group_get_device_fd(device, name, NULL);
		ret = device->fd < 0 ? -errno : 0;
	} else {
		vfio_pci_cdev_open(device, name);
		arm(fail_nth, nth);
		ret = __vfio_device_bind_iommufd(device->fd, iommu->iommufd, NULL);
	}
	*struck = disarm(fail_nth);
	if (device->fd >= 0)
		close(device->fd);
	if (device->group_fd)
		close(device->group_fd);
	vfio_pci_device_free(device);
	iommu_cleanup(iommu);

	return ret;
}

/* Items: 18. A device that could not be opened can be, and then runs as after any opening. */
TEST_F_TIMEOUT(fail_nth_open, opens_later, 200)
{
	unsigned int nth, failed = 0;
	struct mig_device *device;
	bool struck = true;
	int ret;

	for (nth = 1; nth <= MAX_ALLOCATIONS && struck; nth++) {
		ret = open_once(self->fail_nth, nth, &struck);
		failed += ret != 0;
		ASSERT_TRUE(struck || !ret);
	}
	TH_LOG("opening: %u allocations, %u errors", nth - 2, failed);
	EXPECT_FALSE(struck);
	settings_restore();
	device = mig_device_open(mig_devices_name(0));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(device));
	mig_assert_usable(device);
	mig_device_close(device);
}

MIG_TEST_MAIN
