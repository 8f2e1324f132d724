// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages on their way into a pipe. See pages.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "channel.h"
#include "pages.h"

static void close_both(int pipe[2])
{
	for (unsigned int i = 0; i < 2; i++) {
		if (pipe[i] >= 0)
			close(pipe[i]);
		pipe[i] = -1;
	}
}

/* Both hold as much, so that what fits into one fits into the other. */
bool pages_open(struct pages *p)
{
	if (!pipe2(p->way, O_CLOEXEC) && !pipe2(p->aside, O_CLOEXEC)) {
		pipe_enlarge(p->way[1]);
		pipe_enlarge(p->aside[1]);
		if (fcntl(p->way[1], F_GETPIPE_SZ) == fcntl(p->aside[1], F_GETPIPE_SZ))
			return true;
	}
	pages_close(p);
	return false;
}

void pages_close(struct pages *p)
{
	close_both(p->way);
	close_both(p->aside);
}

ssize_t pages_take(struct pages *p, int fd, void *data, size_t size)
{
	ssize_t n = splice(fd, NULL, p->way[1], NULL, size, SPLICE_F_NONBLOCK), seen = 0;

	if (n <= 0)
		return n;
	if (tee(p->way[0], p->aside[1], n, SPLICE_F_NONBLOCK) != n) {
		errno = EIO;
		return -1;
	}
	while (seen < n) {
		ssize_t more = read(p->aside[0], (char *)data + seen, n - seen);

		if (more < 0 && errno != EINTR)
			return more;
		seen += more > 0 ? more : 0;
	}
	return n;
}
