#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qualify.sh: `ferry qualify` on VFs of the model. Runs in a lab VM; VFs 0 and 2 are ferry's, VF 1 is vfio-pci's.
#
# How long something takes depends on the host that runs the lab. Limits here are therefore either out of reach or so
# small that nothing meets them.

set -u
COMMAND=qualify
# shellcheck source=tools/lab/tests/ferry/command.sh
. tools/lab/tests/ferry/command.sh

read -r ONE OTHER TWO <<<"$FERRY_VFS"
FAULTS=/sys/kernel/debug/vfio_ferry
PATIENT=(--max-downtime 60000)
USER_OF_VF="$PWD/build/tests/user $WORK/notes"

main() {
	if [ "${1-}" = logging ]; then
		counts_what_is_written
		tap_done
		return
	fi
	without_a_workload
	under_a_workload
	limits
	failures
	wrong_use
	ends_when_asked
	tap_done
}

without_a_workload() {
	ok "three migrations" ends 0 -n 3 "${PATIENT[@]}" "$ONE" "$TWO"
	ok "it says what that is worth" says 'without a workload'
	ok "the verdict" says '^QUALIFIED: 3 migrations went well'
	ok "the same as JSON" ends 0 --json -n 3 "${PATIENT[@]}" "${ONE#0000:}" "$TWO"
	ok "back and forth" says_json \
		"[m['from'] for m in said['migrations']] == ['$ONE', '$TWO', '$ONE'] and said['devices'] == ['$ONE', '$TWO']"
	ok "qualified" says_json "said['qualified'] is True and said['done'] == 3 and said['failed'] == 0"
}

under_a_workload() {
	ok "under a workload" ends 0 --json -n 4 "${PATIENT[@]}" --workload "$USER_OF_VF" "$ONE" "$TWO"
	ok "the user of the VF found all of it each time" says_json \
		"said['qualified'] and said['workload'] == '$USER_OF_VF'"
	ok "nobody tells what it wrote" says_json "'written' not in said['bytes'] and 'written_bytes' not in said['migrations'][0]"
	ok "its state was moved" says_json "said['bytes']['initial']['p50'] >= 1 << 20"
	ok "each percentile is one of the values, in order" says_json \
		"all((v := sorted(m[k + '_ns'] for m in said['migrations'])) and
		     [p['p50'], p['p90'], p['p99'], p['max']] == [v[1], v[3], v[3], v[3]]
		     for k, p in said['phases_ns'].items())"
	ok "the stop window has its parts" says_json \
		"all(m['window_ns'] > 0 and m['suspend_ns'] > 0 and m['save_ns'] > 0 and m['start_ns'] > 0
		     for m in said['migrations'])"
}

# With a driver that tells. The user of the VF has it write to eight pages, more often than a migration takes.
counts_what_is_written() {
	ok "under a workload" ends 0 --json -n 2 "${PATIENT[@]}" --workload "$USER_OF_VF" "$ONE" "$TWO"
	ok "the pages that it wrote are counted" says_json "[m['written_bytes'] for m in said['migrations']] == [8 << 12, 8 << 12]"
	ok "for people, too" ends 0 -n 2 "${PATIENT[@]}" --workload "$USER_OF_VF" "$ONE" "$TWO"
	ok "in a line" says '^written memory +32\.0 KiB'
}

limits() {
	ok "a limit that nothing meets" ends 3 --json -n 2 "${PATIENT[@]}" --max-total 1 "$ONE" "$TWO"
	ok "is counted" says_json "said['totals_over_limit'] == 2 and said['failed'] == 0 and said['qualified'] is False"
	ok "and told" ends 3 -n 2 "${PATIENT[@]}" --max-total 1 "$ONE" "$TWO"
	ok "with a verdict" says '^NOT QUALIFIED: 2 of 2 migrations longer than 1 ms'
}

# The second SAVE is that of the final image; each fault strikes once.
failures() {
	echo 'save 2 5' >"$FAULTS/$ONE/fault"
	ok "one migration fails" ends 3 --json -n 3 "${PATIENT[@]}" "$ONE" "$TWO"
	ok "with its phase and error" says_json \
		"[m['went_well'] for m in said['migrations']] == [False, True, True] and
		 said['migrations'][0]['error'] == 'EIO' and said['migrations'][0]['failed_in'] == 'stop-copy'"
	ok "and the source goes on" says_json \
		"said['migrations'][0]['outcome'] == 'stayed' and said['migrations'][1]['from'] == '$ONE'"
	echo 'load 1 5' >"$FAULTS/$TWO/fault"
	ok "one fails on the target" ends 3 -n 2 "${PATIENT[@]}" "$ONE" "$TWO"
	ok "it is listed" says "^#1 +$ONE +$TWO +[a-z -]+ +E[A-Z]+ +.*$TWO"
	ok "the verdict counts it" says '^NOT QUALIFIED: 1 of 2 migrations failed'
	ok "a workload that finds something wrong" ends 3 --json -n 2 "${PATIENT[@]}" --workload 'test moved !=' "$ONE" "$TWO"
	ok "is a failure" says_json "{m['failed_in'] for m in said['migrations']} == {'workload'} and said['failed'] == 2"
	ok "a workload that does not start" cannot '.*`false start.* ended with status 1' --workload false "$ONE" "$TWO"
}

wrong_use() {
	ok "no function" refuses 'two functions are needed'
	ok "one function" refuses 'two functions are needed' "$ONE"
	ok "three functions" refuses 'two functions, not more' "$ONE" "$TWO" "$OTHER"
	ok "twice the same" refuses '.* cannot be both ends' "$ONE" "${ONE#0000:}"
	ok "no migration at all" refuses '.*--count wants a number' -n 0 "$ONE" "$TWO"
	ok "no address" refuses '.*no PCI address' "$ONE" nonsense
	ok "a function that is not there" cannot '.*0000:77:00.0' "$ONE" 0000:77:00.0
	ok "one whose driver cannot migrate" ends 3 "$ONE" "$OTHER"
	ok "it says which" complains "^ferry qualify: $OTHER"
}

# The workload tells when the first migration is over; then there is at least one more, or it has been noticed.
ends_when_asked() {
	ok "Ctrl-C ends it after the running migration" interrupted
	ok "what was done is reported" says_json \
		"said['interrupted'] and said['qualified'] is None and 1 <= said['done'] < 100000 and said['failed'] == 0"
	ok "the functions can be used again" ends 0 -n 1 "${PATIENT[@]}" "$TWO" "$ONE"
}

interrupted() {
	rm -f "$WORK/moved"
	# A shell without job control lets its background commands ignore SIGINT; env does not.
	env --default-signal=INT "$FERRY" qualify --json -n 100000 "${PATIENT[@]}" --workload "touch $WORK/moved; :" "$ONE" "$TWO" \
		>"$WORK/said" 2>"$WORK/complained" &
	within 120 test -e "$WORK/moved"
	kill -s INT $!
	wait $!
	[ $? -eq 4 ]
}

main "$@"
