// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *     again ADDRESS
 *
 * Examines a function several times, by libferry: the same is found, whatever
 * was in the caller's memory before, and nothing of the heap is kept.
 */
#include <ferry.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t number, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void __libc_free(void *block);

static long blocks;     /* that are in use, of the program and of the C library */

static void *counted(void *block)
{
    __atomic_add_fetch(&blocks, !!block, __ATOMIC_RELAXED);
    return block;
}

void *malloc(size_t bytes)
{
    return counted(__libc_malloc(bytes));
}

void *calloc(size_t number, size_t bytes)
{
    return counted(__libc_calloc(number, bytes));
}

void *realloc(void *block, size_t bytes)
{
    return block ? __libc_realloc(block, bytes) : malloc(bytes);
}

void free(void *block)
{
    __atomic_sub_fetch(&blocks, !!block, __ATOMIC_RELAXED);
    __libc_free(block);
}

int main(int argc, char **argv)
{
    static struct ferry_diagnosis first, other;
    struct ferry_error error;
    int rubbish = 0xff, status = 0;
    long before;

    if (argc != 2 || ferry_diagnose(&first, argv[1], 0, &error)) {
        fprintf(stderr, "again ADDRESS\n");
        return 2;
    }
    for (int i = 0; i < 2; i++, rubbish = 0x55) {
        memset(&other, rubbish, sizeof(other));
        before = blocks;
        if (ferry_diagnose(&other, argv[1], 0, &error) || memcmp(&first, &other, sizeof(first))) {
            printf("not the same as before\n");
            status = 1;
        }
        if (blocks != before) {
            printf("%ld blocks are kept\n", blocks - before);
            status = 1;
        }
    }
    return status;
}
