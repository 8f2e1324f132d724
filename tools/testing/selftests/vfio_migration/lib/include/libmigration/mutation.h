/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams that are not what the device saved: lists of changes to a good one,
 * and what loading each may do.
 */
#ifndef LIBMIGRATION_MUTATION_H
#define LIBMIGRATION_MUTATION_H

#include <libmigration/stream.h>

struct mig_device;

#define MUTATION_MAX_EDITS 4

enum mutation_verdict {
	/*
	 * vfio.h, RESUMING -> STOP: "If the user provided data is found to be
	 * incomplete, inconsistent, or otherwise invalid, the migration driver
	 * must fail the SET_STATE ioctl".
	 */
	MUTATION_REFUSED,
	/* Nobody can be asked to notice; but what write() refused may not be loaded then. */
	MUTATION_EITHER,
	MUTATION_LOADED,
};

/* In @base, so many bytes behind @at make room for others. */
struct mutation_edit {
	size_t at;
	size_t drop;
	size_t len;
	u8 *data;
};

struct mutation {
	char name[96];
	enum mutation_verdict verdict;
	const struct mig_stream *base;
	unsigned int edits;
	struct mutation_edit edit[MUTATION_MAX_EDITS];
};

struct mutations {
	struct mutation *mutation;
	unsigned int count;
	/* of the state that @base has, for MUTATION_LOADED; from mig_sum() */
	u64 sum;
};

/* The pointer is good until the next one is added. */
struct mutation *mutation_add(struct mutations *all, const struct mig_stream *base,
			      enum mutation_verdict verdict, const char *name, ...)
	__attribute__((format(printf, 4, 5)));
/* The edits of a mutation come in the order of their places. */
void mutation_edit(struct mutation *mutation, size_t at, size_t drop, const void *data, size_t len);
struct mig_stream mutation_build(const struct mutation *mutation);
void mutations_free(struct mutations *all);

/*
 * Loads each into one of the devices, which work in parallel, and resets it
 * then. Returns how many of them went wrong, having said how.
 */
unsigned int mutations_run(struct mutations *all, struct mig_device *const devices[],
			   unsigned int count);

#endif /* LIBMIGRATION_MUTATION_H */
