// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ethernet: what its commands refuse, frames between functions, WQEs that make
 * no sense, and that all of it is in an image.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/fweth.h"
#include "../lib/lab.h"
#include "refusals.h"

enum {
    FRAME = 200,                /* bytes */
    PATIENCE = 5000,            /* ms, for a completion that is to come */
    ROOM = 4 << 20,
};

static struct fw_eth have;      /* of the VF whose commands are refused */

/* ---- refusals ---- */

#define BUILD(name)                                                         \
    static void build_##name(struct bench *b, struct fw *fw, struct fw_cmd *c) \
    {                                                                       \
        struct fw_eth copy = have;                                          \
                                                                            \
        (void)b;                                                            \
        fw_eth_##name##_cmd(fw, c, &copy);                                  \
    }
BUILD(bus_key)
BUILD(tis)
BUILD(sq)
BUILD(rq)
BUILD(rqt)
BUILD(tir)
BUILD(table)
BUILD(root)
BUILD(group)
BUILD(entry)
BUILD(list)

BUILD_ID(build_dealloc_td, OP_DEALLOC_TRANSPORT_DOMAIN, have.td)
BUILD_ID(build_dealloc_counter, OP_DEALLOC_Q_COUNTER, have.counter)
BUILD_ID(build_destroy_tis, OP_DESTROY_TIS, have.tis)
BUILD_ID(build_destroy_rq, OP_DESTROY_RQ, have.rqn)
BUILD_ID(build_destroy_rqt, OP_DESTROY_RQT, have.rqtn)
BUILD_ID(build_destroy_tir, OP_DESTROY_TIR, have.tirn)
BUILD_ID(build_destroy_sq, OP_DESTROY_SQ, NONE)

static void build_destroy_table(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_cmd_init(c, OP_DESTROY_FLOW_TABLE, 0, 64, 16);
    cmd_set(c, F_FT_TABLE_ID, have.table);
}

static void build_destroy_group(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_cmd_init(c, OP_DESTROY_FLOW_GROUP, 0, 64, 16);
    cmd_set(c, F_FG_ID, have.group);
}

static void build_delete_entry(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_cmd_init(c, OP_DELETE_FLOW_TABLE_ENTRY, 0, 64, 16);
    cmd_set(c, F_FT_TABLE_ID, have.table);
    cmd_set(c, F_FTE_INDEX, 4);
}

static void build_sq_error(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_eth_state_cmd(c, OP_MODIFY_SQ, have.sqn, WQ_RDY, WQ_ERR);
}

static void build_rq_error(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_eth_state_cmd(c, OP_MODIFY_RQ, have.rqn, WQ_RDY, WQ_ERR);
}

static void build_modify(struct fw_cmd *c, unsigned opcode, uint32_t id, uint32_t bits)
{
    fw_cmd_init(c, opcode, 0, RQT_LIST + 16, 16);
    cmd_set(c, F_IN_ID24, id);
    cmd_set(c, F_MODIFY_BITS, bits);
}

static void build_modify_tir(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    build_modify(c, OP_MODIFY_TIR, have.tirn, TIR_MODIFY_HASH);
}

static void build_modify_rqt(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    build_modify(c, OP_MODIFY_RQT, have.rqtn, RQT_MODIFY_LIST);
    cmd_set(c, F_RQT_ACTUAL, 1);
    ifc_set(c->in + RQT_LIST, F_RQT_RQN, have.rqn);
}

/* A register of the port, as so many bytes. */
static void build_register(struct fw_cmd *c, unsigned op_mod, unsigned id, unsigned size)
{
    fw_cmd_init(c, OP_ACCESS_REG, op_mod, REG_DATA + size, REG_DATA + size);
    cmd_set(c, F_ACCESS_REG_ID, id);
}

static void build_pmtu(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    build_register(c, REG_WRITE, REG_PMTU, 16);
    ifc_set(c->in + REG_DATA, F_PMTU_ADMIN, 1522);
}

static void build_pause(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    build_register(c, REG_WRITE, REG_PFCC, 32);
    ifc_set(c->in + REG_DATA, F_PFCC_PPRX, 1);
}

#define IN_REG(bit) (REG_DATA * 8 + bit)
#define DMAC_BIT    ((FTE_VALUE + 8) * 8)

static const struct refusal refusals[] = {
    { "CREATE_MKEY of the whole bus with a PD that is not there", build_bus_key,
      { { F_MKEY_PD, NONE } }, ST_BAD_PARAM, SYND_PD },
    { "CREATE_MKEY of the whole bus that says it has a length", build_bus_key,
      { { F_MKEY_LENGTH64, 0 } }, ST_BAD_PARAM, SYND_ACCESS_MODE },
    { "CREATE_MKEY of the whole bus from somewhere on", build_bus_key,
      { { F_MKEY_START, 4096 } }, ST_BAD_PARAM, SYND_ACCESS_MODE },

    { "CREATE_TIS with a transport domain that is not there", build_tis,
      { { F_TIS_TD, NONE } }, ST_BAD_PARAM, SYND_TD },
    { "CREATE_SQ with a CQ that is not there", build_sq, { { F_WQ_CQN, NONE } }, ST_BAD_PARAM, SYND_CQN },
    { "CREATE_SQ with a UAR that is not there", build_sq,
      { { F_WQ_UAR_PAGE, NONE } }, ST_BAD_PARAM, SYND_UAR },
    { "CREATE_SQ with a PD that is not there", build_sq, { { F_WQ_PD, NONE } }, ST_BAD_PARAM, SYND_PD },
    { "CREATE_SQ with a TIS that is not there", build_sq, { { F_SQ_TISN, NONE } }, ST_BAD_PARAM, SYND_TISN },
    { "CREATE_SQ that is no ring", build_sq, { { F_WQ_TYPE, 3 } }, ST_BAD_PARAM, SYND_WQ_TYPE },
    { "CREATE_SQ of 2^16 WQEBBs", build_sq, { { F_WQ_LOG_SIZE, 16 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_SQ of WQEBBs of 32 bytes", build_sq, { { F_WQ_LOG_STRIDE, 5 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_SQ with more WQEBBs than pages", build_sq,
      { { F_WQ_LOG_SIZE, 10 } }, ST_BAD_INPUT_LEN, SYND_PAGE_LIST },
    { "CREATE_SQ in a state that there is not", build_sq,
      { { F_WQ_STATE, 2 } }, ST_BAD_PARAM, SYND_WQ_STATE },
    { "MODIFY_SQ from a state in which it is not", build_sq_error,
      { { F_WQ_STATE_FROM, WQ_RST } }, ST_BAD_RES_STATE, SYND_WQ_STATE },
    { "MODIFY_SQ to a state that there is not", build_sq_error,
      { { F_WQ_STATE, 2 } }, ST_BAD_RES_STATE, SYND_WQ_STATE },
    { "MODIFY_SQ of its rate", build_sq_error,
      { { F_MODIFY_BITS, 1 } }, ST_BAD_PARAM, SYND_FIELD_SELECT },

    { "CREATE_RQ with a CQ that is not there", build_rq, { { F_WQ_CQN, NONE } }, ST_BAD_PARAM, SYND_CQN },
    { "CREATE_RQ with a counter that is not there", build_rq,
      { { F_RQ_COUNTER, 0xee } }, ST_BAD_PARAM, SYND_Q_COUNTER },
    { "CREATE_RQ of WQEs of 8 bytes", build_rq, { { F_WQ_LOG_STRIDE, 3 } }, ST_BAD_PARAM, SYND_SIZE },
    { "MODIFY_RQ from a state in which it is not", build_rq_error,
      { { F_WQ_STATE_FROM, WQ_ERR } }, ST_BAD_RES_STATE, SYND_WQ_STATE },
    { "MODIFY_RQ of what cannot be changed", build_rq_error,
      { { F_MODIFY_BITS, 4 } }, ST_BAD_PARAM, SYND_FIELD_SELECT },

    { "CREATE_RQT with a queue that is not there", build_rqt,
      { { (RQT_LIST + 4) * 8, 32, NONE } }, ST_BAD_PARAM, SYND_RQN },
    { "CREATE_RQT of 3 queues", build_rqt, { { F_RQT_ACTUAL, 3 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_RQT of more queues than it may have", build_rqt,
      { { F_RQT_MAX, 2 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_RQT of more queues than it lists", build_rqt,
      { { F_RQT_ACTUAL, 256 } }, ST_BAD_INPUT_LEN, SYND_LIST },
    { "MODIFY_RQT of none", build_modify_rqt, { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "MODIFY_RQT of more than its list", build_modify_rqt,
      { { F_MODIFY_BITS, 3 } }, ST_BAD_PARAM, SYND_FIELD_SELECT },
    { "MODIFY_RQT to a queue that is not there", build_modify_rqt,
      { { RQT_LIST * 8, 32, NONE } }, ST_BAD_PARAM, SYND_RQN },

    { "CREATE_TIR with an RQT that is not there", build_tir,
      { { F_TIR_RQTN, NONE } }, ST_BAD_PARAM, SYND_RQTN },
    { "CREATE_TIR with a queue that is not there", build_tir,
      { { F_TIR_DISP_TYPE, TIR_INLINE }, { F_TIR_INLINE_RQN, NONE } }, ST_BAD_PARAM, SYND_RQN },
    { "CREATE_TIR of an unknown type", build_tir,
      { { F_TIR_DISP_TYPE, 2 } }, ST_BAD_PARAM, SYND_TIR_TYPE },
    { "CREATE_TIR with a transport domain that is not there", build_tir,
      { { F_TIR_TD, NONE } }, ST_BAD_PARAM, SYND_TD },
    { "MODIFY_TIR of what cannot be changed", build_modify_tir,
      { { F_MODIFY_BITS, 8 } }, ST_BAD_PARAM, SYND_FIELD_SELECT },

    { "CREATE_FLOW_TABLE of NIC transmit", build_table,
      { { F_FT_TYPE, 1 } }, ST_BAD_PARAM, SYND_FLOW_TYPE },
    { "CREATE_FLOW_TABLE of 2^23 entries", build_table,
      { { F_FT_LOG_SIZE, 23 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_FLOW_TABLE on a level that there is not", build_table,
      { { F_FT_LEVEL, 65 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_FLOW_TABLE that misses to one that is not there", build_table,
      { { F_FT_MISS_ACTION, FT_MISS_TABLE }, { F_FT_MISS_ID, NONE } }, ST_BAD_PARAM, SYND_FLOW_TABLE },
    { "CREATE_FLOW_TABLE that misses to one of its level", build_table,
      { { F_FT_MISS_ACTION, FT_MISS_TABLE }, { F_FT_MISS_ID, 1 } }, ST_BAD_PARAM, SYND_FLOW_LEVEL },
    { "SET_FLOW_TABLE_ROOT to none", build_root,
      { { F_FT_TABLE_ID, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "CREATE_FLOW_GROUP in a table that is not there", build_group,
      { { F_FT_TABLE_ID, NONE }, { F_FG_START, 8 }, { F_FG_END, 8 } }, ST_BAD_PARAM, SYND_FLOW_TABLE },
    { "CREATE_FLOW_GROUP over another", build_group,
      { { F_FG_END, 3 } }, ST_BAD_PARAM, SYND_FLOW_INDEX },
    { "CREATE_FLOW_GROUP beyond its table", build_group,
      { { F_FG_START, 8 }, { F_FG_END, 16 } }, ST_BAD_PARAM, SYND_FLOW_INDEX },
    { "CREATE_FLOW_GROUP that ends before it starts", build_group,
      { { F_FG_START, 9 }, { F_FG_END, 8 } }, ST_BAD_PARAM, SYND_FLOW_INDEX },
    { "CREATE_FLOW_GROUP that looks into tunnels", build_group,
      { { F_FG_ENABLE, 4 }, { (FG_CRITERIA + 0x80) * 8, 32, ~0u } }, ST_BAD_PARAM, SYND_FLOW_MATCH },
    { "CREATE_FLOW_GROUP that looks at the source's address", build_group,
      { { FG_CRITERIA * 8, 32, ~0u } }, ST_BAD_PARAM, SYND_FLOW_MATCH },
    { "SET_FLOW_TABLE_ENTRY in a table that is not there", build_entry,
      { { F_FT_TABLE_ID, NONE } }, ST_BAD_PARAM, SYND_FLOW_TABLE },
    { "SET_FLOW_TABLE_ENTRY in a group that is not there", build_entry,
      { { F_FTE_GROUP, NONE } }, ST_BAD_PARAM, SYND_FLOW_GROUP },
    { "SET_FLOW_TABLE_ENTRY where there is one", build_entry, { }, ST_BAD_PARAM, SYND_FLOW_INDEX },
    { "SET_FLOW_TABLE_ENTRY outside its group", build_entry,
      { { F_FTE_INDEX, 8 } }, ST_BAD_PARAM, SYND_FLOW_INDEX },
    { "SET_FLOW_TABLE_ENTRY that counts", build_entry,
      { { F_FTE_INDEX, 4 }, { F_FTE_ACTION, 8 }, { F_FTE_DESTINATIONS, 0 } }, ST_BAD_PARAM,
      SYND_FLOW_ACTION },
    { "SET_FLOW_TABLE_ENTRY that forwards to nowhere", build_entry,
      { { F_FTE_INDEX, 4 }, { F_FTE_DESTINATIONS, 0 } }, ST_BAD_PARAM, SYND_FLOW_ACTION },
    { "SET_FLOW_TABLE_ENTRY with fewer destinations than it says", build_entry,
      { { F_FTE_INDEX, 4 }, { F_FTE_DESTINATIONS, 2 } }, ST_BAD_INPUT_LEN, SYND_LIST },
    { "SET_FLOW_TABLE_ENTRY to a TIR that is not there", build_entry,
      { { F_FTE_INDEX, 4 }, { F_FTE_DEST_ID, NONE } }, ST_BAD_PARAM, SYND_FLOW_DEST },
    { "SET_FLOW_TABLE_ENTRY to its own table", build_entry,
      { { F_FTE_INDEX, 4 }, { F_FTE_DEST_TYPE, DEST_TABLE }, { F_FTE_DEST_ID, 1 } }, ST_BAD_PARAM,
      SYND_FLOW_LEVEL },
    { "DELETE_FLOW_TABLE_ENTRY where there is none", build_delete_entry, { }, ST_BAD_PARAM,
      SYND_FLOW_INDEX },

    { "DEALLOC_TRANSPORT_DOMAIN that a TIS uses", build_dealloc_td, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DEALLOC_Q_COUNTER that an RQ uses", build_dealloc_counter, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_TIS that an SQ uses", build_destroy_tis, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_RQ that an RQT uses", build_destroy_rq, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_RQT that a TIR uses", build_destroy_rqt, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_TIR that a rule uses", build_destroy_tir, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_FLOW_GROUP with a rule in it", build_destroy_group, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_FLOW_TABLE with a group in it", build_destroy_table, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_SQ of none", build_destroy_sq, { }, ST_BAD_INDEX, SYND_OBJECT },

    { "MODIFY_NIC_VPORT_CONTEXT of another function", build_list,
      { { F_VPORT_NUMBER, 1 } }, ST_BAD_PARAM, SYND_VPORT },
    { "MODIFY_NIC_VPORT_CONTEXT of events", build_list,
      { { F_NIC_VPORT_SELECT, 1 << 5 } }, ST_BAD_PARAM, SYND_FIELD_SELECT },
    { "MODIFY_NIC_VPORT_CONTEXT with more addresses than fit", build_list,
      { { NVC_MODIFY_IN * 8 + 0x794, 12, 129 } }, ST_BAD_PARAM, SYND_LIST },
    { "MODIFY_NIC_VPORT_CONTEXT with fewer addresses than it says", build_list,
      { { NVC_MODIFY_IN * 8 + 0x794, 12, 2 } }, ST_BAD_INPUT_LEN, SYND_LIST },
    { "ACCESS_REG of a register that is not there", build_pmtu,
      { { F_ACCESS_REG_ID, 0x5023 } }, ST_BAD_PARAM, SYND_REGISTER },
    { "PMTU beyond the port's", build_pmtu,
      { { IN_REG(0x40), 16, 10001 } }, ST_BAD_PARAM, SYND_REGISTER },
    { "PFCC that asks for pauses", build_pause, { }, ST_BAD_PARAM, SYND_REGISTER },
};

/* ---- frames ---- */

static void make_frame(struct fw *fw, struct fw_eth *from, const struct fw_eth *to, uint8_t seed)
{
    uint8_t *p = fw->ram + from->frames;

    memcpy(p, to->mac, 6);
    memcpy(p + 6, from->mac, 6);
    p[12] = 0x88, p[13] = 0xb5;                 /* of nobody */
    for (unsigned i = 14; i < FRAME; i++)
        p[i] = seed + i * 7;
}

/* The next completion, NULL: none came. */
static const uint8_t *completion(struct fw *fw, struct fw_cq *cq)
{
    const uint8_t *cqe = NULL;

    wait_until((cqe = fw_cq_next(fw, cq)), PATIENCE);
    return cqe;
}

static uint16_t folded_sum(const uint8_t *p, uint32_t len)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? p[i] : p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Is the oldest frame that arrived what was sent, and does its completion say so? */
static void expect_frame(struct fw *fw, struct fw_eth *e, const uint8_t *sent, const char *name)
{
    const uint8_t *cqe = completion(fw, &e->recv_cq), *got;
    uint16_t counter;

    if (!ok(cqe && cqe[CQE_OP_OWN] >> 4 == CQE_OP_RESP_SEND, "%s arrives", name))
        return;
    counter = ifc_get(cqe + CQE_WQE_COUNTER, 0, 16);
    got = fw->ram + e->buffers + (counter & ((1 << ETH_LOG_QUEUE) - 1)) * ETH_BUFFER;
    ok(ifc_get(cqe + CQE_BYTE_CNT, 0, 32) == FRAME && !memcmp(got, sent, FRAME),
       "as it was sent");
    ok_eq(ifc_get(cqe + CQE_CHECK_SUM, 0, 16), folded_sum(sent + 14, FRAME - 14),
          "with its checksum");
}

/* The completion that a WQE at this counter is to have; opcode and syndrome. */
static void expect_sent(struct fw *fw, struct fw_eth *e, uint16_t counter, unsigned opcode,
                        unsigned syndrome, const char *name)
{
    const uint8_t *cqe = completion(fw, &e->send_cq);

    if (!ok(cqe && cqe[CQE_OP_OWN] >> 4 == opcode &&
            (opcode == CQE_OP_REQ || cqe[CQE_SYNDROME] == syndrome) &&
            ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) == counter, "%s", name) && cqe)
        tap_diag("opcode %u, syndrome %#x, counter %u; want %u, %#x, %u", cqe[CQE_OP_OWN] >> 4,
                 cqe[CQE_SYNDROME], (unsigned)ifc_get(cqe + CQE_WQE_COUNTER, 0, 16), opcode, syndrome,
                 counter);
}

static void send_frame(struct fw *fw, struct fw_eth *from, const struct fw_eth *to, uint8_t seed)
{
    make_frame(fw, from, to, seed);
    fw_eth_wqe(fw, from, FRAME);
    fw_eth_send(fw, from, 1, true);
}

static uint32_t out_of_buffer(struct fw *fw, const struct fw_eth *e)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_Q_COUNTER, 0, 32, 256);
    cmd_set(&c, F_Q_COUNTER_QUERY_ID, e->counter);
    fw_must(fw, &c, "QUERY_Q_COUNTER");
    return cmd_out(&c, F_Q_COUNTER_OUT_OF_BUFFER);
}

static void test_frames(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct fw_eth from, to, other;

    fw_eth_create(&v->fw, &from);
    fw_eth_create(&w->fw, &to);
    ok(memcmp(from.mac, to.mac, 6), "two functions have two addresses");
    fw_eth_post(&w->fw, &to, 4);
    for (unsigned i = 0; i < 3; i++) {
        send_frame(&v->fw, &from, &to, i);
        expect_sent(&v->fw, &from, i, CQE_OP_REQ, 0, "a frame is sent");
        expect_frame(&w->fw, &to, v->fw.ram + from.frames, "a frame for another function");
    }
    ok_eq(out_of_buffer(&w->fw, &to), 0, "none was lost");
    send_frame(&v->fw, &from, &to, 3);
    expect_sent(&v->fw, &from, 3, CQE_OP_REQ, 0, "the last one that is waited for is sent");
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "it");
    send_frame(&v->fw, &from, &to, 4);
    ok(wait_until(out_of_buffer(&w->fw, &to) == 1, PATIENCE), "one that nobody waits for is counted");
    other = to;
    other.mac[5] ^= 0x40;
    expect_sent(&v->fw, &from, 4, CQE_OP_REQ, 0, "though it was sent");
    fw_eth_post(&w->fw, &to, 1);
    send_frame(&v->fw, &from, &other, 5);
    expect_sent(&v->fw, &from, 5, CQE_OP_REQ, 0, "one for an address that nobody has is sent");
    send_frame(&v->fw, &from, &to, 6);
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "and not taken: the one behind it");
    ok(fw_eth_destroy(&v->fw, &from) && fw_eth_destroy(&w->fw, &to), "all is taken apart");
}

/* ---- receive WQEs that make no sense ---- */

static void test_bad_receives(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct fw_eth from, to;
    const uint8_t *cqe;
    struct fw_cmd c;

    fw_eth_create(&v->fw, &from);
    fw_eth_create(&w->fw, &to);
    fw_eth_post(&w->fw, &to, 2);
    ifc_set(w->fw.ram + to.recv_ring + DATA_SIZE, 0, 32, FRAME - 1);
    send_frame(&v->fw, &from, &to, 0);
    expect_sent(&v->fw, &from, 0, CQE_OP_REQ, 0, "a frame longer than its receive WQE is sent");
    ifc_set(w->fw.ram + to.recv_ring + DATA_SIZE, 0, 32, FRAME);
    ifc_set(w->fw.ram + to.recv_ring + DATA_KEY, 0, 32, to.key + 0x100);
    send_frame(&v->fw, &from, &to, 1);
    cqe = completion(&w->fw, &to.recv_cq);
    ok(cqe && cqe[CQE_OP_OWN] >> 4 == CQE_OP_RESP_ERR && cqe[CQE_SYNDROME] == CQE_SYND_PROTECTION,
       "it is dropped; one into memory that may not be written to ends in an error");
    ok_eq(fw_eth_state(&w->fw, OP_QUERY_RQ, to.rqn), WQ_ERR, "and its queue is in error");
    fw_eth_state_cmd(&c, OP_MODIFY_RQ, to.rqn, WQ_ERR, WQ_RST);
    accepted(&w->fw, &c, "MODIFY_RQ to reset");
    fw_eth_state_cmd(&c, OP_MODIFY_RQ, to.rqn, WQ_RST, WQ_RDY);
    accepted(&w->fw, &c, "MODIFY_RQ to ready");
    to.recv_pc = 0;
    fw_eth_post(&w->fw, &to, 1);
    send_frame(&v->fw, &from, &to, 2);
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "a frame after that");
}

/* ---- send WQEs that make no sense ---- */

static const struct bad_send {
    const char *name;
    unsigned place, bit, width; /* of the field that is wrong: byte, then as ifc_set() has it */
    uint64_t value;
    unsigned syndrome;
} bad_sends[] = {
    { "of an unknown opcode", 0, 24, 8, 0x25, CQE_SYND_QP_OP },
    { "of control and Ethernet segments with no frame", WQE_QPN_DS, 26, 6, 2, CQE_SYND_LENGTH },
    { "of a control segment alone", WQE_QPN_DS, 26, 6, 1, CQE_SYND_LENGTH },
    { "longer than what is posted", WQE_QPN_DS, 26, 6, 5, CQE_SYND_LENGTH },
    { "of no length", WQE_QPN_DS, 26, 6, 0, CQE_SYND_LENGTH },
    { "whose inline header is longer than it", WQE_ETH_INLINE_SIZE, 6, 10, 1023, CQE_SYND_LENGTH },
    { "of 2^31 bytes", WQE_ETH_END + DATA_SIZE, 0, 32, 0, CQE_SYND_LENGTH },
    { "of 13 bytes", WQE_ETH_END + DATA_SIZE, 0, 32, 13, CQE_SYND_LENGTH },
    { "of more than a port takes", WQE_ETH_END + DATA_SIZE, 0, 32, 10241, CQE_SYND_LENGTH },
    { "with a key that is not there", WQE_ETH_END + DATA_KEY, 0, 32, 0xabcd00, CQE_SYND_PROTECTION },
    { "from where there is no memory", WQE_ETH_END + DATA_ADDR, 0, 64, NO_IOVA, CQE_SYND_PROTECTION },
    { "LSO of no TCP", 0, 24, 8, WQE_OP_LSO, CQE_SYND_LENGTH },
};

static void recover(struct fw *fw, struct fw_eth *e, const char *name)
{
    struct fw_cmd c;
    bool fine;

    fw_eth_state_cmd(&c, OP_MODIFY_SQ, e->sqn, WQ_ERR, WQ_RST);
    fine = !fw_status(fw_exec(fw, &c));
    fw_eth_state_cmd(&c, OP_MODIFY_SQ, e->sqn, WQ_RST, WQ_RDY);
    ok(fine && !fw_status(fw_exec(fw, &c)), "%s, and the queue recovers", name);
    e->send_pc = 0;
    fw_record_write(fw, e->send_record + WQ_DBR_SEND, 0);
}

static void test_bad_sends(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct fw_eth from, to;

    fw_eth_create(&v->fw, &from);
    fw_eth_create(&w->fw, &to);
    lab_expect(REPORT_OF_DMA_FAULT);
    for (unsigned i = 0; i < sizeof(bad_sends) / sizeof(*bad_sends); i++) {
        const struct bad_send *s = &bad_sends[i];
        char name[96];
        uint8_t *wqe;

        make_frame(&v->fw, &from, &to, i);
        wqe = fw_eth_wqe(&v->fw, &from, FRAME);
        ifc_set(wqe + s->place, s->bit, s->width, s->value);
        wqe[WQE_FLAGS] = 0;
        fw_eth_send(&v->fw, &from, 1, true);
        snprintf(name, sizeof(name), "a send WQE %s ends in an error", s->name);
        expect_sent(&v->fw, &from, 0, CQE_OP_REQ_ERR, s->syndrome, name);
        fw_eth_wqe(&v->fw, &from, FRAME);
        fw_eth_send(&v->fw, &from, 1, true);
        expect_sent(&v->fw, &from, 1, CQE_OP_REQ_ERR, CQE_SYND_FLUSHED, "one behind it is flushed");
        ok_eq(fw_eth_state(&v->fw, OP_QUERY_SQ, from.sqn), WQ_ERR, "the queue is in error");
        recover(&v->fw, &from, s->name);
    }
    fw_eth_post(&w->fw, &to, 1);
    send_frame(&v->fw, &from, &to, 77);
    expect_sent(&v->fw, &from, 0, CQE_OP_REQ, 0, "after all that a frame is sent");
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "it");
}

/* ---- what a vport says ---- */

static void vport_answer(struct fw *fw, struct fw_cmd *c, unsigned type, unsigned room)
{
    fw_cmd_init(c, OP_QUERY_NIC_VPORT_CONTEXT, 0, 16, 272 + room * NVC_LIST_ENTRY);
    cmd_set(c, F_NIC_VPORT_QUERY_LIST_TYPE, type);
    fw_must(fw, c, "QUERY_NIC_VPORT_CONTEXT");
}

static void test_vport(struct bench *b)
{
    struct fw *fw = &bench_running_vf(b, 0)->fw;
    const uint8_t *ctx;
    struct fw_eth e;
    struct fw_cmd c;
    uint64_t guid;

    fw_eth_create(fw, &e);
    guid = ifc_be64((const uint8_t[]){ e.mac[0], e.mac[1], e.mac[2], 0xff, 0xfe, e.mac[3], e.mac[4], e.mac[5] }, 0);
    fw_eth_list_cmd(fw, &c, &e);
    c.head_len += NVC_LIST_ENTRY;
    ifc_set(c.in + NVC_MODIFY_IN, F_NVC_LIST_SIZE, 2);
    memset(c.in + NVC_MODIFY_IN + NVC_LIST, 0, 2 * NVC_LIST_ENTRY);
    c.in[NVC_MODIFY_IN + NVC_LIST + 2] = 0x02;
    c.in[NVC_MODIFY_IN + NVC_LIST + NVC_LIST_ENTRY + 2] = 0x06;
    accepted(fw, &c, "a list of two addresses");
    for (unsigned room = 0; room <= 3; room++) {
        unsigned n = room < 2 ? room : 2, wrong = 0;

        vport_answer(fw, &c, NVC_LIST_UC, room);
        ctx = c.out + NVC_QUERY_OUT;
        for (unsigned i = 0; i < room; i++)
            wrong += ctx[NVC_LIST + i * NVC_LIST_ENTRY + 2] != (i < n ? 0x02 + 4 * i : 0);
        ok(ifc_get(ctx, F_NVC_LIST_SIZE) == n && !wrong, "of a list of two an answer with room for %u has %u", room, n);
    }
    ctx = c.out + NVC_QUERY_OUT;
    ok(ifc_get(ctx, F_NVC_SYSTEM_GUID) == guid && ifc_get(ctx, F_NVC_PORT_GUID) == guid && ifc_get(ctx, F_NVC_NODE_GUID) == guid,
       "the GUIDs are made of its address");
    ok(!memcmp(ctx + NVC_MAC, e.mac, 6) && ifc_get(ctx, F_NVC_LIST_TYPE) == NVC_LIST_UC && ifc_get(ctx, F_NVC_MTU) >= 1500 &&
       !ifc_get(ctx, F_NVC_PROMISC_UC) && !ifc_get(ctx, F_NVC_PROMISC_MC) && !ifc_get(ctx, F_NVC_PROMISC_ALL),
       "beside it, which list that is, an MTU, and that it wants nobody else's frames");
    vport_answer(fw, &c, NVC_LIST_MC, 3);
    ok(!ifc_get(c.out + NVC_QUERY_OUT, F_NVC_LIST_SIZE) && ifc_get(c.out + NVC_QUERY_OUT, F_NVC_LIST_TYPE) == NVC_LIST_MC,
       "another list has none");
    fw_cmd_init(&c, OP_QUERY_NIC_VPORT_CONTEXT, 0, 16, 272);
    cmd_set(&c, F_NIC_VPORT_QUERY_LIST_TYPE, 3);
    refused(b, fw, &c, ST_BAD_PARAM, SYND_FIELD_SELECT, "QUERY_NIC_VPORT_CONTEXT of a list that there is not");
}

/* ---- the root ---- */

static uint32_t new_table(struct fw *fw)
{
    struct fw_cmd c;

    fw_eth_table_cmd(fw, &c, NULL);
    return fw_must(fw, &c, "CREATE_FLOW_TABLE");
}

static bool destroy_table(struct fw *fw, uint32_t table)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_DESTROY_FLOW_TABLE, 0, 64, 16);
    cmd_set(&c, F_FT_TABLE_ID, table);
    return !fw_status(fw_exec(fw, &c));
}

/* A table's end is the root's if it is that one, and no other's; a table that then gets its number is no root. */
static void test_root(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct fw_eth from, to;
    struct fw_cmd c;
    uint32_t table, group;
    bool fine;

    fw_eth_create(&v->fw, &from);
    fw_eth_create(&w->fw, &to);
    fw_eth_post(&w->fw, &to, 2);
    table = new_table(&w->fw);
    ok(destroy_table(&w->fw, table), "a table that is no root is destroyed");
    send_frame(&v->fw, &from, &to, 1);
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "a frame after that");

    table = new_table(&v->fw);
    fw_eth_root_cmd(&v->fw, &c, &(struct fw_eth){ .table = table });
    fine = !fw_status(fw_exec(&v->fw, &c)) && destroy_table(&v->fw, table) && new_table(&v->fw) == table;
    ok(fine, "the root goes, and another table gets its number");
    fw_cmd_init(&c, OP_CREATE_FLOW_GROUP, 0, 1024, 16);
    cmd_set(&c, F_FT_TABLE_ID, table);
    group = fw_must(&v->fw, &c, "CREATE_FLOW_GROUP");
    fw_eth_entry_cmd(&v->fw, &c, &from);
    cmd_set(&c, F_FT_TABLE_ID, table);
    cmd_set(&c, F_FTE_INDEX, 0);
    cmd_set(&c, F_FTE_GROUP, group);
    memset(c.in + FTE_VALUE, 0, MATCH_PARAM_SIZE);
    accepted(&v->fw, &c, "with a rule that takes everything");
    fw_eth_post(&v->fw, &from, 1);
    send_frame(&w->fw, &to, &from, 2);
    expect_sent(&w->fw, &to, 0, CQE_OP_REQ, 0, "a frame is sent");
    send_frame(&v->fw, &from, &to, 3);
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "one the other way");
    ok(!fw_cq_next(&v->fw, &from.recv_cq), "the first one meets no rule");
}

/* A rule before the one that takes a frame drops it, as long as it is there. */
static void test_drop(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1), *x = bench_running_vf(b, 2);
    struct fw_eth from, to, other;
    struct fw_cmd c;

    fw_eth_create(&v->fw, &from);
    fw_eth_create(&w->fw, &to);
    fw_eth_create(&x->fw, &other);
    fw_eth_post(&w->fw, &to, 2);
    fw_eth_post(&x->fw, &other, 1);
    fw_eth_entry_cmd(&w->fw, &c, &to);
    cmd_set(&c, F_FTE_INDEX, 2);
    cmd_set(&c, F_FTE_ACTION, FTE_DROP);
    cmd_set(&c, F_FTE_DESTINATIONS, 0);
    accepted(&w->fw, &c, "a rule that drops");
    send_frame(&v->fw, &from, &to, 1);
    expect_sent(&v->fw, &from, 0, CQE_OP_REQ, 0, "a frame for it is sent");
    send_frame(&v->fw, &from, &other, 2);
    expect_frame(&x->fw, &other, v->fw.ram + from.frames, "one behind it, for another function");
    fw_cmd_init(&c, OP_DELETE_FLOW_TABLE_ENTRY, 0, 64, 16);
    cmd_set(&c, F_FT_TABLE_ID, to.table);
    cmd_set(&c, F_FTE_INDEX, 2);
    accepted(&w->fw, &c, "the rule's end");
    send_frame(&v->fw, &from, &to, 3);
    expect_frame(&w->fw, &to, v->fw.ram + from.frames, "the first frame after that");
}

/* ---- images ---- */

static void count_objects(struct bench *b, unsigned id, uint64_t n[OBJECT_KINDS])
{
    for (unsigned kind = 0; kind < OBJECT_KINDS; kind++)
        n[kind] = kind == OBJECT_COMMAND ? 0 : ctl_objects(b->control, id, kind);
}

/* The vport and the counter, of which an answer says all. */
static void query_all(struct fw *fw, const struct fw_eth *e, uint8_t out[3][FW_OUT_MAX])
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_NIC_VPORT_CONTEXT, 0, 16, 272 + NVC_LIST_ENTRY);
    fw_must(fw, &c, "QUERY_NIC_VPORT_CONTEXT");
    memcpy(out[0], c.out, c.outlen);
    fw_cmd_init(&c, OP_QUERY_VPORT_COUNTER, 0, 32, 528);
    fw_must(fw, &c, "QUERY_VPORT_COUNTER");
    memcpy(out[1], c.out, c.outlen);
    build_register(&c, REG_READ, REG_PMTU, 16);
    fw_must(fw, &c, "PMTU");
    memcpy(out[2], c.out, c.outlen);
    ifc_set(out[2], 0, 32, out_of_buffer(fw, e));
}

/* What the user of v has becomes w's, stopped, by way of an image. */
static void move(struct bench *b, struct vf *v, struct vf *w)
{
    struct buffer buf = bench_buffer(b, ROOM);
    uint32_t len;

    ok_eq(vhca_suspend(b, v->id, SUSPEND_RESPONDER), ST_OK, "it stops");
    ok_eq(vhca_save(b, v->id, false, false, &buf, &len, NULL), ST_OK, "SAVE");
    vhca_stop(b, w->id);
    ok_eq(vhca_load(b, w->id, &buf, len), ST_OK, "LOAD into another function");
    w->fw.ram = v->fw.ram;
    w->fw.m = v->fw.m;
    bench_free_buffer(b, &buf);
}

static void add(uint8_t *counter, uint64_t n)
{
    ifc_set(counter, 0, 64, ifc_be64(counter, 0) + n);
}

static void test_image(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1), *x = bench_running_vf(b, 2);
    static uint8_t before[3][FW_OUT_MAX], after[3][FW_OUT_MAX];
    uint64_t had[OBJECT_KINDS], has[OBJECT_KINDS];
    struct fw_eth e, peer;

    fw_eth_create(&v->fw, &e);
    fw_eth_create(&w->fw, &peer);
    fw_eth_post(&w->fw, &peer, 8);
    send_frame(&v->fw, &e, &peer, 1);
    expect_frame(&w->fw, &peer, v->fw.ram + e.frames, "a frame before the function moves");
    expect_sent(&v->fw, &e, 0, CQE_OP_REQ, 0, "it is sent");
    send_frame(&w->fw, &peer, &e, 2);
    ok(wait_until(out_of_buffer(&v->fw, &e) == 1, PATIENCE), "one the other way is counted");
    count_objects(b, v->id, had);
    query_all(&v->fw, &e, before);

    vhca_suspend(b, v->id, SUSPEND_INITIATOR);
    send_frame(&v->fw, &e, &peer, 3);
    fw_eth_post(&v->fw, &e, 1);
    send_frame(&w->fw, &peer, &e, 4);
    expect_sent(&w->fw, &peer, 0, CQE_OP_REQ, 0, "the other one sends");
    expect_sent(&w->fw, &peer, 1, CQE_OP_REQ, 0, "also to a function that is suspended");
    ok(!fw_cq_next(&v->fw, &e.send_cq) && !fw_cq_next(&w->fw, &peer.recv_cq) &&
       !fw_cq_next(&v->fw, &e.recv_cq), "which neither sends nor receives");

    move(b, v, x);
    count_objects(b, x->id, has);
    ok(!memcmp(had, has, sizeof(had)), "it has as many objects of each kind");
    ok_eq(vhca_start(b, x->id), ST_OK, "it resumes");
    expect_frame(&w->fw, &peer, x->fw.ram + e.frames, "what was posted meanwhile");
    expect_sent(&x->fw, &e, 1, CQE_OP_REQ, 0, "it is sent, as the next after those before");
    make_frame(&w->fw, &peer, &e, 5);
    send_frame(&w->fw, &peer, &e, 5);
    expect_frame(&x->fw, &e, w->fw.ram + peer.frames, "what is sent to the same address");
    for (unsigned i = 0; i < 4; i++)
        add(before[1] + VPORT_COUNTER_RX_UNI + i * 8, i % 2 ? FRAME : 1);
    query_all(&x->fw, &e, after);
    ok(!memcmp(before, after, sizeof(before)), "vport, counters and port are what they were");
    ok(fw_eth_destroy(&x->fw, &e), "its user can take all the objects apart");
}

/* ---- the port ---- */

static void test_port(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    uint32_t uar = fw_create_uar(&v->fw);
    struct fw_eq eq = fw_create_eq(&v->fw, uar, 6, 1, 1ull << EVENT_PORT_CHANGE);
    const uint8_t *eqe = NULL;
    struct fw_cmd c;

    for (int down = 1; down >= 0; down--) {
        ctl_write(b->control, CB_PORT_DOWN, down);
        ok(wait_until((eqe = fw_eq_next(&v->fw, &eq)), PATIENCE) && eqe[EQE_TYPE] == EVENT_PORT_CHANGE &&
           eqe[EQE_SUB_TYPE] == (down ? PORT_CHANGE_DOWN : PORT_CHANGE_ACTIVE) && eqe[EQE_PORT] == 0x10,
           "an event says that the port is %s", down ? "down" : "up");
        fw_cmd_init(&c, OP_QUERY_VPORT_STATE, 0, 16, 16);
        fw_must(&v->fw, &c, "QUERY_VPORT_STATE");
        ok_eq(cmd_out(&c, F_VPORT_STATE), !down, "and so does the vport");
    }
}

void test_ethernet(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);

    fw_eth_create(&v->fw, &have);
    refusals_run(b, &v->fw, refusals, sizeof(refusals) / sizeof(*refusals));
    ok(fw_eth_destroy(&v->fw, &have), "all is still there, and is taken apart");
    test_frames(b);
    test_bad_receives(b);
    test_bad_sends(b);
    test_vport(b);
    test_root(b);
    test_drop(b);
    test_image(b);
    test_port(b);
}

/* Without the property there is none of it. */
void test_no_ethernet(struct bench *b)
{
    static const uint16_t opcodes[] = {
        OP_QUERY_VPORT_STATE, OP_QUERY_NIC_VPORT_CONTEXT, OP_MODIFY_NIC_VPORT_CONTEXT, OP_QUERY_VPORT_COUNTER,
        OP_ALLOC_Q_COUNTER, OP_QUERY_Q_COUNTER, OP_ALLOC_TRANSPORT_DOMAIN, OP_CREATE_TIR, OP_CREATE_SQ,
        OP_CREATE_RQ, OP_CREATE_TIS, OP_CREATE_RQT, OP_SET_FLOW_TABLE_ROOT, OP_CREATE_FLOW_TABLE,
        OP_CREATE_FLOW_GROUP, OP_SET_FLOW_TABLE_ENTRY,
    };
    struct vf *v = bench_running_vf(b, 0);
    unsigned known = 0;
    struct fw_cmd c;

    for (unsigned i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++) {
        fw_cmd_init(&c, opcodes[i], 0, 1024, 1024);
        known += fw_status(fw_exec(&v->fw, &c)) != ST_BAD_OP;
    }
    ok_eq(known, 0, "without ethernet=on no command of Ethernet is known");
    build_pmtu(b, &v->fw, &c);
    refused(b, &v->fw, &c, ST_BAD_OP, SYND_PF_ONLY, "nor a register of the port by a VF");
    fw_cmd_init(&c, OP_QUERY_HCA_CAP, CAP_ETHERNET << 1, 16, 4112);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_CAP, "nor a capability of Ethernet");
}
