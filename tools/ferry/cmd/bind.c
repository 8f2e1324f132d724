// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry bind: gives VFs to the driver that migrates them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "command.h"
#include "host.h"
#include "output.h"
#include "persist.h"

enum { OPTION_RESTORE = 256 };

struct options {
	char **addresses;
	int count;
	const char *driver;
	unsigned int vfs;
	bool persist, restore;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'd':
		options->driver = arg;
		return 0;
	case 'v':
		options->vfs = number_of(state, "--vfs", arg, 1, UINT16_MAX);
		return 0;
	case 'p':
		options->persist = true;
		return 0;
	case OPTION_RESTORE:
		options->restore = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->addresses = state->argv + state->next;
		options->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (options->restore && (options->count || options->persist || options->driver || options->vfs))
			argp_error(state, "--restore does what " PERSIST_FILE " says, and nothing else");
		if (!options->count && !options->restore)
			argp_error(state, "which function? `ferry list` shows their addresses");
		if (options->vfs && options->count > 1)
			argp_error(state, "--vfs goes with one physical function");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{ "driver", 'd', "NAME", 0, "Bind to this driver, not to the one that can migrate the function" },
	{ "vfs", 'v', "N", 0, "The address is a physical function's: make N VFs of it and bind those" },
	{ "persist", 'p', NULL, 0, "Note it in " PERSIST_FILE ", and do it again at each start of the machine" },
	{ "restore", OPTION_RESTORE, NULL, 0, "Do all that is noted there; for " PERSIST_UNIT },
	{ NULL }
};

static const struct argp parser = {
	.options = option_list,
	.parser = parse_option,
	.args_doc = "BDF...",
	.doc = "Bind VFs to the VFIO driver that can migrate them."
	       "\vIt loads the driver if need be, and makes the VFs migratable where devlink can. If something fails, or at Ctrl-C, all is put back as it was. A "
	       "function that a program uses is left alone.",
};

static int bind_one(struct changes *changes, const char *address, const char *driver, struct ferry_error *error)
{
	struct ferry_binding was;
	int err = ferry_bind(address, driver, &was, error);

	if (!err)
		changes_add(changes, &was);
	return err;
}

static int bind_vfs(struct changes *changes, const struct options *options, struct ferry_error *error)
{
	struct ferry_function pf, vf;
	bool created;
	int err;

	err = ferry_vfs_create(options->addresses[0], options->vfs, &created, error) ?:
	      ferry_function_read(&pf, options->addresses[0], error);
	if (err)
		return err;
	if (created)
		memcpy(changes->created, pf.address, sizeof(changes->created));
	for (unsigned int i = 0; i < pf.vfs_enabled && !err && !changes_cancelled(); i++)
		err = ferry_function_vf(&vf, &pf, i, error) ?:
		      bind_one(changes, vf.address, options->driver, error);
	return err;
}

static int bind_all(struct changes *changes, const struct options *options, struct ferry_error *error)
{
	int err = 0;

	if (options->vfs)
		return bind_vfs(changes, options, error);
	for (int i = 0; i < options->count && !err && !changes_cancelled(); i++)
		err = bind_one(changes, options->addresses[i], options->driver, error);
	return err;
}

/* All that is bound now, or nothing. */
static int note_all(const struct changes *changes, struct ferry_error *error)
{
	const char **addresses = calloc(changes->count, sizeof(*addresses));
	int err;

	if (!addresses)
		return ferry_fail(error, ENOMEM, "no memory");
	for (unsigned int i = 0; i < changes->count; i++)
		addresses[i] = changes->was[i].address;
	err = persist_note(addresses, changes->count, error);
	free(addresses);
	return err;
}

static int run(int argc, char **argv)
{
	struct options options = { 0 };
	struct changes changes;
	struct ferry_error error;
	int err;

	parse_arguments(&parser, argc, argv, &options);
	if (options.restore)
		return persist_restore();
	changes_begin(&changes);
	err = bind_all(&changes, &options, &error);
	if (!err && options.persist && !changes_cancelled())
		err = note_all(&changes, &error);
	if (err) {
		changes_undo(&changes);
		return changes_end(&changes, changes_code(err), &error);
	}
	if (changes_cancelled()) {
		changes_undo(&changes);
		ferry_fail(&error, EINTR, "cancelled; all is as it was");
		return changes_end(&changes, EXIT_CANCELLED, &error);
	}
	return changes_end(&changes, EXIT_DONE, NULL);
}

const struct command bind_command = {
	"bind", "BDF... [--driver NAME]", "give VFs to the driver that migrates them", run
};
