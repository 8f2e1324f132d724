// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs of the distribution. See program.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patience.h"
#include "program.h"
#include "sysfs.h"
#include "wait.h"

/* A plain user's PATH may lack the folders of administrators. */
static void find(char *path, size_t size, const char *name)
{
	static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin" };

	snprintf(path, size, "%s", name);
	if (strchr(name, '/'))
		return;
	for (unsigned int i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, size, "%s/%s", folders[i], name);
		if (!access(path, X_OK))
			return;
	}
	snprintf(path, size, "%s", name);
}

/* What programs may take that only look; and one that works, whether or not others were silent. */
static struct patience patience = { .left_ms = 10000, .least_ms = 500 };
#define WORK_MS		120000
#define KILL_MS		200

/* Reads to the end, also what does not fit: a full pipe would stop the program. */
static int collect(int fd, char *out, size_t size, double end)
{
	size_t got = 0;
	char rest[512];
	ssize_t n = 1;
	int err = 0;

	while (n && !err) {
		bool fits = out && got < size - 1;

		err = fd_wait(fd, POLLIN, -1, end > clock_ms() ? end - clock_ms() : 0);
		if (err)
			break;
		n = read(fd, fits ? out + got : rest, fits ? size - 1 - got : sizeof(rest));
		if (n < 0 && errno != EINTR)
			break;
		if (fits && n > 0)
			got += n;
	}
	if (out)
		out[got] = '\0';
	return err;
}

/* Signals that wait until a step is through wait for the program, too; and it ends with who asked. */
static void __attribute__((noreturn)) become(const char *path, int to, const char *const *argv, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);

	/* What ferry ignores for itself */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (!prctl(PR_SET_PDEATHSIG, SIGTERM) && getppid() == parent && dup2(null, 0) == 0 && dup2(to, 1) == 1 &&
	    dup2(null, 2) == 2)
		execvp(path, (char *const *)argv);
	_exit(127);
}

/* One that sleeps in the kernel is not waited for: it ends when that lets it. */
static int wait_for_end(pid_t pid, double end, bool *silent)
{
	int fd = pidfd_open(pid, 0), status = -1, err = 0;

	if (!*silent && fd >= 0)
		err = fd_wait(fd, POLLIN, -1, end > clock_ms() ? end - clock_ms() : 0);
	*silent = *silent || err;
	if (*silent)
		kill(pid, SIGKILL);
	if (*silent && fd >= 0)
		fd_wait(fd, POLLIN, -1, KILL_MS);
	if (fd >= 0)
		close(fd);
	while (waitpid(pid, &status, *silent ? WNOHANG : 0) < 0)
		if (errno != EINTR)
			return -1;
	return !*silent && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(char *out, size_t size, int limit_ms, const char *const *argv)
{
	double began = clock_ms(), end = began + limit_ms;
	pid_t pid, self = getpid();
	char path[FERRY_PATH_MAX];
	int ends[2], status;
	bool silent;

	if (out)
		*out = '\0';
	if (pipe2(ends, O_CLOEXEC))
		return 127;
	find(path, sizeof(path), argv[0]);
	pid = fork();
	if (!pid)
		become(path, ends[1], argv, self);
	close(ends[1]);
	silent = pid > 0 && collect(ends[0], out, size, end) == -ETIMEDOUT;
	close(ends[0]);
	if (pid < 0)
		return 127;
	status = wait_for_end(pid, end, &silent);
	if (silent)
		ferry_lose_patience(&patience, argv[0], clock_ms() - began);
	return status;
}

int ferry_run(char *out, size_t size, const char *const *argv)
{
	return run(out, size, patience.left_ms, argv);
}

int ferry_run_long(char *out, size_t size, const char *const *argv)
{
	return run(out, size, WORK_MS, argv);
}

int ferry_modprobe(char *out, size_t size, const char *option, const char *module)
{
	char path[FERRY_PATH_MAX];
	const char *const argv[] = { path, "-q", option, module, NULL };

	if (!ferry_sysfs_line(path, sizeof(path), "/proc/sys/kernel/modprobe") || !*path)
		snprintf(path, sizeof(path), "modprobe");
	return strcmp(option, "--") ? ferry_run(out, size, argv) : ferry_run_long(out, size, argv);
}

/* The kernel's name of a module has no dashes. */
bool ferry_module_loaded(const char *module)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", module);
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	return ferry_sysfs_exists("/sys/module/%s", name);
}

bool ferry_module_available(const char *module)
{
	return ferry_module_loaded(module) || !ferry_modprobe(NULL, 0, "-n", module);
}
