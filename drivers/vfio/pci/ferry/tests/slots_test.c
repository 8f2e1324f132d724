// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the memory for the firmware's messages: it is as much as was
 * asked for, all of it or none; the device is told where each page is; what it
 * wrote is read from there, wherever a piece ends, and only after the CPU may
 * see it. The device is made up, and so are its addresses.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>

#undef dma_map_page
#undef dma_unmap_page
#undef dma_sync_single_for_cpu
#undef dma_sync_single_for_device
#define dma_map_page			slot_map
#define dma_unmap_page			slot_unmap
#define dma_mapping_error		slot_error
#define dma_sync_single_for_cpu		slot_for_cpu
#define dma_sync_single_for_device	slot_for_device
#define mlx5_ferry_slots_get		slot_get
#define mlx5_ferry_slots_put		slot_put
#define mlx5_ferry_slots_translate	slot_translate
#define mlx5_ferry_slots_read		slot_read

static dma_addr_t slot_map(struct device *dev, struct page *page, size_t at, size_t bytes,
			   enum dma_data_direction direction);
static void slot_unmap(struct device *dev, dma_addr_t address, size_t bytes,
		       enum dma_data_direction direction);
static int slot_error(struct device *dev, dma_addr_t address);
static void slot_for_cpu(struct device *dev, dma_addr_t address, size_t bytes,
			 enum dma_data_direction direction);
static void slot_for_device(struct device *dev, dma_addr_t address, size_t bytes,
			    enum dma_data_direction direction);

#include "../mlx5/slots.c"

#define PIECES	4
/* Of a piece for the device: each far from the others */
#define AT(i)	(0x100000000ULL * ((i) + 1))

struct fixture {
	struct device dev;
	struct mlx5_ferry_slots slots;
	unsigned int maps, unmaps, fails;	/* the map that fails, from 1 */
	bool mapped[PIECES];
	u64 seen;				/* bytes that the CPU may see now */
	u64 passed;				/* bytes that it could see ever */
	unsigned int wrong;
};

static struct fixture *of_dev(struct device *dev)
{
	return container_of(dev, struct fixture, dev);
}

static dma_addr_t slot_map(struct device *dev, struct page *page, size_t at, size_t bytes,
			   enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);
	unsigned int i = f->maps++;

	f->wrong += at || bytes != MLX5_FERRY_PIECE || direction != DMA_FROM_DEVICE;
	f->wrong += !!memchr_inv(page_address(page), 0, bytes);
	if (f->maps == f->fails)
		return DMA_MAPPING_ERROR;
	f->mapped[i] = true;
	return AT(i);
}

static void slot_unmap(struct device *dev, dma_addr_t address, size_t bytes,
		       enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);
	unsigned int i = address / AT(0) - 1;

	f->wrong += i >= PIECES || address != AT(i) || !f->mapped[i] ||
		    bytes != MLX5_FERRY_PIECE || direction != DMA_FROM_DEVICE;
	f->mapped[i % PIECES] = false;
	f->unmaps++;
}

static int slot_error(struct device *dev, dma_addr_t address)
{
	return address == DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

/* The device's bytes get to the CPU here, and no earlier. */
static void slot_for_cpu(struct device *dev, dma_addr_t address, size_t bytes,
			 enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);
	unsigned int i = address / AT(0) - 1;
	size_t at = address % AT(0);
	u8 *page = page_address(f->slots.pieces[i % PIECES].page);

	f->wrong += i >= f->slots.nr || at + bytes > MLX5_FERRY_PIECE ||
		    direction != DMA_FROM_DEVICE || f->seen;
	for (size_t k = 0; k < bytes; k++)
		page[at + k] = (i * MLX5_FERRY_PIECE + at + k) % 251;
	f->seen = bytes;
	f->passed += bytes;
}

static void slot_for_device(struct device *dev, dma_addr_t address, size_t bytes,
			    enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);
	unsigned int i = address / AT(0) - 1;
	u8 *page = page_address(f->slots.pieces[i % PIECES].page);

	f->wrong += i >= f->slots.nr || bytes != f->seen || direction != DMA_FROM_DEVICE;
	memset(page + address % AT(0), 0, bytes);
	f->seen = 0;
}

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	set_dev_node(&f->dev, NUMA_NO_NODE);
	return f;
}

static void there_is_as_much_as_is_asked_for(struct kunit *test)
{
	static const struct { size_t bytes; unsigned int pieces; } asked[] = {
		{ 1, 1 }, { MLX5_FERRY_PIECE, 1 }, { MLX5_FERRY_PIECE + 1, 2 },
		{ PIECES * MLX5_FERRY_PIECE, PIECES },
	};

	for (int i = 0; i < ARRAY_SIZE(asked); i++) {
		struct fixture *f = fixture_of(test);

		KUNIT_ASSERT_EQ(test, slot_get(&f->slots, &f->dev, asked[i].bytes), 0);
		KUNIT_EXPECT_EQ(test, f->slots.nr, asked[i].pieces);
		KUNIT_EXPECT_EQ(test, mlx5_ferry_slots_pages(&f->slots) * PAGE_SIZE,
				asked[i].pieces * MLX5_FERRY_PIECE);
		slot_put(&f->slots);
		KUNIT_EXPECT_EQ(test, f->unmaps, asked[i].pieces);
		KUNIT_EXPECT_PTR_EQ(test, f->slots.pieces, NULL);
		slot_put(&f->slots);
		KUNIT_EXPECT_EQ(test, f->unmaps, asked[i].pieces);
		KUNIT_EXPECT_EQ(test, f->wrong, 0);
	}
}

static void nothing_stays_of_what_failed(struct kunit *test)
{
	for (unsigned int fails = 1; fails <= PIECES; fails++) {
		struct fixture *f = fixture_of(test);

		f->fails = fails;
		KUNIT_EXPECT_EQ(test, slot_get(&f->slots, &f->dev, PIECES * MLX5_FERRY_PIECE),
				-ENOMEM);
		KUNIT_EXPECT_EQ(test, f->maps, fails);
		KUNIT_EXPECT_EQ(test, f->unmaps, fails - 1);
		KUNIT_EXPECT_EQ(test, f->slots.nr, 0);
		KUNIT_EXPECT_PTR_EQ(test, f->slots.pieces, NULL);
		KUNIT_EXPECT_EQ(test, f->wrong, 0);
	}
}

static void the_device_knows_each_page(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	unsigned int pages = PIECES << MLX5_FERRY_PIECE_ORDER;
	unsigned int each = 1 << MLX5_FERRY_PIECE_ORDER;
	__be64 *entry = kunit_kcalloc(test, pages + 1, sizeof(*entry), GFP_KERNEL);

	KUNIT_ASSERT_EQ(test, slot_get(&f->slots, &f->dev, PIECES * MLX5_FERRY_PIECE), 0);
	slot_translate(&f->slots, entry);
	for (unsigned int i = 0; i < pages; i++)
		KUNIT_ASSERT_EQ(test, be64_to_cpu(entry[i]),
				AT(i / each) + i % each * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(entry[pages]), 0);
	slot_put(&f->slots);
}

static void what_is_written_is_read(struct kunit *test)
{
	static const struct { size_t from, bytes; } reads[] = {
		{ 0, 0 }, { 0, 8 }, { 4096, 4096 }, { MLX5_FERRY_PIECE - 8, 8 },
		{ MLX5_FERRY_PIECE - 8, 16 }, { MLX5_FERRY_PIECE, 64 },
		{ 24, 2 * MLX5_FERRY_PIECE }, { 0, PIECES * MLX5_FERRY_PIECE },
	};
	u8 *to = kunit_kzalloc(test, PIECES * MLX5_FERRY_PIECE, GFP_KERNEL);
	struct fixture *f = fixture_of(test);

	KUNIT_ASSERT_NOT_NULL(test, to);
	KUNIT_ASSERT_EQ(test, slot_get(&f->slots, &f->dev, PIECES * MLX5_FERRY_PIECE), 0);
	for (int i = 0; i < ARRAY_SIZE(reads); i++) {
		f->passed = 0;
		slot_read(&f->slots, reads[i].from, to, reads[i].bytes);
		KUNIT_EXPECT_EQ(test, f->passed, reads[i].bytes);
		for (size_t k = 0; k < reads[i].bytes; k++)
			KUNIT_ASSERT_EQ(test, to[k], (reads[i].from + k) % 251);
	}
	KUNIT_EXPECT_EQ(test, f->wrong, 0);
	KUNIT_EXPECT_EQ(test, f->seen, 0);
	slot_put(&f->slots);
}

static struct kunit_case slots_cases[] = {
	KUNIT_CASE(there_is_as_much_as_is_asked_for),
	KUNIT_CASE(nothing_stays_of_what_failed),
	KUNIT_CASE(the_device_knows_each_page),
	KUNIT_CASE(what_is_written_is_read),
	{}
};

static struct kunit_suite slots_suite = {
	.name = "ferry-slots",
	.test_cases = slots_cases,
};

kunit_test_suite(slots_suite);
