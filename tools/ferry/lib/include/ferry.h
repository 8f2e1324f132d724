/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libferry: find, bind, open and migrate VFIO devices.
 *
 *	ferry/error.h		what went wrong, for a person
 *	ferry/host.h		the machine's PCI functions
 *	ferry/bind.h		giving functions to VFIO and taking them back
 *	ferry/doctor.h		why a function can or cannot be migrated
 *	ferry/device.h		a function opened through VFIO, and its state
 *	ferry/migration.h	saving, loading and moving whole functions
 *	ferry/stream.h		what a stream holds, record by record
 *
 * Functions return 0 or a negative errno unless they say otherwise, and fill
 * the struct ferry_error that they are given, which may be NULL. An object is
 * used by one thread at a time; different objects by as many as one likes.
 */
#ifndef FERRY_H
#define FERRY_H

#include <ferry/bind.h>
#include <ferry/channel.h>
#include <ferry/device.h>
#include <ferry/doctor.h>
#include <ferry/error.h>
#include <ferry/host.h>
#include <ferry/migration.h>
#include <ferry/stream.h>

#endif /* FERRY_H */
