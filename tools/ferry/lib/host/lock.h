/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One at a time: who changes how a function is bound.
 */
#ifndef FERRY_LIB_LOCK_H
#define FERRY_LIB_LOCK_H

#include <ferry/error.h>

/* A file descriptor whose closing gives the lock back, or a negative errno. */
int ferry_lock_function(const char *address, struct ferry_error *error);

#endif /* FERRY_LIB_LOCK_H */
