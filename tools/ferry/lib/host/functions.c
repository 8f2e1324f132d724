// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions as sysfs shows them. See ferry/host.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pci/pci.h>

#include <ferry/host.h>

#include "../base/sysfs.h"

FERRY_API int ferry_address(char address[FERRY_ADDRESS_MAX], const char *text, struct ferry_error *error)
{
	unsigned int domain = 0, bus, slot, function;
	int used = 0;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &used) != 4 || text[used]) {
		domain = 0;
		used = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &used) != 3 || text[used])
			used = 0;
	}
	if (!used || slot > 31 || function > 7 || strspn(text, "0123456789abcdefABCDEF:.") != strlen(text))
		return ferry_fail(error, EINVAL, "'%.64s' is no PCI address like 0000:01:00.1", text);
	snprintf(address, FERRY_ADDRESS_MAX, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return 0;
}

static void read_cdev(struct ferry_function *f)
{
	char path[FERRY_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/vfio-dev", f->address);
	dir = opendir(path);
	if (!dir)
		return;
	f->vfio = true;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(f->cdev, sizeof(f->cdev), "%.*s", (int)sizeof(f->cdev) - 1, entry->d_name);
	closedir(dir);
	if (!ferry_sysfs_exists("/dev/vfio/devices/%s", f->cdev))
		*f->cdev = '\0';
}

static void read_ids(struct ferry_function *f)
{
	const char *a = f->address;

	f->vendor = ferry_sysfs_number(0, PCI_DEVICES "/%s/vendor", a);
	f->device = ferry_sysfs_number(0, PCI_DEVICES "/%s/device", a);
	f->subsystem_vendor = ferry_sysfs_number(0, PCI_DEVICES "/%s/subsystem_vendor", a);
	f->subsystem_device = ferry_sysfs_number(0, PCI_DEVICES "/%s/subsystem_device", a);
	f->class = ferry_sysfs_number(0, PCI_DEVICES "/%s/class", a);
}

/* The kernel tells no VF its number; its PF has a link for each. */
static void read_number(struct ferry_function *f)
{
	char address[FERRY_ADDRESS_MAX];
	unsigned int vfs = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_numvfs", f->pf);

	for (unsigned int i = 0; i < vfs; i++) {
		if (!ferry_sysfs_link(address, sizeof(address), PCI_DEVICES "/%s/virtfn%u", f->pf, i))
			continue;
		if (!strcmp(address, f->address))
			f->number = i;
	}
}

static void read_sriov(struct ferry_function *f)
{
	const char *a = f->address;

	f->vfs_total = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_totalvfs", a);
	f->vfs_enabled = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_numvfs", a);
	f->autoprobe = ferry_sysfs_number(0, PCI_DEVICES "/%s/sriov_drivers_autoprobe", a);
	if (ferry_sysfs_link(f->pf, sizeof(f->pf), PCI_DEVICES "/%s/physfn", a)) {
		f->kind = FERRY_VF;
		read_number(f);
	} else if (ferry_sysfs_exists(PCI_DEVICES "/%s/sriov_totalvfs", a)) {
		f->kind = FERRY_PF;
	}
}

FERRY_API int ferry_function_read(struct ferry_function *f, const char *address, struct ferry_error *error)
{
	char full[FERRY_ADDRESS_MAX], text[16];
	int err = ferry_address(full, address, error);

	memset(f, 0, sizeof(*f));
	if (err)
		return err;
	if (!ferry_sysfs_exists(PCI_DEVICES "/%s", full))
		return ferry_fail(error, ENODEV, "there is no PCI function %s; `ferry list` shows what there is", full);
	memcpy(f->address, full, sizeof(f->address));
	read_ids(f);
	ferry_sysfs_link(f->driver, sizeof(f->driver), PCI_DEVICES "/%s/driver", full);
	ferry_sysfs_line(f->override, sizeof(f->override), PCI_DEVICES "/%s/driver_override", full);
	if (!strcmp(f->override, "(null)"))
		*f->override = '\0';
	f->group = ferry_sysfs_link(text, sizeof(text), PCI_DEVICES "/%s/iommu_group", full) ? atoi(text) : -1;
	f->numa = ferry_sysfs_number(-1, PCI_DEVICES "/%s/numa_node", full);
	read_cdev(f);
	read_sriov(f);
	return 0;
}

/* Physical functions in the order of their addresses, each VF behind its own. */
static int in_order(const void *a, const void *b)
{
	const struct ferry_function *x = a, *y = b;
	int order = strcmp(x->kind == FERRY_VF ? x->pf : x->address, y->kind == FERRY_VF ? y->pf : y->address);

	if (order)
		return order;
	if (x->kind != y->kind)
		return x->kind == FERRY_VF ? 1 : -1;
	return x->kind == FERRY_VF ? (int)x->number - (int)y->number : 0;
}

FERRY_API int ferry_functions_read(struct ferry_function **functions, unsigned int *count,
				   struct ferry_error *error)
{
	struct ferry_function *all = NULL, *more, one;
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir = opendir(PCI_DEVICES);

	*functions = NULL;
	*count = 0;
	if (!dir)
		return ferry_fail(error, errno, PCI_DEVICES ": %s", strerror(errno));
	while ((entry = readdir(dir))) {
		/* One that went away in the meantime is no error. */
		if (*entry->d_name == '.' || ferry_function_read(&one, entry->d_name, NULL))
			continue;
		if (one.kind == FERRY_OTHER && !one.vfio)
			continue;
		more = reallocarray(all, n + 1, sizeof(*all));
		if (!more) {
			free(all);
			closedir(dir);
			return ferry_fail(error, ENOMEM, "no memory");
		}
		all = more;
		all[n++] = one;
	}
	closedir(dir);
	if (n)
		qsort(all, n, sizeof(*all), in_order);
	*functions = all;
	*count = n;
	return 0;
}

FERRY_API int ferry_function_vf(struct ferry_function *vf, const struct ferry_function *pf, unsigned int number,
				struct ferry_error *error)
{
	char address[FERRY_ADDRESS_MAX];

	if (!ferry_sysfs_link(address, sizeof(address), PCI_DEVICES "/%s/virtfn%u", pf->address, number))
		return ferry_fail(error, ENODEV, "%s has no VF %u", pf->address, number);
	return ferry_function_read(vf, address, error);
}

struct ferry_names {
	struct pci_access *pci;
};

FERRY_API struct ferry_names *ferry_names_open(void)
{
	struct ferry_names *names = malloc(sizeof(*names));

	if (names)
		names->pci = pci_alloc();
	return names;
}

FERRY_API const char *ferry_names_find(struct ferry_names *names, const struct ferry_function *f, char *text,
				       size_t size)
{
	const char *found = NULL;

	if (names)
		found = pci_lookup_name(names->pci, text, size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, f->vendor,
					f->device);
	if (!found)
		snprintf(text, size, "%04x:%04x", f->vendor, f->device);
	else if (found != text)
		snprintf(text, size, "%s", found);
	return text;
}

FERRY_API void ferry_names_close(struct ferry_names *names)
{
	if (names)
		pci_cleanup(names->pci);
	free(names);
}
