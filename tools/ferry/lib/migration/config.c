// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space of another device of the same kind, restored.
 *
 * What a user may write and no migration driver keeps is restored: BARs, ROM,
 * cache line, latency, interrupt line, and last the command register, which
 * switches on what the others describe.  Interrupts themselves (MSI-X) are
 * set up through VFIO_DEVICE_SET_IRQS by whoever takes them, which also
 * restores their capability; the rest is VFIO's to virtualise, and the same on
 * both sides or the devices are not alike.
 */
#include <errno.h>
#include <string.h>

#include "session.h"

#define HEADER_SIZE	0x40
#define COMMAND		0x04
#define CLASS		0x09
#define CACHE_LINE	0x0c
#define HEADER_TYPE	0x0e
#define BARS		0x10
#define SUBSYSTEM	0x2c
#define ROM		0x30
#define CAPABILITIES	0x34
#define INTERRUPT_LINE	0x3c
#define INTERRUPT_PIN	0x3d

static const struct range {
	uint8_t offset, length;
	const char *name;
} alike[] = {
	{ 0x00, 4, "vendor or device ID" },
	{ CLASS, 3, "class" },
	{ HEADER_TYPE, 1, "header type" },
	{ SUBSYSTEM, 4, "subsystem" },
	{ CAPABILITIES, 1, "capabilities" },
	{ INTERRUPT_PIN, 1, "interrupt pin" },
}, restored[] = {
	{ CACHE_LINE, 2, "cache line and latency" },
	{ BARS, 24, "BARs" },
	{ ROM, 4, "ROM" },
	{ INTERRUPT_LINE, 1, "interrupt line" },
	{ COMMAND, 2, "command register" },
};

int config_restore(struct mover *m, const uint8_t *saved, size_t size)
{
	const char *name = ferry_device_name(m->device);
	struct ferry_error error;
	uint8_t own[HEADER_SIZE];
	int err;

	if (size < HEADER_SIZE || size != ferry_device_config_size(m->device))
		return session_failf(m->session, EXDEV, "%s has %zu bytes of configuration space, the source %zu",
				     name, ferry_device_config_size(m->device), size);
	err = ferry_device_config_read(m->device, 0, own, sizeof(own), &error);
	if (err)
		return session_fail(m->session, &error);
	for (unsigned int i = 0; i < sizeof(alike) / sizeof(*alike); i++)
		if (memcmp(own + alike[i].offset, saved + alike[i].offset, alike[i].length))
			return session_failf(m->session, EXDEV, "%s is not like the source: its %s in configuration space differs",
					     name, alike[i].name);
	for (unsigned int i = 0; i < sizeof(restored) / sizeof(*restored); i++) {
		const struct range *r = &restored[i];

		/* in dwords, as a driver writes them */
		for (unsigned int at = r->offset; at < r->offset + r->length; at += 4) {
			unsigned int length = r->offset + r->length - at;

			err = ferry_device_config_write(m->device, at, saved + at, length < 4 ? length : 4, &error);
			if (err)
				return session_fail(m->session, &error);
		}
	}
	m->report->figures.config_bytes = size;
	return 0;
}
