// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry_receive(): the target of a live migration.
 *
 * It starts the devices when GO has come and not before; if it cannot, it
 * resets all of them before it says so (FAILED), since the source runs again
 * then.  Once they run, nothing that happens to the link stops them.
 */
#include <errno.h>
#include <stdlib.h>

#include "target.h"

static int failed_there(struct session *s, const struct packet *p)
{
	char text[200];

	link_text(p, text, sizeof(text));
	pthread_mutex_lock(&s->lock);
	s->peer_failed = true;
	pthread_mutex_unlock(&s->lock);
	return session_failf(s, ECONNABORTED, "the source gave up: %s", text);
}

/* The next packet that says something. */
static int hear(struct session *s, struct packet *p)
{
	int err;

	do
		err = session_try(s, link_receive(&s->link, p, TRY_ERROR));
	while (!err && p->head.type == FERRY_PACKET_ALIVE);
	if (!err && p->head.type == FERRY_PACKET_FAILED)
		return failed_there(s, p);
	return err;
}

static int accept_device(struct mover *m)
{
	struct ferry_packet_device own;
	struct session *s = m->session;

	identity_to_wire(&m->report->identity, &own);
	return session_try(s, link_say(&s->link, FERRY_PACKET_ACCEPT, m->number, &own, sizeof(own), TRY_ERROR));
}

static int prepare(struct session *s, struct packet *p)
{
	int err;

	err = session_pulse(s);
	if (!err)
		err = session_try(s, link_receive_header(&s->link, NULL, 0, TRY_ERROR));
	if (!err)
		err = session_try(s, link_send_header(&s->link, TRY_ERROR));
	for (unsigned int i = 0; i < s->count && !err; i++) {
		err = hear(s, p);
		if (!err)
			err = target_meet(&s->movers[i], p);
	}
	if (!err)
		err = session_each(s, target_prepare);
	if (!err)
		err = target_start_loading(s);
	for (unsigned int i = 0; i < s->count && !err; i++)
		err = accept_device(&s->movers[i]);
	return err;
}

static bool is_ready(struct session *s)
{
	bool ready;

	pthread_mutex_lock(&s->lock);
	ready = s->ready;
	pthread_mutex_unlock(&s->lock);
	return ready;
}

/* Everything up to GO. */
static int take_all(struct session *s, struct packet **p)
{
	session_phase(s, FERRY_PHASE_INITIAL);
	for (;;) {
		int err = hear(s, *p);

		if (err)
			return err;
		switch ((*p)->head.type) {
		case FERRY_PACKET_CONFIG:
		case FERRY_PACKET_DATA:
		case FERRY_PACKET_PHASE_END:
			err = target_hand_over(s, p);
			if (err)
				return err;
			break;
		case FERRY_PACKET_GO:
			if (is_ready(s))
				return 0;
			/* fall through */
		default:
			return session_failf(s, EPROTO, "%s sends a packet that does not come here (type %u)",
					     s->link.channel->peer, (*p)->head.type);
		}
	}
}

static void conclude(struct session *s, enum ferry_outcome outcome)
{
	s->report->outcome = outcome;
	for (unsigned int i = 0; i < s->count; i++)
		s->report->device[i].outcome = outcome;
}

/* GO has come. */
static int start(struct session *s)
{
	int err;

	if (!session_commit(s))
		return -ECANCELED;
	err = target_start(s);
	if (err)
		return err;
	conclude(s, FERRY_MOVED);
	if (link_say(&s->link, FERRY_PACKET_STARTED, 0, NULL, 0, NULL))
		s->report->unconfirmed = true;
	return 0;
}

/* What is said last depends on whether the source may hear it before everything is undone. */
static void undo(struct session *s)
{
	if (!s->peer_failed && !s->committed)
		link_say_failed(&s->link, s->error.text);
	target_undo(s);
	if (s->committed)
		link_say_failed(&s->link, s->error.text);
}

FERRY_API int ferry_receive(struct ferry_device *const *devices, unsigned int count,
			    struct ferry_channel *channel, const struct ferry_options *options,
			    struct ferry_report *report, struct ferry_error *error)
{
	struct packet *packet = malloc(sizeof(*packet));
	struct session s;
	int err;

	err = session_begin(&s, "target", devices, count, channel, true, options, report, error);
	if (!err && !packet)
		err = session_failf(&s, ENOMEM, "no memory");
	if (!err)
		err = prepare(&s, packet);
	if (!err)
		err = take_all(&s, &packet);
	target_stop_loading(&s);
	if (!err)
		err = start(&s);
	if (err)
		undo(&s);
	free(packet);
	return session_end(&s, error);
}
