// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the firmware writes its messages to.
 *
 * Some megabytes of ordinary pages, in pieces, mapped for the physical
 * function. Coherent memory would be mapped a second time, for the CPU and page
 * by page, which is most of what starting and ending the tracking takes then.
 * Called by channel.c with its owner's lock held; all but the reading may
 * sleep.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "slots.h"

/**
 * mlx5_ferry_slots_put() - free it
 * @slots: the memory, also in part or none; the device uses it no more
 */
void mlx5_ferry_slots_put(struct mlx5_ferry_slots *slots)
{
	while (slots->nr) {
		struct mlx5_ferry_piece *piece = &slots->pieces[--slots->nr];

		dma_unmap_page(slots->dev, piece->address, MLX5_FERRY_PIECE,
			       DMA_FROM_DEVICE);
		__free_pages(piece->page, MLX5_FERRY_PIECE_ORDER);
		cond_resched();
	}
	kfree(slots->pieces);
	slots->pieces = NULL;
}

/* Zeroed: of a message that is not all there, nobody sees what was there before. */
static int add_piece(struct mlx5_ferry_slots *slots)
{
	struct mlx5_ferry_piece *piece = &slots->pieces[slots->nr];

	piece->page = alloc_pages_node(dev_to_node(slots->dev),
				       GFP_KERNEL_ACCOUNT | __GFP_ZERO,
				       MLX5_FERRY_PIECE_ORDER);
	if (!piece->page)
		return -ENOMEM;
	piece->address = dma_map_page(slots->dev, piece->page, 0,
				      MLX5_FERRY_PIECE, DMA_FROM_DEVICE);
	if (dma_mapping_error(slots->dev, piece->address)) {
		__free_pages(piece->page, MLX5_FERRY_PIECE_ORDER);
		return -ENOMEM;
	}
	slots->nr++;
	return 0;
}

/**
 * mlx5_ferry_slots_get() - have memory
 * @slots: filled
 * @dev: who will write it
 * @bytes: how much; rounded up to pieces
 *
 * Return: 0, or -ENOMEM and there is none.
 */
int mlx5_ferry_slots_get(struct mlx5_ferry_slots *slots, struct device *dev,
			 size_t bytes)
{
	unsigned int nr = DIV_ROUND_UP(bytes, MLX5_FERRY_PIECE);
	int err = 0;

	*slots = (struct mlx5_ferry_slots) {
		.dev = dev,
		.pieces = kcalloc(nr, sizeof(*slots->pieces), GFP_KERNEL_ACCOUNT),
	};
	if (!slots->pieces)
		return -ENOMEM;
	while (slots->nr < nr && !err) {
		err = add_piece(slots);
		cond_resched();
	}
	if (err)
		mlx5_ferry_slots_put(slots);
	return err;
}

/**
 * mlx5_ferry_slots_translate() - tell where it is
 * @slots: the memory
 * @entry: filled, one for each of its pages
 */
void mlx5_ferry_slots_translate(struct mlx5_ferry_slots *slots, __be64 *entry)
{
	for (unsigned int i = 0; i < slots->nr; i++)
		for (size_t at = 0; at < MLX5_FERRY_PIECE; at += PAGE_SIZE)
			*entry++ = cpu_to_be64(slots->pieces[i].address + at);
}

/**
 * mlx5_ferry_slots_read() - copy what the device wrote
 * @slots: the memory
 * @from: where, in bytes from its begin
 * @to: the copy
 * @bytes: how long
 *
 * Then the device may write there again.
 */
void mlx5_ferry_slots_read(struct mlx5_ferry_slots *slots, size_t from,
			   void *to, size_t bytes)
{
	size_t some;

	for (; bytes; bytes -= some, from += some, to += some) {
		struct mlx5_ferry_piece *piece =
			&slots->pieces[from / MLX5_FERRY_PIECE];
		size_t at = from % MLX5_FERRY_PIECE;

		some = min(bytes, MLX5_FERRY_PIECE - at);
		dma_sync_single_for_cpu(slots->dev, piece->address + at, some,
					DMA_FROM_DEVICE);
		memcpy(to, page_address(piece->page) + at, some);
		dma_sync_single_for_device(slots->dev, piece->address + at,
					   some, DMA_FROM_DEVICE);
	}
}
