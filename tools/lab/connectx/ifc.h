/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout of the ConnectX firmware interface, as far as the model and the
 * lab's programs use it: where a field lies, never what is done with it.
 *
 * The interface is big endian and counts bits from the most significant bit
 * of byte 0, as include/linux/mlx5/mlx5_ifc.h does.  A field is a pair "bit
 * offset, width" and is passed as one macro to ifc_get() and ifc_set().  No
 * field crosses a 32-bit boundary, except 64-bit ones, which are aligned.
 *
 * Included by the model (QEMU) and by programs in the VM, so it depends on
 * nothing but the C library.
 */
#ifndef CONNECTX_IFC_H
#define CONNECTX_IFC_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ifc_get(const void *base, unsigned bit, unsigned width)
{
    const uint8_t *p = (const uint8_t *)base + bit / 32 * 4;
    uint32_t dword;
    uint64_t qword;

    if (width == 64) {
        memcpy(&qword, p, 8);
        return be64toh(qword);
    }
    memcpy(&dword, p, 4);
    dword = be32toh(dword) >> (32 - bit % 32 - width);
    return width == 32 ? dword : dword & ((1u << width) - 1);
}

static inline void ifc_set(void *base, unsigned bit, unsigned width,
                           uint64_t value)
{
    uint8_t *p = (uint8_t *)base + bit / 32 * 4;
    unsigned shift = 32 - bit % 32 - width;
    uint32_t dword, mask;
    uint64_t qword;

    if (width == 64) {
        qword = htobe64(value);
        memcpy(p, &qword, 8);
        return;
    }
    mask = (width == 32 ? ~0u : (1u << width) - 1) << shift;
    memcpy(&dword, p, 4);
    dword = htobe32((be32toh(dword) & ~mask) |
                    (((uint32_t)value << shift) & mask));
    memcpy(p, &dword, 4);
}

static inline uint64_t ifc_be64(const void *base, unsigned byte)
{
    return ifc_get(base, byte * 8, 64);
}

/* opcodes */
enum {
    OP_QUERY_HCA_CAP        = 0x100,
    OP_QUERY_ADAPTER        = 0x101,
    OP_INIT_HCA             = 0x102,
    OP_TEARDOWN_HCA         = 0x103,
    OP_ENABLE_HCA           = 0x104,
    OP_DISABLE_HCA          = 0x105,
    OP_QUERY_PAGES          = 0x107,
    OP_SET_HCA_CAP          = 0x109,
    OP_QUERY_ISSI           = 0x10a,
    OP_SET_ISSI             = 0x10b,
    OP_SUSPEND_VHCA         = 0x115,
    OP_RESUME_VHCA          = 0x116,
    OP_QUERY_VHCA_MIGRATION_STATE = 0x117,
    OP_SAVE_VHCA_STATE      = 0x118,
    OP_LOAD_VHCA_STATE      = 0x119,
    OP_CREATE_MKEY          = 0x200,
    OP_DESTROY_MKEY         = 0x202,
    OP_CREATE_EQ            = 0x301,
    OP_DESTROY_EQ           = 0x302,
    OP_CREATE_CQ            = 0x400,
    OP_DESTROY_CQ           = 0x401,
    OP_CREATE_QP            = 0x500,
    OP_DESTROY_QP           = 0x501,
    OP_RST2INIT_QP          = 0x502,
    OP_INIT2RTR_QP          = 0x503,
    OP_RTR2RTS_QP           = 0x504,
    OP_ALLOC_PD             = 0x800,
    OP_DEALLOC_PD           = 0x801,
    OP_ALLOC_UAR            = 0x802,
    OP_DEALLOC_UAR          = 0x803,
    OP_ACCESS_REG           = 0x805,
    OP_CREATE_GENERAL_OBJECT  = 0xa00,
    OP_MODIFY_GENERAL_OBJECT  = 0xa01,
    OP_QUERY_GENERAL_OBJECT   = 0xa02,
    OP_DESTROY_GENERAL_OBJECT = 0xa03,
};

/* status: first byte of every output */
enum {
    ST_OK            = 0x00,
    ST_INTERNAL_ERR  = 0x01,
    ST_BAD_OP        = 0x02,
    ST_BAD_PARAM     = 0x03,
    ST_BAD_SYS_STATE = 0x04,
    ST_BAD_RES       = 0x05,
    ST_RES_BUSY      = 0x06,
    ST_EXCEED_LIM    = 0x08,
    ST_BAD_RES_STATE = 0x09,
    ST_BAD_INDEX     = 0x0a,
    ST_NO_RESOURCES  = 0x0f,
    ST_BAD_INPUT_LEN  = 0x50,
    ST_BAD_OUTPUT_LEN = 0x51,
};

/* delivery status: bits 7:1 of the last byte of a command queue entry */
enum {
    DELIVERY_OK        = 0x0,
    DELIVERY_OUT_PTR   = 0x4,
    DELIVERY_IN_PTR    = 0x5,
    DELIVERY_IN_LEN    = 0x7,
    DELIVERY_OUT_LEN   = 0x8,
    DELIVERY_CMD_DESCR = 0x10,
};

/* init segment: byte offsets in BAR 0 */
enum {
    ISEG_FW_REV         = 0x0000,
    ISEG_CMDIF_REV      = 0x0004,
    ISEG_CMDQ_ADDR_H    = 0x0010,
    ISEG_CMDQ_ADDR_L    = 0x0014,
    ISEG_CMD_DBELL      = 0x0018,
    ISEG_INITIALIZING   = 0x01fc,
    ISEG_HEALTH_FW_VER  = 0x0230,
    ISEG_HEALTH_RFR     = 0x0238,       /* byte: rfr_severity */
    ISEG_HEALTH_SYND    = 0x023c,       /* dword with synd in byte 0x23d */
    ISEG_HEALTH_COUNTER = 0x1010,
    ISEG_SIZE           = 0x3000,
};
enum {
    CMDIF_REV       = 5,
    CMDQ_LOG_SIZE   = 5,                /* 32 entries */
    CMDQ_LOG_STRIDE = 6,                /* of 64 bytes */
    CMDQ_SLOTS      = 1 << CMDQ_LOG_SIZE,
    /* nic_interface, bits 10:8 of cmdq_addr_l_sz */
    NIC_IFC_FULL     = 0,
    NIC_IFC_DISABLED = 1,
    NIC_IFC_SW_RESET = 7,
    NIC_IFC_SHIFT    = 8,
    FW_RESET_SUPPORTED = 1 << 30,       /* in ISEG_INITIALIZING */
#define FW_INITIALIZING     (1u << 31)
    HEALTH_RFR_BIT   = 0x80,
    HEALTH_SYND_FW_INTERNAL = 0x01,
};

/* command queue entry and mailbox block: byte offsets */
enum {
    CMD_TYPE    = 0x00,
    CMD_INLEN   = 0x04,
    CMD_IN_PTR  = 0x08,
    CMD_IN      = 0x10,
    CMD_OUT     = 0x20,
    CMD_OUT_PTR = 0x30,
    CMD_OUTLEN  = 0x38,
    CMD_STATUS  = 0x3f,
    CMD_ENTRY_SIZE  = 0x40,
    CMD_INLINE      = 16,
    CMD_TYPE_PCI    = 7,
    CMD_OWNER_HW    = 1,
    MBOX_DATA       = 512,
    MBOX_NEXT       = 0x230,
    MBOX_ALIGN      = 1024,
};

/* UAR page: byte offsets */
enum { UAR_CQ_ARM = 0x20, UAR_EQ_ARM = 0x40, UAR_EQ_CI = 0x48 };

/* common to inputs and outputs */
#define F_IN_OPCODE         0x000, 16
#define F_IN_UID            0x010, 16
#define F_IN_RESERVED       0x020, 16
#define F_IN_OP_MOD         0x030, 16
#define F_OUT_STATUS        0x000, 8
#define F_OUT_SYNDROME      0x020, 32
#define F_IN_OTHER_FUNCTION 0x040, 1
#define F_IN_FUNCTION_ID    0x050, 16
#define F_IN_ID24           0x048, 24   /* pd, uar, mkey index, cqn, qpn */
#define F_OUT_ID24          0x048, 24

#define F_QUERY_ISSI_CURRENT    0x050, 16
#define F_QUERY_ISSI_SUPPORTED  0x360, 32
#define F_SET_ISSI_CURRENT      0x050, 16
#define F_QUERY_PAGES_NUM       0x060, 32
#define F_ACCESS_REG_ID         0x050, 16
enum { REG_HOST_ENDIANNESS = 0x7004 };

/* QUERY_HCA_CAP, SET_HCA_CAP: op_mod is (group << 1) | current */
enum {
    CAP_GENERAL   = 0x00,
    CAP_GENERAL_2 = 0x20,
    CAP_ADV_VIRT  = 0x26,
    CAP_OFFSET    = 0x10,
    CAP_SIZE      = 0x1000,
};
/* cmd_hca_cap */
#define F_CAP_PAGE_REQUEST_DISABLE 0x006, 1
#define F_CAP_HCA_CAP_2         0x020, 1
#define F_CAP_VHCA_ID           0x030, 16
#define F_CAP_LOG_MAX_QP_SZ     0x088, 8
#define F_CAP_LOG_MAX_QP        0x09b, 5
#define F_CAP_LOG_MAX_CQ_SZ     0x0c8, 8
#define F_CAP_LOG_MAX_CQ        0x0db, 5
#define F_CAP_LOG_MAX_EQ_SZ     0x0e0, 8
#define F_CAP_LOG_MAX_MKEY      0x0ea, 6
#define F_CAP_LOG_MAX_EQ        0x0fc, 4
#define F_CAP_PKEY_TABLE_SIZE   0x190, 16
#define F_CAP_PORT_TYPE         0x1b6, 2
#define F_CAP_NUM_PORTS         0x1b8, 8
#define F_CAP_LOG_MAX_MSG       0x1c3, 5
#define F_CAP_CQE_VERSION       0x1fc, 4
#define F_CAP_CMDIF_CHECKSUM    0x210, 2
#define F_CAP_RC                0x23f, 1
#define F_CAP_LOG_PG_SZ         0x258, 8
#define F_CAP_LOG_BF_REG_SIZE   0x26b, 5
#define F_CAP_LOG_MAX_PD        0x32b, 5
#define F_CAP_LOG_UAR_PAGE_SZ   0x490, 16
#define F_CAP_ADV_VIRTUALIZATION 0x579, 1
#define F_CAP_MIGRATION         0x68d, 1
/* cmd_hca_cap_2 */
#define F_CAP2_MIGRATABLE       0x080, 1
#define F_CAP2_MULTI_LOAD       0x0c8, 1
#define F_CAP2_TRACKING_STATE   0x0c9, 1
#define F_CAP2_IN_CHUNKS        0x0d0, 1
#define F_CAP2_MIGRATION_STATE  0x0d9, 1
/* adv_virtualization_cap */
#define F_AV_LOG_MAX_NUM        0x003, 5
#define F_AV_MAX_NUM_RANGE      0x008, 8
#define F_AV_LOG_MIN_ADDR_SPACE 0x010, 8
#define F_AV_LOG_MAX_ADDR_SPACE 0x018, 8
#define F_AV_LOG_MIN_MSG_SIZE   0x023, 5
#define F_AV_LOG_MAX_MSG_SIZE   0x02b, 5
#define F_AV_LOG_MIN_PAGE_SIZE  0x033, 5
#define F_AV_LOG_MAX_PAGE_SIZE  0x03b, 5

/* EQ: the context starts at byte 0x10 */
#define F_EQ_LOG_SIZE       (0x80 + 0x063), 5
#define F_EQ_UAR_PAGE       (0x80 + 0x068), 24
#define F_EQ_INTR           (0x80 + 0x0b4), 12
#define F_EQ_LOG_PAGE_SIZE  (0x80 + 0x0c3), 5
#define F_EQ_NUMBER         0x058, 8    /* of CREATE's output, DESTROY's input */
enum {
    EQ_EVENT_MASK = 0x58,
    EQ_PAS        = 0x110,
    EQE_SIZE      = 64,
    EQE_TYPE      = 0x01,
    EQE_DATA      = 0x20,
    EQE_DATA_SIZE = 28,
    EQE_OWNER     = 0x3f,
    EVENT_COMPLETION = 0x00,
    EVENT_CQ_ERROR   = 0x04,
    EVENT_COMMAND    = 0x0a,
};

/* CQ: the context starts at byte 0x10 */
#define F_CQ_CQE_SIZE       (0x80 + 0x008), 3
#define F_CQ_OVERRUN_IGNORE (0x80 + 0x00e), 1
#define F_CQ_LOG_SIZE       (0x80 + 0x063), 5
#define F_CQ_UAR_PAGE       (0x80 + 0x068), 24
#define F_CQ_EQN            (0x80 + 0x0a0), 32
#define F_CQ_LOG_PAGE_SIZE  (0x80 + 0x0c3), 5
#define F_CQ_DBR_ADDR       (0x80 + 0x1c0), 64
enum {
    CQ_PAS          = 0x110,
    CQE_SIZE        = 64,
    CQE_IMMEDIATE   = 0x24,
    CQE_BYTE_CNT    = 0x2c,
    CQE_QPN         = 0x38,
    CQE_WQE_COUNTER = 0x3c,
    CQE_OP_OWN      = 0x3f,
    CQE_OP_RESP_SEND_IMM = 3,
    CQE_OP_RESP_ERR = 14,
};

/* QP: the context starts at byte 0x18 */
#define F_QP_LOG_RQ_SIZE    (0xc0 + 0x049), 4
#define F_QP_LOG_RQ_STRIDE  (0xc0 + 0x04d), 3
#define F_QP_NO_SQ          (0xc0 + 0x050), 1
#define F_QP_UAR_PAGE       (0xc0 + 0x068), 24
#define F_QP_LOG_PAGE_SIZE  (0xc0 + 0x0a3), 5
#define F_QP_REMOTE_QPN     (0xc0 + 0x0a8), 24
#define F_QP_CQN_RCV        (0xc0 + 0x4e8), 24
#define F_QP_DBR_ADDR       (0xc0 + 0x500), 64
#define F_QP_RQ_TYPE        (0xc0 + 0x565), 3
enum {
    QP_PAS           = 0x110,
    QP_RQ_NORMAL     = 0,
    QP_RQ_ZERO_LEN   = 3,
    RECV_WQE_SIZE    = 16,              /* byte_count, lkey, address */
};

/* mkey: the context starts at byte 0x10 */
#define F_MKEY_ACCESS_MODE_HI (0x80 + 0x003), 3
#define F_MKEY_ACCESS_MODE  (0x80 + 0x016), 2
#define F_MKEY_ACCESS       (0x80 + 0x012), 4   /* rw, rr, lw, lr */
#define F_MKEY_LENGTH64     (0x80 + 0x060), 1
#define F_MKEY_PD           (0x80 + 0x068), 24
#define F_MKEY_START        (0x80 + 0x080), 64
#define F_MKEY_LEN          (0x80 + 0x0c0), 64
#define F_MKEY_OCTWORDS     (0x80 + 0x1a0), 32  /* of the list of pages, two in each */
#define F_MKEY_LOG_PAGE_SIZE (0x80 + 0x1da), 6
#define F_MKEY_ACTUAL_OCTWORDS 0x300, 32
enum {
    MKEY_MTT = 0x110,
    MKEY_MODE_BUS = 0, MKEY_MODE_MTT = 1,
    MKEY_ACCESS_ALL = 0xf,
};

/* SUSPEND, RESUME, QUERY, SAVE, LOAD: the VHCA is not the one that asks */
#define F_VHCA_ID           0x050, 16
#define F_QUERY_INCREMENTAL 0x040, 1
#define F_QUERY_CHUNK       0x041, 1
#define F_QUERY_MIGRATION_STATE 0x060, 4
#define F_QUERY_REQUIRED    0x080, 32
#define F_QUERY_REMAINING   0x0c0, 64
#define F_SAVE_INCREMENTAL  0x040, 1
#define F_SAVE_SET_TRACK    0x041, 1
#define F_SAVE_VA           0x080, 64   /* LOAD's va, mkey, size as well */
#define F_SAVE_MKEY         0x0c0, 32
#define F_SAVE_SIZE         0x0e0, 32
#define F_SAVE_ACTUAL       0x040, 32
#define F_SAVE_NEXT_REQUIRED 0x060, 32
enum {
    SUSPEND_INITIATOR = 0,
    SUSPEND_RESPONDER = 1,
    RESUME_RESPONDER  = 0,              /* numbered against SUSPEND */
    RESUME_INITIATOR  = 1,
    MIGRATION_STATE_INIT = 4,
};

/* general objects; the page tracker's context starts at byte 0x10 */
#define F_OBJ_TYPE          0x030, 16
#define F_OBJ_ID            0x040, 32
#define F_OUT_OBJ_ID        0x040, 32
#define F_TRACK_MODIFY      (0x80 + 0x000), 64
#define F_TRACK_VHCA_ID     (0x80 + 0x050), 16
#define F_TRACK_STATE       (0x80 + 0x080), 4
#define F_TRACK_TYPE        (0x80 + 0x084), 4
#define F_TRACK_LOG_SPACE   (0x80 + 0x088), 8
#define F_TRACK_LOG_PAGE    (0x80 + 0x093), 5
#define F_TRACK_LOG_MSG     (0x80 + 0x09b), 5
#define F_TRACK_QPN         (0x80 + 0x0a8), 24
#define F_TRACK_NUM_RANGES  (0x80 + 0x0d8), 8
#define F_TRACK_START       (0x80 + 0x100), 64
#define F_TRACK_LENGTH      (0x80 + 0x140), 64
enum {
    OBJ_PAGE_TRACK   = 0x46,
    TRACK_RANGES     = 0x10 + 0x30,     /* {start, length}, 16 bytes each */
    TRACK_TYPE_DIRTY = 1,
    TRACK_MODIFY_STATE_RANGE = 3,
    TRACK_TRACKING   = 0,
    TRACK_REPORTING  = 1,
    TRACK_ERROR      = 2,
    TRACK_IMM_SHIFT  = 28,              /* the state in a message's immediate */
};

#endif
