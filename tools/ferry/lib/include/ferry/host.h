/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's PCI functions, as they are at this moment: who drives them, how
 * they are isolated, whether they can be migrated, who uses them. Nothing here
 * changes or opens a function.
 */
#ifndef FERRY_HOST_H
#define FERRY_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * ferry_limit_waiting() - go on without what does not answer
 * @ms: what all files of the kernel together may keep the caller waiting; a file
 *	that comes after that has a tenth of a second. 0, as it is at first: for ever
 *
 * A driver that is stuck holds locks that some files of its functions want, and
 * who reads them cannot be killed. Limited, they are read by a process of the
 * library's own, which is forked at the first question: not for programs whose
 * memory is large. What did not answer is as if it could not be read. So does that
 * process open what ferry_diagnose() opens, for which there are 10 seconds.
 * Programs, devlink and modprobe, are limited in any case.
 */
FERRY_API void ferry_limit_waiting(unsigned int ms);
/* The first that did not answer, and how long it was waited for; "" if all did. */
FERRY_API const char *ferry_silent(void);

#define FERRY_ADDRESS_MAX	24

enum ferry_kind {
	FERRY_OTHER,		/* neither of these */
	FERRY_PF,		/* can have virtual functions */
	FERRY_VF,
};

/**
 * struct ferry_function - a PCI function
 * @address: 0000:01:00.1
 * @kind: what it is
 * @vendor, @device, @subsystem_vendor, @subsystem_device, @class: PCI IDs
 * @driver: what it is bound to, "" if nothing
 * @override: driver_override, "" if none
 * @vfio: a VFIO driver has it
 * @cdev: its character device, vfioN in /dev/vfio/devices, "" if none
 * @group: IOMMU group, -1 if none: nothing translates its DMA
 * @numa: NUMA node, -1 if the machine has none
 * @vfs_total, @vfs_enabled: PF: virtual functions that it can have, and has
 * @autoprobe: PF: host drivers take new virtual functions
 * @pf: VF: address of its physical function
 * @number: VF: which one, from 0
 */
struct ferry_function {
	char address[FERRY_ADDRESS_MAX];
	enum ferry_kind kind;
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint32_t class;
	char driver[32];
	char override[32];
	bool vfio;
	char cdev[16];
	int group;
	int numa;
	unsigned int vfs_total, vfs_enabled;
	bool autoprobe;
	char pf[FERRY_ADDRESS_MAX];
	unsigned int number;
};

/**
 * ferry_address() - a PCI address in the kernel's form
 * @address: set, "0000:01:00.1"
 * @text: what a person wrote: 0000:01:00.1 or 01:00.1
 * @error: filled
 *
 * Return: 0, or -EINVAL if it is no address.
 */
FERRY_API int ferry_address(char address[FERRY_ADDRESS_MAX], const char *text, struct ferry_error *error);

/* One function; -ENODEV if there is none of that address. */
FERRY_API int ferry_function_read(struct ferry_function *function, const char *address, struct ferry_error *error);

/**
 * ferry_functions_read() - what a machine has that could be migrated
 * @functions: set to an array, to be freed: the physical functions, each with
 *	its virtual functions behind it, and what else VFIO has
 * @count: set to its length
 * @error: filled
 */
FERRY_API int ferry_functions_read(struct ferry_function **functions, unsigned int *count,
				   struct ferry_error *error);

/* The virtual function of a PF, by its number. */
FERRY_API int ferry_function_vf(struct ferry_function *vf, const struct ferry_function *pf, unsigned int number,
				struct ferry_error *error);

/* Names of functions, from the PCI ID database. */
struct ferry_names;

FERRY_API struct ferry_names *ferry_names_open(void);
/* Always gives a text, if need be of numbers. */
FERRY_API const char *ferry_names_find(struct ferry_names *names, const struct ferry_function *function,
				       char *text, size_t size);
FERRY_API void ferry_names_close(struct ferry_names *names);

/**
 * ferry_firmware() - version of a function's firmware
 * @function: a PF; a VF has its PF's
 * @text: set, "" if nobody tells
 * @size: of @text
 *
 * Return: whether it is known.
 */
FERRY_API bool ferry_firmware(const struct ferry_function *function, char *text, size_t size);

/**
 * struct ferry_status - what can be seen of a function's migration from outside
 * @known: a driver tells in debugfs; else nothing below is
 * @migratable: it can be migrated
 * @features: FERRY_CAN_* of ferry/device.h
 * @dirty_tracking: the driver tracks what the function writes to memory
 * @chunks: images are saved in parts
 * @state: enum ferry_state, or -1 if not known
 * @reason: why it cannot be migrated, in its driver's words
 * @link: ferry's drivers: their availability, "up" if its physical function
 *	serves it
 * @bytes: size of its state, as far as somebody asked, or 0
 * @failure, @refusal: ferry's drivers: the last ones
 */
struct ferry_status {
	bool known;
	bool migratable;
	uint32_t features;
	bool dirty_tracking;
	bool chunks;
	int state;
	char reason[128];
	char link[16];
	uint64_t bytes;
	char failure[128];
	char refusal[128];
};

FERRY_API void ferry_status_read(const struct ferry_function *function, struct ferry_status *status);

/**
 * struct ferry_user - a process that has a VFIO file open
 * @pid: who
 * @name: its command
 * @file: what, for example /dev/vfio/7, or a function's address where the kernel tells it
 */
struct ferry_user {
	int pid;
	char name[32];
	char file[64];
};

/**
 * ferry_users_read() - who uses VFIO at this moment
 * @users: set to an array, to be freed; those that the caller may see
 * @count: set to its length
 */
FERRY_API int ferry_users_read(struct ferry_user **users, unsigned int *count, struct ferry_error *error);

/* One of them that has this function, or another one of its IOMMU group; or NULL. */
FERRY_API const struct ferry_user *ferry_users_find(const struct ferry_user *users, unsigned int count,
						    const struct ferry_function *function);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_HOST_H */
