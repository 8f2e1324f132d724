// SPDX-License-Identifier: GPL-2.0-or-later
/* A process of the test's own. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "tap.h"

struct child child_start(int (*run)(void *arg), void *arg)
{
    struct child c = { 0 };

    fflush(stdout);
    c.pid = fork();
    if (c.pid < 0)
        tap_bail("no process: %s", strerror(errno));
    if (!c.pid)
        _exit(-run(arg));
    return c;
}

bool child_sleeps(const struct child *c)
{
    char path[64], state = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", c->pid);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state == 'S' || state == 'D';
}

bool child_over(struct child *c)
{
    if (!c->over)
        c->over = waitpid(c->pid, &c->status, WNOHANG) == c->pid;
    return c->over;
}

int child_result(const struct child *c)
{
    return WIFEXITED(c->status) ? -WEXITSTATUS(c->status) : -EINTR;
}

void child_end(struct child *c)
{
    kill(c->pid, SIGKILL);
    if (!c->over)
        c->over = waitpid(c->pid, &c->status, 0) == c->pid;
}
