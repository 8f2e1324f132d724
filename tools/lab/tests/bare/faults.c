// SPDX-License-Identifier: GPL-2.0-or-later
/* The control block: each knob does what lab.h says, and each counter counts. */
#include "refusals.h"

enum { PAGE = 4096, LATE_US = 200000 };

static struct fw_result issi(struct fw *fw)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    return fw_exec(fw, &c);
}

static bool struck(struct fw_result r)
{
    return r.status == ST_INTERNAL_ERR && r.syndrome == 0x123456;
}

static const struct fault fail_issi = {
    .opcode = OP_QUERY_ISSI, .times = 1, .action = FAULT_FAIL,
    .status = ST_INTERNAL_ERR, .syndrome = 0x123456,
};

static void test_fail(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    uint64_t hits = ctl_read(b->control, CB_FAULT_HITS);
    struct fault f = fail_issi;

    f.nth = 3;
    f.times = 2;
    ctl_arm(b->control, f);
    ok_eq(ctl_read(b->control, CB_FAULT_ARM), 1, "a fault is armed");
    ok(!issi(&v->fw).status && !issi(&v->fw).status, "it does not strike the first two");
    ok(struck(issi(&v->fw)), "it strikes the third");
    ok(struck(issi(&v->fw)), "and the fourth, as TIMES says");
    ok(!issi(&v->fw).status, "and not the fifth");
    ok_eq(ctl_read(b->control, CB_FAULT_ARM), 0, "then it is disarmed");
    ok_eq(ctl_read(b->control, CB_FAULT_HITS), hits + 2, "both hits are counted");

    f = fail_issi;
    f.vhca_id = w->id;
    ctl_arm(b->control, f);
    ok(!issi(&v->fw).status, "a fault for one VHCA leaves the others alone");
    ok(struck(issi(&w->fw)), "and strikes that one");

    f = fail_issi;
    f.times = 0;
    ctl_arm(b->control, f);
    for (unsigned i = 0; i < 5; i++)
        if (!struck(issi(&v->fw)))
            ok(false, "a fault for ever strikes each time");
    ctl_disarm(b->control);
    ok(!issi(&v->fw).status, "a fault for ever strikes until it is disarmed");

    f = fail_issi;
    f.opcode = 0;
    ctl_arm(b->control, f);
    ok_eq(fw_do(&v->fw, OP_ALLOC_PD, 0, 0, NULL), ST_INTERNAL_ERR,
          "opcode 0 means any command");
    ok_eq(ctl_objects(b->control, v->id, OBJECT_PD), 0, "which then did nothing");
}

/* A fault for a VHCA strikes commands of the PF about it. */
static void test_about(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct fault f = fail_issi;
    struct required need;

    f.opcode = OP_QUERY_VHCA_MIGRATION_STATE;
    f.vhca_id = w->id;
    ctl_arm(b->control, f);
    ok_eq(vhca_query(b, v->id, false, false, &need), ST_OK, "QUERY about another VHCA");
    ok_eq(vhca_query(b, w->id, false, false, &need), ST_INTERNAL_ERR,
          "a fault for a VHCA strikes the PF's command about it");
}

static void test_limit(struct bench *b)
{
    for (unsigned i = 0; i < CONTROL_MAX_FAULTS + 2; i++) {
        struct fault f = fail_issi;

        f.nth = 1000;
        ctl_arm(b->control, f);
    }
    ok_eq(ctl_read(b->control, CB_FAULT_ARM), CONTROL_MAX_FAULTS, "so many faults can be armed");
    ctl_disarm(b->control);
    ok_eq(ctl_read(b->control, CB_FAULT_ARM), 0, "and all disarmed");
}

static void test_delay(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd slow, quick, *list[2] = { &slow, &quick };
    struct fault f = { .opcode = OP_ALLOC_PD, .times = 1, .action = FAULT_DELAY,
                       .delay_us = LATE_US };

    ctl_arm(b->control, f);
    fw_cmd_init(&slow, OP_ALLOC_PD, 0, 16, 16);
    fw_cmd_init(&quick, OP_ALLOC_UAR, 0, 16, 16);
    fw_post_all(&v->fw, list, 2);
    fw_collect(&v->fw, &quick, FW_TIMEOUT);
    ok_eq(fw_status(quick.r), ST_OK, "a later command overtakes a delayed one");
    ok(!fw_completed(&v->fw, &slow), "which has not completed");
    ok_eq(ctl_objects(b->control, v->id, OBJECT_PD), 1, "but was executed");
    ok_eq(fw_status(fw_collect(&v->fw, &slow, FW_TIMEOUT)), ST_OK, "and completes in the end");
}

static void test_never(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd lost, c;
    struct fault f = { .opcode = OP_ALLOC_PD, .times = 1, .action = FAULT_NEVER };

    ctl_arm(b->control, f);
    fw_cmd_init(&lost, OP_ALLOC_PD, 0, 16, 16);
    fw_post(&v->fw, &lost);
    for (unsigned i = 0; i < 20; i++)
        issi(&v->fw);
    ok(!fw_completed(&v->fw, &lost), "a lost command does not complete while others do");
    ok(ctl_objects(b->control, v->id, OBJECT_COMMAND) == 1 &&
       ctl_objects(b->control, v->id, OBJECT_PD) == 0, "it is in flight and was not executed");
    fw_ring(&v->fw, 1u << lost.slot);
    ok_eq(fw_status(fw_collect(&v->fw, &lost, FW_TIMEOUT)), ST_OK,
          "its slot can be used again");
    ctl_arm(b->control, f);
    fw_cmd_init(&lost, OP_ALLOC_PD, 0, 16, 16);
    fw_post(&v->fw, &lost);
    v = bench_running_vf(b, 0);
    ok_eq(ctl_objects(b->control, v->id, OBJECT_COMMAND), 0, "a reset forgets a lost command");
    fw_cmd_init(&c, OP_ALLOC_PD, 0, 16, 16);
    accepted(&v->fw, &c, "a command after the reset");
}

static void test_dma(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf = bench_buffer(b, 2 << 20);
    struct fault f = { .opcode = OP_QUERY_ISSI, .times = 1, .action = FAULT_DMA };
    uint32_t len;

    ctl_arm(b->control, f);
    ok_eq(issi(&v->fw).delivery, DELIVERY_OUT_PTR, "a DMA fault of a command's output");
    wl_fill(v->wl, 0, 64 * PAGE, 51);
    vhca_stop(b, v->id);
    f.opcode = OP_SAVE_VHCA_STATE;
    ctl_arm(b->control, f);
    ok_eq(vhca_save(b, v->id, false, false, &buf, &len, NULL), ST_BAD_PARAM, "of SAVE's data");
    ok_eq(vhca_save(b, v->id, false, false, &buf, &len, NULL), ST_OK, "the next SAVE is good");
    w = bench_running_vf(b, 1);
    vhca_stop(b, w->id);
    f.opcode = OP_LOAD_VHCA_STATE;
    f.action = FAULT_DMA;
    ctl_arm(b->control, f);
    ok_eq(vhca_load(b, w->id, &buf, len), ST_BAD_PARAM, "of LOAD's data");
    ok_eq(ctl_vhca_state(b->control, w->id), VHCA_STATE_STOPPED, "nothing was changed yet");
    ok_eq(vhca_load(b, w->id, &buf, len), ST_OK, "the next LOAD is good");
    bench_free_buffer(b, &buf);
}

/* What goes on after a lost track lacks what changed; a full image has all. */
static void check_lost(struct bench *b, struct vf *v, const struct buffer *first, uint32_t len,
                       const struct buffer *last)
{
    struct vf *w = bench_running_vf(b, 1);
    uint64_t sum = wl_sum(v->wl);
    struct required need;
    uint32_t last_len;

    ok(!vhca_query(b, v->id, true, false, &need) && need.size < 5 * PAGE,
       "a track that is lost has nothing to save: %u bytes", need.size);
    ok_eq(vhca_save(b, v->id, true, false, last, &last_len, NULL), ST_OK, "yet an incremental SAVE goes well");
    vhca_stop(b, w->id);
    ok(!vhca_load(b, w->id, first, len) && !vhca_load(b, w->id, last, last_len) &&
       wl_sum(w->wl) != sum, "and what it saved is another state");
    ok_eq(vhca_save(b, v->id, false, false, last, &last_len, NULL), ST_OK, "a full SAVE");
    w = bench_running_vf(b, 1);
    vhca_stop(b, w->id);
    ok(!vhca_load(b, w->id, first, len) && !vhca_load(b, w->id, last, last_len) &&
       wl_sum(w->wl) == sum, "has all");
}

/* A failed incremental SAVE loses the track; a failed first one tracks nothing. */
static void test_failed_save(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer first = bench_buffer(b, 2 << 20), last = bench_buffer(b, 2 << 20);
    struct fault f = { .opcode = OP_SAVE_VHCA_STATE, .times = 1, .action = FAULT_DMA,
                       .status = ST_BAD_RES_STATE };
    uint32_t len, last_len;

    wl_fill(v->wl, 0, 64 * PAGE, 52);
    ctl_arm(b->control, f);
    ok_eq(vhca_save(b, v->id, false, true, &first, &len, NULL), ST_BAD_PARAM,
          "a first tracked SAVE that fails");
    ok(!ctl_tracked(b->control, v->id), "leaves nothing tracked");
    ok_eq(vhca_save(b, v->id, false, true, &first, &len, NULL), ST_OK, "and can be repeated");
    for (f.action = FAULT_DMA; f.action; f.action = f.action == FAULT_DMA ? FAULT_FAIL : 0) {
        wl_fill(v->wl, 10 * PAGE, 5 * PAGE, 53 + f.action);
        ctl_arm(b->control, f);
        ok_eq(vhca_save(b, v->id, true, true, &last, &last_len, NULL),
              f.action == FAULT_DMA ? ST_BAD_PARAM : ST_BAD_RES_STATE, "an incremental SAVE that fails");
        wl_fill(v->wl, 20 * PAGE, 5 * PAGE, 54 + f.action);
        vhca_stop(b, v->id);
        check_lost(b, v, &first, len, &last);
        vhca_start(b, v->id);
        vhca_save(b, v->id, false, true, &first, &len, NULL);
    }
    wl_fill(v->wl, 10 * PAGE, 5 * PAGE, 57);
    vhca_stop(b, v->id);
    vhca_resume(b, v->id, RESUME_RESPONDER);
    vhca_suspend(b, v->id, SUSPEND_RESPONDER);
    check_lost(b, v, &first, len, &last);
    bench_free_buffer(b, &last);
    bench_free_buffer(b, &first);
}

static void test_error(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd c;

    ok_eq(fw_read32(&v->fw, ISEG_HEALTH_SYND), 0, "a sound function has no health syndrome");
    ctl_vhca_action(b->control, v->id, VHCA_SET_ERROR);
    ok_eq(ctl_vhca_state(b->control, v->id), VHCA_STATE_ERROR, "a VHCA in error");
    ok_eq(fw_read32(&v->fw, ISEG_HEALTH_SYND) >> 16 & 0xff, HEALTH_SYND_FW_INTERNAL,
          "says so in its health buffer");
    ok(fw_read32(&v->fw, ISEG_HEALTH_RFR) >> 24 & HEALTH_RFR_BIT, "asks for a reset");
    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    fw_post(&v->fw, &c);
    issi(&b->pf);
    ok(!fw_completed(&v->fw, &c), "and serves no commands");
    v = bench_running_vf(b, 0);
    ok(!fw_read32(&v->fw, ISEG_HEALTH_SYND) && !fw_status(issi(&v->fw)), "a reset cures it");
}

static void test_counters(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf = bench_buffer(b, 2 << 20);
    uint64_t commands, failed, opcodes, saved, loaded;
    uint32_t len;

    commands = ctl_counter(b->control, COUNTER_COMMANDS);
    failed = ctl_counter(b->control, COUNTER_FAILED);
    opcodes = ctl_opcode_count(b->control, OP_QUERY_ISSI);
    for (unsigned i = 0; i < 10; i++)
        issi(&v->fw);
    fw_do(&v->fw, OP_DEALLOC_PD, 0, 0xabcdef, NULL);
    ok_eq(ctl_counter(b->control, COUNTER_COMMANDS), commands + 11, "commands are counted");
    ok_eq(ctl_counter(b->control, COUNTER_FAILED), failed + 1, "failed ones, too");
    ok_eq(ctl_opcode_count(b->control, OP_QUERY_ISSI), opcodes + 10, "and by opcode");

    saved = ctl_counter(b->control, COUNTER_SAVED_BYTES);
    loaded = ctl_counter(b->control, COUNTER_LOADED_BYTES);
    wl_fill(v->wl, 0, 64 * PAGE, 54);
    vhca_stop(b, v->id);
    vhca_save(b, v->id, false, false, &buf, &len, NULL);
    w = bench_running_vf(b, 1);
    vhca_stop(b, w->id);
    vhca_load(b, w->id, &buf, len);
    ok_eq(ctl_counter(b->control, COUNTER_SAVED_BYTES), saved + len, "saved bytes are counted");
    ok_eq(ctl_counter(b->control, COUNTER_LOADED_BYTES), loaded + len, "and loaded bytes");
    ok(ctl_counter(b->control, COUNTER_SLICE_MAX_NS) > 0, "and the longest slice");
    ok_eq(ctl_counter(b->control, COUNTERS), ~0ull, "there are no more counters");
    bench_free_buffer(b, &buf);
}

void test_faults(struct bench *b)
{
    test_fail(b);
    test_about(b);
    test_limit(b);
    test_delay(b);
    test_never(b);
    test_dma(b);
    test_failed_save(b);
    test_error(b);
    test_counters(b);
}
