/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the switch among the functions of the NIC and its port.
 *
 * Frames of all functions, and of the wire, wait in one queue and leave it in
 * order, from a bottom half, so many at a time.  Where they go follows from
 * what each function said it wants to receive (vport.h):
 *
 *   to one address   the first function that has it in its UC list and runs,
 *                    else one that is suspended (it drops and counts), else
 *                    the port
 *   to several       all with the address in the MC list (broadcast is in it)
 *                    or promisc_mc, and the port
 *   beside that      a copy for promisc_all (promisc_uc: of those to one)
 *
 * Never to where it came from, but for one's own address: that function gets
 * it if cx_eth_loops_back() says so, nobody gets it else.
 */
#ifndef CONNECTX_SWITCH_H
#define CONNECTX_SWITCH_H

#include "frame.h"

typedef struct CxVhca CxVhca;
typedef struct CxPf CxPf;
typedef struct CxSwitch CxSwitch;

/* The port's, since power-on.  The rest is counted in the control block. */
typedef struct CxSwitchCounters {
    uint64_t wire_in, wire_out;         /* from and to its netdev */
    uint64_t wire_in_octets, wire_out_octets;
} CxSwitchCounters;

/*
 * At realize of a PF with Ethernet.  Without pf->nic's peer (the property
 * `netdev`) the port leads nowhere.  VFs may be realized later.
 */
void cx_switch_init(CxPf *pf);
void cx_switch_free(CxPf *pf);          /* also if it never was initialised */

/* Takes the frame over.  Delivers nothing itself: any context will do. */
void cx_switch_send(CxVhca *from, CxFrame *f);

/*
 * How many frames may come now.  Who would send more while it is 0 waits, with
 * a bottom half of its own; cx_switch_send() drops only a good deal later.
 */
unsigned cx_switch_room(const CxPf *pf);

/* v is reset or goes away: what it sent and nobody got yet is forgotten. */
void cx_switch_drop(CxVhca *v);

/* Is there anybody at the other end of the port's netdev?  Without one: yes. */
bool cx_switch_link(const CxPf *pf);

const CxSwitchCounters *cx_switch_counters(const CxPf *pf);

#endif
