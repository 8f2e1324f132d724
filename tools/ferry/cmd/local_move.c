// SPDX-License-Identifier: GPL-2.0-only
/*
 * A migration within this host. See local_move.h.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local_move.h"

/* The target's end */
struct receiving {
	struct ferry_device *device;
	struct ferry_channel *channel;
	struct ferry_report report;
	struct ferry_error error;
	int err;
};

static void *receive(void *argument)
{
	struct receiving *target = argument;
	const struct ferry_options options = { .cancel_fd = -1 };

	target->err = ferry_receive(&target->device, 1, target->channel, &options, &target->report,
				    &target->error);
	ferry_channel_close(target->channel);
	return NULL;
}

static int open_channels(struct ferry_channel *ends[2], struct ferry_error *error)
{
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return ferry_fail(error, errno, "socketpair: %s", strerror(errno));
	err = ferry_channel_from_fd(&ends[0], fds[0], 0, error);
	if (err) {
		close(fds[1]);
		return err;
	}
	err = ferry_channel_from_fd(&ends[1], fds[1], 0, error);
	if (err)
		ferry_channel_close(ends[0]);
	return err;
}

/* Each side that was told of the other's failure only says so. */
static bool was_told(int err)
{
	return err == -ECONNABORTED || err == -ECONNRESET || err == -EPIPE;
}

int local_move(struct ferry_device *source, struct ferry_device *target, const struct ferry_options *options,
	       struct ferry_report *report, struct ferry_error *error)
{
	static struct receiving receiving;
	struct ferry_channel *ends[2];
	pthread_t thread;
	int err;

	memset(report, 0, sizeof(*report));
	report->failed_in = FERRY_PHASE_SETUP;
	err = open_channels(ends, error);
	if (err)
		return err;
	memset(&receiving, 0, sizeof(receiving));
	receiving.device = target;
	receiving.channel = ends[1];
	err = pthread_create(&thread, NULL, receive, &receiving);
	if (err) {
		ferry_channel_close(ends[0]);
		ferry_channel_close(ends[1]);
		return ferry_fail(error, err, "no thread: %s", strerror(err));
	}
	err = ferry_send(&source, 1, ends[0], options, report, error);
	ferry_channel_close(ends[0]);
	pthread_join(thread, NULL);
	if (receiving.err && (!err || (was_told(err) && !was_told(receiving.err)))) {
		err = receiving.err;
		*error = receiving.error;
		report->failed_in = receiving.report.failed_in;
	}
	return err;
}
