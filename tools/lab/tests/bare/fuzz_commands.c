// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands about Ethernet's objects: each is one that a driver could send, of
 * what is there, mostly; then a field or two are others.  So objects come, are
 * changed, and go in all orders, while frames are on their way.
 */
#include "fuzz.h"

struct field {
    unsigned bit, width;
};

/* ---- what drivers send ---- */

static uint32_t any_id(const struct fw_eth *e)
{
    const uint32_t ids[] = { e->uar, e->pd, e->td, e->tis, e->counter, e->eq.eqn, e->send_cq.cqn, e->recv_cq.cqn,
                             e->sqn, e->rqn, e->rqtn, e->tirn, e->table, e->group, e->key >> 8 };

    return any(3) ? any(6) : any(6) ? ids[any(sizeof(ids) / sizeof(ids[0]))] : any_value();
}

static void build_sq(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    struct fw_eth copy = *e;

    fw_eth_sq_cmd(fw, c, &copy);
}

static void build_rq(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    struct fw_eth copy = *e;

    fw_eth_rq_cmd(fw, c, &copy);
}

static void build_state(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    static const unsigned states[] = { WQ_RST, WQ_RDY, WQ_RDY, WQ_ERR };
    bool send = any(2);

    (void)fw;
    fw_eth_state_cmd(c, send ? OP_MODIFY_SQ : OP_MODIFY_RQ, any(3) ? send ? e->sqn : e->rqn : any_id(e), states[any(4)],
                     states[any(4)]);
    if (!send && any(2)) {
        cmd_set(c, F_MODIFY_BITS, RQ_MODIFY_VSD);
        cmd_set(c, F_RQ_VSD, any(2));
    }
}

static void build_hash(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    fw_eth_tir_cmd(fw, c, e);
    cmd_set(c, F_IN_OPCODE, OP_MODIFY_TIR);
    cmd_set(c, F_IN_ID24, e->tirn);
    cmd_set(c, F_MODIFY_BITS, TIR_MODIFY_HASH);
    cmd_set(c, F_TIR_HASH_FN, any(4));
    cmd_set(c, F_TIR_SYMMETRIC, any(2));
    cmd_set(c, F_TIR_SELECTOR, any(4) << 30 | any(32));
}

static void build_modify_tir(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    build_hash(fw, c, e);
    cmd_set(c, F_IN_ID24, any(3) ? e->tirn : any_id(e));
    cmd_set(c, F_MODIFY_BITS, any(2) ? TIR_MODIFY_HASH : TIR_MODIFY_HASH | TIR_MODIFY_SELF_LB);
    cmd_set(c, F_TIR_SELF_LB, any(4));
}

static void build_modify_rqt(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    fw_eth_rqt_cmd(fw, c, e);
    cmd_set(c, F_IN_OPCODE, OP_MODIFY_RQT);
    cmd_set(c, F_IN_ID24, any(3) ? e->rqtn : any_id(e));
    cmd_set(c, F_MODIFY_BITS, RQT_MODIFY_LIST);
    cmd_set(c, F_RQT_ACTUAL, 1 << any(3));
}

static void build_list(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    unsigned n = any(12), type = any(2) ? NVC_LIST_UC : any(4);
    uint8_t *ctx = c->in + NVC_MODIFY_IN;

    fw_eth_list_cmd(fw, c, e);
    if (!any(4)) {
        cmd_set(c, F_NIC_VPORT_SELECT, NIC_VPORT_PROMISC | NIC_VPORT_MTU);
        ifc_set(ctx, F_NVC_MTU, any_value());
        ifc_set(ctx, F_NVC_PROMISC_UC, any(2));
        ifc_set(ctx, F_NVC_PROMISC_MC, any(2));
        ifc_set(ctx, F_NVC_PROMISC_ALL, any(2));
        return;
    }
    memset(ctx + NVC_LIST + NVC_LIST_ENTRY, 0, 11 * NVC_LIST_ENTRY);
    c->head_len = 512 + 12 * NVC_LIST_ENTRY;
    ifc_set(ctx, F_NVC_LIST_TYPE, type);
    ifc_set(ctx, F_NVC_LIST_SIZE, n);
}

static void build_query(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    static const uint16_t opcodes[] = { OP_QUERY_VPORT_STATE, OP_QUERY_NIC_VPORT_CONTEXT, OP_QUERY_VPORT_COUNTER,
                                        OP_QUERY_Q_COUNTER, OP_QUERY_SQ, OP_QUERY_RQ };
    unsigned opcode = opcodes[any(sizeof(opcodes) / sizeof(opcodes[0]))];
    bool queue = opcode == OP_QUERY_SQ || opcode == OP_QUERY_RQ;

    (void)fw;
    fw_cmd_init(c, opcode, 0, queue || opcode < OP_QUERY_VPORT_COUNTER ? 16 : 32, any(4) ? 528 : 16 + any(1024));
    if (queue)
        cmd_set(c, F_IN_ID24, any_id(e));
    else if (opcode == OP_QUERY_Q_COUNTER)
        cmd_set(c, F_Q_COUNTER_QUERY_ID, any_id(e));
    else if (opcode == OP_QUERY_NIC_VPORT_CONTEXT)
        cmd_set(c, F_NIC_VPORT_QUERY_LIST_TYPE, any(4));
}

static void build_register(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    uint32_t len = REG_DATA + any(257);

    (void)fw, (void)e;
    fw_cmd_init(c, OP_ACCESS_REG, any(2), len < 16 ? 16 : len, any(4) ? 272 : 16 + any(300));
    cmd_set(c, F_ACCESS_REG_ID, any(6) ? REG_PMTU + any(6) : any_value());
    for (uint32_t i = REG_DATA; i + 4 <= len; i += 4)
        ifc_set(c->in + i, 0, 32, any(4) ? 0 : any_value());
}

static void build_alloc(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    static const uint16_t opcodes[] = { OP_ALLOC_TRANSPORT_DOMAIN, OP_ALLOC_Q_COUNTER, OP_ALLOC_PD, OP_ALLOC_UAR };

    (void)fw, (void)e;
    fw_cmd_init(c, opcodes[any(4)], 0, 16, 16);
}

static void build_destroy(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    static const uint16_t opcodes[] = { OP_DESTROY_TIR, OP_DESTROY_TIR, OP_DESTROY_RQT, OP_DESTROY_RQT, OP_DESTROY_RQ,
                                        OP_DESTROY_SQ, OP_DESTROY_TIS, OP_DEALLOC_Q_COUNTER, OP_DEALLOC_TRANSPORT_DOMAIN,
                                        OP_DESTROY_MKEY, OP_DEALLOC_PD, OP_DEALLOC_UAR, OP_DESTROY_CQ, OP_DESTROY_EQ };

    (void)fw;
    fw_cmd_init(c, opcodes[any(sizeof(opcodes) / sizeof(opcodes[0]))], 0, 16, 16);
    cmd_set(c, F_IN_ID24, any_id(e));
}

static void build_destroy_flow(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    static const uint16_t opcodes[] = { OP_DELETE_FLOW_TABLE_ENTRY, OP_DELETE_FLOW_TABLE_ENTRY, OP_DESTROY_FLOW_GROUP,
                                        OP_DESTROY_FLOW_TABLE };

    (void)fw;
    fw_cmd_init(c, opcodes[any(4)], 0, 64, 16);
    cmd_set(c, F_FT_TABLE_ID, any(2) ? e->table : any_id(e));
    if (c->in[1] == (OP_DESTROY_FLOW_GROUP & 0xff))
        cmd_set(c, F_FG_ID, any(2) ? e->group : any_id(e));
    else if (c->in[1] == (OP_DELETE_FLOW_TABLE_ENTRY & 0xff))
        cmd_set(c, F_FTE_INDEX, any(2) ? 3 : any(16));
}

/* The latest, or one of the first. */
static uint32_t any_table(const struct fw_eth *e)
{
    return any(8) ? any(2) ? e->table : 1 + any(4) : any_id(e);
}

static void build_group(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    fw_eth_group_cmd(fw, c, e);
    cmd_set(c, F_FG_START, any(16));
    cmd_set(c, F_FG_END, any(16));
    if (any(2)) {
        cmd_set(c, F_FG_ENABLE, 0);
        memset(c->in + FG_CRITERIA, 0, MATCH_PARAM_SIZE);
    }
}

static void build_entry(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    fw_eth_entry_cmd(fw, c, e);
    cmd_set(c, F_FTE_INDEX, any(16));
    if (any(2))
        return;
    cmd_set(c, F_FTE_DEST_TYPE, DEST_TABLE);
    cmd_set(c, F_FTE_DEST_ID, any_table(e));
}

static void build_table(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    fw_eth_table_cmd(fw, c, e);
    cmd_set(c, F_FT_LEVEL, any(12));
    if (any(3)) {
        cmd_set(c, F_FT_MISS_ACTION, FT_MISS_TABLE);
        cmd_set(c, F_FT_MISS_ID, any_table(e));
    }
}

static void build_root(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e)
{
    fw_eth_root_cmd(fw, c, e);
    cmd_set(c, F_FT_TABLE_ID, any_table(e));
}

/* keeps: what is created is what others refer to from then on */
static const struct {
    void (*build)(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
    size_t keeps;
    struct field f[8];
} commands[] = {
    { build_destroy, 0, { { F_IN_ID24 } } },
    { build_destroy_flow, 0, { { F_FT_TABLE_ID }, { F_FTE_INDEX }, { F_FG_ID } } },
    { build_state, 0, { { F_WQ_STATE_FROM }, { F_WQ_STATE }, { F_IN_ID24 }, { F_MODIFY_BITS } } },
    { build_modify_tir, 0, { { F_IN_ID24 }, { F_MODIFY_BITS }, { F_TIR_HASH_FN }, { F_TIR_SELECTOR } } },
    { build_modify_rqt, 0, { { F_IN_ID24 }, { F_RQT_MAX }, { F_RQT_ACTUAL }, { RQT_LIST * 8, 32 },
                             { RQT_LIST * 8 + 32, 32 } } },
    { build_list, 0, { { NVC_MODIFY_IN * 8 + 0x794, 12 }, { NVC_MODIFY_IN * 8 + 0x785, 3 }, { F_NIC_VPORT_SELECT } } },
    { build_query, 0, { { F_IN_ID24 }, { F_Q_COUNTER_QUERY_ID }, { F_VPORT_NUMBER } } },
    { build_register, 0, { { F_ACCESS_REG_ID } } },
    { build_alloc, 0, { { F_IN_ID24 } } },
    { build_sq, 0, { { F_WQ_CQN }, { F_WQ_UAR_PAGE }, { F_WQ_PD }, { F_SQ_TISN }, { F_WQ_LOG_SIZE }, { F_WQ_LOG_STRIDE },
                     { F_WQ_LOG_PAGE_SIZE }, { F_WQ_STATE } } },
    { build_rq, offsetof(struct fw_eth, rqn), { { F_WQ_CQN }, { F_RQ_COUNTER }, { F_WQ_LOG_SIZE }, { F_WQ_LOG_STRIDE },
                                                { F_WQ_LOG_PAGE_SIZE }, { F_WQ_STATE }, { F_WQ_TYPE } } },
    { fw_eth_tis_cmd, offsetof(struct fw_eth, tis), { { F_TIS_PRIO }, { F_TIS_TD } } },
    { fw_eth_rqt_cmd, offsetof(struct fw_eth, rqtn), { { F_RQT_MAX }, { F_RQT_ACTUAL }, { RQT_LIST * 8, 32 },
                                                       { RQT_LIST * 8 + 96, 32 } } },
    { fw_eth_tir_cmd, offsetof(struct fw_eth, tirn), { { F_TIR_DISP_TYPE }, { F_TIR_INLINE_RQN }, { F_TIR_RQTN },
                                                       { F_TIR_TD } } },
    { build_table, offsetof(struct fw_eth, table), { { F_FT_LEVEL }, { F_FT_LOG_SIZE }, { F_FT_MISS_ID },
                                                     { F_FT_MISS_ACTION } } },
    { build_table, offsetof(struct fw_eth, table), { { F_FT_LEVEL }, { F_FT_MISS_ID } } },
    { build_root, 0, { { F_FT_TABLE_ID }, { F_IN_OP_MOD } } },
    { build_group, offsetof(struct fw_eth, group), { { F_FT_TABLE_ID }, { F_FG_START }, { F_FG_END }, { F_FG_ENABLE },
                                                     { (FG_CRITERIA + 8) * 8, 32 }, { (FG_CRITERIA + 0x10) * 8, 16 } } },
    { build_entry, 0, { { F_FT_TABLE_ID }, { F_FTE_INDEX }, { F_FTE_GROUP }, { F_FTE_ACTION }, { F_FTE_DESTINATIONS },
                        { F_FTE_DEST_TYPE }, { F_FTE_DEST_ID }, { (FTE_VALUE + 8) * 8, 32 } } },
    { fw_eth_bus_key_cmd, 0, { { F_MKEY_PD }, { F_MKEY_ACCESS_MODE }, { F_MKEY_LENGTH64 }, { F_MKEY_LEN },
                               { F_MKEY_LOG_PAGE_SIZE } } },
};

static void change_field(struct fw_cmd *c, const struct fw_eth *e, const struct field *f)
{
    uint64_t value;
    unsigned n = 0;

    while (n < 8 && f[n].width)
        n++;
    f += any(n);
    if (f->bit + f->width > c->head_len * 8)
        return;
    value = ifc_get(c->in, f->bit, f->width) ^ 1ull << any(f->width);
    cmd_set(c, f->bit, f->width, any(2) ? any_id(e) : any(2) ? any_value() : value);
}

/* Where the device writes to by itself is never changed: the doorbell records and the rings are the test's own. */
static void change_bytes(struct fw_cmd *c)
{
    uint64_t record = ifc_get(c->in, F_WQ_DBR_ADDR);
    uint16_t opcode = ifc_get(c->in, 0, 16);

    if (any(2)) {
        c->head_len = c->head_len > 16 ? 16 + any(c->head_len - 16) : c->head_len;
        return;
    }
    spoil(c->in + 4, c->head_len > WQ_PAS ? WQ_PAS - 4 : c->head_len - 4, 1 + any(4));
    if (opcode == OP_CREATE_SQ || opcode == OP_CREATE_RQ)
        ifc_set(c->in, F_WQ_DBR_ADDR, record);
}

bool fuzz_command(struct fw *fw, struct fw_eth *e, unsigned ms)
{
    unsigned k = any(sizeof(commands) / sizeof(commands[0]));
    uint32_t used = fw->m.used;
    struct fw_cmd c;

    memset(c.in, 0, sizeof(c.in));
    commands[k].build(fw, &c, e);
    for (unsigned n = any(2) ? 0 : any(3); n; n--)
        change_field(&c, e, commands[k].f);
    if (!any(12))
        change_bytes(&c);
    fuzz_cases++;
    fw_post(fw, &c);
    if (fw_collect(fw, &c, ms).delivery < 0)
        return false;
    if (!fw_status(c.r) && commands[k].keeps)
        *(uint32_t *)((char *)e + commands[k].keeps) = cmd_out(&c, F_OUT_ID24);
    if (fw->m.used > VF_RAM / 2)
        fw_free_to(fw, used);
    return true;
}

bool fuzz_hash(struct fw *fw, const struct fw_eth *e)
{
    struct fw_cmd c;

    build_hash(fw, &c, e);
    return !fw_status(fw_exec(fw, &c));
}
