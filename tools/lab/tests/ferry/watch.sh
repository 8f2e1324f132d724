#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# watch.sh: `ferry watch` on two VFs of the model. Runs in a lab VM.

set -u
COMMAND=watch
# shellcheck source=tools/lab/tests/ferry/command.sh
. tools/lab/tests/ferry/command.sh

read -r ONE TWO <<<"$FERRY_VFS"

main() {
	idle_functions
	a_migration
	a_failure
	terminal
	wrong_use
	ends_when_asked
	no_answer
	nothing_to_see
	tap_done
}

idle_functions() {
	ok "one look at all there are" ends 0 --count 1
	ok "both are shown" says "^$TWO +RUNNING +- +- +- +- +0 B +- +0 B +- +0$"
	ok "an object a line" ends 0 --json --count 2 --interval 0.1
	ok "there are two" test "$(wc -l <"$WORK/said")" -eq 2
	ok "of both functions" says_json "[f['name'] for f in said['functions']] == ['$ONE', '$TWO']"
	ok "their physical function serves them" says_json "[f['seen']['link'] for f in said['functions']] == ['up', 'up']"
	ok "no rate at the first look, one at the second" says_json \
		"[a['functions'][0]['seen']['read_bytes_per_s'] for a in all_said] == [None, 0]"
	ok "one by its short name" ends 0 --json --count 1 "${TWO#0000:}"
	ok "it and no other" says_json "[f['name'] for f in said['functions']] == ['$TWO']"
}

# A save into a pipe that is full stays where it is. The pipe is as long already as a save makes it.
a_migration() {
	mkfifo "$WORK/pipe"
	exec 9<>"$WORK/pipe"
	python3 -c 'import fcntl; fcntl.fcntl(9, fcntl.F_SETPIPE_SZ, 1 << 20)'
	dd if=/dev/zero bs=4096 oflag=nonblock status=none >&9 2>/dev/null
	"$FERRY" save --quiet --raw --leave-running "$ONE" "$WORK/pipe" 2>"$WORK/save" &
	ok "a save is seen as such" within 10 shows_a_save
	ok "its queue and its bytes" says_json "
		(s := said['functions'][0]['seen'])['session']['direction'] == 'save' and s['images_saved'] > 0 and
		s['session']['budget_bytes'] >= s['session']['memory_bytes'] > 0"
	ok "as text" ends 0 --count 1
	ok "with the state" says "^$ONE +PRE_COPY +save, "
	kill -KILL $!
	wait $! 2>/dev/null
	exec 9>&-
	ok "afterwards it is over" within 10 shows_no_session
}

shows_a_save() {
	ends 0 --json --count 1 "$ONE" && says '"state":"PRE_COPY",.*"session":\{.*"read_bytes":[1-9]'
}

shows_no_session() {
	ends 0 --json --count 1 "$ONE" && says '"session":null'
}

a_failure() {
	echo 'save 1 5' >"/sys/kernel/debug/vfio_ferry/$TWO/fault"
	"$FERRY" save --quiet --raw "$TWO" /dev/null 2>"$WORK/save"
	ok "a failure is shown" ends 0 --count 1
	ok "with what failed" says "^$TWO failed last: command .*error -5"
	ok "as JSON, too" ends 0 --json --count 1 "$TWO"
	ok "and counted" says_json "said['functions'][0]['seen']['failures'] > 0"
}

terminal() {
	script -qec "$FERRY watch --count 2 --interval 0.1" /dev/null >"$WORK/said"
	ok "a terminal is drawn anew for each look" test "$(grep -c $'^\033\\[H\033\\[J' "$WORK/said")" -eq 2
	ends 0 --count 2 --interval 0.1
	ok "anything else is not" test "$(grep -c $'\033' "$WORK/said")" -eq 0
}

wrong_use() {
	ok "an interval that is none" refuses '--interval wants seconds' --interval never
	ok "an interval of nothing" refuses '--interval wants seconds' --interval 0
	ok "no look at all" refuses '--count wants a number' --count 0
	ok "an option that there is not" refuses '(un|in).*option' --nonsense
	ok "a function that is not ferry's" cannot '0000:00:00.0 is not among' 0000:00:00.0
	ok "no address at all" cannot '../stats is not among' ../stats
}

ends_when_asked() {
	ok "Ctrl-C ends it well" interrupted INT
	ok "SIGTERM, too" interrupted TERM
	ok "a reader that goes away" sh -c "'$FERRY' watch --interval 0.01 2>/dev/null | head -n 1 | grep -q :"
}

interrupted() {
	rm "$WORK/said"
	# A shell without job control lets its background commands ignore SIGINT; env does not.
	env --default-signal=INT "$FERRY" watch --json --interval 1000 >"$WORK/said" 2>"$WORK/complained" &
	within 30 test -s "$WORK/said" && kill -s "$1" $! && wait $!
}

# A file of debugfs that nobody fills
no_answer() {
	mkfifo "$WORK/stuck"
	mount --bind "$WORK/stuck" "/sys/kernel/debug/vfio_ferry/$ONE/stats"
	ok "a driver that is stuck keeps nobody" watches_on
	ok "it is shown as such" says "^$ONE +no answer"
	ok "beside the others" says "^$TWO +RUNNING"
	ok "and said in the end" complains "$ONE/stats gave no answer for"
	ok "as JSON" ends 0 --json --count 1
	ok "too" says_json "[(f['answers'], f['seen'] is None) for f in said['functions']] == [(False, True), (True, False)]"
	ok "SIGTERM ends it meanwhile" interrupted TERM
	umount "/sys/kernel/debug/vfio_ferry/$ONE/stats"
	ok "afterwards it answers" ends 0 --count 1
	ok "as before" says "^$ONE +RUNNING"
}

watches_on() {
	timeout 60 "$FERRY" watch --count 3 --interval 0.1 >"$WORK/said" 2>"$WORK/complained"
}

# What makes that so is not undone: it comes last.
nothing_to_see() {
	ok "who is not root" setpriv --reuid=65534 sh -c "'$FERRY' watch 2>&1 | grep -q 'only root may look into'"
	rmmod mlx5_ferry_vfio_pci
	ok "no function is bound" ends 0 --count 1
	ok "it says so" says 'no function is bound'
	rmmod vfio_ferry
	ok "the driver is not loaded" cannot 'the ferry driver is not loaded: modprobe'
	umount /sys/kernel/debug
	ok "debugfs is not mounted" cannot 'debugfs is not mounted: mount -t debugfs'
}

main
