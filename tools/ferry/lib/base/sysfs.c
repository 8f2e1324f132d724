// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small files of the kernel. See sysfs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "patience.h"
#include "sysfs.h"

/* The path that a caller's format and what follows it make */
#define PATH_OF(path, last)					\
	do {							\
		va_list args;					\
								\
		va_start(args, last);				\
		vsnprintf(path, sizeof(path), last, args);	\
		va_end(args);					\
	} while (0)

/* All of it that fits. */
static ssize_t read_file(const char *path, void *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (got < size && n > 0) {
		n = read(fd, to + got, size - got);
		if (n > 0)
			got += n;
	}
	n = n < 0 ? -errno : (ssize_t)got;
	close(fd);
	return n;
}

static bool slurp(char *to, size_t size, const char *path)
{
	ssize_t n = ferry_ask(NULL, read_file, path, to, size - 1);

	to[n < 0 ? 0 : n] = '\0';
	if (n < 0)
		errno = -n;
	return n >= 0;
}

bool ferry_sysfs_text(char *to, size_t size, const char *format, ...)
{
	char path[FERRY_PATH_MAX];

	PATH_OF(path, format);
	return slurp(to, size, path);
}

bool ferry_sysfs_line(char *to, size_t size, const char *format, ...)
{
	char path[FERRY_PATH_MAX];
	bool read;

	PATH_OF(path, format);
	read = slurp(to, size, path);
	to[strcspn(to, "\n")] = '\0';
	return read;
}

long long ferry_sysfs_number(long long otherwise, const char *format, ...)
{
	char path[FERRY_PATH_MAX], text[32], *end;
	long long value;

	PATH_OF(path, format);
	if (!slurp(text, sizeof(text), path))
		return otherwise;
	errno = 0;
	value = strtoll(text, &end, 0);
	return errno || end == text ? otherwise : value;
}

bool ferry_sysfs_link(char *to, size_t size, const char *format, ...)
{
	char path[FERRY_PATH_MAX], target[FERRY_PATH_MAX], *slash;
	ssize_t n;

	PATH_OF(path, format);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	slash = strrchr(target, '/');
	snprintf(to, size, "%.*s", (int)size - 1, slash ? slash + 1 : target);
	return n > 0;
}

bool ferry_sysfs_exists(const char *format, ...)
{
	char path[FERRY_PATH_MAX];

	PATH_OF(path, format);
	return !access(path, F_OK);
}

int ferry_sysfs_write(const char *text, const char *format, ...)
{
	char path[FERRY_PATH_MAX];
	int fd, err = 0;

	PATH_OF(path, format);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

bool ferry_booted_with(const char *word)
{
	char text[4096], *rest;

	if (!ferry_sysfs_line(text, sizeof(text), "/proc/cmdline"))
		return false;
	for (char *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		if (!strncmp(w, word, strlen(word)))
			return true;
	return false;
}
