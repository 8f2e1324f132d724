// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs of the distribution. See program.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "sysfs.h"

extern char **environ;

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

/* Reads to the end, also what does not fit: a full pipe would stop the program. */
static void collect(int fd, char *out, size_t size)
{
	char rest[512];
	size_t got = 0;
	ssize_t n;

	for (;;) {
		bool fits = out && got < size - 1;

		n = read(fd, fits ? out + got : rest, fits ? size - 1 - got : sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (fits)
			got += n;
	}
	if (out)
		out[got] = '\0';
}

static int start(pid_t *pid, int to, const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	char path[FERRY_PATH_MAX];
	int err;

	find(path, sizeof(path), argv[0]);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, to, 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	err = posix_spawn(pid, path, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

int ferry_run(char *out, size_t size, const char *const *argv)
{
	int ends[2], err, status;
	pid_t pid;

	if (out)
		*out = '\0';
	if (pipe2(ends, O_CLOEXEC))
		return 127;
	err = start(&pid, ends[1], argv);
	close(ends[1]);
	if (!err)
		collect(ends[0], out, size);
	close(ends[0]);
	if (err)
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int ferry_modprobe(char *out, size_t size, const char *option, const char *module)
{
	char path[FERRY_PATH_MAX];
	const char *const argv[] = { path, "-q", option, module, NULL };

	if (!ferry_sysfs_line(path, sizeof(path), "/proc/sys/kernel/modprobe") || !*path)
		snprintf(path, sizeof(path), "modprobe");
	return ferry_run(out, size, argv);
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
