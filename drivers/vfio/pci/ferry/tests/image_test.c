// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the memory that an image gets: enough, in steps that allow
 * large pages, and never more than the firmware can be told of.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#include "../image.h"

/* The longest image of a backend that tells its firmware sizes in 32 bits */
#define MAX_IMAGE	(4ULL * SZ_1G - PAGE_SIZE)

struct room_case {
	u64 bytes;
	u64 room;
};

static const struct room_case room_cases[] = {
	{ 0, 0 },
	{ 1, PAGE_SIZE },
	{ SZ_4K, PAGE_SIZE },
	{ SZ_4K + 1, PAGE_ALIGN(SZ_4K + 1) },
	{ SZ_64K - 1, SZ_64K },
	{ SZ_64K, SZ_64K },
	{ SZ_64K + 1, SZ_128K },
	{ SZ_128K, SZ_128K },
	{ 0x7fff0001, SZ_2G },
	{ 0xfffe0001, 0xffff0000 },
	{ 0xffff0000, 0xffff0000 },
	/* Here the next step is 4 GiB, of which 32 bits are 0. */
	{ 0xffff0001, MAX_IMAGE },
	{ 0xffff8000, MAX_IMAGE },
	{ 0xffffefff, MAX_IMAGE },
	{ 0xfffff000, MAX_IMAGE },
};

static void describe(const struct room_case *c, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%#llx bytes", c->bytes);
}

KUNIT_ARRAY_PARAM(room, room_cases, describe);

static void room(struct kunit *test)
{
	const struct room_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ferry_image_room(c->bytes, MAX_IMAGE), c->room);
}

/* Whatever the limit: an image that it allows fits, and the limit is kept. */
static void room_is_enough(struct kunit *test)
{
	static const u64 limits[] = {
		PAGE_SIZE, SZ_64K, SZ_1M + PAGE_SIZE, MAX_IMAGE
	};

	for (int i = 0; i < ARRAY_SIZE(limits); i++) {
		u64 max = limits[i], before = 0;

		for (u64 bytes = 1; bytes <= max; bytes += bytes / 7 + 1) {
			u64 got = ferry_image_room(bytes, max);

			KUNIT_EXPECT_GE(test, got, bytes);
			KUNIT_EXPECT_LE(test, got, max);
			KUNIT_EXPECT_GE(test, got, before);
			before = got;
		}
		KUNIT_EXPECT_EQ(test, ferry_image_room(max, max), max);
	}
}

static struct kunit_case image_cases[] = {
	KUNIT_CASE_PARAM(room, room_gen_params),
	KUNIT_CASE(room_is_enough),
	{}
};

static struct kunit_suite image_suite = {
	.name = "ferry-image",
	.test_cases = image_cases,
};

kunit_test_suite(image_suite);
