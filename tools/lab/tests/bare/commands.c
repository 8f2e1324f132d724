// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command interface itself: bringing a function up, lengths, delivery,
 * reserved bits, many commands at once, completion events.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../connectx/ifc-eth.h"
#include "refusals.h"

/* ---- registers ---- */

enum { VERSION_MAJOR = 28, VERSION_MINOR = 40, VERSION_SUB = 1000 };     /* the default */

static uint32_t queue_low(struct fw *fw)
{
    return fw_read32(fw, ISEG_CMDQ_ADDR_L) & 0xfffff000;
}

static void test_registers(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw *fw = &v->fw;

    ok(fw_read32(fw, ISEG_FW_REV) == (VERSION_MINOR << 16 | VERSION_MAJOR) &&
       fw_read32(fw, ISEG_CMDIF_REV) == (CMDIF_REV << 16 | VERSION_SUB) &&
       fw_read32(fw, ISEG_HEALTH_FW_VER) == (VERSION_MAJOR << 16 | VERSION_MINOR), "a function tells its firmware's version");
    ok_eq(fw_read32(fw, ISEG_INITIALIZING), FW_RESET_SUPPORTED, "it is not in reset, and can be reset by its firmware");
    ok(!fw_read32(fw, ISEG_HEALTH_RFR) && !fw_read32(fw, ISEG_HEALTH_SYND), "it is healthy");
    ok(fw_read32(fw, ISEG_CMDQ_ADDR_H) == fw_iova(fw, fw->m.queue) >> 32 &&
       queue_low(fw) == (uint32_t)fw_iova(fw, fw->m.queue), "it tells where its command queue is");
    vfio_reset(&v->fn);
    ok(!fw_read32(fw, ISEG_CMDQ_ADDR_H) && !queue_low(fw), "after a reset there is none");
}

/* ---- up and down ---- */

static void simple(struct fw_cmd *c, unsigned opcode, unsigned op_mod)
{
    fw_cmd_init(c, opcode, op_mod, 32, 16);
}

static void test_start(struct bench *b)
{
    struct vf *v = bench_vf(b, 0);
    struct fw_cmd c;

    simple(&c, OP_ALLOC_PD, 0);
    refused(b, &v->fw, &c, ST_BAD_SYS_STATE, SYND_NOT_INIT, "ALLOC_PD before INIT_HCA");
    simple(&c, OP_INIT_HCA, 0);
    refused(b, &v->fw, &c, ST_BAD_SYS_STATE, SYND_NOT_ENABLED, "INIT_HCA before ENABLE_HCA");
    simple(&c, OP_TEARDOWN_HCA, 0);
    refused(b, &v->fw, &c, ST_BAD_SYS_STATE, SYND_NOT_INIT, "TEARDOWN_HCA before INIT_HCA");

    ok(fw_start(&v->fw), "ENABLE_HCA, SET_ISSI and INIT_HCA bring a function up");
    fw_create_pd(&v->fw);
    fw_create_uar(&v->fw);
    ok(ctl_objects(b->control, v->id, OBJECT_PD) == 1 &&
       ctl_objects(b->control, v->id, OBJECT_UAR) == 1, "its PD and its UAR are there");
    ok_eq(fw_do(&v->fw, OP_TEARDOWN_HCA, 0, 0, NULL), ST_OK, "TEARDOWN_HCA");
    ok(ctl_objects(b->control, v->id, OBJECT_PD) == 0 &&
       ctl_objects(b->control, v->id, OBJECT_UAR) == 0, "frees what was left behind");
    ok_eq(fw_do(&v->fw, OP_DISABLE_HCA, 0, 0, NULL), ST_OK, "DISABLE_HCA");
    simple(&c, OP_INIT_HCA, 0);
    refused(b, &v->fw, &c, ST_BAD_SYS_STATE, SYND_NOT_ENABLED, "INIT_HCA after DISABLE_HCA");
    ok(fw_start(&v->fw), "the function comes up again");
}

static void test_issi(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    accepted(&v->fw, &c, "QUERY_ISSI");
    ok_eq(cmd_out(&c, F_QUERY_ISSI_CURRENT), 1, "it tells the ISSI that was set");
    ok(cmd_out(&c, F_QUERY_ISSI_SUPPORTED) & 2, "ISSI 1 is supported");
}

/* Commands that fail for what they ask, whatever the function's state. */
static void build_enable(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    simple(c, OP_ENABLE_HCA, 0);
}

static void build_disable(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    simple(c, OP_DISABLE_HCA, 0);
}

static void build_issi(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    simple(c, OP_SET_ISSI, 0);
    cmd_set(c, F_SET_ISSI_CURRENT, 1);
}

static void build_pages(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    simple(c, OP_QUERY_PAGES, 1);
}

static void build_reg(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    simple(c, OP_ACCESS_REG, 0);
    cmd_set(c, F_ACCESS_REG_ID, REG_HOST_ENDIANNESS);
}

static const struct refusal of_arguments[] = {
    { "ENABLE_HCA of a function that is not there", build_enable,
      { { F_IN_FUNCTION_ID, 200 } }, ST_BAD_PARAM, SYND_FUNCTION },
    { "DISABLE_HCA of a function that is not there", build_disable,
      { { F_IN_FUNCTION_ID, 200 } }, ST_BAD_PARAM, SYND_FUNCTION },
    { "SET_ISSI of an unknown ISSI", build_issi,
      { { F_SET_ISSI_CURRENT, 5 } }, ST_BAD_PARAM, SYND_ISSI },
    { "QUERY_PAGES without telling which", build_pages,
      { { F_IN_OP_MOD, 0 } }, ST_BAD_PARAM, SYND_OP_MOD },
    { "ACCESS_REG of an unknown register", build_reg,
      { { F_ACCESS_REG_ID, 0x1234 } }, ST_BAD_PARAM, SYND_REGISTER },
    { "an unknown opcode", build_enable,
      { { F_IN_OPCODE, 0x7777 } }, ST_BAD_OP, SYND_NONE },
    { "opcode 0", build_enable, { { F_IN_OPCODE, 0 } }, ST_BAD_OP, SYND_NONE },
};

static void test_pf_only(struct bench *b)
{
    static const unsigned ops[] = {
        OP_SUSPEND_VHCA, OP_RESUME_VHCA, OP_QUERY_VHCA_MIGRATION_STATE,
        OP_SAVE_VHCA_STATE, OP_LOAD_VHCA_STATE,
        OP_CREATE_GENERAL_OBJECT, OP_MODIFY_GENERAL_OBJECT,
        OP_QUERY_GENERAL_OBJECT, OP_DESTROY_GENERAL_OBJECT,
    };
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd c;
    char name[64];

    for (unsigned i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        fw_cmd_init(&c, ops[i], 0, 64, 64);
        snprintf(name, sizeof(name), "opcode %#x from a VF", ops[i]);
        refused(b, &v->fw, &c, ST_BAD_OP, SYND_PF_ONLY, name);
    }
    simple(&c, OP_ENABLE_HCA, 0);
    cmd_set(&c, F_IN_FUNCTION_ID, 2);
    refused(b, &v->fw, &c, ST_BAD_PARAM, SYND_FUNCTION, "ENABLE_HCA of another function by a VF");
}

/* ---- lengths and reserved bits ---- */

struct field { unsigned bit, width; };

/* An input and an output as the interface has them, and the fields of the input's head. */
struct shape {
    const char *name;
    unsigned opcode, op_mod;
    uint32_t inlen, outlen;
    /* all of its first 32 bytes but these are reserved; none: contexts lie there */
    bool strict;
    struct field field[6];
};

#define ID24    { F_IN_ID24 }
static const struct shape shapes[] = {
    { "QUERY_HCA_CAP", OP_QUERY_HCA_CAP, 0, 16, 4112, true,
      { { F_IN_OTHER_FUNCTION }, { F_IN_FUNCTION_ID } } },
    { "QUERY_ADAPTER", OP_QUERY_ADAPTER, 0, 8, 272, true, { } },
    { "TEARDOWN_HCA", OP_TEARDOWN_HCA, 0, 16, 12, true, { { F_IN_FUNCTION_ID } } },
    { "ENABLE_HCA", OP_ENABLE_HCA, 0, 16, 12, true, { { F_IN_FUNCTION_ID } } },
    { "DISABLE_HCA", OP_DISABLE_HCA, 0, 16, 12, true, { { F_IN_FUNCTION_ID } } },
    { "QUERY_PAGES", OP_QUERY_PAGES, 1, 16, 16, true, { { F_IN_FUNCTION_ID } } },
    { "SET_HCA_CAP", OP_SET_HCA_CAP, 0, 4112, 16, false, { } },
    { "QUERY_ISSI", OP_QUERY_ISSI, 0, 8, 112, true, { } },
    { "SET_ISSI", OP_SET_ISSI, 0, 16, 12, true, { { F_SET_ISSI_CURRENT } } },
    { "INIT_HCA", OP_INIT_HCA, 0, 16, 16, false, { } },
    { "SUSPEND_VHCA", OP_SUSPEND_VHCA, 0, 16, 16, true, { { F_VHCA_ID } } },
    { "RESUME_VHCA", OP_RESUME_VHCA, 0, 16, 16, true, { { F_VHCA_ID } } },
    { "QUERY_VHCA_MIGRATION_STATE", OP_QUERY_VHCA_MIGRATION_STATE, 0, 16, 64, true,
      { { F_VHCA_ID }, { F_QUERY_INCREMENTAL }, { F_QUERY_CHUNK } } },
    { "SAVE_VHCA_STATE", OP_SAVE_VHCA_STATE, 0, 32, 16, true,
      { { F_VHCA_ID }, { F_SAVE_INCREMENTAL }, { F_SAVE_SET_TRACK }, { F_SAVE_VA },
        { F_SAVE_MKEY }, { F_SAVE_SIZE } } },
    { "LOAD_VHCA_STATE", OP_LOAD_VHCA_STATE, 0, 32, 16, true,
      { { F_VHCA_ID }, { F_SAVE_VA }, { F_SAVE_MKEY }, { F_SAVE_SIZE } } },
    { "CREATE_MKEY", OP_CREATE_MKEY, 0, 272, 16, false, { } },
    { "DESTROY_MKEY", OP_DESTROY_MKEY, 0, 16, 16, true, { ID24 } },
    { "CREATE_EQ", OP_CREATE_EQ, 0, 272, 16, false, { } },
    { "DESTROY_EQ", OP_DESTROY_EQ, 0, 16, 16, true, { { F_EQ_NUMBER } } },
    { "CREATE_CQ", OP_CREATE_CQ, 0, 272, 16, false, { } },
    { "DESTROY_CQ", OP_DESTROY_CQ, 0, 16, 16, true, { ID24 } },
    { "CREATE_QP", OP_CREATE_QP, 0, 272, 16, false, { } },
    { "DESTROY_QP", OP_DESTROY_QP, 0, 16, 16, true, { ID24 } },
    { "RST2INIT_QP", OP_RST2INIT_QP, 0, 272, 16, false, { } },
    { "INIT2RTR_QP", OP_INIT2RTR_QP, 0, 272, 16, false, { } },
    { "RTR2RTS_QP", OP_RTR2RTS_QP, 0, 272, 16, false, { } },
    { "ALLOC_PD", OP_ALLOC_PD, 0, 8, 12, true, { } },
    { "DEALLOC_PD", OP_DEALLOC_PD, 0, 16, 12, true, { ID24 } },
    { "ALLOC_UAR", OP_ALLOC_UAR, 0, 8, 12, true, { } },
    { "DEALLOC_UAR", OP_DEALLOC_UAR, 0, 16, 12, true, { ID24 } },
    { "ACCESS_REG", OP_ACCESS_REG, 0, 16, 16, false, { } },
    { "CREATE_GENERAL_OBJECT", OP_CREATE_GENERAL_OBJECT, 0, 64, 16, false, { } },
    { "MODIFY_GENERAL_OBJECT", OP_MODIFY_GENERAL_OBJECT, 0, 64, 16, false, { } },
    { "QUERY_GENERAL_OBJECT", OP_QUERY_GENERAL_OBJECT, 0, 16, 64, true, { { F_OBJ_ID } } },
    { "DESTROY_GENERAL_OBJECT", OP_DESTROY_GENERAL_OBJECT, 0, 16, 16, true, { { F_OBJ_ID } } },
};

/* What there is with Ethernet alone */
static const struct shape eth_shapes[] = {
    { "QUERY_VPORT_STATE", OP_QUERY_VPORT_STATE, 0, 16, 16, false, { } },
    { "QUERY_NIC_VPORT_CONTEXT", OP_QUERY_NIC_VPORT_CONTEXT, 0, 16, 272, false, { } },
    { "MODIFY_NIC_VPORT_CONTEXT", OP_MODIFY_NIC_VPORT_CONTEXT, 0, 512, 16, false, { } },
    { "QUERY_VPORT_COUNTER", OP_QUERY_VPORT_COUNTER, 0, 32, 528, false, { } },
    { "ALLOC_Q_COUNTER", OP_ALLOC_Q_COUNTER, 0, 16, 16, false, { } },
    { "DEALLOC_Q_COUNTER", OP_DEALLOC_Q_COUNTER, 0, 16, 16, true, { ID24 } },
    { "QUERY_Q_COUNTER", OP_QUERY_Q_COUNTER, 0, 32, 256, false, { } },
    { "ALLOC_TRANSPORT_DOMAIN", OP_ALLOC_TRANSPORT_DOMAIN, 0, 16, 16, true, { } },
    { "DEALLOC_TRANSPORT_DOMAIN", OP_DEALLOC_TRANSPORT_DOMAIN, 0, 16, 16, true, { ID24 } },
    { "CREATE_TIS", OP_CREATE_TIS, 0, 192, 16, false, { } },
    { "DESTROY_TIS", OP_DESTROY_TIS, 0, 16, 16, true, { ID24 } },
    { "CREATE_RQT", OP_CREATE_RQT, 0, 272, 16, false, { } },
    { "MODIFY_RQT", OP_MODIFY_RQT, 0, 272, 16, false, { } },
    { "DESTROY_RQT", OP_DESTROY_RQT, 0, 16, 16, true, { ID24 } },
    { "CREATE_TIR", OP_CREATE_TIR, 0, 272, 16, false, { } },
    { "MODIFY_TIR", OP_MODIFY_TIR, 0, 272, 16, false, { } },
    { "DESTROY_TIR", OP_DESTROY_TIR, 0, 16, 16, true, { ID24 } },
    { "CREATE_SQ", OP_CREATE_SQ, 0, 272, 16, false, { } },
    { "MODIFY_SQ", OP_MODIFY_SQ, 0, 272, 16, false, { } },
    { "QUERY_SQ", OP_QUERY_SQ, 0, 16, 272, true, { ID24 } },
    { "DESTROY_SQ", OP_DESTROY_SQ, 0, 16, 16, true, { ID24 } },
    { "CREATE_RQ", OP_CREATE_RQ, 0, 272, 16, false, { } },
    { "MODIFY_RQ", OP_MODIFY_RQ, 0, 272, 16, false, { } },
    { "QUERY_RQ", OP_QUERY_RQ, 0, 16, 272, true, { ID24 } },
    { "DESTROY_RQ", OP_DESTROY_RQ, 0, 16, 16, true, { ID24 } },
    { "CREATE_FLOW_TABLE", OP_CREATE_FLOW_TABLE, 0, 64, 16, false, { } },
    { "DESTROY_FLOW_TABLE", OP_DESTROY_FLOW_TABLE, 0, 64, 16, false, { } },
    { "SET_FLOW_TABLE_ROOT", OP_SET_FLOW_TABLE_ROOT, 0, 64, 16, false, { } },
    { "CREATE_FLOW_GROUP", OP_CREATE_FLOW_GROUP, 0, 1024, 16, false, { } },
    { "DESTROY_FLOW_GROUP", OP_DESTROY_FLOW_GROUP, 0, 64, 16, false, { } },
    { "SET_FLOW_TABLE_ENTRY", OP_SET_FLOW_TABLE_ENTRY, 0, 832, 16, false, { } },
    { "DELETE_FLOW_TABLE_ENTRY", OP_DELETE_FLOW_TABLE_ENTRY, 0, 64, 16, false, { } },
};

/* The last one that an opcode knows; where a general object's type is, all are. */
static unsigned last_op_mod(const struct shape *s)
{
    switch (s->opcode) {
    case OP_QUERY_HCA_CAP:
    case OP_SET_HCA_CAP:
        return 0xff;
    case OP_QUERY_PAGES:
        return 3;
    case OP_SUSPEND_VHCA:
    case OP_RESUME_VHCA:
    case OP_ACCESS_REG:
    case OP_SET_FLOW_TABLE_ROOT:
        return 1;
    case OP_CREATE_GENERAL_OBJECT:
    case OP_MODIFY_GENERAL_OBJECT:
    case OP_QUERY_GENERAL_OBJECT:
    case OP_DESTROY_GENERAL_OBJECT:
        return 0xffff;
    }
    return 0;
}

static void test_op_mod(struct bench *b, const struct shape *s)
{
    unsigned op_mod = last_op_mod(s) + 1;
    struct fw_cmd c;
    char name[80];

    if (op_mod > 0xffff)
        return;
    fw_cmd_init(&c, s->opcode, op_mod, s->inlen, s->outlen);
    snprintf(name, sizeof(name), "%s with op_mod %u", s->name, op_mod);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_OP_MOD, name);
}

static void test_lengths(struct bench *b, const struct shape *s)
{
    struct fw_cmd c;
    char name[80];

    if (s->inlen > 8) {
        fw_cmd_init(&c, s->opcode, s->op_mod, s->inlen - 4, s->outlen);
        snprintf(name, sizeof(name), "%s with an input of %u bytes", s->name, s->inlen - 4);
        refused(b, &b->pf, &c, ST_BAD_INPUT_LEN, SYND_NONE, name);
    }
    fw_cmd_init(&c, s->opcode, s->op_mod, s->inlen, s->outlen - 4);
    snprintf(name, sizeof(name), "%s with an output of %u bytes", s->name, s->outlen - 4);
    refused(b, &b->pf, &c, ST_BAD_OUTPUT_LEN, SYND_NONE, name);
}

static void test_reserved(struct bench *b, const struct shape *s)
{
    uint8_t reserved[32];
    struct fw_cmd c;
    unsigned tried = 0, missed = 0, first = 0;

    memset(reserved, 0, sizeof(reserved));
    /* uid, of which there is none without uctx_cap, and what follows it */
    memset(reserved + 2, 0xff, 4);
    if (s->strict && s->inlen > 8)
        memset(reserved + 8, 0xff, s->inlen - 8);
    for (unsigned i = 0; i < 6 && s->field[i].width; i++)
        ifc_set(reserved, s->field[i].bit, s->field[i].width, 0);
    for (unsigned bit = 0; bit < 256; bit++) {
        if (!(reserved[bit / 8] & 0x80 >> bit % 8))
            continue;
        fw_cmd_init(&c, s->opcode, s->op_mod, s->inlen, s->outlen);
        c.in[bit / 8] |= 0x80 >> bit % 8;
        fw_exec(&b->pf, &c);
        tried++;
        if (c.r.status != ST_BAD_PARAM || c.r.syndrome != SYND_RESERVED)
            first = missed++ ? first : bit;
    }
    if (!ok(!missed, "%s: each of %u reserved bits is refused", s->name, tried))
        tap_diag("%u were not, the first is bit %#x", missed, first);
}

/* ---- delivery ---- */

static void set64(uint8_t *p, uint64_t value)
{
    ifc_set(p, 0, 64, value);
}

/* Posts a command whose queue entry was spoilt; its delivery status. */
static void test_one_delivery(struct bench *b, const char *name, unsigned offset,
                              uint64_t value, unsigned width, int delivery)
{
    struct vf *v = &b->vf[0];
    struct fw_cmd c;
    uint8_t *e;

    /* both input and output use mailboxes */
    fw_cmd_init(&c, OP_QUERY_HCA_CAP, 0, 32, 4112);
    fw_prepare(&v->fw, &c);
    e = fw_entry(&v->fw, &c) + offset;
    if (width == 8)
        set64(e, value);
    else if (width == 4)
        ifc_set(e, 0, 32, value);
    else
        *e = value;
    fw_ring(&v->fw, 1u << c.slot);
    ok_eq(fw_collect(&v->fw, &c, FW_TIMEOUT).delivery, delivery, "%s", name);
}

static void test_delivery(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd c;

    test_one_delivery(b, "an entry of another type is not delivered", CMD_TYPE, 1, 1,
                      DELIVERY_CMD_DESCR);
    test_one_delivery(b, "an input of 4 bytes is not delivered", CMD_INLEN, 4, 4,
                      DELIVERY_IN_LEN);
    test_one_delivery(b, "an output of 4 bytes is not delivered", CMD_OUTLEN, 4, 4,
                      DELIVERY_OUT_LEN);
    test_one_delivery(b, "an input mailbox that is not aligned", CMD_IN_PTR,
                      VF_IOVA(0) + 8, 8, DELIVERY_IN_PTR);
    test_one_delivery(b, "no input mailbox for a long input", CMD_IN_PTR, 0, 8,
                      DELIVERY_IN_PTR);
    test_one_delivery(b, "an output mailbox that is not aligned", CMD_OUT_PTR,
                      VF_IOVA(0) + 8, 8, DELIVERY_OUT_PTR);
    test_one_delivery(b, "no output mailbox for a long output", CMD_OUT_PTR, 0, 8,
                      DELIVERY_OUT_PTR);
    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    accepted(&v->fw, &c, "a good command after all these");
}

/* ---- many at once, events ---- */

static void test_many(struct bench *b)
{
    enum { MANY = 24 };
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd *cmds = calloc(MANY, sizeof(*cmds)), *list[MANY];
    unsigned good = 0;

    for (unsigned i = 0; i < MANY; i++) {
        list[i] = &cmds[i];
        fw_cmd_init(list[i], i % 2 ? OP_QUERY_ISSI : OP_QUERY_ADAPTER, 0, 16, 272);
    }
    fw_post_all(&v->fw, list, MANY);
    for (unsigned i = 0; i < MANY; i++)
        good += !fw_status(fw_collect(&v->fw, list[i], FW_TIMEOUT));
    ok_eq(good, MANY, "%u commands with one doorbell all complete", MANY);
    ok(ctl_counter(b->control, COUNTER_IN_FLIGHT_MAX) >= MANY, "they were in flight together");
    ok_eq(ctl_objects(b->control, v->id, OBJECT_COMMAND), 0, "none is left");
    free(cmds);
}

static void test_events(struct bench *b)
{
    enum { LOG_SIZE = 4, ROUNDS = 100 };
    struct vf *v = bench_running_vf(b, 0);
    uint32_t uar = fw_create_uar(&v->fw);
    struct fw_eq eq = fw_create_eq(&v->fw, uar, LOG_SIZE, 2, 1ull << EVENT_COMMAND);
    struct fw_cmd c;
    const uint8_t *e;
    unsigned good = 0;

    ok(!fw_eq_next(&v->fw, &eq), "the command that creates an EQ leaves no event in it");
    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    fw_exec(&v->fw, &c);
    ok(wait_until((e = fw_eq_next(&v->fw, &eq)), FW_TIMEOUT) && e[EQE_TYPE] == EVENT_COMMAND &&
       ifc_get(e + EQE_DATA, 0, 32) == 1u << c.slot, "a command's completion is an event");
    ok_eq(vfio_irq_wait(&v->fn, 2, 0), 0, "an EQ that was not armed raises no interrupt");
    fw_eq_update(&v->fw, &eq, true);
    ok_eq(vfio_irq_wait(&v->fn, 2, 0), 0, "an armed EQ with nothing new raises none");
    fw_exec(&v->fw, &c);
    ok_eq(vfio_irq_wait(&v->fn, 2, FW_TIMEOUT), 1, "an armed EQ raises its vector");
    fw_exec(&v->fw, &c);
    ok_eq(vfio_irq_wait(&v->fn, 2, 0), 0, "once");
    fw_eq_update(&v->fw, &eq, true);
    ok_eq(vfio_irq_wait(&v->fn, 2, FW_TIMEOUT), 1, "arming with unread events raises it at once");
    while (fw_eq_next(&v->fw, &eq))
        ;
    for (unsigned i = 0; i < ROUNDS; i++) {
        fw_eq_update(&v->fw, &eq, false);
        fw_exec(&v->fw, &c);
        good += wait_until(fw_eq_next(&v->fw, &eq) != NULL, FW_TIMEOUT) &&
                !fw_eq_next(&v->fw, &eq);
    }
    ok_eq(good, ROUNDS, "%u events through %u entries, one a command", ROUNDS, 1 << LOG_SIZE);
}

static void test_adapter(struct bench *b)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ADAPTER, 0, 16, 272);
    accepted(&b->pf, &c, "QUERY_ADAPTER");
    ok(c.out[272 - 16], "it has a PSID");
    fw_cmd_init(&c, OP_QUERY_PAGES, 1, 16, 16);
    accepted(&b->pf, &c, "QUERY_PAGES");
    ok_eq(cmd_out(&c, F_QUERY_PAGES_NUM), 0, "the model wants no pages");
    fw_cmd_init(&c, OP_ACCESS_REG, 0, 32, 32);
    cmd_set(&c, F_ACCESS_REG_ID, REG_HOST_ENDIANNESS);
    accepted(&b->pf, &c, "ACCESS_REG of the host endianness");
}

static void test_shapes(struct bench *b, const struct shape *table, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        test_lengths(b, &table[i]);
        test_op_mod(b, &table[i]);
        test_reserved(b, &table[i]);
    }
}

static bool has_ethernet(struct bench *b)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_VPORT_STATE, 0, 16, 16);
    return !fw_status(fw_exec(&b->pf, &c));
}

void test_commands(struct bench *b)
{
    test_registers(b);
    test_start(b);
    test_issi(b);
    test_adapter(b);
    refusals_run(b, &b->pf, of_arguments, sizeof(of_arguments) / sizeof(*of_arguments));
    test_pf_only(b);
    test_shapes(b, shapes, sizeof(shapes) / sizeof(*shapes));
    if (has_ethernet(b))
        test_shapes(b, eth_shapes, sizeof(eth_shapes) / sizeof(*eth_shapes));
    test_delivery(b);
    test_many(b);
    test_events(b);
}
