/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the Ethernet half of a function, and what its files offer
 * one another.  All of it is there only with the property "ethernet".
 *
 *     vport.c port.c     what a function wants to receive; registers of the port
 *     flow.c             flow tables: a frame -> the TIR it goes to
 *     tir.c              TIR -> RQT -> RQ, TIS, counters
 *     wq.c               what send and receive queues have in common
 *     sq.c               doorbell -> WQE -> frame -> switch, completion
 *     rq.c               frame -> receive WQE -> memory, completion
 *     frame.c switch.c   frames as such; who gets them
 */
#ifndef CONNECTX_ETHERNET_H
#define CONNECTX_ETHERNET_H

#include "connectx.h"
#include "ifc-eth.h"
#include "switch.h"

enum {
    LOG_MAX_ETH_OBJECTS = 12,           /* of each kind: TIS, TIR, RQT, RQ, SQ, rules */
    MAX_ETH_OBJECTS = 1 << LOG_MAX_ETH_OBJECTS,
    LOG_MAX_RQT_SIZE = 8,
    LOG_MAX_WQ_SIZE = 15,
    LOG_MAX_RQ_STRIDE = 9,
    LOG_MIN_RQ_STRIDE = 4,
    LOG_SQ_STRIDE = 6,
    LOG_MAX_FLOW_TABLES = 8,
    LOG_MAX_FLOW_TABLE_SIZE = 22,
    MAX_FLOW_LEVEL = 64,
    PORT_MTU_MAX = 10000,
};

/* ---- queues ---- */

typedef struct CxWq {
    uint32_t log_size, log_stride;      /* entries; bytes in each */
    uint64_t dbr;
    CxPages pages;
} CxWq;

typedef struct CxSq {
    CxObject obj;
    uint32_t uar, pd, cqn, tisn;        /* tisn 0: none */
    uint32_t min_inline, state;         /* WQ_* */
    uint32_t ci;                        /* 16 bits, counts WQEBBs */
    CxWq wq;
    bool rung;                          /* something may be posted; not in the image */
} CxSq;

typedef struct CxRq {
    CxObject obj;
    uint32_t cqn, counter, state;       /* counter 0: none */
    uint32_t ci;                        /* 16 bits, counts WQEs */
    bool vsd;                           /* leaves VLAN tags where they are */
    CxWq wq;
} CxRq;

typedef struct CxQCounter {
    CxObject obj;
    uint32_t out_of_buffer;
} CxQCounter;

/* ---- receive side scaling ---- */

typedef struct CxTis {
    CxObject obj;
    uint32_t prio, td;
} CxTis;

typedef struct CxRqt {
    CxObject obj;
    uint32_t max, actual;
    uint32_t *rqn;                      /* actual ones */
} CxRqt;

typedef struct CxTir {
    CxObject obj;
    uint32_t disp_type, rqn, rqtn, td;  /* TIR_INLINE: rqn, TIR_INDIRECT: rqtn */
    uint32_t hash_fn, selector, self_lb;
    bool symmetric;
    uint8_t key[RSS_KEY];
} CxTir;

/* ---- flow tables ---- */

typedef struct CxFlowTable {
    CxObject obj;
    uint32_t level, log_size, miss;     /* miss 0: drop */
    GPtrArray *entries;                 /* CxFlowEntry by index; not in the image */
} CxFlowTable;

typedef struct CxFlowGroup {
    CxObject obj;
    uint32_t table, start, end;         /* indices, both included */
    uint32_t enable;                    /* match_criteria_enable */
    uint8_t mask[FRAME_MATCH];
} CxFlowGroup;

typedef struct CxFlowEntry {
    CxObject obj;
    uint32_t table, index, group;
    uint32_t action, dest_type, dest;   /* FTE_FORWARD: DEST_* and its number */
    uint8_t value[FRAME_MATCH];
} CxFlowEntry;

/* The processor time of this thread: what frames cost is counted. */
static inline int64_t cx_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NANOSECONDS_PER_SECOND + t.tv_nsec;
}

/* vport.c */
void cx_vport_reset(CxVhca *v);
void cx_vport_visit(CxArchive *a, CxVhca *v);
void cx_vport_count(CxTraffic traffic[CASTS], const CxFrame *f);
int cx_query_vport_state(CxCommand *c);
int cx_query_nic_vport(CxCommand *c);
int cx_modify_nic_vport(CxCommand *c);
int cx_query_vport_counter(CxCommand *c);

/* port.c */
int cx_port_register(CxCommand *c, unsigned id);
bool cx_port_up(const CxPf *pf);
void cx_port_changed(CxPf *pf);                 /* its link: tells all functions */

/* tir.c */
extern const CxKind cx_kind_q_counter, cx_kind_tis, cx_kind_rqt, cx_kind_tir;
int cx_alloc_q_counter(CxCommand *c);
int cx_query_q_counter(CxCommand *c);
int cx_create_tis(CxCommand *c);
int cx_create_rqt(CxCommand *c);
int cx_modify_rqt(CxCommand *c);
int cx_create_tir(CxCommand *c);
int cx_modify_tir(CxCommand *c);
/* The queue that the frame goes to, with its hash for the completion. */
CxRq *cx_tir_choose(CxVhca *v, const CxTir *tir, const CxFrame *f,
                    uint32_t *hash, uint8_t *hash_type);

/* flow.c */
extern const CxKind cx_kind_flow_table, cx_kind_flow_group, cx_kind_flow_entry;
int cx_create_flow_table(CxCommand *c);
int cx_destroy_flow_table(CxCommand *c);
int cx_set_flow_table_root(CxCommand *c);
int cx_create_flow_group(CxCommand *c);
int cx_destroy_flow_group(CxCommand *c);
int cx_set_flow_entry(CxCommand *c);
int cx_delete_flow_entry(CxCommand *c);
CxTir *cx_flow_find(CxVhca *v, const CxFrame *f); /* NULL: nobody wants it */

/* wq.c */
int cx_wq_read(CxWq *wq, CxCommand *c);         /* of a CREATE; ST_* */
void cx_wq_visit(CxArchive *a, CxWq *wq);
/* 0 or a syndrome */
uint32_t cx_wq_check(const CxWq *wq, uint32_t state, uint32_t log_min_stride,
                     uint32_t log_max_stride);
uint64_t cx_wq_addr(const CxWq *wq, uint16_t counter);
bool cx_wq_posted(CxVhca *v, const CxWq *wq, unsigned record, uint16_t *counter);
/* Takes a queue from the state that its driver says it is in to the next. */
int cx_wq_modify(CxCommand *c, uint32_t *state);
void cx_wq_error(CxVhca *v, uint32_t cqn, unsigned opcode, uint32_t qpn,
                 uint16_t counter, uint8_t syndrome);

/* sq.c */
extern const CxKind cx_kind_sq;
int cx_create_sq(CxCommand *c);
int cx_modify_sq(CxCommand *c);
int cx_query_sq(CxCommand *c);
void cx_sq_doorbell(CxVhca *v, uint32_t value);
void cx_sq_resume(CxVhca *v);                   /* what was posted while it was suspended */
void cx_sq_bh(void *vhca);

/* rq.c */
extern const CxKind cx_kind_rq;
int cx_create_rq(CxCommand *c);
int cx_modify_rq(CxCommand *c);
int cx_query_rq(CxCommand *c);
/*
 * A frame for v, as the switch has decided; v's flow tables say what becomes
 * of it.  False: v dropped it.  The frame stays the caller's.
 */
bool cx_eth_receive(CxVhca *v, const CxFrame *f);
bool cx_eth_listens(const CxVhca *v);           /* is a driver there, with a flow table? */
bool cx_eth_loops_back(const CxVhca *v);        /* what it sends to its own address */

#endif
