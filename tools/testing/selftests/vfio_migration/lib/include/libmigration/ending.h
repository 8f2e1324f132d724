/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ends a session from outside: the user of the device, or whoever may
 * reset it or take its driver away. For tests in which a device comes and goes.
 */
#ifndef LIBMIGRATION_ENDING_H
#define LIBMIGRATION_ENDING_H

#include <limits.h>
#include <stdbool.h>

struct mig_device;

/* @device is NULL while it is closed. */
struct mig_subject {
	const char *name;
	char driver[NAME_MAX];
	struct mig_device *device;
};

/**
 * struct mig_ending - one of them
 * @name: for messages
 * @end: does it; the device may be closed after it
 * @again: what it takes to have the device in RUNNING again
 * @needs_pci: it goes through the PCI bus
 */
struct mig_ending {
	const char *name;
	void (*end)(struct mig_subject *subject);
	void (*again)(struct mig_subject *subject);
	bool needs_pci;
};

enum {
	MIG_ENDING_RESET,		/* VFIO_DEVICE_RESET */
	MIG_ENDING_SYSFS_RESET,		/* by the administrator */
	MIG_ENDING_CLOSE,		/* the device */
	MIG_ENDING_UNBIND,		/* after closing it */
	MIG_ENDING_UNBIND_OPEN,		/* which waits until it is closed */
	MIG_ENDINGS,
};

extern const struct mig_ending mig_endings[MIG_ENDINGS];

/* Does not open it. */
struct mig_subject mig_subject_init(const char *name);
void mig_subject_open(struct mig_subject *subject);
/* NULL is allowed for the device. */
void mig_subject_close(struct mig_subject *subject);

#endif /* LIBMIGRATION_ENDING_H */
