/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of the distribution that know what the kernel has no file for.
 */
#ifndef FERRY_LIB_PROGRAM_H
#define FERRY_LIB_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * ferry_run() - run a program and wait for its end
 * @out: what it wrote to standard output, cut to fit; may be NULL
 * @size: of @out
 * @argv: program and arguments, ends with NULL; looked for where
 *	administrators' programs are, too
 *
 * Nothing is read from or written to a terminal. It ends when the caller does.
 *
 * One that takes longer than a program that looks may is ended, see patience.h.
 *
 * Return: its exit status, 127 if there is no such program, -1 if a signal or
 * that ended it.
 */
int ferry_run(char *out, size_t size, const char *const *argv);

/* The same, of one that does work or asks many others: it may take two minutes. */
int ferry_run_long(char *out, size_t size, const char *const *argv);

/* The same, for modprobe as the kernel itself calls it; loading ("--") is work. */
int ferry_modprobe(char *out, size_t size, const char *option, const char *module);

/* It is loaded, built in, or modprobe would find it. */
bool ferry_module_available(const char *module);

/* It is loaded or built in. */
bool ferry_module_loaded(const char *module);

#endif /* FERRY_LIB_PROGRAM_H */
