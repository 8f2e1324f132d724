/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the vport context, its state and its counters.
 *
 * A function tells here which addresses it wants; nobody else does it for it,
 * as there is no e-switch manager.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "ethernet.h"

/* Of a VF: the PF's, with the number of the function added. */
static void cx_vport_permanent(CxVhca *v)
{
    uint8_t *mac = v->vport.mac;
    uint16_t low;

    memcpy(mac, v->pf->nic.macaddr.a, MAC_SIZE);
    low = lduw_be_p(mac + 4) + v->function;
    stw_be_p(mac + 4, low);
}

void cx_vport_reset(CxVhca *v)
{
    memset(&v->vport, 0, sizeof(v->vport));
    cx_vport_permanent(v);
    v->vport.mtu = v->vport.port_mtu = 1500 + FRAME_MIN + FRAME_TAG + 4;
    v->vport.port_admin = LINK_UP;
    v->flow_root = 0;
}

static void cx_traffic_visit(CxArchive *a, CxTraffic traffic[CASTS])
{
    for (unsigned i = 0; i < CASTS; i++) {
        cx_archive_u64(a, &traffic[i].packets);
        cx_archive_u64(a, &traffic[i].octets);
    }
}

static void cx_count_visit(CxArchive *a, uint32_t *n, uint32_t max)
{
    cx_archive_u32(a, n);
    if (*n > max) {
        *n = 0;
        cx_archive_refuse(a);
    }
}

void cx_vport_visit(CxArchive *a, CxVhca *v)
{
    CxVport *p = &v->vport;

    cx_archive_bytes(a, p->mac, MAC_SIZE);
    cx_count_visit(a, &p->nuc, VPORT_UC_MAX);
    cx_archive_bytes(a, p->uc[0], p->nuc * MAC_SIZE);
    cx_count_visit(a, &p->nmc, VPORT_MC_MAX);
    cx_archive_bytes(a, p->mc[0], p->nmc * MAC_SIZE);
    cx_count_visit(a, &p->nvlan, VPORT_VLAN_MAX);
    for (uint32_t i = 0; i < p->nvlan; i++) {
        uint32_t vid = p->vlan[i];

        cx_archive_u32(a, &vid);
        p->vlan[i] = vid;
    }
    cx_archive_bool(a, &p->promisc_uc);
    cx_archive_bool(a, &p->promisc_mc);
    cx_archive_bool(a, &p->promisc_all);
    cx_archive_u32(a, &p->mtu);
    cx_archive_u32(a, &p->port_mtu);
    cx_archive_u32(a, &p->port_admin);
    cx_traffic_visit(a, p->rx);
    cx_traffic_visit(a, p->tx);
    cx_archive_u32(a, &v->flow_root);
}

void cx_vport_count(CxTraffic traffic[CASTS], const CxFrame *f)
{
    static const uint8_t broadcast[MAC_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    };
    CxCast cast = CAST_UNI;

    if (f->data[0] & 1) {
        cast = memcmp(f->data, broadcast, MAC_SIZE) ? CAST_MULTI : CAST_BROAD;
    }
    traffic[cast].packets++;
    traffic[cast].octets += f->len;
}

/* ---- commands ---- */

/* A function has no business with another's vport. */
static int cx_vport_check(CxCommand *c)
{
    if (ifc_get(c->in, F_VPORT_OTHER) || ifc_get(c->in, F_VPORT_NUMBER)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_VPORT);
    }
    return ST_OK;
}

int cx_query_vport_state(CxCommand *c)
{
    int status = cx_vport_check(c);

    if (status == ST_OK) {
        ifc_set(c->out, F_VPORT_STATE_ADMIN, 1);
        ifc_set(c->out, F_VPORT_STATE, cx_port_up(c->vhca->pf));
    }
    return status;
}

/* A list of the context: where its entries are and how many there may be. */
typedef struct CxList {
    uint32_t *n, max;
    uint8_t (*mac)[MAC_SIZE];           /* NULL: VIDs */
} CxList;

static bool cx_vport_list(CxVport *p, unsigned type, CxList *list)
{
    switch (type) {
    case NVC_LIST_UC:
        *list = (CxList) { &p->nuc, VPORT_UC_MAX, p->uc };
        return true;
    case NVC_LIST_MC:
        *list = (CxList) { &p->nmc, VPORT_MC_MAX, p->mc };
        return true;
    case NVC_LIST_VLAN:
        *list = (CxList) { &p->nvlan, VPORT_VLAN_MAX, NULL };
        return true;
    }
    return false;
}

/* As many of a list's entries as the output has room for. */
static void cx_put_list(CxCommand *c, const CxVport *p, const CxList *list)
{
    uint8_t *ctx = c->out + NVC_QUERY_OUT;
    uint32_t room = (c->outlen - NVC_QUERY_OUT - NVC_LIST) / NVC_LIST_ENTRY;
    uint32_t n = MIN(*list->n, room);

    ifc_set(ctx, F_NVC_LIST_SIZE, n);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *entry = ctx + NVC_LIST + i * NVC_LIST_ENTRY;

        if (list->mac) {
            memcpy(entry + 2, list->mac[i], MAC_SIZE);
        } else {
            ifc_set(entry, F_LIST_VID, p->vlan[i]);
        }
    }
}

/* The MAC with ff:fe in its middle. */
static uint64_t cx_vport_guid(const CxVport *p)
{
    uint64_t mac = (uint64_t)lduw_be_p(p->mac) << 32 |
                   (uint32_t)ldl_be_p(p->mac + 2);

    return mac >> 24 << 40 | 0xfffeull << 24 | (mac & 0xffffff);
}

int cx_query_nic_vport(CxCommand *c)
{
    unsigned type = ifc_get(c->in, F_NIC_VPORT_QUERY_LIST_TYPE);
    CxVport *p = &c->vhca->vport;
    uint8_t *ctx = c->out + NVC_QUERY_OUT;
    uint64_t guid = cx_vport_guid(p);
    int status = cx_vport_check(c);
    CxList list;

    if (status != ST_OK) {
        return status;
    }
    if (!cx_vport_list(p, type, &list)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FIELD_SELECT);
    }
    ifc_set(ctx, F_NVC_MTU, p->mtu);
    ifc_set(ctx, F_NVC_SYSTEM_GUID, guid);
    ifc_set(ctx, F_NVC_PORT_GUID, guid);
    ifc_set(ctx, F_NVC_NODE_GUID, guid);
    ifc_set(ctx, F_NVC_PROMISC_UC, p->promisc_uc);
    ifc_set(ctx, F_NVC_PROMISC_MC, p->promisc_mc);
    ifc_set(ctx, F_NVC_PROMISC_ALL, p->promisc_all);
    ifc_set(ctx, F_NVC_LIST_TYPE, type);
    memcpy(ctx + NVC_MAC, p->mac, MAC_SIZE);
    cx_put_list(c, p, &list);
    return ST_OK;
}

/* A list takes the place of the one of its type. */
static int cx_take_list(CxCommand *c, CxVport *p, const uint8_t *ctx)
{
    uint32_t n = ifc_get(ctx, F_NVC_LIST_SIZE);
    CxList list;

    if (!cx_vport_list(p, ifc_get(ctx, F_NVC_LIST_TYPE), &list) ||
        n > list.max) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_LIST);
    }
    if ((c->inlen - NVC_MODIFY_IN - NVC_LIST) / NVC_LIST_ENTRY < n) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_LIST);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *entry = ctx + NVC_LIST + i * NVC_LIST_ENTRY;

        if (list.mac) {
            memcpy(list.mac[i], entry + 2, MAC_SIZE);
        } else {
            p->vlan[i] = ifc_get(entry, F_LIST_VID);
        }
    }
    *list.n = n;
    return ST_OK;
}

/* Events are not armed: who could ask for them is told that there are none. */
int cx_modify_nic_vport(CxCommand *c)
{
    uint32_t select = ifc_get(c->in, F_NIC_VPORT_SELECT);
    const uint8_t *ctx = c->in + NVC_MODIFY_IN;
    CxVport *p = &c->vhca->vport;
    int status = cx_vport_check(c);

    if (status != ST_OK) {
        return status;
    }
    if (select & ~(NIC_VPORT_MTU | NIC_VPORT_PROMISC | NIC_VPORT_LIST)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FIELD_SELECT);
    }
    if (select & NIC_VPORT_LIST) {
        status = cx_take_list(c, p, ctx);
        if (status != ST_OK) {
            return status;
        }
    }
    if (select & NIC_VPORT_MTU) {
        p->mtu = ifc_get(ctx, F_NVC_MTU);
    }
    if (select & NIC_VPORT_PROMISC) {
        p->promisc_uc = ifc_get(ctx, F_NVC_PROMISC_UC);
        p->promisc_mc = ifc_get(ctx, F_NVC_PROMISC_MC);
        p->promisc_all = ifc_get(ctx, F_NVC_PROMISC_ALL);
    }
    return ST_OK;
}

static void cx_put_traffic(uint8_t *out, unsigned rx, const CxTraffic *in,
                           const CxTraffic *sent)
{
    stq_be_p(out + rx, in->packets);
    stq_be_p(out + rx + 8, in->octets);
    stq_be_p(out + rx + 16, sent->packets);
    stq_be_p(out + rx + 24, sent->octets);
}

int cx_query_vport_counter(CxCommand *c)
{
    const CxVport *p = &c->vhca->vport;
    int status = cx_vport_check(c);

    if (status == ST_OK) {
        cx_put_traffic(c->out, VPORT_COUNTER_RX_BROAD, &p->rx[CAST_BROAD],
                       &p->tx[CAST_BROAD]);
        cx_put_traffic(c->out, VPORT_COUNTER_RX_UNI, &p->rx[CAST_UNI],
                       &p->tx[CAST_UNI]);
        cx_put_traffic(c->out, VPORT_COUNTER_RX_MULTI, &p->rx[CAST_MULTI],
                       &p->tx[CAST_MULTI]);
    }
    return status;
}
