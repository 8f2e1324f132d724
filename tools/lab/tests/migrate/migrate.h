/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of moving a VF through VFIO's migration interface, by any driver. */
#ifndef MIGRATE_MIGRATE_H
#define MIGRATE_MIGRATE_H

#include "../lib/mig.h"
#include "../lib/tap.h"
#include "user.h"

struct setup {
    enum io_backend backend;
    unsigned nvfs;
    char vf[64][PCI_NAME];
    struct bar2 control;        /* of the PF, base NULL if it cannot be reached */
};

/* Sets a state and reports it as a test point; the data FD or -1. */
int go(struct user *u, int state);
/* Into an open resuming FD and out of it again: STOP, with all that was written. */
void arrive(struct user *u, const struct stream *s);

void test_path(struct setup *t);        /* the whole way, everything checked */
void test_direct(struct setup *t);      /* straight to STOP_COPY */
void test_cancel(struct setup *t);
void test_reinit(struct setup *t);
void test_size(struct setup *t);        /* all device memory is noise */
void test_many(struct setup *t);        /* all VFs in pairs, at once */
void test_dirty(struct setup *t);       /* DMA logging */
void test_absent(struct setup *t);      /* no VF can migrate */
void test_first_only(struct setup *t);  /* only the first one can */
void test_no_logging(struct setup *t);
void test_send(struct setup *t);        /* to another machine */
void test_receive(struct setup *t);

#endif
