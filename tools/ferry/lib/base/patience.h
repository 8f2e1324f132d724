/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asking what may never answer: a file of the kernel whose lock a stuck driver
 * holds, a device that such a driver has, a program that asks it. See
 * ferry_limit_waiting().
 */
#ifndef FERRY_LIB_PATIENCE_H
#define FERRY_LIB_PATIENCE_H

#include <sys/types.h>

/**
 * struct patience - for one kind of things that are asked
 * @left_ms: for the next one; what one kept us waiting is taken off
 * @least_ms: but so long any one may take
 */
struct patience {
	int left_ms, least_ms;
};

/* It did not answer, in so long: less for the next one. Returns -ETIMEDOUT. */
int ferry_lose_patience(struct patience *patience, const char *what, int waited_ms);

/* Puts into @answer what is to be known of @what; bytes or a negative errno. It may read files by sysfs.h. */
typedef ssize_t (*ferry_question)(const char *what, void *answer, size_t size);

/**
 * ferry_ask() - have a question answered, or not
 * @patience: for this kind of questions; NULL: for the kernel's files
 * @question: runs in another process if waiting is limited: it shares nothing
 * @what: its argument, a path or a name
 * @answer: filled
 * @size: of @answer
 *
 * Return: as the question's; -ETIMEDOUT: no answer.
 */
ssize_t ferry_ask(struct patience *patience, ferry_question question, const char *what, void *answer, size_t size);

#endif /* FERRY_LIB_PATIENCE_H */
