// SPDX-License-Identifier: GPL-2.0-or-later
/* The VFIO migration interface. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mig.h"
#include "tap.h"

enum { PIECE = 1 << 20, MAX_RANGES = 256 };

const char *mig_name(int state)
{
    static const char *const names[] = {
        [VFIO_DEVICE_STATE_ERROR] = "ERROR",
        [VFIO_DEVICE_STATE_STOP] = "STOP",
        [VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
        [VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
        [VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
        [VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
        [VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
        [VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
    };

    return state >= 0 && state < 8 ? names[state] : "unknown";
}

int64_t mig_flags(struct vfio_function *f)
{
    struct vfio_device_feature_migration m = { 0 };
    int err = vfio_feature(f, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION,
                           &m, sizeof(m));

    return err ? err : (int64_t)m.flags;
}

int mig_set(struct vfio_function *f, int state, int *fd)
{
    struct vfio_device_feature_mig_state s = { .device_state = state, .data_fd = -1 };
    int err = vfio_feature(f, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
                           &s, sizeof(s));

    if (fd)
        *fd = err ? -1 : s.data_fd;
    else if (!err && s.data_fd >= 0)
        close(s.data_fd);
    return err;
}

int mig_get(struct vfio_function *f)
{
    struct vfio_device_feature_mig_state s = { .data_fd = -1 };
    int err = vfio_feature(f, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
                           &s, sizeof(s));

    return err ? err : (int)s.device_state;
}

int64_t mig_data_size(struct vfio_function *f)
{
    struct vfio_device_feature_mig_data_size d = { 0 };
    int err = vfio_feature(f, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
                           &d, sizeof(d));

    return err ? err : (int64_t)d.stop_copy_length;
}

int mig_precopy_v2(struct vfio_function *f)
{
    return vfio_feature(f, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2,
                        NULL, 0);
}

int mig_precopy_info(int fd, struct vfio_precopy_info *info)
{
    *info = (struct vfio_precopy_info){ .argsz = sizeof(*info) };
    return ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, info) ? -errno : 0;
}

/* ---- streams ---- */

static void stream_reserve(struct stream *s, size_t more)
{
    if (s->room - s->len >= more)
        return;
    s->room = s->room * 3 / 2 + more;
    s->data = realloc(s->data, s->room);
    if (!s->data)
        tap_bail("no memory for a stream of %zu bytes", s->room);
}

void stream_append(struct stream *s, const void *data, size_t len)
{
    stream_reserve(s, len);
    memcpy(s->data + s->len, data, len);
    s->len += len;
}

void stream_free(struct stream *s)
{
    free(s->data);
    *s = (struct stream){ 0 };
}

ssize_t mig_read(int fd, struct stream *s, bool *ended)
{
    size_t before = s->len;
    ssize_t n;

    do {
        stream_reserve(s, PIECE);
        n = read(fd, s->data + s->len, PIECE);
        if (n > 0)
            s->len += n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (ended)
        *ended = n == 0;
    return n < 0 && errno != ENOMSG ? -errno : (ssize_t)(s->len - before);
}

int mig_write(int fd, const void *data, size_t len)
{
    const uint8_t *p = data;

    while (len) {
        ssize_t n = write(fd, p, len < PIECE ? len : PIECE);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        p += n;
        len -= n;
    }
    return 0;
}

ssize_t mig_pipe(int from, int to, bool *ended)
{
    uint8_t *piece = malloc(PIECE);
    ssize_t total = 0, n;
    int err = 0;

    if (!piece)
        return -ENOMEM;
    do {
        n = read(from, piece, PIECE);
        if (n > 0) {
            err = mig_write(to, piece, n);
            total += n;
        }
    } while (!err && (n > 0 || (n < 0 && errno == EINTR)));
    if (!err && n < 0 && errno != ENOMSG)
        err = -errno;
    if (ended)
        *ended = n == 0;
    free(piece);
    return err ? err : total;
}

/* ---- pre-copy ---- */

static ssize_t to_stream(int fd, void *stream)
{
    return mig_read(fd, stream, NULL);
}

static ssize_t to_fd(int fd, void *to)
{
    return mig_pipe(fd, *(int *)to, NULL);
}

static ssize_t precopy(int fd, unsigned rounds, ssize_t (*move)(int fd, void *to), void *to)
{
    struct vfio_precopy_info info;
    ssize_t total = 0, n;
    int err;

    while (rounds--) {
        err = mig_precopy_info(fd, &info);
        if (err)
            return err;
        if (!info.initial_bytes && !info.dirty_bytes)
            break;
        n = move(fd, to);
        if (n < 0)
            return n;
        /* asking starts an image; until it is there, a reader may find nothing */
        if (!n)
            relax();
        total += n;
    }
    return total;
}

ssize_t mig_read_precopy(int fd, struct stream *s, unsigned rounds)
{
    return precopy(fd, rounds, to_stream, s);
}

ssize_t mig_pipe_precopy(int from, int to, unsigned rounds)
{
    return precopy(from, rounds, to_fd, &to);
}

/* ---- DMA logging ---- */

int mig_log_start(struct vfio_function *f, const struct dma_range *ranges,
                  unsigned n, uint64_t *page_size)
{
    struct vfio_device_feature_dma_logging_range range[MAX_RANGES];
    struct vfio_device_feature_dma_logging_control control = {
        .page_size = *page_size, .num_ranges = n, .ranges = (uintptr_t)range,
    };
    int err;

    if (n > MAX_RANGES)
        return -E2BIG;
    for (unsigned i = 0; i < n; i++)
        range[i] = (struct vfio_device_feature_dma_logging_range){
            .iova = ranges[i].iova, .length = ranges[i].length,
        };
    err = vfio_feature(f, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
                       &control, sizeof(control));
    *page_size = control.page_size;
    return err;
}

int mig_log_stop(struct vfio_function *f)
{
    return vfio_feature(f, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
                        NULL, 0);
}

int mig_log_report(struct vfio_function *f, uint64_t iova, uint64_t length,
                   uint64_t page_size, uint64_t *bitmap)
{
    struct vfio_device_feature_dma_logging_report report = {
        .iova = iova, .length = length, .page_size = page_size,
        .bitmap = (uintptr_t)bitmap,
    };

    return vfio_feature(f, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
                        &report, sizeof(report));
}
