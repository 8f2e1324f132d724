# SPDX-License-Identifier: GPL-2.0-or-later
# The source: the guest moves to TARGET, where another VF is for it.
virsh dumpxml --migratable guest | sed "/<source>/,/<.source>/ s/function='0x1'/function='0x2'/" >there.xml
virsh migrate --live --verbose --persistent --undefinesource --xml there.xml --persistent-xml there.xml guest \
	qemu+ssh://$TARGET/system
virsh --connect qemu+ssh://$TARGET/system domstate guest
virsh list --all
