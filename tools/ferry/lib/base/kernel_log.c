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

/* The longest record that the kernel gives */
#define RECORD_MAX 8192

bool ferry_kernel_said(char *text, size_t size, const char *first, const char *second)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[RECORD_MAX], *found;
	ssize_t n;

	*text = '\0';
	if (fd < 0)
		return false;
	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		/* Records that were overwritten while we read */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		record[n] = '\0';
		record[strcspn(record, "\n")] = '\0';
		found = strstr(record, first);
		if (found && strstr(found + strlen(first), second))
			snprintf(text, size, "%.*s", (int)size - 1, found);
	}
	close(fd);
	return *text;
}
