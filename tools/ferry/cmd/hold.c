// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holding devices that were loaded.  VFIO resets a function when the last FD of
 * it is closed, so what was loaded lasts as long as somebody holds it: a
 * command that inherits the FDs, or this process until a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrate.h"

#define LIST_MAX	(FERRY_MAX_DEVICES * (FERRY_NAME_MAX + 1))

/* "A B C" of each device, into the environment of the command. */
static void export_list(const struct migrate *m, const char *name, void (*one)(char *, size_t, struct ferry_device *))
{
	char list[LIST_MAX] = "", item[FERRY_NAME_MAX];

	for (unsigned int i = 0; i < m->count; i++) {
		one(item, sizeof(item), m->devices[i]);
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? " " : "", item);
	}
	setenv(name, list, 1);
}

static void name_of(char *text, size_t size, struct ferry_device *device)
{
	snprintf(text, size, "%s", ferry_device_name(device));
}

static void device_fd_of(char *text, size_t size, struct ferry_device *device)
{
	snprintf(text, size, "%d", ferry_device_fd(device));
}

static void iommu_fd_of(char *text, size_t size, struct ferry_device *device)
{
	snprintf(text, size, "%d", ferry_device_iommu_fd(device));
}

static void ioas_of(char *text, size_t size, struct ferry_device *device)
{
	snprintf(text, size, "%u", ferry_device_ioas(device));
}

static void become(struct migrate *m, char *const *command)
{
	export_list(m, "FERRY_DEVICES", name_of);
	export_list(m, "FERRY_DEVICE_FDS", device_fd_of);
	export_list(m, "FERRY_IOMMU_FDS", iommu_fd_of);
	export_list(m, "FERRY_IOAS", ioas_of);
	for (unsigned int i = 0; i < m->count; i++) {
		fcntl(ferry_device_fd(m->devices[i]), F_SETFD, 0);
		fcntl(ferry_device_iommu_fd(m->devices[i]), F_SETFD, 0);
	}
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	execvp(command[0], command);
	_exit(complain(EXIT_FAILED, "%s: %s", command[0], strerror(errno)));
}

/* Until somebody asks for an end, or so long: true then. The host asks for a device, and waits until it is closed. */
static bool asked_to_end(struct migrate *m, int ms)
{
	struct pollfd wait = { .fd = m->options.cancel_fd, .events = POLLIN };

	if (poll(&wait, 1, ms) <= 0)
		return false;
	if (migrate_wanted(m))
		complain(EXIT_DONE, "the host wants %s back: let go", migrate_wanted(m));
	return true;
}

/* A terminal's Ctrl-C reaches the command by itself; whoever ends ferry by its number, means the command, too. */
static int run(struct migrate *m, char *const *command)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return complain(EXIT_FAILED, "%s: %s", command[0], strerror(errno));
	if (!child)
		become(m, command);
	for (;;) {
		pid_t ended = waitpid(child, &status, WNOHANG);

		if (ended == child)
			break;
		if (ended < 0 && errno != EINTR)
			return complain(EXIT_FAILED, "%s: %s", command[0], strerror(errno));
		if (asked_to_end(m, 100)) {
			kill(child, SIGTERM);
			waitpid(child, &status, 0);
			break;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int hold(struct migrate *m, char *const *command)
{
	if (command)
		return run(m, command);
	if (!m->quiet)
		fprintf(stderr, "ferry holds %s%s; Ctrl-C or SIGTERM lets go, which resets %s\n",
			ferry_device_name(m->devices[0]), m->count > 1 ? " and the others" : "",
			m->count > 1 ? "them" : "it");
	while (!asked_to_end(m, -1))
		;
	return EXIT_DONE;
}
