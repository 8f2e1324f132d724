// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for a workload's DMA, and what was written of it. See written.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/device/uapi.h"
#include "written.h"

enum { SIZE = 4 << 20, PAGE = 4096, PAGES = SIZE / PAGE };
#define IOVA 0x100000000ULL

static int map(const struct ferry_device *device, void *memory)
{
	struct vfio_iommu_type1_dma_map type1 = {
		.argsz = sizeof(type1), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory, .iova = IOVA, .size = SIZE,
	};
	struct iommu_ioas_map ioas = {
		.size = sizeof(ioas), .ioas_id = ferry_device_ioas(device), .user_va = (uintptr_t)memory,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE,
		.length = SIZE, .iova = IOVA,
	};
	int fd = ferry_device_iommu_fd(device);

	if (ioas.ioas_id)
		return ioctl(fd, IOMMU_IOAS_MAP, &ioas) ? -errno : 0;
	return ioctl(fd, VFIO_IOMMU_MAP_DMA, &type1) ? -errno : 0;
}

int written_offer(struct ferry_device *const devices[2])
{
	int fd = memfd_create("ferry-dma", 0), err;
	void *memory = MAP_FAILED;
	char text[32];

	if (fd >= 0 && !ftruncate(fd, SIZE))
		memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	err = map(devices[0], memory) ?: map(devices[1], memory);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%d", fd);
	setenv("FERRY_DMA_FD", text, 1);
	snprintf(text, sizeof(text), "%llu", IOVA);
	setenv("FERRY_DMA_IOVA", text, 1);
	snprintf(text, sizeof(text), "%d", SIZE);
	setenv("FERRY_DMA_SIZE", text, 1);
	return 0;
}

bool written_begin(struct ferry_device *device)
{
	struct vfio_device_feature_dma_logging_range range = { .iova = IOVA, .length = SIZE };
	struct {
		struct vfio_device_feature header;
		struct vfio_device_feature_dma_logging_control control;
	} start = {
		.header = {
			.argsz = sizeof(start),
			.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
		},
		.control = { .page_size = PAGE, .num_ranges = 1, .ranges = (uintptr_t)&range },
	};

	return !ioctl(ferry_device_fd(device), VFIO_DEVICE_FEATURE, &start);
}

int written_end(struct ferry_device *device, uint64_t *bytes, struct ferry_error *error)
{
	uint64_t bitmap[PAGES / 64] = { 0 };
	struct {
		struct vfio_device_feature header;
		struct vfio_device_feature_dma_logging_report report;
	} ask = {
		.header = {
			.argsz = sizeof(ask),
			.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
		},
		.report = { .iova = IOVA, .length = SIZE, .page_size = PAGE, .bitmap = (uintptr_t)bitmap },
	};
	struct vfio_device_feature stop = {
		.argsz = sizeof(stop), .flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
	};
	int code = ioctl(ferry_device_fd(device), VFIO_DEVICE_FEATURE, &ask) ? errno : 0;

	ioctl(ferry_device_fd(device), VFIO_DEVICE_FEATURE, &stop);
	if (code)
		return ferry_fail(error, code, "%s: its driver does not tell what it wrote: %s", ferry_device_name(device),
				  strerror(code));
	*bytes = 0;
	for (unsigned int i = 0; i < PAGES / 64; i++)
		*bytes += (uint64_t)PAGE * __builtin_popcountll(bitmap[i]);
	return 0;
}
