// SPDX-License-Identifier: GPL-2.0-or-later
/* What a driver offers when the NIC has less: no migration, or no DMA logging. */
#include <errno.h>

#include "../lib/region.h"
#include "migrate.h"

/* Stays a device that VFIO's user can work with. */
static void check_usable(struct setup *t, unsigned vf, bool migrates)
{
    static struct user a;
    struct vfio_device_feature_mig_state s = { .device_state = VFIO_DEVICE_STATE_STOP };
    struct region region;

    user_open(&a, t->vf[vf], t->backend);
    if (migrates) {
        ok(mig_flags(&a.fn) > 0, "VF %u can migrate", vf);
    } else {
        ok_eq(mig_flags(&a.fn), -ENOTTY, "VF %u cannot migrate, and says so", vf);
        ok_eq(vfio_feature(&a.fn, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
                           &s, sizeof(s)), -ENOTTY, "nor change its state");
        ok_eq(region_open(&region, &a.fn), -ENOENT, "nor has it a migration region");
    }
    user_start(&a);
    ok(user_command_works(&a), "it works all the same");
    user_close(&a);
}

void test_absent(struct setup *t)
{
    for (unsigned vf = 0; vf < t->nvfs; vf++)
        check_usable(t, vf, false);
}

void test_first_only(struct setup *t)
{
    for (unsigned vf = 0; vf < t->nvfs; vf++)
        check_usable(t, vf, vf == 0);
}

void test_no_logging(struct setup *t)
{
    static struct user a;

    check_usable(t, 0, true);
    user_open(&a, t->vf[0], t->backend);
    ok_eq(vfio_feature(&a.fn, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
                       VFIO_DEVICE_FEATURE_DMA_LOGGING_START, NULL, 0), -ENOTTY,
          "a VF of a NIC without page tracker has no DMA logging");
    user_close(&a);
}
