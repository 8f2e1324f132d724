/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `ferry report` sends home: texts, each under the name of its file. Nothing
 * of it opens or changes a function.
 */
#ifndef GATHER_H
#define GATHER_H

#include <ferry/host.h>

/**
 * struct gathered - a file of the report
 * @name: of the file
 * @about: what it is, for who decides whether to send it
 * @text: what it holds
 * @replaced: how much was taken out of it
 */
struct gathered {
	char name[64];
	char about[64];
	char *text;
	unsigned int replaced;
};

struct report {
	struct gathered *files;
	unsigned int count;
	char **missing;		/* what could not be had */
	unsigned int missing_count;
};

/* Of the machine, then of each function and its PF. Ends the program where memory does. */
void gather(struct report *report, const struct ferry_function *functions, unsigned int count);

void report_free(struct report *report);

#endif /* GATHER_H */
