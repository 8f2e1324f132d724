// SPDX-License-Identifier: GPL-2.0-only
/*
 * A firmware command on behalf of a VF, and what its failure means.
 *
 * Called by all of the backend that commands, and may sleep.
 */
#include <linux/delay.h>
#include <linux/mlx5/device.h>

#include "command.h"

/* One second in which memory for a command has to be found */
#define GIVE_BACK_TRIES		50
#define GIVE_BACK_PAUSE_MS	20

static int status_to_errno(u8 status)
{
	switch (status) {
	case MLX5_CMD_STAT_BAD_PARAM_ERR:
	case MLX5_CMD_STAT_BAD_RES_STATE_ERR:
	case MLX5_CMD_STAT_BAD_SYS_STATE_ERR:
	case MLX5_CMD_STAT_BAD_RES_ERR:
	case MLX5_CMD_STAT_IX_ERR:
		return -EINVAL;
	case MLX5_CMD_STAT_NO_RES_ERR:
	case MLX5_CMD_STAT_LIM_ERR:
		return -ENOMEM;
	case MLX5_CMD_STAT_RES_BUSY:
	case MLX5_CMD_STAT_NOT_READY:
		return -EBUSY;
	case MLX5_CMD_STAT_BAD_OP_ERR:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/**
 * mlx5_ferry_report() - tell the engine about a command that failed
 * @nic: the VF on whose behalf it ran
 * @name: of the command
 * @err: what mlx5_core said: -EREMOTEIO if the firmware answered with a status
 * @out: then the answer, of which all begin like the one of NOP
 *
 * Return: negative errno for the engine.
 */
int mlx5_ferry_report(struct mlx5_ferry *nic, const char *name, int err, void *out)
{
	struct vfio_ferry_failure failure = { .command = name, .error = err };

	if (err == -EREMOTEIO) {
		failure.status = MLX5_GET(nop_out, out, status);
		failure.syndrome = MLX5_GET(nop_out, out, syndrome);
		failure.error = status_to_errno(failure.status);
	}
	vfio_ferry_failed(&nic->ferry, &failure);
	return failure.error;
}

/**
 * mlx5_ferry_command() - run a command on the physical function
 * @nic: the VF on whose behalf
 * @name: of the command
 * @in: the command
 * @in_bytes: its length
 * @out: its answer, zeroed
 * @out_bytes: its length
 *
 * Reports a failure.
 *
 * Return: 0 or negative errno, -ETIMEDOUT if the firmware did not answer.
 */
int mlx5_ferry_command(struct mlx5_ferry *nic, const char *name, void *in,
		       int in_bytes, void *out, int out_bytes)
{
	int err = mlx5_cmd_do(nic->mdev, in, in_bytes, out, out_bytes);

	return err ? mlx5_ferry_report(nic, name, err, out) : 0;
}

/**
 * mlx5_ferry_give_back() - run a command that ends an object of the firmware
 * @nic: the VF on whose behalf
 * @name: of the command
 * @in: the command
 * @in_bytes: its length
 * @out: its answer, zeroed
 * @out_bytes: its length
 *
 * As mlx5_ferry_command(), but sleeps and tries again while mlx5_core has no
 * memory for the command itself: that passes, whereas an object that is not
 * ended is lost, and what it reaches with it.
 *
 * When the physical function is in a fatal error, is off the bus or is being
 * reset, no command reaches the firmware any more (-ENXIO), and mlx5_core
 * counts such objects as ended: it gives back its queues and even the pages
 * that the firmware itself was given, for what comes next is a reset, which
 * ends them all, or nothing at all. mlx5_cmd_check() knows which commands that
 * is true of. Whoever calls this removes the DMA mapping before the memory has
 * another use, so the IOMMU stops what a dying device may still send. It does
 * not where the host lets the physical function past it (iommu=pt): between a
 * fatal PCI error and the reset of the bus that follows, a device may then
 * write to memory of images that was freed, as to mlx5_core's own queues.
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_give_back(struct mlx5_ferry *nic, const char *name, void *in,
			 int in_bytes, void *out, int out_bytes)
{
	int err;

	for (unsigned int i = 0; i < GIVE_BACK_TRIES; i++) {
		err = mlx5_cmd_do(nic->mdev, in, in_bytes, out, out_bytes);
		if (err != -ENOMEM)
			break;
		msleep(GIVE_BACK_PAUSE_MS);
	}
	if (err == -ENXIO)
		err = mlx5_cmd_check(nic->mdev, err, in, out);
	return err ? mlx5_ferry_report(nic, name, err, out) : 0;
}
