// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a function as the PCI bus has it: is it there, is it a VF, how is
 * its physical function, who shares its IOMMU group.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/sysfs.h"
#include "../host/devlink.h"
#include "doctor.h"

/* A VF's place on the bus, from its PF's: bus, slot and function are one number. */
static bool would_be_vf(const struct ferry_function *pf, const char *address, unsigned int *number)
{
	unsigned int domain, bus, slot, function, vf_domain, vf_bus, vf_slot, vf_function, at, offset, stride, first;

	if (sscanf(pf->address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4 ||
	    sscanf(address, "%x:%x:%x.%x", &vf_domain, &vf_bus, &vf_slot, &vf_function) != 4 || domain != vf_domain)
		return false;
	offset = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_offset", pf->address);
	stride = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_stride", pf->address);
	first = (bus << 8 | slot << 3 | function) + offset;
	at = vf_bus << 8 | vf_slot << 3 | vf_function;
	if (!offset || at < first)
		return false;
	*number = stride ? (at - first) / stride : 0;
	return at == first + *number * stride && *number < pf->vfs_total;
}

static void mend_missing(struct examination *e, const struct ferry_function *pf, unsigned int number)
{
	struct ferry_check *finding;

	if (!*pf->driver) {
		finding = ferry_found(e, "function", FERRY_NO, "it is not there: it would be VF %u of %s, which has no driver and so no VFs",
				      number, pf->address);
		ferry_mend(finding, "echo %s > /sys/bus/pci/drivers_probe", pf->address);
	} else {
		finding = ferry_found(e, "function", FERRY_NO, "it is not there: it would be VF %u of %s, which has %u VFs",
				      number, pf->address, pf->vfs_enabled);
	}
	if (pf->vfs_enabled)
		ferry_mend(finding, "ferry unbind %s --vfs", pf->address);
	ferry_mend(finding, "ferry bind %s --vfs %u", pf->address, number + 1);
}

static void explain_missing(struct examination *e)
{
	struct ferry_function *all;
	struct ferry_check *finding;
	unsigned int count, number;
	bool found = false;

	if (ferry_functions_read(&all, &count, NULL))
		count = 0;
	for (unsigned int i = 0; i < count && !found; i++) {
		found = all[i].kind == FERRY_PF && would_be_vf(&all[i], e->diagnosis->address, &number);
		if (found)
			mend_missing(e, &all[i], number);
	}
	free(all);
	if (found)
		return;
	finding = ferry_found(e, "function", FERRY_NO, "there is no such PCI function");
	ferry_mend(finding, "ferry list");
}

static void explain_pf(struct examination *e)
{
	const struct ferry_function *pf = &e->f;
	struct ferry_check *finding;
	struct ferry_function vf;

	finding = ferry_found(e, "function", FERRY_NO, "it is a physical function with %u VFs; only VFs are migrated",
			      pf->vfs_enabled);
	if (!pf->vfs_total)
		ferry_advise(finding, "its firmware allows no VFs; for a ConnectX see `mstconfig -d %s query SRIOV_EN NUM_OF_VFS`",
			     pf->address);
	else if (!*pf->driver)
		ferry_mend(finding, "echo %s > /sys/bus/pci/drivers_probe", pf->address);
	else if (!pf->vfs_enabled)
		ferry_mend(finding, "ferry bind %s --vfs 1", pf->address);
	else if (!ferry_function_vf(&vf, pf, 0, NULL))
		ferry_mend(finding, "ferry doctor %s", vf.address);
}

bool ferry_check_function(struct examination *e, const char *address)
{
	if (ferry_function_read(&e->f, address, NULL)) {
		explain_missing(e);
		return false;
	}
	if (e->f.kind == FERRY_PF && !e->f.vfio) {
		explain_pf(e);
		return false;
	}
	if (e->f.kind == FERRY_VF)
		ferry_found(e, "function", FERRY_FINE, "it is VF %u of %s", e->f.number, e->f.pf);
	else
		ferry_found(e, "function", FERRY_FINE, "it is no VF, but VFIO has it");
	return true;
}

void ferry_check_pf(struct examination *e)
{
	struct ferry_check *finding;
	char text[64];
	struct ferry_function pf;

	if (e->f.kind != FERRY_VF || ferry_function_read(&pf, e->f.pf, NULL))
		return;
	if (!*pf.driver) {
		finding = ferry_found(e, "pf", FERRY_NO, "its physical function %s has no driver", pf.address);
		ferry_mend(finding, "echo %s > /sys/bus/pci/drivers_probe", pf.address);
		return;
	}
	if (ferry_devlink_ill(pf.address, text, sizeof(text))) {
		finding = ferry_found(e, "pf", FERRY_NO, "its physical function %s is ill: devlink's health reporter %s is in error",
				      pf.address, text);
		ferry_mend(finding, "devlink health recover pci/%s reporter %s", pf.address, text);
		return;
	}
	if (ferry_firmware(&e->f, text, sizeof(text)))
		ferry_found(e, "pf", FERRY_FINE, "%s drives its physical function %s, firmware %s", pf.driver,
			    pf.address, text);
	else
		ferry_found(e, "pf", FERRY_FINE, "%s drives its physical function %s", pf.driver, pf.address);
}

/* VFIO does not mind bridges: their drivers do no DMA of their own. */
static bool spoils_group(const struct ferry_function *other)
{
	return *other->driver && !other->vfio && strcmp(other->driver, "pcieport") && strcmp(other->driver, "pci-stub");
}

static void mend_group(struct ferry_check *finding, const struct examination *e, const struct ferry_function *other)
{
	if (ferry_booted_with("pci=disable_acs_redir")) {
		ferry_advise(finding, "the kernel was booted with pci=disable_acs_redir, which joins groups; take it out of GRUB_CMDLINE_LINUX in /etc/default/grub");
		ferry_mend(finding, "update-grub && reboot");
	} else if (!strcmp(other->address, e->f.pf)) {
		ferry_advise(finding, "the slot does not isolate its functions: switch on ACS in the firmware's setup, or use another slot");
	} else {
		ferry_mend(finding, "echo %s > /sys/bus/pci/devices/%s/driver/unbind", other->address, other->address);
	}
}

void ferry_check_group(struct examination *e)
{
	struct ferry_function other, culprit = { 0 };
	struct ferry_check *finding;
	char path[FERRY_PATH_MAX];
	struct dirent *entry;
	unsigned int members = 0;
	DIR *dir;

	if (e->f.group < 0)
		return;
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices", e->f.group);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.' || ferry_function_read(&other, entry->d_name, NULL))
			continue;
		members++;
		if (spoils_group(&other))
			culprit = other;
	}
	if (dir)
		closedir(dir);
	if (!*culprit.address) {
		ferry_found(e, "group", FERRY_FINE, "IOMMU group %d: %u function%s, none used by a host driver",
			    e->f.group, members, members == 1 ? "" : "s");
		return;
	}
	finding = ferry_found(e, "group", FERRY_NO, "it shares IOMMU group %d with %s, which %s uses for the host: VFIO gives out whole groups",
			      e->f.group, culprit.address, culprit.driver);
	mend_group(finding, e, &culprit);
	e->may_open = false;
}
