/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: a trace of all commands, one JSON object a line.
 *
 *   {"fn":"PF","vhca":32,"op":"SAVE_VHCA_STATE","opcode":280,"op_mod":0,
 *    "in":{"vhca_id":33,...},"status":0,"syndrome":0,"out":{...},
 *    "start":12345,"end":23456}
 *
 * Times are nanoseconds of the virtual clock; "end" is null for a command that
 * never completes.  "delivery" is there when the command queue entry was bad,
 * "fault" when one struck.  {"fn":...,"note":...,"at":...} are other events.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "connectx.h"

bool cx_trace_init(CxPf *pf, Error **errp)
{
    if (!pf->trace_path) {
        return true;
    }
    pf->trace = fopen(pf->trace_path, "w");
    if (!pf->trace) {
        error_setg_errno(errp, errno, "cannot write the trace %s",
                         pf->trace_path);
        return false;
    }
    setvbuf(pf->trace, NULL, _IOLBF, 0);
    return true;
}

void cx_trace_free(CxPf *pf)
{
    if (pf->trace) {
        fclose(pf->trace);
    }
}

static void cx_trace_fields(FILE *f, const char *name, const CxField *field,
                            const uint8_t *message)
{
    const char *comma = "";

    fprintf(f, ",\"%s\":{", name);
    for (; field->name; field++) {
        fprintf(f, "%s\"%s\":%" PRIu64, comma, field->name,
                ifc_get(message, field->bit, field->width));
        comma = ",";
    }
    fputc('}', f);
}

void cx_trace_command(CxCommand *c, unsigned delivery)
{
    FILE *f = c->vhca->pf->trace;
    bool ended = c->state != CX_CMD_LOST;
    char name[8];

    if (!f) {
        return;
    }
    fprintf(f, "{\"fn\":\"%s\",\"vhca\":%u",
            cx_function_name(c->vhca, name), c->vhca->vhca_id);
    if (delivery != DELIVERY_OK) {
        fprintf(f, ",\"delivery\":%u", delivery);
    }
    if (c->in) {
        fprintf(f, ",\"op\":\"%s\",\"opcode\":%u,\"op_mod\":%u",
                c->op ? c->op->name : "?", c->opcode, c->op_mod);
    }
    if (c->op && c->inlen >= c->op->in_min) {
        cx_trace_fields(f, "in", c->op->in, c->in);
    }
    if (c->fault.action) {
        fprintf(f, ",\"fault\":%" PRIu64, c->fault.action);
    }
    if (ended) {
        fprintf(f, ",\"status\":%u,\"syndrome\":%u", c->status, c->syndrome);
    }
    if (ended && c->op && c->status == ST_OK && c->outlen >= c->op->out_min) {
        cx_trace_fields(f, "out", c->op->out, c->out);
    }
    fprintf(f, ",\"start\":%" PRId64, c->start_ns);
    if (ended) {
        fprintf(f, ",\"end\":%" PRId64 "}\n",
                qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    } else {
        fputs(",\"end\":null}\n", f);
    }
}

void cx_trace_note(CxVhca *v, const char *what)
{
    char name[8];

    if (v->pf->trace) {
        fprintf(v->pf->trace, "{\"fn\":\"%s\",\"vhca\":%u,\"note\":\"%s\","
                "\"at\":%" PRId64 "}\n", cx_function_name(v, name), v->vhca_id,
                what, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}
