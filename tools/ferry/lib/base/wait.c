// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting with an end. See wait.h.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "wait.h"

double clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* A signal says nothing of the file: who then wrote to a full pipe would not hear of the stop. */
int fd_wait(int fd, short events, int stop_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = events },
		{ .fd = stop_fd, .events = POLLIN },
	};
	double end = clock_ms() + timeout_ms, left = timeout_ms;
	int n;

	while ((n = poll(fds, 2, left)) < 0 && errno == EINTR) {
		if (timeout_ms < 0)
			continue;
		left = end - clock_ms();
		if (left < 0)
			left = 0;
	}
	if (n < 0)
		return -errno;
	if (n > 0 && fds[1].revents)
		return -ECANCELED;
	return n ? 0 : -ETIMEDOUT;
}
