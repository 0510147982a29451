#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check: lint, the command's unit tests, a short run of the fuzzers and harness.sh,
# all TEST_PROGS on each of $KERNELS (two guests side by side), on some only those of
# another list of the Makefile, on kernels of our own what stock ones cannot run. The last
# line is "N passed, N failed, N skipped"; a skip that selftests/expected-skips does not
# list is a failure. A few scripts that failed are run a second time, with nothing beside
# them: that result counts, and the first one is shown. Logs are kept if something failed
# at any time.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
need lint vm fuzz || exit 1
choose_kernels
# shellcheck disable=SC2086 # lists
{
	need_for $KERNELS $BUILDS || exit 1
	KERNELS=$(set -o pipefail; series $KERNELS) || exit 1
	BUILDS=$(set -o pipefail; series -b $BUILDS) || exit 1
}

# More than so many scripts do not fail because the machine is busy
max_again=5
logs=$(mktemp -d "${TMPDIR:-/tmp}/ftqos-check.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; exit 130' INT TERM
: > "$logs/results"

# ktap KERNEL SCRIPT STATUS LOG: results of something that ran here
ktap()
{
	{
		echo "# ftqos: begin $2"
		cat "$4"
		grep -q '^1\.\.' "$4" ||
			echo "1..$(grep -c -E '^(not )?ok' "$4")"
		echo "# ftqos: end $2 $3 0"
		echo "# ftqos: done 1"
	} | awk -v k="$1" -v n=1 -f "$QEMU_DIR/results.awk" >> "$logs/results"
}

for k in $KERNELS; do
	dir=$("$QEMU_DIR/kernel.sh" "$k") || exit 1
	echo "[$k] $(head -n 1 "$dir/packages")"
done
for k in $BUILDS; do
	dir=$("$QEMU_DIR/kernel.sh" -b "$k") || exit 1
	echo "[$k] $(head -n 1 "$dir/packages"), built for only"
done
"$QEMU_DIR/base.sh" > /dev/null || exit 1
"$QEMU_DIR/kernel.sh" source > /dev/null || exit 1

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
# Lint is mostly the compiler, for each kernel. It and guests side by side, no more than
# two, for whom two cores are enough. Many scripts of a kernel are run in two parts, and
# what takes longest comes first, so that no core is idle at the end.
{
	selftests/lint.sh > "$logs/lint.log" 2>&1
	echo $? > "$logs/lint.rc"
	echo "[here] lint"
	cat "$logs/lint.log"
} &
pids+=("$!")
todo=$(for k in $KERNELS; do
	mapfile -t progs < <(progs_of "$k")
	parts=$((${#progs[@]} < 5 ? 1 : 2))
	for ((part = 0; part < parts; part++)); do
		some=()
		for ((i = part; i < ${#progs[@]}; i += parts)); do
			some+=("${progs[i]}")
		done
		echo "${#some[@]} $k $part ${some[*]}"
	done
done | sort -s -n -r -k 1,1)
while read -r _ k part scripts; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	# shellcheck disable=SC2086 # a list
	selftests/qemu/run -q -s -k "$k" -o "$logs/$k.$part" $scripts 2>&1 \
		< /dev/null | tee "$logs/run-$k.$part.log" &
	pids+=("$!")
done <<< "$todo"
wait
ktap here lint "$(< "$logs/lint.rc")" "$logs/lint.log"
while read -r _ k part _; do
	if [ -s "$logs/$k.$part/results" ]; then
		cat "$logs/$k.$part/results" >> "$logs/results"
	else
		printf 'not ok\t%s\trun\tthe guest did not start\n' "$k" >> "$logs/results"
	fi
done <<< "$todo"

# why KERNEL SCRIPT NAME: what the tests that failed had to say
why()
{
	cat "$logs/$1".*/ktap.log | awk -v begin="# ftqos: begin ./$2" '
		/^# ftqos: / { on = index($0, begin) == 1; next }
		/^(not )?ok/ { bad = /^not/ && ++n <= 8; lines = 0 }
		on && bad && ++lines <= 12 { print "    " $0 }'
}

# seed KERNEL SCRIPT: -e FTQOS_SEED=N if it noted one, so that it draws the same again
seed()
{
	cat "$logs/$1".*/ktap.log | awk -v begin="# ftqos: begin ./$2" '
		/^# ftqos: / { on = index($0, begin) == 1; next }
		on && /^# FTQOS_SEED=[0-9]+$/ { print "-e " $2; exit }'
}

again=$(awk -v max=$max_again -f "$QEMU_DIR/again.awk" "$logs/results")
second=0
while read -r k p; do
	[ -n "$p" ] || continue
	echo "[$k] $p again, which is what counts; it said"
	why "$k" "$p"
	mapfile -t options < <(seed "$k" "$p" | tr ' ' '\n')
	selftests/qemu/run -q -s -k "$k" "${options[@]}" -o "$logs/$k.again.$p" "$p" \
		< /dev/null
	[ -s "$logs/$k.again.$p/results" ] || continue
	awk -F '\t' -v k="$k" -v p="$p" '$2 != k || $3 != p' "$logs/results" > "$logs/kept"
	cat "$logs/kept" "$logs/$k.again.$p/results" > "$logs/results"
	second=$((second + 1))
done <<< "$again"

# Skips that nobody expects
awk -v list=selftests/expected-skips -f "$QEMU_DIR/skips.awk" "$logs/results" \
	> "$logs/final"

passed=$(grep -c '^ok' "$logs/final")
failed=$(grep -c '^not ok' "$logs/final")
skipped=$(grep -c '^skip' "$logs/final")
if [ "$failed" -gt 0 ]; then
	echo
	sed -n 's/\t/ /g; /^not ok/p' "$logs/final"
	awk -F '\t' '$1 == "not ok" && $3 ~ /\.sh$/ { print $2, $3 }' \
		"$logs/final" | sort -u | grep -v '^here ' | head -n 20 |
		grep -v -x -F "${again:-none}" |
		while read -r k p; do
			echo "[$k] $p:"
			why "$k" "$p"
		done
fi
if [ "$failed" -gt 0 ] || [ "$second" -gt 0 ]; then
	echo "logs: $logs"
else
	rm -rf "$logs"
fi
[ "$second" = 0 ] || echo "$second scripts were run twice, see above"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
