// SPDX-License-Identifier: GPL-2.0-only
/*
 * Version of a function's firmware. See ferry/host.h.
 *
 * devlink knows it for every NIC that has devlink; else a network interface of
 * the function does. Firmware that answers no question about its version is
 * told by mlx5_core when it starts, to the kernel's log.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>

#include <ferry/host.h>

#include "../base/kernel_log.h"
#include "../base/patience.h"
#include "../base/sysfs.h"
#include "devlink.h"

static ssize_t ask_interface(const char *name, void *text, size_t size)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_data = (void *)&info };
	ssize_t length = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.*s", IFNAMSIZ - 1, name);
	if (fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request)) {
		/* "28.43.1014 (MT_0000000838)" */
		info.fw_version[strcspn(info.fw_version, " ")] = '\0';
		length = snprintf(text, size, "%.*s", (int)sizeof(info.fw_version) - 1, info.fw_version);
	}
	if (fd >= 0)
		close(fd);
	return length;
}

static bool from_interface(const char *address, char *text, size_t size)
{
	char path[FERRY_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/net", address);
	dir = opendir(path);
	while (dir && !*text && (entry = readdir(dir)))
		if (*entry->d_name != '.' && ferry_ask(NULL, ask_interface, entry->d_name, text, size) <= 0)
			*text = '\0';
	if (dir)
		closedir(dir);
	return *text;
}

static bool from_log(const char *address, char *text, size_t size)
{
	static const char says[] = "firmware version: ";
	char message[256];

	if (!ferry_kernel_said(message, sizeof(message), address, says))
		return false;
	snprintf(text, size, "%s", strstr(message, says) + strlen(says));
	return true;
}

FERRY_API bool ferry_firmware(const struct ferry_function *f, char *text, size_t size)
{
	const char *address = f->kind == FERRY_VF ? f->pf : f->address;

	*text = '\0';
	if (!ferry_sysfs_exists(PCI_DEVICES "/%s/driver", address))
		return false;
	return ferry_devlink_firmware(address, text, size) || from_interface(address, text, size) ||
	       from_log(address, text, size);
}
