/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bench of the bare tests: no mlx5_core anywhere.  The PF is bound to
 * vfio-pci and this program is its driver; the VFs are its own as well.  So
 * every command can be sent in every state, also those no driver would send.
 *
 * All functions share one I/O address space; each has its own memory in it.
 */
#ifndef BARE_BENCH_H
#define BARE_BENCH_H

#include "../lib/bar2.h"
#include "../lib/fw.h"
#include "../lib/tap.h"
#include "../lib/vfio.h"

enum {
    BENCH_VFS   = 4,
    PF_RAM      = 160 << 20,
    VF_RAM      = 4 << 20,
    /* vectors of each VF that lead to an eventfd */
    BENCH_VECTORS = 4,
};
#define PF_IOVA     0x100000000ull
#define VF_IOVA(n)  (0x200000000ull + (n) * 0x10000000ull)
/* Nothing is mapped there. */
#define NO_IOVA     0x7f0000000ull

struct vf {
    struct vfio_function fn;
    struct fw fw;
    struct bar2 wl;
    void *bar0, *ram;
    unsigned id;                /* vhca_id */
    unsigned function;          /* function_id, from 1 */
};

struct bench {
    struct io_space space;
    char pf_bdf[PCI_NAME];
    struct vfio_function pf_fn;
    struct fw pf;
    struct bar2 control, pf_wl;
    uint32_t pd, uar;           /* the PF's */
    struct vf vf[BENCH_VFS];
};

/* An image's place in the PF's memory, and its key. */
struct buffer {
    uint32_t offset;
    uint64_t size;
    struct fw_mkey mkey;
};

void bench_open(struct bench *b);
void bench_close(struct bench *b);
/* A VF as after power-on (FLR), its queue set up but no command sent; faults disarmed. */
struct vf *bench_vf(struct bench *b, unsigned n);
/* The same with ENABLE_HCA and INIT_HCA done. */
struct vf *bench_running_vf(struct bench *b, unsigned n);
struct buffer bench_buffer(struct bench *b, uint64_t size);
void bench_free_buffer(struct bench *b, struct buffer *buf);
static inline uint8_t *bench_data(struct bench *b, const struct buffer *buf)
{
    return b->pf.ram + buf->offset;
}

/* ---- the PF's commands about a VHCA ---- */

struct fw_cmd vhca_suspend_cmd(unsigned id, unsigned who);
struct fw_cmd vhca_resume_cmd(unsigned id, unsigned who);
struct fw_cmd vhca_query_cmd(unsigned id, bool incremental, bool chunk);
struct fw_cmd vhca_save_cmd(unsigned id, bool incremental, bool track,
                            const struct buffer *buf, uint32_t size);
struct fw_cmd vhca_load_cmd(unsigned id, const struct buffer *buf, uint32_t size);
struct fw_cmd vhca_enable_cmd(unsigned function, bool on);

struct required {
    uint32_t size;
    uint64_t remaining;
    unsigned state;
};

/* Values are statuses as fw_do() gives them; b->pf is asked. */
int vhca_suspend(struct bench *b, unsigned id, unsigned who);
int vhca_resume(struct bench *b, unsigned id, unsigned who);
/* Both halves. */
int vhca_stop(struct bench *b, unsigned id);
int vhca_start(struct bench *b, unsigned id);
int vhca_query(struct bench *b, unsigned id, bool incremental, bool chunk,
               struct required *r);
/* *len: bytes of the image; *next: what a further SAVE needs. */
int vhca_save(struct bench *b, unsigned id, bool incremental, bool track,
              const struct buffer *buf, uint32_t *len, uint32_t *next);
int vhca_load(struct bench *b, unsigned id, const struct buffer *buf, uint32_t len);
/* Tracking is given up, as a cancelled pre-copy does: with a QUERY, and with memory. */
struct fw_cmd vhca_cancel_cmd(unsigned id, const struct buffer *buf);
int vhca_cancel(struct bench *b, unsigned id, const struct buffer *buf);

/* ---- images that are changed on purpose ---- */

uint32_t get_le32(const uint8_t *p);
void put_le32(uint8_t *p, uint32_t x);
/* The registers and objects in it, which are its end. */
uint8_t *image_objects(uint8_t *image, uint32_t len, uint32_t *bytes);
/* Its checksums are made to fit. */
void image_seal(uint8_t *image, uint32_t len);

/* The groups of tests. */
void test_commands(struct bench *b);
void test_objects(struct bench *b);
void test_caps(struct bench *b);
void test_states(struct bench *b);
void test_images(struct bench *b);
void test_chunks(struct bench *b);
void test_tracker(struct bench *b);
void test_faults(struct bench *b);
void test_workload(struct bench *b);
void test_no_ethernet(struct bench *b);
/* Those that need other properties than the default ones. */
void test_ethernet(struct bench *b);
void test_switching(struct bench *b);
void test_fuzz(struct bench *b);
void test_export(struct bench *b);
void test_limited(struct bench *b);
void test_tracker_limits(struct bench *b);
void test_off(struct bench *b);
void test_link(struct bench *b);
void test_large(struct bench *b);
void test_slow(struct bench *b);
void test_older(struct bench *b);
void test_other_psid(struct bench *b);

#endif
