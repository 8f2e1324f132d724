# SPDX-License-Identifier: GPL-2.0-only
#
# Out-of-tree build of the modules, for the Makefile above:
#
#	make modules KDIR=<kernel build directory> BUILD=<directory>
#
# Kbuild writes beside the sources, so they are copied to BUILD, changed files
# only, and one checkout serves several kernels. Leaves BUILD/vfio_ferry.ko and
# BUILD/mlx5_ferry_vfio_pci.ko and, if the kernel has KUnit,
# BUILD/vfio_ferry_test.ko. KCC names another compiler; W=1 and C=2 are the
# kernel's.

KDIR  ?= /lib/modules/$(shell uname -r)/build
BUILD ?= $(CURDIR)/build/modules/$(notdir $(patsubst %/build,%,$(KDIR)))

ferry_tree := $(abspath $(BUILD))/tree
ferry_kunit = $(shell grep -s '^CONFIG_KUNIT=' $(KDIR)/include/config/auto.conf)
ferry_config = CONFIG_VFIO_FERRY=m CONFIG_MLX5_FERRY_VFIO_PCI=m \
	$(if $(ferry_kunit),CONFIG_VFIO_FERRY_KUNIT_TEST=m)

.PHONY: modules
modules:
	@mkdir -p $(ferry_tree)
	@cp -ru drivers include $(ferry_tree)/
	+@$(MAKE) -C $(KDIR) M=$(ferry_tree)/drivers/vfio/pci $(ferry_config) \
		KCPPFLAGS="-I$(ferry_tree)/include" $(if $(KCC),CC=$(KCC)) \
		modules
	@cp -u $(ferry_tree)/drivers/vfio/pci/*/*.ko $(BUILD)/
	@cp -u $(ferry_tree)/drivers/vfio/pci/*/*/*.ko $(BUILD)/ 2>/dev/null || true
