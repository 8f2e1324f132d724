// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the channel through which the firmware reports written pages:
 * what it is made of, also if that fails half way; what the firmware is told of
 * its memory; and that each message is read once, whole and from its own slot,
 * however often the queues went round. The firmware is made up.
 */
#include <kunit/test.h>
#include <linux/interrupt.h>
#include <linux/kmemleak.h>
#include <linux/mlx5/cq.h>
#include <linux/mlx5/driver.h>
#include <linux/vmalloc.h>

/* mlx5_core, and what of ours is below: as the fixture wants it */
#define mlx5_get_uars_page		made_get_uars_page
#define mlx5_put_uars_page		made_put_uars_page
#define mlx5_frag_buf_alloc_node	made_buffer_alloc
#define mlx5_frag_buf_free		made_buffer_free
#define mlx5_db_alloc			made_db_alloc
#define mlx5_db_free			made_db_free
#define mlx5_comp_eqn_get		made_eqn_get
#define mlx5_comp_vectors_max		made_vectors_max
#define mlx5_create_cq			made_create_cq
#define mlx5_core_destroy_cq		made_destroy_cq
#define mlx5_fill_page_frag_array	made_pages
#define mlx5_ferry_slots_get		made_slots_get
#define mlx5_ferry_slots_put		made_slots_put
#define mlx5_ferry_slots_translate	made_slots_translate
#define mlx5_ferry_slots_read		made_slots_read
#define mlx5_ferry_report		made_report
#define synchronize_irq			made_synchronize_irq
#define kmemleak_ignore			made_ignore

/* pair_test.c and report_test.c have others by these names. */
#define mlx5_ferry_channel_lose		made_lose
#define mlx5_ferry_channel_take		made_take
#define mlx5_ferry_channel_give_back	made_give_back
#define mlx5_ferry_pair_make		made_pair
#define mlx5_ferry_pair_end		made_pair_end
#define mlx5_ferry_pair_make_firmware	made_pair_firmware
#define mlx5_ferry_pair_end_firmware	made_pair_end_firmware
#define mlx5_ferry_pair_connect		made_connect
#define mlx5_ferry_pair_post		made_post
#define mlx5_ferry_channel_open		made_open
#define mlx5_ferry_channel_close	made_close
#define mlx5_ferry_channel_receive	made_receive
#define mlx5_ferry_channel_arm		made_arm

static struct mlx5_uars_page *made_get_uars_page(struct mlx5_core_dev *mdev);
static void made_put_uars_page(struct mlx5_core_dev *mdev, struct mlx5_uars_page *uar);
static int made_buffer_alloc(struct mlx5_core_dev *mdev, int size,
			     struct mlx5_frag_buf *buffer, int node);
static void made_buffer_free(struct mlx5_core_dev *mdev, struct mlx5_frag_buf *buffer);
static int made_db_alloc(struct mlx5_core_dev *mdev, struct mlx5_db *db);
static void made_db_free(struct mlx5_core_dev *mdev, struct mlx5_db *db);
static int made_eqn_get(struct mlx5_core_dev *mdev, u16 vector, int *eqn);
static unsigned int made_vectors_max(struct mlx5_core_dev *mdev);
static int made_create_cq(struct mlx5_core_dev *mdev, struct mlx5_core_cq *cq,
			  u32 *in, int in_bytes, u32 *out, int out_bytes);
static int made_destroy_cq(struct mlx5_core_dev *mdev, struct mlx5_core_cq *cq);
static void made_pages(struct mlx5_frag_buf *buffer, __be64 *pas);
static void made_synchronize_irq(unsigned int irq);
static void made_ignore(const void *memory);

#include "../mlx5/channel.c"
#include "fields.h"

#define EQN		0x21
#define KEY_INDEX	0x3456
#define MOST_EVENTS	64
#define PAGES_MAX	512
#define MESSAGES_AT	0x123456000ULL

/* Each step that makes something, and that ends it: a letter, and the same as a capital */
struct fixture {
	struct mlx5_ferry nic;
	struct mlx5_core_dev mdev;
	struct mlx5_ferry_channel channel;
	wait_queue_head_t wait;
	struct mlx5_uars_page uar;
	u8 doorbell_page[0x40];
	struct kunit *test;
	char events[MOST_EVENTS];
	unsigned int nr_events;
	char failing;		/* the step that fails */
	int error;		/* so */
	__be32 records[2][2];	/* doorbell records */
	unsigned int nr_records;
	unsigned int vectors, vector, ignored, posted;
	u8 cq[MLX5_ST_SZ_BYTES(create_cq_in) + 64];
	u8 key[MLX5_ST_SZ_BYTES(create_mkey_in) + PAGES_MAX * sizeof(__be64)];
	int key_bytes, cq_bytes;
	u32 destroyed_cqn;
	size_t slots_bytes;
	void *slots;		/* what the device wrote */
	struct mlx5_ferry_piece piece;
};

static struct fixture *of_mdev(struct mlx5_core_dev *mdev)
{
	return container_of(mdev, struct fixture, mdev);
}

static int event(struct fixture *f, char what)
{
	if (f->nr_events < MOST_EVENTS - 1)
		f->events[f->nr_events++] = what;
	return what == f->failing ? f->error : 0;
}

static struct mlx5_uars_page *made_get_uars_page(struct mlx5_core_dev *mdev)
{
	struct fixture *f = of_mdev(mdev);
	int err = event(f, 'u');

	return err ? ERR_PTR(err) : &f->uar;
}

static void made_put_uars_page(struct mlx5_core_dev *mdev, struct mlx5_uars_page *uar)
{
	event(of_mdev(mdev), uar == &of_mdev(mdev)->uar ? 'U' : '!');
}

/* A page each, far from one another for the device */
static int made_buffer_alloc(struct mlx5_core_dev *mdev, int size,
			     struct mlx5_frag_buf *buffer, int node)
{
	struct fixture *f = of_mdev(mdev);
	int err = event(f, 'b');

	buffer->size = -1;	/* of no use if it fails */
	if (err)
		return err;
	buffer->size = size;
	buffer->npages = DIV_ROUND_UP(size, PAGE_SIZE);
	buffer->page_shift = PAGE_SHIFT;
	buffer->frags = kunit_kcalloc(f->test, buffer->npages, sizeof(*buffer->frags), GFP_KERNEL);
	for (int i = 0; i < buffer->npages; i++) {
		buffer->frags[i].buf = kunit_kzalloc(f->test, PAGE_SIZE, GFP_KERNEL);
		buffer->frags[i].map = 0x100000000ULL * f->nr_events + (u64)i * SZ_1M;
	}
	return 0;
}

static void made_buffer_free(struct mlx5_core_dev *mdev, struct mlx5_frag_buf *buffer)
{
	/* What was not allocated is zeroed, of which nothing is freed. */
	if (buffer->frags)
		event(of_mdev(mdev), 'B');
	else if (buffer->size)
		event(of_mdev(mdev), '!');
}

static int made_db_alloc(struct mlx5_core_dev *mdev, struct mlx5_db *db)
{
	struct fixture *f = of_mdev(mdev);
	int err = event(f, 'd');

	if (!err) {
		db->db = f->records[f->nr_records];
		db->dma = 0x7000 + 8 * f->nr_records++;
	}
	return err;
}

static void made_db_free(struct mlx5_core_dev *mdev, struct mlx5_db *db)
{
	event(of_mdev(mdev), 'D');
}

static int made_eqn_get(struct mlx5_core_dev *mdev, u16 vector, int *eqn)
{
	of_mdev(mdev)->vector = vector;
	*eqn = EQN;
	return event(of_mdev(mdev), 'e');
}

static unsigned int made_vectors_max(struct mlx5_core_dev *mdev)
{
	return of_mdev(mdev)->vectors;
}

static int made_create_cq(struct mlx5_core_dev *mdev, struct mlx5_core_cq *cq,
			  u32 *in, int in_bytes, u32 *out, int out_bytes)
{
	struct fixture *f = of_mdev(mdev);

	f->cq_bytes = in_bytes;
	memcpy(f->cq, in, min_t(size_t, in_bytes, sizeof(f->cq)));
	cq->cqn = 0x4711;
	return event(f, 'c');
}

static int made_destroy_cq(struct mlx5_core_dev *mdev, struct mlx5_core_cq *cq)
{
	return event(of_mdev(mdev), 'C');
}

static void made_pages(struct mlx5_frag_buf *buffer, __be64 *pas)
{
	for (int i = 0; i < buffer->npages; i++)
		pas[i] = cpu_to_be64(buffer->frags[i].map);
}

static void made_synchronize_irq(unsigned int irq)
{
}

static struct fixture *of_slots(struct mlx5_ferry_slots *slots)
{
	return container_of(slots, struct fixture, channel.slots);
}

static void free_slots(void *slots)
{
	vfree(slots);
}

int made_slots_get(struct mlx5_ferry_slots *slots, struct device *dev, size_t bytes)
{
	struct fixture *f = of_slots(slots);

	if (dev != f->mdev.device)
		event(f, '!');
	if (event(f, 'm'))
		return f->error;
	f->slots_bytes = bytes;
	f->slots = vzalloc(bytes);
	KUNIT_ASSERT_EQ(f->test, kunit_add_action_or_reset(f->test, free_slots, f->slots), 0);
	slots->nr = bytes / MLX5_FERRY_PIECE;
	slots->pieces = &f->piece;
	return 0;
}

void made_slots_put(struct mlx5_ferry_slots *slots)
{
	if (slots->pieces)
		event(of_slots(slots), 'M');
}

void made_slots_translate(struct mlx5_ferry_slots *slots, __be64 *entry)
{
	for (unsigned int i = 0; i < mlx5_ferry_slots_pages(slots); i++)
		entry[i] = cpu_to_be64(MESSAGES_AT + i * 8);
}

void made_slots_read(struct mlx5_ferry_slots *slots, size_t from, void *to, size_t bytes)
{
	memcpy(to, of_slots(slots)->slots + from, bytes);
}

static struct fixture *of_ignored;

static void made_ignore(const void *memory)
{
	of_ignored->ignored += !!memory;
}

int made_report(struct mlx5_ferry *nic, const char *name, int err, void *out)
{
	event(container_of(nic, struct fixture, nic), 'r');
	return err;
}

static struct fixture *of_channel(struct mlx5_ferry_channel *channel)
{
	return container_of(channel, struct fixture, channel);
}

void made_lose(struct mlx5_ferry_channel *channel)
{
	channel->lost = true;
	channel->silent = true;
}

int made_take(struct mlx5_ferry_channel *channel, const char *name, void *in,
	      int in_bytes, void *out, int out_bytes)
{
	struct fixture *f = of_channel(channel);

	if (MLX5_GET(alloc_pd_in, in, opcode) == MLX5_CMD_OP_ALLOC_PD) {
		MLX5_SET(alloc_pd_out, out, pd, 0x31);
		return event(f, 'p');
	}
	f->key_bytes = in_bytes;
	memcpy(f->key, in, min_t(size_t, in_bytes, sizeof(f->key)));
	MLX5_SET(create_mkey_out, out, mkey_index, KEY_INDEX);
	return event(f, 'k');
}

void made_give_back(struct mlx5_ferry_channel *channel, const char *name, void *in,
		    int in_bytes)
{
	struct fixture *f = of_channel(channel);

	switch (MLX5_GET(dealloc_pd_in, in, opcode)) {
	case MLX5_CMD_OP_DEALLOC_PD:
		event(f, MLX5_GET(dealloc_pd_in, in, pd) == 0x31 ? 'P' : '!');
		break;
	case MLX5_CMD_OP_DESTROY_MKEY:
		event(f, MLX5_GET(destroy_mkey_in, in, mkey_index) == KEY_INDEX ? 'K' : '!');
		break;
	case MLX5_CMD_OP_DESTROY_CQ:
		f->destroyed_cqn = MLX5_GET(destroy_cq_in, in, cqn);
		event(f, 'Q');
		break;
	default:
		event(f, '!');
	}
}

int made_pair(struct mlx5_ferry_channel *channel)
{
	return event(of_channel(channel), 'o');
}

void made_pair_end(struct mlx5_ferry_channel *channel)
{
	event(of_channel(channel), 'O');
}

int made_pair_firmware(struct mlx5_ferry_channel *channel)
{
	return event(of_channel(channel), 'f');
}

void made_pair_end_firmware(struct mlx5_ferry_channel *channel)
{
	event(of_channel(channel), 'F');
}

int made_connect(struct mlx5_ferry_channel *channel)
{
	return event(of_channel(channel), 'x');
}

void made_post(struct mlx5_ferry_channel *channel, unsigned int nr)
{
	of_channel(channel)->posted += nr;
}

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->test = test;
	f->nic.mdev = &f->mdev;
	f->nic.vf_id = 5;
	f->vectors = 3;
	f->uar.map = (void __iomem *)f->doorbell_page;
	f->uar.index = 0x17;
	f->error = -ENOMEM;
	init_waitqueue_head(&f->wait);
	of_ignored = f;
	return f;
}

static struct fixture *open_of(struct kunit *test, unsigned int log_message)
{
	struct fixture *f = fixture_of(test);

	KUNIT_ASSERT_EQ(test, made_open(&f->channel, &f->nic, &f->wait, log_message), 0);
	return f;
}

static void all_of_it_is_made_and_ended(struct kunit *test)
{
	struct fixture *f = open_of(test, 16);

	KUNIT_EXPECT_STREQ(test, f->events, "upbbmddeckofx");
	f->nr_events = 0;
	memset(f->events, 0, sizeof(f->events));
	made_close(&f->channel);
	KUNIT_EXPECT_STREQ(test, f->events, "FOKCMBBDDPU");
	made_close(&f->channel);
	KUNIT_EXPECT_STREQ(test, f->events, "FOKCMBBDDPU");
}

static void what_was_made_is_ended_if_the_rest_fails(struct kunit *test)
{
	static const struct { char failing; const char *events; } failures[] = {
		{ 'u', "u" },
		{ 'p', "upU" },
		{ 'b', "upbPU" },
		{ 'm', "upbbmBBPU" },
		{ 'd', "upbbmdMBBPU" },
		{ 'e', "upbbmddeMBBDDPU" },
		{ 'c', "upbbmddecrMBBDDPU" },
		{ 'k', "upbbmddeckCMBBDDPU" },
		{ 'o', "upbbmddeckoKCMBBDDPU" },
		{ 'f', "upbbmddeckofOKCMBBDDPU" },
		{ 'x', "upbbmddeckofxFOKCMBBDDPU" },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test);

		f->failing = failures[i].failing;
		KUNIT_EXPECT_EQ(test, made_open(&f->channel, &f->nic, &f->wait, 16), -ENOMEM);
		KUNIT_EXPECT_STREQ(test, f->events, failures[i].events);
		KUNIT_EXPECT_FALSE(test, f->channel.lost);
	}
}

/* What may still reach memory keeps it, and kmemleak knows. */
static void what_is_lost_keeps_its_memory(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	f->failing = 'c';
	f->error = -ETIMEDOUT;
	KUNIT_EXPECT_EQ(test, made_open(&f->channel, &f->nic, &f->wait, 16), -ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, f->channel.lost);
	KUNIT_EXPECT_STREQ(test, f->events, "upbbmddecrPU");
	KUNIT_EXPECT_EQ(test, f->ignored, 3);
}

static void a_queue_that_does_not_end_is_ended_once_more(struct kunit *test)
{
	for (int silent = 0; silent < 2; silent++) {
		struct fixture *f = open_of(test, 16);

		f->nr_events = 0;
		memset(f->events, 0, sizeof(f->events));
		f->failing = 'C';
		f->channel.silent = silent;
		made_close(&f->channel);
		KUNIT_EXPECT_STREQ(test, f->events, silent ? "FOKCQPU" : "FOKCQMBBDDPU");
		KUNIT_EXPECT_EQ(test, f->destroyed_cqn, 0x4711);
		KUNIT_EXPECT_EQ(test, f->channel.lost, silent);
	}
}

static void memory_is_as_long_as_it_is_said_to_be(struct kunit *test)
{
	static const struct { unsigned int log_message, log_slots; } sizes[] = {
		{ 6, 12 }, { 9, 12 }, { 10, 11 }, { 16, 5 }, { 19, 2 }, { 20, 2 },
	};

	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct fixture *f = open_of(test, sizes[i].log_message);
		struct mlx5_ferry_channel *channel = &f->channel;
		unsigned int slots = BIT(sizes[i].log_slots);

		KUNIT_EXPECT_EQ(test, channel->log_message, sizes[i].log_message);
		KUNIT_EXPECT_EQ(test, channel->log_slots, sizes[i].log_slots);
		KUNIT_EXPECT_EQ(test, channel->cq_memory.size, slots * 64);
		KUNIT_EXPECT_EQ(test, channel->rq_memory.size, slots * 16);
		KUNIT_EXPECT_EQ(test, f->slots_bytes, slots << sizes[i].log_message);
		for (unsigned int k = 0; k < slots; k++) {
			struct mlx5_wqe_data_seg *receive =
				mlx5_ferry_buffer_at(&channel->rq_memory, k * 16);
			struct mlx5_cqe64 *cqe =
				mlx5_ferry_buffer_at(&channel->cq_memory, k * 64);

			KUNIT_ASSERT_EQ(test, be32_to_cpu(receive->byte_count),
					BIT(sizes[i].log_message));
			KUNIT_ASSERT_EQ(test, be64_to_cpu(receive->addr),
					(u64)k << sizes[i].log_message);
			KUNIT_ASSERT_EQ(test, cqe->op_own >> 4, MLX5_CQE_INVALID);
		}
	}
}

static void the_firmware_is_told_of_the_completion_queue(struct kunit *test)
{
	struct fixture *f = open_of(test, 16);
	struct mlx5_ferry_channel *channel = &f->channel;
	void *cqc = MLX5_ADDR_OF(create_cq_in, f->cq, cq_context);
	__be64 *pas = MLX5_ADDR_OF(create_cq_in, f->cq, pas);

	KUNIT_EXPECT_EQ(test, f->vector, 5 % 3);
	KUNIT_EXPECT_EQ(test, f->cq_bytes, MLX5_ST_SZ_BYTES(create_cq_in) + 8);
	EXPECT_FIELD(test, cqc, cqc, log_cq_size, channel->log_slots);
	EXPECT_FIELD(test, cqc, cqc, uar_page, f->uar.index);
	EXPECT_FIELD(test, cqc, cqc, c_eqn_or_apu_element, EQN);
	EXPECT_FIELD(test, cqc, cqc, log_page_size, 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(cqc, cqc, dbr_addr), channel->cq_db.dma);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(pas[0]), channel->cq_memory.frags[0].map);
	KUNIT_EXPECT_PTR_EQ(test, channel->cq.set_ci_db, channel->cq_db.db);
	KUNIT_EXPECT_PTR_EQ(test, channel->cq.arm_db, channel->cq_db.db + 1);
	KUNIT_EXPECT_PTR_NE(test, channel->cq_db.db, channel->rq_db.db);
}

static void the_firmware_is_told_of_the_memory_for_messages(struct kunit *test)
{
	struct fixture *f = open_of(test, 16);
	struct mlx5_ferry_channel *channel = &f->channel;
	void *mkc = MLX5_ADDR_OF(create_mkey_in, f->key, memory_key_mkey_entry);
	__be64 *pas = MLX5_ADDR_OF(create_mkey_in, f->key, klm_pas_mtt);

	KUNIT_EXPECT_EQ(test, f->key_bytes, MLX5_ST_SZ_BYTES(create_mkey_in) + 512 * 8);
	EXPECT_FIELD(test, create_mkey_in, f->key, opcode, MLX5_CMD_OP_CREATE_MKEY);
	EXPECT_FIELD(test, create_mkey_in, f->key, translations_octword_actual_size, 256);
	EXPECT_FIELD(test, mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	EXPECT_FIELD(test, mkc, mkc, lr, 1);
	EXPECT_FIELD(test, mkc, mkc, lw, 1);
	EXPECT_FIELD(test, mkc, mkc, rr, 0);
	EXPECT_FIELD(test, mkc, mkc, rw, 0);
	EXPECT_FIELD(test, mkc, mkc, pd, 0x31);
	EXPECT_FIELD(test, mkc, mkc, qpn, 0xffffff);
	EXPECT_FIELD(test, mkc, mkc, log_page_size, PAGE_SHIFT);
	EXPECT_FIELD(test, mkc, mkc, translations_octword_size, 256);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, mkc, start_addr), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, mkc, len), 512 * PAGE_SIZE);
	for (int i = 0; i < 512; i++)
		KUNIT_ASSERT_EQ(test, be64_to_cpu(pas[i]), MESSAGES_AT + i * 8);
	KUNIT_EXPECT_EQ(test, channel->slots_index, KEY_INDEX);
}

/* The firmware fills the slot of the nth message and leaves its completion. */
static void send(struct fixture *f, unsigned int nth, unsigned int slot, u32 bytes, u32 state,
		 u8 opcode)
{
	struct mlx5_ferry_channel *channel = &f->channel;
	unsigned int slots = BIT(channel->log_slots);
	struct mlx5_cqe64 *cqe = mlx5_ferry_buffer_at(&channel->cq_memory,
						      nth % slots * sizeof(*cqe));
	size_t from = (size_t)slot << channel->log_message;

	for (u32 at = 0; at < bytes; at += 8)
		*(__be64 *)(f->slots + from + at) = cpu_to_be64((u64)nth << 32 | at);
	cqe->immediate = cpu_to_be32(state << 28 | 0x123456);
	cqe->byte_cnt = cpu_to_be32(bytes);
	cqe->wqe_counter = cpu_to_be16(nth);
	cqe->op_own = opcode << 4 | (nth / slots & 1);
}

static void expect_message(struct kunit *test, struct fixture *f, unsigned int nth,
			   struct mlx5_ferry_message *message, u32 bytes, u32 state)
{
	KUNIT_EXPECT_EQ(test, message->nr, bytes / 8);
	KUNIT_EXPECT_EQ(test, message->state, state);
	for (u32 at = 0; at < bytes; at += 8)
		KUNIT_ASSERT_EQ(test, be64_to_cpu(message->pages[at / 8]), (u64)nth << 32 | at);
	KUNIT_EXPECT_EQ(test, f->posted, nth + 1);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(f->channel.cq_db.db[0]), nth + 1);
}

static void each_message_comes_once(struct kunit *test)
{
	struct fixture *f = open_of(test, 16);
	struct mlx5_ferry_channel *channel = &f->channel;
	struct mlx5_ferry_message message = {
		.pages = kunit_kzalloc(test, BIT(16), GFP_KERNEL),
	};
	unsigned int slots = BIT(channel->log_slots);

	KUNIT_EXPECT_EQ(test, made_receive(channel, &message), 0);
	for (unsigned int nth = 0; nth < 3 * slots + 2; nth++) {
		/* some longer than a page, one as long as can be, one empty */
		u32 bytes = nth == 7 ? BIT(16) : nth == 8 ? 0 : 8 * (nth * 37 % 1500);
		u32 state = nth % 3 + 1;

		send(f, nth, nth % slots, bytes, state, MLX5_CQE_RESP_SEND_IMM);
		KUNIT_ASSERT_EQ(test, made_receive(channel, &message), 1);
		expect_message(test, f, nth, &message, bytes, state);
		KUNIT_ASSERT_EQ(test, made_receive(channel, &message), 0);
	}
}

/* As many as there is room for, before one is looked at */
static void messages_wait_for_one_another(struct kunit *test)
{
	struct fixture *f = open_of(test, 6);
	struct mlx5_ferry_channel *channel = &f->channel;
	__be64 pages[8];
	struct mlx5_ferry_message message = { .pages = pages };
	unsigned int slots = BIT(channel->log_slots);

	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int nth = 0; nth < slots; nth++)
			send(f, round * slots + nth, nth, 64, 1, MLX5_CQE_RESP_SEND_IMM);
		for (unsigned int nth = 0; nth < slots; nth++) {
			KUNIT_ASSERT_EQ(test, made_receive(channel, &message), 1);
			expect_message(test, f, round * slots + nth, &message, 64, 1);
		}
		KUNIT_EXPECT_EQ(test, made_receive(channel, &message), 0);
	}
}

static void what_is_no_message_is_an_error(struct kunit *test)
{
	static const struct { u32 bytes; u8 opcode; int got; } bad[] = {
		{ 64, MLX5_CQE_RESP_SEND_IMM, 1 },
		{ 64, MLX5_CQE_RESP_SEND, -EIO },
		{ 64, MLX5_CQE_RESP_ERR, -EIO },
		{ 72, MLX5_CQE_RESP_SEND_IMM, -EIO },
		{ 60, MLX5_CQE_RESP_SEND_IMM, -EIO },
		{ 4, MLX5_CQE_RESP_SEND_IMM, -EIO },
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fixture *f = open_of(test, 6);
		__be64 pages[8];
		struct mlx5_ferry_message message = { .pages = pages };

		send(f, 0, 0, bad[i].bytes, 1, bad[i].opcode);
		KUNIT_EXPECT_EQ_MSG(test, made_receive(&f->channel, &message), bad[i].got, "%d", i);
		KUNIT_EXPECT_EQ(test, f->posted, bad[i].got == 1);
	}
}

static int woken(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	++*(unsigned int *)entry->private;
	return 0;
}

/* What came before it broke is still read. */
static void events_wake_who_waits(struct kunit *test)
{
	struct fixture *f = open_of(test, 6);
	struct mlx5_ferry_channel *channel = &f->channel;
	struct wait_queue_entry waiter;
	unsigned int times = 0;
	__be64 pages[8];
	struct mlx5_ferry_message message = { .pages = pages };
	__be32 *rung = (__be32 *)(f->doorbell_page + MLX5_CQ_DOORBELL);

	init_waitqueue_func_entry(&waiter, woken);
	waiter.private = &times;
	add_wait_queue(&f->wait, &waiter);
	channel->cq.comp(&channel->cq, NULL);
	KUNIT_EXPECT_TRUE(test, channel->event);
	KUNIT_EXPECT_EQ(test, times, 1);
	channel->cq.cons_index = 3;
	made_arm(channel);
	KUNIT_EXPECT_FALSE(test, channel->event);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(channel->cq_db.db[1]), MLX5_CQ_DB_REQ_NOT | 3);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(rung[0]), MLX5_CQ_DB_REQ_NOT | 3);
	KUNIT_EXPECT_EQ(test, be32_to_cpu(rung[1]), 0x4711);
	channel->cq.cons_index = 0;
	send(f, 0, 0, 8, 1, MLX5_CQE_RESP_SEND_IMM);
	channel->cq.event(&channel->cq, 0);
	KUNIT_EXPECT_TRUE(test, channel->event);
	KUNIT_EXPECT_EQ(test, times, 2);
	KUNIT_EXPECT_EQ(test, made_receive(channel, &message), 1);
	KUNIT_EXPECT_EQ(test, made_receive(channel, &message), -EIO);
	remove_wait_queue(&f->wait, &waiter);
}

static struct kunit_case channel_cases[] = {
	KUNIT_CASE(all_of_it_is_made_and_ended),
	KUNIT_CASE(what_was_made_is_ended_if_the_rest_fails),
	KUNIT_CASE(what_is_lost_keeps_its_memory),
	KUNIT_CASE(a_queue_that_does_not_end_is_ended_once_more),
	KUNIT_CASE(memory_is_as_long_as_it_is_said_to_be),
	KUNIT_CASE(the_firmware_is_told_of_the_completion_queue),
	KUNIT_CASE(the_firmware_is_told_of_the_memory_for_messages),
	KUNIT_CASE(each_message_comes_once),
	KUNIT_CASE(messages_wait_for_one_another),
	KUNIT_CASE(what_is_no_message_is_an_error),
	KUNIT_CASE(events_wake_who_waits),
	{}
};

static struct kunit_suite channel_suite = {
	.name = "ferry-channel",
	.test_cases = channel_cases,
};

kunit_test_suite(channel_suite);
