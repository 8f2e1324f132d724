// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debugfs shows of the engine. See Documentation/debugfs.rst for the files.
 *
 * Independent of CONFIG_VFIO_DEBUGFS. Called by device.c when a device is
 * registered; the files are read at any time until it is unregistered and
 * take no lock that an arc holds.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "arcs.h"
#include "debugfs.h"
#include "session.h"
#include "vf.h"

static struct dentry *root;

static int state_show(struct seq_file *to, void *unused)
{
	struct ferry_vf *vf = to->private;

	seq_printf(to, "%s\n", ferry_state_name(READ_ONCE(vf->state)));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int features_show(struct seq_file *to, void *unused)
{
	struct ferry_vf *vf = to->private;
	u64 flags = vf->device->core.vdev.migration_flags;

	if (vf->withheld) {
		seq_printf(to, "no migration: %s\n", vf->withheld);
		return 0;
	}
	if (flags & VFIO_MIGRATION_STOP_COPY)
		seq_puts(to, "stop-copy\n");
	if (flags & VFIO_MIGRATION_P2P)
		seq_puts(to, "p2p\n");
	if (flags & VFIO_MIGRATION_PRE_COPY)
		seq_puts(to, "pre-copy\n");
	if (vf->device->core.vdev.log_ops)
		seq_puts(to, "dirty-tracking\n");
	vf->device->ops->describe(vf->device, to);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(features);

static int session_show(struct seq_file *to, void *unused)
{
	struct ferry_session *session = ferry_session_current(to->private);

	if (!session) {
		seq_puts(to, "none\n");
		return 0;
	}
	ferry_session_show(session, to);
	ferry_session_put(session);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(session);

/* Whether the function can be migrated now */
static const char *availability(struct ferry_vf *vf)
{
	if (vf->withheld)
		return "withheld";
	if (ferry_slot_is_barred(&vf->slot, FERRY_BAR_DETACHED))
		return "down";
	if (ferry_slot_is_barred(&vf->slot, FERRY_BAR_RESET))
		return "resetting";
	return "up";
}

static int stats_show(struct seq_file *to, void *unused)
{
	struct ferry_vf *vf = to->private;
	struct ferry_stats *stats = &vf->stats;
	struct ferry_window *window = &stats->window;

	seq_printf(to, "availability %s\n", availability(vf));
	seq_printf(to, "bytes_read %lld\n", atomic64_read(&stats->bytes_read));
	seq_printf(to, "bytes_written %lld\n",
		   atomic64_read(&stats->bytes_written));
	seq_printf(to, "images_saved %lld\n",
		   atomic64_read(&stats->images_saved));
	seq_printf(to, "images_loaded %lld\n",
		   atomic64_read(&stats->images_loaded));
	seq_printf(to, "failures %lld\n", atomic64_read(&stats->failures));
	seq_printf(to, "tracks_lost %lld\n",
		   atomic64_read(&stats->tracks_lost));
	seq_printf(to, "leaked_bytes %lld\n", atomic64_read(&stats->leaked));
	seq_printf(to, "full_state_bytes %llu\n", READ_ONCE(vf->full_bytes));
	seq_printf(to, "window_allocations %d\n",
		   atomic_read(&window->allocations));
	seq_printf(to, "window_maps %d\n", atomic_read(&window->maps));
	seq_printf(to, "window_unmaps %d\n", atomic_read(&window->unmaps));
	seq_printf(to, "window_frees %d\n", atomic_read(&window->frees));
	for (int i = 0; i < FERRY_NR_STATES; i++)
		seq_printf(to, "ns_%s %llu\n", ferry_state_name(i),
			   READ_ONCE(stats->time[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int failure_show(struct seq_file *to, void *unused)
{
	struct ferry_vf *vf = to->private;
	struct vfio_ferry_failure failure;
	char refusal[sizeof(vf->refusal)];

	spin_lock(&vf->failure_lock);
	failure = vf->failure;
	memcpy(refusal, vf->refusal, sizeof(refusal));
	spin_unlock(&vf->failure_lock);

	if (failure.command)
		seq_printf(to, "command %s error %d status %#x syndrome %#x\n",
			   failure.command, failure.error, failure.status,
			   failure.syndrome);
	if (*refusal)
		seq_printf(to, "refused %s\n", refusal);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(failure);

#ifdef CONFIG_VFIO_FERRY_FAULTS

static int fault_show(struct seq_file *to, void *unused)
{
	struct ferry_vf *vf = to->private;

	ferry_fault_show(&vf->fault, to);
	return 0;
}

static int fault_open(struct inode *inode, struct file *file)
{
	return single_open(file, fault_show, inode->i_private);
}

static ssize_t fault_write(struct file *file, const char __user *user,
			   size_t count, loff_t *position)
{
	struct ferry_vf *vf = file_inode(file)->i_private;
	char request[64];
	int err;

	if (count >= sizeof(request))
		return -EINVAL;
	if (copy_from_user(request, user, count))
		return -EFAULT;
	request[count] = 0;
	err = ferry_fault_set(&vf->fault, request);
	return err ?: count;
}

static const struct file_operations fault_fops = {
	.owner = THIS_MODULE,
	.open = fault_open,
	.read = seq_read,
	.write = fault_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static void add_fault(struct ferry_vf *vf)
{
	debugfs_create_file("fault", 0600, vf->debugfs, vf, &fault_fops);
}

#else

static void add_fault(struct ferry_vf *vf)
{
}

#endif /* CONFIG_VFIO_FERRY_FAULTS */

void ferry_debugfs_add(struct ferry_vf *vf)
{
	struct dentry *dir = debugfs_create_dir(vf->name, root);

	vf->debugfs = dir;
	debugfs_create_file("state", 0444, dir, vf, &state_fops);
	debugfs_create_file("features", 0444, dir, vf, &features_fops);
	debugfs_create_file("session", 0444, dir, vf, &session_fops);
	debugfs_create_file("stats", 0444, dir, vf, &stats_fops);
	debugfs_create_file("failure", 0444, dir, vf, &failure_fops);
	add_fault(vf);
}

void ferry_debugfs_remove(struct ferry_vf *vf)
{
	debugfs_remove_recursive(vf->debugfs);
	vf->debugfs = NULL;
}

void ferry_debugfs_init(void)
{
	root = debugfs_create_dir("vfio_ferry", NULL);
}

void ferry_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
