/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a function may be taken from whoever has it.
 */
#ifndef FERRY_LIB_IN_USE_H
#define FERRY_LIB_IN_USE_H

#include <ferry/host.h>

/* Says who uses it: 0, or -EBUSY. */
int ferry_check_unused(const struct ferry_function *f, struct ferry_error *error);

/* VFIO: its group is open, whoever it is; a caller that may not look says no. */
bool ferry_group_is_open(const struct ferry_function *f);

#endif /* FERRY_LIB_IN_USE_H */
