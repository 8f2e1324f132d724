/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time, and waiting for a file descriptor with an end to it.
 */
#ifndef FERRY_LIB_WAIT_H
#define FERRY_LIB_WAIT_H

/* Now, in milliseconds since whenever. */
double clock_ms(void);

/*
 * Waits for poll()'s @events, @stop_fd or the timeout; 0, -ECANCELED for the
 * stop, or -ETIMEDOUT.  No stop is -1; a timeout below 0 is none.
 */
int fd_wait(int fd, short events, int stop_fd, int timeout_ms);

#endif /* FERRY_LIB_WAIT_H */
