/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that a user names, to read a stream from or to write one to: they may be
 * pipes that nobody has opened at the other end, links, or /dev/stdout.
 */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>

#include <ferry/error.h>

/* As open(), but a FIFO is waited for until interrupted(), which gives ECANCELED. */
int file_open(const char *name, int flags);

/* The input that the user named: - is standard input. */
int file_open_input(const char *name);

/* Of the file that could not be opened: what to exit with, having complained. */
int file_not_opened(const char *name);

/**
 * struct outfile - what is written: whole, or not there under its name
 * @name: as the user wrote it
 * @path: where that leads to, if it is a regular file or none yet; or NULL
 * @part: the name of it until it is whole; NULL: it is written as it is, being something else
 * @fd: to be written to
 */
struct outfile {
	const char *name;
	char *path, *part;
	int fd;
};

/* EXIT_DONE, or what to exit with, having complained. */
int outfile_open(struct outfile *file, const char *name);
/* It is what standard output is: nothing else may be printed there. */
bool outfile_is_stdout(const struct outfile *file);
/* All was written: it gets its name. */
int outfile_finish(struct outfile *file, struct ferry_error *error);
/* What was not finished is removed. */
void outfile_close(struct outfile *file);

#endif /* FILES_H */
