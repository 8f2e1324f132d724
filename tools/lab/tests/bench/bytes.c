// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a MiB of image costs between the driver and its user, apart from the
 * firmware: read(), and on to a socket. Not of images in parts, whose reader
 * waits for the firmware.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.h"

enum { SLOW_MS = 60000, SMALL_CALL = 64 << 10 };
enum { BY_COPY, BY_SPLICE };

/* A whole image that waits to be read: poll tells of its first record, which is there before the SAVE has begun. */
static int image(struct bench *b, struct vf *v)
{
    uint64_t before = model_commands(b, OP_SAVE_VHCA_STATE);
    int fd;

    vf_reset(v);
    vf_fill(v, SEED);
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (!wait_until(model_commands(b, OP_SAVE_VHCA_STATE) > before && !model_busy(b), SLOW_MS))
        tap_bail("VF %s does not save its state", v->bdf);
    return fd;
}

static void measure_read(struct bench *b, struct vf *v, size_t call)
{
    int fd = image(b, v);
    uint64_t begin = now_ns(), bytes = read_to_end(v, fd, call);

    figure(v, "read_per_mib", call >> 10, (now_ns() - begin) * (double)PIECE / bytes);
    run_again(v, fd);
}

/* The other end of a socket: a process that reads until the end. */
static pid_t receiver(int sockets[2])
{
    pid_t pid = fork();

    if (pid < 0)
        tap_bail("no process");
    if (pid)
        return pid;
    close(sockets[0]);
    while (read(sockets[1], piece(), PIECE) > 0)
        ;
    _exit(0);
}

static int64_t by_copy(int from, int to)
{
    return mig_pipe(from, to, NULL);
}

static int64_t by_splice(int from, int to)
{
    int64_t bytes = 0;
    int pipes[2];
    ssize_t n, out;

    if (pipe2(pipes, O_CLOEXEC) || fcntl(pipes[1], F_SETPIPE_SZ, PIECE) < 0)
        tap_bail("no pipe");
    while ((n = splice(from, NULL, pipes[1], NULL, PIECE, 0)) > 0)
        for (bytes += n; n; n -= out) {
            out = splice(pipes[0], NULL, to, NULL, n, 0);
            if (out <= 0)
                tap_bail("splice to a socket: %s", strerror(errno));
        }
    close(pipes[0]);
    close(pipes[1]);
    return n ? -errno : bytes;
}

static void measure_socket(struct bench *b, struct vf *v, int how)
{
    int sockets[2], fd = image(b, v);
    uint64_t begin, took;
    int64_t bytes;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
        tap_bail("no socket");
    pid = receiver(sockets);
    close(sockets[1]);
    /* what the socket's reader costs is not the driver's */
    begin = cpu_ns();
    bytes = (how == BY_SPLICE ? by_splice : by_copy)(fd, sockets[0]);
    took = cpu_ns() - begin;
    close(sockets[0]);
    waitpid(pid, NULL, 0);
    if (bytes <= 0)
        tap_bail("VF %s, to a socket: %s", v->bdf, strerror(-bytes));
    figure(v, how == BY_SPLICE ? "splice_per_mib" : "socket_per_mib", 0, took * (double)PIECE / bytes);
    run_again(v, fd);
}

static void measure(struct bench *b, struct vf *v)
{
    measure_read(b, v, PIECE);
    measure_read(b, v, SMALL_CALL);
    measure_socket(b, v, BY_COPY);
    /* the kernel's own driver refuses to splice */
    if (v->ferry)
        measure_socket(b, v, BY_SPLICE);
}

void bench_bytes(struct bench *b)
{
    piece();
    in_turn(b, measure);
}
