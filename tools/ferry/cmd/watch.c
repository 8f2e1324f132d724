// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry watch: states, queues and rates of ferry's functions, live.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "debugfs.h"
#include "interrupt.h"
#include "output.h"

#include "../lib/base/wait.h"

#define INTERVAL_MAX	86400.0

struct request {
	char **addresses;	/* NULL: all there are */
	double interval;
	uint64_t count;		/* 0: for ever */
};

/* A function, from one look to the next */
struct watched {
	char name[DEBUGFS_NAME];
	bool there;
	bool silent;		/* it gave no answer */
	double pause, until;	/* seconds: how long it is left alone for that, and to when */
	bool rated;		/* the rates are known: it was there at the last look, too */
	double read_rate;
	double write_rate;
	double seen;		/* seconds */
	struct debugfs_function now;
};

struct watch {
	const struct request *request;
	struct watched *functions;
	unsigned int count;
	bool terminal;
};

static const struct argp_option options[] = {
	{ "interval", 'i', "SECONDS", 0, "Time between two looks (default: 1)" },
	{ "count", 'c', "N", 0, "Look so many times, then end (default: until Ctrl-C)" },
	{ NULL }
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *request = state->input;
	char *end;

	switch (key) {
	case 'i':
		request->interval = strtod(value, &end);
		if (end == value || *end || !(request->interval >= 0.01 && request->interval <= INTERVAL_MAX))
			argp_error(state, "--interval wants seconds, 0.01 to 86400, not '%s'", value);
		return 0;
	case 'c':
		request->count = number_of(state, "--count", value, 1, UINT64_MAX);
		return 0;
	case ARGP_KEY_ARGS:
		request->addresses = state->argv + state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "[BDF...]",
	"Shows what ferry's functions do: state, data FD in use, bytes and rates. All of them, or those named by "
	"their PCI address.\v"
	"Ends with 0, also by Ctrl-C; with 1 if there is nothing to see, and says why."
};

/* Looking */

static struct watched *find(struct watch *watch, const char *name)
{
	struct watched *grown;

	for (unsigned int i = 0; i < watch->count; i++)
		if (!strcmp(watch->functions[i].name, name))
			return &watch->functions[i];
	grown = reallocarray(watch->functions, watch->count + 1, sizeof(*grown));
	if (!grown)
		exit(complain(EXIT_FAILED, "no memory"));
	watch->functions = grown;
	grown += watch->count++;
	memset(grown, 0, sizeof(*grown));
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	return grown;
}

/* Counters begin anew when a function is bound again. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
	return after >= before && seconds > 0 ? (after - before) / seconds : 0;
}

/* Each question that a stuck driver gets keeps a process: they come at ever longer intervals. */
static void leave_alone(struct watched *function)
{
	function->pause = function->silent ? 2 * function->pause + 1 : 0;
	function->until = function->seen + function->pause;
}

static int look_at(struct watched *function, struct ferry_error *error)
{
	struct debugfs_function before = function->now;
	double seen = function->seen;
	bool was_there = function->there;
	int err;

	if (function->silent && clock_ms() / 1000 < function->until)
		return 0;
	err = debugfs_read(function->name, &function->now, error);
	function->seen = clock_ms() / 1000;
	function->silent = err == -ETIMEDOUT;
	leave_alone(function);
	function->there = !err;
	function->rated = was_there && !err;
	if (function->rated) {
		function->read_rate = rate(before.bytes_read, function->now.bytes_read, function->seen - seen);
		function->write_rate = rate(before.bytes_written, function->now.bytes_written,
					    function->seen - seen);
	}
	return err == -ENODEV || err == -ETIMEDOUT ? 0 : err;
}

static int find_all(struct watch *watch, struct ferry_error *error)
{
	struct dirent **entries;
	int count = debugfs_list(&entries, error);

	for (int i = 0; i < count; i++) {
		find(watch, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count < 0 ? count : 0;
}

static int find_named(struct watch *watch, struct ferry_error *error)
{
	char name[DEBUGFS_NAME];
	int err;

	for (char **address = watch->request->addresses; *address; address++) {
		err = debugfs_find(*address, name, error);
		if (err)
			return err;
		find(watch, name);
	}
	return 0;
}

static int look(struct watch *watch, struct ferry_error *error)
{
	int err = watch->request->addresses ? 0 : find_all(watch, error);

	for (unsigned int i = 0; !err && i < watch->count; i++)
		err = look_at(&watch->functions[i], error);
	return err;
}

/* For people */

static const char *per_second(char text[HUMAN_SIZE], const struct watched *function, double bytes)
{
	if (!function->rated)
		return "-";
	return human_bytes(text, bytes);
}

static void session_cell(struct table *table, const struct debugfs_function *function)
{
	const struct debugfs_session *session = &function->session;

	if (!function->migrates)
		table_cell(table, "cannot migrate");
	else if (!function->in_session)
		table_cell(table, "%s", "");
	else if (session->error)
		table_cell(table, "%s, %s", session->direction, strerrorname_np(-session->error) ?: "failed");
	else
		table_cell(table, "%s, %s%s", session->direction, session->phase, session->busy ? ", busy" : "");
}

static void queue_cells(struct table *table, const struct debugfs_function *function)
{
	const struct debugfs_session *session = &function->session;
	char bytes[HUMAN_SIZE];

	if (!function->in_session) {
		for (int i = 0; i < 3; i++)
			table_cell(table, "%s", "");
		return;
	}
	table_cell(table, "%" PRIu64 "/%" PRIu64, session->ready, session->images);
	table_cell(table, "%s", human_bytes(bytes, session->unread_initial + session->unread_dirty));
	table_cell(table, "%s", human_bytes(bytes, session->memory));
}

static void row(struct table *table, const struct watched *function)
{
	char bytes[HUMAN_SIZE];

	table_cell(table, "%s", function->name);
	if (!function->there) {
		table_cell(table, function->silent ? "no answer" : "gone");
		for (int i = 0; i < 9; i++)
			table_cell(table, "%s", "");
		return;
	}
	table_cell(table, "%s", function->now.state);
	session_cell(table, &function->now);
	queue_cells(table, &function->now);
	table_cell(table, "%s", human_bytes(bytes, function->now.bytes_read));
	table_cell(table, "%s", per_second(bytes, function, function->read_rate));
	table_cell(table, "%s", human_bytes(bytes, function->now.bytes_written));
	table_cell(table, "%s", per_second(bytes, function, function->write_rate));
	table_cell(table, "%" PRIu64, function->now.failures);
}

static void show_failures(const struct watch *watch)
{
	for (unsigned int i = 0; i < watch->count; i++) {
		const struct watched *function = &watch->functions[i];

		if (function->there && *function->now.withheld)
			printf("%s cannot migrate: %s\n", function->name, function->now.withheld);
		if (function->there && *function->now.last_failure)
			printf("%s failed last: %s\n", function->name, function->now.last_failure);
	}
}

static void show_time(void)
{
	time_t seconds = time(NULL);
	char text[16];

	strftime(text, sizeof(text), "%T", localtime(&seconds));
	printf("%s", text);
}

static void show(const struct watch *watch)
{
	static const char *const headings[] = {
		"function", "state", "session", "images", "unread", "memory", "read", "per s", "written",
		"per s", "failures", NULL
	};
	struct table *table = table_new(headings);

	for (unsigned int i = 0; i < watch->count; i++)
		row(table, &watch->functions[i]);
	/* Home, and clear to the end of the screen */
	if (watch->terminal)
		fputs("\033[H\033[J", stdout);
	show_time();
	puts(watch->terminal ? "  ferry watch, Ctrl-C ends it" : "");
	table_print(table, stdout);
	if (!watch->count)
		puts("no function is bound to a driver of ferry (ferry list shows what there is)");
	show_failures(watch);
	putchar('\n');
}

/* For programs */

static json_object *session_object(const struct debugfs_function *function)
{
	const struct debugfs_session *session = &function->session;
	json_object *object;

	if (!function->in_session)
		return NULL;
	object = json_object_new_object();
	TEXT(object, "direction", session->direction);
	TEXT(object, "phase", session->phase);
	TEXT(object, "error", session->error ? strerrorname_np(-session->error) : NULL);
	NUMBER(object, "images", session->images);
	NUMBER(object, "ready_images", session->ready);
	TRUTH(object, "busy", session->busy);
	NUMBER(object, "unread_initial_bytes", session->unread_initial);
	NUMBER(object, "unread_dirty_bytes", session->unread_dirty);
	NUMBER(object, "memory_bytes", session->memory);
	NUMBER(object, "budget_bytes", session->budget);
	return object;
}

static json_object *times_object(const struct debugfs_function *function)
{
	json_object *object = json_object_new_object();

	for (int state = 0; state < DEBUGFS_STATES; state++)
		NUMBER(object, ferry_state_name(state), function->state_ns[state]);
	return object;
}

static json_object *rate_object(const struct watched *function, double bytes)
{
	return function->rated ? json_object_new_uint64(bytes) : NULL;
}

static json_object *seen_object(const struct watched *function)
{
	const struct debugfs_function *seen = &function->now;
	json_object *to;

	if (!function->there)
		return NULL;
	to = json_object_new_object();
	TEXT(to, "state", seen->state);
	TEXT(to, "link", seen->availability);
	TRUTH(to, "migrates", seen->migrates);
	TEXT(to, "withheld", seen->migrates ? NULL : seen->withheld);
	json_object_object_add(to, "session", session_object(seen));
	NUMBER(to, "read_bytes", seen->bytes_read);
	json_object_object_add(to, "read_bytes_per_s", rate_object(function, function->read_rate));
	NUMBER(to, "written_bytes", seen->bytes_written);
	json_object_object_add(to, "written_bytes_per_s", rate_object(function, function->write_rate));
	NUMBER(to, "images_saved", seen->images_saved);
	NUMBER(to, "images_loaded", seen->images_loaded);
	NUMBER(to, "full_state_bytes", seen->full_state_bytes);
	NUMBER(to, "leaked_bytes", seen->leaked_bytes);
	NUMBER(to, "failures", seen->failures);
	TEXT(to, "last_failure", *seen->last_failure ? seen->last_failure : NULL);
	json_object_object_add(to, "state_ns", times_object(seen));
	return to;
}

static void show_json(const struct watch *watch)
{
	json_object *object = json_object_new_object(), *functions = json_object_new_array();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_object_object_add(object, "time_s", json_object_new_double(now.tv_sec + now.tv_nsec / 1e9));
	for (unsigned int i = 0; i < watch->count; i++) {
		json_object *one = json_object_new_object();

		TEXT(one, "name", watch->functions[i].name);
		TRUTH(one, "answers", !watch->functions[i].silent);
		json_object_object_add(one, "seen", seen_object(&watch->functions[i]));
		json_object_array_add(functions, one);
	}
	json_object_object_add(object, "functions", functions);
	json_print_line(object);
}

/* Both */

static int go_on(struct watch *watch)
{
	const struct request *request = watch->request;
	struct ferry_error error;

	for (uint64_t looks = 1; ; looks++) {
		if (look(watch, &error))
			return complain(EXIT_FAILED, "%s", error.text);
		if (json_wanted())
			show_json(watch);
		else
			show(watch);
		if (fflush(stdout))
			return EXIT_FAILED;	/* output_end() says why */
		if (looks == request->count || interrupt_sleep(request->interval * 1000))
			return EXIT_DONE;
	}
}

static int run(int argc, char **argv)
{
	struct request request = { .interval = 1 };
	struct watch watch = { .request = &request };
	struct ferry_error error;
	int code;

	parse_arguments(&argp, argc, argv, &request);
	interrupt_fd();
	watch.terminal = output_is_terminal(stdout);
	if (debugfs_ready(&error) || (request.addresses && find_named(&watch, &error)))
		return complain(EXIT_FAILED, "%s", error.text);
	code = go_on(&watch);
	free(watch.functions);
	return output_end(code);
}

const struct command watch_command = {
	"watch", "[BDF...]", "state, queue and rates of ferry's functions, live", run
};
