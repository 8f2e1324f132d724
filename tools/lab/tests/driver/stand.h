/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand of the driver tests: VFs bound to a variant driver, the model's
 * control block, and what the driver shows of itself.
 *
 * A test may run threads, one for each VF; what needs the control block,
 * which is one for all, goes through this file's functions, which lock it.
 * What differs between drivers is said by vf->ferry: only ferry has debugfs
 * files and promises what its documentation does.
 */
#ifndef DRIVER_STAND_H
#define DRIVER_STAND_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../connectx/ifc.h"
#include "../lib/bar2.h"
#include "../lib/mig.h"
#include "../lib/pci.h"
#include "../lib/tap.h"
#include "../lib/vfio.h"

enum {
    MAX_VFS     = 64,
    PAGE        = 4096,
    SEED        = 7,            /* of what a VF's memory is filled with */
};

struct vf {
    unsigned number;
    unsigned id;                /* vhca_id */
    char bdf[PCI_NAME];
    char driver[32];
    bool ferry;
    struct io_space space;
    struct vfio_function fn;
    struct bar2 wl;
};

struct bench {
    char pf[PCI_NAME];
    struct bar2 control;
    struct vf vf[MAX_VFS];
    unsigned vfs;
    uint64_t pds, mkeys;        /* of the PF, with no VF open */
};

/* Finds the VFs; opens none. */
void bench_open(struct bench *b);
/* Everything is closed and the driver still there: what is left over is a failure. */
void bench_check_clean(struct bench *b, const char *after);
/* Binds the VFs to the driver that they had when the bench was opened. */
int bench_bind(struct bench *b);

/* Opens a VF and maps BAR 2; ends the test if that fails. */
void vf_open(struct vf *v);
/* The same, for a test of whether it can be opened. */
int vf_try_open(struct vf *v);
void vf_close(struct vf *v);
/* As after power-on, the state RUNNING; faults are disarmed by the caller. */
void vf_reset(struct vf *v);
/* So much of its device memory, in bytes of whole pages. */
uint64_t vf_percent(struct vf *v, unsigned percent);
/* Fills device memory; then so many pages are changed, which are those of a later round. */
void vf_fill(struct vf *v, uint64_t seed);
void vf_change(struct vf *v, unsigned pages);
/* Does what the VF's user started go on? */
bool vf_alive(struct vf *v);
/* Goes to a state; ends the test if that fails. The data FD that comes with it, or -1. */
int vf_set(struct vf *v, int state);

/* A whole stream of a filled VF, pre-copy included or not; resets it after. */
struct stream vf_record(struct vf *v, bool precopy, uint64_t *sum);
/* The same, with so many middle images. */
struct stream vf_record_middles(struct vf *v, unsigned middles, uint64_t *sum);

/* ---- the model, for all threads ---- */

void model_arm(struct bench *b, struct fault f);
void model_disarm(struct bench *b);
/* Ends the delays that commands are in, once all is judged that had to be while they last. */
void model_soon(struct bench *b);
uint64_t model_hits(struct bench *b);
/* What a report of what the VF wrote meets, behind so many messages: REPORT_*. */
void model_report(struct bench *b, struct vf *v, unsigned what, unsigned after);
uint64_t model_counter(struct bench *b, unsigned counter);
void model_vhca(struct bench *b, unsigned vhca_id, unsigned action);
uint64_t model_objects(struct bench *b, unsigned vhca_id, unsigned kind);
unsigned model_state(struct bench *b, unsigned vhca_id);
/* Commands with that opcode since power-on, of all functions. */
uint64_t model_commands(struct bench *b, unsigned opcode);
/* Is a command of the PF's under way? */
bool model_busy(struct bench *b);

/* ---- ferry's debugfs ---- */

#define FERRY_DEBUGFS "/sys/kernel/debug/vfio_ferry"
/* The whole file; "" if it is not there. */
const char *ferry_show(struct vf *v, const char *file, char *to, size_t size);
/* A number behind a name in a file of lines "name number"; -1: none. */
int64_t ferry_number(struct vf *v, const char *file, const char *name);
/* Fails the nth next use of a site; nth 0 disarms. */
int ferry_fault(struct vf *v, const char *site, unsigned nth, int error);
/* Why a stream or request was refused last. */
const char *ferry_reason(struct vf *v, char *to, size_t size);
/* The same, of any file and of a data FD's fdinfo. */
int64_t file_number(const char *path, const char *name);
int64_t fd_number(int fd, const char *name);
/* Everything that can be done with the FD of a session that is over fails; says what does not. */
bool fd_is_dead(int fd, bool load);
/* Does a process or thread sleep in that system call? */
bool task_waits_in(pid_t task, long call);
/* Whether the streams of saves that begin have checksums of images. */
void ferry_checksums(bool on);
/* Most bytes that images of a session that begins may take; what that was before. */
uint64_t ferry_budget(uint64_t bytes);

/* References that keep a module from being unloaded; -1: it is not loaded. */
int module_references(const char *name);
int module_unload(const char *name);
/* The same, when nothing holds it any more; waits some seconds for that. */
int module_unload_soon(const char *name);
int module_load(const char *path);
/* A file of the host that a word of $LAB_OUT/settings' LAB_INSMOD ends in; "" if none. */
const char *module_path(const char *file, char *to, size_t size);

/* When a test ends that goes on as long as the user wants: for $DRIVER_SECONDS, a few by default. */
double bench_deadline(void);

/* The groups of tests. */
void test_streams(struct bench *b);
void test_shapes(struct bench *b);
void test_other_shape(struct bench *b);
void test_never(struct bench *b);
void test_allocations(struct bench *b);
void test_removals(struct bench *b);
void test_teardown(struct bench *b);
void test_deaths(struct bench *b);
void test_buried(struct bench *b);
void test_readers(struct bench *b);
void test_interop(struct bench *b);
void test_scenario(struct bench *b);
void test_busy(struct bench *b);
void test_lost(struct bench *b);
void test_region(struct bench *b);
void test_memory(struct bench *b);
void test_longest(struct bench *b);
void test_backlog(struct bench *b);
void test_initial(struct bench *b);
void test_waits(struct bench *b);
void test_log(struct bench *b);
void test_shown(struct bench *b);
void test_pressure(struct bench *b);
void test_cancel(struct bench *b);
void test_closing(struct bench *b);
void test_turns(struct bench *b);
void test_undone(struct bench *b);
void test_tracks(struct bench *b);
void test_pace(struct bench *b);
void test_comeback(struct bench *b);
void test_parts(struct bench *b);
void test_splice(struct bench *b);
void test_yields(struct bench *b);
void test_tracking(struct bench *b);
void test_many_tracked(struct bench *b);
void test_shadow(struct bench *b);
void test_coarse(struct bench *b);
void test_reports(struct bench *b);
void test_tracked_unanswered(struct bench *b);

#endif
