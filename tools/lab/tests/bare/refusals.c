// SPDX-License-Identifier: GPL-2.0-or-later
/* Refusals as a table. */
#include <stdlib.h>

#include "refusals.h"

struct snapshot {
    uint64_t objects[BENCH_VFS + 1][OBJECT_COMMAND];
    unsigned state[BENCH_VFS + 1];
    bool tracked[BENCH_VFS + 1];
};

static struct snapshot take_snapshot(struct bench *b)
{
    struct snapshot s;

    memset(&s, 0, sizeof(s));
    for (unsigned i = 0; i <= BENCH_VFS; i++) {
        for (unsigned kind = 0; kind < OBJECT_COMMAND; kind++)
            s.objects[i][kind] = ctl_objects(b->control, VHCA_ID_PF + i, kind);
        s.state[i] = ctl_vhca_state(b->control, VHCA_ID_PF + i);
        s.tracked[i] = ctl_tracked(b->control, VHCA_ID_PF + i);
    }
    return s;
}

void refused(struct bench *b, struct fw *fw, struct fw_cmd *c, unsigned status,
             uint32_t syndrome, const char *name)
{
    struct snapshot before = take_snapshot(b), after;
    struct fw_result r = fw_exec(fw, c);

    if (!ok(r.delivery == DELIVERY_OK && r.status == status && r.syndrome == syndrome,
            "%s is refused", name))
        tap_diag("delivery %d, status %#x, syndrome %#x; want status %#x, syndrome %#x",
                 r.delivery, r.status, r.syndrome, status, syndrome);
    after = take_snapshot(b);
    if (memcmp(&before, &after, sizeof(before)))
        ok(false, "%s changes nothing", name);
}

bool accepted(struct fw *fw, struct fw_cmd *c, const char *name)
{
    struct fw_result r = fw_exec(fw, c);

    if (ok(!fw_status(r), "%s is accepted", name))
        return true;
    tap_diag("delivery %d, status %#x, syndrome %#x", r.delivery, r.status, r.syndrome);
    return false;
}

void refusals_run(struct bench *b, struct fw *fw, const struct refusal *table, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct refusal *t = &table[i];
        uint32_t used = fw->m.used;
        struct fw_cmd c;

        t->build(b, fw, &c);
        for (unsigned k = 0; k < 3 && t->change[k].width; k++)
            cmd_set(&c, t->change[k].bit, t->change[k].width, t->change[k].value);
        refused(b, fw, &c, t->status, t->syndrome, t->name);
        free((void *)c.tail);
        fw_free_to(fw, used);
    }
}
