/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFs in the phases of a migration in which their physical function may die,
 * each with a session whose FD outlives it.
 */
#ifndef DRIVER_VICTIMS_H
#define DRIVER_VICTIMS_H

#include "stand.h"

enum {
    PHASES      = 6,
    VICTIMS     = 2,            /* at a time, b->vf[0] and [1] */
    DEATH_MS    = 60000,        /* mlx5_core looks every two seconds */
};

struct victim {
    struct vf *v;
    const struct stream *stream;        /* what a load gets */
    int fd;
    bool load;
};

extern const struct phase {
    const char *name;
    void (*enter)(struct bench *b, struct victim *w);
} phases[PHASES];

/* Opens a VF, and watches an event (vfio.h); ends the test if that fails. */
void victim_open(struct vf *v, unsigned event);
/* An open VF and its session; the pages that it writes are tracked, too. Ends the test if that is not to be had. */
struct victim victim_of(struct bench *b, struct vf *v, const struct phase *phase, const struct stream *s);

/* Do all of them say in debugfs that they can, or cannot, reach the PF's firmware? */
bool victims_available(struct bench *b, const char *word);
/* The session is over, the VF is in ERROR and no memory is lost; says what is not so. */
bool victim_is_over(struct victim *w);
/* Can a VF be migrated to the other, as a VMM finds them that starts a VM anew? Says why not. */
bool victims_migrate(struct vf *from, struct vf *to);

/* A shell's command, with the PF's address for %s; ends the test if it fails. */
void pf_command(struct bench *b, const char *format);

#endif
