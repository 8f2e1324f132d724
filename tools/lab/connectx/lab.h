/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the model has and no ConnectX has: BAR 2, which belongs to the lab.
 *
 * BAR 0 is the NIC's, as on hardware.  BAR 2 of every function holds the
 * workload, with which the user of a VF changes device memory, writes to its
 * own memory and raises interrupts without a driver of its own, and a
 * window onto device memory.  BAR 2 of the PF also holds the control block,
 * with which a test injects faults and reads counters.  No driver for a
 * ConnectX touches BAR 2.
 *
 * Registers are 64 bits wide, little endian, and accessed as such.
 * Included by the model (QEMU) and by programs in the VM.
 */
#ifndef CONNECTX_LAB_H
#define CONNECTX_LAB_H

/* BAR 0: init segment, UAR pages, MSI-X */
#define BAR0_SIZE           0x100000
#define BAR0_REGS_SIZE      0x80000     /* page n is UAR n, from UAR_FIRST on */
#define BAR0_MSIX_TABLE     0x80000
#define BAR0_MSIX_PBA       0x90000
#define UAR_FIRST           4
#define UAR_LAST            (BAR0_REGS_SIZE / 4096 - 1)
#define MSIX_VECTORS        32
#define VHCA_ID_PF          0x20        /* VF n has VHCA_ID_PF + 1 + n; see vhca-id-step */

/* BAR 2 */
#define BAR2_SIZE           0x100000
#define BAR2_WORKLOAD       0x00000
#define BAR2_CONTROL        0x10000     /* the PF's only */
#define BAR2_WINDOW         0x80000     /* device memory from WL_WINDOW on */
#define BAR2_WINDOW_SIZE    0x80000

/*
 * Workload registers, offsets from BAR2_WORKLOAD.  All are part of the image,
 * so a workload goes on where it was when the VF has moved.  While the
 * initiator is suspended (P2P) no DMA, interrupt or message leaves; while the
 * responder is, too (STOP), nothing changes, and an access that would change
 * something is discarded and counted in WL_DISCARDED.
 * RW: read and write, RO: read only, GO: a write starts something.
 */
enum {
    WL_MAGIC        = 0x000,    /* RO: WORKLOAD_MAGIC */
    WL_STATE_SIZE   = 0x008,    /* RO: bytes of device memory */
    WL_VHCA_ID      = 0x010,    /* RO: of this function; not in the image */
    WL_WINDOW       = 0x018,    /* RW: where BAR2_WINDOW starts, 4 KiB aligned */
    WL_DISCARDED    = 0x020,    /* RO: accesses discarded while stopped; not in the image */

    /* fill device memory once, in the background */
    WL_FILL_START   = 0x040,    /* RW: first byte, 4 KiB aligned */
    WL_FILL_LEN     = 0x048,    /* RW: bytes, 4 KiB aligned */
    WL_FILL_SEED    = 0x050,    /* RW: 0 fills with zeros, else with noise */
    WL_FILL         = 0x058,    /* GO: 1 starts; reads as bytes still to do */

    /* checksum of all of device memory, in the background */
    WL_SUM          = 0x080,    /* GO: 1 starts; reads as bytes still to do */
    WL_SUM_VALUE    = 0x088,    /* RO: the last one finished; zero pages do not count */

    /* change pages of device memory */
    WL_MEM_START    = 0x0c0,    /* RW: first byte, 4 KiB aligned */
    WL_MEM_LEN      = 0x0c8,    /* RW: bytes, 4 KiB aligned */
    WL_MEM_RATE     = 0x0d0,    /* RW: pages a second, 0 stops; in turn, wrapping */
    WL_MEM_LIMIT    = 0x0d8,    /* RW: stop at this MEM_COUNT, 0: never */
    WL_MEM_COUNT    = 0x0e0,    /* RW: pages changed; the count is what is written */

    /* DMA: a 64-bit little endian count at IOVA + dma_place(count) * stride */
    WL_DMA_IOVA     = 0x100,    /* RW */
    WL_DMA_LEN      = 0x108,    /* RW: bytes, a multiple of the stride */
    WL_DMA_STRIDE   = 0x110,    /* RW: bytes from one write to the next, >= 8 */
    WL_DMA_RATE     = 0x118,    /* RW: writes a second, 0 stops */
    WL_DMA_LIMIT    = 0x120,    /* RW: stop at this DMA_COUNT, 0: never */
    WL_DMA_COUNT    = 0x128,    /* RW: writes done; the n-th (from 0) writes n + 1 */
    WL_DMA_ERRORS   = 0x130,    /* RO: writes that the bus refused */

    /* MSI-X */
    WL_IRQ_VECTOR   = 0x140,    /* RW */
    WL_IRQ_RATE     = 0x148,    /* RW: a second, 0 stops */
    WL_IRQ_LIMIT    = 0x150,    /* RW: stop at this IRQ_COUNT, 0: never */
    WL_IRQ_COUNT    = 0x158,    /* RW: raised */

    /* messages into a QP of this function, as credits allow */
    WL_RECV_QPN     = 0x180,    /* RW */
    WL_RECV_LEN     = 0x188,    /* RW: bytes of each, at most 4096 */
    WL_RECV         = 0x190,    /* GO: as many more; reads as those still to come */
    WL_RECV_COUNT   = 0x198,    /* RW: delivered; byte i of message n is n + i, immediate n */

    /* which of the places the DMA writes to is next */
    WL_DMA_SEED     = 0x1a0,    /* RW: 0 in turn, else as dma_place() says */

    WL_SIZE         = 0x1a8,
};
#define WORKLOAD_MAGIC      0x31304c5759525246ull   /* "FRRYWL01" */

/* Which of so many places the n-th write goes to, from 0. */
static inline uint64_t dma_place(uint64_t n, uint64_t places, uint64_t seed)
{
    if (!seed) {
        return n % places;
    }
    n = (n + 1) * 0x9e3779b97f4a7c15ull ^ seed;
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9ull;
    return (n ^ n >> 31) % places;
}

/* Control block registers, offsets from BAR2_CONTROL of the PF. */
enum {
    CB_MAGIC        = 0x000,    /* RO: CONTROL_MAGIC */

    /* A fault: describe it, then arm it.  Up to CONTROL_MAX_FAULTS at a time. */
    CB_FAULT_OPCODE = 0x040,    /* RW: of the commands meant, 0: any */
    CB_FAULT_VHCA   = 0x048,    /* RW: who issues or is its target, CONTROL_ANY: any */
    CB_FAULT_NTH    = 0x050,    /* RW: strikes at the nth of these, from 1 */
    CB_FAULT_TIMES  = 0x058,    /* RW: and at so many in a row, 0: for ever */
    CB_FAULT_ACTION = 0x060,    /* RW: FAULT_* */
    CB_FAULT_STATUS = 0x068,    /* RW: FAULT_FAIL: status */
    CB_FAULT_SYNDROME = 0x070,  /* RW: FAULT_FAIL: syndrome */
    CB_FAULT_DELAY_US = 0x078,  /* RW: FAULT_DELAY: added latency */
    CB_FAULT_ARM    = 0x080,    /* GO: 1 arms, 0 disarms all; reads as the number armed */
    CB_FAULT_HITS   = 0x088,    /* RO: commands struck since power-on */
    CB_FAULT_SOON   = 0x090,    /* GO: delays that the PF's commands are in end now */

    /* one VHCA */
    CB_VHCA         = 0x0c0,    /* RW: vhca_id of the one meant below */
    CB_VHCA_ACTION  = 0x0c8,    /* GO: VHCA_* */
    CB_VHCA_STATE   = 0x0d0,    /* RO: VHCA_STATE_* */
    CB_VHCA_TRACKED = 0x0d8,    /* RO: 1 while its device memory is tracked */
    CB_OBJECT_KIND  = 0x0e0,    /* RW: OBJECT_* */
    CB_OBJECT_COUNT = 0x0e8,    /* RO: objects of that kind that it owns */

    /* counters since power-on */
    CB_COUNTER      = 0x100,    /* RW: COUNTER_* */
    CB_COUNTER_VALUE = 0x108,   /* RO */
    CB_OPCODE       = 0x110,    /* RW */
    CB_OPCODE_COUNT = 0x118,    /* RO: commands with that opcode, of all VHCAs */

    /* what becomes of a report of what CB_VHCA wrote */
    CB_REPORT_AFTER = 0x120,    /* RW: messages that come first */
    CB_REPORT       = 0x128,    /* GO: REPORT_*; reads as what is still to come */

    /* with ethernet=on */
    CB_PORT_DOWN    = 0x130,    /* RW: 1: its link fails; each function is told */

    CB_SIZE         = 0x140,
};
#define CONTROL_MAGIC       0x31304c5443525246ull   /* "FRRCTL01" */
#define CONTROL_ANY         0xffffull
#define CONTROL_MAX_FAULTS  16

enum {                          /* CB_FAULT_ACTION */
    FAULT_FAIL      = 1,        /* complete with STATUS and SYNDROME, do nothing else */
    FAULT_DELAY     = 2,        /* execute and complete DELAY_US later */
    FAULT_NEVER     = 3,        /* never complete */
    FAULT_DMA       = 4,        /* its DMA fails: the data of SAVE and LOAD, else the output */
};

enum {                          /* CB_VHCA_ACTION */
    VHCA_SET_REINIT = 1,        /* the next incremental QUERY says INIT, until a SAVE */
    VHCA_SET_ERROR  = 2,        /* fatal: health syndrome, commands are not served */
    VHCA_PCI_FATAL  = 3,        /* tells the root port of an uncorrectable error (AER); the PF is gone */
    VHCA_PCI_NONFATAL = 4,      /* the same, of one that the link survives */
    VHCA_SET_GONE   = 5,        /* as if off the bus: BAR 0 reads as ones, until a reset */
    VHCA_FLIP_TRACKERS = 6,     /* the NIC has no page trackers any more, or has them again */
};

enum {                          /* CB_REPORT */
    REPORT_GO_ON        = 0,
    REPORT_STALL        = 1,    /* no message, until it shall go on */
    REPORT_ERROR        = 2,    /* the tracker fails, and a message says so */
    REPORT_SILENT_ERROR = 3,    /* only QUERY_GENERAL_OBJECT says so */
    REPORT_CQ_ERROR     = 4,    /* an event says that the CQ takes no more */
    REPORT_BAD_CQE      = 5,    /* instead of a message there is an error in the CQ */
    REPORT_STATES
};

enum {                          /* CB_VHCA_STATE */
    VHCA_STATE_RUNNING      = 0,
    VHCA_STATE_P2P          = 1,    /* initiator suspended */
    VHCA_STATE_STOPPED      = 2,    /* responder suspended, too */
    VHCA_STATE_LOADING      = 3,    /* stopped, between the first and the final image */
    VHCA_STATE_LOAD_FAILED  = 4,    /* stopped, only a reset helps */
    VHCA_STATE_ERROR        = 5,    /* fatal error, only a reset helps */
};

enum {                          /* CB_OBJECT_KIND */
    OBJECT_UAR, OBJECT_PD, OBJECT_MKEY, OBJECT_EQ, OBJECT_CQ, OBJECT_QP,
    OBJECT_TRACKER, OBJECT_COMMAND /* in flight */,
    /* with ethernet=on */
    OBJECT_TD, OBJECT_Q_COUNTER, OBJECT_TIS, OBJECT_RQ, OBJECT_SQ, OBJECT_RQT,
    OBJECT_TIR, OBJECT_FLOW_TABLE, OBJECT_FLOW_GROUP, OBJECT_FLOW_ENTRY,
    OBJECT_KINDS
};

enum {                          /* CB_COUNTER */
    COUNTER_COMMANDS,           /* executed */
    COUNTER_FAILED,             /* of these, with a status other than OK */
    COUNTER_IN_FLIGHT_MAX,      /* most commands at one time, of all VHCAs */
    COUNTER_IMAGES_MAX,         /* most SAVEs and LOADs at one time */
    COUNTER_SAVED_BYTES,
    COUNTER_LOADED_BYTES,
    COUNTER_DMA_WRITES,         /* by the workload */
    COUNTER_INTERRUPTS,         /* of EQs and the workload */
    COUNTER_TRACKER_MESSAGES,
    COUNTER_TRACKER_WAITS,      /* a report had to wait for receive credits */
    COUNTER_CQ_OVERRUNS,
    COUNTER_DISCARDED,          /* accesses discarded while a function was stopped */
    COUNTER_SLICE_MAX_NS,       /* host time of the longest slice of a SAVE or LOAD */
    COUNTER_FRAMES,             /* that a function sent */
    COUNTER_FRAMES_DROPPED,     /* for a function that did not take them */
    COUNTER_FRAMES_UNWANTED,    /* for nobody that the switch knows */
    COUNTER_FRAMES_LOST,        /* no room in the switch, or no length of a frame */
    COUNTER_FRAMES_NS,          /* the host's processor time for all of them */
    COUNTERS
};

/*
 * Syndromes: which check refused a command.  Firmware's are not documented;
 * these are the model's own, one for each check.
 */
enum {
    SYND_NONE           = 0,
    SYND_RESERVED       = 0x7f0001, /* a reserved field is set */
    SYND_OP_MOD         = 0x7f0002,
    SYND_PF_ONLY        = 0x7f0003,
    SYND_NOT_ENABLED    = 0x7f0004, /* INIT_HCA before ENABLE_HCA */
    SYND_NOT_INIT       = 0x7f0005, /* needs INIT_HCA first */
    SYND_FUNCTION       = 0x7f0006, /* no such function_id */
    SYND_CAP            = 0x7f0007, /* the capability is not there */
    SYND_CAP_VALUE      = 0x7f0008, /* SET_HCA_CAP: more than the maximum */
    SYND_CAP_LATE       = 0x7f0009, /* SET_HCA_CAP after INIT_HCA */
    SYND_REGISTER       = 0x7f000a,
    SYND_ISSI           = 0x7f000b,

    SYND_OBJECT         = 0x7f0020, /* no such object */
    SYND_IN_USE         = 0x7f0021, /* something still refers to it */
    SYND_LIMIT          = 0x7f0022, /* no free number */
    SYND_SIZE           = 0x7f0023, /* a log size out of range */
    SYND_VECTOR         = 0x7f0024,
    SYND_UAR            = 0x7f0025,
    SYND_EQN            = 0x7f0026,
    SYND_CQN            = 0x7f0027,
    SYND_PD             = 0x7f0028,
    SYND_ACCESS_MODE    = 0x7f0029,
    SYND_QP_TYPE        = 0x7f002a,
    SYND_QP_STATE       = 0x7f002b,
    SYND_PAGE_LIST      = 0x7f002c, /* the input has fewer pages than the size needs */
    SYND_LIST           = 0x7f002d, /* the input has fewer entries than it says */
    SYND_FIELD_SELECT   = 0x7f002e, /* MODIFY of what cannot be changed */

    SYND_TD             = 0x7f0030,
    SYND_RQN            = 0x7f0031,
    SYND_RQTN           = 0x7f0032,
    SYND_TISN           = 0x7f0033,
    SYND_Q_COUNTER      = 0x7f0034,
    SYND_WQ_TYPE        = 0x7f0035,
    SYND_WQ_STATE       = 0x7f0036, /* not in it, or no way from it to the other */
    SYND_TIR_TYPE       = 0x7f0037,
    SYND_VPORT          = 0x7f0038, /* another function's */

    SYND_VHCA_ID        = 0x7f0040, /* none, the PF's, or not enabled */
    SYND_VHCA_STATE     = 0x7f0041, /* the state forbids it */
    SYND_VHCA_BUSY      = 0x7f0042, /* a SAVE or LOAD of it is under way */
    SYND_VHCA_ERROR     = 0x7f0043,
    SYND_VHCA_RESET     = 0x7f0044, /* was reset meanwhile */
    SYND_NOT_TRACKED    = 0x7f0045,
    SYND_MKEY           = 0x7f0046, /* none such, or of another function */
    SYND_MKEY_RANGE     = 0x7f0047,
    SYND_DMA            = 0x7f0048,
    SYND_BUFFER_SHORT   = 0x7f0049,
    SYND_TOO_LARGE      = 0x7f004a, /* 4 GiB or more without chunks */
    SYND_TRACK_STOPPED  = 0x7f004b, /* stopped before tracking could start */
    SYND_MULTI_LOAD     = 0x7f004c, /* a second image without the capability */
    SYND_NOT_QUERIED    = 0x7f004d, /* no QUERY since the last SAVE */
    SYND_KEY_PAGE_SIZE  = 0x7f004e, /* the mkey's: larger than any driver's */
    SYND_KEY_ALIGN      = 0x7f004f, /* a page of the mkey does not begin at one */
    SYND_KEY_OCTWORDS   = 0x7f0050, /* not those of its list of pages */
    SYND_KEY_ACCESS     = 0x7f0051, /* not all rights */

    SYND_IMAGE_HEADER   = 0x7f0060, /* not an image, or its header is corrupt */
    SYND_IMAGE_VERSION  = 0x7f0061,
    SYND_IMAGE_FOREIGN  = 0x7f0062, /* of a device of another kind */
    SYND_IMAGE_LENGTH   = 0x7f0063, /* truncated, or more than the image */
    SYND_IMAGE_ORDER    = 0x7f0064,
    SYND_IMAGE_EXTENT   = 0x7f0065,
    SYND_IMAGE_CHECKSUM = 0x7f0066,
    SYND_IMAGE_OBJECTS  = 0x7f0067,
    SYND_IMAGE_PSID     = 0x7f0068, /* of a NIC with another PSID */
    SYND_IMAGE_NEWER    = 0x7f0069, /* of a newer firmware than this one */

    SYND_OBJ_TYPE       = 0x7f0080,
    SYND_TRACK_RANGES   = 0x7f0081,
    SYND_TRACK_SPACE    = 0x7f0082,
    SYND_TRACK_PAGE     = 0x7f0083,
    SYND_TRACK_MSG      = 0x7f0084,
    SYND_TRACK_QP       = 0x7f0085,
    SYND_TRACK_TWICE    = 0x7f0086, /* the VHCA has a tracker already */
    SYND_TRACK_STATE    = 0x7f0087, /* a report is under way */
    SYND_TRACK_MODIFY   = 0x7f0088,

    SYND_FLOW_TYPE      = 0x7f00a0, /* not a table of NIC receive */
    SYND_FLOW_LEVEL     = 0x7f00a1, /* levels rise from table to table */
    SYND_FLOW_TABLE     = 0x7f00a2,
    SYND_FLOW_GROUP     = 0x7f00a3,
    SYND_FLOW_INDEX     = 0x7f00a4, /* outside its table or group, or taken */
    SYND_FLOW_MATCH     = 0x7f00a5, /* on a field that is not announced */
    SYND_FLOW_ACTION    = 0x7f00a6,
    SYND_FLOW_DEST      = 0x7f00a7,
};

#endif
