#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Static checks, a KTAP line each: shellcheck, checkpatch --strict, man page,
# Python, the module with W=1 and sparse for each of $KERNELS and $BUILDS, the
# command for 32 bits, its own. A tool that is not there: SKIP.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
[ -n "${FTQOS_NO_INSTALL-}" ] || need lint || exit 1

# By itself it is done in a minute, so that not all are built for
: "${KERNELS:=6.1 6.12 newest}"
choose_kernels
# shellcheck disable=SC2086 # lists
{
	[ -n "${FTQOS_NO_INSTALL-}" ] || need_for $KERNELS $BUILDS || exit 1
	list=$(set -o pipefail; series $KERNELS 2> /dev/null) && KERNELS=$list
	list=$(set -o pipefail; series -b $BUILDS 2> /dev/null) && BUILDS=$list
}
# shellcheck source=selftests/checks.sh
. selftests/checks.sh

scripts()
{
	files '*.sh' .ci/run 'selftests/qemu/*' selftests/bench/insn \
		selftests/bench/bench selftests/bench/sequence selftests/fuzz/run \
		selftests/family/run
}

check_shell()
{
	local f sourced

	# Each is read together with those that it sources
	mapfile -t sourced < <(scripts | xargs -d '\n' \
		sed -n 's/^[[:space:]]*# shellcheck source=//p' | sort -u)
	scripts | sort -u | while read -r f; do
		case $(head -n 2 "$f" | tr '\n' ' ') in
		'#!/bin/bash'*|'#!/bin/sh'*|'# shellcheck shell='*) echo "$f" ;;
		esac
	done | each shellcheck \
		"$(shellcheck --version; cat "${sourced[@]}" 2> /dev/null)" 8 \
		shellcheck -x -P "$TREE"
}

# What does not hold for an out-of-tree module: versions, camel case of names
# that are not ours (struct Qdisc), arguments reused in initializers
ignore=LINUX_VERSION_CODE,FILE_PATH_CHANGES,CONST_STRUCT,CAMELCASE
ignore+=,MACRO_ARG_REUSE
# ... and for programs: what only the kernel's libraries have, negative errors
ignore_user=$ignore,PREFER_DEFINED_ATTRIBUTE_MACRO,USE_NEGATIVE_ERRNO,BIT_MACRO
ignore_user+=,STRCPY,STRNCPY,SSCANF_TO_KSTRTO,LONG_LINE_STRING
ignore_user+=,EMBEDDED_FUNCTION_NAME,PREFER_KERNEL_TYPES,CONSIDER_KSTRTO

# checkpatch IGNORE PATTERN...
checkpatch()
{
	local linux

	linux=$("$QEMU_DIR/kernel.sh" source) || return
	files "${@:2}" |
		each checkpatch "$1 $(cat "$linux/scripts/checkpatch.pl")" 8 \
		"$linux/scripts/checkpatch.pl" --no-tree --root="$TREE" --strict \
		--terse --show-types --quiet --file --no-summary --ignore "$1"
}

compile_python()
{
	local f

	for f in $(files '*.py'); do
		/usr/bin/python3 -c 'import ast, sys
ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$f" || return
	done
}

# The builds take longest: begin now, ask for the result below
if command -v sparse > /dev/null; then
	{
		for k in $KERNELS; do
			"$QEMU_DIR/module.sh" --strict "$k"
		done
		for k in $BUILDS; do
			"$QEMU_DIR/module.sh" --strict -b "$k"
		done
	} > /dev/null 2>&1 &
fi
if command -v shellcheck > /dev/null; then
	result "shellcheck" check_shell
else
	skip "shellcheck" "not installed"
fi
if command -v perl > /dev/null; then
	result "checkpatch of the module" \
		checkpatch "$ignore" 'kmod/*.[ch]' 'include/*.h' \
		'selftests/bench/floor/*.c' 'selftests/qemu/fault/*.c'
	result "checkpatch of the command" \
		checkpatch "$ignore_user" 'tools/*.[ch]' 'selftests/fuzz/*.[ch]' \
		'selftests/family/*.[ch]' \
		selftests/bench/sequence.c
else
	skip "checkpatch" "no perl"
fi
if [ -x /usr/bin/python3 ]; then
	result "Python syntax" compile_python
else
	skip "Python syntax" "no python3"
fi
# What they break moves, and "make mutants" is not run as often
apply_mutants()
{
	local bad=0 p

	for p in selftests/mutants/*.patch; do
		patch --dry-run -s -f -p1 < "$p" || {
			echo "$p"
			bad=1
		}
	done
	return "$bad"
}
result "mutants apply" apply_mutants
if /usr/bin/python3 -c 'import jsonschema, yaml' 2> /dev/null; then
	result "the uapi header is what its specification gives" \
		selftests/spec.sh
else
	skip "uapi header and specification" "no python3-jsonschema"
fi
# build KERNEL [-b]
build()
{
	if command -v sparse > /dev/null; then
		result "module builds for $1 without complaints of W=1 and sparse" \
			"$QEMU_DIR/module.sh" --strict "${@:2}" "$1"
	else
		skip "module with sparse for $1" "no sparse"
	fi
}

# window_has_lock KERNEL: the per-CPU window is more than a pointer where, with
# PREEMPT_RT, BH off does not keep others off the CPU; else it is not
window_has_lock()
{
	local kernel module needed=0 size

	kernel=$("$QEMU_DIR/kernel.sh" -b "$1") &&
		module=$("$QEMU_DIR/module.sh" --strict -b "$1") || return
	! grep -q '^# CONFIG_PREEMPT_RT_NEEDS_BH_LOCK is not set' \
		"$kernel/build/.config" || needed=1
	size=$(nm -S "$(dirname "$module")/path.o" |
		awk '$4 == "ftq_window" { print $2 }')
	echo "size of the window: 0x$size, needs a lock: $needed"
	[ -n "$size" ] && [ $((16#$size > 8)) = "$needed" ]
}

for k in $KERNELS; do
	build "$k"
done
for k in $BUILDS; do
	build "$k" -b
	[[ $k != *-rt ]] || ! command -v sparse > /dev/null ||
		result "... with a lock for the window where $k needs one" \
			window_has_lock "$k"
	[ "$k" != armhf ] ||
		result "command builds for $k without a warning" "$QEMU_DIR/tools.sh" "$k"
done
if grep -q '^lint:' tools/Makefile 2> /dev/null; then
	result "command: lint" make -s -C tools lint
fi
finish
