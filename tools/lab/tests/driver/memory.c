// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where memory for images ends: the image that is set aside for the final
 * state, which is welcome and not needed, and the limit of the memory cgroup
 * that pays. The conformance suite hits such limits, too; there the cgroup may
 * kill, since no uAPI forbids it. Ferry must not: at the limit it fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sweep.h"

enum {
    FOREVER_MS  = 20000,
    PIECES      = 5,            /* in which a state grows; whole pages each */
    VISITS      = 10,           /* of the worker, while there is no memory */
    TRIES       = 1,            /* for one reason, namely that the state has grown */
};

static void must(int err, struct vf *v, const char *what)
{
    if (err < 0)
        tap_bail("VF %s: %s: %s", v->bdf, what, strerror(-err));
}

/* ---- the reserve ---- */

/* Somebody waits for changes, of which there are none: the worker comes by now and then. */
struct poller {
    int fd;
    bool over;
    pthread_t thread;
};

static void *poll_in_vain(void *arg)
{
    struct poller *poller = arg;
    struct pollfd p = { .fd = poller->fd, .events = POLLIN };

    while (!__atomic_load_n(&poller->over, __ATOMIC_ACQUIRE))
        if (poll(&p, 1, 200))
            tap_bail("a poller does not wait for changes: %#x", p.revents);
    return NULL;
}

static uint64_t queries(struct bench *b)
{
    return model_commands(b, OP_QUERY_VHCA_MIGRATION_STATE);
}

static void fail_allocation(struct vf *v)
{
    if (ferry_fault(v, "alloc", 1, ENOMEM))
        tap_bail("the fault site alloc cannot be armed");
}

/* The worker comes by so often; *struck, if not NULL: in vain, for there is no memory all that time. */
static void visits(struct bench *b, struct vf *v, int fd, unsigned n, unsigned *struck)
{
    struct poller poller = { .fd = fd };
    uint64_t before = queries(b);
    double end = now_ms() + FOREVER_MS;

    pthread_create(&poller.thread, NULL, poll_in_vain, &poller);
    do {
        if (queries(b) >= before + n)
            __atomic_store_n(&poller.over, true, __ATOMIC_RELEASE);
        if (now_ms() > end)
            tap_bail("nobody looks for changes while a poller waits");
        /* the fault disarms itself when it strikes */
        if (struck && !ferry_number(v, "fault", "alloc")) {
            ++*struck;
            fail_allocation(v);
        }
        relax();
    } while (pthread_tryjoin_np(poller.thread, NULL));
}

/* More state, and it is read: middle images, for which there is memory beside the reserve. */
static void add_piece(struct vf *v, int fd, uint64_t at, uint64_t len, struct stream *s)
{
    size_t before = s->len;
    double end = now_ms() + FOREVER_MS;

    wl_fill(v->wl, at, len, SEED);
    while (s->len - before < len) {
        must(mig_read_precopy(fd, s, 1), v, "reading what was added");
        if (now_ms() > end)
            tap_bail("VF %s: what was added does not come: %s", v->bdf,
                     ferry_show(v, "session", (char[1024]){ 0 }, 1024));
        relax();
    }
}

/*
 * Pre-copy of a function that holds half of what it could, and then all, with
 * a budget, if it is to be short, that is enough for what there was first.
 */
static int precopy_that_grew(struct vf *v, bool short_budget, struct stream *s)
{
    uint64_t half = wl_read(v->wl, WL_STATE_SIZE) / 2;
    uint64_t before = 0;
    int fd;

    vf_reset(v);
    wl_fill(v->wl, 0, half, SEED);
    if (short_budget)
        before = ferry_budget(mig_data_size(&v->fn) * 9 / 4 + (256 << 10));
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (short_budget)
        ferry_budget(before);
    must(mig_read_precopy(fd, s, 1000), v, "reading the initial image");
    for (unsigned i = 0; i < PIECES; i++)
        add_piece(v, fd, half + half / PIECES * i, half / PIECES, s);
    must(mig_read_precopy(fd, s, 1000), v, "reading the rest");
    return fd;
}

/* The function's user asks for its size, and thereby tells that it grew; *tries: how often there was no memory. */
static void tell_growth(struct bench *b, struct vf *v, int fd, unsigned *tries)
{
    int64_t full = ferry_number(v, "stats", "full_state_bytes");

    if (tries)
        fail_allocation(v);
    if (mig_data_size(&v->fn) < 0 || ferry_number(v, "stats", "full_state_bytes") <= full)
        tap_bail("the state did not grow");
    visits(b, v, fd, VISITS, tries);
    ferry_fault(v, "alloc", 0, ENOMEM);
}

static int read_final(struct vf *v, int fd, struct stream *s)
{
    int err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
    bool ended = false;

    if (err)
        return err;
    return mig_read(fd, s, &ended) < 0 || !ended ? -EIO : 0;
}

/* The state has grown, and there is no memory for a larger reserve, or not at the first try. */
static void test_reserve(struct bench *b, bool short_budget)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    const char *what = short_budget ? "the budget is short" : "an allocation fails";
    struct stream s = { 0 };
    int fd = precopy_that_grew(from, short_budget, &s), load = -1, err;
    unsigned tries = 0;
    int64_t both, had;
    uint64_t sum;

    visits(b, from, fd, 3, NULL);       /* it prepares the reserve, and frees what there is no use for */
    both = ferry_number(from, "stats", "full_state_bytes") * 9 / 4;
    had = fd_number(fd, "ferry-memory");
    ok(had >= both && fd_number(fd, "ferry-images") == 2,
       "%s: there are a reserve and an image for what changes, each an eighth larger than all: %lld bytes", what,
       (long long)had);
    tell_growth(b, from, fd, short_budget ? NULL : &tries);
    ok(fd_number(fd, "ferry-memory") >= had, "%s: they stay when the state has grown: %lld images, %lld bytes", what,
       (long long)fd_number(fd, "ferry-images"), (long long)fd_number(fd, "ferry-memory"));
    ok((short_budget || tries) && tries <= TRIES && fd_number(fd, "ferry-memory") == had,
       "%s: enlarging it is not tried again and again: struck %u times in %u visits of the worker", what, tries, VISITS);
    err = read_final(from, fd, &s);
    ok(!err, "%s: the final image comes (%d)", what, err);
    ok_eq(ferry_number(from, "stats", "window_allocations"), 0, "%s: the stop window allocated nothing", what);
    ok_eq(ferry_number(from, "stats", "window_maps"), 0, "%s: nor did it map anything", what);
    ok_eq(ferry_number(from, "stats", "window_unmaps"), 0, "%s: nor unmap", what);
    ok_eq(ferry_number(from, "stats", "window_frees"), 0, "%s: nor free", what);
    sum = wl_sum(from->wl);
    close(fd);
    vf_reset(from);
    if (!err)
        err = load_run(to, &s, &load);
    ok(!err && wl_sum(to->wl) == sum, "%s: the VF arrives", what);
    if (load >= 0)
        close(load);
    vf_reset(to);
    stream_free(&s);
}

/* How a user learns that there is more state */
static const char *const questions[] = { "PRECOPY_INFO", "MIG_DATA_SIZE" };

/*
 * Both images are mapped and as long as they should be: asked for what changed,
 * an image of that comes, too; asked for all, the one that was read stays.
 */
static bool has_room(struct bench *b, struct vf *v, int fd, uint64_t keys, bool all)
{
    struct vfio_precopy_info info;
    int64_t state;

    if (all) {
        state = mig_data_size(&v->fn) / 2;
    } else {
        must(mig_precopy_info(fd, &info), v, "PRECOPY_INFO");
        state = info.dirty_bytes;
    }
    return fd_number(fd, "ferry-memory") >= state * (all ? 27 : 18) / 8 &&
           model_commands(b, OP_CREATE_MKEY) == keys + (all ? 1 : 2) && !model_busy(b);
}

/*
 * All of the state changes, and it is more than there was. The user asks, and
 * leaves unread what comes of it; then all changes once more.
 */
static void test_follows(struct bench *b, bool all)
{
    static const char *const counters[] = { "allocations", "maps", "unmaps", "frees" };
    struct vf *v = &b->vf[0];
    uint64_t size = wl_read(v->wl, WL_STATE_SIZE);
    struct stream s = { 0 };
    char name[32];
    uint64_t keys;
    int fd;

    vf_reset(v);
    wl_fill(v->wl, 0, size / 2, SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    must(mig_read_precopy(fd, &s, 1000), v, "reading the initial image");
    keys = model_commands(b, OP_CREATE_MKEY);
    wl_fill(v->wl, 0, size, SEED + 1);
    ok(wait_until(has_room(b, v, fd, keys, all), FOREVER_MS), "the reserve follows what the firmware says, asked by %s",
       questions[all]);
    wl_fill(v->wl, 0, size, SEED + 2);
    ok(!read_final(v, fd, &s), "the final image comes");
    for (unsigned i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
        snprintf(name, sizeof(name), "window_%s", counters[i]);
        ok_eq(ferry_number(v, "stats", name), 0, "no %s in the stop window of a function that grew", counters[i]);
    }
    close(fd);
    vf_reset(v);
    stream_free(&s);
}

/* The counters can say more than 0. */
static void test_window(struct vf *v)
{
    int fd;

    vf_fill(v, SEED);
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    ok(ferry_number(v, "stats", "window_allocations") > 0 && ferry_number(v, "stats", "window_maps") > 0,
       "without a pre-copy the stop window allocates and maps, and that is counted");
    close(fd);
    vf_reset(v);
}

/* ---- memory of what is over ---- */

static uint64_t mapped(struct bench *b)
{
    return model_objects(b, VHCA_ID_PF, OBJECT_MKEY);
}

/*
 * It is freed when the user has what comes next, not in front of that, whatever else the worker comes for, as for who asks
 * for a size that nobody knows yet; judged where that did not take too long.
 */
static void test_later(struct bench *b, const struct stream *s)
{
    enum { ENOUGH_MS = 40, SOON_MS = 80, ROUNDS = 40 };
    struct vf *v = &b->vf[1];
    uint64_t held, kept;
    unsigned round = 0;
    double took;
    int fd;

    do {
        vf_reset(v);
        if (!wait_until(mapped(b) == b->mkeys, FOREVER_MS))
            tap_bail("memory of what was before is never given back");
        fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
        must(mig_write(fd, s->data, s->len), v, "a stream");
        held = mapped(b);
        took = now_ms();
        vf_set(v, VFIO_DEVICE_STATE_STOP);
        vf_set(v, VFIO_DEVICE_STATE_RUNNING);
        mig_data_size(&v->fn);
        do
            kept = mapped(b);
        while (kept == held && now_ms() - took < ENOUGH_MS);
        took = now_ms() - took;
        close(fd);
    } while (took > SOON_MS && ++round < ROUNDS);
    ok(took <= SOON_MS && held > b->mkeys && kept == held, "between RESUMING and RUNNING no memory is given back (%.0f ms)", took);
    ok(wait_until(mapped(b) == b->mkeys, FOREVER_MS), "but soon after");
}

/* ---- a memory cgroup ---- */

#define CGROUPS "/sys/fs/cgroup"

enum moment { NO_INITIAL, NO_RESERVE, NO_RECEIVED, MOMENTS };

/* What memory is there for, in parts of the state, and what the user sees of it. */
static const struct {
    const char *name;
    unsigned quarters;
    bool fails;
} moments[MOMENTS] = {
    [NO_INITIAL] = { "the initial image", 2, true },
    [NO_RESERVE] = { "the reserve for the final image", 6, false },
    [NO_RECEIVED] = { "a received image", 2, true },
};

/* The child's steps, each of which it leaves when its parent says so. */
enum step { BEGUN, READY, LIMITED, TRIED, UNLIMITED };

struct shared {
    enum step step;
    bool met;                   /* the limit, by whoever allocates */
    uint64_t full;
    int err;
};

static void set_step(struct shared *shared, enum step step)
{
    __atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
}

static bool is_at(struct shared *shared, enum step step)
{
    return __atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) >= step;
}

struct child {
    char cgroup[64];
    struct shared *shared;
    const struct stream *stream;
    enum moment moment;
    pid_t pid;
    bool over;
    int status;
};

static bool is_over(struct child *c)
{
    c->over = c->over || waitpid(c->pid, &c->status, WNOHANG) == c->pid;
    return c->over;
}

/* As far as the limit; takes no memory of its own there, which would be a reason to be killed. */
static int reach_limit(struct child *c, struct vf *v, int *fd)
{
    int err;

    if (c->moment == NO_RECEIVED) {
        err = mig_set(&v->fn, VFIO_DEVICE_STATE_RESUMING, fd);
        return err ? err : mig_write(*fd, c->stream->data, c->stream->len);
    }
    err = mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, fd);
    if (err || c->moment == NO_INITIAL)
        return err;
    while (!__atomic_load_n(&c->shared->met, __ATOMIC_ACQUIRE))
        relax();
    /* this waits for the worker, which is at the limit */
    return mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL);
}

/* The limit is gone: the migration ends, or the VF is back in use. */
static bool goes_on(struct bench *b, struct child *c, struct vf *v, int fd)
{
    int null = open("/dev/null", O_WRONLY);
    bool ended = false;

    if (c->moment == NO_RECEIVED) {
        vf_reset(v);
        return vf_alive(v);
    }
    if (c->moment == NO_RESERVE && (mig_pipe(fd, null, &ended) <= 0 || !ended))
        return false;
    return source_survives(b, v, wl_sum(v->wl), false);
}

static int run_child(struct bench *b, struct child *c)
{
    struct shared *shared = c->shared;
    struct vf *v = &b->vf[0];
    char procs[96];
    int fd = -1;

    snprintf(procs, sizeof(procs), "%s/cgroup.procs", c->cgroup);
    if (sysfs_write(procs, "0"))
        tap_bail("cannot enter %s", c->cgroup);
    vf_open(v);
    vf_reset(v);
    vf_fill(v, SEED);
    shared->full = mig_data_size(&v->fn);
    if (mlockall(MCL_CURRENT | MCL_FUTURE))
        tap_bail("mlockall: %s", strerror(errno));
    set_step(shared, READY);
    while (!is_at(shared, LIMITED))
        relax();
    shared->err = reach_limit(c, v, &fd);
    set_step(shared, TRIED);
    while (!is_at(shared, UNLIMITED))
        relax();
    return goes_on(b, c, v, fd) ? 0 : 1;
}

static uint64_t cgroup_bytes(struct child *c, const char *file)
{
    char path[96], text[32];

    snprintf(path, sizeof(path), "%s/%s", c->cgroup, file);
    if (sysfs_read(path, text, sizeof(text)))
        tap_bail("%s cannot be read", path);
    return strtoull(text, NULL, 10);
}

static int64_t killed(struct child *c)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/memory.events", c->cgroup);
    return file_number(path, "oom_kill");
}

static void set_limit(struct child *c, const char *limit)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/memory.max", c->cgroup);
    if (sysfs_write(path, limit))
        tap_bail("%s cannot be written", path);
}

/* Lets the child come to the limit; true: it took what there was, or was killed for it. */
static bool limit_child(struct child *c)
{
    uint64_t limit;
    char text[32];
    bool met;

    if (!wait_until(is_at(c->shared, READY) || is_over(c), FOREVER_MS) || is_over(c))
        tap_bail("the process does not come to its migration");
    limit = cgroup_bytes(c, "memory.current") + c->shared->full * moments[c->moment].quarters / 4;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
    set_limit(c, text);
    set_step(c->shared, LIMITED);
    /* a large folio that does not fit may be what it is met with */
    met = wait_until(is_over(c) || cgroup_bytes(c, "memory.peak") + (4 << 20) > limit, FOREVER_MS);
    __atomic_store_n(&c->shared->met, true, __ATOMIC_RELEASE);
    wait_until(is_over(c) || is_at(c->shared, TRIED), FOREVER_MS);
    return met;
}

static void make_cgroup(struct child *c)
{
    if (sysfs_write(CGROUPS "/cgroup.subtree_control", "+memory"))
        tap_bail("there are no memory cgroups");
    snprintf(c->cgroup, sizeof(c->cgroup), CGROUPS "/ferry.%d", c->moment);
    if (mkdir(c->cgroup, 0700))
        tap_bail("mkdir %s: %s", c->cgroup, strerror(errno));
    c->shared = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c->shared == MAP_FAILED)
        tap_bail("no shared memory");
}

static void test_limit(struct bench *b, enum moment moment, const struct stream *stream)
{
    struct child c = { .moment = moment, .stream = stream };
    const char *what = moments[moment].name;
    bool met;

    make_cgroup(&c);
    fflush(NULL);
    c.pid = fork();
    if (!c.pid)
        _exit(run_child(b, &c));
    met = limit_child(&c);
    set_limit(&c, "max");
    set_step(c.shared, UNLIMITED);
    wait_until(is_over(&c), FOREVER_MS);
    ok(met, "a cgroup without memory for %s: its limit is met", what);
    ok_eq(killed(&c), 0, "a cgroup without memory for %s: nobody is killed", what);
    if (moments[moment].fails)
        ok(c.shared->err == -ENOMEM, "a cgroup without memory for %s: the user gets ENOMEM (%d)", what, c.shared->err);
    else
        ok(is_at(c.shared, TRIED) && !c.shared->err, "a cgroup without memory for %s: the user does not see it", what);
    ok(is_over(&c) && WIFEXITED(c.status) && !WEXITSTATUS(c.status), "a cgroup without memory for %s: %s, status %#x",
       what, moments[moment].fails ? "the VF is used further" : "the migration ends well", c.status);
    munmap(c.shared, sizeof(*c.shared));
    ok(wait_until(!rmdir(c.cgroup), FOREVER_MS), "(the cgroup is empty)");
}

void test_memory(struct bench *b)
{
    struct vf *v = &b->vf[0];
    struct stream s;
    uint64_t sum;

    if (b->vfs < 2 || !v->ferry || !b->vf[1].ferry)
        tap_bail("the tests of memory need 2 VFs bound to ferry");
    vf_open(v);
    vf_open(&b->vf[1]);
    test_reserve(b, false);
    test_reserve(b, true);
    test_follows(b, false);
    test_follows(b, true);
    test_window(v);
    s = vf_record(v, false, &sum);
    test_later(b, &s);
    vf_close(v);
    vf_close(&b->vf[1]);
    for (enum moment m = 0; m < MOMENTS; m++)
        test_limit(b, m, &s);
    bench_check_clean(b, "memory that is not there");
    stream_free(&s);
}

/* ---- the longest image ---- */

/* A state that is less than 64 KiB smaller than the longest image there can be, saved in one piece. */
void test_longest(struct bench *b)
{
    enum { SLOW_MS = 120000 };
    const int64_t least = 0xffff0001, most = 0xfffff000;
    struct vf *v = &b->vf[0];
    int64_t full;
    int fd = -1, err;

    if (!b->vfs || !v->ferry)
        tap_bail("the test of the longest image needs a VF bound to ferry");
    vf_open(v);
    vf_fill(v, SEED);
    mig_data_size(&v->fn);
    full = ferry_number(v, "stats", "full_state_bytes");
    if (full < least || full > most)
        tap_bail("this state has %#llx bytes, not %#llx to %#llx", (long long)full, (long long)least, (long long)most);
    err = mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, &fd);
    ok(!err, "a state of %#llx bytes in one image: STOP_COPY (%d)", (long long)full, err);
    ok(fd >= 0 && wait_until(fd_number(fd, "ferry-ready") == 1 || fd_number(fd, "ferry-error"), SLOW_MS) &&
       fd_number(fd, "ferry-unread-dirty") > (int64_t)wl_read(v->wl, WL_STATE_SIZE),
       "it is saved: error %lld, %lld bytes to read",
       (long long)fd_number(fd, "ferry-error"), (long long)fd_number(fd, "ferry-unread-dirty"));
    if (fd >= 0)
        close(fd);
    vf_reset(v);
    vf_close(v);
    bench_check_clean(b, "the longest image");
}
