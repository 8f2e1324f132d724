// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking what may never answer. See patience.h.
 *
 * Who reads a file whose driver is stuck sleeps in the kernel and cannot be
 * killed, and neither ends a process of which that is a thread. So another
 * process reads. It is nobody's child and has no FD of ours, so that nobody waits
 * for it; it ends with its socket, or when the kernel lets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/host.h>

#include "patience.h"
#include "sysfs.h"
#include "wait.h"

#define ANSWER_MAX	(1 << 20)
#define LEAST_MS	100

struct request {
	ferry_question question;
	char what[FERRY_PATH_MAX];
	size_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* all below */
static struct patience files = { .least_ms = LEAST_MS };
static char silent[FERRY_PATH_MAX + 32];
static int reader = -1;						/* the socket */
static pid_t reader_pid;

FERRY_API void ferry_limit_waiting(unsigned int ms)
{
	files.left_ms = ms;
}

FERRY_API const char *ferry_silent(void)
{
	return silent;
}

int ferry_lose_patience(struct patience *patience, const char *what, int waited_ms)
{
	patience->left_ms -= waited_ms;
	if (patience->left_ms < patience->least_ms)
		patience->left_ms = patience->least_ms;
	if (!*silent)
		snprintf(silent, sizeof(silent), "%s gave no answer for %.1f s", what, waited_ms / 1e3);
	return -ETIMEDOUT;
}

/* ---- the other process ---- */

/* Something has come of the asker, its end, too: it may find a wait that a signal can end. */
static void look_for_end(int signal)
{
	char byte;

	if (!recv(0, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT))
		_exit(0);
}

static void __attribute__((noreturn)) answer_all(int fd)
{
	const struct sigaction on_io = { .sa_handler = look_for_end, .sa_flags = SA_RESTART };
	static char answer[ANSWER_MAX];
	struct request request;
	pid_t pid = getpid();
	ssize_t n;

	/* Whatever a question asks in turn is asked here. */
	files.left_ms = 0;
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
	/* A pipe's end or a device that were kept open here would be missed elsewhere. */
	if (dup2(fd, 0) || close_range(1, ~0U, 0) || sigaction(SIGIO, &on_io, NULL) ||
	    fcntl(0, F_SETOWN, pid) || fcntl(0, F_SETFL, O_ASYNC) || send(0, &pid, sizeof(pid), 0) < 0)
		_exit(1);
	while (recv(0, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
		n = request.question(request.what, answer, request.size);
		if (send(0, &n, sizeof(n), MSG_NOSIGNAL) < 0 || (n > 0 && send(0, answer, n, MSG_NOSIGNAL) < 0))
			break;
	}
	_exit(0);
}

static bool start_reader(void)
{
	int ends[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return false;
	child = fork();
	if (!child) {
		if (fork())
			_exit(0);
		answer_all(ends[1]);
	}
	close(ends[1]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	reader = ends[0];
	return child > 0 && recv(reader, &reader_pid, sizeof(reader_pid), MSG_WAITALL) == sizeof(reader_pid);
}

static void drop_reader(void)
{
	if (reader_pid > 0)
		kill(reader_pid, SIGKILL);
	close(reader);
	reader = -1;
	reader_pid = 0;
}

static ssize_t ask_reader(struct patience *patience, const struct request *request, void *answer)
{
	double began = clock_ms();
	ssize_t n;
	int err;

	if (send(reader, request, sizeof(*request), MSG_NOSIGNAL) != sizeof(*request))
		return -EPIPE;
	err = fd_wait(reader, POLLIN, -1, patience->left_ms);
	if (err)
		return ferry_lose_patience(patience, request->what, clock_ms() - began);
	if (recv(reader, &n, sizeof(n), MSG_WAITALL) != sizeof(n) ||
	    (n > 0 && recv(reader, answer, n, MSG_WAITALL) != n))
		return -EPIPE;
	return n;
}

ssize_t ferry_ask(struct patience *patience, ferry_question question, const char *what, void *answer, size_t size)
{
	struct request request = { .question = question, .size = size < ANSWER_MAX ? size : ANSWER_MAX };
	ssize_t n = -EPIPE;

	if (!files.left_ms)
		return question(what, answer, size);
	snprintf(request.what, sizeof(request.what), "%s", what);
	pthread_mutex_lock(&lock);
	if (reader >= 0 || start_reader())
		n = ask_reader(patience ?: &files, &request, answer);
	if (n == -EPIPE || n == -ETIMEDOUT)
		drop_reader();
	pthread_mutex_unlock(&lock);
	return n;
}
