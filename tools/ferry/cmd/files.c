// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that a user names. See files.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "interrupt.h"

#define LINKS_MAX	40	/* as the kernel's */
#define LOOK_MS		50

/* ---- opening ---- */

static bool is_fifo(const char *name)
{
	struct stat st;

	return !stat(name, &st) && S_ISFIFO(st.st_mode);
}

/*
 * Opened without waiting: to read from a FIFO that succeeds at once, and poll()
 * waits for who writes; for who reads, there is no other way than to look again.
 */
int file_open(const char *name, int flags)
{
	int fd;

	while ((fd = open(name, flags | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO && is_fifo(name)) {
		if (!interrupt_sleep(LOOK_MS))
			continue;
		errno = ECANCELED;
		return -1;
	}
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

int file_open_input(const char *name)
{
	struct stat st;
	int fd = strcmp(name, "-") ? file_open(name, O_RDONLY) : STDIN_FILENO;

	if (fd < 0)
		return fd;
	if (isatty(fd))
		errno = ENOTTY;
	else if (!fstat(fd, &st) && S_ISDIR(st.st_mode))
		errno = EISDIR;
	else
		return fd;
	return -1;
}

int file_not_opened(const char *name)
{
	if (errno == ECANCELED)
		return complain(EXIT_CANCELLED, "%s: cancelled", name);
	if (errno == ENOTTY)
		return complain(EXIT_USAGE, "%s is a terminal: give a FILE, or a pipe",
				strcmp(name, "-") ? name : "it");
	return complain(EXIT_FAILED, "%s: %s", name, strerror(errno));
}

/* ---- where a name leads to ---- */

/* The folder's true path and the last part of the name, or NULL. */
static char *true_path(const char *name)
{
	char *copy = strdup(name), *folder = copy ? realpath(dirname(copy), NULL) : NULL, *path = NULL;
	const char *slash = strrchr(name, '/');

	if (folder && asprintf(&path, "%s/%s", folder, slash ? slash + 1 : name) < 0)
		path = NULL;
	free(folder);
	free(copy);
	return path;
}

/* Of a link at @path; NULL if it is none. */
static char *target_of(const char *path)
{
	char target[PATH_MAX], *whole = NULL;
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (asprintf(&whole, "%.*s%s", *target == '/' ? 0 : (int)(strrchr(path, '/') - path) + 1, path, target) < 0)
		return NULL;
	return whole;
}

/* What a process has open stands below /proc: /dev/stdout and /dev/fd/3 lead there, and no further by name. */
static bool is_open_already(const char *path)
{
	char *copy = strdup(path);
	struct statfs about;
	bool is = copy && !statfs(dirname(copy), &about) && about.f_type == PROC_SUPER_MAGIC;

	free(copy);
	return is;
}

/* The path without a link in it; NULL with errno. */
static char *follow(const char *name)
{
	char *path = true_path(name), *next;

	for (int i = 0; path && i < LINKS_MAX; i++) {
		next = is_open_already(path) ? NULL : target_of(path);
		if (!next)
			return path;
		free(path);
		path = true_path(next);
		free(next);
	}
	if (path)
		errno = ELOOP;
	free(path);
	return NULL;
}

/* ---- the output ---- */

/* An FD of ours goes on where it is; anybody else's, or a device, is opened. */
static int open_as_it_is(const char *path)
{
	int pid, fd, end = 0;

	if (sscanf(path, "/proc/%d/fd/%d%n", &pid, &fd, &end) == 2 && !path[end] && pid == getpid())
		return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return file_open(path, O_WRONLY);
}

/* The state of a device is as secret as the memory of who uses it: mkstemp() makes it 0600. */
static int open_part(struct outfile *file)
{
	if (asprintf(&file->part, "%s.part-XXXXXX", file->path) < 0) {
		file->part = NULL;
		errno = ENOMEM;
		return -1;
	}
	file->fd = mkostemp(file->part, O_CLOEXEC);
	if (file->fd < 0) {
		free(file->part);
		file->part = NULL;
	}
	return file->fd;
}

static int open_named(struct outfile *file)
{
	struct stat st;

	file->path = follow(file->name);
	if (!file->path)
		return -1;
	if (is_open_already(file->path) || (!lstat(file->path, &st) && !S_ISREG(st.st_mode)))
		return open_as_it_is(file->path);
	return open_part(file);
}

int outfile_open(struct outfile *file, const char *name)
{
	int code = EXIT_DONE;

	*file = (struct outfile){ .name = name };
	file->fd = strcmp(name, "-") ? open_named(file) : STDOUT_FILENO;
	if (file->fd >= 0 && isatty(file->fd))
		code = complain(EXIT_USAGE, "standard output is a terminal: give a FILE, or a pipe");
	else if (file->fd < 0)
		code = file_not_opened(name);
	if (code)
		outfile_close(file);
	return code;
}

bool outfile_is_stdout(const struct outfile *file)
{
	struct stat own, out;

	/* Of a device, as /dev/null, there is nothing to spoil. */
	return file->fd == STDOUT_FILENO ||
	       (!fstat(file->fd, &own) && !fstat(STDOUT_FILENO, &out) && !S_ISCHR(own.st_mode) &&
		own.st_dev == out.st_dev && own.st_ino == out.st_ino);
}

static int sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int err = fd < 0 ? -1 : fsync(fd);

	free(copy);
	if (fd >= 0)
		close(fd);
	return err;
}

int outfile_finish(struct outfile *file, struct ferry_error *error)
{
	if (!file->part)
		return 0;
	if (fsync(file->fd) || rename(file->part, file->path) || sync_folder(file->path))
		return ferry_fail(error, errno, "%s: %s", file->name, strerror(errno));
	free(file->part);
	file->part = NULL;
	return 0;
}

void outfile_close(struct outfile *file)
{
	if (file->part)
		unlink(file->part);
	free(file->part);
	free(file->path);
	if (file->fd >= 0 && file->fd != STDOUT_FILENO)
		close(file->fd);
}
