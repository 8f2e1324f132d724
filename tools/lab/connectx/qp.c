/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: queue pairs, as far as they receive.
 *
 * None is connected to another: messages come from the page tracker and the
 * workload.  Receive credits are what the doorbell record in memory says, which
 * the driver advances without telling anyone.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "connectx.h"

static void cx_qp_visit(CxArchive *a, void *obj)
{
    CxQp *qp = obj;

    cx_archive_u32(a, &qp->uar);
    cx_archive_u32(a, &qp->cqn);
    cx_archive_u32(a, &qp->remote);
    cx_archive_u32(a, &qp->rq_type);
    cx_archive_u32(a, &qp->log_size);
    cx_archive_u32(a, &qp->log_stride);
    cx_archive_u32(a, &qp->state);
    cx_archive_u32(a, &qp->rq_ci);
    cx_archive_u64(a, &qp->dbr);
    cx_archive_pages(a, &qp->pages);
}

static uint64_t cx_rq_bytes(const CxQp *qp)
{
    return (uint64_t)RECV_WQE_SIZE << (qp->log_size + qp->log_stride);
}

static uint32_t cx_qp_link(CxVhca *v, void *obj)
{
    CxQp *qp = obj;

    if (qp->log_size > 15 || qp->log_stride > 7 || qp->state > QP_RTS) {
        return SYND_SIZE;
    }
    if (qp->rq_type != QP_RQ_NORMAL && qp->rq_type != QP_RQ_ZERO_LEN) {
        return SYND_QP_TYPE;
    }
    if (!cx_object_find(v, OBJECT_UAR, qp->uar)) {
        return SYND_UAR;
    }
    if (qp->rq_type == QP_RQ_NORMAL) {
        if (qp->pages.n < DIV_ROUND_UP(cx_rq_bytes(qp),
                                       1ull << qp->pages.log_page)) {
            return SYND_SIZE;
        }
        if (!cx_object_find(v, OBJECT_CQ, qp->cqn)) {
            return SYND_CQN;
        }
        cx_object_get(v, OBJECT_CQ, qp->cqn);
    }
    cx_object_get(v, OBJECT_UAR, qp->uar);
    return SYND_NONE;
}

static void cx_qp_unlink(CxVhca *v, void *obj)
{
    CxQp *qp = obj;

    cx_object_put(v, OBJECT_UAR, qp->uar);
    if (qp->rq_type == QP_RQ_NORMAL) {
        cx_object_put(v, OBJECT_CQ, qp->cqn);
    }
}

static void cx_qp_clear(void *obj)
{
    g_free(((CxQp *)obj)->pages.addr);
}

const CxKind cx_kind_qp = {
    .name = "QP",
    .size = sizeof(CxQp),
    .first = 0x80,
    .last = 0xffffff,
    .visit = cx_qp_visit,
    .link = cx_qp_link,
    .unlink = cx_qp_unlink,
    .clear = cx_qp_clear,
};

int cx_create_qp(CxCommand *c)
{
    CxQp *qp = cx_object_alloc(OBJECT_QP);

    qp->uar = ifc_get(c->in, F_QP_UAR_PAGE);
    qp->cqn = ifc_get(c->in, F_QP_CQN_RCV);
    qp->rq_type = ifc_get(c->in, F_QP_RQ_TYPE);
    qp->log_size = ifc_get(c->in, F_QP_LOG_RQ_SIZE);
    qp->log_stride = ifc_get(c->in, F_QP_LOG_RQ_STRIDE);
    qp->dbr = ifc_get(c->in, F_QP_DBR_ADDR);
    if (qp->rq_type == QP_RQ_NORMAL &&
        !cx_pages_read(&qp->pages, c, QP_PAS, cx_rq_bytes(qp),
                       12 + ifc_get(c->in, F_QP_LOG_PAGE_SIZE))) {
        cx_object_free(OBJECT_QP, qp);
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_PAGE_LIST);
    }
    return cx_object_answer(c, OBJECT_QP, qp);
}

/* RST2INIT, INIT2RTR, RTR2RTS: from the state whose number follows opcode's. */
int cx_modify_qp(CxCommand *c)
{
    CxQp *qp = cx_object_find(c->vhca, OBJECT_QP, ifc_get(c->in, F_IN_ID24));
    CxQpState from = c->opcode - OP_RST2INIT_QP;

    if (!qp) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (qp->state != from) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_QP_STATE);
    }
    if (c->opcode == OP_INIT2RTR_QP) {
        qp->remote = ifc_get(c->in, F_QP_REMOTE_QPN);
    }
    qp->state = from + 1;
    return ST_OK;
}

/* The receive WQE at the head of the queue; false if none is posted. */
static bool cx_rq_head(CxVhca *v, CxQp *qp, uint32_t wqe[4])
{
    uint64_t stride = (uint64_t)RECV_WQE_SIZE << qp->log_stride;
    uint64_t index = qp->rq_ci & ((1u << qp->log_size) - 1);
    uint32_t posted;

    if (qp->rq_type != QP_RQ_NORMAL || qp->state < QP_RTR ||
        cx_dma_read(v, qp->dbr, &posted, sizeof(posted)) != MEMTX_OK ||
        (uint16_t)be32_to_cpu(posted) == (uint16_t)qp->rq_ci) {
        return false;
    }
    smp_rmb();
    return cx_dma_read(v, cx_pages_addr(&qp->pages, index * stride), wqe,
                       RECV_WQE_SIZE) == MEMTX_OK;
}

/* Is a receive posted, and how long may a message be? */
bool cx_qp_credit(CxVhca *v, CxQp *qp, uint32_t *bytes)
{
    uint32_t wqe[4];

    if (!cx_rq_head(v, qp, wqe)) {
        return false;
    }
    *bytes = be32_to_cpu(wqe[0]);
    return true;
}

/* A message with immediate data arrives; false if it cannot be delivered. */
bool cx_qp_receive(CxVhca *v, CxQp *qp, const void *buf, uint32_t len,
                   uint32_t immediate)
{
    uint8_t cqe[CQE_SIZE] = { 0 };
    uint32_t wqe[4];

    if (!cx_rq_head(v, qp, wqe) || len > be32_to_cpu(wqe[0]) ||
        (len && !cx_mkey_write(v, be32_to_cpu(wqe[1]), ldq_be_p(wqe + 2),
                               buf, len))) {
        return false;
    }
    stl_be_p(cqe + CQE_IMMEDIATE, immediate);
    stl_be_p(cqe + CQE_BYTE_CNT, len);
    stl_be_p(cqe + CQE_QPN, qp->obj.id);
    stw_be_p(cqe + CQE_WQE_COUNTER, qp->rq_ci);
    cqe[CQE_OP_OWN] = CQE_OP_RESP_SEND_IMM << 4;
    if (!cx_cq_post(v, qp->cqn, cqe)) {
        return false;
    }
    qp->rq_ci = (uint16_t)(qp->rq_ci + 1);
    return true;
}
