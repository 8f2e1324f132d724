/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first VFIO migration protocol: struct vfio_device_migration_info in a
 * region of the device.  Knows no device and no driver.  Values: 0 or -errno,
 * unless said.
 */
#ifndef LAB_REGION_H
#define LAB_REGION_H

#include "mig.h"
#include "vfio.h"

struct region {
    struct vfio_function *f;
    unsigned index;
    uint64_t offset;            /* of the region in the device's FD */
    uint64_t size;
    uint32_t flags;
    /* the one area that can be mapped; size 0: none */
    uint64_t area, area_size;
    uint8_t *map;               /* of the area, NULL: not mapped */
};

/* Values of device_state. */
enum {
    R_STOP      = 0,
    R_RUNNING   = 1,
    R_SAVING    = 2,
    R_PRECOPY   = R_SAVING | R_RUNNING,
    R_RESUMING  = 4,
    R_ERROR     = R_SAVING | R_RESUMING,
};

/* Offsets of the fields. */
enum { F_STATE = 0, F_RESERVED = 4, F_PENDING = 8, F_OFFSET = 16, F_SIZE = 24, F_END = 32 };

/* -ENOENT: the device has no such region. */
int region_open(struct region *r, struct vfio_function *f);
/* Maps the area; for the functions below it takes the place of read and write. */
int region_map(struct region *r);
void region_unmap(struct region *r);

/* An access of any kind: the bytes, or -errno. */
ssize_t region_read(struct region *r, uint64_t at, void *to, size_t len);
ssize_t region_write(struct region *r, uint64_t at, const void *from, size_t len);
/* A field: its value, or -errno. */
int64_t region_get(struct region *r, unsigned field);
int region_set_state(struct region *r, uint32_t state);
int region_set_size(struct region *r, uint64_t bytes);

/* One iteration of a save: appends its chunk; bytes, 0: nothing is pending. */
ssize_t region_save_chunk(struct region *r, struct stream *s);
/* Iterations until nothing is pending. */
int region_save(struct region *r, struct stream *s);
/* One chunk of a resume, no longer than the section. */
int region_load_chunk(struct region *r, const void *data, size_t len);
/* All of a stream in chunks of so many bytes; *at tells how far it came. */
int region_load(struct region *r, const struct stream *s, size_t *at, size_t chunk);

#endif
