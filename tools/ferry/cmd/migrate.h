/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What save, load, send and receive share: options, devices, progress, report.
 */
#ifndef MIGRATE_H
#define MIGRATE_H

#include "command.h"
#include "interrupt.h"
#include "output.h"

/* Options of all four, a child of each command's argp; its input is the struct. */
struct migrate {
	bool quiet, progress;
	FILE *report_to;
	struct ferry_options options;
	/* in the order given: the device at the same place is not opened, but is this FD */
	int device_fds[FERRY_MAX_DEVICES];
	unsigned int device_fd_count;
	struct ferry_device *devices[FERRY_MAX_DEVICES];
	unsigned int count;
};

extern const struct argp migrate_argp;

/* Where to connect or listen; a child of send's and receive's argp. */
extern const struct argp endpoint_argp;

/* Ready to be an argp's input. */
void migrate_init(struct migrate *migrate);
/* Opens those that were not handed in. Value: EXIT_DONE, or what to exit with, having complained. */
int migrate_open(struct migrate *migrate, char *const *names, unsigned int count);
void migrate_close(struct migrate *migrate);
/* The device that the host wants back; NULL: none. The cancel FD is readable then, too. */
const char *migrate_wanted(const struct migrate *migrate);
/* Shows progress on stderr from now on, if it is wanted. */
void migrate_show(struct migrate *migrate);
/* Ends what migrate_show() shows. */
void migrate_hide(struct migrate *migrate);

/* What to exit with; complains. */
int migrate_failed(const struct migrate *migrate, const struct ferry_report *report, const struct ferry_error *error);

/* Prints the report, for people or as JSON. @error: NULL if all went well. */
void report_print(const struct migrate *migrate, const struct ferry_report *report, const struct ferry_error *error,
		  const char *peer);
/* As output_end(); the report that is due to programs tells also of what failed before there was one. */
int migrate_end(const struct migrate *migrate, int code);

/* Holds devices that run: until COMMAND ends, which inherits them, or until a signal. What to exit with. */
int hold(struct migrate *migrate, char *const *command);

/* Splits "A... -- COMMAND..." before argp sees it: value: the COMMAND or NULL; shortens argc. */
char *const *split_command(int *argc, char **argv);
/* Is it fit for these options? EXIT_DONE, or EXIT_USAGE, having complained. */
int check_command(const struct migrate *migrate, char *const *command);

extern const struct command save_command, load_command, send_command, receive_command;

#endif /* MIGRATE_H */
