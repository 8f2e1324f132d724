// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest may do to the model's Ethernet that no driver does: WQEs,
 * doorbell records and doorbells, receive WQEs, commands and images that are
 * nearly right.  The model may refuse most of it; that it lives, and passes
 * frames after a reset, is the test.  With `lab run --sanitize` it also
 * watches itself.  WQEs that are sent one by one must end as they deserve, and
 * only what they send arrives, so that a check that is missing shows, too.
 *
 * FUZZ_SEED and FUZZ_SECONDS: where it begins, and for how long it goes on;
 * FUZZ_SEEDS: these rounds, and no others.  The seed of each round is in the
 * file fuzz-seed of $LAB_OUT before the round begins, which is what is left if
 * QEMU ends with it.
 *
 * The bus addresses that it invents lead nowhere, or to memory of its own
 * that nothing else is in: what it tests is the model, not itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../lib/lab.h"
#include "../lib/random.h"
#include "fuzz.h"

enum { PAGE = 4096, STEPS = 200, SENDS = 300, LOADS = 48, OBJECTS = 20, PATIENCE = 5000, BRIEFLY = 50 };

uint64_t fuzz_cases;
static uint64_t state;

#define CORPUS "tools/lab/tests/bare/fuzz-corpus"

uint32_t any(uint32_t below)
{
    return random_below(&state, below);
}

uint64_t any64(void)
{
    return random_next(&state);
}

/* Of small numbers, their neighbours, powers of two, and all others. */
uint32_t any_value(void)
{
    switch (any(4)) {
    case 0: return any(20);
    case 1: return (1u << any(32)) - any(2);
    case 2: return -any(20);
    }
    return any64();
}

void spoil(uint8_t *p, uint32_t len, unsigned times)
{
    for (; times && len; times--) {
        uint32_t at = any(len);

        p[at] = any(2) ? p[at] ^ 1 << any(8) : (uint8_t)any(256);
    }
}

/* ---- functions ---- */

static uint32_t fresh_used[BENCH_VFS];

/* As after power-on: by the PF's command, which is faster than FLR, or by that. */
static struct vf *fresh(struct bench *b, unsigned n)
{
    struct fw_cmd off = vhca_enable_cmd(b->vf[n].function, false), on = vhca_enable_cmd(b->vf[n].function, true);
    struct vf *v = &b->vf[n];

    if (!any(32) || !fresh_used[n] || fw_status(fw_exec(&b->pf, &off)) || fw_status(fw_exec(&b->pf, &on))) {
        bench_vf(b, n);
        fresh_used[n] = v->fw.m.used;
    }
    fw_free_to(&v->fw, fresh_used[n]);
    if (!fw_start(&v->fw))
        tap_bail("VF %u's firmware interface does not start", n);
    return v;
}

static void create_both(struct bench *b, struct fw_eth e[2])
{
    for (unsigned i = 0; i < 2; i++)
        fw_eth_create(&fresh(b, i)->fw, &e[i]);
}

/* ---- queues ---- */

/* Of its SQ, mostly; or of anything else in a page of doorbells. */
static void any_doorbell(struct fw *fw, const struct fw_eth *e)
{
    static const uint16_t places[] = { UAR_CQ_ARM, UAR_EQ_ARM, UAR_EQ_CI };
    volatile uint8_t *page = fw->bar + (any(20) ? e->uar : UAR_FIRST + any(UAR_LAST - UAR_FIRST)) * PAGE;
    uint32_t at = any(20) ? UAR_DOORBELL + (any(2) << LOG_BF_REG_SIZE) : any(2) ? places[any(3)] : any(PAGE / 8) * 8;
    uint32_t sqn = any(10) ? e->sqn : any(2) ? any(8) : any_value();

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (any(8))
        *(volatile uint64_t *)(page + at) = htobe64((uint64_t)e->send_pc << 40 | (sqn & 0xffffff) << 8 | 1);
    else
        *(volatile uint32_t *)(page + at + any(2) * 4) = htobe32(any(2) ? any_value() : e->eq.eqn << 24 | any(80));
}

/* Where a frame is written to is memory for frames, whatever else is wrong. */
static void any_receive(struct fw *fw, struct fw_eth *e)
{
    unsigned n = any(FUZZ_RING);

    for (unsigned i = 0; i < FUZZ_RING; i++) {
        uint8_t *wqe = fw->ram + e->recv_ring + i * WQE_UNIT;

        if (any(8))
            continue;
        ifc_set(wqe + DATA_SIZE, 0, 32, any(4) ? any(4096) : any_value());
        ifc_set(wqe + DATA_KEY, 0, 32, any(4) ? e->key : any_value());
        ifc_set(wqe + DATA_ADDR, 0, 64, any(8) ? fw_iova(fw, e->buffers + any(ETH_BUFFER)) : NO_IOVA);
    }
    if (any(8))
        fw_eth_post(fw, e, n);
    else
        fw_record_write(fw, e->recv_record + WQ_DBR_RECV, any_value());
}

static void reap(struct fw *fw, struct fw_eth *e)
{
    while (fw_cq_next(fw, &e->send_cq) || fw_cq_next(fw, &e->recv_cq))
        ;
    if (!any(4))
        fw_cq_arm(fw, any(2) ? &e->send_cq : &e->recv_cq);
    while (fw_eq_next(fw, &e->eq))
        ;
    fw_eq_update(fw, &e->eq, any(2));
}

/* As a driver takes a queue out of its error state; its counter begins again while the queue does not run. */
static bool restart(struct fw *fw, bool send, const struct fw_eth *e)
{
    uint32_t id = send ? e->sqn : e->rqn;
    unsigned modify = send ? OP_MODIFY_SQ : OP_MODIFY_RQ;
    int was = fw_eth_state(fw, send ? OP_QUERY_SQ : OP_QUERY_RQ, id);
    struct fw_cmd c;

    if (was < 0)
        return false;
    fw_eth_state_cmd(&c, modify, id, was, WQ_RST);
    if (was != WQ_RST && fw_status(fw_exec(fw, &c)))
        return false;
    fw_record_write(fw, send ? e->send_record + WQ_DBR_SEND : e->recv_record + WQ_DBR_RECV, 0);
    fw_eth_state_cmd(&c, modify, id, WQ_RST, WQ_RDY);
    return !fw_status(fw_exec(fw, &c));
}

static bool recover(struct fw *fw, struct fw_eth *e)
{
    e->send_pc = e->recv_pc = 0;
    return restart(fw, true, e) && restart(fw, false, e);
}

static void post_wqe(struct fw *fw, struct fw_eth *e, const uint8_t *to)
{
    struct fuzz_wqe w;

    fuzz_wqe(fw, e, to, &w);
    if (any(2))
        fuzz_wqe_spoil(fw, e, &w);
    fuzz_wqe_post(fw, e, &w);
}

/* Without a command: a function that is suspended answers none. */
static void queue_frames(struct fw *fw, struct fw_eth *e, const uint8_t *to)
{
    switch (any(11)) {
    case 0:
        any_receive(fw, e);
        break;
    case 1:
        reap(fw, e);
        break;
    default:
        for (unsigned n = 1 + any(4); n; n--)
            post_wqe(fw, e, to);
        fw_record_write(fw, e->send_record + WQ_DBR_SEND, any(30) ? e->send_pc : any_value());
        any_doorbell(fw, e);
    }
}

static void queue_step(struct fw *fw, struct fw_eth *e, const uint8_t *to)
{
    if (any(12))
        queue_frames(fw, e, to);
    else
        recover(fw, e);
}

/* What is posted reaches the device in one doorbell. */
static void ring(struct fw *fw, const struct fw_eth *e)
{
    fw_record_write(fw, e->send_record + WQ_DBR_SEND, e->send_pc);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *(volatile uint64_t *)(fw->bar + e->uar * PAGE + UAR_DOORBELL) = htobe64((uint64_t)e->sqn << 8 | 1);
}

/* ---- images ---- */

/* Where one of its numbers is, or, with small, one that may be a size, a state or a reference. */
static uint8_t *any_number(uint8_t *objects, uint32_t bytes, bool small)
{
    uint8_t *p = objects;

    for (unsigned i = 0; i < 64; i++) {
        p = objects + any(bytes / 4) * 4;
        if (!small || get_le32(p) - 1 < 63)
            break;
    }
    return p;
}

static void spoil_number(uint8_t *objects, uint32_t bytes)
{
    uint8_t *p = any_number(objects, bytes, any(3));
    uint32_t was = get_le32(p);

    switch (any(4)) {
    case 0:
        was = any_value();
        break;
    case 1:
        was += any(3) - 1;
        break;
    case 2:
        was = any(8);
        break;
    case 3:
        was = get_le32(any_number(objects, bytes, true));
    }
    put_le32(p, was);
}

/*
 * Some numbers of an image's objects are changed, or a few bytes, and its checksums fit: the function it
 * becomes sends, and is sent to.
 */
static void spoil_image(uint8_t *p, uint32_t len)
{
    uint32_t bytes;
    uint8_t *objects = image_objects(p, len, &bytes);

    if (any(5))
        for (unsigned n = 1 + any(2); n; n--)
            spoil_number(objects, bytes);
    else
        spoil(objects, bytes, 1 + any(4));
    image_seal(p, len);
    fuzz_cases++;
}

/* A sender whose queue is not in its error state, for what it sends is often wrong. */
static void send_from(struct bench *b, struct fw_eth *e, const uint8_t *to)
{
    recover(&b->vf[1].fw, e);
    queue_frames(&b->vf[1].fw, e, to);
}

/* Which may be loaded, and what it does then: it has the queues that the one had that is stopped. */
static void use_loaded(struct bench *b, struct vf *to, const struct buffer *buf, struct fw_eth e[2])
{
    struct fw fw = b->vf[0].fw;
    struct fw_eth its = e[0];
    uint32_t len, next;

    fw.bar = to->fw.bar;
    for (unsigned i = 0; i < 4; i++) {
        send_from(b, &e[1], its.mac);
        queue_frames(&fw, &its, e[1].mac);
        *(volatile uint64_t *)(fw.bar + (UAR_FIRST + any(4)) * PAGE + UAR_DOORBELL) =
            htobe64((uint64_t)(1 + any(3)) << 8 | 1);
    }
    for (unsigned i = 0; i < 12 && fuzz_command(&fw, &its, BRIEFLY); i++)
        if (!any(4))
            send_from(b, &e[1], its.mac);
    if (!any(2) && !vhca_stop(b, to->id))
        vhca_save(b, to->id, false, false, buf, &len, &next);
}

static void image_steps(struct bench *b, const struct buffer *buf, struct fw_eth e[2])
{
    const struct vf *from = &b->vf[0];
    uint8_t *data = bench_data(b, buf), *whole;
    uint32_t len, next;

    if (vhca_stop(b, from->id) || vhca_save(b, from->id, false, false, buf, &len, &next))
        tap_bail("a VF with queues cannot be saved");
    whole = malloc(len);
    memcpy(whole, data, len);
    for (unsigned n = 0; n < LOADS; n++) {
        struct vf *to = fresh(b, 2);

        if (vhca_stop(b, to->id))
            tap_bail("a VF does not stop");
        memcpy(data, whole, len);
        spoil_image(data, len);
        if (!vhca_load(b, to->id, buf, len) && !vhca_start(b, to->id))
            use_loaded(b, to, buf, e);
    }
    free(whole);
}

/* ---- one by one ---- */

static const uint8_t *completion(struct fw *fw, struct fw_cq *cq, unsigned ms)
{
    const uint8_t *cqe = NULL;

    wait_until((cqe = fw_cq_next(fw, cq)), ms);
    return cqe;
}

/* What arrived, whose place is free again; NULL: nothing. */
static const uint8_t *arrived(struct vf *to, struct fw_eth *t, unsigned ms, uint32_t *len)
{
    const uint8_t *cqe = completion(&to->fw, &t->recv_cq, ms);
    uint32_t slot;

    if (!cqe || cqe[CQE_OP_OWN] >> 4 != CQE_OP_RESP_SEND)
        return NULL;
    slot = ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) & (FUZZ_RING - 1);
    *len = ifc_get(cqe + CQE_BYTE_CNT, 0, 32);
    fw_eth_post(&to->fw, t, 1);
    return to->ram + t->buffers + slot * ETH_BUFFER;
}

/* All that was on its way has come, or was dropped, when a frame of a kind of its own arrives. */
static bool settles(struct vf *from, struct fw_eth *f, struct vf *to, struct fw_eth *t)
{
    uint8_t *frame = from->ram + f->frames;
    const uint8_t *got;
    uint32_t len;

    for (unsigned i = 0; i < 100; i++)
        frame[i] = i * 3;
    memcpy(frame, t->mac, 6);
    memcpy(frame + 6, f->mac, 6);
    ifc_set(frame + 12, 0, 16, 0x88b5);
    for (unsigned n = 0; n < 20; n++) {
        /* an earlier one may still be on its way */
        frame[14] = n;
        fw_eth_wqe(&from->fw, f, 100);
        fw_eth_send(&from->fw, f, 1, true);
        if (!completion(&from->fw, &f->send_cq, PATIENCE))
            return false;
        while ((got = arrived(to, t, 250, &len)))
            if (len == 100 && !memcmp(got, frame, 100))
                return true;
    }
    return false;
}

/* A frame arrives as it was sent, once what was spoilt of the queues is as it was. */
static bool passes_frames(struct vf *from, struct fw_eth *f, struct vf *to, struct fw_eth *t)
{
    if (!recover(&from->fw, f) || !recover(&to->fw, t))
        return false;
    reap(&from->fw, f);
    reap(&to->fw, t);
    fw_eth_post(&to->fw, t, FUZZ_RING);
    return settles(from, f, to, t);
}

/* Is it what lies in the sender's memory?  Sums may have been filled in, and a tag taken off. */
static bool is_frame(const uint8_t *got, uint32_t got_len, const uint8_t *sent, uint32_t len, bool sums)
{
    uint32_t tag = len >= 18 && sent[12] == 0x81 && !sent[13] ? 4 : 0;

    return got && got_len == len - tag && !memcmp(got, sent, 12) &&
           (sums || !memcmp(got + 12, sent + 12 + tag, len - tag - 12));
}

static bool arrives(struct vf *from, struct fw_eth *f, struct vf *to, struct fw_eth *t, const struct fuzz_wqe *w)
{
    const uint8_t *sent = from->ram + f->frames, *got;
    uint32_t len = 0;

    if (w->bytes[WQE_OPCODE] == WQE_OP_NOP)
        return true;
    if (w->bytes[WQE_OPCODE] != WQE_OP_SEND || !w->frame_known || w->len > ETH_BUFFER)
        return settles(from, f, to, t);
    if (sent[0] & 1)
        return true;
    got = arrived(to, t, PATIENCE, &len);
    if (is_frame(got, len, sent, w->len, w->bytes[WQE_ETH_CS] & (WQE_CS_L3 | WQE_CS_L4)))
        return true;
    tap_diag("a frame of %u bytes, type %02x%02x, sums %#x: %s arrives, of %u", w->len, sent[12], sent[13],
             w->bytes[WQE_ETH_CS], got ? "another" : "none", len);
    return false;
}

/* One WQE, its completion, and its frame; false: not as it should be. */
static bool send_one(struct vf *from, struct fw_eth *f, struct vf *to, struct fw_eth *t)
{
    uint16_t counter = f->send_pc;
    const uint8_t *cqe;
    struct fuzz_wqe w;
    int verdict, found;

    fuzz_wqe(&from->fw, f, t->mac, &w);
    if (any(2))
        fuzz_wqe_spoil(&from->fw, f, &w);
    w.bytes[WQE_FLAGS] = WQE_CE_ALWAYS;
    verdict = fuzz_wqe_verdict(f, &w, fuzz_wqe_post(&from->fw, f, &w));
    ring(&from->fw, f);
    cqe = completion(&from->fw, &f->send_cq, PATIENCE);
    found = !cqe ? -2 : cqe[CQE_OP_OWN] >> 4 == CQE_OP_REQ ? FUZZ_SENT : cqe[CQE_SYNDROME];
    if (found == -2 || ifc_get(cqe + CQE_WQE_COUNTER, 0, 16) != counter ||
        (found != verdict && (verdict != FUZZ_EITHER || (found && found != CQE_SYND_LENGTH)))) {
        tap_diag("a WQE ends with %d, not %d:", found, verdict);
        for (unsigned at = 0; at < w.units * WQE_UNIT; at += WQE_UNIT)
            tap_diag("%016llx %016llx", (unsigned long long)ifc_get(w.bytes + at, 0, 64),
                     (unsigned long long)ifc_get(w.bytes + at + 8, 0, 64));
        return false;
    }
    if (found == FUZZ_SENT)
        return arrives(from, f, to, t, &w);
    f->send_pc = 0;
    return restart(&from->fw, true, f);
}

/* ---- rounds ---- */

static bool send_round(struct vf *v, struct fw_eth e[2])
{
    fw_eth_post(&v[1].fw, &e[1], FUZZ_RING);
    for (unsigned n = 0; n < SENDS; n++) {
        if (!any(20) && !fuzz_hash(&v[1].fw, &e[1]))
            return false;
        if (!send_one(&v[0], &e[0], &v[1], &e[1])) {
            tap_diag("the %uth WQE of its round", n);
            return false;
        }
    }
    return settles(&v[0], &e[0], &v[1], &e[1]);
}

static bool queue_round(struct vf *v, struct fw_eth e[2])
{
    for (unsigned n = 0; n < STEPS; n++) {
        unsigned i = any(2);

        queue_step(&v[i].fw, &e[i], e[any(8) ? !i : i].mac);
    }
    return passes_frames(&v[0], &e[0], &v[1], &e[1]);
}

/* A function is stopped in the midst of it, saved, perhaps loaded, and goes on. */
static bool pauses(struct bench *b, const struct buffer *buf, struct fw_eth e[2])
{
    unsigned i = any(2), id = b->vf[i].id;
    uint32_t len, next;
    bool fine = !vhca_suspend(b, id, SUSPEND_INITIATOR);

    for (unsigned n = any(6); n; n--) {
        unsigned k = any(2);

        queue_frames(&b->vf[k].fw, &e[k], e[!k].mac);
    }
    fine = fine && !vhca_suspend(b, id, SUSPEND_RESPONDER);
    queue_frames(&b->vf[!i].fw, &e[!i], e[i].mac);
    if (any(2))
        fine = fine && !vhca_save(b, id, false, false, buf, &len, &next) && !vhca_load(b, id, buf, len);
    queue_frames(&b->vf[!i].fw, &e[!i], e[i].mac);
    return fine && !vhca_start(b, id);
}

static bool command_round(struct bench *b, const struct buffer *buf, struct fw_eth e[2])
{
    struct fw_eth made[2] = { e[0], e[1] };

    for (unsigned n = 0; n < STEPS; n++) {
        unsigned i = any(2);

        if (!fuzz_command(&b->vf[i].fw, &made[i], PATIENCE) || (!any(40) && !pauses(b, buf, e)))
            return false;
        if (any(2))
            queue_step(&b->vf[i].fw, &e[i], e[!i].mac);
    }
    create_both(b, e);
    return passes_frames(&b->vf[0], &e[0], &b->vf[1], &e[1]);
}

/* Tables before the one that it has: each leads to the next, which an image may say otherwise. */
static void chain_tables(struct fw *fw, const struct fw_eth *e)
{
    struct fw_eth first = *e;
    struct fw_cmd c;

    for (unsigned level = ETH_LEVEL - 1; level; level--) {
        fw_eth_table_cmd(fw, &c, e);
        cmd_set(&c, F_FT_LEVEL, level);
        cmd_set(&c, F_FT_MISS_ACTION, FT_MISS_TABLE);
        cmd_set(&c, F_FT_MISS_ID, first.table);
        first.table = fw_must(fw, &c, "CREATE_FLOW_TABLE");
    }
    fw_eth_root_cmd(fw, &c, &first);
    fw_must(fw, &c, "SET_FLOW_TABLE_ROOT");
}

/* Of a function with more than its queues. What was loaded goes, for it may send without end, and the next round begins as any. */
static bool image_round(struct bench *b, const struct buffer *buf, struct fw_eth e[2])
{
    struct fw_eth made = e[0];

    chain_tables(&b->vf[0].fw, &e[0]);
    for (unsigned n = 0; n < OBJECTS; n++) {
        if (!fuzz_command(&b->vf[0].fw, &made, PATIENCE))
            return false;
        if (!any(4))
            queue_step(&b->vf[0].fw, &e[0], e[1].mac);
    }
    image_steps(b, buf, e);
    fresh(b, 2);
    create_both(b, e);
    return passes_frames(&b->vf[0], &e[0], &b->vf[1], &e[1]);
}

static bool one_round(struct bench *b, const struct buffer *buf, uint64_t seed)
{
    struct fw_eth e[2];

    state = seed * 0x9e3779b97f4a7c15ull + 1;
    create_both(b, e);
    switch (seed % 5) {
    case 0:
    case 1:
        return command_round(b, buf, e);
    case 2:
        return image_round(b, buf, e);
    case 3:
        return queue_round(b->vf, e);
    }
    return send_round(b->vf, e);
}

/* Where the host finds it, whatever becomes of this VM. */
static void note_seed(uint64_t seed)
{
    static FILE *file;
    char path[256];

    if (!file) {
        snprintf(path, sizeof(path), "%s/fuzz-seed", getenv("LAB_OUT") ? getenv("LAB_OUT") : "/tmp");
        file = fopen(path, "w");
    }
    if (!file || ftruncate(fileno(file), 0))
        tap_bail("no file for the seed");
    rewind(file);
    fprintf(file, "%llu\n", (unsigned long long)seed);
    fflush(file);
    fsync(fileno(file));
}

static bool noted_round(struct bench *b, const struct buffer *buf, uint64_t seed)
{
    bool good;

    note_seed(seed);
    good = one_round(b, buf, seed);
    if (!good)
        tap_diag("FUZZ_SEEDS=%llu", (unsigned long long)seed);
    return good;
}

static void replay(struct bench *b, const struct buffer *buf, char *seeds)
{
    for (char *word = strtok(seeds, " ,"); word; word = strtok(NULL, " ,"))
        ok(noted_round(b, buf, strtoull(word, NULL, 0)), "the round of seed %s", word);
}

/* What found something once. */
static void replay_corpus(struct bench *b, const struct buffer *buf)
{
    FILE *corpus = fopen(CORPUS, "r");
    unsigned long long seed;
    char line[256];

    if (!corpus)
        tap_bail("no " CORPUS);
    while (fgets(line, sizeof(line), corpus))
        if (sscanf(line, "%llu", &seed) == 1)
            ok(noted_round(b, buf, seed), "%.*s", (int)strcspn(line, "\n"), line);
    fclose(corpus);
}

void test_fuzz(struct bench *b)
{
    const char *seed = getenv("FUZZ_SEED"), *seconds = getenv("FUZZ_SECONDS");
    uint64_t first = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 1000, n;
    double began = now_ms(), until = began + (seconds ? atof(seconds) : 20) * 1000;
    struct buffer buf = bench_buffer(b, 32 << 20);
    bool good = true;

    lab_expect("DMAR: ");
    if (getenv("FUZZ_SEEDS")) {
        replay(b, &buf, getenv("FUZZ_SEEDS"));
        bench_free_buffer(b, &buf);
        return;
    }
    replay_corpus(b, &buf);
    until += now_ms() - began;
    for (n = 0; good && (n < 5 || now_ms() < until); n++) {
        if (n % 500 == 0)
            tap_diag("FUZZ_SEED=%llu, %llu cases so far", (unsigned long long)(first + n), (unsigned long long)fuzz_cases);
        good = noted_round(b, &buf, first + n);
    }
    ok(good, "%llu cases in %llu rounds in %.0f s", (unsigned long long)fuzz_cases, (unsigned long long)n,
       (now_ms() - began) / 1000);
    bench_free_buffer(b, &buf);
}
