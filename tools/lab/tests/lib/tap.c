// SPDX-License-Identifier: GPL-2.0-or-later
/* Test Anything Protocol output.  One lock guards the counters and stdout. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tap.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned points, failures;

static void print_point(bool good, const char *fmt, va_list ap)
{
    printf("%sok %u - ", good ? "" : "not ", ++points);
    vprintf(fmt, ap);
    putchar('\n');
    failures += !good;
}

bool tap_ok(bool cond, const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&lock);
    va_start(ap, fmt);
    print_point(cond, fmt, ap);
    va_end(ap);
    if (!cond)
        printf("# at %s:%d\n", file, line);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    return cond;
}

bool tap_ok_eq(uint64_t got, uint64_t want, const char *file, int line,
               const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&lock);
    va_start(ap, fmt);
    print_point(got == want, fmt, ap);
    va_end(ap);
    if (got != want)
        printf("# at %s:%d: got %#llx (%llu), want %#llx (%llu)\n", file, line,
               (unsigned long long)got, (unsigned long long)got,
               (unsigned long long)want, (unsigned long long)want);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    return got == want;
}

void tap_skip(const char *name, const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&lock);
    printf("ok %u - %s # SKIP ", ++points, name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&lock);
}

void tap_diag(const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&lock);
    fputs("# ", stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&lock);
}

void tap_bail(const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&lock);
    fputs("Bail out! ", stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    /* to the kernel's harness, in which workloads of the conformance suite run, 2 is a failure that is expected */
    _Exit(1);
}

int tap_done(void)
{
    printf("1..%u\n", points);
    fflush(stdout);
    return failures || !points;
}

double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

void relax(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}
