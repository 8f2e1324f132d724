/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: command queues.
 *
 * Owns a command from the doorbell to its completion: fetches the entry and
 * its mailboxes, lets the latency pass on the virtual clock, has ops.c execute
 * it, and writes output, ownership and event.  Commands are independent of one
 * another, those of one queue, too; they complete in any order.
 *
 *     doorbell -> QUEUED -latency-> executed at once -> completed
 *                    |                  |-> RUNNING, slice by slice -> completed
 *                    |                  `-> EXECUTED -delay (fault)-> completed
 *                    |-> LOST (fault)
 *                    `-> back to the doorbell, when its function is suspended
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/main-loop.h"
#include "connectx.h"

static uint64_t cx_entry_addr(CxVhca *v, unsigned slot)
{
    return v->cmdq + ((uint64_t)slot << CMDQ_LOG_STRIDE);
}

/* The part of a message behind its first 16 bytes is a chain of blocks. */
static bool cx_mailboxes_read(CxVhca *v, uint64_t ptr, uint8_t *buf,
                              uint32_t len)
{
    for (uint32_t n; len; buf += n, len -= n) {
        uint64_t next;

        n = MIN(len, MBOX_DATA);
        if (!ptr || ptr % MBOX_ALIGN ||
            cx_dma_read(v, ptr, buf, n) != MEMTX_OK ||
            cx_dma_read(v, ptr + MBOX_NEXT, &next, 8) != MEMTX_OK) {
            return false;
        }
        ptr = be64_to_cpu(next);
    }
    return true;
}

static bool cx_mailboxes_write(CxVhca *v, uint64_t ptr, const uint8_t *buf,
                               uint32_t len)
{
    for (uint32_t n; len; buf += n, len -= n) {
        uint64_t next;

        n = MIN(len, MBOX_DATA);
        if (!ptr || ptr % MBOX_ALIGN ||
            cx_dma_write(v, ptr, buf, n) != MEMTX_OK ||
            cx_dma_read(v, ptr + MBOX_NEXT, &next, 8) != MEMTX_OK) {
            return false;
        }
        ptr = be64_to_cpu(next);
    }
    return true;
}

static void cx_command_free(CxCommand *c)
{
    if (c->job_free) {
        c->job_free(c);
    }
    QTAILQ_REMOVE(&c->vhca->commands, c, next);
    cx_control_command_ends(c);
    timer_free(c->timer);
    g_free(c->in);
    g_free(c->out);
    g_free(c);
}

/* Output, then ownership, then the event. */
static void cx_hand_back(CxCommand *c, unsigned delivery)
{
    CxVhca *v = c->vhca;
    uint64_t entry = cx_entry_addr(v, c->slot);
    uint8_t own, event[EQE_DATA_SIZE] = { 0 };

    if (delivery == DELIVERY_OK) {
        uint32_t inl = MIN(c->outlen, CMD_INLINE);

        ifc_set(c->out, F_OUT_STATUS, c->status);
        ifc_set(c->out, F_OUT_SYNDROME, c->syndrome);
        if (c->fault.action == FAULT_DMA ||
            !cx_mailboxes_write(v, c->out_ptr, c->out + inl,
                                c->outlen - inl)) {
            delivery = DELIVERY_OUT_PTR;
        } else {
            cx_dma_write(v, entry + CMD_OUT, c->out, inl);
        }
    }
    cx_trace_command(c, delivery);
    own = delivery << 1;
    smp_wmb();
    cx_dma_write(v, entry + CMD_STATUS, &own, 1);
    stl_be_p(event, 1u << c->slot);
    cx_event_async(v, EVENT_COMMAND, event, c->created_eqn);
}

static void cx_command_complete(CxCommand *c, unsigned delivery)
{
    CxVhca *v = c->vhca;

    /* A job lets go of its VHCA before the driver hears of its end. */
    if (c->job_free) {
        c->job_free(c);
        c->job_free = NULL;
    }
    cx_hand_back(c, delivery);
    cx_command_free(c);
    if (!v->function) {
        cx_tracker_pump(v);
    }
}

void cx_command_again(CxCommand *c, int64_t when_ns)
{
    timer_mod(c->timer, when_ns);
}

/* It is executed: completes it, at once unless a fault delays that. */
void cx_command_finish(CxCommand *c, uint8_t status)
{
    c->status = status;
    if (status != ST_OK) {
        cx_count(c->vhca, COUNTER_FAILED, 1);
    }
    if (c->fault.action == FAULT_DELAY) {
        c->state = CX_CMD_EXECUTED;
        cx_command_again(c, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                         c->fault.delay_us * SCALE_US);
        return;
    }
    cx_command_complete(c, DELIVERY_OK);
}

static void cx_command_execute(CxCommand *c)
{
    int status;

    cx_count(c->vhca, COUNTER_COMMANDS, 1);
    c->state = CX_CMD_RUNNING;
    if (c->fault.action == FAULT_FAIL) {
        cx_save_struck(c);
        status = cx_refuse(c, c->fault.status, c->fault.syndrome);
    } else {
        status = cx_op_execute(c);
    }
    if (status != CX_ASYNC) {
        cx_command_finish(c, status);
    }
}

static void cx_command_timer(void *opaque)
{
    CxCommand *c = opaque;

    switch (c->state) {
    case CX_CMD_QUEUED:
        cx_command_execute(c);
        break;
    case CX_CMD_RUNNING:
        c->step(c);
        break;
    case CX_CMD_EXECUTED:
        cx_command_complete(c, DELIVERY_OK);
        break;
    case CX_CMD_LOST:
        break;
    }
}

/* Reads entry and input; DELIVERY_OK or what is wrong with them. */
static unsigned cx_command_read(CxCommand *c, const uint8_t *entry)
{
    uint32_t inl;

    if (entry[CMD_TYPE] != CMD_TYPE_PCI) {
        return DELIVERY_CMD_DESCR;
    }
    if (c->inlen < 8 || c->inlen > CX_MAX_MESSAGE) {
        return DELIVERY_IN_LEN;
    }
    if (c->outlen < 8 || c->outlen > CX_MAX_MESSAGE) {
        return DELIVERY_OUT_LEN;
    }
    /* Handlers look at fixed places: never less than the largest of these. */
    c->in = g_malloc0(MAX(c->inlen, 64));
    c->out = g_malloc0(MAX(c->outlen, 64));
    inl = MIN(c->inlen, CMD_INLINE);
    memcpy(c->in, entry + CMD_IN, inl);
    if (!cx_mailboxes_read(c->vhca, ldq_be_p(entry + CMD_IN_PTR), c->in + inl,
                           c->inlen - inl)) {
        return DELIVERY_IN_PTR;
    }
    c->opcode = ifc_get(c->in, F_IN_OPCODE);
    c->op_mod = ifc_get(c->in, F_IN_OP_MOD);
    c->op = cx_op_find(c->opcode);
    return DELIVERY_OK;
}

CxVhca *cx_command_about(const CxCommand *c)
{
    return c->opcode >= OP_SUSPEND_VHCA && c->opcode <= OP_LOAD_VHCA_STATE ?
           cx_by_vhca_id(c->vhca->pf, ifc_get(c->in, F_VHCA_ID)) : NULL;
}

/* When it executes: after its latency, and not on a function in reset. */
static int64_t cx_command_due(const CxCommand *c)
{
    const CxPf *pf = c->vhca->pf;
    const CxVhca *about = cx_command_about(c);
    int64_t us = pf->cmd_latency_us, due;

    switch (c->opcode) {
    case OP_QUERY_VHCA_MIGRATION_STATE:
        us += pf->query_us;
        break;
    case OP_SUSPEND_VHCA:
        us += pf->suspend_us;
        break;
    case OP_RESUME_VHCA:
        us += pf->resume_us;
        break;
    }
    due = MAX(c->start_ns + us * SCALE_US, c->vhca->ready_ns);
    return about ? MAX(due, about->ready_ns) : due;
}

static void cx_command_fetch(CxVhca *v, unsigned slot)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    uint8_t entry[CMD_ENTRY_SIZE];
    unsigned delivery;
    CxCommand *c;

    if (cx_dma_read(v, cx_entry_addr(v, slot), entry, sizeof(entry)) !=
        MEMTX_OK || !(entry[CMD_STATUS] & CMD_OWNER_HW)) {
        cx_trace_note(v, "doorbell for an entry that is not the device's");
        return;
    }
    c = g_new0(CxCommand, 1);
    c->vhca = v;
    c->slot = slot;
    c->start_ns = now;
    c->inlen = ldl_be_p(entry + CMD_INLEN);
    c->outlen = ldl_be_p(entry + CMD_OUTLEN);
    c->out_ptr = ldq_be_p(entry + CMD_OUT_PTR);
    c->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, cx_command_timer, c);
    QTAILQ_INSERT_TAIL(&v->commands, c, next);

    delivery = cx_command_read(c, entry);
    cx_control_command_begins(c);
    if (delivery != DELIVERY_OK) {
        cx_command_complete(c, delivery);
        return;
    }
    if (c->fault.action == FAULT_NEVER) {
        c->state = CX_CMD_LOST;
        cx_trace_command(c, DELIVERY_OK);
        return;
    }
    cx_command_again(c, cx_command_due(c));
}

static CxCommand *cx_command_in_slot(CxVhca *v, unsigned slot)
{
    CxCommand *c;

    QTAILQ_FOREACH(c, &v->commands, next) {
        if (c->slot == slot) {
            return c;
        }
    }
    return NULL;
}

/* Also lets the PF's reports go on, to which a CQ arm gave credits. */
void cx_command_bh(void *opaque)
{
    CxVhca *v = opaque;

    while (v->doorbells && v->cmdq && cx_initiates(v) && !v->health_synd) {
        unsigned slot = ctz32(v->doorbells);
        CxCommand *old = cx_command_in_slot(v, slot);

        v->doorbells &= ~(1u << slot);
        if (old && old->state != CX_CMD_LOST) {
            cx_trace_note(v, "doorbell for a command in flight");
            continue;
        }
        if (old) {
            cx_command_free(old);       /* given up by its driver */
        }
        cx_command_fetch(v, slot);
    }
    if (!v->function) {
        cx_tracker_pump(v);
    }
}

void cx_doorbell(CxVhca *v, uint32_t bits)
{
    v->doorbells |= bits;
    qemu_bh_schedule(v->doorbell_bh);
}

/*
 * Nothing of a function that is about to be suspended may be under way: what
 * has not been executed waits in the doorbell register, and moves with it;
 * what has been is completed now.
 */
void cx_command_quiesce(CxVhca *v)
{
    CxCommand *c, *next;

    QTAILQ_FOREACH_SAFE(c, &v->commands, next, next) {
        if (c->state == CX_CMD_EXECUTED) {
            cx_command_complete(c, DELIVERY_OK);
        } else if (c->state == CX_CMD_QUEUED) {
            v->doorbells |= 1u << c->slot;
            cx_command_free(c);
        }
    }
}

/* What a fault delays is completed. */
void cx_command_soon(CxVhca *v)
{
    CxCommand *c;

    QTAILQ_FOREACH(c, &v->commands, next) {
        if (c->state == CX_CMD_EXECUTED) {
            cx_command_again(c, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        }
    }
}

/* Those in flight stay where they are; only a reset ends them. */
void cx_command_lose_all(CxVhca *v)
{
    CxCommand *c;

    QTAILQ_FOREACH(c, &v->commands, next) {
        if (c->job_free) {
            c->job_free(c);
            c->job_free = NULL;
        }
        timer_del(c->timer);
        if (c->state != CX_CMD_LOST) {
            c->state = CX_CMD_LOST;
            cx_trace_command(c, DELIVERY_OK);
        }
    }
}

void cx_command_cancel_all(CxVhca *v)
{
    CxCommand *c, *next;

    QTAILQ_FOREACH_SAFE(c, &v->commands, next, next) {
        cx_command_free(c);
    }
}
