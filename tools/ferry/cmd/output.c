// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ferry prints. See output.h.
 */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "command.h"
#include "output.h"

struct table {
	struct libscols_table *all;
	struct libscols_line *line;
	unsigned int columns, at;
};

static void no_memory(void)
{
	errx(EXIT_FAILED, "no memory");
}

/* A terminal that is too narrow for all of it sees all columns, some of them cut; the first one is never. */
struct table *table_new(const char *const *headings)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		no_memory();
	table->all = scols_new_table();
	if (!table->all || scols_table_set_column_separator(table->all, "  "))
		no_memory();
	while (headings[table->columns]) {
		if (!scols_table_new_column(table->all, headings[table->columns], 0,
					    table->columns ? SCOLS_FL_TRUNC : 0))
			no_memory();
		table->columns++;
	}
	return table;
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		no_memory();
	va_end(args);
	if (!table->at)
		table->line = scols_table_new_line(table->all, NULL);
	if (!table->line || scols_line_set_data(table->line, table->at, *text ? text : "-"))
		no_memory();
	table->at = (table->at + 1) % table->columns;
	free(text);
}

void table_print(struct table *table, FILE *to)
{
	scols_table_set_stream(table->all, to);
	if (scols_print_table(table->all))
		no_memory();
	scols_unref_table(table->all);
	free(table);
}

bool output_is_terminal(FILE *to)
{
	const char *kind = getenv("TERM");

	return isatty(fileno(to)) && !(kind && !strcmp(kind, "dumb"));
}

json_object *json_text(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static bool wanted, begun;

static error_t parse(int key, char *value, struct argp_state *state)
{
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	wanted = true;
	return 0;
}

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print JSON, for programs" },
	{ NULL }
};

const struct argp json_argp = { options, parse };

bool json_wanted(void)
{
	return wanted;
}

void json_begin(void)
{
	begun = true;
}

bool json_due(int code)
{
	return wanted && !begun && code != EXIT_DONE && code != EXIT_USAGE;
}

static void print_as(json_object *object, int style, FILE *to)
{
	const char *text = json_object_to_json_string_ext(object, style | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		no_memory();
	json_begin();
	fprintf(to, "%s\n", text);
	json_object_put(object);
}

void json_print(json_object *object)
{
	json_print_to(object, stdout);
}

void json_print_to(json_object *object, FILE *to)
{
	print_as(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED, to);
}

void json_print_line(json_object *object)
{
	print_as(object, JSON_C_TO_STRING_PLAIN, stdout);
}

const char *human_bytes(char text[HUMAN_SIZE], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes / 1024.0;
	unsigned int unit = 0;

	if (bytes < 1024) {
		snprintf(text, HUMAN_SIZE, "%u B", (unsigned int)bytes);
		return text;
	}
	/* What would be shown as 1024.0 is 1.0 of the next. */
	while (value >= 1023.95 && unit < 5) {
		value /= 1024;
		unit++;
	}
	snprintf(text, HUMAN_SIZE, "%.1f %s", value, units[unit]);
	return text;
}

const char *human_ns(char text[HUMAN_SIZE], uint64_t ns)
{
	if (ns < 1000)
		snprintf(text, HUMAN_SIZE, "%u ns", (unsigned int)ns);
	else if (ns < 999950)
		snprintf(text, HUMAN_SIZE, "%.1f us", ns / 1e3);
	else if (ns < 999950000)
		snprintf(text, HUMAN_SIZE, "%.1f ms", ns / 1e6);
	else
		snprintf(text, HUMAN_SIZE, "%.1f s", ns / 1e9);
	return text;
}

int output_end(int code)
{
	if (fflush(stdout) || ferror(stdout))
		return complain(EXIT_FAILED, "standard output: %s", strerror(errno));
	return code;
}
