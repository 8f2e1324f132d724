// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers tell of a function's migration in debugfs: ferry's own, or any
 * by the kernel's CONFIG_VFIO_DEBUGFS. See ferry/host.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/device.h>
#include <ferry/host.h>

#include "../base/sysfs.h"

#define DEBUGFS		"/sys/kernel/debug"
#define NO_MIGRATION	"no migration: "
#define AVAILABILITY	"availability "

static int state_of(const char *name)
{
	static const char *const names[] = { "ERROR", "STOP", "RUNNING", "STOP_COPY", "RESUMING", "RUNNING_P2P",
					     "PRE_COPY", "PRE_COPY_P2P" };

	for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* Both write these words. */
static void take_feature(struct ferry_status *status, const char *line)
{
	if (!strcmp(line, "stop-copy"))
		status->features |= FERRY_CAN_STOP_COPY;
	else if (!strcmp(line, "p2p"))
		status->features |= FERRY_CAN_P2P;
	else if (!strcmp(line, "pre-copy"))
		status->features |= FERRY_CAN_PRE_COPY;
	else if (!strcmp(line, "dirty-tracking"))
		status->dirty_tracking = true;
	else if (!strcmp(line, "chunks"))
		status->chunks = true;
	else if (!strncmp(line, NO_MIGRATION, strlen(NO_MIGRATION)))
		snprintf(status->reason, sizeof(status->reason), "%s", line + strlen(NO_MIGRATION));
}

static void take_stat(struct ferry_status *status, const char *line)
{
	if (!strncmp(line, AVAILABILITY, strlen(AVAILABILITY)))
		snprintf(status->link, sizeof(status->link), "%s", line + strlen(AVAILABILITY));
	else if (!strncmp(line, "full_state_bytes ", 17))
		status->bytes = strtoull(line + 17, NULL, 10);
}

static void take_failure(struct ferry_status *status, const char *line)
{
	if (!strncmp(line, "refused ", 8))
		snprintf(status->refusal, sizeof(status->refusal), "%s", line + 8);
	else
		snprintf(status->failure, sizeof(status->failure), "%s", line);
}

static void each_line(char *text, struct ferry_status *status, void (*take)(struct ferry_status *, const char *))
{
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take(status, line);
}

/* Of a driver that can say nothing by itself, its presence says that it migrates. */
static void read_vfio(const struct ferry_function *f, struct ferry_status *status)
{
	char text[1024];

	if (!ferry_sysfs_text(text, sizeof(text), DEBUGFS "/vfio/%s/migration/features", f->address))
		return;
	status->known = true;
	each_line(text, status, take_feature);
	if (ferry_sysfs_line(text, sizeof(text), DEBUGFS "/vfio/%s/migration/state", f->address))
		status->state = state_of(text);
}

static void read_ferry(const struct ferry_function *f, struct ferry_status *status)
{
	char text[2048];

	if (!ferry_sysfs_text(text, sizeof(text), DEBUGFS "/vfio_ferry/%s/features", f->address))
		return;
	status->known = true;
	each_line(text, status, take_feature);
	if (ferry_sysfs_line(text, sizeof(text), DEBUGFS "/vfio_ferry/%s/state", f->address))
		status->state = state_of(text);
	if (ferry_sysfs_text(text, sizeof(text), DEBUGFS "/vfio_ferry/%s/stats", f->address))
		each_line(text, status, take_stat);
	if (ferry_sysfs_text(text, sizeof(text), DEBUGFS "/vfio_ferry/%s/failure", f->address))
		each_line(text, status, take_failure);
}

FERRY_API void ferry_status_read(const struct ferry_function *f, struct ferry_status *status)
{
	memset(status, 0, sizeof(*status));
	status->state = -1;
	read_ferry(f, status);
	if (!status->known)
		read_vfio(f, status);
	status->migratable = status->known && !*status->reason && (status->features & FERRY_CAN_STOP_COPY);
}
