#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kunit.sh [MODULE]: loads the driver's KUnit tests (in a VM whose kernel has KUnit) and says in TAP what they found: a
# point for each case and each of its parameters.

module=${1:-build/modules/$LAB_KERNEL/vfio_ferry_test.ko}
results=/sys/kernel/debug/kunit

[ -e "$module" ] || { echo "Bail out! there is no $module: is the kernel one with KUnit?"; exit 2; }
modprobe kunit || { echo "Bail out! the kernel has no KUnit"; exit 2; }
/sbin/insmod "$module" || { echo "Bail out! $module does not load"; exit 2; }

# Results are nested: indented by four for a case, by eight for a parameter of one.
cat "$results"/*/results | awk '
/^ +# Subtest: / && /^    # / { suite = $3 }
/^ +(not )?ok [0-9]+/ {
	line = $0
	sub(/^ +/, "", line)
	bad = line ~ /^not /
	sub(/^(not )?ok [0-9]+ (- )?/, "", line)
	failed += bad
	printf "%sok %d - %s: %s\n", bad ? "not " : "", ++points, suite, line
	next
}
/^ +# / && !/Subtest|pass:|module:|Totals/ { sub(/^ +/, ""); print }
END {
	printf "1..%d\n", points
	exit failed || !points
}'
