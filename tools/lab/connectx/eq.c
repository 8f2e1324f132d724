/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: event queues and MSI-X.
 *
 * An EQ fires its vector once after it was armed and has something new.  An
 * armed EQ with unread events fires again when its function resumes, since an
 * interrupt on its way is not part of an image.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/pci/msix.h"
#include "ethernet.h"

#define LOG_MAX_EQ_SIZE 22

static void cx_eq_visit(CxArchive *a, void *obj)
{
    CxEq *eq = obj;

    cx_archive_u32(a, &eq->uar);
    cx_archive_u32(a, &eq->vector);
    cx_archive_u32(a, &eq->log_size);
    cx_archive_u32(a, &eq->pi);
    cx_archive_u32(a, &eq->ci);
    cx_archive_bool(a, &eq->armed);
    for (int i = 0; i < 4; i++) {
        cx_archive_u64(a, &eq->mask[i]);
    }
    cx_archive_pages(a, &eq->pages);
}

static uint32_t cx_eq_link(CxVhca *v, void *obj)
{
    CxEq *eq = obj;

    if (eq->log_size > LOG_MAX_EQ_SIZE ||
        eq->pages.n < DIV_ROUND_UP((uint64_t)EQE_SIZE << eq->log_size,
                                   1ull << eq->pages.log_page)) {
        return SYND_SIZE;
    }
    if (eq->vector >= v->vectors) {
        return SYND_VECTOR;
    }
    return SYND_NONE;
}

static const CxRef cx_eq_refs[] = {
    { SYND_UAR, OBJECT_UAR, offsetof(CxEq, uar) },
    { }
};

static void cx_eq_clear(void *obj)
{
    g_free(((CxEq *)obj)->pages.addr);
}

const CxKind cx_kind_eq = {
    .name = "EQ",
    .size = sizeof(CxEq),
    .first = 1,
    .last = 63,                         /* log_max_eq */
    .visit = cx_eq_visit,
    .link = cx_eq_link,
    .refs = cx_eq_refs,
    .clear = cx_eq_clear,
};

int cx_create_eq(CxCommand *c)
{
    uint32_t log_size = ifc_get(c->in, F_EQ_LOG_SIZE);
    CxEq *eq;
    int status;

    if (log_size > LOG_MAX_EQ_SIZE) {
        return cx_refuse(c, ST_BAD_PARAM, SYND_SIZE);
    }
    eq = cx_object_alloc(OBJECT_EQ);
    eq->log_size = log_size;
    eq->uar = ifc_get(c->in, F_EQ_UAR_PAGE);
    eq->vector = ifc_get(c->in, F_EQ_INTR);
    for (int i = 0; i < 4; i++) {
        eq->mask[i] = ifc_be64(c->in, EQ_EVENT_MASK + i * 8);
    }
    if (!cx_pages_read(&eq->pages, c, EQ_PAS, (uint64_t)EQE_SIZE << log_size,
                       12 + ifc_get(c->in, F_EQ_LOG_PAGE_SIZE))) {
        cx_object_free(OBJECT_EQ, eq);
        return cx_refuse(c, ST_BAD_INPUT_LEN, SYND_PAGE_LIST);
    }
    status = cx_object_create(c, OBJECT_EQ, eq);
    if (status == ST_OK) {
        ifc_set(c->out, F_EQ_NUMBER, eq->obj.id);
        c->created_eqn = eq->obj.id;
    }
    return status;
}

int cx_destroy_eq(CxCommand *c)
{
    return cx_object_destroy(c, OBJECT_EQ, ifc_get(c->in, F_EQ_NUMBER));
}

void cx_raise(CxVhca *v, unsigned vector)
{
    cx_count(v, COUNTER_INTERRUPTS, 1);
    msix_notify(PCI_DEVICE(v), vector);
}

static void cx_eq_fire(CxVhca *v, CxEq *eq)
{
    if (eq->armed && eq->pi != eq->ci && cx_initiates(v)) {
        eq->armed = false;
        cx_raise(v, eq->vector);
    }
}

static void cx_eq_post(CxVhca *v, CxEq *eq, unsigned type,
                       const uint8_t data[EQE_DATA_SIZE])
{
    uint32_t size = 1u << eq->log_size;
    uint8_t eqe[EQE_SIZE] = {
        [EQE_TYPE] = type,
        [EQE_SUB_TYPE] = type >> EVENT_SUB_SHIFT,
    };

    if (eq->pi - eq->ci >= size) {
        return;                         /* full: the driver sees no owner change */
    }
    memcpy(eqe + EQE_DATA, data, EQE_DATA_SIZE);
    eqe[EQE_OWNER] = eq->pi >> eq->log_size & 1;
    cx_dma_write_entry(v, cx_pages_addr(&eq->pages, (uint64_t)
                                        (eq->pi & (size - 1)) * EQE_SIZE),
                       eqe, EQE_SIZE);
    eq->pi++;
    cx_eq_fire(v, eq);
}

/*
 * To the EQ that subscribed to the type, which may have a sub-type beside it.
 * not_eqn leaves out the EQ that the
 * completed command created: its driver still polls for that completion and
 * does not expect an event in a queue it has not set up yet.
 */
void cx_event_async(CxVhca *v, unsigned type,
                    const uint8_t data[EQE_DATA_SIZE], uint32_t not_eqn)
{
    g_autoptr(GArray) ids = cx_object_ids(v, OBJECT_EQ);
    uint8_t bit = type;

    for (unsigned i = 0; i < ids->len; i++) {
        CxEq *eq = cx_object_find(v, OBJECT_EQ,
                                  g_array_index(ids, uint32_t, i));

        if (eq->obj.id != not_eqn && eq->mask[bit / 64] >> (bit % 64) & 1) {
            cx_eq_post(v, eq, type, data);
            return;
        }
    }
}

void cx_event_eqn(CxVhca *v, uint32_t eqn, unsigned type,
                  const uint8_t data[EQE_DATA_SIZE])
{
    CxEq *eq = cx_object_find(v, OBJECT_EQ, eqn);

    if (eq) {
        cx_eq_post(v, eq, type, data);
    }
}

void cx_eq_doorbell(CxVhca *v, uint32_t value, bool arm)
{
    CxEq *eq = cx_object_find(v, OBJECT_EQ, value >> 24);

    if (!eq) {
        return;
    }
    /* 24 bits of a counter that never passes the producer's */
    eq->ci = eq->pi - ((eq->pi - value) & 0xffffff);
    eq->armed |= arm;
    cx_eq_fire(v, eq);
}

void cx_eq_refire(CxVhca *v)
{
    g_autoptr(GArray) ids = cx_object_ids(v, OBJECT_EQ);

    for (unsigned i = 0; i < ids->len; i++) {
        cx_eq_fire(v, cx_object_find(v, OBJECT_EQ,
                                     g_array_index(ids, uint32_t, i)));
    }
}
