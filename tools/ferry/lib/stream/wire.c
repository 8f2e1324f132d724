// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's own decoder, compiled for user space: what it refuses, a target
 * refuses. With a faster checksum, since whole saved streams pass through it.
 */
#include <limits.h>

#include <isa-l/crc.h>

#define FERRY_OWN_CRC32C
#include "../../../../drivers/vfio/pci/ferry/wire.c"

/* The library's lengths are ints, and it does not write to what it is given. */
u32 ferry_crc32c(u32 crc, const void *data, size_t length)
{
	const int most = INT_MAX & ~63;
	unsigned char *from = (unsigned char *)data;

	while (length > (size_t)most) {
		crc = crc32_iscsi(from, most, crc);
		from += most;
		length -= most;
	}
	return crc32_iscsi(from, length, crc);
}
