/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refusals as a table: a command that would be accepted, one or two fields
 * changed, and the status and syndrome that the model must answer with.
 *
 * After each refusal all that could have changed is compared: the number of
 * objects of each kind of every function, and the state of every VHCA.
 */
#ifndef BARE_REFUSALS_H
#define BARE_REFUSALS_H

#include "bench.h"

struct change {
    unsigned bit, width;        /* an F_*; width 0: no more changes */
    uint64_t value;
};

struct refusal {
    const char *name;
    /* Builds the command that would be accepted. */
    void (*build)(struct bench *b, struct fw *fw, struct fw_cmd *c);
    struct change change[3];
    unsigned status;
    uint32_t syndrome;
};

enum { NONE = 0xabcdef };               /* a number that no object has */

/* Builds a command that names an object, and no more. */
#define BUILD_ID(name, opcode, id)                                          \
    static void name(struct bench *b, struct fw *fw, struct fw_cmd *c)      \
    {                                                                       \
        (void)b, (void)fw;                                                  \
        fw_cmd_init(c, opcode, 0, 16, 16);                                  \
        cmd_set(c, F_IN_ID24, id);                                          \
    }

/* Sends each through fw and checks the answer and that nothing changed. */
void refusals_run(struct bench *b, struct fw *fw, const struct refusal *table, unsigned n);
/* One command that is to be refused, however it was made. */
void refused(struct bench *b, struct fw *fw, struct fw_cmd *c, unsigned status,
             uint32_t syndrome, const char *name);
/* One command that is to be accepted. */
bool accepted(struct fw *fw, struct fw_cmd *c, const char *name);

#endif
