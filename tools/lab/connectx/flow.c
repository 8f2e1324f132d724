/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: flow tables of NIC receive.
 *
 * A frame starts at the root table.  The entry with the lowest index that it
 * satisfies says where it goes: to a TIR, to another table, nowhere.  If none
 * does, the table's miss decides.  Levels rise from table to table, so there
 * is an end.  A table that another misses to is looked for, not counted, since
 * an image has tables in the order of their numbers.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

static CxFlowTable *cx_table(CxVhca *v, uint32_t id)
{
    return cx_object_find(v, OBJECT_FLOW_TABLE, id);
}

static uint64_t cx_table_size(const CxFlowTable *t)
{
    return 1ull << t->log_size;
}

/* ---- tables ---- */

static void cx_table_visit(CxArchive *a, void *obj)
{
    CxFlowTable *t = obj;

    cx_archive_u32(a, &t->level);
    cx_archive_u32(a, &t->log_size);
    cx_archive_u32(a, &t->miss);
}

static uint32_t cx_table_link(CxVhca *v, void *obj)
{
    CxFlowTable *t = obj;

    if (t->log_size > LOG_MAX_FLOW_TABLE_SIZE || t->level > MAX_FLOW_LEVEL) {
        return SYND_SIZE;
    }
    t->entries = g_ptr_array_new();
    return SYND_NONE;
}

static void cx_table_clear(void *obj)
{
    CxFlowTable *t = obj;

    if (t->entries) {
        g_ptr_array_unref(t->entries);
    }
}

const CxKind cx_kind_flow_table = {
    .name = "flow table",
    .size = sizeof(CxFlowTable),
    .first = 1,
    .last = 1 << LOG_MAX_FLOW_TABLES,
    .visit = cx_table_visit,
    .link = cx_table_link,
    .clear = cx_table_clear,
};

int cx_create_flow_table(CxCommand *c)
{
    uint32_t action = ifc_get(c->in, F_FT_MISS_ACTION);
    uint32_t level = ifc_get(c->in, F_FT_LEVEL);
    const CxFlowTable *miss = cx_table(c->vhca, ifc_get(c->in, F_FT_MISS_ID));
    CxFlowTable *t;

    if (ifc_get(c->in, F_FT_TYPE) != FT_NIC_RX) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_TYPE);
    }
    if (action > FT_MISS_TABLE || (action == FT_MISS_TABLE && !miss)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_TABLE);
    }
    if (action == FT_MISS_TABLE && miss->level <= level) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_LEVEL);
    }
    t = cx_object_alloc(OBJECT_FLOW_TABLE);
    t->level = level;
    t->log_size = ifc_get(c->in, F_FT_LOG_SIZE);
    t->miss = action == FT_MISS_TABLE ? miss->obj.id : 0;
    return cx_object_answer(c, OBJECT_FLOW_TABLE, t);
}

static bool cx_table_is_missed_to(CxVhca *v, uint32_t id)
{
    GHashTableIter it;
    gpointer t;

    g_hash_table_iter_init(&it, v->objects[OBJECT_FLOW_TABLE]);
    while (g_hash_table_iter_next(&it, NULL, &t)) {
        if (((CxFlowTable *)t)->miss == id) {
            return true;
        }
    }
    return false;
}

/* The last table goes while it is the root: no frame is wanted any more. */
int cx_destroy_flow_table(CxCommand *c)
{
    uint32_t id = ifc_get(c->in, F_FT_TABLE_ID);
    int status;

    if (cx_table_is_missed_to(c->vhca, id)) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_IN_USE);
    }
    status = cx_object_destroy(c, OBJECT_FLOW_TABLE, id);
    if (status == ST_OK && c->vhca->flow_root == id) {
        c->vhca->flow_root = 0;
    }
    return status;
}

int cx_set_flow_table_root(CxCommand *c)
{
    uint32_t id = ifc_get(c->in, F_FT_TABLE_ID);

    if (ifc_get(c->in, F_FT_TYPE) != FT_NIC_RX) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_TYPE);
    }
    if (!c->op_mod && !cx_table(c->vhca, id)) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    c->vhca->flow_root = c->op_mod ? 0 : id;
    return ST_OK;
}

/* ---- groups ---- */

static void cx_group_visit(CxArchive *a, void *obj)
{
    CxFlowGroup *g = obj;

    cx_archive_u32(a, &g->table);
    cx_archive_u32(a, &g->start);
    cx_archive_u32(a, &g->end);
    cx_archive_u32(a, &g->enable);
    cx_archive_bytes(a, g->mask, sizeof(g->mask));
}

static bool cx_group_overlaps(CxVhca *v, const CxFlowGroup *g)
{
    GHashTableIter it;
    gpointer obj;

    g_hash_table_iter_init(&it, v->objects[OBJECT_FLOW_GROUP]);
    while (g_hash_table_iter_next(&it, NULL, &obj)) {
        const CxFlowGroup *o = obj;

        if (o->table == g->table && o->start <= g->end && g->start <= o->end) {
            return true;
        }
    }
    return false;
}

static uint32_t cx_group_link(CxVhca *v, void *obj)
{
    CxFlowGroup *g = obj;
    const CxFlowTable *t = cx_table(v, g->table);

    if (!t) {
        return SYND_FLOW_TABLE;
    }
    if (g->start > g->end || g->end >= cx_table_size(t) ||
        cx_group_overlaps(v, g)) {
        return SYND_FLOW_INDEX;
    }
    cx_object_get(v, OBJECT_FLOW_TABLE, g->table);
    return SYND_NONE;
}

static void cx_group_unlink(CxVhca *v, void *obj)
{
    cx_object_put(v, OBJECT_FLOW_TABLE, ((CxFlowGroup *)obj)->table);
}

const CxKind cx_kind_flow_group = {
    .name = "flow group",
    .size = sizeof(CxFlowGroup),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_group_visit,
    .link = cx_group_link,
    .unlink = cx_group_unlink,
};

int cx_create_flow_group(CxCommand *c)
{
    uint32_t enable = ifc_get(c->in, F_FG_ENABLE);
    CxFlowGroup *g;

    if (ifc_get(c->in, F_FT_TYPE) != FT_NIC_RX || ifc_get(c->in, F_FG_TYPE)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_TYPE);
    }
    if (!cx_frame_matchable(enable, c->in + FG_CRITERIA)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_MATCH);
    }
    g = cx_object_alloc(OBJECT_FLOW_GROUP);
    g->table = ifc_get(c->in, F_FT_TABLE_ID);
    g->start = ifc_get(c->in, F_FG_START);
    g->end = ifc_get(c->in, F_FG_END);
    g->enable = enable;
    memcpy(g->mask, c->in + FG_CRITERIA, sizeof(g->mask));
    return cx_object_answer(c, OBJECT_FLOW_GROUP, g);
}

int cx_destroy_flow_group(CxCommand *c)
{
    return cx_object_destroy(c, OBJECT_FLOW_GROUP, ifc_get(c->in, F_FG_ID));
}

/* ---- entries ---- */

static void cx_entry_visit(CxArchive *a, void *obj)
{
    CxFlowEntry *e = obj;

    cx_archive_u32(a, &e->table);
    cx_archive_u32(a, &e->index);
    cx_archive_u32(a, &e->group);
    cx_archive_u32(a, &e->action);
    cx_archive_u32(a, &e->dest_type);
    cx_archive_u32(a, &e->dest);
    cx_archive_bytes(a, e->value, sizeof(e->value));
}

/* The place of an index among the table's entries, and whether it is taken. */
static unsigned cx_entry_place(const CxFlowTable *t, uint32_t index,
                               bool *taken)
{
    unsigned low = 0, high = t->entries->len;
    const CxFlowEntry *e;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        e = g_ptr_array_index(t->entries, middle);
        if (e->index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    e = low < t->entries->len ? g_ptr_array_index(t->entries, low) : NULL;
    *taken = e && e->index == index;
    return low;
}

static unsigned cx_entry_dest_kind(const CxFlowEntry *e)
{
    return e->dest_type == DEST_TIR ? OBJECT_TIR : OBJECT_FLOW_TABLE;
}

/* Is what it says to do possible, in a table of this level? */
static uint32_t cx_entry_check(CxVhca *v, const CxFlowEntry *e, uint32_t level)
{
    const CxFlowTable *to;

    if (e->action == FTE_DROP) {
        return SYND_NONE;
    }
    if (e->action != FTE_FORWARD) {
        return SYND_FLOW_ACTION;
    }
    if (e->dest_type == DEST_TIR) {
        return cx_object_find(v, OBJECT_TIR, e->dest) ? 0 : SYND_FLOW_DEST;
    }
    to = cx_table(v, e->dest);
    if (e->dest_type != DEST_TABLE || !to) {
        return SYND_FLOW_DEST;
    }
    return to->level > level ? SYND_NONE : SYND_FLOW_LEVEL;
}

static uint32_t cx_entry_link(CxVhca *v, void *obj)
{
    CxFlowEntry *e = obj;
    CxFlowTable *t = cx_table(v, e->table);
    const CxFlowGroup *g = cx_object_find(v, OBJECT_FLOW_GROUP, e->group);
    uint32_t syndrome;
    unsigned place;
    bool taken;

    if (!t) {
        return SYND_FLOW_TABLE;
    }
    if (!g || g->table != e->table) {
        return SYND_FLOW_GROUP;
    }
    place = cx_entry_place(t, e->index, &taken);
    if (taken || e->index < g->start || e->index > g->end) {
        return SYND_FLOW_INDEX;
    }
    syndrome = cx_entry_check(v, e, t->level);
    if (syndrome) {
        return syndrome;
    }
    g_ptr_array_insert(t->entries, place, e);
    cx_object_get(v, OBJECT_FLOW_GROUP, e->group);
    if (e->action == FTE_FORWARD) {
        cx_object_get(v, cx_entry_dest_kind(e), e->dest);
    }
    return SYND_NONE;
}

static void cx_entry_unlink(CxVhca *v, void *obj)
{
    CxFlowEntry *e = obj;

    g_ptr_array_remove(cx_table(v, e->table)->entries, e);
    cx_object_put(v, OBJECT_FLOW_GROUP, e->group);
    if (e->action == FTE_FORWARD) {
        cx_object_put(v, cx_entry_dest_kind(e), e->dest);
    }
}

const CxKind cx_kind_flow_entry = {
    .name = "flow entry",
    .size = sizeof(CxFlowEntry),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_entry_visit,
    .link = cx_entry_link,
    .unlink = cx_entry_unlink,
};

int cx_set_flow_entry(CxCommand *c)
{
    uint32_t n = ifc_get(c->in, F_FTE_DESTINATIONS);
    CxFlowEntry *e;

    if (ifc_get(c->in, F_FT_TYPE) != FT_NIC_RX) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_TYPE);
    }
    if ((c->inlen - FTE_DESTINATION) / 8 < n) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_LIST);
    }
    e = cx_object_alloc(OBJECT_FLOW_ENTRY);
    e->table = ifc_get(c->in, F_FT_TABLE_ID);
    e->index = ifc_get(c->in, F_FTE_INDEX);
    e->group = ifc_get(c->in, F_FTE_GROUP);
    e->action = ifc_get(c->in, F_FTE_ACTION);
    memcpy(e->value, c->in + FTE_VALUE, sizeof(e->value));
    if (n != (e->action == FTE_FORWARD) || ifc_get(c->in, F_FTE_FLOW_TAG)) {
        cx_object_free(OBJECT_FLOW_ENTRY, e);
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_ACTION);
    }
    if (n) {
        e->dest_type = ifc_get(c->in, F_FTE_DEST_TYPE);
        e->dest = ifc_get(c->in, F_FTE_DEST_ID);
    }
    return cx_object_create(c, OBJECT_FLOW_ENTRY, e);
}

int cx_delete_flow_entry(CxCommand *c)
{
    const CxFlowTable *t = cx_table(c->vhca, ifc_get(c->in, F_FT_TABLE_ID));
    const CxFlowEntry *e;
    unsigned place;
    bool found;

    if (!t) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    place = cx_entry_place(t, ifc_get(c->in, F_FTE_INDEX), &found);
    if (!found) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FLOW_INDEX);
    }
    e = g_ptr_array_index(t->entries, place);
    return cx_object_destroy(c, OBJECT_FLOW_ENTRY, e->obj.id);
}

/* ---- frames ---- */

static const CxFlowEntry *cx_table_find(CxVhca *v, const CxFlowTable *t,
                                        const CxFrame *f)
{
    for (unsigned i = 0; i < t->entries->len; i++) {
        const CxFlowEntry *e = g_ptr_array_index(t->entries, i);
        const CxFlowGroup *g = cx_object_find(v, OBJECT_FLOW_GROUP, e->group);

        if (cx_frame_match(&f->h, g->enable, g->mask, e->value)) {
            return e;
        }
    }
    return NULL;
}

CxTir *cx_flow_find(CxVhca *v, const CxFrame *f)
{
    const CxFlowTable *t = cx_table(v, v->flow_root), *next;

    for (; t; t = next) {
        const CxFlowEntry *e = cx_table_find(v, t, f);

        if (e && e->action == FTE_DROP) {
            return NULL;
        }
        if (e && e->dest_type == DEST_TIR) {
            return cx_object_find(v, OBJECT_TIR, e->dest);
        }
        next = cx_table(v, e ? e->dest : t->miss);
        /* A loaded image may say otherwise of a miss. */
        if (next && next->level <= t->level) {
            return NULL;
        }
    }
    return NULL;
}
