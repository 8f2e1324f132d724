/* SPDX-License-Identifier: GPL-2.0-only */
/* What debugfs shows of the engine: vfio_ferry/<PCI address>/ */
#ifndef FERRY_DEBUGFS_H
#define FERRY_DEBUGFS_H

struct ferry_vf;

void ferry_debugfs_init(void);
void ferry_debugfs_exit(void);
void ferry_debugfs_add(struct ferry_vf *vf);
void ferry_debugfs_remove(struct ferry_vf *vf);

#endif /* FERRY_DEBUGFS_H */
