/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernels on which somebody built and ran the driver: a table of them is in
 * Documentation/install.rst. The module, the ferry tool and dkms.conf read this.
 */
#ifndef FERRY_KERNELS_H
#define FERRY_KERNELS_H

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <stdbool.h>
#include <string.h>
#endif

#define FERRY_TRIED_KERNELS "6.12, 6.18, 7.3"

/* Is a kernel of this release, such as 6.12.117+deb12-amd64, one of them? */
static inline bool ferry_kernel_tried(const char *release)
{
	const char *kernel = FERRY_TRIED_KERNELS;
	size_t length;

	while ((length = strcspn(kernel, ", "))) {
		if (!strncmp(release, kernel, length) &&
		    !strspn(release + length, "0123456789"))
			return true;
		kernel += length;
		kernel += strspn(kernel, ", ");
	}
	return false;
}

#endif /* FERRY_KERNELS_H */
