// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The target: writing a stream of two whole images, until the last LOAD is
 * through, and the way to RUNNING after it. Each driver takes the stream that
 * it wrote itself.
 */
#include <stdio.h>

#include "bench.h"

enum { SLOW_MS = 120000, HEADER = 16, IMAGE_LEAST = 512 << 10 };

struct record {                 /* as both drivers write it */
    uint64_t size;
    uint32_t flags, tag;
};

/* Two images of the whole state, and what the state is then. */
static struct stream record_two(struct vf *v, uint64_t *sum)
{
    struct stream s = { .room = 2 * state_size(v) + (16 << 20) };
    bool ended = false;
    int fd;

    s.data = malloc(s.room);
    if (!s.data)
        tap_bail("no memory for a stream");
    vf_reset(v);
    vf_fill(v, SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (mig_read_precopy(fd, &s, 1000) <= 0)
        tap_bail("VF %s gives no pre-copy data", v->bdf);
    vf_change(v, vf_percent(v, 100) / PAGE);
    vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    if (mig_read(fd, &s, &ended) <= 0 || !ended)
        tap_bail("VF %s gives no final image", v->bdf);
    *sum = wl_sum(v->wl);
    run_again(v, fd);
    return s;
}

static void put(struct vf *v, int fd, const void *data, size_t len)
{
    int err = mig_write(fd, data, len);

    if (err)
        tap_bail("VF %s takes no stream: %s", v->bdf, strerror(-err));
}

/*
 * Writes an image's record. Its last piece is not among the figures, since
 * the firmware loads the image in it; nor, of the second image, its header,
 * with which a driver may get memory: what is left is the copy.
 */
static double put_image(struct vf *v, int fd, const uint8_t *at, size_t size, bool first)
{
    uint64_t begin = now_ns(), body, end;
    size_t bulk = size - (PIECE < size / 2 ? PIECE : size / 2);

    put(v, fd, at, HEADER);
    body = now_ns();
    put(v, fd, at + HEADER, bulk);
    end = now_ns();
    put(v, fd, at + HEADER + bulk, size - bulk);
    return (end - (first ? begin : body)) * (double)PIECE / bulk;
}

/* What a MiB of each whole image took, since to print it here would be among the figures. */
static void put_stream(struct vf *v, int fd, const struct stream *s, double per_mib[2])
{
    unsigned images = 0;

    if (in_chunks()) {
        put(v, fd, s->data, s->len);
        return;
    }
    for (size_t at = 0; at < s->len; ) {
        const struct record *r = (const void *)(s->data + at);

        if (!r->tag && r->size >= IMAGE_LEAST && images < 2) {
            per_mib[images] = put_image(v, fd, s->data + at, r->size, !images);
            images++;
        } else {
            put(v, fd, s->data + at, HEADER + r->size);
        }
        at += HEADER + r->size;
    }
}

static void measure(struct bench *b, struct vf *v)
{
    uint64_t sum, begin, stopped, runs;
    struct stream s = record_two(v, &sum);
    double per_mib[2] = { 0 };
    int fd;

    vf_reset(v);
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    begin = now_ns();
    put_stream(v, fd, &s, per_mib);
    if (!wait_until(!model_busy(b), SLOW_MS))
        tap_bail("the last LOAD of VF %s does not end", v->bdf);
    figure(v, "receive", 0, now_ns() - begin);
    if (!in_chunks()) {
        figure(v, "first_write_per_mib", 0, per_mib[0]);
        figure(v, "write_per_mib", 0, per_mib[1]);
    }
    begin = now_ns();
    vf_set(v, VFIO_DEVICE_STATE_STOP);
    stopped = now_ns();
    close(fd);
    vf_set(v, VFIO_DEVICE_STATE_RUNNING);
    runs = now_ns();
    figure(v, "resume_stop", 0, stopped - begin);
    figure(v, "resume_stop_run", 0, runs - begin);
    if (wl_sum(v->wl) != sum)
        tap_bail("VF %s is not what it was", v->bdf);
    stream_free(&s);
}

void bench_receive(struct bench *b)
{
    in_turn(b, measure);
}
