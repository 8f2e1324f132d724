// SPDX-License-Identifier: GPL-2.0-or-later
/* Images are counted as a stream passes, in pieces of any size: as many as headers say so, until one is of another driver's. */
#include <endian.h>
#include <string.h>

#include <linux/vfio_ferry.h>

#include "../../lib/tap.h"
#include "../../../../ferry/lib/stream/images.h"
#include "bench.h"

static const size_t pieces[] = { 0, 1, 7, 16, 17 };

static int64_t counted(const uint8_t *stream, size_t length, size_t piece)
{
    struct images images = { 0 };

    for (size_t at = 0; at < length; at += piece) {
        if (!piece || piece > length - at)
            piece = length - at;
        images_count(&images, stream + at, piece);
    }
    return images_so_far(&images);
}

static bool is_known(uint32_t tag, uint32_t flags)
{
    if (tag == VFIO_FERRY_TAG_FIRMWARE_DATA)
        return !flags;
    return (tag == VFIO_FERRY_TAG_STOP_COPY_SIZE || (tag >= VFIO_FERRY_TAG_IDENTITY && tag <= VFIO_FERRY_TAG_SHAPE)) &&
           flags == VFIO_FERRY_RECORD_OPTIONAL;
}

/* From header to header */
static int64_t expected(const uint8_t *stream, size_t length)
{
    struct vfio_ferry_record header;
    int64_t count = 0;

    for (size_t at = 0; length - at >= sizeof(header);) {
        memcpy(&header, stream + at, sizeof(header));
        if (!is_known(le32toh(header.tag), le32toh(header.flags)))
            return -1;
        count += header.tag == htole32(VFIO_FERRY_TAG_FIRMWARE_DATA);
        at += sizeof(header);
        if (le64toh(header.size) >= length - at)
            break;
        at += le64toh(header.size);
    }
    return count;
}

void test_images(struct bench *b)
{
    unsigned wrong = 0, with = 0, strange = 0;

    for (unsigned i = 0; i < b->count; i++) {
        const struct seed *seed = &b->seeds[i];
        int64_t count = expected(seed->stream, seed->length);

        with += count > 1;
        strange += count < 0;
        for (unsigned n = 0; n < sizeof(pieces) / sizeof(pieces[0]); n++)
            if (counted(seed->stream, seed->length, pieces[n]) != count && !wrong++)
                tap_diag("%s has %lld images, counted in pieces of %zu: %lld", seed->name, (long long)count, pieces[n],
                         (long long)counted(seed->stream, seed->length, pieces[n]));
    }
    ok(with > 3 && strange > 1, "%u streams have some images, %u are another driver's", with, strange);
    ok_eq(wrong, 0, "images are counted, in pieces of any size");
}
