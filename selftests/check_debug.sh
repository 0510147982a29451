#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check-debug: all TEST_PROGS, stress.sh and nomem.sh on kernels that look for mistakes
# (qemu/debug.sh), those of $KERNELS, and whether a run fails when such a kernel has found
# one (qemu/fault/run). Whatever names a bug in a kernel's log is a failure, and so is
# memory that is lost in the end. The last line is as that of check.sh, from which also is
# what becomes of skips. What failed is run a second time, to be looked at: it has failed.
#
# -c		CORE_PROGS and two minutes of stress.sh on 6.1 (make check-debug CORE=1)
# -n		not whether a run fails

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1

list=list
# Seconds; user-mode Linux does less in one than stock kernels
stress=1800
limit=900
faults=1
while getopts cn opt; do
	case $opt in
	c)	list=list-core stress=120 faults='' ;;
	n)	faults='' ;;
	*)	exit 1 ;;
	esac
done
if [ "$list" = list-core ]; then
	: "${KERNELS:=debug-6.1-um}"
else
	: "${KERNELS:=debug-6.1-um debug-newest-um kcsan-newest debug-newest-rt}"
fi
need vm own || exit 1
# shellcheck disable=SC2086 # a list
KERNELS=$(set -o pipefail; series $KERNELS) || exit 1
# shellcheck source=selftests/guests.sh
. "$TREE/selftests/guests.sh"

"$QEMU_DIR/base.sh" > /dev/null || exit 1
"$QEMU_DIR/kernel.sh" source > /dev/null || exit 1
for k in $KERNELS; do
	dir=$(kernel_dir "$k") || exit 1
	echo "[$k] $(head -n 1 "$dir/packages")"
	# stress.sh comes by itself
	mapfile -t progs < <(make -s -C selftests "$list" | tr ' ' '\n' |
		grep -v -x -F stress.sh)
	# In QEMU without KVM a second of the guest takes several (qemu/run)
	seconds=$stress
	[[ $k = *-um ]] || [ "$("$QEMU_DIR/accel.sh" "$dir")" = kvm ] ||
		seconds=$((stress / ${FTQOS_SLOW:-4}))
	plan_one "$k" $((seconds + 400)) stress.sh "$seconds"
	# Memory that runs out, where KASAN looks at what is done then. (kcsan-* cannot make
	# it run out.)
	case $list-$k in
	list-core-*|*-rt|*-kcsan-*) ;;
	*)	plan_one "$k" 1800 nomem.sh ;;
	esac
	# A guest each, for two side by side to end at about the same time
	if [ "$list" = list-core ]; then
		for p in "${progs[@]}"; do
			plan_one "$k" "$limit" "$p"
		done
	else
		plan "$k" "${progs[@]}"
	fi
done
if [ -n "$faults" ]; then
	for k in $KERNELS; do
		wait_turn
		{
			"$QEMU_DIR/fault/run" "$k" > "$logs/faults-$k.log" 2>&1
			echo $? > "$logs/faults-$k.rc"
			sed "s/^/[$k] /" "$logs/faults-$k.log"
		} &
		pids+=("$!")
	done
fi
run_guests -t "$limit"
wait
for k in $KERNELS; do
	[ -n "$faults" ] || continue
	rc=1
	[ ! -e "$logs/faults-$k.rc" ] || rc=$(< "$logs/faults-$k.rc")
	[ -s "$logs/faults-$k.log" ] || echo "not ok 1 fault/run" > "$logs/faults-$k.log"
	ktap "$k" faults "$rc" "$logs/faults-$k.log"
done
collect_results
run_again -t "$limit"
finish_results
