/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the page tracker, general object 0x46.
 *
 * A tracker notes which pages, by bus address, a VHCA wrote to in the ranges
 * it was given, and on request reports them as messages into a receive queue
 * of the PF.  Every report ends with exactly one message in state TRACKING.
 * A message waits for receive credits; the driver's next CQ arm, or a timer
 * (it may post without arming), tries again.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/main-loop.h"
#include "connectx.h"

#define BLOCK_PAGES     32768u          /* pages in one bitmap of the table */
#define CREDIT_POLL_NS  (1 * SCALE_MS)

static void cx_tracker_clear(void *obj)
{
    CxTracker *t = obj;

    if (t->target && t->target->tracker == t) {
        t->target->tracker = NULL;
    }
    if (t->dirty) {
        g_hash_table_destroy(t->dirty);
    }
    g_free(t->range);
}

static uint32_t cx_tracker_link(CxVhca *v, void *obj)
{
    CxTracker *t = obj;

    if (!cx_object_find(v, OBJECT_QP, t->qpn)) {
        return SYND_TRACK_QP;
    }
    cx_object_get(v, OBJECT_QP, t->qpn);
    t->target->tracker = t;
    return SYND_NONE;
}

static void cx_tracker_unlink(CxVhca *v, void *obj)
{
    cx_object_put(v, OBJECT_QP, ((CxTracker *)obj)->qpn);
}

const CxKind cx_kind_tracker = {
    .name = "tracker",
    .size = sizeof(CxTracker),
    .first = 1,
    .last = 0xff,
    .link = cx_tracker_link,
    .unlink = cx_tracker_unlink,
    .clear = cx_tracker_clear,
};

/* ---- what is dirty ---- */

static unsigned long *cx_block(CxTracker *t, uint64_t page)
{
    uint64_t block = page / BLOCK_PAGES;

    return g_hash_table_lookup(t->dirty, &block);
}

static void cx_mark_page(CxTracker *t, uint64_t page)
{
    unsigned long *map = cx_block(t, page);

    if (!map) {
        uint64_t *key = g_new(uint64_t, 1);

        *key = page / BLOCK_PAGES;
        map = bitmap_new(BLOCK_PAGES);
        g_hash_table_insert(t->dirty, key, map);
    }
    set_bit(page % BLOCK_PAGES, map);
}

/* The function that it tracks wrote so many bytes there. */
void cx_tracker_mark(CxTracker *t, uint64_t addr, uint64_t len)
{
    for (uint32_t i = 0; i < t->nranges; i++) {
        const CxRange *r = &t->range[i];
        uint64_t first = MAX(addr, r->start);
        uint64_t last = MIN(addr + len - 1, r->start + r->len - 1);

        if (addr + len - 1 < r->start || addr > r->start + r->len - 1) {
            continue;
        }
        for (uint64_t p = first >> t->log_page; p <= last >> t->log_page;
             p++) {
            cx_mark_page(t, p);
        }
    }
}

/* The first dirty page from *page on and below end; the report's order. */
static bool cx_next_dirty(CxTracker *t, uint64_t *page, uint64_t end)
{
    while (*page < end) {
        uint64_t base = *page / BLOCK_PAGES * BLOCK_PAGES;
        uint64_t stop = MIN(end - base, BLOCK_PAGES);
        unsigned long *map = cx_block(t, *page);
        uint64_t bit = map ? find_next_bit(map, stop, *page - base) : stop;

        *page = base + bit;
        if (bit < stop) {
            return true;
        }
    }
    return false;
}

/* ---- reports ---- */

/* What a test wants to become of the report: true if no message is due. */
static bool cx_report_struck(CxVhca *pf, CxTracker *t, CxQp *host)
{
    uint8_t event[EQE_DATA_SIZE] = { 0 }, cqe[CQE_SIZE] = { 0 };
    CxControl *control = cx_control(pf);
    uint64_t struck = control->report;

    if (!struck || !t->target ||
        t->target->vhca_id != control->report_vhca) {
        return false;
    }
    if (control->report_after) {
        control->report_after--;
        return false;
    }
    if (struck == REPORT_STALL) {
        return true;
    }
    control->report = REPORT_GO_ON;
    t->state = TRACK_ERROR;
    if (struck == REPORT_ERROR) {
        cx_qp_receive(pf, host, NULL, 0, TRACK_ERROR << TRACK_IMM_SHIFT);
    } else if (struck == REPORT_CQ_ERROR) {
        t->state = TRACK_TRACKING;      /* the queue's fault */
        stl_be_p(event, host->cqn);
        cx_event_async(pf, EVENT_CQ_ERROR, event, 0);
    } else if (struck == REPORT_BAD_CQE) {
        cqe[CQE_OP_OWN] = CQE_OP_RESP_ERR << 4;
        cx_cq_post(pf, host->cqn, cqe);
    }
    return true;
}

/* One message with what fits; false: no credit, or the report is over. */
static bool cx_report_message(CxVhca *pf, CxTracker *t)
{
    CxQp *fw = cx_object_find(pf, OBJECT_QP, t->qpn);
    CxQp *host = cx_object_find(pf, OBJECT_QP, fw->remote);
    uint64_t end = (t->end + (1ull << t->log_page) - 1) >> t->log_page;
    uint64_t page = t->pos >> t->log_page, rest;
    g_autofree uint8_t *msg = NULL;
    uint32_t room, n = 0, max;
    bool more;

    if (!host || fw->state != QP_RTS) {
        t->state = TRACK_ERROR;
        return false;
    }
    if (cx_report_struck(pf, t, host)) {
        return false;
    }
    if (!cx_qp_credit(pf, host, &room)) {
        if (!t->waiting) {
            cx_count(pf, COUNTER_TRACKER_WAITS, 1);
        }
        t->waiting = true;
        return false;
    }
    t->waiting = false;
    max = MIN(room, 1u << t->log_msg) / 8;
    if (!pf->pf->full_messages && max > 1) {
        max--;
    }
    msg = g_malloc(max * 8ull + 8);
    while (n < max && cx_next_dirty(t, &page, end)) {
        stq_be_p(msg + n++ * 8, page << t->log_page);
        page++;
    }
    rest = page;
    more = n && cx_next_dirty(t, &rest, end);
    if (!cx_qp_receive(pf, host, msg, n * 8, (more ? TRACK_REPORTING :
                                              TRACK_TRACKING)
                       << TRACK_IMM_SHIFT)) {
        t->state = TRACK_ERROR;
        return false;
    }
    cx_count(pf, COUNTER_TRACKER_MESSAGES, 1);
    /* Clean only what has been told. */
    for (uint32_t i = 0; i < n; i++) {
        uint64_t told = ldq_be_p(msg + i * 8) >> t->log_page;

        clear_bit(told % BLOCK_PAGES, cx_block(t, told));
    }
    t->pos = page << t->log_page;
    if (!more) {
        t->state = TRACK_TRACKING;
    }
    return more;
}

/* Goes on with all reports; from the PF's doorbell bottom half and the timer. */
void cx_tracker_pump(CxVhca *pf)
{
    g_autoptr(GArray) ids = cx_object_ids(pf, OBJECT_TRACKER);
    bool waiting = false;

    for (unsigned i = 0; i < ids->len; i++) {
        CxTracker *t = cx_object_find(pf, OBJECT_TRACKER,
                                      g_array_index(ids, uint32_t, i));

        while (t->state == TRACK_REPORTING && cx_report_message(pf, t)) {
            continue;
        }
        waiting |= t->state == TRACK_REPORTING;
    }
    if (waiting) {
        timer_mod(pf->pf->tracker_timer, CREDIT_POLL_NS +
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}

void cx_tracker_timer(void *pf)
{
    cx_tracker_pump(CX_VHCA(pf));
}

/* The tracked function goes away for good; what it wrote is still to be told. */
void cx_tracker_detach(CxVhca *target)
{
    if (target->tracker) {
        target->tracker->target = NULL;
        target->tracker = NULL;
    }
}

/* ---- commands ---- */

static int cx_tracker_ranges(CxCommand *c, CxTracker *t)
{
    CxPf *pf = c->vhca->pf;
    uint64_t page = 1ull << t->log_page, total = 0;
    uint32_t log_space;

    if (!t->nranges || t->nranges > pf->track_max_ranges) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_RANGES);
    }
    if ((c->inlen - TRACK_RANGES) / 16 < t->nranges) {
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_TRACK_RANGES);
    }
    t->range = g_new0(CxRange, t->nranges);
    for (uint32_t i = 0; i < t->nranges; i++) {
        CxRange *r = &t->range[i];

        r->start = ifc_be64(c->in, TRACK_RANGES + i * 16);
        r->len = ifc_be64(c->in, TRACK_RANGES + i * 16 + 8);
        if (!r->len || r->start % page || r->len % page ||
            r->len - 1 > UINT64_MAX - r->start ||
            r->len > UINT64_MAX - total) {
            return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_RANGES);
        }
        total += r->len;
    }
    log_space = total == 1 ? 0 : 64 - clz64(total - 1);
    if (log_space < pf->track_log_min_space ||
        log_space > pf->track_log_max_space ||
        ifc_get(c->in, F_TRACK_LOG_SPACE) < log_space ||
        ifc_get(c->in, F_TRACK_LOG_SPACE) > pf->track_log_max_space) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_SPACE);
    }
    return ST_OK;
}

static int cx_tracker_check(CxCommand *c, CxTracker *t)
{
    CxPf *pf = c->vhca->pf;

    if (!t->target || !t->target->function || !t->target->enabled_by_pf) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_VHCA_ID);
    }
    if (t->target->tracker) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_TRACK_TWICE);
    }
    if (ifc_get(c->in, F_TRACK_TYPE) != TRACK_TYPE_DIRTY) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_OBJ_TYPE);
    }
    if (t->log_page < pf->track_log_min_page ||
        t->log_page > pf->track_log_max_page) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_PAGE);
    }
    if (t->log_msg < pf->track_log_min_msg ||
        t->log_msg > pf->track_log_max_msg) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_MSG);
    }
    return cx_tracker_ranges(c, t);
}

int cx_create_tracker(CxCommand *c)
{
    CxVhca *v = c->vhca;
    CxTracker *t;
    int status;

    if (!v->pf->adv_virtualization) {
        return cx_refuse(c, ST_BAD_OP, SYND_CAP);
    }
    if (ifc_get(c->in, F_OBJ_TYPE) != OBJ_PAGE_TRACK) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_OBJ_TYPE);
    }
    if (g_hash_table_size(v->objects[OBJECT_TRACKER]) >=
        1u << v->pf->track_log_max_num) {
        return cx_refuse(c, ST_EXCEED_LIM, SYND_LIMIT);
    }
    t = cx_object_alloc(OBJECT_TRACKER);
    t->target = cx_by_vhca_id(v->pf, ifc_get(c->in, F_TRACK_VHCA_ID));
    t->qpn = ifc_get(c->in, F_TRACK_QPN);
    t->log_page = ifc_get(c->in, F_TRACK_LOG_PAGE);
    t->log_msg = ifc_get(c->in, F_TRACK_LOG_MSG);
    t->nranges = ifc_get(c->in, F_TRACK_NUM_RANGES);
    t->dirty = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                     g_free);
    status = cx_tracker_check(c, t);
    if (status != ST_OK) {
        cx_object_free(OBJECT_TRACKER, t);
        return status;
    }
    status = cx_object_create(c, OBJECT_TRACKER, t);
    if (status == ST_OK) {
        ifc_set(c->out, F_OUT_OBJ_ID, t->obj.id);
    }
    return status;
}

static CxTracker *cx_tracker_find(CxCommand *c)
{
    if (ifc_get(c->in, F_OBJ_TYPE) != OBJ_PAGE_TRACK) {
        return NULL;
    }
    return cx_object_find(c->vhca, OBJECT_TRACKER, ifc_get(c->in, F_OBJ_ID));
}

/* Starts a report. */
int cx_modify_tracker(CxCommand *c)
{
    CxTracker *t = cx_tracker_find(c);
    uint64_t start = ifc_get(c->in, F_TRACK_START);
    uint64_t len = ifc_get(c->in, F_TRACK_LENGTH);

    if (!t) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    if (ifc_get(c->in, F_TRACK_MODIFY) != TRACK_MODIFY_STATE_RANGE ||
        ifc_get(c->in, F_TRACK_STATE) != TRACK_REPORTING) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_MODIFY);
    }
    if (!len || len - 1 > UINT64_MAX - start ||
        start % (1ull << t->log_page)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_TRACK_RANGES);
    }
    if (t->state != TRACK_TRACKING) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_TRACK_STATE);
    }
    t->state = TRACK_REPORTING;
    t->pos = start;
    t->end = start + len;
    qemu_bh_schedule(c->vhca->doorbell_bh);
    return ST_OK;
}

int cx_query_tracker(CxCommand *c)
{
    CxTracker *t = cx_tracker_find(c);

    if (!t) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    ifc_set(c->out, F_TRACK_STATE, t->state);
    ifc_set(c->out, F_TRACK_QPN, t->qpn);
    ifc_set(c->out, F_TRACK_NUM_RANGES, t->nranges);
    ifc_set(c->out, F_TRACK_LOG_PAGE, t->log_page);
    ifc_set(c->out, F_TRACK_LOG_MSG, t->log_msg);
    return ST_OK;
}

int cx_destroy_tracker(CxCommand *c)
{
    CxTracker *t = cx_tracker_find(c);

    if (!t) {
        return cx_refuse(c, ST_BAD_INDEX, SYND_OBJECT);
    }
    return cx_object_destroy(c, OBJECT_TRACKER, t->obj.id);
}
