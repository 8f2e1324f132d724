// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames with odd headers, cut where a header ends or is about to; WQEs that
 * send them, as drivers make them, or with one thing wrong; and what the
 * device is to say of each.
 */
#include "fuzz.h"

enum {
    FRAME_MIN = 14, FRAME_MAX = 10240, MAX_LSO = 1 << 20, MAX_PIECES = 4096, MAX_SEGMENTS = 4,
};

static void put16(uint8_t *p, unsigned x)
{
    p[0] = x >> 8;
    p[1] = x;
}

/* ---- frames ---- */

struct making {
    uint8_t *p;
    uint32_t at;
    uint32_t ends[24];          /* of headers: where to cut */
    unsigned n;
    bool l4;                    /* TCP or UDP that a NIC finds */
};

static void header_ends(struct making *m, uint32_t bytes)
{
    m->at += bytes;
    if (m->n < sizeof(m->ends) / sizeof(m->ends[0]))
        m->ends[m->n++] = m->at;
}

static void any_tags(struct making *m)
{
    m->at = 12;
    for (unsigned n = any(3) ? 0 : any(4); n; n--) {
        put16(m->p + m->at, any(3) ? 0x8100 : 0x88a8);
        header_ends(m, 4);
        m->l4 &= m->at <= 20;
    }
}

/* Their lengths are set once the frame's is known. */
static void any_ipv4(struct making *m, uint8_t protocol)
{
    unsigned words = any(4) ? 5 : any(16);
    uint8_t *ip = m->p + m->at;

    ip[0] = (any(16) ? 0x40 : any(16) << 4) | words;
    put16(ip + 6, any(6) ? 0 : any_value());
    ip[9] = protocol;
    m->l4 &= ip[0] >> 4 == 4 && words >= 5 && !(ip[6] & 0x3f) && !ip[7];
    header_ends(m, words < 5 ? 20 : words * 4);
}

static void any_ipv6(struct making *m, uint8_t protocol)
{
    static const uint8_t kinds[] = { 0, 43, 44, 60 };
    uint8_t *next = m->p + m->at + 6;

    m->p[m->at] = any(16) ? 0x60 : any(256);
    m->l4 &= m->p[m->at] >> 4 == 6;
    header_ends(m, 40);
    for (unsigned n = any(2) ? 0 : any(19); n && m->at < 4096; n--) {
        uint8_t *ext = m->p + m->at;

        *next = kinds[any(4)];
        next = ext;
        ext[1] = any(8) ? any(3) : any(256);
        put16(ext + 2, any(3) ? 0 : any_value());
        m->l4 = false;          /* perhaps; nobody counts on it */
        header_ends(m, any(8) ? (ext[1] + 1) * 8u : 8);
    }
    *next = protocol;
}

static void any_l4(struct making *m, uint8_t protocol)
{
    uint8_t *l4 = m->p + m->at;
    unsigned words = any(4) ? 5 : any(16);

    if (protocol == 6) {
        l4[12] = words << 4;
        m->l4 &= words >= 5;
        header_ends(m, words < 5 ? 20 : words * 4);
    } else {
        put16(l4 + 4, any(2) ? 8 + any(100) : any_value());
        m->l4 &= protocol == 17;
        header_ends(m, 8);
    }
}

/* IP with TCP, UDP or something else; *header: the length of all headers. */
static uint32_t any_frame(uint8_t *p, const uint8_t *to, const uint8_t *from, uint32_t *header)
{
    struct making m = { .p = p, .l4 = true };
    bool v6 = any(2), cut = !any(3);
    uint8_t protocol = any(12) ? any(2) ? 6 : 17 : any(256);
    uint32_t len, l3, says;

    for (uint32_t i = 0; i < 2048; i += 8)
        ifc_set(p + i, 0, 64, any64());
    memcpy(p, to, 6);
    memcpy(p + 6, from, 6);
    p[0] |= !any(12);
    any_tags(&m);
    put16(p + m.at, any(20) ? v6 ? 0x86dd : 0x0800 : any_value());
    m.l4 &= p[m.at] == (v6 ? 0x86 : 0x08) && p[m.at + 1] == (v6 ? 0xdd : 0x00);
    header_ends(&m, 2);
    l3 = m.at;
    (v6 ? any_ipv6 : any_ipv4)(&m, protocol);
    any_l4(&m, protocol);
    len = cut ? m.ends[any(m.n)] + any(5) - 2 : m.at + 1 + any(any(4) ? 1600 : 9000);
    says = v6 ? len - l3 - 40 : len - l3;
    put16(p + l3 + (v6 ? 4 : 2), any(4) ? says : any(2) ? says + any(5) - 2 : any_value());
    *header = m.l4 && !cut ? m.at : 0;
    return len;
}

/* ---- WQEs ---- */

static unsigned put_segment(const struct fw *fw, const struct fw_eth *e, uint8_t *seg, uint32_t from, uint32_t len)
{
    ifc_set(seg + DATA_SIZE, 0, 32, len);
    ifc_set(seg + DATA_KEY, 0, 32, e->key);
    ifc_set(seg + DATA_ADDR, 0, 64, fw_iova(fw, e->frames + from));
    return WQE_UNIT;
}

/* The frame from `from` on, in one piece or several. */
static uint32_t put_segments(const struct fw *fw, const struct fw_eth *e, uint8_t *bytes, uint32_t at, uint32_t from,
                             uint32_t len)
{
    for (unsigned left = 1 + any(MAX_SEGMENTS); left && from < len; left--) {
        uint32_t n = left == 1 ? len - from : 1 + any(len - from);

        at += put_segment(fw, e, bytes + at, from, n);
        from += n;
    }
    return at;
}

void fuzz_wqe(struct fw *fw, const struct fw_eth *e, const uint8_t *to, struct fuzz_wqe *w)
{
    uint8_t *frame = fw->ram + e->frames, opcode = any(3) ? WQE_OP_SEND : any(4) ? WQE_OP_LSO : WQE_OP_NOP;
    uint32_t inlined, at;

    *w = (struct fuzz_wqe){ .frame_known = true };
    w->len = any_frame(frame, to, e->mac, &w->header);
    inlined = opcode == WQE_OP_LSO ? w->header ? w->header : any(200) : (uint32_t[]){ 0, 0, 18, 22, any(300) }[any(5)];
    inlined = inlined > w->len ? w->len : inlined;
    w->bytes[WQE_OPCODE] = opcode;
    put16(w->bytes + WQE_INDEX, e->send_pc);
    w->bytes[WQE_FLAGS] = any(8) ? WQE_CE_ALWAYS : 0;
    w->bytes[WQE_ETH_CS] = any(4) ? any(2) ? WQE_CS_L3 | WQE_CS_L4 : 0 : any(256);
    put16(w->bytes + WQE_ETH_MSS, any(3) ? (uint32_t[]){ 100, 536, 1448, 8960 }[any(4)] : any_value());
    put16(w->bytes + WQE_ETH_INLINE_SIZE, inlined);
    memcpy(w->bytes + WQE_ETH_INLINE, frame, inlined);
    at = (WQE_ETH_INLINE + (inlined < 2 ? 2 : inlined) + WQE_UNIT - 1) / WQE_UNIT * WQE_UNIT;
    w->units = opcode == WQE_OP_NOP ? 1 : put_segments(fw, e, w->bytes, at, inlined, w->len) / WQE_UNIT;
    ifc_set(w->bytes + WQE_QPN_DS, 0, 32, e->sqn << 8 | w->units);
}

static void spoil_segment(const struct fw *fw, struct fuzz_wqe *w)
{
    uint8_t *seg = w->bytes + any(w->units) * WQE_UNIT;

    switch (any(3)) {
    case 0:
        ifc_set(seg + DATA_SIZE, 0, 32, any(2) ? any(4096) : any_value());
        break;
    case 1:
        ifc_set(seg + DATA_KEY, 0, 32, any(2) ? any(4) << 8 : any_value());
        break;
    case 2:
        ifc_set(seg + DATA_ADDR, 0, 64, any(2) ? NO_IOVA + any(4096) : fw_iova(fw, VF_RAM) - any(4096));
    }
}

/* One thing is wrong with it, or looks so. */
void fuzz_wqe_spoil(const struct fw *fw, const struct fw_eth *e, struct fuzz_wqe *w)
{
    w->frame_known = false;
    w->header = 0;
    switch (any(7)) {
    case 0:
        ifc_set(w->bytes + WQE_QPN_DS, 0, 32, e->sqn << 8 | any(64));
        break;
    case 1:
        put16(w->bytes + WQE_ETH_INLINE_SIZE, any(2) ? any(1024) : any_value());
        break;
    case 2:
        w->bytes[WQE_OPCODE] = any(256);
        break;
    case 3:
        put16(w->bytes + WQE_ETH_MSS, any(4) ? any(4) : any_value());
        break;
    case 4:
        spoil(w->bytes, w->units * WQE_UNIT, 1 + any(4));
        break;
    default:
        spoil_segment(fw, w);
    }
}

unsigned fuzz_wqe_post(struct fw *fw, struct fw_eth *e, const struct fuzz_wqe *w)
{
    unsigned blocks = (w->units + 3) / 4, says = ((ifc_get(w->bytes + WQE_QPN_DS, 0, 32) & 0x3f) + 3) / 4;

    /* what lies behind a WQE that says it is shorter would be WQEs, too */
    if (says && says < blocks)
        blocks = says;
    for (unsigned i = 0; i < blocks; i++)
        memcpy(fw->ram + e->send_ring + ((e->send_pc + i) & (FUZZ_RING - 1)) * WQEBB, w->bytes + i * WQEBB, WQEBB);
    e->send_pc += blocks;
    fuzz_cases++;
    return blocks;
}

/* ---- what is to become of it ---- */

static bool within(uint64_t addr, uint64_t size, uint64_t iova, uint64_t len)
{
    return addr >= iova && addr - iova <= len && size <= len - (addr - iova);
}

/* All functions' memory is. */
static bool readable(const struct fw_eth *e, const uint8_t *seg)
{
    uint64_t addr = ifc_get(seg + DATA_ADDR, 0, 64), size = ifc_get(seg + DATA_SIZE, 0, 32);
    bool mapped = within(addr, size, PF_IOVA, PF_RAM);

    for (unsigned n = 0; n < BENCH_VFS; n++)
        mapped |= within(addr, size, VF_IOVA(n), VF_RAM);
    return mapped && ifc_get(seg + DATA_KEY, 0, 32) == e->key;
}

/* The length of what it sends; 0: its lengths make no sense. */
static uint32_t length_of(const struct fuzz_wqe *w, uint32_t end, uint32_t *data)
{
    uint32_t header = ifc_get(w->bytes + WQE_ETH_INLINE_SIZE, 0, 16) & WQE_INLINE_MASK;
    uint64_t len = header;

    *data = (WQE_ETH_INLINE + (header < 2 ? 2 : header) + WQE_UNIT - 1) / WQE_UNIT * WQE_UNIT;
    if (end < WQE_ETH_END || *data > end)
        return 0;
    for (uint32_t at = *data; at < end; at += WQE_UNIT) {
        uint32_t size = ifc_get(w->bytes + at + DATA_SIZE, 0, 32);

        if (!size || size > MAX_LSO)
            return 0;
        len += size;
    }
    return len < FRAME_MIN || len > MAX_LSO ? 0 : len;
}

static int lso_verdict(const struct fuzz_wqe *w, uint32_t len)
{
    uint32_t mss = ifc_get(w->bytes + WQE_ETH_MSS, 0, 16);
    uint32_t header = ifc_get(w->bytes + WQE_ETH_INLINE_SIZE, 0, 16) & WQE_INLINE_MASK;

    if (!mss || (len - header) / mss > MAX_PIECES || header + mss > FRAME_MAX)
        return CQE_SYND_LENGTH;
    return w->header && w->header == header ? FUZZ_SENT : FUZZ_EITHER;
}

int fuzz_wqe_verdict(const struct fw_eth *e, const struct fuzz_wqe *w, unsigned blocks)
{
    uint32_t units = ifc_get(w->bytes + WQE_QPN_DS, 0, 32) & 0x3f, len, data;
    uint8_t opcode = w->bytes[WQE_OPCODE];

    if (!units || (units + 3) / 4 > blocks)
        return CQE_SYND_LENGTH;
    if (opcode == WQE_OP_NOP)
        return FUZZ_SENT;
    if (opcode != WQE_OP_SEND && opcode != WQE_OP_LSO)
        return CQE_SYND_QP_OP;
    len = length_of(w, units * WQE_UNIT, &data);
    if (!len)
        return CQE_SYND_LENGTH;
    for (uint32_t at = data; at < units * WQE_UNIT; at += WQE_UNIT)
        if (!readable(e, w->bytes + at))
            return CQE_SYND_PROTECTION;
    if (opcode == WQE_OP_LSO)
        return lso_verdict(w, len);
    return len > FRAME_MAX ? CQE_SYND_LENGTH : FUZZ_SENT;
}
