#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# saved.sh: `ferry inspect` on what real drivers saved: VF 0 is the kernel's own driver's, VF 1 ferry's. Runs in a lab VM.

set -u
COMMAND=inspect
# shellcheck source=tools/lab/tests/ferry/command.sh
. tools/lab/tests/ferry/command.sh

read -r WITNESS OWN <<<"$FERRY_VFS"

main() {
	of_ferry
	of_the_kernels_own
	packets
	tap_done
}

save() {
	"$FERRY" save --quiet "$@"
}

of_ferry() {
	ok "ferry's driver saves a stream" save --raw "$OWN" "$WORK/own"
	ok "it is sound" ends 0 --json "$WORK/own"
	ok "with the identity of the VF" says_json \
		"(d := said['devices'][0])['format'] == 'ferry' and d['identity']['family'] == 'mlx5' and
		 d['identity']['vendor'] == 0x15b3 and d['identity']['device'] == $(cat "/sys/bus/pci/devices/$OWN/device")"
	ok "and its shape" says_json \
		"(s := said['devices'][0]['shape'])['msix_vectors'] == 32 and s['bar_bytes'] == [2**20, 0, 2**20, 0, 0, 0] and
		 [c['id'] for c in s['pci_capabilities'] if c['offset'] >= 256] == [1, 14]"
	ok "and one final image at least, and nothing else" says_json \
		"(i := said['devices'][0]['images'])['final']['count'] > 0 and i['unknown']['count'] == 0"
	ok "a pre-copy is saved" save --raw --leave-running "$OWN" "$WORK/precopy"
	ok "it is sound, too" ends 0 --json "$WORK/precopy"
	ok "and begins with an initial image" says_json "said['devices'][0]['images']['initial']['count'] > 0"
	ok "nothing lies behind the records that are shown" says_json "$(cat <<-'PYTHON'
		said["bytes"] == records[-1]["offset"] + 16 + records[-1]["size_bytes"]
	PYTHON
	)"
}

of_the_kernels_own() {
	ok "the kernel's own driver saves a stream" save --raw "$WITNESS" "$WORK/witness"
	ok "it is sound" ends 0 --json "$WORK/witness"
	ok "and plain: images and nothing of ferry's" says_json \
		"said['devices'][0]['format'] == 'plain' and {r['tag'] for r in records} <= {0, 1} and
		 said['devices'][0]['images']['unknown']['count'] > 0"
	ok "with a pre-copy" save --raw --leave-running "$WITNESS" "$WORK/precopy"
	ok "it is sound, too" ends 0 --json "$WORK/precopy"
	ok "and tells the size that it expects at the end" says_json "said['devices'][0]['expected_final_bytes'] is not None"
	head -c -1 "$WORK/witness" >"$WORK/cut"
	ok "cut by a byte it is wrong" ends 3 "$WORK/cut"
}

packets() {
	local vf
	for vf in "$OWN" "$WITNESS"; do
		ok "$vf is saved in packets" save "$vf" "$WORK/packets"
		ok "they are sound" ends 0 --json "$WORK/packets"
		ok "and hold the function and its stream" says_json \
			"said['packaged'] and (d := said['devices'][0])['name'] == '$vf' and d['config_bytes'] >= 256 and
			 d['loads'] and [p['meaning'] for p in packets][0] == 'device'"
		ok "the last phase ends them" says_json \
			"packets[-1]['meaning'] == 'phase end' and packets[-1]['phase'] == 'stop-copy' and
			 packets[-1]['total_bytes'] == said['devices'][0]['stream_bytes']"
		ok "every piece that is changed is found" changes_are_found
		ok "every cut is found" cuts_are_found
	done
}

# A byte in each field of each packet's header, and at both ends of its payload
changes_are_found() {
	python3 - "$FERRY" "$WORK" <<-'PYTHON'
		import json, subprocess, sys
		ferry, work = sys.argv[1:]
		with open(f"{work}/said", encoding="utf-8") as file:
		    packets = [item for item in json.load(file)["items"] if item["item"] == "packet"]
		with open(f"{work}/packets", "rb") as file:
		    whole = file.read()
		for packet in packets:
		    size = packet["size_bytes"]
		    for at in (0, 4, 8, 12, *((16, 15 + size) if size else ())):
		        changed = bytearray(whole)
		        changed[packet["offset"] + at] ^= 1
		        status = subprocess.run([ferry, "inspect", "-"], input=changed, stdout=subprocess.DEVNULL).returncode
		        if status != 3:
		            sys.exit(f"packet {packet['number']} with byte {at} changed: status {status}")
	PYTHON
}

cuts_are_found() {
	local size cut
	size=$(stat -c %s "$WORK/packets")
	for cut in 0 7 8 15 16 17 31 32 100 $((size / 2)) $((size - 41)) $((size - 40)) $((size - 39)) $((size - 1)); do
		head -c "$cut" "$WORK/packets" >"$WORK/cut"
		ends 3 "$WORK/cut" || { echo "cut after $cut bytes unseen"; return 1; }
	done
}

main
