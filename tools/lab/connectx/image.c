/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the image of a VHCA.
 *
 * Owns its format.  An image is what one SAVE writes and one LOAD reads:
 *
 *     header      64 bytes, with a checksum of its own
 *     extents     {page, pages, kind}, for DATA followed by the pages;
 *                 the last one is END
 *     objects     in the FINAL image: registers, objects, workload
 *
 * The images of one migration are numbered; the FIRST starts a function from
 * nothing, the FINAL completes it.  Everything is little endian.
 *
 * Registers and objects are described once, by functions that pass each field
 * to an archive, which writes it or reads it.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <zlib.h>
#include "ethernet.h"

/* ---- header and extents ---- */

enum {
    H_MAGIC = 0x00, H_VERSION = 0x04, H_HEADER_SIZE = 0x06, H_FLAGS = 0x08,
    H_SEQ = 0x0c, H_STATE_SIZE = 0x10, H_LENGTH = 0x18, H_OBJECTS = 0x20,
    H_CHECKSUM = 0x24, H_DEVICE = 0x28, H_PSID = 0x2c, H_FIRMWARE = 0x30,
    H_ZERO = 0x36, H_HEADER_CRC = 0x3c,
};
#define IMAGE_DEVICE 0x101e15b3u        /* device and vendor of the VF */

void cx_image_origin(const CxPf *pf, CxImageHeader *h)
{
    h->psid = crc32(0, (const uint8_t *)pf->psid, strlen(pf->psid));
    memcpy(h->fw, pf->fw, sizeof(h->fw));
    h->flags |= pf->ethernet ? IMAGE_ETHERNET : 0;
}

void cx_image_put_header(uint8_t buf[IMAGE_HEADER_SIZE],
                         const CxImageHeader *h)
{
    memset(buf, 0, IMAGE_HEADER_SIZE);
    stl_le_p(buf + H_MAGIC, IMAGE_MAGIC);
    stw_le_p(buf + H_VERSION, IMAGE_VERSION);
    stw_le_p(buf + H_HEADER_SIZE, IMAGE_HEADER_SIZE);
    stl_le_p(buf + H_FLAGS, h->flags);
    stl_le_p(buf + H_SEQ, h->seq);
    stq_le_p(buf + H_STATE_SIZE, h->state_size);
    stq_le_p(buf + H_LENGTH, h->length);
    stl_le_p(buf + H_OBJECTS, h->objects);
    stl_le_p(buf + H_CHECKSUM, h->checksum);
    stl_le_p(buf + H_DEVICE, IMAGE_DEVICE);
    stl_le_p(buf + H_PSID, h->psid);
    for (unsigned i = 0; i < ARRAY_SIZE(h->fw); i++) {
        stw_le_p(buf + H_FIRMWARE + 2 * i, h->fw[i]);
    }
    stl_le_p(buf + H_HEADER_CRC, crc32(0, buf, H_HEADER_CRC));
}

/* 0, or the syndrome of what is wrong with it. */
uint32_t cx_image_get_header(const uint8_t buf[IMAGE_HEADER_SIZE],
                             CxImageHeader *h)
{
    if ((uint32_t)ldl_le_p(buf + H_MAGIC) != IMAGE_MAGIC ||
        (uint32_t)ldl_le_p(buf + H_HEADER_CRC) !=
        (uint32_t)crc32(0, buf, H_HEADER_CRC)) {
        return SYND_IMAGE_HEADER;
    }
    if (lduw_le_p(buf + H_VERSION) != IMAGE_VERSION ||
        lduw_le_p(buf + H_HEADER_SIZE) != IMAGE_HEADER_SIZE) {
        return SYND_IMAGE_VERSION;
    }
    if ((uint32_t)ldl_le_p(buf + H_DEVICE) != IMAGE_DEVICE) {
        return SYND_IMAGE_FOREIGN;
    }
    *h = (CxImageHeader) {
        .flags = ldl_le_p(buf + H_FLAGS),
        .seq = ldl_le_p(buf + H_SEQ),
        .state_size = ldq_le_p(buf + H_STATE_SIZE),
        .length = ldq_le_p(buf + H_LENGTH),
        .objects = ldl_le_p(buf + H_OBJECTS),
        .checksum = ldl_le_p(buf + H_CHECKSUM),
        .psid = ldl_le_p(buf + H_PSID),
    };
    for (unsigned i = 0; i < ARRAY_SIZE(h->fw); i++) {
        h->fw[i] = lduw_le_p(buf + H_FIRMWARE + 2 * i);
    }
    return SYND_NONE;
}

void cx_image_put_extent(uint8_t buf[EXTENT_HEADER_SIZE], uint64_t page,
                         uint32_t pages, uint32_t kind)
{
    stq_le_p(buf, page);
    stl_le_p(buf + 8, pages);
    stl_le_p(buf + 12, kind);
}

void cx_image_get_extent(const uint8_t buf[EXTENT_HEADER_SIZE],
                         uint64_t *page, uint32_t *pages, uint32_t *kind)
{
    *page = ldq_le_p(buf);
    *pages = ldl_le_p(buf + 8);
    *kind = ldl_le_p(buf + 12);
}

/* ---- archive ---- */

struct CxArchive {
    GByteArray *out;                    /* writing: grows; reading: NULL */
    const uint8_t *in;
    size_t left;
    bool bad;
};

void cx_archive_bytes(CxArchive *a, uint8_t *buf, size_t len)
{
    if (a->out) {
        g_byte_array_append(a->out, buf, len);
    } else if (a->bad || a->left < len) {
        a->bad = true;
        memset(buf, 0, len);
    } else {
        memcpy(buf, a->in, len);
        a->in += len;
        a->left -= len;
    }
}

void cx_archive_u32(CxArchive *a, uint32_t *x)
{
    uint32_t le = cpu_to_le32(*x);

    cx_archive_bytes(a, (uint8_t *)&le, sizeof(le));
    *x = le32_to_cpu(le);
}

void cx_archive_u64(CxArchive *a, uint64_t *x)
{
    uint64_t le = cpu_to_le64(*x);

    cx_archive_bytes(a, (uint8_t *)&le, sizeof(le));
    *x = le64_to_cpu(le);
}

void cx_archive_bool(CxArchive *a, bool *x)
{
    uint32_t u = *x;

    cx_archive_u32(a, &u);
    a->bad |= u > 1;
    *x = u;
}

void cx_archive_refuse(CxArchive *a)
{
    a->bad = true;
}

void cx_archive_pages(CxArchive *a, CxPages *p)
{
    cx_archive_u32(a, &p->n);
    cx_archive_u32(a, &p->log_page);
    if (!a->out) {
        if (a->bad || p->n > a->left / 8 || p->log_page < 12 ||
            p->log_page > 43) {
            a->bad |= p->n || p->log_page;      /* no pages at all is fine */
            p->n = 0;
            return;
        }
        p->addr = g_new0(uint64_t, p->n);
    }
    for (uint32_t i = 0; i < p->n; i++) {
        cx_archive_u64(a, &p->addr[i]);
    }
}

/* ---- what a function is ---- */

static void cx_visit_registers(CxArchive *a, CxVhca *v)
{
    cx_archive_u64(a, &v->cmdq);
    cx_archive_u32(a, &v->doorbells);
    cx_archive_u32(a, &v->issi);
    cx_archive_bool(a, &v->enabled);
    cx_archive_bool(a, &v->inited);
    cx_archive_u32(a, &v->nic_interface);
    cx_archive_u32(a, &v->caps.pkey_table_size);
    cx_archive_u32(a, &v->caps.log_max_qp);
    cx_archive_u32(a, &v->caps.cmdif_checksum);
    cx_archive_u32(a, &v->caps.log_uar_page_sz);
    cx_workload_visit(a, v);
    if (v->pf->ethernet) {
        cx_vport_visit(a, v);
    }
}

static void cx_visit_object(CxArchive *a, CxVhca *v, unsigned kind,
                            uint32_t id)
{
    CxObject *obj = a->out ? cx_object_find(v, kind, id) :
                    cx_object_alloc(kind);

    cx_archive_u32(a, &id);
    cx_kind(kind)->visit(a, obj);
    if (a->out) {
        return;
    }
    obj->id = id;
    if (a->bad || id < cx_kind(kind)->first || id > cx_kind(kind)->last ||
        cx_object_find(v, kind, id) || cx_object_add(v, kind, obj)) {
        a->bad = true;
        cx_object_free(kind, obj);
    }
}

/* In the order of OBJECT_*, in which nothing refers to what comes later. */
static void cx_visit_objects(CxArchive *a, CxVhca *v)
{
    unsigned kinds = v->pf->ethernet ? OBJECT_KINDS : OBJECT_COMMAND;

    for (unsigned kind = 0; kind < kinds; kind++) {
        g_autoptr(GArray) ids = NULL;
        uint32_t n;

        if (!cx_kind(kind) || !cx_kind(kind)->visit) {
            continue;
        }
        ids = cx_object_ids(v, kind);
        n = ids->len;
        cx_archive_u32(a, &n);
        for (uint32_t i = 0; i < n && !a->bad; i++) {
            cx_visit_object(a, v, kind,
                            a->out ? g_array_index(ids, uint32_t, i) : 0);
        }
    }
}

static void cx_visit_vhca(CxArchive *a, CxVhca *v)
{
    cx_visit_registers(a, v);
    cx_visit_objects(a, v);
}

GByteArray *cx_image_objects(CxVhca *v)
{
    CxArchive a = { .out = g_byte_array_new() };

    cx_visit_vhca(&a, v);
    return a.out;
}

/* Into a function that was cleared; false: it is of no use any more. */
bool cx_image_load_objects(CxVhca *v, const uint8_t *buf, size_t len)
{
    CxArchive a = { .in = buf, .left = len };

    cx_visit_vhca(&a, v);
    return !a.bad && !a.left;
}
