// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware commands that move a ConnectX VF: SUSPEND, RESUME, QUERY, SAVE
 * and LOAD, as the engine's operations.
 *
 * Called by the engine, one command at a time and from process context.
 * mlx5_core bounds each: it gives a command up that finds no room, is not
 * taken notice of or not answered, after 60 seconds each.
 */
#include <linux/mlx5/device.h>
#include <linux/mlx5/vport.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../compat.h"
#include "command.h"
#include "firmware.h"
#include "memory.h"

/* One image is described by 32 bits; whole pages of that */
#define IMAGE_BYTES_MAX		(SZ_4G - PAGE_SIZE)
/* Memory for one part of an image, if the firmware saves in parts */
#define PART_BYTES		SZ_8M

/* Capabilities that an identity record tells */
#define IDENTITY_CHUNKS		BIT_ULL(0)

/*
 * Fields that 6.12's mlx5_ifc.h does not name: the bit of cmd_hca_cap_2 that
 * says that a QUERY tells the migration state, and that state.
 */
#define HCA_CAP_2_MIGRATION_STATE_DW	6
#define HCA_CAP_2_MIGRATION_STATE	BIT(6)
#define QUERY_MIGRATION_STATE_DW	3
#define QUERY_MIGRATION_STATE_SHIFT	28
#define QUERY_MIGRATION_STATE_INIT	4

/* Capabilities of the VF, as the physical function sees them */
static int query_capabilities(struct mlx5_ferry *nic, u16 op_mod, void *out)
{
	u32 in[MLX5_ST_SZ_DW(query_hca_cap_in)] = {};

	MLX5_SET(query_hca_cap_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_CAP);
	MLX5_SET(query_hca_cap_in, in, op_mod, op_mod);
	MLX5_SET(query_hca_cap_in, in, other_function, 1);
	MLX5_SET(query_hca_cap_in, in, function_id, nic->vf_id + 1);
	return MLX5_FERRY_COMMAND(nic, "QUERY_HCA_CAP", query_hca_cap, in, out);
}

static int query_vhca_id(struct mlx5_ferry *nic, void *out)
{
	int err;

	err = query_capabilities(nic, MLX5_CAP_GENERAL << 1 |
				 HCA_CAP_OPMOD_GET_CUR, out);
	if (!err)
		nic->vhca_id = MLX5_GET(query_hca_cap_out, out,
					capability.cmd_hca_cap.vhca_id);
	return err;
}

/* Why the VF cannot be migrated, or NULL if it can. */
static const char *examine(struct mlx5_ferry *nic, void *out)
{
	struct mlx5_core_dev *mdev = nic->mdev;
	__be32 *capabilities;

	if (!MLX5_CAP_GEN(mdev, migration))
		return "the firmware of the physical function cannot migrate VFs";
	if (!MLX5_CAP_GEN_2(mdev, migration_multi_load) ||
	    !MLX5_CAP_GEN_2(mdev, migration_tracking_state))
		return "the firmware of the physical function has no pre-copy";
	if (query_capabilities(nic, MLX5_CAP_GENERAL_2 << 1 |
			       HCA_CAP_OPMOD_GET_MAX, out))
		return "the firmware does not tell the VF's capabilities";
	if (!MLX5_GET(query_hca_cap_out, out,
		      capability.cmd_hca_cap_2.migratable))
		return "the VF is not migratable, see devlink-port(8), function set migratable";
	if (query_vhca_id(nic, out))
		return "the firmware does not tell the VF's number";

	nic->chunks = MLX5_CAP_GEN_2(mdev, migration_in_chunks);
	capabilities = (__be32 *)mdev->caps.hca[MLX5_CAP_GENERAL_2]->cur;
	nic->tells_reinit =
		be32_to_cpu(capabilities[HCA_CAP_2_MIGRATION_STATE_DW]) &
		HCA_CAP_2_MIGRATION_STATE;
	return NULL;
}

/**
 * mlx5_ferry_renew() - ask all of the VF again if its physical function was away
 * @nic: the VF
 *
 * Before the first command about the VF: the physical function may have come
 * back with other firmware, settings and numbers. At the notification of that
 * the firmware does not know the VF yet.
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_renew(struct mlx5_ferry *nic)
{
	const char *reason;
	void *out;

	if (likely(!READ_ONCE(nic->renewed)))
		return 0;
	out = kzalloc(MLX5_ST_SZ_BYTES(query_hca_cap_out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	reason = examine(nic, out);
	kfree(out);
	if (reason && reason != nic->lost)
		dev_info(&nic->ferry.core.pdev->dev,
			 "no migration since the physical function came back: %s\n",
			 reason);
	WRITE_ONCE(nic->lost, reason);
	if (reason)
		return -EOPNOTSUPP;
	WRITE_ONCE(nic->renewed, false);
	return 0;
}

static int mlx5_ferry_suspend(struct vfio_ferry_device *device,
			      enum vfio_ferry_side side)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	u32 out[MLX5_ST_SZ_DW(suspend_vhca_out)] = {};
	u32 in[MLX5_ST_SZ_DW(suspend_vhca_in)] = {};
	int err = mlx5_ferry_renew(nic);

	if (err)
		return err;
	MLX5_SET(suspend_vhca_in, in, opcode, MLX5_CMD_OP_SUSPEND_VHCA);
	MLX5_SET(suspend_vhca_in, in, op_mod, side == VFIO_FERRY_INITIATOR ?
		 MLX5_SUSPEND_VHCA_IN_OP_MOD_SUSPEND_INITIATOR :
		 MLX5_SUSPEND_VHCA_IN_OP_MOD_SUSPEND_RESPONDER);
	MLX5_SET(suspend_vhca_in, in, vhca_id, nic->vhca_id);
	return MLX5_FERRY_COMMAND(nic, "SUSPEND_VHCA", suspend_vhca, in, out);
}

static int mlx5_ferry_resume(struct vfio_ferry_device *device,
			     enum vfio_ferry_side side)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	u32 out[MLX5_ST_SZ_DW(resume_vhca_out)] = {};
	u32 in[MLX5_ST_SZ_DW(resume_vhca_in)] = {};

	MLX5_SET(resume_vhca_in, in, opcode, MLX5_CMD_OP_RESUME_VHCA);
	MLX5_SET(resume_vhca_in, in, op_mod, side == VFIO_FERRY_INITIATOR ?
		 MLX5_RESUME_VHCA_IN_OP_MOD_RESUME_INITIATOR :
		 MLX5_RESUME_VHCA_IN_OP_MOD_RESUME_RESPONDER);
	MLX5_SET(resume_vhca_in, in, vhca_id, nic->vhca_id);
	return MLX5_FERRY_COMMAND(nic, "RESUME_VHCA", resume_vhca, in, out);
}

static bool is_bad_state(int err, void *out)
{
	return err == -EREMOTEIO && MLX5_GET(nop_out, out, status) ==
				    MLX5_CMD_STAT_BAD_RES_STATE_ERR;
}

/*
 * A command for which the firmware tracks changes, or shall. BAD_RES_STATE is
 * its way to say that it cannot: the VF's own driver set the VF up anew, or
 * more has changed than the image has room for.
 */
static int tracked_command(struct mlx5_ferry *nic, const char *name, void *in,
			   int in_bytes, void *out, int out_bytes)
{
	int err = mlx5_cmd_do(nic->mdev, in, in_bytes, out, out_bytes);
	struct vfio_ferry_failure lost = { .command = name, .error = -ESTALE };

	if (!is_bad_state(err, out))
		return err ? mlx5_ferry_report(nic, name, err, out) : 0;
	lost.status = MLX5_GET(nop_out, out, status);
	lost.syndrome = MLX5_GET(nop_out, out, syndrome);
	vfio_ferry_failed(&nic->ferry, &lost);
	return lost.error;
}

static int mlx5_ferry_query(struct vfio_ferry_device *device, bool incremental,
			    struct vfio_ferry_estimate *estimate)
{
	u32 out[MLX5_ST_SZ_DW(query_vhca_migration_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(query_vhca_migration_state_in)] = {};
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	u32 state;
	int err;

	err = mlx5_ferry_renew(nic);
	if (err)
		return err;
	MLX5_SET(query_vhca_migration_state_in, in, opcode,
		 MLX5_CMD_OP_QUERY_VHCA_MIGRATION_STATE);
	MLX5_SET(query_vhca_migration_state_in, in, incremental, incremental);
	MLX5_SET(query_vhca_migration_state_in, in, chunk, nic->chunks);
	MLX5_SET(query_vhca_migration_state_in, in, vhca_id, nic->vhca_id);
	err = (incremental ? tracked_command : mlx5_ferry_command)
		(nic, "QUERY_VHCA_MIGRATION_STATE", in, sizeof(in), out,
		 sizeof(out));
	if (err)
		return err;

	estimate->required = MLX5_GET(query_vhca_migration_state_out, out,
				      required_umem_size);
	estimate->total = nic->chunks ?
		MLX5_GET64(query_vhca_migration_state_out, out,
			   remaining_total_size) : estimate->required;
	state = be32_to_cpup((__be32 *)out + QUERY_MIGRATION_STATE_DW) >>
		QUERY_MIGRATION_STATE_SHIFT;
	estimate->reinit = nic->tells_reinit && incremental &&
			   state == QUERY_MIGRATION_STATE_INIT;
	return 0;
}

static void fill_save(struct mlx5_ferry *nic, void *in,
		      struct vfio_ferry_image *image, unsigned int flags)
{
	MLX5_SET(save_vhca_state_in, in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
	MLX5_SET(save_vhca_state_in, in, incremental,
		 !!(flags & VFIO_FERRY_SAVE_INCREMENTAL));
	MLX5_SET(save_vhca_state_in, in, set_track,
		 !!(flags & VFIO_FERRY_SAVE_TRACK));
	MLX5_SET(save_vhca_state_in, in, vhca_id, nic->vhca_id);
	if (!image)
		return;
	MLX5_SET(save_vhca_state_in, in, mkey, mlx5_ferry_memory_key(image));
	MLX5_SET(save_vhca_state_in, in, size,
		 min_t(u64, image->capacity, IMAGE_BYTES_MAX));
}

static int mlx5_ferry_save(struct vfio_ferry_device *device,
			   struct vfio_ferry_image *image, unsigned int flags,
			   u64 *next_part)
{
	u32 out[MLX5_ST_SZ_DW(save_vhca_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)] = {};
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	int err;

	fill_save(nic, in, image, flags);
	mlx5_ferry_memory_for_device(nic, image, image->capacity);
	err = (flags & VFIO_FERRY_SAVE_TRACK ?
	       tracked_command : mlx5_ferry_command)
		(nic, "SAVE_VHCA_STATE", in, sizeof(in), out, sizeof(out));
	if (err)
		return err;
	image->length = MLX5_GET(save_vhca_state_out, out, actual_image_size);
	if (nic->chunks)
		*next_part = MLX5_GET(save_vhca_state_out, out,
				      next_required_umem_size);
	mlx5_ferry_memory_for_cpu(nic, image, image->length);
	return 0;
}

/*
 * A SAVE that is neither incremental nor tracked, on a running function, ends
 * the tracking. BAD_RES_STATE says that there was none.
 */
static int mlx5_ferry_stop_tracking(struct vfio_ferry_device *device,
				    struct vfio_ferry_image *image)
{
	u32 out[MLX5_ST_SZ_DW(save_vhca_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)] = {};
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	int err;

	fill_save(nic, in, image, 0);
	err = mlx5_cmd_do(nic->mdev, in, sizeof(in), out, sizeof(out));
	if (is_bad_state(err, out))
		return 0;
	return err ? mlx5_ferry_report(nic, "SAVE_VHCA_STATE to end tracking",
				       err, out) : 0;
}

static int mlx5_ferry_load(struct vfio_ferry_device *device,
			   struct vfio_ferry_image *image)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	u32 out[MLX5_ST_SZ_DW(load_vhca_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(load_vhca_state_in)] = {};

	MLX5_SET(load_vhca_state_in, in, opcode, MLX5_CMD_OP_LOAD_VHCA_STATE);
	MLX5_SET(load_vhca_state_in, in, vhca_id, nic->vhca_id);
	MLX5_SET(load_vhca_state_in, in, mkey, mlx5_ferry_memory_key(image));
	MLX5_SET(load_vhca_state_in, in, size, image->length);
	mlx5_ferry_memory_for_device(nic, image, image->length);
	return MLX5_FERRY_COMMAND(nic, "LOAD_VHCA_STATE", load_vhca_state, in,
				  out);
}

static u64 mlx5_ferry_part_bytes(struct vfio_ferry_device *device)
{
	return to_mlx5_ferry(device)->chunks ? PART_BYTES : 0;
}

/* A checksum of the PSID, NVIDIA's name for a model of a card; 0 if it has none. */
static u16 card_of(struct mlx5_core_dev *mdev)
{
	size_t length = strnlen(mdev->board_id, sizeof(mdev->board_id));
	u32 crc = crc32c(~0U, mdev->board_id, length);

	return length ? crc ^ crc >> 16 ?: 1 : 0;
}

static int mlx5_ferry_identify(struct vfio_ferry_device *device,
			       struct vfio_ferry_identity *identity)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	int err = mlx5_ferry_renew(nic);

	if (err)
		return err;
	identity->firmware[0] = cpu_to_le16(fw_rev_maj(nic->mdev));
	identity->firmware[1] = cpu_to_le16(fw_rev_min(nic->mdev));
	identity->firmware[2] = cpu_to_le16(fw_rev_sub(nic->mdev));
	identity->firmware[3] = cpu_to_le16(card_of(nic->mdev));
	identity->capabilities = cpu_to_le64(nic->chunks ? IDENTITY_CHUNKS : 0);
	return 0;
}

static void compare_firmware(const char *what, const u16 theirs[4],
			     const u16 ours[4], char *why, size_t size)
{
	snprintf(why, size, "the source's firmware %u.%u.%u is %s, %u.%u.%u",
		 theirs[0], theirs[1], theirs[2], what, ours[0], ours[1],
		 ours[2]);
}

/*
 * What the firmware itself would refuse: parts that it cannot join, images of
 * another generation of cards (28 is ConnectX-7, 32 BlueField-3) or of firmware
 * newer than it is. NVIDIA asks for the same firmware and PSID on both sides;
 * with others it may work, and the first LOAD tells while the source runs.
 */
static int mlx5_ferry_accept(const struct vfio_ferry_identity *own,
			     const struct vfio_ferry_identity *source,
			     char *why, size_t size)
{
	u64 lacking = le64_to_cpu(source->capabilities) &
		      ~le64_to_cpu(own->capabilities);
	u16 theirs[4], ours[4];

	for (int i = 0; i < 4; i++) {
		theirs[i] = le16_to_cpu(source->firmware[i]);
		ours[i] = le16_to_cpu(own->firmware[i]);
	}
	if (lacking) {
		snprintf(why, size, "%s",
			 lacking & IDENTITY_CHUNKS ?
			 "the source's firmware saves in chunks, this one loads none" :
			 "the source uses a capability that this driver does not know");
		return -EOPNOTSUPP;
	}
	if (theirs[0] != ours[0]) {
		compare_firmware("for another generation of cards than this",
				 theirs, ours, why, size);
		return -EXDEV;
	}
	if (theirs[1] > ours[1]) {
		compare_firmware("newer than this", theirs, ours, why, size);
		return -EXDEV;
	}
	if (theirs[1] != ours[1] || theirs[2] != ours[2])
		compare_firmware("another than this", theirs, ours, why, size);
	else if (theirs[3] && ours[3] && theirs[3] != ours[3])
		snprintf(why, size, "the source is another model of card (PSID)");
	return 0;
}

static void mlx5_ferry_describe(struct vfio_ferry_device *device,
				struct seq_file *to)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);

	if (nic->untracked)
		seq_printf(to, "no dirty-tracking: %s\n", nic->untracked);
	seq_printf(to, "vhca-id %u\n", nic->vhca_id);
	seq_printf(to, "%s\n", nic->chunks ? "chunks" : "no chunks");
	seq_printf(to, "%s\n", nic->tells_reinit ? "reinit" : "no reinit");
	if (READ_ONCE(nic->lost))
		seq_printf(to, "no migration: %s\n", READ_ONCE(nic->lost));
}

const struct vfio_ferry_ops mlx5_ferry_ops = {
	.family = "mlx5",
	.max_image = IMAGE_BYTES_MAX,
	.max_folio = mlx5_ferry_memory_max,
	.part_bytes = mlx5_ferry_part_bytes,
	.suspend = mlx5_ferry_suspend,
	.resume = mlx5_ferry_resume,
	.query = mlx5_ferry_query,
	.save = mlx5_ferry_save,
	.load = mlx5_ferry_load,
	.stop_tracking = mlx5_ferry_stop_tracking,
	.map = mlx5_ferry_memory_map,
	.unmap = mlx5_ferry_memory_unmap,
	.quiesce = mlx5_ferry_memory_quiesce,
	.identify = mlx5_ferry_identify,
	.accept = mlx5_ferry_accept,
	.describe = mlx5_ferry_describe,
};

/* Under the physical function's blocking notifier chain */
static int notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct mlx5_ferry *nic = container_of(nb, struct mlx5_ferry, nb);

	switch (event) {
	case MLX5_PF_NOTIFY_DISABLE_VF:
		vfio_ferry_detach(&nic->ferry);
		break;
	case MLX5_PF_NOTIFY_ENABLE_VF:
		WRITE_ONCE(nic->renewed, true);
		vfio_ferry_attach(&nic->ferry);
		break;
	}
	return NOTIFY_OK;
}

/**
 * mlx5_ferry_examine() - find out whether a VF can be migrated
 * @nic: the VF, not registered yet
 *
 * Offers it to users if it can, else says why not.
 */
void mlx5_ferry_examine(struct mlx5_ferry *nic)
{
	struct pci_dev *pdev = nic->ferry.core.pdev;
	struct mlx5_core_dev *mdev;
	const char *reason;
	void *out;

	mutex_init(&nic->pd_lock);
	nic->vf_id = pdev->is_virtfn ? pci_iov_vf_id(pdev) : -1;
	mdev = pdev->is_virtfn ? mlx5_vf_get_core_dev(pdev) : NULL;
	if (!mdev) {
		vfio_ferry_withhold(&nic->ferry, pdev->is_virtfn ?
				    "the physical function is not run by mlx5_core" :
				    "not a virtual function");
		return;
	}

	nic->mdev = mdev;
	out = kzalloc(MLX5_ST_SZ_BYTES(query_hca_cap_out), GFP_KERNEL);
	reason = out ? examine(nic, out) : "no memory";
	kfree(out);
	if (!reason) {
		nic->nb.notifier_call = notify;
		if (mlx5_sriov_blocking_notifier_register(mdev, nic->vf_id,
							  &nic->nb))
			reason = "bound before sriov_numvfs was through; bind it again";
	}
	if (reason) {
		nic->mdev = NULL;
		vfio_ferry_withhold(&nic->ferry, reason);
	} else {
		vfio_ferry_offer(&nic->ferry);
	}
	mlx5_vf_put_core_dev(mdev);
}

/**
 * mlx5_ferry_forget() - the opposite of mlx5_ferry_examine()
 * @nic: the VF, not registered any more or not at all
 */
void mlx5_ferry_forget(struct mlx5_ferry *nic)
{
	if (nic->mdev)
		mlx5_sriov_blocking_notifier_unregister(nic->mdev, nic->vf_id,
							&nic->nb);
	mutex_destroy(&nic->pd_lock);
}
