/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of a VF's own queues, in user space, which sends messages to
 * itself. All that it knows lies in memory that the device reads and writes,
 * too: so it goes on where that memory and the device's state are, as the
 * driver in a VM does. Whatever is not as it should be ends the test.
 */
#ifndef CONFORMANCE_TRAFFIC_H
#define CONFORMANCE_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traffic;

/* bar: BAR 0. fresh: begins, and all objects that the function has are gone; else goes on with what the memory has. */
struct traffic *traffic_open(void *bar, void *memory, uint64_t iova, size_t size, bool fresh);
/* Value: the number of the last message. runs: the device does, so that none may get lost. */
uint64_t traffic_post(struct traffic *t, unsigned count, bool runs);
/* The number of the last one that came back. */
uint64_t traffic_seen(struct traffic *t);

#endif
