// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens in a stream. See trace.h.
 */
#include "trace.h"

void trace_init(struct trace *trace, size_t length)
{
	/* Two events for each header at most, and a refusal */
	trace->room = length / FERRY_WIRE_HEADER_BYTES * 2 + 2;
	trace->count = 0;
	trace->events = calloc(trace->room, sizeof(*trace->events));
	expect(trace->events, "no memory");
}

void trace_free(struct trace *trace)
{
	free(trace->events);
}

void trace_add(struct trace *trace, enum ferry_decoder_event what, size_t at,
	       u64 value)
{
	expect(trace->count < trace->room, "more events than headers");
	trace->events[trace->count++] = (struct event) {
		.what = what,
		.at = at,
		.value = value,
	};
}

const char *event_name(enum ferry_decoder_event event)
{
	static const char *const names[] = {
		[FERRY_EVENT_MORE] = "MORE",
		[FERRY_EVENT_IDENTITY] = "IDENTITY",
		[FERRY_EVENT_SHAPE] = "SHAPE",
		[FERRY_EVENT_IMAGE] = "IMAGE",
		[FERRY_EVENT_SKIP] = "SKIP",
		[FERRY_EVENT_IMAGE_WHOLE] = "IMAGE_WHOLE",
		[FERRY_EVENT_END] = "END",
		[FERRY_EVENT_REFUSED] = "REFUSED",
	};

	return event < sizeof(names) / sizeof(*names) ? names[event] : "none";
}

static bool is_same(const struct event *event, const struct event *reference)
{
	if (event->what != reference->what || event->at != reference->at)
		return false;
	if (event->what == FERRY_EVENT_REFUSED)
		return event->value & reference->value;
	return event->value == reference->value;
}

void trace_expect_same(const struct trace *trace, const struct trace *reference,
		       const char *name)
{
	for (size_t i = 0; i < trace->count && i < reference->count; i++) {
		const struct event *is = &trace->events[i];
		const struct event *due = &reference->events[i];

		expect(is_same(is, due),
		       "%s: event %zu is %s (%#llx) at %zu, not %s (%#llx) at %zu",
		       name, i, event_name(is->what),
		       (unsigned long long)is->value, is->at,
		       event_name(due->what), (unsigned long long)due->value,
		       due->at);
	}
	expect(trace->count == reference->count, "%s: %zu events, not %zu",
	       name, trace->count, reference->count);
}
