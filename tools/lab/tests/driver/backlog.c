// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A user who sends faster than the firmware loads: few images wait for it,
 * whatever memory there would be; the user does, can be killed while it waits,
 * and poll() tells it when a write takes something.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "records.h"
#include "sweep.h"

enum {
    MIDDLES     = 40,
    WAITING     = 1,            /* images for the firmware: no more wait */
    SLOW_US     = 3000000,      /* a LOAD that others can observe */
    FOREVER_MS  = 20000,
    PIECE       = 64 << 10,
};

/* From the nth on: who writes the first image waits for its LOAD. */
static void slow_loads(struct bench *b, struct vf *v, unsigned nth, unsigned times)
{
    model_arm(b, (struct fault){ .opcode = OP_LOAD_VHCA_STATE, .vhca_id = v->id, .nth = nth, .times = times,
                                 .action = FAULT_DELAY, .delay_us = SLOW_US });
}

/* A resume whose writes do not wait. */
static int resume(struct vf *v)
{
    int fd = -1, err = mig_set(&v->fn, VFIO_DEVICE_STATE_RESUMING, &fd);

    if (err || fcntl(fd, F_SETFL, O_NONBLOCK))
        tap_bail("VF %s does not go to RESUMING: %d", v->bdf, err);
    return fd;
}

/* Writes up to `to`, as far as the driver takes it; *at says how far that was. */
static int offer(int fd, const struct stream *s, size_t *at, size_t to)
{
    while (*at < to) {
        ssize_t n = write(fd, s->data + *at, to - *at < PIECE ? to - *at : PIECE);

        if (n <= 0)
            return n ? -errno : -EIO;
        *at += n;
    }
    return 0;
}

/* Behind its check record, if it has one */
static size_t end_of_image(const struct stream *s, unsigned nth)
{
    struct records all = records_of(s);
    const struct record *r = record_find(&all, VFIO_FERRY_TAG_IMAGE, nth);

    r = r ? r : record_find(&all, VFIO_FERRY_TAG_FIRMWARE_DATA, nth);
    if (!r)
        tap_bail("the recorded stream has no image %u", nth);
    return record_end(r);
}

static bool says_writable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, ms) == 1 && p.revents & POLLOUT;
}

/* As a VMM that watches the FD. */
static int send_to(int fd, const struct stream *s, size_t *at, size_t to)
{
    int err;

    while ((err = offer(fd, s, at, to)) == -EAGAIN)
        if (!says_writable(fd, FOREVER_MS))
            return -ETIMEDOUT;
    return err;
}

/* The nth image, from 0, is written, and its LOAD, which is slow, has begun. */
static void begin_load(struct bench *b, int fd, const struct stream *s, size_t *at, unsigned nth)
{
    uint64_t hits = model_hits(b);

    if (send_to(fd, s, at, end_of_image(s, nth)) || !wait_until(model_hits(b) > hits, FOREVER_MS))
        tap_bail("image %u is not loaded", nth);
}

/* The rest of a stream. */
static bool finish(struct vf *v, int fd, const struct stream *s, size_t at, uint64_t sum)
{
    int err = send_to(fd, s, &at, s->len);

    if (!err)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    if (!err)
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    if (err)
        tap_diag("the rest, from byte %zu on: %d, %s", at, err, ferry_show(v, "failure", (char[512]){ 0 }, 512));
    return !err && wl_sum(v->wl) == sum && vf_alive(v);
}

/* ---- many images ---- */

/* While the second one is loaded, forty more come. */
static void test_many(struct bench *b, struct vf *v, const struct stream *s, uint64_t sum)
{
    bool writable, busy;
    size_t at = 0;
    int64_t ready;
    int fd, err;

    slow_loads(b, v, 2, 1);
    fd = resume(v);
    begin_load(b, fd, s, &at, 1);
    err = offer(fd, s, &at, s->len);
    ready = fd_number(fd, "ferry-ready");
    writable = says_writable(fd, 0);
    busy = model_busy(b);
    model_disarm(b);
    model_soon(b);
    ok(busy, "(all that during the second LOAD)");
    ok_eq(-err, EAGAIN, "%u images, the second of which is loaded slowly: the writer has to wait", MIDDLES + 2);
    ok_eq(ready, WAITING, "one image was received meanwhile, and no more");
    ok(!writable, "and poll() does not ask for more");
    ok(finish(v, fd, s, at, sum), "when that LOAD is over the rest is taken, and the VF arrives");
    close(fd);
    vf_reset(v);
}

/* ---- the last arc ---- */

struct last_arc {
    bool entered;
};

/* The second image is loaded, the third waits, and the user says that this was all. */
static int send_three(struct bench *b, struct vf *v, const struct stream *s, struct last_arc *arc)
{
    size_t at = 0;
    int fd;

    vf_open(v);
    fd = resume(v);
    begin_load(b, fd, s, &at, 1);
    if (offer(fd, s, &at, end_of_image(s, 2)))
        tap_bail("three images are not taken");
    __atomic_store_n(&arc->entered, true, __ATOMIC_RELEASE);
    return mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
}

/* The driver is in its second LOAD when its user is killed: there is no need for the third. */
static void test_last_arc(struct bench *b, struct vf *v, const struct stream *s)
{
    struct last_arc *arc = mmap(NULL, sizeof(*arc), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool waits, dead;
    double began;
    pid_t pid;

    if (arc == MAP_FAILED)
        tap_bail("no shared memory");
    slow_loads(b, v, 2, 0);
    fflush(NULL);
    pid = fork();
    if (!pid)
        _exit(-send_three(b, v, s, arc));
    waits = wait_until(__atomic_load_n(&arc->entered, __ATOMIC_ACQUIRE) && task_waits_in(pid, SYS_ioctl), FOREVER_MS);
    kill(pid, SIGKILL);
    began = now_ms();
    dead = wait_until(waitpid(pid, NULL, WNOHANG) == pid, SLOW_US / 1000 * 3 / 2);
    ok(waits && dead, "RESUMING to STOP with images that wait: who is killed dies after the LOAD that runs (%.1f s)",
       (now_ms() - began) / 1000);
    model_disarm(b);
    if (!dead)
        waitpid(pid, NULL, 0);
    munmap(arc, sizeof(*arc));
}

/* ---- little memory ---- */

enum { FIRST = 3 << 20, SECOND = 5 << 20 };

/* So that nobody who writes it waits for its load */
static void call_middle(struct stream *s, unsigned nth)
{
    struct records all = records_of(s);
    const struct record *r = record_find(&all, VFIO_FERRY_TAG_IMAGE, nth);
    struct vfio_ferry_image_check check;

    if (!r)
        tap_bail("the recorded stream has no image %u", nth);
    memcpy(&check, s->data + r->at + HEADER, sizeof(check));
    check.kind = htole32(VFIO_FERRY_IMAGE_MIDDLE);
    memcpy(s->data + r->at + HEADER, &check, sizeof(check));
    stream_seal(s);
}

/* Two images without a middle one: nobody asks for that. */
static struct stream record_two(struct vf *v, uint64_t *sum)
{
    struct stream s = { 0 };
    int fd = -1, err;

    vf_reset(v);
    wl_fill(v->wl, 0, FIRST, SEED);
    err = mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, &fd);
    if (err || !wait_until(fd_number(fd, "ferry-ready") == 1, FOREVER_MS))
        tap_bail("VF %s does not save an initial image: %d", v->bdf, err);
    wl_fill(v->wl, FIRST, SECOND, SEED);
    err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    if (err || mig_read(fd, &s, NULL) < FIRST + SECOND)
        tap_bail("VF %s does not save a final image: %d", v->bdf, err);
    *sum = wl_sum(v->wl);
    close(fd);
    vf_reset(v);
    call_middle(&s, 0);
    return s;
}

/*
 * An image is loaded, the next one has come so far that it wants memory in
 * steps of 2 MiB, and there is less: poll() and write() agree on that.
 */
static void test_little_memory(struct bench *b, struct vf *from, struct vf *to)
{
    uint64_t sum, budget, left;
    struct stream s = record_two(from, &sum);
    uint64_t before;
    bool writable, busy;
    size_t at = 0;
    int fd, err;

    budget = end_of_image(&s, 0) + (3 << 20);
    before = ferry_budget(budget);
    slow_loads(b, to, 1, 1);
    fd = resume(to);
    ferry_budget(before);
    begin_load(b, fd, &s, &at, 0);
    err = offer(fd, &s, &at, s.len);
    writable = says_writable(fd, 0);
    left = budget - fd_number(fd, "ferry-memory");
    busy = model_busy(b);
    model_disarm(b);
    ok(err == -EAGAIN && busy, "memory is short while an image is loaded: the writer has to wait (%d)", err);
    ok(!writable, "and poll() says so, with %llu bytes left", (unsigned long long)left);
    ok(finish(to, fd, &s, at, sum), "when that LOAD is over the rest is taken, and the VF arrives");
    close(fd);
    vf_reset(to);
    stream_free(&s);
}

void test_backlog(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    struct stream s, plain;
    uint64_t sum;

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the tests of backlogs need 2 VFs bound to ferry");
    vf_open(from);
    s = vf_record_middles(from, MIDDLES, &sum);
    /* ferry's own records would have the writer wait for the last byte */
    plain = stream_plain(&s);
    test_last_arc(b, to, &plain);
    vf_open(to);
    test_many(b, to, &plain, sum);
    test_little_memory(b, from, to);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "backlogs");
    stream_free(&s);
    stream_free(&plain);
}
