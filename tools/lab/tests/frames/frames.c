// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The model's packet functions (connectx/frame.c) by themselves, built with
 * sanitizers: published vectors, packets of each shape that mlx5 sends or
 * receives, and packets that nobody should send.
 *
 *     build/tests/frames [SEED [SECONDS]]      the last part, with that seed, for so long
 *
 * Each buffer is a block of its own, so that a byte too far is seen.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../connectx/frame.h"
#include "../lib/random.h"
#include "../lib/tap.h"

enum { TCP = 6, UDP = 17, HOP = 0, FRAGMENT = 44, OPTIONS = 60, ROUTING = 43, AH = 51 };

/* A packet to make: what is 0 is left out. */
struct recipe {
    unsigned tags, tpid, vid;
    unsigned version, protocol;
    unsigned options;                   /* bytes, in IPv4's header, or TCP's */
    unsigned tcp_options;
    unsigned fragment;                  /* IPv4: the field; IPv6: a header, with this - 1 as field */
    unsigned before;                    /* IPv6: a header of this kind + 1 comes first */
    unsigned payload, padding;
    const char *from, *to;
    unsigned sport, dport;
    uint8_t flags;
};

struct packet {
    uint8_t *p;
    uint32_t len, l3, l4, payload;
};

static void put16(uint8_t *p, unsigned x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static unsigned get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint8_t *copy(const uint8_t *p, uint32_t len)
{
    uint8_t *q = malloc(len ? len : 1);

    if (len)
        memcpy(q, p, len);
    return q;
}

static uint32_t make_ip(uint8_t *p, const struct recipe *r, uint32_t rest)
{
    const char *from = r->from ? r->from : r->version == 4 ? "10.1.2.3" : "fd00::1:2:3";
    const char *to = r->to ? r->to : r->version == 4 ? "10.4.5.6" : "fd00::4:5:6";
    uint32_t at = 40;

    if (r->version == 4) {
        p[0] = 0x40 | (5 + r->options / 4);
        put16(p + 2, 20 + r->options + rest);
        put16(p + 4, 0xfffe);
        put16(p + 6, r->fragment);
        p[8] = 64;
        p[9] = r->protocol;
        inet_pton(AF_INET, from, p + 12);
        inet_pton(AF_INET, to, p + 16);
        memset(p + 20, 1, r->options);
        return 20 + r->options;
    }
    p[0] = 0x60;
    p[6] = r->before ? r->before - 1 : r->fragment ? FRAGMENT : r->protocol;
    p[7] = 64;
    inet_pton(AF_INET6, from, p + 8);
    inet_pton(AF_INET6, to, p + 24);
    if (r->before) {
        p[at] = r->fragment ? FRAGMENT : r->protocol;
        p[at + 1] = 1;
        at += 16;
    }
    if (r->fragment) {
        p[at] = r->protocol;
        put16(p + at + 2, r->fragment - 1);
        at += 8;
    }
    put16(p + 4, at - 40 + rest);
    return at;
}

static uint32_t make_l4(uint8_t *p, const struct recipe *r)
{
    put16(p, r->sport ? r->sport : 1000);
    put16(p + 2, r->dport ? r->dport : 2000);
    if (r->protocol == UDP) {
        put16(p + 4, 8 + r->payload);
        return 8;
    }
    put16(p + 6, 0xfff0);
    p[12] = (5 + r->tcp_options / 4) << 4;
    p[13] = r->flags;
    memset(p + 20, 1, r->tcp_options);
    return 20 + r->tcp_options;
}

static struct packet make(struct recipe r)
{
    uint32_t l4 = r.protocol == UDP ? 8 : r.protocol == TCP ? 20 + r.tcp_options : 0;
    uint8_t *buf = calloc(1, 256 + r.payload + r.padding);
    struct packet k = { 0 };
    uint32_t at = 12;

    memcpy(buf, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
    for (unsigned i = 0; i < r.tags; i++, at += 4) {
        put16(buf + at, i || !r.tpid ? 0x8100 : r.tpid);
        put16(buf + at + 2, 0xe000 | r.vid);
    }
    put16(buf + at, r.version == 4 ? 0x0800 : r.version == 6 ? 0x86dd : 0x1234);
    k.l3 = at += 2;
    if (r.version)
        at += make_ip(buf + at, &r, l4 + r.payload);
    k.l4 = at;
    if (l4)
        at += make_l4(buf + at, &r);
    k.payload = at;
    for (unsigned i = 0; i < r.payload; i++)
        buf[at++] = i * 7 + (i >> 8);
    memset(buf + at, 0x5a, r.padding);
    k.len = at + r.padding;
    k.p = copy(buf, k.len);
    free(buf);
    return k;
}

/* As a receiver does it: with the pseudo-header the sum of TCP or UDP is all ones. */
static bool l4_is_right(const uint8_t *p, const CxHeaders *h)
{
    uint32_t len = h->end - h->l4, addresses = h->ip_version == 4 ? 8 : 32;
    uint8_t *all = malloc(addresses + 4 + len);
    uint16_t sum;

    memcpy(all, p + h->l3 + (h->ip_version == 4 ? 12 : 8), addresses);
    put16(all + addresses, h->protocol);
    put16(all + addresses + 2, len);
    memcpy(all + addresses + 4, p + h->l4, len);
    sum = cx_frame_sum(all, addresses + 4 + len);
    free(all);
    return sum == 0xffff;
}

static bool l3_is_right(const uint8_t *p, const CxHeaders *h)
{
    return h->ip_version != 4 || cx_frame_sum(p + h->l3, (p[h->l3] & 0xf) * 4) == 0xffff;
}

/* ---- what others published ---- */

static void test_sum(void)
{
    static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    static uint8_t ones[65535];
    uint8_t frame[34] = { [12] = 8, 0, 0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0,
                          0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7 };

    ok_eq(cx_frame_sum(rfc1071, 8), 0xddf2, "the sum of RFC 1071's example");
    ok_eq(cx_frame_sum(rfc1071, 3), 0xf201, "an odd last byte is the upper half of a word");
    ok_eq(cx_frame_sum(NULL, 0), 0, "of nothing");
    memset(ones, 0xff, sizeof(ones));
    ok_eq(cx_frame_sum(ones, sizeof(ones)), 0xff00, "of as many ones as there may be");
    frame[17] = 20;                     /* the packet ends there */
    put16(frame + 16, 0x73);
    cx_frame_sums(frame, sizeof(frame), true, true);
    ok_eq(get16(frame + 24), 0xb861, "the sum of a known IPv4 header, whose packet is cut off");
}

static const uint8_t key[RSS_KEY] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

enum { ADDRESSES = 3, ALL = 15, L3_V6 = 1u << 31, L4_UDP = 1 << 30, XOR8 = 1, TOEPLITZ = 2 };

static uint32_t hash_of(struct recipe r, unsigned fn, bool symmetric, uint32_t selector, uint8_t *type)
{
    struct packet k = make(r);
    CxFrame *f = cx_frame_new(k.p, k.len);
    uint32_t hash = cx_frame_hash(f, fn, key, symmetric, selector, type);

    cx_frame_free(f);
    free(k.p);
    return hash;
}

/* The verification suite that Microsoft publishes for RSS. */
static void test_rss(void)
{
    static const struct {
        unsigned version;
        const char *to;
        unsigned dport;
        const char *from;
        unsigned sport;
        uint32_t addresses, ports;
    } known[] = {
        { 4, "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178 },
        { 4, "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea },
        { 4, "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a },
        { 4, "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f },
        { 4, "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2 },
        { 6, "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d },
        { 6, "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf },
        { 6, "fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985, 0x02d1feef },
    };
    uint8_t type;

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct recipe r = { .version = known[i].version, .protocol = TCP, .from = known[i].from, .to = known[i].to,
                            .sport = known[i].sport, .dport = known[i].dport, .payload = 3 };
        uint32_t v6 = r.version == 6 ? L3_V6 : 0;
        unsigned l3 = r.version == 6 ? 2 : 1;

        ok_eq(hash_of(r, TOEPLITZ, false, v6 | ALL, &type), known[i].ports, "Toeplitz of %s with ports", known[i].from);
        ok_eq(type, l3 << 2 | 1 << 6, "... and its kind");
        ok_eq(hash_of(r, TOEPLITZ, false, v6 | L4_UDP | ALL, &type), known[i].addresses, "addresses alone, where UDP is asked for");
        ok_eq(type, l3 << 2, "... and its kind");
    }
}

static void test_rss_corners(void)
{
    struct recipe a = { .version = 4, .protocol = UDP, .from = "10.0.0.1", .to = "10.0.0.2", .sport = 7, .dport = 9 };
    struct recipe b = { .version = 4, .protocol = UDP, .from = "10.0.0.2", .to = "10.0.0.1", .sport = 9, .dport = 7 };
    struct recipe whole = a, first, arp = { .payload = 28 };
    uint32_t hash;
    uint8_t type;

    ok(hash_of(a, TOEPLITZ, true, L4_UDP | ALL, &type) == hash_of(b, TOEPLITZ, true, L4_UDP | ALL, &type),
       "a symmetric hash is the same in both directions");
    ok(hash_of(a, TOEPLITZ, false, L4_UDP | ALL, &type) != hash_of(b, TOEPLITZ, false, L4_UDP | ALL, &type), "another is not");
    b = (struct recipe) { .version = 4, .protocol = UDP, .from = "10.0.0.1", .to = "10.0.0.1", .sport = 9, .dport = 7 };
    a.to = a.from;
    ok(hash_of(a, TOEPLITZ, true, L4_UDP | ALL, &type) == hash_of(b, TOEPLITZ, true, L4_UDP | ALL, &type),
       "also to the same address");
    first = whole;
    first.fragment = 0x2000;
    hash = hash_of(first, TOEPLITZ, false, L4_UDP | ALL, &type);
    ok_eq(type, 1 << 2, "of a fragment only addresses count");
    first.fragment = 5;
    ok_eq(hash_of(first, TOEPLITZ, false, L4_UDP | ALL, &type), hash, "so all fragments go the same way");
    ok_eq(hash_of(arp, TOEPLITZ, false, ALL, &type) | type, 0, "what is not IP has no hash");
    ok_eq(hash_of(whole, TOEPLITZ, false, L3_V6 | ALL, &type) | type, 0, "nor what is the other IP");
    ok_eq(hash_of(whole, TOEPLITZ, false, L4_UDP, &type) | type, 0, "nor what has no fields selected");
    ok_eq(hash_of(whole, 0, false, L4_UDP | ALL, &type) | type, 0, "nor what has no function");
    /* 10.0.0.1 10.0.0.2 7 9: all bytes together */
    ok_eq(hash_of(whole, XOR8, false, L4_UDP | ALL, &type), 1 ^ 2 ^ 7 ^ 9, "XOR8");
}

/* ---- headers ---- */

static CxHeaders headers_of(struct recipe r, struct packet *k)
{
    CxHeaders h;

    *k = make(r);
    cx_frame_parse(k->p, k->len, &h);
    free(k->p);
    k->p = NULL;
    return h;
}

static void expect(const char *what, struct recipe r, bool l4)
{
    struct packet k;
    CxHeaders h = headers_of(r, &k);

    ok(h.tag == (r.tags ? r.tpid ? r.tpid : 0x8100 : 0) && (!r.tags || (h.tci & 0xfff) == r.vid) &&
       h.ip_version == r.version && h.protocol == r.protocol && h.l3 == (r.version ? k.l3 : 0) &&
       h.end == (r.version ? k.len - r.padding : 0) && h.l4 == (l4 ? k.l4 : 0) && h.payload == (l4 ? k.payload : 0),
       "%s", what);
}

static void test_shapes(void)
{
    expect("TCP", (struct recipe) { .version = 4, .protocol = TCP, .payload = 100 }, true);
    expect("options in both headers", (struct recipe) { .version = 4, .protocol = TCP, .options = 40, .tcp_options = 40 }, true);
    expect("a VLAN, UDP, padding", (struct recipe) { .tags = 1, .vid = 100, .version = 4, .protocol = UDP, .padding = 18 }, true);
    expect("an S-tag", (struct recipe) { .tags = 1, .tpid = 0x88a8, .vid = 5, .version = 6, .protocol = UDP, .payload = 1 }, true);
    expect("a C-tag in an S-tag", (struct recipe) { .tags = 2, .tpid = 0x88a8, .vid = 5, .version = 4, .protocol = TCP }, true);
    expect("a third tag is not looked behind", (struct recipe) { .tags = 3, .vid = 5 }, false);
    expect("neither IP", (struct recipe) { .payload = 46 }, false);
    expect("ICMP", (struct recipe) { .version = 4, .protocol = 1, .payload = 64 }, false);
    expect("IPv6 TCP", (struct recipe) { .version = 6, .protocol = TCP, .tcp_options = 12, .payload = 100 }, true);
    expect("IPv6 behind options", (struct recipe) { .version = 6, .protocol = UDP, .before = OPTIONS + 1, .payload = 9 }, true);
    expect("IPv6 behind hop-by-hop", (struct recipe) { .version = 6, .protocol = TCP, .before = HOP + 1 }, true);
    expect("the end of a route", (struct recipe) { .version = 6, .protocol = TCP, .before = ROUTING + 1 }, true);
    expect("ESP", (struct recipe) { .version = 6, .protocol = 50, .payload = 40 }, false);
    expect("AH", (struct recipe) { .version = 4, .protocol = AH, .payload = 40 }, false);
    expect("IPv6 that says it is no fragment", (struct recipe) { .version = 6, .protocol = UDP, .fragment = 1 }, true);
    for (unsigned version = 4; version <= 6; version += 2) {
        expect("a first fragment", (struct recipe) { .version = version, .protocol = UDP, .fragment = version == 6 ? 1 + 1 : 0x2000,
                                                     .payload = 80 }, false);
        expect("a later one", (struct recipe) { .version = version, .protocol = UDP, .fragment = version == 6 ? 1 + 8 : 1,
                                                .payload = 80 }, false);
    }
}

/* A byte of a packet is changed, or its end cut off: what is known of it then. */
static CxHeaders changed(struct recipe r, int at, int value, int cut)
{
    struct packet k = make(r);
    uint8_t *p = copy(k.p, k.len - cut);
    CxHeaders h;

    if (at >= 0)
        p[at] = value;
    cx_frame_parse(p, k.len - cut, &h);
    free(p);
    free(k.p);
    return h;
}

static void test_nonsense(void)
{
    struct recipe tcp = { .version = 4, .protocol = TCP, .payload = 10 }, udp = { .version = 6, .protocol = UDP, .payload = 10 };
    struct recipe route = { .version = 6, .protocol = UDP, .before = ROUTING + 1 };
    struct recipe tag = { .tags = 1, .vid = 9 };
    CxHeaders h = changed(tcp, 14, 0x65, 0);

    ok(!h.ip_version && !h.l3, "a header that says it is the other IP");
    h = changed(tcp, 14, 0x44, 0);
    ok(!h.l3, "an IPv4 header of less than 20 bytes");
    h = changed(tcp, 14, 0x4f, 0);
    ok(!h.l4, "options that are not there");
    h = changed(tcp, -1, 0, 1);
    ok(h.l3 && !h.end && !h.l4, "a packet whose end is missing");
    h = changed(tcp, 17, 19, 0);
    ok(h.l3 && !h.end && !h.l4, "one that says it is shorter than its header");
    h = changed(tcp, 17, 30, 0);
    ok(h.end && !h.l4, "one that ends in TCP's header");
    h = changed(tcp, 14 + 20 + 12, 0x40, 0);
    ok(!h.l4, "a TCP header of less than 20 bytes");
    h = changed(tcp, 14 + 20 + 12, 0xf0, 0);
    ok(!h.l4, "TCP options that are not there");
    h = changed(udp, -1, 0, 1);
    ok(h.l3 && !h.end && !h.l4, "IPv6 whose end is missing");
    h = changed(udp, 19, 7, 0);
    ok(h.end && !h.l4, "IPv6 that ends in UDP's header");
    h = changed(route, 14 + 40 + 3, 1, 0);
    ok(!h.l4 && h.protocol == ROUTING, "a route that goes on");
    h = changed(route, 14 + 40 + 1, 200, 0);
    ok(!h.l4 && h.protocol == ROUTING, "a header that is longer than its packet");
    h = changed(tag, -1, 0, 4);
    ok(!h.tag && h.ethertype == 0x8100, "half a tag");
    h = changed(tag, -1, 0, 5);
    ok(!h.ethertype, "half an Ethernet header");
}

/* ---- sending ---- */

static void test_sums(void)
{
    static const struct recipe whole[] = {
        { .version = 4, .protocol = TCP, .payload = 1 }, { .version = 4, .protocol = UDP, .payload = 1000, .options = 8 },
        { .version = 6, .protocol = TCP, .payload = 777 }, { .version = 6, .protocol = UDP, .tags = 1, .vid = 3, .padding = 6 },
        { .version = 6, .protocol = UDP, .before = OPTIONS + 1, .payload = 33 },
    };
    struct packet k;
    CxHeaders h;
    uint8_t *was;

    for (unsigned i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        k = make(whole[i]);
        put16(k.p + k.l4 + (whole[i].protocol == UDP ? 6 : 16), 0xbeef);
        cx_frame_sums(k.p, k.len, true, true);
        cx_frame_parse(k.p, k.len, &h);
        ok(l3_is_right(k.p, &h) && l4_is_right(k.p, &h), "sums of packet %u", i);
        free(k.p);
    }
    /* With the bytes that its sum would be, a payload makes it 0. */
    k = make((struct recipe) { .version = 4, .protocol = UDP, .payload = 2 });
    put16(k.p + k.payload, 0);
    cx_frame_sums(k.p, k.len, false, true);
    memcpy(k.p + k.payload, k.p + k.l4 + 6, 2);
    cx_frame_sums(k.p, k.len, false, true);
    ok_eq(get16(k.p + k.l4 + 6), 0xffff, "0 means that there is no sum: UDP sends 0xffff");
    was = copy(k.p, k.len);
    cx_frame_sums(k.p, k.len, false, false);
    ok(!memcmp(was, k.p, k.len), "no sum that nobody asked for");
    k.p[k.l4 + 5]++;
    memcpy(was, k.p, k.len);
    cx_frame_sums(k.p, k.len, false, true);
    ok(!memcmp(was, k.p, k.len), "nor of UDP that is longer than its packet");
    free(was);
    free(k.p);
    k = make((struct recipe) { .version = 4, .protocol = UDP, .fragment = 0x2000, .payload = 80 });
    was = copy(k.p, k.len);
    cx_frame_sums(k.p, k.len, false, true);
    ok(!memcmp(was, k.p, k.len), "nor of a fragment");
    free(was);
    free(k.p);
}

struct pieces {
    unsigned n;
    bool right;                         /* sums, lengths, and the payload in order */
    unsigned last;                      /* payload of the last one */
};

/* One piece of k: is its header what the whole one's says, and the payload that of its place? */
static bool piece_is_right(const struct packet *k, const CxFrame *f, unsigned n, unsigned mss, bool last)
{
    const uint8_t *l4 = f->data + f->h.l4, *ip = f->data + f->h.l3;
    uint32_t at = k->payload + n * mss, size = f->len - f->h.payload;
    uint8_t flags = k->p[k->l4 + 13];

    if (!f->h.l4 || f->h.end != f->len || !l3_is_right(f->data, &f->h) || !l4_is_right(f->data, &f->h) ||
        memcmp(f->data + f->h.payload, k->p + at, size) || size > mss || (!last && size != mss))
        return false;
    if (f->h.ip_version == 4 && get16(ip + 4) != (uint16_t)(get16(k->p + k->l3 + 4) + n))
        return false;
    if (f->h.protocol == UDP)
        return get16(l4 + 4) == size + 8;
    return get32(l4 + 4) == get32(k->p + k->l4 + 4) + n * mss &&
           l4[13] == (flags & ~(last ? 0 : 0x09) & ~(n ? 0x80 : 0));
}

static struct pieces cut(struct recipe r, unsigned mss)
{
    struct packet k = make(r);
    struct pieces all = { .right = true };
    CxLso lso;
    CxFrame *f;

    if (cx_lso_begin(&lso, k.p, k.len, k.payload, mss, true, true)) {
        while ((f = cx_lso_next(&lso))) {
            all.last = f->len - f->h.payload;
            all.right &= piece_is_right(&k, f, all.n++, mss, lso.ended);
            cx_frame_free(f);
        }
    }
    free(k.p);
    return all;
}

static void test_lso(void)
{
    struct recipe tcp = { .version = 4, .protocol = TCP, .tcp_options = 12, .payload = 64000, .flags = 0x80 | 0x10 | 0x08 | 0x01 };
    struct recipe tcp6 = { .version = 6, .protocol = TCP, .payload = 500000, .tags = 1, .vid = 7, .flags = 0x18 };
    struct recipe udp = { .version = 4, .protocol = UDP, .payload = 5000 };
    struct recipe udp6 = { .version = 6, .protocol = UDP, .payload = 4000, .before = OPTIONS + 1 };
    struct pieces a;

    a = cut(tcp, 1448);
    ok(a.n == 45 && a.right && a.last == 64000 % 1448, "TCP: 45 pieces");
    a = cut(tcp6, 9000 - 60);
    ok(a.n == 56 && a.right, "more than 64 KiB of IPv6, in a VLAN");
    a = cut(udp, 1472);
    ok(a.n == 4 && a.right && a.last == 5000 - 3 * 1472, "UDP");
    a = cut(udp6, 1000);
    ok(a.n == 4 && a.right && a.last == 1000, "IPv6 with options; the last piece is full");
    tcp.payload = 0;
    a = cut(tcp, 1448);
    ok(a.n == 1 && a.right && !a.last, "a header alone is a piece");
}

/* Headers longer than any frame: options and options. */
static bool long_header_is_cut(void)
{
    enum { AT = 14 + 40, OPTION = 2048, N = 6, HEADER = AT + N * OPTION + 8 };
    uint8_t *p = calloc(1, HEADER + 100);
    CxLso lso;
    bool begun;

    put16(p + 12, 0x86dd);
    p[14] = 0x60;
    p[20] = OPTIONS;
    for (unsigned i = 0; i < N; i++) {
        p[AT + i * OPTION] = i + 1 < N ? OPTIONS : UDP;
        p[AT + i * OPTION + 1] = OPTION / 8 - 1;
    }
    begun = cx_lso_begin(&lso, p, HEADER + 100, HEADER, 100, true, true);
    begun &= lso.h.payload == HEADER;
    free(p);
    return begun;
}

static void test_lso_refused(void)
{
    struct recipe tcp = { .version = 4, .protocol = TCP, .payload = 4000 };
    struct packet k = make(tcp);
    CxLso lso;

    ok(!cx_lso_begin(&lso, k.p, k.len, k.payload, 0, true, true), "LSO without a size of pieces");
    ok(!cx_lso_begin(&lso, k.p, k.len, k.payload - 1, 1448, true, true), "whose header is cut off");
    ok(!cx_lso_begin(&lso, k.p, k.len, k.payload + 1, 1448, true, true), "or goes on");
    ok(!cx_lso_begin(&lso, k.p, k.payload - 1, k.payload, 1448, true, true), "or is not there");
    ok(!cx_lso_begin(&lso, k.p, k.len, k.payload, FRAME_MAX, true, true), "with pieces that are too long");
    ok(cx_lso_begin(&lso, k.p, k.len, k.payload, FRAME_MAX - k.payload, true, true), "with as long ones as may be");
    free(k.p);
    ok(!long_header_is_cut(), "with a header that is");
    tcp.protocol = 1;
    ok(!cut(tcp, 100).n, "of ICMP");
    tcp.protocol = TCP;
    tcp.fragment = 0x2000;
    ok(!cut(tcp, 100).n, "of a fragment");
}

/* ---- receiving ---- */

/* Rules as mlx5's tables have them: criteria and value, at their places. */
struct rule {
    uint8_t mask[512], value[512];
};

static struct rule rule(unsigned at, unsigned size, uint64_t mask, uint64_t value)
{
    struct rule r = { 0 };

    for (unsigned i = 0; i < size; i++) {
        r.mask[at + i] = mask >> 8 * (size - 1 - i);
        r.value[at + i] = value >> 8 * (size - 1 - i);
    }
    return r;
}

static bool matches(struct recipe what, struct rule r)
{
    struct packet k;
    CxHeaders h = headers_of(what, &k);

    return cx_frame_match(&h, 1, r.mask, r.value) && cx_frame_matchable(1, r.mask);
}

static void test_match(void)
{
    const uint64_t cvlan = 1 << 15, svlan = 1 << 14, version = 0xf << 9;
    struct recipe plain = { .version = 4, .protocol = TCP }, v6 = { .version = 6, .protocol = UDP };
    struct recipe c = { .tags = 1, .vid = 100, .version = 4, .protocol = UDP };
    struct recipe s = { .tags = 2, .tpid = 0x88a8, .vid = 100, .version = 4, .protocol = UDP };
    struct rule tcp4 = rule(0x10, 4, 0xffull << 24 | version, 6ull << 24 | 4 << 9), all = { 0 };
    struct rule untagged = rule(0x10, 4, cvlan, 0);
    struct rule both = rule(0x0c, 8, 0xfffull << 32 | cvlan, 100ull << 32 | cvlan);

    ok(matches(plain, tcp4) && !matches(c, tcp4) && !matches(v6, tcp4), "IPv4 and TCP");
    ok(matches(v6, rule(0x10, 4, version, 6 << 9)) && !matches(c, rule(0x10, 4, version, 6 << 9)), "IPv6, whatever is in it");
    ok(matches(plain, untagged) && matches(s, untagged) && !matches(c, untagged), "no C-tag");
    ok(matches(c, both) && !matches(s, both) && !matches(plain, both), "a C-tag and its VLAN");
    c.vid = 101;
    ok(!matches(c, both), "... and not another one");
    ok(matches(s, rule(0x0c, 8, 0xfffull << 32 | svlan, 100ull << 32 | svlan)), "an S-tag and its VLAN");
    ok(matches(plain, rule(0x08, 6, 0xffffffffffffull, 0x020000000001ull)), "an address");
    ok(!matches(plain, rule(0x08, 6, 0xffffffffffffull, 0x020000000002ull)), "... and not another one");
    ok(!matches(plain, rule(0x08, 6, 0x010000000000ull, 0x010000000000ull)), "not to several");
    ok(matches(s, rule(0x06, 2, 0xffff, 0x0800)) && matches(v6, rule(0x06, 2, 0xffff, 0x86dd)), "a type, behind tags");
    ok(matches((struct recipe) { .version = 4, .protocol = TCP, .fragment = 1 }, tcp4), "a later fragment of TCP is TCP");
    ok(matches(v6, all) && matches((struct recipe) { .payload = 9 }, all), "nothing asked for");
    ok(!cx_frame_matchable(1, rule(0, 6, 1, 0).mask), "the sender's address cannot be asked for");
    ok(!cx_frame_matchable(1, rule(0x14, 2, 1, 0).mask) && !cx_frame_matchable(1, rule(0x12, 1, 0x20, 0).mask), "nor ports, nor fragments");
    ok(!cx_frame_matchable(2, rule(0x40, 4, 1, 0).mask) && cx_frame_matchable(1, rule(0x40, 4, 1, 0).mask),
       "nor what is not among the outer headers, if that counts");
}

static void test_strip(void)
{
    struct recipe r = { .tags = 1, .vid = 100, .version = 6, .protocol = TCP, .payload = 50 };
    struct packet with = make(r), without;
    CxFrame *f = cx_frame_new(with.p, with.len), *g = cx_frame_strip(f);

    r.tags = 0;
    without = make(r);
    ok(g && g->len == without.len && !memcmp(g->data, without.p, g->len) && g->h.l4 == without.l4 && !g->h.tag,
       "a frame without its C-tag");
    ok(!cx_frame_strip(g), "one without a tag has none to lose");
    cx_frame_free(f);
    cx_frame_free(g);
    free(with.p);
    free(without.p);
    r.tags = 2;
    r.tpid = 0x88a8;
    with = make(r);
    f = cx_frame_new(with.p, with.len);
    ok(!cx_frame_strip(f), "an S-tag stays");
    cx_frame_free(f);
    free(with.p);
}

/* ---- what nobody should send ---- */

static uint64_t state;

static uint32_t any(uint32_t below)
{
    return random_below(&state, below);
}

static struct recipe any_recipe(void)
{
    static const unsigned protocols[] = { TCP, UDP, TCP, UDP, 1, AH };
    static const unsigned before[] = { 0, 0, HOP + 1, OPTIONS + 1, ROUTING + 1, AH + 1 };
    unsigned version = (unsigned[]) { 4, 6, 0 }[any(any(8) ? 2 : 3)];

    return (struct recipe) {
        .tags = any(3), .tpid = any(2) ? 0x88a8 : 0, .vid = any(4096), .version = version,
        .protocol = protocols[any(6)], .options = any(3) ? 0 : any(11) * 4, .tcp_options = any(3) ? 0 : any(11) * 4,
        .fragment = any(6) ? 0 : any(0x4000), .before = version == 6 ? before[any(6)] : 0,
        .payload = any(4) ? any(200) : any(20000), .padding = any(4) ? 0 : any(64), .flags = any(256),
    };
}

static bool headers_hold(const CxHeaders *h, uint32_t len)
{
    uint32_t l3 = h->ip_version == 6 ? 40 : 20, l4 = h->protocol == TCP ? 20 : 8;

    return (!h->l3 || (h->ip_version && h->l3 + l3 <= len)) && h->end <= len && (!h->end || h->l3 + l3 <= h->end) &&
           (!h->l4 || (h->l3 + l3 <= h->l4 && h->l4 + l4 <= h->payload && h->payload <= h->end && !h->fragment));
}

/* Sums change nothing but themselves, and do so once. */
static bool sums_hold(const uint8_t *p, uint32_t len, const CxHeaders *h)
{
    uint8_t *a = copy(p, len), *b;
    uint32_t field = h->l4 + (h->protocol == UDP ? 6 : 16);
    bool good = true;

    cx_frame_sums(a, len, true, true);
    b = copy(a, len);
    cx_frame_sums(b, len, true, true);
    good &= !memcmp(a, b, len);
    for (uint32_t i = 0; i < len; i++)
        good &= a[i] == p[i] || (h->ip_version == 4 && (i - h->l3 == 10 || i - h->l3 == 11)) ||
                (h->l4 && (i == field || i == field + 1));
    good &= !h->ip_version || l3_is_right(a, h);
    if (h->l4 && (h->protocol == TCP || get16(p + h->l4 + 4) == h->end - h->l4))
        good &= l4_is_right(a, h);
    free(a);
    free(b);
    return good;
}

/* Pieces hold all of the payload, and each is a frame that may leave. */
static bool lso_holds(const uint8_t *p, uint32_t len, const CxHeaders *h)
{
    uint32_t header = any(8) ? h->payload : any(100), done = 0;
    bool good = true;
    CxFrame *f;
    CxLso lso;

    if (!cx_lso_begin(&lso, p, len, header, any(8) ? 1 + any(2000) : any(1 << 14), any(2), any(2)))
        return true;
    while ((f = cx_lso_next(&lso))) {
        good &= f->len <= FRAME_MAX && f->len >= header && headers_hold(&f->h, f->len) &&
                !memcmp(p + header + done, f->data + header, f->len - header);
        done += f->len - header;
        cx_frame_free(f);
    }
    return good && done == len - header;
}

static bool frame_holds(const uint8_t *p, uint32_t len)
{
    CxFrame *f = cx_frame_new(p, len), *g = cx_frame_strip(f);
    uint8_t type = 0xff;
    bool good;

    cx_frame_hash(f, 1 + any(2), key, any(2), any(16) | (any(4) << 30), &type);
    good = headers_hold(&f->h, len) && sums_hold(p, len, &f->h) && lso_holds(p, len, &f->h) && !(type & ~0xcc) &&
           (!g || (g->len == len - FRAME_TAG && headers_hold(&g->h, g->len)));
    cx_frame_free(f);
    cx_frame_free(g);
    return good;
}

static bool one_round(void)
{
    struct packet k = make(any_recipe());
    uint32_t len = any(3) ? k.len : any(k.len + 1);
    uint8_t *p = copy(k.p, len);
    bool good;

    for (unsigned n = len ? any(4) : 0; n; n--)
        p[any(any(2) ? len : len < 80 ? len : 80)] = any(256);
    good = frame_holds(p, len);
    free(p);
    free(k.p);
    return good;
}

static void test_any(uint64_t seed, double seconds)
{
    double until = now_ms() + seconds * 1000;
    unsigned long n = 0;
    bool good = true;

    printf("# seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    while (good && now_ms() < until) {
        good = one_round();
        n++;
    }
    ok(good, "%lu packets of any kind, broken in any way, from seed %llu", n, (unsigned long long)seed);
}

int main(int argc, char **argv)
{
    double seconds = argc > 2 ? atof(argv[2]) : 3;

    if (argc < 2) {
        test_sum();
        test_rss();
        test_rss_corners();
        test_shapes();
        test_nonsense();
        test_sums();
        test_lso();
        test_lso_refused();
        test_match();
        test_strip();
    }
    test_any(argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL), seconds);
    return tap_done();
}
