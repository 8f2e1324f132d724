// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a function may be taken from whoever has it. See in_use.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/patience.h"
#include "../base/sysfs.h"
#include "in_use.h"

/*
 * A group is opened by one at a time, and not while a device of it is open
 * by its own character device. Opening the group alone does nothing to it.
 */
static ssize_t try_to_open(const char *path, void *answer, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* One that does not answer is being opened by somebody, and that does not end. */
bool ferry_group_is_open(const struct ferry_function *f)
{
	char path[FERRY_PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "/dev/vfio/%d", f->group);
	err = ferry_ask(NULL, try_to_open, path, NULL, 0);
	return err == -EBUSY || err == -ETIMEDOUT;
}

static int check_vfio(const struct ferry_function *f, struct ferry_error *error)
{
	const struct ferry_user *user;
	struct ferry_user *users;
	unsigned int count;
	int err;

	err = ferry_users_read(&users, &count, error);
	if (err)
		return err;
	user = ferry_users_find(users, count, f);
	if (user)
		err = ferry_fail(error, EBUSY, "%s is in use: %s (process %d) has %s open; end it first", f->address,
				 user->name, user->pid, user->file);
	else if (ferry_group_is_open(f))
		err = ferry_fail(error, EBUSY, "%s is in use: a process that cannot be seen from here has /dev/vfio/%d open",
				 f->address, f->group);
	free(users);
	return err;
}

/* The host would lose a network interface that it has switched on. */
static int check_network(const struct ferry_function *f, struct ferry_error *error)
{
	char path[FERRY_PATH_MAX];
	struct dirent *entry;
	long long flags;
	DIR *dir;
	int err = 0;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/net", f->address);
	dir = opendir(path);
	while (dir && !err && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		flags = ferry_sysfs_number(0, "/sys/class/net/%s/flags", entry->d_name);
		if (flags & IFF_UP)
			err = ferry_fail(error, EBUSY, "%s is in use: its network interface %s is up; `ip link set %s down` first",
					 f->address, entry->d_name, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return err;
}

int ferry_check_unused(const struct ferry_function *f, struct ferry_error *error)
{
	/* They would go with their PF's driver, whoever uses them. */
	if (f->kind == FERRY_PF && f->vfs_enabled)
		return ferry_fail(error, EBUSY, "%s has %u VFs; `ferry unbind %s --vfs` removes them first",
				  f->address, f->vfs_enabled, f->address);
	return f->vfio ? check_vfio(f, error) : check_network(f, error);
}
