/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Injected failures, without CONFIG_FAULT_INJECTION: one site of one function
 * fails at its nth next use. Set through debugfs, for tests; only there with
 * CONFIG_VFIO_FERRY_FAULTS, which is not for users.
 */
#ifndef FERRY_FAULT_H
#define FERRY_FAULT_H

#include <linux/atomic.h>

struct seq_file;

enum ferry_fault_site {
	FERRY_FAULT_SUSPEND,
	FERRY_FAULT_RESUME,
	FERRY_FAULT_QUERY,
	FERRY_FAULT_SAVE,	/* the command is not sent */
	FERRY_FAULT_SAVED,	/* the command was done, and still fails */
	FERRY_FAULT_LOAD,
	FERRY_FAULT_STOP_TRACKING,
	FERRY_FAULT_MAP,
	FERRY_FAULT_UNMAP,
	FERRY_FAULT_ALLOC,
	FERRY_FAULT_SESSION,
	FERRY_FAULT_REGION,	/* memory of its data section */
	FERRY_NR_FAULTS,
};

#ifdef CONFIG_VFIO_FERRY_FAULTS

/**
 * struct ferry_fault_point - one site of one function
 * @countdown: uses until it fails, 0 if it does not
 * @error: positive errno it fails with
 * @hits: how often it failed
 */
struct ferry_fault_point {
	atomic_t countdown;
	int error;
	atomic_t hits;
};

/**
 * struct ferry_fault - the sites of one function
 * @site: each of them
 */
struct ferry_fault {
	struct ferry_fault_point site[FERRY_NR_FAULTS];
};

const char *ferry_fault_name(enum ferry_fault_site site);
int ferry_fault_hit(struct ferry_fault *fault, enum ferry_fault_site site);
int ferry_fault_set(struct ferry_fault *fault, char *request);
void ferry_fault_show(struct ferry_fault *fault, struct seq_file *to);

#else

struct ferry_fault {};

static inline const char *ferry_fault_name(enum ferry_fault_site site)
{
	return "";
}

static inline int ferry_fault_hit(struct ferry_fault *fault,
				  enum ferry_fault_site site)
{
	return 0;
}

#endif /* CONFIG_VFIO_FERRY_FAULTS */

#endif /* FERRY_FAULT_H */
