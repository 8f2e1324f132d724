// SPDX-License-Identifier: GPL-2.0-or-later
/* The user of a VF. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "../lib/tap.h"
#include "user.h"

enum { LOG_EQ = 6, WAIT = 10000 };

static void must(int err, const char *what, const char *bdf)
{
    if (err)
        tap_bail("%s: %s: %s", bdf, what, strerror(-err));
}

void user_open(struct user *u, const char *bdf, enum io_backend backend)
{
    void *bar0, *bar2, *ram;

    *u = (struct user){ 0 };
    must(io_space_open(&u->space, backend), "I/O address space", bdf);
    must(vfio_open(&u->fn, &u->space, bdf, NULL), "opening the VF", bdf);
    must(vfio_msix_enable(&u->fn, USER_VECTORS), "MSI-X", bdf);
    ram = mmap(NULL, USER_RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED)
        tap_bail("no memory");
    must(io_map(&u->space, USER_IOVA, ram, USER_RAM), "mapping memory for DMA", bdf);
    bar0 = vfio_map_bar(&u->fn, 0, NULL);
    bar2 = vfio_map_bar(&u->fn, 2, NULL);
    if (!bar0 || !bar2)
        tap_bail("%s: its BARs cannot be mapped", bdf);
    u->wl = workload_of(bar2);
    u->id = wl_read(u->wl, WL_VHCA_ID);
    fw_attach(&u->fw, bar0, ram, USER_IOVA, USER_RAM);
}

void user_close(struct user *u)
{
    vfio_close(&u->fn);
    io_space_close(&u->space);
    munmap(u->fw.ram, USER_RAM);
}

static void post_receive(struct user *u)
{
    fw_qp_post(&u->fw, &u->s.qp, u->s.mkey.key,
               u->s.messages - u->s.dma + u->s.qp.pc % (1 << LOG_RQ) * MESSAGE, MESSAGE);
}

void user_start(struct user *u)
{
    struct user_state *s = &u->s;

    if (!fw_start(&u->fw))
        tap_bail("%s: its firmware interface does not start", u->fn.bdf);
    s->uar = fw_create_uar(&u->fw);
    s->pd = fw_create_pd(&u->fw);
    s->dma = fw_alloc(&u->fw, DMA_PAGES * PAGE, PAGE);
    s->messages = fw_alloc(&u->fw, PAGE, PAGE);
    s->mkey = fw_create_mkey(&u->fw, s->pd, s->dma, (DMA_PAGES + 1) * PAGE, 12);
    s->commands = fw_create_eq(&u->fw, s->uar, LOG_EQ, VECTOR_COMMANDS, 1ull << EVENT_COMMAND);
    s->completions = fw_create_eq(&u->fw, s->uar, LOG_EQ, VECTOR_MESSAGES, 0);
    s->cq = fw_create_cq(&u->fw, s->uar, LOG_RQ, s->completions.eqn);
    s->qp = fw_create_qp(&u->fw, s->uar, QP_RQ_NORMAL, LOG_RQ, s->cq.cqn);
    if (!fw_qp_connect(&u->fw, s->qp.qpn, s->qp.qpn, false))
        tap_bail("%s: its QP does not become ready", u->fn.bdf);
    for (unsigned i = 0; i < 4; i++)
        post_receive(u);
    wl_write(u->wl, WL_RECV_QPN, s->qp.qpn);
    wl_write(u->wl, WL_RECV_LEN, MESSAGE);
    while (fw_eq_next(&u->fw, &s->commands))
        ;
    fw_eq_update(&u->fw, &s->commands, true);
    fw_eq_update(&u->fw, &s->completions, true);
    fw_cq_arm(&u->fw, &s->cq);
}

struct user_state user_freeze(struct user *u)
{
    u->s.memory = u->fw.m;
    return u->s;
}

void user_thaw(struct user *u, const struct user_state *s)
{
    u->s = *s;
    u->fw.m = s->memory;
}

void user_move(struct user *to, struct user *from)
{
    struct user_state s = user_freeze(from);

    fw_move(&to->fw, &from->fw);
    user_thaw(to, &s);
}

/* ---- commands ---- */

/* One event of a command in this slot, with its interrupt; re-arms. */
static bool event_came(struct user *u, unsigned slot)
{
    struct fw_eq *eq = &u->s.commands;
    const uint8_t *e;
    bool good;

    if (!vfio_irq_wait(&u->fn, VECTOR_COMMANDS, WAIT))
        return false;
    good = wait_until((e = fw_eq_next(&u->fw, eq)), WAIT) && e[EQE_TYPE] == EVENT_COMMAND &&
           ifc_get(e + EQE_DATA, 0, 32) == 1u << slot && !fw_eq_next(&u->fw, eq);
    fw_eq_update(&u->fw, eq, true);
    return good;
}

bool user_command_works(struct user *u)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    return !fw_status(fw_exec(&u->fw, &c)) && cmd_out(&c, F_QUERY_ISSI_CURRENT) == 1 &&
           event_came(u, c.slot);
}

bool user_leave_event(struct user *u)
{
    struct fw_cmd c;

    /* the first takes the arming, the second one's event brings no interrupt */
    for (unsigned i = 0; i < 2; i++) {
        fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
        if (fw_status(fw_exec(&u->fw, &c)))
            return false;
    }
    return vfio_irq_wait(&u->fn, VECTOR_COMMANDS, WAIT) &&
           wait_until(fw_eq_next(&u->fw, &u->s.commands) != NULL, WAIT) &&
           !vfio_irq_wait(&u->fn, VECTOR_COMMANDS, 0);
}

void user_arm(struct user *u)
{
    fw_eq_update(&u->fw, &u->s.commands, true);
}

bool user_left_event_arrived(struct user *u)
{
    bool good = vfio_irq_wait(&u->fn, VECTOR_COMMANDS, WAIT) &&
                fw_eq_next(&u->fw, &u->s.commands);

    user_arm(u);
    return good;
}

static struct fw_cmd rung(const struct user *u)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    c.slot = u->s.pending_slot;
    return c;
}

void user_ring(struct user *u)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    fw_post(&u->fw, &c);
    u->s.pending_slot = c.slot;
}

bool user_ring_completed(struct user *u)
{
    struct fw_cmd c = rung(u);

    return fw_completed(&u->fw, &c);
}

bool user_ring_arrived(struct user *u)
{
    struct fw_cmd c = rung(u);

    return !fw_status(fw_collect(&u->fw, &c, WAIT)) && cmd_out(&c, F_QUERY_ISSI_CURRENT) == 1 &&
           event_came(u, c.slot);
}

/* ---- messages ---- */

void user_ask_message(struct user *u)
{
    wl_write(u->wl, WL_RECV, 1);
}

static bool message_is_whole(struct user *u, const uint8_t *cqe)
{
    const uint8_t *data = u->fw.ram + u->s.messages +
                          ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) % (1 << LOG_RQ) * MESSAGE;

    for (unsigned i = 0; i < MESSAGE; i++)
        if (data[i] != (uint8_t)(u->s.received + i))
            return false;
    return ifc_get(cqe + CQE_IMMEDIATE, 0, 32) == u->s.received &&
           ifc_get(cqe + CQE_BYTE_CNT, 0, 32) == MESSAGE;
}

bool user_message_arrived(struct user *u)
{
    struct user_state *s = &u->s;
    const uint8_t *e;
    bool good;

    if (!vfio_irq_wait(&u->fn, VECTOR_MESSAGES, WAIT))
        return false;
    good = wait_until((e = fw_eq_next(&u->fw, &s->completions)), WAIT) &&
           e[EQE_TYPE] == EVENT_COMPLETION && ifc_get(e + EQE_DATA + 24, 0, 32) == s->cq.cqn &&
           wait_until((e = fw_cq_next(&u->fw, &s->cq)), WAIT) && message_is_whole(u, e);
    s->received++;
    post_receive(u);
    fw_eq_update(&u->fw, &s->completions, true);
    fw_cq_arm(&u->fw, &s->cq);
    return good;
}

bool user_end(struct user *u)
{
    struct user_state *s = &u->s;

    return !fw_do(&u->fw, OP_DESTROY_QP, 0, s->qp.qpn, NULL) &&
           !fw_do(&u->fw, OP_DESTROY_CQ, 0, s->cq.cqn, NULL) &&
           !fw_do(&u->fw, OP_DESTROY_EQ, 0, s->completions.eqn, NULL) &&
           !fw_do(&u->fw, OP_DESTROY_EQ, 0, s->commands.eqn, NULL) &&
           !fw_do(&u->fw, OP_DESTROY_MKEY, 0, s->mkey.index, NULL) &&
           !fw_do(&u->fw, OP_DEALLOC_PD, 0, s->pd, NULL) &&
           !fw_do(&u->fw, OP_DEALLOC_UAR, 0, s->uar, NULL);
}
