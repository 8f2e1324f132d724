// SPDX-License-Identifier: GPL-2.0-only
/*
 * One at a time: who changes how a function is bound. See lock.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../base/sysfs.h"
#include "lock.h"

/* Two that bind at once would undo each other's work. The kernel forgets the lock with its holder. */
int ferry_lock_function(const char *address, struct ferry_error *error)
{
	char path[FERRY_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", address);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ferry_fail(error, errno, "%s: %s", path, strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return ferry_fail(error, EBUSY, "another ferry binds or unbinds %s at this moment", address);
}
