/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the objects of a VHCA.
 *
 * Owns the tables "kind and number -> object" and the references between
 * objects: what something still refers to cannot be destroyed.  UARs, PDs and
 * transport domains, which are nothing but numbers, live here; the other kinds
 * have their files.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "ethernet.h"

static void cx_number_visit(CxArchive *a, void *obj)
{
}

static const CxKind cx_kind_uar = {
    .name = "UAR",
    .size = sizeof(CxObject),
    .first = UAR_FIRST,
    .last = UAR_LAST,
    .visit = cx_number_visit,
};

static const CxKind cx_kind_pd = {
    .name = "PD",
    .size = sizeof(CxObject),
    .first = 1,
    .last = 0xffff,
    .visit = cx_number_visit,
};

static const CxKind cx_kind_td = {
    .name = "transport domain",
    .size = sizeof(CxObject),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_number_visit,
};

static const CxKind *const kinds[OBJECT_KINDS] = {
    [OBJECT_UAR] = &cx_kind_uar,
    [OBJECT_PD] = &cx_kind_pd,
    [OBJECT_MKEY] = &cx_kind_mkey,
    [OBJECT_EQ] = &cx_kind_eq,
    [OBJECT_CQ] = &cx_kind_cq,
    [OBJECT_QP] = &cx_kind_qp,
    [OBJECT_TRACKER] = &cx_kind_tracker,
    [OBJECT_TD] = &cx_kind_td,
    [OBJECT_Q_COUNTER] = &cx_kind_q_counter,
    [OBJECT_TIS] = &cx_kind_tis,
    [OBJECT_RQ] = &cx_kind_rq,
    [OBJECT_SQ] = &cx_kind_sq,
    [OBJECT_RQT] = &cx_kind_rqt,
    [OBJECT_TIR] = &cx_kind_tir,
    [OBJECT_FLOW_TABLE] = &cx_kind_flow_table,
    [OBJECT_FLOW_GROUP] = &cx_kind_flow_group,
    [OBJECT_FLOW_ENTRY] = &cx_kind_flow_entry,
};

const CxKind *cx_kind(unsigned kind)
{
    return kind < OBJECT_KINDS ? kinds[kind] : NULL;
}

void cx_objects_init(CxVhca *v)
{
    for (unsigned kind = 0; kind < OBJECT_KINDS; kind++) {
        v->objects[kind] = g_hash_table_new(NULL, NULL);
    }
}

void *cx_object_alloc(unsigned kind)
{
    return g_malloc0(kinds[kind]->size);
}

void cx_object_free(unsigned kind, void *obj)
{
    if (obj && kinds[kind]->clear) {
        kinds[kind]->clear(obj);
    }
    g_free(obj);
}

/* In any order: with everything gone, nobody is left to refer to anything. */
void cx_objects_clear(CxVhca *v)
{
    for (unsigned kind = 0; kind < OBJECT_KINDS; kind++) {
        GHashTableIter it;
        gpointer obj;

        g_hash_table_iter_init(&it, v->objects[kind]);
        while (g_hash_table_iter_next(&it, NULL, &obj)) {
            cx_object_free(kind, obj);
        }
        g_hash_table_remove_all(v->objects[kind]);
    }
}

static int cx_compare_ids(gconstpointer a, gconstpointer b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

GArray *cx_object_ids(CxVhca *v, unsigned kind)
{
    GArray *ids = g_array_new(false, false, sizeof(uint32_t));
    GHashTableIter it;
    gpointer key;

    g_hash_table_iter_init(&it, v->objects[kind]);
    while (g_hash_table_iter_next(&it, &key, NULL)) {
        uint32_t id = GPOINTER_TO_UINT(key);

        g_array_append_val(ids, id);
    }
    g_array_sort(ids, cx_compare_ids);
    return ids;
}

void *cx_object_find(CxVhca *v, unsigned kind, uint32_t id)
{
    return g_hash_table_lookup(v->objects[kind], GUINT_TO_POINTER(id));
}

void cx_object_get(CxVhca *v, unsigned kind, uint32_t id)
{
    ((CxObject *)cx_object_find(v, kind, id))->users++;
}

void cx_object_put(CxVhca *v, unsigned kind, uint32_t id)
{
    CxObject *o = cx_object_find(v, kind, id);

    if (o) {
        o->users--;
    }
}

static uint32_t cx_ref_id(const CxRef *ref, const void *obj)
{
    return *(const uint32_t *)((const char *)obj + ref->id);
}

static bool cx_ref_is_none(const CxRef *ref, const void *obj)
{
    return ref->optional && !cx_ref_id(ref, obj);
}

/* All of them, or none and a syndrome. */
static uint32_t cx_refs_get(CxVhca *v, const CxRef *refs, const void *obj)
{
    for (const CxRef *r = refs; r && r->syndrome; r++) {
        if (!cx_ref_is_none(r, obj) &&
            !cx_object_find(v, r->kind, cx_ref_id(r, obj))) {
            return r->syndrome;
        }
    }
    for (const CxRef *r = refs; r && r->syndrome; r++) {
        if (!cx_ref_is_none(r, obj)) {
            cx_object_get(v, r->kind, cx_ref_id(r, obj));
        }
    }
    return SYND_NONE;
}

static void cx_refs_put(CxVhca *v, const CxRef *refs, const void *obj)
{
    for (const CxRef *r = refs; r && r->syndrome; r++) {
        if (!cx_ref_is_none(r, obj)) {
            cx_object_put(v, r->kind, cx_ref_id(r, obj));
        }
    }
}

/* Links the object, whose number is set, and puts it into its table. */
uint32_t cx_object_add(CxVhca *v, unsigned kind, void *obj)
{
    CxObject *o = obj;
    uint32_t syndrome = kinds[kind]->link ? kinds[kind]->link(v, obj) : 0;

    if (!syndrome) {
        syndrome = cx_refs_get(v, kinds[kind]->refs, obj);
    }
    if (!syndrome) {
        g_hash_table_insert(v->objects[kind], GUINT_TO_POINTER(o->id), o);
    }
    return syndrome;
}

/* Takes the object over, gives it the lowest free number; a handler's end. */
int cx_object_create(CxCommand *c, unsigned kind, void *obj)
{
    CxObject *o = obj;
    CxVhca *v = c->vhca;
    uint32_t syndrome;

    for (o->id = kinds[kind]->first; cx_object_find(v, kind, o->id); o->id++) {
        if (o->id == kinds[kind]->last) {
            cx_object_free(kind, obj);
            return cx_refuse(c, ST_EXCEED_LIM, SYND_LIMIT);
        }
    }
    syndrome = cx_object_add(v, kind, obj);
    if (syndrome) {
        cx_object_free(kind, obj);
        return cx_refuse(c, ST_BAD_PARAM, syndrome);
    }
    return ST_OK;
}

/* The same of a command that is answered with the number, where most have it. */
int cx_object_answer(CxCommand *c, unsigned kind, void *obj)
{
    int status = cx_object_create(c, kind, obj);

    if (status == ST_OK) {
        ifc_set(c->out, F_OUT_ID24, ((CxObject *)obj)->id);
    }
    return status;
}

int cx_object_destroy(CxCommand *c, unsigned kind, uint32_t id)
{
    CxVhca *v = c->vhca;
    CxObject *o = cx_object_find(v, kind, id);

    if (!o) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (o->users) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_IN_USE);
    }
    if (kinds[kind]->unlink) {
        kinds[kind]->unlink(v, o);
    }
    cx_refs_put(v, kinds[kind]->refs, o);
    g_hash_table_remove(v->objects[kind], GUINT_TO_POINTER(id));
    cx_object_free(kind, o);
    return ST_OK;
}

/* The handler of what destroys an object, and does no more. */
int cx_destroy_object(CxCommand *c)
{
    static const struct {
        uint16_t opcode, kind;
    } what[] = {
        { OP_DESTROY_MKEY, OBJECT_MKEY }, { OP_DESTROY_CQ, OBJECT_CQ },
        { OP_DESTROY_QP, OBJECT_QP }, { OP_DEALLOC_PD, OBJECT_PD },
        { OP_DEALLOC_UAR, OBJECT_UAR },
        { OP_DEALLOC_TRANSPORT_DOMAIN, OBJECT_TD },
        { OP_DEALLOC_Q_COUNTER, OBJECT_Q_COUNTER },
        { OP_DESTROY_TIS, OBJECT_TIS }, { OP_DESTROY_TIR, OBJECT_TIR },
        { OP_DESTROY_RQT, OBJECT_RQT }, { OP_DESTROY_RQ, OBJECT_RQ },
        { OP_DESTROY_SQ, OBJECT_SQ },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(what); i++) {
        if (what[i].opcode == c->opcode) {
            return cx_object_destroy(c, what[i].kind,
                                     ifc_get(c->in, F_IN_ID24));
        }
    }
    return cx_refuse(c, ST_BAD_OP, SYND_NONE);
}

/* ---- UARs, PDs and transport domains ---- */

static int cx_alloc_number(CxCommand *c, unsigned kind)
{
    return cx_object_answer(c, kind, cx_object_alloc(kind));
}

int cx_alloc_pd(CxCommand *c)
{
    return cx_alloc_number(c, OBJECT_PD);
}

int cx_alloc_uar(CxCommand *c)
{
    return cx_alloc_number(c, OBJECT_UAR);
}

int cx_alloc_td(CxCommand *c)
{
    return cx_alloc_number(c, OBJECT_TD);
}

/* ---- page lists ---- */

/* Takes the list of the pages that hold so many bytes from a command. */
bool cx_pages_read(CxPages *p, CxCommand *c, unsigned offset, uint64_t bytes,
                   unsigned log_page)
{
    uint64_t n = DIV_ROUND_UP(bytes, 1ull << log_page);

    if (c->inlen < offset || (c->inlen - offset) / 8 < n) {
        return false;
    }
    p->n = n;
    p->log_page = log_page;
    p->addr = g_new(uint64_t, n);
    for (uint32_t i = 0; i < n; i++) {
        p->addr[i] = ifc_be64(c->in, offset + i * 8);
    }
    return true;
}

uint64_t cx_pages_addr(const CxPages *p, uint64_t pos)
{
    return p->addr[pos >> p->log_page] + (pos & ((1ull << p->log_page) - 1));
}
