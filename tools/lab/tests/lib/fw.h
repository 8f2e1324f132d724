/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ConnectX function's own firmware interface, driven from user space: the
 * command queue with its mailboxes, and the objects a driver creates.
 *
 * Everything the device reads or writes lies in one piece of memory, mapped
 * at one IOVA, and struct fw_memory says what lies where, in offsets.  So a
 * function's user moves to another function, or another machine, as a VM
 * does: copy the memory, copy struct fw_memory, go on (fw_move()).
 *
 * Not locked: one thread per function.  Running out of memory ends the test.
 */
#ifndef LAB_FW_H
#define LAB_FW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../connectx/ifc.h"
#include "../../connectx/lab.h"

enum {
    FW_SLOTS    = CMDQ_SLOTS - 1,       /* the last one is for pages, as drivers have it */
    FW_HEAD_MAX = 4128,                 /* an input without its tail */
    FW_OUT_MAX  = 4112,
    FW_TIMEOUT  = 5000,                 /* ms, of a command that is to complete */
};

struct fw_slot {
    uint32_t in, in_blocks;             /* mailbox chains: offset, number of blocks */
    uint32_t out, out_blocks;
};

struct fw_memory {
    uint64_t iova;
    uint32_t size, used;
    uint32_t queue;                     /* offset of the command queue */
    uint32_t posted;                    /* slots whose result was not collected, a bit each */
    struct fw_slot slot[FW_SLOTS];
};

struct fw {
    volatile uint8_t *bar;              /* BAR 0 */
    uint8_t *ram;
    struct fw_memory m;
};

/* Memory for the device's use; ram is mapped at iova already. */
void fw_attach(struct fw *fw, void *bar, void *ram, uint64_t iova, uint32_t size);
/* Goes on on another function with what from's user had; the memory is copied, too. */
void fw_move(struct fw *to, const struct fw *from);
/* Zeroed memory of the device's; offset. */
uint32_t fw_alloc(struct fw *fw, uint32_t size, uint32_t align);
/* Gives back all that was allocated since used had this value. */
void fw_free_to(struct fw *fw, uint32_t used);
static inline uint64_t fw_iova(const struct fw *fw, uint32_t offset)
{
    return fw->m.iova + offset;
}

/* ---- commands ---- */

struct fw_result {
    int delivery;               /* DELIVERY_*, -1: did not complete in time */
    unsigned status;
    uint32_t syndrome;
};

struct fw_cmd {
    uint8_t in[FW_HEAD_MAX];
    const void *tail;           /* follows in[] */
    uint32_t head_len, tail_len;
    uint8_t out[FW_OUT_MAX];
    uint32_t outlen;
    int slot;                   /* -1: not posted */
    struct fw_result r;
};

void fw_cmd_init(struct fw_cmd *c, unsigned opcode, unsigned op_mod,
                 uint32_t inlen, uint32_t outlen);
static inline void cmd_set(struct fw_cmd *c, unsigned bit, unsigned width, uint64_t value)
{
    ifc_set(c->in, bit, width, value);
}
static inline uint64_t cmd_out(const struct fw_cmd *c, unsigned bit, unsigned width)
{
    return ifc_get(c->out, bit, width);
}

/* The function's command queue; no command is sent. */
void fw_queue_start(struct fw *fw);
/* Puts a command into a free slot; the entry, for a test to spoil; the doorbell. */
void fw_prepare(struct fw *fw, struct fw_cmd *c);
uint8_t *fw_entry(const struct fw *fw, const struct fw_cmd *c);
void fw_ring(struct fw *fw, uint32_t slots);
/* Puts a command into a free slot and rings. */
void fw_post(struct fw *fw, struct fw_cmd *c);
/* Puts commands into slots and rings once for all; the device fetches them in this order. */
void fw_post_all(struct fw *fw, struct fw_cmd *const c[], unsigned n);
bool fw_completed(const struct fw *fw, const struct fw_cmd *c);
/* Waits, and fills c->out and c->r.  Not completed in time: the slot stays taken. */
struct fw_result fw_collect(struct fw *fw, struct fw_cmd *c, unsigned ms);
struct fw_result fw_exec(struct fw *fw, struct fw_cmd *c);
/* Commands of 16 bytes: value is the status, 0x100 + delivery status, or -1. */
int fw_do(struct fw *fw, unsigned opcode, unsigned op_mod, uint32_t id24, uint32_t *out24);
/* Status as fw_do() gives it. */
int fw_status(struct fw_result r);
void fw_write32(struct fw *fw, unsigned offset, uint32_t value);
uint32_t fw_read32(struct fw *fw, unsigned offset);

/* What any driver does first: ENABLE_HCA, ISSI, INIT_HCA; true if all succeeded. */
bool fw_start(struct fw *fw);

/* ---- objects; the creators end the test if the device refuses ---- */

struct fw_eq {
    uint32_t eqn, uar, log_size, ring, ci;
};
struct fw_cq {
    uint32_t cqn, uar, log_size, ring, record, ci, arm_sn;
};
struct fw_qp {
    uint32_t qpn, log_size, ring, record, pc;
};
struct fw_mkey {
    uint32_t index, key;        /* key: as lkey and in SAVE */
};

/* The number that the answer gives; ends the test if the device refuses. */
uint32_t fw_must(struct fw *fw, struct fw_cmd *c, const char *what);
/* A ring of so many bytes, and the list of its pages at the end of the input. */
uint32_t fw_ring_pages(struct fw *fw, struct fw_cmd *c, unsigned list, uint32_t bytes);
/* A counter in a doorbell record. */
void fw_record_write(struct fw *fw, uint32_t offset, uint32_t value);
uint32_t fw_create_uar(struct fw *fw);
uint32_t fw_create_pd(struct fw *fw);
/* Inputs filled in, for a test to change before sending. */
void fw_eq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_eq *eq, uint32_t uar,
               unsigned log_size, unsigned vector, uint64_t events);
void fw_cq_cmd(struct fw *fw, struct fw_cmd *c, struct fw_cq *cq, uint32_t uar,
               unsigned log_size, uint32_t eqn);
void fw_qp_cmd(struct fw *fw, struct fw_cmd *c, struct fw_qp *qp, uint32_t uar,
               unsigned rq_type, unsigned log_size, uint32_t cqn);
/* c->tail is allocated: free it after the command has completed. */
void fw_mkey_cmd(struct fw *fw, struct fw_cmd *c, uint32_t pd, uint32_t offset,
                 uint64_t len, unsigned log_page);

struct fw_eq fw_create_eq(struct fw *fw, uint32_t uar, unsigned log_size,
                          unsigned vector, uint64_t events);
struct fw_cq fw_create_cq(struct fw *fw, uint32_t uar, unsigned log_size, uint32_t eqn);
struct fw_qp fw_create_qp(struct fw *fw, uint32_t uar, unsigned rq_type,
                          unsigned log_size, uint32_t cqn);
struct fw_mkey fw_create_mkey(struct fw *fw, uint32_t pd, uint32_t offset,
                              uint64_t len, unsigned log_page);

/* The next event, or NULL; consumes it. */
const uint8_t *fw_eq_next(struct fw *fw, struct fw_eq *eq);
/* Tells the device what was consumed; arm: and asks for an interrupt. */
void fw_eq_update(struct fw *fw, const struct fw_eq *eq, bool arm);
const uint8_t *fw_cq_next(struct fw *fw, struct fw_cq *cq);
void fw_cq_arm(struct fw *fw, struct fw_cq *cq);
/* One step of the queue pair's life; value as fw_do()'s. */
int fw_qp_step(struct fw *fw, unsigned opcode, uint32_t qpn, uint32_t remote);
/* To ready-to-receive, or, with send, ready-to-send. */
bool fw_qp_connect(struct fw *fw, uint32_t qpn, uint32_t remote, bool send);
void fw_qp_post(struct fw *fw, struct fw_qp *qp, uint32_t lkey, uint64_t addr, uint32_t len);

#endif
