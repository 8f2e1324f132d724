/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: registers of BAR 0, which are big endian.
 *
 * Owns the init segment, with its health sensors, and the UAR pages, whose
 * doorbells it hands to the EQs and CQs.  MSI-X lies in the same BAR and is
 * QEMU's.  Byte and 64-bit accesses occur (health.c, mlx5_cq_arm).
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "ethernet.h"

void cx_discard(CxVhca *v)
{
    v->wl.discarded++;
    cx_count(v, COUNTER_DISCARDED, 1);
}

/* Counts while the firmware is alive; mlx5_core's health poll watches it. */
static uint32_t cx_health_counter(CxVhca *v)
{
    return v->health_synd ? v->health_counter :
           qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) & 0xffffff;
}

void cx_fatal(CxVhca *v)
{
    v->health_counter = cx_health_counter(v);
    v->health_synd = HEALTH_SYND_FW_INTERNAL;
    v->mig.state = VHCA_STATE_ERROR;
    cx_command_lose_all(v);
    cx_trace_note(v, "fatal error");
}

/* A link that failed: neither registers nor commands, and nobody is told. */
void cx_gone(CxVhca *v)
{
    v->gone = true;
    cx_command_lose_all(v);
    cx_trace_note(v, "off the bus");
}

static uint32_t cx_reg_read(CxVhca *v, hwaddr addr)
{
    switch (addr) {
    case ISEG_FW_REV:
        return v->pf->fw[1] << 16 | v->pf->fw[0];
    case ISEG_CMDIF_REV:
        return CMDIF_REV << 16 | v->pf->fw[2];
    case ISEG_CMDQ_ADDR_H:
        return v->cmdq >> 32;
    case ISEG_CMDQ_ADDR_L:
        return (v->cmdq & 0xfffff000) | v->nic_interface << NIC_IFC_SHIFT |
               v->pf->cmdq_log_size << 4 | CMDQ_LOG_STRIDE;
    case ISEG_INITIALIZING:
        return FW_RESET_SUPPORTED |
               (qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) < v->ready_ns ?
                FW_INITIALIZING : 0);
    case ISEG_HEALTH_FW_VER:
        return v->pf->fw[0] << 16 | v->pf->fw[1];
    case ISEG_HEALTH_RFR:
        return v->health_synd ? HEALTH_RFR_BIT << 24 : 0;
    case ISEG_HEALTH_SYND:
        return v->health_synd << 16;
    case ISEG_HEALTH_COUNTER:
        return cx_health_counter(v);
    }
    return 0;
}

/*
 * The low half of the queue's address and the state of the interface.  A
 * driver whose firmware died asks for a reset and waits for DISABLED; then it
 * sets up the function anew.
 */
static void cx_set_cmdq_low(CxVhca *v, uint32_t value)
{
    v->cmdq = deposit64(v->cmdq, 0, 32, value & 0xfffff000);
    v->nic_interface = extract32(value, NIC_IFC_SHIFT, 3);
    if (v->nic_interface == NIC_IFC_SW_RESET) {
        cx_trace_note(v, "software reset");
        v->health_synd = 0;
        cx_vhca_stop(v);
        v->nic_interface = NIC_IFC_DISABLED;
    }
}

/* The start of a WQE, of which the second half names the queue. */
static void cx_send_doorbell(CxVhca *v, unsigned offset, uint32_t value)
{
    if (offset >> LOG_BF_REG_SIZE < UAR_DOORBELLS &&
        offset % (1 << LOG_BF_REG_SIZE) == 4) {
        cx_sq_doorbell(v, value);
    }
}

static void cx_uar_write(CxVhca *v, unsigned uar, unsigned offset,
                         uint32_t value)
{
    if (!cx_object_find(v, OBJECT_UAR, uar)) {
        return;
    }
    if (offset >= UAR_DOORBELL) {
        cx_send_doorbell(v, offset - UAR_DOORBELL, value);
        return;
    }
    switch (offset) {
    case UAR_CQ_ARM:
        v->cq_arm_hi = value;
        return;
    case UAR_CQ_ARM + 4:
        cx_cq_arm(v, v->cq_arm_hi, value);
        return;
    case UAR_EQ_ARM:
        cx_eq_doorbell(v, value, true);
        return;
    case UAR_EQ_CI:
        cx_eq_doorbell(v, value, false);
        return;
    }
}

static void cx_reg_write(CxVhca *v, hwaddr addr, uint32_t value)
{
    if (addr >= UAR_FIRST * 4096) {
        cx_uar_write(v, addr / 4096, addr % 4096, value);
        return;
    }
    switch (addr) {
    case ISEG_CMDQ_ADDR_H:
        v->cmdq = deposit64(v->cmdq, 32, 32, value);
        return;
    case ISEG_CMDQ_ADDR_L:
        cx_set_cmdq_low(v, value);
        return;
    case ISEG_CMD_DBELL:
        cx_doorbell(v, value);
        return;
    }
}

static uint64_t cx_regs_read(void *opaque, hwaddr addr, unsigned size)
{
    CxVhca *v = opaque;
    uint32_t dword;

    if (v->gone) {
        return UINT64_MAX;
    }
    dword = cx_reg_read(v, addr & ~3ull);
    switch (size) {
    case 8:
        return (uint64_t)dword << 32 | cx_reg_read(v, addr + 4);
    case 4:
        return dword;
    default:
        return extract32(dword, (4 - size - (addr & 3)) * 8, size * 8);
    }
}

static void cx_regs_write(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    CxVhca *v = opaque;

    if (v->gone ||
        (v->mig.state != VHCA_STATE_ERROR && !cx_changes(v))) {
        cx_discard(v);
        return;
    }
    if (size == 8) {
        cx_reg_write(v, addr, value >> 32);
        cx_reg_write(v, addr + 4, value);
    } else if (size == 4) {
        cx_reg_write(v, addr, value);
    }
}

const MemoryRegionOps cx_regs_ops = {
    .read = cx_regs_read,
    .write = cx_regs_write,
    .endianness = DEVICE_BIG_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};
