// SPDX-License-Identifier: GPL-2.0-or-later
/* VFs, the model's control block, and what a driver shows of itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "stand.h"

enum { CHANGE_RATE = 100000, SECONDS = 10 };

double bench_deadline(void)
{
    const char *seconds = getenv("DRIVER_SECONDS");

    return now_ms() + (seconds ? atof(seconds) : SECONDS) * 1000;
}

/* ---- functions ---- */

static void find_vf(struct bench *b, unsigned n)
{
    struct vf *v = &b->vf[n];

    v->number = n;
    v->id = VHCA_ID_PF + 1 + n;
    if (pci_vf_name(b->pf, n, v->bdf))
        tap_bail("VF %u is gone", n);
    pci_driver(v->bdf, v->driver, sizeof(v->driver));
    v->ferry = !strcmp(v->driver, "mlx5_ferry_vfio_pci");
}

void bench_open(struct bench *b)
{
    const char *pf = getenv("FERRY_PF"), *vfs = getenv("FERRY_VFS");

    if (!pf || !vfs)
        tap_bail("FERRY_PF and FERRY_VFS are not set: run this in the lab");
    *b = (struct bench){ 0 };
    snprintf(b->pf, sizeof(b->pf), "%s", pf);
    for (; *vfs && b->vfs < MAX_VFS; b->vfs++) {
        find_vf(b, b->vfs);
        vfs += strcspn(vfs, " ");
        vfs += strspn(vfs, " ");
    }
    b->control = control_of(pci_map_bar(b->pf, 2, BAR2_SIZE));
    b->pds = model_objects(b, VHCA_ID_PF, OBJECT_PD);
    b->mkeys = model_objects(b, VHCA_ID_PF, OBJECT_MKEY);
}

void bench_check_clean(struct bench *b, const char *after)
{
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_PD), b->pds,
          "%s: no PD is left on the PF", after);
    ok_eq(model_objects(b, VHCA_ID_PF, OBJECT_MKEY), b->mkeys,
          "%s: no mkey is left on the PF", after);
    for (unsigned i = 0; i < b->vfs; i++) {
        const char *name = b->vf[i].driver;
        bool seen = false;

        for (unsigned j = 0; j < i; j++)
            seen |= !strcmp(b->vf[j].driver, name);
        if (!seen)
            ok(wait_until(module_references(name) <= 0, 5000),
               "%s: nothing holds the module %s (%d)", after, name,
               module_references(name));
    }
}

int bench_bind(struct bench *b)
{
    int err = 0;

    for (unsigned i = 0; i < b->vfs && !err; i++)
        err = pci_bind(b->vf[i].bdf, b->vf[i].driver);
    return err;
}

int vf_try_open(struct vf *v)
{
    void *bar2;
    int err;

    err = io_space_open(&v->space, io_backend_available(IO_CONTAINER) ?
                        IO_CONTAINER : IO_IOMMUFD);
    if (err)
        return err;
    err = vfio_open(&v->fn, &v->space, v->bdf, NULL);
    if (err) {
        io_space_close(&v->space);
        return err;
    }
    bar2 = vfio_map_bar(&v->fn, 2, NULL);
    if (!bar2) {
        vf_close(v);
        return -ENXIO;
    }
    v->wl = workload_of(bar2);
    return 0;
}

void vf_open(struct vf *v)
{
    int err = vf_try_open(v);

    if (err)
        tap_bail("cannot open VF %s: %s", v->bdf, strerror(-err));
}

void vf_close(struct vf *v)
{
    vfio_close(&v->fn);
    io_space_close(&v->space);
}

void vf_reset(struct vf *v)
{
    int err = vfio_reset(&v->fn);

    if (!err)
        err = vfio_enable(&v->fn, true);
    if (err)
        tap_bail("VF %s cannot be reset: %s", v->bdf, strerror(-err));
}

uint64_t vf_percent(struct vf *v, unsigned percent)
{
    return wl_read(v->wl, WL_STATE_SIZE) * percent / 100 / PAGE * PAGE;
}

void vf_fill(struct vf *v, uint64_t seed)
{
    if (!wl_fill(v->wl, 0, wl_read(v->wl, WL_STATE_SIZE), seed))
        tap_bail("the memory of VF %s cannot be filled", v->bdf);
}

void vf_change(struct vf *v, unsigned pages)
{
    uint64_t count = wl_read(v->wl, WL_MEM_COUNT) + pages;

    wl_change(v->wl, 0, wl_read(v->wl, WL_STATE_SIZE), CHANGE_RATE, count);
    if (!wl_wait(v->wl, WL_MEM_COUNT, count, 10000))
        tap_bail("the memory of VF %s does not change", v->bdf);
}

bool vf_alive(struct vf *v)
{
    uint64_t count = wl_read(v->wl, WL_MEM_COUNT) + 3;

    wl_change(v->wl, 0, wl_read(v->wl, WL_STATE_SIZE), CHANGE_RATE, count);
    return wl_wait(v->wl, WL_MEM_COUNT, count, 3000);
}

int vf_set(struct vf *v, int state)
{
    int fd = -1, err = mig_set(&v->fn, state, &fd);

    if (err)
        tap_bail("VF %s does not go to %s: %s", v->bdf, mig_name(state), strerror(-err));
    return fd;
}

static void must(int err, struct vf *v, const char *what)
{
    if (err < 0)
        tap_bail("VF %s: %s: %s", v->bdf, what, strerror(-err));
}

static void read_middle(struct vf *v, int fd, struct stream *s)
{
    vf_change(v, 20);
    /* without what changed since, there would be no middle image */
    for (size_t before = s->len; s->len == before; relax())
        must(mig_read_precopy(fd, s, 1), v, "reading a middle image");
}

struct stream vf_record_middles(struct vf *v, unsigned middles, uint64_t *sum)
{
    struct stream s = { 0 };
    int fd, final = -1;
    bool ended;

    vf_reset(v);
    vf_fill(v, SEED);
    if (middles) {
        must(mig_set(&v->fn, VFIO_DEVICE_STATE_PRE_COPY, &fd), v, "PRE_COPY");
        must(mig_read_precopy(fd, &s, 1000), v, "reading pre-copy data");
        while (middles--)
            read_middle(v, fd, &s);
        vf_change(v, 10);
        must(mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL), v, "STOP_COPY");
    } else {
        must(mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, &final), v, "STOP_COPY");
        fd = final;
    }
    must(mig_read(fd, &s, &ended), v, "reading the final image");
    if (!ended)
        tap_bail("VF %s: the stream has no end", v->bdf);
    *sum = wl_sum(v->wl);
    must(mig_set(&v->fn, VFIO_DEVICE_STATE_STOP, NULL), v, "STOP");
    close(fd);
    vf_reset(v);
    return s;
}

struct stream vf_record(struct vf *v, bool precopy, uint64_t *sum)
{
    return vf_record_middles(v, precopy ? 1 : 0, sum);
}

/* ---- the model ---- */

static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;

#define locked(expression) ({                   \
    pthread_mutex_lock(&control);               \
    __auto_type value_ = (expression);          \
    pthread_mutex_unlock(&control);             \
    value_;                                     \
})

void model_arm(struct bench *b, struct fault f)
{
    locked((ctl_arm(b->control, f), 0));
}

void model_disarm(struct bench *b)
{
    locked((ctl_disarm(b->control), 0));
}

void model_soon(struct bench *b)
{
    locked((ctl_soon(b->control), 0));
}

uint64_t model_hits(struct bench *b)
{
    return locked(ctl_read(b->control, CB_FAULT_HITS));
}

void model_report(struct bench *b, struct vf *v, unsigned what, unsigned after)
{
    locked((ctl_report(b->control, v->id, what, after), 0));
}

uint64_t model_counter(struct bench *b, unsigned counter)
{
    return locked(ctl_counter(b->control, counter));
}

void model_vhca(struct bench *b, unsigned vhca_id, unsigned action)
{
    locked((ctl_vhca_action(b->control, vhca_id, action), 0));
}

uint64_t model_objects(struct bench *b, unsigned vhca_id, unsigned kind)
{
    return locked(ctl_objects(b->control, vhca_id, kind));
}

unsigned model_state(struct bench *b, unsigned vhca_id)
{
    return locked(ctl_vhca_state(b->control, vhca_id));
}

uint64_t model_commands(struct bench *b, unsigned opcode)
{
    return locked(ctl_opcode_count(b->control, opcode));
}

bool model_busy(struct bench *b)
{
    return model_objects(b, VHCA_ID_PF, OBJECT_COMMAND) > 0;
}

/* ---- ferry's files ---- */

static const char *whole_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t have = 0;
    ssize_t n;

    while (fd >= 0 && have < size - 1 &&
           (n = read(fd, to + have, size - 1 - have)) > 0)
        have += n;
    if (fd >= 0)
        close(fd);
    to[have] = 0;
    return to;
}

/* The number behind a name at the begin of a line. */
static int64_t number_in(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (; text; text = strchr(text, '\n')) {
        text += *text == '\n';
        if (!strncmp(text, name, len) && strchr(" \t:", text[len]))
            return strtoll(text + len + strspn(text + len, " \t:"), NULL, 0);
        if (!*text)
            break;
    }
    return -1;
}

int64_t file_number(const char *path, const char *name)
{
    char text[4096];

    return number_in(whole_file(path, text, sizeof(text)), name);
}

static void ferry_path(struct vf *v, const char *file, char *path, size_t size)
{
    snprintf(path, size, FERRY_DEBUGFS "/%s/%s", v->bdf, file);
}

const char *ferry_show(struct vf *v, const char *file, char *to, size_t size)
{
    char path[128];

    ferry_path(v, file, path, sizeof(path));
    return whole_file(path, to, size);
}

int64_t ferry_number(struct vf *v, const char *file, const char *name)
{
    char path[128];

    ferry_path(v, file, path, sizeof(path));
    return file_number(path, name);
}

int ferry_fault(struct vf *v, const char *site, unsigned nth, int error)
{
    char path[128], request[64];

    ferry_path(v, "fault", path, sizeof(path));
    snprintf(request, sizeof(request), "%s %u %d", site, nth, error);
    return sysfs_write(path, request);
}

const char *ferry_reason(struct vf *v, char *to, size_t size)
{
    char text[1024];
    const char *at;

    to[0] = 0;
    at = strstr(ferry_show(v, "failure", text, sizeof(text)), "refused ");
    if (at)
        snprintf(to, size, "%.*s", (int)strcspn(at + 8, "\n"), at + 8);
    return to;
}

int64_t fd_number(int fd, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    return file_number(path, name);
}

bool fd_is_dead(int fd, bool load)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
    struct vfio_precopy_info info;
    char byte = 0;
    int pipes[2], rw, none, info_err, spliced, polled;

    if (fd < 0)
        return true;
    if (pipe(pipes) || write(pipes[1], &byte, 1) != 1)
        tap_bail("no pipe");
    rw = (load ? write(fd, &byte, 1) : read(fd, &byte, 1)) < 0 ? -errno : 0;
    none = (load ? write(fd, NULL, 0) : read(fd, NULL, 0)) < 0 ? -errno : 0;
    info_err = mig_precopy_info(fd, &info);
    spliced = (load ? splice(pipes[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK) :
                      splice(fd, NULL, pipes[1], NULL, 1, SPLICE_F_NONBLOCK)) < 0 ? -errno : 0;
    polled = poll(&p, 1, 0);
    close(pipes[0]);
    close(pipes[1]);
    if (rw == -ENODEV && none == -ENODEV && spliced == -ENODEV && polled == 1 && p.revents & POLLHUP &&
        info_err == (load ? -ENOTTY : -ENODEV))
        return true;
    tap_diag("the FD of a session that is over: %s %d, of nothing %d, PRECOPY_INFO %d, splice %d, poll %d, events %#x",
             load ? "write" : "read", rw, none, info_err, spliced, polled, p.revents);
    return false;
}

bool task_waits_in(pid_t task, long call)
{
    char path[64], text[128];
    long at;

    /* the call's number, or "running" */
    snprintf(path, sizeof(path), "/proc/%d/syscall", task);
    return sscanf(whole_file(path, text, sizeof(text)), "%ld 0x", &at) == 1 && at == call;
}

void ferry_checksums(bool on)
{
    if (sysfs_write("/sys/module/vfio_ferry/parameters/image_checksums", on ? "Y" : "N"))
        tap_bail("there is no image_checksums");
}

uint64_t ferry_budget(uint64_t bytes)
{
    const char *path = "/sys/module/vfio_ferry/parameters/max_inflight_bytes";
    char before[32], after[32];

    snprintf(after, sizeof(after), "%llu", (unsigned long long)bytes);
    if (sysfs_read(path, before, sizeof(before)) || sysfs_write(path, after))
        tap_bail("there is no max_inflight_bytes");
    return strtoull(before, NULL, 0);
}

/* ---- modules ---- */

int module_references(const char *name)
{
    char path[128], number[32], *c;

    snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
    for (c = path; *c; c++)
        if (*c == '-')
            *c = '_';
    return sysfs_read(path, number, sizeof(number)) ? -1 : atoi(number);
}

int module_unload(const char *name)
{
    return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int module_unload_soon(const char *name)
{
    int err;

    wait_until((err = module_unload(name)) != -EAGAIN && err != -EBUSY, 5000);
    return err;
}

int module_load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return -errno;
    if (syscall(SYS_finit_module, fd, "", 0))
        err = -errno;
    close(fd);
    return err;
}

const char *module_path(const char *file, char *to, size_t size)
{
    char path[256], text[4096], *word;

    to[0] = 0;
    snprintf(path, sizeof(path), "%s/settings", getenv("LAB_OUT") ?: "");
    word = strstr(whole_file(path, text, sizeof(text)), "LAB_INSMOD=");
    if (!word)
        return to;
    word[strcspn(word, "\n")] = 0;
    for (word = strtok(word + 11, " '\""); word; word = strtok(NULL, " '\"")) {
        const char *base = strrchr(word, '/');

        if (base && !strcmp(base + 1, file))
            snprintf(to, size, "%s", word);
    }
    return to;
}
