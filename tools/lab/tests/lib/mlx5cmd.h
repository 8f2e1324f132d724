/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware commands through the command interface that mlx5_core has in
 * debugfs, so that mlx5_core drives the function as always.
 */
#ifndef LAB_MLX5CMD_H
#define LAB_MLX5CMD_H

#include <stdbool.h>
#include <stddef.h>

/* True if the firmware accepts it; mlx5_core hides a refusal's output. */
bool mlx5_command(const char *bdf, const void *in, size_t inlen, void *out, size_t outlen);

#endif
