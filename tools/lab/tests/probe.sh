#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Stock mlx5_core on the model: probe, VFs and their IOMMU groups, driving a VF, health.
#   probe.sh probe VFS | autoprobe | health

# shellcheck source=tools/lab/tests/tap.sh
. "$(dirname "$0")/tap.sh"
control="$(dirname "$0")/../../../build/tests/control"
[ -n "$FERRY_PF" ] || bail "FERRY_PF is not set: run this in the lab"
pf=/sys/bus/pci/devices/$FERRY_PF

driver_of() {
	basename "$(readlink "/sys/bus/pci/devices/$1/driver" || echo none)"
}

driven_by() {
	[ "$(driver_of "$1")" = "$2" ]
}

# Messages of level error and above; a warning is not one.
no_errors() {
	! dmesg --level emerg,alert,crit,err | grep -i 'mlx5\|0000:\|iommu\|dmar'
}

firmware_version_of() {
	dmesg | grep "mlx5_core $1: firmware version: [0-9]*\.[0-9]*\.[0-9]*"
}

members() {
	ls "/sys/bus/pci/devices/$1/iommu_group/devices"
}

alone_in_its_group() {
	[ "$(members "$1")" = "$1" ]
}

all_alone() {
	for vf in "$@"; do
		alone_in_its_group "$vf" || return
	done
}

vfs_of_pf() {
	for link in "$pf"/virtfn*; do
		[ ! -e "$link" ] || basename "$(readlink "$link")"
	done
}

vfs_are() {
	[ "$(vfs_of_pf | wc -l)" -eq "$1" ] && [ "$(cat "$pf/sriov_numvfs")" -eq "$1" ]
}

has_ids() {
	[ "$(cat "/sys/bus/pci/devices/$1/vendor") $(cat "/sys/bus/pci/devices/$1/device")" = "$2" ]
}

test_probe() {
	ok "mlx5_core drives the PF" driven_by "$FERRY_PF" mlx5_core
	ok "the PF is 15b3:1021" has_ids "$FERRY_PF" "0x15b3 0x1021"
	ok "it says which firmware it found" firmware_version_of "$FERRY_PF"
	ok "$1 VFs are enabled" vfs_are "$1"
	# shellcheck disable=SC2086 # a list
	set -- $FERRY_VFS
	ok "a VF is 15b3:101e" has_ids "$1" "0x15b3 0x101e"
	ok "the last VF is, too" has_ids "$(for vf in "$@"; do last=$vf; done; echo "$last")" "0x15b3 0x101e"
	ok "each VF is alone in an IOMMU group" all_alone "$@"
	ok "and so is the PF" alone_in_its_group "$FERRY_PF"
	ok "the kernel logged no error" no_errors
	echo 0 >"$pf/sriov_numvfs"
	ok "the VFs can be disabled" vfs_are 0
	echo 2 >"$pf/sriov_numvfs"
	ok "and two enabled again" vfs_are 2
	echo "$FERRY_PF" >/sys/bus/pci/drivers/mlx5_core/unbind
	ok "mlx5_core lets the PF go with VFs enabled" driven_by "$FERRY_PF" none
	echo "$FERRY_PF" >/sys/bus/pci/drivers/mlx5_core/bind
	ok "and probes it again" driven_by "$FERRY_PF" mlx5_core
	ok "still no error" no_errors
}

test_autoprobe() {
	for vf in $FERRY_VFS; do
		ok "mlx5_core drives the VF $vf" driven_by "$vf" mlx5_core
		ok "it says which firmware it found" firmware_version_of "$vf"
	done
	ok "the kernel logged no error" no_errors
	for vf in $FERRY_VFS; do
		echo "$vf" >/sys/bus/pci/drivers/mlx5_core/unbind
		ok "it lets the VF $vf go" driven_by "$vf" none
		echo "$vf" >/sys/bus/pci/drivers/mlx5_core/bind
		ok "and takes it again" driven_by "$vf" mlx5_core
	done
	echo 0 >"$pf/sriov_numvfs"
	ok "the VFs can be disabled under it" vfs_are 0
	ok "still no error" no_errors
}

enables_a_vf() {
	echo 1 >"$pf/sriov_numvfs" && vfs_are 1 && echo 0 >"$pf/sriov_numvfs" && vfs_are 0
}

# mlx5_core looks every two seconds. Its recovery rests for 20 minutes after it was used, so only the first one shows it.
test_health() {
	dmesg -C
	"$control" error 32
	ok "a fatal error of the PF is noticed within ten seconds" within 10 logged "Fatal error"
	ok "as a firmware internal error" within 5 logged "synd 0x1: firmware internal error"
	ok "and mlx5_core recovers by itself" within 20 logged "health recovery succeeded"
	ok "the device is sound again" [ "$("$control" state 32)" = 0 ]
	ok "the PF enables a VF" enables_a_vf
	dmesg -C
	echo 1 >"$pf/reset"
	ok "a function-level reset of the PF is noticed within ten seconds" within 10 logged "Fatal error"
	ok "and the PF unloaded" within 20 logged "Unloading\|health recovery succeeded"
	ok "no command had to time out" [ "$(dmesg | grep -c 'timeout\|Timeout')" = 0 ]
}

case $1 in
probe) test_probe "$2" ;;
autoprobe) test_autoprobe ;;
health) test_health ;;
*) bail "usage: probe.sh probe VFS | autoprobe | health" ;;
esac
tap_done
