# SPDX-License-Identifier: GPL-2.0-or-later
# Both hosts: VFs without a driver. libvirt binds one when a guest with it starts.
echo 0 >/sys/bus/pci/devices/$PF/sriov_drivers_autoprobe
echo 2 >/sys/bus/pci/devices/$PF/sriov_numvfs
ip link set "$(ls /sys/bus/pci/devices/$PF/net)" up
