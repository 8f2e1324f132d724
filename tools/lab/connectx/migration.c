/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the state of a VHCA, and the jobs that move it.
 *
 * Owns CxMigration.  SUSPEND and RESUME walk RUNNING <-> P2P <-> STOPPED; a
 * LOAD goes from STOPPED to LOADING and, with the final image, back; a LOAD
 * that fails once it has changed something leaves LOAD_FAILED, which only a
 * reset leaves.  A VHCA has one SAVE or LOAD in flight at most.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "ethernet.h"

/* The VHCA that a command is about; NULL with the status of the refusal. */
CxVhca *cx_migration_target(CxCommand *c, int *status)
{
    CxPf *pf = c->vhca->pf;
    CxVhca *t = cx_by_vhca_id(pf, ifc_get(c->in, F_VHCA_ID));

    if (!pf->migration) {
        *status = cx_refuse(c, ST_BAD_OP, SYND_CAP);
        return NULL;
    }
    if (!t || !t->function || !t->enabled_by_pf) {
        *status = cx_refuse(c, ST_BAD_PARAM, SYND_VHCA_ID);
        return NULL;
    }
    if (!t->migratable) {
        *status = cx_refuse(c, ST_BAD_OP, SYND_CAP);
        return NULL;
    }
    if (t->mig.state == VHCA_STATE_ERROR) {
        *status = cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_ERROR);
        return NULL;
    }
    return t;
}

/* Accepted during a SAVE: one that is to leave tracking on then fails. */
int cx_suspend_vhca(CxCommand *c)
{
    int status;
    CxVhca *t = cx_migration_target(c, &status);

    if (!t) {
        return status;
    }
    if (c->op_mod == SUSPEND_INITIATOR && t->mig.state == VHCA_STATE_RUNNING) {
        cx_command_quiesce(t);
        t->mig.state = VHCA_STATE_P2P;
    } else if (c->op_mod == SUSPEND_RESPONDER &&
               t->mig.state == VHCA_STATE_P2P) {
        t->mig.state = VHCA_STATE_STOPPED;
    } else {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_STATE);
    }
    cx_workload_kick(t);
    return ST_OK;
}

int cx_resume_vhca(CxCommand *c)
{
    int status;
    CxVhca *t = cx_migration_target(c, &status);

    if (!t) {
        return status;
    }
    if (t->mig.busy) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_BUSY);
    }
    if (c->op_mod == RESUME_RESPONDER && t->mig.state == VHCA_STATE_STOPPED) {
        t->mig.state = VHCA_STATE_P2P;
        t->mig.queried_valid = false;
        cx_devmem_lose(&t->mem);
    } else if (c->op_mod == RESUME_INITIATOR &&
               t->mig.state == VHCA_STATE_P2P) {
        t->mig.state = VHCA_STATE_RUNNING;
        /* What had to wait: commands, frames, and interrupts that got lost. */
        qemu_bh_schedule(t->doorbell_bh);
        cx_sq_resume(t);
        cx_cq_refire(t);
        cx_eq_refire(t);
    } else {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_STATE);
    }
    cx_workload_kick(t);
    return ST_OK;
}

/* ---- sizes ---- */

/* Bytes of an image of a stopped function that holds no page. */
static uint64_t cx_migration_least(CxVhca *t)
{
    g_autoptr(GByteArray) objects = cx_image_objects(t);

    return IMAGE_HEADER_SIZE + EXTENT_HEADER_SIZE + objects->len;
}

/* Bytes that the next image needs if it is to hold everything. */
uint64_t cx_migration_required(CxVhca *t, bool incremental)
{
    uint64_t pages = incremental ? t->mem.ndirty : t->mem.npresent;
    bool with_objects = !incremental || !cx_changes(t);

    if (!pages && !with_objects) {
        return 0;
    }
    return (with_objects ? cx_migration_least(t) :
            IMAGE_HEADER_SIZE + EXTENT_HEADER_SIZE) +
           pages * (EXTENT_HEADER_SIZE + CX_PAGE);
}

/* What one image needs at least, if the driver takes chunks. */
uint64_t cx_migration_clamp(CxVhca *t, uint64_t bytes)
{
    uint64_t chunk = t->pf->chunk_size +
                     (uint64_t)t->mig.save_seq * t->pf->chunk_growth;

    if (!t->mig.chunked || bytes <= chunk) {
        return bytes;
    }
    /* Objects are in one piece. */
    return MIN(bytes, MAX(chunk, cx_migration_least(t)));
}

/* What the driver is told of these bytes, which is only exact if it is all. */
static uint64_t cx_migration_estimate(CxVhca *t, bool incremental,
                                      uint64_t bytes)
{
    if (!incremental) {
        return bytes;
    }
    if (t->pf->estimate_full) {
        return MAX(bytes, cx_migration_required(t, false));
    }
    return bytes + bytes * t->pf->estimate_excess / 100;
}

int cx_query_vhca_migration_state(CxCommand *c)
{
    bool incremental = ifc_get(c->in, F_QUERY_INCREMENTAL);
    bool chunk = ifc_get(c->in, F_QUERY_CHUNK);
    uint64_t bytes;
    int status;
    CxVhca *t = cx_migration_target(c, &status);

    if (!t) {
        return status;
    }
    if (chunk && !t->pf->in_chunks) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_CAP);
    }
    if (t->mig.state == VHCA_STATE_LOADING ||
        t->mig.state == VHCA_STATE_LOAD_FAILED) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_STATE);
    }
    if (incremental && !t->mem.tracked) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_NOT_TRACKED);
    }
    bytes = cx_migration_required(t, incremental);
    if (!chunk && bytes > CX_MAX_IMAGE) {
        return cx_refuse(c, ST_NO_RESOURCES, SYND_TOO_LARGE);
    }
    t->mig.chunked = chunk;
    t->mig.queried = cx_migration_clamp(t, bytes);
    t->mig.queried_valid = true;
    ifc_set(c->out, F_QUERY_REQUIRED, t->mig.queried);
    if (chunk) {
        ifc_set(c->out, F_QUERY_REMAINING,
                cx_migration_estimate(t, incremental, bytes));
    }
    if (incremental && t->mig.reinit && t->pf->migration_state) {
        ifc_set(c->out, F_QUERY_MIGRATION_STATE, MIGRATION_STATE_INIT);
    }
    return ST_OK;
}

/* ---- resets ---- */

void cx_migration_reset(CxVhca *v)
{
    CxCommand *busy = v->mig.busy;

    if (busy) {
        busy->job->target = NULL;
    }
    v->mig = (CxMigration) { .state = VHCA_STATE_RUNNING };
}

/*
 * A driver sets the function up anew, or takes it down: what a target has is
 * of no use.  If QUERY cannot tell so, what was tracked is not any more.
 */
void cx_migration_reload(CxVhca *v)
{
    bool told = v->pf->migration_state;

    if (v->pf->reload_loses_track != ON_OFF_AUTO_AUTO) {
        told = v->pf->reload_loses_track == ON_OFF_AUTO_OFF;
    }
    if (told) {
        v->mig.reinit = v->mem.tracked;
    } else {
        cx_devmem_untrack(&v->mem);
    }
}

/* ---- jobs ---- */

static void cx_job_free(CxCommand *c)
{
    CxJob *job = c->job;

    if (job->target) {
        job->target->mig.busy = NULL;
    }
    cx_object_put(c->vhca, OBJECT_MKEY, job->mkey >> 8);
    cx_control(c->vhca)->images--;
    job->end(job, job->done ? job->status : ST_BAD_RES_STATE);
    c->job = NULL;
    c->job_free = NULL;
}

/* One slice, or the end when the time for all bytes has passed. */
static void cx_job_step(CxCommand *c)
{
    CxJob *job = c->job;
    int64_t before = get_clock(), spent;
    uint64_t *max = &cx_control(c->vhca)->counter[COUNTER_SLICE_MAX_NS];

    if (!job->done && !job->target) {
        job->status = cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_RESET);
        job->done = true;
    }
    if (job->done) {
        cx_command_finish(c, job->status);
        return;
    }
    if (c->fault.action == FAULT_DMA) {
        c->fault.action = 0;
        job->status = cx_refuse(c, ST_BAD_PARAM, SYND_DMA);
        job->done = true;
    } else {
        job->done = job->slice(c, &job->status);
    }
    spent = get_clock() - before;
    *max = MAX(*max, spent);
    /* Never due at once: the lock has to be free between two slices. */
    cx_command_again(c, MAX(job->began_ns + job->pos * 1000 / job->mbps,
                            qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + 1));
}

/*
 * A handler's end: takes the job over, whose buffer the command describes.
 * The mkey has been checked.
 */
int cx_job_begin(CxCommand *c, CxJob *job, CxVhca *target,
                 bool (*slice)(CxCommand *c, int *status),
                 void (*end)(CxJob *job, int status), uint32_t mbps)
{
    CxControl *control = cx_control(c->vhca);

    job->target = target;
    job->va = ifc_get(c->in, F_SAVE_VA);
    job->mkey = ifc_get(c->in, F_SAVE_MKEY);
    job->size = ifc_get(c->in, F_SAVE_SIZE);
    job->mbps = mbps;
    job->began_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    job->slice = slice;
    job->end = end;
    target->mig.busy = c;
    cx_object_get(c->vhca, OBJECT_MKEY, job->mkey >> 8);
    control->images++;
    control->counter[COUNTER_IMAGES_MAX] =
        MAX(control->counter[COUNTER_IMAGES_MAX], control->images);
    c->job = job;
    c->job_free = cx_job_free;
    c->step = cx_job_step;
    cx_command_again(c, job->began_ns + 1);
    return CX_ASYNC;
}

bool cx_job_write(CxCommand *c, uint64_t pos, const void *buf, uint32_t len)
{
    CxJob *job = c->job;

    return cx_mkey_write(c->vhca, job->mkey, job->va + pos, buf, len);
}

/* The next bytes. */
bool cx_job_read(CxCommand *c, void *buf, uint32_t len)
{
    CxJob *job = c->job;

    if (len > job->size - job->pos ||
        !cx_mkey_read(c->vhca, job->mkey, job->va + job->pos, buf, len)) {
        return false;
    }
    job->pos += len;
    return true;
}
