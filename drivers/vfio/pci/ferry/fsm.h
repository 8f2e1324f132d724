/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration state machine of a function: the only place that writes its
 * state, together with the session that the state implies.
 */
#ifndef FERRY_FSM_H
#define FERRY_FSM_H

#include <linux/vfio.h>

struct ferry_vf;

extern const struct vfio_migration_ops ferry_migration_ops;

int ferry_fsm_move(struct ferry_vf *vf, enum vfio_device_mig_state goal);
enum vfio_device_mig_state ferry_fsm_state(struct ferry_vf *vf);

void ferry_fsm_open(struct ferry_vf *vf);

#endif /* FERRY_FSM_H */
