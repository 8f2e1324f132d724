// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UARs, PDs, mkeys, EQs, CQs and QPs: what their commands refuse, what may
 * not be destroyed, and that numbers run out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "refusals.h"

/* One object of each kind, each used by the next. */
static struct {
    uint32_t uar, pd;
    struct fw_eq eq;
    struct fw_cq cq;
    struct fw_qp qp;
    struct fw_mkey mkey;
} have;

static void build_eq(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    struct fw_eq eq;

    (void)b;
    fw_eq_cmd(fw, c, &eq, have.uar, 6, 1, 0);
}

static void build_cq(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    struct fw_cq cq;

    (void)b;
    fw_cq_cmd(fw, c, &cq, have.uar, 6, have.eq.eqn);
}

static void build_qp(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    struct fw_qp qp;

    (void)b;
    fw_qp_cmd(fw, c, &qp, have.uar, QP_RQ_NORMAL, 4, have.cq.cqn);
}

static void build_mkey(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b;
    fw_mkey_cmd(fw, c, have.pd, fw_alloc(fw, 65536, 4096), 65536, 12);
}

BUILD_ID(build_destroy_mkey, OP_DESTROY_MKEY, have.mkey.index)
BUILD_ID(build_destroy_eq, OP_DESTROY_EQ, have.eq.eqn)
BUILD_ID(build_destroy_cq, OP_DESTROY_CQ, have.cq.cqn)
BUILD_ID(build_destroy_qp, OP_DESTROY_QP, have.qp.qpn)
BUILD_ID(build_dealloc_pd, OP_DEALLOC_PD, have.pd)
BUILD_ID(build_dealloc_uar, OP_DEALLOC_UAR, have.uar)

static void build_step(struct fw_cmd *c, unsigned opcode)
{
    fw_cmd_init(c, opcode, 0, 272, 16);
    cmd_set(c, F_IN_ID24, have.qp.qpn);
}
#define BUILD_STEP(name, opcode)                                            \
    static void name(struct bench *b, struct fw *fw, struct fw_cmd *c)      \
    {                                                                       \
        (void)b, (void)fw;                                                  \
        build_step(c, opcode);                                              \
    }
BUILD_STEP(build_rst2init, OP_RST2INIT_QP)
BUILD_STEP(build_init2rtr, OP_INIT2RTR_QP)
BUILD_STEP(build_rtr2rts, OP_RTR2RTS_QP)

static const struct refusal refusals[] = {
    { "CREATE_EQ of 2^30 entries", build_eq,
      { { F_EQ_LOG_SIZE, 30 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_EQ with more entries than pages", build_eq,
      { { F_EQ_LOG_SIZE, 20 } }, ST_BAD_INPUT_LEN, SYND_PAGE_LIST },
    { "CREATE_EQ with a vector beyond the last", build_eq,
      { { F_EQ_INTR, MSIX_VECTORS } }, ST_BAD_PARAM, SYND_VECTOR },
    { "CREATE_EQ with a UAR that is not there", build_eq,
      { { F_EQ_UAR_PAGE, NONE } }, ST_BAD_PARAM, SYND_UAR },

    { "CREATE_CQ of 2^30 entries", build_cq,
      { { F_CQ_LOG_SIZE, 30 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_CQ with 128-byte entries", build_cq,
      { { F_CQ_CQE_SIZE, 1 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_CQ with more entries than pages", build_cq,
      { { F_CQ_LOG_SIZE, 20 } }, ST_BAD_INPUT_LEN, SYND_PAGE_LIST },
    { "CREATE_CQ with an EQ that is not there", build_cq,
      { { F_CQ_EQN, 0xfe } }, ST_BAD_PARAM, SYND_EQN },
    { "CREATE_CQ with a UAR that is not there", build_cq,
      { { F_CQ_UAR_PAGE, NONE } }, ST_BAD_PARAM, SYND_UAR },

    { "CREATE_QP with a CQ that is not there", build_qp,
      { { F_QP_CQN_RCV, NONE } }, ST_BAD_PARAM, SYND_CQN },
    { "CREATE_QP with a UAR that is not there", build_qp,
      { { F_QP_UAR_PAGE, NONE } }, ST_BAD_PARAM, SYND_UAR },
    { "CREATE_QP with an unknown receive queue type", build_qp,
      { { F_QP_RQ_TYPE, 1 } }, ST_BAD_PARAM, SYND_QP_TYPE },
    { "CREATE_QP with more entries than pages", build_qp,
      { { F_QP_LOG_RQ_SIZE, 15 } }, ST_BAD_INPUT_LEN, SYND_PAGE_LIST },

    { "CREATE_MKEY with a PD that is not there", build_mkey,
      { { F_MKEY_PD, NONE } }, ST_BAD_PARAM, SYND_PD },
    { "CREATE_MKEY with an access mode other than MTT", build_mkey,
      { { F_MKEY_ACCESS_MODE, 2 } }, ST_BAD_PARAM, SYND_ACCESS_MODE },
    { "CREATE_MKEY with the access mode's high bits", build_mkey,
      { { F_MKEY_ACCESS_MODE_HI, 1 } }, ST_BAD_PARAM, SYND_ACCESS_MODE },
    { "CREATE_MKEY of all memory", build_mkey,
      { { F_MKEY_LENGTH64, 1 } }, ST_BAD_PARAM, SYND_ACCESS_MODE },
    { "CREATE_MKEY with pages of 2 KiB", build_mkey,
      { { F_MKEY_LOG_PAGE_SIZE, 11 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_MKEY of no bytes", build_mkey, { { F_MKEY_LEN, 0 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_MKEY of 2 TiB", build_mkey,
      { { F_MKEY_LEN, 2ull << 40 } }, ST_BAD_PARAM, SYND_SIZE },
    { "CREATE_MKEY longer than its page list", build_mkey,
      { { F_MKEY_LEN, 32 << 20 } }, ST_BAD_INPUT_LEN, SYND_PAGE_LIST },

    { "DESTROY_MKEY of none", build_destroy_mkey,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "DESTROY_EQ of none", build_destroy_eq,
      { { F_EQ_NUMBER, 0xfe } }, ST_BAD_INDEX, SYND_OBJECT },
    { "DESTROY_CQ of none", build_destroy_cq,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "DESTROY_QP of none", build_destroy_qp,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "DEALLOC_PD of none", build_dealloc_pd,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "DEALLOC_UAR of none", build_dealloc_uar,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },

    { "DEALLOC_PD that an mkey uses", build_dealloc_pd, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DEALLOC_UAR that queues use", build_dealloc_uar, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_EQ that a CQ uses", build_destroy_eq, { }, ST_BAD_RES_STATE, SYND_IN_USE },
    { "DESTROY_CQ that a QP uses", build_destroy_cq, { }, ST_BAD_RES_STATE, SYND_IN_USE },


    { "INIT2RTR_QP of a QP in reset", build_init2rtr, { }, ST_BAD_RES_STATE, SYND_QP_STATE },
    { "RTR2RTS_QP of a QP in reset", build_rtr2rts, { }, ST_BAD_RES_STATE, SYND_QP_STATE },
    { "RST2INIT_QP of none", build_rst2init,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "INIT2RTR_QP of none", build_init2rtr,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
    { "RTR2RTS_QP of none", build_rtr2rts,
      { { F_IN_ID24, NONE } }, ST_BAD_INDEX, SYND_OBJECT },
};

/* What the tables start from is itself accepted, or they prove nothing. */
static void test_builders(struct bench *b, struct fw *fw)
{
    static const struct {
        const char *name;
        void (*build)(struct bench *, struct fw *, struct fw_cmd *);
        unsigned destroy;
    } good[] = {
        { "CREATE_EQ", build_eq, OP_DESTROY_EQ },
        { "CREATE_CQ", build_cq, OP_DESTROY_CQ },
        { "CREATE_QP", build_qp, OP_DESTROY_QP },
        { "CREATE_MKEY", build_mkey, OP_DESTROY_MKEY },
    };

    for (unsigned i = 0; i < 4; i++) {
        struct fw_cmd c;

        good[i].build(b, fw, &c);
        accepted(fw, &c, good[i].name);
        free((void *)c.tail);
        ok_eq(fw_do(fw, good[i].destroy, 0, cmd_out(&c, F_OUT_ID24), NULL), ST_OK,
              "and what it made is destroyed");
    }
}

static void test_life(struct fw *fw)
{
    ok(fw_qp_connect(fw, have.qp.qpn, have.qp.qpn, true), "a QP goes from reset to ready to send");
    ok_eq(fw_qp_step(fw, OP_RST2INIT_QP, have.qp.qpn, 0), ST_BAD_RES_STATE,
          "and does not start anew");
    ok_eq(fw_do(fw, OP_DESTROY_QP, 0, have.qp.qpn, NULL), ST_OK, "DESTROY_QP");
    ok_eq(fw_do(fw, OP_DESTROY_CQ, 0, have.cq.cqn, NULL), ST_OK, "DESTROY_CQ when its QP is gone");
    ok_eq(fw_do(fw, OP_DESTROY_EQ, 0, have.eq.eqn, NULL), ST_OK, "DESTROY_EQ when its CQ is gone");
    ok_eq(fw_do(fw, OP_DESTROY_MKEY, 0, have.mkey.index, NULL), ST_OK, "DESTROY_MKEY");
    ok_eq(fw_do(fw, OP_DEALLOC_PD, 0, have.pd, NULL), ST_OK, "DEALLOC_PD when its mkey is gone");
    ok_eq(fw_do(fw, OP_DEALLOC_UAR, 0, have.uar, NULL), ST_OK,
          "DEALLOC_UAR when its queues are gone");
    ok_eq(fw_do(fw, OP_DEALLOC_UAR, 0, have.uar, NULL), ST_BAD_INDEX, "but not twice");
}

static void test_limits(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 1);
    uint32_t used = v->fw.m.used, uar = fw_create_uar(&v->fw);
    unsigned uars = 1, eqs = 0;
    struct fw_cmd c;
    struct fw_eq eq;

    while (uars < 1000 && !fw_do(&v->fw, OP_ALLOC_UAR, 0, 0, NULL))
        uars++;
    ok_eq(uars, UAR_LAST - UAR_FIRST + 1, "as many UARs as BAR 0 has pages");
    fw_cmd_init(&c, OP_ALLOC_UAR, 0, 16, 16);
    refused(b, &v->fw, &c, ST_EXCEED_LIM, SYND_LIMIT, "ALLOC_UAR beyond the last");
    do {
        fw_free_to(&v->fw, used);
        fw_eq_cmd(&v->fw, &c, &eq, uar, 2, 0, 0);
        fw_exec(&v->fw, &c);
    } while (!fw_status(c.r) && ++eqs < 1000);
    ok_eq(eqs, 63, "as many EQs as log_max_eq says, and number 0 is none");
    refused(b, &v->fw, &c, ST_EXCEED_LIM, SYND_LIMIT, "CREATE_EQ beyond the last");
    bench_vf(b, 1);
    ok(!ctl_objects(b->control, v->id, OBJECT_EQ) && !ctl_objects(b->control, v->id, OBJECT_UAR),
       "a reset of the function frees them all");
}

/* Numbers are a function's own: another one's objects cannot be reached. */
static void test_foreign(struct bench *b)
{
    struct vf *v = &b->vf[0], *w = bench_running_vf(b, 2);
    struct fw_cmd c;

    fw_cmd_init(&c, OP_DESTROY_MKEY, 0, 16, 16);
    cmd_set(&c, F_IN_ID24, have.mkey.index);
    refused(b, &w->fw, &c, ST_BAD_INDEX, SYND_OBJECT, "DESTROY_MKEY of another function's");
    ok_eq(ctl_objects(b->control, v->id, OBJECT_MKEY), 1, "it is still there");
}

void test_objects(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw *fw = &v->fw;

    have.uar = fw_create_uar(fw);
    have.pd = fw_create_pd(fw);
    have.eq = fw_create_eq(fw, have.uar, 6, 1, 0);
    have.cq = fw_create_cq(fw, have.uar, 6, have.eq.eqn);
    have.qp = fw_create_qp(fw, have.uar, QP_RQ_NORMAL, 4, have.cq.cqn);
    have.mkey = fw_create_mkey(fw, have.pd, fw_alloc(fw, 65536, 4096), 65536, 12);
    test_builders(b, fw);
    refusals_run(b, fw, refusals, sizeof(refusals) / sizeof(*refusals));
    test_foreign(b);
    test_life(fw);
    test_limits(b);
}
