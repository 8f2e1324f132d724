// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the ranges that a page tracker is given: nothing of what was
 * asked for is left out, and what the firmware cannot take is not in it.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "../mlx5/ranges.c"

#define MANY	32

static void test_check(struct kunit *test)
{
	static const struct mlx5_ferry_range good[] = {
		{ 0, SZ_4K - 1 }, { SZ_4K, SZ_8K - 1 }, { SZ_1M, U64_MAX - 1 },
	};
	static const struct mlx5_ferry_range bad[][2] = {
		{ { 0, U64_MAX }, { 0, U64_MAX } },	/* no bytes at 0 */
		{ { SZ_4K, SZ_4K - 1 }, { SZ_8K, SZ_16K - 1 } },
		{ { 0, SZ_4K - 1 }, { SZ_8K, SZ_8K - 1 } },
		{ { 0, SZ_8K - 1 }, { SZ_4K, SZ_16K - 1 } },
		{ { 0, SZ_8K - 1 }, { SZ_8K - 1, SZ_16K - 1 } },
	};

	KUNIT_EXPECT_EQ(test, 0, mlx5_ferry_ranges_check(good, ARRAY_SIZE(good)));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    mlx5_ferry_ranges_check(bad[i], 2),
				    "case %zu", i);
}

static void expect(struct kunit *test, const struct mlx5_ferry_range *got,
		   unsigned int nr, const struct mlx5_ferry_range *want,
		   unsigned int wanted)
{
	KUNIT_ASSERT_EQ(test, nr, wanted);
	for (unsigned int i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ(test, got[i].first, want[i].first);
		KUNIT_EXPECT_EQ(test, got[i].last, want[i].last);
	}
}

static void test_pages(struct kunit *test)
{
	struct mlx5_ferry_range ranges[] = {
		{ SZ_4K, SZ_8K - 1 }, { SZ_1M, SZ_2M + SZ_4K - 1 },
		{ SZ_4M, SZ_4M + SZ_4K - 1 }, { SZ_8M, SZ_8M },
	};
	static const struct mlx5_ferry_range want[] = {
		{ 0, 3 * SZ_2M - 1 }, { SZ_8M, SZ_8M + SZ_2M - 1 },
	};

	expect(test, ranges, mlx5_ferry_ranges_fit(ranges, 4, 16, SZ_2M), want, 2);
}

static void test_nearest(struct kunit *test)
{
	struct mlx5_ferry_range ranges[] = {
		{ 0, SZ_4K - 1 }, { SZ_1M, SZ_2M - 1 },
		{ SZ_2M + SZ_4K, SZ_4M - 1 }, { SZ_8M, SZ_16M - 1 },
	};
	static const struct mlx5_ferry_range three[] = {
		{ 0, SZ_4K - 1 }, { SZ_1M, SZ_4M - 1 }, { SZ_8M, SZ_16M - 1 },
	};
	static const struct mlx5_ferry_range one[] = { { 0, SZ_16M - 1 } };

	expect(test, ranges, mlx5_ferry_ranges_fit(ranges, 4, 3, SZ_4K), three, 3);
	expect(test, ranges, mlx5_ferry_ranges_fit(ranges, 3, 1, SZ_4K), one, 1);
}

/* The last address there is, and the first */
static void test_ends(struct kunit *test)
{
	struct mlx5_ferry_range ranges[] = {
		{ 0, SZ_4K - 1 }, { -SZ_1M, -SZ_4K - 1 },
	};

	KUNIT_EXPECT_EQ(test, 1, mlx5_ferry_ranges_fit(ranges, 2, 1, SZ_2M));
	KUNIT_EXPECT_EQ(test, 0, ranges[0].first);
	KUNIT_EXPECT_EQ(test, U64_MAX, ranges[0].last);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, mlx5_ferry_ranges_space(ranges, 1, 12, 52));
	KUNIT_EXPECT_EQ(test, 64, mlx5_ferry_ranges_space(ranges, 1, 12, 64));
}

static void test_space(struct kunit *test)
{
	struct mlx5_ferry_range page = { SZ_4K, SZ_8K - 1 };
	struct mlx5_ferry_range two[] = {
		{ 0, SZ_1M - 1 }, { SZ_4M, SZ_4M + SZ_4K - 1 },
	};
	struct mlx5_ferry_range top = { -SZ_4K, U64_MAX };

	KUNIT_EXPECT_EQ(test, 12, mlx5_ferry_ranges_space(&page, 1, 12, 52));
	KUNIT_EXPECT_EQ(test, SZ_8K - 1, page.last);
	KUNIT_EXPECT_EQ(test, 21, mlx5_ferry_ranges_space(two, 2, 12, 52));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, mlx5_ferry_ranges_space(two, 2, 12, 20));
	KUNIT_EXPECT_EQ(test, 20, mlx5_ferry_ranges_space(two, 1, 12, 20));
	/* What is large enough stays as it is. */
	KUNIT_EXPECT_EQ(test, 21, mlx5_ferry_ranges_space(two, 2, 21, 52));
	KUNIT_EXPECT_EQ(test, SZ_4M + SZ_4K - 1, two[1].last);
	/* Too small for the firmware: more of it, if there is more */
	KUNIT_EXPECT_EQ(test, 16, mlx5_ferry_ranges_space(&page, 1, 16, 52));
	KUNIT_EXPECT_EQ(test, SZ_4K + SZ_64K - 1, page.last);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, mlx5_ferry_ranges_space(&top, 1, 16, 52));
}

static bool covered(const struct mlx5_ferry_range *ranges, unsigned int nr,
		    u64 first, u64 last)
{
	for (unsigned int i = 0; i < nr; i++)
		if (ranges[i].first <= first && last <= ranges[i].last)
			return true;
	return false;
}

static void test_nothing_left_out(struct kunit *test)
{
	struct mlx5_ferry_range asked[MANY], ranges[MANY];
	struct rnd_state random;

	prandom_seed_state(&random, 16);
	for (unsigned int round = 0; round < 1000; round++) {
		u64 page = SZ_4K << prandom_u32_state(&random) % 10, at = 0;
		unsigned int max = 1 + prandom_u32_state(&random) % MANY;
		unsigned int nr = 1 + prandom_u32_state(&random) % MANY;
		u32 gap = round % 2 ? 8 : SZ_1M;	/* pages at most */
		unsigned int got;

		for (unsigned int i = 0; i < nr; i++) {
			at += (u64)(prandom_u32_state(&random) % gap) * SZ_4K;
			asked[i].first = at;
			at += (1 + (u64)prandom_u32_state(&random) % gap) * SZ_4K;
			asked[i].last = at - 1;
		}
		memcpy(ranges, asked, sizeof(ranges));
		got = mlx5_ferry_ranges_fit(ranges, nr, max, page);
		KUNIT_ASSERT_GE(test, got, 1);
		KUNIT_ASSERT_LE(test, got, max);
		for (unsigned int i = 0; i < got; i++) {
			KUNIT_ASSERT_EQ(test, 0, ranges[i].first % page);
			KUNIT_ASSERT_EQ(test, 0, (ranges[i].last + 1) % page);
			if (i)
				KUNIT_ASSERT_GT(test, ranges[i].first,
						ranges[i - 1].last + 1);
		}
		for (unsigned int i = 0; i < nr; i++)
			KUNIT_ASSERT_TRUE(test, covered(ranges, got, asked[i].first,
							asked[i].last));
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_check),
	KUNIT_CASE(test_pages),
	KUNIT_CASE(test_nearest),
	KUNIT_CASE(test_ends),
	KUNIT_CASE(test_space),
	KUNIT_CASE(test_nothing_left_out),
	{}
};

static struct kunit_suite suite = {
	.name = "ferry-ranges",
	.test_cases = cases,
};

kunit_test_suite(suite);
