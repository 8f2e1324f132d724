/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: what stands between a flow table and a receive queue, and
 * the small objects of Ethernet.
 *
 * A TIR says how to hash a frame, its RQT which queue a hash means.  TIS and
 * transport domains are kept for those that refer to them, and do nothing.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

/* ---- queue counters ---- */

static void cx_q_counter_visit(CxArchive *a, void *obj)
{
    cx_archive_u32(a, &((CxQCounter *)obj)->out_of_buffer);
}

const CxKind cx_kind_q_counter = {
    .name = "queue counter",
    .size = sizeof(CxQCounter),
    .first = 1,                         /* 0 is none to the driver */
    .last = 255,
    .visit = cx_q_counter_visit,
};

int cx_alloc_q_counter(CxCommand *c)
{
    return cx_object_answer(c, OBJECT_Q_COUNTER,
                            cx_object_alloc(OBJECT_Q_COUNTER));
}

int cx_query_q_counter(CxCommand *c)
{
    CxQCounter *q = cx_object_find(c->vhca, OBJECT_Q_COUNTER,
                                   ifc_get(c->in, F_Q_COUNTER_QUERY_ID));

    if (!q) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    ifc_set(c->out, F_Q_COUNTER_OUT_OF_BUFFER, q->out_of_buffer);
    if (ifc_get(c->in, F_Q_COUNTER_QUERY_CLEAR)) {
        q->out_of_buffer = 0;
    }
    return ST_OK;
}

/* ---- TIS ---- */

static void cx_tis_visit(CxArchive *a, void *obj)
{
    CxTis *tis = obj;

    cx_archive_u32(a, &tis->prio);
    cx_archive_u32(a, &tis->td);
}

static const CxRef cx_tis_refs[] = {
    { SYND_TD, OBJECT_TD, offsetof(CxTis, td) },
    { }
};

const CxKind cx_kind_tis = {
    .name = "TIS",
    .size = sizeof(CxTis),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_tis_visit,
    .refs = cx_tis_refs,
};

int cx_create_tis(CxCommand *c)
{
    CxTis *tis = cx_object_alloc(OBJECT_TIS);

    tis->prio = ifc_get(c->in, F_TIS_PRIO);
    tis->td = ifc_get(c->in, F_TIS_TD);
    return cx_object_answer(c, OBJECT_TIS, tis);
}

/* ---- RQT ---- */

static void cx_rqt_visit(CxArchive *a, void *obj)
{
    CxRqt *rqt = obj;

    cx_archive_u32(a, &rqt->max);
    cx_archive_u32(a, &rqt->actual);
    if (rqt->actual > 1u << LOG_MAX_RQT_SIZE) {
        rqt->actual = 0;                /* a bad image; not linked */
    }
    if (!rqt->rqn) {
        rqt->rqn = g_new0(uint32_t, rqt->actual);
    }
    for (uint32_t i = 0; i < rqt->actual; i++) {
        cx_archive_u32(a, &rqt->rqn[i]);
    }
}

static uint32_t cx_rqt_link(CxVhca *v, void *obj)
{
    CxRqt *rqt = obj;

    if (!is_power_of_2(rqt->actual) || rqt->actual > rqt->max ||
        rqt->max > 1u << LOG_MAX_RQT_SIZE) {
        return SYND_SIZE;
    }
    for (uint32_t i = 0; i < rqt->actual; i++) {
        if (!cx_object_find(v, OBJECT_RQ, rqt->rqn[i])) {
            return SYND_RQN;
        }
    }
    for (uint32_t i = 0; i < rqt->actual; i++) {
        cx_object_get(v, OBJECT_RQ, rqt->rqn[i]);
    }
    return SYND_NONE;
}

static void cx_rqt_unlink(CxVhca *v, void *obj)
{
    CxRqt *rqt = obj;

    for (uint32_t i = 0; i < rqt->actual; i++) {
        cx_object_put(v, OBJECT_RQ, rqt->rqn[i]);
    }
}

static void cx_rqt_clear(void *obj)
{
    g_free(((CxRqt *)obj)->rqn);
}

const CxKind cx_kind_rqt = {
    .name = "RQT",
    .size = sizeof(CxRqt),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_rqt_visit,
    .link = cx_rqt_link,
    .unlink = cx_rqt_unlink,
    .clear = cx_rqt_clear,
};

/* The list of queues of a CREATE or MODIFY; NULL: the input is too short. */
static uint32_t *cx_rqt_list(const CxCommand *c, uint32_t actual)
{
    uint32_t *rqn;

    if ((c->inlen - RQT_LIST) / 4 < actual) {
        return NULL;
    }
    rqn = g_new(uint32_t, actual);
    for (uint32_t i = 0; i < actual; i++) {
        rqn[i] = ifc_get(c->in + RQT_LIST + 4 * i, F_RQT_RQN);
    }
    return rqn;
}

int cx_create_rqt(CxCommand *c)
{
    CxRqt *rqt = cx_object_alloc(OBJECT_RQT);

    rqt->max = ifc_get(c->in, F_RQT_MAX);
    rqt->actual = ifc_get(c->in, F_RQT_ACTUAL);
    rqt->rqn = cx_rqt_list(c, rqt->actual);
    if (!rqt->rqn) {
        cx_object_free(OBJECT_RQT, rqt);
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_LIST);
    }
    return cx_object_answer(c, OBJECT_RQT, rqt);
}

/* Its queues change, and with them what it refers to. */
int cx_modify_rqt(CxCommand *c)
{
    CxRqt *rqt = cx_object_find(c->vhca, OBJECT_RQT,
                                ifc_get(c->in, F_IN_ID24));
    CxRqt new;
    uint32_t syndrome;

    if (!rqt) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (ifc_get(c->in, F_MODIFY_BITS) != RQT_MODIFY_LIST) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FIELD_SELECT);
    }
    new = *rqt;
    new.actual = ifc_get(c->in, F_RQT_ACTUAL);
    new.rqn = cx_rqt_list(c, new.actual);
    if (!new.rqn) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_LIST);
    }
    syndrome = cx_rqt_link(c->vhca, &new);
    if (syndrome) {
        g_free(new.rqn);
        return cx_refuse(c, ST_BAD_PARAM, syndrome);
    }
    cx_rqt_unlink(c->vhca, rqt);
    g_free(rqt->rqn);
    *rqt = new;
    return ST_OK;
}

/* ---- TIR ---- */

static void cx_tir_visit(CxArchive *a, void *obj)
{
    CxTir *tir = obj;

    cx_archive_u32(a, &tir->disp_type);
    cx_archive_u32(a, &tir->rqn);
    cx_archive_u32(a, &tir->rqtn);
    cx_archive_u32(a, &tir->td);
    cx_archive_u32(a, &tir->hash_fn);
    cx_archive_u32(a, &tir->selector);
    cx_archive_u32(a, &tir->self_lb);
    cx_archive_bool(a, &tir->symmetric);
    cx_archive_bytes(a, tir->key, sizeof(tir->key));
}

/* What the frames go to. */
static unsigned cx_tir_below(const CxTir *tir, uint32_t *id)
{
    *id = tir->disp_type == TIR_INLINE ? tir->rqn : tir->rqtn;
    return tir->disp_type == TIR_INLINE ? OBJECT_RQ : OBJECT_RQT;
}

static uint32_t cx_tir_link(CxVhca *v, void *obj)
{
    CxTir *tir = obj;
    uint32_t id;
    unsigned kind = cx_tir_below(tir, &id);

    if (tir->disp_type != TIR_INLINE && tir->disp_type != TIR_INDIRECT) {
        return SYND_TIR_TYPE;
    }
    if (!cx_object_find(v, kind, id)) {
        return kind == OBJECT_RQ ? SYND_RQN : SYND_RQTN;
    }
    if (!cx_object_find(v, OBJECT_TD, tir->td)) {
        return SYND_TD;
    }
    cx_object_get(v, kind, id);
    cx_object_get(v, OBJECT_TD, tir->td);
    return SYND_NONE;
}

static void cx_tir_unlink(CxVhca *v, void *obj)
{
    CxTir *tir = obj;
    uint32_t id;
    unsigned kind = cx_tir_below(tir, &id);

    cx_object_put(v, kind, id);
    cx_object_put(v, OBJECT_TD, tir->td);
}

const CxKind cx_kind_tir = {
    .name = "TIR",
    .size = sizeof(CxTir),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_tir_visit,
    .link = cx_tir_link,
    .unlink = cx_tir_unlink,
};

static void cx_tir_read_hash(CxTir *tir, const CxCommand *c)
{
    tir->hash_fn = ifc_get(c->in, F_TIR_HASH_FN);
    tir->symmetric = ifc_get(c->in, F_TIR_SYMMETRIC);
    tir->selector = ifc_get(c->in, F_TIR_SELECTOR);
    memcpy(tir->key, c->in + TIR_KEY, sizeof(tir->key));
}

int cx_create_tir(CxCommand *c)
{
    CxTir *tir = cx_object_alloc(OBJECT_TIR);

    tir->disp_type = ifc_get(c->in, F_TIR_DISP_TYPE);
    tir->rqn = ifc_get(c->in, F_TIR_INLINE_RQN);
    tir->rqtn = ifc_get(c->in, F_TIR_RQTN);
    tir->td = ifc_get(c->in, F_TIR_TD);
    tir->self_lb = ifc_get(c->in, F_TIR_SELF_LB);
    cx_tir_read_hash(tir, c);
    return cx_object_answer(c, OBJECT_TIR, tir);
}

/* packet_merge is LRO, which is not there: to say so again is no mistake. */
int cx_modify_tir(CxCommand *c)
{
    CxTir *tir = cx_object_find(c->vhca, OBJECT_TIR,
                                ifc_get(c->in, F_IN_ID24));
    uint32_t bits = ifc_get(c->in, F_MODIFY_BITS);

    if (!tir) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (bits & ~(TIR_MODIFY_MERGE | TIR_MODIFY_HASH | TIR_MODIFY_SELF_LB)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FIELD_SELECT);
    }
    if (bits & TIR_MODIFY_HASH) {
        cx_tir_read_hash(tir, c);
    }
    if (bits & TIR_MODIFY_SELF_LB) {
        tir->self_lb = ifc_get(c->in, F_TIR_SELF_LB);
    }
    return ST_OK;
}

CxRq *cx_tir_choose(CxVhca *v, const CxTir *tir, const CxFrame *f,
                    uint32_t *hash, uint8_t *hash_type)
{
    const CxRqt *rqt;

    *hash = cx_frame_hash(f, tir->hash_fn, tir->key, tir->symmetric,
                          tir->selector, hash_type);
    if (tir->disp_type == TIR_INLINE) {
        return cx_object_find(v, OBJECT_RQ, tir->rqn);
    }
    rqt = cx_object_find(v, OBJECT_RQT, tir->rqtn);
    return cx_object_find(v, OBJECT_RQ, rqt->rqn[*hash & (rqt->actual - 1)]);
}
