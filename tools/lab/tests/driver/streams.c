// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bad streams, as far as only ferry's own rules tell them, or that write()
 * knows them early; the conformance suite has all others.
 *
 * A good one is recorded once, then each case changes it in one
 * place and loads it. All VFs work through the list of cases, a thread each.
 *
 * A case says by which byte write() must have refused the stream, if it can
 * be known there; else the last arc, RESUMING -> STOP, must.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "stand.h"
#include "records.h"

enum { MAX_EDITS = 4, MAX_CASES = 2048, PIECE = 1 << 20 };
#define NEVER SIZE_MAX          /* only the last arc can know */
#define GOOD (SIZE_MAX - 1)     /* the stream is to be accepted */

/* At this place of the base stream, drop so many bytes and insert these. */
struct edit {
    size_t at, drop, len;
    void *data;
};

struct test_case {
    char name[96];
    const struct stream *base;
    struct edit edit[MAX_EDITS];
    unsigned edits;
    bool seal;                  /* make checksums right after the edits */
    size_t refused_by;          /* byte of the edited stream, NEVER or GOOD */
};

static struct test_case *cases;
static unsigned ncases, next_case;
static uint64_t good_sum;

static struct test_case *add(const struct stream *base, size_t by, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static struct test_case *add(const struct stream *base, size_t by, const char *fmt, ...)
{
    struct test_case *c = &cases[ncases++];
    va_list ap;

    if (ncases > MAX_CASES)
        tap_bail("too many cases");
    *c = (struct test_case){ .base = base, .refused_by = by };
    va_start(ap, fmt);
    vsnprintf(c->name, sizeof(c->name), fmt, ap);
    va_end(ap);
    return c;
}

/* Edits come in the order of their places. */
static void edit(struct test_case *c, size_t at, size_t drop, const void *data, size_t len)
{
    struct edit *e = &c->edit[c->edits++];

    *e = (struct edit){ at, drop, len, len ? malloc(len) : NULL };
    if (len)
        memcpy(e->data, data, len);
}

static struct stream build(const struct test_case *c)
{
    struct stream s = { 0 };
    size_t at = 0;

    for (unsigned i = 0; i < c->edits; i++) {
        const struct edit *e = &c->edit[i];

        stream_append(&s, c->base->data + at, e->at - at);
        stream_append(&s, e->data, e->len);
        at = e->at + e->drop;
    }
    stream_append(&s, c->base->data + at, c->base->len - at);
    if (c->seal)
        stream_seal(&s);
    return s;
}

/* ---- loading one ---- */

/* Writes up to `to`; *at says how far it came. */
static int write_to(int fd, const struct stream *s, size_t *at, size_t to, size_t piece)
{
    ssize_t n;

    while (*at < to) {
        n = write(fd, s->data + *at, to - *at < piece ? to - *at : piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        *at += n;
    }
    return 0;
}

static bool check_refused(struct vf *v, const struct test_case *c, int early, int stop)
{
    char reason[128] = "";
    int state = mig_get(&v->fn);
    bool good = stop && state != VFIO_DEVICE_STATE_STOP &&
                (c->refused_by == NEVER || early);

    if (v->ferry)
        good &= *ferry_reason(v, reason, sizeof(reason)) != 0;
    if (!good)
        tap_diag("%s: write %d by byte %zd, SET STOP %d, state %s, reason '%s'",
                 c->name, early, (ssize_t)c->refused_by, stop, mig_name(state), reason);
    return good;
}

static bool check_accepted(struct vf *v, const struct test_case *c, int written, int stop)
{
    int run = stop ? stop : mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    bool good = !written && !stop && !run && wl_sum(v->wl) == good_sum;

    if (!good)
        tap_diag("%s: write %d, SET STOP %d, SET RUNNING %d", c->name, written, stop, run);
    return good;
}

static bool recovers(struct vf *v, int fd)
{
    bool dead;

    vf_reset(v);
    dead = write(fd, "", 1) < 0 && errno == ENODEV;
    return dead && mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING;
}

static void run_case(struct vf *v, const struct test_case *c)
{
    struct stream s = build(c);
    int fd, early = 0, written, stop;
    bool good, back;
    size_t at = 0;

    if (mig_set(&v->fn, VFIO_DEVICE_STATE_RESUMING, &fd))
        tap_bail("VF %s does not go to RESUMING", v->bdf);
    if (c->refused_by < s.len)
        early = write_to(fd, &s, &at, c->refused_by, PIECE);
    written = early ? early : write_to(fd, &s, &at, s.len, PIECE);
    if (c->refused_by == s.len)
        early = written;
    stop = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL);
    good = c->refused_by == GOOD ? check_accepted(v, c, written, stop) :
                                   check_refused(v, c, early, stop);
    back = recovers(v, fd);
    ok(good && back, "%s: %s%s", c->name,
       c->refused_by == GOOD ? "loads" : "is refused",
       back ? "" : ", but a reset does not help");
    close(fd);
    stream_free(&s);
}

static void *work(void *vf)
{
    unsigned i;

    while ((i = __atomic_fetch_add(&next_case, 1, __ATOMIC_RELAXED)) < ncases)
        run_case(vf, &cases[i]);
    return NULL;
}

static void run_cases(struct bench *b)
{
    pthread_t threads[MAX_VFS];

    next_case = 0;
    for (unsigned i = 0; i < b->vfs; i++)
        pthread_create(&threads[i], NULL, work, &b->vf[i]);
    for (unsigned i = 0; i < b->vfs; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < ncases; i++)
        for (unsigned j = 0; j < cases[i].edits; j++)
            free(cases[i].edit[j].data);
    ncases = 0;
}

/* ---- cases ---- */

static void add_truncated(const struct stream *s, const struct records *all, const char *kind)
{
    for (unsigned i = 0; i < all->n; i++) {
        const struct record *r = &all->r[i];
        /* inside the header, behind it, inside the body, one byte short of its end */
        const size_t cuts[] = {
            r->at, r->at + 1, r->at + HEADER - 1, r->at + HEADER, r->at + HEADER + 1,
            r->at + HEADER + r->size / 2, record_end(r) - 1,
        };

        for (unsigned k = 0; k < sizeof(cuts) / sizeof(*cuts); k++) {
            size_t cut = cuts[k];
            struct test_case *c;

            if (k && cut <= cuts[k - 1])
                continue;
            c = add(s, NEVER, "%s stream cut at byte %zu, record %u (%s) + %zu", kind,
                    cut, i, record_name(r->tag), cut - r->at);
            edit(c, cut, s->len - cut, NULL, 0);
        }
    }
}

/* A plain stream may end between records: firmware alone could tell. */
static void add_truncated_plain(const struct stream *s, const struct records *all)
{
    unsigned before = ncases;

    add_truncated(s, all, "plain");
    for (unsigned i = before; i < ncases; i++) {
        bool boundary = false;

        for (unsigned k = 0; k < all->n; k++)
            boundary |= all->r[k].at == cases[i].edit[0].at &&
                        record_find(all, VFIO_FERRY_TAG_FIRMWARE_DATA, 0)->at < all->r[k].at;
        if (!boundary)
            continue;
        free(cases[i].edit[0].data);
        cases[i--] = cases[--ncases];
    }
}

static void flip(const struct stream *s, size_t at, size_t by, const char *what, size_t byte)
{
    uint8_t changed = s->data[at] ^ (1 << byte % 8);
    struct test_case *c = add(s, by, "%s, byte %zu changed", what, byte);

    edit(c, at, 1, &changed, 1);
}

/*
 * write() refuses a changed record as soon as its checksum, or its image's, has
 * come. Images without one are left to the firmware, at the latest.
 */
static void add_corrupt(const struct stream *s, const struct records *all, bool checksums)
{
    char what[64];

    for (unsigned i = 0; i < all->n; i++) {
        const struct record *r = &all->r[i];
        bool image = r->tag == VFIO_FERRY_TAG_FIRMWARE_DATA;
        const struct record *check = image ? r + 1 : r;
        /* the hint is covered by the end's checksum alone */
        size_t by = r->tag == VFIO_FERRY_TAG_STOP_COPY_SIZE ? s->len :
                    image && !checksums ? NEVER : record_end(check);

        snprintf(what, sizeof(what), "record %u (%s)", i, record_name(r->tag));
        flip(s, r->at + HEADER, by, what, 0);
        flip(s, r->at + HEADER + r->size / 2, by, what, r->size / 2);
        flip(s, record_end(r) - 1, by, what, r->size - 1);
    }
}

/* An image and its check. */
static size_t pair_at(const struct records *all, unsigned nth)
{
    return record_find(all, VFIO_FERRY_TAG_FIRMWARE_DATA, nth)->at;
}
static size_t pair_len(const struct records *all, unsigned nth)
{
    return record_end(record_find(all, VFIO_FERRY_TAG_IMAGE, nth)) - pair_at(all, nth);
}

static void add_disordered(const struct stream *s, const struct records *all)
{
    const struct record *identity = record_find(all, VFIO_FERRY_TAG_IDENTITY, 0);
    const struct record *shape = record_find(all, VFIO_FERRY_TAG_SHAPE, 0);
    const struct record *check = record_find(all, VFIO_FERRY_TAG_IMAGE, 0);
    const struct record *end = record_find(all, VFIO_FERRY_TAG_END, 0);
    size_t first = pair_at(all, 0), first_len = pair_len(all, 0);
    size_t second = pair_at(all, 1), second_len = pair_len(all, 1);
    struct test_case *c;

    c = add(s, first + second_len, "first two images swapped");
    edit(c, first, first_len, s->data + second, second_len);
    edit(c, second, second_len, s->data + first, first_len);
    c = add(s, second + first_len, "first image twice");
    edit(c, second, 0, s->data + first, first_len);
    c = add(s, first + second_len, "first image missing");
    edit(c, first, first_len, NULL, 0);
    c = add(s, NEVER, "middle image missing");
    edit(c, second, second_len, NULL, 0);
    c = add(s, check->at + HEADER, "check of the first image missing");
    edit(c, check->at, HEADER + check->size, NULL, 0);
    c = add(s, record_end(check) + HEADER + check->size, "check of the first image twice");
    edit(c, record_end(check), 0, s->data + check->at, HEADER + check->size);
    c = add(s, record_end(identity) + HEADER + identity->size, "identity twice");
    edit(c, record_end(identity), 0, s->data + identity->at, HEADER + identity->size);
    c = add(s, first, "identity behind the stop-copy size");
    edit(c, identity->at, HEADER + identity->size, NULL, 0);
    edit(c, first, 0, s->data + identity->at, HEADER + identity->size);
    c = add(s, record_end(shape) + HEADER + shape->size, "shape twice");
    edit(c, record_end(shape), 0, s->data + shape->at, HEADER + shape->size);
    c = add(s, first + first_len, "shape behind an image");
    edit(c, shape->at, HEADER + shape->size, NULL, 0);
    edit(c, record_end(check), 0, s->data + shape->at, HEADER + shape->size);
    c = add(s, NEVER, "shape missing");
    edit(c, shape->at, HEADER + shape->size, NULL, 0);
    c = add(s, GOOD, "a stream of earlier versions, without a shape");
    edit(c, shape->at, HEADER + shape->size, NULL, 0);
    c->seal = true;
    c = add(s, NEVER, "identity missing");
    edit(c, identity->at, HEADER + identity->size, NULL, 0);
    c = add(s, first + HEADER + end->size, "end before the images");
    edit(c, first, 0, s->data + end->at, HEADER + end->size);
    c->seal = true;
    c = add(s, s->len + 1, "a byte behind the end");
    edit(c, s->len, 0, "", 1);
    c = add(s, s->len + HEADER + end->size, "end twice");
    edit(c, s->len, 0, s->data + end->at, HEADER + end->size);
    c = add(s, NEVER, "nothing at all");
    edit(c, 0, s->len, NULL, 0);
}

static void add_foreign_field(const struct stream *s, const struct record *r,
                              const char *name, size_t offset, const void *value, size_t len)
{
    struct test_case *c = add(s, record_end(r), "a source with another %s", name);

    edit(c, r->at + HEADER + offset, len, value, len);
    c->seal = true;
}

static void add_foreign(const struct stream *s, const struct records *all)
{
    const struct record *r = record_find(all, VFIO_FERRY_TAG_IDENTITY, 0);
    static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };

#define FIELD(name, field, value, len) \
    add_foreign_field(s, r, name, offsetof(struct vfio_ferry_identity, field), value, len)
    FIELD("version of the stream", version, "\2", 2);
    FIELD("family", family, "other", 6);
    FIELD("vendor", vendor, "\x86\x80", 2);
    FIELD("device", device, "\x18\x10", 2);
    FIELD("subsystem vendor", subsystem_vendor, ones, 2);
    FIELD("subsystem", subsystem_device, ones, 2);
    FIELD("generation of firmware", firmware[0], "\1\0", 2);
    FIELD("generation of newer firmware", firmware[0], ones, 2);
    FIELD("minor firmware version", firmware[1], ones, 2);
    FIELD("set of capabilities", capabilities, ones, 8);
#undef FIELD
    r = record_find(all, VFIO_FERRY_TAG_SHAPE, 0);
#define FIELD(name, field, value, len) \
    add_foreign_field(s, r, name, offsetof(struct vfio_ferry_shape, field), value, len)
    FIELD("number of MSI-X vectors", vectors, ones, 4);
    FIELD("size of BAR 0", bar[0], ones, 8);
    FIELD("BAR that is not there", bar[5], ones, 1);
    FIELD("capability", capability[0], ones, 2);
    FIELD("place of a capability", capability[1], "\x10\0\0\x07", 4);
    FIELD("version of an extended capability", capability[2], "\x0e\0\x0f", 3);
    FIELD("number of capabilities", capability[31], ones, 4);
#undef FIELD
}

static void add_optional(const struct stream *s, const struct records *all, bool seal,
                         const char *kind)
{
    enum { LEN = 300000 };
    struct vfio_ferry_record h = record_header(LEN, VFIO_FERRY_RECORD_OPTIONAL, 0x46520077);
    uint8_t *bytes = calloc(1, HEADER + LEN);

    memcpy(bytes, &h, HEADER);
    memset(bytes + HEADER, 0xa5, LEN);
    for (unsigned i = seal; i < all->n; i++) {
        struct test_case *c;

        /* nothing may come between an image and its check */
        if (all->r[i].tag == VFIO_FERRY_TAG_IMAGE)
            continue;
        c = add(s, GOOD, "%s stream, an unknown optional record before record %u", kind, i);
        edit(c, all->r[i].at, 0, bytes, HEADER + LEN);
        c->seal = seal;
    }
    free(bytes);
}

/* The images of one stream in the records of another. */
static void add_mixed(const struct stream *s, const struct records *all)
{
    const struct record *r = record_find(all, VFIO_FERRY_TAG_IDENTITY, 0);
    size_t at = r->at + HEADER + offsetof(struct vfio_ferry_identity, mark);
    struct test_case *c = add(s, record_end(record_find(all, VFIO_FERRY_TAG_IMAGE, 0)),
                              "the images of another stream");
    uint8_t mark = s->data[at] ^ 4;

    edit(c, at, 1, &mark, 1);
    c->seal = true;
}

/* An image that is cut short and counted right: only firmware can refuse it. */
static void add_bad_image(const struct stream *plain, const struct records *all)
{
    const struct record *r = &all->r[all->n - 1];
    uint8_t changed = plain->data[r->at + HEADER + 64] ^ 1;
    struct vfio_ferry_record h = record_header(r->size - 64, 0, 0);
    struct test_case *c = add(plain, NEVER, "plain stream, final image 64 bytes short");

    edit(c, r->at, HEADER, &h, HEADER);
    edit(c, record_end(r) - 64, 64, NULL, 0);
    c = add(plain, NEVER, "plain stream, a byte of the final image changed");
    edit(c, r->at + HEADER + 64, 1, &changed, 1);
}

void test_streams(struct bench *b)
{
    struct stream s, marked = { 0 }, plain;
    struct records all, marked_all, plain_all;
    uint64_t marked_sum;

    if (!b->vfs)
        tap_bail("the tests of streams need a VF");
    cases = calloc(MAX_CASES, sizeof(*cases));
    for (unsigned i = 0; i < b->vfs; i++)
        vf_open(&b->vf[i]);
    if (b->vf[0].ferry) {
        marked = vf_record(&b->vf[0], true, &marked_sum);
        marked_all = records_of(&marked);
        ferry_checksums(true);
    }
    s = vf_record(&b->vf[0], true, &good_sum);
    if (b->vf[0].ferry)
        ferry_checksums(false);
    all = records_of(&s);
    plain = stream_plain(&s);
    plain_all = records_of(&plain);
    tap_diag("the stream has %zu bytes in %u records", s.len, all.n);

    add_optional(&plain, &plain_all, false, "plain");
    add_truncated_plain(&plain, &plain_all);
    add_bad_image(&plain, &plain_all);
    if (b->vf[0].ferry) {
        add_optional(&s, &all, true, "ferry's");
        add_corrupt(&s, &all, true);
        add_corrupt(&marked, &marked_all, false);
        add_mixed(&marked, &marked_all);
        add_disordered(&s, &all);
        add_foreign(&s, &all);
    }
    run_cases(b);

    for (unsigned i = 0; i < b->vfs; i++)
        vf_close(&b->vf[i]);
    bench_check_clean(b, "bad streams");
    stream_free(&s);
    stream_free(&marked);
    stream_free(&plain);
    free(cases);
}
