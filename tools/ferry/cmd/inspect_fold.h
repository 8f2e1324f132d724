/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is wrong again and again in the same way is shown once, and counted: a
 * file of zeros is an empty image every 16 bytes. What is wrong in ever new ways
 * is shown up to a limit. Nothing that is right is left out.
 */
#ifndef INSPECT_FOLD_H
#define INSPECT_FOLD_H

#include "inspect.h"

struct fold;

/* NULL: no memory. @inspected: what the view's events are given */
struct fold *fold_new(const struct inspect_view *view, struct inspected *inspected);
/* To be told, with the fold as context. */
extern const struct ferry_saved_events fold_events;
/* Shows what is held back. */
void fold_end(struct fold *fold);
void fold_free(struct fold *fold);

#endif /* INSPECT_FOLD_H */
