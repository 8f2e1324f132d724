// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry save: suspend a device to a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- the file: whole, or not there under its name ---- */

struct output {
	const char *name;
	char *part;			/* name until it is whole; NULL: a pipe or device, written as it is */
	int fd;
};

static int open_output(struct output *o, const char *name)
{
	struct stat st;

	*o = (struct output){ .name = name, .fd = STDOUT_FILENO };
	if (!strcmp(name, "-")) {
		if (isatty(STDOUT_FILENO))
			return complain(EXIT_USAGE, "standard output is a terminal: give a FILE, or a pipe");
		return EXIT_DONE;
	}
	if (!stat(name, &st) && !S_ISREG(st.st_mode)) {
		o->fd = open(name, O_WRONLY | O_CLOEXEC);
	} else {
		/* The state of a device is as secret as the memory of who uses it: mkstemp() makes it 0600. */
		if (asprintf(&o->part, "%s.part-XXXXXX", name) < 0)
			return complain(EXIT_FAILED, "no memory");
		o->fd = mkostemp(o->part, O_CLOEXEC);
	}
	if (o->fd < 0)
		return complain(EXIT_FAILED, "%s: %s", name, strerror(errno));
	return EXIT_DONE;
}

static int sync_folder(const char *name)
{
	char *copy = strdup(name);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int err = fd < 0 ? -1 : fsync(fd);

	free(copy);
	if (fd >= 0)
		close(fd);
	return err;
}

static int finish_output(struct output *o, struct ferry_error *error)
{
	int err = 0;

	if (!o->part)
		return 0;
	if (fsync(o->fd) || rename(o->part, o->name) || sync_folder(o->name))
		err = ferry_fail(error, errno, "%s: %s", o->name, strerror(errno));
	if (!err) {
		free(o->part);
		o->part = NULL;
	}
	return err;
}

static void close_output(struct output *o)
{
	if (o->part)
		unlink(o->part);
	free(o->part);
	if (o->fd != STDOUT_FILENO)
		close(o->fd);
}

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

static int save(struct request *r, struct output *o)
{
	struct migrate *m = &r->migrate;
	struct ferry_device *device = m->devices[0];
	int before = ferry_device_state(device, NULL);
	bool to_pipe = o->fd == STDOUT_FILENO;
	struct ferry_report report;
	struct ferry_error error;
	int err;

	migrate_show(m);
	err = ferry_save(device, o->fd, &m->options, &report, &error);
	if (!err) {
		err = finish_output(o, &error);
		if (err)
			take_back(device, before, &report, &error);
	}
	migrate_hide(m);
	report_print(m, &report, err ? &error : NULL, to_pipe ? "standard output" : o->name,
		     to_pipe ? stderr : stdout);
	return err ? migrate_failed(m, &report, &error) : EXIT_DONE;
}

static int save_main(int argc, char **argv)
{
	struct request r = { 0 };
	struct output output;
	int code;

	migrate_init(&r.migrate);
	parse_arguments(&argp, argc, argv, &r);
	code = migrate_open(&r.migrate, &r.name, 1);
	if (code)
		return code;
	code = open_output(&output, r.file);
	if (!code) {
		code = save(&r, &output);
		close_output(&output);
	}
	migrate_close(&r.migrate);
	return output_end(code);
}

const struct command save_command = {
	"save", "BDF FILE|-", "suspend a device to a file", save_main
};
