// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source's phases for all its devices: when pre-copy ends, in what order
 * they stop, and how they run again if it comes to nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/wait.h"
#include "source.h"

/* Fewer bytes say how long firmware takes to begin, and nothing of the link. */
#define MEASURABLE	(256 << 10)
/* So many rounds in which no device had anything: more of them change nothing. */
#define IDLE_ROUNDS	25

/* ---- pre-copy ---- */

struct measure {
	double busy_ms, began_ms;
	uint64_t remaining;
	double stop_ms;			/* estimated */
	unsigned int idle_rounds;
};

static void estimate(struct session *s, struct measure *m)
{
	m->remaining = 0;
	for (unsigned int i = 0; i < s->count; i++)
		m->remaining += source_remaining(&s->movers[i]);
	/* as long as nothing is known, a stop is as good now as later */
	s->report->bandwidth = m->busy_ms > 0 && s->bytes >= MEASURABLE ? s->bytes * 1000 / m->busy_ms : 0;
	m->stop_ms = s->report->bandwidth ? m->remaining * 1e3 / s->report->bandwidth : 0;
	s->downtime_ms = m->stop_ms + 0.5;
	s->expected = s->bytes + m->remaining;
}

/* Has the target loaded the initial data of all devices? */
static bool initial_loaded(struct session *s)
{
	bool all = true;

	if (!s->live)
		return true;
	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < s->count; i++)
		all &= s->movers[i].initial_loaded == s->movers[i].initial_ends;
	pthread_mutex_unlock(&s->lock);
	return all;
}

static bool all_idle(struct session *s)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (!s->movers[i].idle)
			return false;
	return true;
}

static int give_up(struct session *s, const struct measure *m, const char *why)
{
	return session_failf(s, ETIME, "%s: a stop now would take about %.0f ms for %.1f MiB, --max-downtime allows %u ms",
			     why, m->stop_ms, m->remaining / 1048576.0, s->options.max_downtime_ms);
}

static int check_limits(struct session *s, const struct measure *m, bool loaded)
{
	bool late = clock_ms() - m->began_ms > s->options.precopy_limit_s * 1e3;

	if (!loaded && clock_ms() - m->began_ms > ANSWER_LIMIT_S * 1e3)
		return session_failf(s, ETIMEDOUT, "the target has not loaded the initial data within %d s",
				     ANSWER_LIMIT_S);
	if (loaded && m->idle_rounds >= IDLE_ROUNDS)
		return give_up(s, m, "the source has nothing more to copy before the stop");
	if (loaded && late)
		return give_up(s, m, "the source changes as fast as it is copied");
	return 0;
}

static int one_round(struct session *s, struct measure *m)
{
	double began = clock_ms();
	int err = session_each(s, source_round);

	if (all_idle(s)) {
		m->idle_rounds++;
	} else {
		m->idle_rounds = 0;
		m->busy_ms += clock_ms() - began;
		s->report->rounds++;
	}
	return err;
}

int source_precopy(struct session *s)
{
	struct measure m = { .began_ms = clock_ms() };
	int err;

	session_phase(s, FERRY_PHASE_INITIAL);
	err = session_each(s, source_enter_precopy);
	m.busy_ms = -clock_ms();
	if (!err)
		err = session_each(s, source_initial);
	m.busy_ms += clock_ms();
	session_phase(s, FERRY_PHASE_DIRTY);
	while (!err) {
		bool loaded = initial_loaded(s);

		estimate(s, &m);
		if (loaded && m.stop_ms <= s->options.max_downtime_ms)
			break;
		err = check_limits(s, &m, loaded);
		if (!err)
			err = one_round(s, &m);
	}
	s->report->estimated_ms = m.stop_ms;
	return err;
}

/* ---- stop ---- */

int source_stop(struct session *s)
{
	int err;

	session_phase(s, FERRY_PHASE_STOP_COPY);
	if (session_failed(s))
		return -ECANCELED;
	/* None stops while another still starts DMA to it. */
	err = session_each(s, source_suspend);
	return err ? err : session_each(s, source_stop_copy);
}

/* ---- back ---- */

static int stop_again(struct mover *m)
{
	if (!m->runs && m->before == FERRY_STOP)
		ferry_device_set_state(m->device, FERRY_STOP, NULL, &m->stuck);
	return 0;
}

void source_undo(struct session *s)
{
	session_each(s, stop_again);
	session_run(s);
	for (unsigned int i = 0; i < s->count; i++) {
		struct mover *m = &s->movers[i];

		m->report->outcome = m->stuck.code ? FERRY_STUCK : FERRY_STAYED;
		if (!m->stuck.code)
			continue;
		s->report->outcome = FERRY_STUCK;
		pthread_mutex_lock(&s->lock);
		ferry_fail_also(&s->error, &m->stuck);
		pthread_mutex_unlock(&s->lock);
	}
}
