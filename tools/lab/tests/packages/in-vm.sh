#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In a lab VM without a driver: $1 is a Debian host's disk, $2 which of its boots this is.
#
#   before      nothing of the packages is on it
#   installed   they were installed, and DKMS has built the modules for the kernel that runs. Uses them as that host would,
#               then removes them with VFs still bound: first the one with another vfio.ko, then the driver
#   removed     the next boot after that
#
# What is written goes to memory, on top of the folder; `installed` leaves it in $LAB_OUT for `removed`.

# shellcheck source=tools/lab/tests/tap.sh
. "$(dirname "$0")/../tap.sh"
host=/tmp/host
disk=$1
written=/tmp/upper/files
kept=$LAB_OUT/written.tar
pci=/sys/bus/pci
vf=${FERRY_VFS%% *}

before() {
	ok "before the packages are there, the alias of a VF leads to vfio-pci" leads_elsewhere "$(alias_of "$vf")"
	own_vfio
}

installed() {
	ok "the alias of a VF leads to the driver" leads_to_driver "$(alias_of "$vf")"
	ok "modprobe loads it with all that it needs" in_host modprobe mlx5_ferry_vfio_pci
	ok "these are the modules of the package" from_package
	ok "the VFs are bound to it" bind_all mlx5_ferry_vfio_pci
	ok "they can be migrated" can_migrate "$vf"
	ok "vfio.ko is the one that DKMS built" vfio_is updates/dkms
	ok "the driver tracks what they write" tracks "$vf"
	ok "one migrates to the other, and what it writes is reported" moves dirty
	ok "the package with that vfio.ko is removed while the VFs are bound" in_host dpkg --purge vfio-ferry-logging-dkms
	ok "when the modules are loaded the next time" load_again
	ok "vfio.ko is the kernel's own" vfio_is kernel/drivers/vfio
	ok "the VFs are bound to the driver" bind_all mlx5_ferry_vfio_pci
	ok "which tracks nothing" tracks_not "$vf"
	ok "one migrates to the other" moves
	ok "the ferry command runs" in_host ferry --version
	ok "the packages are removed while the VFs are bound" in_host dpkg --purge vfio-ferry-dkms vfio-ferry-tools libferry0
	ok "no module of theirs is loaded" not_loaded
	ok "DKMS knows none, and has no file of them" forgotten
	ok "the VFs have no driver" all_unbound
	ok "the PF still has its own" driven_by "$FERRY_PF" mlx5_core
	ok "the alias of a VF leads to vfio-pci again" leads_elsewhere "$(alias_of "$vf")"
	tar --xattrs --xattrs-include='*' -C $written -cf "$kept" . || bail "cannot keep what was written"
}

removed() {
	ok "after another boot DKMS knows none of the packages, and has no file of them" forgotten
	ok "the alias of a VF leads to vfio-pci" leads_elsewhere "$(alias_of "$vf")"
	own_vfio
}

own_vfio() {
	ok "modprobe loads that" in_host modprobe vfio-pci
	ok "the VFs are bound to it" bind_all vfio-pci
	ok "vfio.ko is the kernel's own" vfio_is kernel/drivers/vfio
}

enter_host() {
	modprobe overlay || bail "the kernel has no overlay"
	mkdir -p $host $written /tmp/upper/work
	if [ "$1" = removed ]; then
		tar --xattrs --xattrs-include='*' -C $written -xf "$kept" || bail "nothing is there that was written"
	fi
	mount -t overlay -o "lowerdir=$disk,upperdir=$written,workdir=/tmp/upper/work" host $host ||
		bail "cannot mount an overlay over $disk"
	for folder in proc sys dev; do
		mount --rbind /$folder $host/$folder || bail "cannot show /$folder"
	done
	# udev makes this one, and the lab has none; DKMS does half of its work without.
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd || bail "cannot make /dev/fd"
}

in_host() {
	chroot $host env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
}

alias_of() {
	echo "vfio_$(cat $pci/devices/"$1"/modalias)"
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
		echo "$1" >$pci/devices/"$vf"/driver_override
		echo "$vf" >$pci/drivers_probe
		driven_by "$vf" "$1" || return
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

enter_host "$2"
"$2"
tap_done
