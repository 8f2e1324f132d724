// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ways from one VF to another: the whole one through all states, straight
 * to STOP_COPY, and back by cancelling.
 */
#include <errno.h>
#include <unistd.h>

#include "migrate.h"

enum {
    NOISE       = 2 << 20,
    ROUNDS      = 40,           /* of pre-copy: more than it ever takes */
    WAIT        = 20000,
    RATE        = 2000,         /* of changes while it moves */
};

int go(struct user *u, int state)
{
    double began = now_ms();
    int fd, err = mig_set(&u->fn, state, &fd);

    if (!ok(!err, "%s -> %s", u->fn.bdf, mig_name(state)))
        tap_diag("%s; it is in %s", strerror(-err), mig_name(mig_get(&u->fn)));
    else if (now_ms() - began > 1000)
        tap_diag("that took %.0f ms", now_ms() - began);
    return fd;
}

void arrive(struct user *u, const struct stream *s)
{
    int fd = go(u, VFIO_DEVICE_STATE_RESUMING), err;

    err = mig_write(fd, s->data, s->len);
    ok(!err, "the target takes %zu bytes%s%s", s->len, err ? ": " : "", err ? strerror(-err) : "");
    go(u, VFIO_DEVICE_STATE_STOP);
    close(fd);
}

static bool all_flags(struct user *u)
{
    return mig_flags(&u->fn) == (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
                                 VFIO_MIGRATION_PRE_COPY);
}

/* Everything that goes on by itself: memory, DMA, interrupts; up to limits far away. */
static void start_workload(struct user *u, uint64_t limit)
{
    wl_fill(u->wl, 0, NOISE, 5);
    wl_change(u->wl, NOISE / 2, NOISE, RATE, limit);
    wl_dma(u->wl, fw_iova(&u->fw, u->s.dma), DMA_PAGES * PAGE, PAGE, RATE, limit);
    wl_write(u->wl, WL_IRQ_VECTOR, VECTOR_WORKLOAD);
    wl_write(u->wl, WL_IRQ_LIMIT, limit / 10);
    wl_write(u->wl, WL_IRQ_RATE, RATE / 10);
}

/* Registers of the workload that must be the same on both sides. */
static unsigned different_registers(struct user *a, struct user *b)
{
    static const unsigned regs[] = {
        WL_STATE_SIZE, WL_WINDOW, WL_FILL_START, WL_FILL_LEN, WL_FILL_SEED,
        WL_MEM_START, WL_MEM_LEN, WL_MEM_RATE, WL_MEM_LIMIT, WL_MEM_COUNT,
        WL_DMA_IOVA, WL_DMA_LEN, WL_DMA_STRIDE, WL_DMA_RATE, WL_DMA_LIMIT, WL_DMA_COUNT,
        WL_DMA_ERRORS, WL_IRQ_VECTOR, WL_IRQ_RATE, WL_IRQ_LIMIT, WL_IRQ_COUNT,
        WL_RECV_QPN, WL_RECV_LEN, WL_RECV, WL_RECV_COUNT,
    };
    unsigned different = 0;

    for (unsigned i = 0; i < sizeof(regs) / sizeof(*regs); i++) {
        uint64_t x = wl_read(a->wl, regs[i]), y = wl_read(b->wl, regs[i]);

        if (x != y) {
            tap_diag("register %#x: %llu at the source, %llu at the target", regs[i],
                     (unsigned long long)x, (unsigned long long)y);
            different++;
        }
    }
    return different;
}

static void check_objects(struct setup *t, struct user *a, struct user *b)
{
    unsigned different = 0, n = 0;

    if (!t->control.base) {
        tap_skip("the target has the source's objects", "the control block cannot be reached");
        return;
    }
    for (unsigned kind = 0; kind < OBJECT_COMMAND; kind++) {
        n += ctl_objects(t->control, a->id, kind);
        different += ctl_objects(t->control, a->id, kind) != ctl_objects(t->control, b->id, kind);
    }
    ok(!different && n >= 6, "the target has the source's %u objects, kind by kind", n);
}

/* Reads while the workload changes memory, until only little comes in a round. */
static void precopy(struct user *u, int fd, struct stream *s)
{
    struct vfio_precopy_info info;
    uint64_t count;
    ssize_t n;

    ok(!mig_precopy_info(fd, &info) && info.initial_bytes > 0, "pre-copy begins with %llu bytes",
       (unsigned long long)info.initial_bytes);
    n = mig_read(fd, s, NULL);
    ok(n >= NOISE, "%zd bytes of initial data", n);
    ok(mig_data_size(&u->fn) > 0, "MIG_DATA_SIZE answers in PRE_COPY");
    for (unsigned round = 0; round < 3; round++) {
        count = wl_read(u->wl, WL_MEM_COUNT);
        wl_wait(u->wl, WL_MEM_COUNT, count + 20, WAIT);
        n = 0;
        for (unsigned i = 0; i < ROUNDS && !n; i++)
            n = mig_read_precopy(fd, s, 1);
        ok(n > 0, "round %u: memory changed, %zd more bytes", round, n);
    }
}

/* The user goes on at the target as if nothing had happened. */
static void check_user(struct user *u)
{
    ok(user_ring_arrived(u), "the command that was rung while suspended completes here, "
       "with its event and its interrupt");
    ok(user_message_arrived(u), "so does the message that had to wait");
    ok(user_command_works(u), "a new command works, its armed EQ fires");
    user_ask_message(u);
    ok(user_message_arrived(u), "a new message comes into the QP");
}

/* Source and target both go on to the limit: what they end with is the same. */
static void check_future(struct user *a, struct user *b, uint64_t limit)
{
    struct user *both[2] = { a, b };
    unsigned different = 0;

    for (unsigned i = 0; i < 2; i++)
        ok(wl_wait(both[i]->wl, WL_MEM_COUNT, limit, WAIT) &&
           wl_wait(both[i]->wl, WL_DMA_COUNT, limit, WAIT) &&
           wl_wait(both[i]->wl, WL_IRQ_COUNT, limit / 10, WAIT),
           "the workload goes on at the %s", i ? "target" : "source");
    ok_eq(wl_sum(b->wl), wl_sum(a->wl), "both end with the same device memory");
    for (unsigned i = 0; i < DMA_PAGES; i++)
        different += *(uint64_t *)(a->fw.ram + a->s.dma + i * PAGE) !=
                     *(uint64_t *)(b->fw.ram + b->s.dma + i * PAGE);
    ok_eq(different, 0, "and have written the same to their own memory");
    ok(vfio_irq_wait(&b->fn, VECTOR_WORKLOAD, 0) > 0, "interrupts came at the target");
}

/* An event queue armed while suspended, with an event in it, fires at the target only. */
static void test_armed(struct setup *t)
{
    static struct user a, b;
    struct stream s = { 0 };
    int fd;

    user_open(&a, t->vf[0], t->backend);
    user_open(&b, t->vf[1], t->backend);
    user_start(&a);
    ok(user_leave_event(&a), "an event is left in a queue that is not armed");
    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    go(&a, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    user_arm(&a);
    go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    ok(mig_read(fd, &s, NULL) > 0, "the queue is armed while suspended, and the VF saved");
    go(&a, VFIO_DEVICE_STATE_STOP);
    close(fd);
    ok(!vfio_irq_wait(&a.fn, VECTOR_COMMANDS, 0), "it did not fire at the source");
    arrive(&b, &s);
    user_move(&b, &a);
    ok(!vfio_irq_wait(&b.fn, VECTOR_COMMANDS, 0), "nor at the target while that is stopped");
    go(&b, VFIO_DEVICE_STATE_RUNNING);
    ok(user_left_event_arrived(&b), "it fires when the target runs");
    ok(user_command_works(&b), "and goes on");
    user_close(&b);
    user_close(&a);
    stream_free(&s);
}

void test_path(struct setup *t)
{
    static struct user a, b;
    struct stream s = { 0 };
    uint64_t sum, dma, limit = 4000;
    bool ended;
    ssize_t n;
    char byte;
    int fd;

    user_open(&a, t->vf[0], t->backend);
    user_open(&b, t->vf[1], t->backend);
    ok(all_flags(&a) && all_flags(&b), "both VFs can STOP_COPY, P2P and PRE_COPY");
    ok_eq(mig_get(&a.fn), VFIO_DEVICE_STATE_RUNNING, "RUNNING when opened");
    ok(mig_data_size(&a.fn) > 0, "MIG_DATA_SIZE answers in RUNNING");
    user_start(&a);
    ok(user_command_works(&a), "a command works at the source");
    user_ask_message(&a);
    ok(user_message_arrived(&a), "a message comes at the source");
    start_workload(&a, limit);

    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    precopy(&a, fd, &s);
    go(&a, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    dma = wl_read(a.wl, WL_DMA_COUNT);
    user_ring(&a);
    user_ask_message(&a);
    go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    n = mig_read(fd, &s, &ended);
    ok(n > 0 && ended, "STOP_COPY: %zd bytes, then the end", n);
    ok(read(fd, &byte, 1) == 0 && read(fd, &byte, 1) == 0, "which is an end for ever");
    ok(!user_ring_completed(&a), "the command that was rung still waits");
    ok_eq(wl_read(a.wl, WL_DMA_COUNT), dma, "there was no DMA since PRE_COPY_P2P");
    go(&a, VFIO_DEVICE_STATE_STOP);
    close(fd);
    sum = wl_sum(a.wl);

    arrive(&b, &s);
    ok_eq(wl_sum(b.wl), sum, "the target has the source's device memory");
    ok_eq(different_registers(&a, &b), 0, "and its registers and counters");
    check_objects(t, &a, &b);
    ok_eq(wl_read(b.wl, WL_VHCA_ID), b.id, "it is itself all the same");
    user_move(&b, &a);
    go(&b, VFIO_DEVICE_STATE_RUNNING);
    check_user(&b);
    ok(!user_ring_completed(&a) && !vfio_irq_wait(&a.fn, VECTOR_COMMANDS, 0),
       "nothing of that happened at the source");

    go(&a, VFIO_DEVICE_STATE_RUNNING);
    check_user(&a);
    check_future(&a, &b, limit);
    ok(user_end(&b), "the target knows all objects by their numbers");
    ok(user_end(&a), "and so does the source");
    user_close(&b);
    user_close(&a);
    stream_free(&s);
    test_armed(t);
}

/* ---- straight to STOP_COPY ---- */

/* via: PRE_COPY, without reading anything there, or -1 for none. */
static void direct(struct setup *t, int via)
{
    static struct user a, b;
    struct stream s = { 0 };
    uint64_t sum;
    bool ended;
    ssize_t n;
    int fd;

    user_open(&a, t->vf[0], t->backend);
    user_open(&b, t->vf[1], t->backend);
    user_start(&a);
    wl_fill(a.wl, PAGE, NOISE, 6);
    sum = wl_sum(a.wl);
    if (via >= 0) {
        fd = go(&a, via);
        go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    } else {
        fd = go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    }
    n = mig_read(fd, &s, &ended);
    ok(n >= NOISE && ended, "all %zd bytes come in STOP_COPY", n);
    go(&a, VFIO_DEVICE_STATE_STOP);
    close(fd);
    arrive(&b, &s);
    ok_eq(wl_sum(b.wl), sum, "the target has the source's device memory");
    check_objects(t, &a, &b);
    user_move(&b, &a);
    go(&b, VFIO_DEVICE_STATE_RUNNING);
    ok(user_command_works(&b), "a command works at the target");
    user_ask_message(&b);
    ok(user_message_arrived(&b), "a message comes at the target");
    ok(user_end(&b), "the target knows all objects");
    user_close(&b);
    user_close(&a);
    stream_free(&s);
}

void test_direct(struct setup *t)
{
    direct(t, -1);
    direct(t, VFIO_DEVICE_STATE_PRE_COPY);
    direct(t, VFIO_DEVICE_STATE_PRE_COPY_P2P);
}

/* ---- cancel ---- */

void test_cancel(struct setup *t)
{
    static struct user a, b;
    struct stream s = { 0 };
    uint64_t limit = 3000, sum;
    char byte;
    int fd;

    user_open(&a, t->vf[0], t->backend);
    user_start(&a);
    start_workload(&a, limit);
    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    go(&a, VFIO_DEVICE_STATE_RUNNING);
    ok(read(fd, &byte, 1) < 0 && errno == ENODEV, "cancelled at once: the FD is of no more use");
    close(fd);
    ok(user_command_works(&a), "the VF goes on");

    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    ok(mig_read_precopy(fd, &s, 2) > 0, "pre-copy gives data");
    go(&a, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    user_ring(&a);
    go(&a, VFIO_DEVICE_STATE_RUNNING_P2P);
    ok(!user_ring_completed(&a), "cancelled from PRE_COPY_P2P: a command still waits");
    go(&a, VFIO_DEVICE_STATE_RUNNING);
    close(fd);
    ok(user_ring_arrived(&a), "and completes when the VF runs");
    if (t->control.base)
        ok(!ctl_tracked(t->control, a.id), "the device tracks nothing any more");

    /* what was left of the two attempts is not in the next stream */
    stream_free(&s);
    ok(wl_wait(a.wl, WL_MEM_COUNT, limit, WAIT), "the workload comes to its end");
    sum = wl_sum(a.wl);
    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    ok(mig_read_precopy(fd, &s, 3) > 0, "a third attempt");
    go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    ok(mig_read(fd, &s, NULL) > 0, "to the end");
    go(&a, VFIO_DEVICE_STATE_STOP);
    close(fd);
    user_open(&b, t->vf[1], t->backend);
    arrive(&b, &s);
    ok_eq(wl_sum(b.wl), sum, "brings everything to the target");
    user_move(&b, &a);
    go(&b, VFIO_DEVICE_STATE_RUNNING);
    ok(user_command_works(&b), "which goes on");
    user_close(&b);
    user_close(&a);
    stream_free(&s);
}

/* ---- re-initialised while it is copied ---- */

/* An image that was under way when the device began anew comes before. */
static bool reinit_is_told(int fd, struct stream *s, struct vfio_precopy_info *info)
{
    return wait_until((!mig_precopy_info(fd, info) && info->flags) || mig_read(fd, s, NULL) < 0,
                      WAIT) && info->flags == VFIO_PRECOPY_INFO_REINIT;
}

/*
 * The device tells its new start until the next SAVE. One that falls between
 * the driver's question and its SAVE is told to nobody, so it is done again.
 */
static bool start_is_told(struct user *u, int fd, struct stream *s, struct vfio_precopy_info *info)
{
    enum { STARTS = 3 };

    for (unsigned i = 0; i < STARTS; i++) {
        wl_fill(u->wl, 0, NOISE, 9 + i);
        if (!ok(!fw_do(&u->fw, OP_TEARDOWN_HCA, 0, 0, NULL) &&
                !fw_do(&u->fw, OP_INIT_HCA, 0, 0, NULL), "the VF's driver starts anew"))
            return false;
        if (reinit_is_told(fd, s, info))
            return true;
        tap_diag("start %u was not told", i);
    }
    return false;
}

void test_reinit(struct setup *t)
{
    static struct user a;
    struct vfio_precopy_info info;
    struct stream s = { 0 };
    size_t before;
    int fd, err;

    user_open(&a, t->vf[0], t->backend);
    err = mig_precopy_v2(&a.fn);
    if (err) {
        ok(err == -ENOTTY || err == -EINVAL, "this kernel has no PRECOPY_INFOv2");
        tap_skip("REINIT", "it needs PRECOPY_INFOv2");
        user_close(&a);
        return;
    }
    user_start(&a);
    wl_fill(a.wl, 0, NOISE, 8);
    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    mig_read_precopy(fd, &s, ROUNDS);
    ok(!mig_precopy_info(fd, &info) && !info.flags, "no flag while nothing happens");
    before = s.len;
    /* Who reads while it waits may have had the new initial data before it was told of them. */
    ok(start_is_told(&a, fd, &s, &info) && info.initial_bytes + (s.len - before),
       "REINIT, with %llu initial bytes again, and %zu read meanwhile",
       (unsigned long long)info.initial_bytes, s.len - before);
    mig_read_precopy(fd, &s, ROUNDS);
    ok(!mig_precopy_info(fd, &info) && !info.flags, "once");
    go(&a, VFIO_DEVICE_STATE_RUNNING);
    close(fd);
    user_close(&a);
    stream_free(&s);
}
