// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The states of a VHCA: every command about it in every state it can be in,
 * and what a second command meets while a SAVE or LOAD is under way.
 */
#include <stdio.h>

#include "refusals.h"

enum { NOISE = 1 << 20 };

/* Images of a small stream, as a LOAD needs them: two, and a spoilt one. */
static struct buffer first, last, spoilt;
static uint32_t first_len, last_len;

static void make_images(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 3);

    first = bench_buffer(b, 2 << 20);
    last = bench_buffer(b, 2 << 20);
    spoilt = bench_buffer(b, 2 << 20);
    wl_fill(v->wl, 0, NOISE, 7);
    if (vhca_save(b, v->id, false, true, &first, &first_len, NULL) ||
        vhca_stop(b, v->id) ||
        vhca_save(b, v->id, true, false, &last, &last_len, NULL))
        tap_bail("no images to test with");
    memcpy(bench_data(b, &spoilt), bench_data(b, &last), last_len);
    bench_data(b, &spoilt)[last_len - 1] ^= 1;
}

static void free_images(struct bench *b)
{
    bench_free_buffer(b, &spoilt);
    bench_free_buffer(b, &last);
    bench_free_buffer(b, &first);
}

/* ---- each command in each state ---- */

static const char *const state_names[] = {
    "RUNNING", "P2P", "STOPPED", "LOADING", "LOAD_FAILED", "ERROR",
};

static struct vf *vf_in_state(struct bench *b, unsigned state)
{
    struct vf *v = bench_running_vf(b, 0);

    if (state == VHCA_STATE_ERROR)
        ctl_vhca_action(b->control, v->id, VHCA_SET_ERROR);
    else if (state == VHCA_STATE_P2P)
        vhca_suspend(b, v->id, SUSPEND_INITIATOR);
    else if (state != VHCA_STATE_RUNNING)
        vhca_stop(b, v->id);
    if (state == VHCA_STATE_LOADING || state == VHCA_STATE_LOAD_FAILED)
        vhca_load(b, v->id, &first, first_len);
    if (state == VHCA_STATE_LOAD_FAILED)
        vhca_load(b, v->id, &spoilt, last_len);
    if (ctl_vhca_state(b->control, v->id) != state)
        tap_bail("a VHCA does not get into state %s", state_names[state]);
    return v;
}

#define OK      SYND_NONE
#define STATE   SYND_VHCA_STATE
#define TRACK   SYND_NOT_TRACKED
#define ERR     SYND_VHCA_ERROR
/* Refusals, and where an accepted command leads to (-1: nowhere). */
static const struct {
    const char *name;
    enum { SUSPEND_I, SUSPEND_R, RESUME_R, RESUME_I, QUERY, QUERY_INC, SAVE_TRACK,
           SAVE_FULL, SAVE_INC_TRACK, SAVE_INC, LOAD_FIRST, LOAD_LAST } command;
    uint32_t syndrome[6];
    int leads_to[6];
} grid[] = {
    { "SUSPEND of the initiator", SUSPEND_I,
      { OK, STATE, STATE, STATE, STATE, ERR }, { VHCA_STATE_P2P } },
    { "SUSPEND of the responder", SUSPEND_R,
      { STATE, OK, STATE, STATE, STATE, ERR }, { 0, VHCA_STATE_STOPPED } },
    { "RESUME of the responder", RESUME_R,
      { STATE, STATE, OK, STATE, STATE, ERR }, { 0, 0, VHCA_STATE_P2P } },
    { "RESUME of the initiator", RESUME_I,
      { STATE, OK, STATE, STATE, STATE, ERR }, { 0, VHCA_STATE_RUNNING } },
    { "QUERY", QUERY, { OK, OK, OK, STATE, STATE, ERR },
      { VHCA_STATE_RUNNING, VHCA_STATE_P2P, VHCA_STATE_STOPPED } },
    { "incremental QUERY", QUERY_INC, { TRACK, TRACK, TRACK, STATE, STATE, ERR }, { } },
    { "tracked SAVE", SAVE_TRACK, { OK, OK, STATE, STATE, STATE, ERR },
      { VHCA_STATE_RUNNING, VHCA_STATE_P2P } },
    { "full SAVE", SAVE_FULL, { STATE, STATE, OK, STATE, STATE, ERR },
      { 0, 0, VHCA_STATE_STOPPED } },
    { "incremental tracked SAVE", SAVE_INC_TRACK,
      { TRACK, TRACK, STATE, STATE, STATE, ERR }, { } },
    { "incremental final SAVE", SAVE_INC, { STATE, STATE, TRACK, STATE, STATE, ERR }, { } },
    { "LOAD of a first image", LOAD_FIRST, { STATE, STATE, OK, OK, STATE, ERR },
      { 0, 0, VHCA_STATE_LOADING, VHCA_STATE_LOADING } },
    { "LOAD of a final image", LOAD_LAST,
      { STATE, STATE, SYND_IMAGE_ORDER, OK, STATE, ERR }, { 0, 0, 0, VHCA_STATE_STOPPED } },
};

static struct fw_cmd grid_command(struct bench *b, unsigned id, unsigned command)
{
    static struct buffer room;

    if (!room.size)
        room = bench_buffer(b, 4 << 20);
    switch (command) {
    case SUSPEND_I:
        return vhca_suspend_cmd(id, SUSPEND_INITIATOR);
    case SUSPEND_R:
        return vhca_suspend_cmd(id, SUSPEND_RESPONDER);
    case RESUME_R:
        return vhca_resume_cmd(id, RESUME_RESPONDER);
    case RESUME_I:
        return vhca_resume_cmd(id, RESUME_INITIATOR);
    case QUERY:
    case QUERY_INC:
        return vhca_query_cmd(id, command == QUERY_INC, false);
    case LOAD_FIRST:
        return vhca_load_cmd(id, &first, first_len);
    case LOAD_LAST:
        return vhca_load_cmd(id, &last, last_len);
    default:
        return vhca_save_cmd(id, command == SAVE_INC_TRACK || command == SAVE_INC,
                             command == SAVE_TRACK || command == SAVE_INC_TRACK,
                             &room, room.size);
    }
}

static void test_grid(struct bench *b, unsigned state)
{
    struct vf *v = vf_in_state(b, state);
    char name[80];

    for (unsigned i = 0; i < sizeof(grid) / sizeof(*grid); i++) {
        struct fw_cmd c = grid_command(b, v->id, grid[i].command);

        if (grid[i].syndrome[state] == OK)
            continue;
        snprintf(name, sizeof(name), "%s in state %s", grid[i].name, state_names[state]);
        refused(b, &b->pf, &c, ST_BAD_RES_STATE, grid[i].syndrome[state], name);
    }
    for (unsigned i = 0; i < sizeof(grid) / sizeof(*grid); i++) {
        struct fw_cmd c = grid_command(b, v->id, grid[i].command);

        if (grid[i].syndrome[state] != OK)
            continue;
        snprintf(name, sizeof(name), "%s in state %s", grid[i].name, state_names[state]);
        accepted(&b->pf, &c, name);
        ok(ctl_vhca_state(b->control, v->id) == (unsigned)grid[i].leads_to[state],
           "it leads to %s", state_names[grid[i].leads_to[state]]);
        v = vf_in_state(b, state);
    }
    bench_vf(b, 0);
    ok_eq(ctl_vhca_state(b->control, v->id), VHCA_STATE_RUNNING, "a reset ends %s",
          state_names[state]);
}

/* ---- which VHCA ---- */

static void test_ids(struct bench *b)
{
    static const unsigned commands[] = { SUSPEND_I, RESUME_I, QUERY, SAVE_FULL, LOAD_FIRST };
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd disable = vhca_enable_cmd(v->function, false),
                  enable = vhca_enable_cmd(v->function, true);

    for (unsigned i = 0; i < 5; i++) {
        struct fw_cmd c = grid_command(b, 0x999, commands[i]);

        refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_VHCA_ID, "a command about no VHCA");
        c = grid_command(b, VHCA_ID_PF, commands[i]);
        refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_VHCA_ID, "a command about the PF itself");
    }
    fw_exec(&b->pf, &disable);
    for (unsigned i = 0; i < 5; i++) {
        struct fw_cmd c = grid_command(b, v->id, commands[i]);

        refused(b, &b->pf, &c, ST_BAD_PARAM, SYND_VHCA_ID,
                "a command about a VF that is not enabled");
    }
    fw_exec(&b->pf, &enable);
}

/* ---- while a SAVE or LOAD is under way ---- */

/* Posts a long command and then others with the same doorbell; none may start it twice. */
static void test_busy(struct bench *b, bool load)
{
    struct vf *v = bench_running_vf(b, 0);
    struct fw_cmd job, save, again, resume, disable, *list[5] = {
        &job, &again, &save, &resume, &disable,
    };
    const char *what = load ? "LOAD" : "SAVE";
    struct buffer other;

    wl_fill(v->wl, 0, NOISE, 8);
    vhca_stop(b, v->id);
    other = bench_buffer(b, 2 << 20);
    job = load ? vhca_load_cmd(v->id, &first, first_len) :
          vhca_save_cmd(v->id, false, false, &other, other.size);
    again = job;
    save = vhca_save_cmd(v->id, false, false, &other, other.size);
    resume = vhca_resume_cmd(v->id, RESUME_RESPONDER);
    disable = vhca_enable_cmd(v->function, false);
    fw_post_all(&b->pf, list, 5);
    for (unsigned i = 1; i < 5; i++)
        fw_collect(&b->pf, list[i], FW_TIMEOUT);
    ok(!fw_completed(&b->pf, &job), "a %s is still under way when four others have completed",
       what);
    fw_collect(&b->pf, &job, FW_TIMEOUT);
    ok_eq(fw_status(job.r), ST_OK, "and succeeds");
    for (unsigned i = 1; i < 5; i++) {
        static const char *const names[] = { "", "the same again", "a SAVE", "RESUME",
                                             "DISABLE_HCA" };

        ok(list[i]->r.status == ST_BAD_RES_STATE && list[i]->r.syndrome == SYND_VHCA_BUSY,
           "%s was refused meanwhile", names[i]);
    }
    if (!load)
        ok(!vhca_start(b, v->id), "the function resumes");
    else
        ok(!vhca_load(b, v->id, &last, last_len) && !vhca_start(b, v->id),
           "the function takes the rest and resumes");
    bench_free_buffer(b, &other);
}

/* The mkey of a SAVE under way stays. */
static void test_mkey_in_use(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, 2 << 20);
    struct fw_cmd save, destroy, *list[2] = { &save, &destroy };

    wl_fill(v->wl, 0, NOISE, 9);
    vhca_stop(b, v->id);
    save = vhca_save_cmd(v->id, false, false, &buf, buf.size);
    fw_cmd_init(&destroy, OP_DESTROY_MKEY, 0, 16, 16);
    cmd_set(&destroy, F_IN_ID24, buf.mkey.index);
    fw_post_all(&b->pf, list, 2);
    fw_collect(&b->pf, &destroy, FW_TIMEOUT);
    fw_collect(&b->pf, &save, FW_TIMEOUT);
    ok(destroy.r.status == ST_BAD_RES_STATE && destroy.r.syndrome == SYND_IN_USE,
       "DESTROY_MKEY is refused while a SAVE writes through it");
    ok_eq(fw_status(save.r), ST_OK, "the SAVE succeeds");
    bench_free_buffer(b, &buf);
}

/* SAVEs of different VHCAs go on side by side. */
static void test_overlap(struct bench *b)
{
    struct buffer buf[3];
    struct fw_cmd save[3], *list[3];
    unsigned good = 0;

    for (unsigned i = 0; i < 3; i++) {
        struct vf *v = bench_running_vf(b, i);

        wl_fill(v->wl, 0, NOISE, 10 + i);
        buf[i] = bench_buffer(b, 2 << 20);
        save[i] = vhca_save_cmd(v->id, false, true, &buf[i], buf[i].size);
        list[i] = &save[i];
    }
    fw_post_all(&b->pf, list, 3);
    for (unsigned i = 0; i < 3; i++)
        good += !fw_status(fw_collect(&b->pf, list[i], FW_TIMEOUT));
    ok_eq(good, 3, "SAVEs of three VHCAs at once succeed");
    ok(ctl_counter(b->control, COUNTER_IMAGES_MAX) >= 3, "they were under way together");
    for (unsigned i = 3; i-- > 0;)
        bench_free_buffer(b, &buf[i]);
}

/* A suspend during a tracked SAVE is accepted, and ends it. */
static void test_track_stopped(struct bench *b)
{
    struct vf *v = bench_running_vf(b, 0);
    struct buffer buf = bench_buffer(b, 2 << 20);
    struct fw_cmd save, initiator, responder, *list[3] = { &save, &initiator, &responder };

    wl_fill(v->wl, 0, NOISE, 12);
    save = vhca_save_cmd(v->id, false, true, &buf, buf.size);
    initiator = vhca_suspend_cmd(v->id, SUSPEND_INITIATOR);
    responder = vhca_suspend_cmd(v->id, SUSPEND_RESPONDER);
    fw_post_all(&b->pf, list, 3);
    for (unsigned i = 0; i < 3; i++)
        fw_collect(&b->pf, list[i], FW_TIMEOUT);
    ok(!fw_status(initiator.r) && !fw_status(responder.r),
       "SUSPEND of both is accepted during a tracked SAVE");
    ok(save.r.status == ST_BAD_RES_STATE && save.r.syndrome == SYND_TRACK_STOPPED,
       "which then fails");
    ok(!ctl_tracked(b->control, v->id), "nothing is tracked");
    bench_free_buffer(b, &buf);
}

void test_states(struct bench *b)
{
    make_images(b);
    for (unsigned state = 0; state < 6; state++)
        test_grid(b, state);
    test_ids(b);
    test_busy(b, false);
    test_busy(b, true);
    test_mkey_in_use(b);
    test_overlap(b);
    test_track_stopped(b);
    free_images(b);
}
