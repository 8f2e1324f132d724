// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of a function's shape: found in any configuration space, and
 * whatever differs is told with both its values.
 */
#include <kunit/test.h>

#include "../shape.c"

#define CONFIG_BYTES	4096

static u8 *make_config(struct kunit *test)
{
	u8 *config = kunit_kzalloc(test, CONFIG_BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, config);
	config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	return config;
}

static void put_capability(u8 *config, u8 at, u8 id, u8 next)
{
	config[at] = id;
	config[at + PCI_CAP_LIST_NEXT] = next;
}

static void put_extended(u8 *config, u32 at, u32 header)
{
	*(__le32 *)(config + at) = cpu_to_le32(header);
}

/* Express at 0x60, MSI-X with 32 vectors at 0x9c; ARI at 0x100, DSN at 0x148 */
static u8 *make_nic(struct kunit *test)
{
	u8 *config = make_config(test);

	config[PCI_CAPABILITY_LIST] = 0x9c;
	put_capability(config, 0x9c, PCI_CAP_ID_MSIX, 0x60);
	/* Enabled or masked, it has as many. */
	*(__le16 *)(config + 0x9e) = cpu_to_le16(0xc000 | 31);
	put_capability(config, 0x60, PCI_CAP_ID_EXP, 0);
	put_extended(config, 0x100, 0x1481000e);
	put_extended(config, 0x148, 0x00020003);
	return config;
}

static u32 capability(const struct vfio_ferry_shape *shape, int nth)
{
	return le32_to_cpu(shape->capability[nth]);
}

static void both_lists(struct kunit *test)
{
	struct vfio_ferry_shape shape = {};
	u8 *config = make_nic(test);

	ferry_shape_from_config(&shape, config, true);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(shape.vectors), 32);
	KUNIT_EXPECT_EQ(test, capability(&shape, 0), 0x09c00011);
	KUNIT_EXPECT_EQ(test, capability(&shape, 1), 0x06000010);
	KUNIT_EXPECT_EQ(test, capability(&shape, 2), 0x1001000e);
	KUNIT_EXPECT_EQ(test, capability(&shape, 3), 0x14820003);
	KUNIT_EXPECT_EQ(test, capability(&shape, 4), 0);
}

/* What stands where there is nothing to find is not looked at. */
static void short_lists(struct kunit *test)
{
	struct vfio_ferry_shape shape = {};
	u8 *config = make_nic(test);

	ferry_shape_from_config(&shape, config, false);
	KUNIT_EXPECT_EQ(test, capability(&shape, 1), 0x06000010);
	KUNIT_EXPECT_EQ(test, capability(&shape, 2), 0);

	memset(&shape, 0, sizeof(shape));
	config[PCI_STATUS] = 0;
	ferry_shape_from_config(&shape, config, true);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(shape.vectors), 0);
	KUNIT_EXPECT_EQ(test, capability(&shape, 0), 0x1001000e);

	memset(&shape, 0, sizeof(shape));
	put_extended(config, 0x100, 0);
	ferry_shape_from_config(&shape, config, true);
	KUNIT_EXPECT_EQ(test, capability(&shape, 0), 0);
}

/* Lists that bite their tails fill the room, and nothing behind it. */
static void endless_lists(struct kunit *test)
{
	struct {
		struct vfio_ferry_shape shape;
		u8 behind[16];
	} room = {};
	u8 *config = make_nic(test);

	put_extended(config, 0x148, 0x10020003);
	ferry_shape_from_config(&room.shape, config, true);
	KUNIT_EXPECT_EQ(test,
			capability(&room.shape, VFIO_FERRY_CAPABILITIES - 1),
			0x14820003);
	KUNIT_EXPECT_FALSE(test, memchr_inv(room.behind, 0,
					    sizeof(room.behind)));

	memset(&room, 0, sizeof(room));
	put_capability(config, 0x60, PCI_CAP_ID_EXP, 0x9f);
	ferry_shape_from_config(&room.shape, config, true);
	KUNIT_EXPECT_EQ(test,
			capability(&room.shape, VFIO_FERRY_CAPABILITIES - 1),
			0x06000010);
	KUNIT_EXPECT_FALSE(test, memchr_inv(room.behind, 0,
					    sizeof(room.behind)));
}

/* The addresses that a host gave to a ROM are none of a BAR. */
static void the_device_itself(struct kunit *test)
{
	struct vfio_pci_core_device *core = kunit_kzalloc(test, sizeof(*core), GFP_KERNEL);
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	struct vfio_ferry_shape shape;

	KUNIT_ASSERT_NOT_NULL(test, core);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	core->pdev = pdev;
	core->vconfig = make_config(test);
	pdev->resource[0].end = SZ_4K - 1;
	for (int i = 1; i <= PCI_ROM_RESOURCE; i++) {
		pdev->resource[i].start = i * SZ_1M;
		pdev->resource[i].end = i * SZ_1M + (SZ_4K << i) - 1;
	}
	memset(&shape, 0xff, sizeof(shape));
	ferry_shape_read(&shape, core);
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		KUNIT_EXPECT_EQ(test, le64_to_cpu(shape.bar[i]), i ? SZ_4K << i : 0);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(shape.vectors), 0);
	for (int i = 0; i < VFIO_FERRY_CAPABILITIES; i++)
		KUNIT_EXPECT_EQ(test, capability(&shape, i), 0);
}

struct difference {
	size_t at;		/* of a byte of the shape */
	u8 value;		/* there, at the source; changed by XOR */
	const char *why;
};

static void what_differs_is_told(struct kunit *test)
{
	static const struct difference cases[] = {
		{ offsetof(struct vfio_ferry_shape, vectors), 48,
		  "the source has 16 MSI-X vectors, this has 32" },
		{ offsetof(struct vfio_ferry_shape, bar[0]) + 2, 0x30,
		  "BAR 0 of the source has 0x200000 bytes, of this 0x100000" },
		{ offsetof(struct vfio_ferry_shape, bar[5]) + 7, 0x80,
		  "BAR 5 of the source has 0x8000000000000000 bytes, of this 0x0" },
		{ offsetof(struct vfio_ferry_shape, capability[0]), 0x14,
		  "capability 0 of the source is 0x5 at 0x9c, of this 0x11 at 0x9c" },
		{
			offsetof(struct vfio_ferry_shape, capability[2]) + 2, 3,
			"capability 2 of the source is extended 0xe version 2 at 0x100, of this extended 0xe version 1 at 0x100",
		},
		/* Where the first extended one is, even without a version */
		{
			offsetof(struct vfio_ferry_shape, capability[2]) + 2, 1,
			"capability 2 of the source is extended 0xe version 0 at 0x100, of this extended 0xe version 1 at 0x100",
		},
		{
			offsetof(struct vfio_ferry_shape, capability[31]) + 3, 0x20,
			"capability 31 of the source is extended 0x0 version 0 at 0x200, of this no more",
		},
	};
	struct vfio_ferry_shape own = {}, source;
	char why[128];

	ferry_shape_from_config(&own, make_nic(test), true);
	own.bar[0] = cpu_to_le64(0x100000);
	source = own;
	source.crc32c = cpu_to_le32(1);
	KUNIT_EXPECT_FALSE(test, ferry_shape_differs(&own, &source, why,
						     sizeof(why)));
	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		source = own;
		((u8 *)&source)[cases[i].at] ^= cases[i].value;
		KUNIT_EXPECT_TRUE(test, ferry_shape_differs(&own, &source, why,
							    sizeof(why)));
		KUNIT_EXPECT_STREQ(test, why, cases[i].why);
	}
}

/* The longest words that a stranger's numbers make are not cut. */
static void any_numbers_fit(struct kunit *test)
{
	struct vfio_ferry_shape own = {}, source = {};
	char why[128];

	memset(&own.capability[31], 0xff, sizeof(own.capability[31]));
	memset(&source.capability[31], 0xee, sizeof(source.capability[31]));
	KUNIT_EXPECT_TRUE(test, ferry_shape_differs(&own, &source, why,
						    sizeof(why)));
	KUNIT_EXPECT_STREQ(test, why,
			   "capability 31 of the source is extended 0xeeee version 14 at 0xeee, of this extended 0xffff version 15 at 0xfff");
}

static struct kunit_case shape_cases[] = {
	KUNIT_CASE(both_lists),
	KUNIT_CASE(short_lists),
	KUNIT_CASE(endless_lists),
	KUNIT_CASE(the_device_itself),
	KUNIT_CASE(what_differs_is_told),
	KUNIT_CASE(any_numbers_fit),
	{}
};

static struct kunit_suite shape_suite = {
	.name = "ferry-shape",
	.test_cases = shape_cases,
};

kunit_test_suite(shape_suite);
