/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The stream that a vfio-ferry migration data FD produces and consumes.
 *
 * For tools that look into a saved stream; a VMM passes it on unread.
 * Documentation/stream.rst explains every record.  All integers are little
 * endian, records follow one another without padding.
 */
#ifndef _UAPI_LINUX_VFIO_FERRY_H
#define _UAPI_LINUX_VFIO_FERRY_H

#include <linux/types.h>

/**
 * struct vfio_ferry_record - what every record begins with
 * @size: bytes that follow this header
 * @flags: VFIO_FERRY_RECORD_OPTIONAL or 0
 * @tag: what the record holds
 *
 * The layout and the first two tags are those of mlx5 VFs' streams in every
 * kernel since 6.2.
 */
struct vfio_ferry_record {
	__le64 size;
	__le32 flags;
	__le32 tag;
};

/* A reader that does not know the tag skips the record. */
#define VFIO_FERRY_RECORD_OPTIONAL	(1 << 0)

/* One image, as the firmware wrote it. Mandatory. */
#define VFIO_FERRY_TAG_FIRMWARE_DATA	0
/* Size of the final image as expected when the save began: a hint, __le64. */
#define VFIO_FERRY_TAG_STOP_COPY_SIZE	1
/* Ferry's own records, always optional, never empty. */
#define VFIO_FERRY_TAG_IDENTITY		0x46520001
#define VFIO_FERRY_TAG_IMAGE		0x46520002
#define VFIO_FERRY_TAG_END		0x46520003
#define VFIO_FERRY_TAG_SHAPE		0x46520004

#define VFIO_FERRY_STREAM_VERSION	1

/**
 * struct vfio_ferry_identity - first record of a stream written by ferry
 * @version: VFIO_FERRY_STREAM_VERSION
 * @mark: 0 if images have checksums; else a number of this stream, which the
 *	check of each image repeats in place of one
 * @crc32c: of this structure, with @crc32c as 0
 * @family: name of the NIC family, padded with zeros
 * @vendor: PCI vendor ID of the VF
 * @device: PCI device ID of the VF
 * @subsystem_vendor: PCI subsystem vendor ID of the VF
 * @subsystem_device: PCI subsystem ID of the VF
 * @firmware: version of the source's firmware: major, minor, patch; and a
 *	checksum of the card's model, 0 if that is not known
 * @capabilities: what the target's firmware needs to load the images; the
 *	bits are the NIC family's
 */
struct vfio_ferry_identity {
	__le16 version;
	__le16 mark;
	__le32 crc32c;
	char family[16];
	__le16 vendor;
	__le16 device;
	__le16 subsystem_vendor;
	__le16 subsystem_device;
	__le16 firmware[4];
	__le64 capabilities;
};

/* Capabilities that a shape has room for */
#define VFIO_FERRY_CAPABILITIES		32

/**
 * struct vfio_ferry_shape - the source as a guest sees it through vfio-pci
 * @crc32c: of what follows in this structure
 * @vectors: MSI-X vectors, 0 without MSI-X
 * @bar: bytes of each BAR, 0 for one that there is not
 * @capability: what the lists of capabilities have, in their order, extended
 *	ones last: ID in bits 0 to 15, version of an extended one in bits 16 to
 *	19, place in configuration space from bit 20 on; 0 behind the last one
 */
struct vfio_ferry_shape {
	__le32 crc32c;
	__le32 vectors;
	__le64 bar[6];
	__le32 capability[VFIO_FERRY_CAPABILITIES];
};

/* Kinds of an image, in the order in which they may come */
#define VFIO_FERRY_IMAGE_INITIAL	1
#define VFIO_FERRY_IMAGE_MIDDLE		2
#define VFIO_FERRY_IMAGE_FINAL		3

/**
 * struct vfio_ferry_image_check - follows each firmware data record
 * @length: bytes of the image
 * @sequence: number of the image in the stream, from 0
 * @kind: VFIO_FERRY_IMAGE_*
 * @crc32c: of the image, or the stream's mark
 * @reserved: 0
 */
struct vfio_ferry_image_check {
	__le64 length;
	__le32 sequence;
	__le32 kind;
	__le32 crc32c;
	__le32 reserved;
};

/**
 * struct vfio_ferry_end - last record of a stream written by ferry
 * @bytes: sum of the lengths of all images
 * @images: number of images
 * @crc32c: of every byte of the stream that belongs to no image and comes
 *	before this structure, this record's header included
 */
struct vfio_ferry_end {
	__le64 bytes;
	__le32 images;
	__le32 crc32c;
};

#endif /* _UAPI_LINUX_VFIO_FERRY_H */
