// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware's log of the pages that a VF wrote: a page tracker, an object on
 * the physical function, and its commands. Called by report.c and tracker.c.
 */
#include <linux/math.h>
#include <linux/mlx5/device.h>
#include <linux/slab.h>

#include "command.h"
#include "tracker.h"

/* MODIFY_GENERAL_OBJECT: the state, and the range to report */
#define MODIFY_STATE_AND_RANGE	3
#define TRACK_TYPE_DIRTY	1

static void *object_header(void *in, u16 opcode, u32 object)
{
	MLX5_SET(general_obj_in_cmd_hdr, in, opcode, opcode);
	MLX5_SET(general_obj_in_cmd_hdr, in, obj_type,
		 MLX5_OBJ_TYPE_PAGE_TRACK);
	MLX5_SET(general_obj_in_cmd_hdr, in, obj_id, object);
	return MLX5_ADDR_OF(create_page_track_obj_in, in, obj_context);
}

/**
 * mlx5_ferry_log_create() - have the firmware log what the VF writes
 * @tracker: of the VF, with its channel open; its lock is held
 * @ranges: the addresses that count
 * @nr: how many ranges, as many as the firmware takes at most
 * @log_space: log2 of the sum of their bytes, rounded up
 *
 * Return: 0 or negative errno; -ENOMEM also if there are as many logs, of all
 * VFs, as the firmware can keep.
 */
int mlx5_ferry_log_create(struct mlx5_ferry_tracker *tracker,
			  const struct mlx5_ferry_range *ranges,
			  unsigned int nr, unsigned int log_space)
{
	size_t bytes = MLX5_ST_SZ_BYTES(create_page_track_obj_in) +
		       nr * MLX5_ST_SZ_BYTES(page_track_range);
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	void *in = kzalloc(bytes, GFP_KERNEL);
	void *track, *range;
	int err;

	if (!in)
		return -ENOMEM;
	track = object_header(in, MLX5_CMD_OP_CREATE_GENERAL_OBJECT, 0);
	MLX5_SET(page_track, track, vhca_id, tracker->nic->vhca_id);
	MLX5_SET(page_track, track, track_type, TRACK_TYPE_DIRTY);
	MLX5_SET(page_track, track, log_addr_space_size, log_space);
	MLX5_SET(page_track, track, log_page_size, tracker->log_page);
	MLX5_SET(page_track, track, log_msg_size,
		 tracker->channel.log_message);
	MLX5_SET(page_track, track, reporting_qpn,
		 tracker->channel.firmware_qpn);
	MLX5_SET(page_track, track, num_ranges, nr);
	for (unsigned int i = 0; i < nr; i++) {
		range = MLX5_ADDR_OF(page_track, track, track_range) +
			i * MLX5_ST_SZ_BYTES(page_track_range);
		MLX5_SET64(page_track_range, range, start_address,
			   ranges[i].first);
		MLX5_SET64(page_track_range, range, length,
			   ranges[i].last - ranges[i].first + 1);
	}
	err = mlx5_ferry_command(tracker->nic, "CREATE_GENERAL_OBJECT of a page tracker",
				 in, bytes, out, sizeof(out));
	kfree(in);
	tracker->object = MLX5_GET(general_obj_out_cmd_hdr, out, obj_id);
	tracker->has_object = !err;
	/* If it was made nevertheless, it may go on to use the queues. */
	if (err == -ETIMEDOUT)
		mlx5_ferry_channel_lose(&tracker->channel);
	return err;
}

/**
 * mlx5_ferry_log_destroy() - the opposite of mlx5_ferry_log_create()
 * @tracker: of the VF, its lock is held
 */
void mlx5_ferry_log_destroy(struct mlx5_ferry_tracker *tracker)
{
	u32 in[MLX5_ST_SZ_DW(general_obj_in_cmd_hdr)] = {};

	object_header(in, MLX5_CMD_OP_DESTROY_GENERAL_OBJECT, tracker->object);
	mlx5_ferry_channel_give_back(&tracker->channel,
				     "DESTROY_GENERAL_OBJECT of a page tracker",
				     in, sizeof(in));
	tracker->has_object = false;
}

/**
 * mlx5_ferry_log_tell() - have the firmware tell what was written
 * @tracker: of the VF, its lock is held
 * @first: the first address of those meant
 * @last: the last one
 *
 * Messages come from then on, the last of which says that it is that; they
 * tell whole pages, and what they tell is forgotten.
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_log_tell(struct mlx5_ferry_tracker *tracker, u64 first, u64 last)
{
	u32 in[MLX5_ST_SZ_DW(modify_page_track_obj_in)] = {};
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	u64 page = BIT_ULL(tracker->log_page), length;
	void *track;

	first = round_down(first, page);
	/* 2^64 cannot be said; nobody maps the last page of it. */
	length = (last | (page - 1)) - first + 1 ?: -page;
	track = object_header(in, MLX5_CMD_OP_MODIFY_GENERAL_OBJECT,
			      tracker->object);
	MLX5_SET64(page_track, track, modify_field_select,
		   MODIFY_STATE_AND_RANGE);
	MLX5_SET64(page_track, track, range_start_address, first);
	MLX5_SET64(page_track, track, length, length);
	MLX5_SET(page_track, track, state, MLX5_PAGE_TRACK_STATE_REPORTING);
	return mlx5_ferry_command(tracker->nic, "MODIFY_GENERAL_OBJECT of a page tracker",
				  in, sizeof(in), out, sizeof(out));
}

/**
 * mlx5_ferry_log_ask() - does the firmware still keep the log?
 * @tracker: of the VF, its lock is held
 *
 * Return: 0, or negative errno if it does not, or does not answer.
 */
int mlx5_ferry_log_ask(struct mlx5_ferry_tracker *tracker)
{
	u32 out[MLX5_ST_SZ_DW(query_page_track_obj_out)] = {};
	u32 in[MLX5_ST_SZ_DW(general_obj_in_cmd_hdr)] = {};
	int err;

	object_header(in, MLX5_CMD_OP_QUERY_GENERAL_OBJECT, tracker->object);
	err = mlx5_ferry_command(tracker->nic, "QUERY_GENERAL_OBJECT of a page tracker",
				 in, sizeof(in), out, sizeof(out));
	if (!err && MLX5_GET(query_page_track_obj_out, out,
			     obj_context.state) == MLX5_PAGE_TRACK_STATE_ERROR)
		err = -EIO;
	return err;
}
