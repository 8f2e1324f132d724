// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the model refuses when a property of it is set otherwise; each group
 * needs a boot with these properties.  Images go from one boot to another as
 * files: "export" writes them to $LAB_OUT, the others find them in
 * $BARE_IMAGES.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../lib/lab.h"
#include "refusals.h"

enum {
    PAGE = 4096,
    IMAGES = 2,
    ROOM = 2 << 20,
    LATENCY_MS = 20,            /* cmd-latency-us of "limited" */
    /* of "slow" */
    QUERY_MS = 30,
    SUSPEND_MS = 40,
    RESUME_MS = 35,
    SETUP_MS = 300,
    SAVE_MS = 500,              /* of a MiB, with its save-mbps */
    ID_STEP = 16,
    LOST_MS = 100,              /* for a command that is not to be answered */
};

/* ---- images in files ---- */

static FILE *image_file(const char *folder, unsigned i, const char *mode)
{
    char name[32];

    snprintf(name, sizeof(name), "image.%u", i);
    return lab_file(folder, name, mode);
}

void test_export(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, ROOM);
    uint32_t len;

    wl_fill(v->wl, 0, 16 * PAGE, 71);
    for (unsigned i = 0; i < IMAGES; i++) {
        bool last = i == IMAGES - 1;
        FILE *f = image_file("LAB_OUT", i, "w");

        if (last)
            vhca_stop(b, v->id);
        ok_eq(vhca_save(b, v->id, i > 0, !last, &buf, &len, NULL), ST_OK, "image %u is saved", i);
        ok(fwrite(bench_data(b, &buf), len, 1, f) == 1 && !fclose(f),
           "and written to a file for other boots");
    }
    bench_free_buffer(b, &buf);
}

/* Image i of the other boot in the buffer; its length. */
static uint32_t import(struct bench *b, struct buffer *buf, unsigned i)
{
    FILE *f = image_file("BARE_IMAGES", i, "r");
    uint32_t len = fread(bench_data(b, buf), 1, buf->size, f);

    fclose(f);
    return len;
}

/* ---- multi-load, tracking-state, in-chunks, full-messages off, small limits ---- */

static void refuse_capabilities(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, ROOM);
    struct fw_cmd c;
    uint32_t len;

    c = vhca_save_cmd(v->id, false, true, &buf, buf.size);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_CAP, "a tracked SAVE without migration_tracking_state");
    c = vhca_query_cmd(v->id, false, true);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_CAP, "QUERY in chunks without migration_in_chunks");
    vhca_stop(b, v->id);
    len = import(b, &buf, 0);
    ok_eq(vhca_load(b, v->id, &buf, len), ST_OK, "LOAD of another boot's first image");
    len = import(b, &buf, 1);
    c = vhca_load_cmd(v->id, &buf, len);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_MULTI_LOAD,
            "LOAD of a second image without migration_multi_load");
    bench_free_buffer(b, &buf);
}

static void fault_property(struct bench *b)
{
    struct fw_cmd c;

    fw_cmd_init(&c, OP_QUERY_ADAPTER, 0, 16, 272);
    accepted(&b->pf, &c, "QUERY_ADAPTER, the second since power-on");
    fw_exec(&b->pf, &c);
    ok(c.r.status == ST_EXCEED_LIM && c.r.syndrome == 0x321,
       "the third fails as the property \"faults\" says");
    accepted(&b->pf, &c, "the fourth");
}

/*
 * Posts SUSPEND and, while its latency runs, a command of the VF; true if that
 * was fetched before SUSPEND executed, false if this program was too slow.
 */
static bool suspend_behind(struct bench *b, struct vf *v, struct fw_cmd *suspend, struct fw_cmd *c)
{
    bool fetched;

    fw_prepare(&v->fw, c);
    fw_post(&b->pf, suspend);
    wait_until(ctl_objects(b->control, VHCA_ID_PF, OBJECT_COMMAND) == 1, FW_TIMEOUT);
    fw_ring(&v->fw, 1u << c->slot);
    do
        fetched = ctl_objects(b->control, v->id, OBJECT_COMMAND) == 1;
    while (!fetched && !fw_completed(&b->pf, suspend));
    fw_collect(&b->pf, suspend, FW_TIMEOUT);
    return fetched;
}

/* With a long cmd-latency-us: a SUSPEND holds back what was fetched and not executed. */
static void suspend_overtakes(struct bench *b)
{
    struct fw_cmd suspend, c;
    unsigned tries = 0;
    struct vf *v;
    double began;
    bool fetched;

    do {
        v = bench_running_vf(b, 0);
        suspend = vhca_suspend_cmd(v->id, SUSPEND_INITIATOR);
        fw_cmd_init(&c, OP_ALLOC_PD, 0, 16, 16);
        began = now_ms();
        fetched = suspend_behind(b, v, &suspend, &c);
    } while (!fetched && ++tries < 20);
    ok(fetched && !fw_status(suspend.r), "SUSPEND executes when a command of the VF has been fetched");
    ok(now_ms() - began >= LATENCY_MS, "it takes its latency");
    ok(!fw_completed(&v->fw, &c) && !ctl_objects(b->control, v->id, OBJECT_COMMAND) &&
       !ctl_objects(b->control, v->id, OBJECT_PD), "the command is held back, and not executed");
    ok_eq(vhca_resume(b, v->id, RESUME_INITIATOR), ST_OK, "RESUME");
    ok_eq(fw_status(fw_collect(&v->fw, &c, FW_TIMEOUT)), ST_OK, "lets it execute");
}

/* With a low save-mbps and load-mbps: a reset of the function ends a SAVE or LOAD of it. */
static void reset_during_job(struct bench *b, bool load)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, 2 * ROOM);
    struct fw_cmd job;
    uint64_t executed;
    uint32_t len = 0;

    wl_fill(v->wl, 0, ROOM, 73);
    vhca_stop(b, v->id);
    if (load && vhca_save(b, v->id, false, false, &buf, &len, NULL))
        tap_bail("no image of %u bytes", ROOM);
    job = load ? vhca_load_cmd(v->id, &buf, len) :
          vhca_save_cmd(v->id, false, false, &buf, buf.size);
    executed = ctl_counter(b->control, COUNTER_COMMANDS);
    fw_post(&b->pf, &job);
    wait_until(ctl_counter(b->control, COUNTER_COMMANDS) > executed, FW_TIMEOUT);
    vfio_reset(&v->fn);
    fw_collect(&b->pf, &job, FW_TIMEOUT);
    ok(job.r.status == ST_BAD_RES_STATE && job.r.syndrome == SYND_VHCA_RESET,
       "a reset of the function fails its %s: delivery %d, status %#x, syndrome %#x",
       load ? "LOAD" : "SAVE", job.r.delivery, job.r.status, job.r.syndrome);
    ok_eq(ctl_vhca_state(b->control, v->id), VHCA_STATE_RUNNING, "and leaves it running");
    bench_free_buffer(b, &buf);
}

/* ---- commands that take time ---- */

static void take_time(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0), *w = bench_running_vf(b, 1);
    struct buffer buf = bench_buffer(b, ROOM);
    struct required need;
    double began = now_ms();
    uint32_t len;

    vhca_query(b, v->id, false, false, &need);
    ok(now_ms() - began >= QUERY_MS, "QUERY takes its time");
    began = now_ms();
    vhca_stop(b, v->id);
    ok(now_ms() - began >= 2 * SUSPEND_MS, "and so does each SUSPEND");
    vhca_save(b, v->id, false, false, &buf, &len, NULL);
    vhca_stop(b, w->id);
    began = now_ms();
    ok(!vhca_load(b, w->id, &buf, len) && now_ms() - began >= SETUP_MS, "and the first LOAD of a function");
    began = now_ms();
    vhca_start(b, w->id);
    ok(now_ms() - began >= 2 * RESUME_MS, "and each RESUME");
    vfio_reset(&w->fn);
    ok(fw_read32(&w->fw, ISEG_INITIALIZING) & FW_INITIALIZING, "a function in reset says so");
    began = now_ms();
    ok(!vhca_query(b, w->id, false, false, &need) && now_ms() - began >= QUERY_MS &&
       !(fw_read32(&w->fw, ISEG_INITIALIZING) & FW_INITIALIZING), "who asks about it waits until it is over");
    bench_free_buffer(b, &buf);
}

/*
 * The PF's firmware dies while it saves: nobody hears of that command again.
 * After a reset the VFs are as they were, under the numbers and with the
 * capability that vhca-id-step and reload-flips-chunks say. Comes last: what
 * the bench had on the PF is gone.
 */
static void fatal_during_save(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, 2 * ROOM);
    struct fw_cmd save, c;
    struct required need;
    uint64_t executed;
    bool chunks;

    wl_fill(v->wl, 0, ROOM / 2, 74);
    vhca_stop(b, v->id);
    chunks = !vhca_query(b, v->id, false, true, &need);
    save = vhca_save_cmd(v->id, false, false, &buf, buf.size);
    executed = ctl_counter(b->control, COUNTER_COMMANDS);
    fw_post(&b->pf, &save);
    wait_until(ctl_counter(b->control, COUNTER_COMMANDS) > executed, FW_TIMEOUT);
    ctl_vhca_action(b->control, VHCA_ID_PF, VHCA_SET_ERROR);
    fw_collect(&b->pf, &save, 2 * SAVE_MS);
    ok(save.r.delivery == -1, "a SAVE in flight when the PF's firmware dies never completes");
    fw_write32(&b->pf, ISEG_CMDQ_ADDR_L, NIC_IFC_SW_RESET << NIC_IFC_SHIFT);
    ok(fw_start(&b->pf), "the PF starts after a reset");
    ok_eq(wl_read(v->wl, WL_VHCA_ID), v->id + ID_STEP, "a VF has another vhca_id");
    c = vhca_resume_cmd(v->id, RESUME_RESPONDER);
    fw_exec(&b->pf, &c);
    ok(c.r.syndrome == SYND_VHCA_ID, "its old one is nobody's");
    v->id += ID_STEP;
    ok(!vhca_query(b, v->id, false, true, &need) != chunks, "chunks are %s now", chunks ? "unknown" : "known");
    ok(!vhca_start(b, v->id), "and the VF goes on");
}

void test_slow(struct bench *b)
{
    take_time(b);
    fatal_during_save(b);
}

/* ---- images of another NIC, in boots of their own ---- */

static void refuse_origin(struct bench *b, uint32_t syndrome, const char *name)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, ROOM);
    uint32_t len = import(b, &buf, 0);
    struct fw_cmd c = vhca_load_cmd(v->id, &buf, len);

    vhca_stop(b, v->id);
    refused(b, &b->pf, &c, ST_BAD_PARAM, syndrome, name);
    bench_free_buffer(b, &buf);
}

void test_older(struct bench *b)
{
    refuse_origin(b, SYND_IMAGE_NEWER, "LOAD of an image of newer firmware");
}

void test_other_psid(struct bench *b)
{
    refuse_origin(b, SYND_IMAGE_PSID, "LOAD of an image of a NIC with another PSID");
}

void test_limited(struct bench *b)
{
    fault_property(b);
    suspend_overtakes(b);
    reset_during_job(b, false);
    reset_during_job(b, true);
    refuse_capabilities(b);
    test_tracker_limits(b);
}

/* ---- migration and adv-virtualization off ---- */

void test_off(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, ROOM);
    struct fw_cmd c[] = {
        vhca_suspend_cmd(v->id, SUSPEND_INITIATOR), vhca_resume_cmd(v->id, RESUME_INITIATOR),
        vhca_query_cmd(v->id, false, false), vhca_save_cmd(v->id, false, true, &buf, buf.size),
        vhca_load_cmd(v->id, &buf, buf.size),
    };
    static const char *const names[] = { "SUSPEND", "RESUME", "QUERY", "SAVE", "LOAD" };

    for (unsigned i = 0; i < 5; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s without the capability migration", names[i]);
        refused(b, &b->pf, &c[i], ST_BAD_OP, SYND_CAP, name);
    }
    fw_cmd_init(&c[0], OP_CREATE_GENERAL_OBJECT, 0, 80, 16);
    cmd_set(&c[0], F_OBJ_TYPE, OBJ_PAGE_TRACK);
    refused(b, &b->pf, &c[0], ST_BAD_OP, SYND_CAP, "a tracker without adv_virtualization");
    fw_cmd_init(&c[0], OP_QUERY_HCA_CAP, CAP_ADV_VIRT << 1, 16, 4112);
    refused(b, &b->pf, &c[0], ST_BAD_PARAM, SYND_CAP, "QUERY_HCA_CAP of adv_virtualization");
    bench_free_buffer(b, &buf);
}

/* ---- in a kernel that does nothing about errors of PCI: pci=noaer ---- */

/* Neither registers nor commands. */
static bool is_gone(struct fw *fw)
{
    struct fw_cmd c;

    if (fw_read32(fw, ISEG_FW_REV) != UINT32_MAX)
        return false;
    fw_cmd_init(&c, OP_QUERY_ISSI, 0, 16, 112);
    fw_post(fw, &c);
    return fw_collect(fw, &c, LOST_MS).delivery == -1;
}

/* Comes last: the PF takes no command any more. */
void test_link(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);

    ctl_vhca_action(b->control, v->id, VHCA_PCI_NONFATAL);
    ok(!is_gone(&b->pf) && !is_gone(&v->fw), "a PCI error that is not fatal leaves both functions there");
    ctl_vhca_action(b->control, v->id, VHCA_PCI_FATAL);
    ok(is_gone(&b->pf), "with one of a VF that is fatal the PF is off the bus");
}

/* ---- more than 4 GiB of state, migration-state off ---- */

void test_large(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    uint64_t size = wl_read(v->wl, WL_STATE_SIZE);
    struct buffer buf = bench_buffer(b, ROOM);
    struct required need;
    struct fw_cmd c;
    uint32_t len;

    ok(vhca_query(b, v->id, false, false, &need) == ST_OK && need.size < PAGE,
       "an empty state of %llu MiB takes %u bytes", (unsigned long long)size >> 20, need.size);
    vhca_save(b, v->id, false, true, &buf, &len, NULL);
    vhca_query(b, v->id, true, false, &need);
    c = vhca_cancel_cmd(v->id, NULL);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_MKEY, "a SAVE to end tracking with nothing, when nothing has changed");
    cmd_set(&c, F_SAVE_MKEY, buf.mkey.key);
    refused(b, &b->pf, &c, ST_NO_RESOURCES, SYND_BUFFER_SHORT, "one without a size");
    ctl_vhca_action(b->control, v->id, VHCA_SET_REINIT);
    ok(!vhca_query(b, v->id, true, false, &need) && need.state == 0,
       "without migration_state QUERY does not tell of REINIT");
    ok(ctl_tracked(b->control, v->id) && fw_start(&v->fw) && !ctl_tracked(b->control, v->id),
       "nor of a driver that sets the function up anew: the track is lost");
    c = vhca_query_cmd(v->id, true, false);
    refused(b, &b->pf, &c, ST_BAD_RES_STATE, SYND_NOT_TRACKED, "and with it incremental QUERYs");

    ok(wl_fill(v->wl, 0, size, 72), "it is filled with noise");
    c = vhca_query_cmd(v->id, false, false);
    refused(b, &b->pf, &c, ST_NO_RESOURCES, SYND_TOO_LARGE, "QUERY without chunks of so large a state");
    ok(!vhca_query(b, v->id, false, true, &need) && need.remaining > size && need.size < ROOM,
       "QUERY in chunks tells %llu bytes", (unsigned long long)need.remaining);
    vhca_stop(b, v->id);
    len = import(b, &buf, 0);
    c = vhca_load_cmd(v->id, &buf, len);
    refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_IMAGE_FOREIGN,
            "LOAD of an image of a device with another size");
    bench_free_buffer(b, &buf);
}
