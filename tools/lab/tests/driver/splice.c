// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * splice() from a data FD: the pages of an image go into the pipe, not a copy.
 * The image's memory is used again when the image was read; what still is in a
 * pipe by then must not change. The streams here have checksums of images, so
 * that the target sees if it did.
 *
 * Nor does anything get out that was in that memory before it was an image's:
 * it is not cleared. So what is free when a save begins has a mark. (On kernels
 * that clear all memory, as Debian's do unless told otherwise, none is left.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sweep.h"

enum {
    FOREVER_MS = 20000,
    PIPE_BYTES = 1 << 20,
    ROUNDS     = 3,             /* of what is in the pipe while there is a save */
    CHANGES    = 20,            /* pages, before each */
};

#define TAINTED     (192ul << 20)               /* more than all images and the reserve take */
#define MARK        0x7e57ab1e0fa11ed5ull

/* What is freed last is given away first. */
static void taint_memory(void)
{
    uint64_t *memory = mmap(NULL, TAINTED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        tap_bail("no memory");
    for (size_t i = 0; i < TAINTED / sizeof(*memory); i++)
        memory[i] = MARK;
    munmap(memory, TAINTED);
}

static bool is_tainted(const struct stream *s)
{
    const uint64_t mark = MARK;

    return memmem(s->data, s->len, &mark, sizeof(mark));
}

struct pipes {
    int from, to;               /* its two ends */
};

static struct pipes pipes_open(void)
{
    int fd[2];

    if (pipe(fd) || fcntl(fd[1], F_SETPIPE_SZ, PIPE_BYTES) < PIPE_BYTES)
        tap_bail("no pipe of %u bytes", PIPE_BYTES);
    return (struct pipes){ fd[0], fd[1] };
}

/* Half of what the pipe holds, for a page that is not full takes the room of one; or what there is. */
static size_t fill_pipe(int fd, struct pipes p)
{
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    size_t bytes = 0;
    ssize_t n;

    poll(&readable, 1, FOREVER_MS);
    while (bytes < PIPE_BYTES / 2 && (n = splice(fd, NULL, p.to, NULL, PIPE_BYTES / 2 - bytes, 0)) > 0)
        bytes += n;
    if (!bytes)
        tap_diag("nothing goes into the pipe: %s", strerror(errno));
    return bytes;
}

static bool drain_pipe(struct pipes p, struct stream *s, size_t bytes)
{
    uint8_t buffer[65536];
    ssize_t n;

    for (; bytes; bytes -= n) {
        n = read(p.from, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer));
        if (n <= 0)
            return false;
        stream_append(s, buffer, n);
    }
    return true;
}

/* The begin of what is to be read stays in a pipe while the firmware saves what comes after it. */
static bool in_pipe_meanwhile(struct vf *v, int fd, struct pipes p, struct stream *s)
{
    struct stream rest = { 0 };
    size_t bytes = fill_pipe(fd, p);
    bool good = bytes;

    good = good && mig_read_precopy(fd, &rest, 1000) >= 0;
    vf_change(v, CHANGES);
    good = good && mig_read_precopy(fd, &rest, 1000) >= 0;
    good = drain_pipe(p, s, bytes) && good;
    stream_append(s, rest.data, rest.len);
    stream_free(&rest);
    return good;
}

static void test_kept(struct vf *from, struct vf *to)
{
    struct pipes p = pipes_open();
    struct stream s = { 0 };
    int fd, target = -1, err;
    bool good = true, ended = false;
    uint64_t sum;

    vf_reset(from);
    vf_fill(from, SEED);
    taint_memory();
    fd = vf_set(from, VFIO_DEVICE_STATE_PRE_COPY);
    for (unsigned i = 0; i < ROUNDS; i++) {
        good &= in_pipe_meanwhile(from, fd, p, &s);
        vf_change(from, CHANGES);
    }
    ok(good, "what is in a pipe stays there while the next image is saved, %u times", ROUNDS);
    err = mig_set(&from->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    sum = wl_sum(from->wl);
    ok(!err && mig_read(fd, &s, &ended) >= 0 && ended, "the final image comes (%d)", err);
    err = load_run(to, &s, &target);
    ok(!err && wl_sum(to->wl) == sum, "no byte of it changed: the VF arrives (%d)", err);
    ok(!is_tainted(&s), "nothing is read, or goes into a pipe, that was in memory before");
    close(target);
    close(fd);
    close(p.from);
    close(p.to);
    vf_reset(from);
    vf_reset(to);
    stream_free(&s);
}

/* Pages in a pipe outlive the session, and the device's FD. */
static void test_left(struct vf *v)
{
    struct pipes p = pipes_open();
    struct stream s = { 0 };
    size_t bytes;
    int fd, copy;

    vf_fill(v, SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    bytes = fill_pipe(fd, p);
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    close(fd);
    vf_close(v);
    ok(bytes == PIPE_BYTES / 2 && drain_pipe(p, &s, bytes), "%zu bytes in a pipe outlive the session", bytes);
    ok(splice(copy, NULL, p.to, NULL, 1, 0) < 0 && errno == ENODEV, "which gives no more");
    close(copy);
    close(p.from);
    close(p.to);
    vf_open(v);
    stream_free(&s);
}

void test_splice(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the tests of splice need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    ferry_checksums(true);
    test_kept(from, to);
    ferry_checksums(false);
    test_left(from);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "splice");
}
