/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: send queues.
 *
 * A doorbell marks its queue, and a bottom half runs what is marked, so many
 * WQEs at a time, as far as the switch has room.  A WQE is done as a whole,
 * with its completion: a function is never suspended within one.  What is
 * wrong with a WQE puts the queue into its error state, in which what is
 * posted completes as flushed.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "ethernet.h"

enum {
    SLICE_WQES = 64,                    /* in one hold of the lock */
    TURN_WQES = 16,                     /* of one queue */
    MAX_PIECES = 4096,                  /* of one LSO */
    MAX_LSO = 1 * MiB,                  /* Linux goes to half of it */
};

static void cx_sq_visit(CxArchive *a, void *obj)
{
    CxSq *sq = obj;

    cx_archive_u32(a, &sq->uar);
    cx_archive_u32(a, &sq->pd);
    cx_archive_u32(a, &sq->cqn);
    cx_archive_u32(a, &sq->tisn);
    cx_archive_u32(a, &sq->min_inline);
    cx_archive_u32(a, &sq->state);
    cx_archive_u32(a, &sq->ci);
    cx_wq_visit(a, &sq->wq);
}

static uint32_t cx_sq_link(CxVhca *v, void *obj)
{
    CxSq *sq = obj;

    return cx_wq_check(&sq->wq, sq->state, LOG_SQ_STRIDE, LOG_SQ_STRIDE);
}

static const CxRef cx_sq_refs[] = {
    { SYND_UAR, OBJECT_UAR, offsetof(CxSq, uar) },
    { SYND_PD, OBJECT_PD, offsetof(CxSq, pd) },
    { SYND_CQN, OBJECT_CQ, offsetof(CxSq, cqn) },
    { SYND_TISN, OBJECT_TIS, offsetof(CxSq, tisn), true },
    { }
};

static void cx_sq_clear(void *obj)
{
    g_free(((CxSq *)obj)->wq.pages.addr);
}

const CxKind cx_kind_sq = {
    .name = "SQ",
    .size = sizeof(CxSq),
    .first = 1,
    .last = MAX_ETH_OBJECTS,
    .visit = cx_sq_visit,
    .link = cx_sq_link,
    .refs = cx_sq_refs,
    .clear = cx_sq_clear,
};

/* ---- commands ---- */

int cx_create_sq(CxCommand *c)
{
    CxSq *sq = cx_object_alloc(OBJECT_SQ);
    int status = cx_wq_read(&sq->wq, c);

    if (status != ST_OK) {
        cx_object_free(OBJECT_SQ, sq);
        return status;
    }
    sq->uar = ifc_get(c->in, F_WQ_UAR_PAGE);
    sq->pd = ifc_get(c->in, F_WQ_PD);
    sq->cqn = ifc_get(c->in, F_WQ_CQN);
    sq->min_inline = ifc_get(c->in, F_SQ_MIN_INLINE);
    sq->state = ifc_get(c->in, F_WQ_STATE);
    if (ifc_get(c->in, F_SQ_TIS_SIZE)) {
        sq->tisn = ifc_get(c->in, F_SQ_TISN);
    }
    return cx_object_answer(c, OBJECT_SQ, sq);
}

int cx_modify_sq(CxCommand *c)
{
    CxSq *sq = cx_object_find(c->vhca, OBJECT_SQ, ifc_get(c->in, F_IN_ID24));
    uint32_t was;
    int status;

    if (!sq) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (ifc_get(c->in, F_MODIFY_BITS)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FIELD_SELECT);
    }
    was = sq->state;
    status = cx_wq_modify(c, &sq->state);
    if (status == ST_OK && was == WQ_RST) {
        sq->ci = 0;
    }
    return status;
}

int cx_query_sq(CxCommand *c)
{
    CxSq *sq = cx_object_find(c->vhca, OBJECT_SQ, ifc_get(c->in, F_IN_ID24));

    if (!sq) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    ifc_set(c->out, F_WQ_STATE, sq->state);
    ifc_set(c->out, F_WQ_CQN, sq->cqn);
    return ST_OK;
}

/* ---- WQEs ---- */

/* What is known of one WQE. */
typedef struct CxSend {
    uint8_t wqe[WQE_MAX_UNITS * WQE_UNIT];
    uint32_t units;                     /* of 16 bytes */
    uint16_t counter;                   /* of its first WQEBB */
    uint16_t blocks;                    /* WQEBBs */
    uint32_t header;                    /* inline bytes */
    uint32_t data;                      /* where its list of memory begins */
    uint8_t *frame;
    uint32_t len;
} CxSend;

/* 0 or a syndrome of a CQE; without blocks, nobody knows where it ends. */
static uint8_t cx_send_fetch(CxVhca *v, const CxSq *sq, uint16_t posted,
                             CxSend *s)
{
    s->counter = sq->ci;
    s->blocks = 0;
    if (cx_dma_read(v, cx_wq_addr(&sq->wq, s->counter), s->wqe, WQEBB) !=
        MEMTX_OK) {
        return CQE_SYND_PROTECTION;
    }
    s->units = ldl_be_p(s->wqe + WQE_QPN_DS) & 0x3f;
    if (!s->units || DIV_ROUND_UP(s->units, 4) > posted) {
        return CQE_SYND_LENGTH;
    }
    s->blocks = DIV_ROUND_UP(s->units, 4);
    for (unsigned i = 1; i < s->blocks; i++) {
        if (cx_dma_read(v, cx_wq_addr(&sq->wq, s->counter + i),
                        s->wqe + i * WQEBB, WQEBB) != MEMTX_OK) {
            return CQE_SYND_PROTECTION;
        }
    }
    return 0;
}

/* Finds out how long the frame is; 0 or a syndrome. */
static uint8_t cx_send_measure(CxSend *s)
{
    uint32_t end = s->units * WQE_UNIT;
    uint64_t len;

    if (end < WQE_ETH_END) {
        return CQE_SYND_LENGTH;
    }
    s->header = lduw_be_p(s->wqe + WQE_ETH_INLINE_SIZE) & WQE_INLINE_MASK;
    s->data = ROUND_UP(WQE_ETH_INLINE + MAX(s->header, 2), WQE_UNIT);
    if (s->data > end) {
        return CQE_SYND_LENGTH;
    }
    len = s->header;
    for (uint32_t at = s->data; at < end; at += WQE_UNIT) {
        uint32_t bytes = ldl_be_p(s->wqe + at + DATA_SIZE);

        /* no bytes are said to mean 2^31, inline data are not announced */
        if (!bytes || bytes > MAX_LSO) {
            return CQE_SYND_LENGTH;
        }
        len += bytes;
    }
    if (len < FRAME_MIN || len > MAX_LSO) {
        return CQE_SYND_LENGTH;
    }
    s->len = len;
    return 0;
}

static uint8_t cx_send_gather(CxVhca *v, CxSend *s)
{
    uint32_t pos = s->header;

    s->frame = g_malloc(s->len);
    memcpy(s->frame, s->wqe + WQE_ETH_INLINE, s->header);
    for (uint32_t at = s->data; at < s->units * WQE_UNIT; at += WQE_UNIT) {
        const uint8_t *seg = s->wqe + at;
        uint32_t bytes = ldl_be_p(seg + DATA_SIZE);

        if (!cx_mkey_read(v, ldl_be_p(seg + DATA_KEY),
                          ldq_be_p(seg + DATA_ADDR), s->frame + pos, bytes)) {
            return CQE_SYND_PROTECTION;
        }
        pos += bytes;
    }
    return 0;
}

static void cx_send_out(CxVhca *v, CxFrame *f)
{
    cx_vport_count(v->vport.tx, f);
    cx_count(v, COUNTER_FRAMES, 1);
    cx_switch_send(v, f);
}

static uint8_t cx_send_pieces(CxVhca *v, const CxSend *s, bool l3, bool l4)
{
    uint32_t mss = lduw_be_p(s->wqe + WQE_ETH_MSS);
    CxLso lso;
    CxFrame *f;

    if (!mss || (s->len - s->header) / mss > MAX_PIECES ||
        !cx_lso_begin(&lso, s->frame, s->len, s->header, mss, l3, l4)) {
        return CQE_SYND_LENGTH;
    }
    while ((f = cx_lso_next(&lso))) {
        cx_send_out(v, f);
    }
    return 0;
}

static uint8_t cx_send_frame(CxVhca *v, CxSend *s)
{
    uint8_t sums = s->wqe[WQE_ETH_CS];
    bool l3 = sums & WQE_CS_L3, l4 = sums & WQE_CS_L4;
    uint8_t syndrome = cx_send_measure(s);

    if (!syndrome) {
        syndrome = cx_send_gather(v, s);
    }
    if (syndrome) {
        return syndrome;
    }
    if (s->wqe[WQE_OPCODE] == WQE_OP_LSO) {
        return cx_send_pieces(v, s, l3, l4);
    }
    if (s->len > FRAME_MAX) {
        return CQE_SYND_LENGTH;
    }
    cx_frame_sums(s->frame, s->len, l3, l4);
    cx_send_out(v, cx_frame_new(s->frame, s->len));
    return 0;
}

static uint8_t cx_send_execute(CxVhca *v, CxSend *s)
{
    uint8_t syndrome;

    switch (s->wqe[WQE_OPCODE]) {
    case WQE_OP_NOP:
        return 0;
    case WQE_OP_SEND:
    case WQE_OP_LSO:
        syndrome = cx_send_frame(v, s);
        g_free(s->frame);
        s->frame = NULL;
        return syndrome;
    }
    return CQE_SYND_QP_OP;
}

static void cx_send_complete(CxVhca *v, const CxSq *sq, const CxSend *s)
{
    uint8_t cqe[CQE_SIZE] = { 0 };

    if ((s->wqe[WQE_FLAGS] & WQE_CE_MASK) != WQE_CE_ALWAYS) {
        return;
    }
    stl_be_p(cqe + CQE_QPN, (uint32_t)s->wqe[WQE_OPCODE] << 24 | sq->obj.id);
    stw_be_p(cqe + CQE_WQE_COUNTER, s->counter);
    cqe[CQE_OP_OWN] = CQE_OP_REQ << 4;
    cx_cq_post(v, sq->cqn, cqe);
}

/*
 * One WQE.  One that fails is told of even if it wants no completion, and so
 * is each behind it.  Where a length makes no sense, nobody knows where the
 * next begins: the rest is given up.
 */
static void cx_sq_step(CxVhca *v, CxSq *sq, uint16_t posted)
{
    CxSend s = { };
    uint8_t syndrome = cx_send_fetch(v, sq, posted - sq->ci, &s);

    if (!syndrome && sq->state == WQ_ERR) {
        syndrome = CQE_SYND_FLUSHED;
    } else if (!syndrome) {
        syndrome = cx_send_execute(v, &s);
    }
    sq->ci = s.blocks ? (uint16_t)(sq->ci + s.blocks) : posted;
    if (syndrome) {
        sq->state = WQ_ERR;
        cx_wq_error(v, sq->cqn, CQE_OP_REQ_ERR, sq->obj.id, s.counter,
                    syndrome);
    } else {
        cx_send_complete(v, sq, &s);
    }
}

/* ---- running ---- */

/* So many WQEs; the queue is marked until nothing is left. */
static unsigned cx_sq_turn(CxVhca *v, CxSq *sq, unsigned budget)
{
    unsigned n = 0;
    uint16_t posted;

    while (sq->rung && n < budget && cx_switch_room(v->pf)) {
        if (sq->state == WQ_RST ||
            !cx_wq_posted(v, &sq->wq, WQ_DBR_SEND, &posted) ||
            posted == sq->ci) {
            sq->rung = false;
        } else {
            cx_sq_step(v, sq, posted);
            n++;
        }
    }
    return n;
}

/* Each queue in turn, from the one at which the last slice ended. */
static void cx_sq_slice(CxVhca *v)
{
    g_autoptr(GArray) ids = cx_object_ids(v, OBJECT_SQ);
    unsigned budget = SLICE_WQES;
    bool left = false;

    for (unsigned i = 0; i < ids->len; i++) {
        uint32_t id = g_array_index(ids, uint32_t,
                                    (i + v->send_turn) % ids->len);
        CxSq *sq = cx_object_find(v, OBJECT_SQ, id);

        budget -= cx_sq_turn(v, sq, MIN(budget, TURN_WQES));
        left |= sq->rung;
    }
    v->send_turn++;
    if (left) {
        qemu_bh_schedule(v->send_bh);
    }
}

void cx_sq_bh(void *opaque)
{
    CxVhca *v = opaque;
    int64_t began = cx_cpu_ns();

    if (cx_initiates(v) && !v->gone) {
        cx_sq_slice(v);
        cx_count(v, COUNTER_FRAMES_NS, cx_cpu_ns() - began);
    }
}

/* {number, size} of the WQE; what is posted says the doorbell record. */
void cx_sq_doorbell(CxVhca *v, uint32_t value)
{
    CxSq *sq = cx_object_find(v, OBJECT_SQ, value >> 8);

    if (sq) {
        sq->rung = true;
        qemu_bh_schedule(v->send_bh);
    }
}

void cx_sq_resume(CxVhca *v)
{
    GHashTableIter it;
    gpointer sq;

    g_hash_table_iter_init(&it, v->objects[OBJECT_SQ]);
    while (g_hash_table_iter_next(&it, NULL, &sq)) {
        ((CxSq *)sq)->rung = true;
    }
    qemu_bh_schedule(v->send_bh);
}
