/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a function can or cannot be migrated, check by check, each with the
 * commands that mend what is wrong.
 */
#ifndef FERRY_DOCTOR_H
#define FERRY_DOCTOR_H

#include <stdbool.h>

#include <ferry/host.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ferry_verdict {
	FERRY_FINE,
	FERRY_WARNING,		/* it can be migrated, but */
	FERRY_NO,		/* for this it cannot be migrated */
};

/* What it costs to do as a check says */
enum ferry_risk {
	FERRY_HARMLESS,		/* nobody notices */
	FERRY_WINDOW,		/* to be done when nobody needs what it stops: @cost says what */
	FERRY_HURTS,		/* others, who may not know: @cost says whom */
};

#define FERRY_CHECKS_MAX	24

/**
 * struct ferry_check - what a check found
 * @check: its name, one word
 * @verdict: how it ended
 * @text: what was found, one line
 * @advice: what to do where no command does it, "" if there is nothing
 * @risk: of what @mend and @advice ask for
 * @cost: what it costs and who is hurt, "" if it is harmless
 * @mend: commands for a shell, one a line, that mend it, "" if none do; for
 *	root unless the text says otherwise
 */
struct ferry_check {
	char check[20];
	enum ferry_verdict verdict;
	char text[320];
	char advice[320];
	enum ferry_risk risk;
	char cost[320];
	char mend[512];
};

/**
 * struct ferry_diagnosis - all checks of a function, or of the host alone
 * @address: the function; "" for the host
 * @count: of the findings
 * @findings: in the order in which one thing needs another; what cannot be
 *	known because of an earlier finding is left out
 */
struct ferry_diagnosis {
	char address[FERRY_ADDRESS_MAX];
	unsigned int count;
	struct ferry_check findings[FERRY_CHECKS_MAX];
};

/* Does not open the function, so does not reset it. Some checks are left out then. */
#define FERRY_LOOK_ONLY		(1u << 0)
/* Begins a migration of the function and cancels it, if nobody uses it. */
#define FERRY_TRY		(1u << 1)

/**
 * ferry_diagnose() - examine a function
 * @diagnosis: filled
 * @address: the function, which need not exist; NULL: the host alone
 * @flags: FERRY_LOOK_ONLY, FERRY_TRY
 * @error: filled
 *
 * A function that nobody uses is opened, by which VFIO resets it. One that is
 * in use is only looked at from outside.
 *
 * Return: 0 if it could be examined, whatever was found; -EINVAL if @address is no address.
 */
FERRY_API int ferry_diagnose(struct ferry_diagnosis *diagnosis, const char *address, unsigned int flags,
			     struct ferry_error *error);

/* The first thing that is in the way of a migration, or NULL. */
FERRY_API const struct ferry_check *ferry_diagnosis_cause(const struct ferry_diagnosis *diagnosis);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_DOCTOR_H */
