// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ferry tool: chooses the subcommand.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "host.h"
#include "migrate.h"

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
	NULL
};

static const char *running = "";

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

int complain(enum exit_code code, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "ferry%s%s: ", *running ? " " : "", running);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

void parse_arguments(const struct argp *argp, int argc, char **argv, void *input)
{
	static char name[32];

	/* argp says "NAME: what is wrong" and where to get help, by this name. */
	snprintf(name, sizeof(name), "ferry %s", running);
	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(argp, argc, argv, 0, NULL, input))
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
		return help(stdout);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("ferry " FERRY_VERSION);
		return EXIT_DONE;
	}
	command = find(argv[1]);
	if (!command)
		return complain(EXIT_USAGE, "there is no command '%s'; `ferry --help` lists them", argv[1]);
	running = command->name;
	ferry_limit_waiting(ANSWER_MS);
	code = command->run(argc - 1, argv + 1);
	if (*ferry_silent())
		complain(code, "%s; what it would have said is missing", ferry_silent());
	return code;
}
