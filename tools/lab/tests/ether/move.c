// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VF with a netdev is stopped, saved, loaded and started, by commands of the
 * PF's, where it is: its driver sees nothing but a pause, and all that its
 * frames need has been through an image.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../connectx/ifc.h"
#include "../../connectx/lab.h"
#include "../lib/mlx5cmd.h"
#include "ether.h"

enum {
    PAGE = 4096,
    PAGES = 512,                        /* for the image */
    ROUNDS = 6,
    QUIET_US = 20000,
};

struct mover {
    const char *pf;
    unsigned vhca;
    uint32_t key;
};

/* The bus addresses of so many pages, which stay where they are: physical ones, with iommu=pt. */
static void list_pages(uint64_t *list)
{
    uint8_t *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    int fd = open("/proc/self/pagemap", O_RDONLY);

    if (p == MAP_FAILED || fd < 0)
        tap_bail("no memory for an image");
    memset(p, 1, PAGES * PAGE);
    if (pread(fd, list, PAGES * 8, (uintptr_t)p / PAGE * 8) != PAGES * 8)
        tap_bail("nobody says where the memory is");
    close(fd);
    for (unsigned i = 0; i < PAGES; i++)
        list[i] = htobe64((list[i] & ((1ull << 55) - 1)) * PAGE);
}

static uint32_t create(const struct mover *m, const void *in, size_t len, const char *what)
{
    uint8_t out[16];

    if (!mlx5_command(m->pf, in, len, out, sizeof(out)))
        tap_bail("%s fails", what);
    return ifc_get(out, F_OUT_ID24);
}

static void make_key(struct mover *m)
{
    static uint8_t in[MKEY_MTT + PAGES * 8];
    uint8_t pd[16] = { 0 };

    ifc_set(pd, F_IN_OPCODE, OP_ALLOC_PD);
    ifc_set(in, F_IN_OPCODE, OP_CREATE_MKEY);
    ifc_set(in, F_MKEY_PD, create(m, pd, sizeof(pd), "ALLOC_PD"));
    ifc_set(in, F_MKEY_ACCESS_MODE, MKEY_MODE_MTT);
    ifc_set(in, F_MKEY_ACCESS, MKEY_ACCESS_ALL);
    ifc_set(in, F_MKEY_LEN, PAGES * PAGE);
    ifc_set(in, F_MKEY_LOG_PAGE_SIZE, 12);
    ifc_set(in, F_MKEY_OCTWORDS, PAGES / 2);
    ifc_set(in, F_MKEY_ACTUAL_OCTWORDS, PAGES / 2);
    list_pages((uint64_t *)(in + MKEY_MTT));
    m->key = create(m, in, sizeof(in), "CREATE_MKEY") << 8;
}

static bool step(const struct mover *m, unsigned opcode, unsigned op_mod)
{
    uint8_t in[16] = { 0 }, out[64];

    ifc_set(in, F_IN_OPCODE, opcode);
    ifc_set(in, F_IN_OP_MOD, op_mod);
    ifc_set(in, F_VHCA_ID, m->vhca);
    return mlx5_command(m->pf, in, sizeof(in), out, opcode == OP_QUERY_VHCA_MIGRATION_STATE ? 64 : 16);
}

/* SAVE, which says how long the image is, or LOAD */
static bool transfer(const struct mover *m, unsigned opcode, uint32_t *size)
{
    uint8_t in[32] = { 0 }, out[16];

    ifc_set(in, F_IN_OPCODE, opcode);
    ifc_set(in, F_VHCA_ID, m->vhca);
    ifc_set(in, F_SAVE_MKEY, m->key);
    ifc_set(in, F_SAVE_SIZE, *size);
    if (!mlx5_command(m->pf, in, sizeof(in), out, sizeof(out)))
        return false;
    if (opcode == OP_SAVE_VHCA_STATE)
        *size = ifc_get(out, F_SAVE_ACTUAL);
    return true;
}

/* How often the kernel has looked after netdevs that interrupted it. */
static uint64_t receives(void)
{
    FILE *file = fopen("/proc/softirqs", "r");
    char line[1024], *at;
    uint64_t sum = 0;

    while (file && fgets(line, sizeof(line), file)) {
        at = strstr(line, "NET_RX:");
        for (at = at ? at + strlen("NET_RX:") : NULL; at && *at && *at != '\n';)
            sum += strtoull(at, &at, 10);
    }
    if (!file)
        tap_bail("the kernel does not say what it has done");
    fclose(file);
    return sum;
}

static bool comes_to_rest(void)
{
    uint64_t before = receives();

    usleep(QUIET_US);
    return receives() == before;
}

/*
 * A VM's processors stand still when its function is stopped.  Here they do not, and a doorbell
 * that is rung then is lost, of a send queue without harm, of an EQ or a CQ for ever.  But while
 * the initiator is suspended nothing interrupts the driver, which comes to rest.
 */
static bool move(const struct mover *m)
{
    uint32_t size = PAGES * PAGE;
    bool fine = step(m, OP_SUSPEND_VHCA, SUSPEND_INITIATOR);

    return fine && wait_until(comes_to_rest(), PATIENCE * 1000) && step(m, OP_SUSPEND_VHCA, SUSPEND_RESPONDER) &&
           step(m, OP_QUERY_VHCA_MIGRATION_STATE, 0) &&
           transfer(m, OP_SAVE_VHCA_STATE, &size) && transfer(m, OP_LOAD_VHCA_STATE, &size) &&
           step(m, OP_RESUME_VHCA, RESUME_RESPONDER) && step(m, OP_RESUME_VHCA, RESUME_INITIATOR);
}

static void moves(const struct mover *m, const struct node *from, const struct node *to, const char *name)
{
    pid_t streams = streams_start(from, address(to, false));

    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t before = statistic(from, "tx_packets");

        ok(move(m), "%s while it is moved", name);
        ok(wait_until(statistic(from, "tx_packets") > before + 100, PATIENCE * 1000), "and goes on");
    }
    ok(streams_end(streams), "all of it arrived");
}

void test_move(struct bench *b)
{
    struct mover m = { .pf = b->node[0].pci, .vhca = VHCA_ID_PF + 1 };

    make_key(&m);
    moves(&m, &b->node[1], &b->node[2], "a VF sends");
    moves(&m, &b->node[0], &b->node[1], "it receives");
    ok(tcp(&b->node[1], address(&b->node[0], true), 1 << 20), "after that it does both");
}
