#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check: lint, the command's unit tests, all TEST_PROGS on each of
# $KERNELS (guests side by side). The last line is "N passed, N failed, N
# skipped"; a skip that selftests/expected-skips does not list is a failure.
# Logs are kept if something failed.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
need lint vm || exit 1
KERNELS=${KERNELS:-6.1 6.12}
export KERNELS

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
"$QEMU_DIR/base.sh" > /dev/null || exit 1
"$QEMU_DIR/kernel.sh" source > /dev/null || exit 1

echo "[here] lint"
selftests/lint.sh > "$logs/lint.log" 2>&1
rc=$?
cat "$logs/lint.log"
ktap here lint $rc "$logs/lint.log"

echo "[here] unit tests of the command"
make -s -C tools check > "$logs/unit.log" 2>&1
rc=$?
if grep -q -E '^(not )?ok' "$logs/unit.log"; then
	ktap here unit $rc "$logs/unit.log"
elif [ $rc = 0 ]; then
	printf 'ok\there\tunit\ttools check\n' >> "$logs/results"
else
	printf 'not ok\there\tunit\ttools check\n' >> "$logs/results"
fi
[ $rc = 0 ] || tail -n 40 "$logs/unit.log"

mapfile -t progs < <(make -s -C selftests list | tr ' ' '\n')
make -s -C tools all > "$logs/tools.log" 2>&1
for k in $KERNELS; do
	selftests/qemu/run -q -s -k "$k" -o "$logs/$k" "${progs[@]}" 2>&1 |
		tee "$logs/run-$k.log" &
	pids+=("$!")
done
wait
for k in $KERNELS; do
	if [ -s "$logs/$k/results" ]; then
		cat "$logs/$k/results" >> "$logs/results"
	else
		printf 'not ok\t%s\trun\tthe guest did not start\n' "$k" \
			>> "$logs/results"
	fi
done

# Skips that nobody expects
awk -F '\t' -v OFS='\t' -v list=selftests/expected-skips '
	BEGIN {
		while ((getline line < list) > 0) {
			if (line ~ /^ *(#|$)/)
				continue
			sub(/ +# .*/, "", line)
			n++
			prog[n] = line
			sub(/ .*/, "", prog[n])
			sub(/^[^ ]+ +/, "", line)
			re[n] = line
		}
	}
	$1 == "skip" {
		for (i = 1; i <= n; i++)
			if ($3 == prog[i] && $4 ~ re[i])
				break
		if (i > n) {
			$1 = "not ok"
			$4 = "unexpected skip: " $4
		}
	}
	{ print }' "$logs/results" > "$logs/final"

passed=$(grep -c '^ok' "$logs/final")
failed=$(grep -c '^not ok' "$logs/final")
skipped=$(grep -c '^skip' "$logs/final")
if [ "$failed" -gt 0 ]; then
	echo
	sed -n 's/\t/ /g; /^not ok/p' "$logs/final"
	echo "logs: $logs"
else
	rm -rf "$logs"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
