/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two files of the tests of the migration region. */
#ifndef DRIVER_REGION_H
#define DRIVER_REGION_H

#include "../lib/region.h"
#include "stand.h"

const char *region_state_name(int64_t state);
/* Two protocols, failures and threads; both VFs open, both sections mapped. */
void test_region_shared(struct bench *b, struct vf *from, struct region *rf, struct vf *to, struct region *rt);

#endif
