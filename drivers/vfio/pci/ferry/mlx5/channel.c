// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queues through which the firmware reports the pages that a VF wrote.
 *
 * A page tracker sends messages from a queue pair of its own to one of ours,
 * both on the physical function, as over a wire: each message takes the next
 * receive, fills its slot of memory and leaves a completion. With no receive
 * left the firmware waits. Nothing here waits for messages or knows what is in
 * them; tracker.c does, and calls all of this with its lock held.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kmemleak.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/qp.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "channel.h"
#include "command.h"

/* Memory for messages, where that makes a sensible number of slots */
#define SLOTS_BYTES_LOG		21
#define SLOTS_LOG_MIN		2
#define SLOTS_LOG_MAX		12

/* What a message says in its immediate data: the tracker's state */
#define STATE_SHIFT		28

#define PAUSE_MS		20

#define PORT			1
#define LOG_MESSAGE_MAX		30
#define RETRY_FOR_EVER		7

static struct mlx5_core_dev *mdev_of(struct mlx5_ferry_channel *channel)
{
	return channel->nic->mdev;
}

static void *at(struct mlx5_frag_buf *memory, size_t offset)
{
	return memory->frags[offset >> memory->page_shift].buf +
	       (offset & (BIT(memory->page_shift) - 1));
}

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

static int take(struct mlx5_ferry_channel *channel, const char *name, void *in,
		int in_bytes, void *out, int out_bytes)
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

#define TAKE(channel, name, ifc, in, out)				\
	take(channel, name, in, MLX5_ST_SZ_BYTES(ifc##_in),		\
	     out, MLX5_ST_SZ_BYTES(ifc##_out))
#define GIVE_BACK(channel, name, ifc, in)				\
	mlx5_ferry_channel_give_back(channel, name, in,			\
				     MLX5_ST_SZ_BYTES(ifc##_in))

/* The steps of opening it, and of closing it */

static int get_uar(struct mlx5_ferry_channel *channel)
{
	channel->uar = mlx5_get_uars_page(mdev_of(channel));
	return PTR_ERR_OR_ZERO(channel->uar);
}

static void put_uar(struct mlx5_ferry_channel *channel)
{
	mlx5_put_uars_page(mdev_of(channel), channel->uar);
}

static int get_pd(struct mlx5_ferry_channel *channel)
{
	u32 out[MLX5_ST_SZ_DW(alloc_pd_out)] = {};
	u32 in[MLX5_ST_SZ_DW(alloc_pd_in)] = {};
	int err;

	MLX5_SET(alloc_pd_in, in, opcode, MLX5_CMD_OP_ALLOC_PD);
	err = TAKE(channel, "ALLOC_PD", alloc_pd, in, out);
	channel->pdn = MLX5_GET(alloc_pd_out, out, pd);
	return err;
}

static void put_pd(struct mlx5_ferry_channel *channel)
{
	u32 in[MLX5_ST_SZ_DW(dealloc_pd_in)] = {};

	MLX5_SET(dealloc_pd_in, in, opcode, MLX5_CMD_OP_DEALLOC_PD);
	MLX5_SET(dealloc_pd_in, in, pd, channel->pdn);
	GIVE_BACK(channel, "DEALLOC_PD", dealloc_pd, in);
}

static int get_buffer(struct mlx5_ferry_channel *channel, size_t bytes,
		      struct mlx5_frag_buf *memory)
{
	struct mlx5_core_dev *mdev = mdev_of(channel);
	int err = mlx5_frag_buf_alloc_node(mdev, bytes, memory,
					   mdev->priv.numa_node);

	if (err)
		memset(memory, 0, sizeof(*memory));
	return err;
}

static void put_memory(struct mlx5_ferry_channel *channel)
{
	struct mlx5_core_dev *mdev = mdev_of(channel);

	if (channel->lost) {
		kmemleak_ignore(channel->cq_memory.frags);
		kmemleak_ignore(channel->rq_memory.frags);
		kmemleak_ignore(channel->slots.frags);
		return;
	}
	mlx5_frag_buf_free(mdev, &channel->slots);
	mlx5_frag_buf_free(mdev, &channel->rq_memory);
	mlx5_frag_buf_free(mdev, &channel->cq_memory);
	if (channel->rq_db.db)
		mlx5_db_free(mdev, &channel->rq_db);
	if (channel->cq_db.db)
		mlx5_db_free(mdev, &channel->cq_db);
}

static void fill_memory(struct mlx5_ferry_channel *channel)
{
	struct mlx5_wqe_data_seg *receive;
	struct mlx5_cqe64 *cqe;

	for (size_t i = 0; i < BIT(channel->log_slots); i++) {
		cqe = at(&channel->cq_memory, i * sizeof(*cqe));
		cqe->op_own = MLX5_CQE_INVALID << 4;
		receive = at(&channel->rq_memory, i * sizeof(*receive));
		receive->byte_count = cpu_to_be32(BIT(channel->log_message));
		receive->addr = cpu_to_be64(i << channel->log_message);
	}
}

static int get_memory(struct mlx5_ferry_channel *channel)
{
	size_t slots = BIT(channel->log_slots);
	int err;

	err = get_buffer(channel, slots * sizeof(struct mlx5_cqe64),
			 &channel->cq_memory);
	if (!err)
		err = get_buffer(channel,
				 slots * sizeof(struct mlx5_wqe_data_seg),
				 &channel->rq_memory);
	if (!err)
		err = get_buffer(channel, slots << channel->log_message,
				 &channel->slots);
	if (!err)
		err = mlx5_db_alloc(mdev_of(channel), &channel->cq_db);
	if (!err)
		err = mlx5_db_alloc(mdev_of(channel), &channel->rq_db);
	if (err)
		put_memory(channel);
	else
		fill_memory(channel);
	return err;
}

/* In the completion queue's interrupt */
static void came(struct mlx5_core_cq *cq, struct mlx5_eqe *eqe)
{
	struct mlx5_ferry_channel *channel =
		container_of(cq, struct mlx5_ferry_channel, cq);

	WRITE_ONCE(channel->event, true);
	wake_up_all(channel->wait);
}

/* The completion queue overran, or its memory cannot be reached. */
static void broke(struct mlx5_core_cq *cq, enum mlx5_event event)
{
	struct mlx5_ferry_channel *channel =
		container_of(cq, struct mlx5_ferry_channel, cq);

	WRITE_ONCE(channel->broken, true);
	came(cq, NULL);
}

static int make_cq(struct mlx5_ferry_channel *channel)
{
	size_t bytes = MLX5_ST_SZ_BYTES(create_cq_in) +
		       channel->cq_memory.npages * sizeof(__be64);
	struct mlx5_core_dev *mdev = mdev_of(channel);
	u32 out[MLX5_ST_SZ_DW(create_cq_out)] = {};
	void *in, *cqc;
	int eqn, err;

	err = mlx5_comp_eqn_get(mdev, channel->nic->vf_id %
				mlx5_comp_vectors_max(mdev), &eqn);
	if (err)
		return err;
	in = kzalloc(bytes, GFP_KERNEL);
	if (!in)
		return -ENOMEM;
	cqc = MLX5_ADDR_OF(create_cq_in, in, cq_context);
	MLX5_SET(cqc, cqc, log_cq_size, channel->log_slots);
	MLX5_SET(cqc, cqc, uar_page, channel->uar->index);
	MLX5_SET(cqc, cqc, c_eqn_or_apu_element, eqn);
	MLX5_SET(cqc, cqc, log_page_size, channel->cq_memory.page_shift -
		 MLX5_ADAPTER_PAGE_SHIFT);
	MLX5_SET64(cqc, cqc, dbr_addr, channel->cq_db.dma);
	mlx5_fill_page_frag_array(&channel->cq_memory,
				  MLX5_ADDR_OF(create_cq_in, in, pas));
	channel->cq.set_ci_db = channel->cq_db.db;
	channel->cq.arm_db = channel->cq_db.db + 1;
	channel->cq.comp = came;
	channel->cq.event = broke;
	err = mlx5_create_cq(mdev, &channel->cq, in, bytes, out, sizeof(out));
	kfree(in);
	if (err == -ETIMEDOUT)
		mlx5_ferry_channel_lose(channel);
	return err ? mlx5_ferry_report(channel->nic, "CREATE_CQ", err, out) : 0;
}

static void end_cq(struct mlx5_ferry_channel *channel)
{
	u32 in[MLX5_ST_SZ_DW(destroy_cq_in)] = {};

	if (!mlx5_core_destroy_cq(mdev_of(channel), &channel->cq))
		return;
	/* mlx5_core no longer knows it all the same. */
	synchronize_irq(channel->cq.irqn);
	MLX5_SET(destroy_cq_in, in, opcode, MLX5_CMD_OP_DESTROY_CQ);
	MLX5_SET(destroy_cq_in, in, cqn, channel->cq.cqn);
	GIVE_BACK(channel, "DESTROY_CQ", destroy_cq, in);
	channel->lost |= channel->silent;
}

static int make_key(struct mlx5_ferry_channel *channel)
{
	unsigned int pages = channel->slots.npages;
	size_t bytes = MLX5_ST_SZ_BYTES(create_mkey_in) +
		       round_up(pages, 2) * sizeof(__be64);
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	void *in = kzalloc(bytes, GFP_KERNEL);
	void *mkc;
	int err;

	if (!in)
		return -ENOMEM;
	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size,
		 DIV_ROUND_UP(pages, 2));
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, 1);
	MLX5_SET(mkc, mkc, pd, channel->pdn);
	MLX5_SET(mkc, mkc, qpn, 0xffffff);
	MLX5_SET(mkc, mkc, log_page_size, channel->slots.page_shift);
	MLX5_SET(mkc, mkc, translations_octword_size, DIV_ROUND_UP(pages, 2));
	MLX5_SET64(mkc, mkc, len,
		   (u64)pages << channel->slots.page_shift);
	mlx5_fill_page_frag_array(&channel->slots,
				  MLX5_ADDR_OF(create_mkey_in, in,
					       klm_pas_mtt));
	err = take(channel, "CREATE_MKEY", in, bytes, out, sizeof(out));
	kfree(in);
	channel->slots_index = MLX5_GET(create_mkey_out, out, mkey_index);
	return err;
}

static void end_key(struct mlx5_ferry_channel *channel)
{
	u32 in[MLX5_ST_SZ_DW(destroy_mkey_in)] = {};

	MLX5_SET(destroy_mkey_in, in, opcode, MLX5_CMD_OP_DESTROY_MKEY);
	MLX5_SET(destroy_mkey_in, in, mkey_index, channel->slots_index);
	GIVE_BACK(channel, "DESTROY_MKEY", destroy_mkey, in);
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

static int make_qp(struct mlx5_ferry_channel *channel)
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
	err = take(channel, "CREATE_QP", in, bytes, out, sizeof(out));
	kfree(in);
	channel->qpn = MLX5_GET(create_qp_out, out, qpn);
	return err;
}

static int make_firmware_qp(struct mlx5_ferry_channel *channel)
{
	u32 out[MLX5_ST_SZ_DW(create_qp_out)] = {};
	u32 in[MLX5_ST_SZ_DW(create_qp_in)] = {};
	void *qpc = fill_qp(channel, in);
	int err;

	MLX5_SET(qpc, qpc, rq_type, MLX5_ZERO_LEN_RQ);
	err = TAKE(channel, "CREATE_QP", create_qp, in, out);
	channel->firmware_qpn = MLX5_GET(create_qp_out, out, qpn);
	return err;
}

static void destroy_qp(struct mlx5_ferry_channel *channel, u32 qpn)
{
	u32 in[MLX5_ST_SZ_DW(destroy_qp_in)] = {};

	MLX5_SET(destroy_qp_in, in, opcode, MLX5_CMD_OP_DESTROY_QP);
	MLX5_SET(destroy_qp_in, in, qpn, qpn);
	GIVE_BACK(channel, "DESTROY_QP", destroy_qp, in);
}

static void end_qp(struct mlx5_ferry_channel *channel)
{
	destroy_qp(channel, channel->qpn);
}

static void end_firmware_qp(struct mlx5_ferry_channel *channel)
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
	return TAKE(channel, "RST2INIT_QP", rst2init_qp, in, out);
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
	return TAKE(channel, "INIT2RTR_QP", init2rtr_qp, in, out);
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
	return TAKE(channel, "RTR2RTS_QP", rtr2rts_qp, in, out);
}

/* Makes @nr more receives known, whose slots nobody uses any more. */
static void post(struct mlx5_ferry_channel *channel, unsigned int nr)
{
	channel->posted += nr;
	/* The receives, and that their completions were read, come first. */
	dma_wmb();
	*channel->rq_db.db = cpu_to_be32(channel->posted);
}

static int connect(struct mlx5_ferry_channel *channel)
{
	__be32 key = cpu_to_be32(mlx5_idx_to_mkey(channel->slots_index));
	size_t slots = BIT(channel->log_slots);
	struct mlx5_wqe_data_seg *receive;
	int err;

	err = to_init(channel, channel->qpn);
	if (err)
		return err;
	for (size_t i = 0; i < slots; i++) {
		receive = at(&channel->rq_memory, i * sizeof(*receive));
		receive->lkey = key;
	}
	post(channel, slots);
	err = to_rtr(channel, channel->qpn, channel->firmware_qpn);
	if (!err)
		err = to_init(channel, channel->firmware_qpn);
	if (!err)
		err = to_rtr(channel, channel->firmware_qpn, channel->qpn);
	if (!err)
		err = to_rts(channel, channel->firmware_qpn);
	return err;
}

static const struct {
	int (*make)(struct mlx5_ferry_channel *channel);
	void (*end)(struct mlx5_ferry_channel *channel);
} steps[] = {
	{ get_uar, put_uar },
	{ get_pd, put_pd },
	{ get_memory, put_memory },
	{ make_cq, end_cq },
	{ make_key, end_key },
	{ make_qp, end_qp },
	{ make_firmware_qp, end_firmware_qp },
};

/**
 * mlx5_ferry_channel_close() - give all of it back
 * @channel: the channel, open or in part; no tracker uses it
 *
 * May sleep. If the firmware does not give something back that reaches the
 * channel's memory, that is never used again.
 */
void mlx5_ferry_channel_close(struct mlx5_ferry_channel *channel)
{
	while (channel->made)
		steps[--channel->made].end(channel);
}

/**
 * mlx5_ferry_channel_open() - make it
 * @channel: the channel
 * @nic: the VF
 * @wait: who waits for messages
 * @log_message: log2 of the longest message's bytes
 *
 * May sleep.
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_channel_open(struct mlx5_ferry_channel *channel,
			    struct mlx5_ferry *nic, wait_queue_head_t *wait,
			    unsigned int log_message)
{
	int err = 0;

	*channel = (struct mlx5_ferry_channel) {
		.nic = nic,
		.wait = wait,
		.log_message = log_message,
		.log_slots = clamp_t(int, SLOTS_BYTES_LOG - (int)log_message,
				     SLOTS_LOG_MIN, SLOTS_LOG_MAX),
	};
	for (size_t i = 0; i < ARRAY_SIZE(steps) && !err; i++) {
		err = steps[i].make(channel);
		channel->made += !err;
	}
	if (!err)
		err = connect(channel);
	if (err)
		mlx5_ferry_channel_close(channel);
	return err;
}

/* The next completion, or NULL if it has not come. */
static struct mlx5_cqe64 *next_completion(struct mlx5_ferry_channel *channel)
{
	u32 next = channel->cq.cons_index, size = BIT(channel->log_slots);
	struct mlx5_cqe64 *cqe = at(&channel->cq_memory,
				    (next & (size - 1)) * sizeof(*cqe));
	u8 op_own = READ_ONCE(cqe->op_own);

	if (op_own >> 4 == MLX5_CQE_INVALID ||
	    (op_own & MLX5_CQE_OWNER_MASK) != !!(next & size))
		return NULL;
	/* What it says comes after that it is there. */
	dma_rmb();
	return cqe;
}

/* So that the slot can be used again while the message is looked at. */
static void copy_slot(struct mlx5_ferry_channel *channel, unsigned int slot,
		      void *to, size_t bytes)
{
	size_t from = (size_t)slot << channel->log_message;
	size_t page = BIT(channel->slots.page_shift), piece;

	for (size_t done = 0; done < bytes; done += piece) {
		piece = min(bytes - done, page - ((from + done) & (page - 1)));
		memcpy(to + done, at(&channel->slots, from + done), piece);
	}
}

/**
 * mlx5_ferry_channel_receive() - the next message, if there is one
 * @channel: the channel
 * @message: filled, if there is one
 *
 * Return: 1 for a message, 0 for none, -EIO if none will come any more.
 */
int mlx5_ferry_channel_receive(struct mlx5_ferry_channel *channel,
			       struct mlx5_ferry_message *message)
{
	struct mlx5_cqe64 *cqe = next_completion(channel);
	u32 bytes;

	if (!cqe)
		return READ_ONCE(channel->broken) ? -EIO : 0;
	if (get_cqe_opcode(cqe) != MLX5_CQE_RESP_SEND_IMM)
		return -EIO;
	bytes = be32_to_cpu(cqe->byte_cnt);
	if (bytes > BIT(channel->log_message) || bytes % sizeof(__be64))
		return -EIO;
	copy_slot(channel, be16_to_cpu(cqe->wqe_counter) &
			   (BIT(channel->log_slots) - 1),
		  message->pages, bytes);
	message->state = be32_to_cpu(cqe->immediate) >> STATE_SHIFT;
	message->nr = bytes / sizeof(__be64);
	channel->cq.cons_index++;
	mlx5_cq_set_ci(&channel->cq);
	post(channel, 1);
	return 1;
}

/**
 * mlx5_ferry_channel_arm() - wake who waits when the next message has come
 * @channel: the channel, which had no message
 */
void mlx5_ferry_channel_arm(struct mlx5_ferry_channel *channel)
{
	WRITE_ONCE(channel->event, false);
	mlx5_cq_arm(&channel->cq, MLX5_CQ_DB_REQ_NOT, channel->uar->map,
		    channel->cq.cons_index);
}
