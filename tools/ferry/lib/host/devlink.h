/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What devlink(8) knows of a physical function.
 */
#ifndef FERRY_LIB_DEVLINK_H
#define FERRY_LIB_DEVLINK_H

#include <stdbool.h>
#include <stddef.h>

#include <ferry/host.h>

/* The version of the firmware that runs; false if devlink does not tell. */
bool ferry_devlink_firmware(const char *address, char *text, size_t size);

/* A health reporter that reports an error; false if there is none. */
bool ferry_devlink_ill(const char *address, char *reporter, size_t size);

/* Mode of its switch, "legacy" or "switchdev"; false if it has none, or devlink does not tell. */
bool ferry_devlink_mode(const char *address, char *mode, size_t size);

/* False if devlink refuses. */
bool ferry_devlink_set_mode(const char *address, const char *mode);

enum ferry_migratable {
	FERRY_MIGRATABLE_UNKNOWN,	/* this devlink, kernel or NIC does not tell */
	FERRY_MIGRATABLE_OFF,
	FERRY_MIGRATABLE_ON,
};

/**
 * ferry_devlink_port() - the port that stands for a VF on the host's side
 * @vf: the VF
 * @port: set to its name, "pci/0000:01:00.0/2", "" if there is none
 * @size: of @port
 *
 * Return: whether the VF may be migrated, as the port's function says.
 */
enum ferry_migratable ferry_devlink_port(const struct ferry_function *vf, char *port, size_t size);

/* Says it to the port; of a VF that no driver has. False if devlink refuses. */
bool ferry_devlink_set_migratable(const char *port, bool on);

#endif /* FERRY_LIB_DEVLINK_H */
