/* SPDX-License-Identifier: GPL-2.0-only */
/* What users ask about a save: VFIO_MIG_GET_PRECOPY_INFO and MIG_DATA_SIZE. */
#ifndef FERRY_ESTIMATE_H
#define FERRY_ESTIMATE_H

#include <linux/vfio.h>

struct ferry_session;
struct ferry_vf;

int ferry_estimate_precopy(struct ferry_session *session,
			   struct vfio_precopy_info *info);
u64 ferry_estimate_final(struct ferry_session *session);
int ferry_estimate_stop(struct ferry_vf *vf, u64 *bytes);

#endif /* FERRY_ESTIMATE_H */
