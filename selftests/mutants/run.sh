#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make mutants: break the code in known ways, one patch at a time, and demand
# that the test named in the patch fails. A patch starts with
#
#	Test: SCRIPT
#	Name: REGEX of the test's name
#	Kernel: 6.1
#
# "Test: fuzz NAME" is a short run of that fuzzer, "Test: analyze NAME" that check of
# analyze.sh; these need no kernel. "Test: faults KERNEL FAULT" is that of qemu/fault/run,
# "Test: sequence" a short make sequence. "Test: build module" and "Test: build command"
# build these for Kernel; a complaint is what fails.
#
# Arguments: the patches to try (default: all). A line for each, then a count.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
cd "$TREE/selftests/mutants" || exit 1
need vm || exit 1

work=$(mktemp -d "${TMPDIR:-/tmp}/ftqos-mutants.XXXXXX")
trap 'rm -rf "$work"' EXIT
killed=0
survived=0
[ $# -gt 0 ] || set -- *.patch

head_of()
{
	sed -n "/^---/q; s/^$2: *//p" "$1" | head -n 1
}

# guest KERNEL SCRIPT REGEX: runs the script there, as far as a test of such a name fails,
# which it prints. Ends with 1 if none did.
guest()
{
	local found=1 line log=$work/log/ktap.log run

	mkdir "$work/log"
	: > "$log"
	# All its processes are a group, to be ended as one
	FTQOS_TREE=$work/tree setsid "$QEMU_DIR/run" -q -k "$1" -o "$work/log" "$2" \
		> "$work/run.log" 2>&1 < /dev/null &
	run=$!
	trap 'kill -- -"$run" 2> /dev/null; exit 130' INT TERM
	while read -r line; do
		[[ $line =~ ^not\ ok\ [0-9]+\ (.*) ]] || continue
		line=${BASH_REMATCH[1]}
		[[ $line =~ $3 ]] || continue
		echo "$line"
		found=0
		kill -- -"$run" 2> /dev/null
		break
	done < <(tail -n +1 -s 0.3 --pid="$run" -f "$log" 2> /dev/null)
	wait "$run" 2> /dev/null
	return $found
}

# here COMMAND ARGUMENTS...: of selftests, which prints KTAP and needs no guest
here()
{
	mkdir "$work/log"
	"$work/tree/selftests/$1" "${@:2}" > "$work/run.log" 2>&1
	sed -n -E "s/^(ok|not ok) [0-9]+ /\1\there\t${1%%[.\/]*}\t/p" "$work/run.log" \
		> "$work/log/results"
}

# build module|command KERNEL
build()
{
	local how=(module.sh --strict -b)

	[ "$1" = module ] || how=(tools.sh)
	mkdir "$work/log"
	if FTQOS_TREE=$work/tree "$QEMU_DIR/${how[0]}" "${how[@]:1}" "$2" \
		> "$work/run.log" 2>&1; then
		printf 'ok\there\tbuild\t%s\n' "$1"
	else
		sed 's/^/not ok\there\tbuild\t/' "$work/run.log"
	fi > "$work/log/results"
}

# try PATCH: prints what became of it, ends with 0 if the test noticed
try()
{
	local kernel name noticed script

	script=$(head_of "$1" Test)
	name=$(head_of "$1" Name)
	kernel=$(head_of "$1" Kernel)
	rm -rf "$work/tree" "$work/log"
	mkdir "$work/tree"
	tar -C "$TREE" -c --exclude=.git --exclude='*.o' --exclude='*.ko' . |
		tar -C "$work/tree" -x
	if [ -z "$script" ] || [ -z "$name" ]; then
		echo "no Test: or Name: line"
		return 1
	fi
	patch -s -f -d "$work/tree" -p1 < "$1" > "$work/patch.log" 2>&1 || {
		echo "does not apply"
		return 1
	}
	# shellcheck disable=SC2086 # that of faults is two words
	case $script in
	'build '*) build "${script#build }" "$kernel" ;;
	sequence)
		PACKETS=1000000 "$work/tree/selftests/bench/sequence" -o "$work/log" \
			> "$work/run.log" 2>&1 ;;
	'fuzz '*) here fuzz/run -s "${script#fuzz }" ;;
	'faults '*) here qemu/fault/run ${script#faults } ;;
	'analyze '*) here analyze.sh "${script#analyze }" ;;
	*)	noticed=$(guest "${kernel:-6.1}" "$script" "$name") && {
			echo "killed by $script: $noticed"
			return
		}
		;;
	esac
	if [ ! -s "$work/log/results" ]; then
		echo "does not build or run"
		return 1
	fi
	grep '^not ok' "$work/log/results" > "$work/failed" || {
		echo "SURVIVED, $script passed"
		return 1
	}
	cut -f4 "$work/failed" | grep -q -E "$name" || {
		echo "SURVIVED, other tests failed:" \
			"$(cut -f4 "$work/failed" | head -n 1)"
		return 1
	}
	echo "killed by $script: $(cut -f4 "$work/failed" |
		grep -E -m 1 "$name")"
}

for p; do
	if [ ! -e "$p" ]; then
		survived=$((survived + 1))
		echo "$p: not in selftests/mutants"
		continue
	fi
	if what=$(try "$p"); then
		killed=$((killed + 1))
	else
		survived=$((survived + 1))
	fi
	echo "$(basename "$p" .patch): $what"
done
echo "$killed killed, $survived survived"
[ "$survived" = 0 ]
