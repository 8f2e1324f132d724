/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions as sysfs shows them: drivers, SR-IOV, groups.  A function is
 * named by its address (0000:01:00.0).  Values: 0 or -errno, unless said.
 */
#ifndef LAB_PCI_H
#define LAB_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_NAME 16

int sysfs_write(const char *path, const char *value);
/* One line without its newline. */
int sysfs_read(const char *path, char *value, size_t size);

/* Name of the driver, "" for none. */
void pci_driver(const char *bdf, char *name, size_t size);
int pci_unbind(const char *bdf);
/* Binds this driver and no other; unbinds whatever was bound. */
int pci_bind(const char *bdf, const char *driver);
int pci_sriov(const char *pf, unsigned vfs, bool autoprobe);
int pci_vf_name(const char *pf, unsigned vf, char name[PCI_NAME]);
/* Number of the IOMMU group. */
int pci_group(const char *bdf);
int pci_reset(const char *bdf);
/* Maps a BAR through sysfs, for a function whose driver leaves it alone. */
void *pci_map_bar(const char *bdf, unsigned bar, size_t size);

#endif
