// SPDX-License-Identifier: GPL-2.0-only
/*
 * An open function: features, state, configuration space.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"
#include "uapi.h"

/* ---- VFIO_DEVICE_FEATURE ---- */

static int feature(struct ferry_device *d, uint32_t flags, void *data, size_t size)
{
	struct {
		struct vfio_device_feature header;
		uint8_t data[32];
	} arg = { .header = { .argsz = sizeof(arg.header) + size, .flags = flags } };
	int err;

	if (size)
		memcpy(arg.data, data, size);
	err = ioctl(d->fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
	if (size)
		memcpy(data, arg.data, size);
	return err;
}

int ferry_device_look(struct ferry_device *d, struct ferry_error *error)
{
	struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_device_feature_migration migration = { 0 };
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(d->fd, VFIO_DEVICE_GET_INFO, &info))
		return ferry_fail(error, errno, "%s: what was opened is no VFIO device: %s", d->name,
				  strerror(errno));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI)) {
		d->config_size = 0;
	} else {
		if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &config))
			return ferry_fail(error, errno, "%s: its configuration space: %s", d->name,
					  strerror(errno));
		d->config_offset = config.offset;
		d->config_size = config.size;
	}
	if (!feature(d, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, &migration, sizeof(migration)))
		d->features = migration.flags;
	/* Without it the kernel does not tell of a device that begins anew: it then reports more dirty bytes. */
	if (d->features & FERRY_CAN_PRE_COPY)
		d->precopy_v2 = !feature(d, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2,
					 NULL, 0);
	return 0;
}

/* ---- what it is ---- */

FERRY_API const char *ferry_device_name(const struct ferry_device *d)
{
	return d->name;
}

FERRY_API bool ferry_device_adopted(const struct ferry_device *d)
{
	return d->adopted;
}

FERRY_API int ferry_device_fd(const struct ferry_device *d)
{
	return d->fd;
}

FERRY_API int ferry_device_iommu_fd(const struct ferry_device *d)
{
	return d->iommu;
}

FERRY_API uint32_t ferry_device_ioas(const struct ferry_device *d)
{
	return d->ioas;
}

FERRY_API int ferry_device_request_fd(struct ferry_device *d)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} arg = {
		.set = {
			.argsz = sizeof(arg),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
	};

	if (d->adopted || d->request >= 0)
		return d->request;
	d->request = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	arg.fd = d->request;
	if (d->request >= 0 && ioctl(d->fd, VFIO_DEVICE_SET_IRQS, &arg)) {
		close(d->request);
		d->request = -1;
	}
	return d->request;
}

FERRY_API uint32_t ferry_device_features(const struct ferry_device *d)
{
	return d->features;
}

FERRY_API int ferry_device_migratable(const struct ferry_device *d, struct ferry_error *error)
{
	if (d->features & FERRY_CAN_STOP_COPY)
		return 0;
	if (!strcmp(d->driver, "vfio-pci"))
		return ferry_fail(error, EOPNOTSUPP, "%s cannot be migrated: vfio-pci knows no device's state; `ferry bind %s` binds a driver that does",
				  d->name, d->name);
	return ferry_fail(error, EOPNOTSUPP, "%s cannot be migrated: its driver%s%s does not offer it; `ferry doctor %s` tells why",
			  d->name, *d->driver ? " " : "", d->driver, d->name);
}

FERRY_API int ferry_device_identity(struct ferry_device *d, struct ferry_identity *identity,
				    struct ferry_error *error)
{
	uint8_t head[0x30];
	int err;

	*identity = (struct ferry_identity){ .features = d->features };
	snprintf(identity->name, sizeof(identity->name), "%s", d->name);
	snprintf(identity->driver, sizeof(identity->driver), "%s", d->driver);
	if (!d->config_size)
		return 0;
	err = ferry_device_config_read(d, 0, head, sizeof(head), error);
	if (err)
		return err;
	identity->vendor = head[0x00] | head[0x01] << 8;
	identity->device = head[0x02] | head[0x03] << 8;
	identity->revision = head[0x08];
	identity->subsystem_vendor = head[0x2c] | head[0x2d] << 8;
	identity->subsystem_device = head[0x2e] | head[0x2f] << 8;
	return 0;
}

/* ---- its state ---- */

FERRY_API const char *ferry_state_name(int state)
{
	static const char *const names[] = {
		[FERRY_ERROR] = "ERROR",
		[FERRY_STOP] = "STOP",
		[FERRY_RUNNING] = "RUNNING",
		[FERRY_STOP_COPY] = "STOP_COPY",
		[FERRY_RESUMING] = "RESUMING",
		[FERRY_RUNNING_P2P] = "RUNNING_P2P",
		[FERRY_PRE_COPY] = "PRE_COPY",
		[FERRY_PRE_COPY_P2P] = "PRE_COPY_P2P",
	};

	return state >= 0 && state < (int)(sizeof(names) / sizeof(*names)) ? names[state] : "unknown";
}

FERRY_API int ferry_device_state(struct ferry_device *d, struct ferry_error *error)
{
	struct vfio_device_feature_mig_state s = { .data_fd = -1 };
	int err = feature(d, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s));

	if (err)
		return ferry_fail(error, -err, "%s does not tell its state: %s", d->name, strerror(-err));
	return s.device_state;
}

FERRY_API int ferry_device_set_state(struct ferry_device *d, int state, int *data_fd, struct ferry_error *error)
{
	struct vfio_device_feature_mig_state s = { .device_state = state, .data_fd = -1 };
	int err = feature(d, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s));

	if (data_fd)
		*data_fd = err ? -1 : s.data_fd;
	else if (!err && s.data_fd >= 0)
		close(s.data_fd);
	if (!err)
		return 0;
	return ferry_fail(error, -err, "%s does not go from %s to %s: %s", d->name,
			  ferry_state_name(ferry_device_state(d, NULL)), ferry_state_name(state), strerror(-err));
}

FERRY_API int ferry_device_reset(struct ferry_device *d, struct ferry_error *error)
{
	if (ioctl(d->fd, VFIO_DEVICE_RESET))
		return ferry_fail(error, errno, "%s cannot be reset: %s", d->name, strerror(errno));
	return 0;
}

FERRY_API int ferry_device_data_size(struct ferry_device *d, uint64_t *bytes, struct ferry_error *error)
{
	struct vfio_device_feature_mig_data_size size = { 0 };
	int err = feature(d, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size, sizeof(size));

	*bytes = size.stop_copy_length;
	if (err)
		return ferry_fail(error, -err, "%s does not estimate its state's size: %s", d->name, strerror(-err));
	return 0;
}

FERRY_API int ferry_device_precopy(struct ferry_device *d, int data_fd, struct ferry_precopy *precopy,
				   struct ferry_error *error)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };

	if (ioctl(data_fd, VFIO_MIG_GET_PRECOPY_INFO, &info))
		return ferry_fail(error, errno, "%s does not tell what pre-copy has left: %s", d->name,
				  strerror(errno));
	precopy->initial = info.initial_bytes;
	precopy->dirty = info.dirty_bytes;
	precopy->reinit = d->precopy_v2 && (info.flags & VFIO_PRECOPY_INFO_REINIT);
	return 0;
}

/* ---- configuration space ---- */

FERRY_API size_t ferry_device_config_size(const struct ferry_device *d)
{
	return d->config_size;
}

static int config_access(struct ferry_device *d, size_t offset, size_t length, ssize_t done, const char *verb,
			 struct ferry_error *error)
{
	if (done == (ssize_t)length)
		return 0;
	return ferry_fail(error, done < 0 ? errno : EIO, "%s: %s configuration space at 0x%zx: %s", d->name, verb,
			  offset, done < 0 ? strerror(errno) : "only a part of it");
}

static bool config_has(const struct ferry_device *d, size_t offset, size_t length)
{
	return offset <= d->config_size && length <= d->config_size - offset;
}

FERRY_API int ferry_device_config_read(struct ferry_device *d, size_t offset, void *data, size_t length,
				       struct ferry_error *error)
{
	if (!config_has(d, offset, length))
		return ferry_fail(error, EINVAL, "%s: no configuration space at 0x%zx", d->name, offset);
	return config_access(d, offset, length, pread(d->fd, data, length, d->config_offset + offset), "reading",
			     error);
}

FERRY_API int ferry_device_config_write(struct ferry_device *d, size_t offset, const void *data, size_t length,
					struct ferry_error *error)
{
	if (!config_has(d, offset, length))
		return ferry_fail(error, EINVAL, "%s: no configuration space at 0x%zx", d->name, offset);
	return config_access(d, offset, length, pwrite(d->fd, data, length, d->config_offset + offset), "writing",
			     error);
}
