// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads what the driver shows in debugfs. See debugfs.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "debugfs.h"

#define MOUNT	"/sys/kernel/debug"
#define ROOT	MOUNT "/vfio_ferry"
/* More than any of the files has */
#define FILE_MAX	4096

static int failed_to_see(int code, struct ferry_error *error)
{
	if (code == EACCES)
		return ferry_fail(error, code, "only root may look into %s", MOUNT);
	if (code == EPERM)
		return ferry_fail(error, code, "the kernel is locked down and shows nothing in %s", MOUNT);
	return ferry_fail(error, code, "%s: %s", ROOT, strerror(code));
}

int debugfs_ready(struct ferry_error *error)
{
	struct statfs about;
	DIR *root;

	if (statfs(MOUNT, &about))
		return failed_to_see(errno, error);
	if ((unsigned long)about.f_type != DEBUGFS_MAGIC)
		return ferry_fail(error, ENOENT,
				  "debugfs is not mounted: mount -t debugfs none " MOUNT);
	root = opendir(ROOT);
	if (root) {
		closedir(root);
		return 0;
	}
	if (errno == ENOENT)
		return ferry_fail(error, ENOENT,
				  "the ferry driver is not loaded: modprobe mlx5_ferry_vfio_pci");
	return failed_to_see(errno, error);
}

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

int debugfs_list(char ***names, struct ferry_error *error)
{
	struct dirent **entries;
	int count = scandir(ROOT, &entries, is_name, alphasort);
	char **list;

	if (count < 0)
		return debugfs_ready(error) ?: ferry_fail(error, EIO, "%s cannot be listed", ROOT);
	list = calloc(count + 1, sizeof(*list));
	for (int i = 0; i < count; i++) {
		if (list)
			list[i] = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	for (int i = 0; i < count; i++) {
		if (list && list[i])
			continue;
		if (list)
			debugfs_free_list(list);
		return ferry_fail(error, ENOMEM, "no memory");
	}
	*names = list;
	return list ? count : ferry_fail(error, ENOMEM, "no memory");
}

void debugfs_free_list(char **names)
{
	for (char **name = names; *name; name++)
		free(*name);
	free(names);
}

static bool is_there(const char *name)
{
	char path[sizeof(ROOT) + DEBUGFS_NAME + 1];

	snprintf(path, sizeof(path), "%s/%s", ROOT, name);
	return !access(path, F_OK);
}

int debugfs_find(const char *address, char name[DEBUGFS_NAME], struct ferry_error *error)
{
	static const char *const domains[] = { "", "0000:" };

	for (unsigned int i = 0; i < 2 && !strchr(address, '/') && *address != '.'; i++) {
		int length = snprintf(name, DEBUGFS_NAME, "%s%s", domains[i], address);

		if (*address && length < DEBUGFS_NAME && is_there(name))
			return 0;
	}
	return ferry_fail(error, ENODEV, "%s is not among the functions of the ferry driver: ferry list", address);
}

/* The whole file, as a string. */
static int read_file(const char *name, const char *file, char text[FILE_MAX])
{
	char path[sizeof(ROOT) + DEBUGFS_NAME + 32];
	ssize_t got, have = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%.*s/%s", ROOT, DEBUGFS_NAME, name, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, text + have, FILE_MAX - 1 - have);
		if (got > 0)
			have += got;
	} while (got > 0);
	got = got < 0 ? -errno : 0;
	close(fd);
	text[have] = 0;
	return got;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

/* Splits text into lines; each begins with a word that ends with one of @ends. */
static char *next_line(char **text, char **value, const char *ends)
{
	char *line = strsep(text, "\n");

	if (!line || !*line)
		return NULL;
	*value = line + strcspn(line, ends);
	if (**value)
		*(*value)++ = 0;
	*value += strspn(*value, " \t");
	return line;
}

static void read_session(struct debugfs_function *function, char *text)
{
	struct debugfs_session *session = &function->session;
	const struct {
		const char *key;
		uint64_t *number;
	} numbers[] = {
		{ "ferry-images", &session->images },
		{ "ferry-ready", &session->ready },
		{ "ferry-unread-initial", &session->unread_initial },
		{ "ferry-unread-dirty", &session->unread_dirty },
		{ "ferry-memory", &session->memory },
		{ "ferry-budget", &session->budget },
	};
	char *key, *value;

	if (!strncmp(text, "none", 4))
		return;
	function->in_session = true;
	while ((key = next_line(&text, &value, ":"))) {
		for (unsigned int i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			if (!strcmp(key, numbers[i].key))
				*numbers[i].number = strtoull(value, NULL, 10);
		if (!strcmp(key, "ferry-direction"))
			copy(session->direction, sizeof(session->direction), value);
		else if (!strcmp(key, "ferry-phase"))
			copy(session->phase, sizeof(session->phase), value);
		else if (!strcmp(key, "ferry-error"))
			session->error = atoi(value);
		else if (!strcmp(key, "ferry-busy"))
			session->busy = atoi(value);
	}
}

static void read_state_time(struct debugfs_function *function, const char *name, const char *value)
{
	unsigned int i = function->states;

	if (i == DEBUGFS_STATES)
		return;
	copy(function->state_name[i], sizeof(function->state_name[i]), name);
	function->state_ns[i] = strtoull(value, NULL, 10);
	function->states++;
}

static void read_stats(struct debugfs_function *function, char *text)
{
	const struct {
		const char *key;
		uint64_t *number;
	} numbers[] = {
		{ "bytes_read", &function->bytes_read },
		{ "bytes_written", &function->bytes_written },
		{ "images_saved", &function->images_saved },
		{ "images_loaded", &function->images_loaded },
		{ "failures", &function->failures },
		{ "leaked_bytes", &function->leaked_bytes },
		{ "full_state_bytes", &function->full_state_bytes },
	};
	char *key, *value;

	while ((key = next_line(&text, &value, " "))) {
		for (unsigned int i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			if (!strcmp(key, numbers[i].key))
				*numbers[i].number = strtoull(value, NULL, 10);
		if (!strcmp(key, "availability"))
			copy(function->availability, sizeof(function->availability), value);
		else if (!strncmp(key, "ns_", 3))
			read_state_time(function, key + 3, value);
	}
}

static void read_features(struct debugfs_function *function, const char *text)
{
	static const char no[] = "no migration: ";

	function->migrates = strncmp(text, no, sizeof(no) - 1);
	if (!function->migrates)
		copy(function->withheld, sizeof(function->withheld), text + sizeof(no) - 1);
}

static void read_failure(struct debugfs_function *function, char *text)
{
	size_t room = sizeof(function->last_failure), at = 0;
	char *line;

	while ((line = strsep(&text, "\n")) && *line && at < room)
		at += snprintf(function->last_failure + at, room - at, "%s%s", at ? "; " : "", line);
}

int debugfs_read(const char *name, struct debugfs_function *function, struct ferry_error *error)
{
	char state[FILE_MAX], features[FILE_MAX], session[FILE_MAX], stats[FILE_MAX], failure[FILE_MAX];
	int err;

	memset(function, 0, sizeof(*function));
	err = read_file(name, "state", state) ?: read_file(name, "features", features) ?:
	      read_file(name, "session", session) ?: read_file(name, "stats", stats) ?:
	      read_file(name, "failure", failure);
	if (err == -EACCES || err == -EPERM)
		return failed_to_see(-err, error);
	if (err)
		return ferry_fail(error, ENODEV, "%s is there no more", name);
	copy(function->state, sizeof(function->state), state);
	read_features(function, features);
	read_session(function, session);
	read_stats(function, stats);
	read_failure(function, failure);
	return 0;
}
