/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes out of texts what tells whose machine they are of: serial numbers, MAC
 * addresses and what is made of them (GUIDs), host names, UUIDs. The same thing
 * gets the same name everywhere, so that one can still see where it returns.
 */
#ifndef REDACT_H
#define REDACT_H

enum redact_kind {
	REDACT_HOST,
	REDACT_MAC,
	REDACT_SERIAL,
	REDACT_UUID,
	REDACT_KINDS
};

/* What this machine itself knows: its names, its interfaces' addresses, its board's serial numbers. */
void redact_begin(void);

/* A value that is to be taken out wherever it stands as a word. */
void redact_know(enum redact_kind kind, const char *value);

/* Notes what the text calls a serial number, so that it is found where nothing calls it so. Before any redact(). */
void redact_learn(const char *text);

/* A copy without them, to be freed; adds to *@replaced how many were taken out. */
char *redact(const char *text, unsigned int *replaced);

#endif /* REDACT_H */
