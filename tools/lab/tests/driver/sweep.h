/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sweeps: a migration is run again and again, and each time the next thing
 * fails in it, until nothing is left that could. After each run the source
 * has to be back in RUNNING with all that it had, the target has to be what
 * the source was, or to be recoverable, and to say that it failed.
 */
#ifndef DRIVER_SWEEP_H
#define DRIVER_SWEEP_H

#include "stand.h"

enum migration {
    SAVE_PRECOPY,               /* RUNNING, PRE_COPY, PRE_COPY_P2P, STOP_COPY, STOP */
    SAVE_STOPPED,               /* RUNNING, STOP, STOP_COPY, STOP */
    SAVE_CANCELLED,             /* RUNNING, PRE_COPY, RUNNING */
    SAVE_ABORTED,               /* as SAVE_PRECOPY, but back to RUNNING from STOP_COPY */
    LOAD,                       /* RUNNING, RESUMING, STOP, RUNNING */
    MIGRATIONS
};
extern const char *const migration_names[MIGRATIONS];

/* How the nth thing is made to fail. */
struct injector {
    char name[64];
    const void *how;            /* the injector's own */
    void (*arm)(struct bench *b, struct vf *v, const struct injector *i, unsigned nth);
    /* true: it struck since */
    bool (*disarm)(struct bench *b, struct vf *v, const struct injector *i);
    /* it fails also what the way back needs: ERROR is allowed, a reset has to help */
    bool may_lose;
    /* runs, where what does not strike in one may strike in the next; 0: until nothing strikes */
    unsigned runs;
};

/*
 * Saves as a VMM does, until something fails: 0 or that -errno. The stream is
 * whole if its end was read. *fd is left open.
 */
int save_run(struct vf *v, enum migration how, struct stream *s, bool *whole, int *fd);
/* Loads and lets it run. *fd is left open. */
int load_run(struct vf *v, const struct stream *s, int *fd);
/* The source goes on as if nothing had been; says why not. */
bool source_survives(struct bench *b, struct vf *v, uint64_t sum, bool may_lose);

/* One test point for each run; vf[0] is the source, vf[1] the target. */
void sweep(struct bench *b, enum migration how, const struct injector *i);

#endif
