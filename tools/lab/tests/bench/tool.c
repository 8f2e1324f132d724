// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ferry tool against a plain loop of read() and write() on the same data
 * FD: what a MiB more of state costs, to a file and through a pipe. That a
 * command starts, and asks and prepares what it has to, is in neither.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "bench.h"

#define FERRY "build/ferry/ferry"
#define FILE_NAME "/tmp/bench.state"

enum { TO_FILE, TO_PIPE, TARGETS };

/* Who reads the pipe until its end. */
static pid_t reader(int pipes[2])
{
    pid_t pid;

    if (pipe(pipes))
        tap_bail("no pipe");
    pid = fork();
    if (pid < 0)
        tap_bail("no process");
    if (pid) {
        close(pipes[0]);
        return pid;
    }
    close(pipes[1]);
    while (read(pipes[0], piece(), PIECE) > 0)
        ;
    _exit(0);
}

static void ended_well(pid_t pid, const char *what)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || status)
        tap_bail("%s ended with status %#x", what, status);
}

static void loop(struct vf *v, int to)
{
    int fd;

    vf_set(v, VFIO_DEVICE_STATE_STOP);
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_pipe(fd, to, NULL) <= 0)
        tap_bail("VF %s gives no image", v->bdf);
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    close(fd);
}

/* The device is lent to it; with standard output as the target, FILE is `-`. */
static void tool(struct vf *v, int to)
{
    pid_t pid = fork();

    if (pid < 0)
        tap_bail("no process");
    if (!pid) {
        char lent[32];

        snprintf(lent, sizeof(lent), "--device-fd=%d", v->fn.fd);
        if (fcntl(v->fn.fd, F_SETFD, 0) || (to >= 0 && dup2(to, STDOUT_FILENO) < 0))
            _exit(126);
        execl(FERRY, FERRY, "save", "-q", lent, v->bdf, to < 0 ? FILE_NAME : "-", NULL);
        _exit(127);
    }
    ended_well(pid, "ferry save");
}

static uint64_t once(struct vf *v, unsigned target, bool by_tool)
{
    uint64_t begin = now_ns();
    int pipes[2];
    pid_t pid;
    int fd;

    if (target == TO_PIPE) {
        pid = reader(pipes);
        (by_tool ? tool : loop)(v, pipes[1]);
        close(pipes[1]);
        ended_well(pid, "the pipe's reader");
    } else if (by_tool) {
        tool(v, -1);
    } else {
        fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
            tap_bail("%s: %s", FILE_NAME, strerror(errno));
        loop(v, fd);
        close(fd);
    }
    begin = now_ns() - begin;
    unlink(FILE_NAME);
    return begin;
}

/* With so much of the state filled. */
static double of_state(struct vf *v, unsigned percent, unsigned target, bool by_tool)
{
    vf_reset(v);
    if (!wl_fill(v->wl, 0, vf_percent(v, percent), SEED))
        tap_bail("the memory of VF %s cannot be filled", v->bdf);
    return once(v, target, by_tool);
}

static void measure(struct bench *b, struct vf *v)
{
    static const char *const names[TARGETS][2] = {
        { "loop_to_file_per_mib", "save_to_file_per_mib" }, { "loop_to_pipe_per_mib", "save_to_pipe_per_mib" },
    };
    double mib = (vf_percent(v, 90) - vf_percent(v, 10)) / (double)PIECE;

    (void)b;
    /* A clock that counts does not wait for the host's files: the command is there before it is measured. */
    of_state(v, 10, TO_FILE, true);
    for (unsigned target = 0; target < TARGETS; target++)
        for (unsigned by_tool = 0; by_tool < 2; by_tool++) {
            double few = of_state(v, 10, target, by_tool);

            figure(v, names[target][by_tool], 0, (of_state(v, 90, target, by_tool) - few) / mib);
        }
}

void bench_tool(struct bench *b)
{
    piece();
    in_turn(b, measure);
}
