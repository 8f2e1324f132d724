/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps of a source: source.c has those of one device, save.c and send.c put
 * them together.  Each gives 0 or what the session failed with.
 */
#ifndef FERRY_LIB_SOURCE_H
#define FERRY_LIB_SOURCE_H

#include "session.h"

int source_prepare(struct mover *m);
int source_introduce(struct mover *m);
int source_enter_precopy(struct mover *m);
int source_initial(struct mover *m);
int source_round(struct mover *m);
uint64_t source_remaining(struct mover *m);
int source_suspend(struct mover *m);
int source_stop_copy(struct mover *m);
int source_leave(struct mover *m);

/* ---- phases.c: of all devices ---- */

/* Until a stop is short enough. */
int source_precopy(struct session *s);
/* From the suspend to the last byte of the stream. */
int source_stop(struct session *s);
/* Sets everything back to what it was before; the report says what came of it. */
void source_undo(struct session *s);

#endif /* FERRY_LIB_SOURCE_H */
