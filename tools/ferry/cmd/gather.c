// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `ferry report` sends home. See gather.h.
 *
 * Where a source may hold anything, such as the kernel's command line, only what
 * is known to be of use is taken, not all but what is known to be secret.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "command.h"
#include "gather.h"
#include "record.h"

#include "../lib/base/kernel_log.h"
#include "../lib/base/program.h"
#include "../lib/base/sysfs.h"

#define TEXT_MAX	(1 << 20)
#define DEBUGFS		"/sys/kernel/debug"

static void no_memory(void)
{
	errx(EXIT_FAILED, "no memory");
}

static void miss(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void miss(struct report *report, const char *format, ...)
{
	char **more = reallocarray(report->missing, report->missing_count + 1, sizeof(*more));
	va_list args;

	if (!more)
		no_memory();
	report->missing = more;
	va_start(args, format);
	if (vasprintf(&more[report->missing_count], format, args) < 0)
		no_memory();
	va_end(args);
	report->missing_count++;
}

/* @text is the report's from here on; one that is empty is missing. */
static void add(struct report *report, char *text, const char *about, const char *name, ...)
	__attribute__((format(printf, 4, 5)));
static void add(struct report *report, char *text, const char *about, const char *name, ...)
{
	struct gathered *more, *file;
	va_list args;

	more = reallocarray(report->files, report->count + 1, sizeof(*more));
	if (!more || !text)
		no_memory();
	report->files = more;
	file = &more[report->count];
	memset(file, 0, sizeof(*file));
	va_start(args, name);
	vsnprintf(file->name, sizeof(file->name), name, args);
	va_end(args);
	snprintf(file->about, sizeof(file->about), "%s", about);
	file->text = text;
	if (*text) {
		report->count++;
		return;
	}
	miss(report, "%s: %s", file->name, about);
	free(text);
}

static char *room(void)
{
	char *text = calloc(1, TEXT_MAX);

	if (!text)
		no_memory();
	return text;
}

static char *output_of(const char *const *argv)
{
	char *text = room();

	ferry_run(text, TEXT_MAX, argv);
	return text;
}

/* Of a command of ferry's, which bears with what is silent itself. */
static char *own_output(const char *command, const char *option, const char *address)
{
	const char *const argv[] = { "/proc/self/exe", command, "--json", option, address, NULL };
	char *text = room();

	ferry_run_long(text, TEXT_MAX, argv);
	return text;
}

#define OUTPUT(...) output_of((const char *const[]){ __VA_ARGS__, NULL })

static char *file_of(const char *path)
{
	char *text = room();

	ferry_sysfs_text(text, TEXT_MAX, "%s", path);
	return text;
}

/* Lines of a text for which @wanted says yes, in a text of their own; the first one is freed. */
static char *lines_of(char *text, bool (*wanted)(const char *line))
{
	char *to = text, *next;

	for (char *line = text; *line; line = next) {
		size_t length = strcspn(line, "\n");
		char end = line[length];

		next = line + length + (end == '\n');
		line[length] = '\0';
		if (!wanted(line))
			continue;
		memmove(to, line, length);
		to += length;
		*to++ = '\n';
	}
	*to = '\0';
	return text;
}

static bool has_one_of(const char *line, const char *const *words)
{
	for (; *words; words++)
		if (strcasestr(line, *words))
			return true;
	return false;
}

/* ---- the machine ---- */

static bool is_os_version(const char *line)
{
	static const char *const words[] = { "PRETTY_NAME=", "VERSION_ID=", NULL };

	return has_one_of(line, words);
}

/* Not uname's nodename */
static void add_versions(struct report *report)
{
	char *os = lines_of(file_of("/etc/os-release"), is_os_version), *text;
	char tainted[32] = "";
	struct utsname u;

	uname(&u);
	ferry_sysfs_line(tainted, sizeof(tainted), "/proc/sys/kernel/tainted");
	if (asprintf(&text, "ferry " FERRY_VERSION "\n%s %s %s %s\ntainted %s\n%s", u.sysname, u.release, u.version,
		     u.machine, tainted, os) < 0)
		no_memory();
	free(os);
	add(report, text, "versions of ferry, kernel, distribution", "versions");
	add(report, OUTPUT("dpkg-query", "-W", "vfio-ferry*", "libferry*", "qemu-system-*", "libvirt-daemon", "cloud-hypervisor",
			   "iproute2", "mstflint", "linux-image-*"),
	    "versions of packages", "packages");
}

static bool is_kernel_option(const char *line)
{
	static const char *const words[] = { "VFIO", "IOMMU", "MLX5", "PCI_IOV", "CONFIG_KVM", "CONFIG_PREEMPT", "DEBUG_FS",
					     "CONFIG_TRAC", "MODULE_SIG", "LOCKDOWN", "PAGE_SIZE", NULL };

	return has_one_of(line, words);
}

static bool is_module(const char *line)
{
	static const char *const words[] = { "vfio", "iommu", "mlx5", "kvm", "crc32c", "mdev", NULL };

	return has_one_of(line, words);
}

/* A command line may name hosts, disks and secrets; a word for each line. */
static char *boot_words(void)
{
	char *text = file_of("/proc/cmdline");

	for (char *c = text; *c; c++)
		if (*c == ' ')
			*c = '\n';
	return text;
}

static bool is_boot_word(const char *line)
{
	static const char *const words[] = { "iommu", "pci=", "pcie", "vfio", "mlx5", "hugepage", "lockdown", "module.",
					     "isolcpus", NULL };

	return has_one_of(line, words);
}

static void add_kernel(struct report *report)
{
	char path[FERRY_PATH_MAX];
	struct utsname u;
	char *config;

	uname(&u);
	snprintf(path, sizeof(path), "/boot/config-%s", u.release);
	config = file_of(path);
	if (!*config) {
		free(config);
		config = OUTPUT("zcat", "/proc/config.gz");
	}
	add(report, lines_of(config, is_kernel_option), "options of the kernel that matter", "kernel-config");
	add(report, lines_of(boot_words(), is_boot_word), "words of its command line that matter", "kernel-command-line");
	add(report, lines_of(file_of("/proc/modules"), is_module), "modules that matter", "modules");
	add(report, OUTPUT("modinfo", "vfio_ferry"), "ferry's module as modprobe finds it", "modinfo-vfio_ferry");
	add(report, OUTPUT("modinfo", "mlx5_ferry_vfio_pci"), "the same", "modinfo-mlx5_ferry_vfio_pci");
	add(report, OUTPUT("modinfo", "mlx5_core"), "the PF's driver", "modinfo-mlx5_core");
}

static bool is_log_line(const char *line)
{
	static const char *const words[] = { "vfio", "mlx5", "iommu", "DMAR", "AMD-Vi", "ferry", NULL };

	return has_one_of(line, words);
}

static void add_log(struct report *report)
{
	char record[FERRY_KERNEL_RECORD_MAX], *text = room(), *said;
	int fd = ferry_kernel_log_open();
	size_t used = 0;
	int n;

	while (ferry_kernel_log_next(fd, record)) {
		said = strchr(record, ';');
		if (!said || !is_log_line(said))
			continue;
		n = snprintf(text + used, TEXT_MAX - used, "%s\n", record);
		if ((size_t)n >= TEXT_MAX - used)
			break;
		used += n;
	}
	if (fd >= 0)
		close(fd);
	add(report, text, "lines of the kernel's log about VFIO, the NIC, the IOMMU", "kernel-log");
}

static void add_record(struct report *report)
{
	add(report, file_of(RECORD_FOLDER "/qualify.json"), "the last result of `ferry qualify`", "qualify.json");
	add(report, file_of(RECORD_FOLDER "/qualify.steps"), "the steps of the last `ferry qualify --careful`", "qualify.steps");
	add(report, file_of(RECORD_FOLDER "/qualify.trace"), "the driver's and firmware's steps meanwhile", "qualify.trace");
}

/* ---- functions ---- */

static void add_folder(struct report *report, const char *address, const char *folder, const char *what)
{
	char path[FERRY_PATH_MAX + 256];
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (!dir) {
		miss(report, "%s: what drivers tell in debugfs", folder);
		return;
	}
	while ((entry = readdir(dir))) {
		/* That one is for tests, and is not read. */
		if (entry->d_type != DT_REG || !strcmp(entry->d_name, "fault"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		add(report, file_of(path), "what its driver tells in debugfs", "%s-%s-%.20s", address, what, entry->d_name);
	}
	closedir(dir);
}

static void add_attributes(struct report *report, const char *address)
{
	static const char *const names[] = { "vendor", "device", "subsystem_vendor", "subsystem_device", "revision", "class",
					     "driver_override", "current_link_speed", "current_link_width", "numa_node",
					     "reset_method", "enable", "d3cold_allowed", "sriov_totalvfs", "sriov_numvfs",
					     "sriov_offset", "sriov_stride", "sriov_vf_device", "sriov_drivers_autoprobe" };
	char value[128], *text = room();
	size_t used = 0;

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (ferry_sysfs_line(value, sizeof(value), PCI_DEVICES "/%s/%s", address, names[i]))
			used += snprintf(text + used, TEXT_MAX - used, "%s %s\n", names[i], value);
	add(report, text, "the function as the PCI bus has it", "%s-pci", address);
}

static void add_pf(struct report *report, const char *address)
{
	char handle[FERRY_ADDRESS_MAX + 4];

	snprintf(handle, sizeof(handle), "pci/%s", address);
	add_attributes(report, address);
	add(report, OUTPUT("devlink", "-j", "-p", "dev", "info", handle), "its firmware and PSID", "%s-firmware", address);
	add(report, OUTPUT("devlink", "-j", "-p", "dev", "eswitch", "show", handle), "mode of its switch", "%s-eswitch", address);
	add(report, OUTPUT("devlink", "-j", "-p", "port", "show"), "ports of switches", "%s-ports", address);
	add(report, OUTPUT("devlink", "-j", "-p", "health", "show"), "health as the PF's driver sees it", "%s-health", address);
	add(report, OUTPUT("mstconfig", "-d", address, "query"), "settings of its firmware", "%s-mstconfig", address);
}

static void add_function(struct report *report, const struct ferry_function *f)
{
	char folder[FERRY_PATH_MAX];

	add(report, own_output("doctor", "--no-open", f->address), "what `ferry doctor` says of it",
	    "%s-doctor.json", f->address);
	if (f->kind == FERRY_PF) {
		add_pf(report, f->address);
		return;
	}
	add_attributes(report, f->address);
	snprintf(folder, sizeof(folder), DEBUGFS "/vfio_ferry/%s", f->address);
	add_folder(report, f->address, folder, "ferry");
	snprintf(folder, sizeof(folder), DEBUGFS "/vfio/%s/migration", f->address);
	if (!access(folder, F_OK))
		add_folder(report, f->address, folder, "vfio");
}

static bool is_there(const struct ferry_function *functions, unsigned int count, const char *address)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(functions[i].address, address) || !strcmp(functions[i].pf, address))
			return true;
	return false;
}

void gather(struct report *report, const struct ferry_function *functions, unsigned int count)
{
	memset(report, 0, sizeof(*report));
	add_versions(report);
	add_kernel(report);
	add(report, own_output("list", NULL, NULL), "functions that could be migrated", "list.json");
	for (unsigned int i = 0; i < count; i++) {
		const struct ferry_function *f = &functions[i];

		if (!is_there(functions, i, f->address))
			add_function(report, f);
		if (f->kind == FERRY_VF && !is_there(functions, i, f->pf))
			add_pf(report, f->pf);
	}
	add_record(report);
	add_log(report);
}

void report_free(struct report *report)
{
	for (unsigned int i = 0; i < report->count; i++)
		free(report->files[i].text);
	for (unsigned int i = 0; i < report->missing_count; i++)
		free(report->missing[i]);
	free(report->files);
	free(report->missing);
}
