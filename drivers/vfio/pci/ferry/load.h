/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading: from the queue into the firmware, by the session worker, while the
 * writer receives the next image.
 */
#ifndef FERRY_LOAD_H
#define FERRY_LOAD_H

struct ferry_session;
struct ferry_vf;

void ferry_load_work(struct ferry_session *session);
int ferry_load_finish(struct ferry_vf *vf, struct ferry_session *session);

#endif /* FERRY_LOAD_H */
