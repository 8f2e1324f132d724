// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * DMA logging: the bitmap is exactly what the VF wrote, whatever its state.
 * The VF's workload writes where it is told to and nowhere else; queues and
 * mailboxes of its own lie outside of what is logged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migrate.h"

#define LOG_IOVA 0x800000000ull
enum {
    LOG_SIZE = 128 << 20,
    LOG_PAGES = LOG_SIZE / PAGE,
    FAST = 2000000,
    WAIT = 60000,
};

static uint64_t bitmap[LOG_PAGES / 64];
static uint8_t want[LOG_PAGES];

static void write_pages(struct user *u, unsigned first, unsigned n, unsigned step)
{
    unsigned writes = n / step;

    wl_write(u->wl, WL_DMA_COUNT, 0);
    wl_dma(u->wl, LOG_IOVA + first * (uint64_t)PAGE, (uint64_t)n * PAGE, step * PAGE, FAST, writes);
    if (!wl_wait(u->wl, WL_DMA_COUNT, writes, WAIT))
        tap_bail("the workload does not write %u pages", writes);
    wl_write(u->wl, WL_DMA_RATE, 0);
    for (unsigned i = 0; i < writes; i++)
        want[first + i * step] = 1;
}

/* Reports [first, first + n) and compares; the pages count as clean then. */
static void check_range(struct user *u, unsigned first, unsigned n, const char *what)
{
    unsigned missing = 0, extra = 0, dirty = 0;
    int err;

    memset(bitmap, 0, sizeof(bitmap));
    err = mig_log_report(&u->fn, LOG_IOVA + first * (uint64_t)PAGE, (uint64_t)n * PAGE, PAGE, bitmap);
    for (unsigned i = 0; i < n; i++) {
        bool bit = bitmap[i / 64] >> i % 64 & 1;

        dirty += bit;
        missing += want[first + i] && !bit;
        extra += bit && !want[first + i];
    }
    memset(want + first, 0, n);
    if (!ok(!err && !missing && !extra, "%s: %u pages are dirty, as written", what, dirty))
        tap_diag("%s; %u missing, %u extra", strerror(-err), missing, extra);
}

static void check(struct user *u, const char *what)
{
    check_range(u, 0, LOG_PAGES, what);
}

/* Coarser pages than the device tracks, and what the bitmap had stays. */
static void check_coarse(struct user *u)
{
    write_pages(u, 512, 1, 1);
    memset(bitmap, 0, sizeof(bitmap));
    bitmap[1] = 1;
    ok(!mig_log_report(&u->fn, LOG_IOVA, LOG_SIZE, 2 << 20, bitmap) && bitmap[0] == 2 &&
       bitmap[1] == 1, "a report in pages of 2 MiB, added to what the bitmap had");
    memset(want, 0, sizeof(want));
}

static void check_states(struct user *u)
{
    struct stream s = { 0 };
    int fd;

    fd = go(u, VFIO_DEVICE_STATE_PRE_COPY);
    write_pages(u, 9, 999, 9);
    check(u, "in PRE_COPY");
    write_pages(u, 4000, 100, 1);
    go(u, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    check(u, "written before PRE_COPY_P2P, reported in it");
    go(u, VFIO_DEVICE_STATE_PRE_COPY);
    write_pages(u, 4050, 100, 1);
    go(u, VFIO_DEVICE_STATE_STOP_COPY);
    check(u, "written before STOP_COPY, reported in it");
    mig_read(fd, &s, NULL);
    check(u, "nothing after that");
    go(u, VFIO_DEVICE_STATE_RUNNING);
    close(fd);
    stream_free(&s);
}

void test_dirty(struct setup *t)
{
    static struct user a;
    struct dma_range all = { LOG_IOVA, LOG_SIZE }, two[2] = {
        { LOG_IOVA, 1000 * PAGE }, { LOG_IOVA + 2000 * PAGE, 1000 * PAGE },
    };
    uint64_t page = PAGE;
    void *ram;
    int err;

    user_open(&a, t->vf[0], t->backend);
    user_start(&a);
    ram = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED || io_map(&a.space, LOG_IOVA, ram, LOG_SIZE))
        tap_bail("no memory for the VF to write to");
    err = mig_log_start(&a.fn, &all, 1, &page);
    ok(!err && page == PAGE, "logging starts, in pages of %llu bytes", (unsigned long long)page);
    check(&a, "nothing written");
    write_pages(&a, 100, 300, 3);
    check(&a, "every third page of 300");
    check(&a, "once more");
    write_pages(&a, 0, LOG_PAGES, 1);
    check(&a, "every page, more than the tracker's queue holds");
    write_pages(&a, 0, 64, 1);
    write_pages(&a, 1000, 64, 1);
    check_range(&a, 0, 500, "a part");
    check(&a, "the rest");
    check_coarse(&a);
    check_states(&a);
    ok(!mig_log_stop(&a.fn), "logging stops");

    page = PAGE;
    ok(!mig_log_start(&a.fn, two, 2, &page), "two ranges");
    write_pages(&a, 900, 1200, 1);
    memset(want + 1000, 0, 1000);
    check_range(&a, 0, 1000, "the first range");
    check_range(&a, 2000, 1000, "the second range");
    ok(!mig_log_stop(&a.fn), "logging stops");
    user_close(&a);
    munmap(ram, LOG_SIZE);
}
