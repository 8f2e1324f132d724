// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holder VF SOCKET: has a VF open and works with it, as a VMM's guest would,
 * while somebody else migrates it.
 *
 * SOCKET is the number of an inherited SOCK_SEQPACKET socket. A message is a
 * command and its numbers; the answer is one message, a word or more:
 *
 *   fd                          "fd", and with it the VFIO device FD
 *   fill BYTES SEED             device memory from its start
 *   change BYTES RATE LIMIT     pages of it a second, up to a count
 *   dma RATE LIMIT              writes a second into this program's memory
 *   counts                      pages changed, DMA writes, DMA errors
 *   sum                         checksum of device memory
 *   memory                      where the DMA writes went: "1-200 301-400" are
 *                               the writes whose slots hold what they shall;
 *                               "wrong" if one holds anything else
 *   irq RATE LIMIT, irqs        interrupts a second; those that came so far
 *   size                        bytes of device memory
 *   vhca                        its number for the model's control block
 *   state                       of the migration protocol
 *   set STATE                   goes to that state, a number
 *   reset                       of the VF
 *
 * Memory has a slot for each write, so two hosts between which a VF moved can
 * say who got which, and nothing is lost or there twice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bar2.h"
#include "lib/mig.h"
#include "lib/tap.h"
#include "lib/vfio.h"

#define IOVA 0x10000000ull
enum { MEMORY = 4 << 20, STRIDE = 8, SLOTS = MEMORY / STRIDE, ANSWER = 4096, VECTOR = 1 };

struct holder {
    struct io_space space;
    struct vfio_function vf;
    struct bar2 workload;
    volatile uint64_t *memory;
    uint64_t irqs;
    int socket;
};

static void must(int err, const char *what, const char *bdf)
{
    if (err)
        tap_bail("%s: %s: %s", bdf, what, strerror(-err));
}

static void open_vf(struct holder *h, const char *bdf)
{
    void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    enum io_backend backend = io_backend_available(IO_CONTAINER) ? IO_CONTAINER : IO_IOMMUFD;

    if (memory == MAP_FAILED)
        tap_bail("no memory");
    h->memory = memory;
    must(io_space_open(&h->space, backend), "I/O address space", bdf);
    must(vfio_open(&h->vf, &h->space, bdf, NULL), "opening it", bdf);
    must(io_map(&h->space, IOVA, memory, MEMORY), "mapping memory for DMA", bdf);
    must(vfio_msix_enable(&h->vf, VECTOR + 1), "MSI-X", bdf);
    h->workload = workload_of(vfio_map_bar(&h->vf, 2, NULL));
}

/* ---- answers ---- */

static void answer(struct holder *h, int fd, const char *text)
{
    char room[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec io = { (void *)text, strlen(text) };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

    if (fd >= 0) {
        struct cmsghdr *c;

        m.msg_control = room;
        m.msg_controllen = sizeof(room);
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (sendmsg(h->socket, &m, MSG_NOSIGNAL) < 0)
        exit(1);
}

static void describe_memory(struct holder *h, char *text, size_t size)
{
    size_t used = 0;

    *text = '\0';
    for (unsigned first = 0; first < SLOTS; first++) {
        unsigned last = first;

        if (!h->memory[first])
            continue;
        for (; last < SLOTS && h->memory[last]; last++)
            if (h->memory[last] != last + 1ull) {
                snprintf(text, size, "wrong: slot %u holds %llu", last, (unsigned long long)h->memory[last]);
                return;
            }
        if (used + 32 < size)
            used += snprintf(text + used, size - used, "%s%u-%u", used ? " " : "", first + 1, last);
        first = last;
    }
}

static uint64_t irqs(struct holder *h)
{
    h->irqs += vfio_irq_wait(&h->vf, VECTOR, 0);
    return h->irqs;
}

static void obey(struct holder *h, const char *command, const uint64_t *n)
{
    char text[ANSWER] = "ok";
    int fd = -1;

    if (!strcmp(command, "fd")) {
        fd = h->vf.fd;
        snprintf(text, sizeof(text), "fd");
    } else if (!strcmp(command, "fill")) {
        if (!wl_fill(h->workload, 0, n[0], n[1]))
            snprintf(text, sizeof(text), "not filled");
    } else if (!strcmp(command, "change")) {
        wl_change(h->workload, 0, n[0], n[1], n[2]);
    } else if (!strcmp(command, "dma")) {
        wl_dma(h->workload, IOVA, MEMORY, STRIDE, n[0], n[1]);
    } else if (!strcmp(command, "counts")) {
        snprintf(text, sizeof(text), "%llu %llu %llu", (unsigned long long)wl_read(h->workload, WL_MEM_COUNT),
                 (unsigned long long)wl_read(h->workload, WL_DMA_COUNT),
                 (unsigned long long)wl_read(h->workload, WL_DMA_ERRORS));
    } else if (!strcmp(command, "sum")) {
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)wl_sum(h->workload));
    } else if (!strcmp(command, "memory")) {
        describe_memory(h, text, sizeof(text));
    } else if (!strcmp(command, "irq")) {
        wl_write(h->workload, WL_IRQ_VECTOR, VECTOR);
        wl_write(h->workload, WL_IRQ_LIMIT, n[1]);
        wl_write(h->workload, WL_IRQ_RATE, n[0]);
    } else if (!strcmp(command, "irqs")) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)irqs(h));
    } else if (!strcmp(command, "size")) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)wl_read(h->workload, WL_STATE_SIZE));
    } else if (!strcmp(command, "vhca")) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)wl_read(h->workload, WL_VHCA_ID));
    } else if (!strcmp(command, "state")) {
        snprintf(text, sizeof(text), "%s", mig_name(mig_get(&h->vf)));
    } else if (!strcmp(command, "set")) {
        int err = mig_set(&h->vf, n[0], NULL);

        if (err)
            snprintf(text, sizeof(text), "%s", strerror(-err));
    } else if (!strcmp(command, "reset")) {
        int err = vfio_reset(&h->vf);

        if (err)
            snprintf(text, sizeof(text), "%s", strerror(-err));
        else
            vfio_enable(&h->vf, true);
    } else {
        snprintf(text, sizeof(text), "no such command: %s", command);
    }
    answer(h, fd, *text ? text : "nothing");
}

int main(int argc, char **argv)
{
    static struct holder h;
    char message[256];
    ssize_t length;

    if (argc != 3) {
        fprintf(stderr, "usage: holder VF SOCKET\n");
        return 2;
    }
    h.socket = atoi(argv[2]);
    open_vf(&h, argv[1]);
    answer(&h, -1, "ready");
    while ((length = recv(h.socket, message, sizeof(message) - 1, 0)) > 0) {
        char command[32] = "";
        unsigned long long n[3] = { 0 };
        uint64_t numbers[3];

        message[length] = '\0';
        sscanf(message, "%31s %llu %llu %llu", command, &n[0], &n[1], &n[2]);
        for (unsigned i = 0; i < 3; i++)
            numbers[i] = n[i];
        obey(&h, command, numbers);
    }
    return 0;
}
