// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a function that a VFIO driver has: may it be opened, who has it,
 * what does its driver offer, does its state fit.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ferry/device.h>

#include "../base/patience.h"
#include "../base/sysfs.h"
#include "../device/uapi.h"
#include "../host/devlink.h"
#include "../host/in_use.h"
#include "doctor.h"

#define KIB		1024ull
#define MIB		(1024 * KIB)

/* Part of a state that ferry's drivers save at once, if the firmware saves in parts; and how many they keep. */
#define PART_BYTES	(8 * MIB)
#define PARTS		3
/* What a session takes beside its images */
#define SESSION_BYTES	(128 * KIB)

#define BUDGET		"/sys/module/vfio_ferry/parameters/max_inflight_bytes"
#define CAP_IPC_LOCK	14
#define MEMLOCK_LOW	(1024 * MIB)

static const char *user_name(void)
{
	const struct passwd *who = getpwuid(geteuid());

	return who ? who->pw_name : "this user";
}

static bool check_file(struct examination *e, const char *path)
{
	struct ferry_check *finding;

	if (!access(path, R_OK | W_OK) || (errno != EACCES && errno != ENOENT))
		return true;
	if (errno == ENOENT) {
		finding = ferry_found(e, "access", FERRY_NO, "%s is not there", path);
		ferry_advise(finding, "a container has to be given it; on a host, see who removed it: udev, or devtmpfs not mounted");
		e->may_open = false;
		return false;
	}
	finding = ferry_found(e, "access", FERRY_NO, "%s may not open %s", user_name(), path);
	ferry_advise(finding, "as root; for ever: a udev rule for SUBSYSTEM==\"vfio\" with OWNER or GROUP");
	ferry_mend(finding, "chown %s %s", user_name(), path);
	e->may_open = false;
	return false;
}

void ferry_check_access(struct examination *e)
{
	char path[FERRY_PATH_MAX];
	bool may;

	snprintf(path, sizeof(path), "/dev/vfio/%d", e->f.group);
	/* A kernel may have the one way in or the other. */
	may = (*e->f.cdev && !ferry_sysfs_exists("%s", path)) || check_file(e, path);
	if (*e->f.cdev) {
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", e->f.cdev);
		may = check_file(e, path) && may;
		may = check_file(e, "/dev/iommu") && may;
	}
	if (may)
		ferry_found(e, "access", FERRY_FINE, "%s may open it", user_name());
}

void ferry_check_use(struct examination *e)
{
	const struct ferry_user *user;
	struct ferry_check *finding;
	struct ferry_user *users;
	unsigned int count;

	if (ferry_users_read(&users, &count, NULL))
		return;
	user = ferry_users_find(users, count, &e->f);
	if (user) {
		finding = ferry_found(e, "use", FERRY_WARNING, "%s (process %d) has it open; as long as it does, nobody else can migrate it",
				      user->name, user->pid);
		ferry_advise(finding, "it is its owner's to end it; if it is a VM, its guest has to be shut down first:");
		ferry_mend(finding, "ps -o pid,user,lstart,args -p %d", user->pid);
		e->in_use = true;
	} else if (ferry_group_is_open(&e->f)) {
		ferry_found(e, "use", FERRY_WARNING, "a process that cannot be seen from here has it open; as long as it does, nobody else can migrate it");
		e->in_use = true;
	} else {
		ferry_found(e, "use", FERRY_FINE, "nobody has it open");
	}
	free(users);
}

/* Said to the VF's port in the NIC's switch, which has one in switchdev mode alone; that comes before the VFs. */
static void mend_not_migratable(struct ferry_check *finding, const struct ferry_function *f)
{
	char port[64], mode[16];
	struct ferry_function pf;

	if (ferry_devlink_port(f, port, sizeof(port)) != FERRY_MIGRATABLE_UNKNOWN) {
		ferry_mend(finding, "ferry unbind %s && ferry bind %s%s", f->address, f->address, ferry_persisting(f->address));
	} else if (ferry_devlink_mode(f->pf, mode, sizeof(mode)) && !strcmp(mode, "switchdev")) {
		ferry_advise(finding, "the switch of %s is in switchdev mode, but `devlink port show` tells no port's function whether it is migratable: that takes iproute2 6.2 or newer, and firmware that knows it",
			     f->pf);
	} else if (!ferry_function_read(&pf, f->pf, NULL)) {
		ferry_advise(finding, "the NIC's switch has to be in switchdev mode before there are VFs; ferry bind then makes them migratable. Their frames reach the wire by their representors, which have to be set up (bridge, Open vSwitch)");
		ferry_cost(finding, FERRY_HURTS, "the host's own network through %s is cut for a moment, and its %u VFs go and come anew; ferry stops this while a program or the host's network uses one",
			   f->pf, pf.vfs_enabled);
		ferry_mend(finding, "ferry unbind %s --vfs && devlink dev eswitch set pci/%s mode switchdev && ferry bind %s --vfs %u%s",
			   f->pf, f->pf, f->pf, pf.vfs_enabled, ferry_persisting(f->pf));
	}
}

/* What the driver's reasons ask for. They are ferry's own words, see firmware.c of the driver. */
static void mend_reason(struct ferry_check *finding, const struct ferry_function *f, const char *reason)
{
	if (strstr(reason, "firmware of the physical function")) {
		ferry_advise(finding, "set this in the firmware's configuration; firmware that does not know the option has to be updated (mstfwmanager)");
		ferry_cost(finding, FERRY_WINDOW, RESTART);
		ferry_mend(finding, "mstconfig -d %s set SRIOV_EN=1 VF_MIGRATION_MODE=2", f->pf);
	} else if (strstr(reason, "not migratable")) {
		mend_not_migratable(finding, f);
	} else if (strstr(reason, "bind it again") || strstr(reason, "not run by mlx5_core")) {
		ferry_mend(finding, "ferry unbind %s && ferry bind %s%s", f->address, f->address, ferry_persisting(f->address));
	}
}

static bool tracks(struct ferry_device *device)
{
	struct vfio_device_feature probe = {
		.argsz = sizeof(probe),
		.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
	};

	return !ioctl(ferry_device_fd(device), VFIO_DEVICE_FEATURE, &probe);
}

/* What a device tells of itself, or why it did not open or begin; of no use to anybody else */
struct opened {
	struct ferry_error error;
	uint32_t features;
	bool tracks;
	int state;
	uint64_t bytes;
};

/* Opening a function resets it and waits for its firmware, which takes a second where all is well. */
static struct patience opening = { .left_ms = 10000, .least_ms = 2000 };

static ssize_t open_it(const char *address, void *answer, size_t size)
{
	struct opened *opened = answer;
	struct ferry_device *device;

	memset(opened, 0, sizeof(*opened));
	if (ferry_device_open(&device, address, &opened->error))
		return sizeof(*opened);
	opened->features = ferry_device_features(device);
	opened->tracks = tracks(device);
	opened->state = ferry_device_state(device, NULL);
	if (ferry_device_data_size(device, &opened->bytes, NULL))
		opened->bytes = 0;
	ferry_device_close(device);
	return sizeof(*opened);
}

static ssize_t try_it(const char *address, void *answer, size_t size)
{
	struct opened *opened = answer;
	struct ferry_device *device;
	int fd = -1, err;

	memset(opened, 0, sizeof(*opened));
	err = ferry_device_open(&device, address, &opened->error);
	if (!err)
		err = ferry_device_set_state(device, ferry_device_features(device) & FERRY_CAN_PRE_COPY ? FERRY_PRE_COPY :
					     FERRY_STOP_COPY, &fd, &opened->error);
	if (!err)
		ferry_device_set_state(device, FERRY_RUNNING, NULL, &opened->error);
	if (fd >= 0)
		close(fd);
	ferry_device_close(device);
	return sizeof(*opened);
}

/* A driver that is stuck keeps nobody but the process that asks it. */
static bool ask_device(const struct examination *e, ferry_question question, struct opened *opened)
{
	if (ferry_ask(&opening, question, e->f.address, opened, sizeof(*opened)) != sizeof(*opened))
		ferry_fail(&opened->error, ETIMEDOUT, "its driver gives no answer; `dmesg` may tell what it waits for");
	return !opened->error.code;
}

/* Opening it is the test that nothing is in the way, and tells what debugfs does not. */
static bool open_and_ask(struct examination *e)
{
	struct opened opened;

	if (!ask_device(e, open_it, &opened)) {
		ferry_found(e, "migration", FERRY_NO, "it does not open: %s", opened.error.text);
		return false;
	}
	if (!e->status.known) {
		e->status.known = true;
		e->status.features = opened.features;
		e->status.migratable = opened.features & FERRY_CAN_STOP_COPY;
		e->status.dirty_tracking = opened.tracks;
	}
	e->status.state = opened.state;
	e->bytes = opened.bytes;
	return true;
}

static bool is_ferrys(const struct examination *e)
{
	return ferry_driver_engine(e->f.driver);
}

void ferry_check_migration(struct examination *e)
{
	struct ferry_status *status = &e->status;
	struct ferry_check *finding;

	ferry_status_read(&e->f, status);
	e->bytes = status->bytes;
	if (e->may_open && !e->in_use && !(e->flags & FERRY_LOOK_ONLY) && !open_and_ask(e))
		return;
	if (!status->known) {
		finding = ferry_found(e, "migration", FERRY_NO, "whether %s can migrate it cannot be seen: %s",
				      e->f.driver, e->in_use ? "it is in use, and only root can ask its driver" :
				      e->may_open ? "it was not to be opened" : "it cannot be opened");
		ferry_mend(finding, "sudo ferry doctor %s", e->f.address);
	} else if (!status->migratable) {
		finding = ferry_found(e, "migration", FERRY_NO, "%s cannot migrate it: %s", e->f.driver,
				      *status->reason ? status->reason : "it does not say why, perhaps in the kernel's log");
		mend_reason(finding, &e->f, status->reason);
	} else {
		ferry_found(e, "migration", FERRY_FINE, "its driver offers stop-copy%s%s",
			    status->features & FERRY_CAN_P2P ? ", p2p" : "",
			    status->features & FERRY_CAN_PRE_COPY ? ", pre-copy" : "");
	}
}

void ferry_check_state(struct examination *e)
{
	const struct ferry_status *status = &e->status;
	struct ferry_check *finding;
	const char *why = *status->refusal ? status->refusal : status->failure;

	if (*status->link && strcmp(status->link, "up") && strcmp(status->link, "withheld")) {
		finding = ferry_found(e, "state", FERRY_NO, "its physical function %s does not serve it: it is %s",
				      e->f.pf, status->link);
		ferry_mend_by_recovery(finding, e->f.pf, "fw_fatal");
		return;
	}
	if (status->state < 0)
		return;
	/* Of a function that nobody has open it means nothing: opening is a reset, and some drivers begin so. */
	if (status->state == FERRY_ERROR && !e->in_use)
		return;
	if (status->state == FERRY_ERROR) {
		finding = ferry_found(e, "state", FERRY_NO, "it is in the state ERROR, which only a reset ends%s%s",
				      *why ? "; the last failure: " : "", why);
		ferry_advise(finding, "restarting the VM that has it does it, too");
		ferry_cost(finding, FERRY_HURTS, "its user loses what the function was doing, and does not know of the reset");
		ferry_mend(finding, "echo 1 > /sys/bus/pci/devices/%s/reset", e->f.address);
	} else if (status->state != FERRY_RUNNING) {
		ferry_found(e, "state", FERRY_WARNING, "it is in the state %s: somebody stopped it, or migrates it at this moment",
			    ferry_state_name(status->state));
	} else {
		ferry_found(e, "state", FERRY_FINE, "it is running");
	}
}

/*
 * A pre-copy holds the first image and the reserve for the last one, each an
 * eighth larger than the state, and 1 MiB at least.
 */
static uint64_t needed_budget(const struct examination *e)
{
	static const char asks[] = "max_inflight_bytes of ";
	const char *number = strstr(e->status.refusal, asks);
	uint64_t slack = e->bytes / 8 > MIB ? e->bytes / 8 : MIB;
	uint64_t need = 2 * (e->bytes + slack) + SESSION_BYTES, asked;

	if (e->status.chunks)
		need = PARTS * PART_BYTES;
	/* The driver knows best, if it has refused already. */
	asked = number ? strtoull(number + strlen(asks), NULL, 10) : 0;
	return asked > need ? asked : need;
}

void ferry_check_memory(struct examination *e)
{
	uint64_t budget = ferry_sysfs_number(0, BUDGET), need = needed_budget(e);
	struct ferry_check *finding;

	/* Whether it is saved in parts only debugfs tells, as well as its availability. */
	if (!is_ferrys(e) || !*e->status.link || !budget || !e->bytes || !e->status.migratable)
		return;
	if (budget >= need) {
		ferry_found(e, "memory", FERRY_FINE, "its state of %llu bytes fits into max_inflight_bytes",
			    (unsigned long long)e->bytes);
		return;
	}
	finding = ferry_found(e, "memory", FERRY_NO, "a migration of its %llu bytes takes %llu at a time, max_inflight_bytes allows %llu",
			      (unsigned long long)e->bytes, (unsigned long long)need, (unsigned long long)budget);
	ferry_advise(finding, "for ever: `options vfio_ferry max_inflight_bytes=%llu` in /etc/modprobe.d/vfio-ferry.conf",
		     (unsigned long long)need);
	ferry_mend(finding, "echo %llu > " BUDGET, (unsigned long long)need);
}

static bool may_lock_memory(void)
{
	char text[4096], *line;

	if (!ferry_sysfs_text(text, sizeof(text), "/proc/self/status"))
		return false;
	line = strstr(text, "CapEff:");
	return line && strtoull(line + strlen("CapEff:"), NULL, 16) >> CAP_IPC_LOCK & 1;
}

/* VFIO locks all memory that a function may reach, which is a VM's whole. */
void ferry_check_limits(struct examination *e)
{
	struct ferry_check *finding;
	struct rlimit limit;

	if (may_lock_memory() || getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= MEMLOCK_LOW)
		return;
	finding = ferry_found(e, "limits", FERRY_WARNING, "%s may lock %llu KiB of memory; a VM with this function locks all of its own",
			      user_name(), (unsigned long long)limit.rlim_cur / 1024);
	ferry_advise(finding, "for a service LimitMEMLOCK=infinity, for logins /etc/security/limits.conf; for one program, as root:");
	ferry_mend(finding, "prlimit --memlock=unlimited --pid %d", getppid());
}

/*
 * Linux has the bitmaps in which drivers report pages only with
 * CONFIG_IOMMUFD_DRIVER. Its list of symbols is long, and does not change in
 * this respect: read once.
 */
static bool kernel_has_bitmaps(void)
{
	static int known = -1;
	bool found = false;
	char line[512];
	FILE *symbols;

	if (known >= 0)
		return known;
	symbols = fopen("/proc/kallsyms", "re");
	while (symbols && !found && fgets(line, sizeof(line), symbols))
		found = strstr(line, " iova_bitmap_set");
	if (symbols)
		fclose(symbols);
	known = found;
	return found;
}

/* Debian's 6.12, the kernel for which there is a package. */
static bool kernel_has_package(void)
{
	struct utsname name;

	uname(&name);
	return !strncmp(name.release, "6.12.", 5) && strstr(name.release, "+deb");
}

void ferry_check_tracking(struct examination *e)
{
	struct ferry_check *finding;
	bool bitmaps = kernel_has_bitmaps();

	if (!e->status.migratable)
		return;
	if (e->status.dirty_tracking && bitmaps) {
		ferry_found(e, "tracking", FERRY_FINE, "its driver tracks the memory that it writes to: QEMU's default options will do");
		return;
	}
	if (!bitmaps)
		finding = ferry_found(e, "tracking", FERRY_WARNING, "QEMU's default options will not do: no driver can tell which memory a function writes to, the kernel lacks CONFIG_IOMMUFD_DRIVER");
	else
		finding = ferry_found(e, "tracking", FERRY_WARNING, "QEMU's default options will not do: its driver does not tell which memory it writes to; with iommufd some IOMMUs do");
	if (bitmaps || !kernel_has_package()) {
		ferry_advise(finding, "QEMU migrates such a VM only if told to, and then sends all memory while the VM is stopped: -device vfio-pci,host=%s,enable-migration=on,x-msix-relocation=bar5",
			     e->f.address);
		return;
	}
	ferry_cost(finding, FERRY_WINDOW, "it replaces vfio.ko, through which all VFIO on this machine goes; in effect with a restart, which stops everything that runs");
	ferry_mend(finding, "apt install ./build/deb/*/vfio-ferry-logging-dkms_*.deb");
	ferry_advise(finding, "in the folder of vfio-ferry's sources, after `make deb`; then restart the machine. Or -device vfio-pci,host=%s,enable-migration=on,x-msix-relocation=bar5, which sends all memory while the VM is stopped",
		     e->f.address);
}

void ferry_check_by_trying(struct examination *e)
{
	struct opened opened;

	if (e->in_use || !e->may_open) {
		ferry_found(e, "trial", FERRY_WARNING, "not tried: it is in use, or may not be opened");
		return;
	}
	if (ask_device(e, try_it, &opened))
		ferry_found(e, "trial", FERRY_FINE, "a migration was begun and cancelled");
	else
		ferry_found(e, "trial", FERRY_NO, "a migration does not begin: %s", opened.error.text);
}
