/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: SAVE_VHCA_STATE.
 *
 * Writes one image of what is dirty into the memory behind an mkey.  Pages
 * are taken as clean before they are copied, so a page that changes meanwhile
 * is in the next image again.  If the last SAVE fails, they are dirty as
 * before; if a tracked one does, the track is lost, and only a full image has
 * everything.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include <zlib.h>
#include "connectx.h"

typedef struct CxSave {
    CxJob job;
    bool track;                         /* the device goes on, and is tracked */
    bool incremental;
    bool reinit;                        /* it was said to be initialised anew */
    uint64_t page;                      /* the next to look at */
    uint32_t checksum;
    GByteArray *objects;                /* of a stopped function */
    GArray *taken;                      /* CxRange of pages */
} CxSave;

static CxSave *cx_save_of(CxCommand *c)
{
    return container_of(c->job, CxSave, job);
}

/* A tracked SAVE failed. */
static void cx_save_lose(CxVhca *t, bool incremental)
{
    if (incremental) {
        cx_devmem_lose(&t->mem);
    } else {
        cx_devmem_untrack(&t->mem);
    }
}

void cx_save_struck(CxCommand *c)
{
    CxVhca *t = cx_command_about(c);

    if (c->opcode == OP_SAVE_VHCA_STATE && t && !t->mig.busy &&
        ifc_get(c->in, F_SAVE_SET_TRACK)) {
        cx_save_lose(t, ifc_get(c->in, F_SAVE_INCREMENTAL));
    }
}

static void cx_save_end(CxJob *job, int status)
{
    CxSave *s = container_of(job, CxSave, job);

    if (job->target && status != ST_OK) {
        CxDevmem *m = &job->target->mem;

        job->target->mig.reinit |= s->reinit;
        if (s->track || !s->incremental) {
            cx_save_lose(job->target, s->incremental);
            s->taken->len = 0;
        }
        for (unsigned i = 0; i < s->taken->len; i++) {
            CxRange *r = &g_array_index(s->taken, CxRange, i);

            for (uint64_t page = r->start; page < r->start + r->len; page++) {
                m->ndirty += !test_and_set_bit(page, m->dirty);
            }
        }
    }
    if (s->objects) {
        g_byte_array_unref(s->objects);
    }
    g_array_unref(s->taken);
    g_free(s);
}

static bool cx_save_put(CxCommand *c, const void *buf, uint32_t len)
{
    CxSave *s = cx_save_of(c);

    if (!cx_job_write(c, s->job.pos, buf, len)) {
        return false;
    }
    s->checksum = crc32(s->checksum, buf, len);
    s->job.pos += len;
    return true;
}

static bool cx_save_put_extent(CxCommand *c, uint64_t page, uint32_t pages,
                               uint32_t kind)
{
    uint8_t header[EXTENT_HEADER_SIZE];

    cx_image_put_extent(header, page, pages, kind);
    return cx_save_put(c, header, sizeof(header));
}

/* The next dirty pages that follow one another and are alike, at most max. */
static uint32_t cx_save_run(CxDevmem *m, uint64_t page, uint32_t max,
                            bool *zero)
{
    uint32_t n = 1;

    *zero = cx_devmem_page_is_zero(m, page);
    while (n < max && page + n < m->npages && test_bit(page + n, m->dirty) &&
           cx_devmem_page_is_zero(m, page + n) == *zero) {
        n++;
    }
    return n;
}

/* Moves one run of pages; false: none is left, or none fits, or DMA failed. */
static bool cx_save_extent(CxCommand *c, int *status)
{
    CxSave *s = cx_save_of(c);
    CxVhca *t = s->job.target;
    CxDevmem *m = &t->mem;
    uint64_t page = cx_devmem_next_dirty(m, s->page);
    uint64_t room = s->job.size - s->job.pos, fits;
    bool zero;
    CxRange run;

    /* there is always room for the END */
    fits = room < 2 * EXTENT_HEADER_SIZE + CX_PAGE ? 0 :
           (room - 2 * EXTENT_HEADER_SIZE) / CX_PAGE;
    if (page >= m->npages || !fits) {
        return false;
    }
    run.start = page;
    run.len = cx_save_run(m, page, MIN(fits, CX_SLICE / CX_PAGE), &zero);
    for (uint64_t i = 0; i < run.len; i++) {
        cx_devmem_clean(m, page + i);
    }
    g_array_append_val(s->taken, run);
    s->page = page + run.len;
    /* The first image finds zeros at the target. */
    if (zero && !t->mig.save_seq) {
        return true;
    }
    if (!cx_save_put_extent(c, page, run.len,
                            zero ? EXTENT_ZERO : EXTENT_DATA) ||
        (!zero && !cx_save_put(c, cx_devmem_page(m, page),
                               run.len * CX_PAGE))) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_DMA);
        return false;
    }
    return true;
}

/* END, objects if this is all, and the header in front. */
static int cx_save_close(CxCommand *c)
{
    CxSave *s = cx_save_of(c);
    CxVhca *t = s->job.target;
    CxImageHeader h = {
        .flags = t->mig.save_seq ? 0 : IMAGE_FIRST,
        .seq = t->mig.save_seq,
        .state_size = t->mem.size,
    };
    uint8_t header[IMAGE_HEADER_SIZE];
    uint64_t next = 0;

    if (s->track && !cx_changes(t)) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_TRACK_STOPPED);
    }
    if (!t->mem.tracked) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_NOT_TRACKED);
    }
    if (!cx_save_put_extent(c, 0, 0, EXTENT_END)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_DMA);
    }
    if (!s->track && !t->mem.ndirty &&
        s->objects->len <= s->job.size - s->job.pos) {
        if (!cx_save_put(c, s->objects->data, s->objects->len)) {
            return cx_refuse(c, ST_BAD_PARAM, SYND_DMA);
        }
        h.flags |= IMAGE_FINAL;
        h.objects = s->objects->len;
    }
    cx_image_origin(t->pf, &h);
    h.length = s->job.pos;
    h.checksum = s->checksum;
    cx_image_put_header(header, &h);
    if (!cx_job_write(c, 0, header, sizeof(header))) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_DMA);
    }
    t->mig.save_seq++;
    t->mig.queried_valid = false;
    if (h.flags & IMAGE_FINAL) {
        cx_devmem_untrack(&t->mem);
    } else if (!s->track) {
        next = cx_migration_clamp(t, cx_migration_required(t, true));
    }
    cx_count(c->vhca, COUNTER_SAVED_BYTES, h.length);
    ifc_set(c->out, F_SAVE_ACTUAL, h.length);
    ifc_set(c->out, F_SAVE_NEXT_REQUIRED, next);
    return ST_OK;
}

static bool cx_save_slice(CxCommand *c, int *status)
{
    uint64_t end = c->job->pos + CX_SLICE;
    unsigned runs = 0;

    *status = ST_OK;
    while (cx_save_extent(c, status)) {
        /* zero runs move no bytes, yet take time */
        if (c->job->pos >= end || ++runs >= CX_SLICE / CX_PAGE) {
            return false;
        }
    }
    if (*status == ST_OK) {
        *status = cx_save_close(c);
    }
    return true;
}

/*
 * In chunks, the buffer needs what QUERY said, or less if it has become less.
 * Else it needs everything: of a function that goes on also what was added
 * since the QUERY, which the properties "grow" and "grow-middle" pretend to be
 * something.
 */
static bool cx_save_too_short(CxVhca *t, bool incremental, bool track,
                              uint32_t size)
{
    uint64_t required = cx_migration_required(t, incremental);

    if (size < IMAGE_HEADER_SIZE + 2 * EXTENT_HEADER_SIZE + CX_PAGE &&
        size < required) {
        return true;
    }
    if (!t->mig.chunked && !(track && t->pf->short_saves)) {
        if (track) {
            uint64_t grow = incremental ? t->pf->grow_middle : t->pf->grow;

            required = MIN(required + required * grow / 100, CX_MAX_IMAGE);
        }
        return size < MAX(required, IMAGE_HEADER_SIZE + EXTENT_HEADER_SIZE);
    }
    required = cx_migration_clamp(t, required);
    if (t->mig.queried_valid) {
        required = MIN(required, t->mig.queried);
    }
    return size < MAX(required, IMAGE_HEADER_SIZE + EXTENT_HEADER_SIZE);
}

static int cx_save_check(CxCommand *c, CxVhca *t, bool incremental, bool track)
{
    uint32_t size = ifc_get(c->in, F_SAVE_SIZE);
    uint32_t syndrome;

    if (t->mig.busy) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_BUSY);
    }
    if (track && !t->pf->tracking_state) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_CAP);
    }
    if (track ? !cx_changes(t) : t->mig.state != VHCA_STATE_STOPPED) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_STATE);
    }
    if (incremental && !t->mem.tracked) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_NOT_TRACKED);
    }
    syndrome = cx_mkey_check_image(c);
    if (syndrome) {
        return cx_refuse(c, ST_BAD_PARAM, syndrome);
    }
    if (cx_save_too_short(t, incremental, track, size)) {
        if (track) {
            cx_save_lose(t, incremental);
        }
        return cx_refuse(c, track ? ST_BAD_RES_STATE : ST_NO_RESOURCES,
                         SYND_BUFFER_SHORT);
    }
    return ST_OK;
}

/* The kernel's own driver may come with nothing for what QUERY said is nothing. */
static bool cx_save_needs(OnOffAuto property, const CxVhca *t)
{
    return property == ON_OFF_AUTO_AUTO ? t->mig.queried_valid && t->mig.queried :
           property == ON_OFF_AUTO_ON;
}

/*
 * Not of a stopped function: pre-copy is cancelled.  No image is wanted, yet
 * it comes with a QUERY before it and with memory, as any other SAVE.
 */
static int cx_save_cancel(CxCommand *c, CxVhca *t)
{
    uint32_t size = ifc_get(c->in, F_SAVE_SIZE), syndrome;

    if (t->pf->end_query && !t->mig.queried_valid) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_NOT_QUERIED);
    }
    syndrome = cx_save_needs(t->pf->end_key, t) ? cx_mkey_check_image(c) :
               SYND_NONE;
    if (syndrome) {
        return cx_refuse(c, ST_BAD_PARAM, syndrome);
    }
    if (cx_save_needs(t->pf->end_size, t) &&
        (!size || (t->mig.queried_valid && size < t->mig.queried))) {
        return cx_refuse(c, ST_NO_RESOURCES, SYND_BUFFER_SHORT);
    }
    cx_devmem_untrack(&t->mem);
    t->mig.reinit = false;
    t->mig.queried_valid = false;
    return ST_OK;
}

int cx_save_vhca_state(CxCommand *c)
{
    bool incremental = ifc_get(c->in, F_SAVE_INCREMENTAL);
    bool track = ifc_get(c->in, F_SAVE_SET_TRACK);
    int status;
    CxVhca *t = cx_migration_target(c, &status);
    CxSave *s;

    if (!t) {
        return status;
    }
    if (!incremental && !track && t->mem.tracked && cx_changes(t) &&
        !t->mig.busy) {
        return cx_save_cancel(c, t);
    }
    status = cx_save_check(c, t, incremental, track);
    if (status != ST_OK) {
        return status;
    }
    if (!incremental) {
        t->mig.save_seq = 0;
        cx_devmem_track(&t->mem);
    }
    s = g_new0(CxSave, 1);
    s->track = track;
    s->incremental = incremental;
    /* What is initialised anew from here on is news again. */
    s->reinit = t->mig.reinit;
    t->mig.reinit = false;
    s->objects = track ? NULL : cx_image_objects(t);
    s->taken = g_array_new(false, false, sizeof(CxRange));
    s->job.pos = IMAGE_HEADER_SIZE;
    return cx_job_begin(c, &s->job, t, cx_save_slice, cx_save_end,
                        t->pf->save_mbps);
}
