# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests of a command of the ferry tool, which COMMAND names; sourced, in the checkout.

# shellcheck source=tools/lab/tests/tap.sh
. tools/lab/tests/tap.sh

# FERRY_TOOL names another build of the tool, for example a broken one.
FERRY=$(realpath "${FERRY_TOOL:-build/ferry/ferry}")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

ferry() {
	"$FERRY" "$COMMAND" "$@"
}

# ends STATUS ARGUMENT...: the command ends with that status; what it said is in $WORK/said and $WORK/complained.
ends() {
	local wanted=$1 got
	shift
	ferry "$@" >"$WORK/said" 2>"$WORK/complained"
	got=$?
	[ $got -eq "$wanted" ] || { echo "status $got, not $wanted: $COMMAND $*"; cat "$WORK/said" "$WORK/complained"; return 1; }
}

says() {
	grep -qE -- "$1" "$WORK/said" || { echo "does not say: $1"; cat "$WORK/said"; return 1; }
}

complains() {
	grep -qE -- "$1" "$WORK/complained" || { echo "does not complain: $1"; cat "$WORK/complained"; return 1; }
}

# says_json EXPRESSION: true of the objects that were printed, in Python. `said` is the last of them, `all_said` has all;
# of `ferry inspect` also `records`, `packets` and `findings`.
says_json() {
	python3 - "$WORK/said" "$1" <<-'PYTHON'
		import json, sys
		with open(sys.argv[1], encoding="utf-8") as file:
		    text = file.read()
		all_said = []
		while text.strip():
		    said, end = json.JSONDecoder().raw_decode(text := text.lstrip())
		    all_said.append(said)
		    text = text[end:]
		records, packets, findings = ([i for i in said.get("items", []) if i["item"] == kind]
		                              for kind in ("record", "packet", "finding"))
		if not eval(f"({sys.argv[2]})"):
		    sys.exit(f"not true: {sys.argv[2]}\n{json.dumps(said, indent=1)}")
	PYTHON
}

# refuses TEXT ARGUMENT...: wrong use, nothing on standard output.
refuses() {
	local text=$1
	shift
	ends 2 "$@" && complains "^ferry $COMMAND: $text" && [ ! -s "$WORK/said" ]
}

# cannot TEXT ARGUMENT...: nothing can be done, and one line says why.
cannot() {
	local text=$1
	shift
	ends 1 "$@" && complains "^ferry $COMMAND: $text" && [ "$(wc -l <"$WORK/complained")" -eq 1 ]
}
