/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: what an opcode means.
 *
 * One table: opcode, name, who may use it and when, the shortest input and
 * output, the handler, and the fields that matter.  The fields of a STRICT
 * command are all that its first in_min bytes may hold; the trace shows them.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

static const CxField function_in[] = {
    { "function_id", F_IN_FUNCTION_ID }, { }
};
static const CxField cap_in[] = {
    { "function_id", F_IN_FUNCTION_ID },
    { "other_function", F_IN_OTHER_FUNCTION }, { }
};
static const CxField none[] = { { } };
static const CxField issi_in[] = { { "current_issi", F_SET_ISSI_CURRENT }, { } };
static const CxField reg_in[] = { { "register_id", F_ACCESS_REG_ID }, { } };
static const CxField id_in[] = { { "id", F_IN_ID24 }, { } };
static const CxField id_out[] = { { "id", F_OUT_ID24 }, { } };
static const CxField vhca_in[] = { { "vhca_id", F_VHCA_ID }, { } };
static const CxField query_in[] = {
    { "vhca_id", F_VHCA_ID }, { "incremental", F_QUERY_INCREMENTAL },
    { "chunk", F_QUERY_CHUNK }, { }
};
static const CxField query_out[] = {
    { "migration_state", F_QUERY_MIGRATION_STATE },
    { "required_umem_size", F_QUERY_REQUIRED },
    { "remaining_total_size", F_QUERY_REMAINING }, { }
};
static const CxField save_in[] = {
    { "vhca_id", F_VHCA_ID }, { "incremental", F_SAVE_INCREMENTAL },
    { "set_track", F_SAVE_SET_TRACK }, { "va", F_SAVE_VA },
    { "mkey", F_SAVE_MKEY }, { "size", F_SAVE_SIZE }, { }
};
static const CxField save_out[] = {
    { "actual_image_size", F_SAVE_ACTUAL },
    { "next_required_umem_size", F_SAVE_NEXT_REQUIRED }, { }
};
static const CxField load_in[] = {
    { "vhca_id", F_VHCA_ID }, { "va", F_SAVE_VA }, { "mkey", F_SAVE_MKEY },
    { "size", F_SAVE_SIZE }, { }
};
static const CxField mkey_in[] = {
    { "pd", F_MKEY_PD }, { "len", F_MKEY_LEN },
    { "log_page_size", F_MKEY_LOG_PAGE_SIZE }, { }
};
static const CxField eq_in[] = {
    { "log_eq_size", F_EQ_LOG_SIZE }, { "intr", F_EQ_INTR }, { }
};
static const CxField eqn[] = { { "eqn", F_EQ_NUMBER }, { } };
static const CxField cq_in[] = {
    { "log_cq_size", F_CQ_LOG_SIZE }, { "eqn", F_CQ_EQN }, { }
};
static const CxField qp_in[] = {
    { "rq_type", F_QP_RQ_TYPE }, { "log_rq_size", F_QP_LOG_RQ_SIZE },
    { "cqn_rcv", F_QP_CQN_RCV }, { }
};
static const CxField track_in[] = {
    { "vhca_id", F_TRACK_VHCA_ID }, { "track_type", F_TRACK_TYPE },
    { "log_addr_space_size", F_TRACK_LOG_SPACE },
    { "log_page_size", F_TRACK_LOG_PAGE }, { "log_msg_size", F_TRACK_LOG_MSG },
    { "reporting_qpn", F_TRACK_QPN }, { "num_ranges", F_TRACK_NUM_RANGES }, { }
};
static const CxField report_in[] = {
    { "obj_id", F_OBJ_ID }, { "state", F_TRACK_STATE },
    { "range_start_address", F_TRACK_START }, { "length", F_TRACK_LENGTH }, { }
};
static const CxField obj_in[] = { { "obj_id", F_OBJ_ID }, { } };
static const CxField obj_out[] = { { "obj_id", F_OUT_OBJ_ID }, { } };
static const CxField state_out[] = { { "state", F_VPORT_STATE }, { } };
static const CxField nic_vport_query_in[] = {
    { "allowed_list_type", F_NIC_VPORT_QUERY_LIST_TYPE }, { }
};
static const CxField nic_vport_in[] = {
    { "field_select", F_NIC_VPORT_SELECT }, { }
};
static const CxField q_counter_in[] = {
    { "counter_set_id", F_Q_COUNTER_QUERY_ID }, { }
};
static const CxField tis_in[] = {
    { "prio", F_TIS_PRIO }, { "transport_domain", F_TIS_TD }, { }
};
static const CxField rqt_in[] = {
    { "rqtn", F_IN_ID24 }, { "rqt_max_size", F_RQT_MAX },
    { "rqt_actual_size", F_RQT_ACTUAL }, { }
};
static const CxField tir_in[] = {
    { "tirn", F_IN_ID24 }, { "disp_type", F_TIR_DISP_TYPE },
    { "indirect_table", F_TIR_RQTN }, { "rx_hash_fn", F_TIR_HASH_FN },
    { "self_lb", F_TIR_SELF_LB }, { "modify", F_MODIFY_BITS }, { }
};
static const CxField wq_in[] = {
    { "cqn", F_WQ_CQN }, { "wq_type", F_WQ_TYPE },
    { "log_wq_stride", F_WQ_LOG_STRIDE }, { "log_wq_sz", F_WQ_LOG_SIZE }, { }
};
static const CxField wq_state_in[] = {
    { "id", F_IN_ID24 }, { "from", F_WQ_STATE_FROM }, { "to", F_WQ_STATE }, { }
};
static const CxField wq_state_out[] = { { "state", F_WQ_STATE }, { } };
static const CxField table_in[] = {
    { "level", F_FT_LEVEL }, { "log_size", F_FT_LOG_SIZE },
    { "miss", F_FT_MISS_ID }, { }
};
static const CxField table_id_in[] = { { "table_id", F_FT_TABLE_ID }, { } };
static const CxField group_in[] = {
    { "table_id", F_FT_TABLE_ID }, { "start", F_FG_START }, { "end", F_FG_END },
    { "enable", F_FG_ENABLE }, { }
};
static const CxField group_id_in[] = { { "group_id", F_FG_ID }, { } };
static const CxField entry_in[] = {
    { "table_id", F_FT_TABLE_ID }, { "flow_index", F_FTE_INDEX },
    { "group_id", F_FTE_GROUP }, { "action", F_FTE_ACTION }, { }
};
static const CxField entry_id_in[] = {
    { "table_id", F_FT_TABLE_ID }, { "flow_index", F_FTE_INDEX }, { }
};

#define PF      CX_OP_PF
#define INIT    CX_OP_INIT
#define STRICT  CX_OP_STRICT
#define ETH     (CX_OP_INIT | CX_OP_ETH)
#define OP(name, flags, op_mod_max, in_min, out_min, handler, in, out) \
    { OP_##name, #name, flags, op_mod_max, in_min, out_min, handler, in, out }

static const CxOp ops[] = {
    OP(QUERY_HCA_CAP, STRICT, 0xff, 16, 4112, cx_query_hca_cap, cap_in, none),
    OP(QUERY_ADAPTER, STRICT, 0, 8, 272, cx_query_adapter, none, none),
    OP(INIT_HCA, 0, 0, 16, 16, cx_init_hca, none, none),
    OP(TEARDOWN_HCA, STRICT, 0, 16, 12, cx_teardown_hca, function_in, none),
    OP(ENABLE_HCA, STRICT, 0, 16, 12, cx_enable_hca, function_in, none),
    OP(DISABLE_HCA, STRICT, 0, 16, 12, cx_enable_hca, function_in, none),
    OP(QUERY_PAGES, STRICT, 3, 16, 16, cx_query_pages, function_in, none),
    OP(SET_HCA_CAP, STRICT, 0xff, 4112, 16, cx_set_hca_cap, cap_in, none),
    OP(QUERY_ISSI, STRICT, 0, 8, 112, cx_query_issi, none, none),
    OP(SET_ISSI, STRICT, 0, 16, 12, cx_set_issi, issi_in, none),
    OP(SUSPEND_VHCA, PF | INIT | STRICT, 1, 16, 16, cx_suspend_vhca, vhca_in,
       none),
    OP(RESUME_VHCA, PF | INIT | STRICT, 1, 16, 16, cx_resume_vhca, vhca_in,
       none),
    OP(QUERY_VHCA_MIGRATION_STATE, PF | INIT | STRICT, 0, 16, 64,
       cx_query_vhca_migration_state, query_in, query_out),
    OP(SAVE_VHCA_STATE, PF | INIT | STRICT, 0, 32, 16, cx_save_vhca_state,
       save_in, save_out),
    OP(LOAD_VHCA_STATE, PF | INIT | STRICT, 0, 32, 16, cx_load_vhca_state,
       load_in, none),
    OP(CREATE_MKEY, INIT, 0, 272, 16, cx_create_mkey, mkey_in, id_out),
    OP(DESTROY_MKEY, INIT | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_EQ, INIT, 0, 272, 16, cx_create_eq, eq_in, eqn),
    OP(DESTROY_EQ, INIT | STRICT, 0, 16, 16, cx_destroy_eq, eqn, none),
    OP(CREATE_CQ, INIT, 0, 272, 16, cx_create_cq, cq_in, id_out),
    OP(DESTROY_CQ, INIT | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_QP, INIT, 0, 272, 16, cx_create_qp, qp_in, id_out),
    OP(DESTROY_QP, INIT | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(RST2INIT_QP, INIT, 0, 272, 16, cx_modify_qp, id_in, none),
    OP(INIT2RTR_QP, INIT, 0, 272, 16, cx_modify_qp, id_in, none),
    OP(RTR2RTS_QP, INIT, 0, 272, 16, cx_modify_qp, id_in, none),
    OP(ALLOC_PD, INIT | STRICT, 0, 8, 12, cx_alloc_pd, none, id_out),
    OP(DEALLOC_PD, INIT | STRICT, 0, 16, 12, cx_destroy_object, id_in, none),
    OP(ALLOC_UAR, INIT | STRICT, 0, 8, 12, cx_alloc_uar, none, id_out),
    OP(DEALLOC_UAR, INIT | STRICT, 0, 16, 12, cx_destroy_object, id_in, none),
    OP(ACCESS_REG, CX_OP_PORT, 1, 16, 16, cx_access_reg, reg_in, none),
    /* op_mod is obj_type's place */
    OP(CREATE_GENERAL_OBJECT, PF | INIT, 0xffff, 64, 16, cx_create_tracker,
       track_in, obj_out),
    OP(MODIFY_GENERAL_OBJECT, PF | INIT, 0xffff, 64, 16, cx_modify_tracker,
       report_in, none),
    OP(QUERY_GENERAL_OBJECT, PF | INIT | STRICT, 0xffff, 16, 64,
       cx_query_tracker, obj_in, none),
    OP(DESTROY_GENERAL_OBJECT, PF | INIT | STRICT, 0xffff, 16, 16,
       cx_destroy_tracker, obj_in, none),

    OP(QUERY_VPORT_STATE, ETH, 0, 16, 16, cx_query_vport_state, none, state_out),
    OP(QUERY_NIC_VPORT_CONTEXT, ETH, 0, 16, 272, cx_query_nic_vport,
       nic_vport_query_in, none),
    OP(MODIFY_NIC_VPORT_CONTEXT, ETH, 0, 512, 16, cx_modify_nic_vport,
       nic_vport_in, none),
    OP(QUERY_VPORT_COUNTER, ETH, 0, 32, 528, cx_query_vport_counter, none, none),
    OP(ALLOC_Q_COUNTER, ETH, 0, 16, 16, cx_alloc_q_counter, none, id_out),
    OP(DEALLOC_Q_COUNTER, ETH | STRICT, 0, 16, 16, cx_destroy_object, id_in,
       none),
    OP(QUERY_Q_COUNTER, ETH, 0, 32, 256, cx_query_q_counter, q_counter_in, none),
    OP(ALLOC_TRANSPORT_DOMAIN, ETH | STRICT, 0, 16, 16, cx_alloc_td, none,
       id_out),
    OP(DEALLOC_TRANSPORT_DOMAIN, ETH | STRICT, 0, 16, 16, cx_destroy_object,
       id_in, none),
    OP(CREATE_TIS, ETH, 0, 192, 16, cx_create_tis, tis_in, id_out),
    OP(DESTROY_TIS, ETH | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_RQT, ETH, 0, 272, 16, cx_create_rqt, rqt_in, id_out),
    OP(MODIFY_RQT, ETH, 0, 272, 16, cx_modify_rqt, rqt_in, none),
    OP(DESTROY_RQT, ETH | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_TIR, ETH, 0, 272, 16, cx_create_tir, tir_in, id_out),
    OP(MODIFY_TIR, ETH, 0, 272, 16, cx_modify_tir, tir_in, none),
    OP(DESTROY_TIR, ETH | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_SQ, ETH, 0, 272, 16, cx_create_sq, wq_in, id_out),
    OP(MODIFY_SQ, ETH, 0, 272, 16, cx_modify_sq, wq_state_in, none),
    OP(QUERY_SQ, ETH | STRICT, 0, 16, 272, cx_query_sq, id_in, wq_state_out),
    OP(DESTROY_SQ, ETH | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_RQ, ETH, 0, 272, 16, cx_create_rq, wq_in, id_out),
    OP(MODIFY_RQ, ETH, 0, 272, 16, cx_modify_rq, wq_state_in, none),
    OP(QUERY_RQ, ETH | STRICT, 0, 16, 272, cx_query_rq, id_in, wq_state_out),
    OP(DESTROY_RQ, ETH | STRICT, 0, 16, 16, cx_destroy_object, id_in, none),
    OP(CREATE_FLOW_TABLE, ETH, 0, 64, 16, cx_create_flow_table, table_in,
       id_out),
    OP(DESTROY_FLOW_TABLE, ETH, 0, 64, 16, cx_destroy_flow_table, table_id_in,
       none),
    OP(SET_FLOW_TABLE_ROOT, ETH, 1, 64, 16, cx_set_flow_table_root, table_id_in,
       none),
    OP(CREATE_FLOW_GROUP, ETH, 0, 1024, 16, cx_create_flow_group, group_in,
       id_out),
    OP(DESTROY_FLOW_GROUP, ETH, 0, 64, 16, cx_destroy_flow_group, group_id_in,
       none),
    OP(SET_FLOW_TABLE_ENTRY, ETH, 0, 832, 16, cx_set_flow_entry, entry_in, none),
    OP(DELETE_FLOW_TABLE_ENTRY, ETH, 0, 64, 16, cx_delete_flow_entry,
       entry_id_in, none),
};

const CxOp *cx_op_find(unsigned opcode)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i];
        }
    }
    return NULL;
}

/* Is a bit set that belongs to no field?  The capability page is not looked at. */
static bool cx_reserved_set(const CxCommand *c)
{
    uint32_t len = MIN(c->op->in_min, 32);
    uint8_t known[32] = { 0 };

    /* No user context was ever created, so there is no uid but 0. */
    if (ifc_get(c->in, F_IN_UID) || ifc_get(c->in, F_IN_RESERVED)) {
        return true;
    }
    if (!(c->op->flags & CX_OP_STRICT)) {
        return false;
    }
    if (c->op->in == cap_in) {
        len = CAP_OFFSET;
    }
    for (const CxField *f = c->op->in; f->name; f++) {
        ifc_set(known, f->bit, f->width, UINT64_MAX);
    }
    for (uint32_t i = 8; i < len; i++) {
        if (c->in[i] & ~known[i]) {
            return true;
        }
    }
    return false;
}

/* Checks the command as far as the table can, and calls its handler. */
int cx_op_execute(CxCommand *c)
{
    const CxOp *op = c->op;

    if (!op || (op->flags & CX_OP_ETH && !c->vhca->pf->ethernet)) {
        return cx_refuse(c, ST_BAD_OP, SYND_NONE);
    }
    if (c->vhca->function &&
        (op->flags & CX_OP_PF ||
         (op->flags & CX_OP_PORT && !c->vhca->pf->ethernet))) {
        return cx_refuse(c, ST_BAD_OP, SYND_PF_ONLY);
    }
    if (c->inlen < op->in_min) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_NONE);
    }
    if (c->outlen < op->out_min) {
        return cx_refuse(c, ST_BAD_OUTPUT_LEN, SYND_NONE);
    }
    if (op->flags & CX_OP_INIT && !c->vhca->inited) {
        return cx_refuse(c, ST_BAD_SYS_STATE, SYND_NOT_INIT);
    }
    if (c->op_mod > op->op_mod_max) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_OP_MOD);
    }
    if (cx_reserved_set(c)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_RESERVED);
    }
    return op->handler(c);
}
