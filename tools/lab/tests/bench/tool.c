// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ferry tool against a plain loop of read() and write() on the same data
 * FD: what of the processor's time a MiB more of state costs it, to a file,
 * through a pipe, and to another VF. That a command starts, and asks and
 * prepares what it has to, is in neither; nor is what it waits, since a clock
 * that counts runs ahead while a program's pages come from the host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench.h"

#define FERRY "build/ferry/ferry"
#define FILE_NAME "/tmp/bench.state"

enum { TO_FILE, TO_PIPE, TO_TCP, TO_TLS, TARGETS };

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

static uint64_t ns_of(struct timeval t)
{
    return t.tv_sec * 1000000000ull + t.tv_usec * 1000ull;
}

uint64_t ended_well(pid_t pid, const char *what)
{
    struct rusage usage;
    int status;

    if (wait4(pid, &status, 0, &usage) != pid || status)
        tap_bail("%s ended with status %#x", what, status);
    return ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
}

static uint64_t loop(struct vf *v, int to)
{
    uint64_t begin = cpu_ns();
    int fd;

    vf_set(v, VFIO_DEVICE_STATE_STOP);
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_pipe(fd, to, NULL) <= 0)
        tap_bail("VF %s gives no image", v->bdf);
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    close(fd);
    return cpu_ns() - begin;
}

pid_t ferry_tool(struct vf *v, const char *command, int out, const char *const *words)
{
    enum { MOST = 16 };
    pid_t pid = fork();

    if (pid < 0)
        tap_bail("no process");
    if (!pid) {
        char lent[32];
        const char *line[MOST] = { FERRY, command, lent, v->bdf };

        for (unsigned i = 4; i < MOST - 1 && *words; i++)
            line[i] = *words++;
        snprintf(lent, sizeof(lent), "--device-fd=%d", v->fn.fd);
        if (*words || fcntl(v->fn.fd, F_SETFD, 0) || (out >= 0 && dup2(out, STDOUT_FILENO) < 0))
            _exit(126);
        execv(FERRY, (char *const *)line);
        _exit(127);
    }
    return pid;
}

static uint64_t tool(struct vf *v, int to)
{
    return ended_well(ferry_tool(v, "save", to, (const char *[]){ to < 0 ? FILE_NAME : "-", "-q", NULL }), "ferry save");
}

static uint64_t once(struct side *s, unsigned target, bool by_tool)
{
    struct vf *v = s->vf[0];
    uint64_t took;
    int pipes[2];
    pid_t pid;
    int fd;

    if (target == TO_TCP || target == TO_TLS) {
        vf_set(v, VFIO_DEVICE_STATE_STOP);
        took = (by_tool ? send_by_tool : send_by_loop)(s, target == TO_TLS);
    } else if (target == TO_PIPE) {
        pid = reader(pipes);
        took = (by_tool ? tool : loop)(v, pipes[1]);
        close(pipes[1]);
        ended_well(pid, "the pipe's reader");
    } else if (by_tool) {
        took = tool(v, -1);
    } else {
        fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
            tap_bail("%s: %s", FILE_NAME, strerror(errno));
        took = loop(v, fd);
        close(fd);
    }
    unlink(FILE_NAME);
    return took;
}

/* With so much of the state filled. */
static double of_state(struct side *s, unsigned percent, unsigned target, bool by_tool)
{
    struct vf *v = s->vf[0];

    vf_reset(v);
    vf_reset(s->vf[1]);
    if (!wl_fill(v->wl, 0, vf_percent(v, percent), SEED))
        tap_bail("the memory of VF %s cannot be filled", v->bdf);
    return once(s, target, by_tool);
}

static void measure(struct side *s, unsigned at)
{
    static const char *const names[TARGETS][2] = {
        { "loop_to_file_per_mib", "save_to_file_per_mib" }, { "loop_to_pipe_per_mib", "save_to_pipe_per_mib" },
        { "loop_to_tcp_per_mib", "send_to_tcp_per_mib" }, { "loop_to_tls_per_mib", "send_to_tls_per_mib" },
    };
    struct vf *v = s->vf[0];
    double mib;

    (void)at;
    /* the tool is measured, not the driver */
    if (!v->ferry)
        return;
    if (s->vfs < 2)
        tap_bail("it takes two VFs of ferry's");
    vf_open(v);
    vf_open(s->vf[1]);
    mib = (vf_percent(v, 90) - vf_percent(v, 10)) / (double)PIECE;
    for (unsigned target = 0; target < TARGETS; target++)
        for (unsigned by_tool = 0; by_tool < 2; by_tool++) {
            double few = of_state(s, 10, target, by_tool);

            figure(v, names[target][by_tool], 0, (of_state(s, 90, target, by_tool) - few) / mib);
        }
    vf_close(s->vf[1]);
    vf_close(v);
}

void bench_tool(struct bench *b)
{
    struct sides all = sides_of(b);

    piece();
    in_rounds(&all, 0, measure);
}
