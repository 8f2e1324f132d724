/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a driver of a ConnectX function creates to send and receive frames: one
 * queue each way, a flow table that takes frames for one address to it, and a
 * vport that says so to the NIC.
 */
#ifndef LAB_FWETH_H
#define LAB_FWETH_H

#include "../../connectx/ifc-eth.h"
#include "fw.h"

enum {
    ETH_LOG_QUEUE = 4,          /* 16 WQEs of a page at most each way */
    ETH_BUFFER = 2048,          /* room of a receive WQE */
    ETH_LEVEL = 5,              /* of the flow table */
};

struct fw_eth {
    uint8_t mac[6];
    uint32_t uar, pd, td, tis, counter;
    uint32_t key;               /* of the whole bus */
    struct fw_eq eq;
    struct fw_cq send_cq, recv_cq;
    uint32_t sqn, rqn, rqtn, tirn, table, group;
    uint32_t send_ring, send_record, recv_ring, recv_record;
    uint32_t buffers, frames;   /* offsets: received, and to be sent */
    uint16_t send_pc, recv_pc;  /* of WQEBBs and of WQEs */
};

/* Inputs filled in, for a test to change before sending. */
void fw_eth_tis_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_sq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_eth *e);
void fw_eth_rq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_eth *e);
void fw_eth_rqt_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_tir_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_table_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_root_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_group_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_entry_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_list_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
void fw_eth_bus_key_cmd(struct fw *fw, struct fw_cmd *c, const struct fw_eth *e);
/* opcode: OP_MODIFY_SQ or OP_MODIFY_RQ, id its queue. */
void fw_eth_state_cmd(struct fw_cmd *c, unsigned opcode, uint32_t id, unsigned from,
                      unsigned to);

/* All of it, ready, for the function's own address; ends the test if anything is refused. */
void fw_eth_create(struct fw *fw, struct fw_eth *e);
/* Takes all of it apart; true if the device knew all of it. */
bool fw_eth_destroy(struct fw *fw, const struct fw_eth *e);

/* Posts n receive WQEs. */
void fw_eth_post(struct fw *fw, struct fw_eth *e, unsigned n);
/*
 * A WQE of one WQEBB that sends len bytes from `frames` on and asks for a completion; where it
 * lies, for a test to spoil.  Its place does not count as posted yet.
 */
uint8_t *fw_eth_wqe(struct fw *fw, struct fw_eth *e, uint32_t len);
/* Posts so many WQEBBs; with ring the device is told. */
void fw_eth_send(struct fw *fw, struct fw_eth *e, unsigned blocks, bool ring);
/* state of a queue, -1: the command failed */
int fw_eth_state(struct fw *fw, unsigned opcode, uint32_t id);

#endif
