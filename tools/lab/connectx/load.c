/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: LOAD_VHCA_STATE.
 *
 * Reads one image from the memory behind an mkey into a stopped function.
 * What the header can tell is refused before anything changes; a fault found
 * later leaves a function that cannot be resumed, only reset.
 */
#include "qemu/osdep.h"
#include <zlib.h>
#include "connectx.h"

typedef enum CxLoadPhase {
    LOAD_HEADER, LOAD_EXTENT, LOAD_PAGES, LOAD_OBJECTS, LOAD_CLOSE
} CxLoadPhase;

typedef struct CxLoad {
    CxJob job;
    CxLoadPhase phase;
    CxImageHeader h;
    uint32_t checksum;
    uint64_t page;                      /* of the extent being read */
    uint32_t pages, kind;               /* what is left of it */
    uint8_t *buf;                       /* a slice */
    GByteArray *objects;
} CxLoad;

static CxLoad *cx_load_of(CxCommand *c)
{
    return container_of(c->job, CxLoad, job);
}

static void cx_load_end(CxJob *job, int status)
{
    CxLoad *l = container_of(job, CxLoad, job);

    /* Cut off by a reset of the PF, say: half a state is none. */
    if (job->target && status != ST_OK && l->phase != LOAD_HEADER) {
        job->target->mig.state = VHCA_STATE_LOAD_FAILED;
    }
    g_byte_array_unref(l->objects);
    g_free(l->buf);
    g_free(l);
}

static bool cx_load_get(CxCommand *c, void *buf, uint32_t len, int *status)
{
    CxLoad *l = cx_load_of(c);

    if (len > l->job.size - l->job.pos) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_IMAGE_EXTENT);
        return false;
    }
    if (!cx_job_read(c, buf, len)) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_DMA);
        return false;
    }
    l->checksum = crc32(l->checksum, buf, len);
    return true;
}

/*
 * Was it saved by a NIC of the same kind, with Ethernet or without as this one,
 * by no newer firmware?
 */
static uint32_t cx_load_origin(CxVhca *t, const CxImageHeader *h)
{
    CxImageHeader own = { };

    cx_image_origin(t->pf, &own);
    if ((h->flags ^ own.flags) & IMAGE_ETHERNET) {
        return SYND_IMAGE_FOREIGN;
    }
    if (h->psid != own.psid) {
        return SYND_IMAGE_PSID;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(h->fw); i++) {
        if (h->fw[i] != own.fw[i]) {
            return h->fw[i] > own.fw[i] ? SYND_IMAGE_NEWER : SYND_NONE;
        }
    }
    return SYND_NONE;
}

/* Everything that can be refused while the function is still as it was. */
static bool cx_load_header(CxCommand *c, int *status)
{
    CxLoad *l = cx_load_of(c);
    CxVhca *t = l->job.target;
    uint8_t header[IMAGE_HEADER_SIZE];
    uint32_t syndrome;

    if (l->job.size < sizeof(header)) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_IMAGE_LENGTH);
        return false;
    }
    if (!cx_load_get(c, header, sizeof(header), status)) {
        return false;
    }
    l->checksum = 0;
    syndrome = cx_image_get_header(header, &l->h);
    if (!syndrome && l->h.state_size != t->mem.size) {
        syndrome = SYND_IMAGE_FOREIGN;
    }
    if (!syndrome) {
        syndrome = cx_load_origin(t, &l->h);
    }
    if (!syndrome && l->h.length != l->job.size) {
        syndrome = SYND_IMAGE_LENGTH;
    }
    if (syndrome) {
        *status = cx_refuse(c, ST_BAD_PARAM, syndrome);
        return false;
    }
    if (l->h.flags & IMAGE_FIRST ? l->h.seq != 0 :
        t->mig.state != VHCA_STATE_LOADING || l->h.seq != t->mig.load_seq) {
        *status = cx_refuse(c, ST_BAD_RES_STATE, SYND_IMAGE_ORDER);
        return false;
    }
    if (l->h.flags & IMAGE_FIRST) {
        cx_vhca_clear(t);
        cx_workload_reset(t);
        /* makes room for what a function is */
        l->job.began_ns += t->pf->load_setup_ms * (int64_t)SCALE_MS;
    }
    t->mig.state = VHCA_STATE_LOADING;
    t->mig.load_seq = l->h.seq;
    l->phase = LOAD_EXTENT;
    return true;
}

static bool cx_load_extent(CxCommand *c, int *status)
{
    CxLoad *l = cx_load_of(c);
    uint64_t npages = l->job.target->mem.npages;
    uint8_t header[EXTENT_HEADER_SIZE];

    if (!cx_load_get(c, header, sizeof(header), status)) {
        return false;
    }
    cx_image_get_extent(header, &l->page, &l->pages, &l->kind);
    if (l->kind == EXTENT_END && !l->page && !l->pages) {
        l->phase = LOAD_OBJECTS;
        return true;
    }
    if ((l->kind != EXTENT_DATA && l->kind != EXTENT_ZERO) || !l->pages ||
        l->page > npages || l->pages > npages - l->page) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_IMAGE_EXTENT);
        return false;
    }
    l->phase = LOAD_PAGES;
    return true;
}

static bool cx_load_pages(CxCommand *c, int *status)
{
    CxLoad *l = cx_load_of(c);
    CxDevmem *m = &l->job.target->mem;
    uint32_t n = MIN(l->pages, CX_SLICE / CX_PAGE);

    if (l->kind == EXTENT_DATA) {
        if (!cx_load_get(c, l->buf, n * CX_PAGE, status)) {
            return false;
        }
        cx_devmem_write(m, l->page * CX_PAGE, l->buf, n * CX_PAGE);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            cx_devmem_zero_page(m, l->page + i);
        }
    }
    l->page += n;
    l->pages -= n;
    if (!l->pages) {
        l->phase = LOAD_EXTENT;
    }
    return true;
}

static bool cx_load_objects(CxCommand *c, int *status)
{
    CxLoad *l = cx_load_of(c);
    uint32_t n;

    if (l->h.objects != l->job.size - l->job.pos + l->objects->len ||
        !(l->h.flags & IMAGE_FINAL) != !l->h.objects) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_IMAGE_EXTENT);
        return false;
    }
    n = MIN(l->job.size - l->job.pos, CX_SLICE);
    if (n) {
        if (!cx_load_get(c, l->buf, n, status)) {
            return false;
        }
        g_byte_array_append(l->objects, l->buf, n);
    } else {
        l->phase = LOAD_CLOSE;
    }
    return true;
}

static int cx_load_close(CxCommand *c)
{
    CxLoad *l = cx_load_of(c);
    CxVhca *t = l->job.target;

    if (l->checksum != l->h.checksum) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_IMAGE_CHECKSUM);
    }
    t->mig.load_seq++;
    if (l->h.flags & IMAGE_FINAL) {
        if (!cx_image_load_objects(t, l->objects->data, l->objects->len)) {
            return cx_refuse(c, ST_BAD_PARAM, SYND_IMAGE_OBJECTS);
        }
        t->mig.state = VHCA_STATE_STOPPED;
    }
    cx_count(c->vhca, COUNTER_LOADED_BYTES, l->h.length);
    return ST_OK;
}

static bool cx_load_slice(CxCommand *c, int *status)
{
    CxLoad *l = cx_load_of(c);
    uint64_t end = l->job.pos + CX_SLICE;
    bool going = true;

    *status = ST_OK;
    for (unsigned i = 0; going && i < CX_SLICE / CX_PAGE &&
         l->job.pos < end; i++) {
        switch (l->phase) {
        case LOAD_HEADER:
            going = cx_load_header(c, status);
            break;
        case LOAD_EXTENT:
            going = cx_load_extent(c, status);
            break;
        case LOAD_PAGES:
            going = cx_load_pages(c, status);
            break;
        case LOAD_OBJECTS:
            going = cx_load_objects(c, status);
            break;
        case LOAD_CLOSE:
            *status = cx_load_close(c);
            return true;
        }
    }
    return !going;
}

int cx_load_vhca_state(CxCommand *c)
{
    int status;
    CxVhca *t = cx_migration_target(c, &status);
    uint32_t syndrome;
    CxLoad *l;

    if (!t) {
        return status;
    }
    if (t->mig.busy) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_BUSY);
    }
    if (t->mig.state != VHCA_STATE_STOPPED &&
        t->mig.state != VHCA_STATE_LOADING) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_STATE);
    }
    if (t->mig.state == VHCA_STATE_LOADING && !t->pf->multi_load) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_MULTI_LOAD);
    }
    syndrome = cx_mkey_check_image(c);
    if (syndrome) {
        return cx_refuse(c, ST_BAD_PARAM, syndrome);
    }
    l = g_new0(CxLoad, 1);
    l->buf = g_malloc(CX_SLICE);
    l->objects = g_byte_array_new();
    return cx_job_begin(c, &l->job, t, cx_load_slice, cx_load_end,
                        t->pf->load_mbps);
}
