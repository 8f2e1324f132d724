// SPDX-License-Identifier: GPL-2.0-or-later
/* The model's workload and its control block. */
#include "bar2.h"
#include "tap.h"

static uint64_t read64(struct bar2 b, unsigned reg)
{
    return *(volatile uint64_t *)(b.base + reg);
}

static void write64(struct bar2 b, unsigned reg, uint64_t value)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *(volatile uint64_t *)(b.base + reg) = value;
}

struct bar2 workload_of(void *map)
{
    struct bar2 b = { (volatile uint8_t *)map + BAR2_WORKLOAD };

    if (!map || read64(b, WL_MAGIC) != WORKLOAD_MAGIC)
        tap_bail("BAR 2 of the function is not the model's");
    return b;
}

struct bar2 control_of(void *map)
{
    struct bar2 b = { (volatile uint8_t *)map + BAR2_CONTROL };

    if (!map || read64(b, CB_MAGIC) != CONTROL_MAGIC)
        tap_bail("the PF's BAR 2 has no control block (is the VM booted with iomem=relaxed?)");
    return b;
}

/* ---- workload ---- */

uint64_t wl_read(struct bar2 b, unsigned reg)
{
    return read64(b, reg);
}

void wl_write(struct bar2 b, unsigned reg, uint64_t value)
{
    write64(b, reg, value);
}

/* As long as a slow host may need for so much device memory. */
static unsigned patience(uint64_t bytes)
{
    return 10000 + bytes / 50000;
}

bool wl_fill(struct bar2 b, uint64_t start, uint64_t len, uint64_t seed)
{
    write64(b, WL_FILL_START, start);
    write64(b, WL_FILL_LEN, len);
    write64(b, WL_FILL_SEED, seed);
    write64(b, WL_FILL, 1);
    return wait_until(!read64(b, WL_FILL), patience(len));
}

uint64_t wl_sum(struct bar2 b)
{
    write64(b, WL_SUM, 1);
    if (!wait_until(!read64(b, WL_SUM), patience(read64(b, WL_STATE_SIZE))))
        tap_bail("the checksum of device memory does not end");
    return read64(b, WL_SUM_VALUE);
}

void wl_change(struct bar2 b, uint64_t start, uint64_t len, uint64_t rate, uint64_t limit)
{
    write64(b, WL_MEM_RATE, 0);
    write64(b, WL_MEM_START, start);
    write64(b, WL_MEM_LEN, len);
    write64(b, WL_MEM_LIMIT, limit);
    write64(b, WL_MEM_RATE, rate);
}

bool wl_wait(struct bar2 b, unsigned count_reg, uint64_t at_least, unsigned ms)
{
    return wait_until(read64(b, count_reg) >= at_least, ms);
}

void wl_dma(struct bar2 b, uint64_t iova, uint64_t len, uint64_t stride,
            uint64_t rate, uint64_t limit)
{
    write64(b, WL_DMA_RATE, 0);
    write64(b, WL_DMA_IOVA, iova);
    write64(b, WL_DMA_LEN, len);
    write64(b, WL_DMA_STRIDE, stride);
    write64(b, WL_DMA_LIMIT, limit);
    write64(b, WL_DMA_RATE, rate);
}

uint64_t wl_page(struct bar2 b, uint64_t page)
{
    struct bar2 window = { b.base - BAR2_WORKLOAD + BAR2_WINDOW };

    write64(b, WL_WINDOW, page * 4096);
    return read64(window, 0);
}

/* ---- control ---- */

uint64_t ctl_read(struct bar2 b, unsigned reg)
{
    return read64(b, reg);
}

void ctl_write(struct bar2 b, unsigned reg, uint64_t value)
{
    write64(b, reg, value);
}

uint64_t ctl_counter(struct bar2 b, unsigned counter)
{
    write64(b, CB_COUNTER, counter);
    return read64(b, CB_COUNTER_VALUE);
}

uint64_t ctl_opcode_count(struct bar2 b, unsigned opcode)
{
    write64(b, CB_OPCODE, opcode);
    return read64(b, CB_OPCODE_COUNT);
}

unsigned ctl_vhca_state(struct bar2 b, unsigned vhca_id)
{
    write64(b, CB_VHCA, vhca_id);
    return read64(b, CB_VHCA_STATE);
}

bool ctl_tracked(struct bar2 b, unsigned vhca_id)
{
    write64(b, CB_VHCA, vhca_id);
    return read64(b, CB_VHCA_TRACKED);
}

uint64_t ctl_objects(struct bar2 b, unsigned vhca_id, unsigned kind)
{
    write64(b, CB_VHCA, vhca_id);
    write64(b, CB_OBJECT_KIND, kind);
    return read64(b, CB_OBJECT_COUNT);
}

void ctl_vhca_action(struct bar2 b, unsigned vhca_id, unsigned action)
{
    write64(b, CB_VHCA, vhca_id);
    write64(b, CB_VHCA_ACTION, action);
}

void ctl_arm(struct bar2 b, struct fault f)
{
    write64(b, CB_FAULT_OPCODE, f.opcode);
    write64(b, CB_FAULT_VHCA, f.vhca_id ? f.vhca_id : CONTROL_ANY);
    write64(b, CB_FAULT_NTH, f.nth ? f.nth : 1);
    write64(b, CB_FAULT_TIMES, f.times);
    write64(b, CB_FAULT_ACTION, f.action);
    write64(b, CB_FAULT_STATUS, f.status);
    write64(b, CB_FAULT_SYNDROME, f.syndrome);
    write64(b, CB_FAULT_DELAY_US, f.delay_us);
    write64(b, CB_FAULT_ARM, 1);
}

void ctl_disarm(struct bar2 b)
{
    write64(b, CB_FAULT_ARM, 0);
}

void ctl_soon(struct bar2 b)
{
    write64(b, CB_FAULT_SOON, 1);
}

void ctl_report(struct bar2 b, unsigned vhca_id, unsigned what, unsigned after)
{
    write64(b, CB_VHCA, vhca_id);
    write64(b, CB_REPORT_AFTER, after);
    write64(b, CB_REPORT, what);
}
