// SPDX-License-Identifier: GPL-2.0-only
/*
 * Injected failures. See fault.h.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "fault.h"

static const char * const site_names[FERRY_NR_FAULTS] = {
	[FERRY_FAULT_SUSPEND] = "suspend",
	[FERRY_FAULT_RESUME] = "resume",
	[FERRY_FAULT_QUERY] = "query",
	[FERRY_FAULT_SAVE] = "save",
	[FERRY_FAULT_SAVED] = "saved",
	[FERRY_FAULT_LOAD] = "load",
	[FERRY_FAULT_STOP_TRACKING] = "stop_tracking",
	[FERRY_FAULT_MAP] = "map",
	[FERRY_FAULT_UNMAP] = "unmap",
	[FERRY_FAULT_ALLOC] = "alloc",
	[FERRY_FAULT_SESSION] = "session",
	[FERRY_FAULT_REGION] = "region",
};

/**
 * ferry_fault_name() - name of a site, for reports
 * @site: which
 *
 * Return: a constant string.
 */
const char *ferry_fault_name(enum ferry_fault_site site)
{
	return site_names[site];
}

/**
 * ferry_fault_hit() - pass a site
 * @fault: the function's sites
 * @site: which
 *
 * Callable in any context.
 *
 * Return: 0, or the negative errno that the site has to fail with.
 */
int ferry_fault_hit(struct ferry_fault *fault, enum ferry_fault_site site)
{
	if (likely(!atomic_read(&fault->site[site].countdown)))
		return 0;
	if (atomic_dec_if_positive(&fault->site[site].countdown))
		return 0;
	atomic_inc(&fault->site[site].hits);
	return -fault->site[site].error;
}

/**
 * ferry_fault_set() - arm or disarm a site
 * @fault: the function's sites
 * @request: "SITE NTH [ERRNO]"; NTH 0 disarms, ERRNO is EIO if left out
 *
 * Return: 0 or negative errno.
 */
int ferry_fault_set(struct ferry_fault *fault, char *request)
{
	unsigned int nth, error = EIO;
	char name[16];
	int site;

	if (sscanf(request, "%15s %u %u", name, &nth, &error) < 2)
		return -EINVAL;
	site = match_string(site_names, FERRY_NR_FAULTS, name);
	if (site < 0 || nth > INT_MAX || !error || error > MAX_ERRNO)
		return -EINVAL;
	fault->site[site].error = error;
	atomic_set(&fault->site[site].countdown, nth);
	return 0;
}

/**
 * ferry_fault_show() - print all sites
 * @fault: the function's sites
 * @to: where
 */
void ferry_fault_show(struct ferry_fault *fault, struct seq_file *to)
{
	seq_puts(to, "# site nth errno hits; write \"SITE NTH [ERRNO]\"\n");
	for (int i = 0; i < FERRY_NR_FAULTS; i++)
		seq_printf(to, "%s %d %d %d\n", site_names[i],
			   atomic_read(&fault->site[i].countdown),
			   fault->site[i].error,
			   atomic_read(&fault->site[i].hits));
}
