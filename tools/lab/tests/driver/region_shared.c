// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The migration region beside the other protocol, beside firmware that fails,
 * and in several threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "region.h"

enum {
    SLOW_US     = 2000000,      /* a SAVE that ends after all that a test does meanwhile */
    FOREVER_MS  = 20000,        /* nothing here takes so long */
    RACE_SEED   = 11,
    RACE_MOVES  = 200,
    RACE_LIMIT  = 20000,
    RESET_EVERY = 20,           /* moves */
};

/* ---- two protocols ---- */

static int fd_state(struct vf *v, int state, int *fd)
{
    return mig_set(&v->fn, state, fd);
}

static void test_fd_owns(struct vf *v, struct region *r)
{
    static const int sessions[] = {
        VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_STOP_COPY,
        VFIO_DEVICE_STATE_RESUMING
    };
    static const uint32_t moves[] = { R_STOP, R_RUNNING, R_SAVING, R_PRECOPY, R_RESUMING };
    static const int64_t seen[] = { R_PRECOPY, R_PRECOPY, R_SAVING, R_RESUMING };

    for (unsigned i = 0; i < sizeof(sessions) / sizeof(*sessions); i++) {
        unsigned busy = 0;
        int fd = -1;

        vf_reset(v);
        if (fd_state(v, sessions[i], &fd))
            tap_bail("VF %s does not go to %s", v->bdf, mig_name(sessions[i]));
        for (unsigned m = 0; m < sizeof(moves) / sizeof(*moves); m++)
            busy += region_set_state(r, moves[m]) == -EBUSY;
        busy += region_get(r, F_PENDING) == -EBUSY;
        busy += region_get(r, F_OFFSET) == -EBUSY;
        busy += region_get(r, F_SIZE) == -EBUSY;
        busy += region_set_size(r, 1) == -EBUSY;
        ok(busy == 9 && region_get(r, F_STATE) == seen[i] && mig_get(&v->fn) == sessions[i],
           "a session of the FD in %s: the region is told EBUSY, and may look (%u of 9)", mig_name(sessions[i]),
           busy);
        close(fd);
    }
    vf_reset(v);
}

/* The session that the region leaves alone is whole. */
static void test_fd_undisturbed(struct vf *from, struct region *r, struct vf *to)
{
    struct stream s = { 0 };
    bool ended = false;
    uint64_t sum;
    int fd, err;

    vf_fill(from, SEED);
    err = fd_state(from, VFIO_DEVICE_STATE_PRE_COPY, &fd);
    while (!err && !ended) {
        uint8_t piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));
        int why = n < 0 ? errno : 0;

        if (region_get(r, F_OFFSET) != -EBUSY || region_set_state(r, R_STOP) != -EBUSY)
            err = -EPROTO;
        else if (n > 0)
            stream_append(&s, piece, n);
        else if (why == ENOMSG)
            err = fd_state(from, VFIO_DEVICE_STATE_STOP_COPY, NULL);
        else if (why)
            err = -why;
        else
            ended = true;
    }
    sum = wl_sum(from->wl);
    close(fd);
    fd = -1;
    err = err ?: fd_state(to, VFIO_DEVICE_STATE_RESUMING, &fd) ?: mig_write(fd, s.data, s.len) ?:
          fd_state(to, VFIO_DEVICE_STATE_RUNNING, NULL);
    ok(!err && wl_sum(to->wl) == sum, "a session of the FD is whole in spite of the region's attempts");
    close(fd);
    stream_free(&s);
    vf_reset(from);
    vf_reset(to);
}

static void test_region_owns(struct vf *from, struct region *rf, struct vf *to, struct region *rt)
{
    static const uint32_t sessions[] = { R_PRECOPY, R_SAVING, R_RESUMING };
    static const int64_t seen[] = {
        VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_RESUMING
    };
    struct stream s = { 0 };
    size_t at = 0;
    uint64_t sum;
    int err, fd;

    for (unsigned i = 0; i < 3; i++) {
        unsigned busy = 0;

        vf_reset(from);
        err = region_set_state(rf, sessions[i]);
        for (int state = VFIO_DEVICE_STATE_STOP; state <= VFIO_DEVICE_STATE_PRE_COPY_P2P; state++)
            busy += fd_state(from, state, &fd) == -EBUSY && fd < 0;
        ok(!err && busy == 7 && mig_get(&from->fn) == seen[i] && mig_data_size(&from->fn) > 0 &&
           region_get(rf, F_STATE) == (int64_t)sessions[i],
           "a session of the region in %s: the FD's protocol is told EBUSY, and may look (%u of 7)",
           region_state_name(sessions[i]), busy);
    }
    vf_reset(from);
    vf_fill(from, SEED);
    err = region_set_state(rf, R_PRECOPY);
    while (!err && region_get(rf, F_STATE) == R_PRECOPY) {
        ssize_t n = region_save_chunk(rf, &s);

        err = n < 0 ? n : fd_state(from, VFIO_DEVICE_STATE_RUNNING, NULL) == -EBUSY ? 0 : -EPROTO;
        if (!err && !n)
            err = region_set_state(rf, R_SAVING);
    }
    err = err ?: region_save(rf, &s);
    sum = wl_sum(from->wl);
    err = err ?: region_set_state(rf, R_STOP);
    err = err ?: fd_state(from, VFIO_DEVICE_STATE_RUNNING, NULL);
    ok(!err && vf_alive(from), "when the region's session is over, the FD's protocol goes on from there (%d)", err);
    err = region_set_state(rt, R_RESUMING) ?: region_load(rt, &s, &at, 1 << 20) ?: region_set_state(rt, R_STOP);
    err = err ?: fd_state(to, VFIO_DEVICE_STATE_RUNNING, NULL);
    ok(!err && wl_sum(to->wl) == sum, "and what the region's moved is whole");
    stream_free(&s);
    vf_reset(from);
    vf_reset(to);
}

/* ---- failures ---- */

struct failure {
    uint32_t from, to;
    const char *site;
    unsigned nth;
    const char *second;         /* fails as well, at its first use */
    uint32_t end;
};

/* A session that has ended cannot be had back, nor can what firmware will not undo: ERROR. */
static const struct failure failures[] = {
    { R_RUNNING, R_STOP, "suspend", 1, NULL, R_RUNNING },
    { R_RUNNING, R_STOP, "suspend", 2, NULL, R_RUNNING },
    { R_RUNNING, R_STOP, "suspend", 2, "resume", R_ERROR },
    { R_RUNNING, R_SAVING, "suspend", 1, NULL, R_RUNNING },
    { R_RUNNING, R_SAVING, "suspend", 2, NULL, R_RUNNING },
    { R_RUNNING, R_SAVING, "session", 1, NULL, R_RUNNING },
    { R_RUNNING, R_SAVING, "query", 1, NULL, R_RUNNING },
    { R_RUNNING, R_SAVING, "alloc", 1, NULL, R_RUNNING },
    { R_RUNNING, R_SAVING, "map", 1, NULL, R_RUNNING },
    { R_RUNNING, R_SAVING, "query", 1, "resume", R_ERROR },
    { R_RUNNING, R_PRECOPY, "session", 1, NULL, R_RUNNING },
    { R_RUNNING, R_PRECOPY, "query", 1, NULL, R_RUNNING },
    { R_RUNNING, R_PRECOPY, "map", 1, NULL, R_RUNNING },
    { R_RUNNING, R_RESUMING, "suspend", 2, NULL, R_RUNNING },
    { R_RUNNING, R_RESUMING, "session", 1, NULL, R_RUNNING },
    { R_STOP, R_RUNNING, "resume", 1, NULL, R_STOP },
    { R_STOP, R_RUNNING, "resume", 2, NULL, R_STOP },
    { R_STOP, R_SAVING, "query", 1, NULL, R_STOP },
    { R_STOP, R_PRECOPY, "query", 1, NULL, R_STOP },
    { R_PRECOPY, R_SAVING, "suspend", 1, NULL, R_PRECOPY },
    { R_PRECOPY, R_SAVING, "suspend", 2, NULL, R_PRECOPY },
    { R_PRECOPY, R_SAVING, "query", 1, NULL, R_PRECOPY },
    { R_PRECOPY, R_SAVING, "suspend", 2, "resume", R_ERROR },
    { R_PRECOPY, R_STOP, "suspend", 1, NULL, R_ERROR },
    { R_SAVING, R_RUNNING, "resume", 1, NULL, R_ERROR },
    { }
};

static void disarm(struct vf *v, const struct failure *f)
{
    ferry_fault(v, f->site, 0, EIO);
    if (f->second)
        ferry_fault(v, f->second, 0, EIO);
}

/* Whatever is read of a pre-copy before the failure belongs to the stream after it. */
static void test_failure(struct bench *b, struct vf *v, struct region *r, const struct failure *f)
{
    struct stream s = { 0 };
    int64_t state;
    int err;

    vf_reset(v);
    err = region_set_state(r, f->from);
    if (!err && f->from == R_PRECOPY)
        err = region_save(r, &s);
    if (err)
        tap_bail("VF %s does not go to %s: %s", v->bdf, region_state_name(f->from), strerror(-err));
    ferry_fault(v, f->site, f->nth, EIO);
    if (f->second)
        ferry_fault(v, f->second, 1, EIO);
    err = region_set_state(r, f->to);
    disarm(v, f);
    state = region_get(r, F_STATE);
    ok(err && state == (int64_t)f->end &&
       (f->end == R_ERROR || model_state(b, v->id) == (f->end & R_RUNNING ? VHCA_STATE_RUNNING : VHCA_STATE_STOPPED)),
       "%s to %s, %s %u%s%s fails: the state is %s (%s)", region_state_name(f->from), region_state_name(f->to),
       f->site, f->nth, f->second ? " and " : "", f->second ?: "", region_state_name(f->end),
       region_state_name(state));
    if (f->end != R_ERROR) {
        err = region_set_state(r, f->to);
        if (!err && f->to == R_SAVING)
            err = region_save(r, &s);
        ok(!err && region_get(r, F_STATE) == (int64_t)f->to, "tried again, it goes (%d)", err);
    } else {
        ok(region_set_state(r, R_RUNNING), "ERROR stays");
    }
    stream_free(&s);
}

/* A SAVE that fails when its time comes, and memory for the section. */
static void test_late_failures(struct vf *v, struct region *r)
{
    static const char *const sites[] = { "save", "saved" };

    for (unsigned i = 0; i < 2; i++) {
        struct stream s = { 0 };

        vf_reset(v);
        ferry_fault(v, sites[i], 1, EIO);
        ok(!region_set_state(r, R_SAVING) && region_get(r, F_PENDING) > 0 && region_save(r, &s) == -EIO,
           "a SAVE that fails (%s) is an error of data_offset", sites[i]);
        ok(!region_set_state(r, R_RUNNING) && vf_alive(v), "and costs the source nothing");
        ferry_fault(v, sites[i], 0, EIO);
        stream_free(&s);
    }
}

/* The first thing that a fresh open does: there is no section yet. */
static void test_no_memory(struct vf *v)
{
    struct region r;
    struct stream s = { 0 };

    if (region_open(&r, &v->fn))
        tap_bail("there is no migration region");
    ferry_fault(v, "region", 1, ENOMEM);
    ok(region_map(&r) == -ENOMEM && !region_map(&r), "no memory for a mapping: ENOMEM, and then it goes");
    region_unmap(&r);
    vf_close(v);
    vf_open(v);
    region_open(&r, &v->fn);
    ferry_fault(v, "region", 1, ENOMEM);
    ok(!region_set_state(&r, R_SAVING) && region_get(&r, F_OFFSET) == -ENOMEM && !region_save(&r, &s) && s.len,
       "no memory for a chunk: ENOMEM, and nothing is lost");
    stream_free(&s);
    vf_close(v);
    vf_open(v);
}

/* ---- threads ---- */

struct waiter {
    struct region *r;
    pid_t tid;
    int64_t got;
};

static void *wait_for_chunk(void *arg)
{
    struct waiter *w = arg;

    __atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
    w->got = region_get(w->r, F_OFFSET);
    return NULL;
}

/* Once its tid is known a thread does nothing but wait in pread(), or it has ended. */
static bool sleeps(pid_t tid)
{
    char path[64], state = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state == 'S';
}

enum { END_CANCEL, END_RESET, END_STOP_COPY, ENDS };
static const char *const end_names[ENDS] = {
    [END_CANCEL] = "a cancelled migration ends that, when the SAVE is over",
    [END_RESET] = "a reset ends that at once",
    [END_STOP_COPY] = "going to SAVING leaves it what it waits for",
};

/* Who cancels has to wait for the SAVE, so the chunk may just have come. */
static bool is_end(struct region *r, unsigned how, int64_t got)
{
    bool chunk = got == (int64_t)r->area, over = got == -ENODEV;

    return how == END_CANCEL ? chunk || over : how == END_RESET ? over : chunk;
}

/* A thread sleeps in data_offset while a slow SAVE runs, and something happens to the session. */
static void test_waiting(struct bench *b, struct vf *v, struct region *r, unsigned how)
{
    struct waiter w = { .r = r };
    struct stream s = { 0 };
    pthread_t thread;
    bool asleep;
    int err = 0;

    vf_reset(v);
    model_arm(b, (struct fault){ .opcode = OP_SAVE_VHCA_STATE, .vhca_id = v->id, .times = 1,
                                 .action = FAULT_DELAY, .delay_us = SLOW_US });
    /* What comes before the first image does not wait for it. */
    if (region_set_state(r, R_PRECOPY) || region_save_chunk(r, &s) <= 0 || region_get(r, F_PENDING) <= 0)
        tap_bail("VF %s does not go to pre-copy", v->bdf);
    pthread_create(&thread, NULL, wait_for_chunk, &w);
    asleep = wait_until(__atomic_load_n(&w.tid, __ATOMIC_ACQUIRE) && sleeps(w.tid), FOREVER_MS);
    if (how == END_RESET)
        vf_reset(v);
    else
        err = region_set_state(r, how == END_CANCEL ? R_RUNNING : R_SAVING);
    pthread_join(thread, NULL);
    model_disarm(b);
    ok(asleep && !err && is_end(r, how, w.got), "a thread waits in data_offset: %s (%lld)", end_names[how],
       (long long)w.got);
    stream_free(&s);
    vf_reset(v);
}

static void *begin_precopy(void *arg)
{
    struct waiter *w = arg;

    w->got = region_set_state(w->r, R_PRECOPY);
    return NULL;
}

/* A thread asks for a chunk when the session is there, but the arc that begins it still asks the firmware. */
static void test_early(struct bench *b, struct vf *from, struct region *rf, struct vf *to, struct region *rt)
{
    struct waiter arc = { .r = rf }, reader = { .r = rf };
    struct stream s = { 0 };
    pthread_t threads[2];
    bool asleep, busy;
    int64_t pending;
    size_t at = 0;
    uint64_t sum;
    int err;

    vf_reset(from);
    vf_fill(from, SEED);
    model_arm(b, (struct fault){ .opcode = OP_QUERY_VHCA_MIGRATION_STATE, .vhca_id = from->id, .times = 1,
                                 .action = FAULT_DELAY, .delay_us = SLOW_US });
    pthread_create(&threads[0], NULL, begin_precopy, &arc);
    if (!wait_until(model_busy(b), FOREVER_MS))
        tap_bail("pre-copy begins without a QUERY");
    pthread_create(&threads[1], NULL, wait_for_chunk, &reader);
    asleep = wait_until(__atomic_load_n(&reader.tid, __ATOMIC_ACQUIRE) && sleeps(reader.tid), SLOW_US / 1000);
    busy = model_busy(b);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    model_disarm(b);
    ok(asleep && busy && !arc.got && reader.got == (int64_t)rf->area,
       "data_offset while the arc that begins a pre-copy asks the firmware: waits for it (%lld)", (long long)reader.got);
    err = region_save(rf, &s);
    pending = region_get(rf, F_PENDING);
    ok(!err && s.len && !pending, "then all is read, and nothing stays pending: %lld", (long long)pending);
    err = region_set_state(rf, R_SAVING) ?: region_save(rf, &s);
    sum = wl_sum(from->wl);
    err = err ?: region_set_state(rf, R_STOP) ?: region_set_state(rt, R_RESUMING) ?:
          region_load(rt, &s, &at, 1 << 20) ?: region_set_state(rt, R_RUNNING);
    ok(!err && wl_sum(to->wl) == sum, "and the stream is whole (%d)", err);
    stream_free(&s);
    vf_reset(from);
    vf_reset(to);
}

struct race {
    struct vf *v;
    struct region *r;
    unsigned tried;             /* moves */
    bool over;
};

static bool goes_on(struct race *race)
{
    return !__atomic_load_n(&race->over, __ATOMIC_ACQUIRE);
}

static void *race_chunks(void *arg)
{
    struct race *race = arg;
    uint8_t data[256] = { 0 };

    while (goes_on(race)) {
        region_get(race->r, F_PENDING);
        region_get(race->r, F_OFFSET);
        region_get(race->r, F_SIZE);
        region_read(race->r, race->r->area, data, sizeof(data));
        region_set_size(race->r, sizeof(data));
    }
    return NULL;
}

static void *race_memory(void *arg)
{
    struct race *race = arg;
    struct region mine = *race->r;
    uint8_t data[512] = { 1 };

    while (goes_on(race)) {
        mine.map = NULL;
        if (region_map(&mine))
            continue;
        memset(mine.map, 3, PAGE);
        region_write(&mine, mine.area + 100, data, sizeof(data));
        region_write(&mine, mine.area, mine.map + PAGE, PAGE);
        region_unmap(&mine);
    }
    return NULL;
}

static void *race_other_protocol(void *arg)
{
    struct race *race = arg;
    unsigned seed = RACE_SEED + 1;
    uint8_t data[4096];
    int fd;

    while (goes_on(race)) {
        fd = -1;
        mig_get(&race->v->fn);
        mig_data_size(&race->v->fn);
        if (!mig_set(&race->v->fn, 1 + rand_r(&seed) % 7, &fd) && fd >= 0) {
            struct pollfd p = { .fd = fd, .events = POLLIN };

            if (poll(&p, 1, 5) > 0 && read(fd, data, sizeof(data)) < 0 && errno == EBADF)
                continue;
            mig_set(&race->v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
        }
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

static void *race_resets(void *arg)
{
    struct race *race = arg;

    for (unsigned next = RESET_EVERY; goes_on(race); next += RESET_EVERY) {
        while (goes_on(race) && __atomic_load_n(&race->tried, __ATOMIC_ACQUIRE) < next)
            relax();
        vfio_reset(&race->v->fn);
    }
    return NULL;
}

/* Nobody gets what he wants; the kernel has to be none the worse, and the device. */
static void test_race(struct vf *v, struct region *r)
{
    static void *(*const bodies[])(void *) = {
        race_chunks, race_chunks, race_memory, race_other_protocol, race_resets
    };
    enum { BODIES = sizeof(bodies) / sizeof(*bodies) };
    static const uint32_t states[] = { R_STOP, R_RUNNING, R_SAVING, R_PRECOPY, R_RESUMING };
    struct race race = { .v = v, .r = r };
    unsigned seed = RACE_SEED, moved = 0, i;
    pthread_t threads[BODIES];

    vf_reset(v);
    for (i = 0; i < BODIES; i++)
        pthread_create(&threads[i], NULL, bodies[i], &race);
    /* On a busy machine the others may have had all the luck so far. */
    for (i = 0; i < RACE_MOVES || (!moved && i < RACE_LIMIT); i++) {
        moved += !region_set_state(r, states[rand_r(&seed) % 5]);
        __atomic_store_n(&race.tried, i + 1, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&race.over, true, __ATOMIC_RELEASE);
    for (unsigned n = 0; n < BODIES; n++)
        pthread_join(threads[n], NULL);
    vf_reset(v);
    ok(moved && region_get(r, F_STATE) == R_RUNNING && vf_alive(v),
       "%u moves, of which %u went, against %u threads (seed %u): the device works", i, moved, BODIES,
       RACE_SEED);
}

/* ---- the ends ---- */

static void test_mapping_stays(struct vf *v, struct region *r)
{
    unsigned sum = 0;

    region_set_state(r, R_SAVING);
    region_get(r, F_OFFSET);
    vf_reset(v);
    for (size_t i = 0; i < r->area_size; i += PAGE)
        sum += r->map[i]++;
    ok(region_get(r, F_STATE) == R_RUNNING, "the mapping outlives a session and a reset (%u)", sum & 1);
}

static void test_reopened(struct vf *v, struct region *r)
{
    struct region again;
    uint8_t *data = malloc(r->area_size);
    unsigned left = 0;

    region_set_state(r, R_PRECOPY);
    region_get(r, F_OFFSET);
    region_unmap(r);
    vf_close(v);
    vf_open(v);
    if (!data || region_open(&again, &v->fn) ||
        region_read(&again, again.area, data, again.area_size) != (ssize_t)again.area_size)
        tap_bail("VF %s has no region any more", v->bdf);
    for (size_t i = 0; i < again.area_size; i++)
        left += !!data[i];
    ok(!left && region_get(&again, F_STATE) == R_RUNNING && region_get(&again, F_PENDING) == 0,
       "who opens the device next finds nothing of the last user's (%u bytes)", left);
    *r = again;
    free(data);
}

void test_region_shared(struct bench *b, struct vf *from, struct region *rf, struct vf *to, struct region *rt)
{
    test_fd_owns(from, rf);
    test_fd_undisturbed(from, rf, to);
    test_region_owns(from, rf, to, rt);
    for (const struct failure *f = failures; f->site; f++)
        test_failure(b, from, rf, f);
    test_late_failures(from, rf);
    for (unsigned how = 0; how < ENDS; how++)
        test_waiting(b, from, rf, how);
    test_early(b, from, rf, to, rt);
    test_mapping_stays(from, rf);
    test_race(from, rf);
    test_reopened(from, rf);
    vf_close(from);
    vf_open(from);
    test_no_memory(from);
}
