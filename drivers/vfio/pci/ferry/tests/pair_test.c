// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what the firmware is told about the queue pairs of a page
 * tracker and about the tracker itself, field by field: a firmware may look at
 * more of it than one that is known. And of what a command's answer means. The
 * firmware is made up.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mlx5/driver.h>

#define mlx5_cmd_do	told_do
#define mlx5_cmd_check	told_check
static int told_do(struct mlx5_core_dev *mdev, void *in, int in_bytes, void *out,
		   int out_bytes);
static int told_check(struct mlx5_core_dev *mdev, int err, void *in, void *out);

/* report_test.c has others by these names. */
#define mlx5_ferry_log_tell	told_log_tell
#define mlx5_ferry_log_ask	told_log_ask
#define vfio_ferry_failed	told_failed
#define mlx5_fill_page_frag_array	told_pages

static void told_pages(struct mlx5_frag_buf *buf, __be64 *pas);

#include "../mlx5/command.c"
#include "../mlx5/log.c"
#include "../mlx5/pair.c"
#include "fields.h"

#define ORDERS		16
#define ORDER_BYTES	1024
#define LOG_SLOTS	3
#define OWN_QPN		0x123456
#define FIRMWARE_QPN	0x654321
#define OBJECT		0x11223344

/* A command: what it said, and what it is answered. */
struct order {
	int err;
	u8 status;
	u32 syndrome;
	u32 number;		/* of the object that is made, in the answer's third word */
	u32 state;		/* of a page tracker that is asked for */
	int in_bytes;
	u8 in[ORDER_BYTES];
};

struct fixture {
	struct mlx5_ferry nic;
	struct mlx5_ferry_tracker tracker;
	struct mlx5_core_dev mdev;
	struct mlx5_uars_page uar;
	struct mlx5_buf_list rq;
	__be32 doorbell;
	struct order orders[ORDERS];
	unsigned int nr;
	struct vfio_ferry_failure failure;
	unsigned int failures;
	int checked;		/* what told_check() makes of an error */
};

static int told_do(struct mlx5_core_dev *mdev, void *in, int in_bytes, void *out,
		   int out_bytes)
{
	struct fixture *f = container_of(mdev, struct fixture, mdev);
	struct order *order = &f->orders[f->nr++ % ORDERS];

	order->in_bytes = in_bytes;
	memcpy(order->in, in, min(in_bytes, ORDER_BYTES));
	MLX5_SET(nop_out, out, status, order->status);
	MLX5_SET(nop_out, out, syndrome, order->syndrome);
	if (out_bytes > 8)
		MLX5_SET(general_obj_out_cmd_hdr, out, obj_id, order->number);
	if (out_bytes >= MLX5_ST_SZ_BYTES(query_page_track_obj_out))
		MLX5_SET(query_page_track_obj_out, out, obj_context.state, order->state);
	return order->err;
}

static int told_check(struct mlx5_core_dev *mdev, int err, void *in, void *out)
{
	return container_of(mdev, struct fixture, mdev)->checked;
}

static void told_pages(struct mlx5_frag_buf *buf, __be64 *pas)
{
	for (int i = 0; i < buf->npages; i++)
		pas[i] = cpu_to_be64(buf->frags[i].map);
}

void told_failed(struct vfio_ferry_device *device, const struct vfio_ferry_failure *failure)
{
	struct mlx5_ferry *nic = container_of(device, struct mlx5_ferry, ferry);
	struct fixture *f = container_of(nic, struct fixture, nic);

	f->failure = *failure;
	f->failures++;
}

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct mlx5_ferry_channel *channel;

	KUNIT_ASSERT_NOT_NULL(test, f);
	channel = &f->tracker.channel;
	f->nic.mdev = &f->mdev;
	f->nic.vhca_id = 0x1234;
	f->tracker.nic = &f->nic;
	f->tracker.log_page = 14;
	f->uar.index = 0x77;
	f->rq.buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	f->rq.map = 0x123456000;
	*channel = (struct mlx5_ferry_channel) {
		.nic = &f->nic, .uar = &f->uar, .pdn = 0x55,
		.log_message = 12, .log_slots = LOG_SLOTS, .cq.cqn = 0x99,
		.rq_memory = { .frags = &f->rq, .npages = 1, .page_shift = PAGE_SHIFT },
		.rq_db = { .db = &f->doorbell, .dma = 0xabcdef0123456780 },
		.slots_index = 0xabcde, .qpn = OWN_QPN, .firmware_qpn = FIRMWARE_QPN,
	};
	return f;
}

static void expect_orders(struct kunit *test, struct fixture *f, const u16 *opcodes,
			  unsigned int nr)
{
	KUNIT_EXPECT_EQ(test, f->nr, nr);
	for (unsigned int i = 0; i < min(f->nr, nr); i++)
		KUNIT_EXPECT_EQ_MSG(test, be32_to_cpup((__be32 *)f->orders[i].in) >> 16,
				    opcodes[i], "command %u", i);
}

/* What a command's answer means */

static void each_status_is_an_error(struct kunit *test)
{
	static const struct { u8 status; int err; } statuses[] = {
		{ MLX5_CMD_STAT_INT_ERR, -EIO },
		{ MLX5_CMD_STAT_BAD_OP_ERR, -EOPNOTSUPP },
		{ MLX5_CMD_STAT_BAD_PARAM_ERR, -EINVAL },
		{ MLX5_CMD_STAT_BAD_SYS_STATE_ERR, -EINVAL },
		{ MLX5_CMD_STAT_BAD_RES_ERR, -EINVAL },
		{ MLX5_CMD_STAT_RES_BUSY, -EBUSY },
		{ MLX5_CMD_STAT_NOT_READY, -EBUSY },
		{ MLX5_CMD_STAT_LIM_ERR, -ENOMEM },
		{ MLX5_CMD_STAT_BAD_RES_STATE_ERR, -EINVAL },
		{ MLX5_CMD_STAT_IX_ERR, -EINVAL },
		{ MLX5_CMD_STAT_NO_RES_ERR, -ENOMEM },
		{ MLX5_CMD_STAT_BAD_INP_LEN_ERR, -EIO },
	};

	for (int i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct fixture *f = fixture_of(test);
		u32 in[MLX5_ST_SZ_DW(nop_in)] = {}, out[MLX5_ST_SZ_DW(nop_out)] = {};

		f->orders[0] = (struct order){ .err = -EREMOTEIO, .syndrome = 0x1234567,
					       .status = statuses[i].status };
		KUNIT_EXPECT_EQ(test, MLX5_FERRY_COMMAND(&f->nic, "NOP", nop, in, out),
				statuses[i].err);
		KUNIT_EXPECT_EQ(test, f->failures, 1);
		KUNIT_EXPECT_STREQ(test, f->failure.command, "NOP");
		KUNIT_EXPECT_EQ(test, f->failure.error, statuses[i].err);
		KUNIT_EXPECT_EQ(test, f->failure.status, statuses[i].status);
		KUNIT_EXPECT_EQ(test, f->failure.syndrome, 0x1234567);
	}
}

static void what_was_not_answered_has_no_status(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	u32 in[MLX5_ST_SZ_DW(nop_in)] = {}, out[MLX5_ST_SZ_DW(nop_out)] = {};

	f->orders[0] = (struct order){ .err = -ETIMEDOUT, .status = 1, .syndrome = 2 };
	KUNIT_EXPECT_EQ(test, MLX5_FERRY_COMMAND(&f->nic, "NOP", nop, in, out), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, f->failures, 1);
	KUNIT_EXPECT_EQ(test, f->failure.error, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, f->failure.status, 0);
	KUNIT_EXPECT_EQ(test, f->failure.syndrome, 0);
	KUNIT_EXPECT_EQ(test, MLX5_FERRY_COMMAND(&f->nic, "NOP", nop, in, out), 0);
	KUNIT_EXPECT_EQ(test, f->failures, 1);
}

/* Memory for a command is waited for; a firmware that is gone has nothing any more. */
static void what_is_given_back_is_tried_again(struct kunit *test)
{
	static const struct { int first, later, checked, err, commands; } tries[] = {
		{ 0, 0, -EIO, 0, 1 },
		{ -ENOMEM, 0, -EIO, 0, 2 },
		{ -ENXIO, 0, 0, 0, 1 },
		{ -ENXIO, 0, -EIO, -EIO, 1 },
		{ -ETIMEDOUT, 0, 0, -ETIMEDOUT, 1 },
		{ -ENOMEM, -ENOMEM, 0, -ENOMEM, GIVE_BACK_TRIES },
	};

	for (int i = 0; i < ARRAY_SIZE(tries); i++) {
		struct fixture *f = fixture_of(test);
		u32 in[MLX5_ST_SZ_DW(nop_in)] = {}, out[MLX5_ST_SZ_DW(nop_out)] = {};

		for (int k = 0; k < ORDERS; k++)
			f->orders[k].err = k ? tries[i].later : tries[i].first;
		f->checked = tries[i].checked;
		KUNIT_EXPECT_EQ_MSG(test, MLX5_FERRY_GIVE_BACK(&f->nic, "NOP", nop, in, out),
				    tries[i].err, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->nr, tries[i].commands, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, f->failures, !!tries[i].err, "%d", i);
	}
}

/* The channel's commands */

static void a_channel_knows_what_it_lost(struct kunit *test)
{
	static const struct {
		int first, second;
		unsigned int commands;
		bool lost, silent;
	} ends[] = {
		{ 0, 0, 1, false, false },
		{ -EREMOTEIO, 0, 2, false, false },
		{ -EREMOTEIO, -EREMOTEIO, 2, true, false },
		{ -EREMOTEIO, -ETIMEDOUT, 2, true, true },
		{ -ETIMEDOUT, 0, 1, true, true },
	};

	for (int i = 0; i < ARRAY_SIZE(ends); i++) {
		struct fixture *f = fixture_of(test);
		struct mlx5_ferry_channel *channel = &f->tracker.channel;

		f->orders[0].err = ends[i].first;
		f->orders[1].err = ends[i].second;
		mlx5_ferry_pair_end(channel);
		KUNIT_EXPECT_EQ_MSG(test, f->nr, ends[i].commands, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, channel->lost, ends[i].lost, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, channel->silent, ends[i].silent, "%d", i);
		EXPECT_FIELD(test, destroy_qp_in, f->orders[0].in, opcode, MLX5_CMD_OP_DESTROY_QP);
		EXPECT_FIELD(test, destroy_qp_in, f->orders[0].in, qpn, OWN_QPN);
		/* What was lost stays so, and nobody asks who does not answer. */
		f->nr = 0;
		f->orders[0].err = 0;
		mlx5_ferry_pair_end_firmware(channel);
		KUNIT_EXPECT_EQ_MSG(test, f->nr, ends[i].silent ? 0 : 1, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, channel->lost, ends[i].lost, "%d", i);
		if (!ends[i].silent)
			EXPECT_FIELD(test, destroy_qp_in, f->orders[0].in, qpn, FIRMWARE_QPN);
	}
}

static void what_is_made_without_an_answer_is_lost(struct kunit *test)
{
	static const int errors[] = { 0, -EREMOTEIO, -ENOMEM, -ETIMEDOUT };

	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		struct fixture *f = fixture_of(test);
		struct mlx5_ferry_channel *channel = &f->tracker.channel;

		f->orders[0].err = errors[i];
		KUNIT_EXPECT_EQ(test, !mlx5_ferry_pair_make(channel), !errors[i]);
		KUNIT_EXPECT_EQ(test, channel->lost, errors[i] == -ETIMEDOUT);
		KUNIT_EXPECT_EQ(test, channel->silent, errors[i] == -ETIMEDOUT);
	}
}

static void expect_qp(struct kunit *test, struct fixture *f, void *in)
{
	void *qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);

	EXPECT_FIELD(test, create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	EXPECT_FIELD(test, qpc, qpc, st, MLX5_QP_ST_RC);
	EXPECT_FIELD(test, qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	EXPECT_FIELD(test, qpc, qpc, pd, f->tracker.channel.pdn);
	EXPECT_FIELD(test, qpc, qpc, uar_page, f->uar.index);
	EXPECT_FIELD(test, qpc, qpc, no_sq, 1);
}

static void our_queue_pair_receives(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct mlx5_ferry_channel *channel = &f->tracker.channel;
	void *in = f->orders[0].in, *qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);

	channel->qpn = 0;
	f->orders[0].number = OWN_QPN;
	KUNIT_EXPECT_EQ(test, mlx5_ferry_pair_make(channel), 0);
	KUNIT_EXPECT_EQ(test, channel->qpn, OWN_QPN);
	KUNIT_EXPECT_EQ(test, f->orders[0].in_bytes,
			MLX5_ST_SZ_BYTES(create_qp_in) + sizeof(__be64));
	expect_qp(test, f, in);
	EXPECT_FIELD(test, qpc, qpc, rq_type, MLX5_NON_ZERO_RQ);
	EXPECT_FIELD(test, qpc, qpc, log_rq_size, LOG_SLOTS);
	EXPECT_FIELD(test, qpc, qpc, cqn_rcv, channel->cq.cqn);
	EXPECT_FIELD(test, qpc, qpc, log_page_size, 0);
	EXPECT_FIELD64(test, qpc, qpc, dbr_addr, channel->rq_db.dma);
	KUNIT_EXPECT_EQ(test, be64_to_cpup(MLX5_ADDR_OF(create_qp_in, in, pas)), f->rq.map);
}

static void the_firmwares_queue_pair_sends(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct mlx5_ferry_channel *channel = &f->tracker.channel;
	void *in = f->orders[0].in, *qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);

	channel->firmware_qpn = 0;
	f->orders[0].number = FIRMWARE_QPN;
	KUNIT_EXPECT_EQ(test, mlx5_ferry_pair_make_firmware(channel), 0);
	KUNIT_EXPECT_EQ(test, channel->firmware_qpn, FIRMWARE_QPN);
	expect_qp(test, f, in);
	EXPECT_FIELD(test, qpc, qpc, rq_type, MLX5_ZERO_LEN_RQ);
	EXPECT_FIELD(test, qpc, qpc, cqn_rcv, 0);
}

static void expect_init(struct kunit *test, void *in, u32 qpn)
{
	void *qpc = MLX5_ADDR_OF(rst2init_qp_in, in, qpc);

	EXPECT_FIELD(test, rst2init_qp_in, in, qpn, qpn);
	EXPECT_FIELD(test, qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	EXPECT_FIELD(test, qpc, qpc, primary_address_path.vhca_port_num, 1);
	EXPECT_FIELD(test, qpc, qpc, rre, 1);
	EXPECT_FIELD(test, qpc, qpc, rwe, 1);
}

static void expect_rtr(struct kunit *test, void *in, u32 qpn, u32 remote)
{
	void *qpc = MLX5_ADDR_OF(init2rtr_qp_in, in, qpc);

	EXPECT_FIELD(test, init2rtr_qp_in, in, qpn, qpn);
	EXPECT_FIELD(test, qpc, qpc, mtu, MLX5_QPC_MTU_256_BYTES);
	EXPECT_FIELD(test, qpc, qpc, log_msg_max, 30);
	EXPECT_FIELD(test, qpc, qpc, remote_qpn, remote);
	EXPECT_FIELD(test, qpc, qpc, primary_address_path.vhca_port_num, 1);
	EXPECT_FIELD(test, qpc, qpc, primary_address_path.fl, 1);
	EXPECT_FIELD(test, qpc, qpc, min_rnr_nak, 1);
}

static const u16 connecting[] = {
	MLX5_CMD_OP_RST2INIT_QP, MLX5_CMD_OP_INIT2RTR_QP, MLX5_CMD_OP_RST2INIT_QP,
	MLX5_CMD_OP_INIT2RTR_QP, MLX5_CMD_OP_RTR2RTS_QP,
};

static void two_queue_pairs_are_connected(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct mlx5_wqe_data_seg *receives = f->rq.buf;
	void *in = f->orders[4].in, *qpc = MLX5_ADDR_OF(rtr2rts_qp_in, in, qpc);

	KUNIT_EXPECT_EQ(test, mlx5_ferry_pair_connect(&f->tracker.channel), 0);
	expect_orders(test, f, connecting, ARRAY_SIZE(connecting));
	expect_init(test, f->orders[0].in, OWN_QPN);
	expect_rtr(test, f->orders[1].in, OWN_QPN, FIRMWARE_QPN);
	expect_init(test, f->orders[2].in, FIRMWARE_QPN);
	expect_rtr(test, f->orders[3].in, FIRMWARE_QPN, OWN_QPN);
	EXPECT_FIELD(test, rtr2rts_qp_in, in, qpn, FIRMWARE_QPN);
	EXPECT_FIELD(test, qpc, qpc, primary_address_path.ack_timeout, 14);
	EXPECT_FIELD(test, qpc, qpc, retry_count, 7);
	EXPECT_FIELD(test, qpc, qpc, rnr_retry, 7);
	for (int i = 0; i < BIT(LOG_SLOTS); i++)
		KUNIT_EXPECT_EQ(test, be32_to_cpu(receives[i].lkey), 0xabcde << 8);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(receives[BIT(LOG_SLOTS)].lkey), 0);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(f->doorbell), BIT(LOG_SLOTS));
	mlx5_ferry_pair_post(&f->tracker.channel, 3);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(f->doorbell), BIT(LOG_SLOTS) + 3);
	/* It counts in 16 bits. */
	mlx5_ferry_pair_post(&f->tracker.channel, U16_MAX - 2);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(f->doorbell), BIT(LOG_SLOTS));
}

static void connecting_ends_with_the_first_failure(struct kunit *test)
{
	for (int failing = 0; failing < ARRAY_SIZE(connecting); failing++) {
		struct fixture *f = fixture_of(test);

		f->orders[failing].err = -ENOMEM;
		KUNIT_EXPECT_EQ(test, mlx5_ferry_pair_connect(&f->tracker.channel), -ENOMEM);
		expect_orders(test, f, connecting, failing + 1);
	}
}

/* The log */

static void a_log_is_of_what_counts(struct kunit *test)
{
	static const struct mlx5_ferry_range ranges[] = {
		{ 0, SZ_1M - 1 }, { 0x123000, 0x124fff }, { 0xffff00000000, U64_MAX },
	};
	struct fixture *f = fixture_of(test);
	void *in = f->orders[0].in, *track, *range;

	f->orders[0].number = OBJECT;
	KUNIT_EXPECT_EQ(test, mlx5_ferry_log_create(&f->tracker, ranges, 3, 40), 0);
	KUNIT_EXPECT_TRUE(test, f->tracker.has_object);
	KUNIT_EXPECT_EQ(test, f->tracker.object, OBJECT);
	KUNIT_EXPECT_EQ(test, f->orders[0].in_bytes,
			MLX5_ST_SZ_BYTES(create_page_track_obj_in) +
			3 * MLX5_ST_SZ_BYTES(page_track_range));
	EXPECT_FIELD(test, general_obj_in_cmd_hdr, in, opcode, MLX5_CMD_OP_CREATE_GENERAL_OBJECT);
	EXPECT_FIELD(test, general_obj_in_cmd_hdr, in, obj_type, MLX5_OBJ_TYPE_PAGE_TRACK);
	EXPECT_FIELD(test, general_obj_in_cmd_hdr, in, obj_id, 0);
	track = MLX5_ADDR_OF(create_page_track_obj_in, in, obj_context);
	EXPECT_FIELD(test, page_track, track, vhca_id, f->nic.vhca_id);
	EXPECT_FIELD(test, page_track, track, track_type, 1);
	EXPECT_FIELD(test, page_track, track, log_addr_space_size, 40);
	EXPECT_FIELD(test, page_track, track, log_page_size, f->tracker.log_page);
	EXPECT_FIELD(test, page_track, track, log_msg_size, f->tracker.channel.log_message);
	EXPECT_FIELD(test, page_track, track, reporting_qpn, FIRMWARE_QPN);
	EXPECT_FIELD(test, page_track, track, num_ranges, 3);
	for (int i = 0; i < ARRAY_SIZE(ranges); i++) {
		range = MLX5_ADDR_OF(page_track, track, track_range) +
			i * MLX5_ST_SZ_BYTES(page_track_range);
		EXPECT_FIELD64(test, page_track_range, range, start_address, ranges[i].first);
		EXPECT_FIELD64(test, page_track_range, range, length,
			       ranges[i].last - ranges[i].first + 1);
	}
}

static void a_log_that_is_not_made(struct kunit *test)
{
	static const struct mlx5_ferry_range range = { 0, SZ_1M - 1 };
	static const int errors[] = { -ENOMEM, -ETIMEDOUT };

	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		struct fixture *f = fixture_of(test);

		f->orders[0].err = errors[i];
		KUNIT_EXPECT_EQ(test, mlx5_ferry_log_create(&f->tracker, &range, 1, 20), errors[i]);
		KUNIT_EXPECT_FALSE(test, f->tracker.has_object);
		KUNIT_EXPECT_EQ(test, f->tracker.channel.lost, errors[i] == -ETIMEDOUT);
		KUNIT_EXPECT_EQ(test, f->tracker.channel.silent, errors[i] == -ETIMEDOUT);
	}
}

static void expect_object(struct kunit *test, void *in, u16 opcode)
{
	EXPECT_FIELD(test, general_obj_in_cmd_hdr, in, opcode, opcode);
	EXPECT_FIELD(test, general_obj_in_cmd_hdr, in, obj_type, MLX5_OBJ_TYPE_PAGE_TRACK);
	EXPECT_FIELD(test, general_obj_in_cmd_hdr, in, obj_id, OBJECT);
}

/* Whole pages of the firmware, that of the last address among them */
static void a_log_tells_whole_pages(struct kunit *test)
{
	static const struct { u64 first, last, start, length; } tellings[] = {
		{ 0, 0, 0, SZ_16K },
		{ 0, SZ_16K - 1, 0, SZ_16K },
		{ SZ_4K, SZ_16K, 0, SZ_32K },
		{ SZ_16K, SZ_64K - 1, SZ_16K, SZ_32K + SZ_16K },
		{ U64_MAX - SZ_4K, U64_MAX, -(u64)SZ_16K, SZ_16K },
		{ 0, U64_MAX, 0, -(u64)SZ_16K },
	};

	for (int i = 0; i < ARRAY_SIZE(tellings); i++) {
		struct fixture *f = fixture_of(test);
		void *in = f->orders[0].in, *track;

		f->tracker.object = OBJECT;
		KUNIT_EXPECT_EQ(test, mlx5_ferry_log_tell(&f->tracker, tellings[i].first,
							  tellings[i].last), 0);
		expect_object(test, in, MLX5_CMD_OP_MODIFY_GENERAL_OBJECT);
		track = MLX5_ADDR_OF(modify_page_track_obj_in, in, obj_context);
		EXPECT_FIELD64(test, page_track, track, modify_field_select, 3);
		EXPECT_FIELD64(test, page_track, track, range_start_address, tellings[i].start);
		EXPECT_FIELD64(test, page_track, track, length, tellings[i].length);
		EXPECT_FIELD(test, page_track, track, state, MLX5_PAGE_TRACK_STATE_REPORTING);
		f->orders[1].err = -ETIMEDOUT;
		KUNIT_EXPECT_EQ(test, mlx5_ferry_log_tell(&f->tracker, 0, 0), -ETIMEDOUT);
	}
}

static void a_log_is_asked_and_ended(struct kunit *test)
{
	static const struct { int err; u32 state; int said; } answers[] = {
		{ 0, MLX5_PAGE_TRACK_STATE_TRACKING, 0 },
		{ 0, MLX5_PAGE_TRACK_STATE_REPORTING, 0 },
		{ 0, MLX5_PAGE_TRACK_STATE_ERROR, -EIO },
		{ -ENOMEM, MLX5_PAGE_TRACK_STATE_ERROR, -ENOMEM },
	};

	for (int i = 0; i < ARRAY_SIZE(answers); i++) {
		struct fixture *f = fixture_of(test);

		f->tracker.object = OBJECT;
		f->tracker.has_object = true;
		f->orders[0].err = answers[i].err;
		f->orders[0].state = answers[i].state;
		KUNIT_EXPECT_EQ(test, mlx5_ferry_log_ask(&f->tracker), answers[i].said);
		expect_object(test, f->orders[0].in, MLX5_CMD_OP_QUERY_GENERAL_OBJECT);
		mlx5_ferry_log_destroy(&f->tracker);
		KUNIT_EXPECT_FALSE(test, f->tracker.has_object);
		KUNIT_EXPECT_EQ(test, f->nr, 2);
		expect_object(test, f->orders[1].in, MLX5_CMD_OP_DESTROY_GENERAL_OBJECT);
	}
}

static struct kunit_case pair_cases[] = {
	KUNIT_CASE(each_status_is_an_error),
	KUNIT_CASE(what_was_not_answered_has_no_status),
	KUNIT_CASE(what_is_given_back_is_tried_again),
	KUNIT_CASE(a_channel_knows_what_it_lost),
	KUNIT_CASE(what_is_made_without_an_answer_is_lost),
	KUNIT_CASE(our_queue_pair_receives),
	KUNIT_CASE(the_firmwares_queue_pair_sends),
	KUNIT_CASE(two_queue_pairs_are_connected),
	KUNIT_CASE(connecting_ends_with_the_first_failure),
	KUNIT_CASE(a_log_is_of_what_counts),
	KUNIT_CASE(a_log_that_is_not_made),
	KUNIT_CASE(a_log_tells_whole_pages),
	KUNIT_CASE(a_log_is_asked_and_ended),
	{}
};

static struct kunit_suite pair_suite = {
	.name = "ferry-pair",
	.test_cases = pair_cases,
};

kunit_test_suite(pair_suite);
