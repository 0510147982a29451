#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Has the kernel lost memory since it started? kmemleak looks for blocks that nothing
# points to any more. Run after others, for what they have left behind.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools
leaks=/sys/kernel/debug/kmemleak
[ -e $leaks ] || skip_all "no kmemleak in this kernel"

# It has to look several times, since what is on its way from here to there is seen
# nowhere; and does not look at what is younger than five seconds.
scans=0
since=$(now_ms)
while [ $scans -lt 5 ] || [ $(($(now_ms) - since)) -lt 6000 ]; do
	echo scan > $leaks || bail "kmemleak does not scan"
	scans=$((scans + 1))
done
note "$scans scans in $(($(now_ms) - since)) ms"
check_eq "nothing is leaked" "" "$(cat $leaks 2>&1 || echo "cannot be read")"
finish
