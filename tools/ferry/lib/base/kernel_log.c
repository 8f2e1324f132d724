// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel said. See kernel_log.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel_log.h"

int ferry_kernel_log_open(void)
{
	return open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

bool ferry_kernel_log_next(int fd, char *record)
{
	ssize_t n;

	if (fd < 0)
		return false;
	/* EPIPE: records that were overwritten while we read */
	do
		n = read(fd, record, FERRY_KERNEL_RECORD_MAX - 1);
	while (n < 0 && (errno == EPIPE || errno == EINTR));
	if (n <= 0)
		return false;
	record[n] = '\0';
	record[strcspn(record, "\n")] = '\0';
	return true;
}

bool ferry_kernel_said(char *text, size_t size, const char *first, const char *second)
{
	char record[FERRY_KERNEL_RECORD_MAX], *found;
	int fd = ferry_kernel_log_open();

	*text = '\0';
	while (ferry_kernel_log_next(fd, record)) {
		found = strstr(record, first);
		if (found && strstr(found + strlen(first), second))
			snprintf(text, size, "%.*s", (int)size - 1, found);
	}
	if (fd >= 0)
		close(fd);
	return *text;
}
