/* SPDX-License-Identifier: GPL-2.0-only */
/* The queues through which the firmware reports written pages. See channel.c, pair.c. */
#ifndef MLX5_FERRY_CHANNEL_H
#define MLX5_FERRY_CHANNEL_H

#include <linux/bits.h>
#include <linux/mlx5/cq.h>
#include <linux/mlx5/driver.h>
#include <linux/wait.h>

#include "slots.h"

struct mlx5_ferry;

/* Bytes of a piece of DMA memory, by their place in it */
static inline void *mlx5_ferry_buffer_at(struct mlx5_frag_buf *memory,
					 size_t place)
{
	return memory->frags[place >> memory->page_shift].buf +
	       (place & (BIT(memory->page_shift) - 1));
}

/**
 * struct mlx5_ferry_message - a message of the firmware
 * @state: of the page tracker, MLX5_PAGE_TRACK_STATE_*
 * @pages: addresses of pages; the caller's memory for the longest message
 * @nr: how many
 */
struct mlx5_ferry_message {
	unsigned int state;
	__be64 *pages;
	unsigned int nr;
};

/**
 * struct mlx5_ferry_channel - two queue pairs, one of which is the firmware's
 * @nic: the VF
 * @wait: who waits for messages
 * @event: a message may have come since the channel was armed
 * @broken: an event said that no more will come
 * @lost: the firmware did not give back something that reaches our memory
 * @silent: it did not even answer
 * @made: steps of opening it that were made
 * @log_message: log2 of a message's bytes
 * @log_slots: log2 of the messages that there is room for
 * @uar: doorbell page
 * @pdn: protection domain
 * @cq: completion queue
 * @cq_memory: its entries
 * @cq_db: its doorbell record
 * @rq_memory: entries of our receive queue
 * @rq_db: its doorbell record
 * @posted: receives posted since it was opened
 * @slots: memory for messages, one for each receive
 * @slots_index: number of the memory key of @slots
 * @qpn: our queue pair
 * @firmware_qpn: the firmware's
 *
 * The owner's lock protects all but @wait, @event and @broken.
 */
struct mlx5_ferry_channel {
	struct mlx5_ferry *nic;
	wait_queue_head_t *wait;
	bool event;
	bool broken;
	bool lost;
	bool silent;
	unsigned int made;
	unsigned int log_message;
	unsigned int log_slots;
	struct mlx5_uars_page *uar;
	u32 pdn;
	struct mlx5_core_cq cq;
	struct mlx5_frag_buf cq_memory;
	struct mlx5_db cq_db;
	struct mlx5_frag_buf rq_memory;
	struct mlx5_db rq_db;
	u16 posted;
	struct mlx5_ferry_slots slots;
	u32 slots_index;
	u32 qpn;
	u32 firmware_qpn;
};

/* pair.c */
void mlx5_ferry_channel_lose(struct mlx5_ferry_channel *channel);
int mlx5_ferry_channel_take(struct mlx5_ferry_channel *channel,
			    const char *name, void *in, int in_bytes, void *out,
			    int out_bytes);
void mlx5_ferry_channel_give_back(struct mlx5_ferry_channel *channel,
				  const char *name, void *in, int in_bytes);
int mlx5_ferry_pair_make(struct mlx5_ferry_channel *channel);
void mlx5_ferry_pair_end(struct mlx5_ferry_channel *channel);
int mlx5_ferry_pair_make_firmware(struct mlx5_ferry_channel *channel);
void mlx5_ferry_pair_end_firmware(struct mlx5_ferry_channel *channel);
int mlx5_ferry_pair_connect(struct mlx5_ferry_channel *channel);
void mlx5_ferry_pair_post(struct mlx5_ferry_channel *channel, unsigned int nr);

#define MLX5_FERRY_CHANNEL_TAKE(channel, name, ifc, in, out)		\
	mlx5_ferry_channel_take(channel, name, in,			\
				MLX5_ST_SZ_BYTES(ifc##_in),		\
				out, MLX5_ST_SZ_BYTES(ifc##_out))
#define MLX5_FERRY_CHANNEL_GIVE_BACK(channel, name, ifc, in)		\
	mlx5_ferry_channel_give_back(channel, name, in,			\
				     MLX5_ST_SZ_BYTES(ifc##_in))

/* channel.c */
int mlx5_ferry_channel_open(struct mlx5_ferry_channel *channel,
			    struct mlx5_ferry *nic, wait_queue_head_t *wait,
			    unsigned int log_message);
void mlx5_ferry_channel_close(struct mlx5_ferry_channel *channel);
int mlx5_ferry_channel_receive(struct mlx5_ferry_channel *channel,
			       struct mlx5_ferry_message *message);
void mlx5_ferry_channel_arm(struct mlx5_ferry_channel *channel);

#endif /* MLX5_FERRY_CHANNEL_H */
