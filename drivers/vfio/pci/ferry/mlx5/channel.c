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

static struct mlx5_core_dev *mdev_of(struct mlx5_ferry_channel *channel)
{
	return channel->nic->mdev;
}

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
	err = MLX5_FERRY_CHANNEL_TAKE(channel, "ALLOC_PD", alloc_pd, in, out);
	channel->pdn = MLX5_GET(alloc_pd_out, out, pd);
	return err;
}

static void put_pd(struct mlx5_ferry_channel *channel)
{
	u32 in[MLX5_ST_SZ_DW(dealloc_pd_in)] = {};

	MLX5_SET(dealloc_pd_in, in, opcode, MLX5_CMD_OP_DEALLOC_PD);
	MLX5_SET(dealloc_pd_in, in, pd, channel->pdn);
	MLX5_FERRY_CHANNEL_GIVE_BACK(channel, "DEALLOC_PD", dealloc_pd, in);
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
		kmemleak_ignore(channel->slots.pieces);
		return;
	}
	mlx5_ferry_slots_put(&channel->slots);
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
		cqe = mlx5_ferry_buffer_at(&channel->cq_memory, i * sizeof(*cqe));
		cqe->op_own = MLX5_CQE_INVALID << 4;
		receive = mlx5_ferry_buffer_at(&channel->rq_memory, i * sizeof(*receive));
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
		err = mlx5_ferry_slots_get(&channel->slots,
					   mdev_of(channel)->device,
					   slots << channel->log_message);
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
	MLX5_FERRY_CHANNEL_GIVE_BACK(channel, "DESTROY_CQ", destroy_cq, in);
	channel->lost |= channel->silent;
}

static int make_key(struct mlx5_ferry_channel *channel)
{
	unsigned int pages = mlx5_ferry_slots_pages(&channel->slots);
	size_t bytes = MLX5_ST_SZ_BYTES(create_mkey_in) +
		       pages * sizeof(__be64);
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	void *in = kzalloc(bytes, GFP_KERNEL);
	void *mkc;
	int err;

	if (!in)
		return -ENOMEM;
	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size,
		 pages / 2);
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, 1);
	MLX5_SET(mkc, mkc, pd, channel->pdn);
	MLX5_SET(mkc, mkc, qpn, 0xffffff);
	MLX5_SET(mkc, mkc, log_page_size, PAGE_SHIFT);
	MLX5_SET(mkc, mkc, translations_octword_size, pages / 2);
	MLX5_SET64(mkc, mkc, len, (u64)pages << PAGE_SHIFT);
	mlx5_ferry_slots_translate(&channel->slots,
				   MLX5_ADDR_OF(create_mkey_in, in,
						klm_pas_mtt));
	err = mlx5_ferry_channel_take(channel, "CREATE_MKEY", in, bytes, out, sizeof(out));
	kfree(in);
	channel->slots_index = MLX5_GET(create_mkey_out, out, mkey_index);
	return err;
}

static void end_key(struct mlx5_ferry_channel *channel)
{
	u32 in[MLX5_ST_SZ_DW(destroy_mkey_in)] = {};

	MLX5_SET(destroy_mkey_in, in, opcode, MLX5_CMD_OP_DESTROY_MKEY);
	MLX5_SET(destroy_mkey_in, in, mkey_index, channel->slots_index);
	MLX5_FERRY_CHANNEL_GIVE_BACK(channel, "DESTROY_MKEY", destroy_mkey, in);
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
	{ mlx5_ferry_pair_make, mlx5_ferry_pair_end },
	{ mlx5_ferry_pair_make_firmware, mlx5_ferry_pair_end_firmware },
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
		err = mlx5_ferry_pair_connect(channel);
	if (err)
		mlx5_ferry_channel_close(channel);
	return err;
}

/* The next completion, or NULL if it has not come. */
static struct mlx5_cqe64 *next_completion(struct mlx5_ferry_channel *channel)
{
	u32 next = channel->cq.cons_index, size = BIT(channel->log_slots);
	struct mlx5_cqe64 *cqe = mlx5_ferry_buffer_at(&channel->cq_memory,
				    (next & (size - 1)) * sizeof(*cqe));
	u8 op_own = READ_ONCE(cqe->op_own);

	if (op_own >> 4 == MLX5_CQE_INVALID ||
	    (op_own & MLX5_CQE_OWNER_MASK) != !!(next & size))
		return NULL;
	/* What it says comes after that it is there. */
	dma_rmb();
	return cqe;
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
	size_t slot;
	u32 bytes;

	if (!cqe)
		return READ_ONCE(channel->broken) ? -EIO : 0;
	if (get_cqe_opcode(cqe) != MLX5_CQE_RESP_SEND_IMM)
		return -EIO;
	bytes = be32_to_cpu(cqe->byte_cnt);
	if (bytes > BIT(channel->log_message) || bytes % sizeof(__be64))
		return -EIO;
	slot = be16_to_cpu(cqe->wqe_counter) & (BIT(channel->log_slots) - 1);
	/* So that it can be used again while the message is looked at. */
	mlx5_ferry_slots_read(&channel->slots, slot << channel->log_message,
			      message->pages, bytes);
	message->state = be32_to_cpu(cqe->immediate) >> STATE_SHIFT;
	message->nr = bytes / sizeof(__be64);
	channel->cq.cons_index++;
	mlx5_cq_set_ci(&channel->cq);
	mlx5_ferry_pair_post(channel, 1);
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
