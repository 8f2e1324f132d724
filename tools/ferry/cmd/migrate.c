// SPDX-License-Identifier: GPL-2.0-only
/*
 * What save, load, send and receive share: options, devices, how it ended.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "migrate.h"

enum { KEY_PROGRESS = 0x200, KEY_DEVICE_FD };

static const struct argp_option options[] = {
	{ "quiet", 'q', NULL, 0, "No progress and no report; errors only" },
	{ "progress", KEY_PROGRESS, NULL, 0,
	  "Show progress although standard error is no terminal, a line a second" },
	{ "device-fd", KEY_DEVICE_FD, "N", 0,
	  "The (next) BDF is open already, as file descriptor N, by who goes on using it; "
	  "ferry neither opens nor resets it" },
	{ NULL }
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct migrate *m = state->input;

	switch (key) {
	case KEY_PROGRESS:
		m->progress = true;
		return 0;
	case 'q':
		m->quiet = true;
		return 0;
	case KEY_DEVICE_FD:
		if (m->device_fd_count == FERRY_MAX_DEVICES)
			argp_error(state, "more than %d devices", FERRY_MAX_DEVICES);
		m->device_fds[m->device_fd_count++] = number_of(state, "--device-fd", value, 0, 1 << 20);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp migrate_argp = { options, parse };

/* One FD for all that ends a wait: it is readable if one of them is. */
static void end_at(struct migrate *m, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(m->options.cancel_fd, EPOLL_CTL_ADD, fd, &event))
		errx(EXIT_FAILED, "epoll: %s", strerror(errno));
}

void migrate_init(struct migrate *m)
{
	*m = (struct migrate){ .options.cancel_fd = epoll_create1(EPOLL_CLOEXEC), .report_to = stdout };
	end_at(m, interrupt_patient_fd());
	/* A pipe that nobody reads is a failure like any other: the device has to be set running again. */
	signal(SIGPIPE, SIG_IGN);
}

/* ---- devices ---- */

int migrate_open(struct migrate *m, char *const *names, unsigned int count)
{
	struct ferry_error error;
	int err;

	if (m->device_fd_count && m->device_fd_count != count)
		return complain(EXIT_USAGE, "%u devices and %u of --device-fd: give one for each, or none", count,
				m->device_fd_count);
	for (m->count = 0; m->count < count; m->count++) {
		struct ferry_device **device = &m->devices[m->count];

		if (m->device_fd_count)
			err = ferry_device_adopt(device, names[m->count], m->device_fds[m->count], &error);
		else
			err = ferry_device_open(device, names[m->count], &error);
		if (!err) {
			err = ferry_device_migratable(*device, &error);
			if (err)
				ferry_device_close(*device);
		}
		if (!err && ferry_device_request_fd(*device) >= 0)
			end_at(m, ferry_device_request_fd(*device));
		if (!err)
			continue;
		migrate_close(m);
		return complain_of(error.code == EINVAL ? EXIT_USAGE : EXIT_REFUSED, &error);
	}
	return EXIT_DONE;
}

void migrate_close(struct migrate *m)
{
	while (m->count)
		ferry_device_close(m->devices[--m->count]);
}

const char *migrate_wanted(const struct migrate *m)
{
	for (unsigned int i = 0; i < m->count; i++) {
		struct pollfd request = { .fd = ferry_device_request_fd(m->devices[i]), .events = POLLIN };

		if (poll(&request, 1, 0) > 0)
			return ferry_device_name(m->devices[i]);
	}
	return NULL;
}

/* ---- how it ended ---- */

/* Looked at and found wanting, rather than tried and failed. */
static bool is_refusal(int code)
{
	switch (code) {
	case EBADMSG:
	case ENODATA:
	case EXDEV:
	case EPROTO:
	case EPROTONOSUPPORT:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

int migrate_failed(const struct migrate *m, const struct ferry_report *report, const struct ferry_error *error)
{
	if (report->outcome == FERRY_STUCK || report->outcome == FERRY_UNKNOWN)
		return complain_of(EXIT_STOPPED, error);
	if (error->code == ECANCELED && migrate_wanted(m))
		return complain(EXIT_CANCELLED, "%s: the host wants %s back", error->text, migrate_wanted(m));
	if (error->code == ECANCELED)
		return complain_of(EXIT_CANCELLED, error);
	return complain_of(is_refusal(error->code) ? EXIT_REFUSED : EXIT_FAILED, error);
}

int migrate_end(const struct migrate *m, int code)
{
	static const struct ferry_report none = { .failed_in = FERRY_PHASE_SETUP };

	if (json_due(code))
		report_print(m, &none, complaint(), NULL);
	return output_end(code);
}

int check_command(const struct migrate *m, char *const *command)
{
	if (command && !*command)
		return complain(EXIT_USAGE, "which COMMAND? Nothing follows the --");
	if (command && m->device_fd_count)
		return complain(EXIT_USAGE,
				"--device-fd and a COMMAND do not go together: who has the device goes on using it");
	return EXIT_DONE;
}

char *const *split_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		*argc = i;
		argv[i] = NULL;
		return argv + i + 1;
	}
	return NULL;
}
