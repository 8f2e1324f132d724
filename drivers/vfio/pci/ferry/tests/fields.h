/* SPDX-License-Identifier: GPL-2.0-only */
/* What KUnit expects of a firmware command: FIELD of a TYPE that is AT a place */
#ifndef FERRY_TESTS_FIELDS_H
#define FERRY_TESTS_FIELDS_H

#include <kunit/test.h>
#include <linux/mlx5/device.h>

#define EXPECT_FIELD(test, type, at, field, value) \
	KUNIT_EXPECT_EQ_MSG(test, MLX5_GET(type, at, field), value, #type "." #field)
#define EXPECT_FIELD64(test, type, at, field, value) \
	KUNIT_EXPECT_EQ_MSG(test, MLX5_GET64(type, at, field), value, #type "." #field)

#endif /* FERRY_TESTS_FIELDS_H */
