// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a migration is measured by: a device's bytes and times, and all
 * devices' together. See session.h.
 */
#include "session.h"

void mover_count(struct mover *m, const uint8_t *data, size_t size)
{
	images_count(&m->images, data, size);
	m->phase_bytes += size;
	m->total += size;
	m->session->bytes += size;
}

void mover_phase_done(struct mover *m, double ms)
{
	struct ferry_figures *f = &m->report->figures;
	int64_t count = images_so_far(&m->images);
	int64_t images = count < 0 ? -1 : count - m->images_before;

	m->images_before = count;
	switch (m->phase) {
	case FERRY_PACKET_PHASE_INITIAL:
		f->initial_bytes += m->phase_bytes;
		f->initial_images = images < 0 ? -1 : f->initial_images + images;
		f->initial_ms += ms;
		break;
	case FERRY_PACKET_PHASE_DIRTY:
		f->dirty_bytes += m->phase_bytes;
		f->dirty_images = images < 0 ? -1 : f->dirty_images + images;
		f->dirty_ms += ms;
		break;
	case FERRY_PACKET_PHASE_STOP_COPY:
		f->stop_bytes += m->phase_bytes;
		f->stop_images = images < 0 ? -1 : f->stop_images + images;
		break;
	}
	m->phase_bytes = 0;
}

static void add(int64_t *sum, int64_t more)
{
	*sum = *sum < 0 || more < 0 ? -1 : *sum + more;
}

static void longest(double *sum, double one)
{
	*sum = one > *sum ? one : *sum;
}

/* Bytes add up; time passes for all devices at once, so the slowest one's counts. */
void session_total(struct session *s)
{
	struct ferry_figures *t = &s->report->total;

	*t = (struct ferry_figures){ 0 };
	for (unsigned int i = 0; i < s->count; i++) {
		const struct ferry_figures *f = &s->report->device[i].figures;

		t->initial_bytes += f->initial_bytes;
		t->dirty_bytes += f->dirty_bytes;
		t->stop_bytes += f->stop_bytes;
		t->config_bytes += f->config_bytes;
		add(&t->initial_images, f->initial_images);
		add(&t->dirty_images, f->dirty_images);
		add(&t->stop_images, f->stop_images);
		longest(&t->setup_ms, f->setup_ms);
		longest(&t->initial_ms, f->initial_ms);
		longest(&t->dirty_ms, f->dirty_ms);
		longest(&t->suspend_ms, f->suspend_ms);
		longest(&t->save_ms, f->save_ms);
		longest(&t->transfer_ms, f->transfer_ms);
		longest(&t->load_ms, f->load_ms);
		longest(&t->start_ms, f->start_ms);
	}
}

FERRY_API const char *ferry_phase_name(enum ferry_phase phase)
{
	static const char *const names[FERRY_PHASES] = {
		[FERRY_PHASE_SETUP] = "setup",
		[FERRY_PHASE_INITIAL] = "initial data",
		[FERRY_PHASE_DIRTY] = "changes",
		[FERRY_PHASE_STOP_COPY] = "stop-copy",
		[FERRY_PHASE_LOAD] = "load",
		[FERRY_PHASE_START] = "start",
		[FERRY_PHASE_DONE] = "done",
	};

	return phase < FERRY_PHASES ? names[phase] : "unknown";
}

FERRY_API const char *ferry_outcome_name(enum ferry_outcome outcome)
{
	static const char *const names[] = {
		[FERRY_STAYED] = "stayed",
		[FERRY_MOVED] = "moved",
		[FERRY_SAVED] = "saved",
		[FERRY_LOADED] = "loaded",
		[FERRY_STUCK] = "stuck",
		[FERRY_UNKNOWN] = "unknown",
	};

	return outcome < sizeof(names) / sizeof(*names) ? names[outcome] : "unknown";
}
