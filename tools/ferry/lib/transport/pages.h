/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device's data on its way into a pipe, as pages: they are put there and not
 * copied. What has to be seen of them is copied aside, through a pipe of its own.
 */
#ifndef FERRY_LIB_PAGES_H
#define FERRY_LIB_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pages {
	int way[2];			/* what goes on; -1: there are no pages */
	int aside[2];			/* the same, to be looked at */
};

#define NO_PAGES	{ { -1, -1 }, { -1, -1 } }

/* False: then data is read and written. */
bool pages_open(struct pages *pages);
void pages_close(struct pages *pages);
/* Takes as many bytes as there are and fit, with a copy of them in @data. Like read(), and EINVAL if @fd gives no pages. */
ssize_t pages_take(struct pages *pages, int fd, void *data, size_t size);

#endif /* FERRY_LIB_PAGES_H */
