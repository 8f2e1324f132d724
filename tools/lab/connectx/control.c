/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the lab control block in BAR 2 of the PF, see lab.h.
 *
 * Owns the faults, armed through the block or by the property "faults" when
 * QEMU starts, and the counters.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "ethernet.h"

/* ---- faults ---- */

static bool cx_fault_matches(const CxFault *f, const CxCommand *c)
{
    const CxVhca *about = cx_command_about(c);

    if (f->opcode && f->opcode != c->opcode) {
        return false;
    }
    return f->vhca == CONTROL_ANY || f->vhca == c->vhca->vhca_id ||
           (about && f->vhca == about->vhca_id);
}

static void cx_fault_disarm(CxControl *control, unsigned i)
{
    control->narmed--;
    memmove(&control->armed[i], &control->armed[i + 1],
            (control->narmed - i) * sizeof(CxFault));
}

/* A command was fetched: counts it, and decides whether a fault strikes it. */
void cx_control_command_begins(CxCommand *c)
{
    CxControl *control = cx_control(c->vhca);
    gpointer key = GUINT_TO_POINTER(c->opcode);
    gpointer n = g_hash_table_lookup(control->opcodes, key);

    g_hash_table_insert(control->opcodes, key,
                        GUINT_TO_POINTER(GPOINTER_TO_UINT(n) + 1));
    control->in_flight++;
    control->counter[COUNTER_IN_FLIGHT_MAX] =
        MAX(control->counter[COUNTER_IN_FLIGHT_MAX], control->in_flight);
    for (unsigned i = 0; c->in && i < control->narmed; i++) {
        CxFault *f = &control->armed[i];

        if (!cx_fault_matches(f, c) || ++f->seen < f->nth) {
            continue;
        }
        c->fault = *f;
        control->hits++;
        if (f->times && f->seen + 1 >= f->nth + f->times) {
            cx_fault_disarm(control, i);
        }
        return;
    }
}

void cx_control_command_ends(CxCommand *c)
{
    cx_control(c->vhca)->in_flight--;
}

static bool cx_fault_arm(CxControl *control)
{
    const CxFault *f = &control->edit;

    if (control->narmed == CONTROL_MAX_FAULTS || f->action < FAULT_FAIL ||
        f->action > FAULT_DMA || f->status > 0xff ||
        f->delay_us > 3600 * 1000000ull ||
        (f->action == FAULT_FAIL && !f->status)) {
        return false;
    }
    control->armed[control->narmed] = *f;
    control->armed[control->narmed].nth = MAX(f->nth, 1);
    control->armed[control->narmed++].seen = 0;
    return true;
}

static void cx_fault_defaults(CxFault *f)
{
    *f = (CxFault) { .vhca = CONTROL_ANY, .nth = 1, .times = 1 };
}

/* ---- faults of the property: OPCODE:key=value:.../OPCODE:... ---- */

static bool cx_fault_action(const char *name, uint64_t *action)
{
    static const char *const names[] = {
        [FAULT_FAIL] = "fail", [FAULT_DELAY] = "delay",
        [FAULT_NEVER] = "never", [FAULT_DMA] = "dma",
    };

    for (unsigned i = FAULT_FAIL; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(name, names[i])) {
            *action = i;
            return true;
        }
    }
    return false;
}

static bool cx_fault_key(CxFault *f, const char *key, const char *value)
{
    const struct {
        const char *name;
        uint64_t *where;
    } keys[] = {
        { "vhca", &f->vhca }, { "nth", &f->nth }, { "times", &f->times },
        { "status", &f->status }, { "syndrome", &f->syndrome },
        { "delay-us", &f->delay_us },
    };

    if (!strcmp(key, "action")) {
        return cx_fault_action(value, &f->action);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!strcmp(key, keys[i].name)) {
            return !qemu_strtou64(value, NULL, 0, keys[i].where);
        }
    }
    return false;
}

static bool cx_fault_opcode(const char *name, uint64_t *opcode)
{
    for (unsigned op = 1; op < 0x1000; op++) {
        const CxOp *row = cx_op_find(op);

        if (row && !strcmp(row->name, name)) {
            *opcode = op;
            return true;
        }
    }
    return !qemu_strtou64(name, NULL, 0, opcode);
}

static bool cx_fault_parse(CxControl *control, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ":", -1);

    cx_fault_defaults(&control->edit);
    if (!words[0] || !cx_fault_opcode(words[0], &control->edit.opcode)) {
        return false;
    }
    for (unsigned i = 1; words[i]; i++) {
        char *value = strchr(words[i], '=');

        if (!value) {
            return false;
        }
        *value++ = 0;
        if (!cx_fault_key(&control->edit, words[i], value)) {
            return false;
        }
    }
    return cx_fault_arm(control);
}

bool cx_control_init(CxPf *pf, Error **errp)
{
    g_auto(GStrv) faults = pf->faults ? g_strsplit(pf->faults, "/", -1) : NULL;

    pf->control.opcodes = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; faults && faults[i]; i++) {
        if (!cx_fault_parse(&pf->control, faults[i])) {
            error_setg(errp, "faults: cannot use '%s'", faults[i]);
            error_append_hint(errp, "OPCODE:action=fail|delay|never|dma"
                              "[:vhca=N][:nth=N][:times=N][:status=N]"
                              "[:syndrome=N][:delay-us=N][/...]\n");
            return false;
        }
    }
    cx_fault_defaults(&pf->control.edit);
    return true;
}

void cx_control_free(CxPf *pf)
{
    g_hash_table_destroy(pf->control.opcodes);
}

/* ---- registers ---- */

/* The register's place, if it is nothing but a stored value. */
static uint64_t *cx_control_stored(CxControl *control, hwaddr addr)
{
    switch (addr) {
    case CB_FAULT_OPCODE:
        return &control->edit.opcode;
    case CB_FAULT_VHCA:
        return &control->edit.vhca;
    case CB_FAULT_NTH:
        return &control->edit.nth;
    case CB_FAULT_TIMES:
        return &control->edit.times;
    case CB_FAULT_ACTION:
        return &control->edit.action;
    case CB_FAULT_STATUS:
        return &control->edit.status;
    case CB_FAULT_SYNDROME:
        return &control->edit.syndrome;
    case CB_FAULT_DELAY_US:
        return &control->edit.delay_us;
    case CB_VHCA:
        return &control->vhca_sel;
    case CB_OBJECT_KIND:
        return &control->kind_sel;
    case CB_COUNTER:
        return &control->counter_sel;
    case CB_OPCODE:
        return &control->opcode_sel;
    case CB_REPORT_AFTER:
        return &control->report_after;
    }
    return NULL;
}

static uint64_t cx_object_count(CxVhca *v, uint64_t kind)
{
    uint64_t n = 0;
    CxCommand *c;

    if (kind == OBJECT_COMMAND) {
        QTAILQ_FOREACH(c, &v->commands, next) {
            n++;
        }
        return n;
    }
    return cx_kind(kind) ? g_hash_table_size(v->objects[kind]) : 0;
}

static uint64_t cx_control_read(void *opaque, hwaddr addr, unsigned size)
{
    CxVhca *pf = opaque;
    CxControl *control = cx_control(pf);
    uint64_t *stored = cx_control_stored(control, addr);
    CxVhca *v = cx_by_vhca_id(pf->pf, control->vhca_sel);

    if (stored) {
        return *stored;
    }
    switch (addr) {
    case CB_MAGIC:
        return CONTROL_MAGIC;
    case CB_FAULT_ARM:
        return control->narmed;
    case CB_FAULT_HITS:
        return control->hits;
    case CB_REPORT:
        return control->report;
    case CB_PORT_DOWN:
        return pf->pf->port_down;
    case CB_VHCA_STATE:
        return v ? v->mig.state : UINT64_MAX;
    case CB_VHCA_TRACKED:
        return v ? v->mem.tracked : UINT64_MAX;
    case CB_OBJECT_COUNT:
        return v ? cx_object_count(v, control->kind_sel) : UINT64_MAX;
    case CB_COUNTER_VALUE:
        return control->counter_sel < COUNTERS ?
               control->counter[control->counter_sel] : UINT64_MAX;
    case CB_OPCODE_COUNT:
        return GPOINTER_TO_UINT(g_hash_table_lookup(control->opcodes,
                                GUINT_TO_POINTER(control->opcode_sel)));
    }
    return 0;
}

static void cx_vhca_action(CxVhca *v, uint64_t action)
{
    if (action == VHCA_SET_REINIT) {
        v->mig.reinit = true;
    } else if (action == VHCA_SET_ERROR) {
        cx_fatal(v);
    } else if (action == VHCA_PCI_FATAL || action == VHCA_PCI_NONFATAL) {
        cx_pci_error(v, action == VHCA_PCI_FATAL);
    } else if (action == VHCA_SET_GONE) {
        cx_gone(v);
    } else if (action == VHCA_FLIP_TRACKERS) {
        v->pf->adv_virtualization ^= true;
    }
}

static void cx_control_write(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size)
{
    CxVhca *pf = opaque;
    CxControl *control = cx_control(pf);
    uint64_t *stored = cx_control_stored(control, addr);
    CxVhca *v = cx_by_vhca_id(pf->pf, control->vhca_sel);

    if (stored) {
        *stored = value;
    } else if (addr == CB_FAULT_ARM && value) {
        cx_fault_arm(control);
        cx_fault_defaults(&control->edit);
    } else if (addr == CB_FAULT_ARM) {
        control->narmed = 0;
    } else if (addr == CB_FAULT_SOON) {
        cx_command_soon(pf);
    } else if (addr == CB_REPORT && value < REPORT_STATES) {
        control->report = value;
        control->report_vhca = control->vhca_sel;
        qemu_bh_schedule(pf->doorbell_bh);
    } else if (addr == CB_PORT_DOWN && pf->pf->ethernet) {
        pf->pf->port_down = value;
        cx_port_changed(pf->pf);
    } else if (addr == CB_VHCA_ACTION && v) {
        cx_vhca_action(v, value);
    }
}

const MemoryRegionOps cx_control_ops = {
    .read = cx_control_read,
    .write = cx_control_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 8, .max_access_size = 8 },
    .impl = { .min_access_size = 8, .max_access_size = 8 },
};
