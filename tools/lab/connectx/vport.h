/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: what a function said it wants to receive, and what it has
 * of the port.
 *
 * One in each CxVhca.  vport.c owns it: commands set it, a reset or the end of
 * a driver empties it, an image carries it.  The switch reads it.
 */
#ifndef CONNECTX_VPORT_H
#define CONNECTX_VPORT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    VPORT_LOG_MAX_UC = 7,
    VPORT_LOG_MAX_MC = 8,
    VPORT_LOG_MAX_VLAN = 9,
    VPORT_UC_MAX = 1 << VPORT_LOG_MAX_UC,
    VPORT_MC_MAX = 1 << VPORT_LOG_MAX_MC,
    VPORT_VLAN_MAX = 1 << VPORT_LOG_MAX_VLAN,
    MAC_SIZE = 6,
};

/* As QUERY_VPORT_COUNTER counts. */
typedef struct CxTraffic {
    uint64_t packets, octets;
} CxTraffic;

typedef enum CxCast { CAST_BROAD, CAST_UNI, CAST_MULTI, CASTS } CxCast;

typedef struct CxVport {
    uint8_t mac[MAC_SIZE];              /* permanent; not always in the UC list */
    uint32_t nuc, nmc, nvlan;
    uint8_t uc[VPORT_UC_MAX][MAC_SIZE];
    uint8_t mc[VPORT_MC_MAX][MAC_SIZE]; /* broadcast is in it */
    uint16_t vlan[VPORT_VLAN_MAX];
    bool promisc_uc, promisc_mc, promisc_all;
    uint32_t mtu;                       /* of the vport context; kept, no more */
    uint32_t port_mtu;                  /* PMTU, PAOS: of the function's own port */
    uint32_t port_admin;                /* LINK_* */
    CxTraffic rx[CASTS], tx[CASTS];
} CxVport;

#endif
