// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals that ask ferry to end. See interrupt.h.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "command.h"
#include "interrupt.h"

#include "../lib/base/wait.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGXCPU };

static int event = -1;

/* SA_RESETHAND makes the next one deadly. */
static void note(int signal)
{
	const uint64_t one = 1;
	int kept = errno;

	/* An eventfd that is full is readable as well. */
	if (write(event, &one, sizeof(one)) < 0)
		errno = kept;
}

static int listen_for(int flags)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART | flags };

	if (event >= 0)
		return event;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		err(EXIT_FAILED, "eventfd");
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct sigaction before;

		/* What was ignored stays so: nohup. */
		sigaction(signals[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	return event;
}

int interrupt_fd(void)
{
	return listen_for(SA_RESETHAND);
}

int interrupt_patient_fd(void)
{
	return listen_for(0);
}

bool interrupted(void)
{
	return interrupt_sleep(0);
}

/* An FD below 0 is one that never has anything. */
bool interrupt_sleep(int ms)
{
	return fd_wait(-1, 0, interrupt_fd(), ms) == -ECANCELED;
}
