/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model of a ConnectX-7 at the level of its firmware command interface: the
 * types, and what the files of the model offer one another.
 *
 * A function of the NIC, PF or VF, is a CxVhca ("virtual HCA" in the
 * interface's words).  Everything is per VHCA: command queue, UARs, PDs,
 * mkeys, EQs, CQs, QPs, device memory.  The PF is a VHCA that may also
 * suspend, save, load and track the others.
 *
 *     pci.c  regs.c                 functions, BARs, resets; registers
 *        v
 *     command.c -> ops.c            command queues; opcode -> handler
 *        v
 *     hca.c caps.c eq.c cq.c qp.c mkey.c       what a function has
 *     migration.c -> save.c load.c -> image.c  what moves it
 *     tracker.c                                what it wrote
 *     ethernet.h                               its frames, and the files for them
 *     object.c devmem.c dma.c                  what all of these stand on
 *     workload.c control.c trace.c             the lab's, not the NIC's
 *
 * Lock: all of the model runs under QEMU's big lock, in MMIO handlers, bottom
 * halves and timers.  Nothing holds it for longer than a slice takes.
 */
#ifndef CONNECTX_H
#define CONNECTX_H

#include "qemu/osdep.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/pci/pci_device.h"
#include "net/net.h"
#include "ifc.h"
#include "lab.h"
#include "vport.h"

#define TYPE_CX_VHCA "connectx7-vhca"           /* abstract */
#define TYPE_CX_PF   "connectx7"
#define TYPE_CX_VF   "connectx7-vf"
OBJECT_DECLARE_SIMPLE_TYPE(CxVhca, CX_VHCA)
OBJECT_DECLARE_SIMPLE_TYPE(CxPf, CX_PF)

#define CX_MAX_VFS      64
#define CX_PAGE         4096u
#define CX_SLICE        (256 * KiB)             /* DMA under one hold of the lock */
#define CX_MAX_MESSAGE  (16 * MiB)              /* of a command */
#define CX_MAX_IMAGE    (4 * GiB - CX_PAGE)     /* not in chunks */

typedef struct CxCommand CxCommand;
typedef struct CxOp CxOp;
typedef struct CxArchive CxArchive;
typedef struct CxSwitch CxSwitch;

/* A field of the interface by name, for checks and for the trace. */
typedef struct CxField {
    const char *name;
    uint16_t bit, width;
} CxField;

/* ---- objects ---- */

/* Start of every object.  Its number is unique in its kind and VHCA. */
typedef struct CxObject {
    uint32_t id;
    uint32_t users;                             /* objects and jobs that refer to it */
} CxObject;

/* Bus addresses of the pages behind a queue or an mkey. */
typedef struct CxPages {
    uint32_t n, log_page;                       /* log2 of bytes in each */
    uint64_t *addr;
} CxPages;

typedef struct CxMkey {
    CxObject obj;
    uint32_t pd;
    uint64_t start, len;
    CxPages mtt;
    /* not in an image: only SAVE and LOAD look at them, with keys of the PF */
    uint32_t access, octwords, actual_octwords;
    bool aligned;
} CxMkey;

typedef struct CxEq {
    CxObject obj;
    uint32_t uar, vector, log_size;
    uint32_t pi, ci;
    bool armed;
    uint64_t mask[4];                           /* event types subscribed to */
    CxPages pages;
} CxEq;

typedef struct CxCq {
    CxObject obj;
    uint32_t uar, eqn, log_size;
    uint32_t pi;
    uint32_t armed_ci;                          /* consumer index it was armed at */
    bool armed, ignore_overrun;
    uint64_t dbr;
    CxPages pages;
} CxCq;

typedef enum CxQpState { QP_RST, QP_INIT, QP_RTR, QP_RTS } CxQpState;

typedef struct CxQp {
    CxObject obj;
    uint32_t uar, cqn, remote, rq_type, log_size, log_stride;
    uint32_t state;                             /* CxQpState */
    uint32_t rq_ci;
    uint64_t dbr;
    CxPages pages;
} CxQp;

typedef struct CxRange {
    uint64_t start, len;
} CxRange;

/* Tracks the DMA writes of one VHCA; belongs to the PF. */
typedef struct CxTracker {
    CxObject obj;
    CxVhca *target;
    uint32_t qpn, log_page, log_msg, state;     /* TRACK_* */
    uint32_t nranges;
    CxRange *range;
    GHashTable *dirty;                          /* block of pages -> bitmap */
    uint64_t pos, end;                          /* what is left to report */
    bool waiting;                               /* for receive credits */
} CxTracker;

/* An object's reference to another. */
typedef struct CxRef {
    uint32_t syndrome;                          /* if that is not there; 0 ends a list */
    unsigned kind;
    size_t id;                                  /* where its number is, a uint32_t */
    bool optional;                              /* 0 is none */
} CxRef;

/* One row of object.c's table. */
typedef struct CxKind {
    const char *name;
    size_t size;
    uint32_t first, last;                       /* numbers */
    /* transfers all fields between object and archive, NULL: not in an image */
    void (*visit)(CxArchive *a, void *obj);
    /* is it sound? (create and load); 0 or a syndrome */
    uint32_t (*link)(CxVhca *v, void *obj);
    const CxRef *refs;                          /* then what it needs, or NULL */
    /* link and unlink have those that are not always the same */
    void (*unlink)(CxVhca *v, void *obj);
    void (*clear)(void *obj);                   /* frees what it points to */
} CxKind;

/* ---- device memory ---- */

typedef struct CxDevmem {
    uint8_t *base;
    uint64_t size, npages;
    unsigned long *present;                     /* pages that may be non-zero */
    uint64_t npresent;
    bool tracked;
    bool lost;                                  /* tracked, and nothing is noted */
    unsigned long *dirty;                       /* pages changed since they were saved */
    uint64_t ndirty;
} CxDevmem;

/* ---- migration ---- */

typedef struct CxMigration {
    uint32_t state;                             /* VHCA_STATE_*; what lab.h shows */
    CxCommand *busy;                            /* SAVE or LOAD of it in flight */
    bool reinit;                                /* re-initialised while tracked */
    bool chunked;                               /* of the last QUERY */
    bool queried_valid;
    uint64_t queried;                           /* bytes that QUERY required */
    uint32_t save_seq, load_seq;                /* of the next image */
} CxMigration;

/* What QUERY_HCA_CAP's current values have that SET_HCA_CAP may change. */
typedef struct CxCapValues {
    uint32_t pkey_table_size, log_max_qp, cmdif_checksum, log_uar_page_sz;
} CxCapValues;

typedef struct CxWorkload {
    uint64_t reg[WL_SIZE / 8];                  /* those marked RW and the counts */
    uint64_t fill_pos, fill_left, recv_left;
    /* not in the image */
    uint64_t sum, sum_pos, sum_left, sum_value, discarded;
    int64_t last_ns;
    uint64_t credit[3];                         /* parts of a step due, in 1e-9 */
    QEMUTimer *timer;
} CxWorkload;

struct CxVhca {
    PCIDevice parent_obj;
    MemoryRegion bar0, regs, bar2, workload_regs, control_regs, window;
    QEMUBH *doorbell_bh;
    CxPf *pf;
    uint16_t function;                          /* 0: PF, n + 1: VF n */
    uint16_t vhca_id;
    bool enabled_by_pf;

    /* what a driver of the function can change */
    uint64_t cmdq;                              /* bus address, 0: none */
    uint32_t doorbells;                         /* rung, not yet fetched */
    uint32_t issi;
    bool enabled, inited;
    CxCapValues caps;
    uint32_t cq_arm_hi;                         /* first half of a CQ doorbell */
    GHashTable *objects[OBJECT_KINDS];
    CxDevmem mem;
    CxWorkload wl;
    CxVport vport;
    uint32_t flow_root;                         /* table, 0: none */
    QEMUBH *send_bh;
    unsigned send_turn;                         /* whose it is to send */

    CxMigration mig;
    bool migratable;                            /* capability, set by the PF */
    unsigned vectors;                           /* of MSI-X */
    uint32_t nic_interface;                     /* NIC_IFC_* or what a driver wrote */
    uint8_t health_synd;
    bool gone;                                  /* off the bus, until a reset */
    uint32_t health_counter;                    /* at which a fatal error stopped it */
    int64_t ready_ns;                           /* a reset takes until then */
    CxTracker *tracker;                         /* of this function's DMA writes */
    QTAILQ_HEAD(, CxCommand) commands;          /* in flight */
};

typedef struct CxFault {
    uint64_t opcode, vhca, nth, times, action, status, syndrome, delay_us;
    uint64_t seen;
} CxFault;

typedef struct CxControl {
    CxFault edit, armed[CONTROL_MAX_FAULTS];
    uint32_t narmed;
    uint64_t hits;
    uint64_t vhca_sel, kind_sel, counter_sel, opcode_sel;
    uint64_t report, report_after, report_vhca; /* what a report meets */
    uint64_t counter[COUNTERS];
    uint32_t in_flight, images;                 /* now */
    GHashTable *opcodes;                        /* opcode -> count */
} CxControl;

struct CxPf {
    CxVhca parent_obj;
    /* properties */
    uint32_t total_vfs;
    uint32_t vf_vectors;                        /* what a guest sees of a VF */
    uint64_t vf_bar2_size;
    bool vf_serial;
    uint64_t state_size, state_noise;
    uint32_t chunk_size, chunk_growth;
    uint32_t cmd_latency_us, save_mbps, load_mbps;
    uint32_t grow, grow_middle;                 /* percent, from QUERY to SAVE */
    uint32_t query_us, suspend_us, resume_us, flr_ms, load_setup_ms;
    bool short_saves;
    char *estimate;                             /* full, exact or N% too much */
    bool estimate_full;
    char *psid, *fw_version;
    uint16_t fw[3];                             /* major, minor, subminor */
    uint8_t cmdq_log_size;
    uint32_t vhca_id_step;                      /* of VFs, at each reload of the PF */
    bool reload_flips_chunks;
    bool reloaded;
    uint32_t estimate_excess;                   /* percent */
    OnOffAuto end_key, end_size;                /* what ends tracking has them */
    bool end_query;
    uint8_t key_max_log_page;                   /* of SAVE's and LOAD's mkeys */
    bool key_align, key_octwords, key_access;
    bool migration, multi_load, tracking_state, in_chunks, migration_state;
    bool adv_virtualization, full_messages;
    OnOffAuto reload_loses_track;               /* of a function's driver */
    uint64_t migratable;                        /* bit n: VF n */
    uint8_t track_max_ranges, track_log_max_num;
    uint8_t track_log_min_space, track_log_max_space;
    uint8_t track_log_min_msg, track_log_max_msg;
    uint8_t track_log_min_page, track_log_max_page;
    char *faults, *trace_path;
    bool ethernet;
    bool port_down;                             /* the lab says so */
    NICConf nic;                                /* mac, netdev: the port's other end */
    CxSwitch *sw;                               /* NULL: not with ethernet */

    CxVhca *vhca[1 + CX_MAX_VFS];
    QEMUTimer *tracker_timer;
    CxControl control;
    FILE *trace;
};

/* ---- commands ---- */

typedef enum CxCommandState {
    CX_CMD_QUEUED,                              /* latency running, nothing done */
    CX_CMD_RUNNING,                             /* SAVE, LOAD: slice by slice */
    CX_CMD_EXECUTED,                            /* done, completion delayed */
    CX_CMD_LOST,                                /* a fault: never completes */
} CxCommandState;

struct CxCommand {
    QTAILQ_ENTRY(CxCommand) next;
    CxVhca *vhca;                               /* who issued it */
    CxCommandState state;
    unsigned slot;
    const CxOp *op;                             /* NULL: unknown opcode */
    uint16_t opcode, op_mod;
    uint8_t *in, *out;
    uint32_t inlen, outlen;
    uint64_t out_ptr;
    uint8_t status;
    uint32_t syndrome;
    uint32_t created_eqn;
    CxFault fault;                              /* that strikes it, action 0: none */
    int64_t start_ns;
    QEMUTimer *timer;
    /* of a RUNNING one */
    struct CxJob *job;
    void (*step)(CxCommand *c);
    void (*job_free)(CxCommand *c);
};

/*
 * What SAVE and LOAD have in common, the start of what c->job points to: a
 * walk through the memory behind an mkey, slice by slice, at a given speed.
 */
typedef struct CxJob {
    CxVhca *target;                             /* NULL: it was reset meanwhile */
    uint32_t mkey, size;
    uint64_t va;
    uint64_t pos;                               /* bytes moved */
    uint32_t mbps;
    int64_t began_ns;
    bool done;                                  /* time runs until it is so for the driver */
    int status;
    /* moves up to CX_SLICE bytes; true: it was the last one, or failed */
    bool (*slice)(CxCommand *c, int *status);
    void (*end)(struct CxJob *job, int status); /* frees; target may be NULL */
} CxJob;

/* What a handler returns when step() goes on with the command. */
#define CX_ASYNC (-1)

struct CxOp {
    uint16_t opcode;
    const char *name;
    uint8_t flags;
#define CX_OP_PF     1                          /* on the PF's interface only */
#define CX_OP_INIT   2                          /* after INIT_HCA only */
#define CX_OP_STRICT 4                          /* bits outside in[] must be zero */
#define CX_OP_ETH    8                          /* with ethernet only */
#define CX_OP_PORT   16                         /* without ethernet, the PF's only */
    uint16_t op_mod_max;
    uint16_t in_min, out_min;
    int (*handler)(CxCommand *c);               /* ST_* or CX_ASYNC */
    const CxField *in, *out;                    /* end with a NULL name */
};

static inline const char *cx_function_name(const CxVhca *v, char buf[8])
{
    if (!v->function) {
        return "PF";
    }
    snprintf(buf, 8, "VF%u", v->function - 1);
    return buf;
}

static inline CxControl *cx_control(CxVhca *v)
{
    return &v->pf->control;
}

static inline void cx_count(CxVhca *v, unsigned counter, uint64_t n)
{
    cx_control(v)->counter[counter] += n;
}

/* May it start DMA, interrupts and commands? */
static inline bool cx_initiates(const CxVhca *v)
{
    return v->mig.state == VHCA_STATE_RUNNING;
}

/* May anything of it change? */
static inline bool cx_changes(const CxVhca *v)
{
    return v->mig.state == VHCA_STATE_RUNNING || v->mig.state == VHCA_STATE_P2P;
}

/* Refuses a command: "return cx_refuse(c, ST_..., SYND_...);" */
static inline int cx_refuse(CxCommand *c, uint8_t status, uint32_t syndrome)
{
    c->syndrome = syndrome;
    return status;
}

/* The VHCA that a command is about, if it is about another; NULL: none. */
CxVhca *cx_command_about(const CxCommand *c);

/* pci.c */
CxVhca *cx_by_function(CxPf *pf, unsigned function);
CxVhca *cx_by_vhca_id(CxPf *pf, unsigned vhca_id);
void cx_vhca_clear(CxVhca *v);                  /* all that its driver made */
void cx_pf_started(CxPf *pf);                   /* its driver, perhaps not for the first time */
void cx_vhca_stop(CxVhca *v);                   /* and all that is under way */
void cx_pci_error(CxVhca *v, bool fatal);       /* AER, uncorrectable */

/* regs.c */
extern const MemoryRegionOps cx_regs_ops;
void cx_discard(CxVhca *v);                     /* an access to a stopped function */
void cx_fatal(CxVhca *v);                       /* its firmware dies */
void cx_gone(CxVhca *v);                        /* its link fails */

/* command.c */
void cx_doorbell(CxVhca *v, uint32_t bits);
void cx_command_bh(void *vhca);
void cx_command_again(CxCommand *c, int64_t when_ns);
void cx_command_soon(CxVhca *v);
void cx_command_finish(CxCommand *c, uint8_t status);
void cx_command_quiesce(CxVhca *v);             /* before the initiator is suspended */
void cx_command_cancel_all(CxVhca *v);          /* reset */
void cx_command_lose_all(CxVhca *v);            /* its firmware died */

/* ops.c */
const CxOp *cx_op_find(unsigned opcode);
int cx_op_execute(CxCommand *c);

/* hca.c */
int cx_enable_hca(CxCommand *c);
int cx_init_hca(CxCommand *c);
int cx_teardown_hca(CxCommand *c);
int cx_query_issi(CxCommand *c);
int cx_set_issi(CxCommand *c);
int cx_query_pages(CxCommand *c);
int cx_query_adapter(CxCommand *c);
int cx_access_reg(CxCommand *c);

/* caps.c */
int cx_query_hca_cap(CxCommand *c);
int cx_set_hca_cap(CxCommand *c);
void cx_caps_reset(CxVhca *v);

/* object.c */
const CxKind *cx_kind(unsigned kind);           /* NULL: not a kind of object */
void cx_objects_init(CxVhca *v);
void cx_objects_clear(CxVhca *v);
GArray *cx_object_ids(CxVhca *v, unsigned kind); /* ascending */
void *cx_object_find(CxVhca *v, unsigned kind, uint32_t id);
uint32_t cx_object_add(CxVhca *v, unsigned kind, void *obj);
int cx_object_create(CxCommand *c, unsigned kind, void *obj);
int cx_object_answer(CxCommand *c, unsigned kind, void *obj);
int cx_object_destroy(CxCommand *c, unsigned kind, uint32_t id);
void cx_object_get(CxVhca *v, unsigned kind, uint32_t id);
void cx_object_put(CxVhca *v, unsigned kind, uint32_t id);
void *cx_object_alloc(unsigned kind);
void cx_object_free(unsigned kind, void *obj);
int cx_alloc_pd(CxCommand *c);
int cx_alloc_uar(CxCommand *c);
int cx_alloc_td(CxCommand *c);
int cx_destroy_object(CxCommand *c);
bool cx_pages_read(CxPages *p, CxCommand *c, unsigned offset, uint64_t bytes,
                   unsigned log_page);
uint64_t cx_pages_addr(const CxPages *p, uint64_t pos);

/* devmem.c */
void cx_devmem_init(CxDevmem *m, uint64_t size);
void cx_devmem_free(CxDevmem *m);
void cx_devmem_clear(CxDevmem *m);
void cx_devmem_write(CxDevmem *m, uint64_t pos, const void *buf, uint64_t len);
void cx_devmem_zero_page(CxDevmem *m, uint64_t page);
bool cx_devmem_page_is_zero(const CxDevmem *m, uint64_t page);
void cx_devmem_track(CxDevmem *m);              /* all present pages become dirty */
void cx_devmem_untrack(CxDevmem *m);
void cx_devmem_lose(CxDevmem *m);               /* whoever goes on lacks pages */
uint64_t cx_devmem_next_dirty(const CxDevmem *m, uint64_t from);
void cx_devmem_clean(CxDevmem *m, uint64_t page);
uint64_t cx_devmem_next_present(const CxDevmem *m, uint64_t from);
void *cx_devmem_page(const CxDevmem *m, uint64_t page);

/* dma.c */
MemTxResult cx_dma_read(CxVhca *v, uint64_t addr, void *buf, uint64_t len);
MemTxResult cx_dma_write(CxVhca *v, uint64_t addr, const void *buf,
                         uint64_t len);
/* A queue's entry: the byte that makes it valid is written last. */
MemTxResult cx_dma_write_entry(CxVhca *v, uint64_t addr, const void *entry,
                               uint64_t len);

/* mkey.c */
extern const CxKind cx_kind_mkey;
int cx_create_mkey(CxCommand *c);
uint32_t cx_mkey_check(CxVhca *v, uint32_t key, uint64_t va, uint64_t len);
uint32_t cx_mkey_check_image(CxCommand *c);     /* as a SAVE or LOAD names it */
bool cx_mkey_read(CxVhca *v, uint32_t key, uint64_t va, void *buf,
                  uint64_t len);
bool cx_mkey_write(CxVhca *v, uint32_t key, uint64_t va, const void *buf,
                   uint64_t len);

/* eq.c */
extern const CxKind cx_kind_eq;
int cx_create_eq(CxCommand *c);
int cx_destroy_eq(CxCommand *c);
void cx_eq_doorbell(CxVhca *v, uint32_t value, bool arm);
void cx_event_async(CxVhca *v, unsigned type,
                    const uint8_t data[EQE_DATA_SIZE], uint32_t not_eqn);
void cx_event_eqn(CxVhca *v, uint32_t eqn, unsigned type,
                  const uint8_t data[EQE_DATA_SIZE]);
void cx_eq_refire(CxVhca *v);
void cx_raise(CxVhca *v, unsigned vector);

/* cq.c */
extern const CxKind cx_kind_cq;
int cx_create_cq(CxCommand *c);
void cx_cq_arm(CxVhca *v, uint32_t hi, uint32_t lo);
void cx_cq_refire(CxVhca *v);
bool cx_cq_post(CxVhca *v, uint32_t cqn, uint8_t cqe[CQE_SIZE]);

/* qp.c */
extern const CxKind cx_kind_qp;
int cx_create_qp(CxCommand *c);
int cx_modify_qp(CxCommand *c);
bool cx_qp_credit(CxVhca *v, CxQp *qp, uint32_t *bytes);
bool cx_qp_receive(CxVhca *v, CxQp *qp, const void *buf, uint32_t len,
                   uint32_t immediate);

/* tracker.c */
extern const CxKind cx_kind_tracker;
int cx_create_tracker(CxCommand *c);
int cx_modify_tracker(CxCommand *c);
int cx_query_tracker(CxCommand *c);
int cx_destroy_tracker(CxCommand *c);
void cx_tracker_mark(CxTracker *t, uint64_t addr, uint64_t len);
void cx_tracker_pump(CxVhca *pf);
void cx_tracker_detach(CxVhca *target);
void cx_tracker_timer(void *pf);

/* image.c: one description, for writing and for reading */
void cx_archive_u32(CxArchive *a, uint32_t *x);
void cx_archive_u64(CxArchive *a, uint64_t *x);
void cx_archive_bool(CxArchive *a, bool *x);
void cx_archive_bytes(CxArchive *a, uint8_t *buf, size_t len);
void cx_archive_refuse(CxArchive *a);           /* what was read makes no sense */
void cx_archive_pages(CxArchive *a, CxPages *p);
GByteArray *cx_image_objects(CxVhca *v);
bool cx_image_load_objects(CxVhca *v, const uint8_t *buf, size_t len);

#define IMAGE_MAGIC     0x31474d49u             /* "IMG1" */
#define IMAGE_VERSION   2
enum { IMAGE_FIRST = 1, IMAGE_FINAL = 2, IMAGE_ETHERNET = 4 };
/* Start of an image; host form of what image.c reads and writes. */
typedef struct CxImageHeader {
    uint32_t flags, seq;
    uint64_t state_size;
    uint64_t length;                            /* of the whole image */
    uint32_t objects;                           /* bytes, at the end */
    uint32_t psid;                              /* CRC-32 of the source's */
    uint16_t fw[3];                             /* the source's firmware */
    uint32_t checksum;                          /* CRC-32 of all behind the header */
} CxImageHeader;
enum {
    IMAGE_HEADER_SIZE = 64,
    /* an extent: {le64 page, le32 pages, le32 kind}, then its pages */
    EXTENT_HEADER_SIZE = 16,
    EXTENT_END = 0, EXTENT_DATA = 1, EXTENT_ZERO = 2,
};
/* What of the header is the NIC's that saved it. */
void cx_image_origin(const CxPf *pf, CxImageHeader *h);
void cx_image_put_header(uint8_t buf[IMAGE_HEADER_SIZE],
                         const CxImageHeader *h);
uint32_t cx_image_get_header(const uint8_t buf[IMAGE_HEADER_SIZE],
                             CxImageHeader *h); /* 0 or a syndrome */
void cx_image_put_extent(uint8_t buf[EXTENT_HEADER_SIZE], uint64_t page,
                         uint32_t pages, uint32_t kind);
void cx_image_get_extent(const uint8_t buf[EXTENT_HEADER_SIZE],
                         uint64_t *page, uint32_t *pages, uint32_t *kind);

/* migration.c */
int cx_suspend_vhca(CxCommand *c);
int cx_resume_vhca(CxCommand *c);
int cx_query_vhca_migration_state(CxCommand *c);
CxVhca *cx_migration_target(CxCommand *c, int *status);
uint64_t cx_migration_required(CxVhca *t, bool incremental);
uint64_t cx_migration_clamp(CxVhca *t, uint64_t bytes);
void cx_migration_reset(CxVhca *v);
void cx_migration_reload(CxVhca *v);
int cx_job_begin(CxCommand *c, CxJob *job, CxVhca *target,
                 bool (*slice)(CxCommand *c, int *status),
                 void (*end)(CxJob *job, int status), uint32_t mbps);
bool cx_job_write(CxCommand *c, uint64_t pos, const void *buf, uint32_t len);
bool cx_job_read(CxCommand *c, void *buf, uint32_t len);

/* save.c, load.c */
int cx_save_vhca_state(CxCommand *c);
void cx_save_struck(CxCommand *c);              /* a fault instead of it */
int cx_load_vhca_state(CxCommand *c);

/* workload.c */
extern const MemoryRegionOps cx_workload_ops, cx_window_ops;
void cx_workload_init(CxVhca *v);
void cx_workload_free(CxVhca *v);
void cx_workload_reset(CxVhca *v);
void cx_workload_kick(CxVhca *v);               /* its state changed: go on, or stop */
void cx_workload_visit(CxArchive *a, CxVhca *v);

/* control.c */
extern const MemoryRegionOps cx_control_ops;
bool cx_control_init(CxPf *pf, Error **errp);
void cx_control_free(CxPf *pf);
void cx_control_command_begins(CxCommand *c);   /* counts, picks its fault */
void cx_control_command_ends(CxCommand *c);

/* trace.c */
bool cx_trace_init(CxPf *pf, Error **errp);
void cx_trace_free(CxPf *pf);
void cx_trace_command(CxCommand *c, unsigned delivery);
void cx_trace_note(CxVhca *v, const char *what); /* reset and the like */

#endif
