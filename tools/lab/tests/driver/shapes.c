// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest sees of a VF: how many MSI-X vectors, how large BARs, which
 * capabilities. Two NICs differ in it, so they are of two boots: one leaves
 * what its VF saved in $LAB_OUT, the others find that in $SHAPES, and in
 * $SHAPE_WHY why their VFs are to refuse it, if they are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "../lib/lab.h"
#include "records.h"
#include "sweep.h"

static void leave(const char *name, const void *data, size_t len)
{
    FILE *f = lab_file("LAB_OUT", name, "w");

    if (fwrite(data, 1, len, f) != len || fclose(f))
        tap_bail("cannot write %s", name);
}

static struct stream find(const char *name)
{
    FILE *f = lab_file("SHAPES", name, "r");
    struct stream s = { 0 };
    char part[4096];
    size_t n;

    while ((n = fread(part, 1, sizeof(part), f)))
        stream_append(&s, part, n);
    fclose(f);
    return s;
}

static void arrives(struct vf *v, const struct stream *s, uint64_t sum, const char *what)
{
    int fd = -1, err = load_run(v, s, &fd);

    ok(!err && wl_sum(v->wl) == sum && vf_alive(v), "%s is loaded (%d)", what, err);
    close(fd);
    vf_reset(v);
}

/* All that is read of a save before its function has to stop. */
static void leave_precopy(struct vf *v)
{
    int fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    struct stream s = { 0 };
    ssize_t n = mig_read_precopy(fd, &s, 1000);

    ok(n > 0 && mig_get(&v->fn) == VFIO_DEVICE_STATE_PRE_COPY && vf_alive(v),
       "a VF that goes on tells its shape (%zd bytes)", n);
    vf_set(v, VFIO_DEVICE_STATE_RUNNING);
    close(fd);
    leave("precopy", s.data, s.len);
    stream_free(&s);
}

void test_shapes(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    struct stream s;
    uint64_t sum;

    if (b->vfs < 2 || !from->ferry || !to->ferry)
        tap_bail("the test of shapes needs two VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    leave_precopy(from);
    s = vf_record(from, true, &sum);
    arrives(to, &s, sum, "what a VF of the same NIC saved");
    leave("stream", s.data, s.len);
    leave("sum", &sum, sizeof(sum));
    stream_free(&s);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "shapes");
}

/* Written record by record: the shape is the one that is refused, and no image has come then. */
static void refuses(struct vf *v, const struct stream *s, const char *why)
{
    struct records all = records_of(s);
    const struct record *shape = record_find(&all, VFIO_FERRY_TAG_SHAPE, 0);
    const struct record *image = record_find(&all, VFIO_FERRY_TAG_FIRMWARE_DATA, 0);
    int fd, before, err, stop;
    char reason[128];

    if (!shape || !image || image->at < shape->at)
        tap_bail("the other VF's stream does not begin with its shape");
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    before = mig_write(fd, s->data, shape->at);
    err = mig_write(fd, s->data + shape->at, record_end(shape) - shape->at);
    ok(!before && err == -EXDEV, "a VF of another shape refuses the stream at that (%d, %d)", before, err);
    ok(strstr(ferry_reason(v, reason, sizeof(reason)), why), "it says why: '%s'", reason);
    stop = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    ok(stop < 0 && mig_get(&v->fn) == VFIO_DEVICE_STATE_ERROR, "and does not go on (%d)", stop);
    close(fd);
    vf_reset(v);
}

/* As earlier versions of ferry write it. */
static struct stream without_shape(const struct stream *s)
{
    struct records all = records_of(s);
    const struct record *shape = record_find(&all, VFIO_FERRY_TAG_SHAPE, 0);
    struct stream old = { 0 };

    stream_append(&old, s->data, shape->at);
    stream_append(&old, s->data + record_end(shape), s->len - record_end(shape));
    stream_seal(&old);
    return old;
}

void test_other_shape(struct bench *b)
{
    struct stream precopy = find("precopy"), whole = find("stream"), sum_of = find("sum"), own, old;
    const char *why = getenv("SHAPE_WHY");
    struct vf *v = &b->vf[0];
    uint64_t sum, own_sum;

    if (!b->vfs || !v->ferry || sum_of.len != sizeof(sum))
        tap_bail("the test of another shape needs a VF bound to ferry, and the files of another boot");
    memcpy(&sum, sum_of.data, sizeof(sum));
    vf_open(v);
    if (why) {
        refuses(v, &precopy, why);
        old = without_shape(&whole);
        arrives(v, &old, sum, "the same without the shape");
        own = vf_record(v, true, &own_sum);
        arrives(v, &own, own_sum, "what a VF of this shape saved");
        stream_free(&own);
        stream_free(&old);
    } else {
        arrives(v, &whole, sum, "what a VF of an equal NIC saved");
    }
    vf_close(v);
    bench_check_clean(b, "another shape");
    stream_free(&precopy);
    stream_free(&whole);
    stream_free(&sum_of);
}
