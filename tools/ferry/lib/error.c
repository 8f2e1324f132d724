// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of libferry. See ferry/error.h.
 */
#include <stdarg.h>
#include <stdio.h>

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
