/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An examination in progress, and its checks. Each check adds its findings;
 * what a later one builds on it leaves in struct examination.
 */
#ifndef FERRY_LIB_DOCTOR_H
#define FERRY_LIB_DOCTOR_H

#include <ferry/doctor.h>

#include "../host/variant.h"

/* The cost of what only a restart brings into effect */
#define RESTART "it takes effect when the machine is started again, which stops everything that runs on it"

struct examination {
	struct ferry_diagnosis *diagnosis;
	unsigned int flags;
	struct ferry_function f;
	char variant[FERRY_DRIVER_MAX];	/* the driver that can migrate it, "" if none is known */
	struct ferry_status status;
	bool in_use;
	bool bound;			/* to a driver of VFIO's that may migrate it */
	bool may_open;			/* this user may, and a VFIO user interface is there */
	uint64_t bytes;			/* of its state, 0 if not known */
};

/* ---- findings.c ---- */

/* A finding; the pointer is good for its advice and mend until the next one. */
struct ferry_check *ferry_found(struct examination *e, const char *check, enum ferry_verdict verdict,
				const char *format, ...) __attribute__((format(printf, 4, 5)));
void ferry_advise(struct ferry_check *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What it costs to do so; said before each command that does not leave everybody alone. */
void ferry_cost(struct ferry_check *finding, enum ferry_risk risk, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* " --persist" for a `ferry bind` behind a `ferry unbind`, where the function or its VFs are noted; else "". */
const char *ferry_persisting(const char *address);
/* One command, or several, a line each; adds to what there is. */
void ferry_mend(struct ferry_check *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the checks: host.c ---- */

void ferry_check_kernel(struct examination *e);
/* Ferry's own driver builds for the kernel that runs. */
bool ferry_kernel_is_new(void);
void ferry_check_iommu(struct examination *e);
void ferry_check_interface(struct examination *e);
void ferry_check_debugfs(struct examination *e);

/* ---- driver.c ---- */

void ferry_check_driver(struct examination *e);
void ferry_check_binding(struct examination *e);

/* ---- function.c ---- */

/* The one way to get a PF going whose firmware failed, and what that does to all who use it. */
void ferry_mend_by_recovery(struct ferry_check *finding, const char *pf, const char *reporter);
bool ferry_check_function(struct examination *e, const char *address);
void ferry_check_pf(struct examination *e);
void ferry_check_group(struct examination *e);

/* ---- use.c ---- */

void ferry_check_access(struct examination *e);
void ferry_check_use(struct examination *e);
void ferry_check_migration(struct examination *e);
void ferry_check_state(struct examination *e);
void ferry_check_memory(struct examination *e);
void ferry_check_limits(struct examination *e);
void ferry_check_tracking(struct examination *e);
void ferry_check_by_trying(struct examination *e);

#endif /* FERRY_LIB_DOCTOR_H */
