/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz of the model's Ethernet is made of: each part makes something
 * that is right, or nearly so, from numbers that follow from a seed.
 */
#ifndef BARE_FUZZ_H
#define BARE_FUZZ_H

#include "../lib/fweth.h"
#include "bench.h"

enum {
    FUZZ_FRAMES = 4 * 4096,     /* bytes of fw_eth.frames */
    FUZZ_RING = 1 << ETH_LOG_QUEUE,
    FUZZ_BLOCKS = 16,           /* WQEBBs of the largest WQE */
};

extern uint64_t fuzz_cases;     /* WQEs, frames, commands and images so far */

/* fuzz.c */
uint32_t any(uint32_t below);
uint64_t any64(void);
uint32_t any_value(void);       /* small, or near a power of two, or anything */
void spoil(uint8_t *p, uint32_t len, unsigned times);

/* fuzz_send.c: a WQE, and what is to become of it */
struct fuzz_wqe {
    uint8_t bytes[FUZZ_BLOCKS * WQEBB];
    uint32_t units;             /* that it has; it may say otherwise */
    uint32_t len;               /* of the frame, which lies in fw_eth.frames */
    uint32_t header;            /* of an LSO: as far as the headers go, 0: unknown */
    bool frame_known;           /* what it sends is what lies there */
};
enum { FUZZ_SENT = 0, FUZZ_EITHER = -1 };   /* else the syndrome of its completion */

void fuzz_wqe(struct fw *fw, const struct fw_eth *e, const uint8_t *to, struct fuzz_wqe *w);
void fuzz_wqe_spoil(const struct fw *fw, const struct fw_eth *e, struct fuzz_wqe *w);
/* Its verdict if so many WQEBBs are posted. */
int fuzz_wqe_verdict(const struct fw_eth *e, const struct fuzz_wqe *w, unsigned blocks);
/* Puts it into the ring; value: its WQEBBs. */
unsigned fuzz_wqe_post(struct fw *fw, struct fw_eth *e, const struct fuzz_wqe *w);

/* fuzz_commands.c: e follows what is created; false: no answer in so many ms */
bool fuzz_command(struct fw *fw, struct fw_eth *e, unsigned ms);
/* Other hashing by its TIR, and nothing else; false: refused. */
bool fuzz_hash(struct fw *fw, const struct fw_eth *e);

#endif
