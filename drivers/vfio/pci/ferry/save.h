/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saving: from the firmware into the queue.
 *
 * The arcs begin the initial and the final image (save.c); the worker saves
 * them, adds middle images on demand and further parts of the final one
 * (save_work.c).
 */
#ifndef FERRY_SAVE_H
#define FERRY_SAVE_H

struct ferry_session;
struct ferry_vf;

int ferry_save_begin_precopy(struct ferry_vf *vf, struct ferry_session *session);
void ferry_save_cancel_precopy(struct ferry_vf *vf,
			       struct ferry_session *session);
int ferry_save_begin_final(struct ferry_vf *vf, struct ferry_session *session);
void ferry_save_work(struct ferry_session *session);

#endif /* FERRY_SAVE_H */
