// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of libferry. See ferry/error.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

FERRY_API int ferry_fail(struct ferry_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error) {
		error->code = code;
		va_start(args, format);
		vsnprintf(error->text, sizeof(error->text), format, args);
		va_end(args);
	}
	return -code;
}

FERRY_API void ferry_fail_also(struct ferry_error *error, const struct ferry_error *more)
{
	size_t used;

	if (!error)
		return;
	used = strlen(error->text);
	/* the rest, if it is too much, is that of the second */
	snprintf(error->text + used, sizeof(error->text) - used, "; and %.*s",
		 (int)(sizeof(error->text) - used), more->text);
}
