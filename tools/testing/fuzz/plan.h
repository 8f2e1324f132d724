/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an input of the fuzz target is: a plan, then the bytes of a stream.
 */
#ifndef FUZZ_PLAN_H
#define FUZZ_PLAN_H

#include "feed.h"

/**
 * struct plan - the beginning of an input
 * @pieces: how many bytes the decoder gets at once, in turn; 0 for all
 * @limit: longest image that the target loads, 0 for any, 255 for 1 MiB
 * @refuse: at which event the caller refuses, once, on the side
 * @flip: what is changed in the byte at @where of a good stream
 * @reserved: unused
 * @where: of the byte that is changed, modulo the length
 * @cut: bytes that are kept of a good stream, modulo the length
 */
struct plan {
	u8 pieces[PIECES];
	u8 limit;
	u8 refuse;
	u8 flip;
	u8 reserved;
	__le32 where;
	__le32 cut;
};

#endif /* FUZZ_PLAN_H */
