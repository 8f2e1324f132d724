/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Subcommands of the ferry tool, a file each, and what they share.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <argp.h>
#include <stdint.h>

#include <ferry.h>

/* How ferry ends. Documented in ferry(1). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,	/* it was tried; a source runs on */
	EXIT_USAGE = 2,		/* wrong use, nothing was tried */
	EXIT_REFUSED = 3,	/* looked at and found wanting: a device, a stream, a host */
	EXIT_CANCELLED = 4,	/* by a signal; a source runs on */
	EXIT_STOPPED = 5,	/* it was tried; a source is stopped, and the message says what to do */
};

/**
 * struct command - a subcommand
 * @name: as the user writes it
 * @arguments: what follows it, for the list of commands
 * @summary: a line for that list
 * @run: parses argv[1] and on with argp, and does it; returns an exit_code
 */
struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(int argc, char **argv);
};

extern const struct command inspect_command;
extern const struct command watch_command;
extern const struct command qualify_command;
extern const struct command report_command;

/* Parses with argp, and --json, but ends with EXIT_USAGE and one line on a wrong use. */
void parse_arguments(const struct argp *argp, int argc, char **argv, void *input);

/* A number of an option; ends with EXIT_USAGE if it is none or out of range. */
uint64_t number_of(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max);

/* "ferry COMMAND: ERROR", to stderr; returns the code. */
int complain(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, of a call of libferry. */
int complain_of(enum exit_code code, const struct ferry_error *error);
/* What was complained of last; its code may be 0. */
const struct ferry_error *complaint(void);

#endif /* COMMAND_H */
