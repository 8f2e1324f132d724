/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: the switch among the functions of the NIC and its port.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "ethernet.h"

enum {
    SLICE_FRAMES = 128,                 /* and copies, in one hold of the lock */
    ENOUGH = 256,                       /* waiting: nobody should send more */
    BACKLOG_FRAMES = 8192,              /* nor can anybody, then */
    BACKLOG_BYTES = 16 * MiB,
    WIRE_MIN = 60,                      /* without its checksum */
};

typedef struct CxWaiting {
    QSIMPLEQ_ENTRY(CxWaiting) next;
    CxVhca *from;                       /* NULL: the port */
    CxFrame *frame;
} CxWaiting;

struct CxSwitch {
    CxPf *pf;
    NICState *port;                     /* NULL: it leads nowhere */
    QEMUBH *bh;
    QSIMPLEQ_HEAD(, CxWaiting) queue;
    unsigned waiting;
    uint64_t bytes;                     /* of what waits */
    bool refused;                       /* the netdev holds frames back */
    CxSwitchCounters n;
};

static void cx_switch_count(CxSwitch *s, unsigned counter)
{
    s->pf->control.counter[counter]++;
}

/* ---- the queue ---- */

static void cx_switch_put(CxSwitch *s, CxVhca *from, CxFrame *f)
{
    CxWaiting *w;

    if (f->len < FRAME_MIN || f->len > FRAME_MAX ||
        s->waiting >= BACKLOG_FRAMES || s->bytes + f->len > BACKLOG_BYTES) {
        cx_switch_count(s, COUNTER_FRAMES_LOST);
        cx_frame_free(f);
        return;
    }
    w = g_new(CxWaiting, 1);
    *w = (CxWaiting) { .from = from, .frame = f };
    QSIMPLEQ_INSERT_TAIL(&s->queue, w, next);
    s->waiting++;
    s->bytes += f->len;
    qemu_bh_schedule(s->bh);
}

static void cx_switch_remove(CxSwitch *s, CxWaiting *w)
{
    QSIMPLEQ_REMOVE(&s->queue, w, CxWaiting, next);
    s->waiting--;
    s->bytes -= w->frame->len;
}

static void cx_waiting_free(CxWaiting *w)
{
    cx_frame_free(w->frame);
    g_free(w);
}

void cx_switch_send(CxVhca *from, CxFrame *f)
{
    CxSwitch *s = from->pf->sw;

    if (!s) {
        cx_frame_free(f);
        return;
    }
    cx_switch_put(s, from, f);
}

unsigned cx_switch_room(const CxPf *pf)
{
    return pf->sw && pf->sw->waiting < ENOUGH ? ENOUGH - pf->sw->waiting : 0;
}

void cx_switch_drop(CxVhca *v)
{
    CxSwitch *s = v->pf->sw;
    CxWaiting *w, *next;

    if (!s) {
        return;
    }
    QSIMPLEQ_FOREACH_SAFE(w, &s->queue, next, next) {
        if (w->from == v) {
            cx_switch_remove(s, w);
            cx_waiting_free(w);
        }
    }
}

/* ---- where a frame goes ---- */

static bool cx_listed(const uint8_t (*list)[MAC_SIZE], uint32_t n,
                      const uint8_t *mac)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!memcmp(list[i], mac, MAC_SIZE)) {
            return true;
        }
    }
    return false;
}

/*
 * Whose address it is.  Where a function has moved to another of this NIC, both
 * have it: then it is that of the one that runs.
 */
static CxVhca *cx_switch_owner(CxSwitch *s, const uint8_t *mac)
{
    CxVhca *suspended = NULL;

    for (unsigned i = 0; i <= s->pf->total_vfs; i++) {
        CxVhca *v = s->pf->vhca[i];

        if (v && cx_eth_listens(v) &&
            cx_listed(v->vport.uc, v->vport.nuc, mac)) {
            if (cx_initiates(v)) {
                return v;
            }
            suspended = suspended ? suspended : v;
        }
    }
    return suspended;
}

/* Short frames are padded: only among functions may they be so short. */
static void cx_switch_transmit(CxSwitch *s, const CxFrame *f)
{
    uint8_t padded[WIRE_MIN] = { 0 };
    NetClientState *nc = qemu_get_queue(s->port);
    uint32_t len = MAX(f->len, WIRE_MIN);

    s->n.wire_out++;
    s->n.wire_out_octets += len;
    if (f->len >= WIRE_MIN) {
        qemu_send_packet(nc, f->data, f->len);
        return;
    }
    memcpy(padded, f->data, f->len);
    qemu_send_packet(nc, padded, sizeof(padded));
}

static bool cx_wants_copy(const CxVhca *v, const uint8_t *mac)
{
    const CxVport *p = &v->vport;

    if (p->promisc_all) {
        return true;
    }
    return mac[0] & 1 ? p->promisc_mc || cx_listed(p->mc, p->nmc, mac) :
           p->promisc_uc;
}

/* Value: how many got it. */
static unsigned cx_switch_forward(CxSwitch *s, CxVhca *from, const CxFrame *f)
{
    const uint8_t *mac = f->data;
    CxVhca *owner = mac[0] & 1 ? NULL : cx_switch_owner(s, mac);
    bool wire = s->port && from && !owner && cx_port_up(s->pf);
    unsigned copies = wire + !!owner;

    if (owner && (owner != from || cx_eth_loops_back(owner))) {
        cx_eth_receive(owner, f);
    }
    for (unsigned i = 0; i <= s->pf->total_vfs; i++) {
        CxVhca *v = s->pf->vhca[i];

        if (v && v != from && v != owner && cx_eth_listens(v) &&
            cx_wants_copy(v, mac)) {
            cx_eth_receive(v, f);
            copies++;
        }
    }
    if (wire) {
        cx_switch_transmit(s, f);
    }
    if (!copies) {
        cx_switch_count(s, COUNTER_FRAMES_UNWANTED);
    }
    return copies;
}

static void cx_switch_bh(void *opaque)
{
    CxSwitch *s = opaque;
    int64_t began = cx_cpu_ns();

    for (unsigned n = 0; n < SLICE_FRAMES && s->waiting; n++) {
        CxWaiting *w = QSIMPLEQ_FIRST(&s->queue);

        cx_switch_remove(s, w);
        n += cx_switch_forward(s, w->from, w->frame);
        cx_waiting_free(w);
    }
    if (s->waiting) {
        qemu_bh_schedule(s->bh);
    }
    if (s->refused && cx_switch_room(s->pf)) {
        s->refused = false;
        qemu_flush_queued_packets(qemu_get_queue(s->port));
    }
    s->pf->control.counter[COUNTER_FRAMES_NS] += cx_cpu_ns() - began;
}

/* ---- the port ---- */

static bool cx_port_can_receive(NetClientState *nc)
{
    CxSwitch *s = qemu_get_nic_opaque(nc);

    s->refused |= !cx_switch_room(s->pf);
    return cx_switch_room(s->pf);
}

static ssize_t cx_port_receive(NetClientState *nc, const uint8_t *buf,
                               size_t size)
{
    CxSwitch *s = qemu_get_nic_opaque(nc);

    if (!cx_port_up(s->pf)) {
        return size;
    }
    s->n.wire_in++;
    s->n.wire_in_octets += size;
    cx_switch_put(s, NULL, cx_frame_new(buf, size));
    return size;
}

static void cx_port_link_changed(NetClientState *nc)
{
    CxSwitch *s = qemu_get_nic_opaque(nc);

    cx_port_changed(s->pf);
}

static NetClientInfo cx_port_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .can_receive = cx_port_can_receive,
    .receive = cx_port_receive,
    .link_status_changed = cx_port_link_changed,
};

bool cx_switch_link(const CxPf *pf)
{
    return !pf->sw || !pf->sw->port || !qemu_get_queue(pf->sw->port)->link_down;
}

/* ---- life ---- */

void cx_switch_init(CxPf *pf)
{
    DeviceState *d = DEVICE(pf);
    CxSwitch *s = g_new0(CxSwitch, 1);

    s->pf = pf;
    QSIMPLEQ_INIT(&s->queue);
    s->bh = qemu_bh_new_guarded(cx_switch_bh, s, &d->mem_reentrancy_guard);
    if (pf->nic.peers.ncs[0]) {
        s->port = qemu_new_nic(&cx_port_info, &pf->nic, TYPE_CX_PF, d->id,
                               &d->mem_reentrancy_guard, s);
        qemu_format_nic_info_str(qemu_get_queue(s->port),
                                 pf->nic.macaddr.a);
    }
    pf->sw = s;
}

void cx_switch_free(CxPf *pf)
{
    CxSwitch *s = pf->sw;
    CxWaiting *w, *next;

    if (!s) {
        return;
    }
    QSIMPLEQ_FOREACH_SAFE(w, &s->queue, next, next) {
        cx_waiting_free(w);
    }
    if (s->port) {
        qemu_del_nic(s->port);
    }
    qemu_bh_delete(s->bh);
    g_free(s);
    pf->sw = NULL;
}

const CxSwitchCounters *cx_switch_counters(const CxPf *pf)
{
    return &pf->sw->n;
}
