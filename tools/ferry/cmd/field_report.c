// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry report: one archive of all that somebody elsewhere needs to understand
 * what happened here, and nothing that tells whose machine it was.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "gather.h"
#include "host.h"
#include "output.h"
#include "redact.h"

#include "../lib/base/program.h"

#define DEFAULT_NAME	"ferry-report.tar.gz"
#define FOLDER		"ferry-report"

struct request {
	char **addresses;
	int count;
	const char *output;
	bool dry;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'o':
		if (!*value || !strcmp(value, "-"))
			argp_error(state, "--output wants the name of a file");
		request->output = value;
		return 0;
	case 'n':
		request->dry = true;
		return 0;
	case ARGP_KEY_ARGS:
		request->addresses = state->argv + state->next;
		request->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!request->count)
			argp_error(state, "which function? `ferry list` shows their addresses");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "The archive (default: " DEFAULT_NAME " here)" },
	{ "dry-run", 'n', NULL, 0, "Show what it would hold, and write nothing" },
	{ NULL }
};

static const struct argp argp = {
	options, parse, "BDF...",
	"Write an archive for whoever shall find out why a function was not migrated: versions, firmware, settings, what drivers "
	"tell, the last `ferry qualify` and the firmware's commands in it, lines of the kernel's log."
	"\vSerial numbers, MAC addresses, GUIDs, UUIDs and host names are replaced by names like MAC-1. What it holds is printed "
	"before it is written. No function is opened or changed. Root sees most."
};

/* ---- what it holds ---- */

static void show_text(const struct report *report)
{
	static const char *const headings[] = { "file", "bytes", "replaced", "what it is", NULL };
	struct table *table = table_new(headings);

	for (unsigned int i = 0; i < report->count; i++) {
		table_cell(table, "%s", report->files[i].name);
		table_cell(table, "%zu", strlen(report->files[i].text));
		table_cell(table, "%u", report->files[i].replaced);
		table_cell(table, "%s", report->files[i].about);
	}
	table_print(table, stdout);
	for (unsigned int i = 0; i < report->missing_count; i++)
		printf("not there: %s\n", report->missing[i]);
}

static void show_json(const struct report *report, const char *archive)
{
	json_object *all = json_object_new_object(), *files = json_object_new_array(), *missing = json_object_new_array();

	for (unsigned int i = 0; i < report->count; i++) {
		json_object *file = json_object_new_object();

		json_object_object_add(file, "name", json_text(report->files[i].name));
		json_object_object_add(file, "about", json_text(report->files[i].about));
		json_object_object_add(file, "size_bytes", json_object_new_uint64(strlen(report->files[i].text)));
		json_object_object_add(file, "replaced", json_object_new_int(report->files[i].replaced));
		json_object_array_add(files, file);
	}
	for (unsigned int i = 0; i < report->missing_count; i++)
		json_object_array_add(missing, json_text(report->missing[i]));
	json_object_object_add(all, "files", files);
	json_object_object_add(all, "missing", missing);
	json_object_object_add(all, "archive", json_text(archive));
	json_print(all);
}

/* A second time, for what one file calls a secret another one may only use. */
static void redact_all(struct report *report)
{
	unsigned int seen = 0;

	redact_begin();
	for (unsigned int i = 0; i < report->count; i++)
		redact_learn(report->files[i].text);
	for (unsigned int i = 0; i < report->count; i++)
		free(redact(report->files[i].text, &seen));
	for (unsigned int i = 0; i < report->count; i++) {
		struct gathered *file = &report->files[i];
		char *clean = redact(file->text, &file->replaced);

		free(file->text);
		file->text = clean;
	}
}

/* ---- writing it ---- */

static int write_text(const char *folder, const struct gathered *file, struct ferry_error *error)
{
	char *path;
	FILE *to;
	int bad;

	if (asprintf(&path, "%s/" FOLDER "/%s", folder, file->name) < 0)
		return ferry_fail(error, ENOMEM, "no memory");
	to = fopen(path, "wxe");
	bad = !to || fputs(file->text, to) < 0;
	if (to && fclose(to))
		bad = true;
	if (bad)
		ferry_fail(error, errno, "%s: %s", path, strerror(errno));
	free(path);
	return bad ? -EIO : 0;
}

static void remove_folder(const char *folder, const struct report *report)
{
	char path[4096];

	for (unsigned int i = 0; i < report->count; i++) {
		snprintf(path, sizeof(path), "%s/" FOLDER "/%s", folder, report->files[i].name);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/" FOLDER, folder);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/archive", folder);
	unlink(path);
	rmdir(folder);
}

static int pack(const char *folder, const struct report *report, const char *output, struct ferry_error *error)
{
	const char *const argv[] = { "tar", "-C", folder, "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
				     "--force-local", "-czf", NULL, FOLDER, NULL };
	const char *argv_with[sizeof(argv) / sizeof(*argv)];
	char inner[4096], archive[4096];
	int err = 0, status;

	snprintf(inner, sizeof(inner), "%s/" FOLDER, folder);
	snprintf(archive, sizeof(archive), "%s/archive", folder);
	if (mkdir(inner, 0700))
		return ferry_fail(error, errno, "%s: %s", inner, strerror(errno));
	for (unsigned int i = 0; i < report->count && !err; i++)
		err = write_text(folder, &report->files[i], error);
	if (err)
		return err;
	memcpy(argv_with, argv, sizeof(argv));
	argv_with[9] = archive;
	status = ferry_run_long(NULL, 0, argv_with);
	if (status)
		return ferry_fail(error, EIO, "tar could not write %s (status %d)", archive, status);
	if (rename(archive, output))
		return ferry_fail(error, errno, "%s: %s", output, strerror(errno));
	return 0;
}

/* All of it is there in the end, or nothing; a signal waits for that, which is soon. */
static int write_archive(const struct report *report, const char *output, struct ferry_error *error)
{
	sigset_t all, before;
	char *folder;
	int err;

	if (asprintf(&folder, "%s.XXXXXX", output) < 0)
		return ferry_fail(error, ENOMEM, "no memory");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	umask(077);
	if (mkdtemp(folder)) {
		err = pack(folder, report, output, error);
		remove_folder(folder, report);
	} else {
		err = ferry_fail(error, errno, "%s: %s", output, strerror(errno));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(folder);
	return err;
}

static int run(int argc, char **argv)
{
	struct request request = { .output = DEFAULT_NAME };
	struct ferry_function *functions;
	struct ferry_error error;
	struct report report;
	int err = 0;

	parse_arguments(&argp, argc, argv, &request);
	functions = calloc(request.count, sizeof(*functions));
	if (!functions)
		return complain(EXIT_FAILED, "no memory");
	for (int i = 0; i < request.count; i++)
		if (ferry_function_read(&functions[i], request.addresses[i], &error))
			return complain(EXIT_USAGE, "%s", error.text);
	if (!request.dry && !access(request.output, F_OK))
		return complain(EXIT_USAGE, "%s is there already; --output names another", request.output);
	gather(&report, functions, request.count);
	redact_all(&report);
	if (!json_wanted())
		show_text(&report);
	fflush(stdout);
	if (!request.dry)
		err = write_archive(&report, request.output, &error);
	if (json_wanted())
		show_json(&report, request.dry || err ? NULL : request.output);
	else if (!request.dry && !err)
		printf("%s holds that. Look into it before you send it: tar -xzOf %s | less\n", request.output, request.output);
	report_free(&report);
	free(functions);
	return output_end(err ? complain(EXIT_FAILED, "%s", error.text) : EXIT_DONE);
}

const struct command report_command = { "report", "BDF... [--output FILE]", "an archive for who shall find out why", run };
