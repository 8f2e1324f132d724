// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE_LOW_POWER_*: a user lets its device sleep, and migrates
 * it nonetheless. What depends on the device being asleep waits for that, as
 * sysfs tells it, and is skipped where runtime power management never lets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/compiler.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define SET VFIO_DEVICE_FEATURE_SET
#define ENTRY (SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY)
#define ENTRY_WITH_WAKEUP (SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
#define EXIT (SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)

/* A device that does not sleep after this time will not; one that did before is given more. */
#define ASLEEP_MS 3000

FIXTURE(low_power) {
	struct mig_bench bench;
	struct mig_device *device;
};

FIXTURE_SETUP(low_power)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	if (__vfio_feature_probe(self->device->fd, ENTRY))
		SKIP(return, "the device has no LOW_POWER_ENTRY");
}

FIXTURE_TEARDOWN(low_power)
{
	mig_bench_close(&self->bench);
}

/* Reading these wakes nobody up. */
static void read_power(const char *name, const char *file, char text[32])
{
	char path[PATH_MAX];
	ssize_t len = 0;
	int fd;

	snprintf_assert(path, sizeof(path), "/sys/bus/pci/devices/%s/power/%s", name, file);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		len = read(fd, text, 31);
		close(fd);
	}
	text[len > 0 ? len : 0] = 0;
	text[strcspn(text, "\n")] = 0;
}

static bool write_power(const char *name, const char *file, const char *text)
{
	char path[PATH_MAX];
	bool written;
	int fd;

	snprintf_assert(path, sizeof(path), "/sys/bus/pci/devices/%s/power/%s", name, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

static bool is_asleep(const char *name)
{
	char status[32];

	read_power(name, "runtime_status", status);
	return !strcmp(status, "suspended");
}

static bool falls_asleep(struct mig_device *device)
{
	return mig_wait_until(is_asleep(device->name), ASLEEP_MS);
}

static bool sleeps_again(struct mig_device *device)
{
	return mig_wait_until(is_asleep(device->name), MIG_PATIENCE_MS);
}

static int enter(struct mig_device *device)
{
	return __vfio_feature(device->fd, ENTRY, NULL, 0);
}

static int leave(struct mig_device *device)
{
	return __vfio_feature(device->fd, EXIT, NULL, 0);
}

static int enter_with_wakeup(struct mig_device *device, int event_fd)
{
	struct vfio_device_low_power_entry_with_wakeup entry = { .wakeup_eventfd = event_fd };

	return __vfio_feature(device->fd, ENTRY_WITH_WAKEUP, &entry, sizeof(entry));
}

/* Skips where the device cannot be seen sleeping. */
#define NEED_SLEEP(_device) do {							\
	struct mig_device *__device = (_device);					\
	char __status[32];								\
											\
	if (!falls_asleep(__device)) {							\
		read_power(__device->name, "runtime_status", __status);			\
		SKIP(return, "no runtime power management: the device's status is '%s'",\
		     *__status ? __status : "not told");				\
	}										\
} while (0)

static u64 events(int event_fd)
{
	u64 count = 0;

	return read(event_fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/*
 * Items: 83 84. vfio.h: "Upon VFIO_DEVICE_FEATURE_SET, disallow use of device
 * low power states as previously enabled": also if they are not.
 */
TEST_F(low_power, exit_is_idempotent)
{
	EXPECT_EQ(0, leave(self->device));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, enter(self->device));
		EXPECT_EQ(0, leave(self->device));
		EXPECT_EQ(0, leave(self->device));
	}
	if (self->device->flags)
		mig_assert_usable(self->device);
}

/*
 * Items: 83. vfio.h: "the host will move the device out of the low power state
 * as necessary prior to the access".
 */
TEST_F(low_power, access_wakes_up)
{
	struct vfio_pci_device *vfio = self->device->vfio;
	u16 vendor = vfio_pci_config_readw(vfio, PCI_VENDOR_ID);
	u64 size;

	ASSERT_EQ(0, enter(self->device));
	NEED_SLEEP(self->device);
	EXPECT_EQ(vendor, vfio_pci_config_readw(vfio, PCI_VENDOR_ID));
	EXPECT_TRUE(sleeps_again(self->device));
	if (self->device->flags) {
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
		EXPECT_TRUE(sleeps_again(self->device));
		EXPECT_EQ(0, __mig_data_size(self->device, &size));
		EXPECT_TRUE(sleeps_again(self->device));
	}
	EXPECT_EQ(0, leave(self->device));
	EXPECT_FALSE(is_asleep(self->device->name));
}

static sigjmp_buf after_fault;

static void on_bus_error(int signal)
{
	siglongjmp(after_fault, signal);
}

/* Whether the word can be read. */
static bool readable(u32 *word)
{
	struct sigaction handle = { .sa_handler = on_bus_error }, before;
	bool ok = false;

	sigaction(SIGBUS, &handle, &before);
	if (!sigsetjmp(after_fault, 1)) {
		(void)READ_ONCE(*word);
		ok = true;
	}
	sigaction(SIGBUS, &before, NULL);
	return ok;
}

/*
 * Items: 83. vfio.h: "Access to mmap'd device regions is disabled on
 * LOW_POWER_ENTRY and may only be resumed after calling LOW_POWER_EXIT".
 */
TEST_F(low_power, no_mapped_access)
{
	void *bar = NULL;

	for (int i = 0; i < PCI_STD_NUM_BARS && !bar; i++)
		bar = self->device->vfio->bars[i].vaddr;
	if (!bar)
		SKIP(return, "the device has no BAR that can be mapped");
	ASSERT_TRUE(readable(bar));
	ASSERT_EQ(0, enter(self->device));
	EXPECT_FALSE(readable(bar));
	/* An access of another kind does not change that. */
	vfio_pci_config_readw(self->device->vfio, PCI_VENDOR_ID);
	EXPECT_FALSE(readable(bar));
	ASSERT_EQ(0, leave(self->device));
	EXPECT_TRUE(readable(bar));
}

/*
 * Items: 83. vfio.h: "If any device access happens (either from the host or
 * through the vfio uAPI)": a migration is such an access at each of its steps,
 * those that take the data FD included.
 */
TEST_F(low_power, migration)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	bool sleeps, precopy;
	int data_fd;
	u64 sum;

	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	precopy = self->device->flags & VFIO_MIGRATION_PRE_COPY;
	mig_fill(self->device, 51);
	sum = mig_sum(self->device);

	ASSERT_EQ(0, enter(self->device));
	sleeps = falls_asleep(self->device);
	if (precopy) {
		data_fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_PRE_COPY);
		EXPECT_TRUE(!sleeps || sleeps_again(self->device));
		ASSERT_LE(0, __mig_read(data_fd, &stream, 4096));
		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	} else {
		data_fd = mig_state_set_fd(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	}
	EXPECT_TRUE(!sleeps || sleeps_again(self->device));
	mig_read_all(data_fd, &stream);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	EXPECT_EQ(0, leave(self->device));
	EXPECT_EQ(sum, mig_sum(self->device));
	close(data_fd);

	target = mig_bench_target(&self->bench);
	ASSERT_EQ(0, enter(target));
	data_fd = mig_state_set_fd(target, VFIO_DEVICE_STATE_RESUMING);
	EXPECT_TRUE(!sleeps || sleeps_again(target));
	ASSERT_EQ(0, __mig_write(data_fd, stream.data, stream.len));
	EXPECT_TRUE(!sleeps || sleeps_again(target));
	mig_state_set(target, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(0, leave(target));
	close(data_fd);
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(&stream);
	ksft_print_msg("the device %s\n", sleeps ? "slept in between" : "was never asleep");
}

/*
 * Items: 84. vfio.h: "The notification through the provided eventfd will be
 * generated only when the device has entered and is resumed from a low power
 * state"; "the host will not allow the device to re-enter a low power state
 * without a subsequent user call".
 */
TEST_F(low_power, wakeup_event)
{
	int event_fd = eventfd(0, EFD_NONBLOCK);

	ASSERT_LE(0, event_fd);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, enter_with_wakeup(self->device, event_fd));
		NEED_SLEEP(self->device);
		EXPECT_EQ(0, events(event_fd));
		vfio_pci_config_readw(self->device->vfio, PCI_VENDOR_ID);
		EXPECT_EQ(1, events(event_fd));
		/* Once. */
		vfio_pci_config_readw(self->device->vfio, PCI_VENDOR_ID);
		EXPECT_EQ(0, events(event_fd));
		EXPECT_FALSE(is_asleep(self->device->name));
		/* Optional now. */
		if (i)
			EXPECT_EQ(0, leave(self->device));
		EXPECT_EQ(0, events(event_fd));
	}
	/* "This device feature IOCTL may itself generate a wakeup eventfd notification". */
	ASSERT_EQ(0, enter_with_wakeup(self->device, event_fd));
	EXPECT_TRUE(sleeps_again(self->device));
	EXPECT_EQ(0, leave(self->device));
	EXPECT_EQ(1, events(event_fd));
	close(event_fd);
	if (self->device->flags)
		mig_assert_usable(self->device);
}

/*
 * Items: 84. vfio.h: "A device that has not entered low power state [...] will not generate a
 * notification".
 */
TEST_F(low_power, no_event_if_awake)
{
	int event_fd = eventfd(0, EFD_NONBLOCK);
	char control[32];

	ASSERT_LE(0, event_fd);
	read_power(self->device->name, "control", control);
	/* With "on" the core never lets it sleep. */
	if (!*control || !write_power(self->device->name, "control", "on"))
		SKIP(return, "no runtime power management: no power/control to write to");
	EXPECT_EQ(0, enter_with_wakeup(self->device, event_fd));
	vfio_pci_config_readw(self->device->vfio, PCI_VENDOR_ID);
	EXPECT_EQ(0, leave(self->device));
	EXPECT_EQ(0, events(event_fd));
	EXPECT_TRUE(write_power(self->device->name, "control", control));
	close(event_fd);
}

/* Items: 84 7 8. vfio_pci_core_pm_entry_with_wakeup(): what is no eventfd. */
TEST_F(low_power, bad_eventfd)
{
	EXPECT_GT(0, enter_with_wakeup(self->device, -1));
	EXPECT_GT(0, enter_with_wakeup(self->device, self->device->fd));
	EXPECT_GT(0, enter_with_wakeup(self->device, 0x7fffffff));
	EXPECT_EQ(-EINVAL, __vfio_feature(self->device->fd, ENTRY_WITH_WAKEUP, NULL, 0));
	/* Nothing was entered by that. */
	EXPECT_EQ(0, enter(self->device));
	EXPECT_EQ(0, leave(self->device));
}

/* Items: 83 30. vfio.h: VFIO_DEVICE_RESET, too, is an access. */
TEST_F(low_power, reset)
{
	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd = -1;

		if (self->device->flags) {
			if (!mig_state_supported(self->device->flags, state))
				continue;
			data_fd = mig_state_enter(self->device, state);
		}
		ASSERT_EQ(0, enter(self->device));
		if (state == VFIO_DEVICE_STATE_STOP)
			falls_asleep(self->device);
		vfio_pci_device_reset(self->device->vfio);
		EXPECT_EQ(0, leave(self->device));
		mig_device_enable(self->device);
		if (self->device->flags)
			EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
		close(data_fd);
	}
	if (self->device->flags)
		mig_assert_usable(self->device);
}

FIXTURE(low_power_open) {
	struct mig_device *device;
};

FIXTURE_SETUP(low_power_open)
{
	self->device = mig_device_open(mig_devices_name(0));
	if (__vfio_feature_probe(self->device->fd, ENTRY))
		SKIP(return, "the device has no LOW_POWER_ENTRY");
}

FIXTURE_TEARDOWN(low_power_open)
{
	mig_device_close(self->device);
}

/* Items: 83. The next user finds a device that is awake, whatever the last one left behind. */
TEST_F(low_power_open, closed_in_it)
{
	u64 flags = self->device->flags;

	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd = -1;

		if (flags) {
			if (!mig_state_supported(flags, state))
				continue;
			data_fd = mig_state_enter(self->device, state);
		}
		ASSERT_EQ(0, enter(self->device));
		mig_device_close(self->device);
		self->device = mig_device_open(mig_devices_name(0));
		if (flags)
			EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, self->device->first_state);
		close(data_fd);
	}
	EXPECT_EQ(0, enter(self->device));
	EXPECT_EQ(0, leave(self->device));
	if (flags)
		mig_assert_usable(self->device);
}

MIG_TEST_MAIN
