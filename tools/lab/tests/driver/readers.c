// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The data FDs as any program may use them: bad buffers, several readers and
 * writers, no blocking, signals, splice, other processes. Whatever is done,
 * no byte is lost, doubled or invented, and nobody waits for what cannot come.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "sweep.h"

enum {
    LONG_US     = 400000,       /* a SAVE or LOAD that others can observe */
    FOREVER_MS  = 20000,        /* nothing here takes so long */
    PIECE       = 1 << 20,
};

/* Source and target, and what a save of the stopped source brings each time. */
struct readers {
    struct bench *b;
    struct vf *from, *to;
    struct stream whole;
    uint64_t sum;
};

static void delay(struct readers *t, unsigned opcode, struct vf *v, unsigned us)
{
    model_arm(t->b, (struct fault){ .opcode = opcode, .vhca_id = v->id, .times = 1,
                                    .action = FAULT_DELAY, .delay_us = us });
}

static bool in_flight(struct readers *t)
{
    return model_objects(t->b, VHCA_ID_PF, OBJECT_COMMAND) > 0;
}

static int must_set(struct vf *v, int state)
{
    int fd = -1, err = mig_set(&v->fn, state, &fd);

    if (err)
        tap_bail("VF %s does not go to %s: %s", v->bdf, mig_name(state), strerror(-err));
    return fd;
}

/* The stopped source's stream once more. */
static int open_save(struct readers *t)
{
    must_set(t->from, VFIO_DEVICE_STATE_STOP);
    return must_set(t->from, VFIO_DEVICE_STATE_STOP_COPY);
}

static void end_save(struct readers *t, int fd)
{
    close(fd);
    must_set(t->from, VFIO_DEVICE_STATE_STOP);
}

static bool same(const struct stream *a, const struct stream *b)
{
    return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* The target has been given a stream: is it what the source was? */
static bool arrived(struct readers *t, int fd)
{
    int err = mig_set(&t->to->fn, VFIO_DEVICE_STATE_RUNNING, NULL);
    bool good = !err && wl_sum(t->to->wl) == t->sum;

    if (!good)
        tap_diag("the target does not run (%d), or with other memory", err);
    close(fd);
    vf_reset(t->to);
    return good;
}

/* ---- bad buffers ---- */

/* Three pages, the last of which is not there. */
static uint8_t *bad_pages(void)
{
    uint8_t *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mprotect(p + 2 * PAGE, PAGE, PROT_NONE))
        tap_bail("no memory");
    return p;
}

static void test_read_fault(struct readers *t)
{
    uint8_t *bad = bad_pages();
    struct stream s = { 0 };
    int fd = open_save(t);
    unsigned faults = 0;
    bool wrong = false;
    ssize_t n;

    do {
        /* ever more of it lies in good memory, in the end nothing */
        size_t good = s.len % (2 * PAGE + 1);

        n = read(fd, bad + 2 * PAGE - good, good + PAGE);
        if (n < 0) {
            faults++;
            wrong |= errno != EFAULT || good;
            good = 1;
            n = read(fd, bad + 2 * PAGE - good, good);
        }
        if (n > 0)
            stream_append(&s, bad + 2 * PAGE - good, n);
    } while (n > 0);
    ok(!n && same(&s, &t->whole), "read into a buffer that ends early: nothing is lost "
       "(%u faults, %zu of %zu bytes)", faults, s.len, t->whole.len);
    ok(!wrong, "read into such a buffer fails only if not a byte of it is good");
    end_save(t, fd);
    stream_free(&s);
    munmap(bad, 3 * PAGE);
}

static void test_write_fault(struct readers *t)
{
    uint8_t *bad = bad_pages();
    int fd = must_set(t->to, VFIO_DEVICE_STATE_RESUMING), err = 0;
    size_t at = 0;

    while (at < t->whole.len && !err) {
        size_t good = t->whole.len - at < 2 * PAGE ? t->whole.len - at : 2 * PAGE;
        ssize_t n;

        memcpy(bad + 2 * PAGE - good, t->whole.data + at, good);
        /* what is behind the stream's end would be data, not a fault */
        n = write(fd, bad + 2 * PAGE - good, at + good < t->whole.len ? good + PAGE : good);
        if (n < 0 && errno == EFAULT)
            n = write(fd, bad + 2 * PAGE - good, good);
        if (n <= 0 || (size_t)n > good)
            err = n < 0 ? errno : -1;
        else
            at += n;
    }
    ok(!err && arrived(t, fd), "write from a buffer that ends early: nothing is lost "
       "(error %d at byte %zu)", err, at);
    if (err)
        close(fd), vf_reset(t->to);
    munmap(bad, 3 * PAGE);
}

/* ---- more than one ---- */

enum { SEVERAL = 4 };

struct sharer {
    int fd;
    unsigned size;
    uint64_t bytes, sum;
    int err;
    pthread_t thread;
};

static uint64_t byte_sum(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;

    while (len--)
        sum += *p++ * 2654435761u + 1;
    return sum;
}

static void *share(void *arg)
{
    struct sharer *r = arg;
    uint8_t *piece = malloc(r->size);
    ssize_t n;

    while ((n = read(r->fd, piece, r->size)) > 0) {
        r->bytes += n;
        r->sum += byte_sum(piece, n);
    }
    r->err = n ? -errno : 0;
    free(piece);
    return NULL;
}

/* All begin while the SAVE runs, so all wait for it. */
static void test_several_readers(struct readers *t)
{
    struct sharer r[SEVERAL];
    uint64_t bytes = 0, sum = 0;
    int fd, err = 0;

    must_set(t->from, VFIO_DEVICE_STATE_STOP);
    delay(t, OP_SAVE_VHCA_STATE, t->from, LONG_US);
    fd = must_set(t->from, VFIO_DEVICE_STATE_STOP_COPY);
    for (unsigned i = 0; i < SEVERAL; i++) {
        r[i] = (struct sharer){ .fd = dup(fd), .size = 1000 + 7777 * i };
        pthread_create(&r[i].thread, NULL, share, &r[i]);
    }
    for (unsigned i = 0; i < SEVERAL; i++) {
        pthread_join(r[i].thread, NULL);
        close(r[i].fd);
        bytes += r[i].bytes;
        sum += r[i].sum;
        err |= r[i].err;
    }
    model_disarm(t->b);
    ok(!err && bytes == t->whole.len, "%u readers of one stream get all of it, once: "
       "%zu of %zu bytes, error %d", SEVERAL, (size_t)bytes, t->whole.len, err);
    ok(sum == byte_sum(t->whole.data, t->whole.len), "and get the bytes that are in it");
    end_save(t, fd);
}

struct scribbler {
    int fd;
    const struct stream *s;
    unsigned seed;
    pthread_t thread;
};

static void *scribble(void *arg)
{
    struct scribbler *w = arg;

    /* sizes differ, so the pieces never fit together */
    for (unsigned i = 0; i < 50; i++) {
        size_t at = rand_r(&w->seed) % (w->s->len / 2);
        size_t len = rand_r(&w->seed) % (w->s->len / 4) + 1;

        if (write(w->fd, w->s->data + at, len) < 0 && errno == ENODEV)
            break;
    }
    return NULL;
}

static void test_several_writers(struct readers *t)
{
    for (unsigned round = 0; round < 4; round++) {
        struct scribbler w[SEVERAL];
        int fd = must_set(t->to, VFIO_DEVICE_STATE_RESUMING);

        /* a good begin, so that they meet inside an image */
        mig_write(fd, t->whole.data, t->whole.len / 3);
        for (unsigned i = 0; i < SEVERAL; i++) {
            w[i] = (struct scribbler){ .fd = fd, .s = &t->whole, .seed = round * 100 + i };
            pthread_create(&w[i].thread, NULL, scribble, &w[i]);
        }
        for (unsigned i = 0; i < SEVERAL; i++)
            pthread_join(w[i].thread, NULL);
        ok(mig_set(&t->to->fn, VFIO_DEVICE_STATE_STOP, NULL),
           "%u writers who do not agree, round %u: their stream is refused", SEVERAL, round);
        close(fd);
        vf_reset(t->to);
    }
}

/* ---- the VF's own BAR as buffer, while it is reset ---- */

struct bar_user {
    int fd;
    bool writes;
    uint8_t *bar;
    uint64_t calls;
    int err;
    pthread_t thread;
};

static void *use_bar(void *arg)
{
    struct bar_user *u = arg;
    ssize_t n;

    do {
        if (u->writes)
            n = write(u->fd, u->bar, PAGE);
        else
            n = read(u->fd, u->bar, PAGE);
        __atomic_fetch_add(&u->calls, 1, __ATOMIC_RELEASE);
    } while (n > 0 || (n < 0 && (errno == EFAULT || errno == ENOMSG)));
    u->err = n < 0 ? -errno : 0;
    return NULL;
}

static void test_bar_buffer(struct readers *t, bool writes)
{
    struct vf *v = writes ? t->to : t->from;
    struct bar_user u = { .writes = writes, .bar = (uint8_t *)v->wl.base - BAR2_WORKLOAD + BAR2_WINDOW };

    for (unsigned round = 0; round < 3; round++) {
        u.calls = 0;
        if (writes) {
            struct vfio_ferry_header { uint64_t size; uint32_t flags, tag; } h = { 1 << 30, 1, 0x7777 };

            /* a long record that is skipped: the BAR's bytes may be anything */
            u.fd = must_set(v, VFIO_DEVICE_STATE_RESUMING);
            mig_write(u.fd, &h, sizeof(h));
        } else {
            u.fd = must_set(v, VFIO_DEVICE_STATE_PRE_COPY);
        }
        pthread_create(&u.thread, NULL, use_bar, &u);
        wait_until(__atomic_load_n(&u.calls, __ATOMIC_ACQUIRE) > round, FOREVER_MS);
        vf_reset(v);
        pthread_join(u.thread, NULL);
        ok(u.err == -ENODEV, "%s the VF's own BAR while it is reset, round %u: ends with %d",
           writes ? "writing from" : "reading into", round, u.err);
        close(u.fd);
    }
    vf_reset(v);
}

/* ---- a buffer whose page does not come ---- */

/* Memory whose first use waits until the test lets it go on. */
struct late_page {
    int uffd;
    uint8_t *at;
};

static struct late_page late_page(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
    struct late_page p;

    p.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
    p.at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    reg.range = (struct uffdio_range){ (uintptr_t)p.at, PAGE };
    if (p.uffd < 0 || p.at == MAP_FAILED || ioctl(p.uffd, UFFDIO_API, &api) ||
        ioctl(p.uffd, UFFDIO_REGISTER, &reg))
        tap_bail("no userfaultfd: %s", strerror(errno));
    return p;
}

static bool someone_waits(struct late_page *p)
{
    struct pollfd poll_for = { .fd = p->uffd, .events = POLLIN };

    return poll(&poll_for, 1, FOREVER_MS) == 1;
}

static void let_go(struct late_page *p, const uint8_t *with)
{
    uint8_t *page = aligned_alloc(PAGE, PAGE);
    struct uffdio_copy copy = { .dst = (uintptr_t)p->at, .src = (uintptr_t)page, .len = PAGE };

    memcpy(page, with, PAGE);
    if (ioctl(p->uffd, UFFDIO_COPY, &copy))
        tap_bail("userfaultfd: %s", strerror(errno));
    free(page);
}

struct stalled {
    int fd;
    bool writes;
    struct late_page page;
    ssize_t result;
    pthread_t thread;
};

static void *stall(void *arg)
{
    struct stalled *s = arg;

    s->result = s->writes ? write(s->fd, s->page.at, PAGE) : read(s->fd, s->page.at, PAGE);
    if (s->result < 0)
        s->result = -errno;
    return NULL;
}

/* A copy that does not end must not keep anybody from resetting or unbinding the VF. */
static void test_stalled_copy(struct readers *t, bool writes)
{
    struct vf *v = writes ? t->to : t->from;
    struct stalled s = { .writes = writes, .page = late_page() };

    s.fd = must_set(v, writes ? VFIO_DEVICE_STATE_RESUMING : VFIO_DEVICE_STATE_PRE_COPY);
    pthread_create(&s.thread, NULL, stall, &s);
    ok(someone_waits(&s.page), "a %s waits for a page of its buffer", writes ? "write" : "read");
    ok(mig_get(&v->fn) >= 0 && mig_data_size(&v->fn) > 0, "state and size can be asked meanwhile");
    if (!writes) {
        ok(!mig_set(&v->fn, VFIO_DEVICE_STATE_STOP_COPY, NULL), "the state can be changed");
        ok(!mig_set(&v->fn, VFIO_DEVICE_STATE_RUNNING, NULL), "and back");
    }
    ok(!vfio_reset(&v->fn), "the VF can be reset");
    vf_close(v);
    ok(!pci_bind(v->bdf, v->driver), "the VF can be closed, unbound and bound");
    let_go(&s.page, t->whole.data);
    pthread_join(s.thread, NULL);
    ok(s.result == -ENODEV || s.result > 0, "then the page comes and the %s ends with %zd",
       writes ? "write" : "read", s.result);
    ok((writes ? write(s.fd, "", 1) : read(s.fd, s.page.at, 1)) < 0 && errno == ENODEV,
       "and the FD is dead");
    close(s.fd);
    close(s.page.uffd);
    munmap(s.page.at, PAGE);
    vf_open(v);
}

/* ---- waiting ---- */

static void test_nonblocking_read(struct readers *t)
{
    struct stream s = { 0 };
    struct pollfd p = { .events = POLLIN };
    unsigned again = 0;
    ssize_t n;
    int fd;

    must_set(t->from, VFIO_DEVICE_STATE_STOP);
    delay(t, OP_SAVE_VHCA_STATE, t->from, LONG_US);
    p.fd = fd = must_set(t->from, VFIO_DEVICE_STATE_STOP_COPY);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    do {
        uint8_t piece[50000];

        n = read(fd, piece, sizeof(piece));
        if (n > 0)
            stream_append(&s, piece, n);
        else if (n < 0 && errno == EAGAIN && ++again)
            if (poll(&p, 1, FOREVER_MS) != 1)
                break;
    } while (n > 0 || (n < 0 && errno == EAGAIN));
    model_disarm(t->b);
    ok(again && again < 10, "O_NONBLOCK: EAGAIN while the image is being saved, then poll waits "
       "for it (%u times)", again);
    ok(!n && same(&s, &t->whole), "O_NONBLOCK: the stream is whole");
    p.revents = 0;
    ok(poll(&p, 1, 0) == 1 && p.revents & POLLIN, "poll at the end: readable, for ever");
    ok(!read(fd, &n, 1) && !read(fd, &n, 1), "read at the end: 0, for ever");
    end_save(t, fd);
    stream_free(&s);
}

static void test_nonblocking_write(struct readers *t)
{
    struct pollfd p = { .events = POLLOUT };
    unsigned again = 0;
    size_t at = 0;
    ssize_t n;
    int fd;

    p.fd = fd = must_set(t->to, VFIO_DEVICE_STATE_RESUMING);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    delay(t, OP_LOAD_VHCA_STATE, t->to, LONG_US);
    while (at < t->whole.len) {
        n = write(fd, t->whole.data + at, t->whole.len - at);
        if (n > 0)
            at += n;
        else if (n < 0 && errno == EAGAIN && again++ < 100000)
            poll(&p, 1, FOREVER_MS);
        else
            break;
    }
    model_disarm(t->b);
    ok(at == t->whole.len && arrived(t, fd), "O_NONBLOCK write loads the whole stream "
       "(EAGAIN %u times)", again);
    ok(again < 1000, "poll for writing waits rather than spins (%u times)", again);
}

static void nothing(int signal)
{
    (void)signal;
}

static void test_signals(struct readers *t)
{
    struct itimerval soon = { .it_value = { .tv_usec = 50000 } };
    struct sigaction act = { .sa_handler = nothing };
    struct stream s = { 0 };
    bool ended;
    ssize_t n;
    char byte;
    int fd;

    sigaction(SIGALRM, &act, NULL);
    must_set(t->from, VFIO_DEVICE_STATE_STOP);
    delay(t, OP_SAVE_VHCA_STATE, t->from, LONG_US);
    fd = must_set(t->from, VFIO_DEVICE_STATE_STOP_COPY);
    /* what is there before the image */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    while (read(fd, &byte, 1) == 1)
        stream_append(&s, &byte, 1);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setitimer(ITIMER_REAL, &soon, NULL);
    n = read(fd, &byte, 1);
    ok(n < 0 && errno == EINTR && in_flight(t), "a signal ends a read that waits for an image");
    n = mig_read(fd, &s, &ended);
    ok(n >= 0 && ended && same(&s, &t->whole), "and nothing is lost by that");
    model_disarm(t->b);
    end_save(t, fd);
    stream_free(&s);
}

static void test_sigkill(struct readers *t)
{
    int fd, status;
    pid_t pid;
    bool died;

    must_set(t->from, VFIO_DEVICE_STATE_STOP);
    delay(t, OP_SAVE_VHCA_STATE, t->from, 10 * LONG_US);
    fd = must_set(t->from, VFIO_DEVICE_STATE_STOP_COPY);
    pid = fork();
    if (!pid) {
        uint8_t piece[4096];

        while (read(fd, piece, sizeof(piece)) > 0)
            ;
        _exit(0);
    }
    wait_until(fd_number(fd, "ferry-unread-initial") == 0 || !t->from->ferry, FOREVER_MS);
    kill(pid, SIGKILL);
    died = wait_until(waitpid(pid, &status, WNOHANG) == pid, FOREVER_MS);
    ok(died && WIFSIGNALED(status) && in_flight(t),
       "SIGKILL ends a read that waits for an image");
    model_disarm(t->b);
    end_save(t, fd);
}

/* ---- pre-copy information ---- */

struct hammer {
    int fd;
    bool stop;
    uint64_t asked, bad;
    struct vfio_precopy_info worst;
    uint64_t limit;
    pthread_t thread;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;

    while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
        struct vfio_precopy_info info;

        memset(&info, 0xff, sizeof(info));
        info.argsz = sizeof(info);
        if (ioctl(h->fd, VFIO_MIG_GET_PRECOPY_INFO, &info) ||
            info.initial_bytes > h->limit || info.dirty_bytes > h->limit) {
            h->bad++;
            h->worst = info;
        }
        h->asked++;
    }
    return NULL;
}

static void test_precopy_info(struct readers *t)
{
    struct vf *v = t->from;
    struct vfio_precopy_info info;
    struct hammer h = { .limit = 2 * wl_read(v->wl, WL_STATE_SIZE) + (1 << 20) };
    struct stream s = { 0 };
    uint64_t initial;
    bool ended = true, seen;
    ssize_t n;
    char byte;

    vf_reset(v);
    vf_fill(v, SEED);
    delay(t, OP_SAVE_VHCA_STATE, v, LONG_US);
    h.fd = must_set(v, VFIO_DEVICE_STATE_PRE_COPY);
    if (!wait_until(in_flight(t), FOREVER_MS))
        tap_bail("PRE_COPY begins without a SAVE");
    seen = !mig_precopy_info(h.fd, &info) && in_flight(t);
    ok(seen, "PRECOPY_INFO does not wait for the SAVE in flight");
    ok(info.initial_bytes && info.initial_bytes < h.limit && !info.dirty_bytes,
       "and says what is to come: initial %llu, dirty %llu",
       (unsigned long long)info.initial_bytes, (unsigned long long)info.dirty_bytes);
    seen = mig_data_size(&v->fn) > 0 && in_flight(t);
    ok(seen, "MIG_DATA_SIZE does not wait for the SAVE in flight");
    initial = info.initial_bytes;

    pthread_create(&h.thread, NULL, hammer, &h);
    n = mig_read(h.fd, &s, &ended);
    model_disarm(t->b);
    ok(n > 0 && !ended, "the temporary end in pre-copy is ENOMSG (%zd bytes)", n);
    ok((uint64_t)n <= initial, "initial_bytes was no less than what came: %llu, %zd",
       (unsigned long long)initial, n);
    ok(wait_until(!mig_precopy_info(h.fd, &info) && !info.initial_bytes && !info.dirty_bytes,
                  FOREVER_MS), "all read and nothing changed: both are 0");
    n = read(h.fd, &byte, 1);
    ok(n < 0 && errno == ENOMSG, "both 0: read gives ENOMSG");
    vf_change(v, 50);
    ok(wait_until(!mig_precopy_info(h.fd, &info) && info.dirty_bytes, FOREVER_MS),
       "after a change dirty_bytes is not 0");
    for (n = 0; !n; relax())
        n = mig_read(h.fd, &s, &ended);
    ok(n > 0 && !ended, "and the change can be read (%zd bytes)", n);
    vf_change(v, 5);
    __atomic_store_n(&h.stop, true, __ATOMIC_RELEASE);
    pthread_join(h.thread, NULL);
    ok(!h.bad, "PRECOPY_INFO is right each of %llu times (worst: initial %#llx, dirty %#llx)",
       (unsigned long long)h.asked, (unsigned long long)h.worst.initial_bytes,
       (unsigned long long)h.worst.dirty_bytes);

    must_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    ok(mig_precopy_info(h.fd, &info) == -EINVAL, "PRECOPY_INFO in STOP_COPY gives EINVAL");
    n = mig_read(h.fd, &s, &ended);
    ok(n > 0 && ended, "in STOP_COPY there is no ENOMSG, but an end (%zd bytes)", n);
    end_save(t, h.fd);
    stream_free(&s);
    vf_reset(v);
    vf_fill(v, SEED);
}

/* ---- other ways to move bytes ---- */

static void test_splice(struct readers *t)
{
    int from = open_save(t), to = must_set(t->to, VFIO_DEVICE_STATE_RESUMING), pipes[2];
    ssize_t n, m = 1;
    size_t total = 0;

    if (pipe(pipes))
        tap_bail("no pipe");
    while (m > 0 && (n = splice(from, NULL, pipes[1], NULL, 65536, 0)) > 0)
        for (; n && (m = splice(pipes[0], NULL, to, NULL, n, 0)) > 0; n -= m)
            total += m;
    ok(!n && total == t->whole.len, "splice moves %zu of %zu bytes (%zd, %s)", total,
       t->whole.len, n, n < 0 || m < 0 ? strerror(errno) : "no error");
    ok(arrived(t, to), "what was spliced arrives");
    end_save(t, from);
    close(pipes[0]);
    close(pipes[1]);
}

static int send_fd(int socket, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec io = { &byte, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
                        .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(socket, &m, 0) < 0 ? -errno : 0;
}

static int receive_fd(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec io = { &byte, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
                        .msg_controllen = sizeof(control) };
    int fd;

    if (recvmsg(socket, &m, 0) < 0)
        return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
    return fd;
}

/* Another process reads the first half, this one the rest. */
static void test_other_process(struct readers *t)
{
    int fd = open_save(t), sockets[2], pipes[2];
    size_t half = t->whole.len / 2;
    struct stream s = { 0 };
    bool ended;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || pipe(pipes))
        tap_bail("no sockets");
    pid = fork();
    if (!pid) {
        uint8_t *piece = malloc(half);
        size_t have = 0;
        ssize_t n;
        int mine;

        close(fd);
        mine = receive_fd(sockets[1]);
        while (have < half && (n = read(mine, piece + have, half - have)) > 0)
            have += n;
        _exit(mig_write(pipes[1], piece, have) ? 1 : 0);
    }
    close(pipes[1]);
    send_fd(sockets[0], fd);
    mig_read(pipes[0], &s, NULL);
    waitpid(pid, NULL, 0);
    ok(mig_read(fd, &s, &ended) > 0 && ended && same(&s, &t->whole),
       "a process that got the FD by SCM_RIGHTS reads half, this one the rest");
    end_save(t, fd);
    close(pipes[0]);
    close(sockets[0]);
    close(sockets[1]);
    stream_free(&s);
}

/* The only reference to the data FD is a message that nobody receives. */
static void test_lost_message(struct readers *t)
{
    int sockets[2], fd = must_set(t->to, VFIO_DEVICE_STATE_RESUMING);

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
        tap_bail("no sockets");
    mig_write(fd, t->whole.data, t->whole.len / 2);
    send_fd(sockets[0], fd);
    close(fd);
    vf_close(t->to);
    ok(!pci_bind(t->to->bdf, t->to->driver), "unbinding with the data FD in a socket's queue");
    close(sockets[0]);
    close(sockets[1]);
    vf_open(t->to);
    ok(mig_get(&t->to->fn) == VFIO_DEVICE_STATE_RUNNING, "and after it is lost the VF is usable");
}

static void test_small_things(struct readers *t)
{
    int fd = open_save(t), to;
    char byte = 0;

    ok(!read(fd, &byte, 0), "read of nothing gives 0");
    ok(write(fd, &byte, 1) < 0 && errno == EBADF, "the saving FD cannot be written");
    ok(pread(fd, &byte, 1, 0) < 0 && errno == ESPIPE, "pread gives ESPIPE");
    ok(lseek(fd, 0, SEEK_SET) < 0 && errno == ESPIPE, "lseek gives ESPIPE");
    ok(ioctl(fd, VFIO_DEVICE_RESET) < 0 && errno == ENOTTY, "an unknown ioctl gives ENOTTY");
    ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "the data FD is closed on exec");
    if (t->from->ferry)
        ok(fd_number(fd, "ferry-memory") > 0 && fd_number(fd, "ferry-budget") > 0,
           "fdinfo tells memory and budget");
    end_save(t, fd);
    to = must_set(t->to, VFIO_DEVICE_STATE_RESUMING);
    ok(read(to, &byte, 1) < 0 && errno == EBADF, "the resuming FD cannot be read");
    ok(ioctl(to, VFIO_MIG_GET_PRECOPY_INFO, &byte) < 0 && errno == ENOTTY,
       "the resuming FD knows no PRECOPY_INFO");
    close(to);
    vf_reset(t->to);
}

void test_readers(struct bench *b)
{
    struct readers t = { .b = b, .from = &b->vf[0], .to = &b->vf[1] };
    struct stream again = { 0 };
    int fd;

    if (b->vfs < 2)
        tap_bail("the tests of data FDs need 2 VFs");
    vf_open(t.from);
    vf_open(t.to);
    test_precopy_info(&t);

    fd = open_save(&t);
    mig_read(fd, &t.whole, NULL);
    end_save(&t, fd);
    t.sum = wl_sum(t.from->wl);
    fd = open_save(&t);
    mig_read(fd, &again, NULL);
    end_save(&t, fd);
    ok(t.whole.len && same(&t.whole, &again), "two saves of a stopped VF bring the same stream");
    stream_free(&again);

    test_small_things(&t);
    test_read_fault(&t);
    test_write_fault(&t);
    test_nonblocking_read(&t);
    test_nonblocking_write(&t);
    test_signals(&t);
    test_sigkill(&t);
    test_splice(&t);
    test_other_process(&t);
    test_several_readers(&t);
    test_several_writers(&t);
    vf_reset(t.from);
    vf_fill(t.from, SEED);
    test_bar_buffer(&t, false);
    test_bar_buffer(&t, true);
    test_lost_message(&t);
    test_stalled_copy(&t, false);
    test_stalled_copy(&t, true);
    vf_close(t.from);
    vf_close(t.to);
    bench_check_clean(b, "data FDs");
    stream_free(&t.whole);
}
