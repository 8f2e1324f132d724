// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads what the driver shows in debugfs. See debugfs.h.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ferry/device.h>

#include "debugfs.h"

#include "../lib/base/sysfs.h"

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

int debugfs_list(struct dirent ***entries, struct ferry_error *error)
{
	int count = scandir(ROOT, entries, is_name, alphasort);

	return count >= 0 ? count : debugfs_ready(error) ?: ferry_fail(error, EIO, "%s cannot be listed", ROOT);
}

int debugfs_find(const char *address, char name[DEBUGFS_NAME], struct ferry_error *error)
{
	static const char *const domains[] = { "", "0000:" };

	for (unsigned int i = 0; i < 2 && !strchr(address, '/') && *address != '.'; i++) {
		int length = snprintf(name, DEBUGFS_NAME, "%s%s", domains[i], address);

		if (*address && length < DEBUGFS_NAME && ferry_sysfs_exists(ROOT "/%s", name))
			return 0;
	}
	return ferry_fail(error, ENODEV, "%s is not among the functions of the ferry driver: ferry list", address);
}

/* What stands behind a word at the beginning of a line; "" if there is none. */
static const char *value_of(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (*text && strncmp(text, key, length)) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return *text ? text + length + strspn(text + length, " \t") : "";
}

static uint64_t number(const char *text, const char *key)
{
	return strtoull(value_of(text, key), NULL, 10);
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

static void read_session(struct debugfs_session *session, const char *text)
{
	copy(session->direction, sizeof(session->direction), value_of(text, "ferry-direction:"));
	copy(session->phase, sizeof(session->phase), value_of(text, "ferry-phase:"));
	session->error = atoi(value_of(text, "ferry-error:"));
	session->busy = number(text, "ferry-busy:");
	session->images = number(text, "ferry-images:");
	session->ready = number(text, "ferry-ready:");
	session->unread_initial = number(text, "ferry-unread-initial:");
	session->unread_dirty = number(text, "ferry-unread-dirty:");
	session->memory = number(text, "ferry-memory:");
	session->budget = number(text, "ferry-budget:");
}

static void read_stats(struct debugfs_function *function, const char *text)
{
	char key[32];

	copy(function->availability, sizeof(function->availability), value_of(text, "availability "));
	function->bytes_read = number(text, "bytes_read ");
	function->bytes_written = number(text, "bytes_written ");
	function->images_saved = number(text, "images_saved ");
	function->images_loaded = number(text, "images_loaded ");
	function->failures = number(text, "failures ");
	function->leaked_bytes = number(text, "leaked_bytes ");
	function->full_state_bytes = number(text, "full_state_bytes ");
	for (int state = 0; state < DEBUGFS_STATES; state++) {
		snprintf(key, sizeof(key), "ns_%s ", ferry_state_name(state));
		function->state_ns[state] = number(text, key);
	}
}

static void read_failure(struct debugfs_function *function, char *text)
{
	size_t room = sizeof(function->last_failure), at = 0;
	char *line;

	while ((line = strsep(&text, "\n")) && *line && at < room)
		at += snprintf(function->last_failure + at, room - at, "%s%s", at ? "; " : "", line);
}

static int not_read(const char *name, int code, struct ferry_error *error)
{
	if (code == EACCES || code == EPERM)
		return failed_to_see(code, error);
	if (code == ETIMEDOUT)
		return ferry_fail(error, code, "%s gives no answer", name);
	return ferry_fail(error, ENODEV, "%s is there no more", name);
}

int debugfs_read(const char *name, struct debugfs_function *function, struct ferry_error *error)
{
	enum { STATE, FEATURES, SESSION, STATS, FAILURE, FILES };
	static const char *const files[] = { "state", "features", "session", "stats", "failure" };
	static const char no[] = "no migration: ";
	char text[FILES][FILE_MAX];

	memset(function, 0, sizeof(*function));
	for (int i = 0; i < FILES; i++)
		if (!ferry_sysfs_text(text[i], FILE_MAX, ROOT "/%s/%s", name, files[i]))
			return not_read(name, errno, error);
	copy(function->state, sizeof(function->state), text[STATE]);
	function->migrates = strncmp(text[FEATURES], no, strlen(no));
	copy(function->withheld, sizeof(function->withheld), function->migrates ? "" : text[FEATURES] + strlen(no));
	function->in_session = strncmp(text[SESSION], "none", 4);
	read_session(&function->session, text[SESSION]);
	read_stats(function, text[STATS]);
	read_failure(function, text[FAILURE]);
	return 0;
}
