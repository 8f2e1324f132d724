/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver shows of its functions in debugfs, /sys/kernel/debug/vfio_ferry.
 */
#ifndef DEBUGFS_H
#define DEBUGFS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include <ferry/error.h>

/* No less than a PCI address, or what else the driver calls a function */
#define DEBUGFS_NAME	64
#define DEBUGFS_STATES	8

/**
 * struct debugfs_session - a migration data FD that is in use
 * @direction: "save" or "resume"
 * @phase: of its queue
 * @error: negative errno that it ended with, or 0
 * @images: that it holds
 * @ready: of those, how many wait for the other side
 * @busy: a SAVE or LOAD is running
 * @unread_initial: bytes of initial data that were not read
 * @unread_dirty: the same of what changed since
 * @memory: bytes that its images take
 * @budget: bytes that they may take
 */
struct debugfs_session {
	char direction[16];
	char phase[24];
	int error;
	uint64_t images;
	uint64_t ready;
	bool busy;
	uint64_t unread_initial;
	uint64_t unread_dirty;
	uint64_t memory;
	uint64_t budget;
};

/**
 * struct debugfs_function - a function at one moment
 * @state: name of its migration state
 * @availability: whether its physical function serves it: up, down, resetting, withheld
 * @migrates: it can be migrated
 * @withheld: why it cannot, if so
 * @in_session: @session is filled
 * @session: the data FD in use
 * @bytes_read: from all its data FDs; @bytes_written likewise to them
 * @images_saved: by the firmware; @images_loaded likewise
 * @failures: of commands and streams
 * @leaked_bytes: that the firmware did not give back
 * @full_state_bytes: of the last whole image
 * @state_ns: time spent in each state of enum ferry_state, but for the stay that goes on
 * @last_failure: lines about it joined by "; ", or empty
 */
struct debugfs_function {
	char state[24];
	char availability[16];
	bool migrates;
	char withheld[128];
	bool in_session;
	struct debugfs_session session;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t images_saved;
	uint64_t images_loaded;
	uint64_t failures;
	uint64_t leaked_bytes;
	uint64_t full_state_bytes;
	uint64_t state_ns[DEBUGFS_STATES];
	char last_failure[256];
};

/* 0, or why nothing can be seen at all and what to do about it. */
int debugfs_ready(struct ferry_error *error);

/* Which functions there are, as scandir(3) has them, in order; or a negative errno. */
int debugfs_list(struct dirent ***entries, struct ferry_error *error);

/* The name by which the driver knows a PCI address, or -ENODEV and what to do. */
int debugfs_find(const char *address, char name[DEBUGFS_NAME], struct ferry_error *error);

/* -ENODEV: it is there no more; -ETIMEDOUT: its driver gives no answer. */
int debugfs_read(const char *name, struct debugfs_function *function, struct ferry_error *error);

#endif /* DEBUGFS_H */
