/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: completion queues.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "connectx.h"

#define LOG_MAX_CQ_SIZE 22

static void cx_cq_visit(CxArchive *a, void *obj)
{
    CxCq *cq = obj;

    cx_archive_u32(a, &cq->uar);
    cx_archive_u32(a, &cq->eqn);
    cx_archive_u32(a, &cq->log_size);
    cx_archive_u32(a, &cq->pi);
    cx_archive_u32(a, &cq->armed_ci);
    cx_archive_bool(a, &cq->armed);
    cx_archive_bool(a, &cq->ignore_overrun);
    cx_archive_u64(a, &cq->dbr);
    cx_archive_pages(a, &cq->pages);
}

static uint32_t cx_cq_link(CxVhca *v, void *obj)
{
    CxCq *cq = obj;

    if (cq->log_size > LOG_MAX_CQ_SIZE ||
        cq->pages.n < DIV_ROUND_UP((uint64_t)CQE_SIZE << cq->log_size,
                                   1ull << cq->pages.log_page)) {
        return SYND_SIZE;
    }
    return SYND_NONE;
}

static const CxRef cx_cq_refs[] = {
    { SYND_EQN, OBJECT_EQ, offsetof(CxCq, eqn) },
    { SYND_UAR, OBJECT_UAR, offsetof(CxCq, uar) },
    { }
};

static void cx_cq_clear(void *obj)
{
    g_free(((CxCq *)obj)->pages.addr);
}

const CxKind cx_kind_cq = {
    .name = "CQ",
    .size = sizeof(CxCq),
    .first = 0x400,
    .last = 0xffffff,
    .visit = cx_cq_visit,
    .link = cx_cq_link,
    .refs = cx_cq_refs,
    .clear = cx_cq_clear,
};

int cx_create_cq(CxCommand *c)
{
    uint32_t log_size = ifc_get(c->in, F_CQ_LOG_SIZE);
    CxCq *cq;

    if (log_size > LOG_MAX_CQ_SIZE || ifc_get(c->in, F_CQ_CQE_SIZE)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_SIZE);
    }
    cq = cx_object_alloc(OBJECT_CQ);
    cq->log_size = log_size;
    cq->uar = ifc_get(c->in, F_CQ_UAR_PAGE);
    cq->eqn = ifc_get(c->in, F_CQ_EQN);
    cq->dbr = ifc_get(c->in, F_CQ_DBR_ADDR);
    cq->ignore_overrun = ifc_get(c->in, F_CQ_OVERRUN_IGNORE);
    if (!cx_pages_read(&cq->pages, c, CQ_PAS, (uint64_t)CQE_SIZE << log_size,
                       12 + ifc_get(c->in, F_CQ_LOG_PAGE_SIZE))) {
        cx_object_free(OBJECT_CQ, cq);
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_PAGE_LIST);
    }
    return cx_object_answer(c, OBJECT_CQ, cq);
}

static void cx_cq_event(CxVhca *v, CxCq *cq)
{
    uint8_t data[EQE_DATA_SIZE] = { 0 };

    stl_be_p(data + 24, cq->obj.id);
    cq->armed = false;
    cx_event_eqn(v, cq->eqn, EVENT_COMPLETION, data);
}

/* A completion came before it was armed, or while its function was suspended. */
static void cx_cq_fire(CxVhca *v, CxCq *cq)
{
    if (cq->armed && (cq->pi - cq->armed_ci) & 0xffffff && cx_initiates(v)) {
        cx_cq_event(v, cq);
    }
}

void cx_cq_refire(CxVhca *v)
{
    g_autoptr(GArray) ids = cx_object_ids(v, OBJECT_CQ);

    for (unsigned i = 0; i < ids->len; i++) {
        cx_cq_fire(v, cx_object_find(v, OBJECT_CQ,
                                     g_array_index(ids, uint32_t, i)));
    }
}

/* Doorbell {sequence, command, consumer index}, {cqn}: two halves. */
void cx_cq_arm(CxVhca *v, uint32_t hi, uint32_t lo)
{
    CxCq *cq = cx_object_find(v, OBJECT_CQ, lo & 0xffffff);

    if (!cq) {
        return;
    }
    cq->armed = true;
    cq->armed_ci = hi & 0xffffff;
    cx_cq_fire(v, cq);
    /* Its consumer has read everything: there may be credits again. */
    qemu_bh_schedule(v->doorbell_bh);
}

static bool cx_cq_full(CxVhca *v, const CxCq *cq)
{
    uint32_t ci;

    return cx_dma_read(v, cq->dbr, &ci, sizeof(ci)) == MEMTX_OK &&
           ((cq->pi - be32_to_cpu(ci)) & 0xffffff) >= 1u << cq->log_size;
}

/* Writes the completion, all but its owner bit given; false if it cannot. */
bool cx_cq_post(CxVhca *v, uint32_t cqn, uint8_t cqe[CQE_SIZE])
{
    CxCq *cq = cx_object_find(v, OBJECT_CQ, cqn);
    uint32_t size;

    if (!cq) {
        return false;
    }
    if (!cq->ignore_overrun && cx_cq_full(v, cq)) {
        uint8_t data[EQE_DATA_SIZE] = { 0 };

        cx_count(v, COUNTER_CQ_OVERRUNS, 1);
        stl_be_p(data, cq->obj.id);
        cx_event_async(v, EVENT_CQ_ERROR, data, 0);
        return false;
    }
    size = 1u << cq->log_size;
    cqe[CQE_OP_OWN] |= cq->pi >> cq->log_size & 1;
    if (cx_dma_write_entry(v, cx_pages_addr(&cq->pages, (uint64_t)
                                            (cq->pi & (size - 1)) * CQE_SIZE),
                           cqe, CQE_SIZE) != MEMTX_OK) {
        return false;
    }
    cq->pi++;
    if (cq->armed) {
        cx_cq_event(v, cq);
    }
    return true;
}
