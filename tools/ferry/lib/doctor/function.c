// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a function as the PCI bus has it: is it there, is it a VF, how is
 * its physical function, who shares its IOMMU group.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/sysfs.h"
#include "../host/devlink.h"
#include "doctor.h"

/* A VF's place on the bus, from its PF's: bus, slot and function are one number. */
static bool would_be_vf(const char *pf, const char *address, unsigned int *number)
{
	unsigned int domain, bus, slot, function, vf_domain, vf_bus, vf_slot, vf_function, at, offset, stride, first;

	if (sscanf(pf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4 ||
	    sscanf(address, "%x:%x:%x.%x", &vf_domain, &vf_bus, &vf_slot, &vf_function) != 4 || domain != vf_domain)
		return false;
	offset = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_offset", pf);
	stride = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_stride", pf);
	first = (bus << 8 | slot << 3 | function) + offset;
	at = vf_bus << 8 | vf_slot << 3 | vf_function;
	if (!offset || at < first)
		return false;
	*number = stride ? (at - first) / stride : 0;
	return at == first + *number * stride &&
	       *number < ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_totalvfs", pf);
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
	if (!pf->vfs_enabled) {
		ferry_mend(finding, "ferry bind %s --vfs %u", pf->address, number + 1);
		return;
	}
	/* Their number cannot be changed but by way of 0. */
	ferry_cost(finding, FERRY_WINDOW, "all VFs of %s go, with what was set for them, and come anew; ferry refuses it while a program or the host's network uses one",
		   pf->address);
	ferry_mend(finding, "ferry unbind %s --vfs && ferry bind %s --vfs %u%s", pf->address, pf->address, number + 1,
		   ferry_persisting(pf->address));
}

/*
 * Whose VF it would be, or was. While VFs are being removed the kernel answers
 * nobody who asks how many there are, so nothing but places is asked for.
 */
static bool find_pf(char pf[FERRY_ADDRESS_MAX], const char *address, unsigned int *number)
{
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(pf, FERRY_ADDRESS_MAX, "%.*s", FERRY_ADDRESS_MAX - 1, entry->d_name);
		found = would_be_vf(pf, address, number);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void explain_missing(struct examination *e)
{
	char address[FERRY_ADDRESS_MAX];
	struct ferry_check *finding;
	struct ferry_function pf;
	unsigned int number;

	if (find_pf(address, e->diagnosis->address, &number) && !ferry_function_read(&pf, address, NULL)) {
		mend_missing(e, &pf, number);
		return;
	}
	finding = ferry_found(e, "function", FERRY_NO, "there is no such PCI function");
	ferry_mend(finding, "ferry list");
}

/* In switchdev mode alone a VF can be made migratable, and the mode comes before the VFs. */
static void mend_by_making(struct ferry_check *finding, const struct ferry_function *pf)
{
	char mode[16];

	if (!ferry_devlink_mode(pf->address, mode, sizeof(mode)) || strcmp(mode, "legacy")) {
		ferry_mend(finding, "ferry bind %s --vfs 1", pf->address);
		return;
	}
	ferry_advise(finding, "its switch is in legacy mode: no VF of it can be made migratable, see Documentation/hardware.rst");
	ferry_cost(finding, FERRY_HURTS, "the host's own network through %s is cut for a moment", pf->address);
	ferry_mend(finding, "devlink dev eswitch set pci/%s mode switchdev && ferry bind %s --vfs 1", pf->address, pf->address);
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
		mend_by_making(finding, pf);
	else if (!ferry_function_vf(&vf, pf, 0, NULL))
		ferry_mend(finding, "ferry doctor %s", vf.address);
}

/* The kernel has cut it from its PF, and waits for its user before it removes it. */
static bool is_going(struct examination *e)
{
	const struct ferry_user *user = NULL;
	struct ferry_user *users = NULL;
	char pf[FERRY_ADDRESS_MAX];
	struct ferry_check *finding;
	unsigned int number, count;

	if (e->f.kind != FERRY_OTHER || !find_pf(pf, e->f.address, &number))
		return false;
	finding = ferry_found(e, "function", FERRY_NO, "it is going away: it was VF %u of %s, whose VFs are being removed",
			      number, pf);
	if (!ferry_users_read(&users, &count, NULL))
		user = ferry_users_find(users, count, &e->f);
	if (user)
		ferry_advise(finding, "the kernel waits until %s (process %d) lets go of it; if that is a VM, shut its guest down",
			     user->name, user->pid);
	else
		ferry_advise(finding, "the kernel waits until its user lets go of it");
	free(users);
	return true;
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
	if (is_going(e))
		return false;
	if (e->f.kind == FERRY_VF)
		ferry_found(e, "function", FERRY_FINE, "it is VF %u of %s", e->f.number, e->f.pf);
	else
		ferry_found(e, "function", FERRY_FINE, "it is no VF, but VFIO has it");
	return true;
}

void ferry_mend_by_recovery(struct ferry_check *finding, const char *pf, const char *reporter)
{
	ferry_cost(finding, FERRY_HURTS, "%s starts anew: all VMs that have one of its VFs, and the host's own network through it, lose what they were doing there",
		   pf);
	ferry_mend(finding, "devlink health recover pci/%s reporter %s", pf, reporter);
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
		ferry_mend_by_recovery(finding, pf.address, text);
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

/* A disk or a network interface of the host that is behind this function, or one on its way to it. */
static bool carries(const char *address, char *what, size_t size)
{
	static const char *const classes[] = { "/sys/class/block", "/sys/class/net" };
	char target[512], step[FERRY_ADDRESS_MAX + 2];
	bool found = false;

	snprintf(step, sizeof(step), "/%s/", address);
	for (unsigned int i = 0; i < sizeof(classes) / sizeof(*classes) && !found; i++) {
		DIR *dir = opendir(classes[i]);
		struct dirent *entry;

		while (dir && !found && (entry = readdir(dir))) {
			ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

			target[n < 0 ? 0 : n] = '\0';
			found = strstr(target, step);
			snprintf(what, size, "%.31s", entry->d_name);
		}
		if (dir)
			closedir(dir);
	}
	return found;
}

static void mend_group(struct ferry_check *finding, const struct examination *e, const struct ferry_function *other)
{
	char what[32];

	if (ferry_booted_with("pci=disable_acs_redir")) {
		ferry_advise(finding, "the kernel was booted with pci=disable_acs_redir, which joins groups; take it out of GRUB_CMDLINE_LINUX in /etc/default/grub");
		ferry_cost(finding, FERRY_WINDOW, RESTART);
		ferry_mend(finding, "update-grub");
	} else if (!strcmp(other->address, e->f.pf)) {
		ferry_advise(finding, "the slot does not isolate its functions: switch on ACS in the firmware's setup, or use another slot");
		ferry_cost(finding, FERRY_WINDOW, "either stops the machine, and everything that runs on it");
	} else if (carries(other->address, what, sizeof(what))) {
		ferry_advise(finding, "%s, which this host uses, is on %s: leave that alone, and put the NIC into another slot",
			     what, other->address);
		ferry_cost(finding, FERRY_WINDOW, "that stops the machine, and everything that runs on it");
	} else {
		ferry_cost(finding, FERRY_HURTS, "whoever on this host uses %s loses it; `lspci -s %s` says what it is",
			   other->address, other->address);
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
		/* Where its PF is among them, nothing that is done to the others helps. */
		if (spoils_group(&other) && (!*culprit.address || strcmp(culprit.address, e->f.pf)))
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
