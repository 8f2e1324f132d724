// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells what `ferry qualify` measured: percentiles of each phase, bytes,
 * failures, the verdict.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "output.h"
#include "qualify.h"

/* Something that each migration has a number of */
struct measure {
	const char *name;	/* for people */
	const char *key;	/* in JSON, without its unit */
	size_t at;		/* in struct qualify_run */
};

#define OF_RUN(member)		offsetof(struct qualify_run, member)
#define OF_FIGURES(member)	offsetof(struct qualify_run, figures.member)

/* double, in ms */
static const struct measure times[] = {
	{ "setup", "setup", OF_FIGURES(setup_ms) },
	{ "initial data", "initial", OF_FIGURES(initial_ms) },
	{ "dirty data", "dirty", OF_FIGURES(dirty_ms) },
	{ "stop window", "window", OF_RUN(window_ms) },
	{ "  suspend", "suspend", OF_FIGURES(suspend_ms) },
	{ "  save", "save", OF_FIGURES(save_ms) },
	{ "  transfer", "transfer", OF_FIGURES(transfer_ms) },
	{ "  load", "load", OF_FIGURES(load_ms) },
	{ "  start", "start", OF_FIGURES(start_ms) },
	{ "all of it", "total", OF_RUN(total_ms) },
};

/* uint64_t */
static const struct measure sizes[] = {
	{ "initial data", "initial", OF_FIGURES(initial_bytes) },
	{ "dirty data", "dirty", OF_FIGURES(dirty_bytes) },
	{ "stop-copy data", "stop_copy", OF_FIGURES(stop_bytes) },
	{ "configuration", "config", OF_FIGURES(config_bytes) },
	{ "written memory", "written", OF_RUN(written) },	/* the last: not always known */
};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static unsigned int known_sizes(const struct qualification *q)
{
	return COUNT(sizes) - !q->tracked;
}

/* Percentiles, by rank: each is a value that was measured. */
static const unsigned int percents[] = { 50, 90, 99, 100 };
static const char *const percent_keys[] = { "p50", "p90", "p99", "max" };
#define PERCENTS COUNT(percents)

/* Those that went well count; a failed one says nothing about phases it did not reach. */
static unsigned int good_runs(const struct qualification *q)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < q->count; i++)
		good += q->runs[i].went_well;
	return good;
}

static double time_of(const struct qualify_run *run, const struct measure *measure)
{
	double ms;

	memcpy(&ms, (const char *)run + measure->at, sizeof(ms));
	return ms * 1e6;
}

static double size_of(const struct qualify_run *run, const struct measure *measure)
{
	uint64_t bytes;

	memcpy(&bytes, (const char *)run + measure->at, sizeof(bytes));
	return bytes;
}

static int compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static void percentiles(const struct qualification *q, const struct measure *measure,
			double (*value)(const struct qualify_run *run, const struct measure *measure),
			uint64_t to[PERCENTS])
{
	unsigned int good = good_runs(q), n = 0;
	double *sorted = calloc(good, sizeof(*sorted));

	if (!sorted)
		exit(complain(EXIT_FAILED, "no memory"));
	for (unsigned int i = 0; i < q->count; i++)
		if (q->runs[i].went_well)
			sorted[n++] = value(&q->runs[i], measure);
	qsort(sorted, n, sizeof(*sorted), compare);
	for (unsigned int i = 0; i < PERCENTS; i++)
		to[i] = sorted[((uint64_t)n * percents[i] + 99) / 100 - 1];
	free(sorted);
}

/* The verdict */

unsigned int qualify_failures(const struct qualification *q)
{
	return q->count - good_runs(q);
}

unsigned int qualify_slow_windows(const struct qualification *q)
{
	unsigned int slow = 0;

	for (unsigned int i = 0; i < q->count; i++)
		slow += q->runs[i].went_well && q->runs[i].window_ms > q->max_downtime_ms;
	return slow;
}

unsigned int qualify_slow_totals(const struct qualification *q)
{
	unsigned int slow = 0;

	for (unsigned int i = 0; i < q->count && q->max_total_ms; i++)
		slow += q->runs[i].went_well && q->runs[i].total_ms > q->max_total_ms;
	return slow;
}

bool qualified(const struct qualification *q)
{
	return q->count == q->wanted && !qualify_failures(q) && !qualify_slow_windows(q) &&
	       !qualify_slow_totals(q);
}

/* For people */

static void show_times(const struct qualification *q)
{
	static const char *const headings[] = { "phase", "p50", "p90", "p99", "max", NULL };
	struct table *table = table_new(headings);
	uint64_t values[PERCENTS];
	char text[HUMAN_SIZE];

	for (unsigned int i = 0; i < COUNT(times); i++) {
		percentiles(q, &times[i], time_of, values);
		table_cell(table, "%s", times[i].name);
		for (unsigned int j = 0; j < PERCENTS; j++)
			table_cell(table, "%s", human_ns(text, values[j]));
	}
	table_print(table, stdout);
}

static void show_sizes(const struct qualification *q)
{
	static const char *const headings[] = { "bytes", "p50", "p90", "p99", "max", NULL };
	struct table *table = table_new(headings);
	uint64_t values[PERCENTS];
	char text[HUMAN_SIZE];

	for (unsigned int i = 0; i < known_sizes(q); i++) {
		percentiles(q, &sizes[i], size_of, values);
		table_cell(table, "%s", sizes[i].name);
		for (unsigned int j = 0; j < PERCENTS; j++)
			table_cell(table, "%s", human_bytes(text, values[j]));
	}
	table_print(table, stdout);
}

static const char *phase_of(const struct qualify_run *run)
{
	return run->by_workload ? "workload" : ferry_phase_name(run->failed_in);
}

static void show_failures(const struct qualification *q)
{
	static const char *const headings[] = { "failed", "from", "to", "phase", "error", "why", NULL };
	struct table *table;

	if (!qualify_failures(q))
		return;
	table = table_new(headings);
	for (unsigned int i = 0; i < q->count; i++) {
		const struct qualify_run *run = &q->runs[i];

		if (run->went_well)
			continue;
		table_cell(table, "#%u", i + 1);
		table_cell(table, "%s", q->device[!run->forth]);
		table_cell(table, "%s", q->device[run->forth]);
		table_cell(table, "%s", phase_of(run));
		table_cell(table, "%s", strerrorname_np(run->error.code));
		table_cell(table, "%s", run->error.text);
	}
	table_print(table, stdout);
	putchar('\n');
}

static void show_verdict(const struct qualification *q)
{
	unsigned int failed = qualify_failures(q), windows = qualify_slow_windows(q);
	unsigned int totals = qualify_slow_totals(q);

	if (q->interrupted) {
		printf("no verdict: interrupted after %u of %u migrations\n", q->count, q->wanted);
	} else if (qualified(q)) {
		printf("QUALIFIED: %u migrations went well, each stop window within %u ms\n", q->count,
		       q->max_downtime_ms);
	} else {
		printf("NOT QUALIFIED:");
		if (failed)
			printf(" %u of %u migrations failed", failed, q->count);
		if (windows)
			printf("%s %u of %u stop windows longer than %u ms", failed ? "," : "", windows,
			       q->count, q->max_downtime_ms);
		if (totals)
			printf("%s %u of %u migrations longer than %u ms", failed || windows ? "," : "", totals,
			       q->count, q->max_total_ms);
		if (q->count < q->wanted)
			printf("%s only %u of %u could be tried", failed || windows || totals ? "," : "",
			       q->count, q->wanted);
		putchar('\n');
	}
}

void qualify_show(const struct qualification *q)
{
	printf("%u migrations between %s and %s, back and forth, ", q->count, q->device[0], q->device[1]);
	if (q->workload)
		printf("workload: %s\n\n", q->workload);
	else
		puts("without a workload:\nthe functions are as after a reset, with the least state that they can have\n");
	if (good_runs(q)) {
		show_times(q);
		putchar('\n');
		show_sizes(q);
		putchar('\n');
	}
	show_failures(q);
	show_verdict(q);
}

/* For programs */

static json_object *percentiles_object(const struct qualification *q, const struct measure *measure,
				       double (*value)(const struct qualify_run *run,
						       const struct measure *measure))
{
	uint64_t values[PERCENTS];
	json_object *object;

	if (!good_runs(q))
		return NULL;
	percentiles(q, measure, value, values);
	object = json_object_new_object();
	for (unsigned int i = 0; i < PERCENTS; i++)
		NUMBER(object, percent_keys[i], values[i]);
	return object;
}

static void add_percentiles(json_object *to, const struct qualification *q)
{
	json_object *times_to = json_object_new_object(), *sizes_to = json_object_new_object();

	for (unsigned int i = 0; i < COUNT(times); i++)
		json_object_object_add(times_to, times[i].key, percentiles_object(q, &times[i], time_of));
	for (unsigned int i = 0; i < known_sizes(q); i++)
		json_object_object_add(sizes_to, sizes[i].key, percentiles_object(q, &sizes[i], size_of));
	json_object_object_add(to, "phases_ns", times_to);
	json_object_object_add(to, "bytes", sizes_to);
}

static json_object *run_object(const struct qualification *q, const struct qualify_run *run)
{
	json_object *object = json_object_new_object();
	char key[32];

	TEXT(object, "from", q->device[!run->forth]);
	TEXT(object, "to", q->device[run->forth]);
	json_object_object_add(object, "went_well", json_object_new_boolean(run->went_well));
	TEXT(object, "failed_in", run->went_well ? NULL : phase_of(run));
	TEXT(object, "error", run->went_well ? NULL : strerrorname_np(run->error.code));
	TEXT(object, "why", run->went_well ? NULL : run->error.text);
	TEXT(object, "outcome", ferry_outcome_name(run->outcome));
	NUMBER(object, "rounds", run->rounds);
	NUMBER(object, "estimated_window_ns", run->estimated_ms * 1e6);
	for (unsigned int i = 0; i < COUNT(times); i++) {
		snprintf(key, sizeof(key), "%s_ns", times[i].key);
		NUMBER(object, key, time_of(run, &times[i]));
	}
	for (unsigned int i = 0; i < known_sizes(q); i++) {
		snprintf(key, sizeof(key), "%s_bytes", sizes[i].key);
		NUMBER(object, key, size_of(run, &sizes[i]));
	}
	return object;
}

json_object *qualify_json(const struct qualification *q)
{
	json_object *object = json_object_new_object();
	json_object *devices = json_object_new_array(), *runs = json_object_new_array();

	for (int i = 0; i < 2; i++)
		json_object_array_add(devices, json_text(q->device[i]));
	json_object_object_add(object, "devices", devices);
	TEXT(object, "workload", q->workload);
	NUMBER(object, "wanted", q->wanted);
	NUMBER(object, "done", q->count);
	NUMBER(object, "failed", qualify_failures(q));
	NUMBER(object, "max_downtime_ns", q->max_downtime_ms * 1000000ULL);
	json_object_object_add(object, "max_total_ns", q->max_total_ms ?
			       json_object_new_uint64(q->max_total_ms * 1000000ULL) : NULL);
	NUMBER(object, "windows_over_limit", qualify_slow_windows(q));
	NUMBER(object, "totals_over_limit", qualify_slow_totals(q));
	add_percentiles(object, q);
	for (unsigned int i = 0; i < q->count; i++)
		json_object_array_add(runs, run_object(q, &q->runs[i]));
	json_object_object_add(object, "migrations", runs);
	json_object_object_add(object, "interrupted", json_object_new_boolean(q->interrupted));
	json_object_object_add(object, "qualified",
			       q->interrupted ? NULL : json_object_new_boolean(qualified(q)));
	return object;
}
