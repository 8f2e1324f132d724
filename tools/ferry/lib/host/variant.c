// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO drivers that can migrate a function. See variant.h.
 */
#include <stdio.h>
#include <string.h>

#include "../base/program.h"
#include "../base/sysfs.h"
#include "variant.h"

#define ENGINE "vfio_ferry"

/* Ferry's own, which modprobe does not know of if they were loaded by hand. */
static const struct {
	uint16_t vendor, device;
	const char *driver;
} own[] = {
	{ 0x15b3, 0x101e, "mlx5_ferry_vfio_pci" },	/* ConnectX Family mlx5Gen Virtual Function */
};

#define OWN_COUNT (sizeof(own) / sizeof(*own))

static const char *own_driver(const struct ferry_function *f)
{
	for (unsigned int i = 0; i < OWN_COUNT; i++)
		if (own[i].vendor == f->vendor && own[i].device == f->device)
			return own[i].driver;
	return NULL;
}

const char *ferry_driver_engine(const char *driver)
{
	for (unsigned int i = 0; i < OWN_COUNT; i++)
		if (!strcmp(own[i].driver, driver))
			return ENGINE;
	return NULL;
}

/* Modules, a line each, whose alias for VFIO fits the function. */
static void ask_modprobe(const struct ferry_function *f, char *out, size_t size)
{
	char alias[96];

	snprintf(alias, sizeof(alias), "vfio_pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", f->vendor, f->device,
		 f->subsystem_vendor, f->subsystem_device, f->class >> 16 & 0xff, f->class >> 8 & 0xff,
		 f->class & 0xff);
	ferry_modprobe(out, size, "-R", alias);
}

bool ferry_variant(const struct ferry_function *f, char driver[FERRY_DRIVER_MAX])
{
	const char *mine = own_driver(f);
	char out[1024], *rest;

	snprintf(driver, FERRY_DRIVER_MAX, "%s", mine ? mine : "");
	if (mine && ferry_driver_presence(mine) != FERRY_ABSENT)
		return true;
	ask_modprobe(f, out, sizeof(out));
	for (char *line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strcmp(line, "vfio_pci") && strcmp(line, "vfio-pci")) {
			snprintf(driver, FERRY_DRIVER_MAX, "%s", line);
			break;
		}
	return *driver;
}

enum ferry_presence ferry_driver_presence(const char *driver)
{
	if (ferry_sysfs_exists(PCI_DRIVERS "/%s", driver))
		return FERRY_LOADED;
	return ferry_module_available(driver) ? FERRY_LOADABLE : FERRY_ABSENT;
}
