// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What can happen to who tracks: firmware commands that fail, a firmware that
 * is slow to report or does not end a report, a process that is killed, a reset,
 * a driver that is unbound, a PF that dies. Each is an error to the user, none a
 * hang; nothing is left behind, tracking starts again, and nobody else waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../lib/child.h"
#include "tracked.h"

enum {
    WRITTEN     = 500,                  /* pages, in more messages than those that come first */
    MESSAGES    = 3,
    SOON_MS     = 5000,                 /* the driver asks the firmware once a second */
    DEATH_MS    = 60000,
    BOUND_MS    = 200000,               /* two commands that are not answered, and more */
    LATE_US     = 150000000,            /* an answer long after mlx5_core has given up, at 60 s */
};

static const unsigned kinds[] = { OBJECT_PD, OBJECT_MKEY, OBJECT_CQ, OBJECT_QP, OBJECT_TRACKER };
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

static uint64_t objects(struct bench *b)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < KINDS; i++)
        all += model_objects(b, VHCA_ID_PF, kinds[i]);
    return all;
}

/* ---- firmware that fails ---- */

static const struct failing {
    const char *name;
    unsigned opcode, nth;
    enum { AT_START, AT_REPORT, AT_STOP } at;
} failing[] = {
    { "ALLOC_PD", OP_ALLOC_PD, 1, AT_START },
    { "CREATE_CQ", OP_CREATE_CQ, 1, AT_START },
    { "CREATE_MKEY", OP_CREATE_MKEY, 1, AT_START },
    { "CREATE_QP", OP_CREATE_QP, 1, AT_START },
    { "the second CREATE_QP", OP_CREATE_QP, 2, AT_START },
    { "RST2INIT_QP", OP_RST2INIT_QP, 1, AT_START },
    { "INIT2RTR_QP", OP_INIT2RTR_QP, 1, AT_START },
    { "the second RST2INIT_QP", OP_RST2INIT_QP, 2, AT_START },
    { "the second INIT2RTR_QP", OP_INIT2RTR_QP, 2, AT_START },
    { "RTR2RTS_QP", OP_RTR2RTS_QP, 1, AT_START },
    { "CREATE_GENERAL_OBJECT", OP_CREATE_GENERAL_OBJECT, 1, AT_START },
    { "MODIFY_GENERAL_OBJECT", OP_MODIFY_GENERAL_OBJECT, 1, AT_REPORT },
    { "DESTROY_GENERAL_OBJECT", OP_DESTROY_GENERAL_OBJECT, 1, AT_STOP },
    { "DESTROY_QP", OP_DESTROY_QP, 1, AT_STOP },
    { "the second DESTROY_QP", OP_DESTROY_QP, 2, AT_STOP },
    { "DESTROY_MKEY", OP_DESTROY_MKEY, 1, AT_STOP },
    { "DESTROY_CQ", OP_DESTROY_CQ, 1, AT_STOP },
    { "DEALLOC_PD", OP_DEALLOC_PD, 1, AT_STOP },
};
enum { FAILING = sizeof(failing) / sizeof(*failing) };

static int report_once(void *arg)
{
    struct tracked *t = arg;

    return mig_log_report(&t->v->fn, BASE, CHUNK, PAGE, t->bitmap);
}

/* A report fails with an error that is final until tracking is stopped. */
static bool fails_for_good(struct tracked *t)
{
    int once = report_once(t), again = report_once(t);

    return once < 0 && again == -EIO && tracked_start(t, PAGE) == -EINVAL && !tracked_stop(t);
}

static void works_again(struct tracked *t, const char *what)
{
    if (ok(!tracked_start(t, PAGE), "%s: tracking starts again", what))
        tracked_works(t, "and tells what was written");
}

static void test_failing(struct bench *b, struct tracked *t, const struct failing *f)
{
    uint64_t before = objects(b), hits = model_hits(b);
    bool said = true;

    if (f->at != AT_START)
        said = !tracked_start(t, PAGE);
    model_arm(b, (struct fault){ .opcode = f->opcode, .nth = f->nth, .times = 1, .action = FAULT_FAIL,
              .status = ST_INTERNAL_ERR });
    if (f->at == AT_START)
        said = tracked_start(t, PAGE) < 0;
    else if (f->at == AT_REPORT)
        said &= fails_for_good(t);
    else
        tracked_stop(t);
    ok(model_hits(b) == hits + 1 && said, "%s fails: %s", f->name,
       f->at == AT_START ? "an error to who starts" : f->at == AT_REPORT ? "an error to who asks, until a stop" :
       "tracking stops nevertheless");
    model_disarm(b);
    ok_eq(objects(b), before, "and leaves nothing behind");
    works_again(t, f->name);
    tracked_stop(t);
}

/* ---- reports that do not come to their end ---- */

static void count_signal(int number)
{
    (void)number;
}

static int report_in_peace(void *arg)
{
    signal(SIGUSR1, count_signal);
    return report_once(arg);
}

/* The VF wrote, and its report meets something behind a few messages. */
static void prepare(struct bench *b, struct tracked *t, unsigned what)
{
    if (tracked_start(t, PAGE))
        tap_bail("tracking does not start");
    tracked_write(t, 0, WRITTEN, 2, 0);
    model_report(b, t->v, what, MESSAGES);
}

/* One that is in the middle, and stays there. */
static struct child stalled(struct bench *b, struct tracked *t)
{
    struct child reporter;
    uint64_t messages;

    prepare(b, t, REPORT_STALL);
    messages = model_counter(b, COUNTER_TRACKER_MESSAGES);
    memset(t->bitmap, 0, CHUNK_PAGES / 8);
    reporter = child_start(report_in_peace, t);
    if (!wait_until(model_counter(b, COUNTER_TRACKER_MESSAGES) >= messages + MESSAGES && child_sleeps(&reporter), WAIT))
        tap_bail("no report is under way");
    return reporter;
}

static void go_on(struct bench *b, struct tracked *t)
{
    model_report(b, t->v, REPORT_GO_ON, 0);
}

/* The reporter ends, with that error if it is one. */
static void ends(struct child *reporter, int error, const char *why)
{
    bool over = wait_until(child_over(reporter), SOON_MS);
    int result;

    if (!over)
        child_end(reporter);
    result = child_result(reporter);
    ok(over && result < 0 && (!error || result == error), "%s in the middle of a report: %d", why, result);
}

/* Its bitmap, of less than a page, is memory that somebody is to fill in, and nobody does. */
static int report_into_nowhere(void *arg)
{
    struct tracked *t = arg;
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register nowhere = { .range.len = PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING };
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

    t->bitmap = mmap(NULL, nowhere.range.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    nowhere.range.start = (uintptr_t)t->bitmap;
    if (t->bitmap == MAP_FAILED || fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &nowhere))
        return -ENOTTY;
    return report_once(t);
}

static bool waits_for_memory(const struct child *c)
{
    char path[64], where[64];

    snprintf(path, sizeof(path), "/proc/%d/wchan", c->pid);
    return !sysfs_read(path, where, sizeof(where)) && strstr(where, "userfault");
}

static struct child stalled_by_memory(struct tracked *t)
{
    struct child reporter;

    if (tracked_start(t, PAGE))
        tap_bail("tracking does not start");
    /* what one message has room for: the last one */
    tracked_write(t, 0, 1, 1, 0);
    reporter = child_start(report_into_nowhere, t);
    if (!wait_until(waits_for_memory(&reporter), WAIT))
        tap_bail("no report waits for memory");
    return reporter;
}

static int stop_once(void *arg)
{
    return tracked_stop(arg);
}

/* Nobody but who wants to know the same waits for a report. */
static void test_others(struct tracked *t, struct tracked *other)
{
    struct child stopper;
    char text[4096];
    int fd;

    fd = vf_set(t->v, VFIO_DEVICE_STATE_PRE_COPY);
    ok(mig_get(&t->v->fn) == VFIO_DEVICE_STATE_PRE_COPY, "during a report the VF migrates");
    vf_set(t->v, VFIO_DEVICE_STATE_STOP_COPY);
    vf_set(t->v, VFIO_DEVICE_STATE_RUNNING);
    close(fd);
    ok(*ferry_show(t->v, "stats", text, sizeof(text)) && *ferry_show(t->v, "features", text, sizeof(text)) &&
       *ferry_show(t->v, "failure", text, sizeof(text)), "and debugfs is read");
    vf_reset(other->v);
    ok(!tracked_start(other, PAGE), "and another VF is reset, and tracked");
    tracked_works(other, "meanwhile");
    ok(!tracked_stop(other), "and stopped");
    stopper = child_start(stop_once, t);
    ok(wait_until(child_sleeps(&stopper), SOON_MS), "a stop waits for the report");
    kill(stopper.pid, SIGKILL);
    ok(wait_until(child_over(&stopper), SOON_MS), "and can be killed");
}

static void test_slow(struct bench *b, struct tracked *t, struct tracked *other)
{
    struct child reporter = stalled(b, t);
    double began = now_ms();

    test_others(t, other);
    kill(reporter.pid, SIGUSR1);
    ok(!wait_until(child_over(&reporter), 200) && child_sleeps(&reporter),
       "a signal does not end the report, nor a wait of %.0f ms", now_ms() - began);
    go_on(b, t);
    ok(wait_until(child_over(&reporter), WAIT) && !child_result(&reporter), "it comes to its end");
    for (unsigned i = 0; i < CHUNK_PAGES; i++) {
        t->missing += t->want[i] && !tracked_bit(t, i);
        t->extra += !t->want[i] && tracked_bit(t, i);
    }
    tracked_check(t, "a report that took long");
    memset(t->want, 0, t->pages);
    tracked_works(t, "and the next one");
    tracked_stop(t);
}

static void test_interrupted(struct bench *b, struct tracked *t, struct tracked *other)
{
    struct child reporter = stalled(b, t);

    kill(reporter.pid, SIGKILL);
    ends(&reporter, -EINTR, "its process is killed");
    go_on(b, t);
    ok(fails_for_good(t), "nobody knows any more what was written, and who asks is told, until a stop");

    reporter = stalled_by_memory(t);
    test_others(t, other);
    kill(reporter.pid, SIGKILL);
    ends(&reporter, -EINTR, "its process is killed, which could not be told,");
    ok(fails_for_good(t), "and who asks is told that");

    reporter = stalled_by_memory(t);
    vf_reset(t->v);
    ok(!child_over(&reporter), "the VF is reset while nobody can be told");
    child_end(&reporter);
    tracked_stop(t);

    reporter = stalled(b, t);
    vf_reset(t->v);
    ends(&reporter, -EIO, "the VF is reset");
    go_on(b, t);
    works_again(t, "after the reset");
    tracked_stop(t);
}

static const struct { unsigned what; const char *name; } errors[] = {
    { REPORT_ERROR, "the firmware says that it fails" },
    { REPORT_SILENT_ERROR, "the firmware fails and does not say it" },
    { REPORT_CQ_ERROR, "the completion queue breaks" },
    { REPORT_BAD_CQE, "a message ends in an error" },
};

static void test_errors(struct bench *b, struct tracked *t)
{
    uint64_t before = objects(b);
    double began;
    int err;

    for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        prepare(b, t, errors[i].what);
        began = now_ms();
        err = report_once(t);
        ok(err == -EIO && now_ms() - began < SOON_MS, "%s in the middle of a report: %d after %.0f ms",
           errors[i].name, err, now_ms() - began);
        ok(fails_for_good(t), "which is final");
        ok_eq(objects(b), before, "and leaves nothing behind");
        works_again(t, errors[i].name);
        tracked_stop(t);
    }
}

/* ---- the process that has the device ---- */

struct owner {
    struct bench *b;
    struct vf *v;
};

static int own_and_report(void *arg)
{
    struct owner *o = arg;
    struct tracked t;

    vf_open(o->v);
    tracked_open(&t, o->v, 1);
    prepare(o->b, &t, REPORT_STALL);
    return report_once(&t);
}

static void test_owner_killed(struct bench *b, struct vf *v)
{
    uint64_t before = objects(b), reports = model_commands(b, OP_MODIFY_GENERAL_OBJECT);
    struct child owner = child_start(own_and_report, &(struct owner){ b, v });
    struct tracked t;

    ok(wait_until(model_commands(b, OP_MODIFY_GENERAL_OBJECT) > reports && child_sleeps(&owner), WAIT),
       "a process has a VF, and a report is under way");
    kill(owner.pid, SIGKILL);
    ends(&owner, -EINTR, "it is killed");
    ok(wait_until(objects(b) == before, WAIT), "and leaves nothing behind");
    model_report(b, v, REPORT_GO_ON, 0);
    vf_open(v);
    tracked_open(&t, v, 1);
    works_again(&t, "the next user");
    vf_close(v);
    tracked_close(&t);
    ok_eq(objects(b), before, "and leaves nothing behind without a stop");
}

static void *unbind(void *arg)
{
    struct vf *v = arg;

    pci_unbind(v->bdf);
    return NULL;
}

static bool is_bound(struct vf *v)
{
    char name[64];

    pci_driver(v->bdf, name, sizeof(name));
    return *name;
}

static void test_unbound(struct bench *b, struct vf *v)
{
    uint64_t before = objects(b);
    struct child reporter;
    struct tracked t;
    pthread_t thread;

    vf_open(v);
    tracked_open(&t, v, 1);
    reporter = stalled(b, &t);
    pthread_create(&thread, NULL, unbind, v);
    kill(reporter.pid, SIGKILL);
    ends(&reporter, -EINTR, "its VF is unbound, its process killed");
    vf_close(v);
    pthread_join(thread, NULL);
    tracked_close(&t);
    ok(!is_bound(v), "and the VF is not bound any more");
    ok_eq(objects(b), before, "and nothing is left behind");
    model_report(b, v, REPORT_GO_ON, 0);
    ok(!pci_bind(v->bdf, v->driver), "it can be bound again");
    vf_open(v);
    tracked_open(&t, v, 1);
    works_again(&t, "after that");
    vf_close(v);
    tracked_close(&t);
}

/* ---- the physical function ---- */

static void pf(struct bench *b, const char *format)
{
    char command[160];

    snprintf(command, sizeof(command), format, b->pf);
    if (system(command))
        tap_bail("'%s' fails", command);
}

static bool is_available(struct vf *v, const char *word)
{
    char text[4096], wanted[64];

    snprintf(wanted, sizeof(wanted), "availability %s\n", word);
    return strstr(ferry_show(v, "stats", text, sizeof(text)), wanted) != NULL;
}

static void reload(struct bench *b)
{
    pf(b, "devlink dev reload pci/%s > /dev/null");
}

static void die(struct bench *b)
{
    pf(b, "devlink health set pci/%s reporter fw_fatal grace_period 0 auto_recover true");
    model_vhca(b, VHCA_ID_PF, VHCA_SET_ERROR);
    if (!wait_until(is_available(&b->vf[0], "down"), DEATH_MS))
        tap_bail("mlx5_core does not notice a fatal error");
}

static void test_pf(struct bench *b, struct tracked *t, void (*act)(struct bench *b), const char *what)
{
    struct child reporter = stalled(b, t);

    act(b);
    ends(&reporter, 0, what);
    model_report(b, t->v, REPORT_GO_ON, 0);
    if (!wait_until(is_available(t->v, "up"), DEATH_MS))
        tap_bail("the PF does not come back");
    ok(report_once(t) == -EIO, "which is final");
    vf_reset(t->v);
    works_again(t, what);
    tracked_stop(t);
}

static bool is_offered(struct vf *v)
{
    return vfio_feature(&v->fn, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
                        VFIO_DEVICE_FEATURE_DMA_LOGGING_START, NULL, 0) != -ENOTTY;
}

/* The PF comes back with firmware that tracks no pages, and the VF is bound to a driver that finds that. */
static void test_without(struct bench *b, struct tracked *t)
{
    struct vf *v = t->v;
    char text[1024];

    ok(is_offered(v), "tracking is offered");
    model_vhca(b, VHCA_ID_PF, VHCA_FLIP_TRACKERS);
    reload(b);
    vf_reset(v);
    ok(tracked_start(t, PAGE) == -EOPNOTSUPP, "the PF's new firmware cannot track: who starts is told");
    vf_close(v);
    ok(!pci_bind(v->bdf, v->driver), "the VF is bound again");
    vf_open(v);
    ok(!is_offered(v), "tracking is not offered");
    ok(strstr(ferry_show(v, "features", text, sizeof(text)),
              "no dirty-tracking: the firmware of the physical function cannot\n"), "and debugfs says why");
    vf_close(v);
    model_vhca(b, VHCA_ID_PF, VHCA_FLIP_TRACKERS);
    reload(b);
    ok(!pci_bind(v->bdf, v->driver), "with firmware that can it is bound again");
    vf_open(v);
    ok(is_offered(v), "and tracking is offered");
}

void test_reports(struct bench *b)
{
    static struct tracked t, other;

    if (b->vfs < 3)
        tap_bail("this takes 3 VFs");
    vf_open(&b->vf[0]);
    tracked_open(&t, &b->vf[0], 1);
    vf_open(&b->vf[1]);
    tracked_open(&other, &b->vf[1], 1);
    for (unsigned i = 0; i < FAILING; i++)
        test_failing(b, &t, &failing[i]);
    test_slow(b, &t, &other);
    test_interrupted(b, &t, &other);
    test_errors(b, &t);
    test_owner_killed(b, &b->vf[2]);
    test_unbound(b, &b->vf[2]);
    test_pf(b, &t, reload, "the PF's driver goes and comes");
    test_pf(b, &t, die, "the PF dies");
    vf_close(other.v);
    test_without(b, &t);
    vf_close(t.v);
    tracked_close(&t);
    tracked_close(&other);
    bench_check_clean(b, "reports");
}

/* ---- commands that are not answered, reports that do not go on ---- */

struct unanswered {
    struct tracked t;
    bool silent;                        /* its report comes to no end */
    int error;                          /* the first */
    double ms;
};

static void *use(void *arg)
{
    struct unanswered *u = arg;
    double began = now_ms();

    u->error = tracked_start(&u->t, PAGE);
    if (!u->error && u->silent)
        tracked_write(&u->t, 0, WRITTEN, 2, 0);
    u->error = u->error ?: report_once(&u->t);
    tracked_stop(&u->t);
    u->ms = now_ms() - began;
    return NULL;
}

/*
 * All at the same time, mlx5_core's patience is long: each of the commands
 * meets the first VF that sends it, and one more VF has a report that stalls.
 */
void test_tracked_unanswered(struct bench *b)
{
    static struct unanswered u[MAX_VFS];
    unsigned armed = 0, told = 0;
    uint64_t hits = model_hits(b);

    for (unsigned i = 0; i < b->vfs; i++) {
        vf_open(&b->vf[i]);
        tracked_open(&u[i].t, &b->vf[i], 1);
    }
    u[0].silent = true;
    model_report(b, &b->vf[0], REPORT_STALL, MESSAGES);
    use(&u[0]);
    ok(u[0].error == -ETIMEDOUT && u[0].ms < BOUND_MS, "a report that does not go on is given up: %d after %.0f s",
       u[0].error, u[0].ms / 1000);
    model_report(b, &b->vf[0], REPORT_GO_ON, 0);
    for (unsigned i = 0; i < FAILING; i++)
        if (failing[i].nth == 1) {
            model_arm(b, (struct fault){ .opcode = failing[i].opcode, .nth = 1, .times = 1, .action = FAULT_DELAY,
                                         .delay_us = LATE_US });
            armed++;
        }
    for (unsigned i = 0; i < b->vfs; i++) {
        u[i].silent = false;
        pthread_create(&u[i].t.thread, NULL, use, &u[i]);
    }
    for (unsigned i = 0; i < b->vfs; i++) {
        pthread_join(u[i].t.thread, NULL);
        told += u[i].error == -ETIMEDOUT;
        ok(u[i].ms < BOUND_MS, "VF %u: a start, a report and a stop end after %.0f s: %d", i, u[i].ms / 1000,
           u[i].error);
    }
    ok(model_hits(b) == hits + armed && told, "%llu of %u commands are not answered, %u users are told",
       (unsigned long long)(model_hits(b) - hits), armed, told);
    model_disarm(b);
    /*
     * What was not given back stays with the firmware until its PF is loaded
     * anew. mlx5_core waits for every answer before it lets go, for ever if it
     * must, so in the end there is one.
     */
    reload(b);
    for (unsigned i = 0; i < b->vfs; i++) {
        vf_reset(&b->vf[i]);
        works_again(&u[i].t, "after that");
        vf_close(&b->vf[i]);
        tracked_close(&u[i].t);
    }
}
