/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test output in the Test Anything Protocol, and bounded waiting.
 *
 * Any thread may report; lines are never interleaved.
 */
#ifndef LAB_TAP_H
#define LAB_TAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One test point; returns cond, so that a test can give up on what depends on
 * it.  The text is made after cond, so it may tell what cond found.
 */
#define ok(cond, ...) ({                                                    \
    bool cond_ = (cond);                                                    \
    tap_ok(cond_, __FILE__, __LINE__, __VA_ARGS__);                         \
})
/* Test point: two numbers are equal; shows both if not. */
#define ok_eq(got, want, ...) ({                                            \
    uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);              \
    tap_ok_eq(got_, want_, __FILE__, __LINE__, __VA_ARGS__);                \
})

bool tap_ok(bool cond, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool tap_ok_eq(uint64_t got, uint64_t want, const char *file, int line,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A test point that this machine cannot decide, and why. */
void tap_skip(const char *name, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void tap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The ground of the tests is gone: says why and ends the program. */
void tap_bail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
/* Prints the plan; the value is the program's exit status. */
int tap_done(void);

double now_ms(void);
/* Gives the processor away for a moment; for loops that poll the device. */
void relax(void);

/* Polls until cond holds or so many milliseconds are over; value: cond. */
#define wait_until(cond, ms) ({                                 \
    double end_ = now_ms() + (ms);                              \
    bool met_;                                                  \
    while (!(met_ = (cond)) && now_ms() < end_)                 \
        relax();                                                \
    met_;                                                       \
})

#endif
