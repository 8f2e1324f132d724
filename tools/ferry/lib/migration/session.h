/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One migration, seen from one side: what source and target share.
 *
 * Threads: the caller's, which decides; one for each device where several
 * things happen at once; the pulse, which shows progress, sends signs of life
 * and watches for the user's wish to cancel.  The first failure counts, wakes
 * all of them, and the caller undoes what was begun.
 */
#ifndef FERRY_LIB_SESSION_H
#define FERRY_LIB_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include <ferry/migration.h>

#include "../stream/images.h"
#include "../transport/link.h"
#include "../transport/pages.h"

/* No answer of the other side is waited for longer, even if it is alive. */
#define ANSWER_LIMIT_S	300

struct session;

/* A device in it. */
struct mover {
	struct session *session;
	struct ferry_device *device;
	uint32_t number;
	int data_fd;			/* -1: none */
	int before;			/* its state when it all began */
	bool runs;			/* in the end, if all goes well or all is undone */
	struct ferry_error stuck;	/* it could not be set running */
	struct ferry_device_report *report;
	struct packet *packet;		/* what is sent */
	struct pages pages;		/* source: the same, where no copy is needed */
	enum ferry_packet_phase_name phase;	/* of the bytes that come now */
	uint64_t phase_bytes, total;
	struct images images;
	int64_t images_before;		/* of earlier phases */
	/* source */
	bool precopies;
	bool ended, idle;		/* the stream has; nothing came in this round */
	unsigned int initial_ends;	/* PHASE_ENDs of initial data sent, */
	unsigned int initial_loaded;	/* and answered (session's lock) */
	double sent_ms;			/* spent with sending since the stop */
	/* target */
	struct ferry_packet_device peer;
	struct queue *queue;
	pthread_t loader;
	bool touched, loading, configured, loaded;
	bool raw;			/* a stream without packets */
	double since_ms;		/* the phase began */
};

struct session {
	const char *side;		/* "source" or "target" */
	struct ferry_options options;
	struct ferry_report *report;
	bool own_report;		/* the caller wants none */
	struct link link;
	bool live;
	unsigned int count;
	struct mover *movers;

	atomic_int phase;		/* enum ferry_phase */
	atomic_ullong bytes, expected, rate;
	atomic_uint downtime_ms;
	double began_ms, stop_began_ms;

	pthread_mutex_t lock;		/* all below */
	pthread_cond_t change;
	struct ferry_error error;	/* the first */
	bool failed;
	bool committed;			/* GO: too late to cancel */
	bool peer_failed;		/* the other side said so itself */
	bool accepted_all, ready, started;
	unsigned int accepted;
	int fail_fd;			/* eventfd: readable once failed */

	pthread_t pulse;
	bool pulsing;
	int quit_fd;			/* of the pulse */
};

/* Allocates it, fills in the report's heads; the channel is the caller's. */
int session_begin(struct session *s, const char *side, struct ferry_device *const *devices, unsigned int count,
		  struct ferry_channel *channel, bool live, const struct ferry_options *options,
		  struct ferry_report *report, struct ferry_error *error);
/* Frees it, gives the first failure to the caller; value: 0 or its -errno. */
int session_end(struct session *s, struct ferry_error *error);
/* Starts the pulse. */
int session_pulse(struct session *s);

/* Records the failure if it is the first, and wakes everybody. Value: -code. */
int session_fail(struct session *s, const struct ferry_error *error);
int session_failf(struct session *s, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool session_failed(struct session *s);
void session_phase(struct session *s, enum ferry_phase phase);
/* The point of no return; false: it has failed before, and nothing may be started. */
bool session_commit(struct session *s);
/* Until the flag of the session is set, the session failed, or so long: 0, -ECANCELED, -ETIMEDOUT. */
int session_wait(struct session *s, const bool *flag, unsigned int ms);

/* Runs it for each device, at the same time; the first failure. */
int session_each(struct session *s, int (*run)(struct mover *mover));
/* A call of libferry in a session: its failure becomes the session's. */
#define session_try(s, call) ({					\
	struct ferry_error error_;				\
	int try_ = (call);					\
	try_ < 0 ? session_fail(s, &error_) : try_;		\
})
#define TRY_ERROR (&error_)

/*
 * Sets running those whose @runs says so: all of them to RUNNING_P2P before the
 * first goes on to RUNNING, so that none reads another that is still stopped.
 * Failures are the movers' own, in @stuck, and not the session's: undoing goes on.
 */
void session_run(struct session *s);

/* ---- figures.c ---- */

/* Counts bytes of the driver's stream, and their images. */
void mover_count(struct mover *m, const uint8_t *data, size_t size);
/* The phase is over: puts its figures into the report. */
void mover_phase_done(struct mover *m, double ms);
/* The report's total: all devices'. */
void session_total(struct session *s);

/* ---- identity.c ---- */

/* Between what is on the wire and what the API shows; the text of the other side ends somewhere. */
void identity_to_wire(const struct ferry_identity *identity, struct ferry_packet_device *wire);
void identity_from_wire(const struct ferry_packet_device *wire, struct ferry_identity *identity);

/* ---- config.c ---- */

/* Restores what a user has written to configuration space; refuses another device's. */
int config_restore(struct mover *m, const uint8_t *saved, size_t size);

/* ---- queue.c: a target's device takes packets at its own pace ---- */

struct queue *queue_new(void);
void queue_free(struct queue *queue);
/* Waits for room; gives an empty packet for the full one. NULL: the queue was closed. */
struct packet *queue_put(struct queue *queue, struct packet *full);
/* Waits for one; NULL: the queue was closed. Gives the last one back. */
struct packet *queue_take(struct queue *queue, struct packet *empty);
void queue_close(struct queue *queue);

#endif /* FERRY_LIB_SESSION_H */
