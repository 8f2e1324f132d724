// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Between two machines: the stream, the user's memory and what its software
 * knows go over TCP.  The receiver listens at $LAB_SELF, the sender connects
 * to $LAB_PEER.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migrate.h"

enum { PORT = 7000, NOISE = 12 << 20, PATIENCE = 120000 };

/* What the parts of the conversation begin with. */
struct part {
    uint32_t kind;
    uint32_t len;
};
enum { PART_STREAM = 1, PART_USER, PART_MEMORY, PART_EXPECT, PART_END };

/* What the target is to find. */
struct expectation {
    uint64_t sum, mem_count, limit;
};

static int address(struct sockaddr_in *a, const char *variable)
{
    const char *text = getenv(variable);

    *a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
    return text && inet_pton(AF_INET, text, &a->sin_addr) == 1 ? 0 : -EINVAL;
}

static int connect_to_peer(void)
{
    double end = now_ms() + PATIENCE;
    struct sockaddr_in a;

    if (address(&a, "LAB_PEER"))
        tap_bail("LAB_PEER is not set: run this with lab pair");
    do {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
            return fd;
        close(fd);
        usleep(100000);                 /* the other machine may still be booting */
    } while (now_ms() < end);
    tap_bail("the other machine does not answer");
}

static int accept_from_peer(void)
{
    struct timeval patience = { .tv_sec = PATIENCE / 1000 };
    int one = 1, listener, fd;
    struct sockaddr_in a;

    if (address(&a, "LAB_SELF"))
        tap_bail("LAB_SELF is not set: run this with lab pair");
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1))
        tap_bail("cannot listen: %s", strerror(errno));
    fd = accept(listener, NULL, NULL);
    if (fd < 0)
        tap_bail("the other machine does not come: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    close(listener);
    return fd;
}

static void send_part(int fd, unsigned kind, const void *data, uint32_t len)
{
    struct part p = { kind, len };

    if (mig_write(fd, &p, sizeof(p)) || mig_write(fd, data, len))
        tap_bail("sending: %s", strerror(errno));
}

static void receive(int fd, void *data, size_t len)
{
    uint8_t *p = data;

    while (len) {
        ssize_t n = read(fd, p, len);

        if (n <= 0)
            tap_bail("the other machine went away: %s", n ? strerror(errno) : "end of file");
        p += n;
        len -= n;
    }
}

/* ---- the source ---- */

static ssize_t send_stream(int data, int net, bool *ended)
{
    static uint8_t piece[1 << 20];
    ssize_t total = 0, n;

    while ((n = read(data, piece, sizeof(piece))) > 0) {
        send_part(net, PART_STREAM, piece, n);
        total += n;
    }
    *ended = n == 0;
    return n < 0 && errno != ENOMSG ? -errno : total;
}

void test_send(struct setup *t)
{
    static struct user a;
    struct vfio_precopy_info info;
    struct expectation e = { .limit = 5000 };
    struct user_state state;
    int net, fd;
    ssize_t n = 0;
    bool ended;
    char answer;

    user_open(&a, t->vf[0], t->backend);
    user_start(&a);
    wl_fill(a.wl, 0, NOISE, 11);
    wl_change(a.wl, NOISE, 64 * PAGE, 2000, e.limit);
    net = connect_to_peer();
    fd = go(&a, VFIO_DEVICE_STATE_PRE_COPY);
    for (unsigned round = 0; round < 200 && n < NOISE; round++) {
        ok(!mig_precopy_info(fd, &info), "pre-copy: %llu initial, %llu dirty bytes",
           (unsigned long long)info.initial_bytes, (unsigned long long)info.dirty_bytes);
        n += send_stream(fd, net, &ended);
    }
    ok(n >= NOISE, "%zd bytes sent in pre-copy", n);
    go(&a, VFIO_DEVICE_STATE_PRE_COPY_P2P);
    user_ring(&a);
    user_ask_message(&a);
    go(&a, VFIO_DEVICE_STATE_STOP_COPY);
    n = send_stream(fd, net, &ended);
    ok(n > 0 && ended, "%zd bytes sent in STOP_COPY", n);
    go(&a, VFIO_DEVICE_STATE_STOP);
    close(fd);
    e.sum = wl_sum(a.wl);
    e.mem_count = wl_read(a.wl, WL_MEM_COUNT);
    state = user_freeze(&a);
    send_part(net, PART_USER, &state, sizeof(state));
    send_part(net, PART_MEMORY, a.fw.ram, USER_RAM);
    send_part(net, PART_EXPECT, &e, sizeof(e));
    send_part(net, PART_END, "", 0);
    receive(net, &answer, 1);
    ok(answer == 'y', "the other machine has it");
    ok(!user_ring_completed(&a), "the rung command did not complete here");
    close(net);
    user_close(&a);
}

/* ---- the target ---- */

static void receive_all(struct user *u, int net, int data, struct user_state *state,
                        struct expectation *e)
{
    static uint8_t piece[1 << 20];
    size_t total = 0;
    struct part p;
    int err = 0;

    do {
        receive(net, &p, sizeof(p));
        switch (p.kind) {
        case PART_STREAM:
            receive(net, piece, p.len);
            err = err ? err : mig_write(data, piece, p.len);
            total += p.len;
            break;
        case PART_USER:
            receive(net, state, sizeof(*state));
            break;
        case PART_MEMORY:
            receive(net, u->fw.ram, USER_RAM);
            break;
        case PART_EXPECT:
            receive(net, e, sizeof(*e));
            break;
        }
    } while (p.kind != PART_END);
    ok(!err, "%zu bytes of the stream are taken%s%s", total, err ? ": " : "",
       err ? strerror(-err) : "");
}

void test_receive(struct setup *t)
{
    static struct user b;
    struct user_state state = { 0 };
    struct expectation e = { 0 };
    int net, fd;

    user_open(&b, t->vf[t->nvfs - 1], t->backend);
    net = accept_from_peer();
    fd = go(&b, VFIO_DEVICE_STATE_RESUMING);
    receive_all(&b, net, fd, &state, &e);
    go(&b, VFIO_DEVICE_STATE_STOP);
    close(fd);
    ok_eq(wl_sum(b.wl), e.sum, "device memory is that of the other machine's VF");
    ok_eq(wl_read(b.wl, WL_MEM_COUNT), e.mem_count, "its counters, too");
    user_thaw(&b, &state);
    go(&b, VFIO_DEVICE_STATE_RUNNING);
    ok(user_ring_arrived(&b), "the command that was rung there completes here, "
       "with its event and its interrupt");
    ok(user_message_arrived(&b), "so does the message that had to wait");
    ok(user_command_works(&b), "a new command works");
    ok(wl_wait(b.wl, WL_MEM_COUNT, e.limit, 20000), "the workload goes on to its end");
    ok(user_end(&b), "all objects are known by their numbers");
    if (write(net, "y", 1) != 1)
        tap_diag("the other machine does not wait for the answer");
    close(net);
    user_close(&b);
}
