/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process of the test's own, for a call that may sleep in the kernel: it can
 * be seen to sleep, and killed there. It shares the FDs it was started with.
 */
#ifndef LAB_CHILD_H
#define LAB_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    bool over;
    int status;                 /* of waitpid(), once it is over */
};

/* Runs a function that returns 0 or -errno. No other thread of this process may hold a lock. */
struct child child_start(int (*run)(void *arg), void *arg);
/* Does it wait in the kernel? */
bool child_sleeps(const struct child *c);
/* Has it ended? */
bool child_over(struct child *c);
/* What its function returned, once it is over; -EINTR: a signal ended it. */
int child_result(const struct child *c);
/* Kills and waits as long as that takes, which is a test that failed already. */
void child_end(struct child *c);

#endif
