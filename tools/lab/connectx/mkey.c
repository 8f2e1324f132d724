/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: memory keys, and DMA through them.
 *
 * Those of MTT access mode, with pages of 4 KiB and more, and with Ethernet
 * those that mean the bus itself: all of it, and no list of pages.  A key is
 * index << 8, its low byte is always 0.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

#define WHOLE_BUS UINT64_MAX

static void cx_mkey_visit(CxArchive *a, void *obj)
{
    CxMkey *m = obj;

    cx_archive_u32(a, &m->pd);
    cx_archive_u64(a, &m->start);
    cx_archive_u64(a, &m->len);
    cx_archive_pages(a, &m->mtt);
}

/* Where the key's first byte lies in its first page. */
static uint64_t cx_mkey_first(const CxMkey *m)
{
    return m->start & ((1ull << m->mtt.log_page) - 1);
}

static bool cx_mkey_is_bus(const CxMkey *m)
{
    return m->len == WHOLE_BUS && !m->mtt.n;
}

static uint32_t cx_mkey_link(CxVhca *v, void *obj)
{
    CxMkey *m = obj;

    if (!cx_object_find(v, OBJECT_PD, m->pd)) {
        return SYND_PD;
    }
    if (cx_mkey_is_bus(m)) {
        if (!v->pf->ethernet || m->start) {
            return SYND_ACCESS_MODE;
        }
        cx_object_get(v, OBJECT_PD, m->pd);
        return SYND_NONE;
    }
    if (m->mtt.log_page < 12 || m->mtt.log_page > 30 || !m->len ||
        m->len > 1 * TiB) {
        return SYND_SIZE;
    }
    if (DIV_ROUND_UP(cx_mkey_first(m) + m->len, 1ull << m->mtt.log_page) !=
        m->mtt.n) {
        return SYND_PAGE_LIST;
    }
    cx_object_get(v, OBJECT_PD, m->pd);
    return SYND_NONE;
}

static void cx_mkey_unlink(CxVhca *v, void *obj)
{
    cx_object_put(v, OBJECT_PD, ((CxMkey *)obj)->pd);
}

static void cx_mkey_clear(void *obj)
{
    g_free(((CxMkey *)obj)->mtt.addr);
}

const CxKind cx_kind_mkey = {
    .name = "mkey",
    .size = sizeof(CxMkey),
    .first = 0x100,
    .last = 0xffffff,
    .visit = cx_mkey_visit,
    .link = cx_mkey_link,
    .unlink = cx_mkey_unlink,
    .clear = cx_mkey_clear,
};

/* Does each page begin at a multiple of its size? */
static bool cx_mkey_aligned(const CxMkey *m)
{
    uint64_t within = (1ull << m->mtt.log_page) - 1;

    for (uint32_t i = 0; i < m->mtt.n; i++) {
        if (m->mtt.addr[i] & within) {
            return false;
        }
    }
    return true;
}

static int cx_create_bus_mkey(CxCommand *c)
{
    CxMkey *m;

    if (!c->vhca->pf->ethernet || ifc_get(c->in, F_MKEY_ACCESS_MODE_HI) ||
        !ifc_get(c->in, F_MKEY_LENGTH64)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_ACCESS_MODE);
    }
    m = cx_object_alloc(OBJECT_MKEY);
    m->pd = ifc_get(c->in, F_MKEY_PD);
    m->start = ifc_get(c->in, F_MKEY_START);
    m->len = WHOLE_BUS;
    return cx_object_answer(c, OBJECT_MKEY, m);
}

int cx_create_mkey(CxCommand *c)
{
    uint32_t log_page = ifc_get(c->in, F_MKEY_LOG_PAGE_SIZE);
    CxMkey *m;

    if (ifc_get(c->in, F_MKEY_ACCESS_MODE) == MKEY_MODE_BUS) {
        return cx_create_bus_mkey(c);
    }
    if (ifc_get(c->in, F_MKEY_ACCESS_MODE) != MKEY_MODE_MTT ||
        ifc_get(c->in, F_MKEY_ACCESS_MODE_HI) ||
        ifc_get(c->in, F_MKEY_LENGTH64)) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_ACCESS_MODE);
    }
    if (log_page < 12 || log_page > 30 ||
        ifc_get(c->in, F_MKEY_LEN) > 1 * TiB) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_SIZE);
    }
    m = cx_object_alloc(OBJECT_MKEY);
    m->pd = ifc_get(c->in, F_MKEY_PD);
    m->start = ifc_get(c->in, F_MKEY_START);
    m->len = ifc_get(c->in, F_MKEY_LEN);
    m->mtt.log_page = log_page;
    if (!cx_pages_read(&m->mtt, c, MKEY_MTT, cx_mkey_first(m) + m->len,
                       log_page)) {
        cx_object_free(OBJECT_MKEY, m);
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_PAGE_LIST);
    }
    m->access = ifc_get(c->in, F_MKEY_ACCESS);
    m->octwords = ifc_get(c->in, F_MKEY_OCTWORDS);
    m->actual_octwords = ifc_get(c->in, F_MKEY_ACTUAL_OCTWORDS);
    m->aligned = cx_mkey_aligned(m);
    return cx_object_answer(c, OBJECT_MKEY, m);
}

/* May so many bytes from va be accessed with the key?  0 or a syndrome. */
uint32_t cx_mkey_check(CxVhca *v, uint32_t key, uint64_t va, uint64_t len)
{
    CxMkey *m = cx_object_find(v, OBJECT_MKEY, key >> 8);

    if (!m || key & 0xff) {
        return SYND_MKEY;
    }
    if (va < m->start || va - m->start > m->len ||
        len > m->len - (va - m->start)) {
        return SYND_MKEY_RANGE;
    }
    return SYND_NONE;
}

/*
 * The memory of a SAVE or LOAD.  What reads and writes images may walk the
 * list of pages by itself, so its keys are held to what the kernel's own
 * driver makes; others are not.  0 or a syndrome.
 */
uint32_t cx_mkey_check_image(CxCommand *c)
{
    uint32_t key = ifc_get(c->in, F_SAVE_MKEY);
    uint32_t syndrome = cx_mkey_check(c->vhca, key, ifc_get(c->in, F_SAVE_VA),
                                      ifc_get(c->in, F_SAVE_SIZE));
    const CxPf *pf = c->vhca->pf;
    const CxMkey *m = cx_object_find(c->vhca, OBJECT_MKEY, key >> 8);

    if (syndrome) {
        return syndrome;
    }
    if (cx_mkey_is_bus(m)) {
        return SYND_ACCESS_MODE;
    }
    if (m->mtt.log_page > pf->key_max_log_page) {
        return SYND_KEY_PAGE_SIZE;
    }
    if (pf->key_align && !m->aligned) {
        return SYND_KEY_ALIGN;
    }
    if (pf->key_octwords && (m->octwords != DIV_ROUND_UP(m->mtt.n, 2) ||
                             m->actual_octwords != m->octwords)) {
        return SYND_KEY_OCTWORDS;
    }
    if (pf->key_access && m->access != MKEY_ACCESS_ALL) {
        return SYND_KEY_ACCESS;
    }
    return SYND_NONE;
}

/*
 * The bus address of va and, in *run, how many of len bytes follow there
 * without a gap.  The caller has checked the range.
 */
static uint64_t cx_mkey_run(CxVhca *v, uint32_t key, uint64_t va,
                            uint64_t len, uint64_t *run)
{
    CxMkey *m = cx_object_find(v, OBJECT_MKEY, key >> 8);
    uint64_t page = 1ull << m->mtt.log_page;
    uint64_t pos = va - m->start + cx_mkey_first(m);
    uint64_t i = pos / page, n = page - pos % page;

    if (cx_mkey_is_bus(m)) {
        *run = len;
        return va;
    }
    while (n < len && m->mtt.addr[i + 1] == m->mtt.addr[i] + page) {
        n += page;
        i++;
    }
    *run = MIN(n, len);
    return cx_pages_addr(&m->mtt, pos);
}

bool cx_mkey_read(CxVhca *v, uint32_t key, uint64_t va, void *buf,
                  uint64_t len)
{
    uint8_t *b = buf;

    if (cx_mkey_check(v, key, va, len)) {
        return false;
    }
    for (uint64_t n; len; va += n, b += n, len -= n) {
        uint64_t addr = cx_mkey_run(v, key, va, len, &n);

        if (cx_dma_read(v, addr, b, n) != MEMTX_OK) {
            return false;
        }
    }
    return true;
}

bool cx_mkey_write(CxVhca *v, uint32_t key, uint64_t va, const void *buf,
                   uint64_t len)
{
    const uint8_t *b = buf;

    if (cx_mkey_check(v, key, va, len)) {
        return false;
    }
    for (uint64_t n; len; va += n, b += n, len -= n) {
        uint64_t addr = cx_mkey_run(v, key, va, len, &n);

        if (cx_dma_write(v, addr, b, n) != MEMTX_OK) {
            return false;
        }
    }
    return true;
}
