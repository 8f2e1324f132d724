/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: receive queues, and a frame's way to one.
 *
 * Nothing is kept for a queue that has no WQE posted: the frame is dropped and
 * counted.  So it is for one that is longer than its WQE.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "ethernet.h"

static void cx_rq_visit(CxArchive *a, void *obj)
{
    CxRq *rq = obj;

    cx_archive_u32(a, &rq->cqn);
    cx_archive_u32(a, &rq->counter);
    cx_archive_u32(a, &rq->state);
    cx_archive_u32(a, &rq->ci);
    cx_archive_bool(a, &rq->vsd);
    cx_wq_visit(a, &rq->wq);
}

static uint32_t cx_rq_link(CxVhca *v, void *obj)
{
    CxRq *rq = obj;

    return cx_wq_check(&rq->wq, rq->state, LOG_MIN_RQ_STRIDE,
                       LOG_MAX_RQ_STRIDE);
}

static const CxRef cx_rq_refs[] = {
    { SYND_CQN, OBJECT_CQ, offsetof(CxRq, cqn) },
    { SYND_Q_COUNTER, OBJECT_Q_COUNTER, offsetof(CxRq, counter), true },
    { }
};

static void cx_rq_clear(void *obj)
{
    g_free(((CxRq *)obj)->wq.pages.addr);
}

const CxKind cx_kind_rq = {
    .name = "RQ",
    .size = sizeof(CxRq),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_rq_visit,
    .link = cx_rq_link,
    .refs = cx_rq_refs,
    .clear = cx_rq_clear,
};

/* ---- commands ---- */

int cx_create_rq(CxCommand *c)
{
    CxRq *rq = cx_object_alloc(OBJECT_RQ);
    int status = cx_wq_read(&rq->wq, c);

    if (status != ST_OK) {
        cx_object_free(OBJECT_RQ, rq);
        return status;
    }
    rq->cqn = ifc_get(c->in, F_WQ_CQN);
    rq->counter = ifc_get(c->in, F_RQ_COUNTER);
    rq->state = ifc_get(c->in, F_WQ_STATE);
    rq->vsd = ifc_get(c->in, F_RQ_VSD);
    return cx_object_answer(c, OBJECT_RQ, rq);
}

int cx_modify_rq(CxCommand *c)
{
    CxRq *rq = cx_object_find(c->vhca, OBJECT_RQ, ifc_get(c->in, F_IN_ID24));
    uint32_t bits = ifc_get(c->in, F_MODIFY_BITS), was;
    int status;

    if (!rq) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (bits & ~RQ_MODIFY_VSD) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FIELD_SELECT);
    }
    was = rq->state;
    status = cx_wq_modify(c, &rq->state);
    if (status != ST_OK) {
        return status;
    }
    if (was == WQ_RST) {
        rq->ci = 0;
    }
    if (bits & RQ_MODIFY_VSD) {
        rq->vsd = ifc_get(c->in, F_RQ_VSD);
    }
    return ST_OK;
}

int cx_query_rq(CxCommand *c)
{
    CxRq *rq = cx_object_find(c->vhca, OBJECT_RQ, ifc_get(c->in, F_IN_ID24));

    if (!rq) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    ifc_set(c->out, F_WQ_STATE, rq->state);
    ifc_set(c->out, F_WQ_CQN, rq->cqn);
    ifc_set(c->out, F_RQ_COUNTER, rq->counter);
    ifc_set(c->out, F_RQ_VSD, rq->vsd);
    return ST_OK;
}

/* ---- frames ---- */

typedef struct CxRecv {
    uint8_t wqe[1 << LOG_MAX_RQ_STRIDE];
    uint32_t end;                       /* bytes of it that list memory */
    uint64_t room;
} CxRecv;

static uint32_t cx_recv_bytes(const CxRecv *r, uint32_t at)
{
    return ldl_be_p(r->wqe + at + DATA_SIZE) & RECV_SIZE_MASK;
}

static void cx_rq_out_of_buffer(CxVhca *v, const CxRq *rq)
{
    CxQCounter *q = cx_object_find(v, OBJECT_Q_COUNTER, rq->counter);

    if (q) {
        q->out_of_buffer++;
    }
}

/* The WQE at the head of the queue; false if none is posted. */
static bool cx_rq_fetch(CxVhca *v, const CxRq *rq, CxRecv *r)
{
    uint32_t stride = 1u << rq->wq.log_stride;
    uint16_t posted;

    if (rq->state != WQ_RDY ||
        !cx_wq_posted(v, &rq->wq, WQ_DBR_RECV, &posted) || posted == rq->ci ||
        cx_dma_read(v, cx_wq_addr(&rq->wq, rq->ci), r->wqe, stride) !=
        MEMTX_OK) {
        return false;
    }
    r->room = 0;
    for (r->end = 0; r->end < stride; r->end += WQE_UNIT) {
        uint32_t bytes = cx_recv_bytes(r, r->end);

        if (!bytes && ldl_be_p(r->wqe + r->end + DATA_KEY) == TERMINATE_KEY) {
            break;
        }
        r->room += bytes;
    }
    return true;
}

static bool cx_recv_scatter(CxVhca *v, const CxRecv *r, const CxFrame *f)
{
    uint32_t pos = 0;

    for (uint32_t at = 0; at < r->end && pos < f->len; at += WQE_UNIT) {
        const uint8_t *seg = r->wqe + at;
        uint32_t n = MIN(cx_recv_bytes(r, at), f->len - pos);

        if (n && !cx_mkey_write(v, ldl_be_p(seg + DATA_KEY),
                                ldq_be_p(seg + DATA_ADDR), f->data + pos, n)) {
            return false;
        }
        pos += n;
    }
    return true;
}

/* The frame and what its completion says of it; data first. */
static bool cx_rq_deliver(CxVhca *v, CxRq *rq, const CxFrame *f,
                          uint8_t cqe[CQE_SIZE])
{
    CxRecv r;

    if (!cx_rq_fetch(v, rq, &r)) {
        cx_rq_out_of_buffer(v, rq);
        return false;
    }
    if (f->len > r.room) {
        return false;
    }
    if (!cx_recv_scatter(v, &r, f)) {
        rq->state = WQ_ERR;
        cx_wq_error(v, rq->cqn, CQE_OP_RESP_ERR, rq->obj.id, rq->ci,
                    CQE_SYND_PROTECTION);
        return false;
    }
    stw_be_p(cqe + CQE_CHECK_SUM, cx_frame_sum(f->data + FRAME_MIN,
                                               f->len - FRAME_MIN));
    stl_be_p(cqe + CQE_BYTE_CNT, f->len);
    stl_be_p(cqe + CQE_QPN, 0);         /* the flow tag */
    stw_be_p(cqe + CQE_WQE_COUNTER, rq->ci);
    cqe[CQE_OP_OWN] = CQE_OP_RESP_SEND << 4;
    if (!cx_cq_post(v, rq->cqn, cqe)) {
        return false;
    }
    rq->ci = (uint16_t)(rq->ci + 1);
    return true;
}

static bool cx_eth_steer(CxVhca *v, const CxFrame *f)
{
    uint8_t cqe[CQE_SIZE] = { 0 };
    const CxTir *tir = cx_flow_find(v, f);
    CxFrame *stripped = NULL;
    uint32_t hash;
    CxRq *rq;
    bool taken;

    if (!tir) {
        return false;
    }
    rq = cx_tir_choose(v, tir, f, &hash, &cqe[CQE_RSS_TYPE]);
    stl_be_p(cqe + CQE_RSS_HASH, hash);
    if (!rq->vsd) {
        stripped = cx_frame_strip(f);
    }
    if (stripped) {
        cqe[CQE_L3_L4] = CQE_VLAN_STRIPPED;
        stw_be_p(cqe + CQE_VLAN_INFO, f->h.tci);
    }
    taken = cx_rq_deliver(v, rq, stripped ? stripped : f, cqe);
    cx_frame_free(stripped);
    return taken;
}

/* While a function is suspended, nothing is written to its memory. */
bool cx_eth_receive(CxVhca *v, const CxFrame *f)
{
    if (cx_eth_listens(v) && cx_initiates(v) && !v->gone) {
        cx_vport_count(v->vport.rx, f);
        if (cx_eth_steer(v, f)) {
            return true;
        }
    }
    cx_count(v, COUNTER_FRAMES_DROPPED, 1);
    return false;
}

bool cx_eth_listens(const CxVhca *v)
{
    return v->inited && v->flow_root;
}

bool cx_eth_loops_back(const CxVhca *v)
{
    GHashTableIter it;
    gpointer tir;

    g_hash_table_iter_init(&it, v->objects[OBJECT_TIR]);
    while (g_hash_table_iter_next(&it, NULL, &tir)) {
        if (((CxTir *)tir)->self_lb & SELF_LB_UNICAST) {
            return true;
        }
    }
    return false;
}
