// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry save: suspend a device to a file.
 */
#include <string.h>

#include "files.h"
#include "migrate.h"

enum { KEY_RAW = 0x400, KEY_LEAVE, KEY_DOWNTIME };

struct request {
	struct migrate migrate;
	char *name;
	const char *file;
};

static const struct argp_option options[] = {
	{ "raw", KEY_RAW, NULL, 0,
	  "Write the driver's own stream alone: no configuration space, no checks of ferry's" },
	{ "leave-running", KEY_LEAVE, NULL, 0,
	  "The device runs on afterwards; it is stopped only for what pre-copy could not take" },
	{ "max-downtime", KEY_DOWNTIME, "MS", 0,
	  "With --leave-running: stop when the rest is estimated to take no longer (default: 300)" },
	{ NULL }
};

static const struct argp_child children[] = { { &migrate_argp }, { NULL } };

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &r->migrate;
		return 0;
	case KEY_RAW:
		r->migrate.options.raw = true;
		return 0;
	case KEY_LEAVE:
		r->migrate.options.leave_running = true;
		return 0;
	case KEY_DOWNTIME:
		r->migrate.options.max_downtime_ms = number_of(state, "--max-downtime", value, 1, 3600000);
		return 0;
	case ARGP_KEY_ARG:
		if (!r->name)
			r->name = value;
		else if (!r->file)
			r->file = value;
		else
			argp_error(state, "one device and one file: '%s' is too much", value);
		return 0;
	case ARGP_KEY_END:
		if (!r->file)
			argp_error(state, r->name ? "to which FILE? (- is standard output)" : "which BDF, and to which FILE?");
		if (r->migrate.options.max_downtime_ms && !r->migrate.options.leave_running)
			argp_error(state, "--max-downtime goes with --leave-running: without it the device is stopped first");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "BDF FILE|-",
	"Suspends a device to a file: stops it and saves its state and configuration space. "
	"`ferry load` brings it back, here or elsewhere, on a device of the same kind.\v"
	"A device that ferry opened by itself is reset when ferry ends, as VFIO does. One that was handed in "
	"(--device-fd) stays stopped, unless something failed: then it runs on.\n"
	"Ends with 0 if it is saved, 1 if that failed, 2 after wrong use, 3 if the device cannot be migrated, "
	"4 after Ctrl-C, 5 if the device could not be set running again. See ferry-save(1).",
	children
};

/* ---- saving ---- */

/* The device is stopped, but its state could not be kept: who has lent it wants it back as it was. */
static void take_back(struct ferry_device *device, int before, struct ferry_report *report, struct ferry_error *error)
{
	struct ferry_error stuck;

	report->outcome = FERRY_STAYED;
	if (ferry_device_set_state(device, before, NULL, &stuck)) {
		report->outcome = FERRY_STUCK;
		ferry_fail_also(error, &stuck);
	}
	report->device[0].outcome = report->outcome;
}

static int save(struct request *r, struct outfile *file)
{
	struct migrate *m = &r->migrate;
	struct ferry_device *device = m->devices[0];
	int before = ferry_device_state(device, NULL);
	struct ferry_report report;
	struct ferry_error error;
	int err;

	migrate_show(m);
	err = ferry_save(device, file->fd, &m->options, &report, &error);
	if (!err) {
		err = outfile_finish(file, &error);
		if (err)
			take_back(device, before, &report, &error);
	}
	migrate_hide(m);
	report_print(m, &report, err ? &error : NULL, m->report_to == stderr ? "standard output" : file->name);
	return err ? migrate_failed(m, &report, &error) : EXIT_DONE;
}

static int save_main(int argc, char **argv)
{
	struct request r = { 0 };
	struct outfile file;
	int code;

	migrate_init(&r.migrate);
	parse_arguments(&argp, argc, argv, &r);
	if (!strcmp(r.file, "-"))
		r.migrate.report_to = stderr;
	/* First, for whoever reads may have to be waited for, and the device is held by nobody meanwhile. */
	code = outfile_open(&file, r.file);
	if (code)
		return migrate_end(&r.migrate, code);
	if (outfile_is_stdout(&file))
		r.migrate.report_to = stderr;
	code = migrate_open(&r.migrate, &r.name, 1);
	if (!code)
		code = save(&r, &file);
	outfile_close(&file);
	migrate_close(&r.migrate);
	return migrate_end(&r.migrate, code);
}

const struct command save_command = {
	"save", "BDF FILE|-", "suspend a device to a file", save_main
};
