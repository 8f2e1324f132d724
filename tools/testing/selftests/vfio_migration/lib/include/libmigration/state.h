/* SPDX-License-Identifier: GPL-2.0-only */
/* The migration state machine: getting and setting the state, and its rules. */
#ifndef LIBMIGRATION_STATE_H
#define LIBMIGRATION_STATE_H

#include <stdbool.h>

#include <linux/types.h>
#include <linux/vfio.h>

struct mig_device;

#define MIG_STATES (VFIO_DEVICE_STATE_PRE_COPY_P2P + 1)
/* No transition takes more arcs. */
#define MIG_MAX_ARCS 5

#define MIG_P2P (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P)
#define MIG_PRE_COPY (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY)
#define MIG_PRE_COPY_P2P (MIG_PRE_COPY | VFIO_MIGRATION_P2P)

const char *mig_state_name(u32 state);
bool mig_state_supported(u64 flags, u32 state);
/* Whether the states have a data FD. */
bool mig_state_saves(u32 state);
bool mig_state_has_session(u32 state);

/*
 * The arcs of a transition, as include/uapi/linux/vfio.h tells them: the
 * states entered one by one, @to being the last. Returns how many, 0 for none
 * (@from is @to), -EINVAL where the transition is not allowed.
 */
int mig_path(u64 flags, u32 from, u32 to, u32 path[MIG_MAX_ARCS]);
/* Whether the transition gives a new data FD. */
bool mig_path_opens(u64 flags, u32 from, u32 to);

int __mig_state_get(struct mig_device *device, u32 *state);
u32 mig_state_get(struct mig_device *device);
/* @data_fd may be NULL; what came there is then closed. */
int __mig_state_set(struct mig_device *device, u32 state, int *data_fd);
/* Asserts that no data FD came. */
void mig_state_set(struct mig_device *device, u32 state);
/* Asserts that one came. */
int mig_state_set_fd(struct mig_device *device, u32 state);
/*
 * From RUNNING into any state but ERROR; returns the session's data FD or -1.
 * A state that the device does not have is the caller's fault.
 */
int mig_state_enter(struct mig_device *device, u32 state);

/* VFIO_DEVICE_FEATURE_MIG_DATA_SIZE */
int __mig_data_size(struct mig_device *device, u64 *bytes);
/* VFIO_MIG_GET_PRECOPY_INFO; fills all of @info but argsz before the call with ones. */
int __mig_precopy_info(int data_fd, struct vfio_precopy_info *info);
void mig_precopy_info(int data_fd, struct vfio_precopy_info *info);
/* The same with zeros: for tests of something else than that the fields are filled. */
int __mig_precopy_info_zeroed(int data_fd, struct vfio_precopy_info *info);
void mig_precopy_info_zeroed(int data_fd, struct vfio_precopy_info *info);
/* VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 */
int __mig_precopy_info_v2(struct mig_device *device);

#endif /* LIBMIGRATION_STATE_H */
