/* SPDX-License-Identifier: GPL-2.0-only */
/* The data FDs, and streams in memory. */
#ifndef LIBMIGRATION_STREAM_H
#define LIBMIGRATION_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/types.h>

struct mig_device;

/* Grows with what comes. */
struct mig_stream {
	u8 *data;
	size_t len;
	size_t room;
};

void mig_stream_append(struct mig_stream *stream, const void *data, size_t len);
void mig_stream_free(struct mig_stream *stream);
bool mig_stream_same(const struct mig_stream *a, const struct mig_stream *b);

enum mig_stream_end {
	MIG_STREAM_END,			/* read() returned 0 */
	MIG_STREAM_TEMPORARY_END,	/* ENOMSG: pre-copy has no more for now */
};

/* Reads to either end in pieces of @piece bytes. Returns an end or -errno. */
int __mig_read(int data_fd, struct mig_stream *stream, size_t piece);
/* To the end of the stream; asserts that it is the final one. */
void mig_read_all(int data_fd, struct mig_stream *stream);
/* To the temporary end. */
void mig_read_precopy(int data_fd, struct mig_stream *stream);
/* Everything in one write() after the other; 0 or -errno. */
int __mig_write(int data_fd, const void *data, size_t len);
/* @piece: bytes of each write(). */
int __mig_write_pieces(int data_fd, const void *data, size_t len, size_t piece);

/*
 * The whole of a migration's source side, from RUNNING to STOP. With pre-copy
 * the workload, if there is one, changes state between the rounds, so that the
 * stream has all the kinds of image that the device knows.
 */
struct mig_stream mig_save(struct mig_device *device, bool precopy);
/* RUNNING to RESUMING, the stream, and to RUNNING; 0 or the first -errno. */
int __mig_load(struct mig_device *device, const struct mig_stream *stream);
void mig_load(struct mig_device *device, const struct mig_stream *stream);

/**
 * struct mig_reference - what a save of a device in STOP brings
 * @whole: its stream
 * @sum: of the state
 * @repeats: another save brings the same bytes; the uAPI does not ask for that
 */
struct mig_reference {
	struct mig_stream whole;
	u64 sum;
	bool repeats;
};

struct mig_bench;

/* Fills the device, stops it and saves it twice. It stays in STOP. */
struct mig_reference mig_reference_save(struct mig_device *device);
/* From RUNNING or STOP to STOP and STOP_COPY, with pre-copy never having been. */
int mig_stopped_save_fd(struct mig_device *device);
/*
 * A save of the same state: the same bytes or, where they do not repeat, the same state once it
 * is loaded.
 */
bool mig_reference_matches(struct mig_bench *bench, const struct mig_reference *reference,
			   const struct mig_stream *stream);

/*
 * The device works: it can be saved and loaded, its workload makes progress.
 * For the end of a test that was not kind to it.
 */
void mig_assert_usable(struct mig_device *device);

#endif /* LIBMIGRATION_STREAM_H */
