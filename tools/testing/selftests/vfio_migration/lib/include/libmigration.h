/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of VFIO migration need beyond libvfio: features, migration
 * states, streams, DMA logging, mediated devices, workloads.
 *
 * As in libvfio, __foo() returns 0 or -errno and foo() asserts that all went
 * well. No function here knows a driver; what knows a device is a workload.
 */
#ifndef LIBMIGRATION_H
#define LIBMIGRATION_H

#include <libvfio.h>

#include <libmigration/attempt.h>
#include <libmigration/binding.h>
#include <libmigration/device.h>
#include <libmigration/dma.h>
#include <libmigration/dma_logging.h>
#include <libmigration/ending.h>
#include <libmigration/feature.h>
#include <libmigration/fixture.h>
#include <libmigration/format.h>
#include <libmigration/mutation.h>
#include <libmigration/random.h>
#include <libmigration/state.h>
#include <libmigration/stream.h>
#include <libmigration/transfer.h>
#include <libmigration/uring.h>
#include <libmigration/wait.h>
#include <libmigration/workload.h>

#endif /* LIBMIGRATION_H */
