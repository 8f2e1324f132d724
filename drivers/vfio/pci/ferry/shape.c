// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shape of a function. See shape.h.
 *
 * Read from the configuration space that vfio-pci made up for the user when
 * the device was opened, not from the function: capabilities that vfio-pci
 * hides are not in it, and no reset disturbs it.
 */
#include <linux/kernel.h>
#include <linux/pci.h>

#include "shape.h"

/* A capability: ID, version of an extended one, and place; see the uAPI. */
#define CAPABILITY_ID(capability)	((capability) & 0xffff)
#define CAPABILITY_VERSION(capability)	((capability) >> 16 & 0xf)
#define CAPABILITY_AT(capability)	((capability) >> 20)

#define AT_SHIFT	20
#define IN_HEADER	0xfffff	/* ID and version of an extended one */

static unsigned int add_capabilities(struct vfio_ferry_shape *shape,
				     const u8 *config)
{
	unsigned int count = 0;
	u32 at = 0;
	u16 flags;

	if (config[PCI_STATUS] & PCI_STATUS_CAP_LIST)
		at = config[PCI_CAPABILITY_LIST];
	/* A list that runs in a circle ends where there is no room left. */
	for (at &= ~3; at && count < VFIO_FERRY_CAPABILITIES;
	     at = config[at + PCI_CAP_LIST_NEXT] & ~3) {
		shape->capability[count++] =
			cpu_to_le32(config[at] | at << AT_SHIFT);
		if (config[at] != PCI_CAP_ID_MSIX)
			continue;
		flags = le16_to_cpup((__le16 *)(config + at + PCI_MSIX_FLAGS));
		shape->vectors =
			cpu_to_le32((flags & PCI_MSIX_FLAGS_QSIZE) + 1);
	}
	return count;
}

static void add_extended(struct vfio_ferry_shape *shape, const u8 *config,
			 unsigned int count)
{
	u32 at = PCI_CFG_SPACE_SIZE;
	u32 header;

	while (at >= PCI_CFG_SPACE_SIZE && count < VFIO_FERRY_CAPABILITIES) {
		header = le32_to_cpup((__le32 *)(config + at));
		if (!header)
			break;
		shape->capability[count++] =
			cpu_to_le32((header & IN_HEADER) | at << AT_SHIFT);
		at = PCI_EXT_CAP_NEXT(header);
	}
}

/**
 * ferry_shape_from_config() - find vectors and capabilities
 * @shape: zeroed; its BARs are left so
 * @config: configuration space as the user sees it, aligned
 * @extended: it has all 4096 bytes, not 256
 */
void ferry_shape_from_config(struct vfio_ferry_shape *shape, const u8 *config,
			     bool extended)
{
	unsigned int count = add_capabilities(shape, config);

	if (extended)
		add_extended(shape, config, count);
}

/**
 * ferry_shape_read() - what a guest sees of a function
 * @shape: filled, except for its checksum
 * @core: the function, open
 */
void ferry_shape_read(struct vfio_ferry_shape *shape,
		      const struct vfio_pci_core_device *core)
{
	struct pci_dev *pdev = core->pdev;

	memset(shape, 0, sizeof(*shape));
	/* One to which the host gave no addresses is none for the user. */
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		if (pci_resource_start(pdev, i))
			shape->bar[i] = cpu_to_le64(pci_resource_len(pdev, i));
	ferry_shape_from_config(shape, core->vconfig, core->extended_caps);
}

/* Numbers alone: they may be a stranger's, on their way to the log. */
static const char *tell(u32 capability, char *to, size_t size)
{
	u32 version = CAPABILITY_VERSION(capability);
	u32 at = CAPABILITY_AT(capability);

	if (!capability)
		snprintf(to, size, "no more");
	else if (at < PCI_CFG_SPACE_SIZE && !version)
		snprintf(to, size, "%#x at %#x", CAPABILITY_ID(capability), at);
	else
		snprintf(to, size, "extended %#x version %u at %#x",
			 CAPABILITY_ID(capability), version, at);
	return to;
}

/**
 * ferry_shape_differs() - would a guest see another function here?
 * @own: of this function
 * @source: of the one that the guest has; from a stream, any bytes at all
 * @why: filled if so, for a person
 * @size: bytes of @why
 *
 * None of it may differ. The guest's driver has laid out its interrupts and
 * mappings for what it found, and does not look again. Not even more of
 * something would do, or a capability that nobody uses: the VMM moves the
 * guest's configuration space beside the stream, compares it after the stop,
 * and QEMU does not go on with one that differs.
 *
 * Return: true if something does.
 */
bool ferry_shape_differs(const struct vfio_ferry_shape *own,
			 const struct vfio_ferry_shape *source,
			 char *why, size_t size)
{
	char theirs[40], ours[40];

	if (own->vectors != source->vectors) {
		snprintf(why, size,
			 "the source has %u MSI-X vectors, this has %u",
			 le32_to_cpu(source->vectors),
			 le32_to_cpu(own->vectors));
		return true;
	}
	for (int i = 0; i < ARRAY_SIZE(own->bar); i++) {
		if (own->bar[i] == source->bar[i])
			continue;
		snprintf(why, size, "BAR %d of the source has %#llx bytes, of this %#llx",
			 i, le64_to_cpu(source->bar[i]),
			 le64_to_cpu(own->bar[i]));
		return true;
	}
	for (int i = 0; i < ARRAY_SIZE(own->capability); i++) {
		if (own->capability[i] == source->capability[i])
			continue;
		snprintf(why, size, "capability %d of the source is %s, of this %s",
			 i, tell(le32_to_cpu(source->capability[i]), theirs,
				 sizeof(theirs)),
			 tell(le32_to_cpu(own->capability[i]), ours,
			      sizeof(ours)));
		return true;
	}
	return false;
}
