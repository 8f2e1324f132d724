// SPDX-License-Identifier: GPL-2.0-or-later
/* SET_HCA_CAP and QUERY_HCA_CAP: what they refuse.  The values are caps/'s matter. */
#include "refusals.h"

static void query(struct fw *fw, struct fw_cmd *c, unsigned group, bool current, int function)
{
    fw_cmd_init(c, OP_QUERY_HCA_CAP, group << 1 | current, 16, 4112);
    if (function >= 0) {
        cmd_set(c, F_IN_OTHER_FUNCTION, 1);
        cmd_set(c, F_IN_FUNCTION_ID, function);
    }
    fw_exec(fw, c);
}

/* A SET of exactly what QUERY says. */
static void build_set(struct fw *fw, struct fw_cmd *c, unsigned group, int function)
{
    struct fw_cmd now;

    query(fw, &now, group, true, function);
    fw_cmd_init(c, OP_SET_HCA_CAP, group << 1, 4112, 16);
    memcpy(c->in + CAP_OFFSET, now.out + CAP_OFFSET, CAP_SIZE);
    if (function >= 0) {
        cmd_set(c, F_IN_OTHER_FUNCTION, 1);
        cmd_set(c, F_IN_FUNCTION_ID, function);
    }
}

static void cap_set(struct fw_cmd *c, unsigned bit, unsigned width, uint64_t value)
{
    ifc_set(c->in + CAP_OFFSET, bit, width, value);
}

static uint64_t cap_get(const struct fw_cmd *c, unsigned bit, unsigned width)
{
    return ifc_get(c->out + CAP_OFFSET, bit, width);
}

static void test_query(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_HCA_CAP, 0x0c << 1, 16, 4112);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_CAP, "QUERY_HCA_CAP of a group that is not there");
    fw_cmd_init(&c, OP_QUERY_HCA_CAP, CAP_ADV_VIRT << 1 | 1, 16, 4112);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_CAP, "QUERY_HCA_CAP of adv_virtualization by a VF");
    fw_cmd_init(&c, OP_QUERY_HCA_CAP, 1, 16, 4112);
    cmd_set(&c, F_IN_OTHER_FUNCTION, 1);
    cmd_set(&c, F_IN_FUNCTION_ID, 200);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_FUNCTION, "QUERY_HCA_CAP of no function");
    fw_cmd_init(&c, OP_QUERY_HCA_CAP, 1, 16, 4112);
    cmd_set(&c, F_IN_OTHER_FUNCTION, 1);
    cmd_set(&c, F_IN_FUNCTION_ID, 1);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_FUNCTION, "QUERY_HCA_CAP of another function by a VF");
    fw_cmd_init(&c, OP_QUERY_HCA_CAP, 0x100, 16, 4112);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_OP_MOD, "QUERY_HCA_CAP with an unknown op_mod");

    query(&b->pf, &c, CAP_GENERAL, true, -1);
    ok_eq(cap_get(&c, F_CAP_VHCA_ID), VHCA_ID_PF, "the PF's vhca_id");
    query(&b->pf, &c, CAP_GENERAL, true, 2);
    ok_eq(cap_get(&c, F_CAP_VHCA_ID), b->vf[1].id, "a VF's vhca_id, as the PF sees it");
    query(&v->fw, &c, CAP_GENERAL, true, -1);
    ok_eq(cap_get(&c, F_CAP_VHCA_ID), v->id, "and as the VF does");
    ok_eq(cap_get(&c, F_CAP_MIGRATION), 0, "a VF cannot migrate others");
}

static void test_set(struct bench *b)
{
    struct vf *v = bench_vf(b, 0);
    struct fw_cmd c;

    fw_do(&v->fw, OP_ENABLE_HCA, 0, 0, NULL);
    build_set(&v->fw, &c, CAP_GENERAL, -1);
    cap_set(&c, F_CAP_LOG_MAX_QP, 30);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_CAP_VALUE, "SET_HCA_CAP of more than the maximum");
    build_set(&v->fw, &c, CAP_GENERAL, -1);
    cap_set(&c, F_CAP_MIGRATION, 1);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_CAP_VALUE, "SET_HCA_CAP of what cannot be set");
    build_set(&v->fw, &c, CAP_GENERAL, -1);
    cap_set(&c, F_CAP_LOG_MAX_QP, 10);
    accepted(&v->fw, &c, "SET_HCA_CAP of less than the maximum");
    query(&v->fw, &c, CAP_GENERAL, true, -1);
    ok_eq(cap_get(&c, F_CAP_LOG_MAX_QP), 10, "takes effect");
    query(&v->fw, &c, CAP_GENERAL, false, -1);
    ok(cap_get(&c, F_CAP_LOG_MAX_QP) > 10, "and leaves the maximum");
    fw_start(&v->fw);
    build_set(&v->fw, &c, CAP_GENERAL, -1);
    refused(b, &v->fw, &c, ST_BAD_RES_STATE, SYND_CAP_LATE, "SET_HCA_CAP after INIT_HCA");
    build_set(&v->fw, &c, CAP_GENERAL, -1);
    cmd_set(&c, F_IN_OP_MOD, 0x0c << 1);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_CAP, "SET_HCA_CAP of a group that is not there");
    build_set(&b->pf, &c, CAP_GENERAL, -1);
    cmd_set(&c, F_IN_OTHER_FUNCTION, 1);
    cmd_set(&c, F_IN_FUNCTION_ID, 200);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_FUNCTION, "SET_HCA_CAP of no function");
}

static void test_migratable(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd c;

    query(&b->pf, &c, CAP_GENERAL_2, false, v->function);
    ok_eq(cap_get(&c, F_CAP2_MIGRATABLE), 1, "a VF is migratable");
    build_set(&b->pf, &c, CAP_GENERAL_2, v->function);
    cap_set(&c, F_CAP2_MIGRATABLE, 0);
    accepted(&b->pf, &c, "SET_HCA_CAP: a VF is not to be migratable");
    query(&b->pf, &c, CAP_GENERAL_2, false, v->function);
    ok_eq(cap_get(&c, F_CAP2_MIGRATABLE), 0, "QUERY_HCA_CAP says so");
    c = vhca_suspend_cmd(v->id, SUSPEND_INITIATOR);
    refused(b, &b->pf, &c, ST_BAD_OP, SYND_CAP, "SUSPEND of a VF that is not migratable");
    build_set(&b->pf, &c, CAP_GENERAL_2, v->function);
    cap_set(&c, F_CAP2_MULTI_LOAD, 1);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_CAP_VALUE, "SET_HCA_CAP of another bit of a VF");
    build_set(&b->pf, &c, CAP_GENERAL_2, v->function);
    cap_set(&c, F_CAP2_MIGRATABLE, 1);
    accepted(&b->pf, &c, "SET_HCA_CAP: it is to be migratable again");
}

void test_caps(struct bench *b)
{
    test_query(b);
    test_set(b);
    test_migratable(b);
}
