// SPDX-License-Identifier: GPL-2.0-or-later
/* The command queue of a ConnectX function and its memory. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "fw.h"
#include "tap.h"

enum {
    /* blocks of a slot's chains; the first slot takes long page lists */
    IN_BLOCKS = 16,
    IN_BLOCKS_FIRST = 272,
    OUT_BLOCKS = (FW_OUT_MAX + MBOX_DATA - 1) / MBOX_DATA,
};

/* ---- memory ---- */

uint32_t fw_alloc(struct fw *fw, uint32_t size, uint32_t align)
{
    uint32_t at = (fw->m.used + align - 1) & -align;

    if (at + size > fw->m.size)
        tap_bail("%u bytes of device memory are not enough", fw->m.size);
    fw->m.used = at + size;
    memset(fw->ram + at, 0, size);
    return at;
}

void fw_free_to(struct fw *fw, uint32_t used)
{
    fw->m.used = used;
}

void fw_attach(struct fw *fw, void *bar, void *ram, uint64_t iova, uint32_t size)
{
    *fw = (struct fw){ .bar = bar, .ram = ram, .m = { .iova = iova, .size = size } };
    fw->m.queue = fw_alloc(fw, CMDQ_SLOTS * CMD_ENTRY_SIZE, 4096);
    for (unsigned i = 0; i < FW_SLOTS; i++) {
        struct fw_slot *s = &fw->m.slot[i];

        s->in_blocks = i ? IN_BLOCKS : IN_BLOCKS_FIRST;
        s->out_blocks = OUT_BLOCKS;
        s->in = fw_alloc(fw, s->in_blocks * MBOX_ALIGN, MBOX_ALIGN);
        s->out = fw_alloc(fw, s->out_blocks * MBOX_ALIGN, MBOX_ALIGN);
    }
}

void fw_move(struct fw *to, const struct fw *from)
{
    if (to->m.iova != from->m.iova || to->m.size != from->m.size)
        tap_bail("the two functions' memories differ in place or size");
    memcpy(to->ram, from->ram, from->m.size);
    to->m = from->m;
}

/* ---- registers ---- */

void fw_write32(struct fw *fw, unsigned offset, uint32_t value)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *(volatile uint32_t *)(fw->bar + offset) = htobe32(value);
}

uint32_t fw_read32(struct fw *fw, unsigned offset)
{
    return be32toh(*(volatile uint32_t *)(fw->bar + offset));
}

void fw_queue_start(struct fw *fw)
{
    uint64_t at = fw_iova(fw, fw->m.queue);

    memset(fw->ram + fw->m.queue, 0, CMDQ_SLOTS * CMD_ENTRY_SIZE);
    fw->m.posted = 0;
    fw_write32(fw, ISEG_CMDQ_ADDR_H, at >> 32);
    fw_write32(fw, ISEG_CMDQ_ADDR_L, (uint32_t)at);
}

/* ---- commands ---- */

void fw_cmd_init(struct fw_cmd *c, unsigned opcode, unsigned op_mod,
                 uint32_t inlen, uint32_t outlen)
{
    memset(c->in, 0, inlen);
    c->tail = NULL;
    c->head_len = inlen;
    c->tail_len = 0;
    c->outlen = outlen;
    c->slot = -1;
    cmd_set(c, F_IN_OPCODE, opcode);
    cmd_set(c, F_IN_OP_MOD, op_mod);
}

static uint8_t *entry(const struct fw *fw, int slot)
{
    return fw->ram + fw->m.queue + slot * CMD_ENTRY_SIZE;
}

uint8_t *fw_entry(const struct fw *fw, const struct fw_cmd *c)
{
    return entry(fw, c->slot);
}

static void put32(void *p, uint32_t value)
{
    value = htobe32(value);
    memcpy(p, &value, sizeof(value));
}

static void put64(void *p, uint64_t value)
{
    value = htobe64(value);
    memcpy(p, &value, sizeof(value));
}

/* Links the chain's blocks and returns its address, 0 if nothing goes there. */
static uint64_t chain(struct fw *fw, uint32_t offset, uint32_t bytes)
{
    uint32_t n = (bytes + MBOX_DATA - 1) / MBOX_DATA;

    for (uint32_t i = 0; i < n; i++)
        put64(fw->ram + offset + i * MBOX_ALIGN + MBOX_NEXT,
              i + 1 < n ? fw_iova(fw, offset + (i + 1) * MBOX_ALIGN) : 0);
    return n ? fw_iova(fw, offset) : 0;
}

static uint32_t beyond_inline(uint32_t len)
{
    return len > CMD_INLINE ? len - CMD_INLINE : 0;
}

/* Copies [from, from + len) of an input that lies in two pieces. */
static void gather(const struct fw_cmd *c, uint32_t from, uint8_t *to, uint32_t len)
{
    for (; len; from++, to++, len--)
        *to = from < c->head_len ? c->in[from] :
              ((const uint8_t *)c->tail)[from - c->head_len];
}

static bool slot_fits(const struct fw *fw, unsigned i, uint32_t inlen)
{
    return !(fw->m.posted & 1u << i) &&
           beyond_inline(inlen) <= fw->m.slot[i].in_blocks * MBOX_DATA;
}

/* Ascending, as the device looks at a doorbell's bits; the roomy one last. */
static int free_slot(const struct fw *fw, uint32_t inlen)
{
    for (unsigned i = 1; i < FW_SLOTS; i++)
        if (slot_fits(fw, i, inlen))
            return i;
    return slot_fits(fw, 0, inlen) ? 0 : -1;
}

void fw_prepare(struct fw *fw, struct fw_cmd *c)
{
    uint32_t inlen = c->head_len + c->tail_len, pos;
    int slot = free_slot(fw, inlen);
    const struct fw_slot *s;
    uint8_t *e;

    if (slot < 0)
        tap_bail("no free command slot for %u bytes", inlen);
    s = &fw->m.slot[slot];
    e = entry(fw, slot);
    memset(e, 0, CMD_ENTRY_SIZE);
    e[CMD_TYPE] = CMD_TYPE_PCI;
    put32(e + CMD_INLEN, inlen);
    gather(c, 0, e + CMD_IN, inlen < CMD_INLINE ? inlen : CMD_INLINE);
    put64(e + CMD_IN_PTR, chain(fw, s->in, beyond_inline(inlen)));
    for (pos = CMD_INLINE; pos < inlen; pos += MBOX_DATA)
        gather(c, pos, fw->ram + s->in + (pos - CMD_INLINE) / MBOX_DATA * MBOX_ALIGN,
               inlen - pos < MBOX_DATA ? inlen - pos : MBOX_DATA);
    put64(e + CMD_OUT_PTR, chain(fw, s->out, beyond_inline(c->outlen)));
    put32(e + CMD_OUTLEN, c->outlen);
    __atomic_store_n(e + CMD_STATUS, CMD_OWNER_HW, __ATOMIC_RELEASE);
    fw->m.posted |= 1u << slot;
    c->slot = slot;
}

void fw_ring(struct fw *fw, uint32_t slots)
{
    fw_write32(fw, ISEG_CMD_DBELL, slots);
}

void fw_post_all(struct fw *fw, struct fw_cmd *const c[], unsigned n)
{
    uint32_t bell = 0;

    for (unsigned i = 0; i < n; i++) {
        fw_prepare(fw, c[i]);
        bell |= 1u << c[i]->slot;
    }
    fw_ring(fw, bell);
}

void fw_post(struct fw *fw, struct fw_cmd *c)
{
    fw_post_all(fw, &c, 1);
}

bool fw_completed(const struct fw *fw, const struct fw_cmd *c)
{
    return !(__atomic_load_n(entry(fw, c->slot) + CMD_STATUS, __ATOMIC_ACQUIRE) &
             CMD_OWNER_HW);
}

struct fw_result fw_collect(struct fw *fw, struct fw_cmd *c, unsigned ms)
{
    const uint8_t *e = entry(fw, c->slot);
    uint32_t out = fw->m.slot[c->slot].out, pos;

    if (!wait_until(fw_completed(fw, c), ms))
        return c->r = (struct fw_result){ .delivery = -1 };
    memset(c->out, 0, c->outlen);
    memcpy(c->out, e + CMD_OUT, c->outlen < CMD_INLINE ? c->outlen : CMD_INLINE);
    for (pos = CMD_INLINE; pos < c->outlen; pos += MBOX_DATA)
        memcpy(c->out + pos, fw->ram + out + (pos - CMD_INLINE) / MBOX_DATA * MBOX_ALIGN,
               c->outlen - pos < MBOX_DATA ? c->outlen - pos : MBOX_DATA);
    c->r = (struct fw_result){
        .delivery = e[CMD_STATUS] >> 1,
        .status = cmd_out(c, F_OUT_STATUS),
        .syndrome = cmd_out(c, F_OUT_SYNDROME),
    };
    fw->m.posted &= ~(1u << c->slot);
    return c->r;
}

struct fw_result fw_exec(struct fw *fw, struct fw_cmd *c)
{
    fw_post(fw, c);
    return fw_collect(fw, c, FW_TIMEOUT);
}

int fw_status(struct fw_result r)
{
    return r.delivery < 0 ? -1 : r.delivery ? 0x100 + r.delivery : (int)r.status;
}

int fw_do(struct fw *fw, unsigned opcode, unsigned op_mod, uint32_t id24, uint32_t *out24)
{
    struct fw_cmd c;

    fw_cmd_init(&c, opcode, op_mod, 16, 16);
    cmd_set(&c, F_IN_ID24, id24);
    fw_exec(fw, &c);
    if (out24)
        *out24 = cmd_out(&c, F_OUT_ID24);
    return fw_status(c.r);
}

bool fw_start(struct fw *fw)
{
    struct fw_cmd issi, init;

    fw_queue_start(fw);
    if (fw_do(fw, OP_ENABLE_HCA, 0, 0, NULL))
        return false;
    fw_cmd_init(&issi, OP_SET_ISSI, 0, 16, 16);
    cmd_set(&issi, F_SET_ISSI_CURRENT, 1);
    fw_cmd_init(&init, OP_INIT_HCA, 0, 32, 16);
    return !fw_status(fw_exec(fw, &issi)) && !fw_status(fw_exec(fw, &init));
}
