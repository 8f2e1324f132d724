# SPDX-License-Identifier: GPL-2.0-only
#
# The front door. `make help` lists what there is.

KDIR  ?= /lib/modules/$(shell uname -r)/build
BUILD ?= $(CURDIR)/build/modules/$(notdir $(patsubst %/build,%,$(KDIR)))

LAB    := tools/lab/lab
PYTHON := /usr/bin/python3

# The engine, and below it the NIC families.
MODULE_DIRS := drivers/vfio/pci/ferry
OPTIONS     := CONFIG_VFIO_FERRY=m CONFIG_MLX5_FERRY_VFIO_PCI=m

# Parts that can be left out, as drivers/vfio/pci/ferry/Kconfig has them. Nobody evaluates that here, so the compiler is
# told what Kconfig would have.
REGION := y
FAULTS := n
$(foreach part,REGION FAULTS,$(if $(filter-out y n,$($(part)))$(filter-out 1,$(words $($(part)))),$(error $(part) is y or n)))
PARTS   := $(foreach part,REGION FAULTS,$(if $(filter y,$($(part))),CONFIG_VFIO_FERRY_$(part)))
OPTIONS += $(PARTS:%=%=y)

# Kernels with KUnit get the driver's own tests, too.
OPTIONS     += $(if $(shell grep -s '^CONFIG_KUNIT=' $(KDIR)/.config),CONFIG_VFIO_FERRY_KUNIT_TEST=m)

.PHONY: help demo demo-guest demo-hosts demo-libvirt lab python test test-long bench check conformance conformance-table mutate lies coverage fuzz modules \
	kernel-tree install uninstall deb docs clean

help:
	@echo 'vfio-ferry: live migration for the virtual functions of SR-IOV NICs'
	@echo
	@echo '  make demo     set up what it takes, then move a busy VF to another VF in a virtual machine'
	@echo '  make demo-guest [QUICK=1]  move a Linux with its connections and its own driver to another QEMU and back'
	@echo '  make demo-libvirt  the same from one host to another with virsh migrate, as Documentation/libvirt.rst has it typed'
	@echo '  make demo-hosts  move a busy VF between two virtual machines with ferry, over TLS and past a broken link'
	@echo '  make lab      set up the lab on this machine: packages, QEMU with the NIC, two kernels (once, about 15 minutes)'
	@echo '  make test     run all tests in the lab (sets it up if need be)'
	@echo '  make test-long  some of them for hours, for what seldom happens'
	@echo '  make bench [QUICK=1]  ferry beside the kernel'"'"'s own driver: instructions, times and memory, goals beside results,'
	@echo '                as a page in build/bench/ (half an hour; QUICK=1 a few minutes)'
	@echo '  make check    check the sources: shell, Python, C style'
	@echo '  make conformance [DRIVER=ferry|in-tree|mtty|vfio-pci] [KERNEL=debug|stock|lts]'
	@echo '                run the conformance suite against a driver, whatever that does, and say how each test ended'
	@echo '  make conformance-table  all that Documentation/conformance.rst shows, then that page (50 minutes)'
	@echo '  make mutate   break the driver on purpose, one small fault at a time: does the suite see each?'
	@echo '  make mutate SAMPLE=N [SEED=1] [WHERE=driver]  the same by faults that nobody chose: do all tests together see them?'
	@echo '  make lies     tell the suite lies about what the kernel said, one at a time: does each test see them?'
	@echo '  make coverage which lines and branches of the driver the suite reaches'
	@echo '  make fuzz     look for streams that break the decoder, in user space, for SECONDS=60'
	@echo '  make modules  build the driver for the running kernel (or KDIR=its headers), into BUILD=folder;'
	@echo '                REGION=n leaves out the first migration protocol, FAULTS=y puts in failures for tests'
	@echo '  make kernel-tree  does the driver build in a kernel tree, as modules and built in? tools/kernel-tree FOLDER puts it into one'
	@echo '  make install  install the modules and the ferry tool, the latter under PREFIX=/usr/local; make uninstall removes them'
	@echo '  make deb      build the Debian packages, RELEASE=bookworm|trixie, into build/deb/'
	@echo '  make docs     Documentation/ as HTML, into build/docs/'
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
	@$(LAB) run --kernel stock --logging --driver ferry --vfs 2 --nic state-size=64M -- sh -c 'build/demo/demo $$FERRY_VFS'

# A VM for a host, and in it two QEMUs. The picture and the numbers are in build/demo/run.
demo-guest: python
	@$(LAB) setup --kernel stock --vmm
	@$(MAKE) -s -C tools/lab/demo guest
	@$(LAB) run --kernel stock --logging --driver ferry --vfs 2 --mem 1536 --nic state-size=1M --nic ethernet=on \
		--timeout 1800 --out build/demo/run -- tools/lab/demo/guest $(if $(QUICK),--moves=1) build/demo

# Two hosts with libvirt, each a virtual machine, in which nothing is bound to a driver yet.
demo-libvirt: python
	@$(LAB) setup --kernel stock --vmm
	@$(MAKE) -s -C tools/lab/demo guest
	@layers=$$($(LAB) host build/demo/host) && \
		$(LAB) pair --kernel stock --driver none --vfs 0 --mem 1536 --nic state-size=1M --nic ethernet=on --timeout 2400 \
			--out build/demo/libvirt -- tools/lab/demo/libvirt a build/demo "$$layers" \
			-- tools/lab/demo/libvirt b build/demo "$$layers"

# Two hosts, each a virtual machine; what their scripts share with the tests is built with those.
demo-hosts: python
	@$(LAB) setup --kernel stock
	@$(MAKE) -s -C tools/ferry
	@$(MAKE) -s -C tools/lab/tests O='$(CURDIR)/build/tests' '$(CURDIR)/build/tests/holder'
	@tools/lab/demo/certificates build/demo/pki a=10.7.0.1 b=10.7.0.2
	@$(LAB) pair --kernel stock --driver ferry --vfs 2 --smp 1 --nic state-size=6M \
		-- tools/lab/demo/hosts a -- tools/lab/demo/hosts b

test: lab
	@tools/lab/tests/run --again

test-long: lab
	@tools/lab/tests/run --long

# One kernel is enough for the short one.
bench: python
	@$(LAB) setup $(if $(QUICK),--kernel stock)
	@tools/lab/tests/bench/bench $(if $(QUICK),--quick)

check:
	@tools/check

DRIVER ?= ferry
KERNEL ?= debug
MEASURE := tools/lab/tests/conformance/measure

conformance: lab
	@$(MEASURE) --driver $(DRIVER) --kernel $(KERNEL)

# A peer that fails is what the table is for.
conformance-table: lab
	@$(MEASURE) --driver ferry --kernel stock
	@$(MEASURE) --driver ferry --kernel debug
	-@$(MEASURE) --driver in-tree --kernel debug
	-@$(MEASURE) --driver mtty --kernel debug
	@tools/lab/tests/conformance/table

SAMPLE ?=
WHERE  ?= driver
mutate: lab
	@$(if $(SAMPLE),tools/lab/tests/mutation/sample --count '$(SAMPLE)' --seed '$(or $(SEED),1)' --where '$(WHERE)',tools/lab/tests/conformance/mutate)

lies: lab
	@tools/lab/tests/conformance/lie

coverage: lab
	@tools/lab/tests/conformance/coverage

SECONDS ?= 60
FUZZER  ?= libfuzzer
fuzz:
	@$(MAKE) --no-print-directory -C tools/testing/fuzz fuzz SECONDS='$(SECONDS)' SEED='$(SEED)' FUZZER='$(FUZZER)'

# Kbuild writes beside the sources and cannot build one tree for two kernels. So each kernel gets a tree of links.
modules:
	@mkdir -p $(BUILD)/tree
	@cp -rsf $(CURDIR)/drivers $(CURDIR)/include $(BUILD)/tree/
	@find $(BUILD)/tree -xtype l -delete
	@printf '%s\n' $(foreach dir,$(MODULE_DIRS),'obj-m += $(dir)/') \
		'subdir-ccflags-y := -I$(BUILD)/tree/include $(PARTS:%=-D%=1)' > $(BUILD)/tree/Kbuild.new
	@cmp -s $(BUILD)/tree/Kbuild.new $(BUILD)/tree/Kbuild || mv $(BUILD)/tree/Kbuild.new $(BUILD)/tree/Kbuild
	@$(MAKE) -C $(KDIR) M=$(BUILD)/tree $(OPTIONS) $(if $(KCC),CC=$(KCC)) modules
	@find $(BUILD)/tree -name '*.ko' -exec cp -u -t $(BUILD) {} +

# In links to the debug kernel's source, with its configuration.
kernel-tree: python
	@$(LAB) setup --kernel debug
	@tools/kernel-tree --build

# In a folder of their own among the kernel's modules, where modprobe looks first. Kbuild would sign them with the key of
# whoever built the kernel; Documentation/install.rst says how to sign them with one's own. DESTDIR is for packagers.
RELEASE_OF_KDIR = $(shell $(MAKE) -s -C $(KDIR) kernelrelease)
MODULES_FOLDER  := updates/vfio-ferry
TOOL            := $(MAKE) -C tools/ferry DESTDIR='$(DESTDIR)'

install: modules
	$(MAKE) -C $(KDIR) M=$(BUILD)/tree $(OPTIONS) INSTALL_MOD_PATH='$(DESTDIR)' INSTALL_MOD_DIR=$(MODULES_FOLDER) \
		CONFIG_MODULE_SIG_ALL= modules_install
	depmod -b '$(DESTDIR)/' $(RELEASE_OF_KDIR)
	$(TOOL) install
	$(if $(DESTDIR),,ldconfig)

uninstall:
	rm -rf '$(DESTDIR)/lib/modules/$(RELEASE_OF_KDIR)/$(MODULES_FOLDER)'
	depmod -b '$(DESTDIR)/' $(RELEASE_OF_KDIR)
	$(TOOL) uninstall
	$(if $(DESTDIR),,ldconfig)

RELEASE ?=
deb: python
	@tools/deb/build $(if $(RELEASE),--release $(RELEASE))

# From nothing, since Sphinx warns of a page only when it reads it.
docs:
	@$(PYTHON) -m sphinx -q -E -W --keep-going -n -b html Documentation build/docs
	@echo build/docs/index.html

clean:
	rm -rf build
