/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BAR 2 of the model: a function's workload, and the control block that the
 * PF's BAR 2 has.  What the registers do is told in connectx/lab.h.
 */
#ifndef LAB_BAR2_H
#define LAB_BAR2_H

#include <stdbool.h>
#include <stdint.h>

#include "../../connectx/lab.h"

struct bar2 {
    volatile uint8_t *base;
};

/* map: of BAR2_SIZE bytes.  Ends the test if it is not the model's. */
struct bar2 workload_of(void *map);
struct bar2 control_of(void *map);

/* ---- workload ---- */

uint64_t wl_read(struct bar2 b, unsigned reg);
void wl_write(struct bar2 b, unsigned reg, uint64_t value);
/* Fills and waits; seed 0: zeros.  false: not done in time. */
bool wl_fill(struct bar2 b, uint64_t start, uint64_t len, uint64_t seed);
/* Checksum of all device memory; ends the test if it does not come. */
uint64_t wl_sum(struct bar2 b);
/* Changes pages in [start, start + len) at a rate, up to a count. */
void wl_change(struct bar2 b, uint64_t start, uint64_t len, uint64_t rate, uint64_t limit);
bool wl_wait(struct bar2 b, unsigned count_reg, uint64_t at_least, unsigned ms);
/* DMA-writes to [iova, iova + len), a count every stride, up to a limit. */
void wl_dma(struct bar2 b, uint64_t iova, uint64_t len, uint64_t stride,
            uint64_t rate, uint64_t limit);
/* The first 8 bytes of a page of device memory, through the window. */
uint64_t wl_page(struct bar2 b, uint64_t page);

/* ---- control ---- */

uint64_t ctl_read(struct bar2 b, unsigned reg);
void ctl_write(struct bar2 b, unsigned reg, uint64_t value);
uint64_t ctl_counter(struct bar2 b, unsigned counter);
uint64_t ctl_opcode_count(struct bar2 b, unsigned opcode);
unsigned ctl_vhca_state(struct bar2 b, unsigned vhca_id);
bool ctl_tracked(struct bar2 b, unsigned vhca_id);
uint64_t ctl_objects(struct bar2 b, unsigned vhca_id, unsigned kind);
void ctl_vhca_action(struct bar2 b, unsigned vhca_id, unsigned action);

struct fault {
    unsigned opcode;            /* 0: any */
    unsigned vhca_id;           /* 0: any */
    unsigned nth, times;        /* nth 0 means the first; times 0: for ever */
    unsigned action;
    unsigned status;
    uint32_t syndrome;
    unsigned delay_us;
};
void ctl_arm(struct bar2 b, struct fault f);
void ctl_disarm(struct bar2 b);
/* Ends the delays that the PF's commands are in. */
void ctl_soon(struct bar2 b);
/* What a report of what a function wrote meets, behind so many messages: REPORT_*. */
void ctl_report(struct bar2 b, unsigned vhca_id, unsigned what, unsigned after);

#endif
