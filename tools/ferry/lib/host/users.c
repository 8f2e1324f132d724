// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has VFIO files open, from /proc. See ferry/host.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/host.h>

#include "../base/printable.h"
#include "../base/sysfs.h"

#define SYSPATH "vfio-device-syspath:"

struct found {
	struct ferry_user *users;
	unsigned int count;
	bool no_memory;
};

static void add(struct found *found, int pid, const char *file)
{
	struct ferry_user *more = reallocarray(found->users, found->count + 1, sizeof(*more));
	struct ferry_user *user;

	if (!more) {
		found->no_memory = true;
		return;
	}
	found->users = more;
	user = &more[found->count++];
	user->pid = pid;
	ferry_sysfs_line(user->name, sizeof(user->name), "/proc/%d/comm", pid);
	ferry_make_printable(user->name);
	snprintf(user->file, sizeof(user->file), "%s", file);
}

/* A device's own file has no path; newer kernels tell in fdinfo which device it is. */
static void add_device(struct found *found, int pid, const char *fd)
{
	char text[2048], *path, *slash;

	if (!ferry_sysfs_text(text, sizeof(text), "/proc/%d/fdinfo/%s", pid, fd))
		return;
	path = strstr(text, SYSPATH);
	if (!path)
		return;
	path[strcspn(path, "\n")] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		add(found, pid, slash + 1);
}

static void look_at(struct found *found, int pid)
{
	char path[FERRY_PATH_MAX], target[FERRY_PATH_MAX];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (!strncmp(target, "/dev/vfio/", 10) && strcmp(target, "/dev/vfio/vfio"))
			add(found, pid, target);
		else if (!strcmp(target, "anon_inode:[vfio-device]"))
			add_device(found, pid, entry->d_name);
	}
	closedir(dir);
}

FERRY_API int ferry_users_read(struct ferry_user **users, unsigned int *count, struct ferry_error *error)
{
	struct found found = { 0 };
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	*users = NULL;
	*count = 0;
	if (!dir)
		return ferry_fail(error, errno, "/proc: %s", strerror(errno));
	while ((entry = readdir(dir)))
		if (isdigit(*entry->d_name))
			look_at(&found, atoi(entry->d_name));
	closedir(dir);
	if (found.no_memory) {
		free(found.users);
		return ferry_fail(error, ENOMEM, "no memory");
	}
	*users = found.users;
	*count = found.count;
	return 0;
}

FERRY_API const struct ferry_user *ferry_users_find(const struct ferry_user *users, unsigned int count,
						    const struct ferry_function *f)
{
	char group[32], cdev[48];

	snprintf(group, sizeof(group), "/dev/vfio/%d", f->group);
	snprintf(cdev, sizeof(cdev), "/dev/vfio/devices/%s", f->cdev);
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(users[i].file, group) || !strcmp(users[i].file, f->address) ||
		    (*f->cdev && !strcmp(users[i].file, cdev)))
			return &users[i];
	return NULL;
}
