/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory for the firmware's messages. See slots.c. */
#ifndef MLX5_FERRY_SLOTS_H
#define MLX5_FERRY_SLOTS_H

#include <linux/mmzone.h>
#include <linux/types.h>

/* The largest that the page allocator goes to lengths for */
#define MLX5_FERRY_PIECE_ORDER	PAGE_ALLOC_COSTLY_ORDER
#define MLX5_FERRY_PIECE	(PAGE_SIZE << MLX5_FERRY_PIECE_ORDER)

/**
 * struct mlx5_ferry_piece - a part that is contiguous for both sides
 * @page: the first of its pages
 * @address: of it for the device
 */
struct mlx5_ferry_piece {
	struct page *page;
	dma_addr_t address;
};

/**
 * struct mlx5_ferry_slots - memory that the device writes and the CPU reads
 * @dev: the device
 * @nr: pieces, each MLX5_FERRY_PIECE bytes long
 * @pieces: in order; NULL: there is no memory
 */
struct mlx5_ferry_slots {
	struct device *dev;
	unsigned int nr;
	struct mlx5_ferry_piece *pieces;
};

static inline unsigned int mlx5_ferry_slots_pages(struct mlx5_ferry_slots *slots)
{
	return slots->nr << MLX5_FERRY_PIECE_ORDER;
}

int mlx5_ferry_slots_get(struct mlx5_ferry_slots *slots, struct device *dev,
			 size_t bytes);
void mlx5_ferry_slots_put(struct mlx5_ferry_slots *slots);
void mlx5_ferry_slots_translate(struct mlx5_ferry_slots *slots, __be64 *entry);
void mlx5_ferry_slots_read(struct mlx5_ferry_slots *slots, size_t from,
			   void *to, size_t bytes);

#endif /* MLX5_FERRY_SLOTS_H */
