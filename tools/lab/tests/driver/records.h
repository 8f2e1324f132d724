/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of a migration stream, for tests that take one apart and put it
 * together wrongly. Pure functions over memory; written from the format's
 * description and not from the driver's decoder, so that one checks the other.
 */
#ifndef DRIVER_RECORDS_H
#define DRIVER_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../../../include/uapi/linux/vfio_ferry.h"
#include "../lib/mig.h"

enum {
    HEADER      = sizeof(struct vfio_ferry_record),
    MAX_RECORDS = 128,
};

struct record {
    size_t at;                  /* its header */
    uint64_t size;              /* behind the header */
    uint32_t flags, tag;
};
static inline size_t record_end(const struct record *r)
{
    return r->at + HEADER + r->size;
}

struct records {
    struct record r[MAX_RECORDS];
    unsigned n;
};

/* Ends the test if the bytes are no sequence of whole records. */
struct records records_of(const struct stream *s);
/* The nth record with that tag, from 0; NULL: there is none. */
const struct record *record_find(const struct records *all, uint32_t tag, unsigned nth);
const char *record_name(uint32_t tag);
struct vfio_ferry_record record_header(uint64_t size, uint32_t flags, uint32_t tag);
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* Makes the checksums of identity, shape and end right again, in a stream that has the first and the last. */
void stream_seal(struct stream *s);
/* The stream as the kernel's own driver would write it: without ferry's records. */
struct stream stream_plain(const struct stream *s);

#endif
