// SPDX-License-Identifier: GPL-2.0-or-later
/* An image that was changed on purpose, and whose checksums fit all the same. */
#include "bench.h"

enum { H_OBJECTS = 0x20, H_CHECKSUM = 0x24, H_HEADER_CRC = 0x3c, H_SIZE = 0x40 };

uint32_t get_le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

void put_le32(uint8_t *p, uint32_t x)
{
    for (unsigned i = 0; i < 4; i++, x >>= 8)
        p[i] = x;
}

static uint32_t crc32(const uint8_t *p, uint32_t len)
{
    uint32_t crc = ~0u;

    for (; len; len--) {
        crc ^= *p++;
        for (unsigned i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

uint8_t *image_objects(uint8_t *image, uint32_t len, uint32_t *bytes)
{
    *bytes = get_le32(image + H_OBJECTS);
    if (len < H_SIZE || *bytes > len - H_SIZE)
        tap_bail("an image of %u bytes has %u of objects", len, *bytes);
    return image + len - *bytes;
}

void image_seal(uint8_t *image, uint32_t len)
{
    put_le32(image + H_CHECKSUM, crc32(image + H_SIZE, len - H_SIZE));
    put_le32(image + H_HEADER_CRC, crc32(image, H_HEADER_CRC));
}
