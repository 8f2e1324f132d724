/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: device memory of a VHCA, and which of its pages changed.
 *
 * The memory is one private mapping without reserved swap, so the host spends
 * memory only on pages that were ever made non-zero.  "present" bounds those,
 * "dirty" are the pages that changed since a SAVE copied them.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/cutils.h"
#include "qemu/madvise.h"
#include <sys/mman.h>
#include "connectx.h"

void cx_devmem_init(CxDevmem *m, uint64_t size)
{
    m->size = size;
    m->npages = size / CX_PAGE;
    m->base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert(m->base != MAP_FAILED);
    m->present = bitmap_new(m->npages);
    m->dirty = bitmap_new(m->npages);
}

void cx_devmem_free(CxDevmem *m)
{
    munmap(m->base, m->size);
    g_free(m->present);
    g_free(m->dirty);
}

void cx_devmem_clear(CxDevmem *m)
{
    if (m->npresent) {
        qemu_madvise(m->base, m->size, QEMU_MADV_DONTNEED);
        bitmap_zero(m->present, m->npages);
        m->npresent = 0;
    }
    cx_devmem_untrack(m);
}

void *cx_devmem_page(const CxDevmem *m, uint64_t page)
{
    return m->base + page * CX_PAGE;
}

bool cx_devmem_page_is_zero(const CxDevmem *m, uint64_t page)
{
    return !test_bit(page, m->present) ||
           buffer_is_zero(cx_devmem_page(m, page), CX_PAGE);
}

static void cx_devmem_mark(CxDevmem *m, uint64_t page)
{
    if (m->tracked && !m->lost && !test_and_set_bit(page, m->dirty)) {
        m->ndirty++;
    }
}

/* The caller has checked the range. */
void cx_devmem_write(CxDevmem *m, uint64_t pos, const void *buf, uint64_t len)
{
    uint64_t last = (pos + len - 1) / CX_PAGE;

    if (!len) {
        return;
    }
    memcpy(m->base + pos, buf, len);
    for (uint64_t page = pos / CX_PAGE; page <= last; page++) {
        if (!test_and_set_bit(page, m->present)) {
            m->npresent++;
        }
        cx_devmem_mark(m, page);
    }
}

void cx_devmem_zero_page(CxDevmem *m, uint64_t page)
{
    if (test_and_clear_bit(page, m->present)) {
        qemu_madvise(cx_devmem_page(m, page), CX_PAGE, QEMU_MADV_DONTNEED);
        m->npresent--;
        cx_devmem_mark(m, page);
    }
}

/* From here on changes are noted; all there is counts as changed. */
void cx_devmem_track(CxDevmem *m)
{
    m->tracked = true;
    m->lost = false;
    bitmap_copy(m->dirty, m->present, m->npages);
    m->ndirty = m->npresent;
}

static void cx_devmem_forget(CxDevmem *m)
{
    if (m->ndirty) {
        bitmap_zero(m->dirty, m->npages);
    }
    m->ndirty = 0;
}

void cx_devmem_untrack(CxDevmem *m)
{
    cx_devmem_forget(m);
    m->tracked = false;
    m->lost = false;
}

/* It says that it tracks, yet what changed is forgotten, and stays so. */
void cx_devmem_lose(CxDevmem *m)
{
    cx_devmem_forget(m);
    m->lost = m->tracked;
}

uint64_t cx_devmem_next_dirty(const CxDevmem *m, uint64_t from)
{
    return from < m->npages ? find_next_bit(m->dirty, m->npages, from) :
           m->npages;
}

uint64_t cx_devmem_next_present(const CxDevmem *m, uint64_t from)
{
    return from < m->npages ? find_next_bit(m->present, m->npages, from) :
           m->npages;
}

void cx_devmem_clean(CxDevmem *m, uint64_t page)
{
    if (test_and_clear_bit(page, m->dirty)) {
        m->ndirty--;
    }
}
