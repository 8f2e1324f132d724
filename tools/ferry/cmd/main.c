// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ferry tool: chooses the subcommand.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "host.h"
#include "migrate.h"
#include "output.h"

/* Of a command's own argp */
#define CHILDREN_MAX 4

/* What the kernel may take to fill a small file: its drivers' locks, in ms. */
#define ANSWER_MS 3000

/* In the order of the list that --help shows. */
static const struct command *const commands[] = {
	&list_command,
	&doctor_command,
	&bind_command,
	&unbind_command,
	&save_command,
	&load_command,
	&send_command,
	&receive_command,
	&inspect_command,
	&watch_command,
	&qualify_command,
	&report_command,
	NULL
};

static const char *running = "";
static struct ferry_error last;

static const struct command *find(const char *name)
{
	for (int i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int help(FILE *to)
{
	fputs("ferry migrates VFIO devices: the virtual functions of NICs and whatever else speaks\n"
	      "the kernel's migration protocol.\n\n"
	      "Usage: ferry COMMAND [OPTION...] ARGUMENT...\n\n", to);
	for (int i = 0; commands[i]; i++)
		fprintf(to, "  %-8s %-32s %s\n", commands[i]->name, commands[i]->arguments,
			commands[i]->summary);
	fputs("\n`ferry COMMAND --help` tells more; ferry(1) has all of it.\n", to);
	return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

int complain_of(enum exit_code code, const struct ferry_error *error)
{
	if (error != &last)
		last = *error;
	fprintf(stderr, "ferry%s%s: %s\n", *running ? " " : "", running, last.text);
	return code;
}

int complain(enum exit_code code, const char *format, ...)
{
	va_list args;

	last.code = 0;
	va_start(args, format);
	vsnprintf(last.text, sizeof(last.text), format, args);
	va_end(args);
	return complain_of(code, &last);
}

const struct ferry_error *complaint(void)
{
	return &last;
}

uint64_t number_of(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t number;

	if (ferry_number(text, min, max, &number))
		return number;
	if (max == UINT64_MAX)
		argp_error(state, "%s wants a number from %" PRIu64 " on, not '%s'", option, min, text);
	else
		argp_error(state, "%s wants a number from %" PRIu64 " to %" PRIu64 ", not '%s'", option, min, max, text);
	exit(EXIT_USAGE);
}

void parse_arguments(const struct argp *argp, int argc, char **argv, void *input)
{
	struct argp_child children[CHILDREN_MAX + 2] = { { 0 } };
	struct argp whole = *argp;
	static char name[32];
	unsigned int n = 0;

	while (argp->children && argp->children[n].argp && n < CHILDREN_MAX) {
		children[n] = argp->children[n];
		n++;
	}
	children[n].argp = &json_argp;
	whole.children = children;

	/* argp says "NAME: what is wrong" and where to get help, by this name. */
	snprintf(name, sizeof(name), "ferry %s", running);
	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&whole, argc, argv, 0, NULL, input))
		exit(EXIT_USAGE);
}

/*
 * Who was started without standard FDs would give their numbers to the next files
 * it opens, and print into those. Nothing can be read from or written to what is
 * opened here: no state shall be lost in it.
 */
static void open_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	const struct command *command;
	int code;

	open_standard_fds();
	/* A file that must not grow (ulimit -f) is a failure like any other, with EFBIG. */
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2)
		return help(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return output_end(help(stdout));
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("ferry " FERRY_VERSION);
		return output_end(EXIT_DONE);
	}
	command = find(argv[1]);
	if (!command)
		return complain(EXIT_USAGE, "there is no command '%s'; `ferry --help` lists them", argv[1]);
	running = command->name;
	ferry_limit_waiting(ANSWER_MS);
	code = command->run(argc - 1, argv + 1);
	if (json_due(code)) {
		json_object *object = json_object_new_object();

		json_object_object_add(object, "error", json_text(last.text));
		json_print_line(object);
		code = output_end(code);
	}
	if (*ferry_silent())
		complain(code, "%s; what it would have said is missing", ferry_silent());
	return code;
}
