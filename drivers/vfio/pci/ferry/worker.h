/* SPDX-License-Identifier: GPL-2.0-only */
/* The worker: the firmware's side of a function's sessions. See worker.c. */
#ifndef FERRY_WORKER_H
#define FERRY_WORKER_H

struct ferry_vf;
struct work_struct;

void ferry_worker(struct work_struct *work);
void ferry_worker_drain(struct ferry_vf *vf);

#endif /* FERRY_WORKER_H */
