// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "fweth.h"
#include "tap.h"

enum { PAGE = 4096 };

static void eth_cmd(struct fw_cmd *c, unsigned opcode, uint32_t inlen)
{
    fw_cmd_init(c, opcode, 0, inlen, 16);
}

void fw_eth_bus_key_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_CREATE_MKEY, MKEY_MTT);
    cmd_set(c, F_MKEY_ACCESS_MODE, MKEY_MODE_BUS);
    cmd_set(c, F_MKEY_LENGTH64, 1);
    cmd_set(c, F_MKEY_PD, e->pd);
}

void fw_eth_tis_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_CREATE_TIS, 192);
    cmd_set(c, F_TIS_TD, e->td);
}

static uint32_t queue_cmd(struct fw *fw, struct fw_cmd *c, unsigned opcode, unsigned log_stride,
                          uint32_t cqn, uint32_t *record)
{
    uint32_t ring;

    eth_cmd(c, opcode, WQ_PAS);
    ring = fw_ring_pages(fw, c, WQ_PAS, 1u << (ETH_LOG_QUEUE + log_stride));
    *record = fw_alloc(fw, 8, 8);
    cmd_set(c, F_WQ_CQN, cqn);
    cmd_set(c, F_WQ_TYPE, WQ_CYCLIC);
    cmd_set(c, F_WQ_DBR_ADDR, fw_iova(fw, *record));
    cmd_set(c, F_WQ_LOG_STRIDE, log_stride);
    cmd_set(c, F_WQ_LOG_SIZE, ETH_LOG_QUEUE);
    return ring;
}

void fw_eth_sq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_eth *e)
{
    e->send_ring = queue_cmd(fw, c, OP_CREATE_SQ, 6, e->send_cq.cqn, &e->send_record);
    cmd_set(c, F_WQ_UAR_PAGE, e->uar);
    cmd_set(c, F_WQ_PD, e->pd);
    cmd_set(c, F_SQ_TIS_SIZE, 1);
    cmd_set(c, F_SQ_TISN, e->tis);
}

void fw_eth_rq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_eth *e)
{
    e->recv_ring = queue_cmd(fw, c, OP_CREATE_RQ, 4, e->recv_cq.cqn, &e->recv_record);
    cmd_set(c, F_RQ_COUNTER, e->counter);
}

void fw_eth_rqt_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_CREATE_RQT, RQT_LIST + 4 * 4);
    cmd_set(c, F_RQT_MAX, 4);
    cmd_set(c, F_RQT_ACTUAL, 4);
    for (unsigned i = 0; i < 4; i++)
        ifc_set(c->in + RQT_LIST + 4 * i, F_RQT_RQN, e->rqn);
}

void fw_eth_tir_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_CREATE_TIR, 272);
    cmd_set(c, F_TIR_DISP_TYPE, TIR_INDIRECT);
    cmd_set(c, F_TIR_RQTN, e->rqtn);
    cmd_set(c, F_TIR_TD, e->td);
    cmd_set(c, F_TIR_HASH_FN, 2);
    memset(c->in + TIR_KEY, 0x5a, 40);
}

void fw_eth_table_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw, (void)e;
    eth_cmd(c, OP_CREATE_FLOW_TABLE, 64);
    cmd_set(c, F_FT_LEVEL, ETH_LEVEL);
    cmd_set(c, F_FT_LOG_SIZE, 4);
}

void fw_eth_root_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_SET_FLOW_TABLE_ROOT, 64);
    cmd_set(c, F_FT_TABLE_ID, e->table);
}

/* dmac: 6 bytes at 8 of what is matched */
void fw_eth_group_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_CREATE_FLOW_GROUP, 1024);
    cmd_set(c, F_FT_TABLE_ID, e->table);
    cmd_set(c, F_FG_START, 2);
    cmd_set(c, F_FG_END, 7);
    cmd_set(c, F_FG_ENABLE, 1);
    memset(c->in + FG_CRITERIA + 8, 0xff, 6);
}

void fw_eth_entry_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    (void)fw;
    eth_cmd(c, OP_SET_FLOW_TABLE_ENTRY, FTE_DESTINATION + 8);
    cmd_set(c, F_FT_TABLE_ID, e->table);
    cmd_set(c, F_FTE_INDEX, 3);
    cmd_set(c, F_FTE_GROUP, e->group);
    cmd_set(c, F_FTE_ACTION, FTE_FORWARD);
    cmd_set(c, F_FTE_DESTINATIONS, 1);
    cmd_set(c, F_FTE_DEST_TYPE, DEST_TIR);
    cmd_set(c, F_FTE_DEST_ID, e->tirn);
    memcpy(c->in + FTE_VALUE + 8, e->mac, 6);
}

void fw_eth_list_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    uint8_t *ctx = c->in + NVC_MODIFY_IN;

    (void)fw;
    eth_cmd(c, OP_MODIFY_NIC_VPORT_CONTEXT, 512 + NVC_LIST_ENTRY);
    cmd_set(c, F_NIC_VPORT_SELECT, NIC_VPORT_LIST);
    ifc_set(ctx, F_NVC_LIST_TYPE, NVC_LIST_UC);
    ifc_set(ctx, F_NVC_LIST_SIZE, 1);
    memcpy(ctx + NVC_LIST + 2, e->mac, 6);
}

void fw_eth_state_cmd(struct fw_cmd *c, unsigned opcode, uint32_t id, unsigned from, unsigned to)
{
    eth_cmd(c, opcode, 272);
    cmd_set(c, F_IN_ID24, id);
    cmd_set(c, F_WQ_STATE_FROM, from);
    cmd_set(c, F_WQ_STATE, to);
}

static void read_address(struct fw *fw, struct fw_eth *e)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_NIC_VPORT_CONTEXT, 0, 16, 272);
    fw_must(fw, &c, "QUERY_NIC_VPORT_CONTEXT");
    memcpy(e->mac, c.out + NVC_QUERY_OUT + NVC_MAC, 6);
}

static uint32_t create(struct fw *fw, const struct fw_eth *e, const char *what,
                       void (*build)(struct fw *, struct fw_cmd *, const struct fw_eth *))
{
    struct fw_cmd c;

    build(fw, &c, e);
    return fw_must(fw, &c, what);
}

static uint32_t number(struct fw *fw, unsigned opcode, const char *what)
{
    struct fw_cmd c;

    fw_cmd_init(&c, opcode, 0, 16, 16);
    return fw_must(fw, &c, what);
}

static void create_queues(struct fw *fw, struct fw_eth *e)
{
    struct fw_cmd c;

    e->eq = fw_create_eq(fw, e->uar, 6, 1, 0);
    e->send_cq = fw_create_cq(fw, e->uar, ETH_LOG_QUEUE + 1, e->eq.eqn);
    e->recv_cq = fw_create_cq(fw, e->uar, ETH_LOG_QUEUE + 1, e->eq.eqn);
    fw_eth_sq_cmd(fw, &c, e);
    e->sqn = fw_must(fw, &c, "CREATE_SQ");
    fw_eth_state_cmd(&c, OP_MODIFY_SQ, e->sqn, WQ_RST, WQ_RDY);
    fw_must(fw, &c, "MODIFY_SQ");
    fw_eth_rq_cmd(fw, &c, e);
    e->rqn = fw_must(fw, &c, "CREATE_RQ");
    fw_eth_state_cmd(&c, OP_MODIFY_RQ, e->rqn, WQ_RST, WQ_RDY);
    fw_must(fw, &c, "MODIFY_RQ");
    e->buffers = fw_alloc(fw, ETH_BUFFER << ETH_LOG_QUEUE, PAGE);
    e->frames = fw_alloc(fw, 4 * PAGE, PAGE);
}

void fw_eth_create(struct fw *fw, struct fw_eth *e)
{
    *e = (struct fw_eth){ 0 };
    read_address(fw, e);
    e->uar = fw_create_uar(fw);
    e->pd = fw_create_pd(fw);
    e->td = number(fw, OP_ALLOC_TRANSPORT_DOMAIN, "ALLOC_TRANSPORT_DOMAIN");
    e->counter = number(fw, OP_ALLOC_Q_COUNTER, "ALLOC_Q_COUNTER");
    e->key = create(fw, e, "CREATE_MKEY", fw_eth_bus_key_cmd) << 8;
    e->tis = create(fw, e, "CREATE_TIS", fw_eth_tis_cmd);
    create_queues(fw, e);
    e->rqtn = create(fw, e, "CREATE_RQT", fw_eth_rqt_cmd);
    e->tirn = create(fw, e, "CREATE_TIR", fw_eth_tir_cmd);
    e->table = create(fw, e, "CREATE_FLOW_TABLE", fw_eth_table_cmd);
    create(fw, e, "SET_FLOW_TABLE_ROOT", fw_eth_root_cmd);
    e->group = create(fw, e, "CREATE_FLOW_GROUP", fw_eth_group_cmd);
    create(fw, e, "SET_FLOW_TABLE_ENTRY", fw_eth_entry_cmd);
    create(fw, e, "MODIFY_NIC_VPORT_CONTEXT", fw_eth_list_cmd);
}

static bool destroy_flow(struct fw *fw, const struct fw_eth *e)
{
    struct fw_cmd c;
    bool known;

    eth_cmd(&c, OP_DELETE_FLOW_TABLE_ENTRY, 64);
    cmd_set(&c, F_FT_TABLE_ID, e->table);
    cmd_set(&c, F_FTE_INDEX, 3);
    known = !fw_status(fw_exec(fw, &c));
    eth_cmd(&c, OP_DESTROY_FLOW_GROUP, 64);
    cmd_set(&c, F_FG_ID, e->group);
    known &= !fw_status(fw_exec(fw, &c));
    eth_cmd(&c, OP_DESTROY_FLOW_TABLE, 64);
    cmd_set(&c, F_FT_TABLE_ID, e->table);
    return known && !fw_status(fw_exec(fw, &c));
}

bool fw_eth_destroy(struct fw *fw, const struct fw_eth *e)
{
    const struct {
        unsigned opcode;
        uint32_t id;
    } rest[] = {
        { OP_DESTROY_TIR, e->tirn }, { OP_DESTROY_RQT, e->rqtn }, { OP_DESTROY_RQ, e->rqn },
        { OP_DESTROY_SQ, e->sqn }, { OP_DESTROY_TIS, e->tis }, { OP_DEALLOC_Q_COUNTER, e->counter },
        { OP_DEALLOC_TRANSPORT_DOMAIN, e->td }, { OP_DESTROY_CQ, e->send_cq.cqn },
        { OP_DESTROY_CQ, e->recv_cq.cqn }, { OP_DESTROY_EQ, e->eq.eqn },
        { OP_DESTROY_MKEY, e->key >> 8 }, { OP_DEALLOC_PD, e->pd }, { OP_DEALLOC_UAR, e->uar },
    };
    bool known = destroy_flow(fw, e);

    for (unsigned i = 0; i < sizeof(rest) / sizeof(*rest); i++)
        known &= !fw_do(fw, rest[i].opcode, 0, rest[i].id, NULL);
    return known;
}

void fw_eth_post(struct fw *fw, struct fw_eth *e, unsigned n)
{
    for (; n; n--) {
        uint32_t slot = e->recv_pc++ & ((1u << ETH_LOG_QUEUE) - 1);
        uint8_t *wqe = fw->ram + e->recv_ring + slot * WQE_UNIT;

        /* as mlx5e has it: the highest bit is not part of the length */
        ifc_set(wqe + DATA_SIZE, 0, 32, ETH_BUFFER | 1u << 31);
        ifc_set(wqe + DATA_KEY, 0, 32, e->key);
        ifc_set(wqe + DATA_ADDR, 0, 64, fw_iova(fw, e->buffers + slot * ETH_BUFFER));
    }
    fw_record_write(fw, e->recv_record + WQ_DBR_RECV, e->recv_pc);
}

uint8_t *fw_eth_wqe(struct fw *fw, struct fw_eth *e, uint32_t len)
{
    uint32_t slot = e->send_pc & ((1u << ETH_LOG_QUEUE) - 1);
    uint8_t *wqe = fw->ram + e->send_ring + slot * WQEBB, *seg = wqe + WQE_ETH_END;

    memset(wqe, 0, WQEBB);
    ifc_set(wqe, 0, 32, (uint32_t)e->send_pc << 8 | WQE_OP_SEND);
    ifc_set(wqe + WQE_QPN_DS, 0, 32, e->sqn << 8 | 3);
    wqe[WQE_FLAGS] = WQE_CE_ALWAYS;
    ifc_set(seg + DATA_SIZE, 0, 32, len);
    ifc_set(seg + DATA_KEY, 0, 32, e->key);
    ifc_set(seg + DATA_ADDR, 0, 64, fw_iova(fw, e->frames));
    return wqe;
}

void fw_eth_send(struct fw *fw, struct fw_eth *e, unsigned blocks, bool ring)
{
    uint64_t first = (uint64_t)e->send_pc << 40 | e->sqn << 8 | 1;

    e->send_pc += blocks;
    fw_record_write(fw, e->send_record + WQ_DBR_SEND, e->send_pc);
    if (!ring)
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *(volatile uint64_t *)(fw->bar + e->uar * PAGE + UAR_DOORBELL) = htobe64(first);
}

int fw_eth_state(struct fw *fw, unsigned opcode, uint32_t id)
{
    struct fw_cmd c;

    fw_cmd_init(&c, opcode, 0, 16, 272);
    cmd_set(&c, F_IN_ID24, id);
    return fw_status(fw_exec(fw, &c)) ? -1 : (int)cmd_out(&c, F_WQ_STATE);
}
