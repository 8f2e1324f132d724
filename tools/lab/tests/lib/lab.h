/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program in a lab VM tells the lab, and is told by it. */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <stdio.h>

/* A kernel report that is about to come and is wanted: a Python regular expression. */
void lab_expect(const char *regex);
/* A file in the folder that this variable of the environment names, or here. */
FILE *lab_file(const char *folder, const char *name, const char *mode);
/* Writes to an address where nothing is mapped will be reported. */
#define REPORT_OF_DMA_FAULT "DMAR: .*fault addr 0x7f"

#endif
