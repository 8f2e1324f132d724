// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the command that uses a function. See workload.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

/* Of the child, between fork and exec: the program has threads only while a migration runs. */
static void become(const char *command, const char *word, struct ferry_device *device)
{
	char *line, number[16];
	int fd;

	/* Not Ctrl-C's: that ends ferry after the running migration. */
	setpgid(0, 0);
	signal(SIGXFSZ, SIG_DFL);
	fd = dup(ferry_device_fd(device));
	if (fd < 0 || asprintf(&line, "%s %s", command, word) < 0)
		_exit(126);
	snprintf(number, sizeof(number), "%d", fd);
	setenv("FERRY_DEVICE", ferry_device_name(device), 1);
	setenv("FERRY_DEVICE_FD", number, 1);
	/* What ferry prints is a table or JSON, nothing else. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(127);
}

/* The child has ended, or time is over; it is not waited for yet. */
static int wait_for_end(pid_t pid)
{
	struct pollfd poll_fd = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int ready;

	if (poll_fd.fd < 0)
		return -errno;
	do
		ready = poll(&poll_fd, 1, WORKLOAD_SECONDS * 1000);
	while (ready < 0 && errno == EINTR);
	close(poll_fd.fd);
	return ready > 0 ? 0 : -ETIMEDOUT;
}

int workload_run(const char *command, const char *word, struct ferry_device *device, struct ferry_error *error)
{
	pid_t pid = fork();
	int status, err;

	if (!pid)
		become(command, word, device);
	if (pid < 0)
		return ferry_fail(error, errno, "fork: %s", strerror(errno));
	err = wait_for_end(pid);
	if (err)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (err)
		return ferry_fail(error, -err, "`%s %s` did not end within %d s", command, word,
				  WORKLOAD_SECONDS);
	if (WIFSIGNALED(status))
		return ferry_fail(error, EBADMSG, "`%s %s` was killed by signal %d", command, word,
				  WTERMSIG(status));
	if (WEXITSTATUS(status))
		return ferry_fail(error, EBADMSG, "`%s %s` ended with status %d", command, word,
				  WEXITSTATUS(status));
	return 0;
}
