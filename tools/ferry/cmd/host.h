/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands for the administrator of a host.
 */
#ifndef HOST_H
#define HOST_H

#include "command.h"

extern const struct command list_command;
extern const struct command doctor_command;
extern const struct command bind_command;
extern const struct command unbind_command;

#endif /* HOST_H */
