/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors of libferry: an errno for the program, a sentence for the person; and
 * what people write.
 */
#ifndef FERRY_ERROR_H
#define FERRY_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_API __attribute__((visibility("default")))

/**
 * struct ferry_error - why a call failed
 * @code: positive errno, 0 if nothing failed
 * @text: one line: what failed, at what, why; no full stop at its end
 */
struct ferry_error {
	int code;
	char text[256];
};

/**
 * ferry_fail() - say why something failed
 * @error: filled, may be NULL
 * @code: positive errno
 * @format: what failed; the errno's own text is not added
 *
 * Return: -@code.
 */
FERRY_API int ferry_fail(struct ferry_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Says of a failure that undoing it failed, too. */
FERRY_API void ferry_fail_also(struct ferry_error *error, const struct ferry_error *more);

/* A decimal number in these bounds and nothing else; false if it is none. */
FERRY_API bool ferry_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_ERROR_H */
