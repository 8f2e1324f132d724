/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `ferry qualify` leaves for `ferry report`: what it found, the steps that
 * it went, the firmware commands meanwhile. For root, as tracing is; for others
 * all of this does nothing.
 */
#ifndef RECORD_H
#define RECORD_H

#include <json-c/json.h>

#define RECORD_FOLDER	"/var/lib/ferry"

/* The former record goes, and the kernel's tracepoints of ferry's driver are noted from now on. */
void record_begin(void);

/* A line of the steps, on the disk before it returns: it is what a machine that dies leaves. */
void record_step(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The result, which stays the caller's, and the end of the trace. */
void record_end(json_object *result);

#endif /* RECORD_H */
