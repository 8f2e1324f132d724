// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of images, as a ConnectX reaches it.
 *
 * The folios are mapped for the physical function, which moves the data of
 * its VFs, and put behind one memory key. Called by the engine in process
 * context; the two functions that pass memory between CPU and device also by
 * firmware.c when a command begins or ends.
 */
#include <linux/dma-mapping.h>
#include <linux/kmemleak.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/driver.h>
#include <linux/slab.h>

#include "command.h"
#include "firmware.h"
#include "memory.h"

/* As for the image itself: rather fail than have somebody killed for it */
#define GFP_IMAGE	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * Largest page of a key, as log2 of its bytes: no driver is known that gives a
 * SAVE or LOAD larger ones than this, a CPU's largest.
 */
#define KEY_PAGE_SHIFT_MAX	16

/**
 * struct piece - a part of an image that is contiguous for the device
 * @address: for the device
 * @bytes: its length
 */
struct piece {
	dma_addr_t address;
	size_t bytes;
};

/**
 * struct mapping - what an image's mapping member points to
 * @key: the memory key's number, as commands want it
 * @index: the memory key's number, as DESTROY_MKEY wants it
 * @direction: of the data
 * @nr: pieces that are mapped
 * @pieces: in the image's order
 */
struct mapping {
	u32 key;
	u32 index;
	enum dma_data_direction direction;
	unsigned int nr;
	struct piece pieces[] __counted_by(nr);
};

static struct device *dma_device(struct mlx5_ferry *nic)
{
	return nic->mdev->device;
}

/**
 * mlx5_ferry_memory_max() - longest folio that can be mapped
 * @device: the VF
 *
 * Return: bytes.
 */
size_t mlx5_ferry_memory_max(struct vfio_ferry_device *device)
{
	return dma_max_mapping_size(dma_device(to_mlx5_ferry(device)));
}

/* The protection domain is made for the first key and kept for the others. */
static int get_pd(struct mlx5_ferry *nic)
{
	u32 out[MLX5_ST_SZ_DW(alloc_pd_out)] = {};
	u32 in[MLX5_ST_SZ_DW(alloc_pd_in)] = {};
	int err = 0;

	mutex_lock(&nic->pd_lock);
	if (!nic->has_pd) {
		MLX5_SET(alloc_pd_in, in, opcode, MLX5_CMD_OP_ALLOC_PD);
		err = MLX5_FERRY_COMMAND(nic, "ALLOC_PD", alloc_pd, in, out);
		if (!err) {
			nic->pdn = MLX5_GET(alloc_pd_out, out, pd);
			nic->has_pd = true;
		}
	}
	mutex_unlock(&nic->pd_lock);
	return err;
}

/**
 * mlx5_ferry_memory_quiesce() - give the protection domain back
 * @device: the VF, no image mapped
 */
void mlx5_ferry_memory_quiesce(struct vfio_ferry_device *device)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	u32 out[MLX5_ST_SZ_DW(dealloc_pd_out)] = {};
	u32 in[MLX5_ST_SZ_DW(dealloc_pd_in)] = {};

	mutex_lock(&nic->pd_lock);
	if (nic->has_pd) {
		MLX5_SET(dealloc_pd_in, in, opcode, MLX5_CMD_OP_DEALLOC_PD);
		MLX5_SET(dealloc_pd_in, in, pd, nic->pdn);
		MLX5_FERRY_GIVE_BACK(nic, "DEALLOC_PD", dealloc_pd, in, out);
		nic->has_pd = false;
	}
	mutex_unlock(&nic->pd_lock);
}

static void unmap_pieces(struct mlx5_ferry *nic, struct mapping *mapping)
{
	for (unsigned int i = 0; i < mapping->nr; i++) {
		dma_unmap_page(dma_device(nic), mapping->pieces[i].address,
			       mapping->pieces[i].bytes, mapping->direction);
		cond_resched();
	}
	mapping->nr = 0;
}

static int map_pieces(struct mlx5_ferry *nic, struct mapping *mapping,
		      struct vfio_ferry_image *image)
{
	struct folio *folio;
	dma_addr_t address;

	vfio_ferry_for_each_folio(folio, image) {
		address = dma_map_page(dma_device(nic), folio_page(folio, 0), 0,
				       folio_size(folio), mapping->direction);
		if (dma_mapping_error(dma_device(nic), address)) {
			unmap_pieces(nic, mapping);
			return -ENOMEM;
		}
		mapping->nr++;
		mapping->pieces[mapping->nr - 1].address = address;
		mapping->pieces[mapping->nr - 1].bytes = folio_size(folio);
		cond_resched();
	}
	return 0;
}

/* Largest page size that all pieces are made of, and that is in use */
static unsigned int key_page_shift(struct mapping *mapping,
				   struct vfio_ferry_image *image)
{
	u64 bits = BIT_ULL(PAGE_SHIFT + image->min_order);

	for (unsigned int i = 0; i < mapping->nr; i++)
		bits |= mapping->pieces[i].address;
	return min_t(unsigned int, __ffs64(bits), KEY_PAGE_SHIFT_MAX);
}

static void fill_translation(struct mapping *mapping, unsigned int shift,
			     __be64 *entry)
{
	for (unsigned int i = 0; i < mapping->nr; i++) {
		struct piece *piece = &mapping->pieces[i];

		for (size_t at = 0; at < piece->bytes; at += BIT(shift))
			*entry++ = cpu_to_be64(piece->address + at);
	}
}

static int create_key(struct mlx5_ferry *nic, struct mapping *mapping,
		      struct vfio_ferry_image *image)
{
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	unsigned int shift = key_page_shift(mapping, image);
	u64 pages = image->capacity >> shift;
	size_t bytes;
	void *in, *mkc;
	int err;

	bytes = MLX5_ST_SZ_BYTES(create_mkey_in) +
		sizeof(__be64) * round_up(pages, 2);
	in = kvzalloc(bytes, GFP_IMAGE);
	if (!in)
		return -ENOMEM;
	fill_translation(mapping, shift,
			 MLX5_ADDR_OF(create_mkey_in, in, klm_pas_mtt));
	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size,
		 DIV_ROUND_UP(pages, 2));
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, 1);
	MLX5_SET(mkc, mkc, rr, 1);
	MLX5_SET(mkc, mkc, rw, 1);
	MLX5_SET(mkc, mkc, pd, nic->pdn);
	MLX5_SET(mkc, mkc, qpn, 0xffffff);
	MLX5_SET(mkc, mkc, log_page_size, shift);
	MLX5_SET(mkc, mkc, translations_octword_size, DIV_ROUND_UP(pages, 2));
	MLX5_SET64(mkc, mkc, len, image->capacity);
	err = mlx5_ferry_command(nic, "CREATE_MKEY", in, bytes, out,
				 sizeof(out));
	kvfree(in);
	if (err)
		return err;
	mapping->index = MLX5_GET(create_mkey_out, out, mkey_index);
	mapping->key = mlx5_idx_to_mkey(mapping->index);
	return 0;
}

static int destroy_key(struct mlx5_ferry *nic, struct mapping *mapping)
{
	u32 out[MLX5_ST_SZ_DW(destroy_mkey_out)] = {};
	u32 in[MLX5_ST_SZ_DW(destroy_mkey_in)] = {};

	MLX5_SET(destroy_mkey_in, in, opcode, MLX5_CMD_OP_DESTROY_MKEY);
	MLX5_SET(destroy_mkey_in, in, mkey_index, mapping->index);
	return MLX5_FERRY_GIVE_BACK(nic, "DESTROY_MKEY", destroy_mkey, in, out);
}

/**
 * mlx5_ferry_memory_map() - make an image reachable for the device
 * @device: the VF
 * @image: the image, not mapped
 *
 * Return: 0 or negative errno.
 */
int mlx5_ferry_memory_map(struct vfio_ferry_device *device,
			  struct vfio_ferry_image *image)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	struct mapping *mapping;
	int err;

	err = get_pd(nic);
	if (err)
		return err;
	mapping = kvzalloc(struct_size(mapping, pieces, image->nr_folios),
			   GFP_IMAGE);
	if (!mapping)
		return -ENOMEM;
	mapping->direction = image->direction;
	err = map_pieces(nic, mapping, image);
	if (err)
		goto free;
	err = create_key(nic, mapping, image);
	if (err)
		goto unmap;
	image->mapping = mapping;
	return 0;
unmap:
	unmap_pieces(nic, mapping);
free:
	kvfree(mapping);
	return err;
}

/**
 * mlx5_ferry_memory_unmap() - the opposite
 * @device: the VF
 * @image: the image
 *
 * Return: 0, or negative errno and the image stays mapped: the device may
 * still hold the key.
 */
int mlx5_ferry_memory_unmap(struct vfio_ferry_device *device,
			    struct vfio_ferry_image *image)
{
	struct mlx5_ferry *nic = to_mlx5_ferry(device);
	struct mapping *mapping = image->mapping;
	int err;

	err = destroy_key(nic, mapping);
	if (err) {
		/* The engine loses it, on purpose. */
		kmemleak_ignore(mapping);
		return err;
	}
	unmap_pieces(nic, mapping);
	image->mapping = NULL;
	kvfree(mapping);
	return 0;
}

/**
 * mlx5_ferry_memory_key() - the key of a mapped image
 * @image: the image
 *
 * Return: the key, as SAVE and LOAD want it.
 */
u32 mlx5_ferry_memory_key(struct vfio_ferry_image *image)
{
	struct mapping *mapping = image->mapping;

	return mapping->key;
}

/**
 * mlx5_ferry_memory_for_cpu() - pass what the device wrote to the CPU
 * @nic: the VF
 * @image: the image
 * @bytes: how much of it
 */
void mlx5_ferry_memory_for_cpu(struct mlx5_ferry *nic,
			       struct vfio_ferry_image *image, u64 bytes)
{
	struct mapping *mapping = image->mapping;

	for (unsigned int i = 0; i < mapping->nr && bytes; i++) {
		size_t piece = min_t(u64, bytes, mapping->pieces[i].bytes);

		dma_sync_single_for_cpu(dma_device(nic),
					mapping->pieces[i].address, piece,
					mapping->direction);
		bytes -= piece;
		cond_resched();
	}
}

/**
 * mlx5_ferry_memory_for_device() - pass memory to the device
 * @nic: the VF
 * @image: the image
 * @bytes: how much of it
 */
void mlx5_ferry_memory_for_device(struct mlx5_ferry *nic,
				  struct vfio_ferry_image *image, u64 bytes)
{
	struct mapping *mapping = image->mapping;

	for (unsigned int i = 0; i < mapping->nr && bytes; i++) {
		size_t piece = min_t(u64, bytes, mapping->pieces[i].bytes);

		dma_sync_single_for_device(dma_device(nic),
					   mapping->pieces[i].address, piece,
					   mapping->direction);
		bytes -= piece;
		cond_resched();
	}
}
