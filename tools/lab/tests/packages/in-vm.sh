#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In a lab VM without a driver: $1 is a Debian host in which the packages are installed and DKMS has built the modules
# for the kernel that runs. Uses them as that host would, then removes them with VFs still bound: first the one with
# another vfio.ko, then the driver. What is written goes to memory, on top of the folder.

# shellcheck source=tools/lab/tests/tap.sh
. "$(dirname "$0")/../tap.sh"
host=/tmp/host
installed=$1
pci=/sys/bus/pci
vf=${FERRY_VFS%% *}

main() {
	enter_host
	ok "the alias of a VF leads to the driver" leads_to_driver "vfio_$(cat $pci/devices/"$vf"/modalias)"
	ok "modprobe loads it with all that it needs" in_host modprobe mlx5_ferry_vfio_pci
	ok "these are the modules of the package" from_package
	ok "the VFs are bound to it" bind_all
	ok "they can be migrated" can_migrate "$vf"
	ok "vfio.ko is the one that DKMS built" vfio_is updates/dkms
	ok "the driver tracks what they write" tracks "$vf"
	ok "one migrates to the other, and what it writes is reported" moves dirty
	ok "the package with that vfio.ko is removed while the VFs are bound" in_host dpkg --purge vfio-ferry-logging-dkms
	ok "when the modules are loaded the next time" load_again
	ok "vfio.ko is the kernel's own" vfio_is kernel/drivers/vfio
	ok "the VFs are bound to the driver" bind_all
	ok "which tracks nothing" tracks_not "$vf"
	ok "one migrates to the other" moves
	ok "the ferry command runs" in_host ferry --version
	ok "the packages are removed while the VFs are bound" in_host dpkg --purge vfio-ferry-dkms vfio-ferry-tools libferry0
	ok "no module of theirs is loaded" not_loaded
	ok "DKMS knows none, and has no file of them" forgotten
	ok "the VFs have no driver" all_unbound
	ok "the PF still has its own" driven_by "$FERRY_PF" mlx5_core
	ok "the alias of a VF leads to vfio-pci again" leads_elsewhere "vfio_$(cat $pci/devices/"$vf"/modalias)"
	tap_done
}

enter_host() {
	modprobe overlay || bail "the kernel has no overlay"
	mkdir -p $host /tmp/upper/files /tmp/upper/work
	mount -t overlay -o "lowerdir=$installed,upperdir=/tmp/upper/files,workdir=/tmp/upper/work" host $host ||
		bail "cannot mount an overlay over $installed"
	for folder in proc sys dev; do
		mount --rbind /$folder $host/$folder || bail "cannot show /$folder"
	done
	# udev makes this one, and the lab has none; DKMS does half of its work without.
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd || bail "cannot make /dev/fd"
}

in_host() {
	chroot $host env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
}

leads_to_driver() {
	in_host modprobe -R "$1" | grep -qx mlx5_ferry_vfio_pci
}

leads_elsewhere() {
	in_host modprobe -R "$1" | tr - _ | grep -qx vfio_pci && ! leads_to_driver "$1"
}

from_package() {
	for module in vfio_ferry mlx5_ferry_vfio_pci; do
		case $(in_host modinfo -n $module) in
		*/updates/dkms/$module.ko*) [ -e /sys/module/$module ] || return ;;
		*) return 1 ;;
		esac
	done
}

bind_all() {
	for vf in $FERRY_VFS; do
		echo mlx5_ferry_vfio_pci >$pci/devices/"$vf"/driver_override
		echo "$vf" >$pci/drivers_probe
		driven_by "$vf" mlx5_ferry_vfio_pci || return
	done
}

driver_of() {
	basename "$(readlink "$pci/devices/$1/driver" || echo none)"
}

driven_by() {
	[ "$(driver_of "$1")" = "$2" ]
}

can_migrate() {
	grep -qx pre-copy "/sys/kernel/debug/vfio_ferry/$1/features"
}

moves() {
	build/tests/migrate size "$@"
}

# The one that is loaded, and the one that is found, is in that folder of the kernel's modules.
vfio_is() {
	file=$(in_host modinfo -n vfio) &&
		case $file in */"$1"/vfio.ko*) ;; *) return 1 ;; esac &&
		[ "$(in_host modinfo -F srcversion vfio)" = "$(cat /sys/module/vfio/srcversion)" ]
}

tracks() {
	grep -qx dirty-tracking "/sys/kernel/debug/vfio_ferry/$1/features"
}

tracks_not() {
	grep -q '^no dirty-tracking: .*CONFIG_IOMMUFD_DRIVER' "/sys/kernel/debug/vfio_ferry/$1/features"
}

load_again() {
	for vf in $FERRY_VFS; do
		echo "$vf" >$pci/devices/"$vf"/driver/unbind
	done
	rmmod mlx5_ferry_vfio_pci vfio_ferry vfio_pci_core vfio_iommu_type1 vfio &&
		in_host modprobe mlx5_ferry_vfio_pci
}

not_loaded() {
	[ ! -e /sys/module/vfio_ferry ] && [ ! -e /sys/module/mlx5_ferry_vfio_pci ]
}

forgotten() {
	[ -z "$(in_host dkms status)" ] &&
		! find $host/lib/modules/*/updates $host/var/lib/dkms $host/usr/src -maxdepth 2 | grep ferry
}

all_unbound() {
	for vf in $FERRY_VFS; do
		driven_by "$vf" none || return
	done
}

main
