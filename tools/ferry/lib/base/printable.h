/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Texts of strangers: processes name themselves as they like, and so does who
 * wrote a file. No terminal shall obey them.
 */
#ifndef FERRY_LIB_PRINTABLE_H
#define FERRY_LIB_PRINTABLE_H

/* What is shown of a byte */
static inline char ferry_printable(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

static inline void ferry_make_printable(char *text)
{
	for (; *text; text++)
		*text = ferry_printable(*text);
}

#endif /* FERRY_LIB_PRINTABLE_H */
