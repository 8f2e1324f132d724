/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the registers of the port, and its link.
 *
 * Each function has a port of its own as far as it can tell: what one writes
 * to PAOS or PMTU, none of the others sees.  The link is the same for all: up,
 * unless the lab or the netdev behind the port says otherwise.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

typedef struct CxPortReg {
    uint16_t id, size;
    void (*read)(CxVhca *v, uint8_t *reg);
    bool (*write)(CxVhca *v, const uint8_t *reg);       /* false: refused */
} CxPortReg;

bool cx_port_up(const CxPf *pf)
{
    return !pf->port_down && cx_switch_link(pf);
}

void cx_port_changed(CxPf *pf)
{
    unsigned sub = cx_port_up(pf) ? PORT_CHANGE_ACTIVE : PORT_CHANGE_DOWN;
    uint8_t data[EQE_DATA_SIZE] = { [EQE_PORT - EQE_DATA] = 1 << 4 };

    for (unsigned i = 0; i <= pf->total_vfs; i++) {
        CxVhca *v = pf->vhca[i];

        if (v && v->inited && cx_initiates(v)) {
            cx_event_async(v, EVENT_PORT_CHANGE | sub << EVENT_SUB_SHIFT, data,
                           0);
        }
    }
}

static void cx_pmtu_read(CxVhca *v, uint8_t *reg)
{
    ifc_set(reg, F_PMTU_MAX, PORT_MTU_MAX);
    ifc_set(reg, F_PMTU_ADMIN, v->vport.port_mtu);
    ifc_set(reg, F_PMTU_OPER, v->vport.port_mtu);
}

static bool cx_pmtu_write(CxVhca *v, const uint8_t *reg)
{
    uint32_t mtu = ifc_get(reg, F_PMTU_ADMIN);

    if (mtu < FRAME_MIN || mtu > PORT_MTU_MAX) {
        return false;
    }
    v->vport.port_mtu = mtu;
    return true;
}

static void cx_paos_read(CxVhca *v, uint8_t *reg)
{
    ifc_set(reg, F_PAOS_ADMIN, v->vport.port_admin);
    ifc_set(reg, F_PAOS_OPER, cx_port_up(v->pf) ? LINK_UP : LINK_DOWN);
}

static bool cx_paos_write(CxVhca *v, const uint8_t *reg)
{
    uint32_t admin = ifc_get(reg, F_PAOS_ADMIN);

    if (admin != LINK_UP && admin != LINK_DOWN) {
        return false;
    }
    v->vport.port_admin = admin;
    return true;
}

static void cx_ptys_read(CxVhca *v, uint8_t *reg)
{
    ifc_set(reg, F_PTYS_PROTO_MASK, PTYS_ETHERNET);
    ifc_set(reg, F_PTYS_EXT_CAPABILITY, PTYS_EXT_200G_4);
    ifc_set(reg, F_PTYS_EXT_ADMIN, PTYS_EXT_200G_4);
    ifc_set(reg, F_PTYS_EXT_OPER, cx_port_up(v->pf) ? PTYS_EXT_200G_4 : 0);
}

/* There is one speed, which may be asked for. */
static bool cx_ptys_write(CxVhca *v, const uint8_t *reg)
{
    return ifc_get(reg, F_PTYS_EXT_ADMIN) == PTYS_EXT_200G_4;
}

static void cx_pfcc_read(CxVhca *v, uint8_t *reg)
{
}

/* No frame is ever held back, so pauses cannot be switched on. */
static bool cx_pfcc_write(CxVhca *v, const uint8_t *reg)
{
    return !ifc_get(reg, F_PFCC_PPTX) && !ifc_get(reg, F_PFCC_PPRX) &&
           !ifc_get(reg, F_PFCC_PFCTX) && !ifc_get(reg, F_PFCC_PFCRX);
}

/* Of the other groups nothing ever happens. */
static void cx_ppcnt_read(CxVhca *v, uint8_t *reg)
{
    const CxSwitchCounters *n = cx_switch_counters(v->pf);

    if (ifc_get(reg, F_PPCNT_GROUP) == PPCNT_802_3) {
        ifc_set(reg, F_PPCNT_FRAMES_TX, n->wire_out);
        ifc_set(reg, F_PPCNT_FRAMES_RX, n->wire_in);
        ifc_set(reg, F_PPCNT_OCTETS_TX, n->wire_out_octets);
        ifc_set(reg, F_PPCNT_OCTETS_RX, n->wire_in_octets);
    }
}

static bool cx_ppcnt_write(CxVhca *v, const uint8_t *reg)
{
    return false;
}

static const CxPortReg regs[] = {
    { REG_PMTU, 16, cx_pmtu_read, cx_pmtu_write },
    { REG_PAOS, 16, cx_paos_read, cx_paos_write },
    { REG_PTYS, 64, cx_ptys_read, cx_ptys_write },
    { REG_PFCC, 32, cx_pfcc_read, cx_pfcc_write },
    { REG_PPCNT, 256, cx_ppcnt_read, cx_ppcnt_write },
};

/* What is asked stands in the answer, with the values filled in. */
int cx_port_register(CxCommand *c, unsigned id)
{
    const CxPortReg *r = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        if (regs[i].id == id) {
            r = &regs[i];
        }
    }
    if (!r || !c->vhca->pf->ethernet) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_REGISTER);
    }
    if (c->inlen < REG_DATA + r->size) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_NONE);
    }
    if (c->outlen < REG_DATA + r->size) {
        return cx_refuse(c, ST_BAD_OUTPUT_LEN, SYND_NONE);
    }
    if (c->op_mod == REG_WRITE && !r->write(c->vhca, c->in + REG_DATA)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_REGISTER);
    }
    memcpy(c->out + REG_DATA, c->in + REG_DATA, r->size);
    if (c->op_mod == REG_READ) {
        r->read(c->vhca, c->out + REG_DATA);
    }
    return ST_OK;
}
