// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an examination finds. See doctor.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ferry/bind.h>

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

void ferry_cost(struct ferry_check *finding, enum ferry_risk risk, const char *format, ...)
{
	va_list args;

	finding->risk = risk;
	va_start(args, format);
	vsnprintf(finding->cost, sizeof(finding->cost), format, args);
	va_end(args);
}

const char *ferry_persisting(const char *address)
{
	static char noted[1 << 16];

	ferry_sysfs_text(noted, sizeof(noted), FERRY_PERSIST_FILE);
	return strstr(noted, address) ? " --persist" : "";
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
