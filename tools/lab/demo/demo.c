// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demonstration: a VF with a busy user moves to another VF.
 *
 *   demo SOURCE TARGET          PCI addresses, bound to one VFIO driver
 *
 * Plays the VMM, with nothing but the VFIO migration interface, and the user
 * of the VF, who keeps changing it meanwhile: device memory, DMA, interrupts,
 * a command queue of its own. Shows the phases, then whether what arrived is
 * what was sent. Exit status 0: it is, and it works.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../tests/lib/bar2.h"
#include "../tests/lib/fw.h"
#include "../tests/lib/mig.h"
#include "../tests/lib/tap.h"

enum {
    MEMORY      = 4 << 20,          /* of the VF's user */
    PIECE       = 1 << 20,
    CHANGE_RATE = 4000,             /* pages of device memory a second */
    DMA_RATE    = 2000,
    DMA_PAGES   = 16,
    IRQ_RATE    = 200,
    ROUNDS      = 64,               /* of pre-copy after the initial image */
    SMALL       = 256 << 10,        /* dirty bytes that end pre-copy earlier */
    TRIES       = 20,               /* for the next middle image to appear, */
    PATIENCE    = 20,               /* of so many ms */
};
#define IOVA 0x10000000ull
#define PAGE 4096

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("\ndemo: FAILED: ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    exit(1);
}

/* ---- a VF and its user ---- */

struct vf {
    struct io_space space;
    struct vfio_function function;
    struct bar2 workload;
    struct fw fw;
};

struct user {
    uint32_t pd, dma;
    struct fw_eq eq;
    struct fw_mkey mkey;
};

static void vf_open(struct vf *vf, const char *bdf)
{
    void *ram = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *bar0, *bar2;
    int err;

    if (ram == MAP_FAILED)
        fail("no memory");
    err = io_space_open(&vf->space, io_backend_available(IO_CONTAINER) ?
                        IO_CONTAINER : IO_IOMMUFD);
    if (!err)
        err = vfio_open(&vf->function, &vf->space, bdf, NULL);
    if (!err)
        err = io_map(&vf->space, IOVA, ram, MEMORY);
    if (!err)
        err = vfio_enable(&vf->function, true);
    if (err)
        fail("cannot open %s: %s", bdf, strerror(-err));
    bar0 = vfio_map_bar(&vf->function, 0, NULL);
    bar2 = vfio_map_bar(&vf->function, 2, NULL);
    if (!bar0 || !bar2)
        fail("%s: cannot map its BARs", bdf);
    vf->workload = workload_of(bar2);
    fw_attach(&vf->fw, bar0, ram, IOVA, MEMORY);
    if (vfio_msix_enable(&vf->function, 2))
        fail("%s: no MSI-X", bdf);
}

/* Where the driver can tell which pages the VF writes, it does from here on. */
static bool track(struct vf *vf)
{
    struct dma_range all = { IOVA, MEMORY };
    uint64_t page = PAGE;

    return !mig_log_start(&vf->function, &all, 1, &page);
}

/* A driver's first steps, and then work that does not end. */
static struct user user_start(struct vf *vf)
{
    uint64_t size = wl_read(vf->workload, WL_STATE_SIZE);
    struct user u;

    fw_queue_start(&vf->fw);
    if (!fw_start(&vf->fw))
        fail("the VF's firmware interface does not come up");
    u.pd = fw_create_pd(&vf->fw);
    u.eq = fw_create_eq(&vf->fw, fw_create_uar(&vf->fw), 8, 0,
                        1ull << EVENT_COMMAND);
    u.mkey = fw_create_mkey(&vf->fw, u.pd, fw_alloc(&vf->fw, 4096, 4096), 4096, 12);
    u.dma = fw_alloc(&vf->fw, DMA_PAGES * PAGE, PAGE);

    if (!wl_fill(vf->workload, 0, size, 7))
        fail("the VF's memory could not be filled");
    wl_change(vf->workload, 0, size / 16, CHANGE_RATE, 0);
    wl_dma(vf->workload, fw_iova(&vf->fw, u.dma), DMA_PAGES * PAGE, PAGE, DMA_RATE, 0);
    wl_write(vf->workload, WL_IRQ_VECTOR, 1);
    wl_write(vf->workload, WL_IRQ_RATE, IRQ_RATE);
    return u;
}

/* ---- phases ---- */

enum phase { INITIAL, MIDDLE, SUSPEND, FINAL, RESUME, PHASES };

static const char *const phase_names[PHASES] = {
    [INITIAL] = "pre-copy: initial image",
    [MIDDLE] = "pre-copy: middle images",
    [SUSPEND] = "stop: suspend the source",
    [FINAL] = "stop: final image",
    [RESUME] = "stop: resume the target",
};

struct progress {
    double ms[PHASES];
    uint64_t bytes[PHASES];
    unsigned images[PHASES];
    enum phase now;
    double since;
    uint64_t expected, shown;
    /* of the record being counted; its header is {le64 size, le32 flags, le32 tag} */
    uint8_t header[16];
    unsigned have;
    uint64_t left;
};

static void enter(struct progress *p, enum phase next)
{
    double now = now_ms();

    p->ms[p->now] += now - p->since;
    p->since = now;
    p->now = next;
}

/* The bar runs to what the source said it has; what changes again comes on top. */
static void show(struct progress *p, bool last)
{
    uint64_t done = p->bytes[INITIAL] + p->bytes[MIDDLE];
    uint64_t step = p->expected / 20 + 1;
    unsigned bars = done >= p->expected ? 30 : done * 30 / p->expected;

    if (!last && done / step == p->shown)
        return;
    p->shown = done / step;
    printf("\r  pre-copy [%.*s%*s] %6.1f MiB moved of %.1f, %u images",
           (int)bars, "##############################", (int)(30 - bars), "",
           done / 1048576.0, p->expected / 1048576.0,
           p->images[INITIAL] + p->images[MIDDLE]);
    printf("%s", last ? "\n\n" : "");
    fflush(stdout);
}

/* Images are the records with tag 0, whatever driver wrote them. */
static void count(struct progress *p, const uint8_t *data, size_t len)
{
    p->bytes[p->now] += len;
    while (len) {
        size_t n = p->left < len ? p->left : len;
        uint64_t size;
        uint32_t tag;

        p->left -= n;
        data += n;
        len -= n;
        if (p->left || !len)
            continue;
        p->header[p->have++] = *data++;
        len--;
        if (p->have < sizeof(p->header))
            continue;
        memcpy(&size, p->header, 8);
        memcpy(&tag, p->header + 12, 4);
        p->left = le64toh(size);
        p->images[p->now] += !le32toh(tag);
        p->have = 0;
    }
}

/* ---- the migration ---- */

struct migration {
    struct vf *from, *to;
    struct progress p;
    int save, resume;
    uint8_t *piece;
};

static void set_state(struct vf *vf, int state, int *fd)
{
    int err = mig_set(&vf->function, state, fd);

    if (err)
        fail("%s does not go to %s: %s", vf->function.bdf, mig_name(state),
             strerror(-err));
}

/* Moves what there is at the moment; true: that was the end of the stream. */
static bool move(struct migration *m)
{
    ssize_t n;

    while ((n = read(m->save, m->piece, PIECE)) > 0) {
        int err;

        count(&m->p, m->piece, n);
        err = mig_write(m->resume, m->piece, n);
        if (err)
            fail("the target refuses the stream: %s", strerror(-err));
        if (m->p.now <= MIDDLE)
            show(&m->p, false);
    }
    if (n < 0 && errno != ENOMSG)
        fail("the source's stream ends with an error: %s", strerror(errno));
    return n == 0;
}

static struct vfio_precopy_info info(struct migration *m)
{
    struct vfio_precopy_info i;
    int err = mig_precopy_info(m->save, &i);

    if (err)
        fail("VFIO_MIG_GET_PRECOPY_INFO: %s", strerror(-err));
    return i;
}

static void precopy(struct migration *m)
{
    unsigned round, tries;

    m->p.expected = mig_data_size(&m->from->function);
    set_state(m->from, VFIO_DEVICE_STATE_PRE_COPY, &m->save);
    while (info(m).initial_bytes)
        move(m);
    enter(&m->p, MIDDLE);
    for (round = 0; round < ROUNDS; round++) {
        uint64_t before = m->p.bytes[MIDDLE];

        /* Asking is what makes some drivers look for changes, polling others. */
        for (tries = 0; tries < TRIES && m->p.bytes[MIDDLE] == before; tries++) {
            struct pollfd p = { .fd = m->save, .events = POLLIN };

            info(m);
            poll(&p, 1, PATIENCE);
            move(m);
        }
        if (m->p.bytes[MIDDLE] - before < SMALL)
            break;
    }
    show(&m->p, true);
}

/* A command that the source fetches never, since it is suspended. */
static struct fw_cmd ring_while_suspended(struct vf *vf)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    fw_post(&vf->fw, &c);
    return c;
}

static void check(bool good, const char *what)
{
    if (!good)
        fail("%s", what);
    printf("  ok: %s\n", what);
}

/* Source and target are both stopped: all of their state must be the same. */
static void compare(struct vf *from, struct vf *to)
{
    static const unsigned counts[] = {
        WL_MEM_COUNT, WL_DMA_COUNT, WL_IRQ_COUNT, WL_DMA_ERRORS,
    };
    bool same = true;

    check(wl_sum(from->workload) == wl_sum(to->workload),
          "device memory is the same");
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        same &= wl_read(from->workload, counts[i]) == wl_read(to->workload, counts[i]);
    check(same, "counters of changes, DMA and interrupts are the same");
    check(wl_read(from->workload, WL_DISCARDED) == 0,
          "nothing was lost on the way to the stop");
}

/* A VMM would send these pages of memory once more; those that DMA goes to must be among them. */
static void compare_pages(struct vf *vf, struct user *u)
{
    static uint64_t bitmap[MEMORY / PAGE / 64];
    unsigned pages = 0, missing = 0;
    int err = mig_log_report(&vf->function, IOVA, MEMORY, PAGE, bitmap);

    if (err)
        fail("the driver does not report written pages: %s", strerror(-err));
    for (unsigned i = 0; i < MEMORY / PAGE / 64; i++)
        pages += __builtin_popcountll(bitmap[i]);
    for (unsigned i = u->dma / PAGE; i < u->dma / PAGE + DMA_PAGES; i++)
        missing += !(bitmap[i / 64] >> (i % 64) & 1);
    check(!missing, "every page that DMA went to was reported");
    printf("      %u of %u pages of memory were written meanwhile\n", pages, MEMORY / PAGE);
}

static void works(struct vf *vf, struct user *u, struct fw_cmd *pending)
{
    uint64_t before = wl_read(vf->workload, WL_DMA_COUNT);

    check(fw_status(fw_collect(&vf->fw, pending, FW_TIMEOUT)) == ST_OK,
          "the command rung while suspended completed on the target");
    check(vfio_irq_wait(&vf->function, 0, FW_TIMEOUT) > 0,
          "the armed event queue fired on the target");
    check(wl_wait(vf->workload, WL_DMA_COUNT, before + 100, FW_TIMEOUT),
          "the workload goes on there");
    check(fw_do(&vf->fw, OP_DEALLOC_PD, 0, u->pd, NULL) == ST_BAD_RES_STATE &&
          fw_do(&vf->fw, OP_DESTROY_MKEY, 0, u->mkey.index, NULL) == ST_OK &&
          fw_do(&vf->fw, OP_DEALLOC_PD, 0, u->pd, NULL) == ST_OK,
          "the objects that the user made are known there");
}

static void table(const struct progress *p)
{
    double window = 0;
    uint64_t bytes = 0;
    unsigned images = 0;

    printf("\n  %-28s %7s %12s %10s\n", "phase", "images", "bytes", "ms");
    for (enum phase i = 0; i < PHASES; i++) {
        printf("  %-28s %7u %12llu %10.1f\n", phase_names[i], p->images[i],
               (unsigned long long)p->bytes[i], p->ms[i]);
        images += p->images[i];
        bytes += p->bytes[i];
        window += i >= SUSPEND ? p->ms[i] : 0;
    }
    printf("  %-28s %7u %12llu\n", "all", images, (unsigned long long)bytes);
    printf("  %-28s %7s %12s %10.1f\n\n", "stop window", "", "", window);
}

int main(int argc, char **argv)
{
    struct vf from = { 0 }, to = { 0 };
    struct migration m = { .from = &from, .to = &to };
    struct fw_cmd pending;
    struct user user;
    bool tracked;

    if (argc != 3) {
        fprintf(stderr, "usage: demo SOURCE TARGET (PCI addresses of VFs)\n");
        return 2;
    }
    m.piece = malloc(PIECE);
    vf_open(&from, argv[1]);
    vf_open(&to, argv[2]);
    user = user_start(&from);
    printf("VF %s has %.0f MiB of state; its user changes %u pages of it a second,\n"
           "writes to memory by DMA and takes interrupts. It moves to %s.\n\n",
           argv[1], wl_read(from.workload, WL_STATE_SIZE) / 1048576.0,
           CHANGE_RATE, argv[2]);

    tracked = track(&from);
    if (!tracked)
        printf("Nobody tells which pages it writes: a VMM would send all memory again.\n\n");
    set_state(&to, VFIO_DEVICE_STATE_RESUMING, &m.resume);
    m.p.since = now_ms();
    precopy(&m);

    /* Events so far are read: what fires on the target is the new one. */
    while (fw_eq_next(&from.fw, &user.eq))
        ;
    fw_eq_update(&from.fw, &user.eq, true);
    enter(&m.p, SUSPEND);
    set_state(&from, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL);
    pending = ring_while_suspended(&from);
    set_state(&from, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    enter(&m.p, FINAL);
    if (!move(&m))
        fail("the stream has no end");
    set_state(&to, VFIO_DEVICE_STATE_STOP, NULL);
    m.p.ms[FINAL] += now_ms() - m.p.since;

    fw_move(&to.fw, &from.fw);
    compare(&from, &to);
    if (tracked)
        compare_pages(&from, &user);
    m.p.since = now_ms();
    m.p.now = RESUME;
    set_state(&to, VFIO_DEVICE_STATE_RUNNING, NULL);
    enter(&m.p, RESUME);
    works(&to, &user, &pending);

    table(&m.p);
    close(m.save);
    close(m.resume);
    set_state(&from, VFIO_DEVICE_STATE_STOP, NULL);
    printf("state identical: VF %s is now VF %s\n", argv[1], argv[2]);
    vfio_close(&to.function);
    vfio_close(&from.function);
    return 0;
}
