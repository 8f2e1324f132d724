// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of drivers: is there one that migrates the function, is it loaded, has
 * it the function.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "../base/kernel_log.h"
#include "../base/program.h"
#include "../base/sysfs.h"
#include "doctor.h"

/* Where `make modules` puts them; %s is the kernel's release. */
#define BUILT "build/modules/%s"

/* A symbol that is missing belongs to a module that has to be loaded before; the longest prefixes first. */
static const struct {
	const char *prefix, *module;
} owners[] = {
	{ "crc32c", "libcrc32c" },
	{ "vfio_ferry_", "vfio_ferry" },
	{ "vfio_pci_core_", "vfio-pci-core" },
	{ "vfio_", "vfio" },
	{ "iommufd_", "iommufd" },
	{ "iova_bitmap_", "iommufd" },
	{ "mlx5_", "mlx5_core" },
};

static const char *owner_of(const char *symbol)
{
	for (unsigned int i = 0; i < sizeof(owners) / sizeof(*owners); i++)
		if (!strncmp(symbol, owners[i].prefix, strlen(owners[i].prefix)))
			return owners[i].module;
	return NULL;
}

/* The commands that load ferry's driver when modprobe does not know it. */
static void mend_by_hand(struct ferry_check *finding, const char *engine, const char *driver)
{
	struct utsname name;

	uname(&name);
	if (!ferry_module_loaded(engine))
		ferry_mend(finding, "insmod " BUILT "/%s.ko", name.release, engine);
	ferry_mend(finding, "insmod " BUILT "/%s.ko", name.release, driver);
	ferry_advise(finding, "in the folder of vfio-ferry's sources, after `make modules`; or install the package vfio-ferry-dkms");
}

/* The kernel's reason why a module is not loaded, if somebody tried: one to load before, or another kernel. */
static bool check_refusal(struct examination *e, const char *module, const char *engine)
{
	static const char unknown[] = "Unknown symbol ";
	char said[160], symbol[64], name[80];
	struct ferry_check *finding;
	const char *owner;

	snprintf(name, sizeof(name), "%s: ", module);
	if (ferry_kernel_said(said, sizeof(said), name, unknown)) {
		snprintf(symbol, sizeof(symbol), "%.63s", strstr(said, unknown) + strlen(unknown));
		symbol[strcspn(symbol, " ")] = '\0';
		owner = owner_of(symbol);
		finding = ferry_found(e, "driver", FERRY_NO, "the kernel refused the module %s: it misses %s%s%s",
				      module, symbol, owner ? ", which is in " : "", owner ?: "");
		if (owner && strcmp(owner, engine))
			ferry_mend(finding, "modprobe %s", owner);
		mend_by_hand(finding, engine, e->variant);
		return true;
	}
	if (!ferry_kernel_said(said, sizeof(said), name, "version magic") &&
	    !ferry_kernel_said(said, sizeof(said), name, "disagrees about version of symbol"))
		return false;
	finding = ferry_found(e, "driver", FERRY_NO, "the module %s was built for another kernel: %s", module,
			      said + strlen(name));
	ferry_mend(finding, "make clean modules");
	mend_by_hand(finding, engine, e->variant);
	return true;
}

static bool check_signatures(struct examination *e)
{
	struct ferry_check *finding;
	char said[160];

	if (!ferry_kernel_said(said, sizeof(said), "Lockdown: ", "module loading is restricted") &&
	    !ferry_kernel_said(said, sizeof(said), "Loading of ", "is rejected"))
		return false;
	finding = ferry_found(e, "driver", FERRY_NO, "%s is not loaded: with Secure Boot the kernel takes only signed modules",
			      e->variant);
	ferry_advise(finding, "enrol the key with which DKMS signs, then start the machine again, at its console");
	ferry_cost(finding, FERRY_WINDOW, "a restart stops everything that runs on the machine; the key is trusted for all modules from then on");
	ferry_mend(finding, "mokutil --import /var/lib/dkms/mok.pub");
	return true;
}

/* Nowhere that modprobe looks */
static void explain_absence(struct examination *e)
{
	const char *engine = ferry_driver_engine(e->variant);
	struct ferry_check *finding;

	if (!engine) {
		ferry_found(e, "driver", FERRY_NO, "%s could migrate it, but is not there", e->variant);
		return;
	}
	if (!ferry_kernel_is_new()) {
		ferry_found(e, "driver", FERRY_NO, "%s could migrate it, but needs a newer kernel", e->variant);
		return;
	}
	if (!ferry_module_loaded(engine) && check_refusal(e, engine, engine))
		return;
	if (check_refusal(e, e->variant, engine) || check_signatures(e))
		return;
	finding = ferry_found(e, "driver", FERRY_NO, "%s could migrate it, but is not loaded, and modprobe does not find it",
			      e->variant);
	ferry_mend(finding, "modprobe -a vfio-pci-core mlx5_core libcrc32c");
	mend_by_hand(finding, engine, e->variant);
}

/* Whether the driver that it has can migrate it is a later question. */
static bool has_variant(const struct examination *e)
{
	return e->f.vfio && strcmp(e->f.driver, "vfio-pci");
}

void ferry_check_driver(struct examination *e)
{
	const struct ferry_function *f = &e->f;
	struct ferry_check *finding;

	ferry_variant(f, e->variant);
	if (has_variant(e))
		return;
	if (!*e->variant) {
		ferry_found(e, "driver", FERRY_NO, "no driver is known that migrates %04x:%04x", f->vendor,
			    f->device);
		return;
	}
	switch (ferry_driver_presence(e->variant)) {
	case FERRY_LOADED:
		ferry_found(e, "driver", FERRY_FINE, "%s is loaded and can migrate it", e->variant);
		break;
	case FERRY_LOADABLE:
		finding = ferry_found(e, "driver", FERRY_WARNING, "%s can migrate it; it is not loaded yet",
				      e->variant);
		ferry_mend(finding, "modprobe %s", e->variant);
		break;
	case FERRY_ABSENT:
		explain_absence(e);
		break;
	}
}

static struct ferry_check *describe_unbound(struct examination *e)
{
	const struct ferry_function *f = &e->f;
	char said[160], who[64];

	if (!*f->override)
		return ferry_found(e, "binding", FERRY_NO, "it is bound to no driver");
	snprintf(who, sizeof(who), "%s %s: ", f->override, f->address);
	if (ferry_kernel_said(said, sizeof(said), who, "failed"))
		return ferry_found(e, "binding", FERRY_NO, "it is bound to no driver: driver_override names %s, which did not take it: %s",
				   f->override, said + strlen(who));
	if (!ferry_sysfs_exists(PCI_DRIVERS "/%s", f->override))
		return ferry_found(e, "binding", FERRY_NO, "it is bound to no driver: driver_override names %s, which is not loaded",
				   f->override);
	return ferry_found(e, "binding", FERRY_NO, "it is bound to no driver: driver_override names %s, but nothing has probed it since",
			   f->override);
}

void ferry_check_binding(struct examination *e)
{
	const struct ferry_function *f = &e->f;
	struct ferry_check *finding;

	e->bound = has_variant(e);
	if (e->bound) {
		ferry_found(e, "binding", FERRY_FINE, "it is bound to %s", f->driver);
		return;
	}
	if (f->vfio)
		finding = ferry_found(e, "binding", FERRY_NO, "it is bound to %s, which gives it to a VM but cannot migrate it",
				      f->driver);
	else if (*f->driver)
		finding = ferry_found(e, "binding", FERRY_NO, "it is bound to %s: the host uses it itself", f->driver);
	else
		finding = describe_unbound(e);
	if (*e->variant)
		ferry_mend(finding, "ferry bind %s", f->address);
}
