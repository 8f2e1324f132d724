// SPDX-License-Identifier: GPL-2.0-only
/* The migration state machine. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

#define BIT_OF(_state) (1u << VFIO_DEVICE_STATE_##_state)

static const char *const state_names[MIG_STATES] = {
	[VFIO_DEVICE_STATE_ERROR] = "ERROR",
	[VFIO_DEVICE_STATE_STOP] = "STOP",
	[VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
	[VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
	[VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
	[VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
	[VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
};

const char *mig_state_name(u32 state)
{
	return state < MIG_STATES ? state_names[state] : "no state";
}

static bool state_in(u32 states, u32 state)
{
	return state < MIG_STATES && states & (1u << state);
}

bool mig_state_supported(u64 flags, u32 state)
{
	u32 states = BIT_OF(STOP) | BIT_OF(RUNNING) | BIT_OF(STOP_COPY) | BIT_OF(RESUMING);

	if (flags & VFIO_MIGRATION_P2P)
		states |= BIT_OF(RUNNING_P2P);
	if (flags & VFIO_MIGRATION_PRE_COPY)
		states |= BIT_OF(PRE_COPY);
	if ((flags & MIG_PRE_COPY_P2P) == MIG_PRE_COPY_P2P)
		states |= BIT_OF(PRE_COPY_P2P);

	return state_in(states, state);
}

bool mig_state_saves(u32 state)
{
	return state_in(BIT_OF(STOP_COPY) | BIT_OF(PRE_COPY) | BIT_OF(PRE_COPY_P2P), state);
}

bool mig_state_has_session(u32 state)
{
	return mig_state_saves(state) || state == VFIO_DEVICE_STATE_RESUMING;
}

/*
 * The shortest path, which the uAPI asks for, over the arcs that it lists,
 * with two states out of bounds for a path's interior: the saving group, and
 * RESUMING. So the next state depends on the two ends alone.
 */
static u32 next_state(u32 from, u32 to)
{
	enum {
		E = VFIO_DEVICE_STATE_ERROR,
		ST = VFIO_DEVICE_STATE_STOP,
		RU = VFIO_DEVICE_STATE_RUNNING,
		SC = VFIO_DEVICE_STATE_STOP_COPY,
		RS = VFIO_DEVICE_STATE_RESUMING,
		RP = VFIO_DEVICE_STATE_RUNNING_P2P,
		PC = VFIO_DEVICE_STATE_PRE_COPY,
		PP = VFIO_DEVICE_STATE_PRE_COPY_P2P
	};
	static const u8 next[MIG_STATES][MIG_STATES] = {
		/*         to: ERR ST  RU  SC  RS  RP  PC  PP */
		[ST] =       { E,  ST, RP, SC, RS, RP, RP, RP },
		[RU] =       { E,  RP, RU, RP, RP, RP, PC, RP },
		[SC] =       { E,  ST, ST, SC, ST, ST, E,  E  },
		[RS] =       { E,  ST, ST, ST, RS, ST, ST, ST },
		[RP] =       { E,  ST, RU, ST, ST, RP, RU, PP },
		[PC] =       { E,  RU, RU, PP, RU, RU, PC, PP },
		[PP] =       { E,  RP, RP, SC, RP, RP, PC, PP },
	};

	return next[from][to];
}

int mig_path(u64 flags, u32 from, u32 to, u32 path[MIG_MAX_ARCS])
{
	int arcs = 0;

	if (!mig_state_supported(flags, from) || !mig_state_supported(flags, to))
		return -EINVAL;
	while (from != to) {
		do {
			from = next_state(from, to);
			if (from == VFIO_DEVICE_STATE_ERROR)
				return -EINVAL;
		} while (!mig_state_supported(flags, from));
		VFIO_ASSERT_LT(arcs, MIG_MAX_ARCS);
		path[arcs++] = from;
	}

	return arcs;
}

bool mig_path_opens(u64 flags, u32 from, u32 to)
{
	u32 path[MIG_MAX_ARCS];
	int arcs = mig_path(flags, from, to, path);
	u32 before = arcs > 1 ? path[arcs - 2] : from;

	if (arcs <= 0 || !mig_state_has_session(to))
		return false;

	return to == VFIO_DEVICE_STATE_RESUMING || !mig_state_saves(before);
}

int __mig_state_get(struct mig_device *device, u32 *state)
{
	struct vfio_device_feature_mig_state data = { .data_fd = -1 };
	int ret = __vfio_feature(device->fd,
				 VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
				 &data, sizeof(data));

	if (!ret)
		*state = data.device_state;
	return ret;
}

u32 mig_state_get(struct mig_device *device)
{
	u32 state = VFIO_DEVICE_STATE_ERROR;

	VFIO_ASSERT_EQ(__mig_state_get(device, &state), 0, "%s: the state cannot be read",
		       device->name);
	return state;
}

int __mig_state_set(struct mig_device *device, u32 state, int *data_fd)
{
	struct vfio_device_feature_mig_state data = { .device_state = state, .data_fd = -1 };
	int ret = __vfio_feature(device->fd,
				 VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
				 &data, sizeof(data));

	if (data_fd)
		*data_fd = ret ? -1 : data.data_fd;
	else if (!ret && data.data_fd >= 0)
		close(data.data_fd);
	return ret;
}

void mig_state_set(struct mig_device *device, u32 state)
{
	int data_fd, ret;

	ret = __mig_state_set(device, state, &data_fd);
	VFIO_ASSERT_EQ(ret, 0, "%s: to %s", device->name, mig_state_name(state));
	VFIO_ASSERT_EQ(data_fd, -1, "%s: to %s gave a data FD", device->name,
		       mig_state_name(state));
}

int mig_state_set_fd(struct mig_device *device, u32 state)
{
	int data_fd, ret;

	ret = __mig_state_set(device, state, &data_fd);
	VFIO_ASSERT_EQ(ret, 0, "%s: to %s", device->name, mig_state_name(state));
	VFIO_ASSERT_GE(data_fd, 0, "%s: to %s gave no data FD", device->name,
		       mig_state_name(state));
	return data_fd;
}

int mig_state_enter(struct mig_device *device, u32 state)
{
	int data_fd;

	VFIO_ASSERT_EQ(mig_state_get(device), VFIO_DEVICE_STATE_RUNNING);
	if (state == VFIO_DEVICE_STATE_PRE_COPY_P2P) {
		data_fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_PRE_COPY);
		mig_state_set(device, state);
		return data_fd;
	}
	if (mig_state_has_session(state))
		return mig_state_set_fd(device, state);
	mig_state_set(device, state);
	return -1;
}

int __mig_data_size(struct mig_device *device, u64 *bytes)
{
	struct vfio_device_feature_mig_data_size data = { };
	int ret = __vfio_feature(device->fd,
				 VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &data,
				 sizeof(data));

	if (!ret)
		*bytes = data.stop_copy_length;
	return ret;
}

int __mig_precopy_info(int data_fd, struct vfio_precopy_info *info)
{
	memset(info, 0xff, sizeof(*info));
	info->argsz = sizeof(*info);
	return ioctl(data_fd, VFIO_MIG_GET_PRECOPY_INFO, info) ? -errno : 0;
}

void mig_precopy_info(int data_fd, struct vfio_precopy_info *info)
{
	VFIO_ASSERT_EQ(__mig_precopy_info(data_fd, info), 0);
}

int __mig_precopy_info_zeroed(int data_fd, struct vfio_precopy_info *info)
{
	*info = (struct vfio_precopy_info){ .argsz = sizeof(*info) };
	return ioctl(data_fd, VFIO_MIG_GET_PRECOPY_INFO, info) ? -errno : 0;
}

void mig_precopy_info_zeroed(int data_fd, struct vfio_precopy_info *info)
{
	VFIO_ASSERT_EQ(__mig_precopy_info_zeroed(data_fd, info), 0);
}

int __mig_precopy_info_v2(struct mig_device *device)
{
	return __vfio_feature(device->fd,
			      VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2,
			      NULL, 0);
}
