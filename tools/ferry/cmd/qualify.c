// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry qualify: many migrations between two functions of this host, back and
 * forth, and a verdict on them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "careful.h"
#include "command.h"
#include "interrupt.h"
#include "local_move.h"
#include "migrate.h"
#include "output.h"
#include "qualify.h"
#include "record.h"
#include "workload.h"
#include "written.h"

enum { OPTION_CAREFUL = 256, OPTION_DOWNTIME, OPTION_TOTAL, OPTION_PRECOPY, OPTION_WORKLOAD };

#define COUNT_DEFAULT	10
#define COUNT_MAX	100000
#define MS_MAX		86400000

struct request {
	struct qualification q;
	unsigned int precopy_limit_s;
	unsigned int addresses;
	bool careful;
};

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Migrations (default: 10)" },
	{ "max-downtime", OPTION_DOWNTIME, "MS", 0,
	  "The longest stop window that is good; a migration stops when it expects no longer one (default: 300)" },
	{ "max-total", OPTION_TOTAL, "MS", 0, "The longest migration that is good (default: any)" },
	{ "precopy-limit", OPTION_PRECOPY, "SECONDS", 0,
	  "A migration that does not get there fails after this time (default: 120)" },
	{ "workload", OPTION_WORKLOAD, "COMMAND", 0,
	  "Uses the function: run with `start`, after each migration `moved`, at the end `stop`; "
	  "has FERRY_DEVICE and FERRY_DEVICE_FD (default: none)" },
	{ "careful", OPTION_CAREFUL, NULL, 0,
	  "The first contact with hardware: step by step by rising risk, up to the first surprise; one function will do, "
	  "and each is left running" },
	{ NULL }
};

/* Domain 0 may be left out. */
static bool same_function(const char *one, const char *other)
{
	static const char domain[] = "0000:";
	const size_t length = sizeof(domain) - 1;

	one += strncmp(one, domain, length) ? 0 : length;
	other += strncmp(other, domain, length) ? 0 : length;
	return !strcasecmp(one, other);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'n':
		request->q.wanted = number_of(state, "--count", value, 1, COUNT_MAX);
		return 0;
	case OPTION_DOWNTIME:
		request->q.max_downtime_ms = number_of(state, "--max-downtime", value, 1, MS_MAX);
		return 0;
	case OPTION_TOTAL:
		request->q.max_total_ms = number_of(state, "--max-total", value, 1, MS_MAX);
		return 0;
	case OPTION_PRECOPY:
		request->precopy_limit_s = number_of(state, "--precopy-limit", value, 1, MS_MAX / 1000);
		return 0;
	case OPTION_WORKLOAD:
		request->q.workload = value;
		return 0;
	case OPTION_CAREFUL:
		request->careful = true;
		return 0;
	case ARGP_KEY_ARG:
		if (request->addresses == 2)
			argp_error(state, "two functions, not more: '%s' is too much", value);
		request->q.device[request->addresses++] = value;
		return 0;
	case ARGP_KEY_END:
		if (request->careful && !request->addresses)
			argp_error(state, "which function? `ferry list` shows their addresses");
		if (request->addresses < 2 && !request->careful)
			argp_error(state, "two functions are needed, to move from one to the other and back");
		if (request->addresses == 2 && same_function(request->q.device[0], request->q.device[1]))
			argp_error(state, "%s cannot be both ends", request->q.device[0]);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "BDF BDF\n--careful BDF [BDF]",
	"Migrates a function's state to another function of this host and back, again and again, and judges "
	"how it went: what to run on real hardware before trusting live migration to it. What both functions "
	"hold is lost, so nobody else may use them.\v"
	"Ends with 0 if all went well and within the limits, 3 if not, 1 if it could not begin; after Ctrl-C with 4, "
	"when the running migration has ended."
};

/* The two, while they are used */
struct bench {
	struct request *request;
	struct ferry_device *device[2];
	unsigned int source;		/* which of them holds the state */
	bool offers_memory;		/* for the workload's DMA */
	bool terminal;
	unsigned int begun;
};

/* Progress, on stderr */

static void show_progress(void *opaque, const struct ferry_progress *progress)
{
	const struct bench *bench = opaque;
	char bytes[HUMAN_SIZE], rate[HUMAN_SIZE];

	fprintf(stderr, "\r\033[K[%u/%u] %s to %s: %s, %s, %s/s", bench->begun, bench->request->q.wanted,
		ferry_device_name(bench->device[bench->source]), ferry_device_name(bench->device[!bench->source]),
		ferry_phase_name(progress->phase), human_bytes(bytes, progress->bytes),
		human_bytes(rate, progress->rate));
}

static void clear_progress(const struct bench *bench)
{
	if (bench->terminal)
		fputs("\r\033[K", stderr);
}

/* Opening */

static int open_one(struct bench *bench, unsigned int i)
{
	struct request *request = bench->request;
	struct ferry_error error;
	int err = ferry_device_open(&bench->device[i], request->q.device[i], &error);

	if (err == -EINVAL)
		return complain(EXIT_USAGE, "%s", error.text);
	if (err)
		return complain(EXIT_FAILED, "%s", error.text);
	request->q.device[i] = ferry_device_name(bench->device[i]);
	if (ferry_device_migratable(bench->device[i], &error))
		return complain(EXIT_REFUSED, "%s", error.text);
	return EXIT_DONE;
}

/* Those of two kinds would fail every time, and less clearly. */
static int alike(struct bench *bench)
{
	struct ferry_identity one, other;
	struct ferry_error error;

	if (ferry_device_identity(bench->device[0], &one, &error) ||
	    ferry_device_identity(bench->device[1], &other, &error))
		return complain(EXIT_FAILED, "%s", error.text);
	if (one.vendor != other.vendor || one.device != other.device)
		return complain(EXIT_REFUSED, "%s is a %04x:%04x and %s a %04x:%04x: neither takes the other's state",
				one.name, one.vendor, one.device, other.name, other.vendor, other.device);
	return EXIT_DONE;
}

static int open_both(struct bench *bench)
{
	int code = open_one(bench, 0);

	if (code == EXIT_DONE)
		code = open_one(bench, 1);
	return code == EXIT_DONE ? alike(bench) : code;
}

/* Migrating */

static int workload(struct bench *bench, const char *word, struct ferry_error *error)
{
	const char *command = bench->request->q.workload;

	return command ? workload_run(command, word, bench->device[bench->source], error) : 0;
}

static void note(struct qualify_run *run, const struct ferry_report *report)
{
	run->outcome = report->outcome;
	run->failed_in = report->failed_in;
	run->figures = report->total;
	run->rounds = report->rounds;
	run->estimated_ms = report->estimated_ms;
	run->window_ms = report->window_ms;
	run->total_ms = report->total_ms;
}

/* Whatever became of it: both run, the state is a new one. */
static int begin_anew(struct bench *bench, struct ferry_error *error)
{
	int err = ferry_device_reset(bench->device[0], error) ?: ferry_device_reset(bench->device[1], error);

	return err ?: workload(bench, "start", error);
}

/* 0, or the next one cannot be begun. */
static int migrate(struct bench *bench, struct qualify_run *run, struct ferry_error *error)
{
	const struct request *request = bench->request;
	struct ferry_options ferry_options = {
		.max_downtime_ms = request->q.max_downtime_ms,
		.precopy_limit_s = request->precopy_limit_s,
		/* Ctrl-C is looked at between two of them. */
		.cancel_fd = -1,
		.progress = bench->terminal ? show_progress : NULL,
		.opaque = bench,
	};
	struct ferry_device *source = bench->device[bench->source];
	static struct ferry_report report;
	int err, unknown = 0;
	bool tracked;

	run->forth = !bench->source;
	tracked = bench->offers_memory && written_begin(source);
	err = local_move(source, bench->device[!bench->source], &ferry_options, &report, &run->error);
	note(run, &report);
	if (tracked)
		unknown = written_end(source, &run->written, error);
	bench->request->q.tracked = tracked && !unknown;
	if (!err && unknown)
		return unknown;
	if (!err)
		bench->source = !bench->source;
	else if (run->outcome != FERRY_STAYED)
		return begin_anew(bench, error);
	if (err)
		return 0;
	run->by_workload = workload(bench, "moved", &run->error);
	run->went_well = !run->by_workload;
	return run->by_workload ? begin_anew(bench, error) : 0;
}

static int migrate_all(struct bench *bench, struct ferry_error *error)
{
	struct qualification *q = &bench->request->q;
	int err;

	bench->offers_memory = q->workload && !written_offer(bench->device);
	err = workload(bench, "start", error);

	while (!err && q->count < q->wanted) {
		q->interrupted = interrupted();
		if (q->interrupted)
			break;
		bench->begun = q->count + 1;
		err = migrate(bench, &q->runs[q->count++], error);
	}
	clear_progress(bench);
	if (!err)
		err = workload(bench, "stop", error);
	return err;
}

static int judge(struct bench *bench)
{
	struct qualification *q = &bench->request->q;
	struct ferry_error error;
	json_object *result;
	int err;

	record_begin();
	err = migrate_all(bench, &error);
	if (err && !q->count)
		return complain(EXIT_FAILED, "%s", error.text);
	result = qualify_json(q);
	record_end(result);
	if (json_wanted()) {
		json_print(result);
	} else {
		json_object_put(result);
		qualify_show(q);
	}
	if (err)
		return output_end(complain(EXIT_FAILED, "ended after %u migrations: %s", q->count, error.text));
	if (q->interrupted)
		return output_end(EXIT_CANCELLED);
	return output_end(qualified(q) ? EXIT_DONE : EXIT_REFUSED);
}

static int run(int argc, char **argv)
{
	struct request request = {
		.q = { .wanted = COUNT_DEFAULT, .max_downtime_ms = FERRY_MAX_DOWNTIME_MS },
	};
	struct bench bench = { .request = &request };
	int code;

	parse_arguments(&argp, argc, argv, &request);
	if (request.careful) {
		const struct careful careful = {
			.device = { request.q.device[0], request.q.device[1] },
			.workload = request.q.workload,
		};

		return careful_walk(&careful);
	}
	interrupt_fd();
	bench.terminal = output_is_terminal(stderr);
	request.q.runs = calloc(request.q.wanted, sizeof(*request.q.runs));
	if (!request.q.runs)
		return complain(EXIT_FAILED, "no memory");
	code = open_both(&bench);
	if (code == EXIT_DONE)
		code = judge(&bench);
	ferry_device_close(bench.device[0]);
	ferry_device_close(bench.device[1]);
	free(request.q.runs);
	return code;
}

const struct command qualify_command = {
	"qualify", "BDF BDF", "migrate back and forth between two functions, and judge", run
};
