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

/* The port that stands for a VF on the host's side, "pci/0000:01:00.0/2"; false if there is none. */
bool ferry_devlink_port(const struct ferry_function *vf, char *port, size_t size);

#endif /* FERRY_LIB_DEVLINK_H */
