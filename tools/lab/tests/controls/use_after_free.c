// SPDX-License-Identifier: GPL-2.0-only
/*
 * A positive control of the lab: loading this module makes a use after free,
 * which KASAN must see and `lab run` must turn into a failure. Used by nothing
 * else.
 */
#include <linux/module.h>
#include <linux/slab.h>

static int __init use_after_free_init(void)
{
	char *buffer = kmalloc(64, GFP_KERNEL);

	if (!buffer)
		return -ENOMEM;
	kfree(buffer);
	WRITE_ONCE(buffer[8], 1);
	return 0;
}
module_init(use_after_free_init);

static void __exit use_after_free_exit(void)
{
}
module_exit(use_after_free_exit);

MODULE_DESCRIPTION("Deliberate use after free, a positive control of the lab");
MODULE_LICENSE("GPL");
