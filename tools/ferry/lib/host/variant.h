/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO drivers that can migrate a function.
 */
#ifndef FERRY_LIB_VARIANT_H
#define FERRY_LIB_VARIANT_H

#include <stdbool.h>

#include <ferry/host.h>

#define FERRY_DRIVER_MAX 32

/* Where a driver's code is */
enum ferry_presence {
	FERRY_ABSENT,		/* nowhere that modprobe looks */
	FERRY_LOADABLE,
	FERRY_LOADED,
};

/**
 * ferry_variant() - the driver that can migrate a function
 * @f: the function
 * @driver: set to its name; "" if no driver is known
 *
 * Ferry's own one if there is one for these IDs, else the one that says so in
 * the kernel's list of aliases; vfio-pci says it of every function and does not
 * count.
 *
 * Return: whether one is known, present or not.
 */
bool ferry_variant(const struct ferry_function *f, char driver[FERRY_DRIVER_MAX]);

enum ferry_presence ferry_driver_presence(const char *driver);

/* The module of ferry's that @driver stands on, or NULL if it is none of ferry's. */
const char *ferry_driver_engine(const char *driver);

#endif /* FERRY_LIB_VARIANT_H */
