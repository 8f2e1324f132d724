/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: capabilities.
 *
 * Few enough that stock mlx5_core probes and starts nothing that the model
 * does not have; those that matter for migration are properties of the device,
 * and so is whether there is Ethernet.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

#define LOG_MAX_QP  18

typedef struct CxCap {
    uint16_t bit, width;
    uint32_t value;
} CxCap;

static const CxCap eth_general[] = {
    { F_CAP_ETH_NET_OFFLOADS, 1 },
    { F_CAP_NIC_FLOW_TABLE, 1 },
    { F_CAP_MAX_WQE_SZ_SQ, WQE_MAX_UNITS * WQE_UNIT },
    { F_CAP_MAX_WQE_SZ_RQ, 1 << LOG_MAX_RQ_STRIDE },
    { F_CAP_LOG_MAX_TD, LOG_MAX_ETH_OBJECTS },
    { F_CAP_LOG_MAX_RQ, LOG_MAX_ETH_OBJECTS },
    { F_CAP_LOG_MAX_SQ, LOG_MAX_ETH_OBJECTS },
    { F_CAP_LOG_MAX_TIR, LOG_MAX_ETH_OBJECTS },
    { F_CAP_LOG_MAX_TIS, LOG_MAX_ETH_OBJECTS },
    { F_CAP_LOG_MAX_RQT, LOG_MAX_ETH_OBJECTS },
    { F_CAP_LOG_MAX_RQT_SIZE, LOG_MAX_RQT_SIZE },
    { F_CAP_BASIC_CYCLIC_RCV_WQE, 1 },
    { F_CAP_LOG_MAX_STRIDE_RQ, LOG_MAX_RQ_STRIDE },
    { F_CAP_LOG_MIN_STRIDE_RQ, LOG_MIN_RQ_STRIDE },
    { F_CAP_LOG_MAX_STRIDE_SQ, LOG_SQ_STRIDE },
    { F_CAP_LOG_MIN_STRIDE_SQ, LOG_SQ_STRIDE },
    { F_CAP_LOG_MAX_WQ_SZ, LOG_MAX_WQ_SIZE },
    { F_CAP_LOG_MAX_UC_LIST, VPORT_LOG_MAX_UC },
    { F_CAP_LOG_MAX_MC_LIST, VPORT_LOG_MAX_MC },
    { F_CAP_LOG_MAX_VLAN_LIST, VPORT_LOG_MAX_VLAN },
    { }
};

static const CxCap eth_offloads[] = {
    { F_ETH_CSUM_CAP, 1 },
    { F_ETH_VLAN_CAP, 1 },
    { F_ETH_SELF_LB_EN_MODIFIABLE, 1 },
    { F_ETH_MAX_LSO_CAP, 18 },
    { F_ETH_WQE_INLINE_MODE, 2 },       /* no header has to be in a WQE */
    { F_ETH_RSS_IND_TBL_CAP, LOG_MAX_RQT_SIZE },
    { F_ETH_CQE_CHECKSUM_FULL, 1 },
    { }
};

/* Of identified misses and changes of tables nothing: mlx5e makes do. */
static const CxCap eth_flow[] = {
    { F_FT_SUPPORT, 1 },
    { F_FT_MODIFY_ROOT, 1 },
    { F_FT_LOG_MAX_FT_SIZE, LOG_MAX_FLOW_TABLE_SIZE },
    { F_FT_MAX_FT_LEVEL, MAX_FLOW_LEVEL },
    { F_FT_LOG_MAX_FT_NUM, LOG_MAX_FLOW_TABLES },
    { F_FT_LOG_MAX_FLOW, LOG_MAX_ETH_OBJECTS },
    { F_FT_FIELD_DMAC, 1 },
    { F_FT_FIELD_ETHERTYPE, 1 },
    { F_FT_FIELD_IP_VERSION, 1 },
    { F_FT_FIELD_FIRST_VID, 1 },
    { F_FT_FIELD_IP_PROTOCOL, 1 },
    { }
};

static void cx_put(uint8_t *page, const CxCap *cap)
{
    for (; cap->width; cap++) {
        ifc_set(page, cap->bit, cap->width, cap->value);
    }
}

void cx_caps_reset(CxVhca *v)
{
    v->caps = (CxCapValues) { .log_max_qp = LOG_MAX_QP };
}

static void cx_put_general(const CxVhca *v, uint8_t *cap, bool current)
{
    const CxPf *pf = v->pf;

    ifc_set(cap, F_CAP_PAGE_REQUEST_DISABLE, 1);
    ifc_set(cap, F_CAP_HCA_CAP_2, 1);
    ifc_set(cap, F_CAP_VHCA_ID, v->vhca_id);
    ifc_set(cap, F_CAP_LOG_MAX_QP_SZ, 15);
    ifc_set(cap, F_CAP_LOG_MAX_QP, LOG_MAX_QP);
    ifc_set(cap, F_CAP_LOG_MAX_CQ_SZ, 22);
    ifc_set(cap, F_CAP_LOG_MAX_CQ, 18);
    ifc_set(cap, F_CAP_LOG_MAX_EQ_SZ, 22);
    ifc_set(cap, F_CAP_LOG_MAX_MKEY, 24);
    ifc_set(cap, F_CAP_LOG_MAX_EQ, 6);
    ifc_set(cap, F_CAP_PORT_TYPE, 1);
    ifc_set(cap, F_CAP_NUM_PORTS, 1);
    ifc_set(cap, F_CAP_LOG_MAX_MSG, 30);
    ifc_set(cap, F_CAP_CQE_VERSION, 1);
    ifc_set(cap, F_CAP_RC, 1);
    ifc_set(cap, F_CAP_LOG_PG_SZ, 12);
    ifc_set(cap, F_CAP_LOG_BF_REG_SIZE, LOG_BF_REG_SIZE);
    ifc_set(cap, F_CAP_LOG_MAX_PD, 16);
    if (pf->ethernet) {
        cx_put(cap, eth_general);
    }
    if (!v->function) {
        ifc_set(cap, F_CAP_ADV_VIRTUALIZATION, pf->adv_virtualization);
        ifc_set(cap, F_CAP_MIGRATION, pf->migration);
    }
    if (current) {
        ifc_set(cap, F_CAP_PKEY_TABLE_SIZE, v->caps.pkey_table_size);
        ifc_set(cap, F_CAP_LOG_MAX_QP, v->caps.log_max_qp);
        ifc_set(cap, F_CAP_CMDIF_CHECKSUM, v->caps.cmdif_checksum);
        ifc_set(cap, F_CAP_LOG_UAR_PAGE_SZ, v->caps.log_uar_page_sz);
    }
}

static void cx_put_general_2(const CxVhca *v, uint8_t *cap)
{
    const CxPf *pf = v->pf;

    ifc_set(cap, F_CAP2_MIGRATABLE, v->migratable);
    if (!v->function) {
        ifc_set(cap, F_CAP2_MULTI_LOAD, pf->multi_load);
        ifc_set(cap, F_CAP2_TRACKING_STATE, pf->tracking_state);
        ifc_set(cap, F_CAP2_IN_CHUNKS, pf->in_chunks);
        ifc_set(cap, F_CAP2_MIGRATION_STATE, pf->migration_state);
    }
}

static void cx_put_adv_virt(const CxVhca *v, uint8_t *cap)
{
    const CxPf *pf = v->pf;

    ifc_set(cap, F_AV_LOG_MAX_NUM, pf->track_log_max_num);
    ifc_set(cap, F_AV_MAX_NUM_RANGE, pf->track_max_ranges);
    ifc_set(cap, F_AV_LOG_MIN_ADDR_SPACE, pf->track_log_min_space);
    ifc_set(cap, F_AV_LOG_MAX_ADDR_SPACE, pf->track_log_max_space);
    ifc_set(cap, F_AV_LOG_MIN_MSG_SIZE, pf->track_log_min_msg);
    ifc_set(cap, F_AV_LOG_MAX_MSG_SIZE, pf->track_log_max_msg);
    ifc_set(cap, F_AV_LOG_MIN_PAGE_SIZE, pf->track_log_min_page);
    ifc_set(cap, F_AV_LOG_MAX_PAGE_SIZE, pf->track_log_max_page);
}

/* The function that the command asks about: its own, or a VF of the PF's. */
static CxVhca *cx_caps_of(CxCommand *c)
{
    unsigned function = ifc_get(c->in, F_IN_FUNCTION_ID);

    if (!ifc_get(c->in, F_IN_OTHER_FUNCTION)) {
        return function ? NULL : c->vhca;
    }
    return c->vhca->function ? NULL : cx_by_function(c->vhca->pf, function);
}

int cx_query_hca_cap(CxCommand *c)
{
    CxVhca *of = cx_caps_of(c);
    uint8_t *cap = c->out + CAP_OFFSET;

    if (!of) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FUNCTION);
    }
    switch (c->op_mod >> 1) {
    case CAP_GENERAL:
        cx_put_general(of, cap, c->op_mod & 1);
        return ST_OK;
    case CAP_GENERAL_2:
        cx_put_general_2(of, cap);
        return ST_OK;
    case CAP_ETHERNET:
    case CAP_FLOW_TABLE:
        if (of->pf->ethernet) {
            cx_put(cap, c->op_mod >> 1 == CAP_ETHERNET ? eth_offloads :
                   eth_flow);
            return ST_OK;
        }
        break;
    case CAP_ADV_VIRT:
        if (of->pf->adv_virtualization && !of->function) {
            cx_put_adv_virt(of, cap);
            return ST_OK;
        }
    }
    return cx_refuse(c, ST_BAD_PARAM, SYND_CAP);
}

/* Takes what may be set out of *want and compares the rest with *have. */
static int cx_set_general(CxCommand *c)
{
    CxVhca *v = c->vhca;
    g_autofree uint8_t *have = g_malloc0(CAP_SIZE);
    const uint8_t *want = c->in + CAP_OFFSET;
    CxCapValues values = {
        .pkey_table_size = ifc_get(want, F_CAP_PKEY_TABLE_SIZE),
        .log_max_qp = ifc_get(want, F_CAP_LOG_MAX_QP),
        .cmdif_checksum = ifc_get(want, F_CAP_CMDIF_CHECKSUM),
        .log_uar_page_sz = ifc_get(want, F_CAP_LOG_UAR_PAGE_SZ),
    };
    CxCapValues old = v->caps;

    if (v->inited) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_CAP_LATE);
    }
    v->caps = values;
    cx_put_general(v, have, true);
    if (values.log_max_qp > LOG_MAX_QP || values.log_uar_page_sz ||
        memcmp(have, want, CAP_SIZE)) {
        v->caps = old;
        return cx_refuse(c, ST_BAD_PARAM, SYND_CAP_VALUE);
    }
    return ST_OK;
}

/* Only "migratable" of a VF may be set, by the PF. */
static int cx_set_general_2(CxCommand *c, CxVhca *of)
{
    g_autofree uint8_t *have = g_malloc0(CAP_SIZE);
    const uint8_t *want = c->in + CAP_OFFSET;
    bool migratable = ifc_get(want, F_CAP2_MIGRATABLE);

    cx_put_general_2(of, have);
    ifc_set(have, F_CAP2_MIGRATABLE, migratable);
    if (memcmp(have, want, CAP_SIZE) || (migratable && !of->function)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_CAP_VALUE);
    }
    if (migratable &&
        !(of->pf->migratable >> (of->function - 1) & 1)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_CAP_VALUE);
    }
    of->migratable = migratable;
    return ST_OK;
}

int cx_set_hca_cap(CxCommand *c)
{
    CxVhca *of = cx_caps_of(c);

    if (!of) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FUNCTION);
    }
    if (c->op_mod >> 1 == CAP_GENERAL && of == c->vhca) {
        return cx_set_general(c);
    }
    if (c->op_mod >> 1 == CAP_GENERAL_2) {
        return cx_set_general_2(c, of);
    }
    return cx_refuse(c, ST_BAD_PARAM, SYND_CAP);
}
