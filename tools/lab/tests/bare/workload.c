// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The workload of a VF: what it does while the function runs, and that it
 * obeys the function's state, DMA, interrupts, messages and memory each.
 */
#include "../lib/lab.h"
#include "refusals.h"

enum { PAGE = 4096, FAST = 100000, WAIT = 10000 };

/* What a user of the VF gets messages into. */
struct mailbox {
    struct fw_eq eq;
    struct fw_cq cq;
    struct fw_qp qp;
    struct fw_mkey mkey;
    uint32_t buffer;
};
enum { MESSAGE = 64, LOG_RQ = 3 };

static struct mailbox open_mailbox(struct vf *v)
{
    uint32_t uar = fw_create_uar(&v->fw), pd = fw_create_pd(&v->fw);
    struct mailbox m;

    m.eq = fw_create_eq(&v->fw, uar, 6, 3, 0);
    m.cq = fw_create_cq(&v->fw, uar, LOG_RQ, m.eq.eqn);
    m.qp = fw_create_qp(&v->fw, uar, QP_RQ_NORMAL, LOG_RQ, m.cq.cqn);
    m.buffer = fw_alloc(&v->fw, PAGE, PAGE);
    m.mkey = fw_create_mkey(&v->fw, pd, m.buffer, PAGE, 12);
    if (!fw_qp_connect(&v->fw, m.qp.qpn, m.qp.qpn, false))
        tap_bail("a QP does not become ready to receive");
    wl_write(v->wl, WL_RECV_QPN, m.qp.qpn);
    wl_write(v->wl, WL_RECV_LEN, MESSAGE);
    return m;
}

static void post(struct vf *v, struct mailbox *m)
{
    uint32_t slot = m->qp.pc % (1 << LOG_RQ);

    fw_qp_post(&v->fw, &m->qp, m->mkey.key, slot * MESSAGE, MESSAGE);
}

/* The next message is the n-th: immediate, length, bytes. */
static bool take(struct vf *v, struct mailbox *m, unsigned n)
{
    const uint8_t *e, *data;

    if (!wait_until((e = fw_cq_next(&v->fw, &m->cq)), WAIT))
        return false;
    data = v->fw.ram + m->buffer + ifc_get(e + CQE_WQE_COUNTER, 0, 16) % (1 << LOG_RQ) * MESSAGE;
    for (unsigned i = 0; i < MESSAGE; i++)
        if (data[i] != (uint8_t)(n + i))
            return false;
    return ifc_get(e + CQE_IMMEDIATE, 0, 32) == n &&
           ifc_get(e + CQE_BYTE_CNT, 0, 32) == MESSAGE &&
           ifc_get(e + CQE_QPN, 0, 32) == m->qp.qpn && e[CQE_OP_OWN] >> 4 == CQE_OP_RESP_SEND_IMM;
}

static void test_memory(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    uint64_t empty = wl_sum(v->wl), noise;
    unsigned wrong = 0;

    ok(wl_fill(v->wl, 8 * PAGE, 100 * PAGE, 61), "a fill of device memory ends");
    noise = wl_sum(v->wl);
    ok(noise != empty, "it changes the checksum");
    wl_fill(w->wl, 8 * PAGE, 100 * PAGE, 61);
    ok_eq(wl_sum(w->wl), noise, "the same seed gives the same bytes");
    wl_fill(w->wl, 8 * PAGE, 100 * PAGE, 62);
    ok(wl_sum(w->wl) != noise, "another seed others");
    wl_fill(w->wl, 9 * PAGE, 100 * PAGE, 0);
    wl_fill(w->wl, 8 * PAGE, PAGE, 0);
    ok_eq(wl_sum(w->wl), empty, "zeros count as nothing");

    wl_change(v->wl, 16 * PAGE, 10 * PAGE, FAST, 25);
    ok(wl_wait(v->wl, WL_MEM_COUNT, 25, WAIT), "pages are changed up to the limit");
    ok_eq(wl_read(v->wl, WL_MEM_COUNT), 25, "and not beyond");
    /* changes 1 to 25 went round ten pages */
    for (unsigned page = 0; page < 10; page++)
        wrong += wl_page(v->wl, 16 + page) != (page < 5 ? 21 + page : 11 + page);
    ok_eq(wrong, 0, "each page holds the count of its last change");
}

static void test_dma_and_irq(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    uint32_t at = fw_alloc(&v->fw, 16 * PAGE, PAGE);
    uint64_t irqs = 0, errors, before = ctl_counter(b->control, COUNTER_DMA_WRITES);
    unsigned wrong = 0;

    wl_dma(v->wl, fw_iova(&v->fw, at), 8 * PAGE, PAGE, FAST, 11);
    ok(wl_wait(v->wl, WL_DMA_COUNT, 11, WAIT), "DMA writes up to the limit");
    for (unsigned i = 0; i < 8; i++)
        wrong += *(volatile uint64_t *)(v->fw.ram + at + i * PAGE) != (i < 3 ? 9 + i : 1 + i);
    ok_eq(wrong, 0, "the n-th writes n + 1 where it should");
    ok_eq(ctl_counter(b->control, COUNTER_DMA_WRITES), before + 11, "they are counted");
    errors = wl_read(v->wl, WL_DMA_ERRORS);
    lab_expect(REPORT_OF_DMA_FAULT);
    wl_dma(v->wl, NO_IOVA, 4 * PAGE, PAGE, FAST, 15);
    wl_wait(v->wl, WL_DMA_COUNT, 15, WAIT);
    ok_eq(wl_read(v->wl, WL_DMA_ERRORS), errors + 4, "writes to where nothing is are errors");

    before = ctl_counter(b->control, COUNTER_INTERRUPTS);
    wl_write(v->wl, WL_IRQ_VECTOR, 2);
    wl_write(v->wl, WL_IRQ_LIMIT, 5);
    wl_write(v->wl, WL_IRQ_RATE, 1000);
    ok(wl_wait(v->wl, WL_IRQ_COUNT, 5, WAIT), "interrupts up to the limit");
    irqs = vfio_irq_wait(&v->fn, 2, WAIT);
    ok(irqs >= 1 && irqs <= 5, "they arrive");
    ok_eq(ctl_counter(b->control, COUNTER_INTERRUPTS), before + 5, "they are counted");
}

/* Waits until the workload of another function has gone on for a while. */
static void let_pass(struct vf *other)
{
    uint64_t count = wl_read(other->wl, WL_MEM_COUNT);

    if (!wl_wait(other->wl, WL_MEM_COUNT, count + FAST / 20, WAIT))
        tap_bail("a running function's workload stands still");
}

/* The next message, the n-th, is longer than what is posted for it, until that is made longer. */
static void test_too_long(struct vf *v, struct vf *other, struct mailbox *m, unsigned n)
{
    uint8_t *wqe = v->fw.ram + m->qp.ring + m->qp.pc % (1 << LOG_RQ) * RECV_WQE_SIZE;

    post(v, m);
    ifc_set(wqe, 0, 32, MESSAGE - 1);
    wl_write(v->wl, WL_RECV, 1);
    let_pass(other);
    ok_eq(wl_read(v->wl, WL_RECV_COUNT), n, "a message longer than its receive waits");
    ifc_set(wqe, 0, 32, MESSAGE);
    ok(take(v, m, n), "and arrives when that is longer");
}

static void test_messages(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *other = bench_running_vf(b, 1);
    struct mailbox m = open_mailbox(v);
    uint64_t overruns;
    const uint8_t *e;

    for (unsigned i = 0; i < 4; i++)
        post(v, &m);
    fw_eq_update(&v->fw, &m.eq, true);
    fw_cq_arm(&v->fw, &m.cq);
    wl_write(v->wl, WL_RECV, 6);
    ok(take(v, &m, 0) && take(v, &m, 1) && take(v, &m, 2) && take(v, &m, 3),
       "four messages arrive where receives were posted");
    ok(vfio_irq_wait(&v->fn, 3, WAIT) == 1, "the armed CQ raises its EQ's vector");
    ok(wait_until((e = fw_eq_next(&v->fw, &m.eq)), WAIT) && e[EQE_TYPE] == EVENT_COMPLETION &&
       ifc_get(e + EQE_DATA + 24, 0, 32) == m.cq.cqn, "with a completion event of this CQ");
    fw_cq_arm(&v->fw, &m.cq);
    ok(!fw_eq_next(&v->fw, &m.eq), "armed again, with all read, it has none");
    ok_eq(wl_read(v->wl, WL_RECV), 2, "two more wait for receives");
    post(v, &m);
    post(v, &m);
    ok(take(v, &m, 4) && take(v, &m, 5), "and arrive when these are posted");
    ok(wait_until((e = fw_eq_next(&v->fw, &m.eq)), WAIT) && !fw_eq_next(&v->fw, &m.eq), "with one more event");
    ok_eq(wl_read(v->wl, WL_RECV_COUNT), 6, "all are counted");
    wl_change(other->wl, 0, PAGE, FAST, 0);
    test_too_long(v, other, &m, 6);

    /* a CQ whose reader does not come: eight entries, then it is full */
    for (unsigned i = 0; i < 8; i++)
        post(v, &m);
    wl_write(v->wl, WL_RECV, 8);
    ok(wl_wait(v->wl, WL_RECV_COUNT, 15, WAIT), "as many messages as the CQ has entries");
    overruns = ctl_counter(b->control, COUNTER_CQ_OVERRUNS);
    post(v, &m);
    wl_write(v->wl, WL_RECV, 1);
    ok(wait_until(ctl_counter(b->control, COUNTER_CQ_OVERRUNS) > overruns, WAIT),
       "one more is an overrun, and counted");
    ok_eq(wl_read(v->wl, WL_RECV_COUNT), 15, "not delivered");
}

/* Everything at once, without limits. */
static void start_everything(struct vf *v, uint32_t dma)
{
    wl_dma(v->wl, fw_iova(&v->fw, dma), 4 * PAGE, PAGE, FAST, 0);
    wl_change(v->wl, 0, 64 * PAGE, FAST, 0);
    wl_write(v->wl, WL_IRQ_VECTOR, 1);
    wl_write(v->wl, WL_IRQ_LIMIT, 0);
    wl_write(v->wl, WL_IRQ_RATE, 1000);
}

struct counts { uint64_t dma, irq, mem, recv; };

static struct counts counts(struct vf *v)
{
    return (struct counts){
        wl_read(v->wl, WL_DMA_COUNT), wl_read(v->wl, WL_IRQ_COUNT),
        wl_read(v->wl, WL_MEM_COUNT), wl_read(v->wl, WL_RECV_COUNT),
    };
}

static void test_obeys(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *other = bench_running_vf(b, 1);
    struct mailbox m = open_mailbox(v);
    uint32_t dma = fw_alloc(&v->fw, 4 * PAGE, PAGE);
    struct counts then, now;
    uint64_t word, discarded, counted, sum;
    struct fw_cmd c;

    wl_change(other->wl, 0, PAGE, FAST, 0);
    start_everything(v, dma);
    let_pass(other);
    now = counts(v);
    ok(now.dma && now.irq && now.mem, "DMA, interrupts and changes go on");

    ok_eq(vhca_suspend(b, v->id, SUSPEND_INITIATOR), ST_OK, "SUSPEND of the initiator");
    then = counts(v);
    word = *(volatile uint64_t *)(v->fw.ram + dma);
    vfio_irq_wait(&v->fn, 1, 0);
    post(v, &m);
    wl_write(v->wl, WL_RECV, 1);
    fw_cmd_init(&c, OP_ALLOC_PD, 0, 16, 16);
    fw_post(&v->fw, &c);
    let_pass(other);
    now = counts(v);
    ok_eq(now.dma, then.dma, "P2P: no DMA is counted");
    ok_eq(*(volatile uint64_t *)(v->fw.ram + dma), word, "and none is seen");
    ok(now.irq == then.irq && !vfio_irq_wait(&v->fn, 1, 0), "no interrupt");
    ok_eq(now.recv, then.recv, "no message");
    ok(now.mem > then.mem, "but its memory may change");
    ok(!fw_completed(&v->fw, &c) && ctl_objects(b->control, v->id, OBJECT_PD) == 1,
       "a command that was rung waits");

    ok_eq(vhca_suspend(b, v->id, SUSPEND_RESPONDER), ST_OK, "SUSPEND of the responder");
    then = counts(v);
    sum = wl_sum(v->wl);
    discarded = wl_read(v->wl, WL_DISCARDED);
    counted = ctl_counter(b->control, COUNTER_DISCARDED);
    wl_write(v->wl, WL_MEM_COUNT, 1);
    fw_ring(&v->fw, 1);
    let_pass(other);
    now = counts(v);
    ok(now.mem == then.mem && now.dma == then.dma && now.irq == then.irq, "STOP: nothing changes");
    ok_eq(wl_sum(v->wl), sum, "not a byte of its memory");
    ok_eq(wl_read(v->wl, WL_DISCARDED), discarded + 2, "accesses are discarded");
    ok_eq(ctl_counter(b->control, COUNTER_DISCARDED), counted + 2, "and counted");

    ok_eq(vhca_start(b, v->id), ST_OK, "both resume");
    ok_eq(fw_status(fw_collect(&v->fw, &c, FW_TIMEOUT)), ST_OK, "the command that waited completes");
    ok(take(v, &m, 0), "the message that waited arrives");
    ok(wl_wait(v->wl, WL_DMA_COUNT, now.dma + 1, WAIT) &&
       wl_wait(v->wl, WL_IRQ_COUNT, now.irq + 1, WAIT) &&
       wl_wait(v->wl, WL_MEM_COUNT, now.mem + 1, WAIT), "everything goes on");
    ok(vfio_irq_wait(&v->fn, 1, WAIT), "interrupts as well");
    bench_vf(b, 0);
    bench_vf(b, 1);
}

void test_workload(struct bench *b)
{
    test_memory(b);
    test_dma_and_irq(b);
    test_messages(b);
    test_obeys(b);
}
