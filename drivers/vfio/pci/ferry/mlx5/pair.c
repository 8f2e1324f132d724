// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two queue pairs of a channel: ours, which receives, and the firmware's,
 * which sends; and the commands that make and end what a channel has.
 *
 * Called by channel.c, and by tracker.c for its own object, with its lock held.
 */
#include <linux/delay.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/qp.h>
#include <linux/slab.h>

#include "channel.h"
#include "command.h"

#define PAUSE_MS		20

#define PORT			1
#define LOG_MESSAGE_MAX		30
#define RETRY_FOR_EVER		7

/* Commands */

/**
 * mlx5_ferry_channel_lose() - a command was not answered
 * @channel: the channel
 *
 * It may have had its effect: what it would have made may reach our memory,
 * or what it would have ended. The next ones would not be answered either.
 */
void mlx5_ferry_channel_lose(struct mlx5_ferry_channel *channel)
{
	channel->lost = true;
	channel->silent = true;
}

/**
 * mlx5_ferry_channel_take() - run a command that makes something
 * @channel: the channel
 * @name: of the command
 * @in: the command
 * @in_bytes: its length
 * @out: its answer, zeroed
 * @out_bytes: its length
 *
 * May sleep.
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_channel_take(struct mlx5_ferry_channel *channel,
			    const char *name, void *in, int in_bytes, void *out,
			    int out_bytes)
{
	int err = mlx5_ferry_command(channel->nic, name, in, in_bytes, out,
				     out_bytes);

	if (err == -ETIMEDOUT)
		mlx5_ferry_channel_lose(channel);
	return err;
}

/**
 * mlx5_ferry_channel_give_back() - end something that uses the channel
 * @channel: the channel
 * @name: of the command
 * @in: the command, whose answer has nothing but a status
 * @in_bytes: its length
 *
 * May sleep. Tries twice: what is not given back is lost, and a VF that still
 * has a page tracker gets no other.
 */
void mlx5_ferry_channel_give_back(struct mlx5_ferry_channel *channel,
				  const char *name, void *in, int in_bytes)
{
	u32 out[MLX5_ST_SZ_DW(nop_out)] = {};
	int err;

	/* Each that is not answered takes a minute. */
	if (channel->silent)
		return;
	err = mlx5_ferry_give_back(channel->nic, name, in, in_bytes, out,
				   sizeof(out));
	if (err && err != -ETIMEDOUT) {
		msleep(PAUSE_MS);
		err = mlx5_ferry_give_back(channel->nic, name, in, in_bytes,
					   out, sizeof(out));
	}
	channel->lost |= !!err;
	channel->silent = err == -ETIMEDOUT;
}

/* What both queue pairs have: neither sends by a queue of ours. */
static void *fill_qp(struct mlx5_ferry_channel *channel, void *in)
{
	void *qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);

	MLX5_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	MLX5_SET(qpc, qpc, st, MLX5_QP_ST_RC);
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, pd, channel->pdn);
	MLX5_SET(qpc, qpc, uar_page, channel->uar->index);
	MLX5_SET(qpc, qpc, no_sq, 1);
	return qpc;
}

/**
 * mlx5_ferry_pair_make() - make our queue pair
 * @channel: the channel, with memory, memory key and completion queue
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_pair_make(struct mlx5_ferry_channel *channel)
{
	size_t bytes = MLX5_ST_SZ_BYTES(create_qp_in) +
		       channel->rq_memory.npages * sizeof(__be64);
	u32 out[MLX5_ST_SZ_DW(create_qp_out)] = {};
	void *in = kzalloc(bytes, GFP_KERNEL);
	void *qpc;
	int err;

	if (!in)
		return -ENOMEM;
	qpc = fill_qp(channel, in);
	MLX5_SET(qpc, qpc, rq_type, MLX5_NON_ZERO_RQ);
	MLX5_SET(qpc, qpc, log_rq_size, channel->log_slots);
	MLX5_SET(qpc, qpc, cqn_rcv, channel->cq.cqn);
	MLX5_SET(qpc, qpc, log_page_size, channel->rq_memory.page_shift -
		 MLX5_ADAPTER_PAGE_SHIFT);
	MLX5_SET64(qpc, qpc, dbr_addr, channel->rq_db.dma);
	mlx5_fill_page_frag_array(&channel->rq_memory,
				  MLX5_ADDR_OF(create_qp_in, in, pas));
	err = mlx5_ferry_channel_take(channel, "CREATE_QP", in, bytes, out, sizeof(out));
	kfree(in);
	channel->qpn = MLX5_GET(create_qp_out, out, qpn);
	return err;
}

/**
 * mlx5_ferry_pair_make_firmware() - make the firmware's queue pair
 * @channel: the channel
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_pair_make_firmware(struct mlx5_ferry_channel *channel)
{
	u32 out[MLX5_ST_SZ_DW(create_qp_out)] = {};
	u32 in[MLX5_ST_SZ_DW(create_qp_in)] = {};
	void *qpc = fill_qp(channel, in);
	int err;

	MLX5_SET(qpc, qpc, rq_type, MLX5_ZERO_LEN_RQ);
	err = MLX5_FERRY_CHANNEL_TAKE(channel, "CREATE_QP", create_qp, in, out);
	channel->firmware_qpn = MLX5_GET(create_qp_out, out, qpn);
	return err;
}

static void destroy_qp(struct mlx5_ferry_channel *channel, u32 qpn)
{
	u32 in[MLX5_ST_SZ_DW(destroy_qp_in)] = {};

	MLX5_SET(destroy_qp_in, in, opcode, MLX5_CMD_OP_DESTROY_QP);
	MLX5_SET(destroy_qp_in, in, qpn, qpn);
	MLX5_FERRY_CHANNEL_GIVE_BACK(channel, "DESTROY_QP", destroy_qp, in);
}

/**
 * mlx5_ferry_pair_end() - the opposite of mlx5_ferry_pair_make()
 * @channel: the channel
 */
void mlx5_ferry_pair_end(struct mlx5_ferry_channel *channel)
{
	destroy_qp(channel, channel->qpn);
}

/**
 * mlx5_ferry_pair_end_firmware() - that of mlx5_ferry_pair_make_firmware()
 * @channel: the channel
 */
void mlx5_ferry_pair_end_firmware(struct mlx5_ferry_channel *channel)
{
	destroy_qp(channel, channel->firmware_qpn);
}

static int to_init(struct mlx5_ferry_channel *channel, u32 qpn)
{
	u32 out[MLX5_ST_SZ_DW(rst2init_qp_out)] = {};
	u32 in[MLX5_ST_SZ_DW(rst2init_qp_in)] = {};
	void *qpc = MLX5_ADDR_OF(rst2init_qp_in, in, qpc);

	MLX5_SET(rst2init_qp_in, in, opcode, MLX5_CMD_OP_RST2INIT_QP);
	MLX5_SET(rst2init_qp_in, in, qpn, qpn);
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, primary_address_path.vhca_port_num, PORT);
	MLX5_SET(qpc, qpc, rre, 1);
	MLX5_SET(qpc, qpc, rwe, 1);
	return MLX5_FERRY_CHANNEL_TAKE(channel, "RST2INIT_QP", rst2init_qp, in, out);
}

/* Ready to receive from the other one; the path loops back. */
static int to_rtr(struct mlx5_ferry_channel *channel, u32 qpn, u32 remote)
{
	u32 out[MLX5_ST_SZ_DW(init2rtr_qp_out)] = {};
	u32 in[MLX5_ST_SZ_DW(init2rtr_qp_in)] = {};
	void *qpc = MLX5_ADDR_OF(init2rtr_qp_in, in, qpc);

	MLX5_SET(init2rtr_qp_in, in, opcode, MLX5_CMD_OP_INIT2RTR_QP);
	MLX5_SET(init2rtr_qp_in, in, qpn, qpn);
	MLX5_SET(qpc, qpc, mtu, MLX5_QPC_MTU_256_BYTES);
	MLX5_SET(qpc, qpc, log_msg_max, LOG_MESSAGE_MAX);
	MLX5_SET(qpc, qpc, remote_qpn, remote);
	MLX5_SET(qpc, qpc, primary_address_path.vhca_port_num, PORT);
	MLX5_SET(qpc, qpc, primary_address_path.fl, 1);
	MLX5_SET(qpc, qpc, min_rnr_nak, 1);
	return MLX5_FERRY_CHANNEL_TAKE(channel, "INIT2RTR_QP", init2rtr_qp, in, out);
}

/* Ready to send; it waits for receives as long as it takes. */
static int to_rts(struct mlx5_ferry_channel *channel, u32 qpn)
{
	u32 out[MLX5_ST_SZ_DW(rtr2rts_qp_out)] = {};
	u32 in[MLX5_ST_SZ_DW(rtr2rts_qp_in)] = {};
	void *qpc = MLX5_ADDR_OF(rtr2rts_qp_in, in, qpc);

	MLX5_SET(rtr2rts_qp_in, in, opcode, MLX5_CMD_OP_RTR2RTS_QP);
	MLX5_SET(rtr2rts_qp_in, in, qpn, qpn);
	MLX5_SET(qpc, qpc, primary_address_path.ack_timeout, 14);
	MLX5_SET(qpc, qpc, retry_count, RETRY_FOR_EVER);
	MLX5_SET(qpc, qpc, rnr_retry, RETRY_FOR_EVER);
	return MLX5_FERRY_CHANNEL_TAKE(channel, "RTR2RTS_QP", rtr2rts_qp, in, out);
}

/**
 * mlx5_ferry_pair_post() - let the firmware use slots for messages
 * @channel: the channel
 * @nr: how many more, whose slots nobody uses any more
 */
void mlx5_ferry_pair_post(struct mlx5_ferry_channel *channel, unsigned int nr)
{
	channel->posted += nr;
	/* The receives, and that their completions were read, come first. */
	dma_wmb();
	*channel->rq_db.db = cpu_to_be32(channel->posted);
}

/**
 * mlx5_ferry_pair_connect() - the firmware can send to us from now on
 * @channel: the channel, with both queue pairs
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_pair_connect(struct mlx5_ferry_channel *channel)
{
	__be32 key = cpu_to_be32(mlx5_idx_to_mkey(channel->slots_index));
	size_t slots = BIT(channel->log_slots);
	struct mlx5_wqe_data_seg *receive;
	int err;

	err = to_init(channel, channel->qpn);
	if (err)
		return err;
	for (size_t i = 0; i < slots; i++) {
		receive = mlx5_ferry_buffer_at(&channel->rq_memory, i * sizeof(*receive));
		receive->lkey = key;
	}
	mlx5_ferry_pair_post(channel, slots);
	err = to_rtr(channel, channel->qpn, channel->firmware_qpn);
	if (!err)
		err = to_init(channel, channel->firmware_qpn);
	if (!err)
		err = to_rtr(channel, channel->firmware_qpn, channel->qpn);
	if (!err)
		err = to_rts(channel, channel->firmware_qpn);
	return err;
}
