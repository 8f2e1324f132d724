# SPDX-License-Identifier: GPL-2.0-or-later
# Both hosts: Debian 12 with its backports and Debian's 6.12; the second line has the packages that `make deb` made.
apt install -t bookworm-backports qemu-system-x86 libvirt-daemon-system libvirt-clients iproute2 \
	openssh-server netcat-openbsd kmod
apt install ./vfio-ferry-dkms_*.deb ./vfio-ferry-logging-dkms_*.deb ./vfio-ferry-tools_*.deb ./libferry0_*.deb
