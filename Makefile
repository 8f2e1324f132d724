# SPDX-License-Identifier: GPL-2.0-only
#
# The front door. `make help` lists what there is.

KDIR  ?= /lib/modules/$(shell uname -r)/build
BUILD ?= $(CURDIR)/build/modules/$(notdir $(patsubst %/build,%,$(KDIR)))

LAB    := tools/lab/lab
PYTHON := /usr/bin/python3

# In the order of the link: the engine, then the NIC families.
MODULE_DIRS := drivers/vfio/pci/ferry drivers/vfio/pci/mlx5
OPTIONS     := CONFIG_VFIO_FERRY=m CONFIG_MLX5_FERRY_VFIO_PCI=m

.PHONY: help demo lab python test check modules clean

help:
	@echo 'vfio-ferry: live migration for the virtual functions of SR-IOV NICs'
	@echo
	@echo '  make demo     set up what it takes, then move a busy VF to another VF in a virtual machine'
	@echo '  make lab      set up the lab on this machine: packages, QEMU with the NIC, two kernels (once, about 15 minutes)'
	@echo '  make test     run all tests in the lab (sets it up if need be)'
	@echo '  make check    check the sources: shell, Python, C style'
	@echo '  make modules  build the driver for the running kernel (or KDIR=its headers), into BUILD=folder'
	@echo '  make clean    remove build/'
	@echo
	@echo '  tools/lab/lab run --help  boots a virtual machine with a ConnectX-7 in it, and runs a command there'

# A minimal system may even lack the Python that the lab is written in.
python:
	@test -x $(PYTHON) || { set -e; as=; test "$$(id -u)" = 0 || as=sudo; \
		echo "installing python3"; $$as apt-get update -q; $$as apt-get install -y --no-install-recommends python3; }

lab: python
	@$(LAB) setup

# One kernel is enough for it, so it does not wait for the debugging one.
demo: python
	@$(LAB) setup --kernel stock
	@$(MAKE) -s -C tools/lab/demo
	@$(LAB) run --kernel stock --driver ferry --vfs 2 --nic state-size=64M -- sh -c 'build/demo/demo $$FERRY_VFS'

test: lab
	@tools/lab/tests/run

check:
	@tools/check

# Kbuild writes beside the sources and cannot build one tree for two kernels. So each kernel gets a tree of links.
modules:
	@mkdir -p $(BUILD)/tree
	@cp -rsf $(CURDIR)/drivers $(CURDIR)/include $(BUILD)/tree/
	@find $(BUILD)/tree -xtype l -delete
	@printf '%s\n' $(foreach dir,$(MODULE_DIRS),'obj-m += $(dir)/') \
		'subdir-ccflags-y := -I$(BUILD)/tree/include' > $(BUILD)/tree/Kbuild.new
	@cmp -s $(BUILD)/tree/Kbuild.new $(BUILD)/tree/Kbuild || mv $(BUILD)/tree/Kbuild.new $(BUILD)/tree/Kbuild
	@$(MAKE) -C $(KDIR) M=$(BUILD)/tree $(OPTIONS) $(if $(KCC),CC=$(KCC)) modules
	@cp -u $(foreach dir,$(MODULE_DIRS),$(BUILD)/tree/$(dir)/*.ko) $(BUILD)/

clean:
	rm -rf build
