// SPDX-License-Identifier: GPL-2.0-only
/*
 * A positive control of the lab: loading this module loses memory, which the
 * leak scan at the end of a run must find and `lab run` must turn into a
 * failure. Several objects, since a stale pointer may hide one. Used by
 * nothing else.
 */
#include <linux/module.h>
#include <linux/slab.h>

#define LOST_OBJECTS 8

static int __init leak_init(void)
{
	int i;

	for (i = 0; i < LOST_OBJECTS; i++) {
		char *lost = kmalloc(200, GFP_KERNEL);

		if (!lost)
			return -ENOMEM;
		OPTIMIZER_HIDE_VAR(lost);
	}
	return 0;
}
module_init(leak_init);

static void __exit leak_exit(void)
{
}
module_exit(leak_exit);

MODULE_DESCRIPTION("Deliberate memory leak, a positive control of the lab");
MODULE_LICENSE("GPL");
