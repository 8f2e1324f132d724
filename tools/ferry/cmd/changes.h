/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `ferry bind` and `ferry unbind` have changed so far, so that a failure
 * or a signal takes all of it back.
 */
#ifndef CHANGES_H
#define CHANGES_H

#include <stdbool.h>

#include <ferry/bind.h>

struct changes {
	struct ferry_binding *was;	/* one for each function that was changed */
	unsigned int count;
	char created[FERRY_ADDRESS_MAX];	/* PF whose VFs were made; "" if none */
};

/* From here on signals that would end the program wait; changes_cancelled() sees them. */
void changes_begin(struct changes *changes);

/* Remembers how a function was. */
void changes_add(struct changes *changes, const struct ferry_binding *was);

bool changes_cancelled(void);

/* Everything as it was, the last change first. Says on stderr what it could not put back. */
void changes_undo(struct changes *changes);

/*
 * The end of the command: says what was done, or, if @error is not NULL, why it was
 * not; returns @code or that of a failure to print.
 */
int changes_end(struct changes *changes, int code, const struct ferry_error *error);

/* A failure's exit code: what was asked is no sense, or may not be, or did not work. */
int changes_code(int err);

#endif /* CHANGES_H */
