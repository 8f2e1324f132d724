// SPDX-License-Identifier: GPL-2.0-or-later
/* The objects that a driver of a ConnectX function creates, and their rings. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "fw.h"
#include "tap.h"

enum { PAGE = 4096 };

uint32_t fw_must(struct fw *fw, struct fw_cmd *c, const char *what)
{
    int status = fw_status(fw_exec(fw, c));

    if (status)
        tap_bail("%s: status %#x syndrome %#x", what, status, c->r.syndrome);
    return cmd_out(c, F_OUT_ID24);
}

static uint32_t create_simple(struct fw *fw, unsigned opcode, const char *what)
{
    struct fw_cmd c;

    fw_cmd_init(&c, opcode, 0, 16, 16);
    return fw_must(fw, &c, what);
}

uint32_t fw_create_uar(struct fw *fw)
{
    return create_simple(fw, OP_ALLOC_UAR, "ALLOC_UAR");
}

uint32_t fw_create_pd(struct fw *fw)
{
    return create_simple(fw, OP_ALLOC_PD, "ALLOC_PD");
}

uint32_t fw_ring_pages(struct fw *fw, struct fw_cmd *c, unsigned list, uint32_t bytes)
{
    uint32_t pages = (bytes + PAGE - 1) / PAGE;
    uint32_t at = fw_alloc(fw, pages * PAGE, PAGE);

    if (list + pages * 8 > sizeof(c->in))
        tap_bail("a ring of %u pages is too long for one input", pages);
    c->head_len = list + pages * 8;
    for (uint32_t i = 0; i < pages; i++)
        ifc_set(c->in, (list + i * 8) * 8, 64, fw_iova(fw, at + i * PAGE));
    return at;
}

/* ---- event queues ---- */

void fw_eq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_eq *eq, uint32_t uar,
               unsigned log_size, unsigned vector, uint64_t events)
{
    fw_cmd_init(c, OP_CREATE_EQ, 0, EQ_PAS, 16);
    *eq = (struct fw_eq){ .uar = uar, .log_size = log_size };
    eq->ring = fw_ring_pages(fw, c, EQ_PAS, EQE_SIZE << log_size);
    for (uint32_t i = 0; i < 1u << log_size; i++)
        fw->ram[eq->ring + i * EQE_SIZE + EQE_OWNER] = 1;
    cmd_set(c, F_EQ_LOG_SIZE, log_size);
    cmd_set(c, F_EQ_UAR_PAGE, uar);
    cmd_set(c, F_EQ_INTR, vector);
    ifc_set(c->in, EQ_EVENT_MASK * 8, 64, events);
}

struct fw_eq fw_create_eq(struct fw *fw, uint32_t uar, unsigned log_size,
                          unsigned vector, uint64_t events)
{
    struct fw_cmd c;
    struct fw_eq eq;

    fw_eq_cmd(fw, &c, &eq, uar, log_size, vector, events);
    fw_must(fw, &c, "CREATE_EQ");
    eq.eqn = cmd_out(&c, F_EQ_NUMBER);
    return eq;
}

const uint8_t *fw_eq_next(struct fw *fw, struct fw_eq *eq)
{
    uint32_t mask = (1u << eq->log_size) - 1;
    const uint8_t *e = fw->ram + eq->ring + (eq->ci & mask) * EQE_SIZE;
    uint8_t owner = __atomic_load_n(e + EQE_OWNER, __ATOMIC_ACQUIRE);

    if ((owner & 1) != (eq->ci >> eq->log_size & 1))
        return NULL;
    eq->ci++;
    return e;
}

void fw_eq_update(struct fw *fw, const struct fw_eq *eq, bool arm)
{
    fw_write32(fw, eq->uar * PAGE + (arm ? UAR_EQ_ARM : UAR_EQ_CI),
               eq->eqn << 24 | (eq->ci & 0xffffff));
}

/* ---- completion queues ---- */

void fw_cq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_cq *cq, uint32_t uar,
               unsigned log_size, uint32_t eqn)
{
    fw_cmd_init(c, OP_CREATE_CQ, 0, CQ_PAS, 16);
    *cq = (struct fw_cq){ .uar = uar, .log_size = log_size };
    cq->ring = fw_ring_pages(fw, c, CQ_PAS, CQE_SIZE << log_size);
    cq->record = fw_alloc(fw, 8, 8);
    for (uint32_t i = 0; i < 1u << log_size; i++)
        fw->ram[cq->ring + i * CQE_SIZE + CQE_OP_OWN] = 0xf0;
    cmd_set(c, F_CQ_LOG_SIZE, log_size);
    cmd_set(c, F_CQ_UAR_PAGE, uar);
    cmd_set(c, F_CQ_EQN, eqn);
    cmd_set(c, F_CQ_DBR_ADDR, fw_iova(fw, cq->record));
}

struct fw_cq fw_create_cq(struct fw *fw, uint32_t uar, unsigned log_size, uint32_t eqn)
{
    struct fw_cmd c;
    struct fw_cq cq;

    fw_cq_cmd(fw, &c, &cq, uar, log_size, eqn);
    cq.cqn = fw_must(fw, &c, "CREATE_CQ");
    return cq;
}

void fw_record_write(struct fw *fw, uint32_t offset, uint32_t value)
{
    __atomic_store_n((uint32_t *)(fw->ram + offset), htobe32(value), __ATOMIC_RELEASE);
}

const uint8_t *fw_cq_next(struct fw *fw, struct fw_cq *cq)
{
    uint32_t mask = (1u << cq->log_size) - 1;
    const uint8_t *e = fw->ram + cq->ring + (cq->ci & mask) * CQE_SIZE;
    uint8_t op_own = __atomic_load_n(e + CQE_OP_OWN, __ATOMIC_ACQUIRE);

    if (op_own >> 4 == 0xf || (op_own & 1) != (cq->ci >> cq->log_size & 1))
        return NULL;
    cq->ci++;
    fw_record_write(fw, cq->record, cq->ci & 0xffffff);
    return e;
}

void fw_cq_arm(struct fw *fw, struct fw_cq *cq)
{
    uint32_t word = (cq->arm_sn++ & 3) << 28 | (cq->ci & 0xffffff);

    fw_record_write(fw, cq->record + 4, word);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *(volatile uint64_t *)(fw->bar + cq->uar * PAGE + UAR_CQ_ARM) =
        htobe64((uint64_t)word << 32 | cq->cqn);
}

/* ---- queue pairs ---- */

void fw_qp_cmd(struct fw *fw, struct fw_cmd *c, struct fw_qp *qp, uint32_t uar,
               unsigned rq_type, unsigned log_size, uint32_t cqn)
{
    fw_cmd_init(c, OP_CREATE_QP, 0, QP_PAS, 16);
    *qp = (struct fw_qp){ .log_size = log_size };
    cmd_set(c, F_QP_NO_SQ, 1);
    cmd_set(c, F_QP_RQ_TYPE, rq_type);
    cmd_set(c, F_QP_UAR_PAGE, uar);
    if (rq_type == QP_RQ_ZERO_LEN)
        return;
    qp->ring = fw_ring_pages(fw, c, QP_PAS, RECV_WQE_SIZE << log_size);
    qp->record = fw_alloc(fw, 8, 8);
    cmd_set(c, F_QP_LOG_RQ_SIZE, log_size);
    cmd_set(c, F_QP_CQN_RCV, cqn);
    cmd_set(c, F_QP_DBR_ADDR, fw_iova(fw, qp->record));
}

struct fw_qp fw_create_qp(struct fw *fw, uint32_t uar, unsigned rq_type,
                          unsigned log_size, uint32_t cqn)
{
    struct fw_cmd c;
    struct fw_qp qp;

    fw_qp_cmd(fw, &c, &qp, uar, rq_type, log_size, cqn);
    qp.qpn = fw_must(fw, &c, "CREATE_QP");
    return qp;
}

int fw_qp_step(struct fw *fw, unsigned opcode, uint32_t qpn, uint32_t remote)
{
    struct fw_cmd c;

    fw_cmd_init(&c, opcode, 0, 272, 16);
    cmd_set(&c, F_IN_ID24, qpn);
    if (opcode == OP_INIT2RTR_QP)
        cmd_set(&c, F_QP_REMOTE_QPN, remote);
    return fw_status(fw_exec(fw, &c));
}

bool fw_qp_connect(struct fw *fw, uint32_t qpn, uint32_t remote, bool send)
{
    return !fw_qp_step(fw, OP_RST2INIT_QP, qpn, 0) &&
           !fw_qp_step(fw, OP_INIT2RTR_QP, qpn, remote) &&
           (!send || !fw_qp_step(fw, OP_RTR2RTS_QP, qpn, 0));
}

void fw_qp_post(struct fw *fw, struct fw_qp *qp, uint32_t lkey, uint64_t addr, uint32_t len)
{
    uint32_t mask = (1u << qp->log_size) - 1;
    uint8_t *wqe = fw->ram + qp->ring + (qp->pc & mask) * RECV_WQE_SIZE;

    ifc_set(wqe, 0, 32, len);
    ifc_set(wqe, 32, 32, lkey);
    ifc_set(wqe, 64, 64, addr);
    qp->pc++;
    fw_record_write(fw, qp->record, qp->pc & 0xffff);
}

/* ---- memory keys ---- */

void fw_mkey_cmd(struct fw *fw, struct fw_cmd *c, uint32_t pd, uint32_t offset,
                 uint64_t len, unsigned log_page)
{
    uint64_t page = 1ull << log_page, n = (len + page - 1) / page;
    uint64_t *list = calloc((n + 1) & -2ull, sizeof(*list));

    if (!list)
        tap_bail("no memory for a list of %llu pages", (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        list[i] = htobe64(fw_iova(fw, offset) + i * page);
    fw_cmd_init(c, OP_CREATE_MKEY, 0, MKEY_MTT, 16);
    c->tail = list;
    c->tail_len = ((n + 1) & -2ull) * 8;        /* whole octwords */
    cmd_set(c, F_MKEY_ACCESS_MODE, MKEY_MODE_MTT);
    cmd_set(c, F_MKEY_PD, pd);
    cmd_set(c, F_MKEY_LEN, len);
    cmd_set(c, F_MKEY_LOG_PAGE_SIZE, log_page);
    cmd_set(c, F_MKEY_ACCESS, MKEY_ACCESS_ALL);
    cmd_set(c, F_MKEY_OCTWORDS, (n + 1) / 2);
    cmd_set(c, F_MKEY_ACTUAL_OCTWORDS, (n + 1) / 2);
}

struct fw_mkey fw_create_mkey(struct fw *fw, uint32_t pd, uint32_t offset,
                              uint64_t len, unsigned log_page)
{
    struct fw_mkey k;
    struct fw_cmd c;

    fw_mkey_cmd(fw, &c, pd, offset, len, log_page);
    k.index = fw_must(fw, &c, "CREATE_MKEY");
    k.key = k.index << 8;
    free((void *)c.tail);
    return k;
}
