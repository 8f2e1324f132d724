// SPDX-License-Identifier: GPL-2.0-or-later
/* The first VFIO migration protocol. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "region.h"

enum { TYPE = 3, SUBTYPE = 1, INFO_BYTES = 1024, LAST_REGION = 64 };

static struct vfio_info_cap_header *find_cap(void *info, uint32_t first, unsigned id)
{
    struct vfio_info_cap_header *cap;

    for (uint32_t at = first; at; at = cap->next) {
        cap = (void *)((uint8_t *)info + at);
        if (cap->id == id)
            return cap;
    }
    return NULL;
}

/* Is this the migration region?  Then r is what its description says. */
static bool examine(struct region *r, unsigned index)
{
    uint64_t space[INFO_BYTES / 8] = { 0 };
    struct vfio_region_info *info = (void *)space;
    struct vfio_region_info_cap_sparse_mmap *sparse;
    struct vfio_region_info_cap_type *type;

    *info = (struct vfio_region_info){ .argsz = sizeof(space), .index = index };
    if (ioctl(r->f->fd, VFIO_DEVICE_GET_REGION_INFO, info) ||
        !(info->flags & VFIO_REGION_INFO_FLAG_CAPS))
        return false;
    type = (void *)find_cap(space, info->cap_offset, VFIO_REGION_INFO_CAP_TYPE);
    if (!type || type->type != TYPE || type->subtype != SUBTYPE)
        return false;
    r->index = index;
    r->offset = info->offset;
    r->size = info->size;
    r->flags = info->flags;
    sparse = (void *)find_cap(space, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
    if (sparse && sparse->nr_areas == 1) {
        r->area = sparse->areas[0].offset;
        r->area_size = sparse->areas[0].size;
    }
    return true;
}

int region_open(struct region *r, struct vfio_function *f)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };

    *r = (struct region){ .f = f };
    if (ioctl(f->fd, VFIO_DEVICE_GET_INFO, &info))
        return -errno;
    for (unsigned i = VFIO_PCI_NUM_REGIONS; i < info.num_regions && i < LAST_REGION; i++)
        if (examine(r, i))
            return 0;
    return -ENOENT;
}

int region_map(struct region *r)
{
    void *map = mmap(NULL, r->area_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->f->fd,
                     r->offset + r->area);

    if (map == MAP_FAILED)
        return -errno;
    r->map = map;
    return 0;
}

void region_unmap(struct region *r)
{
    if (r->map)
        munmap(r->map, r->area_size);
    r->map = NULL;
}

ssize_t region_read(struct region *r, uint64_t at, void *to, size_t len)
{
    ssize_t n = pread(r->f->fd, to, len, r->offset + at);

    return n < 0 ? -errno : n;
}

ssize_t region_write(struct region *r, uint64_t at, const void *from, size_t len)
{
    ssize_t n = pwrite(r->f->fd, from, len, r->offset + at);

    return n < 0 ? -errno : n;
}

int64_t region_get(struct region *r, unsigned field)
{
    uint64_t value = 0;
    ssize_t n = region_read(r, field, &value, field < F_PENDING ? 4 : 8);

    return n < 0 ? n : (int64_t)value;
}

int region_set_state(struct region *r, uint32_t state)
{
    ssize_t n = region_write(r, F_STATE, &state, sizeof(state));

    return n < 0 ? n : 0;
}

int region_set_size(struct region *r, uint64_t bytes)
{
    ssize_t n = region_write(r, F_SIZE, &bytes, sizeof(bytes));

    return n < 0 ? n : 0;
}

/* Between the section and memory; the offset is what data_offset said. */
static int move(struct region *r, uint64_t at, void *data, size_t len, bool out)
{
    ssize_t n = len;

    if (r->map && (at < r->area || len > r->area_size - (at - r->area)))
        return -ERANGE;
    if (r->map && out)
        memcpy(r->map + (at - r->area), data, len);
    else if (r->map)
        memcpy(data, r->map + (at - r->area), len);
    else
        n = out ? region_write(r, at, data, len) : region_read(r, at, data, len);
    return n == (ssize_t)len ? 0 : n < 0 ? n : -EIO;
}

ssize_t region_save_chunk(struct region *r, struct stream *s)
{
    int64_t pending = region_get(r, F_PENDING), offset, size;
    void *data;
    int err;

    if (pending <= 0)
        return pending;
    offset = region_get(r, F_OFFSET);
    size = offset < 0 ? offset : region_get(r, F_SIZE);
    if (size <= 0)
        return size;
    data = malloc(size);
    err = data ? move(r, offset, data, size, false) : -ENOMEM;
    if (!err)
        stream_append(s, data, size);
    free(data);
    return err ? err : size;
}

int region_save(struct region *r, struct stream *s)
{
    ssize_t n;

    do
        n = region_save_chunk(r, s);
    while (n > 0);
    return n;
}

int region_load_chunk(struct region *r, const void *data, size_t len)
{
    int64_t offset = region_get(r, F_OFFSET);
    int err = offset < 0 ? offset : move(r, offset, (void *)data, len, true);

    return err ? err : region_set_size(r, len);
}

int region_load(struct region *r, const struct stream *s, size_t *at, size_t chunk)
{
    size_t len;
    int err;

    for (; *at < s->len; *at += len) {
        len = s->len - *at < chunk ? s->len - *at : chunk;
        err = region_load_chunk(r, s->data + *at, len);
        if (err)
            return err;
    }
    return 0;
}
