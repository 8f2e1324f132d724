/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A migration between two functions of this host: both ends in this process,
 * each in a thread of its own, over a socketpair.
 */
#ifndef LOCAL_MOVE_H
#define LOCAL_MOVE_H

#include <ferry/migration.h>

/**
 * local_move() - move a function's state to another one
 * @source: runs, and is stopped afterwards
 * @target: afterwards runs in its place; what it held is lost
 * @options: of the source's side
 * @report: of the source's side, but for the phase in which it failed: that is
 *	of the side that failed first
 * @error: of the side that failed first
 *
 * Return: 0 or a negative errno.
 */
int local_move(struct ferry_device *source, struct ferry_device *target, const struct ferry_options *options,
	       struct ferry_report *report, struct ferry_error *error);

#endif /* LOCAL_MOVE_H */
