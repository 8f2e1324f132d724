// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry send: move devices to another host while they run.
 */
#include <errno.h>

#include "migrate.h"

enum { KEY_DOWNTIME = 0x400, KEY_PRECOPY };

struct request {
	struct migrate migrate;
	struct ferry_endpoint endpoint;
	char *words[FERRY_MAX_DEVICES + 1];
	unsigned int count;
};

static const struct argp_option options[] = {
	{ "max-downtime", KEY_DOWNTIME, "MS", 0,
	  "Stop when the rest is estimated to take no longer (default: 300)" },
	{ "precopy-limit", KEY_PRECOPY, "SECONDS", 0, "Give up if that does not come about (default: 120)" },
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
	case KEY_DOWNTIME:
		r->migrate.options.max_downtime_ms = number_of(state, "--max-downtime", value, 1, 3600000);
		return 0;
	case KEY_PRECOPY:
		r->migrate.options.precopy_limit_s = number_of(state, "--precopy-limit", value, 1, 86400);
		return 0;
	case ARGP_KEY_ARG:
		if (r->count > FERRY_MAX_DEVICES)
			argp_error(state, "more than %d devices", FERRY_MAX_DEVICES);
		r->words[r->count++] = value;
		return 0;
	case ARGP_KEY_END:
		if (r->count < 2)
			argp_error(state, r->count ? "to which HOST:PORT?" : "which BDF, and to which HOST:PORT?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "BDF... HOST:PORT|unix:PATH",
	"Moves devices to another host, where `ferry receive` waits for them, while they run. They are stopped for the last "
	"part alone, start there, and only then are given up here. On any failure they run on here.\v"
	"Several devices go together, at the same time: all of them, or none.\n"
	"Ends with 0 if they run there, 1 if that failed, 2 after wrong use, 3 if a device cannot be migrated or does not fit there, 4 after "
	"Ctrl-C (they run on here), 5 if they are stopped here, and whether they run there only that host knows. See ferry-send(1).",
	children
};

static int send_devices(struct request *r)
{
	struct migrate *m = &r->migrate;
	struct ferry_channel *channel;
	struct ferry_report report;
	struct ferry_error error;
	int err;

	err = ferry_connect(&channel, &r->endpoint, &error);
	if (err)
		return complain_of(err == -EINVAL ? EXIT_USAGE : err == -ECANCELED ? EXIT_CANCELLED : EXIT_FAILED,
				   &error);
	migrate_show(m);
	err = ferry_send(m->devices, m->count, channel, &m->options, &report, &error);
	migrate_hide(m);
	report_print(m, &report, err ? &error : NULL, ferry_channel_peer(channel));
	ferry_channel_close(channel);
	return err ? migrate_failed(m, &report, &error) : EXIT_DONE;
}

static int send_main(int argc, char **argv)
{
	struct request r = { 0 };
	int code;

	migrate_init(&r.migrate);
	parse_arguments(&argp, argc, argv, &r);
	r.endpoint.address = r.words[r.count - 1];
	r.endpoint.cancel_fd = r.migrate.options.cancel_fd;
	code = migrate_open(&r.migrate, r.words, r.count - 1);
	if (!code)
		code = send_devices(&r);
	migrate_close(&r.migrate);
	return migrate_end(&r.migrate, code);
}

const struct command send_command = {
	"send", "BDF... HOST:PORT", "move devices to another host, live", send_main
};
