/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The groups of tests of a program, chosen by name on its command line.
 * Knows nothing of what they test: a bench is the program's own.
 */
#ifndef LAB_GROUPS_H
#define LAB_GROUPS_H

struct bench;

/* A table ends with a NULL name. */
struct group {
    const char *name;
    void (*run)(struct bench *b);
};

/* Tells how to call the program; value: its exit status for that. */
int groups_usage(const char *program, const struct group *groups);
/* Runs those named, in that order; a name that is none ends the test. */
void groups_run(const struct group *groups, struct bench *b, char *const names[]);

#endif
