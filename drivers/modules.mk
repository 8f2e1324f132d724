# SPDX-License-Identifier: GPL-2.0-only
#
# Out-of-tree build of the modules, for the Makefile above:
#
#	make modules KDIR=<kernel build directory> BUILD=<directory>
#
# The sources are copied to BUILD, changed files only, and built there, so
# that one checkout serves several kernels. Leaves BUILD/vfio_ferry.ko and
# BUILD/mlx5_ferry_vfio_pci.ko. W=1 and C=2 work as in the kernel.

KDIR ?= /lib/modules/$(shell uname -r)/build
BUILD ?= build/modules

ferry_top := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))..
ferry_config = $(shell sed -n 's/^CONFIG_KUNIT=//p' \
	$(KDIR)/include/config/auto.conf 2>/dev/null)
ferry_options = CONFIG_VFIO_FERRY=m CONFIG_MLX5_FERRY_VFIO_PCI=m \
	$(if $(ferry_config),CONFIG_VFIO_FERRY_KUNIT_TEST=m)

.PHONY: modules
modules:
	@mkdir -p $(BUILD)/src
	@cd $(ferry_top) && find drivers include -type f \
		\( -name '*.[ch]' -o -name Makefile -o -name Kconfig \) \
		-exec sh -c 'for f; do cmp -s "$$f" "$$0/$$f" || \
			install -D -m 644 "$$f" "$$0/$$f"; done' \
		$(abspath $(BUILD))/src {} +
	+$(MAKE) -C $(KDIR) M=$(abspath $(BUILD))/src/drivers/vfio/pci \
		$(ferry_options) \
		KCPPFLAGS="-I$(abspath $(BUILD))/src/include $(KCPPFLAGS)" \
		modules
	@cp -u $(BUILD)/src/drivers/vfio/pci/*/*.ko $(BUILD)/
