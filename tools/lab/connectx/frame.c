/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: Ethernet frames, as pure functions.
 */
#include <glib.h>
#include <string.h>
#include "frame.h"

enum {
    TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd,
    TYPE_CTAG = 0x8100, TYPE_STAG = 0x88a8,
    PROTO_HOP = 0, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44, PROTO_OPTIONS = 60,
    IPV4_SIZE = 20, IPV6_SIZE = 40, TCP_SIZE = 20, UDP_SIZE = 8,
    IPV6_HEADERS = 16,                  /* more than that is nobody's packet */
    TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80,
};

/* Offsets in fte_match_param's outer headers. */
enum {
    MATCH_TYPE = 0x06, MATCH_DMAC = 0x08, MATCH_VID = 0x0e, MATCH_PROTO = 0x10,
    MATCH_BITS = 0x12,
};

static const uint8_t matchable[FRAME_MATCH] = {
    [MATCH_TYPE] = 0xff, 0xff,
    [MATCH_DMAC] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    [MATCH_VID] = 0x0f, 0xff,
    [MATCH_PROTO] = 0xff,
    [MATCH_BITS] = 0xde,                /* cvlan_tag, svlan_tag, ip_version */
};

static uint16_t get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t x)
{
    put16(p, x >> 16);
    put16(p + 2, x);
}

/* ---- headers ---- */

/* Up to two tags; returns where what they carry begins. */
static uint32_t parse_tags(const uint8_t *p, uint32_t len, CxHeaders *h)
{
    uint32_t at = FRAME_MIN;

    h->ethertype = get16(p + at - 2);
    for (unsigned n = 0; n < 2; n++) {
        if ((h->ethertype != TYPE_CTAG && h->ethertype != TYPE_STAG) ||
            len - at < FRAME_TAG) {
            break;
        }
        if (!n) {
            h->tag = h->ethertype;
            h->tci = get16(p + at);
        }
        at += FRAME_TAG;
        h->ethertype = get16(p + at - 2);
    }
    return at;
}

/* TCP or UDP from `at` on, in what ends at `end`. */
static void parse_l4(const uint8_t *p, uint32_t at, uint32_t end, CxHeaders *h)
{
    uint32_t size;

    if (h->protocol == PROTO_UDP) {
        size = UDP_SIZE;
    } else if (h->protocol == PROTO_TCP && end - at >= TCP_SIZE) {
        size = (p[at + 12] >> 4) * 4;
        if (size < TCP_SIZE) {
            return;
        }
    } else {
        return;
    }
    if (end - at >= size) {
        h->l4 = at;
        h->payload = at + size;
    }
}

static void parse_ipv4(const uint8_t *p, uint32_t at, uint32_t len,
                       bool lengths, CxHeaders *h)
{
    uint32_t size, total;

    if (len - at < IPV4_SIZE || p[at] >> 4 != 4) {
        return;
    }
    size = (p[at] & 0xf) * 4;
    if (size < IPV4_SIZE || size > len - at) {
        return;
    }
    h->l3 = at;
    h->ip_version = 4;
    h->protocol = p[at + 9];
    h->fragment = get16(p + at + 6) & 0x3fff;
    total = get16(p + at + 2);
    if (lengths && (total < size || total > len - at)) {
        return;
    }
    h->end = lengths ? at + total : len;
    if (!h->fragment) {
        parse_l4(p, at + size, h->end, h);
    }
}

/*
 * Through the headers that may stand before TCP and UDP.  What is behind a
 * fragment's header, or a route that the packet has not taken yet, is nothing
 * that a NIC looks at.
 */
static void parse_ipv6(const uint8_t *p, uint32_t at, uint32_t len,
                       bool lengths, CxHeaders *h)
{
    uint32_t end = len;

    if (len - at < IPV6_SIZE || p[at] >> 4 != 6) {
        return;
    }
    h->l3 = at;
    h->ip_version = 6;
    h->protocol = p[at + 6];
    if (lengths) {
        if (get16(p + at + 4) > len - at - IPV6_SIZE) {
            return;
        }
        end = at + IPV6_SIZE + get16(p + at + 4);
    }
    h->end = end;
    at += IPV6_SIZE;
    for (unsigned n = 0; n < IPV6_HEADERS; n++) {
        uint32_t size;

        if (h->protocol != PROTO_HOP && h->protocol != PROTO_ROUTING &&
            h->protocol != PROTO_OPTIONS && h->protocol != PROTO_FRAGMENT) {
            parse_l4(p, at, end, h);
            return;
        }
        if (end - at < 8 || (h->protocol == PROTO_ROUTING && p[at + 3])) {
            return;
        }
        size = (p[at + 1] + 1) * 8;
        if (h->protocol == PROTO_FRAGMENT) {
            h->fragment = get16(p + at + 2) & 0xfff9;
            size = 8;
        }
        if (size > end - at) {
            return;
        }
        h->protocol = p[at];
        if (h->fragment) {
            return;
        }
        at += size;
    }
}

/* What rules may ask for, where fte_match_param has it. */
static void parse_match(const uint8_t *p, CxHeaders *h)
{
    put16(h->match + MATCH_TYPE, h->ethertype);
    memcpy(h->match + MATCH_DMAC, p, 6);
    put16(h->match + MATCH_VID, h->tci & 0xfff);
    h->match[MATCH_PROTO] = h->protocol;
    h->match[MATCH_BITS] = (h->tag == TYPE_CTAG) << 7 |
                           (h->tag == TYPE_STAG) << 6 | h->ip_version << 1;
}

/* The lengths in the headers of an LSO WQE mean nothing. */
static void parse(const uint8_t *p, uint32_t len, bool lengths, CxHeaders *h)
{
    uint32_t at;

    memset(h, 0, sizeof(*h));
    if (len < FRAME_MIN) {
        return;
    }
    at = parse_tags(p, len, h);
    if (h->ethertype == TYPE_IPV4) {
        parse_ipv4(p, at, len, lengths, h);
    } else if (h->ethertype == TYPE_IPV6) {
        parse_ipv6(p, at, len, lengths, h);
    }
    parse_match(p, h);
}

void cx_frame_parse(const uint8_t *p, uint32_t len, CxHeaders *h)
{
    parse(p, len, true, h);
}

static CxFrame *frame_alloc(uint32_t len)
{
    CxFrame *f = g_malloc(sizeof(*f) + len);

    f->len = len;
    return f;
}

CxFrame *cx_frame_new(const uint8_t *p, uint32_t len)
{
    CxFrame *f = frame_alloc(len);

    if (len) {
        memcpy(f->data, p, len);
    }
    parse(f->data, len, true, &f->h);
    return f;
}

void cx_frame_free(CxFrame *f)
{
    g_free(f);
}

/* ---- sums ---- */

static uint64_t sum_of(const uint8_t *p, uint32_t len)
{
    uint64_t sum = 0;

    for (; len >= 2; p += 2, len -= 2) {
        sum += get16(p);
    }
    return len ? sum + (p[0] << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

uint16_t cx_frame_sum(const uint8_t *p, uint32_t len)
{
    return fold(sum_of(p, len));
}

static void sum_l3(uint8_t *ip)
{
    put16(ip + 10, 0);
    put16(ip + 10, ~cx_frame_sum(ip, (ip[0] & 0xf) * 4));
}

static void sum_l4(uint8_t *p, const CxHeaders *h)
{
    uint8_t *ip = p + h->l3, *l4 = p + h->l4, *field;
    uint32_t len = h->end - h->l4;
    uint64_t pseudo = h->ip_version == 4 ? sum_of(ip + 12, 8) :
                      sum_of(ip + 8, 32);
    uint16_t sum;

    if (h->protocol == PROTO_UDP) {
        uint16_t says = get16(l4 + 4);

        if (says < UDP_SIZE || says > len) {
            return;
        }
        len = says;
    }
    field = l4 + (h->protocol == PROTO_UDP ? 6 : 16);
    put16(field, 0);
    sum = ~fold(pseudo + h->protocol + len + sum_of(l4, len));
    put16(field, h->protocol == PROTO_UDP && !sum ? 0xffff : sum);
}

static void sums(uint8_t *p, const CxHeaders *h, bool l3, bool l4)
{
    if (l3 && h->ip_version == 4) {
        sum_l3(p + h->l3);
    }
    if (l4 && h->l4) {
        sum_l4(p, h);
    }
}

void cx_frame_sums(uint8_t *p, uint32_t len, bool l3, bool l4)
{
    CxHeaders h;

    parse(p, len, true, &h);
    sums(p, &h, l3, l4);
}

/* ---- LSO ---- */

bool cx_lso_begin(CxLso *lso, const uint8_t *p, uint32_t len, uint32_t header,
                  uint32_t mss, bool l3, bool l4)
{
    *lso = (CxLso) {
        .p = p, .len = len, .mss = mss, .pos = header, .l3 = l3, .l4 = l4,
    };
    parse(p, len, false, &lso->h);
    return mss && lso->h.l4 && lso->h.payload == header &&
           header <= FRAME_MAX && mss <= FRAME_MAX - header;
}

/* The header of piece `f`, with `done` bytes of payload before it. */
static void lso_header(const CxLso *lso, CxFrame *f, uint32_t done)
{
    uint8_t *ip = f->data + lso->h.l3, *l4 = f->data + lso->h.l4;

    if (lso->h.ip_version == 4) {
        put16(ip + 2, f->len - lso->h.l3);
        put16(ip + 4, get16(ip + 4) + lso->piece);
    } else {
        put16(ip + 4, f->len - lso->h.l3 - IPV6_SIZE);
    }
    if (lso->h.protocol == PROTO_UDP) {
        put16(l4 + 4, f->len - lso->h.l4);
        return;
    }
    put32(l4 + 4, get32(l4 + 4) + done);
    if (lso->piece) {
        l4[13] &= ~TCP_CWR;
    }
    if (!lso->ended) {
        l4[13] &= ~(TCP_FIN | TCP_PSH);
    }
}

CxFrame *cx_lso_next(CxLso *lso)
{
    uint32_t header = lso->h.payload;
    uint32_t bytes = MIN(lso->mss, lso->len - lso->pos);
    CxFrame *f;

    if (lso->ended) {
        return NULL;
    }
    lso->ended = lso->pos + bytes == lso->len;
    f = frame_alloc(header + bytes);
    memcpy(f->data, lso->p, header);
    memcpy(f->data + header, lso->p + lso->pos, bytes);
    lso_header(lso, f, lso->pos - header);
    parse(f->data, f->len, true, &f->h);
    sums(f->data, &f->h, lso->l3, lso->l4);
    lso->pos += bytes;
    lso->piece++;
    return f;
}

/* ---- receiving ---- */

bool cx_frame_match(const CxHeaders *h, uint8_t enable, const uint8_t *mask,
                    const uint8_t *value)
{
    for (unsigned i = 0; enable & 1 && i < FRAME_MATCH; i++) {
        if ((h->match[i] ^ value[i]) & mask[i]) {
            return false;
        }
    }
    return true;
}

bool cx_frame_matchable(uint8_t enable, const uint8_t mask[512])
{
    for (unsigned i = 0; i < 512; i++) {
        uint8_t known = i < FRAME_MATCH ? matchable[i] : 0;

        if (enable >> i / 64 & 1 && mask[i] & ~known) {
            return false;
        }
    }
    return true;
}

CxFrame *cx_frame_strip(const CxFrame *f)
{
    CxFrame *out;

    if (f->h.tag != TYPE_CTAG) {
        return NULL;
    }
    out = frame_alloc(f->len - FRAME_TAG);
    memcpy(out->data, f->data, 12);
    memcpy(out->data + 12, f->data + 12 + FRAME_TAG, out->len - 12);
    parse(out->data, out->len, true, &out->h);
    return out;
}

/* ---- RSS ---- */

enum { RSS_XOR8 = 1, RSS_TOEPLITZ = 2 };
enum {
    RSS_SOURCE = 1, RSS_DEST = 2, RSS_SPORT = 4, RSS_DPORT = 8,
    RSS_INPUT = 36,                     /* bytes at most */
};

static uint32_t toeplitz(const uint8_t key[RSS_KEY], const uint8_t *p,
                         unsigned len)
{
    uint32_t window = get32(key), hash = 0;

    for (unsigned i = 0; i < len * 8; i++) {
        unsigned next = i + 32;

        if (p[i / 8] & 0x80 >> i % 8) {
            hash ^= window;
        }
        window = window << 1 | (key[next / 8] >> (7 - next % 8) & 1);
    }
    return hash;
}

static uint32_t xor8(const uint8_t *p, unsigned len)
{
    uint32_t hash = 0;

    for (unsigned i = 0; i < len; i++) {
        hash ^= p[i];
    }
    return hash;
}

/* What is hashed: the fields asked for, in the order of the list above. */
static unsigned rss_input(const CxFrame *f, bool symmetric, uint32_t fields,
                          uint8_t in[RSS_INPUT])
{
    unsigned size = f->h.ip_version == 4 ? 4 : 16, len = 0;
    const uint8_t *source = f->data + f->h.l3 + (size == 4 ? 12 : 8);
    const uint8_t *dest = source + size;
    const uint8_t *sport = f->data + f->h.l4, *dport = sport + 2;
    bool ports = fields & (RSS_SPORT | RSS_DPORT);

    if (symmetric) {
        int order = memcmp(source, dest, size);

        if (order > 0 || (!order && ports && memcmp(sport, dport, 2) > 0)) {
            const uint8_t *x = source;

            source = dest;
            dest = x;
            x = sport;
            sport = dport;
            dport = x;
        }
    }
    if (fields & RSS_SOURCE) {
        memcpy(in, source, size);
        len += size;
    }
    if (fields & RSS_DEST) {
        memcpy(in + len, dest, size);
        len += size;
    }
    if (fields & RSS_SPORT) {
        memcpy(in + len, sport, 2);
        len += 2;
    }
    if (fields & RSS_DPORT) {
        memcpy(in + len, dport, 2);
        len += 2;
    }
    return len;
}

uint32_t cx_frame_hash(const CxFrame *f, unsigned fn,
                       const uint8_t key[RSS_KEY], bool symmetric,
                       uint32_t selector, uint8_t *type)
{
    const CxHeaders *h = &f->h;
    uint8_t in[RSS_INPUT], l4 = selector >> 30 & 1 ? PROTO_UDP : PROTO_TCP;
    uint32_t fields = selector & (RSS_SOURCE | RSS_DEST |
                                  RSS_SPORT | RSS_DPORT);
    unsigned len;

    *type = 0;
    if (!h->l4 || h->protocol != l4) {
        fields &= RSS_SOURCE | RSS_DEST;
    }
    if (h->ip_version != (selector >> 31 ? 6 : 4) || !fields ||
        (fn != RSS_XOR8 && fn != RSS_TOEPLITZ)) {
        return 0;
    }
    *type = h->ip_version == 4 ? 1 << 2 : 2 << 2;
    if (fields & (RSS_SPORT | RSS_DPORT)) {
        *type |= l4 == PROTO_TCP ? 1 << 6 : 2 << 6;
    }
    len = rss_input(f, symmetric, fields, in);
    return fn == RSS_XOR8 ? xor8(in, len) : toeplitz(key, in, len);
}
