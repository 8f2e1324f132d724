/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user of a VF, as a VM is one: its memory, its device, and what its
 * software knows.  It moves: user_state and the memory go along, the device
 * is another one.  Knows nothing of migration.
 */
#ifndef MIGRATE_USER_H
#define MIGRATE_USER_H

#include "../lib/bar2.h"
#include "../lib/fw.h"
#include "../lib/vfio.h"

#define USER_IOVA   0x100000000ull
enum {
    USER_RAM    = 8 << 20,
    PAGE        = 4096,
    /* vectors */
    VECTOR_COMMANDS = 0, VECTOR_MESSAGES = 1, VECTOR_WORKLOAD = 2, USER_VECTORS = 4,
    /* where its workload writes to */
    DMA_PAGES   = 64,
    MESSAGE     = 256,
    LOG_RQ      = 3,
};

/* What the software knows; offsets and numbers only, so it can be sent. */
struct user_state {
    struct fw_memory memory;
    uint32_t uar, pd, dma, messages;
    struct fw_mkey mkey;
    struct fw_eq commands, completions;
    struct fw_cq cq;
    struct fw_qp qp;
    uint32_t received;          /* messages so far */
    uint32_t pending_slot;      /* of a command rung while suspended */
};

struct user {
    struct io_space space;
    struct vfio_function fn;
    struct fw fw;
    struct bar2 wl;
    unsigned id;                /* of the device it has now */
    struct user_state s;
};

/* Opens the function with fresh memory; ends the test if that fails. */
void user_open(struct user *u, const char *bdf, enum io_backend backend);
void user_close(struct user *u);
/* The driver comes up: one object of each kind, queues armed, receives posted. */
void user_start(struct user *u);
/* to's device goes on with from's memory and software. */
void user_move(struct user *to, struct user *from);
/* The state as of now, for sending; and back. */
struct user_state user_freeze(struct user *u);
void user_thaw(struct user *u, const struct user_state *s);

/* A command works, and its event and interrupt come; value: all of that. */
bool user_command_works(struct user *u);
/* Rings a command and does not wait. */
void user_ring(struct user *u);
bool user_ring_completed(struct user *u);
/* The rung command's result, event and interrupt are here. */
bool user_ring_arrived(struct user *u);
/*
 * Leaves an event unread in a queue that is not armed; arming it then has to
 * raise the interrupt, wherever the function is when it may.
 */
bool user_leave_event(struct user *u);
void user_arm(struct user *u);
bool user_left_event_arrived(struct user *u);
/* Asks the workload for a message; then, that the next one came whole. */
void user_ask_message(struct user *u);
bool user_message_arrived(struct user *u);
/* Destroys all objects by the numbers it knows; true if the device knew all. */
bool user_end(struct user *u);

#endif
