// SPDX-License-Identifier: GPL-2.0-or-later
/* bench GROUP...: see bench.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "../lib/groups.h"
#include "bench.h"

static const struct group groups[] = {
    { "window", bench_window },
    { "bytes", bench_bytes },
    { "receive", bench_receive },
    { "memory", bench_memory },
    { "asking", bench_asking },
    { "downtime", bench_downtime },
    { "tracking", bench_tracking },
    { "tool", bench_tool },
    { }
};

static unsigned round_number;

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void figure(const struct vf *v, const char *measure, long at, double value)
{
    printf("{\"measure\": \"%s\", \"at\": %ld, \"driver\": \"%s\", \"round\": %u, \"value\": %.1f}\n", measure, at,
           v ? v->driver : "", round_number, value);
    fflush(stdout);
}

unsigned rounds(void)
{
    return atoi(getenv("BENCH_ROUNDS") ?: "1");
}

struct sides sides_of(struct bench *b)
{
    struct sides all = { .n = 0 };

    for (unsigned i = 0; i < b->vfs; i++) {
        struct vf *v = &b->vf[i];
        unsigned s = 0;

        while (s < all.n && strcmp(all.side[s].driver, v->driver))
            s++;
        if (s == MAX_SIDES)
            tap_bail("more than %u drivers cannot be compared", MAX_SIDES);
        all.n += s == all.n;
        all.side[s].driver = v->driver;
        all.side[s].vf[all.side[s].vfs++] = v;
    }
    return all;
}

void in_rounds(struct sides *all, unsigned at, void (*measure)(struct side *s, unsigned at))
{
    for (round_number = 0; round_number < rounds(); round_number++)
        for (unsigned s = 0; s < all->n; s++)
            measure(&all->side[(s + round_number) % all->n], at);
}

void in_turn(struct bench *b, void (*measure)(struct bench *b, struct vf *v))
{
    struct sides all = sides_of(b);

    for (unsigned s = 0; s < all.n; s++)
        vf_open(all.side[s].vf[0]);
    for (round_number = 0; round_number < rounds(); round_number++)
        for (unsigned s = 0; s < all.n; s++)
            measure(b, all.side[(s + round_number) % all.n].vf[0]);
    for (unsigned s = 0; s < all.n; s++)
        vf_close(all.side[s].vf[0]);
}

uint64_t state_size(struct vf *v)
{
    return wl_read(v->wl, WL_STATE_SIZE);
}

void *piece(void)
{
    static void *buffer;

    if (!buffer) {
        buffer = malloc(PIECE);
        if (!buffer)
            tap_bail("no memory");
        memset(buffer, 1, PIECE);
    }
    return buffer;
}

int nowhere(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return fd;
}

int precopy(struct vf *v)
{
    int fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);

    if (mig_pipe_precopy(fd, nowhere(), 1000) < 0)
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    return fd;
}

uint64_t read_to_end(struct vf *v, int fd, size_t call)
{
    uint64_t bytes = 0;
    ssize_t n;

    while ((n = read(fd, piece(), call)) > 0)
        bytes += n;
    if (n)
        tap_bail("reading the state of VF %s: %s", v->bdf, strerror(errno));
    return bytes;
}

void run_again(struct vf *v, int fd)
{
    close(fd);
    vf_set(v, VFIO_DEVICE_STATE_RUNNING);
}

bool in_chunks(void)
{
    return !strcmp(getenv("BENCH_CHUNKS") ?: "off", "on");
}

int main(int argc, char **argv)
{
    static struct bench b;

    if (argc < 2)
        return groups_usage("bench", groups);
    /* No page of the program is read from the host while the clock runs, and memory that was there stays there. */
    mlockall(MCL_CURRENT);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    bench_open(&b);
    for (argv++; *argv; argv++)
        groups_run(groups, &b, (char *[]){ *argv, NULL });
    return 0;
}
