# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Test Anything Protocol for tests in shell; sourced.

points=0
failures=0

# ok TEXT COMMAND...: a test point, good if the command is; its output is shown if not.
ok() {
	text=$1
	shift
	points=$((points + 1))
	if said=$("$@" 2>&1); then
		echo "ok $points - $text"
	else
		failures=$((failures + 1))
		echo "not ok $points - $text"
		printf '# %s\n' "$*"
		[ -z "$said" ] || printf '%s\n' "$said" | head -20 | sed 's/^/# /'
	fi
}

bail() {
	echo "Bail out! $*"
	exit 2
}

tap_done() {
	echo "1..$points"
	[ "$failures" -eq 0 ] && [ "$points" -gt 0 ]
}

# within SECONDS COMMAND...: until it succeeds, at most so long.
within() {
	left=$(($1 * 5))
	shift
	until "$@"; do
		[ $left -gt 0 ] || return 1
		left=$((left - 1))
		sleep 0.2
	done
}

# Kernel messages about the PF or its VFs since the last `dmesg -C` that contain the text.
logged() {
	dmesg | grep -q "$1"
}
