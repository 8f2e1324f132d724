// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry receive: take devices from another host.
 */
#include <errno.h>

#include "migrate.h"

#include "../lib/base/wait.h"

enum { KEY_WAIT = 0x400 };

struct request {
	struct migrate migrate;
	struct ferry_endpoint endpoint;
	int wait_ms;
	char *words[FERRY_MAX_DEVICES + 1];
	unsigned int count;
};

static const struct argp_option options[] = {
	{ "wait", KEY_WAIT, "SECONDS", 0,
	  "Give up if nobody has come within that time (default: wait until Ctrl-C)" },
	{ NULL }
};

static const struct argp_child children[] = { { &migrate_argp }, { &endpoint_argp }, { NULL } };

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &r->migrate;
		state->child_inputs[1] = &r->endpoint;
		return 0;
	case KEY_WAIT:
		r->wait_ms = number_of(state, "--wait", value, 1, 86400) * 1000;
		return 0;
	case ARGP_KEY_ARG:
		if (r->count > FERRY_MAX_DEVICES)
			argp_error(state, "more than %d devices", FERRY_MAX_DEVICES);
		r->words[r->count++] = value;
		return 0;
	case ARGP_KEY_END:
		if (r->count < 2)
			argp_error(state, r->count ? "at which PORT?" : "which BDF, and at which PORT?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "BDF... [HOST:]PORT|unix:PATH [-- COMMAND...]",
	"Waits for `ferry send` of another host, and takes its devices: the first that is sent goes into the first BDF, "
	"and so on. They start when all of them are loaded and the source has let go.\v"
	"VFIO resets a device that nobody has open, so ferry holds them: while COMMAND runs, which inherits them "
	"(FERRY_DEVICES, FERRY_DEVICE_FDS, FERRY_IOMMU_FDS), else until Ctrl-C or SIGTERM. "
	"With --device-fd it ends at once: who has handed them in holds them.\n"
	"Ends with COMMAND's status, or 0; 1 if it failed, 2 after wrong use, 3 if a device is not fit for it, "
	"4 after Ctrl-C. Devices whose loading failed were reset. See ferry-receive(1).",
	children
};

static int left_ms(const struct request *r, double began)
{
	double passed = clock_ms() - began;

	if (r->wait_ms < 0)
		return -1;
	return passed < r->wait_ms ? r->wait_ms - passed : 0;
}

/* It came and went without a word that a source would say: somebody who looks for open ports. */
static bool was_no_source(const struct ferry_report *report, const struct ferry_error *error)
{
	if (report->failed_in != FERRY_PHASE_SETUP || *report->device[0].peer.name)
		return false;
	return error->code == EPROTO || error->code == ENODATA || error->code == EPIPE || error->code == ECONNRESET ||
	       error->code == ETIMEDOUT;
}

/* Value: 0 with a report, or what the wait ended with; *failed: the error is of the migration. */
static int receive_once(struct request *r, struct ferry_listener *listener, double began,
			struct ferry_report *report, struct ferry_error *error, bool *failed)
{
	struct migrate *m = &r->migrate;
	struct ferry_channel *channel;
	int err;

	*failed = false;
	err = ferry_accept(listener, &channel, left_ms(r, began), error);
	if (err)
		return err;
	migrate_show(m);
	err = ferry_receive(m->devices, m->count, channel, &m->options, report, error);
	migrate_hide(m);
	*failed = err && !was_no_source(report, error);
	if (!err || *failed)
		report_print(m, report, err ? error : NULL, ferry_channel_peer(channel));
	ferry_channel_close(channel);
	return err && !*failed ? -EPROTO : err;
}

static int receive_devices(struct request *r, struct ferry_listener *listener)
{
	struct migrate *m = &r->migrate;
	struct ferry_report report = { 0 };
	struct ferry_error error;
	double began = clock_ms();
	bool failed;
	int err;

	if (!m->quiet)
		fprintf(stderr, "ferry waits at %s\n", r->endpoint.address);
	/* Who cannot show who they are does not end the wait for who can. */
	while ((err = receive_once(r, listener, began, &report, &error, &failed)) == -EPROTO && !failed)
		complain(EXIT_FAILED, "%s; still waiting", error.text);
	if (failed || err == -ECANCELED)
		return migrate_failed(m, &report, &error);
	if (err)
		return complain_of(EXIT_FAILED, &error);
	if (report.unconfirmed)
		complain(EXIT_FAILED,
			 "the devices run here, but the source may not know: it is stopped; let go of it there");
	return EXIT_DONE;
}

static int receive_main(int argc, char **argv)
{
	char *const *command = split_command(&argc, argv);
	struct request r = { .wait_ms = -1 };
	struct ferry_listener *listener;
	struct ferry_error error;
	int code, err;

	migrate_init(&r.migrate);
	parse_arguments(&argp, argc, argv, &r);
	code = check_command(&r.migrate, command);
	if (code)
		return code;
	r.endpoint.address = r.words[r.count - 1];
	r.endpoint.cancel_fd = r.migrate.options.cancel_fd;
	code = migrate_open(&r.migrate, r.words, r.count - 1);
	if (code)
		return migrate_end(&r.migrate, code);
	err = ferry_listen(&listener, &r.endpoint, &error);
	if (err) {
		code = complain_of(err == -EINVAL ? EXIT_USAGE : EXIT_FAILED, &error);
	} else {
		code = receive_devices(&r, listener);
		/* The port is the next one's, however long this one holds its devices. */
		ferry_listener_close(listener);
		if (!code && !ferry_device_adopted(r.migrate.devices[0]))
			code = hold(&r.migrate, command);
	}
	migrate_close(&r.migrate);
	return migrate_end(&r.migrate, code);
}

const struct command receive_command = {
	"receive", "BDF... PORT [-- COMMAND...]", "take devices from another host", receive_main
};
