// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry load: bring back what was saved.
 */
#include <string.h>

#include "files.h"
#include "migrate.h"

enum { KEY_STOPPED = 0x400 };

struct request {
	struct migrate migrate;
	char *name;
	const char *file;
};

static const struct argp_option options[] = {
	{ "stopped", KEY_STOPPED, NULL, 0, "Leave the device in STOP; who uses it sets it running" },
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
	case KEY_STOPPED:
		r->migrate.options.stopped = true;
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
			argp_error(state, r->name ? "from which FILE? (- is standard input)" : "which BDF, and from which FILE?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "BDF FILE|- [-- COMMAND...]",
	"Loads a device from a file of `ferry save`, or from the stream of a driver alone, ferry's or the kernel's own. "
	"It runs then, if the saved one did.\v"
	"VFIO resets a device that nobody has open, so ferry holds it: while COMMAND runs, which inherits it "
	"(FERRY_DEVICES, FERRY_DEVICE_FDS, FERRY_IOMMU_FDS), else until Ctrl-C or SIGTERM. "
	"With --device-fd it ends at once: who has handed the device in holds it.\n"
	"Ends with COMMAND's status, or 0; 1 if loading failed, 2 after wrong use, 3 if the device or the file is not "
	"fit for it, 4 after Ctrl-C. A device whose loading failed was reset. See ferry-load(1).",
	children
};

static int load(struct request *r, int fd, char *const *command)
{
	struct migrate *m = &r->migrate;
	struct ferry_report report;
	struct ferry_error error;
	int err;

	migrate_show(m);
	err = ferry_load(m->devices[0], fd, &m->options, &report, &error);
	migrate_hide(m);
	report_print(m, &report, err ? &error : NULL, strcmp(r->file, "-") ? r->file : "standard input");
	if (err)
		return migrate_failed(m, &report, &error);
	return ferry_device_adopted(m->devices[0]) ? EXIT_DONE : hold(m, command);
}

static int load_main(int argc, char **argv)
{
	char *const *command = split_command(&argc, argv);
	struct request r = { 0 };
	int code, fd;

	migrate_init(&r.migrate);
	parse_arguments(&argp, argc, argv, &r);
	code = check_command(&r.migrate, command);
	if (code)
		return code;
	fd = file_open_input(r.file);
	code = fd < 0 ? file_not_opened(r.file) : migrate_open(&r.migrate, &r.name, 1);
	if (!code)
		code = load(&r, fd, command);
	migrate_close(&r.migrate);
	return migrate_end(&r.migrate, code);
}

const struct command load_command = {
	"load", "BDF FILE|- [-- COMMAND...]", "bring back what was saved", load_main
};
