// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest may do to the model's Ethernet that no driver does: WQEs,
 * doorbell records and doorbells, receive WQEs, commands and images that are
 * nearly right.  The model may refuse all of it; that it lives, and passes
 * frames after a reset, is the test.  With `lab run --sanitize` it also
 * watches itself.
 *
 * FUZZ_SEED and FUZZ_SECONDS: where it begins, and for how long it goes on.
 * The bus addresses that it invents lead nowhere, or to memory of its own
 * that nothing else is in: what it tests is the model, not itself.
 */
#include <stdlib.h>
#include <time.h>

#include "../lib/fweth.h"
#include "../lib/lab.h"
#include "../lib/random.h"
#include "bench.h"

enum { PAGE = 4096, FRAMES = 4 * PAGE, STEPS = 200, RING = 1 << ETH_LOG_QUEUE, MAX_BLOCKS = 16 };

static uint64_t state;

static uint32_t any(uint32_t below)
{
    return random_below(&state, below);
}

static uint64_t any64(void)
{
    return (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);
}

/* Of small numbers, their neighbours, powers of two, and all others. */
static uint32_t any_value(void)
{
    switch (any(4)) {
    case 0: return any(20);
    case 1: return (1u << any(32)) - any(2);
    case 2: return -any(20);
    }
    return any64();
}

static void spoil(uint8_t *p, uint32_t len, unsigned times)
{
    for (; times && len; times--) {
        uint32_t at = any(len);

        p[at] = any(2) ? p[at] ^ 1 << any(8) : (uint8_t)any(256);
    }
}

/* ---- frames ---- */

static void put16(uint8_t *p, unsigned x)
{
    p[0] = x >> 8;
    p[1] = x;
}

/* IPv4 or IPv6 with TCP or UDP, perhaps tagged; value: the length of its headers. */
static uint32_t any_frame(uint8_t *p, const uint8_t *to, const uint8_t *from)
{
    bool v6 = any(2), udp = any(2);
    uint32_t at = 12;

    for (uint32_t i = 0; i < FRAMES; i += 8)
        ifc_set(p + i, 0, 64, any64());
    memcpy(p, to, 6);
    memcpy(p + 6, from, 6);
    if (!any(8))
        p[0] |= 1;
    for (unsigned n = any(3) ? 0 : any(3); n; n--, at += 4)
        put16(p + at, any(2) ? 0x8100 : 0x88a8);
    put16(p + at, v6 ? 0x86dd : 0x0800);
    at += 2;
    p[at] = v6 ? 0x60 : 0x45;
    put16(p + at + (v6 ? 4 : 2), any(3000));
    p[at + (v6 ? 6 : 9)] = udp ? 17 : 6;
    if (!v6)
        put16(p + at + 6, any(8) ? 0 : any_value());
    at += v6 ? 40 : 20;
    if (!udp)
        p[at + 12] = 0x50;
    return at + (udp ? 8 : 20);
}

/* ---- queues ---- */

static uint64_t any_address(const struct fw *fw, const struct fw_eth *e)
{
    return any(10) ? fw_iova(fw, e->frames + any(FRAMES)) : NO_IOVA + any(PAGE);
}

/* A WQE with headers inline and the rest in memory, as drivers make them, then not quite. */
static void any_wqe(struct fw *fw, struct fw_eth *e, const uint8_t *to)
{
    static const uint8_t opcodes[] = { WQE_OP_SEND, WQE_OP_SEND, WQE_OP_SEND, WQE_OP_LSO, WQE_OP_LSO, WQE_OP_NOP };
    uint8_t wqe[MAX_BLOCKS * WQEBB] = { 0 }, *frame = fw->ram + e->frames;
    uint32_t header = any_frame(frame, to, e->mac), units, at;
    uint8_t opcode = any(12) ? opcodes[any(sizeof(opcodes))] : any(256);

    header = opcode == WQE_OP_LSO && any(8) ? header : any(3) ? (uint32_t[]){ 0, 18, 22 }[any(3)] : any(200);
    ifc_set(wqe, 0, 32, (uint32_t)e->send_pc << 8 | opcode);
    wqe[WQE_FLAGS] = any(4) ? WQE_CE_ALWAYS : 0;
    wqe[WQE_ETH_CS] = any(4) ? WQE_CS_L3 | WQE_CS_L4 : any(256);
    put16(wqe + WQE_ETH_MSS, any(3) ? (uint32_t[]){ 100, 536, 1448, 8960 }[any(4)] : any_value());
    put16(wqe + WQE_ETH_INLINE_SIZE, header);
    memcpy(wqe + WQE_ETH_INLINE, frame, header);
    at = (WQE_ETH_INLINE + (header < 2 ? 2 : header) + WQE_UNIT - 1) / WQE_UNIT * WQE_UNIT;
    for (unsigned n = opcode == WQE_OP_NOP ? 0 : any(4); n && at < sizeof(wqe); n--, at += WQE_UNIT) {
        ifc_set(wqe + at + DATA_SIZE, 0, 32, any(12) ? any(2000) : any_value());
        ifc_set(wqe + at + DATA_KEY, 0, 32, any(20) ? e->key : any_value());
        ifc_set(wqe + at + DATA_ADDR, 0, 64, any_address(fw, e));
    }
    units = any(16) ? at / WQE_UNIT : any(64);
    ifc_set(wqe + WQE_QPN_DS, 0, 32, e->sqn << 8 | (units & 0x3f));
    spoil(wqe, at, any(3) ? 0 : any(4));
    for (unsigned i = 0; i * 4 < units && i < MAX_BLOCKS; i++)
        memcpy(fw->ram + e->send_ring + ((e->send_pc + i) & (RING - 1)) * WQEBB, wqe + i * WQEBB, WQEBB);
    e->send_pc += (units + 3) / 4;
}

static void any_doorbell(struct fw *fw, const struct fw_eth *e)
{
    volatile uint8_t *page = fw->bar + (any(20) ? e->uar : UAR_FIRST + any(UAR_LAST - UAR_FIRST)) * PAGE;
    uint32_t at = any(20) ? UAR_DOORBELL + (any(2) << LOG_BF_REG_SIZE) : any(PAGE / 8) * 8;
    uint32_t sqn = any(10) ? e->sqn : any_value();

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (any(8))
        *(volatile uint64_t *)(page + at) = htobe64((uint64_t)e->send_pc << 40 | (sqn & 0xffffff) << 8 | 1);
    else
        *(volatile uint32_t *)(page + at + any(2) * 4) = htobe32(any_value());
}

/* Where a frame is written to is memory for frames, whatever else is wrong. */
static void any_receive(struct fw *fw, struct fw_eth *e)
{
    unsigned n = any(RING);

    for (unsigned i = 0; i < RING; i++) {
        uint8_t *wqe = fw->ram + e->recv_ring + i * WQE_UNIT;

        if (any(8))
            continue;
        ifc_set(wqe + DATA_SIZE, 0, 32, any(4) ? any(4096) : any_value());
        ifc_set(wqe + DATA_KEY, 0, 32, any(4) ? e->key : any_value());
        ifc_set(wqe + DATA_ADDR, 0, 64, any(8) ? fw_iova(fw, e->buffers + any(ETH_BUFFER)) : NO_IOVA);
    }
    if (any(8))
        fw_eth_post(fw, e, n);
    else
        fw_record_write(fw, e->recv_record + WQ_DBR_RECV, any_value());
}

static void reap(struct fw *fw, struct fw_eth *e)
{
    while (fw_cq_next(fw, &e->send_cq) || fw_cq_next(fw, &e->recv_cq))
        ;
    if (!any(4))
        fw_cq_arm(fw, any(2) ? &e->send_cq : &e->recv_cq);
    while (fw_eq_next(fw, &e->eq))
        ;
    fw_eq_update(fw, &e->eq, any(2));
}

/* As a driver takes a queue out of its error state; -1: the device refused. */
static int restart(struct fw *fw, unsigned modify, unsigned query, uint32_t id)
{
    int was = fw_eth_state(fw, query, id);
    struct fw_cmd c;

    if (was < 0)
        return -1;
    fw_eth_state_cmd(&c, modify, id, was, WQ_RST);
    if (was != WQ_RST && fw_status(fw_exec(fw, &c)))
        return -1;
    fw_eth_state_cmd(&c, modify, id, WQ_RST, WQ_RDY);
    return fw_status(fw_exec(fw, &c)) ? -1 : 0;
}

static bool recover(struct fw *fw, struct fw_eth *e)
{
    fw_record_write(fw, e->send_record + WQ_DBR_SEND, 0);
    fw_record_write(fw, e->recv_record + WQ_DBR_RECV, 0);
    e->send_pc = e->recv_pc = 0;
    return !restart(fw, OP_MODIFY_SQ, OP_QUERY_SQ, e->sqn) && !restart(fw, OP_MODIFY_RQ, OP_QUERY_RQ, e->rqn);
}

static void queue_step(struct fw *fw, struct fw_eth *e, const uint8_t *to)
{
    switch (any(12)) {
    case 0:
        any_receive(fw, e);
        break;
    case 1:
        reap(fw, e);
        break;
    case 2:
        recover(fw, e);
        break;
    default:
        for (unsigned n = 1 + any(4); n; n--)
            any_wqe(fw, e, to);
        fw_record_write(fw, e->send_record + WQ_DBR_SEND, any(30) ? e->send_pc : any_value());
        any_doorbell(fw, e);
    }
}

/* ---- commands ---- */

static void any_input(struct fw *fw, struct fw_cmd *c, struct fw_eth *e)
{
    static void (*const build[])(struct fw *, struct fw_cmd *, const struct fw_eth *) = {
        fw_eth_tis_cmd, fw_eth_rqt_cmd, fw_eth_tir_cmd, fw_eth_table_cmd, fw_eth_root_cmd, fw_eth_group_cmd,
        fw_eth_entry_cmd, fw_eth_entry_cmd, fw_eth_list_cmd, fw_eth_bus_key_cmd,
    };
    static const uint16_t ranges[][2] = { { 0x100, 0x10f }, { 0x200, 0x206 }, { 0x300, 0x303 }, { 0x400, 0x403 }, { 0x500, 0x505 },
                                          { 0x750, 0x756 }, { 0x770, 0x773 }, { 0x800, 0x81f }, { 0x900, 0x93f } };
    unsigned range = any(sizeof(ranges) / sizeof(ranges[0]));
    struct fw_eth copy = *e;

    switch (any(6)) {
    case 0:
        fw_eth_sq_cmd(fw, c, &copy);
        break;
    case 1:
        fw_eth_rq_cmd(fw, c, &copy);
        break;
    case 2:
        fw_eth_state_cmd(c, any(2) ? OP_MODIFY_SQ : OP_MODIFY_RQ, any(4) ? any(8) : any_value(), any(4), any(4));
        break;
    case 3:
        fw_cmd_init(c, ranges[range][0] + any(ranges[range][1] - ranges[range][0] + 1), any(4) ? 0 : any_value() & 0xffff,
                    16 + any(1024), 16 + any(1024));
        for (unsigned i = 8; i < 16 + any(500); i += 4)
            ifc_set(c->in + i, 0, 32, any(3) ? any(10) : any_value());
        break;
    default:
        build[any(sizeof(build) / sizeof(build[0]))](fw, c, e);
    }
}

/* What the device may write to by itself stays what it was. */
static void command_step(struct fw *fw, struct fw_eth *e)
{
    uint32_t used = fw->m.used;
    uint64_t record;
    struct fw_cmd c;
    uint16_t opcode;

    any_input(fw, &c, e);
    opcode = ifc_get(c.in, 0, 16);
    record = ifc_get(c.in, F_WQ_DBR_ADDR);
    if (any(4))
        spoil(c.in + 4, c.head_len > WQ_PAS ? WQ_PAS - 4 : c.head_len - 4, any(5));
    if (opcode == OP_CREATE_SQ || opcode == OP_CREATE_RQ)
        ifc_set(c.in, F_WQ_DBR_ADDR, record);
    if (!any(8))
        c.head_len = c.head_len > 16 ? 16 + any(c.head_len - 16) : c.head_len;
    if (opcode != OP_TEARDOWN_HCA && opcode != OP_CREATE_EQ && opcode != OP_CREATE_CQ && opcode != OP_CREATE_QP)
        fw_exec(fw, &c);
    if (fw->m.used > VF_RAM / 2)
        fw_free_to(fw, used);
}

/* ---- images ---- */

/* The objects of an image are changed, and its checksums fit: the function it becomes sends, and is sent to. */
static void spoil_image(uint8_t *p, uint32_t len)
{
    uint32_t objects = image_objects(p, len);

    spoil(p + len - objects, objects, 1 + any(4));
    image_seal(p, len);
}

static void image_steps(struct bench *b, const struct buffer *buf, struct fw_eth e[2])
{
    const struct vf *from = &b->vf[0];
    uint8_t *data = bench_data(b, buf), *whole;
    uint32_t len, next;

    if (vhca_stop(b, from->id) || vhca_save(b, from->id, false, false, buf, &len, &next))
        tap_bail("a VF with queues cannot be saved");
    whole = malloc(len);
    memcpy(whole, data, len);
    for (unsigned n = 0; n < 8; n++) {
        struct vf *to = bench_running_vf(b, 2);

        if (vhca_stop(b, to->id))
            tap_bail("a VF does not stop");
        memcpy(data, whole, len);
        spoil_image(data, len);
        if (!vhca_load(b, to->id, buf, len) && !vhca_start(b, to->id))
            for (unsigned i = 0; i < 8; i++) {
                queue_step(&b->vf[1].fw, &e[1], e[0].mac);
                *(volatile uint64_t *)(to->fw.bar + (UAR_FIRST + any(4)) * PAGE + UAR_DOORBELL) =
                    htobe64((uint64_t)(1 + any(3)) << 8 | 1);
            }
    }
    free(whole);
}

/* ---- rounds ---- */

/* A frame arrives as it was sent, once what was spoilt of the queues is as it was. */
static bool passes_frames(struct vf *from, struct fw_eth *f, struct vf *to, struct fw_eth *t)
{
    uint8_t *frame = from->ram + f->frames;
    const uint8_t *cqe = NULL;
    uint32_t slot;

    if (!recover(&from->fw, f) || !recover(&to->fw, t))
        return false;
    reap(&from->fw, f);
    reap(&to->fw, t);
    fw_eth_post(&to->fw, t, 4);
    for (unsigned i = 0; i < 100; i++)
        frame[i] = i * 3;
    memcpy(frame, t->mac, 6);
    memcpy(frame + 6, f->mac, 6);
    put16(frame + 12, 0x88b5);
    fw_eth_wqe(&from->fw, f, 100);
    fw_eth_send(&from->fw, f, 1, true);
    while (wait_until((cqe = fw_cq_next(&to->fw, &t->recv_cq)), 2000)) {
        slot = ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) & (RING - 1);
        if (!memcmp(to->ram + t->buffers + slot * ETH_BUFFER, frame, 100))
            return true;
    }
    return false;
}

static void create_both(struct bench *b, struct fw_eth e[2])
{
    for (unsigned i = 0; i < 2; i++)
        fw_eth_create(&bench_running_vf(b, i)->fw, &e[i]);
}

static bool queue_round(struct vf *v, struct fw_eth e[2])
{
    for (unsigned n = 0; n < STEPS; n++) {
        unsigned i = any(2);

        queue_step(&v[i].fw, &e[i], e[any(8) ? !i : i].mac);
    }
    return passes_frames(&v[0], &e[0], &v[1], &e[1]);
}

static bool command_round(struct bench *b, struct fw_eth e[2])
{
    for (unsigned n = 0; n < STEPS; n++) {
        unsigned i = any(2);

        command_step(&b->vf[i].fw, &e[i]);
        if (!any(4))
            queue_step(&b->vf[i].fw, &e[i], e[!i].mac);
    }
    create_both(b, e);
    return passes_frames(&b->vf[0], &e[0], &b->vf[1], &e[1]);
}

static bool image_round(struct bench *b, const struct buffer *buf, struct fw_eth e[2])
{
    for (unsigned n = 0; n < 20; n++)
        queue_step(&b->vf[0].fw, &e[0], e[1].mac);
    image_steps(b, buf, e);
    create_both(b, e);
    return passes_frames(&b->vf[0], &e[0], &b->vf[1], &e[1]);
}

static bool one_round(struct bench *b, const struct buffer *buf, unsigned kind)
{
    struct fw_eth e[2];

    create_both(b, e);
    switch (kind) {
    case 0:
        return command_round(b, e);
    case 1:
        return image_round(b, buf, e);
    }
    return queue_round(b->vf, e);
}

void test_fuzz(struct bench *b)
{
    const char *seed = getenv("FUZZ_SEED"), *seconds = getenv("FUZZ_SECONDS");
    uint64_t first = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL), n;
    double until = now_ms() + (seconds ? atof(seconds) : 20) * 1000;
    struct buffer buf = bench_buffer(b, 32 << 20);
    bool good = true;

    lab_expect("DMAR: ");
    tap_diag("FUZZ_SEED=%llu", (unsigned long long)first);
    for (n = 0; good && (n < 4 || now_ms() < until); n++) {
        state = (first + n) * 0x9e3779b97f4a7c15ull + 1;
        good = one_round(b, &buf, (first + n) % 4);
    }
    ok(good, "%llu rounds; the last one begins again with FUZZ_SEED=%llu", (unsigned long long)n,
       (unsigned long long)(first + n - 1));
    bench_free_buffer(b, &buf);
}
