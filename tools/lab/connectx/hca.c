/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the commands that bring a function up and down.
 *
 * The model wants no pages from its host, so there is no MANAGE_PAGES.
 */
#include "qemu/osdep.h"
#include "ethernet.h"

/* ENABLE_HCA and DISABLE_HCA: of the issuer (0), or of a VF by the PF. */
int cx_enable_hca(CxCommand *c)
{
    unsigned function = ifc_get(c->in, F_IN_FUNCTION_ID);
    bool on = c->opcode == OP_ENABLE_HCA;
    CxVhca *v = c->vhca, *target;

    if (!function) {
        v->enabled = on;
        return ST_OK;
    }
    target = v->function ? NULL : cx_by_function(v->pf, function);
    if (!target) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_FUNCTION);
    }
    if (!on && target->mig.busy) {
        return cx_refuse(c, ST_BAD_RES_STATE, SYND_VHCA_BUSY);
    }
    target->enabled_by_pf = on;
    if (!on) {
        cx_vhca_stop(target);
    }
    return ST_OK;
}

int cx_init_hca(CxCommand *c)
{
    if (!c->vhca->enabled) {
        return cx_refuse(c, ST_BAD_SYS_STATE, SYND_NOT_ENABLED);
    }
    c->vhca->inited = true;
    if (!c->vhca->function) {
        cx_pf_started(c->vhca->pf);
    }
    cx_migration_reload(c->vhca);
    return ST_OK;
}

/* Frees what the driver has left behind. */
int cx_teardown_hca(CxCommand *c)
{
    CxCommand *other;

    if (!c->vhca->inited) {
        return cx_refuse(c, ST_BAD_SYS_STATE, SYND_NOT_INIT);
    }
    QTAILQ_FOREACH(other, &c->vhca->commands, next) {
        if (other->job) {
            return cx_refuse(c, ST_BAD_RES_STATE, SYND_IN_USE);
        }
    }
    cx_objects_clear(c->vhca);
    cx_vport_reset(c->vhca);
    c->vhca->inited = false;
    cx_migration_reload(c->vhca);
    return ST_OK;
}

int cx_query_issi(CxCommand *c)
{
    ifc_set(c->out, F_QUERY_ISSI_CURRENT, c->vhca->issi);
    ifc_set(c->out, F_QUERY_ISSI_SUPPORTED, 1 << 0 | 1 << 1);
    return ST_OK;
}

int cx_set_issi(CxCommand *c)
{
    uint32_t issi = ifc_get(c->in, F_SET_ISSI_CURRENT);

    if (issi > 1) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_ISSI);
    }
    c->vhca->issi = issi;
    return ST_OK;
}

int cx_query_pages(CxCommand *c)
{
    if (!c->op_mod) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_OP_MOD);
    }
    ifc_set(c->out, F_QUERY_PAGES_NUM, 0);
    return ST_OK;
}

int cx_query_adapter(CxCommand *c)
{
    const char *psid = c->vhca->pf->psid;

    memcpy(c->out + 272 - 16, psid, strlen(psid));
    return ST_OK;
}

int cx_access_reg(CxCommand *c)
{
    unsigned id = ifc_get(c->in, F_ACCESS_REG_ID);

    if (id != REG_HOST_ENDIANNESS) {
        return cx_port_register(c, id);
    }
    return c->vhca->function ? cx_refuse(c, ST_BAD_PARAM, SYND_REGISTER) :
           ST_OK;
}
