// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source's side: the device's data out of it and onto the link, in phases.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "../base/wait.h"
#include "source.h"

/* How long a driver may give nothing although it has something; mlx5's firmware commands end after a minute. */
#define SILENT_DEVICE_MS	120000
#define LOOK_AGAIN_MS		20

/* ---- sending ---- */

/*
 * A link that breaks while this side writes may have brought the other side's
 * reason before: who listens gets a moment to find it.
 */
static int send_failed(struct mover *m, const struct ferry_error *error)
{
	struct session *s = m->session;

	if (s->live && error->code != ECANCELED)
		session_wait(s, NULL, 500);
	return session_fail(s, error);
}

static int send_data(struct mover *m, size_t size)
{
	struct session *s = m->session;
	struct ferry_error error;
	double began = clock_ms();
	int pages = m->pages.way[0];
	int err;

	if (pages >= 0 && s->options.raw)
		err = channel_pass(s->link.channel, pages, size, s->fail_fd, &error);
	else if (pages >= 0)
		err = link_pass(&s->link, m->packet, pages, m->number, size, &error);
	else if (s->options.raw)
		err = channel_write(s->link.channel, m->packet->data, size, s->fail_fd, &error);
	else
		err = link_send(&s->link, m->packet, FERRY_PACKET_DATA, m->number, size, &error);
	m->sent_ms += clock_ms() - began;
	return err ? send_failed(m, &error) : 0;
}

static int say(struct mover *m, enum ferry_packet_type type, const void *payload, size_t size)
{
	struct session *s = m->session;
	struct ferry_error error;
	int err;

	if (s->options.raw)
		return 0;
	err = link_say(&s->link, type, m->number, payload, size, &error);
	return err ? send_failed(m, &error) : 0;
}

static int end_phase(struct mover *m, double ms)
{
	struct ferry_packet_phase end = {
		.phase = htole32(m->phase),
		.bytes = htole64(m->phase_bytes),
		.total = htole64(m->total),
	};

	mover_phase_done(m, ms);
	return say(m, FERRY_PACKET_PHASE_END, &end, sizeof(end));
}

int source_introduce(struct mover *m)
{
	struct ferry_packet_device device;

	identity_to_wire(&m->report->identity, &device);
	device.count = htole32(m->session->count);
	device.flags = htole32(m->before == FERRY_STOP ? FERRY_DEVICE_STOPPED : 0);
	return say(m, FERRY_PACKET_DEVICE, &device, sizeof(device));
}

static int send_config(struct mover *m)
{
	size_t size = ferry_device_config_size(m->device);
	struct session *s = m->session;
	struct ferry_error error;
	int err = 0;

	if (s->options.raw)
		return 0;
	if (size > FERRY_PACKET_MAX)
		return session_failf(s, EFBIG, "%s: configuration space of %zu bytes", ferry_device_name(m->device),
				     size);
	if (size)
		err = session_try(s, ferry_device_config_read(m->device, 0, m->packet->data, size, TRY_ERROR));
	if (err)
		return err;
	m->report->figures.config_bytes = size;
	err = link_send(&s->link, m->packet, FERRY_PACKET_CONFIG, m->number, size, &error);
	return err ? send_failed(m, &error) : 0;
}

/* ---- reading ---- */

enum { NOTHING_NOW = -1000, STREAM_ENDED };

/* Drivers other than ferry's give no pages. */
static ssize_t read_or_take(struct mover *m)
{
	uint8_t *data = m->packet->data;

	if (m->pages.way[0] >= 0) {
		ssize_t n = pages_take(&m->pages, m->data_fd, data, sizeof(m->packet->data));

		if (n >= 0 || errno != EINVAL)
			return n;
		pages_close(&m->pages);
	}
	return read(m->data_fd, data, sizeof(m->packet->data));
}

/*
 * Bytes now in the packet, or one of the above, or a failure of the session.
 *
 * poll() wakes when there is something to read. That something will not come
 * after all, since saving it failed, is only what read() says: so it is asked
 * again now and then.
 */
static ssize_t read_piece(struct mover *m)
{
	double began = clock_ms();
	struct session *s = m->session;
	ssize_t n;
	int err;

	for (;;) {
		if (session_failed(s))
			return -ECANCELED;
		n = read_or_take(m);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
		fd_wait(m->data_fd, POLLIN, s->fail_fd, LOOK_AGAIN_MS);
		if (clock_ms() - began > SILENT_DEVICE_MS)
			return session_failf(s, ETIMEDOUT, "%s gave no data for %d s", ferry_device_name(m->device),
					     SILENT_DEVICE_MS / 1000);
	}
	err = n < 0 ? errno : 0;
	if (n > 0) {
		mover_count(m, m->packet->data, n);
		return n;
	}
	if (!n)
		return STREAM_ENDED;
	if (err == ENOMSG)
		return NOTHING_NOW;
	return session_failf(s, err, "%s does not give its data: %s; the kernel's log may say why",
			     ferry_device_name(m->device), strerror(err));
}

/* Until the budget is used up or nothing is there; the bytes, or an error. */
static ssize_t move_some(struct mover *m, uint64_t budget)
{
	uint64_t moved = 0;

	while (moved < budget) {
		ssize_t n = read_piece(m);
		int err;

		if (n == NOTHING_NOW || n == STREAM_ENDED) {
			m->ended = n == STREAM_ENDED;
			break;
		}
		err = n < 0 ? (int)n : send_data(m, n);
		if (err)
			return err;
		moved += n;
	}
	return moved;
}

/* ---- states ---- */

int source_prepare(struct mover *m)
{
	struct session *s = m->session;
	uint64_t size = 0;

	m->before = session_try(s, ferry_device_state(m->device, TRY_ERROR));
	if (m->before < 0)
		return m->before;
	if (m->before == FERRY_ERROR)
		return session_failf(s, EIO, "%s is in ERROR since an earlier failure; only a reset, which loses what it holds, helps",
				     ferry_device_name(m->device));
	if (m->before != FERRY_RUNNING && m->before != FERRY_STOP)
		return session_failf(s, EBUSY, "%s is in %s: somebody is migrating it already",
				     ferry_device_name(m->device), ferry_state_name(m->before));
	m->runs = m->before == FERRY_RUNNING;
	if (s->count > 1 && !(ferry_device_features(m->device) & FERRY_CAN_P2P))
		return session_failf(s, EOPNOTSUPP, "%s cannot move together with others: its driver does not offer P2P",
				     ferry_device_name(m->device));
	m->precopies = m->runs && (ferry_device_features(m->device) & FERRY_CAN_PRE_COPY) &&
		       (s->live || s->options.leave_running);
	/* An estimate for the progress that is shown. Older kernels have none. */
	if (!ferry_device_data_size(m->device, &size, NULL))
		s->expected += size;
	return 0;
}

static int take_fd(struct mover *m, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	m->data_fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return session_failf(m->session, errno, "%s: its data: %s", ferry_device_name(m->device),
				     strerror(errno));
	if (m->session->link.channel->takes_pages)
		pages_open(&m->pages);
	return 0;
}

int source_enter_precopy(struct mover *m)
{
	int fd, err;

	if (!m->precopies)
		return 0;
	err = session_try(m->session, ferry_device_set_state(m->device, FERRY_PRE_COPY, &fd, TRY_ERROR));
	return err ? err : take_fd(m, fd);
}

/* ---- pre-copy ---- */

static int wait_for_data(struct mover *m)
{
	int err = fd_wait(m->data_fd, POLLIN, m->session->fail_fd, LOOK_AGAIN_MS);

	return err == -ECANCELED ? err : 0;
}

int source_initial(struct mover *m)
{
	double began = clock_ms(), last = began;
	struct session *s = m->session;
	struct ferry_precopy p;
	int err;

	if (!m->precopies)
		return 0;
	m->phase = FERRY_PACKET_PHASE_INITIAL;
	for (;;) {
		ssize_t n;

		err = session_try(s, ferry_device_precopy(m->device, m->data_fd, &p, TRY_ERROR));
		if (err)
			return err;
		if (!p.initial)
			break;
		n = move_some(m, p.initial);
		if (n < 0)
			return n;
		if (n)
			last = clock_ms();
		else if (clock_ms() - last > SILENT_DEVICE_MS)
			return session_failf(s, ETIMEDOUT, "%s promises initial data and gives none",
					     ferry_device_name(m->device));
		else if (wait_for_data(m))
			return -ECANCELED;
	}
	/* counted first: the answer may be here before the call returns */
	pthread_mutex_lock(&s->lock);
	m->initial_ends++;
	pthread_mutex_unlock(&s->lock);
	err = end_phase(m, clock_ms() - began);
	m->phase = FERRY_PACKET_PHASE_DIRTY;
	return err;
}

int source_round(struct mover *m)
{
	double began = clock_ms();
	struct ferry_precopy p;
	ssize_t n;
	int err;

	m->idle = true;
	if (!m->precopies)
		return 0;
	err = session_try(m->session, ferry_device_precopy(m->device, m->data_fd, &p, TRY_ERROR));
	if (err)
		return err;
	if (p.reinit) {
		/* all that was sent is void, and the target has to say again that it has the new */
		err = end_phase(m, 0);
		m->idle = false;
		return err ? err : source_initial(m);
	}
	n = move_some(m, p.dirty > FERRY_PACKET_MAX ? p.dirty : FERRY_PACKET_MAX);
	if (n < 0)
		return n;
	m->idle = !n;
	if (m->idle)
		return wait_for_data(m);
	m->report->figures.dirty_ms += clock_ms() - began;
	return 0;
}

/* What a stop would still have to move; what the kernel cannot tell counts as nothing. */
uint64_t source_remaining(struct mover *m)
{
	struct ferry_precopy p;
	uint64_t size = 0;

	if (!ferry_device_data_size(m->device, &size, NULL))
		return size;
	if (m->precopies && !ferry_device_precopy(m->device, m->data_fd, &p, NULL))
		size = p.initial + p.dirty;
	return size;
}

/* ---- stop ---- */

int source_suspend(struct mover *m)
{
	bool p2p = ferry_device_features(m->device) & FERRY_CAN_P2P;
	double began = clock_ms();
	int err = 0;

	/* alone, it passes through P2P on its way to STOP_COPY */
	if (m->runs && p2p && m->session->count > 1)
		err = session_try(m->session, ferry_device_set_state(m->device, m->precopies ? FERRY_PRE_COPY_P2P :
								     FERRY_RUNNING_P2P, NULL, TRY_ERROR));
	m->report->figures.suspend_ms = clock_ms() - began;
	return err;
}

int source_stop_copy(struct mover *m)
{
	struct ferry_figures *f = &m->report->figures;
	double began = clock_ms();
	ssize_t n;
	int fd, err;

	err = session_try(m->session, ferry_device_set_state(m->device, FERRY_STOP_COPY, &fd, TRY_ERROR));
	if (err)
		return err;
	f->suspend_ms += clock_ms() - began;
	m->sent_ms = 0;
	began = clock_ms();
	if (m->precopies) {
		err = end_phase(m, 0);
		if (fd >= 0)
			close(fd);
	} else {
		err = take_fd(m, fd);
	}
	m->phase = FERRY_PACKET_PHASE_STOP_COPY;
	if (!err)
		err = send_config(m);
	if (err)
		return err;
	n = move_some(m, UINT64_MAX);
	if (n < 0)
		return n;
	if (!m->ended)
		return session_failf(m->session, EPROTO, "%s stopped, but its data has no end: its driver is at fault",
				     ferry_device_name(m->device));
	err = end_phase(m, 0);
	f->transfer_ms = m->sent_ms;
	/* what is not the transfer: the device's own time, and configuration space */
	f->save_ms = clock_ms() - began - m->sent_ms;
	return err;
}

int source_leave(struct mover *m)
{
	/* From STOP_COPY; the data FD is dead then. Nothing more is wanted of this device but that it stays stopped. */
	ferry_device_set_state(m->device, FERRY_STOP, NULL, &m->stuck);
	return 0;
}
