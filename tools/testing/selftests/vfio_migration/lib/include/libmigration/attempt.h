/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migrations in which anything may fail: one side of one, as a VMM does it,
 * up to the first error, and what must be true then.
 */
#ifndef LIBMIGRATION_ATTEMPT_H
#define LIBMIGRATION_ATTEMPT_H

#include <libmigration/stream.h>

struct mig_device;

enum mig_operation {
	MIG_PRECOPY_SAVE,	/* RUNNING, PRE_COPY, PRE_COPY_P2P, STOP_COPY, STOP */
	MIG_STOPPED_SAVE,	/* RUNNING, STOP, STOP_COPY, STOP */
	MIG_CANCELLED_SAVE,	/* RUNNING, PRE_COPY, RUNNING */
	MIG_ABORTED_SAVE,	/* as MIG_PRECOPY_SAVE, but RUNNING after STOP_COPY */
	MIG_LOAD,		/* RUNNING, RESUMING, STOP, RUNNING */
};

/**
 * struct mig_attempt - how it went
 * @error: 0 or the first -errno
 * @data_fd: of the session, still open, or -1
 * @stream: what was read
 * @whole: its end was read
 */
struct mig_attempt {
	int error;
	int data_fd;
	struct mig_stream stream;
	bool whole;
};

bool mig_operation_needs_precopy(enum mig_operation operation);

/* @operation: any save. From RUNNING; stops at the first error. */
struct mig_attempt mig_try_save(struct mig_device *device, enum mig_operation operation);
struct mig_attempt mig_try_load(struct mig_device *device, const struct mig_stream *stream);
void mig_attempt_free(struct mig_attempt *attempt);

/*
 * What is wrong with a device whose save ended in any way, when nothing fails
 * any more; NULL if nothing is. It goes to RUNNING; from ERROR by a reset,
 * else with the state of @sum.
 */
const char *mig_source_fault(struct mig_device *device, const struct mig_attempt *attempt, u64 sum);
/* The same for a load of a stream with the state of @sum; the device is reset. */
const char *mig_target_fault(struct mig_device *device, const struct mig_attempt *attempt, u64 sum);

#endif /* LIBMIGRATION_ATTEMPT_H */
