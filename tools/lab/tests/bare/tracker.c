// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The page tracker: what a VF wrote, by IOVA, exactly; reports longer than
 * the receive queue, full messages, slow readers; all that it refuses.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "refusals.h"

#define TARGET_IOVA 0x400000000ull      /* what the VF writes to */
enum {
    TARGET_SIZE = 64 << 20,
    PAGE = 4096,
    PAGES = TARGET_SIZE / PAGE,
    LOG_MSG = 12,
    PER_MSG = (1 << LOG_MSG) / 8,
    LOG_RQ = 2,                         /* receives posted at most */
    RQ = 1 << LOG_RQ,
    EVERYTHING = 1 << 20,               /* messages: more than any report has */
};

/* The PF's end: where reports arrive. */
struct receiver {
    struct fw_eq eq;
    struct fw_cq cq;
    struct fw_qp host, fw;
    struct fw_mkey mkey;
    uint32_t buffer;
};

/* A report as it came: messages, and how often each page was told. */
struct report {
    unsigned messages, full, pages, outside;
    int state;                          /* of the last message, -1: none came */
    uint8_t told[PAGES];
};

static struct receiver rx;
static struct vf *target;
static uint8_t *target_ram;
static struct report seen;

/* ---- the receiver ---- */

static void post_receive(struct bench *b)
{
    uint32_t slot = rx.host.pc % RQ;

    fw_qp_post(&b->pf, &rx.host, rx.mkey.key, slot << LOG_MSG, 1 << LOG_MSG);
}

static void open_receiver(struct bench *b)
{
    rx.eq = fw_create_eq(&b->pf, b->uar, 8, 1, 0);
    rx.cq = fw_create_cq(&b->pf, b->uar, LOG_RQ, rx.eq.eqn);
    rx.host = fw_create_qp(&b->pf, b->uar, QP_RQ_NORMAL, LOG_RQ, rx.cq.cqn);
    rx.fw = fw_create_qp(&b->pf, b->uar, QP_RQ_ZERO_LEN, 0, 0);
    rx.buffer = fw_alloc(&b->pf, RQ << LOG_MSG, PAGE);
    rx.mkey = fw_create_mkey(&b->pf, b->pd, rx.buffer, RQ << LOG_MSG, 12);
    fw_qp_connect(&b->pf, rx.host.qpn, rx.fw.qpn, false);
    fw_qp_connect(&b->pf, rx.fw.qpn, rx.host.qpn, true);
    for (unsigned i = 0; i < RQ; i++)
        post_receive(b);
}

static void close_receiver(struct bench *b)
{
    ok(!fw_do(&b->pf, OP_DESTROY_QP, 0, rx.fw.qpn, NULL) &&
       !fw_do(&b->pf, OP_DESTROY_QP, 0, rx.host.qpn, NULL) &&
       !fw_do(&b->pf, OP_DESTROY_CQ, 0, rx.cq.cqn, NULL) &&
       !fw_do(&b->pf, OP_DESTROY_EQ, 0, rx.eq.eqn, NULL) &&
       !fw_do(&b->pf, OP_DESTROY_MKEY, 0, rx.mkey.index, NULL),
       "everything of a tracker can be destroyed after it");
}

static void count_page(uint64_t addr)
{
    uint64_t page = (addr - TARGET_IOVA) / PAGE;

    seen.pages++;
    if (addr % PAGE || addr < TARGET_IOVA || page >= PAGES)
        seen.outside++;
    else
        seen.told[page]++;
}

/* Takes one message off the queue; repost: gives its buffer back. */
static bool take_message(struct bench *b, bool repost)
{
    const uint8_t *e;
    uint32_t bytes, slot;

    if (!wait_until((e = fw_cq_next(&b->pf, &rx.cq)), FW_TIMEOUT))
        return false;
    bytes = ifc_get(e + CQE_BYTE_CNT, 0, 32);
    slot = ifc_get(e + CQE_WQE_COUNTER, 0, 16) % RQ;
    seen.state = ifc_get(e + CQE_IMMEDIATE, 0, 32) >> TRACK_IMM_SHIFT;
    seen.messages++;
    seen.full += bytes == 1 << LOG_MSG;
    for (uint32_t i = 0; i < bytes / 8; i++)
        count_page(ifc_get(b->pf.ram + rx.buffer + (slot << LOG_MSG) + i * 8, 0, 64));
    if (repost)
        post_receive(b);
    return true;
}

static int start_report(struct bench *b, uint32_t id, uint64_t iova, uint64_t len)
{
    struct fw_cmd c;

    memset(&seen, 0, sizeof(seen));
    seen.state = -1;
    fw_cmd_init(&c, OP_MODIFY_GENERAL_OBJECT, 0, 64, 16);
    cmd_set(&c, F_OBJ_TYPE, OBJ_PAGE_TRACK);
    cmd_set(&c, F_OBJ_ID, id);
    cmd_set(&c, F_TRACK_MODIFY, TRACK_MODIFY_STATE_RANGE);
    cmd_set(&c, F_TRACK_STATE, TRACK_REPORTING);
    cmd_set(&c, F_TRACK_START, iova);
    cmd_set(&c, F_TRACK_LENGTH, len);
    return fw_status(fw_exec(&b->pf, &c));
}

/* Arming after each message is what a driver does with an empty queue. */
static void finish_report(struct bench *b)
{
    for (unsigned i = 0; i < EVERYTHING && seen.state != TRACK_TRACKING; i++) {
        if (!take_message(b, true))
            return;
        fw_cq_arm(&b->pf, &rx.cq);
    }
}

static void report(struct bench *b, uint32_t id, uint64_t iova, uint64_t len)
{
    ok_eq(start_report(b, id, iova, len), ST_OK, "a report of %llu pages starts",
          (unsigned long long)len / PAGE);
    finish_report(b);
}

/* The report told each page of want once and no other. */
static void check_report(const uint8_t *want, const char *what)
{
    unsigned missing = 0, extra = seen.outside, wanted = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        wanted += want[i];
        missing += want[i] && !seen.told[i];
        extra += seen.told[i] > want[i];
    }
    if (!ok(!missing && !extra && seen.state == TRACK_TRACKING,
            "%s: %u pages, all told, none besides", what, wanted))
        tap_diag("%u missing, %u extra, %u messages, last state %d", missing, extra,
                 seen.messages, seen.state);
}

/* ---- trackers ---- */

static void build_create(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_cmd_init(c, OP_CREATE_GENERAL_OBJECT, 0, TRACK_RANGES + 16, 16);
    cmd_set(c, F_OBJ_TYPE, OBJ_PAGE_TRACK);
    cmd_set(c, F_TRACK_VHCA_ID, target->id);
    cmd_set(c, F_TRACK_TYPE, TRACK_TYPE_DIRTY);
    cmd_set(c, F_TRACK_LOG_SPACE, 26);
    cmd_set(c, F_TRACK_LOG_PAGE, 12);
    cmd_set(c, F_TRACK_LOG_MSG, LOG_MSG);
    cmd_set(c, F_TRACK_QPN, rx.fw.qpn);
    cmd_set(c, F_TRACK_NUM_RANGES, 1);
    ifc_set(c->in, TRACK_RANGES * 8, 64, TARGET_IOVA);
    ifc_set(c->in, TRACK_RANGES * 8 + 64, 64, TARGET_SIZE);
}

static uint32_t create(struct bench *b, const char *what)
{
    struct fw_cmd c;

    build_create(b, &b->pf, &c);
    if (!accepted(&b->pf, &c, what))
        tap_bail("no tracker");
    return cmd_out(&c, F_OUT_OBJ_ID);
}

static int object_do(struct bench *b, unsigned opcode, uint32_t id, struct fw_cmd *c)
{
    fw_cmd_init(c, opcode, 0, 16, 64);
    cmd_set(c, F_OBJ_TYPE, OBJ_PAGE_TRACK);
    cmd_set(c, F_OBJ_ID, id);
    return fw_status(fw_exec(&b->pf, c));
}

static unsigned tracker_state(struct bench *b, uint32_t id)
{
    struct fw_cmd c;

    return object_do(b, OP_QUERY_GENERAL_OBJECT, id, &c) ? ~0u : cmd_out(&c, F_TRACK_STATE);
}

static void destroy(struct bench *b, uint32_t id)
{
    struct fw_cmd c;

    ok_eq(object_do(b, OP_DESTROY_GENERAL_OBJECT, id, &c), ST_OK, "the tracker is destroyed");
}

/* Lets the VF write every step-th page of n, and notes which. */
static void write_pages(struct vf *v, unsigned first, unsigned n, unsigned step, uint8_t *want)
{
    unsigned writes = n / step;

    /* position (count * stride) % len: begin where the count left off */
    wl_write(v->wl, WL_DMA_COUNT, 0);
    wl_dma(v->wl, TARGET_IOVA + first * (uint64_t)PAGE, (uint64_t)n * PAGE, step * PAGE,
           1000000, writes);
    if (!wl_wait(v->wl, WL_DMA_COUNT, writes, 20000))
        tap_bail("the workload did not write %u pages", writes);
    wl_write(v->wl, WL_DMA_RATE, 0);
    for (unsigned i = 0; i < writes; i++)
        want[first + i * step] = 1;
}

/* ---- the tests ---- */

static void test_exact(struct bench *b)
{
    static uint8_t want[PAGES];
    uint32_t id = create(b, "CREATE_GENERAL_OBJECT of a page tracker");

    memset(want, 0, sizeof(want));
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "nothing was written");
    ok_eq(seen.messages, 1, "and one message says so");

    write_pages(target, 100, 300, 3, want);
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "every third page of 300");
    memset(want, 0, sizeof(want));
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "again: what was told is clean");

    write_pages(target, 0, 64, 1, want);
    write_pages(target, 1000, 64, 1, want);
    report(b, id, TARGET_IOVA, 500 * PAGE);
    memset(want, 0, sizeof(want));
    memset(want, 1, 64);
    check_report(want, "a report of a part tells that part");
    memset(want, 0, sizeof(want));
    memset(want + 1000, 1, 64);
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "and leaves the rest dirty");

    memset(want, 0, sizeof(want));
    write_pages(&b->vf[1], 200, 8, 1, want);
    memset(want, 0, sizeof(want));
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "another VF wrote there");
    destroy(b, id);
}

static void test_long(struct bench *b)
{
    static uint8_t want[PAGES];
    uint32_t id = create(b, "a tracker for long reports");
    uint64_t waits = ctl_counter(b->control, COUNTER_TRACKER_WAITS);
    struct fw_cmd c;

    memset(want, 0, sizeof(want));
    write_pages(target, 0, PAGES, 1, want);
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "every page, in a queue of 4 messages");
    ok_eq(seen.messages, PAGES / PER_MSG, "in messages of %u pages", PER_MSG);
    ok_eq(seen.full, seen.messages, "each of them full to the last byte");

    /* a reader that gives no buffers back */
    memset(want, 0, sizeof(want));
    write_pages(target, 0, PAGES, 2, want);
    ok_eq(start_report(b, id, TARGET_IOVA, TARGET_SIZE), ST_OK, "a report for a slow reader");
    for (unsigned i = 0; i < RQ; i++)
        take_message(b, false);
    ok(wait_until(ctl_counter(b->control, COUNTER_TRACKER_WAITS) > waits, FW_TIMEOUT),
       "it waits when all buffers are used");
    ok_eq(tracker_state(b, id), TRACK_REPORTING, "and says that it is reporting");
    ok(!fw_cq_next(&b->pf, &rx.cq), "and sends nothing");
    fw_cmd_init(&c, OP_MODIFY_GENERAL_OBJECT, 0, 64, 16);
    cmd_set(&c, F_OBJ_TYPE, OBJ_PAGE_TRACK);
    cmd_set(&c, F_OBJ_ID, id);
    cmd_set(&c, F_TRACK_MODIFY, TRACK_MODIFY_STATE_RANGE);
    cmd_set(&c, F_TRACK_STATE, TRACK_REPORTING);
    cmd_set(&c, F_TRACK_START, TARGET_IOVA);
    cmd_set(&c, F_TRACK_LENGTH, PAGE);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_TRACK_STATE, "a second report meanwhile");
    /* buffers come back without the CQ being armed */
    for (unsigned i = 0; i < RQ; i++)
        post_receive(b);
    ok(take_message(b, true), "it goes on when there are buffers again");
    finish_report(b);
    check_report(want, "the slow reader's report");
    destroy(b, id);
}

static void test_partial_pages(struct bench *b)
{
    static uint8_t want[PAGES];
    struct fw_cmd c;
    uint32_t id;
    const unsigned big = (2 << 20) / PAGE;

    build_create(b, &b->pf, &c);
    cmd_set(&c, F_TRACK_LOG_PAGE, 21);
    accepted(&b->pf, &c, "a tracker with pages of 2 MiB");
    id = cmd_out(&c, F_OUT_OBJ_ID);
    memset(want, 0, sizeof(want));
    write_pages(target, 5, 1, 1, want);
    write_pages(target, 3 * big + 7, 20, 1, want);
    memset(want, 0, sizeof(want));
    want[0] = want[3 * big] = 1;
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "large pages by their first address");
    destroy(b, id);

    /* two ranges with a gap between them */
    fw_cmd_init(&c, OP_CREATE_GENERAL_OBJECT, 0, TRACK_RANGES + 32, 16);
    build_create(b, &b->pf, &c);
    c.head_len = TRACK_RANGES + 32;
    cmd_set(&c, F_TRACK_NUM_RANGES, 2);
    ifc_set(c.in, TRACK_RANGES * 8 + 64, 64, 100 * PAGE);
    ifc_set(c.in, TRACK_RANGES * 8 + 128, 64, TARGET_IOVA + 200 * PAGE);
    ifc_set(c.in, TRACK_RANGES * 8 + 192, 64, 100 * PAGE);
    accepted(&b->pf, &c, "a tracker of two ranges");
    id = cmd_out(&c, F_OUT_OBJ_ID);
    memset(want, 0, sizeof(want));
    write_pages(target, 50, 200, 1, want);
    memset(want + 100, 0, 100);
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "what lies between the ranges is not told");
    destroy(b, id);
}

static void test_reset(struct bench *b)
{
    static uint8_t want[PAGES];
    uint32_t id = create(b, "a tracker of a function that will be reset");

    memset(want, 0, sizeof(want));
    write_pages(target, 10, 10, 1, want);
    target = bench_running_vf(b, 0);
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "what was written before the reset");
    destroy(b, id);
}

static void test_error(struct bench *b)
{
    uint32_t id = create(b, "a tracker whose reports cannot be delivered");
    static uint8_t want[PAGES];

    write_pages(target, 0, 8, 1, want);
    for (unsigned i = 0; i < RQ; i++) {
        ok_eq(start_report(b, id, TARGET_IOVA + i * PAGE, PAGE), ST_OK, "report %u", i);
        take_message(b, false);
    }
    fw_qp_post(&b->pf, &rx.host, 0xdead00, 0, 1 << LOG_MSG);
    write_pages(target, 0, 8, 1, want);
    ok_eq(start_report(b, id, TARGET_IOVA, PAGE), ST_OK, "a report into a bad mkey starts");
    ok(wait_until(tracker_state(b, id) == TRACK_ERROR, FW_TIMEOUT), "the tracker is in error");
    ok_eq(start_report(b, id, TARGET_IOVA, PAGE), ST_BAD_RES_STATE, "and reports no more");
    destroy(b, id);
}

/* What a test can have become of a report, and of nobody else's. */
static void test_struck(struct bench *b)
{
    static uint8_t want[PAGES];
    static const unsigned errors[] = { REPORT_ERROR, REPORT_SILENT_ERROR, REPORT_BAD_CQE };
    uint32_t id = create(b, "a tracker whose reports are struck");

    memset(want, 0, sizeof(want));
    write_pages(target, 0, 3 * PER_MSG, 1, want);
    ctl_report(b->control, b->vf[1].id, REPORT_STALL, 0);
    report(b, id, TARGET_IOVA, PER_MSG * PAGE);
    ok_eq(seen.pages, PER_MSG, "another VF's stalled report: this one is told");
    memset(want, 0, PER_MSG);
    ctl_report(b->control, target->id, REPORT_STALL, 1);
    ok_eq(start_report(b, id, TARGET_IOVA, TARGET_SIZE), ST_OK, "a report stalls");
    ok(take_message(b, true) && seen.state == TRACK_REPORTING, "behind a message");
    fw_cq_arm(&b->pf, &rx.cq);
    ok(tracker_state(b, id) == TRACK_REPORTING && !fw_cq_next(&b->pf, &rx.cq), "no other comes");
    ctl_report(b->control, target->id, REPORT_GO_ON, 0);
    finish_report(b);
    check_report(want, "until it shall go on");
    destroy(b, id);

    for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        id = create(b, "a tracker that fails");
        ctl_report(b->control, target->id, errors[i], 0);
        start_report(b, id, TARGET_IOVA, PAGE);
        ok(wait_until(tracker_state(b, id) == TRACK_ERROR, FW_TIMEOUT), "it is in error");
        ok_eq(ctl_read(b->control, CB_REPORT), REPORT_GO_ON, "once");
        if (errors[i] != REPORT_SILENT_ERROR)
            take_message(b, errors[i] == REPORT_ERROR);
        ok_eq(seen.state, errors[i] == REPORT_ERROR ? TRACK_ERROR : errors[i] == REPORT_BAD_CQE ? 0 : -1,
              "and its report says what it shall");
        destroy(b, id);
    }
}

/* Writes that are not in turn go where dma_place() says. */
static void test_scattered(struct bench *b)
{
    static uint8_t want[PAGES];
    uint32_t id = create(b, "a tracker of scattered writes");

    memset(want, 0, sizeof(want));
    wl_write(target->wl, WL_DMA_SEED, 77);
    write_pages(target, 0, PAGES, 1, want);
    wl_write(target->wl, WL_DMA_SEED, 0);
    memset(want, 0, sizeof(want));
    for (unsigned i = 0; i < PAGES; i++)
        want[dma_place(i, PAGES, 77)] = 1;
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "writes at random");
    ok(seen.pages > PAGES / 2 && seen.pages < PAGES * 3 / 4, "which they are: %u pages of %u", seen.pages, PAGES);
    destroy(b, id);
}

static uint32_t refusals_id;

static void build_report(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_cmd_init(c, OP_MODIFY_GENERAL_OBJECT, 0, 64, 16);
    cmd_set(c, F_OBJ_TYPE, OBJ_PAGE_TRACK);
    cmd_set(c, F_OBJ_ID, refusals_id);
    cmd_set(c, F_TRACK_MODIFY, TRACK_MODIFY_STATE_RANGE);
    cmd_set(c, F_TRACK_STATE, TRACK_REPORTING);
    cmd_set(c, F_TRACK_START, TARGET_IOVA);
    cmd_set(c, F_TRACK_LENGTH, PAGE);
}

static void build_object_query(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    fw_cmd_init(c, OP_QUERY_GENERAL_OBJECT, 0, 16, 64);
    cmd_set(c, F_OBJ_TYPE, OBJ_PAGE_TRACK);
    cmd_set(c, F_OBJ_ID, refusals_id);
}

static void build_object_destroy(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    build_object_query(b, fw, c);
    cmd_set(c, F_IN_OPCODE, OP_DESTROY_GENERAL_OBJECT);
}

#define F_RANGE_START   (TRACK_RANGES * 8), 64
#define F_RANGE_LENGTH  (TRACK_RANGES * 8 + 64), 64
static const struct refusal create_refusals[] = {
    { "a tracker of an unknown object type", build_create,
      { { F_OBJ_TYPE, 0x47 } }, ST_BAD_PARAM, SYND_OBJ_TYPE },
    { "a tracker of another kind than dirty pages", build_create,
      { { F_TRACK_TYPE, 2 } }, ST_BAD_PARAM, SYND_OBJ_TYPE },
    { "a tracker of a VHCA that is not there", build_create,
      { { F_TRACK_VHCA_ID, 0x999 } }, ST_BAD_PARAM, SYND_VHCA_ID },
    { "a tracker of the PF", build_create,
      { { F_TRACK_VHCA_ID, VHCA_ID_PF } }, ST_BAD_PARAM, SYND_VHCA_ID },
    { "a tracker without ranges", build_create,
      { { F_TRACK_NUM_RANGES, 0 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a tracker with more ranges than pg_track_max_num_range", build_create,
      { { F_TRACK_NUM_RANGES, 200 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a tracker with more ranges than its input holds", build_create,
      { { F_TRACK_NUM_RANGES, 2 } }, ST_BAD_INPUT_LEN, SYND_TRACK_RANGES },
    { "a tracker of an empty range", build_create,
      { { F_RANGE_LENGTH, 0 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a tracker of a range that is not aligned", build_create,
      { { F_RANGE_START, TARGET_IOVA + 8 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a tracker of a range beyond the last address", build_create,
      { { F_RANGE_START, -4096ull } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a tracker of less address space than its ranges", build_create,
      { { F_TRACK_LOG_SPACE, 20 } }, ST_BAD_PARAM, SYND_TRACK_SPACE },
    { "a tracker of more address space than there may be", build_create,
      { { F_TRACK_LOG_SPACE, 60 } }, ST_BAD_PARAM, SYND_TRACK_SPACE },
    { "a tracker with ranges larger than the largest address space", build_create,
      { { F_RANGE_LENGTH, 1ull << 54 } }, ST_BAD_PARAM, SYND_TRACK_SPACE },
    { "a tracker with pages that are too small", build_create,
      { { F_TRACK_LOG_PAGE, 11 } }, ST_BAD_PARAM, SYND_TRACK_PAGE },
    { "a tracker with pages that are too large", build_create,
      { { F_TRACK_LOG_PAGE, 22 } }, ST_BAD_PARAM, SYND_TRACK_PAGE },
    { "a tracker with messages that are too small", build_create,
      { { F_TRACK_LOG_MSG, 5 } }, ST_BAD_PARAM, SYND_TRACK_MSG },
    { "a tracker with messages that are too large", build_create,
      { { F_TRACK_LOG_MSG, 17 } }, ST_BAD_PARAM, SYND_TRACK_MSG },
    { "a tracker with a QP that is not there", build_create,
      { { F_TRACK_QPN, 0xabcdef } }, ST_BAD_PARAM, SYND_TRACK_QP },
};
static const struct refusal live_refusals[] = {
    { "a second tracker of one VHCA", build_create, { }, ST_BAD_RES_STATE, SYND_TRACK_TWICE },
    { "a report by a tracker that is not there", build_report,
      { { F_OBJ_ID, 0x99 } }, ST_BAD_INDEX, SYND_OBJECT },
    { "a report by another type of object", build_report,
      { { F_OBJ_TYPE, 0x47 } }, ST_BAD_INDEX, SYND_OBJECT },
    { "MODIFY of other fields", build_report,
      { { F_TRACK_MODIFY, 1 } }, ST_BAD_PARAM, SYND_TRACK_MODIFY },
    { "MODIFY to a state that is not REPORTING", build_report,
      { { F_TRACK_STATE, TRACK_ERROR } }, ST_BAD_PARAM, SYND_TRACK_MODIFY },
    { "a report of an empty range", build_report,
      { { F_TRACK_LENGTH, 0 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a report from an address that is not aligned", build_report,
      { { F_TRACK_START, TARGET_IOVA + 8 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "a report beyond the last address", build_report,
      { { F_TRACK_START, -4096ull }, { F_TRACK_LENGTH, 8192 } }, ST_BAD_PARAM, SYND_TRACK_RANGES },
    { "QUERY of a tracker that is not there", build_object_query,
      { { F_OBJ_ID, 0x99 } }, ST_BAD_INDEX, SYND_OBJECT },
    { "DESTROY of a tracker that is not there", build_object_destroy,
      { { F_OBJ_ID, 0x99 } }, ST_BAD_INDEX, SYND_OBJECT },
};

static void test_refusals(struct bench *b)
{
    struct fw_cmd c, disable = vhca_enable_cmd(target->function, false),
                  enable = vhca_enable_cmd(target->function, true);

    refusals_run(b, &b->pf, create_refusals, sizeof(create_refusals) / sizeof(*create_refusals));
    fw_exec(&b->pf, &disable);
    build_create(b, &b->pf, &c);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_VHCA_ID, "a tracker of a VF that is not enabled");
    fw_exec(&b->pf, &enable);
    refusals_id = create(b, "the tracker that the refused commands are about");
    refusals_run(b, &b->pf, live_refusals, sizeof(live_refusals) / sizeof(*live_refusals));
    fw_cmd_init(&c, OP_DESTROY_QP, 0, 16, 16);
    cmd_set(&c, F_IN_ID24, rx.fw.qpn);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_IN_USE, "DESTROY_QP of the reporting QP");
    destroy(b, refusals_id);
}

static void open_all(struct bench *b)
{
    target = bench_running_vf(b, 0);
    bench_running_vf(b, 1);
    if (!target_ram) {
        target_ram = mmap(NULL, TARGET_SIZE, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (target_ram == MAP_FAILED || io_map(&b->space, TARGET_IOVA, target_ram, TARGET_SIZE))
            tap_bail("no memory for the VF to write to");
    }
    open_receiver(b);
}

/* One tracker of one range at a time, messages never full: see properties.c. */
void test_tracker_limits(struct bench *b)
{
    static uint8_t want[PAGES];
    struct fw_cmd c;
    uint32_t id;

    open_all(b);
    build_create(b, &b->pf, &c);
    c.head_len = TRACK_RANGES + 32;
    cmd_set(&c, F_TRACK_NUM_RANGES, 2);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_TRACK_RANGES,
            "a tracker of two ranges where pg_track_max_num_range is 1");
    id = create(b, "a tracker of one range");
    build_create(b, &b->pf, &c);
    cmd_set(&c, F_TRACK_VHCA_ID, b->vf[1].id);
    refused(b, &b->pf, &c, ST_EXCEED_LIM, SYND_LIMIT,
            "a second tracker where pg_track_log_max_num is 0");
    memset(want, 0, sizeof(want));
    write_pages(target, 0, PAGES, 1, want);
    report(b, id, TARGET_IOVA, TARGET_SIZE);
    check_report(want, "every page, in messages that are never full");
    ok(!seen.full && seen.messages > PAGES / PER_MSG, "as full-messages=off demands");
    destroy(b, id);
    close_receiver(b);
}

void test_tracker(struct bench *b)
{
    open_all(b);
    test_exact(b);
    test_long(b);
    test_partial_pages(b);
    test_reset(b);
    test_struck(b);
    test_scattered(b);
    test_refusals(b);
    test_error(b);
    close_receiver(b);
}
