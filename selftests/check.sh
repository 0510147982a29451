#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check: lint, analyze, the command's unit tests, a short run of the fuzzers and
# harness.sh, all TEST_PROGS on each of $KERNELS (two guests side by side), on some only
# those of another list of the Makefile, on kernels of our own what stock ones cannot run.
# The last line is "N passed, N failed, N skipped"; a skip that selftests/expected-skips
# does not list is a failure. A few scripts that failed are run a second time, with nothing
# beside them: that result counts, and the first one is shown. Logs are kept if something
# failed at any time.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
need lint analyze vm fuzz || exit 1
choose_kernels
# shellcheck disable=SC2086 # lists
{
	need_for $KERNELS $BUILDS || exit 1
	KERNELS=$(set -o pipefail; series $KERNELS) || exit 1
	BUILDS=$(set -o pipefail; series -b $BUILDS) || exit 1
}
# shellcheck source=selftests/guests.sh
. "$TREE/selftests/guests.sh"

for k in $KERNELS; do
	dir=$(kernel_dir "$k") || exit 1
	echo "[$k] $(head -n 1 "$dir/packages")"
done
for k in $BUILDS; do
	dir=$(kernel_dir -b "$k") || exit 1
	echo "[$k] $(head -n 1 "$dir/packages"), built for only"
done
"$QEMU_DIR/base.sh" > /dev/null || exit 1
"$QEMU_DIR/kernel.sh" source > /dev/null || exit 1
"$QEMU_DIR/coccinelle.sh" > /dev/null || exit 1

echo "[here] what becomes of skips"
selftests/harness.sh > "$logs/harness.log" 2>&1
rc=$?
ktap here harness.sh $rc "$logs/harness.log"
[ $rc = 0 ] || cat "$logs/harness.log"

echo "[here] unit tests of the command"
make -s -j"$(nproc)" -C tools check > "$logs/unit.log" 2>&1
rc=$?
if grep -q -E '^(not )?ok' "$logs/unit.log"; then
	ktap here unit $rc "$logs/unit.log"
elif [ $rc = 0 ]; then
	printf 'ok\there\tunit\ttools check\n' >> "$logs/results"
else
	printf 'not ok\there\tunit\ttools check\n' >> "$logs/results"
fi
[ $rc = 0 ] || tail -n 40 "$logs/unit.log"

echo "[here] fuzzers"
selftests/fuzz/run -c > "$logs/fuzz.log" 2>&1
rc=$?
ktap here fuzz $rc "$logs/fuzz.log"
[ $rc = 0 ] || tail -n 40 "$logs/fuzz.log"

# progs_of KERNEL: those that are for it, see the Makefile; all on kernels that were
# asked for
progs_of()
{
	local list=list

	case $1 in
	s390x|arm64) list='list-core' ;;
	own*)	list=list-$1 ;;
	6.12)	list=${by_default:+list-between} ;;
	6.18)	list=${by_default:+list-more} ;;
	esac
	make -s -C selftests "${list:-list}" | tr ' ' '\n'
}

make -s -j"$(nproc)" -C tools all > "$logs/tools.log" 2>&1
# Lint is mostly the compiler, for each kernel: it is one of those that run side by side
{
	for what in lint analyze; do
		"selftests/$what.sh" > "$logs/$what.log" 2>&1
		echo $? > "$logs/$what.rc"
		echo "[here] $what"
		cat "$logs/$what.log"
	done
} &
pids+=("$!")
for k in $KERNELS; do
	mapfile -t progs < <(progs_of "$k")
	plan "$k" "${progs[@]}"
done
run_guests -s
wait
for what in lint analyze; do
	ktap here $what "$(< "$logs/$what.rc")" "$logs/$what.log"
done
collect_results
run_again -s
finish_results
