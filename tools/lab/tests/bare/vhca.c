// SPDX-License-Identifier: GPL-2.0-or-later
/* The PF's commands about a VHCA: suspend, resume, query, save, load. */
#include "bench.h"

static struct fw_cmd vhca_cmd(unsigned opcode, unsigned op_mod, unsigned id,
                              uint32_t inlen, uint32_t outlen)
{
    struct fw_cmd c;

    fw_cmd_init(&c, opcode, op_mod, inlen, outlen);
    cmd_set(&c, F_VHCA_ID, id);
    return c;
}

struct fw_cmd vhca_suspend_cmd(unsigned id, unsigned who)
{
    return vhca_cmd(OP_SUSPEND_VHCA, who, id, 16, 16);
}

struct fw_cmd vhca_resume_cmd(unsigned id, unsigned who)
{
    return vhca_cmd(OP_RESUME_VHCA, who, id, 16, 16);
}

struct fw_cmd vhca_query_cmd(unsigned id, bool incremental, bool chunk)
{
    struct fw_cmd c = vhca_cmd(OP_QUERY_VHCA_MIGRATION_STATE, 0, id, 16, 64);

    cmd_set(&c, F_QUERY_INCREMENTAL, incremental);
    cmd_set(&c, F_QUERY_CHUNK, chunk);
    return c;
}

struct fw_cmd vhca_save_cmd(unsigned id, bool incremental, bool track,
                            const struct buffer *buf, uint32_t size)
{
    struct fw_cmd c = vhca_cmd(OP_SAVE_VHCA_STATE, 0, id, 32, 16);

    cmd_set(&c, F_SAVE_INCREMENTAL, incremental);
    cmd_set(&c, F_SAVE_SET_TRACK, track);
    cmd_set(&c, F_SAVE_MKEY, buf ? buf->mkey.key : 0);
    cmd_set(&c, F_SAVE_SIZE, size);
    return c;
}

struct fw_cmd vhca_load_cmd(unsigned id, const struct buffer *buf, uint32_t size)
{
    struct fw_cmd c = vhca_cmd(OP_LOAD_VHCA_STATE, 0, id, 32, 16);

    cmd_set(&c, F_SAVE_MKEY, buf->mkey.key);
    cmd_set(&c, F_SAVE_SIZE, size);
    return c;
}

struct fw_cmd vhca_enable_cmd(unsigned function, bool on)
{
    struct fw_cmd c;

    fw_cmd_init(&c, on ? OP_ENABLE_HCA : OP_DISABLE_HCA, 0, 16, 16);
    cmd_set(&c, F_IN_FUNCTION_ID, function);
    return c;
}

int vhca_suspend(struct bench *b, unsigned id, unsigned who)
{
    struct fw_cmd c = vhca_suspend_cmd(id, who);

    return fw_status(fw_exec(&b->pf, &c));
}

int vhca_resume(struct bench *b, unsigned id, unsigned who)
{
    struct fw_cmd c = vhca_resume_cmd(id, who);

    return fw_status(fw_exec(&b->pf, &c));
}

int vhca_stop(struct bench *b, unsigned id)
{
    int status = vhca_suspend(b, id, SUSPEND_INITIATOR);

    return status ? status : vhca_suspend(b, id, SUSPEND_RESPONDER);
}

int vhca_start(struct bench *b, unsigned id)
{
    int status = vhca_resume(b, id, RESUME_RESPONDER);

    return status ? status : vhca_resume(b, id, RESUME_INITIATOR);
}

int vhca_query(struct bench *b, unsigned id, bool incremental, bool chunk,
               struct required *r)
{
    struct fw_cmd c = vhca_query_cmd(id, incremental, chunk);
    int status = fw_status(fw_exec(&b->pf, &c));

    *r = (struct required){ 0 };
    if (status)
        return status;
    r->size = cmd_out(&c, F_QUERY_REQUIRED);
    r->remaining = cmd_out(&c, F_QUERY_REMAINING);
    r->state = cmd_out(&c, F_QUERY_MIGRATION_STATE);
    return 0;
}

int vhca_save(struct bench *b, unsigned id, bool incremental, bool track,
              const struct buffer *buf, uint32_t *len, uint32_t *next)
{
    struct fw_cmd c = vhca_save_cmd(id, incremental, track, buf, buf->size);
    int status = fw_status(fw_exec(&b->pf, &c));

    *len = status ? 0 : cmd_out(&c, F_SAVE_ACTUAL);
    if (next)
        *next = status ? 0 : cmd_out(&c, F_SAVE_NEXT_REQUIRED);
    return status;
}

int vhca_load(struct bench *b, unsigned id, const struct buffer *buf, uint32_t len)
{
    struct fw_cmd c = vhca_load_cmd(id, buf, len);

    return fw_status(fw_exec(&b->pf, &c));
}

struct fw_cmd vhca_cancel_cmd(unsigned id, const struct buffer *buf)
{
    return vhca_save_cmd(id, false, false, buf, buf ? buf->size : 0);
}

int vhca_cancel(struct bench *b, unsigned id, const struct buffer *buf)
{
    struct fw_cmd c = vhca_cancel_cmd(id, buf);
    struct required need;
    int status = vhca_query(b, id, true, false, &need);

    return status ? status : fw_status(fw_exec(&b->pf, &c));
}
