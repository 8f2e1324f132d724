// SPDX-License-Identifier: GPL-2.0-only
/*
 * One migration: threads, failures, waiting. See session.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../base/wait.h"
#include "session.h"

#define TICK_MS		200
#define ALIVE_MS	500

static void signal_fd(int fd)
{
	uint64_t one = 1;

	/* an eventfd that is full is readable, too */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- the first failure ---- */

int session_fail(struct session *s, const struct ferry_error *error)
{
	pthread_mutex_lock(&s->lock);
	if (!s->failed) {
		s->failed = true;
		s->error = *error;
		s->report->failed_in = s->phase;
		signal_fd(s->fail_fd);
		pthread_cond_broadcast(&s->change);
		for (unsigned int i = 0; i < s->count; i++)
			if (s->movers[i].queue)
				queue_close(s->movers[i].queue);
	}
	pthread_mutex_unlock(&s->lock);
	return -error->code;
}

int session_failf(struct session *s, int code, const char *format, ...)
{
	struct ferry_error error = { .code = code };
	va_list args;

	va_start(args, format);
	vsnprintf(error.text, sizeof(error.text), format, args);
	va_end(args);
	return session_fail(s, &error);
}

bool session_failed(struct session *s)
{
	bool failed;

	pthread_mutex_lock(&s->lock);
	failed = s->failed;
	pthread_mutex_unlock(&s->lock);
	return failed;
}

bool session_commit(struct session *s)
{
	bool good;

	pthread_mutex_lock(&s->lock);
	good = !s->failed;
	s->committed = good;
	pthread_mutex_unlock(&s->lock);
	return good;
}

void session_phase(struct session *s, enum ferry_phase phase)
{
	s->phase = phase;
}

/* ---- waiting for the others ---- */

int session_wait(struct session *s, const bool *flag, unsigned int ms)
{
	struct timespec end;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->failed && !(flag && *flag) && !err)
		err = -pthread_cond_clockwait(&s->change, &s->lock, CLOCK_MONOTONIC, &end);
	if (flag && *flag)
		err = 0;
	else if (s->failed)
		err = -ECANCELED;
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* ---- the pulse ---- */

static void watch_cancel(struct session *s, struct pollfd *cancel)
{
	bool late;

	if (!cancel->revents)
		return;
	cancel->fd = -1;
	pthread_mutex_lock(&s->lock);
	late = s->committed;
	pthread_mutex_unlock(&s->lock);
	if (!late)
		session_failf(s, ECANCELED, "cancelled");
}

static void show(struct session *s)
{
	struct ferry_progress p = {
		.phase = s->phase, .bytes = s->bytes, .expected = s->expected, .rate = s->rate,
		.downtime_ms = s->downtime_ms,
	};

	if (s->options.progress)
		s->options.progress(s->options.opaque, &p);
}

#define SAMPLES		16

/* Bytes at the last ticks: data comes in bursts, and a rate is to be read. */
struct recent {
	uint64_t bytes[SAMPLES];
	double at_ms[SAMPLES];
	unsigned int count;
};

static void measure(struct session *s, struct recent *r)
{
	unsigned int now = r->count % SAMPLES, oldest = r->count < SAMPLES ? 0 : (r->count + 1) % SAMPLES;
	double span;

	r->bytes[now] = s->bytes;
	r->at_ms[now] = clock_ms();
	r->count++;
	span = r->at_ms[now] - r->at_ms[oldest];
	s->rate = span > 0 ? (r->bytes[now] - r->bytes[oldest]) * 1000 / span : 0;
}

static void *pulse(void *opaque)
{
	struct session *s = opaque;
	struct pollfd fds[] = {
		{ .fd = s->quit_fd, .events = POLLIN },
		{ .fd = s->options.cancel_fd, .events = POLLIN },
	};
	struct recent recent = { 0 };
	double alive = 0;

	while (!fds[0].revents) {
		if (s->live && clock_ms() - alive >= ALIVE_MS) {
			link_say_alive(&s->link);
			alive = clock_ms();
		}
		measure(s, &recent);
		show(s);
		fds[0].revents = fds[1].revents = 0;
		if (poll(fds, 2, TICK_MS) > 0)
			watch_cancel(s, &fds[1]);
	}
	return NULL;
}

int session_pulse(struct session *s)
{
	int err = pthread_create(&s->pulse, NULL, pulse, s);

	if (err)
		return session_failf(s, err, "no thread: %s", strerror(err));
	s->pulsing = true;
	return 0;
}

/* ---- beginning and end ---- */

static void use_options(struct session *s, const struct ferry_options *options)
{
	s->options = options ? *options : (struct ferry_options){ .cancel_fd = -1 };
	if (!s->options.max_downtime_ms)
		s->options.max_downtime_ms = FERRY_MAX_DOWNTIME_MS;
	if (!s->options.precopy_limit_s)
		s->options.precopy_limit_s = FERRY_PRECOPY_LIMIT_S;
}

static int begin_mover(struct session *s, struct mover *m, struct ferry_device *device, unsigned int number)
{
	struct ferry_error error;
	int err;

	*m = (struct mover){
		.session = s, .device = device, .number = number, .data_fd = -1,
		.report = &s->report->device[number], .phase = FERRY_PACKET_PHASE_INITIAL,
		.pages = NO_PAGES,
	};
	m->packet = malloc(sizeof(*m->packet));
	if (!m->packet)
		return session_failf(s, ENOMEM, "no memory");
	err = ferry_device_identity(device, &m->report->identity, &error);
	if (!err)
		err = ferry_device_migratable(device, &error);
	return err ? session_fail(s, &error) : 0;
}

int session_begin(struct session *s, const char *side, struct ferry_device *const *devices, unsigned int count,
		  struct ferry_channel *channel, bool live, const struct ferry_options *options,
		  struct ferry_report *report, struct ferry_error *error)
{
	struct ferry_report *own = report ? report : malloc(sizeof(*report));

	*s = (struct session){
		.side = side, .report = own, .own_report = !report, .live = live, .fail_fd = -1, .quit_fd = -1,
	};
	if (!own)
		return ferry_fail(error, ENOMEM, "no memory");
	*own = (struct ferry_report){ .devices = count <= FERRY_MAX_DEVICES ? count : 0 };
	use_options(s, options);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->change, NULL);
	s->began_ms = clock_ms();
	s->fail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	link_init(&s->link, channel, live, s->fail_fd);
	if (count < 1 || count > FERRY_MAX_DEVICES)
		return session_failf(s, EINVAL, "1 to %d devices move at once, not %u", FERRY_MAX_DEVICES, count);
	s->movers = calloc(count, sizeof(*s->movers));
	if (!s->movers || s->fail_fd < 0 || s->quit_fd < 0)
		return session_failf(s, ENOMEM, "no memory, or no file descriptor left");
	for (s->count = 0; s->count < count;) {
		int err = begin_mover(s, &s->movers[s->count], devices[s->count], s->count);

		s->count++;
		if (err)
			return err;
	}
	return 0;
}

int session_end(struct session *s, struct ferry_error *error)
{
	int err = s->failed ? -s->error.code : 0;

	if (!s->report)
		return -ENOMEM;
	if (s->pulsing) {
		signal_fd(s->quit_fd);
		pthread_join(s->pulse, NULL);
	}
	s->report->total_ms = clock_ms() - s->began_ms;
	if (!err)
		s->report->failed_in = FERRY_PHASE_DONE;
	session_total(s);
	if (s->pulsing) {
		s->phase = FERRY_PHASE_DONE;
		show(s);
	}
	if (error)
		*error = s->error;
	for (unsigned int i = 0; i < s->count; i++) {
		if (s->movers[i].data_fd >= 0)
			close(s->movers[i].data_fd);
		queue_free(s->movers[i].queue);
		pages_close(&s->movers[i].pages);
		free(s->movers[i].packet);
	}
	free(s->movers);
	link_end(&s->link);
	if (s->fail_fd >= 0)
		close(s->fail_fd);
	if (s->quit_fd >= 0)
		close(s->quit_fd);
	pthread_cond_destroy(&s->change);
	pthread_mutex_destroy(&s->lock);
	if (s->own_report)
		free(s->report);
	return err;
}

/* ---- all devices at once ---- */

struct job {
	pthread_t thread;
	struct mover *mover;
	int (*run)(struct mover *mover);
	int result;
};

static void *run_job(void *opaque)
{
	struct job *j = opaque;

	j->result = j->run(j->mover);
	return NULL;
}

int session_each(struct session *s, int (*run)(struct mover *mover))
{
	struct job jobs[FERRY_MAX_DEVICES];
	unsigned int n;
	int err = 0;

	if (s->count == 1)
		return run(&s->movers[0]);
	for (n = 0; n < s->count; n++) {
		jobs[n] = (struct job){ .mover = &s->movers[n], .run = run };
		/* without a thread it is done here, later than the others */
		if (pthread_create(&jobs[n].thread, NULL, run_job, &jobs[n])) {
			jobs[n].thread = pthread_self();
			run_job(&jobs[n]);
		}
	}
	for (n = 0; n < s->count; n++) {
		if (!pthread_equal(jobs[n].thread, pthread_self()))
			pthread_join(jobs[n].thread, NULL);
		err = err ? err : jobs[n].result;
	}
	return err;
}

static bool stopped(struct mover *m)
{
	int state = ferry_device_state(m->device, NULL);

	return state != FERRY_RUNNING && state != FERRY_PRE_COPY;
}

static int run_p2p(struct mover *m)
{
	bool p2p = ferry_device_features(m->device) & FERRY_CAN_P2P;

	if (!m->runs || !p2p || m->stuck.code || !stopped(m))
		return 0;
	return ferry_device_set_state(m->device, FERRY_RUNNING_P2P, NULL, &m->stuck);
}

static int run(struct mover *m)
{
	if (!m->runs || m->stuck.code)
		return 0;
	return ferry_device_set_state(m->device, FERRY_RUNNING, NULL, &m->stuck);
}

void session_run(struct session *s)
{
	if (s->count > 1)
		session_each(s, run_p2p);
	session_each(s, run);
}
