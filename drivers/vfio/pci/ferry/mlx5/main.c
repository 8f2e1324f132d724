// SPDX-License-Identifier: GPL-2.0-only
/*
 * ConnectX VFs as vfio-pci devices that can be migrated: the PCI driver and
 * its vfio_device_ops, nothing else.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "../compat.h"
#include "firmware.h"
#include "tracker.h"

static struct mlx5_ferry *from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct mlx5_ferry, ferry.core.vdev);
}

static struct mlx5_ferry *from_pdev(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	return from_vdev(&core->vdev);
}

static int mlx5_ferry_init_dev(struct vfio_device *vdev)
{
	struct mlx5_ferry *nic = from_vdev(vdev);
	int err;

	err = vfio_pci_core_init_dev(vdev);
	if (err)
		return err;
	err = vfio_ferry_init(&nic->ferry, &mlx5_ferry_ops);
	if (err) {
		vfio_pci_core_release_dev(vdev);
		return err;
	}
	mlx5_ferry_examine(nic);
	mlx5_ferry_tracker_init(nic);
	return 0;
}

static void mlx5_ferry_release_dev(struct vfio_device *vdev)
{
	struct mlx5_ferry *nic = from_vdev(vdev);

	vfio_ferry_release(&nic->ferry);
	vfio_pci_core_release_dev(vdev);
}

static int mlx5_ferry_open_device(struct vfio_device *vdev)
{
	struct mlx5_ferry *nic = from_vdev(vdev);
	int err;

	err = vfio_pci_core_enable(&nic->ferry.core);
	if (err)
		return err;
	err = vfio_ferry_open(&nic->ferry);
	if (err) {
		vfio_pci_core_disable(&nic->ferry.core);
		return err;
	}
	vfio_pci_core_finish_enable(&nic->ferry.core);
	return 0;
}

static void mlx5_ferry_close_device(struct vfio_device *vdev)
{
	mlx5_ferry_tracker_close(from_vdev(vdev));
	vfio_ferry_close(&from_vdev(vdev)->ferry);
	vfio_pci_core_close_device(vdev);
}

static const struct vfio_device_ops mlx5_ferry_device_ops = {
	.name = "mlx5-ferry-vfio-pci",
	.init = mlx5_ferry_init_dev,
	.release = mlx5_ferry_release_dev,
	.open_device = mlx5_ferry_open_device,
	.close_device = mlx5_ferry_close_device,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
	FERRY_MATCH_TOKEN_UUID
	FERRY_GET_REGION_INFO_CAPS
	FERRY_PASID_IOAS
};

static int mlx5_ferry_probe(struct pci_dev *pdev,
			    const struct pci_device_id *id)
{
	struct mlx5_ferry *nic;
	int err;

	nic = vfio_alloc_device(mlx5_ferry, ferry.core.vdev, &pdev->dev,
				&mlx5_ferry_device_ops);
	if (IS_ERR(nic))
		return PTR_ERR(nic);
	dev_set_drvdata(&pdev->dev, &nic->ferry.core);
	err = vfio_pci_core_register_device(&nic->ferry.core);
	if (err) {
		mlx5_ferry_tracker_forget(nic);
		mlx5_ferry_forget(nic);
		vfio_put_device(&nic->ferry.core.vdev);
		return err;
	}
	vfio_ferry_register(&nic->ferry);
	return 0;
}

static void mlx5_ferry_remove(struct pci_dev *pdev)
{
	struct mlx5_ferry *nic = from_pdev(pdev);

	vfio_pci_core_unregister_device(&nic->ferry.core);
	mlx5_ferry_tracker_forget(nic);
	mlx5_ferry_forget(nic);
	vfio_ferry_unregister(&nic->ferry);
	vfio_put_device(&nic->ferry.core.vdev);
}

static void mlx5_ferry_reset_prepare(struct pci_dev *pdev)
{
	mlx5_ferry_tracker_reset(from_pdev(pdev));
	vfio_ferry_reset_prepare(&from_pdev(pdev)->ferry);
}

static void mlx5_ferry_reset_done(struct pci_dev *pdev)
{
	vfio_ferry_reset_done(&from_pdev(pdev)->ferry);
}

static const struct pci_error_handlers mlx5_ferry_err_handlers = {
	.reset_prepare = mlx5_ferry_reset_prepare,
	.reset_done = mlx5_ferry_reset_done,
	.error_detected = vfio_pci_core_aer_err_detected,
};

static const struct pci_device_id mlx5_ferry_table[] = {
	/* ConnectX Family mlx5Gen Virtual Function */
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_MELLANOX, 0x101e) },
	{}
};
MODULE_DEVICE_TABLE(pci, mlx5_ferry_table);

static struct pci_driver mlx5_ferry_driver = {
	.name = KBUILD_MODNAME,
	.id_table = mlx5_ferry_table,
	.probe = mlx5_ferry_probe,
	.remove = mlx5_ferry_remove,
	.err_handler = &mlx5_ferry_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(mlx5_ferry_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("VFIO PCI driver for live migration of ConnectX virtual functions");
MODULE_AUTHOR("vfio-ferry developers");
