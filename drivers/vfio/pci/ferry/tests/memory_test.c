// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of an image's memory as the firmware is told of it: every page at
 * its place, behind a key that says no more and no less than there is; and that
 * nothing stays mapped or kept of what failed. Mapping and firmware are made up.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/kmemleak.h>
#include <linux/mlx5/driver.h>

#undef dma_map_page
#undef dma_unmap_page
#undef dma_sync_single_for_cpu
#undef dma_sync_single_for_device
#define dma_map_page			kept_map
#define dma_unmap_page			kept_unmap
#define dma_mapping_error		kept_error
#define dma_max_mapping_size		kept_max
#define dma_sync_single_for_cpu		kept_for_cpu
#define dma_sync_single_for_device	kept_for_device
#define kmemleak_ignore			kept_ignore
/* pair_test.c and firmware_test.c have others by these names. */
#define mlx5_ferry_command		kept_command
#define mlx5_ferry_give_back		kept_give_back
#define mlx5_ferry_memory_max		kept_memory_max
#define mlx5_ferry_memory_map		kept_memory_map
#define mlx5_ferry_memory_unmap		kept_memory_unmap
#define mlx5_ferry_memory_quiesce	kept_quiesce
#define mlx5_ferry_memory_key		kept_key
#define mlx5_ferry_memory_for_cpu	kept_memory_for_cpu
#define mlx5_ferry_memory_for_device	kept_memory_for_device

static dma_addr_t kept_map(struct device *dev, struct page *page, size_t at, size_t bytes,
			   enum dma_data_direction direction);
static void kept_unmap(struct device *dev, dma_addr_t address, size_t bytes,
		       enum dma_data_direction direction);
static int kept_error(struct device *dev, dma_addr_t address);
static size_t kept_max(struct device *dev);
static void kept_for_cpu(struct device *dev, dma_addr_t address, size_t bytes,
			 enum dma_data_direction direction);
static void kept_for_device(struct device *dev, dma_addr_t address, size_t bytes,
			    enum dma_data_direction direction);
static void kept_ignore(const void *memory);

#include "../mlx5/memory.c"
#include "fields.h"

#define PIECES	4
#define PDN	0x51
#define INDEX	0x6789
#define IN_MAX	2048

struct fixture {
	struct mlx5_ferry nic;
	struct mlx5_core_dev mdev;
	struct device dev;
	struct vfio_ferry_image image;
	struct folio *folios[PIECES];
	dma_addr_t addresses[PIECES];	/* what is mapped gets, in turn; U64_MAX: an error */
	size_t bytes[PIECES];		/* of what is mapped, 0 if it is not */
	unsigned int nr, wrong;
	u64 for_cpu[PIECES], for_device[PIECES];
	u8 in[IN_MAX];
	int in_bytes;
	u16 failing;			/* opcode */
	unsigned int pds, keys;
};

/* kmemleak was told of it last */
static const void *ignored;

static void kept_ignore(const void *memory)
{
	ignored = memory;
}

static struct fixture *of_dev(struct device *dev)
{
	return container_of(dev, struct fixture, dev);
}

static struct fixture *of_nic(struct mlx5_ferry *nic)
{
	return container_of(nic, struct fixture, nic);
}

static dma_addr_t kept_map(struct device *dev, struct page *page, size_t at, size_t bytes,
			   enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);
	unsigned int i = f->nr++ % PIECES;

	f->wrong += page != folio_page(f->folios[i], 0) || at || direction != f->image.direction;
	if (f->addresses[i] != U64_MAX)
		f->bytes[i] = bytes;
	return f->addresses[i];
}

static unsigned int piece_of(struct fixture *f, dma_addr_t address)
{
	for (unsigned int i = 0; i < PIECES; i++)
		if (f->addresses[i] == address)
			return i;
	f->wrong++;
	return 0;
}

static void kept_unmap(struct device *dev, dma_addr_t address, size_t bytes,
		       enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);
	unsigned int i = piece_of(f, address);

	f->wrong += f->bytes[i] != bytes || direction != f->image.direction;
	f->bytes[i] = 0;
}

static int kept_error(struct device *dev, dma_addr_t address)
{
	return address == U64_MAX ? -ENOMEM : 0;
}

static size_t kept_max(struct device *dev)
{
	return SZ_1M;
}

static void kept_for_cpu(struct device *dev, dma_addr_t address, size_t bytes,
			 enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);

	f->wrong += direction != f->image.direction;
	f->for_cpu[piece_of(f, address)] += bytes;
}

static void kept_for_device(struct device *dev, dma_addr_t address, size_t bytes,
			    enum dma_data_direction direction)
{
	struct fixture *f = of_dev(dev);

	f->wrong += direction != f->image.direction;
	f->for_device[piece_of(f, address)] += bytes;
}

static int answer(struct fixture *f, void *in, int in_bytes, void *out)
{
	u16 opcode = MLX5_GET(alloc_pd_in, in, opcode);

	if (opcode == f->failing)
		return -EBUSY;
	switch (opcode) {
	case MLX5_CMD_OP_ALLOC_PD:
		f->pds++;
		MLX5_SET(alloc_pd_out, out, pd, PDN);
		break;
	case MLX5_CMD_OP_DEALLOC_PD:
		f->pds--;
		f->wrong += MLX5_GET(dealloc_pd_in, in, pd) != PDN;
		break;
	case MLX5_CMD_OP_CREATE_MKEY:
		f->keys++;
		f->in_bytes = in_bytes;
		memcpy(f->in, in, min(in_bytes, IN_MAX));
		MLX5_SET(create_mkey_out, out, mkey_index, INDEX);
		break;
	case MLX5_CMD_OP_DESTROY_MKEY:
		f->keys--;
		f->wrong += MLX5_GET(destroy_mkey_in, in, mkey_index) != INDEX;
		break;
	default:
		f->wrong++;
	}
	return 0;
}

int kept_command(struct mlx5_ferry *nic, const char *name, void *in, int in_bytes, void *out,
		 int out_bytes)
{
	return answer(of_nic(nic), in, in_bytes, out);
}

int kept_give_back(struct mlx5_ferry *nic, const char *name, void *in, int in_bytes, void *out,
		   int out_bytes)
{
	return answer(of_nic(nic), in, in_bytes, out);
}

/* An image of folios of these orders, of which so many there are */
static struct fixture *fixture_of(struct kunit *test, const unsigned int *orders,
				  unsigned int nr)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct vfio_ferry_image *image;

	KUNIT_ASSERT_NOT_NULL(test, f);
	image = &f->image;
	f->nic.mdev = &f->mdev;
	f->mdev.device = &f->dev;
	mutex_init(&f->nic.pd_lock);
	INIT_LIST_HEAD(&image->folios);
	image->direction = DMA_FROM_DEVICE;
	image->min_order = orders[0];
	for (unsigned int i = 0; i < nr; i++) {
		f->folios[i] = folio_alloc(GFP_KERNEL, orders[i]);
		KUNIT_ASSERT_NOT_NULL(test, f->folios[i]);
		list_add_tail(&f->folios[i]->lru, &image->folios);
		image->nr_folios++;
		image->min_order = min(image->min_order, orders[i]);
		image->capacity += folio_size(f->folios[i]);
		/* as aligned as it is long, in no order */
		f->addresses[i] = 0x400000000 - (u64)i * SZ_2M;
	}
	return f;
}

static void free_folios(struct fixture *f)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, &f->image.folios, lru) {
		list_del(&folio->lru);
		folio_put(folio);
	}
}

static unsigned int mapped(struct fixture *f)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < PIECES; i++)
		nr += !!f->bytes[i];
	return nr;
}

/* Pages of 2^SHIFT bytes, one after the other through all pieces */
static void expect_key(struct kunit *test, struct fixture *f, unsigned int shift)
{
	void *mkc = MLX5_ADDR_OF(create_mkey_in, f->in, memory_key_mkey_entry);
	__be64 *entry = MLX5_ADDR_OF(create_mkey_in, f->in, klm_pas_mtt);
	unsigned int pages = f->image.capacity >> shift;

	KUNIT_EXPECT_EQ(test, f->in_bytes,
			MLX5_ST_SZ_BYTES(create_mkey_in) + round_up(pages, 2) * 8);
	EXPECT_FIELD(test, create_mkey_in, f->in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	EXPECT_FIELD(test, create_mkey_in, f->in, translations_octword_actual_size,
		     (pages + 1) / 2);
	EXPECT_FIELD(test, mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	EXPECT_FIELD(test, mkc, mkc, lr, 1);
	EXPECT_FIELD(test, mkc, mkc, lw, 1);
	EXPECT_FIELD(test, mkc, mkc, rr, 1);
	EXPECT_FIELD(test, mkc, mkc, rw, 1);
	EXPECT_FIELD(test, mkc, mkc, pd, PDN);
	EXPECT_FIELD(test, mkc, mkc, qpn, 0xffffff);
	EXPECT_FIELD(test, mkc, mkc, log_page_size, shift);
	EXPECT_FIELD(test, mkc, mkc, translations_octword_size, (pages + 1) / 2);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, mkc, start_addr), 0);
	KUNIT_EXPECT_EQ(test, MLX5_GET64(mkc, mkc, len), f->image.capacity);
	for (unsigned int i = 0; i < f->image.nr_folios; i++)
		for (u64 at = 0; at < folio_size(f->folios[i]); at += BIT(shift))
			KUNIT_ASSERT_EQ(test, be64_to_cpu(*entry++), f->addresses[i] + at);
}

static void an_image_is_mapped(struct kunit *test)
{
	static const struct {
		unsigned int orders[PIECES], nr;
		u64 off;		/* what an address adds to its alignment */
		unsigned int shift;	/* log2 of the key's pages */
	} images[] = {
		{ { 0 }, 1, 0, 12 },
		{ { 2, 0, 1 }, 3, 0, 12 },
		{ { 2, 3, 2, 4 }, 4, 0, 14 },
		{ { 4, 5 }, 2, 0, 16 },
		{ { 6, 5 }, 2, 0, 16 },
		{ { 5, 5 }, 2, SZ_8K, 13 },
		{ { 3, 2 }, 2, SZ_4K, 12 },
	};

	for (int i = 0; i < ARRAY_SIZE(images); i++) {
		struct fixture *f = fixture_of(test, images[i].orders, images[i].nr);
		struct vfio_ferry_image *image = &f->image;

		f->addresses[1] += images[i].off;
		KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, image), 0);
		KUNIT_EXPECT_NOT_NULL(test, image->mapping);
		KUNIT_EXPECT_EQ(test, mapped(f), images[i].nr);
		for (int k = 0; k < images[i].nr; k++)
			KUNIT_EXPECT_EQ(test, f->bytes[k], folio_size(f->folios[k]));
		expect_key(test, f, images[i].shift);
		KUNIT_EXPECT_EQ(test, kept_key(image) >> 8, INDEX);
		KUNIT_EXPECT_EQ(test, f->pds, 1);
		KUNIT_EXPECT_EQ(test, kept_memory_unmap(&f->nic.ferry, image), 0);
		KUNIT_EXPECT_NULL(test, image->mapping);
		KUNIT_EXPECT_EQ(test, mapped(f), 0);
		KUNIT_EXPECT_EQ(test, f->keys, 0);
		KUNIT_EXPECT_EQ(test, f->wrong, 0);
		free_folios(f);
	}
}

/* One protection domain for all images, as long as there may be some */
static void the_domain_is_made_once(struct kunit *test)
{
	static const unsigned int orders[] = { 0 };
	struct fixture *f = fixture_of(test, orders, 1);

	kept_quiesce(&f->nic.ferry);
	KUNIT_EXPECT_EQ(test, f->pds, 0);
	f->failing = MLX5_CMD_OP_ALLOC_PD;
	KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, &f->image), -EBUSY);
	f->failing = 0;
	for (int i = 0; i < 3; i++) {
		f->nr = 0;
		KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, &f->image), 0);
		KUNIT_EXPECT_EQ(test, f->pds, 1);
		KUNIT_EXPECT_EQ(test, kept_memory_unmap(&f->nic.ferry, &f->image), 0);
		KUNIT_EXPECT_EQ(test, f->pds, 1);
		if (i == 1)
			kept_quiesce(&f->nic.ferry);
		KUNIT_EXPECT_EQ(test, f->pds, i != 1);
	}
	kept_quiesce(&f->nic.ferry);
	kept_quiesce(&f->nic.ferry);
	KUNIT_EXPECT_EQ(test, f->pds, 0);
	KUNIT_EXPECT_EQ(test, f->wrong, 0);
	KUNIT_EXPECT_EQ(test, kept_memory_max(&f->nic.ferry), SZ_1M);
	free_folios(f);
}

static void nothing_stays_of_what_failed(struct kunit *test)
{
	static const unsigned int orders[] = { 1, 0, 2 };

	for (int failing = 0; failing < 4; failing++) {
		struct fixture *f = fixture_of(test, orders, 3);
		dma_addr_t address = f->addresses[failing];
		int err = failing < 3 ? -ENOMEM : -EBUSY;

		if (failing < 3)
			f->addresses[failing] = U64_MAX;
		else
			f->failing = MLX5_CMD_OP_CREATE_MKEY;
		KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, &f->image), err);
		KUNIT_EXPECT_NULL(test, f->image.mapping);
		KUNIT_EXPECT_EQ(test, mapped(f), 0);
		KUNIT_EXPECT_EQ(test, f->keys, 0);
		f->addresses[failing] = address;
		f->failing = 0;
		f->nr = 0;
		KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, &f->image), 0);
		KUNIT_EXPECT_EQ(test, kept_memory_unmap(&f->nic.ferry, &f->image), 0);
		KUNIT_EXPECT_EQ(test, f->wrong, 0);
		free_folios(f);
	}
}

/* A firmware that may still hold the key may still write. */
static void what_is_not_given_back_stays_mapped(struct kunit *test)
{
	static const unsigned int orders[] = { 1, 0 };
	struct fixture *f = fixture_of(test, orders, 2);
	void *mapping;

	KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, &f->image), 0);
	mapping = f->image.mapping;
	ignored = NULL;
	f->failing = MLX5_CMD_OP_DESTROY_MKEY;
	KUNIT_EXPECT_EQ(test, kept_memory_unmap(&f->nic.ferry, &f->image), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, f->image.mapping, mapping);
	KUNIT_EXPECT_PTR_EQ(test, ignored, mapping);
	KUNIT_EXPECT_EQ(test, mapped(f), 2);
	f->failing = 0;
	KUNIT_EXPECT_EQ(test, kept_memory_unmap(&f->nic.ferry, &f->image), 0);
	KUNIT_EXPECT_EQ(test, mapped(f), 0);
	KUNIT_EXPECT_EQ(test, f->wrong, 0);
	free_folios(f);
}

static void so_many_bytes_are_passed_on(struct kunit *test)
{
	static const unsigned int orders[] = { 1, 0, 2 };
	static const struct { u64 bytes, pieces[3]; } passed[] = {
		{ 0, { 0, 0, 0 } },
		{ 1, { 1, 0, 0 } },
		{ SZ_8K, { SZ_8K, 0, 0 } },
		{ SZ_8K + SZ_4K + 5, { SZ_8K, SZ_4K, 5 } },
		{ SZ_16K + SZ_8K + SZ_4K, { SZ_8K, SZ_4K, SZ_16K } },
		{ SZ_1M, { SZ_8K, SZ_4K, SZ_16K } },
	};

	for (int i = 0; i < ARRAY_SIZE(passed); i++) {
		struct fixture *f = fixture_of(test, orders, 3);

		KUNIT_EXPECT_EQ(test, kept_memory_map(&f->nic.ferry, &f->image), 0);
		kept_memory_for_cpu(&f->nic, &f->image, passed[i].bytes);
		for (int k = 0; k < 3; k++) {
			KUNIT_EXPECT_EQ(test, f->for_cpu[k], passed[i].pieces[k]);
			KUNIT_EXPECT_EQ(test, f->for_device[k], 0);
		}
		kept_memory_for_device(&f->nic, &f->image, passed[i].bytes);
		for (int k = 0; k < 3; k++)
			KUNIT_EXPECT_EQ(test, f->for_device[k], passed[i].pieces[k]);
		KUNIT_EXPECT_EQ(test, kept_memory_unmap(&f->nic.ferry, &f->image), 0);
		KUNIT_EXPECT_EQ(test, f->wrong, 0);
		free_folios(f);
	}
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(an_image_is_mapped),
	KUNIT_CASE(the_domain_is_made_once),
	KUNIT_CASE(nothing_stays_of_what_failed),
	KUNIT_CASE(what_is_not_given_back_stays_mapped),
	KUNIT_CASE(so_many_bytes_are_passed_on),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "ferry-memory",
	.test_cases = memory_cases,
};

kunit_test_suite(memory_suite);
