/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user of the function that `ferry qualify` moves, as a command: it is run by
 * the shell with a word behind it that says what to do, and has
 *
 *	FERRY_DEVICE		address of the function that holds the state now
 *	FERRY_DEVICE_FD		number of its VFIO device FD, inherited
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <ferry/device.h>

/* The command has so long for one word. */
#define WORKLOAD_SECONDS 60

/**
 * workload_run() - run the command and wait for its end
 * @command: for the shell
 * @word: "start", "moved" or "stop"
 * @device: that holds the state
 * @error: its status or signal
 *
 * Return: 0 if it ended with 0; -ETIMEDOUT: it was killed; -EBADMSG: it says
 * that something is wrong, or could not be run.
 */
int workload_run(const char *command, const char *word, struct ferry_device *device, struct ferry_error *error);

#endif /* WORKLOAD_H */
