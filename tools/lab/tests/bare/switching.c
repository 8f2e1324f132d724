// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who gets a frame: the switch among functions.  Each of them has a rule that
 * takes whatever the switch gives it, so that the switch alone decides; the
 * first one sends.
 */
#include "../lib/fweth.h"
#include "bench.h"

enum { MAC = 6, SIZE = 64, WHO = 14, MARKER = 0xff, PATIENCE = 5000, EVERYTHING = 8 };

static struct fw_eth eth[BENCH_VFS];
static const uint8_t marker[MAC] = { 0x03, 0xff }, group[MAC] = { 0x03, 0x01 }, nobody[MAC] = { 0x02, 0x77 };

/* The last rule, without criteria. */
static void take_everything(struct fw *fw, const struct fw_eth *e)
{
    struct fw_eth all = *e;
    struct fw_cmd c;

    fw_eth_group_cmd(fw, &c, e);
    cmd_set(&c, F_FG_START, EVERYTHING);
    cmd_set(&c, F_FG_END, EVERYTHING);
    cmd_set(&c, F_FG_ENABLE, 0);
    memset(c.in + FG_CRITERIA, 0, MATCH_PARAM_SIZE);
    all.group = fw_must(fw, &c, "CREATE_FLOW_GROUP");
    fw_eth_entry_cmd(fw, &c, &all);
    cmd_set(&c, F_FTE_INDEX, EVERYTHING);
    memset(c.in + FTE_VALUE, 0, MATCH_PARAM_SIZE);
    fw_must(fw, &c, "SET_FLOW_TABLE_ENTRY");
}

static void set_list(struct fw *fw, const struct fw_eth *e, unsigned type, const uint8_t *const macs[], unsigned n)
{
    uint8_t *ctx;
    struct fw_cmd c;

    fw_eth_list_cmd(fw, &c, e);
    ctx = c.in + NVC_MODIFY_IN;
    c.head_len = 512 + n * NVC_LIST_ENTRY;
    ifc_set(ctx, F_NVC_LIST_TYPE, type);
    ifc_set(ctx, F_NVC_LIST_SIZE, n);
    for (unsigned i = 0; i < n; i++)
        memcpy(ctx + NVC_LIST + i * NVC_LIST_ENTRY + 2, macs[i], MAC);
    fw_must(fw, &c, "MODIFY_NIC_VPORT_CONTEXT of a list");
}

static void set_promiscuous(struct fw *fw, const struct fw_eth *e, bool uc, bool mc, bool all)
{
    struct fw_cmd c;

    fw_eth_list_cmd(fw, &c, e);
    cmd_set(&c, F_NIC_VPORT_SELECT, NIC_VPORT_PROMISC);
    ifc_set(c.in + NVC_MODIFY_IN, F_NVC_PROMISC_UC, uc);
    ifc_set(c.in + NVC_MODIFY_IN, F_NVC_PROMISC_MC, mc);
    ifc_set(c.in + NVC_MODIFY_IN, F_NVC_PROMISC_ALL, all);
    fw_must(fw, &c, "MODIFY_NIC_VPORT_CONTEXT of promiscuous bits");
}

static void send_to(struct bench *b, const uint8_t *mac, uint8_t who)
{
    struct fw *fw = &b->vf[0].fw;
    struct fw_eth *e = &eth[0];
    uint8_t *frame = fw->ram + e->frames;
    uint16_t counter = e->send_pc;
    const uint8_t *cqe = NULL;

    memset(frame, 0, SIZE);
    memcpy(frame, mac, MAC);
    memcpy(frame + MAC, e->mac, MAC);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    frame[WHO] = who;
    fw_eth_wqe(fw, e, SIZE);
    fw_eth_send(fw, e, 1, true);
    if (!wait_until((cqe = fw_cq_next(fw, &e->send_cq)), PATIENCE) || ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) != counter)
        tap_bail("a frame is not sent");
}

/* What the next frame of a function was made as; -1: there is none. */
static int next_of(struct bench *b, unsigned n, unsigned ms)
{
    struct fw *fw = &b->vf[n].fw;
    struct fw_eth *e = &eth[n];
    const uint8_t *cqe = NULL;
    uint32_t slot;
    int who;

    if (!wait_until((cqe = fw_cq_next(fw, &e->recv_cq)), ms))
        return -1;
    slot = ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) & ((1 << ETH_LOG_QUEUE) - 1);
    who = fw->ram[e->buffers + slot * ETH_BUFFER + WHO];
    fw_eth_post(fw, e, 1);
    return who;
}

/*
 * Sends one frame to an address, and a marker behind it to all who run.  Value: who had
 * the first one before the marker, a bit each.
 */
static unsigned receivers(struct bench *b, const uint8_t *mac, unsigned running)
{
    static uint8_t who;
    unsigned had = 0;
    int got;

    who = who % 100 + 1;
    send_to(b, mac, who);
    send_to(b, marker, MARKER);
    for (unsigned n = 1; n < BENCH_VFS; n++) {
        while (running >> n & 1 && (got = next_of(b, n, PATIENCE)) != MARKER) {
            if (got < 0)
                tap_bail("VF %u hears nothing any more", n);
            had |= (got == who) << n;
        }
    }
    /* it is in nobody's list of groups that the first one joined */
    while ((got = next_of(b, 0, 0)) >= 0)
        had |= got == who;
    return had;
}

static void open_all(struct bench *b)
{
    const uint8_t *const joined[] = { marker };

    for (unsigned n = 0; n < BENCH_VFS; n++) {
        struct fw *fw = &bench_running_vf(b, n)->fw;

        fw_eth_create(fw, &eth[n]);
        take_everything(fw, &eth[n]);
        fw_eth_post(fw, &eth[n], 8);
        if (n)
            set_list(fw, &eth[n], NVC_LIST_MC, joined, 1);
    }
}

static void test_addresses(struct bench *b)
{
    const uint8_t *const groups[] = { marker, group };
    uint64_t unwanted = ctl_counter(b->control, COUNTER_FRAMES_UNWANTED);

    ok_eq(receivers(b, eth[1].mac, 0xe), 1 << 1, "a frame to one address goes to its function");
    ok_eq(receivers(b, nobody, 0xe), 0, "to nobody's: nowhere");
    ok_eq(receivers(b, group, 0xe), 0, "so does one to a group without members");
    ok_eq(ctl_counter(b->control, COUNTER_FRAMES_UNWANTED) - unwanted, 2, "these are counted");
    set_list(&b->vf[1].fw, &eth[1], NVC_LIST_MC, groups, 2);
    set_list(&b->vf[0].fw, &eth[0], NVC_LIST_MC, groups, 2);
    ok_eq(receivers(b, group, 0xe), 1 << 1, "a group's go to its member, and not to a member that sends");
    set_list(&b->vf[0].fw, &eth[0], NVC_LIST_MC, groups, 0);
    set_promiscuous(&b->vf[2].fw, &eth[2], false, true, false);
    ok_eq(receivers(b, group, 0xe), 1 << 1 | 1 << 2, "and to who takes all groups");
    ok_eq(receivers(b, eth[1].mac, 0xe), 1 << 1, "who has no copy of others");
    set_promiscuous(&b->vf[2].fw, &eth[2], true, false, false);
    unwanted = ctl_counter(b->control, COUNTER_FRAMES_UNWANTED);
    ok_eq(receivers(b, eth[1].mac, 0xe), 1 << 1 | 1 << 2, "unless he asks for that");
    ok_eq(ctl_counter(b->control, COUNTER_FRAMES_UNWANTED), unwanted, "and no frame that somebody got counts as unwanted");
    ok_eq(receivers(b, group, 0xe), 1 << 1, "which is not about groups");
    set_promiscuous(&b->vf[2].fw, &eth[2], false, false, false);
    set_promiscuous(&b->vf[3].fw, &eth[3], false, false, true);
    ok_eq(receivers(b, eth[1].mac, 0xe), 1 << 1 | 1 << 3, "who listens to everything has a copy");
    ok_eq(receivers(b, nobody, 0xe), 1 << 3, "also of what is nobody's");
    ok_eq(receivers(b, group, 0xe), 1 << 1 | 1 << 3, "and of groups");
    set_promiscuous(&b->vf[3].fw, &eth[3], false, false, false);
    ok_eq(receivers(b, eth[0].mac, 0xe), 0, "nobody gets what is for the sender");
}

/* As when a function's state was loaded into another: two have an address. */
static void test_twins(struct bench *b)
{
    const uint8_t *const both[] = { eth[2].mac, eth[1].mac };
    uint64_t dropped;

    set_list(&b->vf[2].fw, &eth[2], NVC_LIST_UC, both, 2);
    ok_eq(receivers(b, eth[1].mac, 0xe), 1 << 1, "of two functions with one address the first has it");
    ok_eq(vhca_suspend(b, b->vf[1].id, SUSPEND_INITIATOR), ST_OK, "it is suspended");
    ok_eq(receivers(b, eth[1].mac, 0xc), 1 << 2, "then the other one has it");
    ok_eq(vhca_suspend(b, b->vf[1].id, SUSPEND_RESPONDER), ST_OK, "it is stopped");
    ok_eq(receivers(b, eth[1].mac, 0xc), 1 << 2, "then, too");
    dropped = ctl_counter(b->control, COUNTER_FRAMES_DROPPED);
    set_list(&b->vf[2].fw, &eth[2], NVC_LIST_UC, both, 1);
    ok_eq(receivers(b, eth[1].mac, 0xc), 0, "when no other has it, nobody gets it");
    ok_eq(ctl_counter(b->control, COUNTER_FRAMES_DROPPED) - dropped, 2, "it is dropped and counted, like the group's");
    ok_eq(vhca_start(b, b->vf[1].id), ST_OK, "it goes on");
    ok_eq(receivers(b, eth[1].mac, 0xe), 1 << 1, "and gets what comes then");
}

/* With a reset goes all that a function wanted. */
static void test_gone(struct bench *b)
{
    bench_running_vf(b, 1);
    ok_eq(receivers(b, eth[1].mac, 0xc), 0, "after a reset nobody has its address");
    ok_eq(receivers(b, eth[2].mac, 0xc), 1 << 2, "but others have theirs");
}

void test_switching(struct bench *b)
{
    open_all(b);
    test_addresses(b);
    test_twins(b);
    test_gone(b);
}
