/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the workload of a function, and the window onto its
 * device memory.  Not the NIC's, the lab's: see lab.h.
 *
 * A timer on the virtual clock does what is due, in bounded portions, as far
 * as the function's state allows: DMA, interrupts and messages only while it
 * runs, changes of its memory until it is stopped.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "connectx.h"

#define TICK_NS         (1 * SCALE_MS)
#define TICK_PAGES      (CX_SLICE / CX_PAGE * 4)        /* filled, summed */
#define TICK_STEPS      4096                            /* of each rate */
#define RECV_MAX        4096

enum { CREDIT_MEM, CREDIT_DMA, CREDIT_IRQ };

typedef struct CxRegister {
    uint16_t offset;
    bool writable;
} CxRegister;

/* Those that are nothing but a stored value, and part of the image. */
static const CxRegister stored[] = {
    { WL_WINDOW, true },
    { WL_FILL_START, true }, { WL_FILL_LEN, true }, { WL_FILL_SEED, true },
    { WL_MEM_START, true }, { WL_MEM_LEN, true }, { WL_MEM_RATE, true },
    { WL_MEM_LIMIT, true }, { WL_MEM_COUNT, true },
    { WL_DMA_IOVA, true }, { WL_DMA_LEN, true }, { WL_DMA_STRIDE, true },
    { WL_DMA_RATE, true }, { WL_DMA_LIMIT, true }, { WL_DMA_COUNT, true },
    { WL_DMA_ERRORS, false }, { WL_DMA_SEED, true },
    { WL_IRQ_VECTOR, true }, { WL_IRQ_RATE, true }, { WL_IRQ_LIMIT, true },
    { WL_IRQ_COUNT, true },
    { WL_RECV_QPN, true }, { WL_RECV_LEN, true }, { WL_RECV_COUNT, true },
};

static uint64_t *cx_wl(CxVhca *v, unsigned offset)
{
    return &v->wl.reg[offset / 8];
}

/* Whole pages of device memory? */
static bool cx_fill_fits(const CxVhca *v, uint64_t start, uint64_t len)
{
    return start % CX_PAGE == 0 && len % CX_PAGE == 0 &&
           start <= v->mem.size && len <= v->mem.size - start;
}

void cx_workload_visit(CxArchive *a, CxVhca *v)
{
    for (unsigned i = 0; i < ARRAY_SIZE(stored); i++) {
        cx_archive_u64(a, cx_wl(v, stored[i].offset));
    }
    cx_archive_u64(a, &v->wl.fill_pos);
    cx_archive_u64(a, &v->wl.fill_left);
    cx_archive_u64(a, &v->wl.recv_left);
    if (!cx_fill_fits(v, v->wl.fill_pos, v->wl.fill_left)) {
        v->wl.fill_left = 0;
        cx_archive_refuse(a);
    }
}

/* ---- device memory ---- */

static void cx_fill_page(CxVhca *v, uint64_t page, uint64_t seed)
{
    uint64_t noise[CX_PAGE / 8], x = seed * 0x9e3779b97f4a7c15ull + page + 1;

    if (!seed) {
        cx_devmem_zero_page(&v->mem, page);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(noise); i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = cpu_to_le64(x);
    }
    cx_devmem_write(&v->mem, page * CX_PAGE, noise, CX_PAGE);
}

static void cx_workload_fill(CxVhca *v)
{
    CxWorkload *w = &v->wl;

    for (unsigned n = 0; w->fill_left && n < TICK_PAGES; n++) {
        cx_fill_page(v, w->fill_pos / CX_PAGE, *cx_wl(v, WL_FILL_SEED));
        w->fill_pos += CX_PAGE;
        w->fill_left -= CX_PAGE;
    }
}

/* Of a page and its place; the sum over all pages does not depend on order. */
static uint64_t cx_page_sum(const CxDevmem *m, uint64_t page)
{
    const uint64_t *p = cx_devmem_page(m, page);
    uint64_t h = page * 0x9e3779b97f4a7c15ull + 1;

    for (unsigned i = 0; i < CX_PAGE / 8; i++) {
        h = (h ^ le64_to_cpu(p[i])) * 0x100000001b3ull;
        h ^= h >> 29;
    }
    return h;
}

static void cx_workload_sum(CxVhca *v)
{
    CxWorkload *w = &v->wl;

    for (unsigned n = 0; w->sum_left && n < TICK_PAGES; n++) {
        uint64_t page = cx_devmem_next_present(&v->mem, w->sum_pos / CX_PAGE);

        if (page < v->mem.npages && !cx_devmem_page_is_zero(&v->mem, page)) {
            w->sum += cx_page_sum(&v->mem, page);
        }
        w->sum_pos = MIN(page + 1, v->mem.npages) * CX_PAGE;
        w->sum_left = v->mem.size - w->sum_pos;
        if (!w->sum_left) {
            w->sum_value = w->sum;
        }
    }
}

/* ---- what happens at a rate ---- */

/* Steps due since the last tick at so many a second, as far as its limit. */
static uint64_t cx_due(CxVhca *v, unsigned credit, uint64_t ns,
                       unsigned rate_reg, unsigned limit_reg,
                       unsigned count_reg)
{
    uint64_t limit = *cx_wl(v, limit_reg), count = *cx_wl(v, count_reg);
    uint64_t rate = MIN(*cx_wl(v, rate_reg), UINT32_MAX), n;

    if (!rate || (limit && count >= limit)) {
        v->wl.credit[credit] = 0;
        return 0;
    }
    v->wl.credit[credit] += ns * rate;
    n = MIN(v->wl.credit[credit] / NANOSECONDS_PER_SECOND, TICK_STEPS);
    v->wl.credit[credit] %= NANOSECONDS_PER_SECOND;
    return limit ? MIN(n, limit - count) : n;
}

static void cx_workload_mem(CxVhca *v, uint64_t ns)
{
    uint64_t n = cx_due(v, CREDIT_MEM, ns, WL_MEM_RATE, WL_MEM_LIMIT,
                        WL_MEM_COUNT);
    uint64_t start = *cx_wl(v, WL_MEM_START), len = *cx_wl(v, WL_MEM_LEN);

    if (start % CX_PAGE || len < CX_PAGE || start > v->mem.size ||
        len > v->mem.size - start) {
        return;
    }
    for (; n; n--) {
        uint64_t *count = cx_wl(v, WL_MEM_COUNT), value;
        uint64_t pos = start + *count % (len / CX_PAGE) * CX_PAGE;

        value = cpu_to_le64(++*count);
        cx_devmem_write(&v->mem, pos, &value, sizeof(value));
    }
}

static void cx_workload_dma(CxVhca *v, uint64_t ns)
{
    uint64_t n = cx_due(v, CREDIT_DMA, ns, WL_DMA_RATE, WL_DMA_LIMIT,
                        WL_DMA_COUNT);
    uint64_t stride = *cx_wl(v, WL_DMA_STRIDE), len = *cx_wl(v, WL_DMA_LEN);

    if (stride < 8 || len < stride) {
        return;
    }
    for (; n; n--) {
        uint64_t *count = cx_wl(v, WL_DMA_COUNT), value;
        uint64_t off = dma_place(*count, len / stride,
                                 *cx_wl(v, WL_DMA_SEED)) * stride;

        value = cpu_to_le64(++*count);
        cx_count(v, COUNTER_DMA_WRITES, 1);
        if (cx_dma_write(v, *cx_wl(v, WL_DMA_IOVA) + off, &value,
                         sizeof(value)) != MEMTX_OK) {
            ++*cx_wl(v, WL_DMA_ERRORS);
        }
    }
}

static void cx_workload_irq(CxVhca *v, uint64_t ns)
{
    uint64_t n = cx_due(v, CREDIT_IRQ, ns, WL_IRQ_RATE, WL_IRQ_LIMIT,
                        WL_IRQ_COUNT);

    for (; n && *cx_wl(v, WL_IRQ_VECTOR) < v->vectors; n--) {
        ++*cx_wl(v, WL_IRQ_COUNT);
        cx_raise(v, *cx_wl(v, WL_IRQ_VECTOR));
    }
}

static void cx_workload_receive(CxVhca *v)
{
    CxWorkload *w = &v->wl;
    CxQp *qp = cx_object_find(v, OBJECT_QP, *cx_wl(v, WL_RECV_QPN));
    uint64_t len = MIN(*cx_wl(v, WL_RECV_LEN), RECV_MAX);
    uint8_t msg[RECV_MAX];
    uint32_t room;

    for (unsigned i = 0; qp && w->recv_left && i < TICK_STEPS &&
         cx_qp_credit(v, qp, &room); i++) {
        uint64_t *count = cx_wl(v, WL_RECV_COUNT);

        for (unsigned b = 0; b < len; b++) {
            msg[b] = *count + b;
        }
        if (!cx_qp_receive(v, qp, msg, len, *count)) {
            return;
        }
        ++*count;
        w->recv_left--;
    }
}

static void cx_workload_tick(CxVhca *v)
{
    CxWorkload *w = &v->wl;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    uint64_t ns = now - w->last_ns;

    w->last_ns = now;
    cx_workload_sum(v);
    if (cx_changes(v)) {
        cx_workload_fill(v);
        cx_workload_mem(v, ns);
    }
    if (cx_initiates(v)) {
        cx_workload_dma(v, ns);
        cx_workload_irq(v, ns);
        cx_workload_receive(v);
    }
}

static bool cx_workload_wants_timer(CxVhca *v)
{
    CxWorkload *w = &v->wl;
    bool rates = *cx_wl(v, WL_DMA_RATE) || *cx_wl(v, WL_IRQ_RATE) ||
                 w->recv_left;

    return w->sum_left ||
           (cx_changes(v) && (w->fill_left || *cx_wl(v, WL_MEM_RATE))) ||
           (cx_initiates(v) && rates);
}

static void cx_workload_timer(void *opaque)
{
    CxVhca *v = opaque;

    cx_workload_tick(v);
    if (cx_workload_wants_timer(v)) {
        timer_mod(v->wl.timer, v->wl.last_ns + TICK_NS);
    }
}

/* Time does not count while it could not do anything. */
void cx_workload_kick(CxVhca *v)
{
    if (!timer_pending(v->wl.timer) && cx_workload_wants_timer(v)) {
        v->wl.last_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
        timer_mod(v->wl.timer, v->wl.last_ns + TICK_NS);
    }
}

/* ---- registers ---- */

static uint64_t cx_workload_read(void *opaque, hwaddr addr, unsigned size)
{
    CxVhca *v = opaque;

    switch (addr) {
    case WL_MAGIC:
        return WORKLOAD_MAGIC;
    case WL_STATE_SIZE:
        return v->mem.size;
    case WL_VHCA_ID:
        return v->vhca_id;
    case WL_DISCARDED:
        return v->wl.discarded;
    case WL_FILL:
        return v->wl.fill_left;
    case WL_SUM:
        return v->wl.sum_left;
    case WL_SUM_VALUE:
        return v->wl.sum_value;
    case WL_RECV:
        return v->wl.recv_left;
    }
    return *cx_wl(v, addr);
}

static void cx_start_fill(CxVhca *v)
{
    uint64_t start = *cx_wl(v, WL_FILL_START), len = *cx_wl(v, WL_FILL_LEN);

    if (cx_fill_fits(v, start, len)) {
        v->wl.fill_pos = start;
        v->wl.fill_left = len;
    }
}

static void cx_workload_write(void *opaque, hwaddr addr, uint64_t value,
                              unsigned size)
{
    CxVhca *v = opaque;

    if (addr == WL_SUM) {               /* changes nothing of the function */
        v->wl.sum = 0;
        v->wl.sum_pos = 0;
        v->wl.sum_left = v->mem.size;
        cx_workload_kick(v);
        return;
    }
    if (!cx_changes(v)) {
        cx_discard(v);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(stored); i++) {
        if (stored[i].offset == addr && stored[i].writable) {
            *cx_wl(v, addr) = value;
        }
    }
    if (addr == WL_FILL) {
        cx_start_fill(v);
    } else if (addr == WL_RECV) {
        v->wl.recv_left += value;
    }
    cx_workload_kick(v);
}

const MemoryRegionOps cx_workload_ops = {
    .read = cx_workload_read,
    .write = cx_workload_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 8, .max_access_size = 8 },
    .impl = { .min_access_size = 8, .max_access_size = 8 },
};

/* ---- window ---- */

/* Where an access to the window goes; false: behind the end. */
static bool cx_window_pos(CxVhca *v, hwaddr addr, unsigned size, uint64_t *pos)
{
    uint64_t base = *cx_wl(v, WL_WINDOW);

    if (base > v->mem.size || addr > v->mem.size - base ||
        size > v->mem.size - base - addr) {
        return false;
    }
    *pos = base + addr;
    return true;
}

static uint64_t cx_window_read(void *opaque, hwaddr addr, unsigned size)
{
    CxVhca *v = opaque;
    uint64_t pos;

    return cx_window_pos(v, addr, size, &pos) ?
           ldn_le_p(v->mem.base + pos, size) : 0;
}

static void cx_window_write(void *opaque, hwaddr addr, uint64_t value,
                            unsigned size)
{
    CxVhca *v = opaque;
    uint8_t buf[8];
    uint64_t pos;

    if (!cx_changes(v)) {
        cx_discard(v);
    } else if (cx_window_pos(v, addr, size, &pos)) {
        stn_le_p(buf, size, value);
        cx_devmem_write(&v->mem, pos, buf, size);
    }
}

const MemoryRegionOps cx_window_ops = {
    .read = cx_window_read,
    .write = cx_window_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

/* ---- life ---- */

void cx_workload_init(CxVhca *v)
{
    v->wl.timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, cx_workload_timer, v);
}

void cx_workload_free(CxVhca *v)
{
    timer_free(v->wl.timer);
}

/* After a reset the first bytes of device memory may be noise (property). */
void cx_workload_reset(CxVhca *v)
{
    QEMUTimer *timer = v->wl.timer;

    timer_del(timer);
    v->wl = (CxWorkload) { .timer = timer };
    *cx_wl(v, WL_RECV_LEN) = 64;
    if (v->function && v->pf->state_noise) {
        *cx_wl(v, WL_FILL_LEN) = v->pf->state_noise;
        *cx_wl(v, WL_FILL_SEED) = v->vhca_id;
        cx_start_fill(v);
        cx_workload_kick(v);
    }
}
