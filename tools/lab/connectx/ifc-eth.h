/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout of the ConnectX firmware interface: what Ethernet adds to ifc.h, in
 * the same terms.
 */
#ifndef CONNECTX_IFC_ETH_H
#define CONNECTX_IFC_ETH_H

#include "ifc.h"

enum {
    OP_QUERY_VPORT_STATE    = 0x750,
    OP_QUERY_NIC_VPORT_CONTEXT = 0x754,
    OP_MODIFY_NIC_VPORT_CONTEXT = 0x755,
    OP_QUERY_VPORT_COUNTER  = 0x770,
    OP_ALLOC_Q_COUNTER      = 0x771,
    OP_DEALLOC_Q_COUNTER    = 0x772,
    OP_QUERY_Q_COUNTER      = 0x773,
    OP_ALLOC_TRANSPORT_DOMAIN = 0x816,
    OP_DEALLOC_TRANSPORT_DOMAIN = 0x817,
    OP_CREATE_TIR           = 0x900,
    OP_MODIFY_TIR           = 0x901,
    OP_DESTROY_TIR          = 0x902,
    OP_CREATE_SQ            = 0x904,
    OP_MODIFY_SQ            = 0x905,
    OP_DESTROY_SQ           = 0x906,
    OP_QUERY_SQ             = 0x907,
    OP_CREATE_RQ            = 0x908,
    OP_MODIFY_RQ            = 0x909,
    OP_DESTROY_RQ           = 0x90a,
    OP_QUERY_RQ             = 0x90b,
    OP_CREATE_TIS           = 0x912,
    OP_DESTROY_TIS          = 0x914,
    OP_CREATE_RQT           = 0x916,
    OP_MODIFY_RQT           = 0x917,
    OP_DESTROY_RQT          = 0x918,
    OP_SET_FLOW_TABLE_ROOT  = 0x92f,
    OP_CREATE_FLOW_TABLE    = 0x930,
    OP_DESTROY_FLOW_TABLE   = 0x931,
    OP_CREATE_FLOW_GROUP    = 0x933,
    OP_DESTROY_FLOW_GROUP   = 0x934,
    OP_SET_FLOW_TABLE_ENTRY = 0x936,
    OP_DELETE_FLOW_TABLE_ENTRY = 0x938,
};

/* QUERY_HCA_CAP: groups */
enum { CAP_ETHERNET = 0x01, CAP_FLOW_TABLE = 0x07 };


/* cmd_hca_cap */
#define F_CAP_NIC_FLOW_TABLE           0x1a6, 1
#define F_CAP_ETH_NET_OFFLOADS         0x21c, 1
#define F_CAP_MAX_WQE_SZ_SQ            0x290, 16
#define F_CAP_MAX_WQE_SZ_RQ            0x2b0, 16
#define F_CAP_LOG_MAX_TD               0x323, 5
#define F_CAP_LOG_MAX_RQ               0x363, 5
#define F_CAP_LOG_MAX_SQ               0x36b, 5
#define F_CAP_LOG_MAX_TIR              0x373, 5
#define F_CAP_LOG_MAX_TIS              0x37b, 5
#define F_CAP_BASIC_CYCLIC_RCV_WQE     0x380, 1
#define F_CAP_LOG_MAX_RQT              0x38b, 5
#define F_CAP_LOG_MAX_RQT_SIZE         0x393, 5
#define F_CAP_LOG_MAX_STRIDE_RQ        0x3a3, 5
#define F_CAP_LOG_MIN_STRIDE_RQ        0x3ab, 5
#define F_CAP_LOG_MAX_STRIDE_SQ        0x3b3, 5
#define F_CAP_LOG_MIN_STRIDE_SQ        0x3bb, 5
#define F_CAP_LOG_MAX_WQ_SZ            0x3db, 5
#define F_CAP_LOG_MAX_VLAN_LIST        0x3eb, 5
#define F_CAP_LOG_MAX_MC_LIST          0x3f3, 5
#define F_CAP_LOG_MAX_UC_LIST          0x3fb, 5

/* per_protocol_networking_offload_caps */
#define F_ETH_CSUM_CAP                 0x000, 1
#define F_ETH_VLAN_CAP                 0x001, 1
#define F_ETH_SELF_LB_EN_MODIFIABLE    0x008, 1
#define F_ETH_MAX_LSO_CAP              0x00b, 5
#define F_ETH_WQE_INLINE_MODE          0x012, 2
#define F_ETH_RSS_IND_TBL_CAP          0x014, 4
#define F_ETH_CQE_CHECKSUM_FULL        0x023, 1

/* flow_table_nic_cap: properties of NIC receive */
#define F_FT_SUPPORT                   0x200, 1
#define F_FT_MODIFY_ROOT               0x204, 1
#define F_FT_LOG_MAX_FT_SIZE           0x222, 6
#define F_FT_MAX_FT_LEVEL              0x238, 8
#define F_FT_LOG_MAX_FT_NUM            0x278, 8
#define F_FT_LOG_MAX_FLOW              0x2b8, 8
#define F_FT_FIELD_DMAC                0x300, 1
#define F_FT_FIELD_ETHERTYPE           0x302, 1
#define F_FT_FIELD_IP_VERSION          0x303, 1
#define F_FT_FIELD_FIRST_VID           0x306, 1
#define F_FT_FIELD_IP_PROTOCOL         0x30f, 1

/* vport commands; the nic_vport_context starts at byte 0x10 of QUERY's output, 0x100 of MODIFY's input */
#define F_VPORT_OTHER                  0x040, 1
#define F_VPORT_NUMBER                 0x050, 16
#define F_VPORT_STATE_ADMIN            0x078, 4
#define F_VPORT_STATE                  0x07c, 4
#define F_NIC_VPORT_QUERY_LIST_TYPE    0x065, 3
#define F_NIC_VPORT_SELECT             0x072, 14
#define F_NVC_MTU                      0x130, 16
#define F_NVC_SYSTEM_GUID              0x140, 64
#define F_NVC_PORT_GUID                0x180, 64
#define F_NVC_NODE_GUID                0x1c0, 64
#define F_NVC_PROMISC_UC               0x780, 1
#define F_NVC_PROMISC_MC               0x781, 1
#define F_NVC_PROMISC_ALL              0x782, 1
#define F_NVC_LIST_TYPE                0x785, 3
#define F_NVC_LIST_SIZE                0x794, 12
enum {
    NIC_VPORT_MTU = 1 << 6, NIC_VPORT_PROMISC = 1 << 4, NIC_VPORT_LIST = 1 << 2,
    NVC_QUERY_OUT = 0x10,
    NVC_MODIFY_IN = 0x100,
    NVC_MAC       = 0xf6,
    NVC_LIST      = 0x100,              /* 8 bytes each: a MAC from byte 2 on, or a VID */
    NVC_LIST_ENTRY = 8,
    NVC_LIST_UC = 0, NVC_LIST_MC = 1, NVC_LIST_VLAN = 2,
    VPORT_COUNTER_RX_BROAD = 0x70,      /* then tx; {packets, octets}, each 64 bits */
    VPORT_COUNTER_RX_UNI   = 0x90,
    VPORT_COUNTER_RX_MULTI = 0xb0,
};
#define F_LIST_VID                     0x014, 12
#define F_Q_COUNTER_QUERY_CLEAR        0x0c0, 1
#define F_Q_COUNTER_QUERY_ID           0x0f8, 8
#define F_Q_COUNTER_OUT_OF_BUFFER      0x180, 32

/* ACCESS_REG: the register starts at byte 0x10, of input and output */
enum {
    REG_DATA  = 0x10,
    REG_WRITE = 0, REG_READ = 1,        /* op_mod */
    REG_PMTU  = 0x5003,
    REG_PTYS  = 0x5004,
    REG_PAOS  = 0x5006,
    REG_PFCC  = 0x5007,
    REG_PPCNT = 0x5008,
};
#define F_REG_LOCAL_PORT               0x008, 8
#define F_PMTU_MAX                     0x020, 16
#define F_PMTU_ADMIN                   0x040, 16
#define F_PMTU_OPER                    0x060, 16
#define F_PAOS_ADMIN                   0x014, 4
#define F_PAOS_OPER                    0x01c, 4
#define F_PTYS_PROTO_MASK              0x01d, 3
#define F_PTYS_EXT_CAPABILITY          0x040, 32
#define F_PTYS_EXT_ADMIN               0x0a0, 32
#define F_PTYS_EXT_OPER                0x100, 32
#define F_PFCC_PPTX                    0x040, 1
#define F_PFCC_PFCTX                   0x048, 8
#define F_PFCC_PPRX                    0x060, 1
#define F_PFCC_PFCRX                   0x068, 8
#define F_PPCNT_GROUP                  0x01a, 6
#define F_PPCNT_CLEAR                  0x020, 1
#define F_PPCNT_FRAMES_TX              0x040, 64
#define F_PPCNT_FRAMES_RX              0x080, 64
#define F_PPCNT_OCTETS_TX              0x140, 64
#define F_PPCNT_OCTETS_RX              0x180, 64
enum {
    LINK_UP = 1, LINK_DOWN = 2,         /* PAOS */
    PTYS_ETHERNET = 4,
    PTYS_EXT_200G_4 = 1 << 12,
    PPCNT_802_3 = 0,
};

/* flow tables */
#define F_FT_TYPE                      0x080, 8
#define F_FT_TABLE_ID                  0x0a8, 24
#define F_FT_MISS_ACTION               0x0c4, 4
#define F_FT_LEVEL                     0x0c8, 8
#define F_FT_LOG_SIZE                  0x0d8, 8
#define F_FT_MISS_ID                   0x0e8, 24
#define F_FG_TYPE                      0x08c, 4
#define F_FG_START                     0x0e0, 32
#define F_FG_END                       0x120, 32
#define F_FG_ENABLE                    0x1f8, 8
#define F_FG_ID                        0x0c0, 32
#define F_FTE_INDEX                    0x100, 32
#define F_FTE_GROUP                    0x220, 32
#define F_FTE_FLOW_TAG                 0x248, 24
#define F_FTE_ACTION                   0x270, 16
#define F_FTE_DESTINATIONS             0x288, 24
#define F_FTE_DEST_TYPE                0x1a00, 8
#define F_FTE_DEST_ID                  0x1a08, 24
enum {
    FT_NIC_RX     = 0,
    FT_MISS_DROP  = 0, FT_MISS_TABLE = 1,
    FG_CRITERIA   = 0x40,
    FTE_VALUE     = 0x80,
    MATCH_PARAM_SIZE = 512,
    FTE_DESTINATION = 0x340,
    FTE_FORWARD   = 4, FTE_DROP = 2,    /* action */
    DEST_TABLE    = 1, DEST_TIR = 2,
};

/* TIS, TIR, RQT, SQ and RQ: the context starts at byte 0x20 of CREATE and MODIFY */
#define F_TIS_PRIO                     0x10c, 4
#define F_TIS_TD                       0x228, 24
#define F_TIR_DISP_TYPE                0x120, 4
#define F_TIR_INLINE_RQN               0x1e8, 24
#define F_TIR_SYMMETRIC                0x200, 1
#define F_TIR_RQTN                     0x208, 24
#define F_TIR_HASH_FN                  0x220, 4
#define F_TIR_SELF_LB                  0x226, 2
#define F_TIR_TD                       0x228, 24
#define F_TIR_SELECTOR                 0x380, 32
#define F_MODIFY_BITS                  0x0a0, 32
#define F_RQT_MAX                      0x1b0, 16
#define F_RQT_ACTUAL                   0x1d0, 16
#define F_RQT_RQN                      0x008, 24
enum {
    TIR_INLINE    = 0, TIR_INDIRECT = 1,
    TIR_KEY       = 0x20 + 0x28,
    RQT_LIST      = 0x20 + 0xf0,
    SELF_LB_UNICAST = 1,
    /* bits of MODIFY */
    TIR_MODIFY_MERGE = 1 << 0, TIR_MODIFY_HASH = 1 << 2,
    TIR_MODIFY_SELF_LB = 1 << 4,
    RQT_MODIFY_LIST = 1 << 0,
};
#define F_WQ_STATE_FROM                0x040, 4
#define F_WQ_STATE                     0x108, 4
#define F_WQ_CQN                       0x148, 24
#define F_RQ_VSD                       0x103, 1
#define F_RQ_COUNTER                   0x160, 8
#define F_SQ_MIN_INLINE                0x105, 3
#define F_SQ_TIS_SIZE                  0x200, 16
#define F_SQ_TISN                      0x268, 24
#define F_WQ_TYPE                      0x280, 4
#define F_WQ_PD                        0x2c8, 24
#define F_WQ_UAR_PAGE                  0x2e8, 24
#define F_WQ_DBR_ADDR                  0x300, 64
#define F_WQ_LOG_STRIDE                0x38c, 4
#define F_WQ_LOG_PAGE_SIZE             0x393, 5
#define F_WQ_LOG_SIZE                  0x39b, 5
enum {
    WQ_PAS       = 0x110,
    WQ_CYCLIC    = 1,
    RQ_MODIFY_VSD = 1 << 1,
    WQ_RST = 0, WQ_RDY = 1, WQ_ERR = 3,
    WQ_DBR_RECV = 0, WQ_DBR_SEND = 4,   /* counters in the doorbell record */
};

/* ---- send WQE: byte offsets; built of units of 16 bytes, 4 of them a WQEBB ---- */
enum {
    WQE_UNIT        = 16,
    WQEBB           = 64,
    WQE_MAX_UNITS   = 64,               /* max_wqe_sz_sq */
    WQE_OPCODE      = 0x03,
    WQE_INDEX       = 0x01,             /* 16 bits: counter of its first WQEBB */
    WQE_QPN_DS      = 0x04,
    WQE_FLAGS       = 0x0b,             /* fm_ce_se */
    WQE_CE_MASK     = 0x0c, WQE_CE_ALWAYS = 0x08,
    WQE_ETH_CS      = 0x14,
    WQE_CS_L3 = 0x40, WQE_CS_L4 = 0x80,
    WQE_ETH_MSS     = 0x16,
    WQE_ETH_INLINE_SIZE = 0x1c, WQE_INLINE_MASK = 0x3ff,
    WQE_ETH_INLINE  = 0x1e,
    WQE_ETH_END     = 0x20,
    WQE_OP_NOP = 0x00, WQE_OP_SEND = 0x0a, WQE_OP_LSO = 0x0e,
    DATA_SIZE       = 0x0, DATA_KEY = 0x4, DATA_ADDR = 0x8,
    DATA_INLINE     = 0x80,             /* in the first byte */
    RECV_SIZE_MASK  = 0x7fffffff,
    TERMINATE_KEY   = 0x100,            /* ends a receive WQE's list */
    UAR_DOORBELL    = 0x800,            /* of SQs; two, 1 << log_bf_reg_size apart */
    UAR_DOORBELLS   = 2,
    LOG_BF_REG_SIZE = 9,
};

/* CQE of a receive queue */
enum {
    CQE_RSS_HASH    = 0x0c,
    CQE_RSS_TYPE    = 0x10,
    CQE_CHECK_SUM   = 0x14,
    CQE_L3_L4       = 0x1d, CQE_VLAN_STRIPPED = 0x01,
    CQE_VLAN_INFO   = 0x1e,
    CQE_VENDOR_SYND = 0x36,
    CQE_SYNDROME    = 0x37,
    CQE_OP_REQ      = 0,
    CQE_OP_RESP_SEND = 2,
    CQE_OP_REQ_ERR  = 13,
    CQE_SYND_LENGTH = 0x01, CQE_SYND_QP_OP = 0x02, CQE_SYND_PROTECTION = 0x04,
    CQE_SYND_FLUSHED = 0x05,
};

/* PORT_CHANGE */
enum {
    EVENT_PORT_CHANGE = 0x09,
    PORT_CHANGE_DOWN = 1, PORT_CHANGE_ACTIVE = 4,
    EVENT_SUB_SHIFT = 8,                /* a sub-type, beside the type */
    EQE_SUB_TYPE    = 0x03,
    EQE_PORT        = 0x28,
};

#endif
