// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of the host: its kernel, its IOMMU, what of VFIO is loaded.
 */
#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/program.h"
#include "../base/sysfs.h"
#include "../../../../drivers/vfio/pci/ferry/kernels.h"
#include "doctor.h"

/* Pre-copy came with the first; ferry's own driver builds from the second on. */
#define OLDEST_MINOR	2
#define OWN_MINOR	12

/*
 * How an option of the running kernel is set: 'y', 'm', 'n', or 0 if nothing
 * tells. Only to word what is missing; whether it is missing is seen.
 */
static char kernel_option(const char *release, const char *option)
{
	static const char *const files[] = {
		"/boot/config-%s", "/lib/modules/%s/config", "/lib/modules/%s/build/.config"
	};
	char path[FERRY_PATH_MAX], line[256], setting = 0;
	size_t length = strlen(option);
	FILE *file = NULL;

	for (unsigned int i = 0; i < sizeof(files) / sizeof(*files) && !file; i++) {
		snprintf(path, sizeof(path), files[i], release);
		file = fopen(path, "re");
	}
	if (!file)
		return 0;
	setting = 'n';
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, option, length) && line[length] == '=')
			setting = line[length + 1];
	fclose(file);
	return setting;
}

static bool needs_module(struct examination *e, const char *release, const char *module, const char *option)
{
	struct ferry_check *finding;

	if (ferry_module_available(module))
		return true;
	if (kernel_option(release, option) == 'n') {
		finding = ferry_found(e, "kernel", FERRY_NO, "Linux %s was built without %s", release, option);
		ferry_advise(finding, "boot a kernel of your distribution that has it");
		ferry_cost(finding, FERRY_WINDOW, RESTART);
	} else {
		finding = ferry_found(e, "kernel", FERRY_NO, "Linux %s has no module %s, or not for this release",
				      release, module);
		ferry_mend(finding, "apt install linux-image-%s", release);
	}
	return false;
}

/* No less than Linux 6.@minor; one whose release says nothing is. */
static bool no_older_than(unsigned int minor)
{
	unsigned int major, its_minor;
	struct utsname name;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &its_minor) != 2)
		return true;
	return major > 6 || (major == 6 && its_minor >= minor);
}

bool ferry_kernel_is_new(void)
{
	return no_older_than(OWN_MINOR);
}

/* Drivers of others may do with an older one, so for ferry's own it is said where that driver is missed. */
static bool check_age(struct examination *e, const char *release)
{
	struct ferry_check *finding;

	if (ferry_kernel_is_new())
		return true;
	if (no_older_than(OLDEST_MINOR))
		finding = ferry_found(e, "kernel", FERRY_WARNING, "Linux %s is older than 6.%d, which ferry's driver needs; the kernel's own drivers may do",
				      release, OWN_MINOR);
	else
		finding = ferry_found(e, "kernel", FERRY_NO, "Linux %s is older than 6.%d, whose VFIO was the first with pre-copy; ferry's driver needs 6.%d",
				      release, OLDEST_MINOR, OWN_MINOR);
	ferry_advise(finding, "Debian 13 has 6.12, and Debian 12 beside its own 6.1:");
	ferry_cost(finding, FERRY_WINDOW, RESTART);
	ferry_mend(finding, "apt install linux-image-6.12-amd64 linux-headers-6.12-amd64");
	return false;
}

void ferry_check_kernel(struct examination *e)
{
	struct ferry_check *finding;
	struct utsname name;

	uname(&name);
	if (!check_age(e, name.release))
		return;
	if (!needs_module(e, name.release, "vfio", "CONFIG_VFIO") ||
	    !needs_module(e, name.release, "vfio_pci_core", "CONFIG_VFIO_PCI"))
		return;
	if (ferry_kernel_tried(name.release)) {
		ferry_found(e, "kernel", FERRY_FINE, "Linux %s has VFIO for PCI", name.release);
		return;
	}
	finding = ferry_found(e, "kernel", FERRY_WARNING, "Linux %s has VFIO for PCI, but nobody is known to have run ferry's driver on it",
			      name.release);
	ferry_advise(finding, "it was tried on Linux " FERRY_TRIED_KERNELS);
}

static unsigned int count_groups(void)
{
	DIR *dir = opendir("/sys/kernel/iommu_groups");
	unsigned int count = 0;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		count += *entry->d_name != '.';
	if (dir)
		closedir(dir);
	return count;
}

/* Of these words GRUB knows after this; the kernel itself at its next start. */
static void mend_grub(struct ferry_check *finding, const char *commands)
{
	ferry_cost(finding, FERRY_WINDOW, RESTART);
	ferry_mend(finding, "%supdate-grub", commands);
}

static void mend_command_line(struct ferry_check *finding, const char *off, const char *on)
{
	if (off && ferry_booted_with(off)) {
		ferry_advise(finding, "the kernel was booted with %s; take it out of GRUB_CMDLINE_LINUX in /etc/default/grub",
			     off);
		mend_grub(finding, "");
	} else if (on && ferry_booted_with(on)) {
		ferry_advise(finding, "the kernel was booted with %s all the same; `dmesg | grep -i -e dmar -e iommu` may tell why",
			     on);
	} else if (on) {
		char edit[128];

		ferry_advise(finding, "boot the kernel with %s", on);
		snprintf(edit, sizeof(edit), "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&%s /' /etc/default/grub && ", on);
		mend_grub(finding, edit);
	}
}

void ferry_check_iommu(struct examination *e)
{
	unsigned int groups = count_groups();
	struct ferry_check *finding;

	if (groups) {
		ferry_found(e, "iommu", FERRY_FINE, "the IOMMU is on, with %u groups", groups);
	} else if (ferry_sysfs_exists("/sys/firmware/acpi/tables/DMAR")) {
		finding = ferry_found(e, "iommu", FERRY_NO, "the machine has an IOMMU (Intel VT-d), but the kernel does not use it");
		mend_command_line(finding, "intel_iommu=off", "intel_iommu=on");
	} else if (ferry_sysfs_exists("/sys/firmware/acpi/tables/IVRS")) {
		finding = ferry_found(e, "iommu", FERRY_NO, "the machine has an IOMMU (AMD-Vi), but the kernel does not use it");
		mend_command_line(finding, "amd_iommu=off", NULL);
	} else {
		finding = ferry_found(e, "iommu", FERRY_NO, "the machine's firmware shows no IOMMU");
		ferry_advise(finding, "switch on VT-d or AMD-Vi in the firmware's setup; a virtual machine needs a virtual IOMMU");
		ferry_cost(finding, FERRY_WINDOW, RESTART);
	}
	e->may_open &= !!groups;
}

/* Through what programs use VFIO: containers of type 1, or iommufd. */
void ferry_check_interface(struct examination *e)
{
	struct ferry_check *finding;
	bool loaded = ferry_module_loaded("vfio_iommu_type1"), type1 = loaded && ferry_sysfs_exists("/dev/vfio/vfio");
	bool iommufd = ferry_sysfs_exists("/dev/iommu");

	if (type1 || iommufd) {
		ferry_found(e, "interface", FERRY_FINE, "programs can use VFIO through %s%s%s",
			    type1 ? "containers (vfio_iommu_type1)" : "", type1 && iommufd ? " and " : "",
			    iommufd ? "iommufd" : "");
		return;
	}
	e->may_open = false;
	if (loaded || ferry_module_loaded("iommufd")) {
		finding = ferry_found(e, "interface", FERRY_NO, "%s is loaded, but %s is not there: no program here can open a function",
				      loaded ? "vfio_iommu_type1" : "iommufd", loaded ? "/dev/vfio/vfio" : "/dev/iommu");
		ferry_advise(finding, "a container has to be given it, and the file of the function's group in /dev/vfio; on a host, see who removed it: udev, or devtmpfs not mounted");
		return;
	}
	finding = ferry_found(e, "interface", FERRY_NO, "neither vfio_iommu_type1 nor iommufd is loaded, and no program can open a function without one");
	ferry_mend(finding, "modprobe vfio_iommu_type1");
}

/* Drivers tell their reasons there; only root may read them. */
void ferry_check_debugfs(struct examination *e)
{
	struct ferry_check *finding;
	struct statfs fs;

	if (geteuid() || (!statfs("/sys/kernel/debug", &fs) && fs.f_type == DEBUGFS_MAGIC))
		return;
	finding = ferry_found(e, "debugfs", FERRY_WARNING, "debugfs is not mounted, so drivers cannot tell their reasons");
	ferry_mend(finding, "mount -t debugfs none /sys/kernel/debug");
}
