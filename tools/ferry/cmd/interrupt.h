/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ctrl-C, and what else asks ferry to end (SIGTERM, SIGHUP, SIGXCPU), as an FD: it becomes
 * readable then and stays so. A second one kills ferry as if nobody had asked to
 * wait, for those who cannot.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

/* The FD, from the first call on. It is never closed and not inherited. */
int interrupt_fd(void);

/* As that, but further signals do no more than the first: ending is under way, and must not be cut short. */
int interrupt_patient_fd(void);

bool interrupted(void);

/* Waits for that many ms, or until interrupted(), which is returned. */
bool interrupt_sleep(int ms);

#endif /* INTERRUPT_H */
