// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE: its envelope, which the core checks for every feature,
 * and the features that say what a device's migration can do. Runs on devices
 * that cannot migrate, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

/* Features that no kernel will have soon; one is the last that 16 bits can name. */
static const u32 unknown_features[] = { 0x7f01, 0xfffe, 0xffff };

static const struct migration_feature {
	const char *name;
	u32 feature;
	u32 methods;
	size_t size;
	u64 needs;
} features[] = {
	{ "MIGRATION", VFIO_DEVICE_FEATURE_MIGRATION, GET,
	  sizeof(struct vfio_device_feature_migration), VFIO_MIGRATION_STOP_COPY },
	{ "MIG_DEVICE_STATE", VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, GET | SET,
	  sizeof(struct vfio_device_feature_mig_state), VFIO_MIGRATION_STOP_COPY },
	{ "MIG_DATA_SIZE", VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, GET,
	  sizeof(struct vfio_device_feature_mig_data_size), VFIO_MIGRATION_STOP_COPY },
	{ "MIG_PRECOPY_INFOv2", VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, SET, 0, MIG_PRE_COPY },
};

struct argument {
	u32 argsz;
	u32 flags;
	u8 data[32];
};

FIXTURE(feature) {
	struct mig_bench bench;
	struct mig_device *device;
};

FIXTURE_SETUP(feature)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
}

FIXTURE_TEARDOWN(feature)
{
	mig_bench_close(&self->bench);
}

static int call(struct mig_device *device, u32 argsz, u32 flags)
{
	struct argument argument = { .argsz = argsz, .flags = flags };

	return __vfio_feature_raw(device->fd, &argument);
}

static int probe(struct mig_device *device, u32 flags)
{
	return call(device, sizeof(struct vfio_device_feature), flags | PROBE);
}

/* Kernels before 7.2 do not know it. */
static bool exists(struct mig_device *device, const struct migration_feature *feature)
{
	return (device->flags & feature->needs) == feature->needs &&
	       probe(device, feature->feature) != -ENOTTY;
}

/* Items: 1. vfio_ioctl_device_feature(): "if (feature.argsz < minsz)". */
TEST_F(feature, argsz_without_header)
{
	for (u32 argsz = 0; argsz < sizeof(struct vfio_device_feature); argsz++) {
		EXPECT_EQ(-EINVAL,
			  call(self->device, argsz, PROBE | VFIO_DEVICE_FEATURE_MIGRATION));
		EXPECT_EQ(-EINVAL, call(self->device, argsz, PROBE | unknown_features[0]));
	}
}

/* Items: 2. vfio_ioctl_device_feature(): "Check unknown flags". */
TEST_F(feature, unknown_flags)
{
	for (u32 bit = 19; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, call(self->device, sizeof(struct argument),
					1u << bit | PROBE | VFIO_DEVICE_FEATURE_MIGRATION));
		EXPECT_EQ(-EINVAL, call(self->device, sizeof(struct argument),
					1u << bit | GET | VFIO_DEVICE_FEATURE_MIGRATION));
		EXPECT_EQ(-EINVAL, call(self->device, sizeof(struct argument),
					1u << bit | unknown_features[0]));
	}
}

/* Items: 3. vfio.h: "GET and SET are mutually exclusive, except for use with PROBE". */
TEST_F(feature, get_and_set)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		EXPECT_EQ(-EINVAL, call(self->device, sizeof(struct argument),
					GET | SET | features[i].feature)) {
			TH_LOG("%s", features[i].name);
		}
	}
	EXPECT_EQ(-EINVAL,
		  call(self->device, sizeof(struct argument), GET | SET | unknown_features[0]));
}

/*
 * Items: 4 5. vfio.h: "Probing a feature will return success if the feature is
 * supported and all of the optionally indicated GET/SET methods are
 * supported", "The data portion is not required for probing".
 */
TEST_F(feature, probe)
{
	const u32 methods[] = { 0, GET, SET, GET | SET };
	int seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!exists(self->device, &features[i]))
			continue;
		seen++;
		for (size_t j = 0; j < ARRAY_SIZE(methods); j++) {
			EXPECT_EQ(methods[j] & ~features[i].methods ? -EINVAL : 0,
				  probe(self->device, methods[j] | features[i].feature)) {
				TH_LOG("%s, methods %#x", features[i].name, methods[j]);
			}
		}
	}
	if (!seen)
		SKIP(return, "the device does not offer migration");
}

/* Items: 5 6 14. vfio_check_feature(): "Without PROBE one of GET or SET must be requested". */
TEST_F(feature, method)
{
	int seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!exists(self->device, &features[i]))
			continue;
		seen++;
		EXPECT_EQ(-EINVAL, call(self->device, sizeof(struct argument),
					features[i].feature)) {
			TH_LOG("%s without a method", features[i].name);
		}
		for (u32 method = GET; method <= SET; method <<= 1) {
			if (!(method & features[i].methods)) {
				EXPECT_EQ(-EINVAL, call(self->device, sizeof(struct argument),
							method | features[i].feature)) {
					TH_LOG("%s, method %#x", features[i].name, method);
				}
			}
		}
	}
	if (!seen)
		SKIP(return, "the device does not offer migration");
}

/* Items: 7. vfio_check_feature(): "Minimum data size the driver accepts". */
TEST_F(feature, payload_too_small)
{
	int seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!exists(self->device, &features[i]))
			continue;
		seen++;
		for (u32 method = GET; method <= SET; method <<= 1) {
			if (!(method & features[i].methods))
				continue;
			for (size_t size = 0; size < features[i].size; size++) {
				EXPECT_EQ(-EINVAL, call(self->device,
							sizeof(struct vfio_device_feature) + size,
							method | features[i].feature)) {
					TH_LOG("%s, %zu bytes", features[i].name, size);
				}
			}
		}
	}
	if (!seen)
		SKIP(return, "the device does not offer migration");
}

/* Items: 7. vfio.h: "User filled size of this data": a longer argument than needed is not wrong. */
TEST_F(feature, payload_too_large)
{
	struct argument argument = {
		.argsz = sizeof(argument),
		.flags = GET | VFIO_DEVICE_FEATURE_MIGRATION,
	};

	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	memset(argument.data, 0x5a, sizeof(argument.data));
	ASSERT_EQ(0, __vfio_feature_raw(self->device->fd, &argument));
	EXPECT_EQ(self->device->flags, *(u64 *)argument.data);
	for (size_t i = sizeof(u64); i < sizeof(argument.data); i++)
		EXPECT_EQ(0x5a, argument.data[i]);
}

/* The last @bytes of a page behind which there is none. */
static void *before_hole(size_t bytes)
{
	size_t page = getpagesize();
	u8 *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	VFIO_ASSERT_NE(map, MAP_FAILED);
	VFIO_ASSERT_EQ(munmap(map + page, page), 0);
	return map + page - bytes;
}

/*
 * Items: 8. vfio_ioctl_device_feature(): copy_from_user() of a header that is not there, or not
 * all of it.
 */
TEST_F(feature, header_faults)
{
	const u32 header[] = { sizeof(struct argument), PROBE | VFIO_DEVICE_FEATURE_MIGRATION };

	EXPECT_EQ(-EFAULT, __vfio_feature_raw(self->device->fd, NULL));
	EXPECT_EQ(-EFAULT, __vfio_feature_raw(self->device->fd, (void *)-4096L));
	for (size_t size = 1; size < sizeof(header); size++) {
		void *argument = before_hole(size);

		memcpy(argument, header, size);
		EXPECT_EQ(-EFAULT, __vfio_feature_raw(self->device->fd, argument));
	}
}

/* Items: 8. A payload that argsz announces and memory does not have. */
TEST_F(feature, payload_faults)
{
	int seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!features[i].size || !exists(self->device, &features[i]))
			continue;
		seen++;
		for (u32 method = GET; method <= SET; method <<= 1) {
			u32 *argument = before_hole(sizeof(struct vfio_device_feature) +
						    features[i].size - 1);

			if (!(method & features[i].methods))
				continue;
			argument[0] = sizeof(struct vfio_device_feature) + features[i].size;
			argument[1] = method | features[i].feature;
			EXPECT_EQ(-EFAULT, __vfio_feature_raw(self->device->fd, argument)) {
				TH_LOG("%s, method %#x", features[i].name, method);
			}
		}
	}
	if (!seen)
		SKIP(return, "the device does not offer migration");
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
}

/*
 * Items: 9. vfio_ioctl_device_feature(): "return -ENOTTY" for what neither the
 * core nor the device has, whatever is asked about it.
 */
TEST_F(feature, unknown)
{
	const u32 methods[] = { PROBE, GET, SET, PROBE | GET, PROBE | SET, PROBE | GET | SET };

	for (size_t i = 0; i < ARRAY_SIZE(unknown_features); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(methods); j++) {
			EXPECT_EQ(-ENOTTY, call(self->device, sizeof(struct argument),
						methods[j] | unknown_features[i])) {
				TH_LOG("feature %#x, methods %#x", unknown_features[i], methods[j]);
			}
		}
	}
}

/*
 * Items: 9. A migration driver for a PCI function adds to vfio-pci and takes
 * nothing away: the features of vfio_pci_core_ioctl_feature() are there. It
 * has those of power management with and without CONFIG_PM.
 */
TEST_F(feature, of_vfio_pci)
{
	const u32 low_power[] = {
		VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
		VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
	};

	if (!mig_device_is_pci(self->device->name))
		SKIP(return, "not a PCI function");
	for (size_t i = 0; i < ARRAY_SIZE(low_power); i++) {
		EXPECT_EQ(0, probe(self->device, SET | low_power[i])) {
			TH_LOG("feature %u", low_power[i]);
		}
		EXPECT_EQ(-EINVAL, probe(self->device, GET | low_power[i]));
	}
}

/* Items: 11. vfio_ioctl_device_feature_migration(): "if (!device->mig_ops) return -ENOTTY". */
TEST_F(feature, no_migration)
{
	u64 payload = 0;
	u32 state;

	if (self->device->flags)
		SKIP(return, "the device offers migration");
	EXPECT_EQ(-ENOTTY, __vfio_feature(self->device->fd, GET | VFIO_DEVICE_FEATURE_MIGRATION,
					  &payload, sizeof(payload)));
	EXPECT_EQ(-ENOTTY, probe(self->device, VFIO_DEVICE_FEATURE_MIGRATION));
	EXPECT_EQ(-ENOTTY, __mig_state_get(self->device, &state));
	EXPECT_EQ(-ENOTTY, __mig_state_set(self->device, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_EQ(-ENOTTY, __mig_data_size(self->device, &payload));
}

/*
 * Items: 12 13 16. vfio.h: "at least VFIO_MIGRATION_STOP_COPY must be set",
 * "Other combinations of flags have behavior to be defined in the future",
 * "If this GET succeeds, the RUNNING and ERROR states are always supported".
 */
TEST_F(feature, flags)
{
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	EXPECT_EQ(0, self->device->flags & ~(u64)MIG_PRE_COPY_P2P);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
}

/*
 * Items: 12. A device says nothing of migration, or that it has STOP_COPY; flags of 0 are neither.
 */
TEST_F(feature, flags_or_enotty)
{
	struct vfio_device_feature_migration migration = { };
	int ret = __vfio_feature(self->device->fd, GET | VFIO_DEVICE_FEATURE_MIGRATION, &migration,
				 sizeof(migration));

	EXPECT_TRUE(ret == -ENOTTY || (!ret && migration.flags & VFIO_MIGRATION_STOP_COPY)) {
		TH_LOG("%d, flags %#llx", ret, migration.flags);
	}
}

/*
 * Items: 15. struct vfio_device: migration_flags is one of the "Members below here are set at
 * init time".
 */
TEST_F(feature, flags_do_not_change)
{
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	for (u32 state = 1; state < MIG_STATES; state++) {
		struct vfio_device_feature_migration migration = { };

		if (!mig_state_supported(self->device->flags, state))
			continue;
		close(mig_state_enter(self->device, state));
		EXPECT_EQ(0, __vfio_feature(self->device->fd, GET | VFIO_DEVICE_FEATURE_MIGRATION,
					    &migration, sizeof(migration)));
		EXPECT_EQ(self->device->flags, migration.flags);
		mig_device_reset(self->device);
	}
}

/*
 * Items: 70. vfio_ioctl_device_feature_migration_precopy_info_v2(): SET without
 * a payload, as often as one likes; EINVAL without PRE_COPY, for a PROBE, too.
 */
TEST_F(feature, precopy_info_v2)
{
	if (probe(self->device, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2) == -ENOTTY)
		SKIP(return, "the kernel has no MIG_PRECOPY_INFOv2");
	if ((self->device->flags & MIG_PRE_COPY) != MIG_PRE_COPY) {
		EXPECT_EQ(-EINVAL, probe(self->device, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2));
		EXPECT_EQ(-EINVAL,
			  probe(self->device, SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2));
		EXPECT_EQ(-EINVAL, __mig_precopy_info_v2(self->device));
		return;
	}
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, __mig_precopy_info_v2(self->device));
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
}

static u32 info_flags(struct mig_device *device)
{
	int data_fd = mig_state_enter(device, VFIO_DEVICE_STATE_PRE_COPY);
	struct vfio_precopy_info info;

	mig_precopy_info(data_fd, &info);
	mig_state_set(device, VFIO_DEVICE_STATE_RUNNING);
	close(data_fd);
	return info.flags;
}

/* Devices are opened and closed in the middle. */
FIXTURE(feature_open) {
	struct mig_device *device;
};

FIXTURE_SETUP(feature_open)
{
}

FIXTURE_TEARDOWN(feature_open)
{
	mig_device_close(self->device);
}

/*
 * Items: 70. vfio.h: with MIG_PRECOPY_INFOv2 "the vfio_precopy_info.flags is a
 * valid output field"; vfio_df_device_last_close() ends that, and a reset does
 * not.
 */
TEST_F(feature_open, info_v2_ends_with_close)
{
	bool echoes;

	self->device = mig_device_open(mig_devices_name(0));
	MIG_NEED(self->device, MIG_PRE_COPY);
	if (probe(self->device, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2) == -ENOTTY)
		SKIP(return, "the kernel has no MIG_PRECOPY_INFOv2");
	/* Without it, the driver may leave the field alone, and then shows whether it is on. */
	echoes = info_flags(self->device);
	ASSERT_EQ(0, __mig_precopy_info_v2(self->device));
	EXPECT_EQ(0, info_flags(self->device) & ~VFIO_PRECOPY_INFO_REINIT);
	mig_device_reset(self->device);
	EXPECT_EQ(0, info_flags(self->device) & ~VFIO_PRECOPY_INFO_REINIT);

	mig_device_close(self->device);
	self->device = mig_device_open(mig_devices_name(0));
	EXPECT_EQ(echoes, !!info_flags(self->device));
}

/* Items: 15. The flags are a property of the device: opening it again does not change them. */
TEST_F(feature_open, same_flags_again)
{
	u64 flags;

	self->device = mig_device_open(mig_devices_name(0));
	flags = self->device->flags;
	mig_device_close(self->device);
	self->device = mig_device_open(mig_devices_name(0));
	EXPECT_EQ(flags, self->device->flags);
}

/* Items: 18 42. vfio.h: close ends what was begun: the next user's device is RUNNING. */
TEST_F(feature_open, running_after_close_in)
{
	u64 flags;

	self->device = mig_device_open(mig_devices_name(0));
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	flags = self->device->flags;
	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd;

		if (!mig_state_supported(flags, state))
			continue;
		data_fd = mig_state_enter(self->device, state);
		mig_device_close(self->device);
		self->device = mig_device_open(mig_devices_name(0));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, self->device->first_state) {
			TH_LOG("after a close in %s", mig_state_name(state));
		}
		close(data_fd);
	}
	mig_assert_usable(self->device);
}

/*
 * Items: 10. vfio.h: "User is restricted from accessing the device before the
 * binding operation is completed".
 */
TEST_F(feature_open, cdev_without_iommufd)
{
	const char *name = mig_devices_name(0);
	const char *why = mig_iommu_mode_missing(name, MODE_IOMMUFD);
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct argument argument = {
		.argsz = sizeof(struct vfio_device_feature),
		.flags = PROBE | VFIO_DEVICE_FEATURE_MIGRATION,
	};
	char path[PATH_MAX];
	int fd;

	if (why)
		SKIP(return, "%s", why);
	if (mig_device_is_pci(name))
		snprintf_assert(path, sizeof(path), "%s", vfio_pci_get_cdev_path(name));
	else
		ASSERT_TRUE(mdev_cdev_path(name, path, sizeof(path)));
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);

	EXPECT_EQ(-EINVAL, __vfio_feature_raw(fd, &argument));
	EXPECT_EQ(-EINVAL, __vfio_feature_raw(fd, NULL));
	EXPECT_EQ(-1, ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(fd, &argument, 4, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, close(fd));

	/* It did no harm to anyone who opens the device in the proper way. */
	self->device = mig_device_open_mode(name, MODE_IOMMUFD);
	if (self->device->flags)
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(self->device));
}

MIG_TEST_MAIN
