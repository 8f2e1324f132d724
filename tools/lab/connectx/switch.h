/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the switch among the functions of the NIC and its port.
 *
 * Frames of all functions, and of the wire, wait in one queue and leave it in
 * order, from a bottom half, so many at a time.  Where they go follows from
 * what each function said it wants to receive (vport.h):
 *
 *   to one address   the first function that has it in its UC list and runs, else
 *                    one that is suspended (it drops and counts), else the port
 *   to several       all with the address in the MC list (broadcast is in it) or
 *                    promisc_mc, and the port
 *   beside that      a copy for promisc_all (promisc_uc: of those to one address)
 *
 * Never to where it came from, but for one's own address: that function gets it
 * if cx_eth_loops_back() says so, nobody gets it else.
 */
#ifndef CONNECTX_SWITCH_H
#define CONNECTX_SWITCH_H

#include "frame.h"

typedef struct CxVhca CxVhca;
typedef struct CxPf CxPf;
typedef struct CxSwitch CxSwitch;       /* switch.c's; CxPf has a pointer: `sw` */

/* What became of frames since power-on; `cx_switch_counters()`. */
typedef struct CxSwitchCounters {
    uint64_t sent;                      /* accepted from functions */
    uint64_t wire_in, wire_out;         /* from and to the port's netdev */
    uint64_t wire_in_octets, wire_out_octets;
    uint64_t delivered;                 /* taken by a function, once each */
    uint64_t refused;                   /* cx_eth_receive() said false */
    uint64_t unknown;                   /* nobody wants it */
    uint64_t backlog;                   /* dropped: too much waits already */
    uint64_t malformed;                 /* dropped: shorter than FRAME_MIN, longer than FRAME_MAX */
} CxSwitchCounters;

/*
 * At realize of the PF, after its functions exist, if its property `ethernet` is
 * on; `conf` is the PF's NICConf (DEFINE_NIC_PROPERTIES-like: `netdev=`), without
 * a peer there is no port.  mac: shown in `info network`.  Realize of VFs may come later.
 */
void cx_switch_init(CxPf *pf, const uint8_t mac[6]);
void cx_switch_free(CxPf *pf);          /* also if it was never initialised */

/* Takes the frame over.  May be called from any context under the big lock; delivers nothing itself. */
void cx_switch_send(CxVhca *from, CxFrame *f);

/*
 * How many frames more may come now.  A sender should not begin a WQE while this
 * is 0, but schedule itself again (cx_switch_send() would drop).
 */
unsigned cx_switch_room(const CxPf *pf);

/* v is reset or goes away: frames from it and to it that wait are forgotten. */
void cx_switch_drop(CxVhca *v);

/* The port's link, as a netdev reports it; without a netdev it is up. */
bool cx_switch_link(const CxPf *pf);

const CxSwitchCounters *cx_switch_counters(const CxPf *pf);

#endif
