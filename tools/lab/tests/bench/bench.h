/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The benchmark: what a migration costs with one driver and with another,
 * measured in turn in the same VM on the same model. Prints a figure a line,
 * as JSON; the script `bench` beside this boots the VMs and judges.
 *
 * A figure is in nanoseconds unless its name says otherwise. In a VM with a
 * counting clock (`lab run --counted`) that is instructions and the model's
 * own time; elsewhere it is what the host makes of it.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "../driver/stand.h"

enum { PIECE = 1 << 20 };       /* of a read() or write() */

/* A side of a comparison: its VFs, in the order of their numbers. */
struct side {
    const char *driver;
    struct vf *vf[MAX_VFS];
    unsigned vfs;
};

enum { MAX_SIDES = 2 };
struct sides {
    struct side side[MAX_SIDES];
    unsigned n;
};

uint64_t now_ns(void);
/* The processor's time of this thread alone. */
uint64_t cpu_ns(void);
/* One figure of one driver; at: what the measure was varied in, 0 if in nothing. */
void figure(const struct vf *v, const char *measure, long at, double value);
/* How many times each is measured: $BENCH_ROUNDS. */
unsigned rounds(void);
/* The VFs by their drivers. */
struct sides sides_of(struct bench *b);
/* Measures each side in turn, so many rounds, the order changing. */
void in_rounds(struct sides *all, unsigned at, void (*measure)(struct side *s, unsigned at));
/* Measures each side's first VF in turn, so many rounds, the order changing. The VF is open. */
void in_turn(struct bench *b, void (*measure)(struct bench *b, struct vf *v));

uint64_t state_size(struct vf *v);
/* A buffer of a piece, and an FD that takes everything. */
void *piece(void);
int nowhere(void);

/* From RUNNING to PRE_COPY, all read that there is; the saving FD. */
int precopy(struct vf *v);
/* Reads until the end, in calls of that size; bytes. */
uint64_t read_to_end(struct vf *v, int fd, size_t call);
/* From any state with a saving FD to RUNNING, untimed. */
void run_again(struct vf *v, int fd);
/* Does this NIC save in chunks ($BENCH_CHUNKS)? Then nobody can tell a copy from the firmware's work. */
bool in_chunks(void);

/* The ferry tool's command with its words, for a VF that is lent to it. out: its standard output, or -1. */
pid_t ferry_tool(struct vf *v, const char *command, int out, const char *const *words);
/* The processor's time of a process, which has to end well. */
uint64_t ended_well(pid_t pid, const char *what);
/* What it costs the sender to send the first VF's state, in STOP, over loopback: to a process that drops it, to ferry. */
uint64_t send_by_loop(struct side *s, bool in_tls);
uint64_t send_by_tool(struct side *s, bool in_tls);

/* The groups of figures. */
void bench_window(struct bench *b);
void bench_bytes(struct bench *b);
void bench_receive(struct bench *b);
void bench_memory(struct bench *b);
void bench_asking(struct bench *b);
void bench_downtime(struct bench *b);
void bench_tracking(struct bench *b);
void bench_tool(struct bench *b);

#endif
