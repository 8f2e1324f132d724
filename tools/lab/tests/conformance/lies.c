// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lies about what the kernel said. Preloaded into a program of the conformance
 * suite, this falsifies the answers to one kind of call, as $LIE says, so that
 * its tests can be seen to fail where no fault of a driver would make them:
 *
 *   CALL [CONDITION...] FALSEHOOD...
 *
 * CALL is a name in `calls`. The conditions, which all have to hold:
 *
 *   fd=save|resume|device|event    what the call's first argument is
 *   feature=NUMBER                 of FEATURE
 *   method=get|set|probe|none      of FEATURE; several are joined by +
 *   flags=MASK                     one of these bits is in an ioctl's flags
 *   below=N                        an ioctl's argsz is less
 *   to=STATE, was=STATE            of SET_STATE; was=: also of other calls on
 *                                  the device, and on the last data FD
 *   second=N, third=N              arguments of other calls
 *   field=AT:SIZE:VALUE            a number in an ioctl's argument
 *   true=ok|fails|ERRNO|NUMBER     the kernel's answer
 *   after=N                        not the first N calls that the rest fits
 *
 * The falsehoods:
 *
 *   skip                   the call is not made; it says 0
 *   reset                  the device is reset instead; it says 0
 *   says=ERRNO|NUMBER      what the call says
 *   put=AT:SIZE:VALUE      a number in the buffer or argument that came back
 *   through=AT             ... in the memory that the pointer there leads to
 *   lose                   a byte of the stream is gone before the call
 *   twice                  the last byte of a write is written once more
 *   scribble               the first word that the device may write to is 0
 *                          after the call
 *
 * States are named as in vfio.h, numbers as in C. A process says on standard
 * error when it was lied to for the first time. LIE=nothing is no lie, to see
 * that a test passes with this loaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#define GET     VFIO_DEVICE_FEATURE_GET
#define SET     VFIO_DEVICE_FEATURE_SET
#define PROBE   VFIO_DEVICE_FEATURE_PROBE
#define METHODS (GET | SET | PROBE)

#define COUNT(_array) (sizeof(_array) / sizeof(*(_array)))

enum {
    ANY = -1,
    MAX_FD = 1024,
    /* Of an ioctl's argument; no feature here has more. */
    ARGUMENT = 64,
    STATE_AT = 8,
    MAX_ERRNO = 4095,
};

/* A system call, or an ioctl of it, or a feature of that. */
static const struct kind {
    const char *name;
    long number;
    long request;
    long feature;
    long methods;
} calls[] = {
    { "FEATURE", SYS_ioctl, VFIO_DEVICE_FEATURE, ANY, ANY },
    { "FLAGS", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_MIGRATION, GET },
    { "GET_STATE", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, GET },
    { "SET_STATE", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, SET },
    { "DATA_SIZE", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, GET },
    { "INFO_V2", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, SET },
    { "LOG_START", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, SET },
    { "LOG_STOP", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, SET },
    { "LOG_REPORT", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, GET },
    { "SLEEP", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, SET },
    { "SLEEP_WAKEUP", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, SET },
    { "WAKE", SYS_ioctl, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, SET },
    { "PRECOPY_INFO", SYS_ioctl, VFIO_MIG_GET_PRECOPY_INFO, ANY, ANY },
    { "RESET", SYS_ioctl, VFIO_DEVICE_RESET, ANY, ANY },
    { "BIND", SYS_ioctl, VFIO_DEVICE_BIND_IOMMUFD, ANY, ANY },
    { "SET_IRQS", SYS_ioctl, VFIO_DEVICE_SET_IRQS, ANY, ANY },
    { "read", SYS_read, ANY, ANY, ANY },
    { "write", SYS_write, ANY, ANY, ANY },
    { "pread", SYS_pread64, ANY, ANY, ANY },
    { "poll", SYS_poll, ANY, ANY, ANY },
    { "fcntl", SYS_fcntl, ANY, ANY, ANY },
    { "close", SYS_close, ANY, ANY, ANY },
};

static const char *const states[] = {
    [VFIO_DEVICE_STATE_ERROR] = "ERROR",
    [VFIO_DEVICE_STATE_STOP] = "STOP",
    [VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
    [VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
    [VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
    [VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
    [VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
    [VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
};

struct place {
    bool given;
    unsigned int at;
    unsigned int size;
    uint64_t value;
};

/* An errno is a negative number. */
struct result {
    enum { NONE, SUCCESS, FAILURE, NUMBER } kind;
    long number;
};

static struct {
    const struct kind *call;
    char fd[16];
    long feature, methods, to, was, flags, below, second, third, after, through;
    struct place field, put;
    struct result truth, says;
    bool skip, reset, lose, twice, scribble;
} lie = { .feature = ANY, .methods = ANY, .to = ANY, .was = ANY, .second = ANY, .third = ANY, .through = ANY };

/* Its words that are a number, a place, a result, or by themselves. */
static const struct word {
    const char *name;
    long *number;
    struct place *place;
    struct result *result;
    bool *alone;
} words[] = {
    { "feature", .number = &lie.feature },
    { "to", .number = &lie.to },
    { "was", .number = &lie.was },
    { "flags", .number = &lie.flags },
    { "below", .number = &lie.below },
    { "second", .number = &lie.second },
    { "third", .number = &lie.third },
    { "after", .number = &lie.after },
    { "through", .number = &lie.through },
    { "field", .place = &lie.field },
    { "put", .place = &lie.put },
    { "true", .result = &lie.truth },
    { "says", .result = &lie.says },
    { "skip", .alone = &lie.skip },
    { "reset", .alone = &lie.reset },
    { "lose", .alone = &lie.lose },
    { "twice", .alone = &lie.twice },
    { "scribble", .alone = &lie.scribble },
};

/* By the device's FD, the state that it was set to last; RUNNING where it was not. */
static uint8_t state_of[MAX_FD];
static int last_device;
/* What was mapped last for a device to write to. */
static uint64_t *mapped;
/* Calls that the lie fits. */
static long fitting;

struct call {
    long number;
    int fd;
    const long *arguments;
    uint8_t argument[ARGUMENT];     /* of an ioctl, as the caller had it */
    size_t length;
};

/* Reading $LIE */

static _Noreturn void refuse(const char *word)
{
    dprintf(2, "$LIE has '%s', which is nothing that lies.c knows\n", word);
    _exit(2);
}

static long number_of(const char *text)
{
    char *end;
    long number = strtoul(text, &end, 0);

    for (unsigned int i = 0; i < COUNT(states); i++)
        if (!strcmp(text, states[i]))
            return i;
    for (int i = 1; i < MAX_ERRNO; i++)
        if (strerrorname_np(i) && !strcmp(text, strerrorname_np(i)))
            return -i;
    if (!*text || *end)
        refuse(text);
    return number;
}

static struct result result_of(const char *text)
{
    if (!strcmp(text, "ok"))
        return (struct result){ SUCCESS, 0 };
    if (!strcmp(text, "fails"))
        return (struct result){ FAILURE, 0 };
    return (struct result){ NUMBER, number_of(text) };
}

static int methods_of(const char *text)
{
    return (strstr(text, "get") ? GET : 0) | (strstr(text, "set") ? SET : 0) | (strstr(text, "probe") ? PROBE : 0);
}

static struct place place_of(const char *text)
{
    struct place place = { .given = true };
    char value[32];

    if (sscanf(text, "%u:%u:%31s", &place.at, &place.size, value) != 3 || place.size > sizeof(place.value))
        refuse(text);
    place.value = number_of(value);
    return place;
}

static void take(char *text)
{
    char *value = strchr(text, '=');

    if (value)
        *value++ = 0;
    if (value && !strcmp(text, "fd")) {
        snprintf(lie.fd, sizeof(lie.fd), "%s", value);
        return;
    }
    if (value && !strcmp(text, "method")) {
        lie.methods = methods_of(value);
        return;
    }
    for (unsigned int i = 0; i < COUNT(words); i++) {
        const struct word *word = &words[i];

        if (strcmp(text, word->name) || !value != !!word->alone)
            continue;
        if (word->number)
            *word->number = number_of(value);
        else if (word->place)
            *word->place = place_of(value);
        else if (word->result)
            *word->result = result_of(value);
        else
            *word->alone = true;
        return;
    }
    refuse(text);
}

static __attribute__((constructor)) void read_lie(void)
{
    char *text = getenv("LIE"), *rest = NULL, *word;

    memset(state_of, VFIO_DEVICE_STATE_RUNNING, sizeof(state_of));
    if (!text || !strcmp(text, "nothing"))
        return;
    text = strdup(text);
    word = strtok_r(text, " ", &rest);
    for (unsigned int i = 0; i < COUNT(calls); i++)
        if (!strcmp(word, calls[i].name))
            lie.call = &calls[i];
    if (!lie.call)
        refuse(word);
    if (lie.call->feature != ANY)
        lie.feature = lie.call->feature;
    if (lie.call->methods != ANY)
        lie.methods = lie.call->methods;
    while ((word = strtok_r(NULL, " ", &rest)))
        take(word);
    free(text);
}

/* Memory of the caller's, which need not be there. After a fork it is another one. */

static int memory(void)
{
    static int fd;
    static pid_t owner;

    if (owner != getpid()) {
        owner = getpid();
        fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
    }
    return fd;
}

static bool peek(uint64_t from, void *to, size_t size)
{
    return syscall(SYS_pread64, memory(), to, size, from) == (ssize_t)size;
}

static void poke(uint64_t to, const void *from, size_t size)
{
    syscall(SYS_pwrite64, memory(), from, size, to);
}

static uint64_t field_of(const struct call *call, unsigned int at, unsigned int size)
{
    uint64_t value = 0;

    if (at + size <= call->length)
        memcpy(&value, call->argument + at, size);
    return value;
}

static bool has_field(const struct call *call, const struct place *place)
{
    return place->at + place->size <= call->length && field_of(call, place->at, place->size) == place->value;
}

static void read_argument(struct call *call)
{
    static const size_t sizes[] = { ARGUMENT, 40, 24, 16, 12, 8 };

    for (unsigned int i = 0; !call->length && i < COUNT(sizes); i++)
        if (peek(call->arguments[2], call->argument, sizes[i]))
            call->length = sizes[i];
}

/* Does the lie fit? */

static bool is_set_state(const struct call *call)
{
    return call->number == SYS_ioctl && call->arguments[1] == VFIO_DEVICE_FEATURE &&
           field_of(call, 4, 4) == (SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE);
}

static const char *class_of(int fd)
{
    char path[64], target[PATH_MAX] = "";

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof(target) - 1) < 0)
        return "nothing";
    if (strstr(target, "[vfio-device]") || strstr(target, "/dev/vfio/devices/"))
        return "device";
    if (strstr(target, "[eventfd]"))
        return "event";
    if (strncmp(target, "anon_inode:", strlen("anon_inode:")))
        return "other";
    /* Data FDs have one direction, and no other of these files has. */
    switch (syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) {
    case O_RDONLY:
        return "save";
    case O_WRONLY:
        return "resume";
    }
    return "other";
}

static uint8_t *state_at(int fd)
{
    int device = fd >= 0 && fd < MAX_FD && !strcmp(class_of(fd), "device") ? fd : last_device;

    return &state_of[device];
}

static bool fits(const struct call *call)
{
    const struct kind *kind = lie.call;
    uint32_t flags = field_of(call, 4, 4);

    if (!kind || kind->number != call->number)
        return false;
    if (kind->request != ANY && kind->request != call->arguments[1])
        return false;
    if (lie.feature != ANY && (call->length < 8 || (flags & VFIO_DEVICE_FEATURE_MASK) != (uint32_t)lie.feature))
        return false;
    if (lie.methods != ANY && (call->length < 8 || (flags & METHODS) != (uint32_t)lie.methods))
        return false;
    if (lie.flags && !(flags & lie.flags))
        return false;
    if (lie.below && (call->length < 4 || field_of(call, 0, 4) >= (uint64_t)lie.below))
        return false;
    if (lie.to != ANY && field_of(call, STATE_AT, 4) != (uint64_t)lie.to)
        return false;
    if (lie.was != ANY && *state_at(call->fd) != lie.was)
        return false;
    if (lie.field.given && !has_field(call, &lie.field))
        return false;
    if (lie.second != ANY && call->arguments[1] != lie.second)
        return false;
    if (lie.third != ANY && call->arguments[2] != lie.third)
        return false;
    return !*lie.fd || !strcmp(class_of(call->fd), lie.fd);
}

static bool is_true(long result)
{
    switch (lie.truth.kind) {
    case SUCCESS:
        return result >= 0;
    case FAILURE:
        return result < 0;
    case NUMBER:
        return result == lie.truth.number;
    default:
        return true;
    }
}

/* True from the call on that is not one of the first. */
static bool is_time(void)
{
    return __atomic_fetch_add(&fitting, 1, __ATOMIC_RELAXED) >= lie.after;
}

/* Telling it */

static long ask_kernel(const struct call *call)
{
    const long *a = call->arguments;
    long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);

    return result < 0 ? -errno : result;
}

static long reset(int fd)
{
    return syscall(SYS_ioctl, fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

/* Where the answer is, besides the call's result. */
static uint64_t answer_of(const struct call *call)
{
    uint64_t at = call->arguments[call->number == SYS_ioctl ? 2 : 1];

    if (lie.through != ANY && !peek(at + lie.through, &at, sizeof(at)))
        return 0;
    return at;
}

static void after_call(const struct call *call, long result)
{
    if (lie.put.given)
        poke(answer_of(call) + lie.put.at, &lie.put.value, lie.put.size);
    if (lie.twice && result > 0)
        syscall(SYS_write, call->fd, call->arguments[1] + result - 1, 1);
    if (lie.scribble && mapped)
        *mapped = 0;
}

static long say(long result)
{
    static bool said;

    if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        dprintf(2, "# a lie: %s\n", getenv("LIE"));
    return lie.says.kind == NUMBER ? lie.says.number : result;
}

/* Instead of what the kernel would say, or before it is asked. */
static long act(const struct call *call)
{
    char byte;

    if (lie.skip)
        return 0;
    if (lie.reset)
        return reset(call->fd);
    if (lie.lose && syscall(SYS_read, call->fd, &byte, 1) < 0)
        return -errno;
    return ask_kernel(call);
}

static long answer(const struct call *call)
{
    bool acts = lie.skip || lie.reset || lie.lose, now = fits(call) && (!acts || is_time());
    long result = now && acts ? act(call) : ask_kernel(call);

    if (!now || !is_true(result) || (!acts && !is_time()))
        return result;
    after_call(call, result);
    return say(result);
}

/* What the lies want to know of the truth. */
static void learn(const struct call *call, long result)
{
    struct vfio_iommu_type1_dma_map map;
    struct iommu_ioas_map ioas;

    if (call->number == SYS_close && call->fd >= 0 && call->fd < MAX_FD)
        state_of[call->fd] = VFIO_DEVICE_STATE_RUNNING;
    if (call->number != SYS_ioctl || result < 0 || call->fd < 0 || call->fd >= MAX_FD)
        return;
    if (is_set_state(call)) {
        last_device = call->fd;
        state_of[call->fd] = field_of(call, STATE_AT, 4);
    } else if (call->arguments[1] == VFIO_DEVICE_RESET) {
        state_of[call->fd] = VFIO_DEVICE_STATE_RUNNING;
    } else if (call->arguments[1] == VFIO_IOMMU_MAP_DMA && peek(call->arguments[2], &map, sizeof(map))) {
        mapped = (uint64_t *)map.vaddr;
    } else if (call->arguments[1] == IOMMU_IOAS_MAP && peek(call->arguments[2], &ioas, sizeof(ioas))) {
        mapped = (uint64_t *)ioas.user_va;
    }
}

static long tell(long number, int fd, const long arguments[6])
{
    struct call call = { .number = number, .fd = fd, .arguments = arguments };
    long result;

    if (number == SYS_ioctl)
        read_argument(&call);
    result = answer(&call);
    learn(&call, result);
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

#define TELL(_number, _fd, ...) tell(_number, _fd, (const long[6]){ __VA_ARGS__ })

/* The calls themselves */

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    long argument;

    va_start(list, request);
    argument = va_arg(list, long);
    va_end(list);
    return TELL(SYS_ioctl, fd, fd, request, argument);
}

int fcntl(int fd, int command, ...)
{
    va_list list;
    long argument;

    va_start(list, command);
    argument = va_arg(list, long);
    va_end(list);
    return TELL(SYS_fcntl, fd, fd, command, argument);
}

ssize_t read(int fd, void *data, size_t size)
{
    return TELL(SYS_read, fd, fd, (long)data, size);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return TELL(SYS_write, fd, fd, (long)data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return TELL(SYS_pread64, fd, fd, (long)data, size, at);
}

/* The suite polls one FD at a time. */
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct pollfd first = { .fd = -1 };

    peek((uint64_t)fds, &first, sizeof(first));
    return TELL(SYS_poll, first.fd, (long)fds, count, timeout);
}

int close(int fd)
{
    return TELL(SYS_close, fd, fd);
}
