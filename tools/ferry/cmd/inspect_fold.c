// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folding what is wrong again and again. See inspect_fold.h.
 */
#include <stdlib.h>
#include <string.h>

#include "inspect_fold.h"

/* More can not be wrong with one record or packet; what would be, is shown later than it could. */
#define FINDINGS_MAX	16
/* Faulty ones that are shown */
#define SHOWN_MAX	200

/* A packet or record, and what is wrong with it. */
struct group {
	enum { GROUP_NONE, GROUP_PACKET, GROUP_RECORD } kind;
	uint32_t device;
	uint64_t offset;
	struct ferry_saved_packet packet;
	struct ferry_record record;
	struct ferry_finding findings[FINDINGS_MAX];
	bool of_packet[FINDINGS_MAX];
	unsigned int count;
};

struct fold {
	const struct inspect_view *view;
	struct inspected *inspected;
	struct group now, shown;	/* what comes in; the last that was shown */
	uint64_t repeats, last_offset;	/* of @shown */
	uint64_t faulty, omitted;
};

struct fold *fold_new(const struct inspect_view *view, struct inspected *inspected)
{
	struct fold *fold = calloc(1, sizeof(*fold));

	if (fold) {
		fold->view = view;
		fold->inspected = inspected;
	}
	return fold;
}

void fold_free(struct fold *fold)
{
	free(fold);
}

static bool alike(const struct group *a, const struct group *b)
{
	bool same = a->kind == b->kind && a->device == b->device && a->count == b->count;

	if (same && a->kind == GROUP_PACKET)
		same = a->packet.type == b->packet.type && a->packet.size == b->packet.size;
	else if (same)
		same = a->record.size == b->record.size && a->record.tag == b->record.tag &&
		       a->record.flags == b->record.flags && a->record.present == b->record.present;
	for (unsigned int i = 0; same && i < a->count; i++)
		same = !strcmp(a->findings[i].text, b->findings[i].text);
	return same;
}

static void show_finding(struct fold *fold, const struct group *group, unsigned int i)
{
	if (group->of_packet[i])
		fold->view->events.packet_finding(fold->inspected, &group->findings[i]);
	else
		fold->view->events.finding(fold->inspected, group->device, &group->findings[i]);
}

static void show_repeats(struct fold *fold)
{
	if (fold->repeats)
		fold->view->repeated(fold->inspected, fold->repeats, fold->last_offset);
	fold->repeats = 0;
}

/* What is there of the one that comes in is all there is of it. */
static void close_group(struct fold *fold)
{
	struct group *now = &fold->now;

	if (now->kind == GROUP_NONE && !now->count)
		return;
	if (now->count && alike(now, &fold->shown)) {
		fold->repeats++;
		fold->last_offset = now->offset;
	} else if (now->count && fold->faulty == SHOWN_MAX) {
		fold->omitted++;
	} else {
		show_repeats(fold);
		if (now->kind == GROUP_PACKET)
			fold->view->events.packet(fold->inspected, &now->packet);
		else if (now->kind == GROUP_RECORD)
			fold->view->events.record(fold->inspected, now->device, &now->record);
		for (unsigned int i = 0; i < now->count; i++)
			show_finding(fold, now, i);
		fold->faulty += !!now->count;
		fold->shown = *now;
	}
	now->kind = GROUP_NONE;
	now->count = 0;
}

static void note(struct fold *fold, const struct ferry_finding *finding, bool of_packet)
{
	struct group *now = &fold->now;

	if (now->count == FINDINGS_MAX)
		close_group(fold);
	now->of_packet[now->count] = of_packet;
	now->findings[now->count++] = *finding;
}

static void packet(void *context, const struct ferry_saved_packet *packet)
{
	struct fold *fold = context;

	close_group(fold);
	fold->now.kind = GROUP_PACKET;
	fold->now.device = packet->device;
	fold->now.offset = packet->offset;
	fold->now.packet = *packet;
}

static void packet_finding(void *context, const struct ferry_finding *finding)
{
	note(context, finding, true);
}

static void record(void *context, uint32_t device, const struct ferry_record *record)
{
	struct fold *fold = context;

	close_group(fold);
	fold->now.kind = GROUP_RECORD;
	fold->now.device = device;
	fold->now.offset = record->offset;
	fold->now.record = *record;
}

static void finding(void *context, uint32_t device, const struct ferry_finding *finding)
{
	struct fold *fold = context;

	if (fold->now.device != device)
		close_group(fold);
	fold->now.device = device;
	note(fold, finding, false);
}

const struct ferry_saved_events fold_events = { packet, packet_finding, record, finding };

void fold_end(struct fold *fold)
{
	close_group(fold);
	show_repeats(fold);
	if (fold->omitted)
		fold->view->omitted(fold->inspected, fold->omitted);
}
