/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: what send and receive queues of Ethernet have in common.
 *
 * A ring in pages of the driver's, which tells by a counter in its doorbell
 * record how far it has posted.  Counters have 16 bits.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "ethernet.h"

int cx_wq_read(CxWq *wq, CxCommand *c)
{
    wq->log_size = ifc_get(c->in, F_WQ_LOG_SIZE);
    wq->log_stride = ifc_get(c->in, F_WQ_LOG_STRIDE);
    wq->dbr = ifc_get(c->in, F_WQ_DBR_ADDR);
    if (ifc_get(c->in, F_WQ_TYPE) != WQ_CYCLIC) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_WQ_TYPE);
    }
    if (wq->log_size > LOG_MAX_WQ_SIZE) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_SIZE);
    }
    if (!cx_pages_read(&wq->pages, c, WQ_PAS,
                       1ull << (wq->log_size + wq->log_stride),
                       12 + ifc_get(c->in, F_WQ_LOG_PAGE_SIZE))) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_PAGE_LIST);
    }
    return ST_OK;
}

void cx_wq_visit(CxArchive *a, CxWq *wq)
{
    cx_archive_u32(a, &wq->log_size);
    cx_archive_u32(a, &wq->log_stride);
    cx_archive_u64(a, &wq->dbr);
    cx_archive_pages(a, &wq->pages);
}

static bool cx_wq_state_valid(uint32_t state)
{
    return state == WQ_RST || state == WQ_RDY || state == WQ_ERR;
}

uint32_t cx_wq_check(const CxWq *wq, uint32_t state, uint32_t log_min_stride,
                     uint32_t log_max_stride)
{
    if (wq->log_size > LOG_MAX_WQ_SIZE || wq->log_stride < log_min_stride ||
        wq->log_stride > log_max_stride ||
        wq->pages.n < DIV_ROUND_UP(1ull << (wq->log_size + wq->log_stride),
                                   1ull << wq->pages.log_page)) {
        return SYND_SIZE;
    }
    return cx_wq_state_valid(state) ? SYND_NONE : SYND_WQ_STATE;
}

/* Entries do not cross pages: both are powers of two, pages the larger one. */
uint64_t cx_wq_addr(const CxWq *wq, uint16_t counter)
{
    uint64_t index = counter & ((1u << wq->log_size) - 1);

    return cx_pages_addr(&wq->pages, index << wq->log_stride);
}

bool cx_wq_posted(CxVhca *v, const CxWq *wq, unsigned record, uint16_t *counter)
{
    uint32_t be;

    if (cx_dma_read(v, wq->dbr + record, &be, sizeof(be)) != MEMTX_OK) {
        return false;
    }
    smp_rmb();
    *counter = be32_to_cpu(be);
    return true;
}

/* RST and ERR can be reached from everywhere, RDY not from ERR. */
int cx_wq_modify(CxCommand *c, uint32_t *state)
{
    uint32_t to = ifc_get(c->in, F_WQ_STATE);

    if (ifc_get(c->in, F_WQ_STATE_FROM) != *state ||
        !cx_wq_state_valid(to) || (*state == WQ_ERR && to == WQ_RDY)) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_WQ_STATE);
    }
    *state = to;
    return ST_OK;
}

void cx_wq_error(CxVhca *v, uint32_t cqn, unsigned opcode, uint32_t qpn,
                 uint16_t counter, uint8_t syndrome)
{
    uint8_t cqe[CQE_SIZE] = { 0 };

    stl_be_p(cqe + CQE_QPN, qpn);
    stw_be_p(cqe + CQE_WQE_COUNTER, counter);
    cqe[CQE_SYNDROME] = syndrome;
    cqe[CQE_OP_OWN] = opcode << 4;
    cx_cq_post(v, cqn, cqe);
}
