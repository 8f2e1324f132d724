// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the commands that move a VF, field by field, of what their
 * answers mean, of which VFs can be migrated, and of whose images one takes.
 * The firmware is made up.
 */
#include <kunit/test.h>
#include <linux/mlx5/driver.h>
#include <linux/mlx5/vport.h>

#define mlx5_cmd_do				moved_do
#define mlx5_vf_get_core_dev			moved_core_dev
#define mlx5_vf_put_core_dev			moved_put_core_dev
#define mlx5_sriov_blocking_notifier_register	moved_register
#define mlx5_sriov_blocking_notifier_unregister	moved_unregister
#define pci_iov_vf_id				moved_vf_id
#define vfio_ferry_failed			moved_failed
#define vfio_ferry_detach			moved_detach
#define vfio_ferry_attach			moved_attach
#define vfio_ferry_offer			moved_offer
#define vfio_ferry_withhold			moved_withhold
#define mlx5_ferry_command			moved_command
#define mlx5_ferry_give_back			moved_give_back
#define mlx5_ferry_report			moved_report
#define mlx5_ferry_memory_max			moved_memory_max
#define mlx5_ferry_memory_map			moved_map
#define mlx5_ferry_memory_unmap			moved_unmap
#define mlx5_ferry_memory_quiesce		moved_quiesce
#define mlx5_ferry_memory_key			moved_key
#define mlx5_ferry_memory_for_cpu		moved_for_cpu
#define mlx5_ferry_memory_for_device		moved_for_device
#define mlx5_ferry_ops				moved_ops
#define mlx5_ferry_renew			moved_renew
#define mlx5_ferry_examine			moved_examine
#define mlx5_ferry_forget			moved_forget

static int moved_do(struct mlx5_core_dev *mdev, void *in, int in_bytes, void *out,
		    int out_bytes);
static struct mlx5_core_dev *moved_core_dev(struct pci_dev *pdev);
static void moved_put_core_dev(struct mlx5_core_dev *mdev);
static int moved_register(struct mlx5_core_dev *mdev, int vf_id, struct notifier_block *nb);
static void moved_unregister(struct mlx5_core_dev *mdev, int vf_id, struct notifier_block *nb);
static int moved_vf_id(struct pci_dev *pdev);

#include "../mlx5/firmware.c"
#include "fields.h"

#define KEY	0x12345600
#define VHCA	0x4321

struct fixture {
	struct mlx5_ferry nic;
	struct mlx5_core_dev mdev;
	struct pci_dev pdev;
	struct vfio_ferry_image image;
	struct mlx5_init_seg iseg;
	u8 in[64];
	u8 capabilities[3][64];		/* what was asked, each time */
	unsigned int asked;
	u32 answer[MLX5_ST_SZ_DW(query_hca_cap_out)];	/* but for capabilities */
	int err;			/* of the next command */
	u8 status;
	int cap_err, registering, put;
	bool has_pf, migratable, plain, registered, attached, detached;
	const char *withheld;
	bool offered;
	u64 for_device, for_cpu;
	struct vfio_ferry_failure failure;
	unsigned int failures;
};

static struct fixture *of_nic(struct mlx5_ferry *nic)
{
	return container_of(nic, struct fixture, nic);
}

static struct fixture *of_device(struct vfio_ferry_device *device)
{
	return of_nic(to_mlx5_ferry(device));
}

/* PLAIN: by mlx5_ferry_command(), to which no status means anything special */
static int answer(struct fixture *f, void *in, int in_bytes, void *out, int out_bytes,
		  bool plain)
{
	if (MLX5_GET(query_hca_cap_in, in, opcode) == MLX5_CMD_OP_QUERY_HCA_CAP) {
		memcpy(f->capabilities[f->asked++ % 3], in, MLX5_ST_SZ_BYTES(query_hca_cap_in));
		if (MLX5_GET(query_hca_cap_in, in, op_mod) >> 1 == MLX5_CAP_GENERAL_2)
			MLX5_SET(query_hca_cap_out, out, capability.cmd_hca_cap_2.migratable,
				 f->migratable);
		else
			MLX5_SET(query_hca_cap_out, out, capability.cmd_hca_cap.vhca_id, VHCA);
		return f->cap_err && !--f->cap_err ? -EIO : 0;
	}
	memcpy(f->in, in, in_bytes);
	memcpy(out, f->answer, out_bytes);
	MLX5_SET(nop_out, out, status, f->status);
	MLX5_SET(nop_out, out, syndrome, 0x1234);
	f->plain = plain;
	return f->err;
}

static int moved_do(struct mlx5_core_dev *mdev, void *in, int in_bytes, void *out,
		    int out_bytes)
{
	return answer(container_of(mdev, struct fixture, mdev), in, in_bytes, out, out_bytes,
		      false);
}

int moved_command(struct mlx5_ferry *nic, const char *name, void *in, int in_bytes,
		  void *out, int out_bytes)
{
	return answer(of_nic(nic), in, in_bytes, out, out_bytes, true);
}

int moved_report(struct mlx5_ferry *nic, const char *name, int err, void *out)
{
	of_nic(nic)->failures++;
	return -EPROTO;
}

void moved_failed(struct vfio_ferry_device *device, const struct vfio_ferry_failure *failure)
{
	of_device(device)->failure = *failure;
}

static struct mlx5_core_dev *moved_core_dev(struct pci_dev *pdev)
{
	struct fixture *f = container_of(pdev, struct fixture, pdev);

	return f->has_pf ? &f->mdev : NULL;
}

static void moved_put_core_dev(struct mlx5_core_dev *mdev)
{
	container_of(mdev, struct fixture, mdev)->put++;
}

static int moved_register(struct mlx5_core_dev *mdev, int vf_id, struct notifier_block *nb)
{
	struct fixture *f = container_of(mdev, struct fixture, mdev);

	f->registered = vf_id == 6 && nb == &f->nic.nb && !f->registering;
	return f->registering;
}

static void moved_unregister(struct mlx5_core_dev *mdev, int vf_id, struct notifier_block *nb)
{
	struct fixture *f = container_of(mdev, struct fixture, mdev);

	f->registered = !(vf_id == 6 && nb == &f->nic.nb);
}

static int moved_vf_id(struct pci_dev *pdev)
{
	return 6;
}

void moved_detach(struct vfio_ferry_device *device)
{
	of_device(device)->detached = true;
}

void moved_attach(struct vfio_ferry_device *device)
{
	of_device(device)->attached = true;
}

void moved_offer(struct vfio_ferry_device *device)
{
	of_device(device)->offered = true;
}

void moved_withhold(struct vfio_ferry_device *device, const char *reason)
{
	of_device(device)->withheld = reason;
}

size_t moved_memory_max(struct vfio_ferry_device *device)
{
	return SZ_1M;
}

int moved_map(struct vfio_ferry_device *device, struct vfio_ferry_image *image)
{
	return 0;
}

int moved_unmap(struct vfio_ferry_device *device, struct vfio_ferry_image *image)
{
	return 0;
}

void moved_quiesce(struct vfio_ferry_device *device)
{
}

u32 moved_key(struct vfio_ferry_image *image)
{
	return KEY;
}

void moved_for_cpu(struct mlx5_ferry *nic, struct vfio_ferry_image *image, u64 bytes)
{
	of_nic(nic)->for_cpu += bytes;
}

void moved_for_device(struct mlx5_ferry *nic, struct vfio_ferry_image *image, u64 bytes)
{
	of_nic(nic)->for_device += bytes;
}

static void *caps_of(struct fixture *f, enum mlx5_cap_type type)
{
	return f->mdev.caps.hca[type]->cur;
}

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	__be32 *words;

	KUNIT_ASSERT_NOT_NULL(test, f);
	for (int i = 0; i < 2; i++) {
		int type = i ? MLX5_CAP_GENERAL_2 : MLX5_CAP_GENERAL;

		f->mdev.caps.hca[type] = kunit_kzalloc(test, sizeof(struct mlx5_hca_cap),
						       GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, f->mdev.caps.hca[type]);
	}
	MLX5_SET(cmd_hca_cap, caps_of(f, MLX5_CAP_GENERAL), migration, 1);
	MLX5_SET(cmd_hca_cap_2, caps_of(f, MLX5_CAP_GENERAL_2), migration_multi_load, 1);
	MLX5_SET(cmd_hca_cap_2, caps_of(f, MLX5_CAP_GENERAL_2), migration_tracking_state, 1);
	MLX5_SET(cmd_hca_cap_2, caps_of(f, MLX5_CAP_GENERAL_2), migration_in_chunks, 1);
	/* the seventh word's bit 6, which not all kernels name */
	words = caps_of(f, MLX5_CAP_GENERAL_2);
	words[6] |= cpu_to_be32(BIT(6));
	f->pdev.dev.init_name = "firmware_test";
	f->pdev.is_virtfn = 1;
	f->nic.ferry.core.pdev = &f->pdev;
	f->nic.mdev = &f->mdev;
	f->nic.vf_id = 6;
	f->nic.vhca_id = VHCA;
	f->mdev.iseg = (void __iomem *)&f->iseg;
	f->has_pf = true;
	f->migratable = true;
	f->image.capacity = SZ_1M;
	f->image.length = SZ_64K;
	return f;
}

/* The commands */

static void each_side_is_stopped_and_goes_on(struct kunit *test)
{
	static const u16 suspending[] = { 0, 1 }, resuming[] = { 1, 0 };

	for (int side = VFIO_FERRY_INITIATOR; side <= VFIO_FERRY_RESPONDER; side++) {
		struct fixture *f = fixture_of(test);

		KUNIT_EXPECT_EQ(test, moved_ops.suspend(&f->nic.ferry, side), 0);
		EXPECT_FIELD(test, suspend_vhca_in, f->in, opcode, MLX5_CMD_OP_SUSPEND_VHCA);
		EXPECT_FIELD(test, suspend_vhca_in, f->in, op_mod, suspending[side]);
		EXPECT_FIELD(test, suspend_vhca_in, f->in, vhca_id, VHCA);
		KUNIT_EXPECT_EQ(test, moved_ops.resume(&f->nic.ferry, side), 0);
		EXPECT_FIELD(test, resume_vhca_in, f->in, opcode, MLX5_CMD_OP_RESUME_VHCA);
		EXPECT_FIELD(test, resume_vhca_in, f->in, op_mod, resuming[side]);
		EXPECT_FIELD(test, resume_vhca_in, f->in, vhca_id, VHCA);
		f->err = -EBUSY;
		KUNIT_EXPECT_EQ(test, moved_ops.suspend(&f->nic.ferry, side), -EBUSY);
		KUNIT_EXPECT_EQ(test, moved_ops.resume(&f->nic.ferry, side), -EBUSY);
	}
}

static void a_save_is_measured(struct kunit *test)
{
	for (int i = 0; i < 16; i++) {
		struct fixture *f = fixture_of(test);
		struct vfio_ferry_estimate estimate = {};
		bool incremental = i & 1, chunks = i & 2, tells = i & 4, init = i & 8;

		f->nic.chunks = chunks;
		f->nic.tells_reinit = tells;
		MLX5_SET(query_vhca_migration_state_out, f->answer, required_umem_size, 0x89abcdef);
		MLX5_SET64(query_vhca_migration_state_out, f->answer, remaining_total_size,
			   0x123456789abcdef0);
		((__be32 *)f->answer)[3] = cpu_to_be32((init ? 4U : 3U) << 28 | 0x0fffffff);
		KUNIT_EXPECT_EQ(test, moved_ops.query(&f->nic.ferry, incremental, &estimate), 0);
		EXPECT_FIELD(test, query_vhca_migration_state_in, f->in, opcode,
			     MLX5_CMD_OP_QUERY_VHCA_MIGRATION_STATE);
		EXPECT_FIELD(test, query_vhca_migration_state_in, f->in, incremental, incremental);
		EXPECT_FIELD(test, query_vhca_migration_state_in, f->in, chunk, chunks);
		EXPECT_FIELD(test, query_vhca_migration_state_in, f->in, vhca_id, VHCA);
		KUNIT_EXPECT_EQ(test, estimate.required, 0x89abcdef);
		KUNIT_EXPECT_EQ(test, estimate.total, chunks ? 0x123456789abcdef0 : 0x89abcdef);
		KUNIT_EXPECT_EQ(test, estimate.reinit, incremental && tells && init);
	}
}

static int save(struct fixture *f, unsigned int flags, u64 *next_part)
{
	return moved_ops.save(&f->nic.ferry, &f->image, flags, next_part);
}

static void an_image_is_saved(struct kunit *test)
{
	for (int i = 0; i < 8; i++) {
		struct fixture *f = fixture_of(test);
		unsigned int flags = i & 3;
		u64 next_part = 1;

		f->nic.chunks = i & 4;
		if (i == 7)
			f->image.capacity = SZ_8G;
		MLX5_SET(save_vhca_state_out, f->answer, actual_image_size, SZ_4K + 8);
		MLX5_SET(save_vhca_state_out, f->answer, next_required_umem_size, SZ_2M);
		KUNIT_EXPECT_EQ(test, save(f, flags, &next_part), 0);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, incremental,
			     !!(flags & VFIO_FERRY_SAVE_INCREMENTAL));
		EXPECT_FIELD(test, save_vhca_state_in, f->in, set_track,
			     !!(flags & VFIO_FERRY_SAVE_TRACK));
		EXPECT_FIELD(test, save_vhca_state_in, f->in, vhca_id, VHCA);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, mkey, KEY);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, size,
			     i == 7 ? (u32)(SZ_4G - PAGE_SIZE) : SZ_1M);
		KUNIT_EXPECT_EQ(test, f->image.length, SZ_4K + 8);
		KUNIT_EXPECT_EQ(test, next_part, f->nic.chunks ? SZ_2M : 1);
		KUNIT_EXPECT_EQ(test, f->for_device, f->image.capacity);
		KUNIT_EXPECT_EQ(test, f->for_cpu, SZ_4K + 8);
		f->err = -EIO;
		f->plain = false;
		KUNIT_EXPECT_NE(test, save(f, flags, &next_part), 0);
		KUNIT_EXPECT_EQ(test, f->for_cpu, SZ_4K + 8);
	}
}

static void an_image_is_loaded(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	KUNIT_EXPECT_EQ(test, moved_ops.load(&f->nic.ferry, &f->image), 0);
	EXPECT_FIELD(test, load_vhca_state_in, f->in, opcode, MLX5_CMD_OP_LOAD_VHCA_STATE);
	EXPECT_FIELD(test, load_vhca_state_in, f->in, vhca_id, VHCA);
	EXPECT_FIELD(test, load_vhca_state_in, f->in, mkey, KEY);
	EXPECT_FIELD(test, load_vhca_state_in, f->in, size, SZ_64K);
	KUNIT_EXPECT_EQ(test, f->for_device, SZ_64K);
	f->err = -EINVAL;
	KUNIT_EXPECT_EQ(test, moved_ops.load(&f->nic.ferry, &f->image), -EINVAL);
}

/* A firmware that lost track says so by a status that means nothing else there. */
static void a_lost_track_is_told_from_a_failure(struct kunit *test)
{
	for (int i = 0; i < 4; i++) {
		struct fixture *f = fixture_of(test);
		struct vfio_ferry_estimate estimate;
		bool saves = i & 1, tracked = i & 2;
		u64 part;
		int err;

		f->err = -EREMOTEIO;
		f->status = MLX5_CMD_STAT_BAD_RES_STATE_ERR;
		err = saves ? save(f, tracked ? VFIO_FERRY_SAVE_TRACK : 0, &part) :
			      moved_ops.query(&f->nic.ferry, tracked, &estimate);
		KUNIT_EXPECT_EQ(test, f->plain, !tracked);
		if (!tracked)
			continue;
		KUNIT_EXPECT_EQ(test, err, -ESTALE);
		KUNIT_EXPECT_EQ(test, f->failures, 0);
		KUNIT_EXPECT_EQ(test, f->failure.error, -ESTALE);
		KUNIT_EXPECT_EQ(test, f->failure.status, MLX5_CMD_STAT_BAD_RES_STATE_ERR);
		KUNIT_EXPECT_EQ(test, f->failure.syndrome, 0x1234);
		f->status = MLX5_CMD_STAT_INT_ERR;
		err = saves ? save(f, VFIO_FERRY_SAVE_TRACK, &part) :
			      moved_ops.query(&f->nic.ferry, true, &estimate);
		KUNIT_EXPECT_EQ(test, err, -EPROTO);
		/* Without an answer there is no status either. */
		f->status = MLX5_CMD_STAT_BAD_RES_STATE_ERR;
		f->err = -ETIMEDOUT;
		err = saves ? save(f, VFIO_FERRY_SAVE_TRACK, &part) :
			      moved_ops.query(&f->nic.ferry, true, &estimate);
		KUNIT_EXPECT_EQ(test, err, -EPROTO);
		KUNIT_EXPECT_EQ(test, f->failures, 2);
	}
}

static void tracking_is_ended(struct kunit *test)
{
	for (int with = 0; with < 2; with++) {
		struct fixture *f = fixture_of(test);
		struct vfio_ferry_image *image = with ? &f->image : NULL;

		KUNIT_EXPECT_EQ(test, moved_ops.stop_tracking(&f->nic.ferry, image), 0);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, incremental, 0);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, set_track, 0);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, vhca_id, VHCA);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, mkey, with ? KEY : 0);
		EXPECT_FIELD(test, save_vhca_state_in, f->in, size, with ? SZ_1M : 0);
		f->err = -EREMOTEIO;
		f->status = MLX5_CMD_STAT_BAD_RES_STATE_ERR;
		KUNIT_EXPECT_EQ(test, moved_ops.stop_tracking(&f->nic.ferry, image), 0);
		f->status = MLX5_CMD_STAT_INT_ERR;
		KUNIT_EXPECT_EQ(test, moved_ops.stop_tracking(&f->nic.ferry, image), -EPROTO);
		KUNIT_EXPECT_EQ(test, f->failures, 1);
	}
}

/* Whose images are taken */

static void identity(struct fixture *f, struct vfio_ferry_identity *own)
{
	/* 28.40.1000, as the initialisation segment has it */
	f->iseg.fw_rev = cpu_to_be32(40 << 16 | 28);
	f->iseg.cmdif_rev_fw_sub = cpu_to_be32(5 << 16 | 1000);
	strscpy(f->mdev.board_id, "MT_0000000838");
	moved_ops.identify(&f->nic.ferry, own);
}

static void a_function_says_who_it_is(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct vfio_ferry_identity own = {}, other = {};

	f->nic.chunks = true;
	identity(f, &own);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(own.firmware[0]), 28);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(own.firmware[1]), 40);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(own.firmware[2]), 1000);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(own.capabilities), 1);
	KUNIT_EXPECT_NE(test, own.firmware[3], 0);
	f->nic.chunks = false;
	strscpy(f->mdev.board_id, "MT_0000000839");
	KUNIT_EXPECT_EQ(test, moved_ops.identify(&f->nic.ferry, &other), 0);
	KUNIT_EXPECT_NE(test, other.firmware[3], own.firmware[3]);
	KUNIT_EXPECT_NE(test, other.firmware[3], 0);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(other.capabilities), 0);
	strscpy(f->mdev.board_id, "");
	KUNIT_EXPECT_EQ(test, moved_ops.identify(&f->nic.ferry, &other), 0);
	KUNIT_EXPECT_EQ(test, other.firmware[3], 0);
	f->nic.renewed = true;
	f->migratable = false;
	KUNIT_EXPECT_EQ(test, moved_ops.identify(&f->nic.ferry, &other), -EOPNOTSUPP);
}

static void images_of_some_are_taken(struct kunit *test)
{
	/* What they differ in from 28.40.1000 with chunks, and what comes of it */
	static const struct {
		int major, minor, sub, card;
		u64 capabilities;
		int err;
		const char *why;
	} sources[] = {
		{ 0, 0, 0, 0, 1, 0, "" },
		{ 0, 0, 0, 0, 0, 0, "" },
		{ 0, 0, 0, 1, 1, 0, "another model of card" },
		{ 0, 0, 1, 0, 1, 0, "is another than this" },
		{ 0, -1, 0, 0, 1, 0, "is another than this" },
		{ 0, 1, 0, 0, 1, -EXDEV, "is newer than this" },
		{ 1, 0, 0, 0, 1, -EXDEV, "for another generation" },
		{ -1, 0, 0, 0, 1, -EXDEV, "for another generation" },
		{ 0, 0, 0, 0, 3, -EOPNOTSUPP, "does not know" },
	};
	struct fixture *f = fixture_of(test);
	struct vfio_ferry_identity own = {}, source;
	char why[120];

	f->nic.chunks = true;
	identity(f, &own);
	for (int i = 0; i < ARRAY_SIZE(sources); i++) {
		why[0] = 0;
		source = own;
		le16_add_cpu(&source.firmware[0], sources[i].major);
		le16_add_cpu(&source.firmware[1], sources[i].minor);
		le16_add_cpu(&source.firmware[2], sources[i].sub);
		le16_add_cpu(&source.firmware[3], sources[i].card);
		source.capabilities = cpu_to_le64(sources[i].capabilities);
		KUNIT_EXPECT_EQ_MSG(test, moved_ops.accept(&own, &source, why, sizeof(why)),
				    sources[i].err, "source %d", i);
		KUNIT_EXPECT_TRUE_MSG(test, strstr(why, sources[i].why) &&
				      !*why == !*sources[i].why, "source %d: %s", i, why);
		if (strstr(why, "firmware ") && !(sources[i].capabilities & 2))
			KUNIT_EXPECT_NOT_NULL(test, strstr(why, ", 28.40.1000"));
	}
	/* A card without a name may be any. */
	source = own;
	source.firmware[3] = 0;
	why[0] = 0;
	KUNIT_EXPECT_EQ(test, moved_ops.accept(&own, &source, why, sizeof(why)), 0);
	KUNIT_EXPECT_STREQ(test, why, "");
	KUNIT_EXPECT_EQ(test, moved_ops.accept(&source, &own, why, sizeof(why)), 0);
	KUNIT_EXPECT_STREQ(test, why, "");
	own.capabilities = 0;
	KUNIT_EXPECT_EQ(test, moved_ops.accept(&own, &(struct vfio_ferry_identity){
			.capabilities = cpu_to_le64(1) }, why, sizeof(why)), -EOPNOTSUPP);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "in chunks, this one loads none"));
}

/* Which VFs can be migrated */

static void expect_asked(struct kunit *test, struct fixture *f, int nth, u16 op_mod)
{
	void *in = f->capabilities[nth];

	EXPECT_FIELD(test, query_hca_cap_in, in, op_mod, op_mod);
	EXPECT_FIELD(test, query_hca_cap_in, in, other_function, 1);
	EXPECT_FIELD(test, query_hca_cap_in, in, function_id, 7);
}

static void a_function_that_can_be_migrated_is_offered(struct kunit *test)
{
	for (int bits = 0; bits < 4; bits++) {
		struct fixture *f = fixture_of(test);
		__be32 *words = caps_of(f, MLX5_CAP_GENERAL_2);

		f->nic.mdev = NULL;
		f->nic.vhca_id = 0;
		words[6] = bits & 2 ? words[6] | cpu_to_be32(BIT(6)) : ~cpu_to_be32(BIT(6));
		MLX5_SET(cmd_hca_cap_2, words, migration_in_chunks, bits & 1);
		moved_examine(&f->nic);
		KUNIT_EXPECT_TRUE(test, f->offered);
		KUNIT_EXPECT_NULL(test, f->withheld);
		KUNIT_EXPECT_TRUE(test, f->registered);
		KUNIT_EXPECT_TRUE(test, f->nic.nb.notifier_call == notify);
		KUNIT_EXPECT_EQ(test, f->put, 1);
		KUNIT_EXPECT_PTR_EQ(test, f->nic.mdev, &f->mdev);
		KUNIT_EXPECT_EQ(test, f->nic.vf_id, 6);
		KUNIT_EXPECT_EQ(test, f->nic.vhca_id, VHCA);
		KUNIT_EXPECT_EQ(test, f->nic.chunks, bits & 1);
		KUNIT_EXPECT_EQ(test, f->nic.tells_reinit, !!(bits & 2));
		KUNIT_EXPECT_EQ(test, !!moved_ops.part_bytes(&f->nic.ferry), bits & 1);
		KUNIT_EXPECT_EQ(test, f->asked, 2);
		expect_asked(test, f, 0, MLX5_CAP_GENERAL_2 << 1);
		expect_asked(test, f, 1, MLX5_CAP_GENERAL << 1 | 1);
		moved_forget(&f->nic);
		KUNIT_EXPECT_FALSE(test, f->registered);
	}
}

static void what_is_lacking_is_said(struct kunit *test)
{
	static const char *const reasons[] = {
		"not a virtual function", "not run by mlx5_core", "cannot migrate VFs",
		"has no pre-copy", "has no pre-copy", "tell the VF's capabilities",
		"is not migratable", "tell the VF's number", "bind it again",
	};

	for (int i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct fixture *f = fixture_of(test);
		void *general = caps_of(f, MLX5_CAP_GENERAL);
		void *more = caps_of(f, MLX5_CAP_GENERAL_2);

		f->pdev.is_virtfn = i != 0;
		f->has_pf = i != 1;
		if (i == 2)
			MLX5_SET(cmd_hca_cap, general, migration, 0);
		if (i == 3)
			MLX5_SET(cmd_hca_cap_2, more, migration_multi_load, 0);
		if (i == 4)
			MLX5_SET(cmd_hca_cap_2, more, migration_tracking_state, 0);
		f->cap_err = i == 5 ? 1 : i == 7 ? 2 : 0;
		f->migratable = i != 6;
		f->registering = i == 8 ? -ENODEV : 0;
		f->nic.mdev = NULL;
		moved_examine(&f->nic);
		KUNIT_EXPECT_FALSE(test, f->offered);
		KUNIT_EXPECT_NOT_NULL(test, f->withheld);
		KUNIT_EXPECT_TRUE_MSG(test, f->withheld && strstr(f->withheld, reasons[i]),
				      "%d: %s", i, f->withheld);
		KUNIT_EXPECT_NULL(test, f->nic.mdev);
		KUNIT_EXPECT_EQ(test, f->put, i > 1);
		KUNIT_EXPECT_FALSE(test, f->registered);
		moved_forget(&f->nic);
	}
}

/* After its physical function was away nothing is sure, not even its number. */
static void a_function_is_asked_again(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct vfio_ferry_estimate estimate;

	f->nic.vhca_id = 1;
	KUNIT_EXPECT_EQ(test, moved_renew(&f->nic), 0);
	KUNIT_EXPECT_EQ(test, f->asked, 0);
	notify(&f->nic.nb, MLX5_PF_NOTIFY_DISABLE_VF, NULL);
	KUNIT_EXPECT_TRUE(test, f->detached && !f->attached);
	notify(&f->nic.nb, MLX5_PF_NOTIFY_ENABLE_VF, NULL);
	KUNIT_EXPECT_TRUE(test, f->attached);
	KUNIT_EXPECT_EQ(test, f->nic.vhca_id, 1);
	f->migratable = false;
	KUNIT_EXPECT_EQ(test, moved_ops.suspend(&f->nic.ferry, 0), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, moved_ops.query(&f->nic.ferry, false, &estimate), -EOPNOTSUPP);
	KUNIT_EXPECT_TRUE(test, f->nic.lost && strstr(f->nic.lost, "not migratable"));
	f->migratable = true;
	KUNIT_EXPECT_EQ(test, moved_ops.suspend(&f->nic.ferry, 0), 0);
	EXPECT_FIELD(test, suspend_vhca_in, f->in, vhca_id, VHCA);
	KUNIT_EXPECT_NULL(test, f->nic.lost);
	f->asked = 0;
	KUNIT_EXPECT_EQ(test, moved_renew(&f->nic), 0);
	KUNIT_EXPECT_EQ(test, f->asked, 0);
}

static struct kunit_case firmware_cases[] = {
	KUNIT_CASE(each_side_is_stopped_and_goes_on),
	KUNIT_CASE(a_save_is_measured),
	KUNIT_CASE(an_image_is_saved),
	KUNIT_CASE(an_image_is_loaded),
	KUNIT_CASE(a_lost_track_is_told_from_a_failure),
	KUNIT_CASE(tracking_is_ended),
	KUNIT_CASE(a_function_says_who_it_is),
	KUNIT_CASE(images_of_some_are_taken),
	KUNIT_CASE(a_function_that_can_be_migrated_is_offered),
	KUNIT_CASE(what_is_lacking_is_said),
	KUNIT_CASE(a_function_is_asked_again),
	{}
};

static struct kunit_suite firmware_suite = {
	.name = "ferry-firmware",
	.test_cases = firmware_cases,
};

kunit_test_suite(firmware_suite);
