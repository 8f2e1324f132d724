/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel said. It is the only place that tells why a module or a
 * device was refused.
 */
#ifndef FERRY_LIB_KERNEL_LOG_H
#define FERRY_LIB_KERNEL_LOG_H

#include <stdbool.h>
#include <stddef.h>

/**
 * ferry_kernel_said() - the newest message that has two words in it
 * @text: set to the message, from @first on; "" if there is none
 * @size: of @text
 * @first: a text that it holds
 * @second: another, behind the first one
 *
 * Return: whether there is one. Plain users may not be allowed to look.
 */
bool ferry_kernel_said(char *text, size_t size, const char *first, const char *second);

#endif /* FERRY_LIB_KERNEL_LOG_H */
