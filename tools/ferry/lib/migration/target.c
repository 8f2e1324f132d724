// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target's side: from packets into devices.  What comes is not trusted:
 * sizes and order are checked here, the device's data by its driver.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/sysfs.h"
#include "../base/wait.h"
#include "target.h"

#define SILENT_DEVICE_MS	120000

/* ---- before the data ---- */

int target_meet(struct mover *m, const struct packet *p)
{
	const struct ferry_identity *own = &m->report->identity;
	struct ferry_identity *peer = &m->report->peer;
	struct session *s = m->session;

	if (p->head.type != FERRY_PACKET_DEVICE || p->head.size != sizeof(p->device) || p->head.device != m->number)
		return session_failf(s, EBADMSG, "%s is damaged: the description of a device is missing",
				     s->link.channel->peer);
	m->peer = p->device;
	identity_from_wire(&m->peer, peer);
	if (le32toh(m->peer.flags) & ~FERRY_DEVICE_STOPPED)
		return session_failf(s, EPROTONOSUPPORT, "%s has flags that this ferry does not know", peer->name);
	if (le32toh(m->peer.count) != s->count)
		return session_failf(s, EINVAL, "%u devices were sent, and %u given here; they are taken in order",
				     le32toh(m->peer.count), s->count);
	if (own->vendor != peer->vendor || own->device != peer->device)
		return session_failf(s, EXDEV, "%s is a %04x:%04x and the source's %s a %04x:%04x: its state does not fit",
				     own->name, own->vendor, own->device, peer->name, peer->vendor, peer->device);
	return 0;
}

int target_prepare(struct mover *m)
{
	struct session *s = m->session;
	int state, fd, flags, err;

	state = session_try(s, ferry_device_state(m->device, TRY_ERROR));
	if (state < 0)
		return state;
	if (state != FERRY_RUNNING && state != FERRY_STOP)
		return session_failf(s, EBUSY, "%s is in %s: reset it first, or wait for who is migrating it",
				     ferry_device_name(m->device), ferry_state_name(state));
	m->touched = true;
	err = session_try(s, ferry_device_set_state(m->device, FERRY_RESUMING, &fd, TRY_ERROR));
	if (err)
		return err;
	m->data_fd = fd;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return session_failf(s, errno, "%s: its data: %s", ferry_device_name(m->device), strerror(errno));
	m->runs = !(le32toh(m->peer.flags) & FERRY_DEVICE_STOPPED) && !s->options.stopped;
	return 0;
}

/* ---- data ---- */

/* Ferry's driver says in debugfs what it found wrong. */
static void reason_of(const struct mover *m, char *text, size_t size)
{
	ferry_sysfs_line(text, size, "/sys/kernel/debug/vfio_ferry/%s/failure", ferry_device_name(m->device));
	if (!*text)
		snprintf(text, size, "the kernel's log may say why");
}

static int refused(struct mover *m, int code, const char *what)
{
	char why[120];

	reason_of(m, why, sizeof(why));
	return session_failf(m->session, code, "%s %s: %s (%s)", ferry_device_name(m->device), what, strerror(code),
			     why);
}

static int write_data(struct mover *m, const uint8_t *data, size_t size)
{
	mover_count(m, data, size);
	while (size) {
		ssize_t n = write(m->data_fd, data, size);
		int err = 0;

		if (n > 0) {
			data += n;
			size -= n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return refused(m, errno, "refuses the stream");
		if (!n)
			return session_failf(m->session, EIO, "%s takes no data", ferry_device_name(m->device));
		if (errno == EAGAIN)
			err = fd_wait(m->data_fd, POLLOUT, m->session->fail_fd, SILENT_DEVICE_MS);
		if (err == -ETIMEDOUT)
			return session_failf(m->session, ETIMEDOUT, "%s took no data for %d s",
					     ferry_device_name(m->device), SILENT_DEVICE_MS / 1000);
		if (err || session_failed(m->session))
			return -ECANCELED;
	}
	return 0;
}

/* What was written is with the firmware when the driver takes more, or it never will be. */
static int data_settles(struct mover *m)
{
	struct pollfd p = { .fd = m->data_fd, .events = POLLOUT };
	int err = fd_wait(m->data_fd, POLLOUT, m->session->fail_fd, SILENT_DEVICE_MS);

	if (err == -ETIMEDOUT)
		return session_failf(m->session, ETIMEDOUT, "%s did not load its initial data in %d s",
				     ferry_device_name(m->device), SILENT_DEVICE_MS / 1000);
	if (err || session_failed(m->session))
		return -ECANCELED;
	return poll(&p, 1, 0) == 1 && p.revents & POLLERR ? refused(m, EIO, "cannot load its initial data") : 0;
}

static int damaged(struct mover *m, const char *what)
{
	return session_failf(m->session, EBADMSG, "%s is damaged: %s", m->session->link.channel->peer, what);
}

/* All is there: the driver checks and applies it. */
static int finish(struct mover *m)
{
	struct ferry_error error;
	double began = clock_ms();
	int err;

	if (!m->configured && !m->raw)
		return damaged(m, "configuration space is missing");
	err = ferry_device_set_state(m->device, FERRY_STOP, NULL, &error);
	if (err)
		return refused(m, -err, "does not take what was loaded");
	close(m->data_fd);
	m->data_fd = -1;
	m->report->figures.load_ms = clock_ms() - began;
	pthread_mutex_lock(&m->session->lock);
	m->loaded = true;
	pthread_mutex_unlock(&m->session->lock);
	return 0;
}

static int end_phase(struct mover *m, const struct packet *p)
{
	uint32_t phase = le32toh(p->phase.phase);
	struct session *s = m->session;
	double now = clock_ms();

	if (p->head.size != sizeof(p->phase) || phase < FERRY_PACKET_PHASE_INITIAL ||
	    phase > FERRY_PACKET_PHASE_STOP_COPY)
		return damaged(m, "the end of an unknown phase");
	if (le64toh(p->phase.bytes) != m->phase_bytes || le64toh(p->phase.total) != m->total)
		return damaged(m, "data is missing, or there is more than was sent");
	if ((phase == FERRY_PACKET_PHASE_STOP_COPY) != m->configured)
		return damaged(m, "its phases are out of order");
	m->phase = phase;
	mover_phase_done(m, now - m->since_ms);
	m->since_ms = now;
	if (phase == FERRY_PACKET_PHASE_STOP_COPY)
		return finish(m);
	if (phase == FERRY_PACKET_PHASE_INITIAL && s->live)
		return data_settles(m) ?:
		       session_try(s, link_say(&s->link, FERRY_PACKET_INITIAL_LOADED, m->number, NULL, 0, TRY_ERROR));
	return 0;
}

static int config(struct mover *m, const struct packet *p)
{
	if (m->configured)
		return damaged(m, "configuration space comes twice");
	if (m->phase_bytes)
		return damaged(m, "its phases are out of order");
	m->configured = true;
	session_phase(m->session, FERRY_PHASE_STOP_COPY);
	if (!p->head.size && !ferry_device_config_size(m->device))
		return 0;
	return config_restore(m, p->data, p->head.size);
}

static int load_packet(struct mover *m, const struct packet *p)
{
	if (m->loaded)
		return damaged(m, "something follows the end");
	switch (p->head.type) {
	case FERRY_PACKET_DATA:
		return write_data(m, p->data, p->head.size);
	case FERRY_PACKET_CONFIG:
		return config(m, p);
	default:
		return end_phase(m, p);
	}
}

/* ---- a thread for each ---- */

static bool tell_if_ready(struct session *s)
{
	bool all = true;

	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < s->count; i++)
		all &= s->movers[i].loaded;
	/* one of those that see it says it */
	all &= !s->ready;
	s->ready |= all;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
	if (!all)
		return true;
	session_phase(s, FERRY_PHASE_LOAD);
	return !s->live || !session_try(s, link_say(&s->link, FERRY_PACKET_READY, 0, NULL, 0, TRY_ERROR));
}

static void *load_thread(void *opaque)
{
	struct mover *m = opaque;
	struct packet *p = NULL;

	m->since_ms = clock_ms();
	while ((p = queue_take(m->queue, p))) {
		if (load_packet(m, p))
			break;
		if (m->loaded && !tell_if_ready(m->session))
			break;
	}
	free(p);
	return NULL;
}

int target_start_loading(struct session *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		struct mover *m = &s->movers[i];
		struct queue *queue = queue_new();

		if (!queue)
			return session_failf(s, ENOMEM, "no memory");
		/* whoever fails closes all the queues it sees */
		pthread_mutex_lock(&s->lock);
		m->queue = queue;
		pthread_mutex_unlock(&s->lock);
		if (pthread_create(&m->loader, NULL, load_thread, m))
			return session_failf(s, ENOMEM, "no thread");
		m->loading = true;
	}
	return session_failed(s) ? -ECANCELED : 0;
}

void target_stop_loading(struct session *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		if (s->movers[i].queue)
			queue_close(s->movers[i].queue);
		if (s->movers[i].loading)
			pthread_join(s->movers[i].loader, NULL);
		s->movers[i].loading = false;
	}
}

int target_hand_over(struct session *s, struct packet **packet)
{
	struct packet *other;

	if ((*packet)->head.device >= s->count)
		return session_failf(s, EBADMSG, "%s is damaged: there is no device %u", s->link.channel->peer,
				     (*packet)->head.device);
	other = queue_put(s->movers[(*packet)->head.device].queue, *packet);
	if (!other)
		return -ECANCELED;
	*packet = other;
	return 0;
}

int target_wait_loaded(struct session *s)
{
	bool failed;

	pthread_mutex_lock(&s->lock);
	/* the driver ends its commands, and cancelling is a failure, so this ends */
	while (!s->failed && !s->ready)
		pthread_cond_wait(&s->change, &s->lock);
	failed = s->failed;
	pthread_mutex_unlock(&s->lock);
	return failed ? -ECANCELED : 0;
}

/* ---- the end ---- */

int target_start(struct session *s)
{
	double began = clock_ms();

	session_phase(s, FERRY_PHASE_START);
	session_run(s);
	for (unsigned int i = 0; i < s->count; i++) {
		struct mover *m = &s->movers[i];

		m->report->figures.start_ms = clock_ms() - began;
		if (m->stuck.code)
			return session_fail(s, &m->stuck);
	}
	return 0;
}

static int reset(struct mover *m)
{
	struct ferry_error error;

	if (!m->touched)
		return 0;
	if (m->data_fd >= 0)
		close(m->data_fd);
	m->data_fd = -1;
	/* RESUMING, STOP or ERROR, with a part of another's state: of no use to anybody */
	if (!ferry_device_reset(m->device, &error))
		return 0;
	m->report->outcome = FERRY_STUCK;
	m->session->report->outcome = FERRY_STUCK;
	return -error.code;
}

void target_undo(struct session *s)
{
	session_each(s, reset);
}
