# SPDX-License-Identifier: GPL-2.0-or-later
# The source: a guest with a VF.
virsh define guest.xml
virsh attach-device guest vf.xml --config
virsh start guest
basename "$(readlink /sys/bus/pci/devices/$VF/driver)"
