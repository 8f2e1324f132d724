/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: Ethernet frames, as pure functions.
 *
 * Nothing here knows a NIC, a queue or QEMU; the lab's tests build it with
 * sanitizers.  Frames come from a guest, or off the wire: no length or offset
 * in them is believed, and all work is bounded by the frame's length.
 */
#ifndef CONNECTX_FRAME_H
#define CONNECTX_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FRAME_MIN = 14,                     /* the Ethernet header alone */
    FRAME_MAX = 10240,                  /* what the port may be told to pass */
    FRAME_TAG = 4,                      /* bytes of one, at byte 12 */
    FRAME_MATCH = 0x14,                 /* that is matched of fte_match_param */
    RSS_KEY = 40,
};

/*
 * What is known of a frame.  An offset of 0 says that there is no such header,
 * or that it is not whole, or nonsense; who has an offset may read the fixed
 * part of that header.
 */
typedef struct CxHeaders {
    uint16_t tag;                       /* the first: 0x8100, 0x88a8; 0: none */
    uint16_t tci;                       /* in the first tag */
    uint16_t ethertype;                 /* behind up to two tags */
    uint8_t ip_version;                 /* 4, 6; 0: not IP */
    uint8_t protocol;                   /* in IP, or its fragment: 6 TCP, ... */
    bool fragment;                      /* of IP, the first or another */
    uint32_t l3;                        /* IP header */
    uint32_t l4;                        /* TCP or UDP header, of no fragment */
    uint32_t payload;                   /* behind the TCP or UDP header */
    uint32_t end;                       /* of IP; 0: it is cut off */
    uint8_t match[FRAME_MATCH];         /* as fte_match_param begins */
} CxHeaders;

typedef struct CxFrame {
    CxHeaders h;
    uint32_t len;
    uint8_t data[];
} CxFrame;

/* Fills all of *h for any len, also for less than an Ethernet header. */
void cx_frame_parse(const uint8_t *p, uint32_t len, CxHeaders *h);

/* A parsed copy of the bytes; free it with cx_frame_free(). */
CxFrame *cx_frame_new(const uint8_t *p, uint32_t len);
void cx_frame_free(CxFrame *f);

/*
 * ---- sending ----
 * Writes complete sums into the headers, whatever is there (a stack leaves the
 * pseudo header's): of IPv4 (l3), of TCP or UDP (l4).  What is not there, not
 * whole, or a fragment stays as it is.  cs_flags of a WQE: 0x40 l3, 0x80 l4.
 */
void cx_frame_sums(uint8_t *p, uint32_t len, bool l3, bool l4);

/*
 * An LSO WQE is one frame of up to half a MiB, which leaves in pieces of mss
 * bytes of payload, each with the header anew: lengths, identification,
 * sequence number, flags.
 *
 *     CxLso lso;
 *     if (!cx_lso_begin(&lso, buf, len, inline_hdr_sz, mss, l3, l4)) {
 *         error: not TCP or UDP, its headers are not inline_hdr_sz long, mss
 *         is 0, or a piece would be longer than FRAME_MAX
 *     }
 *     while ((f = cx_lso_next(&lso))) {
 *         cx_switch_send(v, f);
 *     }
 *
 * buf must live and stay as it is meanwhile.  At least one piece comes, also
 * without payload.  To send in slices, keep the CxLso.
 */
typedef struct CxLso {
    const uint8_t *p;
    CxHeaders h;
    uint32_t len, mss;
    uint32_t pos;                       /* in p, of the next byte of payload */
    uint32_t piece;                     /* number of the next one */
    bool l3, l4, ended;
} CxLso;

bool cx_lso_begin(CxLso *lso, const uint8_t *p, uint32_t len, uint32_t header,
                  uint32_t mss, bool l3, bool l4);
CxFrame *cx_lso_next(CxLso *lso);       /* parsed; NULL: that was all */

/*
 * ---- receiving ----
 */

/* One's-complement sum of big-endian 16-bit words, folded, not inverted. */
uint16_t cx_frame_sum(const uint8_t *p, uint32_t len);

/*
 * Does the frame satisfy a rule?  enable: match_criteria_enable (bit 0: outer
 * headers), mask and value: fte_match_param, of which FRAME_MATCH bytes are
 * read.  A rule may ask for what cx_frame_matchable() says; SET_FTE and
 * CREATE_FLOW_GROUP refuse others, which are never matched here.
 */
bool cx_frame_match(const CxHeaders *h, uint8_t enable, const uint8_t *mask,
                    const uint8_t *value);
bool cx_frame_matchable(uint8_t enable, const uint8_t mask[512]);

/* A new frame without the C-tag f->h.tci; NULL: it has none. */
CxFrame *cx_frame_strip(const CxFrame *f);

/*
 * RSS.  fn: rx_hash_fn of the TIR (1 XOR8, 2 Toeplitz); selector: its dword at
 * ctx+0x50 (l3[31]: 0 IPv4, 1 IPv6; l4[30]: 0 TCP, 1 UDP; fields 1 source, 2
 * destination address, 4 source, 8 destination port).  *type is for the CQE's
 * rss_hash_type, 0 if nothing was hashed (not IP, or the other one, no fields);
 * the hash is 0 then.  Of a fragment, and where l4 is another protocol, only
 * addresses count.
 */
uint32_t cx_frame_hash(const CxFrame *f, unsigned fn,
                       const uint8_t key[RSS_KEY], bool symmetric,
                       uint32_t selector, uint8_t *type);

#endif
