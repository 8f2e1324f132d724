/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps of a target: target.c has those of one device, load.c and receive.c
 * put them together.  Each gives 0 or what the session failed with.
 */
#ifndef FERRY_LIB_TARGET_H
#define FERRY_LIB_TARGET_H

#include "session.h"

/* Takes the source's description; refuses one of another kind. */
int target_meet(struct mover *m, const struct packet *p);
/* RESUMING; whatever the device held is lost. */
int target_prepare(struct mover *m);

/* A thread for each device, which works off its queue. */
int target_start_loading(struct session *s);
/* Ends the threads; after a failure also when their work is not done. */
void target_stop_loading(struct session *s);
/* Hands a packet to its device. *packet is another one after it; -ECANCELED: the session failed. */
int target_hand_over(struct session *s, struct packet **packet);
/* Waits until all devices are loaded and stopped. */
int target_wait_loaded(struct session *s);

/* After a failure: nothing runs, nothing is left of what was loaded. */
void target_undo(struct session *s);
/* Sets those running that are to run; after a failure none does. */
int target_start(struct session *s);

#endif /* FERRY_LIB_TARGET_H */
