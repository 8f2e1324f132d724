// SPDX-License-Identifier: GPL-2.0-only
/*
 * A positive control of the lab: loading this module takes two mutexes in both
 * orders, one order after the other, so nothing hangs. lockdep must see it and
 * `lab run` must turn it into a failure. Used by nothing else.
 */
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(first_lock);
static DEFINE_MUTEX(second_lock);

static int __init lock_inversion_init(void)
{
	mutex_lock(&first_lock);
	mutex_lock(&second_lock);
	mutex_unlock(&second_lock);
	mutex_unlock(&first_lock);

	mutex_lock(&second_lock);
	mutex_lock(&first_lock);
	mutex_unlock(&first_lock);
	mutex_unlock(&second_lock);
	return 0;
}
module_init(lock_inversion_init);

static void __exit lock_inversion_exit(void)
{
}
module_exit(lock_inversion_exit);

MODULE_DESCRIPTION("Deliberate lock inversion, a positive control of the lab");
MODULE_LICENSE("GPL");
