/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two ways to show what `ferry inspect` sees: a table for people, JSON for
 * programs. Both print as the file passes, since it may be of any size.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include <stdbool.h>

#include <ferry/saved.h>

/**
 * struct inspected - a file while it is looked into
 * @name: of it, as the user wrote it
 * @hex: the first bytes of packets and records are shown, too
 * @stopped: why not all of it was read, or NULL
 * @headed: text: the headings are out; JSON: an item is out
 */
struct inspected {
	const char *name;
	bool hex;
	const char *stopped;
	bool headed;
};

struct inspect_view {
	void (*begin)(struct inspected *inspected);
	struct ferry_saved_events events;	/* context: struct inspected */
	/* So many more, wrong like the last one that was shown, up to that offset. */
	void (*repeated)(struct inspected *inspected, uint64_t times, uint64_t offset);
	/* So many that are wrong were not shown. */
	void (*omitted)(struct inspected *inspected, uint64_t count);
	void (*end)(struct inspected *inspected, const struct ferry_saved_summary *summary);
};

extern const struct inspect_view inspect_text;
extern const struct inspect_view inspect_json;

#endif /* INSPECT_H */
