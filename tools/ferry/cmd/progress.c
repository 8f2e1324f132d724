// SPDX-License-Identifier: GPL-2.0-only
/*
 * Progress on stderr: one line that changes in place, or, asked for where it is
 * no terminal, a line a second.
 */
#include <string.h>

#include "migrate.h"

#include "../lib/base/wait.h"

static bool in_place;
static double last;	/* ms */

static bool too_early(void)
{
	if (clock_ms() - last < 990)
		return true;
	last = clock_ms();
	return false;
}

static void show(void *opaque, const struct ferry_progress *p)
{
	char bytes[HUMAN_SIZE], expected[HUMAN_SIZE], rate[HUMAN_SIZE], rest[64] = "";
	uint64_t left = p->expected > p->bytes ? p->expected - p->bytes : 0;

	if (p->phase == FERRY_PHASE_DONE || (!in_place && too_early()))
		return;
	human_bytes(bytes, p->bytes);
	human_bytes(expected, p->expected);
	human_bytes(rate, p->rate);
	if (p->phase == FERRY_PHASE_INITIAL && p->rate && p->expected)
		snprintf(rest, sizeof(rest), ", %u s left", (unsigned int)(left / p->rate + 1));
	else if (p->phase == FERRY_PHASE_DIRTY)
		snprintf(rest, sizeof(rest), ", a stop now would take %u ms", p->downtime_ms);
	fprintf(stderr, "%s  %-12s %10s", in_place ? "\r" : "", ferry_phase_name(p->phase), bytes);
	if (p->expected)
		fprintf(stderr, " of %s", expected);
	fprintf(stderr, ", %s/s%s%s", rate, rest, in_place ? "\033[K" : "\n");
	fflush(stderr);
}

void migrate_show(struct migrate *m)
{
	in_place = output_is_terminal(stderr);
	if (!m->quiet && (in_place || m->progress))
		m->options.progress = show;
}

void migrate_hide(struct migrate *m)
{
	if (m->options.progress && in_place)
		fputs("\r\033[K", stderr);
	m->options.progress = NULL;
}
