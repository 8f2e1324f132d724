// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The migration region, as far as one user at a time can tell: what it offers,
 * each field and bad access, each state, each order. Documentation/region.rst
 * has the rules. Two protocols, failures and threads: region_shared.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "../lib/region.h"
#include "stand.h"
#include "region.h"
#include "records.h"

static const uint32_t states[] = { R_STOP, R_RUNNING, R_SAVING, R_PRECOPY, R_RESUMING };

const char *region_state_name(int64_t state)
{
    switch (state) {
    case R_STOP:
        return "STOP";
    case R_RUNNING:
        return "RUNNING";
    case R_SAVING:
        return "SAVING";
    case R_PRECOPY:
        return "SAVING|RUNNING";
    case R_RESUMING:
        return "RESUMING";
    case R_ERROR:
        return "ERROR";
    }
    return "no state";
}

/* ---- what it offers ---- */

static void test_offer(struct vf *v, struct region *r)
{
    const uint32_t all = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                         VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;

    ok_eq(r->flags & all, all, "the region can be read, written and mapped");
    ok(r->area && r->area % PAGE == 0 && r->area_size && r->area_size % PAGE == 0 &&
       r->area + r->area_size == r->size, "its data section, and only that, can be mapped");
    ok_eq(region_get(r, F_STATE), R_RUNNING, "the state of a device just opened is RUNNING");
    ok_eq(region_get(r, F_PENDING), 0, "nothing is pending");
    ok_eq(mig_flags(&v->fn), VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
          VFIO_MIGRATION_PRE_COPY, "the other protocol is offered, too");
}

/* ---- access ---- */

struct field {
    const char *name;
    unsigned at, width;
    bool writable;
};
static const struct field fields[] = {
    { "device_state", F_STATE, 4, true },
    { "reserved", F_RESERVED, 4, false },
    { "pending_bytes", F_PENDING, 8, false },
    { "data_offset", F_OFFSET, 8, false },
    { "data_size", F_SIZE, 8, true },
    { }
};

static bool is_field(unsigned at, size_t len)
{
    for (const struct field *f = fields; f->name; f++)
        if (f->at == at && f->width == len)
            return true;
    return false;
}

/* All places and lengths of the header's begin, and around its end. */
static void test_widths(struct region *r)
{
    unsigned wrong = 0, tried = 0;
    uint8_t data[64] = { 0 };

    for (unsigned at = 0; at < 48; at++)
        for (size_t len = 1; len <= 40; len++) {
            if (is_field(at, len))
                continue;
            tried++;
            wrong += region_read(r, at, data, len) != -EINVAL;
            wrong += region_write(r, at, data, len) != -EINVAL;
        }
    ok(!wrong, "of %u accesses of a wrong width or place each gives EINVAL", 2 * tried);
    ok_eq(region_read(r, r->area - 8, data, 8), -EINVAL, "nothing is before the section");
    ok_eq(region_read(r, r->area - 4, data, 8), -EINVAL, "nor half of it");
    ok_eq(region_read(r, r->size, data, 1), -EINVAL, "nothing is behind it");
    ok_eq(region_read(r, r->size - 3, data, 8), 3, "what begins in it ends with it");
    ok_eq(region_get(r, F_STATE), R_RUNNING, "none of it changed the state");
}

static void test_fields(struct region *r)
{
    uint64_t value = 0;

    for (const struct field *f = fields; f->name; f++)
        if (!f->writable)
            ok_eq(region_write(r, f->at, &value, f->width), -EINVAL, "%s is read only", f->name);
    ok_eq(region_get(r, F_RESERVED), 0, "the reserved field reads as 0");
    ok_eq(region_get(r, F_OFFSET), -EINVAL, "no data_offset without a session");
    ok_eq(region_get(r, F_SIZE), -EINVAL, "nor data_size");
    ok_eq(region_set_size(r, 8), -EINVAL, "nor can that be written");
    ok_eq(region_read(r, F_STATE, NULL, 4), -EFAULT, "a bad pointer: reading a field");
    ok_eq(region_write(r, F_STATE, NULL, 4), -EFAULT, "writing one");
    ok_eq(region_read(r, r->area, NULL, 8), -EFAULT, "reading data");
    ok_eq(region_write(r, r->area, NULL, 8), -EFAULT, "writing data");
    ok_eq(region_get(r, F_STATE), R_RUNNING, "none of it changed the state");
}

/* A page that is there and one that is not. */
static void test_partial_fault(struct region *r)
{
    uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED || munmap(pages + PAGE, PAGE))
        tap_bail("no memory");
    ok_eq(region_read(r, r->area, pages + PAGE - 100, 200), 100,
          "data up to a bad page is read, and its count returned");
    ok_eq(region_write(r, r->area, pages + PAGE - 100, 200), 100, "and written");
    munmap(pages, PAGE);
}

static bool maps(struct region *r, uint64_t at, size_t len, int flags)
{
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, r->f->fd, r->offset + at);

    if (map == MAP_FAILED)
        return false;
    munmap(map, len);
    return true;
}

static void test_mapping(struct region *r)
{
    uint64_t word = 0x1122334455667788, seen = 0;

    ok(!maps(r, 0, PAGE, MAP_SHARED), "the fields cannot be mapped");
    ok(!maps(r, 0, r->size, MAP_SHARED), "nor with the section");
    ok(!maps(r, r->area, r->area_size + PAGE, MAP_SHARED), "nor more than that");
    ok(!maps(r, r->size, PAGE, MAP_SHARED), "nor what is behind it");
    ok(!maps(r, r->area, PAGE, MAP_PRIVATE), "nor a private copy");
    ok(maps(r, r->area + PAGE, PAGE, MAP_SHARED), "a part of it can");
    if (!ok(!region_map(r), "all of it can"))
        return;
    memcpy(r->map + 3 * PAGE - 4, &word, sizeof(word));
    ok(region_read(r, r->area + 3 * PAGE - 4, &seen, 8) == 8 && seen == word,
       "a mapping and a read see the same memory");
    word = ~word;
    ok(region_write(r, r->area + r->area_size - 8, &word, 8) == 8 &&
       !memcmp(r->map + r->area_size - 8, &word, 8), "and so do a write and a mapping");
}

/* ---- states ---- */

/* From RUNNING; RESUMING without data cannot be left but by a reset. */
static bool go(struct vf *v, struct region *r, uint32_t state)
{
    int err;

    if (region_get(r, F_STATE) != R_RUNNING)
        vf_reset(v);
    err = region_set_state(r, state);
    return !err && region_get(r, F_STATE) == (int64_t)state;
}

static int expected(uint32_t from, uint32_t to)
{
    if (from == to)
        return 0;
    if (from == R_RESUMING || (from == R_SAVING && to == R_PRECOPY))
        return -EINVAL;
    return 0;
}

static unsigned vhca_state_of(uint32_t state)
{
    return state & R_RUNNING ? VHCA_STATE_RUNNING : VHCA_STATE_STOPPED;
}

static void test_transition(struct bench *b, struct vf *v, struct region *r, uint32_t from, uint32_t to)
{
    int want = expected(from, to), err;
    uint32_t end = want ? from : to;
    bool reached = go(v, r, from);

    err = region_set_state(r, to);
    ok(reached && err == want && region_get(r, F_STATE) == (int64_t)end &&
       model_state(b, v->id) == vhca_state_of(end), "%s to %s: %s",
       region_state_name(from), region_state_name(to), want ? strerror(-want) : "it goes");
    if (err != want)
        tap_diag("the write gives %d, the state is %s", err, region_state_name(region_get(r, F_STATE)));
}

static void test_states(struct bench *b, struct vf *v, struct region *r)
{
    static const uint32_t bad[] = {
        R_ERROR, R_RESUMING | R_RUNNING, 7, 8, R_RUNNING | 8, R_STOP | 1u << 31, UINT32_MAX
    };
    unsigned count = sizeof(states) / sizeof(*states);

    for (unsigned from = 0; from < count; from++)
        for (unsigned to = 0; to < count; to++)
            test_transition(b, v, r, states[from], states[to]);
    for (unsigned from = 0; from < count; from++) {
        unsigned wrong = !go(v, r, states[from]);

        for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
            wrong += region_set_state(r, bad[i]) != -EINVAL;
        wrong += region_get(r, F_STATE) != (int64_t)states[from];
        ok(!wrong, "in %s no combination that is no state is taken, and no reserved bit",
           region_state_name(states[from]));
    }
    vf_reset(v);
    ok_eq(region_get(r, F_STATE), R_RUNNING, "a reset leads to RUNNING");
}

/* ---- the order of a save ---- */

static struct stream reference(struct vf *v)
{
    struct stream s = { 0 };
    bool ended = false;
    int fd;

    if (mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, &fd) || mig_read(fd, &s, &ended) <= 0 ||
        !ended || mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL))
        tap_bail("VF %s cannot be saved by the other protocol", v->bdf);
    close(fd);
    return s;
}

static bool same(const struct stream *a, const struct stream *b)
{
    return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static void take(struct region *r, struct stream *s, uint64_t offset, uint64_t size)
{
    uint8_t *data = malloc(size);

    if (!data || region_read(r, offset, data, size) != (ssize_t)size)
        tap_bail("a chunk of %llu bytes cannot be read", (unsigned long long)size);
    stream_append(s, data, size);
    free(data);
}

/*
 * One chunk with every question asked more often than need be, in an order
 * that differs from the usual.
 */
static bool odd_chunk(struct region *r, struct stream *s)
{
    int64_t pending = region_get(r, F_PENDING), offset, size;
    bool good = region_get(r, F_PENDING) == pending && region_get(r, F_SIZE) == -EINVAL;

    offset = region_get(r, F_OFFSET);
    good &= offset == (int64_t)r->area && region_get(r, F_OFFSET) == offset;
    /* The first sequence that was asked about: data_size has not been read, so the chunk stays. */
    good &= region_get(r, F_PENDING) >= 1;
    good &= region_get(r, F_OFFSET) == offset;
    size = region_get(r, F_SIZE);
    good &= size > 0 && region_get(r, F_SIZE) == size && region_get(r, F_OFFSET) == offset;
    /* The second: nobody has read the data yet, and it is there as long as nobody asks what is next. */
    good &= region_get(r, F_SIZE) == size;
    take(r, s, offset, size);
    return good;
}

static void test_order(struct vf *v, struct region *r)
{
    struct stream want = reference(v), s = { 0 };
    unsigned chunks = 0;
    bool good = true;

    ok(!region_set_state(r, R_SAVING), "STOP to SAVING");
    ok_eq(region_get(r, F_SIZE), -EINVAL, "data_size before data_offset is an error");
    ok_eq(region_set_size(r, 8), -EINVAL, "data_size is not written in a save");
    while (region_get(r, F_PENDING) > 0 && good) {
        good = odd_chunk(r, &s);
        chunks++;
    }
    ok(good && chunks > 1, "%u chunks, asked for in odd ways", chunks);
    ok(same(&s, &want), "their %zu bytes are those of the data FD", s.len);
    ok_eq(region_get(r, F_PENDING), 0, "nothing is pending at the end, for ever");
    ok(region_get(r, F_OFFSET) == (int64_t)r->area && region_get(r, F_SIZE) == 0,
       "a chunk behind the end is empty");
    ok_eq(region_get(r, F_PENDING), 0, "and changes nothing");
    ok(!region_set_state(r, R_STOP), "SAVING to STOP");
    stream_free(&s);

    /* All three and then no data read, and a state that changes: the chunk waits. */
    vf_reset(v);
    vf_fill(v, SEED);
    ok(!region_set_state(r, R_PRECOPY), "RUNNING to SAVING|RUNNING");
    if (region_get(r, F_PENDING) > 0 && region_get(r, F_OFFSET) > 0) {
        int64_t size = region_get(r, F_SIZE);

        good = !region_set_state(r, R_SAVING) && region_get(r, F_OFFSET) == (int64_t)r->area &&
               region_get(r, F_SIZE) == size;
        take(r, &s, r->area, size);
        good &= !region_save(r, &s);
        ok(good, "a chunk that was announced in pre-copy is still there in SAVING");
        ok(records_of(&s).n > 3, "and the stream is whole");
    }
    vf_reset(v);
    stream_free(&s);
    stream_free(&want);
}

/* Who asked at the temporary end has an empty chunk, which is no reason to have no other. */
static void test_empty_chunk(struct vf *v, struct region *r)
{
    struct stream s = { 0 };
    bool empty;

    vf_fill(v, SEED);
    if (region_set_state(r, R_PRECOPY) || region_save(r, &s))
        tap_bail("VF %s cannot be saved through the region", v->bdf);
    empty = region_get(r, F_OFFSET) == (int64_t)r->area && region_get(r, F_SIZE) == 0;
    ok(empty && !region_set_state(r, R_SAVING) && region_get(r, F_OFFSET) == (int64_t)r->area &&
       region_get(r, F_SIZE) > 0, "an empty chunk of pre-copy makes room for the next in SAVING");
    vf_reset(v);
    stream_free(&s);
}

/* ---- streams ---- */

static struct stream save_all(struct vf *v, struct region *r, bool precopy, uint64_t *sum)
{
    struct stream s = { 0 };
    int err = 0;

    vf_reset(v);
    vf_fill(v, SEED);
    if (precopy) {
        err = region_set_state(r, R_PRECOPY) ?: region_save(r, &s);
        vf_change(v, 20);
        /* a middle image comes once the driver has seen the change */
        for (size_t before = s.len; !err && s.len == before; relax())
            err = region_save(r, &s);
        vf_change(v, 10);
    }
    err = err ?: region_set_state(r, R_SAVING) ?: region_save(r, &s);
    *sum = wl_sum(v->wl);
    err = err ?: region_set_state(r, R_STOP);
    if (err)
        tap_bail("VF %s cannot be saved through the region: %s", v->bdf, strerror(-err));
    vf_reset(v);
    return s;
}

static void check_loaded(struct vf *v, int err, uint64_t sum, const char *what)
{
    ok(!err && wl_sum(v->wl) == sum && vf_alive(v), "%s: the target is what the source was", what);
    if (err)
        tap_diag("%s: %s", what, strerror(-err));
    vf_reset(v);
}

static void load_by_fd(struct vf *v, const struct stream *s, uint64_t sum, const char *what)
{
    int fd = -1, err = mig_set(&v->fn, VFIO_DEVICE_STATE_RESUMING, &fd);

    err = err ?: mig_write(fd, s->data, s->len) ?: mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    close(fd);
    check_loaded(v, err, sum, what);
}

static void load_by_region(struct vf *v, struct region *r, const struct stream *s, size_t chunk, uint64_t sum,
                           const char *what)
{
    size_t at = 0;
    int err = region_set_state(r, R_RESUMING);

    err = err ?: region_load(r, s, &at, chunk) ?: region_set_state(r, R_RUNNING);
    check_loaded(v, err, sum, what);
}

static void test_streams_of(struct vf *from, struct region *rf, struct vf *to, struct region *rt, bool precopy)
{
    static const size_t chunks[] = { 509, 4096, 65537, 1 << 20 };
    char what[96];
    uint64_t sum;
    struct stream s = save_all(from, rf, precopy, &sum);

    snprintf(what, sizeof(what), "%s, saved by the region, loaded by the FD", precopy ? "pre-copy" : "stopped");
    load_by_fd(to, &s, sum, what);
    for (unsigned i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
        snprintf(what, sizeof(what), "%s, by the region in chunks of %zu", precopy ? "pre-copy" : "stopped",
                 chunks[i]);
        load_by_region(to, rt, &s, chunks[i], sum, what);
    }
    stream_free(&s);
    s = vf_record(from, precopy, &sum);
    snprintf(what, sizeof(what), "%s, saved by the FD, loaded by the region", precopy ? "pre-copy" : "stopped");
    load_by_region(to, rt, &s, 1 << 20, sum, what);
    stream_free(&s);
}

/* ---- the order of a resume ---- */

static void test_resume_order(struct vf *v, struct region *r, const struct stream *s, uint64_t sum)
{
    size_t at = 0;

    ok(!region_set_state(r, R_RESUMING), "RUNNING to RESUMING");
    ok_eq(region_get(r, F_PENDING), 0, "nothing is pending in RESUMING");
    ok_eq(region_set_size(r, 16), -EINVAL, "data_size before data_offset is an error");
    ok_eq(region_get(r, F_OFFSET), r->area, "data_offset is where the section begins");
    ok_eq(region_get(r, F_SIZE), -EINVAL, "data_size is not read in a resume");
    ok_eq(region_set_size(r, r->area_size + 1), -EINVAL, "no chunk is longer than the section");
    ok_eq(region_set_size(r, UINT64_MAX), -EINVAL, "nor much longer");
    ok_eq(region_set_size(r, 0), 0, "an empty one is none");
    ok_eq(region_set_size(r, 16), -EINVAL, "the next one begins with data_offset");
    ok(!region_load(r, &(struct stream){ s->data, s->len / 2, 0 }, &at, 100000), "half of a stream");
    ok_eq(region_set_state(r, R_RUNNING), -EINVAL, "is not enough to run");
    ok_eq(region_set_state(r, R_STOP), -EINVAL, "nor to stop");
    ok_eq(region_get(r, F_STATE), R_RESUMING, "the state is what it was");
    ok(!region_load(r, s, &at, 100000) && !region_set_state(r, R_RUNNING), "the other half makes it whole");
    check_loaded(v, 0, sum, "in two halves");
}

/* Memory is short once, in a chunk of records and an image, and where a chunk begins with one. */
static void test_short_memory(struct vf *v, struct region *r, const struct stream *s, uint64_t sum)
{
    struct records all = records_of(s);
    size_t image = record_find(&all, VFIO_FERRY_TAG_FIRMWARE_DATA, 0)->at + HEADER, len = r->area_size / 2, at = 0;
    int err = region_set_state(r, R_RESUMING);

    ferry_fault(v, "alloc", 1, ENOMEM);
    err = err ?: region_load(r, s, &at, len) ?: region_set_state(r, R_RUNNING);
    check_loaded(v, err, sum, "memory short in the middle of a chunk");

    err = region_set_state(r, R_RESUMING) ?: region_load_chunk(r, s->data, image);
    ferry_fault(v, "alloc", 1, ENOMEM);
    err = err ?: region_load_chunk(r, s->data + image, len);
    ok_eq(err, -ENOMEM, "no memory for the begin of a chunk: ENOMEM");
    ok_eq(region_set_size(r, len - 1), -EINVAL, "no other chunk is taken then");
    ok_eq(region_set_size(r, len), 0, "the same one is");
    at = image + len;
    err = region_load(r, s, &at, 100000) ?: region_set_state(r, R_RUNNING);
    check_loaded(v, err, sum, "memory short at the begin of a chunk");
}

/* A bit of an image is wrong, in the middle. */
static void test_refusal(struct vf *v, struct region *r, const struct stream *s)
{
    struct stream bad = { 0 };
    size_t at = 0;
    int err;

    stream_append(&bad, s->data, s->len);
    bad.data[bad.len / 2] ^= 0x10;
    err = region_set_state(r, R_RESUMING) ?: region_load(r, &bad, &at, 65536);
    ok(err == -EBADMSG, "a corrupt stream is refused when its chunk is written (%d)", err);
    ok_eq(region_get(r, F_OFFSET), r->area, "data_offset still answers");
    ok(region_set_state(r, R_RUNNING) && region_get(r, F_STATE) == R_ERROR, "leaving RESUMING fails with ERROR");
    ok(region_set_state(r, R_RUNNING) && region_set_state(r, R_STOP) && region_set_state(r, R_ERROR) &&
       region_get(r, F_STATE) == R_ERROR, "which no write leaves");
    vf_reset(v);
    ok(region_get(r, F_STATE) == R_RUNNING && vf_alive(v), "but a reset");
    stream_free(&bad);
}

void test_region(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    struct region rf, rt;
    struct stream s;
    uint64_t sum;

    if (b->vfs < 2 || !from->ferry)
        tap_bail("the tests of the region need 2 VFs bound to ferry");
    vf_open(from);
    vf_open(to);
    if (region_open(&rf, &from->fn) || region_open(&rt, &to->fn))
        tap_bail("there is no migration region");
    test_offer(from, &rf);
    test_widths(&rf);
    test_fields(&rf);
    test_partial_fault(&rf);
    test_states(b, from, &rf);
    vf_fill(from, SEED);
    ferry_checksums(true);      /* streams of one state are the same then: none has a mark */
    test_order(from, &rf);
    ferry_checksums(false);
    test_empty_chunk(from, &rf);
    for (unsigned mapped = 0; mapped < 2; mapped++) {
        if (mapped) {
            test_mapping(&rf);
            ok(!region_map(&rt), "the target's section is mapped, too");
        }
        test_streams_of(from, &rf, to, &rt, false);
        test_streams_of(from, &rf, to, &rt, true);
    }
    ferry_checksums(true);      /* so that a changed bit is refused by whoever writes it */
    s = vf_record(from, true, &sum);
    ferry_checksums(false);
    test_resume_order(to, &rt, &s, sum);
    test_short_memory(to, &rt, &s, sum);
    test_refusal(to, &rt, &s);
    stream_free(&s);
    test_region_shared(b, from, &rf, to, &rt);
    region_unmap(&rf);
    region_unmap(&rt);
    vf_close(from);
    vf_close(to);
    bench_check_clean(b, "the region");
}
