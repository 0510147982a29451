# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts with static checks share: results in KTAP, which files there are,
# those that have passed before. Sourced after qemu/common.sh, in $TREE, never run.

n=0
bad=0
out=$(mktemp)
todo=$(mktemp)
trap 'rm -f "$out" "$todo"* .checkpatch-camelcase.*' EXIT

# result NAME COMMAND...
result()
{
	local name=$1

	shift
	n=$((n + 1))
	if "$@" > "$out" 2>&1; then
		echo "ok $n $name"
	else
		echo "not ok $n $name"
		sed 's/^/#   /' "$out"
		bad=1
	fi
}

skip()
{
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

# files PATTERN...: committed or new, not ignored and not deleted
files()
{
	local f

	{
		git ls-files -co --exclude-standard -- "$@" 2> /dev/null ||
			{
				for f; do
					find . -path "./$f" ! -path '*/build/*'
				done
			}
	} | sort -u | while read -r f; do
		[ -f "$f" ] && [[ $f != *.mod.c ]] && echo "${f#./}"
	done
}

# each CHECK WITH N COMMAND...: run the command on the files that are read, a line each, N
# at a time, on all CPUs. Those that have passed as they are, with the same WITH (what
# else the check depends on), are not looked at again: all of them take a minute.
each()
{
	local known=$CACHE/lint/$1 with n=$3

	with=$(sha256sum <<< "$2" | cut -c1-16)
	shift 3
	mkdir -p "$CACHE/lint"
	touch "$known"
	xargs -r -d '\n' sha256sum -- | sed "s/^/$with /" |
		grep -v -x -F -f "$known" > "$todo"
	cut -d ' ' -f 4- "$todo" |
		xargs -r -d '\n' -n "$n" -P "$(nproc)" "$@" || return
	sort -u "$known" "$todo" > "$todo.known"
	mv "$todo.known" "$known"
}

# once CHECK WITH COMMAND...: run the command, if it has not passed with the same WITH
once()
{
	local known=$CACHE/lint/$1 with

	with=$(sha256sum <<< "$2" | cut -c1-16)
	shift 2
	mkdir -p "$CACHE/lint"
	! grep -q -x "$with" "$known" 2> /dev/null || return 0
	"$@" && echo "$with" >> "$known"
}

# finish: the plan; ends with 1 if a check failed
finish()
{
	echo "1..$n"
	exit $bad
}
