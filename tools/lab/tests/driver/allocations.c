// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that is not there: ferry's own fault sites, which any kernel has, and
 * on the debug kernel failslab and fail_page_alloc, limited by their stack
 * filter to what is allocated on behalf of the driver.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "sweep.h"

/* ---- ferry's fault sites ---- */

static void site_arm(struct bench *b, struct vf *v, const struct injector *i, unsigned nth)
{
    (void)b;
    if (ferry_fault(v, i->how, nth, ENOMEM))
        tap_bail("the fault site %s cannot be armed", (const char *)i->how);
}

static bool site_disarm(struct bench *b, struct vf *v, const struct injector *i)
{
    char text[4096], line[64];
    const char *at;
    int left = -1;

    (void)b;
    snprintf(line, sizeof(line), "\n%s ", (const char *)i->how);
    at = strstr(ferry_show(v, "fault", text, sizeof(text)), line);
    if (!at || sscanf(at + strlen(line), "%d", &left) != 1)
        tap_bail("the fault site %s does not show", (const char *)i->how);
    ferry_fault(v, i->how, 0, ENOMEM);
    return left == 0;
}

static void sweep_sites(struct bench *b)
{
    static const struct { const char *name; bool save, load; } sites[] = {
        { "session", true, true }, { "alloc", true, true }, { "map", true, true },
        { "suspend", true, true }, { "resume", true, true }, { "query", true, false },
        { "save", true, false }, { "saved", true, false }, { "stop_tracking", true, false },
        { "load", false, true },
    };

    for (unsigned k = 0; k < sizeof(sites) / sizeof(*sites); k++) {
        struct injector i = { .how = sites[k].name, .arm = site_arm, .disarm = site_disarm };

        snprintf(i.name, sizeof(i.name), "site %s", sites[k].name);
        for (enum migration m = 0; m < MIGRATIONS; m++)
            if (m == LOAD ? sites[k].load : sites[k].save)
                sweep(b, m, &i);
    }
}

/* ---- the kernel's fault injection ---- */

struct kernel_fault {
    const char *folder;
    uint64_t start, end;        /* code of a module */
};

static void set(const struct kernel_fault *f, const char *name, uint64_t value)
{
    char path[128], text[32];

    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    snprintf(text, sizeof(text), "%#llx", (unsigned long long)value);
    if (sysfs_write(path, text))
        tap_bail("cannot write %s", path);
}

/* The next symbol of a module's code, in no order. */
static bool next_symbol(FILE *symbols, const char *module, char name[80], unsigned long long *at)
{
    char line[256], in[64], type;

    snprintf(in, sizeof(in), "[%s]", module);
    while (symbols && fgets(line, sizeof(line), symbols)) {
        if (strstr(line, in) && sscanf(line, "%llx %c %79s", at, &type, name) == 3 &&
            (type == 't' || type == 'T') && strncmp(name, "__pfx_", 6))
            return true;
    }
    return false;
}

static void module_code(const char *module, struct kernel_fault *f)
{
    FILE *symbols = fopen("/proc/kallsyms", "r");
    unsigned long long at;
    char name[80];

    f->start = UINT64_MAX;
    f->end = 0;
    while (next_symbol(symbols, module, name, &at)) {
        f->start = at < f->start ? at : f->start;
        f->end = at + 0x100 > f->end ? at + 0x100 : f->end;
    }
    if (symbols)
        fclose(symbols);
    if (f->start >= f->end)
        tap_bail("where is the code of %s?", module);
}

/* From a function's symbol to the next one. */
static void function_code(const char *module, const char *function, struct kernel_fault *f)
{
    FILE *symbols = fopen("/proc/kallsyms", "r");
    unsigned long long at;
    char name[80];

    module_code(module, f);
    f->start = UINT64_MAX;
    while (f->start == UINT64_MAX && next_symbol(symbols, module, name, &at))
        if (!strcmp(name, function))
            f->start = at;
    if (f->start == UINT64_MAX)
        tap_bail("where is the code of %s?", function);
    rewind(symbols);
    while (next_symbol(symbols, module, name, &at))
        if (at > f->start && at < f->end)
            f->end = at;
    fclose(symbols);
}

static void prepare(const struct kernel_fault *f)
{
    set(f, "verbose", 0);
    set(f, "ignore-gfp-wait", 0);
    set(f, "stacktrace-depth", 32);
    set(f, "require-start", f->start);
    set(f, "require-end", f->end);
    set(f, "probability", 100);
    if (strstr(f->folder, "page_alloc"))
        set(f, "min-order", 0);
}

/* The kernel counts on from run to run: the nth of them, wherever that falls. */
static void kernel_arm(struct bench *b, struct vf *v, const struct injector *i, unsigned nth)
{
    (void)b, (void)v;
    set(i->how, "interval", nth);
    set(i->how, "times", 1);
}

static bool kernel_disarm(struct bench *b, struct vf *v, const struct injector *i)
{
    const struct kernel_fault *f = i->how;
    char path[128], left[32];

    (void)b, (void)v;
    snprintf(path, sizeof(path), "%s/times", f->folder);
    sysfs_read(path, left, sizeof(left));
    set(f, "times", 0);
    return !strcmp(left, "0");
}

static const char *const folders[] = {
    "/sys/kernel/debug/failslab", "/sys/kernel/debug/fail_page_alloc",
};

static void sweep_kernel(struct bench *b, const char *folder)
{
    struct kernel_fault f = { .folder = folder };
    struct injector i = { .how = &f, .arm = kernel_arm, .disarm = kernel_disarm, .runs = 40 };

    module_code("vfio_ferry", &f);
    prepare(&f);
    snprintf(i.name, sizeof(i.name), "%s", strrchr(folder, '/') + 1);
    sweep(b, SAVE_PRECOPY, &i);
    sweep(b, SAVE_ABORTED, &i);
    sweep(b, LOAD, &i);
    set(&f, "probability", 0);
}

/* What the firmware holds for a session goes back to it, memory or none. */
static void give_back(struct bench *b, const char *function)
{
    enum { TIMES = 3 };
    struct kernel_fault f = { .folder = folders[0] };
    struct injector i = { .how = &f };
    struct vf *v = &b->vf[0];
    struct stream s = { 0 };
    bool whole;
    int fd;

    function_code("mlx5_ferry_vfio_pci", function, &f);
    prepare(&f);
    vf_open(v);
    kernel_arm(b, v, &i, 1);
    set(&f, "times", TIMES);
    save_run(v, SAVE_STOPPED, &s, &whole, &fd);
    ok(whole, "no memory in %s: the save ends well", function);
    mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    close(fd);
    vf_close(v);
    ok(kernel_disarm(b, v, &i), "no memory in %s: it struck %u times", function, TIMES);
    set(&f, "probability", 0);
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_PD), b->pds, "no memory in %s: no PD is left",
          function);
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_MKEY), b->mkeys, "no memory in %s: no mkey is left",
          function);
    stream_free(&s);
}

/* A VF that cannot be bound, or not migrate, for want of memory: the next time it can. */
static void bind_kernel(struct bench *b, const char *folder)
{
    enum { RUNS = 12 };
    struct kernel_fault f = { .folder = folder };
    struct injector i = { .how = &f };
    struct vf *v = &b->vf[0];
    unsigned struck = 0;

    module_code("mlx5_ferry_vfio_pci", &f);
    prepare(&f);
    for (unsigned nth = 1; nth <= RUNS; nth++) {
        int first, second;

        pci_unbind(v->bdf);
        kernel_arm(b, v, &i, nth);
        first = pci_bind(v->bdf, v->driver);
        struck += kernel_disarm(b, v, &i);
        second = pci_bind(v->bdf, v->driver);
        if (!ok(!second, "%s while binding, every %u: %s, then it binds", strrchr(folder, '/') + 1,
                nth, first ? "the VF is not bound" : "the VF is bound"))
            tap_bail("the VF is lost");
        vf_open(v);
        ok(mig_flags(&v->fn) > 0, "%s while binding, every %u: then it can migrate",
           strrchr(folder, '/') + 1, nth);
        vf_close(v);
    }
    ok(struck, "%s while binding: struck %u times", strrchr(folder, '/') + 1, struck);
    set(&f, "probability", 0);
}

/* ---- the budget ---- */

/* A session that may take less memory than its migration needs. */
static void test_budget(struct bench *b)
{
    struct vf *from = &b->vf[0], *to = &b->vf[1];
    struct stream s, got = { 0 };
    uint64_t sum, before;
    char reason[128];
    bool whole;
    int fd = -1, err;

    s = vf_record(from, true, &sum);
    vf_fill(from, SEED);
    sum = wl_sum(from->wl);
    before = ferry_budget(262144);
    err = save_run(from, SAVE_PRECOPY, &got, &whole, &fd);
    ok(err && !whole && source_survives(b, from, sum, false) &&
       strstr(ferry_reason(from, reason, sizeof(reason)), "max_inflight_bytes"),
       "a save that the budget does not hold is refused (%d), the source goes on: %s", err, reason);
    close(fd);
    err = load_run(to, &s, &fd);
    ok(err && fd_number(fd, "ferry-memory") <= 262144 &&
       strstr(ferry_reason(to, reason, sizeof(reason)), "max_inflight_bytes"),
       "a load that the budget does not hold is refused (%d): %s", err, reason);
    close(fd);
    vf_reset(to);
    ferry_budget(before);
    err = load_run(to, &s, &fd);
    ok(!err, "with the budget as it was it loads");
    close(fd);
    vf_reset(to);
    stream_free(&s);
    stream_free(&got);
}

/* ---- memory that the firmware does not give back ---- */

/* An mkey that cannot be destroyed: its memory is lost, and that is said. */
static void test_kept_mkey(struct bench *b)
{
    struct vf *v = &b->vf[0];
    struct stream s = { 0 };
    uint64_t sum, hits;
    bool whole;
    int fd;

    vf_open(v);
    vf_fill(v, SEED);
    sum = wl_sum(v->wl);
    hits = model_hits(b);
    model_arm(b, (struct fault){ .opcode = OP_DESTROY_MKEY, .vhca_id = VHCA_ID_PF, .times = 1,
                                 .action = FAULT_FAIL, .status = ST_INTERNAL_ERR });
    save_run(v, SAVE_STOPPED, &s, &whole, &fd);
    ok(whole && source_survives(b, v, sum, false), "an mkey cannot be destroyed: the source goes on");
    close(fd);
    ok(wait_until(model_hits(b) > hits, 5000), "(the command did fail)");
    model_disarm(b);
    ok(wait_until(ferry_number(v, "stats", "leaked_bytes") > 0, 5000),
       "and debugfs tells how much memory that cost: %lld bytes",
       (long long)ferry_number(v, "stats", "leaked_bytes"));
    vf_close(v);
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_MKEY), b->mkeys + 1, "one mkey is left on the PF");
    b->mkeys = model_objects(b, VHCA_ID_PF, OBJECT_MKEY);
    b->pds = model_objects(b, VHCA_ID_PF, OBJECT_PD);
    stream_free(&s);
    vf_open(v);
    ok(mig_get(&v->fn) == VFIO_DEVICE_STATE_RUNNING, "the VF can be opened again");
    vf_close(v);
}

void test_allocations(struct bench *b)
{
    bool kernel = !access(folders[0], R_OK);

    if (b->vfs < 2 || !b->vf[0].ferry || !b->vf[1].ferry)
        tap_bail("the tests of allocations need 2 VFs bound to ferry");
    vf_open(&b->vf[0]);
    vf_open(&b->vf[1]);
    test_budget(b);
    sweep_sites(b);
    for (unsigned k = 0; kernel && k < 2; k++)
        sweep_kernel(b, folders[k]);
    vf_close(&b->vf[0]);
    vf_close(&b->vf[1]);
    if (kernel) {
        give_back(b, "mlx5_ferry_memory_unmap");
        give_back(b, "mlx5_ferry_memory_quiesce");
        bind_kernel(b, folders[0]);
    } else {
        /* a leak scan, which the stock kernel does not have, would find this */
        test_kept_mkey(b);
        tap_skip("failslab", "the kernel has no fault injection; the debug kernel has");
    }
    bench_check_clean(b, "failing allocations");
}
