// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting images: the records with tag 0 of streams that ferry and mlx5_vfio_pci
 * write.  Anything else in a header says that the stream is another driver's;
 * it is carried all the same.
 */
#include <endian.h>
#include <string.h>

#include "images.h"
#include "stream.h"

/* Both drivers' records are known tags; flags have one bit. */
static bool known(const struct vfio_ferry_record *r)
{
	enum ferry_meaning meaning = record_meaning(le32toh(r->tag));

	return meaning != FERRY_MEANS_UNKNOWN &&
	       le32toh(r->flags) == (meaning == FERRY_MEANS_IMAGE ? 0 : VFIO_FERRY_RECORD_OPTIONAL);
}

void images_count(struct images *i, const uint8_t *data, size_t size)
{
	while (size && !i->unknown) {
		size_t n = i->left < size ? i->left : size;
		struct vfio_ferry_record r;

		i->left -= n;
		data += n;
		size -= n;
		if (!size)
			return;
		n = sizeof(i->header) - i->have < size ? sizeof(i->header) - i->have : size;
		memcpy(i->header + i->have, data, n);
		i->have += n;
		data += n;
		size -= n;
		if (i->have < sizeof(i->header))
			return;
		memcpy(&r, i->header, sizeof(r));
		i->have = 0;
		i->left = le64toh(r.size);
		i->unknown = !known(&r);
		i->count += le32toh(r.tag) == VFIO_FERRY_TAG_FIRMWARE_DATA;
	}
}

int64_t images_so_far(const struct images *i)
{
	return i->unknown ? -1 : i->count;
}
