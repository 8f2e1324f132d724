// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry_send(): the source of a live migration.
 *
 * The commit: up to GO the source can run again, and does so on any failure.
 * The target starts after GO and not before.  From the moment in which this
 * side begins to send GO, it runs again only if the target says that it did
 * not start (FAILED); if the link dies before an answer, nobody here can know,
 * and the source stays stopped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/wait.h"
#include "source.h"

/* ---- what the target says ---- */

static void set_flag(struct session *s, bool *flag)
{
	pthread_mutex_lock(&s->lock);
	*flag = true;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
}

static int bad(struct session *s, const struct packet *p)
{
	return session_failf(s, EPROTO, "%s answers with a packet that does not come here (type %u)",
			     s->link.channel->peer, p->head.type);
}

static int accepted(struct session *s, const struct packet *p)
{
	bool good;

	if (p->head.size != sizeof(p->device) || p->head.device >= s->count)
		return bad(s, p);
	pthread_mutex_lock(&s->lock);
	good = p->head.device == s->accepted;
	if (good) {
		identity_from_wire(&p->device, &s->report->device[s->accepted++].peer);
		s->accepted_all = s->accepted == s->count;
		pthread_cond_broadcast(&s->change);
	}
	pthread_mutex_unlock(&s->lock);
	return good ? 0 : bad(s, p);
}

static int loaded_initial(struct session *s, const struct packet *p)
{
	struct mover *m = &s->movers[p->head.device];
	bool good;

	if (p->head.device >= s->count)
		return bad(s, p);
	pthread_mutex_lock(&s->lock);
	good = m->initial_loaded < m->initial_ends;
	m->initial_loaded += good;
	pthread_mutex_unlock(&s->lock);
	return good ? 0 : bad(s, p);
}

static int failed_there(struct session *s, const struct packet *p)
{
	char text[200];

	link_text(p, text, sizeof(text));
	pthread_mutex_lock(&s->lock);
	s->peer_failed = true;
	pthread_mutex_unlock(&s->lock);
	session_failf(s, EREMOTEIO, "the target gave up: %s", text);
	channel_break(s->link.channel);
	return -EREMOTEIO;
}

static int understand(struct session *s, const struct packet *p)
{
	switch (p->head.type) {
	case FERRY_PACKET_ALIVE:
		return 0;
	case FERRY_PACKET_ACCEPT:
		return accepted(s, p);
	case FERRY_PACKET_INITIAL_LOADED:
		return loaded_initial(s, p);
	case FERRY_PACKET_READY:
		if (s->phase < FERRY_PHASE_STOP_COPY)
			return bad(s, p);
		set_flag(s, &s->ready);
		return 0;
	case FERRY_PACKET_STARTED:
		if (!s->committed)
			return bad(s, p);
		set_flag(s, &s->started);
		return 1;
	case FERRY_PACKET_FAILED:
		return failed_there(s, p);
	default:
		return bad(s, p);
	}
}

static void *listen_to_target(void *opaque)
{
	struct session *s = opaque;
	struct ferry_error error;
	struct packet *p = malloc(sizeof(*p));
	int err;

	if (!p) {
		session_failf(s, ENOMEM, "no memory");
		return NULL;
	}
	err = link_receive_header(&s->link, NULL, 0, &error);
	while (!err) {
		err = link_receive(&s->link, p, &error);
		if (!err && understand(s, p))
			goto out;
	}
	/* The link is no good: who writes to it must not wait. If this side stops, it may still say why. */
	if (!session_failed(s))
		channel_break(s->link.channel);
	session_fail(s, &error);
out:
	free(p);
	return NULL;
}

/* ---- what is said to it ---- */

static int introduce(struct session *s)
{
	struct ferry_error error;

	if (link_send_header(&s->link, &error))
		return session_fail(s, &error);
	for (unsigned int i = 0; i < s->count; i++) {
		int err = source_introduce(&s->movers[i]);

		if (err)
			return err;
	}
	return 0;
}

static int answer(struct session *s, const bool *flag, const char *what)
{
	int err = session_wait(s, flag, ANSWER_LIMIT_S * 1000);

	if (err == -ETIMEDOUT)
		return session_failf(s, ETIMEDOUT, "the target has not %s within %d s", what, ANSWER_LIMIT_S);
	return err;
}

static int prepare(struct session *s)
{
	int err = 0;

	for (unsigned int i = 0; i < s->count && !err; i++)
		err = source_prepare(&s->movers[i]);
	if (!err)
		err = introduce(s);
	if (!err)
		err = answer(s, &s->accepted_all, "accepted");
	for (unsigned int i = 0; i < s->count; i++)
		s->movers[i].report->figures.setup_ms = clock_ms() - s->began_ms;
	return err;
}

static int transfer(struct session *s)
{
	double began = clock_ms();
	int err = source_precopy(s);

	if (err)
		return err;
	s->stop_began_ms = clock_ms();
	err = source_stop(s);
	if (err)
		return err;
	session_phase(s, FERRY_PHASE_LOAD);
	began = clock_ms();
	err = answer(s, &s->ready, "loaded all");
	for (unsigned int i = 0; i < s->count; i++)
		s->movers[i].report->figures.load_ms = clock_ms() - began;
	return err;
}

static void conclude(struct session *s, enum ferry_outcome outcome)
{
	s->report->outcome = outcome;
	for (unsigned int i = 0; i < s->count; i++)
		s->report->device[i].outcome = outcome;
}

static void outcome_unknown(struct session *s)
{
	char why[sizeof(s->error.text)];

	memcpy(why, s->error.text, sizeof(why));
	snprintf(s->error.text, sizeof(s->error.text),
		 "outcome unknown: the target was told to start and did not answer (%.110s); the source stays stopped: look at `ferry receive` there",
		 why);
	session_each(s, source_leave);
	conclude(s, FERRY_UNKNOWN);
}

/* GO, and what became of it. */
static void commit(struct session *s)
{
	double began = clock_ms();
	int err;

	if (!session_commit(s))
		return;
	session_phase(s, FERRY_PHASE_START);
	err = session_try(s, link_say(&s->link, FERRY_PACKET_GO, 0, NULL, 0, TRY_ERROR));
	/* The GO may have gone out although the call failed: only the target's word counts. */
	if (!err)
		err = answer(s, &s->started, "started");
	else
		session_wait(s, &s->started, 500);
	for (unsigned int i = 0; i < s->count; i++)
		s->movers[i].report->figures.start_ms = clock_ms() - began;
	s->report->window_ms = clock_ms() - s->stop_began_ms;
	if (s->started) {
		/* whatever happened to the link afterwards */
		s->failed = false;
		session_each(s, source_leave);
		conclude(s, FERRY_MOVED);
	}
}

static void send_all(struct session *s)
{
	pthread_t listener;
	int err;

	err = session_pulse(s);
	if (!err && pthread_create(&listener, NULL, listen_to_target, s))
		err = session_failf(s, ENOMEM, "no thread");
	if (err)
		return;
	err = prepare(s);
	if (!err)
		err = transfer(s);
	if (!err)
		commit(s);
	if (s->report->outcome != FERRY_MOVED) {
		bool may_run_there = s->committed && !s->peer_failed;

		if (may_run_there)
			outcome_unknown(s);
		else
			source_undo(s);
		if (!s->peer_failed && !s->committed)
			link_say_failed(&s->link, s->error.text);
		channel_break(s->link.channel);
	}
	pthread_join(listener, NULL);
}

FERRY_API int ferry_send(struct ferry_device *const *devices, unsigned int count, struct ferry_channel *channel,
			 const struct ferry_options *options, struct ferry_report *report,
			 struct ferry_error *error)
{
	struct session s;

	if (!session_begin(&s, "source", devices, count, channel, true, options, report, error))
		send_all(&s);
	return session_end(&s, error);
}
