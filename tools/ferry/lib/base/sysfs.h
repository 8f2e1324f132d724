/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small files of the kernel: reading, following and writing them. The path is
 * the last argument, printf's way.
 */
#ifndef FERRY_LIB_SYSFS_H
#define FERRY_LIB_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

#define FERRY_PATH_MAX	256
#define PCI_DEVICES	"/sys/bus/pci/devices"
#define PCI_DRIVERS	"/sys/bus/pci/drivers"

/* The first line, "" if it cannot be read; false in that case. */
bool ferry_sysfs_line(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The whole text, cut to fit; false if it cannot be read, with errno; ETIMEDOUT: no answer. */
bool ferry_sysfs_text(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A number, decimal or 0x...; @otherwise if there is none. */
long long ferry_sysfs_number(long long otherwise, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last part of what a link points to, "" if there is none; false in that case. */
bool ferry_sysfs_link(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

bool ferry_sysfs_exists(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 0 or a negative errno. */
int ferry_sysfs_write(const char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A word of the kernel's command line begins with this. */
bool ferry_booted_with(const char *word);

#endif /* FERRY_LIB_SYSFS_H */
