// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's identity on the wire, and as the API shows it. See session.h.
 */
#include <endian.h>
#include <stdio.h>

#include "session.h"

void identity_to_wire(const struct ferry_identity *i, struct ferry_packet_device *w)
{
	*w = (struct ferry_packet_device){
		.vendor = htole16(i->vendor),
		.device = htole16(i->device),
		.subsystem_vendor = htole16(i->subsystem_vendor),
		.subsystem_device = htole16(i->subsystem_device),
		.revision = htole32(i->revision),
		.features = htole32(i->features),
	};
	snprintf(w->name, sizeof(w->name), "%s", i->name);
	snprintf(w->driver, sizeof(w->driver), "%s", i->driver);
}

/* A name of another host goes to a terminal. */
static void copy_name(char *to, size_t size, const char *from, size_t length)
{
	size_t i;

	for (i = 0; i < length && i < size - 1 && from[i]; i++)
		to[i] = from[i] > ' ' && from[i] < 127 ? from[i] : '?';
	to[i] = '\0';
}

void identity_from_wire(const struct ferry_packet_device *w, struct ferry_identity *i)
{
	*i = (struct ferry_identity){
		.vendor = le16toh(w->vendor),
		.device = le16toh(w->device),
		.subsystem_vendor = le16toh(w->subsystem_vendor),
		.subsystem_device = le16toh(w->subsystem_device),
		.revision = le32toh(w->revision),
		.features = le32toh(w->features),
	};
	copy_name(i->name, sizeof(i->name), w->name, sizeof(w->name));
	copy_name(i->driver, sizeof(i->driver), w->driver, sizeof(w->driver));
}
