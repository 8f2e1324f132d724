// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Firmware that saves in parts, each of which wants more memory than the one
 * before: three of them lie spare, none is large enough, and there is to be a
 * fourth nevertheless.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "records.h"
#include "sweep.h"

enum {
    PARTS_MAX   = 3,            /* that are saved before somebody reads */
    PART_BYTES  = 8 << 20,      /* of memory that the driver gives to each, if that will do */
    FOREVER_MS  = 20000,
    QUESTIONS   = 50,
};

/* To the end of the stream, unless none comes. */
static bool read_all(int fd, struct stream *s)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    bool ended = false;
    ssize_t n;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = mig_read(fd, s, &ended)) == -EAGAIN)
        if (poll(&p, 1, FOREVER_MS) != 1)
            break;
    if (n < 0)
        tap_diag("after %zu bytes: %s", s->len, strerror(-n));
    return n >= 0 && ended;
}

/* Parts of a whole stream that are longer than what the first three were given. */
static unsigned long_parts(const struct stream *s)
{
    struct records all = records_of(s);
    const struct record *r;
    unsigned count = 0;

    for (unsigned n = 0; (r = record_find(&all, VFIO_FERRY_TAG_FIRMWARE_DATA, n)); n++)
        count += r->size > PART_BYTES;
    return count;
}

void test_parts(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    struct stream s = { 0 };
    int fd, target = -1;
    uint64_t sum;

    if (b->vfs < 2 || !from->ferry)
        tap_bail("the tests of parts need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    vf_fill(from, SEED);
    fd = vf_set(from, VFIO_DEVICE_STATE_STOP_COPY);
    sum = wl_sum(from->wl);
    ok(wait_until(fd_number(fd, "ferry-ready") == PARTS_MAX, FOREVER_MS), "three parts come before the first is read");
    /* Each answer takes the worker's turn or waits for it: one more would have begun by then. */
    for (unsigned i = 0; i < QUESTIONS; i++)
        mig_data_size(&from->fn);
    ok_eq(fd_number(fd, "ferry-images"), PARTS_MAX, "and no fourth");
    if (ok(read_all(fd, &s), "all of them are read, and those that need longer ones")) {
        ok(long_parts(&s) > 1, "of which there are %u", long_parts(&s));
        ok(!load_run(to, &s, &target) && wl_sum(to->wl) == sum, "and the target is what the source was");
    }
    close(target);
    close(fd);
    stream_free(&s);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "parts");
}
