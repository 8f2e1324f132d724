// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry unbind: takes functions from VFIO and gives them back to the host.
 */
#include <errno.h>
#include <string.h>

#include "changes.h"
#include "command.h"
#include "host.h"
#include "output.h"
#include "persist.h"

struct options {
	char **addresses;
	int count;
	const char *to;
	bool vfs;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 't':
		options->to = arg;
		return 0;
	case 'v':
		options->vfs = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->addresses = state->argv + state->next;
		options->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!options->count)
			argp_error(state, "which function? `ferry list` shows their addresses");
		if (options->vfs && options->count > 1)
			argp_error(state, "--vfs goes with one physical function");
		if (options->vfs && options->to)
			argp_error(state, "--vfs removes the VFs, so --to has nothing to give");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{ "to", 't', "DRIVER", 0, "Give them to this driver" },
	{ "vfs", 'v', NULL, 0, "The address is a physical function's: remove all its VFs" },
	{ NULL }
};

static const struct argp parser = {
	.options = option_list,
	.parser = parse_option,
	.args_doc = "BDF...",
	.doc = "Take functions from VFIO."
	       "\vWithout --to the kernel chooses who gets a function, as if ferry had never been there; a VF whose "
	       "physical function has sriov_drivers_autoprobe 0 stays without a driver. If something fails, or at "
	       "Ctrl-C, all is put back as it was. A function that a program uses is left alone. What `ferry bind --persist` "
	       "noted of them is forgotten.",
};

static int unbind_all(struct changes *changes, const struct options *options, struct ferry_error *error)
{
	struct ferry_binding was;
	struct ferry_function f;
	int err = 0;

	for (int i = 0; i < options->count && !err && !changes_cancelled(); i++) {
		err = ferry_function_read(&f, options->addresses[i], error);
		if (!err && f.kind == FERRY_PF && !f.vfio)
			err = ferry_fail(error, EINVAL, "%s is a physical function, which VFIO does not have; --vfs removes its VFs",
					 f.address);
		if (!err)
			err = ferry_unbind(options->addresses[i], options->to, &was, error);
		if (!err)
			changes_add(changes, &was);
	}
	return err;
}

static void add_vfs(struct changes *changes, const struct ferry_function *pf)
{
	struct ferry_binding was = { 0 };
	struct ferry_function vf;

	for (unsigned int i = 0; i < pf->vfs_enabled; i++) {
		if (ferry_function_vf(&vf, pf, i, NULL))
			continue;
		memcpy(was.address, vf.address, sizeof(was.address));
		memcpy(was.driver, vf.driver, sizeof(was.driver));
		memcpy(was.override, vf.override, sizeof(was.override));
		changes_add(changes, &was);
	}
}

/* One write to sysfs: there is nothing that a signal could cut in two. */
static int remove_vfs(struct changes *changes, const struct options *options, struct ferry_error *error)
{
	struct ferry_function pf;
	int err = ferry_function_read(&pf, options->addresses[0], error);

	if (err)
		return err;
	add_vfs(changes, &pf);
	err = ferry_vfs_remove(pf.address, error);
	if (err)
		changes->count = 0;
	return err;
}

static int run(int argc, char **argv)
{
	struct options options = { 0 };
	struct ferry_error error;
	struct changes changes;
	int err;

	parse_arguments(&parser, argc, argv, &options);
	changes_begin(&changes);
	err = options.vfs ? remove_vfs(&changes, &options, &error) : unbind_all(&changes, &options, &error);
	if (err) {
		changes_undo(&changes);
		return changes_end(&changes, changes_code(err), &error);
	}
	if (changes_cancelled() && !options.vfs) {
		changes_undo(&changes);
		ferry_fail(&error, EINTR, "cancelled; all is as it was");
		return changes_end(&changes, EXIT_CANCELLED, &error);
	}
	/* Also of what is not bound any more, or never was. */
	if (persist_forget((const char *const *)options.addresses, options.count, &error))
		return changes_end(&changes, EXIT_FAILED, &error);
	return changes_end(&changes, EXIT_DONE, NULL);
}

const struct command unbind_command = { "unbind", "BDF... [--to DRIVER]", "give functions back to the host", run };
