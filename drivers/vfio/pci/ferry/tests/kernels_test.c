// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of how the release of a kernel is found in the list of those that
 * the driver was tried on.
 */
#include <kunit/test.h>

#include "../kernels.h"

static void every_entry_is_tried(struct kunit *test)
{
	char list[] = FERRY_TRIED_KERNELS, *rest = list, *kernel;
	static const char *const ends[] = { "", ".0", ".117+deb12-amd64", "-rc1" };
	static const char *const others[] = { "0", "9.1" };
	char release[32];
	int i;

	while ((kernel = strsep(&rest, ", "))) {
		if (!*kernel)
			continue;
		for (i = 0; i < ARRAY_SIZE(ends); i++) {
			snprintf(release, sizeof(release), "%s%s", kernel, ends[i]);
			KUNIT_EXPECT_TRUE_MSG(test, ferry_kernel_tried(release), "%s", release);
		}
		for (i = 0; i < ARRAY_SIZE(others); i++) {
			snprintf(release, sizeof(release), "%s%s", kernel, others[i]);
			KUNIT_EXPECT_FALSE_MSG(test, ferry_kernel_tried(release), "%s", release);
		}
	}
}

static void others_are_not(struct kunit *test)
{
	static const char *const releases[] = {
		"", "6", "6.1.0-57-amd64", "6.8.0-31-generic", "16.12.1", "7.", "2.6.32",
	};

	for (int i = 0; i < ARRAY_SIZE(releases); i++)
		KUNIT_EXPECT_FALSE_MSG(test, ferry_kernel_tried(releases[i]), "%s", releases[i]);
}

static struct kunit_case kernels_cases[] = {
	KUNIT_CASE(every_entry_is_tried),
	KUNIT_CASE(others_are_not),
	{}
};

static struct kunit_suite kernels_suite = {
	.name = "ferry-kernels",
	.test_cases = kernels_cases,
};

kunit_test_suite(kernels_suite);
