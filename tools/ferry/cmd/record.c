// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `ferry qualify` leaves for `ferry report`. See record.h.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

#include "../lib/base/sysfs.h"

/* A buffer of its own, so that nobody else's tracing is disturbed. */
#define TRACING "/sys/kernel/tracing/instances/ferry-qualify"

static FILE *create(const char *name, const char *mode)
{
	char path[FERRY_PATH_MAX];

	snprintf(path, sizeof(path), RECORD_FOLDER "/%s", name);
	return fopen(path, mode);
}

static void copy_trace(void)
{
	FILE *from = fopen(TRACING "/trace", "re"), *to = create("qualify.trace", "we");
	char piece[4096];
	size_t n;

	while (from && to && (n = fread(piece, 1, sizeof(piece), from)))
		fwrite(piece, 1, n, to);
	if (from)
		fclose(from);
	if (to)
		fclose(to);
}

void record_begin(void)
{
	static const char *const files[] = { "qualify.json", "qualify.trace", "qualify.steps" };
	char path[FERRY_PATH_MAX];

	mkdir(RECORD_FOLDER, 0700);
	for (unsigned int i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), RECORD_FOLDER "/%s", files[i]);
		unlink(path);
	}
	/* That of one which was killed */
	rmdir(TRACING);
	if (mkdir(TRACING, 0700))
		return;
	/* For each processor, of which there may be hundreds */
	ferry_sysfs_write("256", TRACING "/buffer_size_kb");
	ferry_sysfs_write("1", TRACING "/events/vfio_ferry/enable");
}

void record_step(const char *format, ...)
{
	FILE *to = create("qualify.steps", "ae");
	char now[32] = "";
	time_t t = time(NULL);
	va_list args;

	if (!to)
		return;
	strftime(now, sizeof(now), "%FT%TZ ", gmtime(&t));
	fputs(now, to);
	va_start(args, format);
	vfprintf(to, format, args);
	va_end(args);
	fputc('\n', to);
	fflush(to);
	fsync(fileno(to));
	fclose(to);
}

void record_end(json_object *result)
{
	FILE *to = create("qualify.json", "we");

	if (to) {
		fprintf(to, "%s\n", json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY));
		fclose(to);
	}
	copy_trace();
	rmdir(TRACING);
}
