// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SAVE and LOAD: that a function arrives whole, that an incremental image
 * holds what changed and nothing else, and that a bad image is refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/lab.h"
#include "refusals.h"

enum {
    PAGE = 4096,
    NOISE_PAGES = 256,
    ROOM = 4 << 20,
    /* bounds of what an image adds to the pages in it */
    IMAGE_OVERHEAD = 64 + 16,
    EXTENT_OVERHEAD = 16,
    GROW = 5,                   /* percent, the property's default */
};

/* What the user of a VF has: one object of each kind, registers, memory. */
struct life {
    uint32_t uar, pd;
    struct fw_mkey mkey;
    struct fw_eq eq;
    struct fw_cq cq;
    struct fw_qp qp;
};

static struct life make_life(struct vf *v)
{
    struct life l;

    l.uar = fw_create_uar(&v->fw);
    l.pd = fw_create_pd(&v->fw);
    l.mkey = fw_create_mkey(&v->fw, l.pd, fw_alloc(&v->fw, 65536, PAGE), 65536, 12);
    l.eq = fw_create_eq(&v->fw, l.uar, 6, 1, 1ull << EVENT_COMMAND);
    l.cq = fw_create_cq(&v->fw, l.uar, 4, l.eq.eqn);
    l.qp = fw_create_qp(&v->fw, l.uar, QP_RQ_NORMAL, 4, l.cq.cqn);
    fw_qp_connect(&v->fw, l.qp.qpn, l.qp.qpn, false);
    wl_fill(v->wl, 0, NOISE_PAGES * PAGE, 21);
    return l;
}

/* Takes everything that make_life() made apart; true if all of it was known. */
static bool end_life(struct fw *fw, const struct life *l)
{
    return !fw_do(fw, OP_DESTROY_QP, 0, l->qp.qpn, NULL) &&
           !fw_do(fw, OP_DESTROY_CQ, 0, l->cq.cqn, NULL) &&
           !fw_do(fw, OP_DESTROY_EQ, 0, l->eq.eqn, NULL) &&
           !fw_do(fw, OP_DESTROY_MKEY, 0, l->mkey.index, NULL) &&
           !fw_do(fw, OP_DEALLOC_PD, 0, l->pd, NULL) &&
           !fw_do(fw, OP_DEALLOC_UAR, 0, l->uar, NULL);
}

/* A VF that is ready to be loaded into. */
static struct vf *stopped_vf(struct bench *b, unsigned n)
{
    struct vf *v = bench_running_vf(b, n);

    if (vhca_stop(b, v->id))
        tap_bail("VF %u does not stop", n);
    return v;
}

/* ---- a function arrives whole ---- */

static void test_whole(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w;
    struct life l = make_life(v);
    struct buffer buf = bench_buffer(b, ROOM);
    uint64_t sum = wl_sum(v->wl), objects[OBJECT_COMMAND];
    struct required need;
    uint32_t len, next;
    unsigned differ = 0;

    wl_write(v->wl, WL_MEM_COUNT, 77);
    vhca_stop(b, v->id);
    for (unsigned kind = 0; kind < OBJECT_COMMAND; kind++)
        objects[kind] = ctl_objects(b->control, v->id, kind);
    ok(!vhca_query(b, v->id, false, false, &need) && need.size, "QUERY of a stopped function");
    ok_eq(vhca_save(b, v->id, false, false, &buf, &len, &next), ST_OK, "its SAVE");
    ok(len && len <= need.size, "the image has %u bytes, as QUERY said or less", len);
    ok_eq(next, 0, "no other image follows");

    w = stopped_vf(b, 1);
    ok_eq(vhca_load(b, w->id, &buf, len), ST_OK, "LOAD into another function");
    ok_eq(ctl_vhca_state(b->control, w->id), VHCA_STATE_STOPPED, "it is stopped, not loading");
    for (unsigned kind = 0; kind < OBJECT_COMMAND; kind++)
        differ += ctl_objects(b->control, w->id, kind) != objects[kind];
    ok_eq(differ, 0, "it has as many objects of each kind");
    ok_eq(wl_sum(w->wl), sum, "it has the same device memory");
    ok_eq(wl_read(w->wl, WL_MEM_COUNT), 77, "and the same registers");
    ok_eq(wl_read(w->wl, WL_VHCA_ID), w->id, "but its own vhca_id");
    ok_eq(vhca_start(b, w->id), ST_OK, "it resumes");
    /* the two share one I/O address space: the target reads the source's memory */
    w->fw.ram = v->fw.ram;
    w->fw.m = v->fw.m;
    ok(end_life(&w->fw, &l), "its user can take all the objects apart");
    bench_free_buffer(b, &buf);
}

/* ---- an mkey whose pages lie in another order ---- */

static void test_scattered(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = stopped_vf(b, 1);
    const uint32_t pages = ROOM / PAGE;
    uint32_t at = fw_alloc(&b->pf, ROOM, PAGE), len, key;
    struct buffer buf;
    uint64_t *list, sum;
    struct fw_cmd c;

    fw_mkey_cmd(&b->pf, &c, b->pd, at, ROOM, 12);
    list = (uint64_t *)c.tail;
    for (uint32_t i = 0; i < pages; i++)
        list[i] = htobe64(fw_iova(&b->pf, at) + (i * 77ull % pages) * PAGE);
    accepted(&b->pf, &c, "an mkey whose pages are scattered");
    free(list);
    key = cmd_out(&c, F_OUT_ID24);
    buf = (struct buffer){ at, ROOM, { key, key << 8 } };

    wl_fill(v->wl, 0, NOISE_PAGES * PAGE, 22);
    sum = wl_sum(v->wl);
    vhca_stop(b, v->id);
    ok_eq(vhca_save(b, v->id, false, false, &buf, &len, NULL), ST_OK, "SAVE through it");
    ok_eq(vhca_load(b, w->id, &buf, len), ST_OK, "LOAD through it");
    ok_eq(wl_sum(w->wl), sum, "the memory arrives");
    fw_do(&b->pf, OP_DESTROY_MKEY, 0, key, NULL);
    fw_free_to(&b->pf, at);
}

/* ---- mkeys that are good for all but an image ---- */

static const struct poor_key {
    const char *name;
    unsigned log_page;
    struct change change;
    uint32_t syndrome;
} poor_keys[] = {
    { "with pages of 128 KiB", 17, { }, SYND_KEY_PAGE_SIZE },
    { "with pages that begin within one", 16, { MKEY_MTT * 8, 64, PF_IOVA + PAGE }, SYND_KEY_ALIGN },
    { "of which one size says that the list is longer", 12, { F_MKEY_OCTWORDS, 1 }, SYND_KEY_OCTWORDS },
    { "of which the other does", 12, { F_MKEY_ACTUAL_OCTWORDS, 1 }, SYND_KEY_OCTWORDS },
    { "that cannot be written to", 12, { F_MKEY_ACCESS, 1 }, SYND_KEY_ACCESS },
};

static void test_poor_keys(struct bench *b)
{
    struct vf *v = stopped_vf(b, 0);
    uint32_t used = b->pf.m.used, at = fw_alloc(&b->pf, ROOM, 1 << 17);

    for (unsigned i = 0; i < sizeof(poor_keys) / sizeof(*poor_keys); i++) {
        const struct poor_key *k = &poor_keys[i];
        struct buffer buf = { .offset = at, .size = ROOM };
        struct fw_cmd c;
        char name[96];

        fw_mkey_cmd(&b->pf, &c, b->pd, at, ROOM, k->log_page);
        if (k->change.width && k->change.bit >= MKEY_MTT * 8)
            *(uint64_t *)c.tail = htobe64(k->change.value);
        else if (k->change.width)
            cmd_set(&c, k->change.bit, k->change.width, k->change.value);
        snprintf(name, sizeof(name), "an mkey %s", k->name);
        accepted(&b->pf, &c, name);
        free((void *)c.tail);
        buf.mkey.index = cmd_out(&c, F_OUT_ID24);
        buf.mkey.key = buf.mkey.index << 8;
        c = vhca_save_cmd(v->id, false, false, &buf, ROOM);
        refused(b, &b->pf, &c, ST_BAD_PARAM, k->syndrome, "but not for a SAVE: it");
        c = vhca_load_cmd(v->id, &buf, ROOM);
        refused(b, &b->pf, &c, ST_BAD_PARAM, k->syndrome, "nor for a LOAD: it");
        fw_do(&b->pf, OP_DESTROY_MKEY, 0, buf.mkey.index, NULL);
    }
    fw_free_to(&b->pf, used);
}

/* ---- incremental images ---- */

static void change(struct vf *v, uint64_t first_page, uint64_t pages)
{
    wl_write(v->wl, WL_MEM_COUNT, 0);
    wl_change(v->wl, first_page * PAGE, pages * PAGE, 1000000, pages);
    if (!wl_wait(v->wl, WL_MEM_COUNT, pages, 10000))
        tap_bail("the workload does not change memory");
    wl_write(v->wl, WL_MEM_RATE, 0);
}

static void test_incremental(struct bench *b)
{
    enum { CHANGED = 10 };
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf[4];
    struct required need;
    uint32_t len[4], used = b->pf.m.used;
    uint64_t sum;

    for (unsigned i = 0; i < 4; i++)
        buf[i] = bench_buffer(b, ROOM);
    wl_fill(v->wl, 0, NOISE_PAGES * PAGE, 23);
    ok_eq(vhca_save(b, v->id, false, true, &buf[0], &len[0], NULL), ST_OK, "a tracked SAVE");
    ok(ctl_tracked(b->control, v->id), "tracks the function");
    ok(len[0] >= NOISE_PAGES * PAGE, "the first image has all pages that are not zero");
    ok(!vhca_query(b, v->id, true, false, &need) && !need.size && !need.state,
       "incremental QUERY: nothing has changed");
    ok_eq(vhca_save(b, v->id, true, true, &buf[1], &len[1], NULL), ST_OK,
          "an incremental SAVE all the same");
    ok(len[1] <= IMAGE_OVERHEAD, "has no page in it");

    change(v, 500, CHANGED);
    ok(!vhca_query(b, v->id, true, false, &need) && need.size >= CHANGED * PAGE &&
       need.size <= IMAGE_OVERHEAD + CHANGED * (PAGE + EXTENT_OVERHEAD),
       "incremental QUERY after %u pages changed: %u bytes", CHANGED, need.size);
    ok_eq(vhca_save(b, v->id, true, true, &buf[2], &len[2], NULL), ST_OK, "incremental SAVE");
    ok(len[2] >= CHANGED * PAGE && len[2] <= IMAGE_OVERHEAD + CHANGED * (PAGE + EXTENT_OVERHEAD),
       "its image holds these and no more: %u bytes", len[2]);
    ok(!vhca_query(b, v->id, true, false, &need) && !need.size, "now nothing is dirty");

    change(v, 20, 3);
    wl_fill(v->wl, 30 * PAGE, 2 * PAGE, 0);
    sum = wl_sum(v->wl);
    vhca_stop(b, v->id);
    ok(!vhca_query(b, v->id, true, false, &need) && need.size >= 5 * PAGE,
       "incremental QUERY of the stopped function");
    ok_eq(vhca_save(b, v->id, true, false, &buf[3], &len[3], NULL), ST_OK, "the final SAVE");
    ok(len[3] < 5 * (PAGE + EXTENT_OVERHEAD) + 8192,
       "holds three pages, two zeros and the objects: %u bytes", len[3]);
    ok(!ctl_tracked(b->control, v->id), "and ends tracking");

    w = stopped_vf(b, 1);
    wl_fill(w->wl, 0, PAGE, 1);                 /* discarded: it is stopped */
    for (unsigned i = 0; i < 4; i++) {
        ok_eq(vhca_load(b, w->id, &buf[i], len[i]), ST_OK, "LOAD of image %u", i);
        if (i < 3)
            ok_eq(ctl_vhca_state(b->control, w->id), VHCA_STATE_LOADING, "half loaded");
    }
    ok_eq(wl_sum(w->wl), sum, "all changes arrived, zeros as well");
    for (unsigned i = 4; i-- > 0;)
        bench_free_buffer(b, &buf[i]);
    fw_free_to(&b->pf, used);
}

/* Changes between QUERY and SAVE: there has to be room for them, and for those that the property pretends. */
static void test_growth(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf[3];
    uint32_t len[3];
    struct required need;
    struct fw_cmd c;
    uint64_t sum;

    for (unsigned i = 0; i < 3; i++)
        buf[i] = bench_buffer(b, ROOM);
    wl_fill(v->wl, 0, NOISE_PAGES * PAGE, 24);
    vhca_save(b, v->id, false, true, &buf[0], &len[0], NULL);
    change(v, 0, 5);
    vhca_query(b, v->id, true, false, &need);
    change(v, 100, 50);
    c = vhca_save_cmd(v->id, true, true, &buf[1], need.size);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_BUFFER_SHORT,
            "a tracked SAVE as large as QUERY said, when more has changed");
    vhca_cancel(b, v->id, &buf[1]);
    vhca_query(b, v->id, false, false, &need);
    c = vhca_save_cmd(v->id, false, true, &buf[0], need.size + (uint64_t)need.size * GROW / 100 - 1);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_BUFFER_SHORT,
            "a first tracked SAVE with less room than the state has grown to");
    cmd_set(&c, F_SAVE_SIZE, need.size + (uint64_t)need.size * GROW / 100);
    accepted(&b->pf, &c, "one with that much");
    len[0] = cmd_out(&c, F_SAVE_ACTUAL);
    change(v, 100, 50);
    vhca_query(b, v->id, true, false, &need);
    c = vhca_save_cmd(v->id, true, true, &buf[1], need.size);
    accepted(&b->pf, &c, "a tracked SAVE as large as QUERY said");
    len[1] = cmd_out(&c, F_SAVE_ACTUAL);
    change(v, 0, 5);
    sum = wl_sum(v->wl);
    vhca_stop(b, v->id);
    vhca_query(b, v->id, true, false, &need);
    c = vhca_save_cmd(v->id, true, false, &buf[2], need.size - 1);
    refused(b, &b->pf, &c, ST_NO_RESOURCES, SYND_BUFFER_SHORT,
            "a final SAVE that cannot hold everything");
    c = vhca_save_cmd(v->id, true, false, &buf[2], need.size);
    accepted(&b->pf, &c, "a final SAVE as large as QUERY said");
    len[2] = cmd_out(&c, F_SAVE_ACTUAL);
    w = stopped_vf(b, 1);
    ok(!vhca_load(b, w->id, &buf[0], len[0]) && !vhca_load(b, w->id, &buf[1], len[1]) &&
       !vhca_load(b, w->id, &buf[2], len[2]), "the three images load");
    ok_eq(wl_sum(w->wl), sum, "nothing is missing");
    for (unsigned i = 3; i-- > 0;)
        bench_free_buffer(b, &buf[i]);
}

static void test_cancel(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, ROOM);
    struct required need;
    struct fw_cmd c;
    uint32_t len;

    wl_fill(v->wl, 0, 16 * PAGE, 25);
    vhca_query(b, v->id, false, false, &need);
    vhca_save(b, v->id, false, true, &buf, &len, NULL);
    c = vhca_cancel_cmd(v->id, &buf);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_NOT_QUERIED, "a SAVE to end tracking without a QUERY since the last SAVE");
    wl_fill(v->wl, 0, 4 * PAGE, 26);
    vhca_query(b, v->id, true, false, &need);
    cmd_set(&c, F_SAVE_MKEY, 0);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_MKEY, "one without an mkey");
    c = vhca_cancel_cmd(v->id, &buf);
    cmd_set(&c, F_SAVE_SIZE, 0);
    refused(b, &b->pf, &c, ST_NO_RESOURCES, SYND_BUFFER_SHORT, "one without room");
    cmd_set(&c, F_SAVE_SIZE, need.size - 1);
    refused(b, &b->pf, &c, ST_NO_RESOURCES, SYND_BUFFER_SHORT, "one with less than QUERY said");
    ok_eq(vhca_cancel(b, v->id, &buf), ST_OK, "with all three it ends tracking");
    ok(!ctl_tracked(b->control, v->id), "nothing is tracked any more");
    ok_eq(vhca_query(b, v->id, true, false, &need), ST_BAD_RES_STATE,
          "incremental QUERY is refused then");
    c = vhca_cancel_cmd(v->id, &buf);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_VHCA_STATE, "there is nothing to cancel twice: another one");
    ok_eq(vhca_save(b, v->id, false, true, &buf, &len, NULL), ST_OK, "tracking starts again");
    vhca_query(b, v->id, true, false, &need);
    c = vhca_cancel_cmd(v->id, NULL);
    accepted(&b->pf, &c, "a SAVE to end tracking with nothing, when nothing has changed");
    ok_eq(vhca_save(b, v->id, false, true, &buf, &len, NULL), ST_OK, "and again");
    ok(len >= 16 * PAGE, "with everything");
    vhca_stop(b, v->id);
    ok_eq(vhca_save(b, v->id, false, false, &buf, &len, NULL), ST_OK,
          "a full SAVE of a stopped function that is tracked");
    ok(len >= 16 * PAGE, "has everything, too");
    bench_free_buffer(b, &buf);
}

/* ---- refusals of arguments ---- */

static struct buffer table_buffer;
static struct vf *table_vf;

static void build_save(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    *c = vhca_save_cmd(table_vf->id, false, false, &table_buffer, table_buffer.size);
}

static void build_load(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    *c = vhca_load_cmd(table_vf->id, &table_buffer, table_buffer.size);
}

static void build_suspend(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    *c = vhca_suspend_cmd(table_vf->id, SUSPEND_INITIATOR);
}

static void build_resume(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    *c = vhca_resume_cmd(table_vf->id, RESUME_RESPONDER);
}

static void build_query(struct bench *b, struct fw *fw, struct fw_cmd *c)
{
    (void)b, (void)fw;
    *c = vhca_query_cmd(table_vf->id, false, false);
}

static const struct refusal argument_refusals[] = {
    { "SAVE without an mkey", build_save, { { F_SAVE_MKEY, 0 } }, ST_BAD_PARAM, SYND_MKEY },
    { "SAVE with an mkey that is not there", build_save,
      { { F_SAVE_MKEY, 0xabcdef00 } }, ST_BAD_PARAM, SYND_MKEY },
    { "SAVE behind the end of the mkey", build_save,
      { { F_SAVE_VA, ROOM } }, ST_BAD_PARAM, SYND_MKEY_RANGE },
    { "SAVE beyond the end of the mkey", build_save,
      { { F_SAVE_VA, PAGE } }, ST_BAD_PARAM, SYND_MKEY_RANGE },
    { "SAVE longer than the mkey", build_save,
      { { F_SAVE_SIZE, ROOM + 1 } }, ST_BAD_PARAM, SYND_MKEY_RANGE },
    { "SAVE with no room at all", build_save,
      { { F_SAVE_SIZE, 0 } }, ST_NO_RESOURCES, SYND_BUFFER_SHORT },
    { "SAVE with less room than it needs", build_save,
      { { F_SAVE_SIZE, NOISE_PAGES * PAGE } }, ST_NO_RESOURCES, SYND_BUFFER_SHORT },
    { "SAVE with an op_mod", build_save, { { F_IN_OP_MOD, 1 } }, ST_BAD_PARAM, SYND_OP_MOD },
    { "LOAD with an mkey that is not there", build_load,
      { { F_SAVE_MKEY, 0xabcdef00 } }, ST_BAD_PARAM, SYND_MKEY },
    { "LOAD beyond the end of the mkey", build_load,
      { { F_SAVE_VA, ROOM - PAGE } }, ST_BAD_PARAM, SYND_MKEY_RANGE },
    { "LOAD with an op_mod", build_load, { { F_IN_OP_MOD, 1 } }, ST_BAD_PARAM, SYND_OP_MOD },
    { "SUSPEND with an unknown op_mod", build_suspend,
      { { F_IN_OP_MOD, 2 } }, ST_BAD_PARAM, SYND_OP_MOD },
    { "RESUME with an unknown op_mod", build_resume,
      { { F_IN_OP_MOD, 2 } }, ST_BAD_PARAM, SYND_OP_MOD },
    { "QUERY with an op_mod", build_query, { { F_IN_OP_MOD, 1 } }, ST_BAD_PARAM, SYND_OP_MOD },
};

/* A key of the VF's own, whose number the PF does not have. */
static uint32_t foreign_key(struct bench *b, struct vf *v)
{
    uint32_t pd = fw_create_pd(&v->fw), at = fw_alloc(&v->fw, PAGE, PAGE);
    struct fw_mkey k = { 0 };

    while (k.index <= table_buffer.mkey.index)
        k = fw_create_mkey(&v->fw, pd, at, PAGE, 12);
    (void)b;
    return k.key;
}

static void test_arguments(struct bench *b)
{
    struct fw_cmd c;
    uint32_t foreign;

    table_vf = bench_running_vf(b, 0);
    table_buffer = bench_buffer(b, ROOM);
    foreign = foreign_key(b, table_vf);
    wl_fill(table_vf->wl, 0, NOISE_PAGES * PAGE, 26);
    vhca_stop(b, table_vf->id);
    refusals_run(b, &b->pf, argument_refusals,
                 sizeof(argument_refusals) / sizeof(*argument_refusals));
    build_save(b, &b->pf, &c);
    cmd_set(&c, F_SAVE_MKEY, foreign);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_MKEY, "SAVE with an mkey of the VF's");
    build_save(b, &b->pf, &c);
    cmd_set(&c, F_SAVE_MKEY, table_buffer.mkey.key | 1);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_MKEY, "SAVE with a variant of the mkey");
    build_save(b, &b->pf, &c);
    accepted(&b->pf, &c, "the SAVE that all these were made of");
    bench_free_buffer(b, &table_buffer);
}

/* An mkey whose pages no IOMMU maps. */
static void test_dma_errors(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer good = bench_buffer(b, ROOM);
    struct fw_cmd mkey, c;
    uint64_t *list, sum;
    uint32_t bad, len;

    lab_expect(REPORT_OF_DMA_FAULT);
    wl_fill(v->wl, 0, NOISE_PAGES * PAGE, 27);
    sum = wl_sum(v->wl);
    fw_mkey_cmd(&b->pf, &mkey, b->pd, good.offset, ROOM, 12);
    list = (uint64_t *)mkey.tail;
    for (unsigned i = 64; i < ROOM / PAGE; i++)
        list[i] = htobe64(NO_IOVA + i * (uint64_t)PAGE);
    fw_exec(&b->pf, &mkey);
    free(list);
    bad = cmd_out(&mkey, F_OUT_ID24);

    c = vhca_save_cmd(v->id, false, true, &good, ROOM);
    cmd_set(&c, F_SAVE_MKEY, bad << 8);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_DMA, "a tracked SAVE into memory that is not mapped");
    vhca_stop(b, v->id);
    c = vhca_save_cmd(v->id, false, false, &good, ROOM);
    cmd_set(&c, F_SAVE_MKEY, bad << 8);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_DMA, "a SAVE into memory that is not mapped");
    ok_eq(vhca_save(b, v->id, false, false, &good, &len, NULL), ST_OK, "a good SAVE after these");
    v = stopped_vf(b, 1);
    c = vhca_load_cmd(v->id, &good, len);
    cmd_set(&c, F_SAVE_MKEY, bad << 8);
    fw_exec(&b->pf, &c);
    ok(c.r.status == ST_BAD_PARAM && c.r.syndrome == SYND_DMA,
       "a LOAD from memory that is not mapped is refused");
    ok_eq(ctl_vhca_state(b->control, v->id), VHCA_STATE_LOAD_FAILED,
          "in the middle: the function is of no use");
    v = stopped_vf(b, 1);
    ok_eq(vhca_load(b, v->id, &good, len), ST_OK, "a good LOAD after a reset");
    ok_eq(wl_sum(v->wl), sum, "brings everything");
    fw_do(&b->pf, OP_DESTROY_MKEY, 0, bad, NULL);
    bench_free_buffer(b, &good);
}

/* ---- bad images ---- */

/* One byte changed: refused, and the function never runs with it. */
static bool corrupt_is_refused(struct bench *b, struct vf *v, struct buffer *buf,
                               uint32_t len, uint32_t at, bool *header)
{
    struct fw_cmd c = vhca_load_cmd(v->id, buf, len);
    unsigned state;

    bench_data(b, buf)[at] ^= 0x10;
    fw_exec(&b->pf, &c);
    bench_data(b, buf)[at] ^= 0x10;
    state = ctl_vhca_state(b->control, v->id);
    *header = state == VHCA_STATE_STOPPED;
    if (state == VHCA_STATE_LOAD_FAILED) {
        if (vhca_resume(b, v->id, RESUME_RESPONDER) != ST_BAD_RES_STATE)
            return false;
        stopped_vf(b, 1);
    } else if (state != VHCA_STATE_STOPPED) {
        return false;
    }
    return c.r.status == ST_BAD_PARAM && c.r.syndrome >= SYND_IMAGE_HEADER &&
           c.r.syndrome <= SYND_IMAGE_OBJECTS;
}

/* A fill of device memory is under way, and is to go on behind the end of it. */
static void test_false_fill(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf = bench_buffer(b, 5 * ROOM);
    uint64_t size = wl_read(v->wl, WL_STATE_SIZE), left;
    uint32_t len, bytes, at;
    uint8_t *objects;

    wl_write(v->wl, WL_FILL_START, 0);
    wl_write(v->wl, WL_FILL_LEN, size);
    wl_write(v->wl, WL_FILL_SEED, 5);
    wl_write(v->wl, WL_FILL, 1);
    ok_eq(vhca_stop(b, v->id), ST_OK, "a function is stopped that fills its memory");
    left = wl_read(v->wl, WL_FILL);
    vhca_save(b, v->id, false, false, &buf, &len, NULL);
    objects = image_objects(bench_data(b, &buf), len, &bytes);
    for (at = 0; at + 16 <= bytes; at += 4)
        if (get_le32(objects + at) == size - left && get_le32(objects + at + 8) == left)
            break;
    if (!ok(left && at + 16 <= bytes, "its image says where the fill goes on"))
        return;
    put_le32(objects + at, size);
    image_seal(bench_data(b, &buf), len);
    w = stopped_vf(b, 1);
    ok_eq(vhca_load(b, w->id, &buf, len), ST_BAD_PARAM, "an image that says it goes on behind the end is refused");
    bench_free_buffer(b, &buf);
}

static void test_corrupt(struct bench *b)
{
    enum { HEADER = 64, SAMPLES = 12 };
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf = bench_buffer(b, ROOM);
    unsigned bad = 0, early = 0;
    uint32_t len;
    bool header;

    make_life(v);
    vhca_stop(b, v->id);
    vhca_save(b, v->id, false, false, &buf, &len, NULL);
    w = stopped_vf(b, 1);
    for (uint32_t at = 0; at < HEADER; at++) {
        bad += !corrupt_is_refused(b, w, &buf, len, at, &header);
        early += header;
    }
    ok_eq(bad, 0, "a change of any byte of the header is refused");
    ok_eq(early, HEADER, "before the function has changed");
    bad = 0;
    /* extents, pages, objects: from the first byte behind the header to the last */
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint32_t at = HEADER + (uint64_t)(len - 1 - HEADER) * i / (SAMPLES - 1);

        bad += !corrupt_is_refused(b, w, &buf, len, at, &header);
    }
    ok_eq(bad, 0, "a change of any of %u bytes behind it is refused", SAMPLES);
    ok_eq(vhca_load(b, w->id, &buf, len), ST_OK, "the image itself is good");
    bench_free_buffer(b, &buf);
}

enum queue { EQ, CQ, QP };

/* Of a VF with queues of one page each, of which the one has 2^log entries. */
static uint32_t image_with(struct bench *b, struct buffer *buf, enum queue queue, unsigned log)
{
    struct vf *v = bench_running_vf(b, 0);
    uint32_t uar = fw_create_uar(&v->fw), len = 0;
    struct fw_eq eq = fw_create_eq(&v->fw, uar, queue == EQ ? log : 6, 1, 0);
    struct fw_cq cq = fw_create_cq(&v->fw, uar, queue == CQ ? log : 6, eq.eqn);

    fw_create_qp(&v->fw, uar, QP_RQ_NORMAL, queue == QP ? log : 8, cq.cqn);
    vhca_stop(b, v->id);
    vhca_save(b, v->id, false, false, buf, &len, NULL);
    return len;
}

/* Checksums are right, and objects are not: a queue that is larger than its pages. */
static void test_too_large(struct bench *b, enum queue queue, unsigned log, const char *name)
{
    struct buffer buf = bench_buffer(b, ROOM);
    uint8_t *p = bench_data(b, &buf), *smaller = malloc(ROOM);
    uint32_t len = image_with(b, &buf, queue, log - 1), bytes, at = image_objects(p, len, &bytes) - p;
    struct fw_cmd c;

    memcpy(smaller, p, len);
    if (image_with(b, &buf, queue, log) != len)
        tap_bail("an image has another length where a queue has more entries");
    while (at < len && p[at] == smaller[at])
        at++;
    ok(at < len && p[at] == log && smaller[at] == log - 1, "an image tells of how many entries %s has", name);
    p[at] = log + 1;
    image_seal(p, len);
    c = vhca_load_cmd(stopped_vf(b, 1)->id, &buf, len);
    fw_exec(&b->pf, &c);
    ok(c.r.status == ST_BAD_PARAM && c.r.syndrome == SYND_IMAGE_OBJECTS, "one where it has more than its page is refused");
    p[at] = log;
    image_seal(p, len);
    ok_eq(vhca_load(b, stopped_vf(b, 1)->id, &buf, len), ST_OK, "and one where it has as many is not");
    free(smaller);
    bench_free_buffer(b, &buf);
}

static void test_lengths(struct bench *b)
{
    static const struct { const char *name; int32_t cut; } cuts[] = {
        { "an image one byte short", 1 },
        { "an image cut by a page", PAGE },
        { "an image one byte too long", -1 },
    };
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf = bench_buffer(b, ROOM);
    struct fw_cmd c;
    uint32_t len;

    wl_fill(v->wl, 0, 16 * PAGE, 28);
    vhca_stop(b, v->id);
    vhca_save(b, v->id, false, false, &buf, &len, NULL);
    w = stopped_vf(b, 1);
    for (unsigned i = 0; i < 3; i++) {
        c = vhca_load_cmd(w->id, &buf, len - cuts[i].cut);
        refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_IMAGE_LENGTH, cuts[i].name);
    }
    c = vhca_load_cmd(w->id, &buf, 63);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_IMAGE_LENGTH, "an image shorter than its header");
    c = vhca_load_cmd(w->id, &buf, 0);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_IMAGE_LENGTH, "an empty image");
    memset(bench_data(b, &buf), 0, len);
    c = vhca_load_cmd(w->id, &buf, len);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_IMAGE_HEADER, "zeros");
    bench_free_buffer(b, &buf);
}

static void test_order(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w;
    struct buffer buf[3];
    uint32_t len[3];
    struct fw_cmd c;

    for (unsigned i = 0; i < 3; i++)
        buf[i] = bench_buffer(b, ROOM);
    wl_fill(v->wl, 0, 64 * PAGE, 29);
    vhca_save(b, v->id, false, true, &buf[0], &len[0], NULL);
    change(v, 0, 4);
    vhca_save(b, v->id, true, true, &buf[1], &len[1], NULL);
    vhca_stop(b, v->id);
    vhca_save(b, v->id, true, false, &buf[2], &len[2], NULL);

    w = stopped_vf(b, 1);
    for (unsigned i = 1; i < 3; i++) {
        c = vhca_load_cmd(w->id, &buf[i], len[i]);
        refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_IMAGE_ORDER, "a stream's later image first");
    }
    ok_eq(vhca_load(b, w->id, &buf[0], len[0]), ST_OK, "the first image");
    c = vhca_load_cmd(w->id, &buf[2], len[2]);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_IMAGE_ORDER, "the third after the first");
    c = vhca_resume_cmd(w->id, RESUME_RESPONDER);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_VHCA_STATE, "RESUME of a half-loaded function");
    ok_eq(vhca_load(b, w->id, &buf[1], len[1]), ST_OK, "the second image");
    c = vhca_load_cmd(w->id, &buf[1], len[1]);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_IMAGE_ORDER, "the second again");
    ok_eq(vhca_load(b, w->id, &buf[0], len[0]), ST_OK, "the first again starts anew");
    ok(!vhca_load(b, w->id, &buf[1], len[1]) && !vhca_load(b, w->id, &buf[2], len[2]),
       "and the others follow");
    ok_eq(vhca_start(b, w->id), ST_OK, "the function resumes");
    for (unsigned i = 3; i-- > 0;)
        bench_free_buffer(b, &buf[i]);
}

/* ---- REINIT ---- */

static void test_reinit(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, ROOM);
    struct required need;
    uint32_t len;

    wl_fill(v->wl, 0, PAGE, 30);
    vhca_save(b, v->id, false, true, &buf, &len, NULL);
    ok(!vhca_query(b, v->id, true, false, &need) && need.state == 0, "migration_state is 0");
    fw_do(&v->fw, OP_TEARDOWN_HCA, 0, 0, NULL);
    fw_do(&v->fw, OP_INIT_HCA, 0, 0, NULL);
    ok(!vhca_query(b, v->id, true, false, &need) && need.state == MIGRATION_STATE_INIT,
       "a function that was initialised again says so");
    vhca_save(b, v->id, true, true, &buf, &len, NULL);
    ok(!vhca_query(b, v->id, true, false, &need) && need.state == 0, "until the next SAVE");
    ctl_vhca_action(b->control, v->id, VHCA_SET_REINIT);
    ok(!vhca_query(b, v->id, true, false, &need) && need.state == MIGRATION_STATE_INIT,
       "the control block can set the same");
    bench_free_buffer(b, &buf);
}

void test_images(struct bench *b)
{
    test_whole(b);
    test_scattered(b);
    test_poor_keys(b);
    test_incremental(b);
    test_growth(b);
    test_cancel(b);
    test_arguments(b);
    test_dma_errors(b);
    test_corrupt(b);
    test_too_large(b, EQ, 6, "an EQ");
    test_too_large(b, CQ, 6, "a CQ");
    test_too_large(b, QP, 8, "a QP");
    test_false_fill(b);
    test_lengths(b);
    test_order(b);
    test_reinit(b);
}
