#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# completion.sh: what bash offers for `ferry ...`, in a VM with two VFs of ferry's.

set -u
cd "$(dirname "$0")/../../../.." || exit
# shellcheck source=tools/lab/tests/tap.sh
. tools/lab/tests/tap.sh
# shellcheck source=/dev/null
. /usr/share/bash-completion/bash_completion
# shellcheck source=tools/ferry/completion/ferry
. tools/ferry/completion/ferry
PATH=$PWD/build/ferry:$PATH
read -ra VFS <<<"$FERRY_VFS"
# udev makes it, which the lab has not.
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd

# completes LINE: as bash does at its end; it cuts words at colons, or does not.
completes() {
	local line=$1
	[[ $COMP_WORDBREAKS != *:* ]] || line=${line//:/ : }
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
	read -ra COMP_WORDS <<<"$line"
	[[ $1 != *[[:space:]] ]] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_ferry
}

# offers LINE WORDS: at the end of the line just these words, in any order.
offers() {
	local wanted got
	completes "$1"
	wanted=$(tr ' ' '\n' <<<"$2" | sort | xargs)
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
	[ "$got" = "$wanted" ] || { echo "'$1' offers: $got"; echo "not: $wanted"; return 1; }
}

offers_no_less() {
	local word
	offers "$1" "" >/dev/null
	for word in $2; do
		[[ " ${COMPREPLY[*]} " == *" $word "* ]] || { echo "'$1' offers no $word: ${COMPREPLY[*]}"; return 1; }
	done
}

COMP_WORDBREAKS=$' \t\n"'\''><=;|&('
ok "commands" offers_no_less "ferry " "list doctor bind unbind --help"
ok "commands that begin so" offers "ferry do" doctor
ok "options of a command" offers "ferry bind --" "--driver --vfs --persist --restore --json --help --usage"
ok "options that begin so" offers "ferry doctor --t" --try
ok "functions for doctor: all that it can say something of" offers "ferry doctor " "$FERRY_PF $FERRY_VFS"
ok "functions for unbind" offers "ferry unbind ${VFS[0]}" "${VFS[0]}"
ok "list takes none" offers "ferry list " ""
ok "drivers" offers_no_less "ferry bind --driver " "vfio-pci mlx5_ferry_vfio_pci"
echo "${VFS[1]}" >/sys/bus/pci/drivers/mlx5_ferry_vfio_pci/unbind
ok "a VF without a driver is for bind" offers "ferry bind ${VFS[1]}" "${VFS[1]}"
ok "and not for unbind" offers "ferry unbind ${VFS[1]}" ""
work=$(mktemp -d)
touch "$work/a file" "$work/another"
has_a_file() {
	completes "ferry inspect $work/a"
	[ "${#COMPREPLY[@]}" -eq 2 ] && [[ " ${COMPREPLY[0]} ${COMPREPLY[1]} " == *"/a file "* ]]
}
ok "files, also with blanks" has_a_file
COMP_WORDBREAKS=$COMP_WORDBREAKS:
ok "where a colon ends a word, what is behind it" offers "ferry doctor ${VFS[0]%?}" "${VFS[0]##*:} ${VFS[1]##*:} ${FERRY_PF##*:}"
tap_done
