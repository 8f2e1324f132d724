// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of an examination. See ferry/doctor.h and doctor.h.
 */
#include <string.h>

#include "doctor.h"

static void examine_host(struct examination *e)
{
	ferry_check_kernel(e);
	ferry_check_iommu(e);
	ferry_check_interface(e);
	ferry_check_debugfs(e);
}

static void examine_function(struct examination *e, const char *address)
{
	if (!ferry_check_function(e, address))
		return;
	ferry_check_pf(e);
	ferry_check_driver(e);
	ferry_check_binding(e);
	if (!e->bound)
		return;
	ferry_check_group(e);
	ferry_check_access(e);
	ferry_check_use(e);
	ferry_check_migration(e);
	ferry_check_state(e);
	ferry_check_memory(e);
	ferry_check_limits(e);
	ferry_check_tracking(e);
	/* There is nothing to try where something is in the way. */
	if (e->flags & FERRY_TRY && !ferry_diagnosis_cause(e->diagnosis))
		ferry_check_by_trying(e);
}

FERRY_API int ferry_diagnose(struct ferry_diagnosis *diagnosis, const char *address, unsigned int flags,
			     struct ferry_error *error)
{
	struct examination e = { .diagnosis = diagnosis, .flags = flags, .may_open = true };
	int err;

	memset(diagnosis, 0, sizeof(*diagnosis));
	if (address) {
		err = ferry_address(diagnosis->address, address, error);
		if (err)
			return err;
	}
	examine_host(&e);
	if (address)
		examine_function(&e, diagnosis->address);
	return 0;
}

FERRY_API const struct ferry_check *ferry_diagnosis_cause(const struct ferry_diagnosis *diagnosis)
{
	for (unsigned int i = 0; i < diagnosis->count; i++)
		if (diagnosis->findings[i].verdict == FERRY_NO)
			return &diagnosis->findings[i];
	return NULL;
}
