// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving a function to VFIO and taking it back. See ferry/bind.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ferry/bind.h>

#include "../base/kernel_log.h"
#include "../base/program.h"
#include "../base/sysfs.h"
#include "devlink.h"
#include "in_use.h"
#include "lock.h"
#include "variant.h"

#define CLEAR_OVERRIDE "\n"

static int refused(const char *address, const char *what, int err, struct ferry_error *error)
{
	if (err == -EACCES || err == -EPERM)
		return ferry_fail(error, -err, "%s: %s: only root may do that", address, what);
	return ferry_fail(error, -err, "%s: %s: %s", address, what, strerror(-err));
}

static int set_override(const char *address, const char *override, struct ferry_error *error)
{
	char now[FERRY_DRIVER_MAX];
	int err = 0;

	/* Who may not change it has not changed it, and has nothing to put back. */
	ferry_sysfs_line(now, sizeof(now), PCI_DEVICES "/%s/driver_override", address);
	if (strcmp(now, *override ? override : "(null)"))
		err = ferry_sysfs_write(*override ? override : CLEAR_OVERRIDE, PCI_DEVICES "/%s/driver_override",
					address);
	return err ? refused(address, "driver_override", err, error) : 0;
}

static int release(const char *address, struct ferry_error *error)
{
	int err = ferry_sysfs_write(address, PCI_DEVICES "/%s/driver/unbind", address);

	/* -ENOENT, -ENODEV: it has no driver, or none any more. */
	if (!err || err == -ENOENT || err == -ENODEV)
		return 0;
	return refused(address, "unbind", err, error);
}

static void driver_of(const char *address, char driver[FERRY_DRIVER_MAX])
{
	ferry_sysfs_link(driver, FERRY_DRIVER_MAX, PCI_DEVICES "/%s/driver", address);
}

/* Why the driver did not take it is in the kernel's log, if anywhere. */
static int not_taken(const char *address, const char *driver, struct ferry_error *error)
{
	char said[160], who[64];

	snprintf(who, sizeof(who), "%s %s: ", driver, address);
	if (!ferry_sysfs_exists(PCI_DEVICES "/%s/iommu_group", address))
		return ferry_fail(error, EIO, "%s did not take %s: it is in no IOMMU group; `ferry doctor %s` tells what to do",
				  driver, address, address);
	if (ferry_kernel_said(said, sizeof(said), who, "failed"))
		return ferry_fail(error, EIO, "%s did not take %s; the kernel says: %s", driver, address,
				  said + strlen(who));
	return ferry_fail(error, EIO, "%s did not take %s; `dmesg` may tell why", driver, address);
}

/* To a driver by name: driver_override is the one way that works for every driver and every VF. */
static int give(const char *address, const char *driver, struct ferry_error *error)
{
	char now[FERRY_DRIVER_MAX];
	int err;

	err = set_override(address, driver, error);
	if (!err)
		err = release(address, error);
	if (err)
		return err;
	err = ferry_sysfs_write(address, "/sys/bus/pci/drivers_probe");
	driver_of(address, now);
	if (!strcmp(now, driver))
		return 0;
	if (err == -EACCES || err == -EPERM)
		return refused(address, "drivers_probe", err, error);
	return not_taken(address, driver, error);
}

/* It is only taken from a VF that no driver has. */
static int say_migratable(const char *address, const char *port, bool on, struct ferry_error *error)
{
	int err = release(address, error);

	if (err || ferry_devlink_set_migratable(port, on))
		return err;
	return ferry_fail(error, EIO, "%s: devlink refused; `devlink port function set %s migratable %s` tells why",
			  address, port, on ? "enable" : "disable");
}

FERRY_API int ferry_binding_restore(const struct ferry_binding *was, struct ferry_error *error)
{
	char now[FERRY_DRIVER_MAX];
	int err = 0, unsaid = 0;

	if (*was->port)
		unsaid = say_migratable(was->address, was->port, was->migratable, error);
	driver_of(was->address, now);
	if (strcmp(now, was->driver))
		err = *was->driver ? give(was->address, was->driver, error) : release(was->address, error);
	err = err ?: unsaid;
	/* Whatever happened, no override of ours stays. */
	return set_override(was->address, was->override, err ? NULL : error) ?: err;
}

/* It failed: what was comes back, and the first error is the one to tell. */
static int undo(const struct ferry_binding *was, int err, struct ferry_error *error)
{
	struct ferry_error second;

	if (ferry_binding_restore(was, &second) && error) {
		size_t used = strlen(error->text);

		snprintf(error->text + used, sizeof(error->text) - used, "; and it could not be put back: %.100s",
			 second.text);
	}
	return err;
}

static void remember(struct ferry_binding *was, const struct ferry_function *f)
{
	memset(was, 0, sizeof(*was));
	memcpy(was->address, f->address, sizeof(was->address));
	memcpy(was->driver, f->driver, sizeof(was->driver));
	memcpy(was->override, f->override, sizeof(was->override));
}

/* Said where it is the other way; what was is remembered, for undoing. */
static int make_migratable(const struct ferry_function *f, bool on, struct ferry_binding *was, struct ferry_error *error)
{
	enum ferry_migratable now;
	char port[sizeof(was->port)];
	int err;

	if (f->kind != FERRY_VF)
		return 0;
	now = ferry_devlink_port(f, port, sizeof(port));
	if (now != (on ? FERRY_MIGRATABLE_OFF : FERRY_MIGRATABLE_ON))
		return 0;
	err = ferry_check_unused(f, error);
	if (err)
		return err;
	err = say_migratable(f->address, port, on, error);
	if (err)
		return err;
	memcpy(was->port, port, sizeof(was->port));
	was->migratable = !on;
	return 0;
}

/* VFIO's drivers have that in their names, and vfio-pci alone migrates nothing. */
static bool may_migrate(const char *driver)
{
	return strstr(driver, "vfio") && strcmp(driver, "vfio-pci");
}

/* A module may name its driver as it likes. */
static void driver_of_module(char driver[FERRY_DRIVER_MAX])
{
	char path[FERRY_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (ferry_sysfs_exists(PCI_DRIVERS "/%s", driver))
		return;
	snprintf(path, sizeof(path), "/sys/module/%s/drivers", driver);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "pci:", 4))
			snprintf(driver, FERRY_DRIVER_MAX, "%.*s", FERRY_DRIVER_MAX - 1, entry->d_name + 4);
	if (dir)
		closedir(dir);
}

/* @driver becomes the name that the kernel has for it. */
static int load_driver(char driver[FERRY_DRIVER_MAX], struct ferry_error *error)
{
	enum ferry_presence presence;

	/* As a variable that is not set gives it: it would be a folder of the kernel's, and unbind the function. */
	if (!*driver || *driver == '.' || strchr(driver, '/'))
		return ferry_fail(error, ENOENT, "there is no driver '%s'", driver);
	presence = ferry_driver_presence(driver);
	if (presence == FERRY_LOADABLE) {
		ferry_modprobe(NULL, 0, "--", driver);
		driver_of_module(driver);
		presence = ferry_driver_presence(driver);
	}
	if (presence == FERRY_LOADED)
		return 0;
	if (ferry_driver_engine(driver))
		return ferry_fail(error, ENOENT, "the driver %s is not loaded, and modprobe does not load it; `ferry doctor` tells more",
				  driver);
	return ferry_fail(error, ENOENT, "there is no driver %s: it is not loaded, and modprobe does not load it",
			  driver);
}

static int choose_driver(const struct ferry_function *f, const char *asked, char driver[FERRY_DRIVER_MAX],
			 struct ferry_error *error)
{
	if (asked && strlen(asked) >= FERRY_DRIVER_MAX)
		return ferry_fail(error, ENOENT, "there is no driver %.64s", asked);
	if (asked)
		snprintf(driver, FERRY_DRIVER_MAX, "%s", asked);
	else if (f->kind == FERRY_PF)
		return ferry_fail(error, EINVAL, "%s is a physical function, which carries the VFs; --vfs N makes N of them and binds those",
				  f->address);
	else if (!ferry_variant(f, driver))
		return ferry_fail(error, EINVAL, "no driver is known that migrates %s (%04x:%04x); --driver vfio-pci binds it without migration",
				  f->address, f->vendor, f->device);
	return load_driver(driver, error);
}

static int bind_locked(const char *address, const char *asked, struct ferry_binding *was, struct ferry_error *error)
{
	char driver[FERRY_DRIVER_MAX];
	struct ferry_function f;
	int err;

	err = ferry_function_read(&f, address, error);
	if (err)
		return err;
	remember(was, &f);
	err = choose_driver(&f, asked, driver, error);
	if (err)
		return err;
	if (may_migrate(driver))
		err = make_migratable(&f, true, was, error);
	if (err)
		return undo(was, err, error);
	if (!strcmp(f.driver, driver) && !*was->port)
		return strcmp(f.override, driver) ? set_override(f.address, driver, error) : 0;
	err = ferry_check_unused(&f, error) ?: give(f.address, driver, error);
	return err ? undo(was, err, error) : 0;
}

static int unbind_locked(const char *address, const char *to, struct ferry_binding *was, struct ferry_error *error)
{
	char driver[FERRY_DRIVER_MAX];
	struct ferry_function f;
	int err;

	err = ferry_function_read(&f, address, error);
	if (err)
		return err;
	remember(was, &f);
	if (*f.driver && !f.vfio)
		return ferry_fail(error, EINVAL, "%s is bound to %s, which is no VFIO driver; there is nothing to undo",
				  f.address, f.driver);
	err = ferry_check_unused(&f, error);
	if (err)
		return err;
	if (to) {
		snprintf(driver, sizeof(driver), "%.*s", FERRY_DRIVER_MAX - 1, to);
		err = load_driver(driver, error);
		if (err)
			return err;
	}
	if (may_migrate(f.driver))
		err = make_migratable(&f, false, was, error);
	if (err)
		return undo(was, err, error);
	if (to) {
		err = give(f.address, driver, error) ?: set_override(f.address, "", error);
	} else {
		err = set_override(f.address, "", error) ?: release(f.address, error);
		/* Whether and by whom it is taken is the host's own affair now. */
		if (!err)
			ferry_sysfs_write(f.address, "/sys/bus/pci/drivers_probe");
	}
	return err ? undo(was, err, error) : 0;
}

static int locked(const char *address, const char *driver, struct ferry_binding *was, struct ferry_error *error,
		  int (*act)(const char *address, const char *driver, struct ferry_binding *was,
			     struct ferry_error *error))
{
	struct ferry_binding unwanted;
	struct ferry_function f;
	int lock, err;

	err = ferry_function_read(&f, address, error);
	if (err)
		return err;
	lock = ferry_lock_function(f.address, error);
	if (lock < 0)
		return lock;
	err = act(f.address, driver, was ? was : &unwanted, error);
	close(lock);
	return err;
}

FERRY_API int ferry_bind(const char *address, const char *driver, struct ferry_binding *was,
			 struct ferry_error *error)
{
	return locked(address, driver, was, error, bind_locked);
}

FERRY_API int ferry_unbind(const char *address, const char *to, struct ferry_binding *was, struct ferry_error *error)
{
	return locked(address, to, was, error, unbind_locked);
}
