// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunk mode: a state in as many images as it takes, each no larger than its
 * buffer; while the function runs and when it is stopped.
 */
#include "refusals.h"

enum {
    PAGE = 4096,
    CHUNK = 1 << 20,                    /* the model's chunk-size */
    NOISE = 5 << 20,
    ESTIMATE = 25,                      /* percent, the model's default */
    MAX_IMAGES = 16,
};

static unsigned load_all(struct bench *b, struct vf *w, struct buffer *buf, uint32_t *len,
                         unsigned n)
{
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++)
        good += !vhca_load(b, w->id, &buf[i], len[i]);
    return good;
}

void test_chunks(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct buffer buf[MAX_IMAGES];
    uint32_t len[MAX_IMAGES], used = b->pf.m.used, next = 1;
    struct required need;
    struct fw_cmd c;
    unsigned n = 0, larger = 0;
    uint64_t sum;

    for (unsigned i = 0; i < MAX_IMAGES; i++)
        buf[i] = bench_buffer(b, CHUNK + 2 * PAGE);
    wl_fill(v->wl, 0, NOISE, 41);
    ok(!vhca_query(b, v->id, false, true, &need) && need.size <= CHUNK + 2 * PAGE &&
       need.remaining >= NOISE,
       "QUERY in chunks: an image of %u bytes, %llu in all", need.size,
       (unsigned long long)need.remaining);

    c = vhca_save_cmd(v->id, false, true, &buf[0], need.size - 1);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_BUFFER_SHORT,
            "a tracked SAVE smaller than a chunk");
    /* while it runs: as long as there is something */
    ok_eq(vhca_save(b, v->id, false, true, &buf[n], &len[n], NULL), ST_OK, "a first chunk");
    for (n = 1; n < 3; n++) {
        ok(!vhca_query(b, v->id, true, true, &need) && need.size, "and more is left");
        ok_eq(vhca_save(b, v->id, true, true, &buf[n], &len[n], NULL), ST_OK, "another chunk");
    }
    sum = wl_sum(v->wl);
    vhca_stop(b, v->id);
    ok(!vhca_query(b, v->id, true, true, &need) &&
       need.remaining > (NOISE - 3 * (CHUNK + 2 * PAGE)) / 100 * (100 + ESTIMATE),
       "QUERY of the stopped function says more than there is: %llu bytes", (unsigned long long)need.remaining);
    while (next && n < MAX_IMAGES) {
        if (vhca_save(b, v->id, true, false, &buf[n], &len[n], &next))
            break;
        larger += len[n] > buf[n].size || next > buf[n].size;
        n++;
    }
    ok(!next, "final SAVEs end with next_required_umem_size 0, after %u images in all", n);
    ok_eq(larger, 0, "none was larger than a chunk");
    ok(!ctl_tracked(b->control, v->id), "tracking has ended");
    vhca_stop(b, w->id);
    ok_eq(load_all(b, w, buf, len, n), n, "all load");
    ok_eq(wl_sum(w->wl), sum, "and the memory is complete");
    ok_eq(vhca_start(b, w->id), ST_OK, "the function resumes");

    /* stopped from the start */
    w = bench_running_vf(b, 1);
    vhca_stop(b, w->id);
    ok(!vhca_query(b, v->id, false, true, &need) && need.remaining >= NOISE,
       "QUERY of a function that is not tracked");
    n = 0;
    do {
        if (vhca_save(b, v->id, n > 0, false, &buf[n], &len[n], &next))
            break;
        n++;
    } while (next && n < MAX_IMAGES);
    ok(n >= NOISE / CHUNK && !next, "a stopped function is saved in %u chunks", n);
    ok_eq(load_all(b, w, buf, len, n), n, "all load");
    ok_eq(wl_sum(w->wl), sum, "and the memory is complete");
    ok_eq(vhca_resume(b, v->id, RESUME_RESPONDER), ST_OK, "the source resumes");
    for (unsigned i = MAX_IMAGES; i-- > 0;)
        bench_free_buffer(b, &buf[i]);
    fw_free_to(&b->pf, used);
}
