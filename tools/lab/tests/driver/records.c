// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of a migration stream. */
#include <endian.h>
#include <string.h>

#include "../lib/tap.h"
#include "records.h"

struct records records_of(const struct stream *s)
{
    struct records all = { 0 };
    struct vfio_ferry_record h;
    struct record *r;

    for (size_t at = 0; at < s->len; at = record_end(r)) {
        if (all.n == MAX_RECORDS || s->len - at < HEADER)
            tap_bail("the recorded stream is no sequence of records");
        memcpy(&h, s->data + at, sizeof(h));
        r = &all.r[all.n++];
        *r = (struct record){ at, le64toh(h.size), le32toh(h.flags), le32toh(h.tag) };
        if (r->size > s->len - at - HEADER)
            tap_bail("the recorded stream ends inside a record");
    }
    return all;
}

const struct record *record_find(const struct records *all, uint32_t tag, unsigned nth)
{
    for (unsigned i = 0; i < all->n; i++)
        if (all->r[i].tag == tag && !nth--)
            return &all->r[i];
    return NULL;
}

const char *record_name(uint32_t tag)
{
    switch (tag) {
    case VFIO_FERRY_TAG_FIRMWARE_DATA:
        return "firmware data";
    case VFIO_FERRY_TAG_STOP_COPY_SIZE:
        return "stop-copy size";
    case VFIO_FERRY_TAG_IDENTITY:
        return "identity";
    case VFIO_FERRY_TAG_SHAPE:
        return "shape";
    case VFIO_FERRY_TAG_IMAGE:
        return "image check";
    case VFIO_FERRY_TAG_END:
        return "end";
    default:
        return "unknown";
    }
}

struct vfio_ferry_record record_header(uint64_t size, uint32_t flags, uint32_t tag)
{
    return (struct vfio_ferry_record){ htole64(size), htole32(flags), htole32(tag) };
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *byte = data;

    while (len--) {
        crc ^= *byte++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return crc;
}

static void seal_identity(uint8_t *at)
{
    struct vfio_ferry_identity identity;

    memcpy(&identity, at, sizeof(identity));
    identity.crc32c = 0;
    identity.crc32c = htole32(~crc32c(~0u, &identity, sizeof(identity)));
    memcpy(at, &identity, sizeof(identity));
}

static void seal_shape(uint8_t *at)
{
    struct vfio_ferry_shape shape;

    memcpy(&shape, at, sizeof(shape));
    shape.crc32c = htole32(~crc32c(~0u, &shape.vectors, sizeof(shape) - sizeof(shape.crc32c)));
    memcpy(at, &shape, sizeof(shape));
}

void stream_seal(struct stream *s)
{
    struct records all = records_of(s);
    struct vfio_ferry_end end;
    uint32_t crc = ~0u;

    for (unsigned i = 0; i < all.n; i++) {
        const struct record *r = &all.r[i];
        uint8_t *body = s->data + r->at + HEADER;

        crc = crc32c(crc, s->data + r->at, HEADER);
        if (r->tag == VFIO_FERRY_TAG_IDENTITY)
            seal_identity(body);
        if (r->tag == VFIO_FERRY_TAG_SHAPE)
            seal_shape(body);
        if (r->tag == VFIO_FERRY_TAG_END) {
            memcpy(&end, body, sizeof(end));
            end.crc32c = htole32(~crc);
            memcpy(body, &end, sizeof(end));
        } else if (r->tag != VFIO_FERRY_TAG_FIRMWARE_DATA) {
            crc = crc32c(crc, body, r->size);
        }
    }
}

struct stream stream_plain(const struct stream *s)
{
    struct records all = records_of(s);
    struct stream plain = { 0 };

    for (unsigned i = 0; i < all.n; i++)
        if (all.r[i].tag == VFIO_FERRY_TAG_FIRMWARE_DATA ||
            all.r[i].tag == VFIO_FERRY_TAG_STOP_COPY_SIZE)
            stream_append(&plain, s->data + all.r[i].at, HEADER + all.r[i].size);
    return plain;
}
