// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry_load(): a function out of a file or pipe, with packets or without.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/wait.h"
#include "target.h"

/* The caller's own end of a stream without packets: nothing tells how long it is but its end. */
static void make_end(struct mover *m, struct packet *p, uint64_t bytes)
{
	p->head = (struct ferry_packet){ .type = FERRY_PACKET_PHASE_END, .size = sizeof(p->phase) };
	p->phase = (struct ferry_packet_phase){
		.phase = htole32(FERRY_PACKET_PHASE_STOP_COPY),
		.bytes = htole64(bytes),
		.total = htole64(bytes),
	};
}

static int load_raw(struct session *s, struct packet **p, size_t size)
{
	struct mover *m = &s->movers[0];
	uint64_t bytes = 0;
	ssize_t n = size;
	int err;

	m->raw = true;
	m->configured = true;
	session_phase(s, FERRY_PHASE_STOP_COPY);
	err = target_prepare(m);
	if (!err)
		err = target_start_loading(s);
	while (!err && n) {
		(*p)->head = (struct ferry_packet){ .type = FERRY_PACKET_DATA, .size = n };
		bytes += n;
		err = target_hand_over(s, p);
		if (!err)
			n = session_try(s, channel_read_some(s->link.channel, (*p)->data, FERRY_PACKET_MAX,
							     s->fail_fd, TRY_ERROR));
		if (n < 0)
			return n;
	}
	if (err)
		return err;
	make_end(m, *p, bytes);
	return target_hand_over(s, p);
}

static int load_packets(struct session *s, struct packet **p)
{
	struct mover *m = &s->movers[0];
	bool ended = false;
	int err;

	err = session_try(s, link_receive(&s->link, *p, TRY_ERROR));
	if (!err)
		err = target_meet(m, *p);
	if (!err)
		err = target_prepare(m);
	if (!err)
		err = target_start_loading(s);
	while (!err && !ended) {
		err = session_try(s, link_receive(&s->link, *p, TRY_ERROR));
		if (err)
			break;
		if ((*p)->head.type < FERRY_PACKET_CONFIG || (*p)->head.type > FERRY_PACKET_PHASE_END)
			return session_failf(s, EBADMSG, "%s is damaged: a packet that does not belong there (type %u)",
					     s->link.channel->peer, (*p)->head.type);
		ended = (*p)->head.type == FERRY_PACKET_PHASE_END && (*p)->head.size == sizeof((*p)->phase) &&
			le32toh((*p)->phase.phase) == FERRY_PACKET_PHASE_STOP_COPY;
		err = target_hand_over(s, p);
	}
	return err;
}

/* Also of a pipe: who writes more than the end has made it wrong. */
static int nothing_follows(struct session *s)
{
	char more;
	ssize_t n = session_try(s, channel_read_some(s->link.channel, &more, 1, s->fail_fd, TRY_ERROR));

	if (n > 0)
		return session_failf(s, EBADMSG, "%s is damaged: something follows its end", s->link.channel->peer);
	return n;
}

static int load(struct session *s, struct packet **p)
{
	struct ferry_figures *f = &s->movers[0].report->figures;
	uint8_t start[sizeof(FERRY_MAGIC) - 1];
	double began = clock_ms();
	int err;

	err = session_pulse(s);
	if (!err)
		err = session_try(s, channel_read(s->link.channel, start, sizeof(start), s->fail_fd, TRY_ERROR));
	if (err)
		return err;
	if (!memcmp(start, FERRY_MAGIC, sizeof(start))) {
		err = session_try(s, link_receive_header(&s->link, start, sizeof(start), TRY_ERROR));
		if (!err)
			err = load_packets(s, p);
	} else {
		memcpy((*p)->data, start, sizeof(start));
		err = load_raw(s, p, sizeof(start));
	}
	if (!err)
		err = target_wait_loaded(s);
	if (!err)
		err = nothing_follows(s);
	s->report->window_ms = clock_ms() - began;
	/* it runs, or it does not: there is no cancelling between */
	if (!err && !session_commit(s))
		err = -ECANCELED;
	if (!err)
		err = target_start(s);
	s->report->window_ms += f->start_ms;
	return err;
}

FERRY_API int ferry_load(struct ferry_device *device, int fd, const struct ferry_options *options,
			 struct ferry_report *report, struct ferry_error *error)
{
	struct packet *packet = malloc(sizeof(*packet));
	struct ferry_channel file;
	struct session s;
	int err;

	channel_of_file(&file, fd);
	err = session_begin(&s, "target", &device, 1, &file, false, options, report, error);
	if (!err && !packet)
		err = session_failf(&s, ENOMEM, "no memory");
	if (!err)
		err = load(&s, &packet);
	target_stop_loading(&s);
	if (err) {
		target_undo(&s);
	} else {
		s.report->device[0].outcome = FERRY_LOADED;
		s.report->outcome = FERRY_LOADED;
	}
	free(packet);
	return session_end(&s, error);
}
