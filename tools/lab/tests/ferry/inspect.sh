#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# inspect.sh: `ferry inspect` as its users call it, on the streams of the fuzz target's corpus. Runs on the host.

set -u
cd "$(dirname "$0")/../../../.." || exit
COMMAND=inspect
# shellcheck source=tools/lab/tests/ferry/command.sh
. tools/lab/tests/ferry/command.sh

CORPUS=tools/testing/fuzz/corpus

# Of the corpus; whatever is in it besides is wrong.
SOUND='smallest pre-copy-byte-by-byte pre-copy-odd-pieces final-in-parts initialised-anew shape plain plain-pre-copy later-record no-checksums'

main() {
	take_streams
	judges_the_corpus
	shows_and_counts
	folds_what_repeats
	finds_what_is_cut
	takes_any_pieces
	takes_any_size
	says_what_is_wrong_with_its_use
	ends_when_asked
	tap_done
}

# An input of the corpus is 16 bytes for the fuzz target, then the stream.
take_streams() {
	local input
	for input in "$CORPUS"/*; do
		tail -c +17 "$input" >"$WORK/${input##*/}"
	done
}

judges_the_corpus() {
	local stream name options
	for stream in "$WORK"/*; do
		name=${stream##*/}
		options=()
		[ "$name" != too-long ] || options=(--max-image 40)
		if [[ " $SOUND " == *" $name "* ]]; then
			ok "$name is sound" judged 0 true "${options[@]}" "$stream"
		else
			ok "$name is wrong" judged 3 false "${options[@]}" "$stream"
		fi
	done
}

# Text and JSON say the same.
judged() {
	local status=$1 sound=$2
	shift 2
	ends "$status" "$@" && ends "$status" --json "$@" && says_json "said['sound'] is ${sound^}"
}

json_of() {
	ends "$1" --json "$WORK/$2" && says_json "$3"
}

text_of() {
	ends "$1" "$WORK/$2" && says "$3"
}

shows_and_counts() {
	ok "the identity is shown" text_of 0 smallest '^ +0 +48 +0x46520001 opt +identity +family mlx5, 15b3:101e, firmware 28\.43\.1014'
	ok "the shape is shown" text_of 0 shape '^ +64 +184 +0x46520004 opt +shape +32 MSI-X vectors; BARs 0: 0x100000 2: 0x100000; capabilities 0x11@0x9c 0x10@0x60 0xev1@0x100$'
	ok "and once more at the end" text_of 0 shape '^shape +32 MSI-X vectors'
	ok "to programs, too" json_of 0 shape \
		"said['devices'][0]['shape']['bar_bytes'] == [2**20, 0, 2**20, 0, 0, 0] and said['devices'][0]['shape']['pci_capabilities'][2] == {'id': 14, 'version': 1, 'offset': 256}"
	ok "a stream of earlier versions tells none" json_of 0 smallest "said['devices'][0]['shape'] is None"
	ok "images and their kinds are counted" text_of 0 pre-copy-odd-pieces '^images +1 initial \(100 B\), 1 middle \(1 B\), 1 final \(64 B\)'
	ok "records are where they are" json_of 0 pre-copy-odd-pieces \
		"[r['offset'] for r in records] == [0, 64, 88, 204, 244, 261, 301, 381, 421]"
	ok "a wrong checksum is shown where it is" json_of 3 image-checksum \
		"len(findings) == 1 and findings[0]['number'] == 7 and 'CRC32C' in findings[0]['text']"
	ok "images without checksums are said to be so" text_of 0 no-checksums 'capabilities 0x3, images without checksums'
	ok "and to have a mark" says 'image 0, initial, 17 bytes, mark 0x00001234 right'
	ok "a check of another stream is shown" json_of 3 identity-mark \
		"'mark' in findings[0]['text'] and said['devices'][0]['refused_error'] == 'EINVAL'"
	ok "where a target refuses, and why" json_of 3 image-checksum \
		"said['devices'][0]['refused_at'] == 421 and said['devices'][0]['refused_error'] == 'EBADMSG'"
	ok "it goes on behind what is wrong" json_of 3 image-order "len(records) == 9 and records[8]['crc32c_right']"
	ok "a plain stream says that it is one" text_of 0 plain "none: a plain stream, as the kernel's own mlx5 driver"
	ok "--hex shows bytes" ends 0 --hex "$WORK/smallest"
	ok "bytes as text, too" says '\| .*6d 6c 78 35 .*mlx5'
	printf '\1\0\0\0\0\0\0\0\1\0\0\0\1\0RF\033' >"$WORK/escape"
	ok "what a stranger wrote reaches no terminal" ends 3 --hex "$WORK/escape"
	ok "no escape is printed" test -z "$(tr -d '\n -~' <"$WORK/said")"
}

# What is wrong in one way is shown once, in ever new ways up to a limit; all of it is counted.
folds_what_repeats() {
	head -c 1M /dev/zero >"$WORK/zeros"
	ok "zeros are wrong" ends 3 "$WORK/zeros"
	ok "once" test "$(wc -l <"$WORK/said")" -lt 20
	ok "and counted" says 'the same is wrong 65535 times more'
	ok "with all that was found" says 'WRONG, 65536 findings'
	ok "zeros, JSON" ends 3 --json "$WORK/zeros"
	ok "says so to programs" says_json "
		[i['item'] for i in said['items']] == ['record', 'finding', 'repeated'] and said['items'][2]['times'] == 65535 and
		said['items'][2]['last_offset'] == 1048560 and said['findings'] == 65536"
	# an empty image with other flags each
	python3 -c 'import struct, sys
for n in range(3000): sys.stdout.buffer.write(struct.pack("<QII", 0, 2 + n, 0))' >"$WORK/faults"
	ok "new faults each time" ends 3 "$WORK/faults"
	ok "end at some time" test "$(wc -l <"$WORK/said")" -lt 1000
	ok "it says how many were left out" says '2800 more that are wrong are not shown'
	{ printf 'FERRYPKT' ; head -c 1M /dev/zero; } >"$WORK/strange"
	ends 3 "$WORK/strange"
	ok "also behind a head that says packets" test "$(wc -l <"$WORK/said")" -lt 60
}

finds_what_is_cut() {
	local boundary boundaries cut
	ferry --json "$WORK/later-record" >"$WORK/said"
	mapfile -t boundaries < <(python3 -c 'import json, sys
for item in json.load(sys.stdin)["items"]: print(item["offset"])' <"$WORK/said")
	boundaries+=("$(stat -c %s "$WORK/later-record")")
	for boundary in "${boundaries[@]}"; do
		for cut in $((boundary - 1)) "$boundary" $((boundary + 1)); do
			if [ "$cut" -ge 0 ] && [ "$cut" -lt "${boundaries[-1]}" ]; then
				head -c "$cut" "$WORK/later-record" >"$WORK/cut"
				ok "cut after $cut bytes it is wrong" ends 3 "$WORK/cut"
			fi
		done
	done
	head -c 30 "$WORK/plain" >"$WORK/cut"
	ok "a plain one cut inside a record is wrong" ends 3 "$WORK/cut"
	head -c 106 "$WORK/plain-pre-copy" >"$WORK/cut"
	ok "one cut between records cannot be told from a whole one" ends 0 "$WORK/cut"
	: >"$WORK/cut"
	ok "nothing at all is wrong" ends 3 "$WORK/cut"
}

takes_any_pieces() {
	local name
	for name in later-record image-order plain-pre-copy; do
		ok "$name byte by byte through a pipe" same_through_a_pipe "$name"
	done
}

same_through_a_pipe() {
	ferry - <"$WORK/$1" >"$WORK/whole"
	dd bs=1 status=none if="$WORK/$1" | ferry - >"$WORK/said"
	diff "$WORK/whole" "$WORK/said"
}

# In no more memory than a program needs anyway
takes_any_size() {
	ok "an image of 5 GiB in little memory" five_gib
	ok "it is seen as such" says '^ +0 +5368709120 +0x00000000 - +image +CRC32C'
	ok "a size that no memory has" in_little_memory 3 "$WORK/endless"
}

five_gib() {
	{
		printf '\0\0\0\100\1\0\0\0\0\0\0\0\0\0\0\0'
		head -c 5G /dev/zero
	} | in_little_memory 0 -
}

in_little_memory() {
	(ulimit -v 150000 && ends "$@")
}

says_what_is_wrong_with_its_use() {
	ok "no file" refuses 'which FILE'
	ok "two files" refuses 'one file at a time' "$WORK/plain" "$WORK/plain"
	ok "an option that there is not" refuses "(un|in).*option.*nonsense" --nonsense "$WORK/plain"
	ok "a size that is none" refuses "--max-image wants a number" --max-image=many "$WORK/plain"
	ok "a file that is not there" cannot '.*/absent: No such file' "$WORK/absent"
	ok "a folder" cannot '.*: Is a directory' "$WORK"
	ok "a file that cannot be read on" cannot '/proc/self/mem: Input/output error' /proc/self/mem
	ok "an output that is full" full
}

full() {
	ferry "$WORK/plain" 2>"$WORK/complained" >/dev/full
	[ $? -eq 1 ] && complains 'No space left'
}

ends_when_asked() {
	ok "SIGTERM while a pipe is silent" interrupted TERM
	ok "text says so" says 'not all of it was read: interrupted'
	ok "SIGINT, JSON" interrupted INT --json
	ok "the object is whole and knows no verdict" says_json \
		"said['sound'] is None and said['stopped'] == 'interrupted' and len(records) > 0"
}

# A pipe takes less than is written to it here: once that is done, somebody is reading.
interrupted() {
	local signal=$1
	shift
	rm -f "$WORK/pipe"
	mkfifo "$WORK/pipe"
	# A shell without job control lets its background commands ignore SIGINT; env does not.
	env --default-signal=INT "$FERRY" inspect "$@" "$WORK/pipe" >"$WORK/said" 2>"$WORK/complained" &
	{
		cat "$WORK/plain"
		head -c 1000000 /dev/zero
		kill -s "$signal" $!
		wait $!
		echo $? >"$WORK/status"
	} >"$WORK/pipe"
	[ "$(cat "$WORK/status")" -eq 4 ] && complains ': interrupted after [0-9]+ bytes'
}

main
