/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A function opened through VFIO: its migration state, its configuration
 * space.  Nothing here knows a NIC.
 */
#ifndef FERRY_DEVICE_H
#define FERRY_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The kernel's numbers, VFIO_DEVICE_STATE_*, whatever headers there are. */
enum ferry_state {
	FERRY_ERROR = 0,
	FERRY_STOP = 1,
	FERRY_RUNNING = 2,
	FERRY_STOP_COPY = 3,
	FERRY_RESUMING = 4,
	FERRY_RUNNING_P2P = 5,
	FERRY_PRE_COPY = 6,
	FERRY_PRE_COPY_P2P = 7,
};

/* What a function can do, ferry_device_features(); VFIO_MIGRATION_*. */
#define FERRY_CAN_STOP_COPY	(1u << 0)
#define FERRY_CAN_P2P		(1u << 1)
#define FERRY_CAN_PRE_COPY	(1u << 2)

#define FERRY_NAME_MAX		64

/**
 * struct ferry_identity - what must be alike on both sides
 * @vendor, @device, @subsystem_vendor, @subsystem_device: PCI IDs, read from
 *	the configuration space that VFIO shows; 0 where there is none
 * @revision: PCI revision
 * @features: FERRY_CAN_*
 * @name: PCI address or mdev's UUID; need not be alike
 * @driver: host driver that it is bound to, "" if unknown; need not be alike
 */
struct ferry_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint8_t revision;
	uint32_t features;
	char name[FERRY_NAME_MAX];
	char driver[32];
};

/**
 * struct ferry_precopy - VFIO_MIG_GET_PRECOPY_INFO
 * @initial: bytes of the initial data that were not read yet
 * @dirty: bytes that changed since
 * @reinit: the device began anew; @initial has grown again
 */
struct ferry_precopy {
	uint64_t initial, dirty;
	bool reinit;
};

struct ferry_device;

/**
 * ferry_device_open() - open a function by its PCI address, or an mdev by its UUID
 * @device: set to the device, NULL on an error
 * @name: 0000:01:00.1 or 01:00.1, or a UUID
 * @error: says why it does not open, and what to do next
 *
 * Through its group and a type 1 container, or through its character device
 * and IOMMUFD, whichever the kernel has.  VFIO resets a function that is opened
 * and again when it is closed; nobody else has it open meanwhile.
 *
 * Return: 0; -EINVAL: no such name can be, -ENODEV: no such function, or it is
 * not bound to a VFIO driver; -EBUSY: somebody has it open; or what the kernel
 * said.
 */
FERRY_API int ferry_device_open(struct ferry_device **device, const char *name, struct ferry_error *error);

/**
 * ferry_device_adopt() - use a function that somebody else has opened
 * @device: set to the device, NULL on an error
 * @name: what to call it
 * @fd: VFIO device FD, bound and attached; stays the caller's, who goes on using it
 * @error: filled
 *
 * Closing the device does not reset the function, since the caller's FD stays
 * open.  Its state must be changed by nobody else while it is migrated.
 */
FERRY_API int ferry_device_adopt(struct ferry_device **device, const char *name, int fd,
				 struct ferry_error *error);

/* A device of ferry_device_open() is let go, and so reset. NULL is fine. */
FERRY_API void ferry_device_close(struct ferry_device *device);

FERRY_API const char *ferry_device_name(const struct ferry_device *device);
/* Adopted: closing it does not reset the function. */
FERRY_API bool ferry_device_adopted(const struct ferry_device *device);
/* The VFIO device FD; stays the device's. */
FERRY_API int ferry_device_fd(const struct ferry_device *device);
/* The container's or IOMMUFD's FD, for DMA mappings; -1 of an adopted device. */
FERRY_API int ferry_device_iommu_fd(const struct ferry_device *device);
/* IOMMUFD: the I/O address space that the device is attached to; 0: a container. */
FERRY_API uint32_t ferry_device_ioas(const struct ferry_device *device);

/*
 * An eventfd of the device's that becomes readable when the host wants the
 * function back, to bind it to another driver or to remove it, and waits until it
 * is closed; -1: nobody will tell. Of an adopted device its user is told.
 */
FERRY_API int ferry_device_request_fd(struct ferry_device *device);

/* FERRY_CAN_*; 0 if the function cannot be migrated. */
FERRY_API uint32_t ferry_device_features(const struct ferry_device *device);
/* 0, or -EOPNOTSUPP with the reason. */
FERRY_API int ferry_device_migratable(const struct ferry_device *device, struct ferry_error *error);
FERRY_API int ferry_device_identity(struct ferry_device *device, struct ferry_identity *identity,
				    struct ferry_error *error);

/* The state, enum ferry_state, or a negative errno. */
FERRY_API int ferry_device_state(struct ferry_device *device, struct ferry_error *error);
FERRY_API const char *ferry_state_name(int state);

/**
 * ferry_device_set_state() - go to a state, by whatever states lie between
 * @device: the device
 * @state: enum ferry_state
 * @data_fd: set to the data FD that comes with it, which the caller closes, or
 *	to -1; may be NULL where none is due
 * @error: names the states and what the kernel said
 */
FERRY_API int ferry_device_set_state(struct ferry_device *device, int state, int *data_fd,
				     struct ferry_error *error);
/* RUNNING, as after power-on, from any state. */
FERRY_API int ferry_device_reset(struct ferry_device *device, struct ferry_error *error);

/* Bytes that a stop would bring now, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE. */
FERRY_API int ferry_device_data_size(struct ferry_device *device, uint64_t *bytes, struct ferry_error *error);
/* In PRE_COPY: what is left to read. REINIT is asked for if the kernel knows it. */
FERRY_API int ferry_device_precopy(struct ferry_device *device, int data_fd, struct ferry_precopy *precopy,
				   struct ferry_error *error);

/* Bytes of configuration space, 0 if it has none. */
FERRY_API size_t ferry_device_config_size(const struct ferry_device *device);
FERRY_API int ferry_device_config_read(struct ferry_device *device, size_t offset, void *data, size_t length,
				       struct ferry_error *error);
FERRY_API int ferry_device_config_write(struct ferry_device *device, size_t offset, const void *data,
					size_t length, struct ferry_error *error);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_DEVICE_H */
