/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens in a stream: its events and where they happen.
 *
 * The decoder's events (feed.c) and those of the reference (judge.c) are kept
 * in the same form, so that one comparison tells whether they agree.
 */
#ifndef FUZZ_TRACE_H
#define FUZZ_TRACE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

/* An invariant: says what is wrong and ends the program, which a fuzzer sees. */
#define expect(truth, ...)						\
	do {								\
		if (!(truth)) {						\
			fprintf(stderr, "%s:%d: invariant broken: ",	\
				__FILE__, __LINE__);			\
			fprintf(stderr, __VA_ARGS__);			\
			fputc('\n', stderr);				\
			abort();					\
		}							\
	} while (0)

/* Reasons for a refusal; the reference may name several, any of them will do */
enum fault {
	FAULT_INVALID = 1 << 0,		/* EINVAL */
	FAULT_CHECKSUM = 1 << 1,	/* EBADMSG */
	FAULT_UNKNOWN = 1 << 2,		/* EOPNOTSUPP */
	FAULT_TOO_LONG = 1 << 3,	/* EFBIG */
};

/**
 * struct event - something that the caller of the decoder has to act upon
 * @what: never FERRY_EVENT_MORE
 * @at: bytes of the stream before it
 * @value: length of an image or of a skipped record; faults of a refusal
 */
struct event {
	enum ferry_decoder_event what;
	size_t at;
	u64 value;
};

struct trace {
	struct event *events;
	size_t count;
	size_t room;
};

const char *event_name(enum ferry_decoder_event event);

/* Room for any stream of that length. */
void trace_init(struct trace *trace, size_t length);
void trace_free(struct trace *trace);
void trace_add(struct trace *trace, enum ferry_decoder_event what, size_t at,
	       u64 value);
/* Ends the program unless both tell the same story. */
void trace_expect_same(const struct trace *trace, const struct trace *reference,
		       const char *name);

#endif /* FUZZ_TRACE_H */
