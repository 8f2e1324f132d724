/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program in a lab VM tells the lab. */
#ifndef LAB_LAB_H
#define LAB_LAB_H

/* A kernel report that is about to come and is wanted: a Python regular expression. */
void lab_expect(const char *regex);
/* Writes to an address where nothing is mapped will be reported. */
#define REPORT_OF_DMA_FAULT "DMAR: .*fault addr 0x7f"

#endif
