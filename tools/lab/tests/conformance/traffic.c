// SPDX-License-Identifier: GPL-2.0-or-later
#include "../lib/fweth.h"
#include "../lib/tap.h"
#include "traffic.h"

enum { PAGE = 4096, RING = 1 << ETH_LOG_QUEUE, PLACE = 1024, NUMBER = 14, CONTENT = 22, TYPE = 0x88b5 };

/* At the start of the memory. */
struct traffic {
    struct fw fw;
    struct fw_eth eth;
    uint64_t posted, seen;
    uint64_t ran;               /* the last one posted while the device ran */
    uint64_t excused;           /* as it was when the device had stopped: those up to it may be lost */
    uint16_t sent, received;    /* of the next completion's WQE */
};

/* A frame to this address of its own comes back. */
static void loop_back(struct fw *fw, const struct fw_eth *e)
{
    struct fw_cmd c;

    fw_eth_tir_cmd(fw, &c, e);
    cmd_set(&c, F_IN_OPCODE, OP_MODIFY_TIR);
    cmd_set(&c, F_IN_ID24, e->tirn);
    cmd_set(&c, F_MODIFY_BITS, TIR_MODIFY_SELF_LB);
    cmd_set(&c, F_TIR_SELF_LB, SELF_LB_UNICAST);
    fw_must(fw, &c, "MODIFY_TIR");
}

struct traffic *traffic_open(void *bar, void *memory, uint64_t iova, size_t size, bool fresh)
{
    struct traffic *t = memory;

    if (!fresh) {
        t->fw.bar = bar;
        t->excused = t->ran;
        return t;
    }
    *t = (struct traffic){ 0 };
    fw_attach(&t->fw, bar, (uint8_t *)memory + PAGE, iova + PAGE, size - PAGE);
    /* nothing of an earlier driver, if there was one, may share the memory */
    fw_queue_start(&t->fw);
    fw_do(&t->fw, OP_TEARDOWN_HCA, 0, 0, NULL);
    if (!fw_start(&t->fw))
        tap_bail("the function's firmware interface does not start");
    fw_eth_create(&t->fw, &t->eth);
    loop_back(&t->fw, &t->eth);
    fw_eth_post(&t->fw, &t->eth, RING);
    return t;
}

static uint32_t length(uint64_t number)
{
    return CONTENT + 40 + number * 37 % (PLACE - CONTENT - 40);
}

static uint8_t content(uint64_t number, uint32_t at)
{
    return (number * 0x9e3779b97f4a7c15ull >> 32) + at * 7;
}

static void send_one(struct traffic *t)
{
    struct fw_eth *e = &t->eth;
    uint32_t place = e->frames + (e->send_pc & (RING - 1)) * PLACE, len = length(++t->posted);
    uint8_t *frame = t->fw.ram + place, *wqe = fw_eth_wqe(&t->fw, e, len);

    memcpy(frame, e->mac, 6);
    memcpy(frame + 6, e->mac, 6);
    ifc_set(frame + 12, 0, 16, TYPE);
    ifc_set(frame + NUMBER, 0, 64, t->posted);
    for (uint32_t i = CONTENT; i < len; i++)
        frame[i] = content(t->posted, i);
    ifc_set(wqe + WQE_ETH_END + DATA_ADDR, 0, 64, fw_iova(&t->fw, place));
    fw_eth_send(&t->fw, e, 1, true);
}

uint64_t traffic_post(struct traffic *t, unsigned count, bool runs)
{
    if (!runs)
        t->excused = t->ran;
    if (t->posted - t->seen + count > RING)
        tap_bail("%u more messages do not fit into the queue", count);
    for (; count; count--)
        send_one(t);
    if (runs)
        t->ran = t->posted;
    return t->posted;
}

static void take_completions(struct traffic *t)
{
    const uint8_t *cqe;

    while ((cqe = fw_cq_next(&t->fw, &t->eth.send_cq))) {
        uint16_t counter = ifc_get(cqe + CQE_WQE_COUNTER, 0, 16);

        if (cqe[CQE_OP_OWN] >> 4 != CQE_OP_REQ || counter != t->sent)
            tap_bail("WQE %u was to complete, %u did, with opcode %u", t->sent, counter, cqe[CQE_OP_OWN] >> 4);
        t->sent++;
    }
}

/* The next message must be one that was posted behind the last, and whole. */
static void take_message(struct traffic *t, const uint8_t *frame, uint32_t len)
{
    uint64_t number = ifc_get(frame + NUMBER, 0, 64);

    if (number <= t->seen || number > t->posted || (number != t->seen + 1 && number > t->excused + 1))
        tap_bail("message %llu came behind %llu; those up to %llu may be missing", (unsigned long long)number,
                 (unsigned long long)t->seen, (unsigned long long)t->excused);
    if (len != length(number) || memcmp(frame, t->eth.mac, 6))
        tap_bail("message %llu has %u bytes, not %u", (unsigned long long)number, len, length(number));
    for (uint32_t i = CONTENT; i < len; i++)
        if (frame[i] != content(number, i))
            tap_bail("message %llu is not what was sent, from byte %u on", (unsigned long long)number, i);
    t->seen = number;
}

uint64_t traffic_seen(struct traffic *t)
{
    const uint8_t *cqe;

    take_completions(t);
    while ((cqe = fw_cq_next(&t->fw, &t->eth.recv_cq))) {
        uint16_t counter = ifc_get(cqe + CQE_WQE_COUNTER, 0, 16);

        if (cqe[CQE_OP_OWN] >> 4 != CQE_OP_RESP_SEND || counter != t->received)
            tap_bail("receive WQE %u was to complete, %u did, with opcode %u", t->received, counter, cqe[CQE_OP_OWN] >> 4);
        take_message(t, t->fw.ram + t->eth.buffers + (counter & (RING - 1)) * ETH_BUFFER, ifc_get(cqe + CQE_BYTE_CNT, 0, 32));
        t->received++;
        fw_eth_post(&t->fw, &t->eth, 1);
    }
    return t->seen;
}
