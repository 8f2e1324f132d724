/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ferry engine and its NIC backends.
 *
 * The engine (drivers/vfio/pci/ferry) implements the VFIO migration protocol:
 * states, sessions, images, the stream. A backend is a vfio-pci variant
 * driver for one NIC family: it knows how to stop such a function and how to
 * move its state into and out of memory, and nothing else.
 */
#ifndef LINUX_VFIO_FERRY_H
#define LINUX_VFIO_FERRY_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/vfio_pci_core.h>
#include <uapi/linux/vfio_ferry.h>

struct ferry_vf;
struct vfio_ferry_device;

/**
 * enum vfio_ferry_side - what a suspended function no longer does
 * @VFIO_FERRY_INITIATOR: start DMA, interrupts, or work of its own
 * @VFIO_FERRY_RESPONDER: answer what others send it
 */
enum vfio_ferry_side {
	VFIO_FERRY_INITIATOR,
	VFIO_FERRY_RESPONDER,
};

/**
 * struct vfio_ferry_image - memory that holds an image of a function
 * @folios: the memory, linked by folio->lru, in order
 * @nr_folios: how many
 * @min_order: order of the smallest of them
 * @capacity: bytes of all folios
 * @length: bytes that the image has
 * @direction: DMA_FROM_DEVICE if images are saved into it, else DMA_TO_DEVICE
 * @mapping: the backend's, made by its map operation, else NULL
 */
struct vfio_ferry_image {
	struct list_head folios;
	unsigned int nr_folios;
	unsigned int min_order;
	u64 capacity;
	u64 length;
	enum dma_data_direction direction;
	void *mapping;
};

#define vfio_ferry_for_each_folio(folio, image) \
	list_for_each_entry(folio, &(image)->folios, lru)

/**
 * struct vfio_ferry_estimate - what the firmware says a save would need
 * @required: bytes of memory that the next image needs, 0 if there is nothing
 *	to save, whatever the total
 * @total: bytes of all images that would still come; of an incremental save
 *	it is believed only while it shrinks
 * @reinit: the function was initialised anew since the last image
 */
struct vfio_ferry_estimate {
	u64 required;
	u64 total;
	bool reinit;
};

/* What to save */
#define VFIO_FERRY_SAVE_INCREMENTAL	BIT(0)	/* only what changed */
#define VFIO_FERRY_SAVE_TRACK		BIT(1)	/* and remember changes from now */

/**
 * struct vfio_ferry_ops - what a NIC backend does for the engine
 *
 * The engine has at most one of suspend, resume, query, save, load and
 * stop_tracking running per function. All operations but accept may sleep.
 * Each is bounded in time by the backend and reports its failures with
 * vfio_ferry_failed(). -ETIMEDOUT means that the effect is unknown, and so does
 * -ENXIO, of a physical function that is about to be reset; after any other
 * error the operation had none. -ESTALE, of an incremental query or a save with
 * VFIO_FERRY_SAVE_TRACK, means that the firmware does not know any more what
 * changed, or could not keep up: no failure, but the next image is the final
 * one, and a full one. Any other error of such a save fails the session.
 *
 * @family: name of the NIC family, written into the stream
 * @max_image: longest image the firmware can save or load
 * @max_folio: longest piece of memory that can be mapped for DMA at once
 * @part_bytes: bytes of memory for one part of an image if the firmware saves
 *	in parts, 0 if an image comes as a whole
 * @suspend: stop one side of the function
 * @resume: let it run again
 * @query: fill the estimate for a full or incremental save
 * @save: save into a mapped image with room for the last estimate, and with
 *	some to spare if tracked; set its length, and the bytes of memory that
 *	the next part of the final image needs, 0 if there is none. Flags are
 *	VFIO_FERRY_SAVE_*. After -ETIMEDOUT the function may still write the
 *	image
 * @load: load a mapped image
 * @stop_tracking: end what a save with VFIO_FERRY_SAVE_TRACK began, on a
 *	running function, right after an incremental query that may have
 *	failed; the image is mapped and has room for its estimate if there was
 *	memory, NULL if there was none at all
 * @map: make the image's memory reachable for the firmware
 * @unmap: the opposite. An error means the firmware may still reach it; that
 *	the physical function is dead is none
 * @quiesce: give back what the images shared, none of which is mapped. The
 *	last operation before the device is closed or its physical function
 *	goes away; others may follow after a new open or vfio_ferry_attach()
 * @identify: fill the identity record except for the PCI fields; a session
 *	begins with it, and not if it fails
 * @accept: may a stream of that source be loaded into a function with this
 *	identity? Both are of the same family and PCI IDs. If not, fill @why; if
 *	it may, but nobody is known to have tried, fill it as well. A pure
 *	function, called with a spinlock held
 * @describe: print properties of the function and its firmware, one per line
 */
struct vfio_ferry_ops {
	const char *family;
	u64 max_image;
	size_t (*max_folio)(struct vfio_ferry_device *device);
	u64 (*part_bytes)(struct vfio_ferry_device *device);
	int (*suspend)(struct vfio_ferry_device *device,
		       enum vfio_ferry_side side);
	int (*resume)(struct vfio_ferry_device *device,
		      enum vfio_ferry_side side);
	int (*query)(struct vfio_ferry_device *device, bool incremental,
		     struct vfio_ferry_estimate *estimate);
	int (*save)(struct vfio_ferry_device *device,
		    struct vfio_ferry_image *image, unsigned int flags,
		    u64 *next_part);
	int (*load)(struct vfio_ferry_device *device,
		    struct vfio_ferry_image *image);
	int (*stop_tracking)(struct vfio_ferry_device *device,
			     struct vfio_ferry_image *image);
	int (*map)(struct vfio_ferry_device *device,
		   struct vfio_ferry_image *image);
	int (*unmap)(struct vfio_ferry_device *device,
		     struct vfio_ferry_image *image);
	void (*quiesce)(struct vfio_ferry_device *device);
	int (*identify)(struct vfio_ferry_device *device,
			struct vfio_ferry_identity *identity);
	int (*accept)(const struct vfio_ferry_identity *own,
		      const struct vfio_ferry_identity *source,
		      char *why, size_t size);
	void (*describe)(struct vfio_ferry_device *device, struct seq_file *to);
};

/**
 * struct vfio_ferry_device - a function that the engine can migrate
 * @core: the vfio-pci device, which must be the first member
 * @ops: the backend's operations
 * @vf: the engine's own
 *
 * A backend embeds this as the first member of its own device structure.
 */
struct vfio_ferry_device {
	struct vfio_pci_core_device core;
	const struct vfio_ferry_ops *ops;
	struct ferry_vf *vf;
};

/**
 * struct vfio_ferry_failure - a command that failed
 * @command: its name
 * @error: negative errno
 * @status: the firmware's status, 0 if it did not answer
 * @syndrome: the firmware's syndrome
 */
struct vfio_ferry_failure {
	const char *command;
	int error;
	u8 status;
	u32 syndrome;
};

/* Life of a device, called by the backend's callback of the same name */
int vfio_ferry_init(struct vfio_ferry_device *device,
		    const struct vfio_ferry_ops *ops);
void vfio_ferry_release(struct vfio_ferry_device *device);
void vfio_ferry_offer(struct vfio_ferry_device *device);
void vfio_ferry_withhold(struct vfio_ferry_device *device, const char *reason);
void vfio_ferry_register(struct vfio_ferry_device *device);
void vfio_ferry_unregister(struct vfio_ferry_device *device);
int vfio_ferry_open(struct vfio_ferry_device *device);
void vfio_ferry_close(struct vfio_ferry_device *device);
void vfio_ferry_reset_prepare(struct vfio_ferry_device *device);
void vfio_ferry_reset_done(struct vfio_ferry_device *device);
void vfio_ferry_detach(struct vfio_ferry_device *device);
void vfio_ferry_attach(struct vfio_ferry_device *device);

/* From the backend's operations */
void vfio_ferry_failed(struct vfio_ferry_device *device,
		       const struct vfio_ferry_failure *failure);

#endif /* LINUX_VFIO_FERRY_H */
