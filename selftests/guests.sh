# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Scripts in many guests, and what becomes of their results; sourced, after
# qemu/common.sh, by those who say which.
#
#	plan KERNEL SCRIPT...	to be run there
#	plan_one KERNEL LIMIT SCRIPT ARGUMENT...	in a guest of its own
#	run_guests [OPTION...]	runs them, two guests side by side; options of qemu/run
#	collect_results		after wait
#	run_again [OPTION...]	a few that failed, with nothing beside them; what a kernel that
#				looks for mistakes has seen once stays
#	finish_results		the failures, and the count, which is the last line

# More than so many scripts do not fail because the machine is busy
max_again=5
logs=$(mktemp -d "${TMPDIR:-/tmp}/ftqos-check.XXXXXX")
pids=()
todo=()
second=0
again=
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

# plan KERNEL SCRIPT...: many scripts are run in two parts, of two guests, for which two
# cores are enough
plan()
{
	local i k=$1 part parts progs=("${@:2}") some

	parts=$((${#progs[@]} < 5 ? 1 : 2))
	for ((part = 0; part < parts; part++)); do
		some=()
		for ((i = part; i < ${#progs[@]}; i += parts)); do
			some+=("${progs[i]}")
		done
		todo+=("${#some[@]} $k $part ${some[*]}")
	done
}

# plan_one KERNEL LIMIT SCRIPT ARGUMENT...: in a guest that begins before those of plan
plan_one()
{
	todo+=("99 $1 ${3%.sh} -t $2 -- ${*:3}")
}

# wait_turn: until less than two jobs run
wait_turn()
{
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
}

# run_guests [OPTION...]: what takes longest comes first, so that no core is idle at the
# end; returns when the last ones have begun
run_guests()
{
	local k part scripts

	while read -r _ k part scripts; do
		wait_turn
		# shellcheck disable=SC2086 # a list
		selftests/qemu/run -q "$@" -k "$k" -o "$logs/$k.$part" $scripts \
			2>&1 < /dev/null | tee "$logs/run-$k.$part.log" &
		pids+=("$!")
	done < <(printf '%s\n' "${todo[@]}" | sort -s -n -r -k 1,1)
}

collect_results()
{
	local k part

	while read -r _ k part _; do
		if [ -s "$logs/$k.$part/results" ]; then
			cat "$logs/$k.$part/results" >> "$logs/results"
		else
			printf 'not ok\t%s\trun\tthe guest did not start\n' "$k" \
				>> "$logs/results"
		fi
	done < <(printf '%s\n' "${todo[@]}")
}

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

# counts_again KERNEL: does the second result count? What passes by itself on a stock kernel
# failed because the machine was busy. A race or a window that one of those that look for
# mistakes came upon does as well, and is what they are run for: there the second result only
# helps to tell which it was.
counts_again()
{
	[[ $1 != debug-* && $1 != kcsan-* ]]
}

# merge_again KERNEL SCRIPT RESULTS AGAIN: RESULTS, the script's being those of AGAIN; if these
# do not count its own, and what failed in AGAIN in addition
merge_again()
{
	if counts_again "$1"; then
		awk -F '\t' -v k="$1" -v p="$2" '$2 != k || $3 != p' "$3"
		cat "$4"
	else
		cat "$3"
		grep '^not ok' "$4" | grep -v -x -F -f "$3"
	fi
}

run_again()
{
	local k options p what

	again=$(awk -v max=$max_again -v long="${stress:+1}" -f "$QEMU_DIR/again.awk" "$logs/results")
	while read -r k p; do
		[ -n "$p" ] || continue
		what="which is what counts"
		counts_again "$k" || what="which has failed all the same"
		echo "[$k] $p again, $what; it said"
		why "$k" "$p"
		mapfile -t options < <(seed "$k" "$p" | tr ' ' '\n')
		selftests/qemu/run -q "$@" -k "$k" "${options[@]}" \
			-o "$logs/$k.again.$p" "$p" < /dev/null
		[ -s "$logs/$k.again.$p/results" ] || continue
		merge_again "$k" "$p" "$logs/results" "$logs/$k.again.$p/results" \
			> "$logs/merged"
		mv "$logs/merged" "$logs/results"
		second=$((second + 1))
	done <<< "$again"
}

# finish_results: returns 0 if nothing failed. Skips that nobody expects are failures.
finish_results()
{
	local failed k p passed skipped

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
}
