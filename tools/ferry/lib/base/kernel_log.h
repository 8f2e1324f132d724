/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel said. It is the only place that tells why a module or a
 * device was refused.
 */
#ifndef FERRY_LIB_KERNEL_LOG_H
#define FERRY_LIB_KERNEL_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* The longest record that the kernel gives, and its end */
#define FERRY_KERNEL_RECORD_MAX	8193

/* Opens the kernel's log for reading without waiting; -1: this user may not. */
int ferry_kernel_log_open(void);

/**
 * ferry_kernel_log_next() - the next record of the kernel's log
 * @fd: of ferry_kernel_log_open(), or -1
 * @record: of FERRY_KERNEL_RECORD_MAX bytes; set to one line, "priority,sequence,
 *	microseconds,flags;what it says", without those that repeat the device
 *
 * Return: whether there is one.
 */
bool ferry_kernel_log_next(int fd, char *record);

/**
 * ferry_kernel_said() - the newest message that has two words in it
 * @text: set to the message, from @first on; "" if there is none
 * @size: of @text
 * @first: a text that it holds
 * @second: another, behind the first one
 *
 * Return: whether there is one. Plain users may not be allowed to look.
 */
bool ferry_kernel_said(char *text, size_t size, const char *first, const char *second);

#endif /* FERRY_LIB_KERNEL_LOG_H */
