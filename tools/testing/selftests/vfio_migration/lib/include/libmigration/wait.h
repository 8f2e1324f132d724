/* SPDX-License-Identifier: GPL-2.0-only */
/* Waiting with a bound. Tests do not sleep for a race. */
#ifndef LIBMIGRATION_WAIT_H
#define LIBMIGRATION_WAIT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline double mig_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* The end of a test that goes on as long as the user wants: for $VFIO_MIGRATION_SECONDS. */
static inline double mig_deadline_ms(void)
{
	const char *seconds = getenv("VFIO_MIGRATION_SECONDS");

	return mig_now_ms() + (seconds ? atof(seconds) : 3) * 1000;
}

/* Polls until @cond holds or @ms milliseconds are over; the value is @cond's. */
#define mig_wait_until(cond, ms) ({				\
	double __end = mig_now_ms() + (ms);			\
	bool __met;						\
								\
	while (!(__met = (cond)) && mig_now_ms() < __end)	\
		usleep(500);					\
	__met;							\
})

/*
 * Whether a thread of this process waits for something, so that what it waits for can be done
 * to it.
 */
static inline bool mig_thread_sleeps(pid_t tid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);

	return state == 'S' || state == 'D';
}

/* No test waits longer for what has to come; emulation under load is slow. */
#define MIG_PATIENCE_MS 20000

#endif /* LIBMIGRATION_WAIT_H */
