/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `ferry qualify` measured, and how it is told.
 */
#ifndef QUALIFY_H
#define QUALIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include <ferry/error.h>
#include <ferry/migration.h>

/**
 * struct qualify_run - one migration
 * @forth: from the first device to the second
 * @went_well: it did, and the workload has nothing to say against it
 * @outcome: where the state is now
 * @failed_in: the phase, if the migration failed
 * @by_workload: the migration went well, and the workload did not find what it had left
 * @error: why
 * @figures: of the source's side
 * @rounds: of pre-copy
 * @written: bytes of memory that the function wrote meanwhile; 0 without a workload, or a driver that tracks it
 * @window_ms: the stop window; with @estimated_ms and @total_ms as in struct ferry_report
 */
struct qualify_run {
	bool forth;
	bool went_well;
	enum ferry_outcome outcome;
	enum ferry_phase failed_in;
	bool by_workload;
	struct ferry_error error;
	struct ferry_figures figures;
	unsigned int rounds;
	uint64_t written;
	double estimated_ms, window_ms, total_ms;
};

/**
 * struct qualification - all of them
 * @device: names of the two
 * @workload: command, or NULL
 * @wanted: migrations asked for
 * @max_downtime_ms: the limit for every stop window
 * @max_total_ms: the limit for every migration, 0: none
 * @runs: what was done
 * @count: how many
 * @interrupted: by the user
 * @tracked: the driver told what the function wrote
 */
struct qualification {
	const char *device[2];
	const char *workload;
	unsigned int wanted;
	unsigned int max_downtime_ms;
	unsigned int max_total_ms;
	struct qualify_run *runs;
	unsigned int count;
	bool interrupted;
	bool tracked;
};

/* Did all that was asked for go well, and within the limits? */
bool qualified(const struct qualification *q);

/* Of those that went well, how many needed longer than the limits. */
unsigned int qualify_slow_windows(const struct qualification *q);
unsigned int qualify_slow_totals(const struct qualification *q);
unsigned int qualify_failures(const struct qualification *q);

void qualify_show(const struct qualification *q);
json_object *qualify_json(const struct qualification *q);

#endif /* QUALIFY_H */
