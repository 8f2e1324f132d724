// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of an examination. See ferry/doctor.h and doctor.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/sysfs.h"
#include "doctor.h"

struct ferry_check *ferry_found(struct examination *e, const char *check, enum ferry_verdict verdict,
				const char *format, ...)
{
	struct ferry_diagnosis *d = e->diagnosis;
	struct ferry_check *finding;
	va_list args;

	/* More than there is room for never come; the last would be written over. */
	if (d->count < FERRY_CHECKS_MAX)
		d->count++;
	finding = &d->findings[d->count - 1];
	memset(finding, 0, sizeof(*finding));
	snprintf(finding->check, sizeof(finding->check), "%s", check);
	finding->verdict = verdict;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	return finding;
}

void ferry_advise(struct ferry_check *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->advice, sizeof(finding->advice), format, args);
	va_end(args);
}

void ferry_mend(struct ferry_check *finding, const char *format, ...)
{
	size_t used = strlen(finding->mend);
	va_list args;

	if (used)
		used += snprintf(finding->mend + used, sizeof(finding->mend) - used, "\n");
	if (used >= sizeof(finding->mend))
		return;
	va_start(args, format);
	vsnprintf(finding->mend + used, sizeof(finding->mend) - used, format, args);
	va_end(args);
}

bool ferry_booted_with(const char *word)
{
	char text[4096], *rest;

	if (!ferry_sysfs_line(text, sizeof(text), "/proc/cmdline"))
		return false;
	for (char *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		if (!strncmp(w, word, strlen(word)))
			return true;
	return false;
}

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
