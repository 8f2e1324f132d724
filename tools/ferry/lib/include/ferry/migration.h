/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saving, loading and moving functions, whole: state and configuration space.
 *
 * A call returns 0 when it is done, -ECANCELED when the cancel FD became
 * readable, or why it failed.  Where the function is then, the report's outcome
 * says; a source runs on as before unless its outcome is another.
 *
 * Both ends of a move may be in one process, each in a thread of its own, over
 * a socketpair.
 */
#ifndef FERRY_MIGRATION_H
#define FERRY_MIGRATION_H

#include <stdbool.h>
#include <stdint.h>

#include <ferry/channel.h>
#include <ferry/device.h>
#include <ferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_MAX_DEVICES	64
#define FERRY_MAX_DOWNTIME_MS	300
#define FERRY_PRECOPY_LIMIT_S	120

enum ferry_phase {
	FERRY_PHASE_SETUP,	/* states and the other side are made ready */
	FERRY_PHASE_INITIAL,	/* the source runs; its initial data */
	FERRY_PHASE_DIRTY,	/* the source runs; what changed since */
	FERRY_PHASE_STOP_COPY,	/* the source is stopped */
	FERRY_PHASE_LOAD,	/* all is sent, the target loads it */
	FERRY_PHASE_START,	/* GO was sent */
	FERRY_PHASE_DONE,
	FERRY_PHASES
};

FERRY_API const char *ferry_phase_name(enum ferry_phase phase);

/**
 * struct ferry_progress - how far it is
 * @phase: now
 * @bytes: of all devices' data, moved so far
 * @expected: of it to be moved as known by now; 0: unknown
 * @rate: bytes a second at present
 * @downtime_ms: a stop now is estimated to last so long; 0: not known yet
 */
struct ferry_progress {
	enum ferry_phase phase;
	uint64_t bytes, expected, rate;
	unsigned int downtime_ms;
};

/**
 * struct ferry_options - how to migrate; all zeros but for @cancel_fd = -1 is fine
 * @max_downtime_ms: stop when the rest is estimated to take no longer;
 *	0: FERRY_MAX_DOWNTIME_MS
 * @precopy_limit_s: give up if that does not come about; 0: FERRY_PRECOPY_LIMIT_S
 * @leave_running: save: the function goes on running, after a pre-copy if it can
 * @stopped: load: the function is left in STOP
 * @raw: save: the driver's stream alone, without packets
 * @cancel_fd: becomes readable, as an eventfd does, to cancel; or -1
 * @progress: called some times a second, by one thread at a time, not always
 *	the caller's; or NULL
 * @opaque: its argument
 */
struct ferry_options {
	unsigned int max_downtime_ms;
	unsigned int precopy_limit_s;
	bool leave_running;
	bool stopped;
	bool raw;
	int cancel_fd;
	void (*progress)(void *opaque, const struct ferry_progress *progress);
	void *opaque;
};

enum ferry_outcome {
	FERRY_STAYED,		/* the source is as before; a target was reset */
	FERRY_MOVED,		/* the target runs, the source is stopped */
	FERRY_SAVED,		/* it is in the file; the source is stopped, or with leave_running runs */
	FERRY_LOADED,		/* the target runs, or with stopped is stopped */
	FERRY_STUCK,		/* the source could not be set running again, only a reset helps */
	FERRY_UNKNOWN,		/* the link died between GO and the answer: the source is stopped,
				 * and only the other host knows whether the target runs
				 */
};

FERRY_API const char *ferry_outcome_name(enum ferry_outcome outcome);

/* Of one device, or of all of them. Times are of the side that reports. */
struct ferry_figures {
	/* of the driver's stream */
	uint64_t initial_bytes, dirty_bytes, stop_bytes;
	uint64_t config_bytes;
	/* Images in the driver's stream; -1 if it is of no kind that libferry knows. */
	int64_t initial_images, dirty_images, stop_images;
	/* From the start of each phase to its end. */
	double setup_ms, initial_ms, dirty_ms;
	/*
	 * The stop window.  Save is what the source waits for its device, transfer
	 * for the other side to take bytes; load, from the last byte sent to the
	 * target's answer that all is loaded; start, from GO to the answer.
	 * Suspend to start add up to the window, but for what several devices do
	 * at the same time: the sum has the slowest one's.
	 */
	double suspend_ms, save_ms, transfer_ms, load_ms, start_ms;
};

struct ferry_device_report {
	struct ferry_identity identity;		/* of the own device */
	struct ferry_identity peer;		/* of the other side's or the file's; no name: unknown */
	enum ferry_outcome outcome;
	struct ferry_figures figures;
};

/**
 * struct ferry_report - what was done
 * @outcome: of all devices
 * @failed_in: the phase in which it ended, FERRY_PHASE_DONE if all of it was done
 * @devices: how many
 * @device: each
 * @total: all together
 * @rounds: of pre-copy after the initial data
 * @bandwidth: bytes a second, measured in pre-copy; 0: there was none
 * @estimated_ms: the stop window as estimated when it was begun
 * @window_ms: the stop window as it was
 * @total_ms: all of it
 * @unconfirmed: receive: the functions run here, but the link died before the
 *	source could be told; it is stopped and does not know
 */
struct ferry_report {
	enum ferry_outcome outcome;
	enum ferry_phase failed_in;
	unsigned int devices;
	struct ferry_device_report device[FERRY_MAX_DEVICES];
	struct ferry_figures total;
	unsigned int rounds;
	uint64_t bandwidth;
	double estimated_ms, window_ms, total_ms;
	bool unconfirmed;
};

/**
 * ferry_save() - suspend a function to a file or pipe
 * @device: RUNNING, or stopped by its user
 * @fd: for writing; a pipe or socket that nobody reads delays it, until cancelled
 * @options: may be NULL
 * @report: may be NULL
 * @error: may be NULL
 *
 * Done, the device is in STOP, or as before with leave_running.
 */
FERRY_API int ferry_save(struct ferry_device *device, int fd, const struct ferry_options *options,
			 struct ferry_report *report, struct ferry_error *error);

/**
 * ferry_load() - load what ferry_save() or any reader of a migration FD wrote
 * @device: of the same kind; what it holds is lost
 * @fd: for reading
 * @options: may be NULL
 * @report: may be NULL
 * @error: may be NULL
 *
 * The device runs then if the saved one did.  One whose load failed is reset.
 */
FERRY_API int ferry_load(struct ferry_device *device, int fd, const struct ferry_options *options,
			 struct ferry_report *report, struct ferry_error *error);

/**
 * ferry_send() - move functions to another host, while they run
 * @devices: each RUNNING, or stopped by its user
 * @count: how many, at most FERRY_MAX_DEVICES
 * @channel: to the other host; not to be used again
 * @options: may be NULL
 * @report: may be NULL
 * @error: may be NULL
 *
 * Done, the functions run there and are in STOP here.
 */
FERRY_API int ferry_send(struct ferry_device *const *devices, unsigned int count, struct ferry_channel *channel,
			 const struct ferry_options *options, struct ferry_report *report,
			 struct ferry_error *error);

/* ferry_receive() - the other end: @devices are loaded in the order in which they are sent. */
FERRY_API int ferry_receive(struct ferry_device *const *devices, unsigned int count,
			    struct ferry_channel *channel, const struct ferry_options *options,
			    struct ferry_report *report, struct ferry_error *error);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MIGRATION_H */
