// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making virtual functions and removing them. See ferry/bind.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ferry/bind.h>

#include "../base/sysfs.h"
#include "in_use.h"
#include "lock.h"

static int read_pf(struct ferry_function *pf, const char *address, struct ferry_error *error)
{
	int err = ferry_function_read(pf, address, error);

	if (err)
		return err;
	if (pf->kind == FERRY_VF)
		return ferry_fail(error, EINVAL, "%s is a VF itself; its physical function is %s", pf->address, pf->pf);
	if (pf->kind != FERRY_PF)
		return ferry_fail(error, EINVAL, "%s cannot have VFs: it has no SR-IOV", pf->address);
	return 0;
}

static int set_count(const struct ferry_function *pf, unsigned int count, struct ferry_error *error)
{
	char text[16];
	int err;

	snprintf(text, sizeof(text), "%u", count);
	err = ferry_sysfs_write(text, PCI_DEVICES "/%s/sriov_numvfs", pf->address);
	if (err == -EACCES || err == -EPERM)
		return ferry_fail(error, -err, "%s: sriov_numvfs: only root may do that", pf->address);
	if (err)
		return ferry_fail(error, -err, "%s: %s refused sriov_numvfs %u: %s; `dmesg` may tell why", pf->address,
				  pf->driver, count, strerror(-err));
	return 0;
}

static int create(const struct ferry_function *pf, unsigned int count, struct ferry_error *error)
{
	int err;

	if (pf->vfs_enabled)
		return ferry_fail(error, EBUSY, "%s has %u VFs already; `ferry unbind %s --vfs` removes them first",
				  pf->address, pf->vfs_enabled, pf->address);
	if (!*pf->driver)
		return ferry_fail(error, ENODEV, "%s has no driver, and VFs need one; `ferry doctor %s` tells more",
				  pf->address, pf->address);
	if (pf->autoprobe) {
		err = ferry_sysfs_write("0", PCI_DEVICES "/%s/sriov_drivers_autoprobe", pf->address);
		if (err)
			return ferry_fail(error, -err, "%s: sriov_drivers_autoprobe: %s", pf->address, strerror(-err));
	}
	err = set_count(pf, count, error);
	if (pf->autoprobe)
		ferry_sysfs_write("1", PCI_DEVICES "/%s/sriov_drivers_autoprobe", pf->address);
	return err;
}

FERRY_API int ferry_vfs_create(const char *address, unsigned int count, bool *created, struct ferry_error *error)
{
	struct ferry_function pf;
	int lock, err;

	if (created)
		*created = false;
	err = read_pf(&pf, address, error);
	if (err)
		return err;
	if (!count || count > pf.vfs_total)
		return ferry_fail(error, EINVAL, "%s can have 1 to %u VFs, not %u", pf.address, pf.vfs_total, count);
	lock = ferry_lock_function(pf.address, error);
	if (lock < 0)
		return lock;
	err = read_pf(&pf, address, error);
	if (!err && pf.vfs_enabled != count) {
		err = create(&pf, count, error);
		if (created)
			*created = !err;
	}
	close(lock);
	return err;
}

static int check_vfs_unused(const struct ferry_function *pf, struct ferry_error *error)
{
	struct ferry_function vf;
	int err = 0;

	for (unsigned int i = 0; i < pf->vfs_enabled && !err; i++)
		err = ferry_function_vf(&vf, pf, i, error) ?: ferry_check_unused(&vf, error);
	return err;
}

FERRY_API int ferry_vfs_remove(const char *address, struct ferry_error *error)
{
	struct ferry_function pf;
	int lock, err;

	err = read_pf(&pf, address, error);
	if (err)
		return err;
	lock = ferry_lock_function(pf.address, error);
	if (lock < 0)
		return lock;
	err = read_pf(&pf, address, error);
	if (!err && pf.vfs_enabled)
		err = check_vfs_unused(&pf, error) ?: set_count(&pf, 0, error);
	close(lock);
	return err;
}
