// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry_save(): a function into a file or pipe.
 */
#include <errno.h>

#include "../base/wait.h"
#include "source.h"

static int save(struct session *s)
{
	struct mover *m = &s->movers[0];
	struct ferry_error error;
	double began;
	int err;

	err = source_prepare(m);
	if (!err)
		err = session_pulse(s);
	if (!err && !s->options.raw && link_send_header(&s->link, &error))
		err = session_fail(s, &error);
	if (!err)
		err = source_introduce(m);
	m->report->figures.setup_ms = clock_ms() - s->began_ms;
	if (!err && m->precopies)
		err = source_precopy(s);
	began = clock_ms();
	if (!err)
		err = source_stop(s);
	/* from here on the file is whole, and a wish to cancel comes too late */
	if (!err && !session_commit(s))
		err = -ECANCELED;
	if (err)
		return err;
	/* One that its user had stopped stays so. */
	if (s->options.leave_running && m->runs) {
		double start = clock_ms();

		session_run(s);
		m->report->figures.start_ms = clock_ms() - start;
	} else {
		source_leave(m);
	}
	s->report->window_ms = clock_ms() - began;
	if (m->stuck.code)
		return session_fail(s, &m->stuck);
	m->report->outcome = FERRY_SAVED;
	s->report->outcome = FERRY_SAVED;
	return 0;
}

FERRY_API int ferry_save(struct ferry_device *device, int fd, const struct ferry_options *options,
			 struct ferry_report *report, struct ferry_error *error)
{
	struct ferry_channel file;
	struct session s;
	int err;

	channel_of_file(&file, fd);
	err = session_begin(&s, "source", &device, 1, &file, false, options, report, error);
	if (!err)
		err = save(&s);
	if (err && s.count)
		source_undo(&s);
	return session_end(&s, error);
}
